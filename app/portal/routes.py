"""The blueprints of the portal."""

from __future__ import annotations

from flask import Flask

from app.extensions import csrf
from app.portal import (
    chat_routes,
    notice_routes,
    opening_routes,
    picture_routes,  # noqa: F401  (adds its route to the blueprint of tickets)
    ticket_routes,
)
from app.portal.frame import portal_frame


def init_portal(app: Flask) -> None:
    """Register the portal's pages and the frame around them."""
    app.jinja_env.globals["portal_frame"] = portal_frame
    app.register_blueprint(opening_routes.bp)
    app.register_blueprint(ticket_routes.bp)
    app.register_blueprint(notice_routes.bp)
    csrf.exempt(notice_routes.bp)  # mail clients post too; the token says who and what
    app.register_blueprint(chat_routes.bp)
    app.register_blueprint(chat_routes.script)
    csrf.exempt(chat_routes.bp)  # no cookie is looked at: a key in a header says which ticket
