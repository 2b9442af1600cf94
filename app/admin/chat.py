"""The chat window for one's own website: where it may stand, what to copy, and a try."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue
from wtforms import Field, Form
from wtforms.validators import ValidationError

from app.accounts.access import admin_required
from app.admin.forms import number, text, tick
from app.channels import chat
from app.core.errors import Invalid
from app.core.settings_store import setting
from app.settings import Settings

bp = Blueprint("chat_admin", __name__, url_prefix="/admin")

# What the script's attributes change; the texts are those of static/widget.js.
ATTRIBUTES = (
    ("data-lang", "Language of times and for screen readers, such as de."),
    ("data-dir", "rtl for a language that runs from right to left; else as the page."),
    ("data-side", "left: the other corner of the page."),
    ("data-theme", "light, dark, or auto, as the visitor's system; else as the page."),
    ("data-color", "Another colour than the desk's, such as #046663."),
    ("data-category", "The key of a category: what is written on this page is about that."),
)
TEXTS = (
    *("label", "title", "intro", "message", "name", "mail", "start", "reply", "send", "sending"),
    *("close", "unread", "you", "agent", "log", "thanks", "waiting", "with", "files", "mailed"),
    *("over", "again", "offline", "busy"),
)


def _origins(form: Form, field: Field) -> None:
    """Bring each line into the form in which browsers send it."""
    lines = [line for line in (field.data or "").splitlines() if line.strip()]
    if len(lines) > chat.MOST_ORIGINS:
        raise ValidationError(f"At most {chat.MOST_ORIGINS} websites.")
    try:
        field.data = "\n".join(dict.fromkeys(map(chat.normal_origin, lines)))
    except Invalid as error:
        raise ValidationError(error.message) from None


FIELDS: dict[str, Any] = {
    "chat_is_on": lambda: tick("Chat is on", "Off: the window shows nowhere."),
    "chat_origins": lambda: text(
        "Websites",
        "One on each line, such as https://shop.example. The window works on these alone; "
        "www and without are two websites.",
        _origins,
        most=20_000,
    ),
    "chat_mail_minutes": lambda: number(
        "Minutes until an answer is mailed",
        "Unless the visitor has seen it in the window by then. 0: each is mailed at once.",
        most=60,
    ),
}


def beside() -> dict[str, Any]:
    """What stands below the form: the line to copy, and what can be added to it."""
    settings: Settings = current_app.extensions["settings"]
    snippet = f'<script src="{settings.base_url}/widget.js" async></script>'
    return {
        "snippet": snippet,
        "attributes": ATTRIBUTES,
        "texts": TEXTS,
        "desk": chat.own_origin(),
        "is_on": setting("chat_is_on"),
    }


@bp.get("/settings/chat/preview")
@admin_required
def preview() -> ResponseReturnValue:
    """A page with the window on it."""
    return render_template("admin/chat_preview.html", is_on=setting("chat_is_on"))
