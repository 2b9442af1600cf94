"""Whether agents take new tickets: online, away, busy, offline.

Signing in sets online, signing out offline. Ten minutes (a setting) without a request make online
away, until the next request. What an agent chose by hand, busy or away, stays.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm.attributes import set_committed_value

from app.accounts.models import Person, Presence
from app.accounts.touches import TOUCH_EVERY, write_later
from app.core.db import db
from app.core.errors import Invalid
from app.core.jobs import Job, ring
from app.core.settings_store import setting

CHOICES = (Presence.ONLINE, Presence.AWAY, Presence.BUSY)
GONE = (Presence.AWAY, Presence.OFFLINE)


def choose(person: Person, to: Presence, *, now: datetime) -> None:
    """Set an agent's presence by hand; whoever comes online gets tickets that wait.

    Raises:
        Invalid: offline, which is what signing out does.
    """
    if to not in CHOICES:
        raise Invalid("Choose online, away or busy.", {"presence": "Choose online, away or busy."})
    person.presence = to
    person.presence_is_chosen = to is not Presence.ONLINE
    person.last_active_at = now
    if to is Presence.ONLINE:
        ring(Job.HAND_OUT)


def arrive(person: Person, *, now: datetime) -> None:
    """An agent has signed in: online. Nothing for customers."""
    if person.is_agent:
        choose(person, Presence.ONLINE, now=now)


def leave(person: Person, *, now: datetime) -> None:
    """An agent has signed out: offline. Another browser's next request brings them back."""
    if person.is_agent:
        person.presence = Presence.OFFLINE
        person.presence_is_chosen = False
        person.last_active_at = now


def note_request(person: Person, *, now: datetime) -> None:
    """An agent has asked for a page: they are here. Written at most once a minute.

    This request shows them online already; the row follows when it is answered.
    """
    if not person.is_agent:
        return
    comes_back = person.presence in GONE and not person.presence_is_chosen
    seen = person.last_active_at
    if not comes_back and seen is not None and now - seen < TOUCH_EVERY:
        return
    here = sa.update(Person).where(Person.id == person.id)
    write_later(here.values(last_active_at=now))
    if comes_back:
        back = here.where(Person.presence.in_(GONE), Person.presence_is_chosen.is_(False))
        write_later(back.values(presence=Presence.ONLINE), bell=Job.HAND_OUT)
        set_committed_value(person, "presence", Presence.ONLINE)


def sweep(now: datetime) -> int:
    """Make everyone away who is online and has asked for no page for too long; how many."""
    idle_since = now - timedelta(minutes=setting("minutes_to_away"))
    idle = (
        sa.update(Person)
        .where(
            Person.presence == Presence.ONLINE,
            sa.or_(Person.last_active_at < idle_since, Person.last_active_at.is_(None)),
        )
        .values(presence=Presence.AWAY)
        .returning(Person.id)
    )
    return len(db.session.scalars(idle, execution_options={"synchronize_session": False}).all())
