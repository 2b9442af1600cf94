"""Stylesheets, scripts, icons and fonts: put together at start, served under their content's hash.

Many small files read well and load badly, so the browser gets one stylesheet, one script and one
sprite. Their addresses change with their content, which lets browsers keep them for ever.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, request
from markupsafe import Markup

bp = Blueprint("assets", __name__, url_prefix="/assets")

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One served file; ``packed`` is its gzip form, None where that saves nothing (fonts)."""

    body: bytes
    packed: bytes | None
    mimetype: str
    version: str


def init_app(app: Flask, folder: Path | None = None) -> None:
    """Build the assets of *folder* (default: the app's static folder) and serve them.

    Adds the Jinja globals ``asset_url(name)``, ``icons`` (the address of the sprite) and
    ``icon(name, kind)`` with a Lucide name of icons.txt or a glyph of glyphs.svg; *kind* is
    ``small`` or ``turn`` (mirrored where text runs from right to left). Both are filters, too:
    ``"plus" | icon`` costs nothing when the page is rendered.

    Raises:
        RuntimeError: the set-up has not yet copied the front-end packages to vendor/.
    """
    folder = folder or Path(app.static_folder or "static")
    assets = build(folder)
    app.extensions["assets"] = assets
    app.register_blueprint(bp)
    urls = {name: _url(name, asset) for name, asset in assets.items()}
    app.jinja_env.globals["asset_url"] = urls.__getitem__
    sprite = urls["icons.svg"]

    @lru_cache(maxsize=512)
    def icon(name: str, kind: str = "") -> Markup:
        """One symbol of the sprite; a page shows dozens, so each is made once."""
        return Markup('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>').format(
            kind, sprite, name
        )

    app.jinja_env.globals["icons"] = sprite
    app.jinja_env.globals["icon"] = icon
    # As filters of a constant they are worked out once, when Jinja compiles the template.
    app.jinja_env.filters.update(icon=icon, asset_url=urls.__getitem__)


def build(folder: Path) -> dict[str, Asset]:
    """Read *folder* into its served files, by name."""
    vendor = folder / "vendor"
    if not (vendor / "htmx.min.js").exists():
        raise RuntimeError(f"{vendor} is missing: run `make setup` first")
    fonts = {path.name: _asset(path.name, path.read_bytes()) for path in vendor.rglob("*.woff2")}
    return fonts | {
        "app.css": _asset("app.css", _stylesheet(folder, fonts).encode()),
        "app.js": _asset("app.js", _joined(sorted((folder / "js").glob("*.js"))).encode()),
        "htmx.js": _asset("htmx.js", (vendor / "htmx.min.js").read_bytes()),
        "icons.svg": _asset("icons.svg", _sprite(folder).encode()),
        "icon.svg": _asset("icon.svg", (folder / "icon.svg").read_bytes()),
        "widget.js": _asset("widget.js", (folder / "widget.js").read_bytes()),
    }


@bp.get("/<version>/<name>")
def serve(version: str, name: str) -> Response:
    """One asset. Public: nothing here depends on who asks."""
    asset: Asset | None = current_app.extensions["assets"].get(name)
    if asset is None or asset.version != version:
        abort(404)
    packed = asset.packed if request.accept_encodings["gzip"] else None
    response = Response(packed or asset.body, content_type=asset.mimetype)
    response.headers["Cache-Control"] = FOREVER
    if asset.packed:
        response.vary.add("Accept-Encoding")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    return response


serve.access = "everyone"  # type: ignore[attr-defined]


def _asset(name: str, body: bytes) -> Asset:
    suffix = Path(name).suffix
    packed = None if suffix == ".woff2" else gzip.compress(body, 9, mtime=0)
    return Asset(body, packed, TYPES[suffix], blake2b(body, digest_size=6).hexdigest())


def _url(name: str, asset: Asset) -> str:
    return f"/assets/{asset.version}/{name}"


def _joined(paths: list[Path]) -> str:
    return "\n".join(path.read_text("utf-8") for path in paths)


def _stylesheet(folder: Path, fonts: dict[str, Asset]) -> str:
    """One stylesheet: the order of layers, fonts, then everything else in any order."""
    first = folder / "css" / "layers.css"
    rest = sorted(path for path in (folder / "css").rglob("*.css") if path != first)
    css = _joined([first, folder / "vendor" / "inter" / "inter.css", *rest])
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"\s*\n\s*", "\n", css)
    return re.sub(r"url\(([\w.-]+\.woff2)\)", lambda m: f"url({_url(m[1], fonts[m[1]])})", css)


def _sprite(folder: Path) -> str:
    """One SVG: Deskhand's own glyphs and the Lucide icons."""
    own, lucide = (
        re.sub(r"^<svg[^>]*>|<!--.*?-->|</svg>\s*$", "", path.read_text("utf-8"), flags=re.DOTALL)
        for path in (folder / "glyphs.svg", folder / "vendor" / "icons.svg")
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg">{own}{lucide}</svg>'
