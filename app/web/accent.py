"""The desk's own colour: an admin gives one, and all shades that the pages use come from it.

Only its hue and its strength are taken. Lightness stays as in tokens.css, so that text keeps its
contrast whatever is chosen, in light and dark.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from flask import Blueprint, Response, abort

from app.web.assets import FOREVER

bp = Blueprint("accent", __name__)

HEX = re.compile(r"#[0-9a-f]{6}")
STRONGEST = 0.13  # more chroma than that is not to be had in every hue at these lightnesses
# Names of tokens.css, and for light and dark: lightness, and chroma as a part of the colour's.
SHADES = {
    "accent": ((0.46, 1.0), (0.74, 1.0)),
    "accent-hover": ((0.40, 0.9), (0.80, 0.95)),
    "accent-ink": ((0.43, 0.95), (0.81, 0.9)),
    "on-accent": ((1.0, 0.0), (0.20, 0.35)),
    "accent-tint": ((0.976, 0.1), (0.242, 0.2)),
    "accent-pick": ((0.957, 0.16), (0.262, 0.28)),
    "accent-line": ((0.89, 0.32), (0.37, 0.5)),
}


@bp.get("/accent/<text>.css")
def stylesheet(text: str) -> Response:
    """The shades of a colour (six hexadecimal digits); public, and the same for ever."""
    if not HEX.fullmatch(f"#{text}"):
        abort(404)
    response = Response(shades(f"#{text}"), content_type="text/css; charset=utf-8")
    response.headers["Cache-Control"] = FOREVER
    return response


stylesheet.access = "everyone"  # type: ignore[attr-defined]


def address(color: str) -> str:
    """Of the stylesheet of *color*, "" where none is set."""
    return f"/accent/{color[1:]}.css" if HEX.fullmatch(color) else ""


@lru_cache(maxsize=16)
def shades(color: str) -> str:
    """CSS for ``#rrggbb``: the tokens of the accent."""
    chroma, hue = chroma_and_hue(color)
    chroma = min(chroma, STRONGEST)

    def one(shade: tuple[float, float]) -> str:
        return f"oklch({shade[0]:g} {chroma * shade[1]:.3f} {hue:.0f})"

    lines = (
        f"--{name}: light-dark({one(light)}, {one(dark)});"
        for name, (light, dark) in SHADES.items()
    )
    return f"@layer tokens {{ :root {{ {' '.join(lines)} }} }}\n"


def chroma_and_hue(color: str) -> tuple[float, float]:
    """Of ``#rrggbb`` in OKLCH (Björn Ottosson's matrices, as in CSS Color 4); hue in degrees."""
    r, g, b = (_linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    long = math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    medium = math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    short = math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    green_red = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    blue_yellow = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return math.hypot(green_red, blue_yellow), math.degrees(
        math.atan2(blue_yellow, green_red)
    ) % 360


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
