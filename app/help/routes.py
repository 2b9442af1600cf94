"""The blueprint of help with all of its routes."""

from __future__ import annotations

from flask import Flask

from app.help import chapter_routes, practice
from app.help.contexts import help_for
from app.help.practice_routes import practice_is_shown


def init_help(app: Flask) -> None:
    """Register the pages of help."""
    app.jinja_env.globals.update(
        help_for=help_for,
        practice_is_on=practice.is_on,
        practice_is_shown=practice_is_shown,
    )
    app.register_blueprint(chapter_routes.bp)
