"""What is known of a customer, changed in place on their page: name, phone, organization."""

from __future__ import annotations

from hashlib import sha256

import sqlalchemy as sa
from flask import flash
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, StringField
from wtforms.validators import Length

from app.accounts import customers
from app.accounts.access import agent_required, current_person
from app.accounts.customers import CustomerDraft
from app.accounts.models import Organization, Person
from app.accounts.people import NAME_LENGTH, PHONE_LENGTH
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, DomainError, Invalid
from app.desk.person_routes import PERSON, find_person, person_page_of
from app.desk.ticket_routes import bp
from app.tickets import holding
from app.web.forms import BaseForm, one_line, stripped
from app.web.htmx import wants_fragment

OFFERED = 500  # organizations in the list to choose from; others are typed
CHANGED = "Somebody else has changed this meanwhile. Look at it, then save it once more."


def _line(label: str, most: int, hint: str = "") -> StringField:
    checks = [Length(max=most, message=f"At most {most} characters."), one_line]
    return StringField(label, checks, description=hint, filters=[stripped])


class DetailsForm(BaseForm):
    """What agents may say of a customer. ``seen`` stands for what they had before them."""

    name = _line("Name", NAME_LENGTH)
    phone = _line("Phone", PHONE_LENGTH)
    organization = _line(
        "Organization",
        200,
        "Its tier counts for them. Some organizations let members see each other's tickets.",
    )
    seen = HiddenField()
    problem = ""

    @property
    def organizations(self) -> list[str]:
        """Names to choose from; one statement."""
        names = sa.select(Organization.name).order_by(sa.func.lower(Organization.name))
        return list(db.session.scalars(names.limit(OFFERED)))


@bp.get(f"{PERSON}/details")
@agent_required
def edit_details(person_id: int) -> ResponseReturnValue:
    """The form, in the place of what it changes."""
    person = find_person(person_id)
    customers.refuse_others(person)
    return person_page_of(person, details=_form(person))


@bp.post(f"{PERSON}/details")
@agent_required
def change_details(person_id: int) -> ResponseReturnValue:
    """Change them; the audit log says who did."""
    person = find_person(person_id, lock=True)
    customers.refuse_others(person)
    form = DetailsForm()
    if not form.validate_on_submit():
        return person_page_of(person, details=form, status=422)
    try:
        _save(person, form)
    except DomainError as error:
        db.session.rollback()
        person = find_person(person_id)
        if isinstance(error, Invalid) and "organization" in error.errors:
            form.organization.errors = (error.message,)
        else:
            form.problem, form.seen.data = error.message, _seen(person)
        return person_page_of(person, details=form, status=error.status)
    db.session.commit()
    if not wants_fragment():
        flash("Saved.", "success")
    return person_page_of(person, then=f"/desk/people/{person.id}")


def _save(person: Person, form: DetailsForm) -> None:
    """Store the form.

    Raises:
        Conflict: somebody else was quicker.
        Invalid: there is no such organization.
    """
    if form.seen.data != _seen(person):
        raise Conflict(CHANGED)
    organization = _organization(form.organization.data)
    now, served = utcnow(), person.effective_tier
    draft = CustomerDraft(
        email=person.email,
        name=form.name.data,
        phone=form.phone.data,
        external_id=person.external_id,
        organization_id=organization.id if organization else None,
        tier=person.tier,
        language=person.language,
        time_zone=person.time_zone,
    )
    by = current_person()
    customers.save(person, draft, by=by, now=now)
    if person.effective_tier is not served:
        holding.tier_changed(Person.id == person.id, by=by, now=now)


def _organization(name: str) -> Organization | None:
    """The one of this name, in whatever case; None where the field is empty."""
    if not name:
        return None
    same = sa.select(Organization).where(sa.func.lower(Organization.name) == name.lower())
    found = db.session.scalars(same.order_by((Organization.name == name).desc()).limit(1)).first()
    if found is None:
        message = f"There is no organization “{name[:100]}”. Choose another; admins add new ones."
        raise Invalid(message, {"organization": message})
    return found


def _form(person: Person) -> DetailsForm:
    organization = person.organization.name if person.organization else ""
    shown = {"name": person.name, "phone": person.phone, "organization": organization}
    return DetailsForm(formdata=None, data={**shown, "seen": _seen(person)})


def _seen(person: Person) -> str:
    """Stands for what the form shows: another one once somebody has changed it."""
    shown = repr((person.name, person.phone, person.organization_id))
    return sha256(shown.encode()).hexdigest()[:16]
