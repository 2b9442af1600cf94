"""Customer data beside a ticket: what another program says of the one who asks.

A page never waits for that program: a row says that its answer is wanted, a worker asks, and the
page looks again. An answer is checked and bounded before it is kept, and kept for ten minutes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
import structlog

from app.core import cache
from app.core.clock import utcnow
from app.core.db import UTCDateTime, begin_write, db, insert_into
from app.core.errors import DomainError
from app.core.jobs import Job, is_stopping, ring
from app.core.outgoing import Answer, NoAnswer, Outgoing, Refused, outgoing, parse
from app.core.sealing import unseal
from app.core.settings_store import setting
from app.core.text import printable
from app.integrations import health, signing
from app.integrations.errands import Errands
from app.integrations.models import ContextAnswer

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 5.0
MOST_BYTES = 65_536
AT_ONCE = 4
LEASE = timedelta(seconds=30)
FRESH_FOR = timedelta(minutes=10)
QUIET_FOR = timedelta(seconds=30)  # after a failure; whoever presses the button asks at once
KEPT_FOR = timedelta(days=1)
LOOK_SECONDS = 0.5
MOST_FIELDS, MOST_LINKS, MOST_BADGES = 30, 20, 10
LONGEST_LABEL, LONGEST_VALUE, LONGEST_LINK = 80, 500, 2_000
TONES = ("neutral", "good", "warning", "bad")
KINDS = ("fields", "links", "badges")
_no_sync = {"synchronize_session": False}


class Unfit(Exception):
    """An answer that we do not show; the message says why, for an admin."""


def is_on() -> bool:
    """True where an admin has entered an address; no statement of its own."""
    return bool(setting("context_url"))


def find(ticket_id: int) -> ContextAnswer | None:
    """What is kept for a ticket; one statement."""
    return db.session.get(ContextAnswer, ticket_id, populate_existing=True)


def is_wanted(row: ContextAnswer | None, asked: dict[str, str], *, now: datetime) -> bool:
    """True where a worker should ask: nothing is kept, or it is old, or of another requester."""
    if row is None or row.asked != asked:
        return True
    if row.due_at is not None:
        return False
    if row.error:
        return row.tried_at is None or row.tried_at <= now - QUIET_FOR
    return row.fetched_at is None or row.fetched_at <= now - FRESH_FOR


def want(ticket_id: int, asked: dict[str, str], *, now: datetime) -> ContextAnswer:
    """Have a worker ask with these parameters; what was kept of another requester goes."""
    row = find(ticket_id)
    if row is None:
        new = insert_into(ContextAnswer).values(
            ticket_id=ticket_id, asked=asked, answer={}, error=""
        )
        db.session.execute(new.on_conflict_do_nothing(index_elements=["ticket_id"]))
        row = db.session.get_one(ContextAnswer, ticket_id, populate_existing=True)
    if row.asked != asked:
        row.asked, row.answer, row.fetched_at, row.error = asked, {}, None, ""
    row.due_at = now
    ring(Job.FETCH_CONTEXT)
    return row


def forget_all() -> None:
    """Keep nothing: somebody else is asked from now on."""
    db.session.execute(sa.delete(ContextAnswer), execution_options=_no_sync)
    health.forget(health.CONTEXT)


def forget_old(now: datetime) -> None:
    """Delete what nobody asked for within a day. Commits."""
    begin_write()
    old = ContextAnswer.tried_at < now - KEPT_FOR
    db.session.execute(sa.delete(ContextAnswer).where(old), execution_options=_no_sync)
    db.session.commit()


def fetch_due(clock: Callable[[], datetime] = utcnow) -> int:
    """Ask for all that is wanted; how many answers are shown from now on. Commits."""
    errands, way, shown = Errands[tuple[int, dict[str, Any]]]("context"), outgoing(), 0
    while True:
        while len(errands) < AT_ONCE and not is_stopping():
            claimed = _claim(clock())
            if claimed is None:
                break
            try:
                ask = _request(claimed[1], way, clock())
            except (NoAnswer, DomainError) as error:
                told = error.message if isinstance(error, DomainError) else str(error)
                _store(claimed, NoAnswer(told), clock(), counts=False)
            else:
                errands.send_off(claimed, ask)
        if not errands:
            return shown
        if back := errands.next_back(LOOK_SECONDS):
            shown += _store(*back, clock())


def try_out(url: str, secret: str, *, now: datetime) -> dict[str, Any]:
    """Ask at once for somebody made up; the caller is in no transaction.

    Raises:
        NoAnswer, Unfit: with the reason.
    """
    asked = {"ticket": "TKT-TRYTRYTR", "email": "somebody@example.com"}
    return _checked(_ask(asked, url, secret, outgoing(), now))


def _request(asked: dict[str, str], way: Outgoing, now: datetime) -> Callable[[], Answer]:
    """The request; without the database from here on.

    Raises:
        NoAnswer: nobody is to be asked at the moment.
        DomainError: the secret cannot be read.
    """
    url, sealed = setting("context_url"), setting("context_secret")
    secret = unseal(sealed) if sealed else ""
    state = health.find(health.CONTEXT)
    rests_until = state.rests_until if state else None
    error = state.error if state else ""
    db.session.rollback()
    if not url:
        raise NoAnswer("There is nobody to ask.")
    if rests_until is not None and rests_until > now:
        raise NoAnswer(f"{error} It failed several times, so it is left alone for a while.")
    return partial(_ask, asked, url, secret, way, now)


def _ask(asked: dict[str, str], url: str, secret: str, way: Outgoing, now: datetime) -> Answer:
    """Ask, signed as Standard Webhooks sign a body: what is signed is path and query."""
    target = parse(url)
    joint = "&" if target.query else "?"
    whole = f"{url.partition('#')[0]}{joint}{urlencode(asked)}"
    signed = parse(whole).request_uri.encode()
    headers = {"Accept": "application/json"}
    if secret:
        headers |= signing.headers(signing.make_id(), signed, [secret], now=now)
    return way.send("GET", whole, headers=headers, seconds=ANSWER_SECONDS, most=MOST_BYTES)


def _claim(now: datetime) -> tuple[int, dict[str, Any]] | None:
    """Lease one row; its ticket's id and what to ask with. Committed."""
    db.session.rollback()
    cache.forget_stamp()
    is_any = db.session.scalar(sa.select(ContextAnswer.ticket_id).where(*_IS_DUE), {"now": now})
    db.session.rollback()
    if is_any is None:
        return None
    begin_write()
    row = db.session.scalar(
        _CLAIM,
        {"now": now, "lease": now + LEASE},
        execution_options={"populate_existing": True, **_no_sync},
    )
    claimed = (row.ticket_id, row.asked) if row is not None else None
    db.session.commit()
    return claimed


