"""One person as agents see them: addresses, organization, tickets; duplicates made into one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts import addresses, directory
from app.accounts.access import agent_required, current_person, hidden_group_ids
from app.accounts.directory import zone_of
from app.accounts.forms import unlikely
from app.accounts.models import Person, PersonEmail, Role
from app.accounts.people import clean_line
from app.channels import returned_mail
from app.core import audit
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import DomainError, Invalid, NotFound
from app.core.text import search_words
from app.desk.ticket_routes import bp
from app.mail.models import FailingAddress
from app.search import lists, query
from app.tickets import person_merging
from app.tickets.filters import TicketFilters, from_query
from app.tickets.models import Ticket
from app.tickets.queries import refuse_hidden
from app.web import words
from app.web.htmx import render

ROWS = 25
OFFERED = 10
PERSON = "/desk/people/<int(max=2147483647):person_id>"


@dataclass(frozen=True, slots=True)
class AddressLine:
    """One address; ``failing`` says since when and why mail to it comes back, "" without."""

    address: str
    is_main: bool
    is_proven: bool
    failing: str


@dataclass(frozen=True, slots=True)
class MergeLine:
    """Somebody who was merged into this person and can be taken out again."""

    path: str
    text: str


@bp.get(PERSON)
@agent_required
def person_page(person_id: int) -> ResponseReturnValue:
    """Who they are and what they asked."""
    person = find_person(person_id)
    if person.merged_into_id is not None:
        return redirect(f"/desk/people/{person.merged_into_id}", 302)
    return person_page_of(person)


@bp.post(f"{PERSON}/addresses")
@agent_required
def add_address(person_id: int) -> ResponseReturnValue:
    """One more address of theirs."""
    person, typed = find_person(person_id), request.form.get("address", "").strip()[:300]
    try:
        refuse_hidden(person, by=current_person())
        if why := unlikely(typed):
            raise Invalid(why)
        row = addresses.add(person, typed, by=current_person())
    except DomainError as error:
        owner_id = getattr(error, "owner_id", None)
        db.session.rollback()
        return person_page_of(
            find_person(person_id),
            problem=error.message,
            typed=typed,
            merge_with=owner_id,
            status=error.status,
        )
    _note(person, f"{row.address} added")
    db.session.commit()
    flash(f"Mail from {row.address} is theirs now.", "success")
    return redirect(f"/desk/people/{person.id}", 303)


@bp.post(f"{PERSON}/addresses/main")
@agent_required
def make_main_address(person_id: int) -> ResponseReturnValue:
    """Mail them there from now on."""
    return _change_address(person_id, addresses.make_main, "{} is the main address now")


@bp.post(f"{PERSON}/addresses/removal")
@agent_required
def remove_address(person_id: int) -> ResponseReturnValue:
    """Mail from there is somebody else's from now on."""
    return _change_address(person_id, addresses.remove, "{} is theirs no more")


@bp.post(f"{PERSON}/addresses/clearance")
@agent_required
def clear_address_of(person_id: int) -> ResponseReturnValue:
    """An address works again; what it missed is sent, if wished."""
    person, address = find_person(person_id), request.form.get("address", "")
    if address not in {email.address for email in person.emails}:
        raise NotFound("This person has no such address. Reload the page.")
    again = request.form.get("missed") == "send"
    done = returned_mail.clear(address, send_again=again, by=current_person(), now=utcnow())
    db.session.commit()
    flash(done, "success")
    return redirect(f"/desk/people/{person.id}", 303)


@bp.get(f"{PERSON}/merges")
@agent_required
def choose_person_merge(person_id: int) -> ResponseReturnValue:
    """Choose the other entry of the same person; then see what will happen."""
    person = find_person(person_id)
    other_id = request.args.get("with", "")
    if _is_id(other_id):
        return _preview(person, find_person(int(other_id)), keep=request.args.get("keep", ""))
    text = search_words(request.args.get("q", ""))
    return render_template(
        "desk/person_merge.html",
        person=person,
        ahead=None,
        q=text,
        found=_candidates(text or person.name or person.email, but=person),
        problem="",
    )


