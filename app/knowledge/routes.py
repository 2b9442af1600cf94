"""The blueprints of the knowledge base."""

from __future__ import annotations

from flask import Flask

from app.knowledge import desk_routes, portal_routes, public


def init_knowledge(app: Flask) -> None:
    """Register the help centre and the desk's pages of articles.

    Adds the Jinja global ``help_centre_is_open``.
    """
    app.jinja_env.globals["help_centre_is_open"] = public.is_open
    app.register_blueprint(portal_routes.bp)
    app.register_blueprint(desk_routes.bp)