def _store(
    claimed: tuple[int, dict[str, Any]],
    answer: Answer | NoAnswer,
    now: datetime,
    *,
    counts: bool = True,
) -> int:
    """Keep an answer, or why there is none; 1 where it is shown. *counts*: for its health."""
    ticket_id, asked = claimed
    told, error = {}, ""
    try:
        if isinstance(answer, NoAnswer):
            raise Unfit(str(answer))
        told = _checked(answer)
    except Unfit as unfit:
        error = str(unfit)
    begin_write()
    mine = sa.select(ContextAnswer).where(ContextAnswer.ticket_id == ticket_id).with_for_update()
    row = db.session.scalar(mine, execution_options={"populate_existing": True})
    if row is not None and row.asked == asked:  # else it is of another requester now
        row.error, row.tried_at, row.due_at, row.locked_until = error, now, None, None
        if not error:
            row.answer, row.fetched_at = told, now
    if counts and error:
        health.note_failure(health.CONTEXT, error, now=now)
        log.warning("no customer data", why=error)
    elif counts:
        health.note_success(health.CONTEXT, now=now)
    db.session.commit()
    return int(not error)


def _checked(answer: Answer) -> dict[str, Any]:
    """What an answer says, within bounds.

    Raises:
        Unfit: anything that is not as it should be.
    """
    if answer.status == 404:  # nobody of that address is known there
        return {kind: [] for kind in KINDS}
    if answer.status != 200:
        raise Unfit(f"It answered with HTTP status {answer.status}.")
    if len(answer.body) >= MOST_BYTES and not answer.is_whole:
        raise Unfit(f"It answered more than {MOST_BYTES // 1024} KB.")
    if not answer.is_whole:
        raise Unfit("Its answer broke off.")
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise Unfit("It did not answer with JSON.") from None
    if not isinstance(told, dict) or set(told) - set(KINDS):
        raise Unfit(f"The answer must be an object with nothing but {', '.join(KINDS)}.")
    bounds = (MOST_FIELDS, MOST_LINKS, MOST_BADGES)
    checks: tuple[Callable[[Any], dict[str, str]], ...] = (_field, _link, _badge)
    shown = {}
    for kind, most, check in zip(KINDS, bounds, checks, strict=True):
        entries = told.get(kind, [])
        if not isinstance(entries, list) or len(entries) > most:
            raise Unfit(f"{kind} must be a list of at most {most}.")
        shown[kind] = [check(entry) for entry in entries]
    return shown