@bp.post(f"{PERSON}/merges")
@agent_required
def merge_person(person_id: int) -> ResponseReturnValue:
    """Make this person one with another."""
    into = request.form.get("into", "")
    if not _is_id(into):
        raise NotFound("There is no such person.")
    found = person_merging.lock_both(person_id, int(into))
    merged, survivor = found[person_id], found[int(into)]
    try:
        person_merging.merge(merged, survivor, by=current_person(), now=utcnow())
    except DomainError as error:
        db.session.rollback()
        merged, survivor = find_person(person_id), find_person(int(into))
        return _preview(merged, survivor, keep=into, problem=error.message, status=error.status)
    db.session.commit()
    flash("They are one person now. Below is the way back.", "success")
    return redirect(f"/desk/people/{survivor.id}", 303)


@bp.post(f"{PERSON}/merges/<int(max=2147483647):merge_id>/reversal")
@agent_required
def undo_person_merge(person_id: int, merge_id: int) -> ResponseReturnValue:
    """Make two people of one again."""
    done, merged, survivor = person_merging.find(merge_id)
    if person_id != survivor.id:
        raise NotFound("There is no such merge.")
    try:
        person_merging.undo(done, merged, survivor, by=current_person(), now=utcnow())
    except DomainError as error:
        db.session.rollback()
        flash(error.message, "error")
        return redirect(f"/desk/people/{person_id}", 303)
    db.session.commit()
    flash(f"{merged.display_name} is a person of their own again.", "success")
    return redirect(f"/desk/people/{merged.id}", 303)


def find_person(person_id: int, *, lock: bool = False) -> Person:
    """The person, their row held to the end of the transaction if wanted.

    Raises:
        NotFound: there is none.
    """
    person = db.session.get(Person, person_id, with_for_update=lock or None)
    if person is None:
        raise NotFound("There is no such person.")
    return person


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _change_address(person_id: int, change: Callable[..., None], done: str) -> ResponseReturnValue:
    address = request.form.get("address", "")
    try:
        person = find_person(person_id)
        refuse_hidden(person, by=current_person())
        change(person, address, by=current_person())
    except DomainError as error:
        db.session.rollback()
        flash(error.message, "error")
    else:
        _note(person, done.format(address.lower()))
        db.session.commit()
        flash(f"{done.format(address)}.", "success")
    return redirect(f"/desk/people/{person_id}", 303)


def _note(person: Person, told: str) -> None:
    """For the audit log: whoever reads an address reads what is mailed there."""
    thing = ("changed", "customer", person.id, person.display_name)
    audit.write(*thing, field="Addresses", new=told, by=current_person(), now=utcnow())


