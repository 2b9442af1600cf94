"""Settings of the desk, in a few forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from wtforms import ColorField, Field, SelectField
from wtforms.validators import Optional, Regexp, ValidationError

from app.accounts.access import admin_required, current_person
from app.accounts.forms import time_zones
from app.admin import chat, weights
from app.admin.forms import AdminForm, line, number, options, text, tick
from app.core import audit
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import NotFound
from app.core.settings_store import DEFAULTS, change_setting, setting
from app.tickets.words import Priority

bp = Blueprint("settings", __name__, url_prefix="/admin")

OWN_COLOUR = "#046663"  # what a colour field shows where none is set: tokens.css's


def _separator(form: AdminForm, field: Field) -> None:
    if field.data not in ("+", "-", "="):
        raise ValidationError("One of + - =, as your mail server has it.")


FIELDS: dict[str, Callable[[], Field]] = {
    **chat.FIELDS,
    "site_name": lambda: line("Name", "On every page and in every mail."),
    "accent": lambda: ColorField(
        "Colour",
        [Optional(), Regexp(r"#[0-9a-fA-F]{6}$", message="A colour such as #046663.")],
        description="Of buttons and links. Its shades are chosen so that text stays readable.",
    ),
    "time_zone": lambda: SelectField(
        "Time zone",
        choices=[choice for choice in time_zones() if choice.value],
        description="Of whoever has chosen none.",
    ),
    "days_to_reopen": lambda: number(
        "Days to reopen",
        "So long after closing a reply opens the ticket again; later it makes a new one.",
        most=3_650,
    ),
    "days_to_close": lambda: number(
        "Days to close",
        "A resolved ticket without a reply is closed after so many days.",
        least=1,
        most=3_650,
    ),
    "minutes_to_away": lambda: number(
        "Minutes to away",
        "An agent who opens no page for so long is away and gets no new tickets.",
        least=2,
        most=1_440,
    ),
    "sla_warning_percent": lambda: number(
        "Warning point, in percent",
        "When so much of a target's time is used up, the assignee is warned.",
        least=1,
        most=99,
    ),
    "days_to_keep_decisions": lambda: number(
        "Days to keep the Why",
        "Then a ticket no longer tells why the desk did something by itself.",
        least=1,
        most=3_650,
    ),
    "days_to_keep_raw_mails": lambda: number(
        "Days to keep raw mails",
        "Then a mail is no longer there as it came; its ticket and its line in the ledger stay. "
        "0: for ever.",
        most=36_500,
    ),
    "disk_full_percent": lambda: number(
        "Full disk, in percent",
        "Admins are told by mail when so much of a disk is used.",
        least=50,
        most=99,
    ),
    "days_between_backups": lambda: number(
        "Days between backups",
        "Admins are told by mail when deskhand backup wrote nothing for so long; 0: never.",
        most=365,
    ),
    "undo_seconds": lambda: number(
        "Seconds to undo", "How long a sent reply can be taken back; 0: not at all.", most=60
    ),
    "auto_responses_an_hour": lambda: number(
        "Automatic answers an hour", "At most so many to one address, against loops.", most=100
    ),
    "comments_an_hour": lambda: number(
        "Mails an hour", "More from one address to one ticket are held back.", least=1, most=1_000
    ),
    "tickets_an_hour": lambda: number(
        "Tickets an hour",
        "More new tickets by mail of one sender wait in the quarantine, against broken machines; "
        "0: no limit.",
        most=100_000,
    ),
    "mail_attachments_mb": lambda: number(
        "Attachments, in MB",
        "Larger files of a reply go as links: many servers refuse mails over 10 MB.",
        most=50,
    ),
    "mail_quotes": lambda: tick("Quote what was answered", "Below each reply that is mailed."),
    "quiet_thanks": lambda: tick(
        "Thanks stay quiet", "A mail that says thank you alone opens no resolved ticket."
    ),
    "spam_headers": lambda: text(
        "Headers of a spam filter",
        "One on each line. A mail whose header says yes waits in the quarantine.",
        most=1_000,
    ),
    "reply_tokens": lambda: tick(
        "Tokens in reply addresses",
        "Replies find their ticket even without a subject. Your mail server must deliver "
        "support+anything to the mailbox of support.",
    ),
    "reply_separator": lambda: line("Separator", "Before the token.", _separator, most=1),
    "return_tokens": lambda: tick(
        "Tokens in return addresses", "Bounces find their mail for certain. Needs the same."
    ),
    "customer_mark_cap": lambda: SelectField(
        "Highest mark",
        choices=options((p.value, p.label) for p in Priority),
        description="The highest priority that a customer's mark in the subject, such as "
        "[urgent], can set.",
    ),
}


@dataclass(frozen=True, slots=True)
class Section:
    """One form of settings."""

    path: str
    title: str
    lead: str
    keys: tuple[str, ...]
    template: str = "admin/settings.html"
    beside: Callable[[], dict[str, Any]] = dict  # what the template shows beside the form

    @property
    def url(self) -> str:
        """Its page."""
        return f"/admin/settings/{self.path}" if self.path else "/admin/settings"


MAIL = (
    *("auto_responses_an_hour", "comments_an_hour", "tickets_an_hour", "mail_attachments_mb"),
    *("mail_quotes", "quiet_thanks", "customer_mark_cap", "reply_tokens", "reply_separator"),
    *("return_tokens", "spam_headers", "days_to_keep_raw_mails"),
)
DESK = (
    *("site_name", "accent", "time_zone", "days_to_reopen", "days_to_close", "undo_seconds"),
    *("minutes_to_away", "sla_warning_percent", "days_to_keep_decisions"),
    *("disk_full_percent", "days_between_backups"),
)
UNSEEN = ("practice_after_event", "logo")  # nobody's to choose; has a form of its own
OTHERS = tuple(
    key
    for key in DEFAULTS
    if key not in (*MAIL, *DESK, *UNSEEN, *chat.FIELDS)
    and not key.startswith((weights.PREFIX, "context_"))
)
SECTIONS = {
    section.path: section
    for section in (
        Section(
            "",
            "Settings",
            "How the desk looks, and its times.",
            (*DESK, *OTHERS),
            "admin/desk_settings.html",
            lambda: {"logo_problem": ""},
        ),
        Section("mail", "Mail settings", "How mail is read and sent, for all mailboxes.", MAIL),
        Section(
            "chat",
            "Chat",
            "A window on your own website, in which visitors write to you and see your answers.",
            tuple(chat.FIELDS),
            "admin/chat.html",
            chat.beside,
        ),
    )
}


@bp.get("/settings", defaults={"path": ""})
@bp.get("/settings/mail", defaults={"path": "mail"})
@bp.get("/settings/chat", defaults={"path": "chat"})
@admin_required
def show(path: str) -> ResponseReturnValue:
    """One form of settings, as they are."""
    section = SECTIONS[path]
    return _page(section, form_of(section))


@bp.post("/settings", defaults={"path": ""})
@bp.post("/settings/mail", defaults={"path": "mail"})
@bp.post("/settings/chat", defaults={"path": "chat"})
@admin_required
def change(path: str) -> ResponseReturnValue:
    """Change them."""
    section = SECTIONS[path]
    form = form_of(section)
    if not form.validate_on_submit():
        return _page(section, form), 422
    values = {key: _value(key, form[key]) for key in section.keys}
    if values.get("accent") == OWN_COLOUR:  # as it comes
        values["accent"] = ""
    save(section.title, values, {key: form[key].label.text for key in section.keys})
    db.session.commit()
    flash("Saved.", "success")
    return redirect(section.url, 303)


@bp.get("/settings/priority")
@admin_required
def show_weights() -> ResponseReturnValue:
    """Points, words and cut-offs of the priority."""
    return _weights_page(weights.form())


@bp.post("/settings/priority")
@admin_required
def change_weights() -> ResponseReturnValue:
    """Change them, or only show what they would do."""
    form = weights.form()
    if not form.validate_on_submit():
        return _weights_page(form), 422
    values = weights.values(form)
    if "press" in request.form:
        return _weights_page(form, weights.effect(values))
    save("Priority", values, weights.LABELS)
    db.session.commit()
    flash("Saved. Tickets from now on get their priority by it.", "success")
    return redirect("/admin/settings/priority", 303)


def save(title: str, values: dict[str, Any], labels: dict[str, str]) -> None:
    """Store what has changed of *values*, and write it down."""
    old = {key: setting(key) for key, value in values.items() if value != setting(key)}
    for key in old:
        change_setting(key, values[key])
    if old:
        audit.note(
            *("setting", None, title),
            before={labels[key]: words(value) for key, value in old.items()},
            after={labels[key]: words(values[key]) for key in old},
            by=current_person(),
            now=utcnow(),
        )


def words(value: Any) -> str:
    """A setting's value in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def _field(key: str) -> Field:
    """The field of a setting; one that is not listed above gets what its kind asks for."""
    if key in FIELDS:
        return FIELDS[key]()
    label = key.replace("_", " ").capitalize()
    match DEFAULTS[key]:
        case bool():
            return tick(label)
        case int():
            return number(label)
        case list():
            return text(label, "One on each line.")
        case str():
            return line(label, most=300, needed=False)
    raise NotFound(f"The setting {key} is changed elsewhere.")


def form_of(section: Section) -> AdminForm:
    """The form of a section, filled with what is set."""
    kind = type("SettingsForm", (AdminForm,), {key: _field(key) for key in section.keys})
    shown = {key: setting(key) for key in section.keys}
    for key, value in shown.items():
        if isinstance(value, list):
            shown[key] = "\n".join(map(str, value))
    if "accent" in shown:
        shown["accent"] = shown["accent"] or OWN_COLOUR
    form: AdminForm = kind(data=shown)
    return form


def _value(key: str, field: Field) -> Any:
    if isinstance(DEFAULTS[key], list):
        return [row.strip() for row in (field.data or "").splitlines() if row.strip()]
    return field.data.lower() if key == "accent" else field.data


def _page(section: Section, form: AdminForm) -> str:
    return render_template(section.template, section=section, form=form, **section.beside())


def _weights_page(form: AdminForm, effect: weights.Effect | None = None) -> str:
    return render_template(
        "admin/weights.html", form=form, groups=weights.groups(form), effect=effect
    )