def _field(entry: Any) -> dict[str, str]:
    _look(entry, "A field", {"label", "value"})
    value = entry["value"]
    if value is None or isinstance(value, bool):
        value = {None: "", True: "yes", False: "no"}[value]
    elif isinstance(value, int | float):
        value = str(value)
    return {
        "label": _text(entry["label"], "The label of a field", LONGEST_LABEL),
        "value": _text(value, "The value of a field", LONGEST_VALUE),
    }


def _link(entry: Any) -> dict[str, str]:
    _look(entry, "A link", {"label", "url"})
    url = _text(entry["url"], "The url of a link", LONGEST_LINK)
    try:
        host = parse(url).host or ""  # as browsers read it: to them a backslash is a slash
    except Refused:
        raise Unfit("The url of a link must start with https:// or http://.") from None
    return {
        "label": _text(entry["label"], "The label of a link", LONGEST_LABEL),
        "url": url,
        "host": host.strip("[]"),
    }


def _badge(entry: Any) -> dict[str, str]:
    _look(entry, "A badge", {"label", "tone"}, needed={"label"})
    tone = entry.get("tone", TONES[0])
    if tone not in TONES:
        raise Unfit(f"The tone of a badge must be one of {', '.join(TONES)}.")
    return {"label": _text(entry["label"], "The label of a badge", LONGEST_LABEL), "tone": tone}


def _look(entry: Any, what: str, known: set[str], needed: set[str] | None = None) -> None:
    needed = known if needed is None else needed
    if not isinstance(entry, dict) or set(entry) - known or needed - set(entry):
        raise Unfit(f"{what} must be an object with {' and '.join(sorted(known))}.")


def _text(value: Any, what: str, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise Unfit(f"{what} must be a text of at most {most} characters.")
    plain = value.encode("utf-8", "replace").decode()  # no half of a surrogate pair
    return " ".join(printable(plain).split())


_NOW = sa.bindparam("now", type_=UTCDateTime())
_IS_DUE = (
    ContextAnswer.due_at.is_not(None),
    ContextAnswer.due_at <= _NOW,
    sa.or_(ContextAnswer.locked_until.is_(None), ContextAnswer.locked_until <= _NOW),
)
_CLAIM = (
    sa.update(ContextAnswer)
    .where(
        ContextAnswer.ticket_id
        == sa.select(ContextAnswer.ticket_id)
        .where(*_IS_DUE)
        .order_by(ContextAnswer.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    .values(locked_until=sa.bindparam("lease", type_=UTCDateTime()))
    .returning(ContextAnswer)
)
