"""Charts as SVG, drawn here and coloured by the stylesheet.

The content policy allows no style or script within a page, and a chart shall look right in light
and dark: what pygal draws is stripped to its shapes, and `static/css/components/chart.css` does
the rest. Series differ by a pattern too, not by colour alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from xml.etree import ElementTree as ET

from markupsafe import Markup

WIDTH = 928
MOST_LABELS = 12
HREF = "{http://www.w3.org/1999/xlink}href"
DROPPED = {"style", "script", "defs", "desc", "title"}
EMPTY_LAYERS = ("titles", "overlay", "text-overlay", "tooltip-overlay")
NUMBER = re.compile(r"-?\d+\.\d+")
PATTERNED = 1  # the series that is drawn with stripes: the second


@dataclass(frozen=True, slots=True)
class Bar:
    """One value: where a click leads, and what the pointer is told."""

    value: float
    path: str
    told: str


@dataclass(frozen=True, slots=True)
class Series:
    """Bars of one kind, one for each label of the chart."""

    name: str
    bars: tuple[Bar, ...]


@lru_cache(maxsize=128)
def columns(name: str, labels: tuple[str, ...], series: tuple[Series, ...]) -> Markup:
    """Upright bars side by side, over time. *name* makes ids unique on the page."""
    return _drawn(name, "Bar", labels, series, height=240)


@lru_cache(maxsize=128)
def shares(name: str, labels: tuple[str, ...], series: tuple[Series, ...]) -> Markup:
    """Lying bars, the series stacked, up to 100 percent."""
    height = 40 + 44 * len(labels)
    return _drawn(
        name,
        "HorizontalStackedBar",
        tuple(reversed(labels)),
        tuple(Series(one.name, one.bars[::-1]) for one in series),
        height=height,
        range=(0, 100),
        value_formatter=lambda share: f"{share:.0f} %",
    )


@cache
def _pygal() -> Any:
    """The library, in the processes that draw: it takes six megabytes."""
    import pygal

    # It hooks into all imports for maps, which nobody here has, and Python warns about such hooks.
    sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__module__ != "pygal"]
    return pygal


def _drawn(
    name: str,
    kind: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    height: int,
    **options: Any,
) -> Markup:
    chart = getattr(_pygal(), kind)(
        js=(),
        css=(),
        no_prefix=True,
        width=WIDTH,
        height=height,
        margin=4,
        spacing=8,
        show_legend=False,
        print_values=False,
        truncate_label=-1,
        x_label_rotation=0,
        show_minor_x_labels=len(labels) <= MOST_LABELS,
        no_data_text="",
        **({"value_formatter": lambda value: f"{value:,.0f}", "min_scale": 3} | options),
    )
    chart.x_labels = list(labels)
    if len(labels) > MOST_LABELS:
        every = -(-len(labels) // MOST_LABELS)
        chart.x_labels_major = list(labels[::every])
    for one in series:
        chart.add(one.name, [{"value": b.value, "xlink": {"href": b.path}} for b in one.bars])
    return _cleaned(chart.render_tree(), name, [bar.told for one in series for bar in one.bars])


def _cleaned(root: Any, name: str, told: list[str]) -> Markup:
    """The shapes alone, with native tooltips; screen readers read the table instead."""
    stripes = f"stripes-{name}"
    for parent in list(root.iter()):
        for child in list(parent):
            layers = (child.get("class") or "").split()
            is_empty = any(layer in layers for layer in EMPTY_LAYERS)
            if not isinstance(child.tag, str) or child.tag in DROPPED or is_empty:
                parent.remove(child)
    titles = iter(told)
    for element in root.iter():
        element.attrib.pop("style", None)
        for key, value in element.attrib.items():
            element.set(key, NUMBER.sub(_rounded, value))
        if element.tag == "a":
            element.set("href", element.attrib.pop(HREF))
            element.attrib.pop("target", None)
            element.set("tabindex", "-1")
            title = ET.SubElement(element, "title")
            title.text = next(titles)
    _add_stripes(root, stripes)
    for key in ("id", "width", "height"):
        root.attrib.pop(key, None)
    root.set("class", "chart")
    root.set("aria-hidden", "true")
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704  (ElementTree has escaped all that was given)


def _add_stripes(root: Any, stripes: str) -> None:
    pattern = ET.Element(
        "pattern",
        {
            "id": stripes,
            "width": "6",
            "height": "6",
            "patternUnits": "userSpaceOnUse",
            "patternTransform": "rotate(45)",
        },
    )
    ET.SubElement(pattern, "rect", {"width": "6", "height": "6", "class": "ground"})
    ET.SubElement(pattern, "rect", {"width": "3", "height": "6", "class": "stripe"})
    root.insert(0, pattern)
    for group in root.iter("g"):
        if f"serie-{PATTERNED}" in (group.get("class") or "").split():
            for rect in group.iter("rect"):
                rect.set("fill", f"url(#{stripes})")


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")