def person_page_of(
    person: Person,
    *,
    problem: str = "",
    typed: str = "",
    merge_with: int | None = None,
    details: Any = None,
    then: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    """The page, with the form *details* in the place of what it changes; for htmx that part alone.

    Args:
        problem: what is wrong with the address that was *typed*.
        then: where a form goes that is done.
    """
    viewer, now = current_person(), utcnow()
    theirs = TicketFilters(requester=(str(person.id),), sort="updated_at", limit=ROWS)
    filters = from_query(request.args, base=theirs, limit=ROWS)
    path = f"/desk/people/{person.id}"
    tickets = lists.list_tickets(filters, viewer=viewer, now=now, path=path, base=theirs)
    name = person.display_name
    return render(
        "desk/person.html",
        fragment="about",
        also=("person_head",),
        then=then,
        status=status,
        details=details,
        can_edit=person.role is Role.CUSTOMER,
        person=person,
        path=path,
        name=name,
        initials=directory.initials(name),
        hue=directory.hue(person.id),
        facts=_facts(person),
        addresses=_addresses(person),
        merges=_merges(person, path),
        can_change=person.role is Role.CUSTOMER or viewer.is_admin,
        rows=tickets.rows,
        page=tickets.page,
        total_text=tickets.total_text,
        problem=problem,
        typed=typed,
        merge_with=merge_with if person.role is Role.CUSTOMER else None,
    )


def _facts(person: Person) -> list[tuple[str, str]]:
    zone = zone_of(current_person())
    facts = [
        ("Organization", person.organization.name if person.organization else ""),
        ("Tier", person.effective_tier.value.capitalize()),
        ("Phone", person.phone),
        ("External id", person.external_id or ""),
        ("Time zone", person.time_zone),
        ("Known since", words.exact(person.created_at, zone)),
    ]
    return [(label, value) for label, value in facts if value]


def _addresses(person: Person) -> list[AddressLine]:
    """The main one first; one statement beside the addresses themselves."""
    zone = zone_of(current_person())
    owned = [email.address for email in person.emails]
    failing = {
        row.address: f"since {words.exact(row.since, zone)}: {row.reason}"
        for row in db.session.scalars(
            sa.select(FailingAddress).where(FailingAddress.address.in_(owned))
        )
    }
    return [
        AddressLine(e.address, e.is_main, e.proven_at is not None, failing.get(e.address, ""))
        for e in sorted(person.emails, key=lambda email: (not email.is_main, email.address))
    ]


def _merges(person: Person, path: str) -> list[MergeLine]:
    now, zone = utcnow(), zone_of(current_person())
    return [
        MergeLine(
            f"{path}/merges/{done.id}/reversal",
            f"{who.name or done.moved['main'] or 'Somebody'} was merged into this person "
            f"on {words.exact(done.merged_at, zone)}",
        )
        for done, who in person_merging.merges_into(person.id)
        if not person_merging.cannot_undo(done, person, now=now)
    ]


def _candidates(text: str, *, but: Person) -> list[Any]:
    """Customers with such an address, or who asked tickets in which these words are."""
    begin = clean_line(text, 254).lower()
    by_address = sa.select(PersonEmail.person_id).where(
        PersonEmail.address >= begin, PersonEmail.address < begin + "\U0010ffff"
    )
    ids = set(db.session.scalars(by_address.limit(OFFERED))) if begin else set()
    if expression := query.expression(text):
        hidden = hidden_group_ids(current_person())
        tickets = query.newest(expression, hidden=hidden, limit=ROWS).ids
        asked = sa.select(Ticket.requester_id).where(Ticket.id.in_(tickets))
        ids.update(db.session.scalars(asked))
    shown = (
        sa.select(
            Person.id, Person.name, sa.func.coalesce(PersonEmail.address, "").label("address")
        )
        .outerjoin(PersonEmail, sa.and_(PersonEmail.person_id == Person.id, PersonEmail.is_main))
        .where(Person.id.in_(ids - {but.id}), Person.role == Role.CUSTOMER)
        .where(Person.merged_into_id.is_(None))
        .order_by(Person.name, Person.id)
        .limit(OFFERED)
    )
    return list(db.session.execute(shown))


def _preview(
    person: Person, other: Person, *, keep: str = "", problem: str = "", status: int = 200
) -> ResponseReturnValue:
    """What will happen. Whoever is known longer stays, unless *keep* names the other."""
    refuse_hidden(person, other, by=current_person())  # it counts all of their tickets
    merged, survivor = sorted((person, other), key=lambda p: p.id, reverse=True)
    if keep == str(merged.id):
        merged, survivor = survivor, merged
    problem = problem or person_merging.refusal(merged, survivor)
    page = render_template(
        "desk/person_merge.html",
        person=person,
        ahead=person_merging.outlook(merged),
        merged=merged,
        survivor=survivor,
        undo_days=person_merging.UNDO_DAYS,
        problem=problem,
    )
    return page, status
