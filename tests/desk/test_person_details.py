"""Name, phone and organization of a customer, changed in place on their page."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts.models import Person, Role, Tier
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.tickets.models import Ticket
from app.tickets.words import Source
from tests.factories import make_agent, make_best_policy, make_organization, make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]


def fields(text: str) -> dict[str, str]:
    """What the form holds."""
    form = text[text.index("/details") :]
    inputs = re.findall(r"<input[^>]*>", form)
    found = {}
    for tag in inputs:
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name:
            found[name[1]] = unescape(value[1]) if value else ""
    return {key: found[key] for key in ("csrf_token", "name", "phone", "organization", "seen")}


def change(client: FlaskClient, person: Person, **changes: str) -> TestResponse:
    path = f"/desk/people/{person.id}/details"
    return client.post(path, data=fields(client.get(path).text) | changes)


def audited() -> set[tuple[str, str | None, str | None, str]]:
    rows = db.session.scalars(sa.select(AuditEntry).where(AuditEntry.thing == "customer"))
    return {(row.field, row.from_value, row.to_value, row.actor_name) for row in rows}


@pytest.mark.requirement("R 13-1", "R 13-5")
def test_an_agent_changes_them_and_the_audit_log_says_so(desk: FlaskClient, anna: Person) -> None:
    bakery = make_organization("Backhaus Leitner")
    answer = change(desk, anna, name="Anna L. Leitner", organization="backhaus LEITNER")
    assert (answer.status_code, answer.location) == (303, f"/desk/people/{anna.id}")
    assert (anna.name, anna.phone, anna.organization_id) == (
        "Anna L. Leitner",
        "+43 1 5550",
        bakery.id,
    )
    assert audited() == {
        ("Name", "Anna Leitner", "Anna L. Leitner", "Priya Raman"),
        ("Organization", "", "Backhaus Leitner", "Priya Raman"),
    }
    assert change(desk, anna, organization="").status_code == 303
    assert anna.organization_id is None


def test_in_place_the_answer_is_the_part_of_the_page(
    htmx: FlaskClient, sign_in: SignIn, anna: Person
) -> None:
    sign_in(htmx, make_agent())
    form = htmx.get(f"/desk/people/{anna.id}/details").text
    assert form.lstrip().startswith('<section class="card stack snug" id="person-about">')
    assert "<html" not in form
    answer = change(htmx, anna, name="Anna <b>")
    assert answer.status_code == 200
    part, _, head = answer.text.partition('<header class="lead" id="person-head"')
    assert 'id="person-about"' in part
    assert "hx-swap-oob" in head
    assert "Anna &lt;b&gt;" in head
    page = htmx.get(f"/desk/people/{anna.id}", headers={"HX-Request": ""}).text
    assert "Anna &lt;b&gt;" in page


def test_an_unknown_organization_is_refused_with_what_was_typed(
    desk: FlaskClient, anna: Person
) -> None:
    answer = change(desk, anna, organization="Nobody Ltd", phone="1")
    assert answer.status_code == 422
    assert "There is no organization “Nobody Ltd”" in answer.text
    assert 'value="Nobody Ltd"' in answer.text
    assert anna.phone == "+43 1 5550"


def test_what_is_too_long_is_refused(desk: FlaskClient, anna: Person) -> None:
    answer = change(desk, anna, phone="1" * 51)
    assert answer.status_code == 422
    assert "At most 50 characters" in answer.text


def test_nobody_overwrites_what_they_have_not_seen(desk: FlaskClient, anna: Person) -> None:
    path = f"/desk/people/{anna.id}/details"
    form = fields(desk.get(path).text)
    assert change(desk, anna, phone="1").status_code == 303
    answer = desk.post(path, data=form | {"phone": "2"})
    assert answer.status_code == 409
    assert "Somebody else has changed this meanwhile" in answer.text
    assert anna.phone == "1"
    again = desk.post(path, data=fields(answer.text) | {"phone": "2"})
    assert again.status_code == 303
    assert anna.phone == "2"


def test_another_tier_chooses_the_sla_policy_again(desk: FlaskClient, anna: Person) -> None:
    make_organization("Backhaus Leitner", tier=Tier.ENTERPRISE)
    best = make_best_policy()
    db.session.commit()
    now = utcnow()
    opened = take_in(
        NewTicket("Oven", "Off", RequesterInput(person_id=anna.id), Source.PHONE), now=now
    )
    ticket = db.session.get_one(Ticket, opened.id)
    assert ticket.sla_policy_id != best.id
    assert change(desk, anna, organization="Backhaus Leitner").status_code == 303
    assert ticket.sla_policy_id == best.id


def test_who_works_here_is_changed_elsewhere(desk: FlaskClient, anna: Person) -> None:
    colleague = make_agent(name="Sanna Oksanen")
    assert desk.get(f"/desk/people/{colleague.id}/details").status_code == 409
    assert "/details" not in desk.get(f"/desk/people/{colleague.id}").text
    assert "/details" in desk.get(f"/desk/people/{anna.id}").text


def test_customers_change_nobody(client: FlaskClient, sign_in: SignIn, anna: Person) -> None:
    sign_in(client, make_person(role=Role.CUSTOMER))
    path = f"/desk/people/{anna.id}/details"
    assert client.get(path).status_code == 403
