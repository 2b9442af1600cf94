"""Settings that people change while the desk runs: typed defaults here, changes as rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.cache import reference
from app.core.db import Base, db

DEFAULTS: dict[str, Any] = {
    "site_name": "Deskhand",
    "logo": {},  # its name, width and height; see app.web.logo
    "accent": "",  # "#rrggbb"; empty: the one of tokens.css
    "time_zone": "UTC",
    "days_to_reopen": 14,
    "days_to_close": 7,
    "minutes_to_away": 10,
    "days_to_keep_decisions": 90,
    "days_to_keep_raw_mails": 0,  # for ever
    "disk_full_percent": 90,  # admins are told from here on
    "days_between_backups": 0,  # nobody is told of a missing one
    "auto_responses_an_hour": 5,
    "undo_seconds": 10,
    "mail_attachments_mb": 8,  # larger ones of a mail are links; servers often refuse 10
    "mail_quotes": True,
    "context_url": "",  # who is asked for customer data; empty: nobody
    "context_secret": "",  # sealed
    "spam_headers": ["X-Spam-Flag", "X-Spam-Status"],
    "comments_an_hour": 30,
    "tickets_an_hour": 1_000,  # by mail, of one sender; 0: without end
    "quiet_thanks": True,
    "return_tokens": False,
    "reply_separator": "+",
    "reply_tokens": True,
    "customer_mark_cap": "critical",
    "chat_is_on": False,
    "chat_origins": [],  # "https://shop.example": whose pages may hold the chat window
    "chat_mail_minutes": 3,  # an answer that nobody saw in the window is mailed then; 0: at once
    "sla_warning_percent": 80,
    "practice_after_event": 0,  # set by the demo: practice counts what comes after that line
    "priority_tier_points": {"enterprise": 30, "premium": 20, "standard": 10},
    "priority_category_points": {
        "billing": 50,
        "technical": 40,
        "account": 30,
        "feature_request": 20,
        "general": 10,
    },
    "priority_other_category_points": 10,
    "priority_words": [
        "urgent",
        "emergency",
        "critical",
        "asap",
        "immediate",
        "broken",
        "down",
        "error",
        "cannot access",
        "not working",
    ],
    "priority_word_points": 15,
    "priority_attachment_points": 5,
    "priority_regular_points": 10,
    "priority_regular_after": 5,
    "priority_recent_points": 5,
    "priority_recent_hours": 24,
    "priority_cut_offs": {"critical": 80, "high": 60, "normal": 40},
}


class Setting(Base):
    """One changed setting; a key without a row has its default."""

    __tablename__ = "setting"
    __reference__ = True
    key: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    value: Mapped[Any] = mapped_column(sa.JSON)


def setting(key: str) -> Any:
    """The value of *key*: the row's, else the default. KeyError for an unknown key."""
    default = DEFAULTS[key]
    return reference("settings", _load).get(key, default)


def settings_of(prefix: str) -> dict[str, Any]:
    """The values of all keys that begin with *prefix*."""
    keys = [key for key in DEFAULTS if key.startswith(prefix)]
    return reference(f"settings of {prefix}", lambda: {key: setting(key) for key in keys})


def change_setting(key: str, value: Any) -> None:
    """Store *value*; its type must be the default's.

    Raises:
        TypeError: wrong type. KeyError: unknown key.
    """
    if not isinstance(value, type(DEFAULTS[key])):
        raise TypeError(f"{key} must be {type(DEFAULTS[key]).__name__}")
    row = db.session.get(Setting, key)
    if row is None:
        db.session.add(Setting(key=key, value=value))
    else:
        row.value = value


def _load() -> dict[str, Any]:
    return {row.key: row.value for row in db.session.scalars(sa.select(Setting))}
