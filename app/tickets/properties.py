"""Changes to a ticket's fields, each with its line of history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from app.core.db import db
from app.core.errors import Invalid
from app.core.text import printable
from app.tickets import catalog, holding
from app.tickets.catalog_models import Tag
from app.tickets.models import Ticket
from app.tickets.timeline import By, record
from app.tickets.words import EventKind, Priority

MOST_TAGS = 30


def change_priority(
    ticket: Ticket, to: Priority, *, by: By, now: datetime, choose_again: bool = True
) -> None:
    """Set the priority; a person's choice sticks, so it counts as computed no more."""
    if ticket.priority is to:
        return
    old, ticket.priority = ticket.priority, to
    ticket.priority_is_computed = False
    record(
        ticket, EventKind.PRIORITY, by=by, now=now, field="priority", old=old.label, new=to.label
    )
    if choose_again:
        holding.rechoose_policy(ticket, now=now)


def change_category(
    ticket: Ticket, category_id: int, subcategory_id: int | None, *, by: By, now: datetime
) -> None:
    """Set category and subcategory.

    Raises:
        Invalid: unknown, or the subcategory belongs to another category.
    """
    card = catalog.categories().get(category_id)
    if card is None:
        raise Invalid("There is no such category.", {"category": "Choose one of the list."})
    if subcategory_id is not None and subcategory_id not in {s.id for s in card.subcategories}:
        raise Invalid(
            "There is no such subcategory.",
            {"subcategory": f"Choose one of {card.name}, or none."},
        )
    if (ticket.category_id, ticket.subcategory_id) == (category_id, subcategory_id):
        return
    old = catalog.category_words(ticket.category_id, ticket.subcategory_id)
    ticket.category_id, ticket.subcategory_id = category_id, subcategory_id
    db.session.flush()
    db.session.expire(ticket, ["category", "subcategory"])
    new = catalog.category_words(category_id, subcategory_id)
    record(ticket, EventKind.CATEGORY, by=by, now=now, field="category", old=old, new=new)
    holding.rechoose_policy(ticket, now=now)


def change_subject(ticket: Ticket, subject: str, *, by: By, now: datetime) -> None:
    """Set the subject: 1 to 500 characters on one line."""
    subject = " ".join(subject.split())
    if not 1 <= len(subject) <= 500:
        message = "Give the ticket a subject of 1 to 500 characters."
        raise Invalid(message, {"subject": message})
    if subject != ticket.subject:
        old, ticket.subject = ticket.subject, subject
        record(ticket, EventKind.SUBJECT, by=by, now=now, field="subject", old=old, new=subject)


def change_due(ticket: Ticket, due_at: datetime | None, *, by: By, now: datetime) -> None:
    """Set the due time by hand, or (None) leave it to the resolution clock again."""
    old = ticket.due_at
    if due_at == old and ticket.due_at_is_manual is (due_at is not None):
        return
    ticket.due_at_is_manual = due_at is not None
    if due_at is None:
        running = (clock for clock in ticket.clocks if clock.target == "resolution")
        due_at = next((clock.due_at for clock in running), None)
    ticket.due_at = due_at
    old_text, new_text = (t.isoformat() if t else None for t in (old, due_at))
    record(ticket, EventKind.DUE, by=by, now=now, field="due_at", old=old_text, new=new_text)


def change_tags(ticket: Ticket, names: Iterable[str], *, by: By, now: datetime) -> None:
    """Replace the tags by *names*; new words become tags.

    Raises:
        Invalid: more than 30, or one longer than 60 characters.
    """
    wanted = clean_tags(names)
    old = [tag.name for tag in ticket.tags]
    if sorted(old) == wanted:
        return
    ticket.tags = list(find_or_make_tags(wanted).values())
    record(
        ticket,
        EventKind.TAGS,
        by=by,
        now=now,
        field="tags",
        old=", ".join(sorted(old)) or None,
        new=", ".join(wanted) or None,
    )


