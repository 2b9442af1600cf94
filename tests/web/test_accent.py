"""The admin's colour: readable whatever it is, and on every page at once."""

from __future__ import annotations

import colorsys
import math
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.db import db
from app.core.settings_store import change_setting
from app.web.accent import chroma_and_hue, shades


def luminance(words: str) -> float:
    """Relative luminance (WCAG 2) of ``oklch(l c h)``, out of the gamut cut off as browsers do."""
    lightness, chroma, hue = (float(part) for part in re.findall(r"[\d.]+", words))
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    rgb = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    red, green, blue = (min(max(part, 0.0), 1.0) for part in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_keeps_its_contrast_in_every_colour() -> None:
    page = {"light": "oklch(0.985 0 0)", "dark": "oklch(0.205 0 0)"}
    for step in range(72):
        rgb = colorsys.hsv_to_rgb(step / 72, 1, (step % 3 + 1) / 3)
        css = shades("#" + "".join(f"{round(part * 255):02x}" for part in rgb))
        found = dict(re.findall(r"--([a-z-]+): light-dark\((.*?\)), oklch", css))
        dark = dict(re.findall(r"--([a-z-]+): light-dark\(.*?\), (oklch\(.*?\))\)", css))
        for name, theme in (("light", found), ("dark", dark)):
            assert contrast(theme["accent"], theme["on-accent"]) >= 4.5, (step, name)
            assert contrast(theme["accent-ink"], page[name]) >= 4.5, (step, name)
            assert contrast(theme["accent-hover"], theme["on-accent"]) >= 4.5, (step, name)


def test_hue_and_chroma_are_those_of_the_colour() -> None:
    # As browsers compute them: oklch(from red l c h) and so on.
    for color, chroma, hue in (("#ff0000", 0.258, 29), ("#0000ff", 0.313, 264), ("#808080", 0, 0)):
        found = chroma_and_hue(color)
        assert found[0] == pytest.approx(chroma, abs=0.001)
        assert chroma == 0 or round(found[1]) == hue


def test_the_name_and_the_colour_stand_on_every_page(app: Flask, client: FlaskClient) -> None:
    assert "/accent/" not in client.get("/login").text
    change_setting("site_name", "Ovens & Sons")
    change_setting("accent", "#b0203a")
    db.session.commit()
    for path in ("/login", "/", "/tickets/new", "/no-such-page"):
        text = client.get(path).text
        assert "Ovens &amp; Sons" in text, path
        assert '<link rel="stylesheet" href="/accent/b0203a.css">' in text, path
    answer = client.get("/accent/b0203a.css")
    assert answer.content_type == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["Cache-Control"]
    assert client.get("/accent/red;}.css").status_code == 404
