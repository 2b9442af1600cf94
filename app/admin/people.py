"""The team: inviting, roles, groups, skills, limits; and letting somebody go with their tickets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from wtforms import SelectField

from app.accounts import directory, invitations, members, second_factor
from app.accounts.access import admin_required, current_person
from app.accounts.forms import ROLES, email_field
from app.accounts.models import AGENT_ROLES, Person, PersonEmail, Presence, Role
from app.admin.catalog import skill_choices
from app.admin.forms import AdminForm, checks, ids, line, number, optional_id, options
from app.admin.resource import ID, ListRow, Query, Resource
from app.core.audit import Facts
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, DomainError, Invalid, NotFound
from app.core.jobs import Job, ring
from app.routing.models import AssignmentRule
from app.tickets import holding
from app.tickets.models import ACTIVE, Ticket

bp = Blueprint("team", __name__, url_prefix="/admin/people")

WAITS = sa.and_(Person.password_hash.is_(None), PersonEmail.proven_at.is_(None))


class MemberForm(AdminForm):
    """Somebody of the team."""

    name = line("Name", "Customers see it under replies.", most=200)
    role = SelectField(
        "Role",
        choices=options(ROLES.items()),
        description="Supervisors also change rules, macros and SLA policies; admins everything.",
    )
    max_tickets = number(
        "Tickets at once",
        "Nobody who has so many new, open or in progress is handed another one.",
        most=members.MOST_TICKETS,
    )
    groups = checks("Groups")
    skills = checks("Skills")


class InvitationForm(MemberForm):
    """Somebody new."""

    email = email_field(new=True)


class DeactivationForm(AdminForm):
    """Who takes the tickets of somebody who leaves."""

    instead = SelectField("Their tickets go to")


def _found(words: str) -> Query:
    found: Query = (
        sa.select(
            Person.id,
            Person.name,
            Person.role,
            Person.is_active,
            Person.presence,
            Person.max_tickets,
            PersonEmail.address,
            WAITS.label("waits"),
        )
        .outerjoin(PersonEmail, sa.and_(PersonEmail.person_id == Person.id, PersonEmail.is_main))
        .where(Person.role.in_(AGENT_ROLES))
    )
    if words:
        named = (c.icontains(words, autoescape=True) for c in (Person.name, PersonEmail.address))
        found = found.where(sa.or_(*named))
    return found.order_by(Person.is_active.desc(), sa.func.lower(Person.name), Person.id)


def _row(row: Any) -> ListRow:
    tags = [ROLES[row.role.value]] if row.role is not Role.AGENT else []
    if not row.is_active:
        tags.append("Left")
    elif row.waits:
        tags.append("Invited")
    presence = "" if row.presence is Presence.OFFLINE else row.presence.value.capitalize()
    return ListRow(
        row.id, row.name or row.address or "Unknown", row.address or "", tuple(tags), presence
    )


def _form(person: Person | None) -> MemberForm:
    form: MemberForm = (
        InvitationForm(data={"max_tickets": 5})
        if person is None
        else MemberForm(
            data={
                "name": person.name,
                "role": person.role.value,
                "max_tickets": person.max_tickets,
                "groups": [str(group.id) for group in person.groups],
                "skills": [str(skill.id) for skill in person.skills],
            }
        )
    )
    form.groups.choices = options((g.id, g.name) for g in directory.groups().values())
    form.skills.choices = skill_choices()
    return form


def _save(person: Person | None, form: Any, by: Person, now: datetime) -> Person:
    role = Role(form.role.data)
    before: Facts | None = None
    if person is None:
        try:
            person = invitations.invite(
                form.email.data, name=form.name.data, role=role, by=by, now=now
            )
        except Conflict as error:
            raise Invalid(error.message, {"email": error.message}) from None
        before = {}
    members.save(
        person,
        name=form.name.data,
        role=role,
        group_ids=ids(form.groups),
        skill_ids=ids(form.skills),
        max_tickets=form.max_tickets.data,
        by=by,
        now=now,
        before=before,
    )
    return person


@bp.get(f"/{ID}/deactivation")
@admin_required
def ask_to_deactivate(thing_id: int) -> ResponseReturnValue:
    """How many tickets they hold, and who takes them."""
    person = _member(thing_id)
    return _deactivation(person, _deactivation_form(person))


@bp.post(f"/{ID}/deactivation")
@admin_required
def deactivate(thing_id: int) -> ResponseReturnValue:
    """Let somebody go; their tickets go to somebody else, or wait to be handed out."""
    person = _member(thing_id)
    form = _deactivation_form(person)
    if not form.validate_on_submit():
        return _deactivation(person, form), 422
    now, by = utcnow(), current_person()
    try:
        members.deactivate(person, by=by, now=now)
        heir = db.session.get(Person, optional_id(form.instead.data) or 0)
        count = pass_on(person, heir, by=by, now=now)
        db.session.commit()
    except DomainError as error:
        db.session.rollback()
        form.take(error)
        return _deactivation(_member(thing_id), form), 422
    where = heir.display_name if heir else "whoever has room"
    passed = f" {count} tickets go to {where}." if count else ""
    flash(f"{person.display_name} is signed out everywhere.{passed}", "success")
    return redirect("/admin/people", 303)


@bp.post(f"/{ID}/activation")
@admin_required
def reactivate(thing_id: int) -> ResponseReturnValue:
    """Let somebody in again."""
    person = _member(thing_id)
    members.reactivate(person, by=current_person(), now=utcnow())
    db.session.commit()
    flash(f"{person.display_name} can sign in again.", "success")
    return redirect(f"/admin/people/{person.id}", 303)


@bp.post(f"/{ID}/second-factor/removal")
@admin_required
def remove_second_factor(thing_id: int) -> ResponseReturnValue:
    """For somebody who lost phone and recovery codes: the password alone is enough again."""
    person = _member(thing_id)
    if person.totp_secret is None:
        raise Conflict(f"{person.display_name} signs in without a code already.")
    second_factor.turn_off(person, by=current_person(), now=utcnow())
    db.session.commit()
    flash(f"{person.display_name} can sign in without a code.", "success")
    return redirect(f"/admin/people/{person.id}", 303)


@bp.post(f"/{ID}/invitation")
@admin_required
def invite_again(thing_id: int) -> ResponseReturnValue:
    """Mail a fresh link to somebody who has not joined yet."""
    person = _member(thing_id)
    if person.password_hash is not None:
        raise Conflict(f"{person.display_name} has joined already.")
    invitations.invite(
        person.email, name=person.name, role=person.role, by=current_person(), now=utcnow()
    )
    db.session.commit()
    flash(f"A fresh link to {person.email} is on its way.", "success")
    return redirect(f"/admin/people/{person.id}", 303)


def _member(person_id: int) -> Person:
    person = db.session.get(Person, person_id)
    if person is None or not person.is_agent:
        raise NotFound("This person does not answer tickets.")
    return person


def _deactivation_form(person: Person) -> DeactivationForm:
    form = DeactivationForm()
    others = (c for c in directory.agents().values() if c.is_active and c.id != person.id)
    nobody = ("", "Nobody: they wait, and rules hand them out again")
    form.instead.choices = options([nobody, *((card.id, card.name) for card in others)])
    return form


def _deactivation(person: Person, form: DeactivationForm) -> str:
    holds = sa.select(sa.func.count()).where(Ticket.assignee_id == person.id, sa.text(ACTIVE))
    names = sa.select(sa.func.count()).where(AssignmentRule.agent_id == person.id)
    return render_template(
        "admin/deactivate.html",
        person=person,
        name=person.display_name,
        tickets=db.session.scalar(holds),
        rules=db.session.scalar(names),
        form=form,
    )


def pass_on(person: Person, heir: Person | None, *, by: Person, now: datetime) -> int:
    """Give their active tickets and rules to *heir*; a ticket that *heir* may not see waits."""
    mine = sa.select(Ticket).where(Ticket.assignee_id == person.id, sa.text(ACTIVE))
    count = 0
    for ticket in db.session.scalars(mine.order_by(Ticket.id).with_for_update()):
        group = directory.groups().get(ticket.group_id or 0)
        hidden = group is not None and heir is not None and _is_hidden(group, heir)
        holding.give(ticket, None if hidden else heir, by=by, now=now)
        count += 1
    if heir is not None:
        for rule in db.session.scalars(
            sa.select(AssignmentRule).where(AssignmentRule.agent_id == person.id)
        ):
            rule.agent_id = heir.id
    ring(Job.HAND_OUT)
    return count


def _is_hidden(group: directory.GroupCard, person: Person) -> bool:
    return group.is_private and not person.is_supervisor and person.id not in group.member_ids


PEOPLE = Resource(
    path="people",
    one="person",
    many="People",
    lead="Who answers tickets here. Whoever is new gets a mail with a link to join.",
    guard=admin_required,
    model=Person,
    found=_found,
    row=_row,
    form=_form,
    save=_save,
    name=lambda person: person.display_name,
    facts=members.facts,
    is_of_kind=lambda person: person.is_agent,
    is_deletable=False,
    template="admin/person.html",
)
