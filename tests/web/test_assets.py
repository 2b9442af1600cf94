"""Stylesheet, script, sprite and fonts as the browser gets them."""

import gzip
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.desk.ticket_page import ICONS
from app.search.counts import BUILT_IN
from app.web import assets

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(
    path
    for path in (ROOT / "templates").rglob("*.html")
    if path.relative_to(ROOT).parts[1] != "email"  # mails carry their style with them
)


@pytest.fixture(scope="module")
def built() -> dict[str, assets.Asset]:
    return assets.build(ROOT / "static")


def url(app: Flask, name: str) -> str:
    return str(app.jinja_env.globals["asset_url"](name))  # type: ignore[operator]


def test_an_asset_may_be_kept_for_ever_because_its_address_changes_with_it(
    app: Flask, client: FlaskClient
) -> None:
    answer = client.get(url(app, "app.css"))
    assert answer.status_code == 200
    assert answer.mimetype == "text/css"
    assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/assets/000000000000/app.css", "/assets/x/../app.css"])
def test_another_version_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_browser_that_takes_gzip_gets_it(app: Flask, client: FlaskClient) -> None:
    plain = client.get(url(app, "app.js"))
    packed = client.get(url(app, "app.js"), headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert "Accept-Encoding" in plain.headers["Vary"]


def test_fonts_are_found_from_the_stylesheet(app: Flask, client: FlaskClient) -> None:
    css = client.get(url(app, "app.css")).text
    fonts = re.findall(r"url\(([^)]+)\)", css)
    assert fonts
    for font in fonts:
        assert client.get(font).mimetype == "font/woff2"


def test_the_order_of_layers_comes_first(built: dict[str, assets.Asset]) -> None:
    assert built["app.css"].body.lstrip().startswith(b"@layer reset, tokens, base")


def test_styles_and_scripts_stay_within_their_budget(built: dict[str, assets.Asset]) -> None:
    """LOOK: all styles under 20 kB; with htmx, scripts and a page under 60 kB, compressed."""
    sizes = {name: len(asset.packed or b"") for name, asset in built.items()}
    assert sizes["app.css"] <= 20_000
    assert sizes["app.css"] + sizes["app.js"] + sizes["htmx.js"] <= 45_000


def test_nothing_comes_from_another_host(built: dict[str, assets.Asset]) -> None:
    for name in ("app.css", "app.js", "icons.svg"):
        hosts = set(re.findall(rb"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", built[name].body))
        assert hosts <= {b"http://www.w3.org"}


ICON = re.compile(r"""(?<!\| )icon\("([\w-]+)"|"([\w-]+)" \| icon|icons \}\}#([\w-]+)""")


def test_every_icon_that_a_template_names_is_in_the_sprite(built: dict[str, assets.Asset]) -> None:
    sprite = set(re.findall(r'<symbol id="([^"]+)"', built["icons.svg"].body.decode()))
    named = {
        name
        for path in TEMPLATES
        for names in ICON.findall(path.read_text("utf-8"))
        for name in names
        if name and not name.endswith("-")
    }
    assert named
    named |= {view.icon for view in BUILT_IN} | set(ICONS.values())
    assert named <= sprite


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_inline_style_or_script(path: Path) -> None:
    """The content policy would block them."""
    html = path.read_text("utf-8")
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|hx-on|javascript:|js:", html)
    assert not re.search(r"<script(?![^>]*\ssrc=)", html)
