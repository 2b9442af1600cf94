"""Which tickets, in which order: read from a query string, and written back into one.

The desk, the API, saved views and links all speak this language, so they agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, Protocol
from urllib.parse import urlencode

from app.accounts import directory
from app.core.errors import Invalid
from app.core.paging import MOST_ID
from app.core.text import search_words
from app.tickets import catalog
from app.tickets.words import ACTIVE_STATUSES, Priority, Source, Status

SORTS = ("created_at", "updated_at", "priority", "due_at", "next_due_at")
MOST_VALUES = 50
DEEPEST_ROW = 10_000
LISTS = ("status", "priority", "category", "assignee", "group", "requester", "tag", "source")
MOMENTS = ("created_after", "created_before", "due_after", "due_before")
FLAGS = ("overdue", "held")


class Args(Protocol):
    """A query string, as `werkzeug.datastructures.MultiDict` gives it."""

    def getlist(self, key: str) -> list[str]:
        """Every value of *key*."""


@dataclass(frozen=True, slots=True)
class TicketFilters:
    """Filters, sort order and page of a list of tickets.

    Values of one list are alternatives, the lists narrow each other. People are ids as text,
    mail addresses, ``me`` or ``none``; categories are keys, groups ids as text or ``none``.
    ``..._after`` begins with that moment, ``..._before`` ends just before it. ``overdue`` and
    ``held`` are for the desk: a clock past due, mail from someone new waiting.
    """

    status: tuple[Status, ...] = ()
    priority: tuple[Priority, ...] = ()
    category: tuple[str, ...] = ()
    assignee: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    requester: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    source: tuple[Source, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    due_after: datetime | None = None
    due_before: datetime | None = None
    overdue: bool = False
    held: bool = False
    q: str = ""
    sort: str = "created_at"
    order: str = "desc"
    limit: int = 20
    page: int = 1
    cursor: str = ""

    @property
    def is_active_only(self) -> bool:
        """True where only tickets that wait for somebody can be meant."""
        if self.overdue:
            return True
        return bool(self.status) and all(status in ACTIVE_STATUSES for status in self.status)

    @property
    def narrowing(self) -> dict[str, Any]:
        """The filters that are set, without sort order and page."""
        names = (*LISTS, *MOMENTS, *FLAGS, "q")
        return {name: value for name in names if (value := getattr(self, name))}

    def to_query(self, base: TicketFilters | None = None, **changes: Any) -> str:
        """As a query string, with *changes*; page and cursor only where these name them.

        Args:
            base: the view's filters: what is as there is left out.
        """
        page: dict[str, Any] = {"page": 1, "cursor": ""}
        changed = replace(self, **(page | changes))
        return urlencode(list(changed._pairs(base or TicketFilters())))

    def to_view(self) -> dict[str, Any]:
        """For `View.filters`: plain JSON, which `from_view` reads."""
        found: dict[str, Any] = {}
        for name, value in self._pairs(TicketFilters()):
            if name in LISTS:
                found.setdefault(name, []).append(value)
            elif name not in ("limit", "page", "cursor"):
                found[name] = value
        return found

    def _pairs(self, base: TicketFilters) -> Iterable[tuple[str, str]]:
        for field in fields(self):
            value = getattr(self, field.name)
            # The order is told with its sort: each sort has an order of its own.
            with_sort = field.name == "order" and self.sort != base.sort
            if value == getattr(base, field.name) and not with_sort:
                continue
            if isinstance(value, tuple):
                yield from ((field.name, str(part)) for part in value)
            elif isinstance(value, datetime):
                yield field.name, value.isoformat()
            else:
                yield field.name, str(int(value) if isinstance(value, bool) else value)


NATURAL_ORDER = {"due_at": "asc", "next_due_at": "asc"}


def from_query(
    args: Args,
    *,
    base: TicketFilters | None = None,
    zone: tzinfo = UTC,
    limit: int | None = None,
) -> TicketFilters:
    """Read filters; what *args* does not name (or leaves empty) is as in *base*.

    Args:
        base: of a view; None for the API's defaults.
        zone: of days and of moments without a zone.
        limit: rows of a page that *args* may not change (the desk's).
    Raises:
        Invalid: with a message for each wrong field. No statement, where groups and categories
            are cached.
    """
    reader = _Reader(args, zone)
    found: dict[str, Any] = {}
    for name, parse in PARSERS.items():
        if values := reader.many(name, parse):
            found[name] = values
    for name in MOMENTS:
        if (moment := reader.one(name, reader.moment)) is not None:
            found[name] = moment
    for name in FLAGS:
        if (flag := reader.one(name, _flag)) is not None:
            found[name] = flag
    if text := search_words(" ".join(args.getlist("q"))):
        found["q"] = text
    found |= reader.order_and_page(base or TicketFilters(), limit)
    if reader.errors:
        raise Invalid("These filters cannot be used: " + reader.told, reader.errors)
    return replace(base or TicketFilters(), **found)


def from_view(stored: Mapping[str, Any], *, limit: int) -> TicketFilters:
    """What `to_view` made; a filter that names something gone is left out."""
    kept = {}
    for name, value in stored.items():
        values = value if isinstance(value, list) else [value]
        try:
            from_query(_Plain({name: values}))
        except Invalid:
            continue
        kept[name] = values
    return from_query(_Plain(kept), limit=limit)


class _Plain(dict[str, list[Any]]):
    def getlist(self, key: str) -> list[str]:
        return [str(value) for value in self.get(key, ())]


class _Reader:
    """Reads values one by one and gathers what is wrong."""

    def __init__(self, args: Args, zone: tzinfo) -> None:
        self.args, self.zone = args, zone
        self.errors: dict[str, str] = {}

    @property
    def told(self) -> str:
        return "; ".join(f"{name}: {message}" for name, message in self.errors.items())

    def many(self, name: str, parse: Callable[[str], Any]) -> tuple[Any, ...]:
        texts = [part.strip() for text in self.args.getlist(name) for part in text.split(",")]
        texts = [text for text in texts if text]
        if len(texts) > MOST_VALUES:
            self.errors[name] = f"at most {MOST_VALUES} values"
            return ()
        try:
            return tuple(dict.fromkeys(parse(text) for text in texts))
        except ValueError as error:
            self.errors[name] = str(error)
            return ()

    def one(self, name: str, parse: Callable[[str], Any]) -> Any:
        """The last value that is not empty, or None."""
        texts = [text.strip() for text in self.args.getlist(name) if text.strip()]
        if not texts:
            return None
        try:
            return parse(texts[-1])
        except ValueError as error:
            self.errors[name] = str(error)
            return None

    def moment(self, text: str) -> datetime:
        """A day (its start) or a moment, ISO 8601."""
        try:
            # A plus sign that nobody encoded arrives as a space.
            stamp = re.sub(r"(?<=\d) (?=\d\d:?\d\d$)", "+", text) if "T" in text else text
            try:
                moment = datetime.combine(date.fromisoformat(stamp), time())
            except ValueError:
                moment = datetime.fromisoformat(stamp)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=self.zone)
            return moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            message = "a day or a moment such as 2025-11-18 or 2025-11-18T06:22:00Z"
            raise ValueError(message) from error

    def order_and_page(self, base: TicketFilters, limit: int | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        sort = self.one("sort", lambda text: _among(text, SORTS))
        order = self.one("order", lambda text: _among(text, ("asc", "desc")))
        if sort:
            found["sort"] = sort
            natural = base.order if sort == base.sort else NATURAL_ORDER.get(sort, "desc")
            found["order"] = order or natural
        elif order:
            found["order"] = order
        asked = self.one("limit", lambda text: _number(text, 1, 100)) if limit is None else limit
        found["limit"] = asked or base.limit
        found["page"] = self.one("page", lambda text: _number(text, 1, MOST_ID)) or 1
        found["cursor"] = self.one("cursor", lambda text: text[:1000]) or ""
        if found["page"] * found["limit"] > DEEPEST_ROW and not found["cursor"]:
            self.errors.setdefault("page", f"use cursor beyond {DEEPEST_ROW:,} rows")
        return found


def _among(text: str, words: tuple[str, ...]) -> str:
    word = text.lower()
    if word not in words:
        raise ValueError(f"one of {', '.join(words)}")
    return word


def _number(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise ValueError(f"a number from {least} to {most:,}")
    return int(text)


def _flag(text: str) -> bool:
    return _among(text, ("1", "0", "true", "false")) in ("1", "true")


def _status(text: str) -> Status:
    try:
        return Status.parse(text)
    except ValueError:
        raise ValueError(f"one of {', '.join(Status)}") from None


def _priority(text: str) -> Priority:
    try:
        return Priority.parse(text)
    except ValueError:
        raise ValueError(f"one of {', '.join(Priority)}") from None


def _source(text: str) -> Source:
    return Source(_among(text, tuple(Source)))


def _category(text: str) -> str:
    """A category by key or id, as its key."""
    for card in catalog.categories().values():
        if text.lower() == card.key.lower() or text == str(card.id):
            return card.key
    raise ValueError("no such category")


def _group(text: str) -> str:
    """A group by id or name, or none."""
    if text.lower() == "none":
        return "none"
    for card in directory.groups().values():
        if text == str(card.id) or text.casefold() == card.name.casefold():
            return str(card.id)
    raise ValueError("no such group")


def _person(text: str) -> str:
    """An id, or a mail address, in lower case; whether anybody has it shows in the list."""
    word = text.lower()
    if word == "me":
        return word
    if word.isascii() and word.isdigit() and len(word) < 12 and 0 < int(word) <= MOST_ID:
        return str(int(word))
    if "@" in word and len(word) <= 254 and word.isprintable():
        return word
    raise ValueError("an id, a mail address, or me")


def _assignee(text: str) -> str:
    return "none" if text.lower() == "none" else _person(text)


def _tag(text: str) -> str:
    word = text.lower()
    if len(word) > 60 or not word.isprintable():
        raise ValueError("a tag of at most 60 characters")
    return word


PARSERS: dict[str, Callable[[str], Any]] = {
    "status": _status,
    "priority": _priority,
    "category": _category,
    "assignee": _assignee,
    "group": _group,
    "requester": _person,
    "tag": _tag,
    "source": _source,
}