def clean_tags(names: Iterable[str]) -> list[str]:
    """Lower case, single spaces, each once, sorted.

    Raises:
        Invalid: too many or too long.
    """
    wanted = sorted({" ".join(name.lower().replace(",", " ").split()) for name in names} - {""})
    if len(wanted) > MOST_TAGS or any(len(name) > 60 for name in wanted):
        message = f"At most {MOST_TAGS} tags of 60 characters each."
        raise Invalid(message, {"tags": message})
    return wanted


def find_or_make_tags(names: list[str]) -> dict[str, Tag]:
    """Tags by name, made where they are new; safe where two make the same."""
    if not names:
        return {}
    found = {tag.name: tag for tag in db.session.scalars(sa.select(Tag).where(Tag.name.in_(names)))}
    for name in names:
        if name in found:
            continue
        try:
            with db.session.begin_nested():
                tag = Tag(name=name)
                db.session.add(tag)
                db.session.flush()
        except sa.exc.IntegrityError:
            tag = db.session.scalars(sa.select(Tag).where(Tag.name == name)).one()
        found[name] = tag
    return found


def change_custom_fields(ticket: Ticket, values: dict[str, Any], *, by: By, now: datetime) -> None:
    """Set some custom fields; the others stay.

    Raises:
        Invalid: unknown field or a value of the wrong kind.
    """
    cleaned = clean_custom_fields(ticket.category_id, values, complete=False)
    labels = {card.key: card.label for card in catalog.custom_fields()}
    for key, value in cleaned.items():
        old = ticket.custom_fields.get(key)
        if old == value:
            continue
        ticket.custom_fields = {**ticket.custom_fields, key: value}
        record(
            ticket,
            EventKind.CUSTOM_FIELD,
            by=by,
            now=now,
            field=f"field_{key}",
            old=None if old is None else str(old),
            new=None if value is None else str(value),
            details={"label": labels[key]},
        )


def clean_custom_fields(
    category_id: int, values: dict[str, Any], *, complete: bool = True, public_only: bool = False
) -> dict[str, Any]:
    """Checked values by key; empty ones are None (or missing when *complete*).

    Args:
        complete: whether required fields must be there.
        public_only: whether only fields shown to customers are known.
    Raises:
        Invalid: with one error a field, named ``field_<key>``.
    """
    cards = {
        card.key: card
        for card in catalog.custom_fields(category_id)
        if card.is_public or not public_only
    }
    errors = {f"field_{key}": "There is no such field here." for key in values if key not in cards}
    cleaned: dict[str, Any] = {}
    for key, card in cards.items():
        if key not in values and not complete:
            continue
        try:
            value = _field_value(card, values.get(key))
        except ValueError as error:
            errors[f"field_{key}"] = str(error)
            continue
        if value is None and card.is_required and complete:
            errors[f"field_{key}"] = f"{card.label} is needed."
        elif value is not None or not complete:
            cleaned[key] = value
    if errors:
        raise Invalid("Some fields need a look.", errors)
    return cleaned


def _field_value(card: catalog.FieldCard, value: Any) -> Any:
    """The value as it is stored; ValueError says what to do."""
    if card.kind == "checkbox":
        return value in (True, "true", "on", "1", "y", "yes", 1)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    match card.kind:
        case "number":
            try:
                number = float(value)
            except (TypeError, ValueError, OverflowError):
                raise ValueError("Type a number.") from None
            if not -1e15 < number < 1e15:
                raise ValueError("That number is too large.")
            return int(number) if number.is_integer() else number
        case "date":
            try:
                return date.fromisoformat(str(value)).isoformat()
            except ValueError:
                raise ValueError("Type a date such as 2026-11-30.") from None
        case "choice":
            if value not in card.choices:
                raise ValueError("Choose one of the list.")
            return value
        case _:
            text = printable(str(value)).strip()
            if len(text) > 1000:
                raise ValueError("At most 1,000 characters.")
            return text
