"""The site's name, colour and logo on every page, as they are set now."""

from __future__ import annotations

from flask import Flask, g

from app.core.settings_store import DEFAULTS, setting
from app.web import accent, logo


class Brand:
    """The site's name; read when a template shows it, from the cache."""

    def __str__(self) -> str:
        return str(DEFAULTS["site_name"] if _is_silent() else setting("site_name"))


def accent_address() -> str:
    """Of the stylesheet of the admin's colour, "" where none is set."""
    return "" if _is_silent() else accent.address(setting("accent"))


def site_logo() -> logo.Shown | None:
    """The admin's logo, None where none is set."""
    return None if _is_silent() else logo.shown()


def keep_silent() -> None:
    """From here on ask no database: it may be what an error page tells of."""
    g.brand_is_silent = True


def _is_silent() -> bool:
    return bool(g.get("brand_is_silent"))


def init_brand(app: Flask) -> None:
    """Give templates ``brand``, ``accent_address`` and ``site_logo``."""
    app.jinja_env.globals.update(brand=Brand(), accent_address=accent_address, site_logo=site_logo)
    app.register_blueprint(accent.bp)
    app.register_blueprint(logo.bp)
