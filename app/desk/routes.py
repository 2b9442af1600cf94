"""The blueprint "desk" with all of its routes."""

from __future__ import annotations

from flask import Flask

from app.desk import (  # noqa: F401  (each adds its routes to the blueprint)
    article_routes,
    attachment_routes,
    bulk_routes,
    context_routes,
    macro_routes,
    mail_routes,
    merge_routes,
    new_routes,
    people_routes,
    person_details,
    person_routes,
    picture_routes,
    queue_routes,
    raw_mail_routes,
    sender_routes,
    ticket_routes,
    view_routes,
)
from app.desk.frame import desk_frame
from app.desk.kept_html import init_kept_html


def init_desk(app: Flask) -> None:
    """Register the desk's pages and the frame around them."""
    app.jinja_env.globals["desk_frame"] = desk_frame
    init_kept_html(app)
    app.register_blueprint(ticket_routes.bp)
