"""What is left of foreign style: classes of our own style sheet (pure).

"My answers are in red" keeps its meaning, in dark mode too, and nothing else gets through.
"""

from __future__ import annotations

import re

INKS = ("red", "orange", "green", "blue", "violet")
CLASSES = {*(f"ink-{ink}" for ink in INKS), "marked", "bold", "italic", "struck", "underlined"}
_declaration = re.compile(
    r"(?:^|[;\s])(color|background(?:-color)?|font-weight|font-style|text-decoration(?:-line)?)"
    r"\s{0,9}:\s{0,9}([^;]{1,60})",
    re.IGNORECASE,
)
_rgb = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})\b|rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})")
_NAMED = {
    name: ink
    for ink, names in {
        "red": ("red", "crimson", "darkred", "firebrick", "maroon"),
        "orange": ("orange", "darkorange", "yellow", "gold"),
        "green": ("green", "darkgreen", "lime", "seagreen"),
        "blue": ("blue", "darkblue", "royalblue", "navy"),
        "violet": ("purple", "magenta", "fuchsia", "violet"),
    }.items()
    for name in names
}
SATURATED = 90  # of 255: less is a grey that only suits its own background


def ink(value: str) -> str:
    """The nearest of `INKS` to a colour that stands out, or the empty string."""
    value = value.strip().lower()
    if named := _NAMED.get(value.split(" ")[0]):
        return named
    found = _rgb.match(value)
    if not found:
        return ""
    if found[1]:
        digits = found[1] if len(found[1]) == 6 else "".join(c * 2 for c in found[1])
        parts = [int(digits[i : i + 2], 16) for i in (0, 2, 4)]
    else:
        parts = [min(255, int(part)) for part in found.groups()[1:]]
    red, green, blue = parts
    high, low = max(parts), min(parts)
    if high - low < SATURATED:
        return ""
    if high == red:
        if blue > green:
            return "violet" if blue - low > (high - low) / 2 else "red"
        return "orange" if green - low > (high - low) / 3 else "red"
    if high == green:
        return "green"
    return "violet" if red - low > (high - low) / 3 else "blue"


def classes_of(style: str) -> str:
    """Our classes for a foreign ``style``, in a fixed order; the empty string for none."""
    found: set[str] = set()
    for name, value in _declaration.findall(style[:2_000]):
        name, value = name.lower(), value.strip().lower()
        if name == "color":
            found.add(f"ink-{ink(value)}")
        elif name.startswith("background"):
            found.add("marked" if ink(value) else "")
        elif name == "font-weight":
            found.add("bold" if value.startswith(("bold", "6", "7", "8", "9")) else "")
        elif name == "font-style":
            found.add("italic" if value.startswith(("italic", "oblique")) else "")
        else:
            found.add("struck" if "line-through" in value else "")
            found.add("underlined" if "underline" in value else "")
    return " ".join(sorted(found & CLASSES))
