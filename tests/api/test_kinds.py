"""Everything that is data over the API: the same actions, checks and audit log as on the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Group, Organization, Person, Presence, Role, Tier
from app.core.audit import AuditEntry
from app.core.db import db
from app.sla.models import Calendar, SlaPolicy
from app.tickets.catalog_models import Category, Tag
from app.tickets.models import SlaClock, Ticket
from tests.factories import (
    bearer,
    category,
    make_agent,
    make_group,
    make_organization,
    make_person,
    make_skill,
    make_ticket,
)

V1 = "/api/v1"
Headers = dict[str, str]


@pytest.fixture
def admin(app: Flask) -> Headers:
    return bearer(make_agent("admin@desk.example", role=Role.ADMIN))


@pytest.fixture
def agent(app: Flask) -> Headers:
    return bearer(make_agent("agent@desk.example"))


def calendar_name() -> str:
    return db.session.scalars(sa.select(Calendar.name).order_by(Calendar.id)).first() or ""


# A body that makes one, a change, and what the answer says then.
KINDS: dict[str, tuple[Callable[[], dict[str, Any]], dict[str, Any]]] = {
    "requesters": (
        lambda: {"email": "Ann@Bakery.example", "name": "Ann", "external_id": "crm-1"},
        {"phone": "+43 1 555"},
    ),
    "organizations": (
        lambda: {"name": "Bakery", "domains": ["bakery.example"], "tier": "premium"},
        {"notes": "Four ovens."},
    ),
    "agents": (
        lambda: {"email": "new@desk.example", "name": "New", "max_tickets": 7},
        {"max_tickets": 3},
    ),
    "groups": (lambda: {"name": "Ovens", "distribution": "round_robin"}, {"is_private": True}),
    "skills": (lambda: {"name": "steam", "agents": ["admin@desk.example"]}, {"name": "gas"}),
    "categories": (lambda: {"name": "Ovens & more"}, {"is_active": False}),
    "tags": (lambda: {"name": "outage"}, {"name": "power cut"}),
    "templates": (
        lambda: {
            "category": "billing",
            "language": "fr",
            "subject": "We have it",
            "body": "{{ ticket.number }}",
        },
        {"is_active": False},
    ),
    "policies": (
        lambda: {
            "name": "Quick",
            "calendar": calendar_name(),
            "priorities": ["urgent"],
            "categories": ["billing"],
            "first_response_minutes": 30,
            "resolution_minutes": 60,
            "escalations": [{"kind": "add_tag", "tag": "late"}],
        },
        {"resolution_minutes": 90},
    ),
    "rules": (
        lambda: {"category": "billing", "kind": "specific_agent", "agent": "admin@desk.example"},
        {"name": "Bills"},
    ),
}
THINGS = {
    "requesters": "customer",
    "organizations": "organization",
    "agents": "person",
    "groups": "group",
    "skills": "skill",
    "categories": "category",
    "tags": "tag",
    "templates": "automatic answer",
    "policies": "SLA policy",
    "rules": "assignment rule",
}


@pytest.mark.requirement("R 13-16")
@pytest.mark.parametrize("path", KINDS)
def test_each_kind_is_made_shown_changed_listed_and_deleted(
    client: FlaskClient, admin: Headers, path: str
) -> None:
    body, change = KINDS[path]
    made = client.post(f"{V1}/{path}", json=body(), headers=admin)
    assert made.status_code == 201, made.text
    one = made.headers["Location"]
    assert client.get(one, headers=admin).get_json() == made.get_json()
    changed = client.patch(one, json=change, headers=admin)
    assert changed.status_code == 200, changed.text
    assert changed.get_json() == {**made.get_json(), **change}
    listed = client.get(f"{V1}/{path}?limit=100", headers=admin).get_json()
    assert changed.get_json() in listed[path]
    assert listed["total"] == len(listed[path])
    gone = client.delete(one, headers=admin)
    assert gone.status_code == 204, gone.text
    if path != "agents":  # they stay, and work here no more
        assert client.get(one, headers=admin).status_code == 404
    actions = db.session.scalars(
        sa.select(AuditEntry.action).where(AuditEntry.thing == THINGS[path]).order_by(AuditEntry.id)
    ).all()
    assert {"created", "changed"} <= set(actions)
    assert actions[-1] == ("changed" if path == "agents" else "deleted")


@pytest.mark.requirement("X18")
@pytest.mark.parametrize("path", KINDS)
def test_who_may_read_and_who_may_write(
    client: FlaskClient, admin: Headers, agent: Headers, path: str
) -> None:
    body, change = KINDS[path]
    one = client.post(f"{V1}/{path}", json=body(), headers=admin).headers["Location"]
    customer = bearer(make_person())
    supervisor = bearer(make_agent(role=Role.SUPERVISOR))
    reads_alone = bearer(make_agent(role=Role.ADMIN), may_write=False)
    assert client.get(one).status_code == 401
    hidden = {"requesters": 404, "categories": 200}.get(path, 403)
    assert client.get(one, headers=customer).status_code == hidden
    assert client.get(one, headers=agent).status_code == 200
    for who in (customer, reads_alone):
        assert client.patch(one, json=change, headers=who).status_code == 403
        assert client.post(f"{V1}/{path}", json=body(), headers=who).status_code == 403
        assert client.delete(one, headers=who).status_code == 403
    writers = {"requesters": agent, "templates": supervisor, "policies": supervisor}
    writers["rules"] = supervisor
    if path != "requesters":
        assert client.patch(one, json=change, headers=agent).status_code == 403
    writer = writers.get(path, admin)
    assert client.patch(one, json=change, headers=writer).status_code == 200


@pytest.mark.requirement("X13", "X17")
@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("field", ["id", "created_at", "password_hash", "position"])
def test_nothing_else_can_be_set(
    client: FlaskClient, admin: Headers, path: str, field: str
) -> None:
    answer = client.post(f"{V1}/{path}", json=KINDS[path][0]() | {field: 7}, headers=admin)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("groups", {"name": ""}, "name"),
        ("groups", {"name": "x" * 101}, "name"),
        ("groups", {"name": "a", "members": [10**9]}, "members"),
        ("groups", {"name": "a", "members": [10**30]}, "members"),
        ("organizations", {"name": "a", "domains": ["gmail.com"]}, "domains"),
        ("organizations", {"name": "a", "tier": "gold"}, "tier"),
        ("requesters", {"email": "nobody"}, "email"),
        ("requesters", {"email": "a@b.example", "time_zone": "Moon/Base"}, "time_zone"),
        ("requesters", {"email": "a@b.example", "organization": "none"}, "organization"),
        ("agents", {"email": "a@b.example", "name": "a", "role": "customer"}, "role"),
        ("agents", {"email": "a@b.example", "name": "a", "skills": ["none"]}, "skills"),
        ("tags", {"name": ","}, "name"),
        ("templates", {"category": "billing", "subject": "a", "body": "{{ key }}"}, "body"),
        ("rules", {"category": "billing", "kind": "specific_agent"}, "agent"),
        ("rules", {"category": "none", "kind": "round_robin"}, "category"),
        ("policies", {"name": "a", "calendar": "none"}, "first_response_minutes"),
    ],
)
def test_wrong_input_is_told_by_field(
    client: FlaskClient, admin: Headers, path: str, body: dict[str, Any], field: str
) -> None:
    answer = client.post(f"{V1}/{path}", json=body, headers=admin)
    assert answer.status_code == 400
    assert field in {error["field"] for error in answer.get_json()["errors"]}


@pytest.mark.requirement("X52")
@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "page=10000", "limit=0", "limit=101", "cursor=forged", "limit="]
)
@pytest.mark.parametrize("path", ["requesters", "rules"])
def test_wrong_pages_are_told(client: FlaskClient, admin: Headers, path: str, query: str) -> None:
    answer = client.get(f"{V1}/{path}?{query}", headers=admin)
    assert answer.status_code == 400
    assert answer.get_json()["errors"]


@pytest.mark.parametrize("path", ["requesters", "categories"])
def test_pages_and_cursors_walk_every_row_once(
    client: FlaskClient, admin: Headers, path: str
) -> None:
    for n in range(5):
        make_person()
        db.session.add(Category(key=f"c{n}", name=f"C{n}", position=1))
    db.session.commit()
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        body = client.get(f"{V1}/{path}?limit=2&cursor={cursor}", headers=admin).get_json()
        seen += [row["id"] for row in body[path]]
        cursor = body["next_cursor"]
    assert len(seen) == len(set(seen)) == body["total"] >= 5
    assert body["page"] == body["total_pages"]
    by_page = [
        row["id"]
        for page in range(1, body["total_pages"] + 1)
        for row in client.get(f"{V1}/{path}?limit=2&page={page}", headers=admin).get_json()[path]
    ]
    assert by_page == seen


def test_a_list_costs_the_same_for_one_and_for_many(
    client: FlaskClient, admin: Headers, statements: list[str]
) -> None:
    for path in ("requesters", "agents", "organizations", "groups"):
        client.get(f"{V1}/{path}", headers=admin)
        statements.clear()
        client.get(f"{V1}/{path}", headers=admin)
        few = len(statements)
        for _ in range(8):
            make_agent(groups=(make_group(),))
            make_person(organization=make_organization())
        db.session.commit()
        client.get(f"{V1}/{path}", headers=admin)
        statements.clear()
        client.get(f"{V1}/{path}", headers=admin)
        assert len(statements) <= max(few, 8), path


@pytest.mark.requirement("X18")
def test_a_customer_sees_themselves_alone(client: FlaskClient, app: Flask) -> None:
    me, other = make_person("me@x.example", tier=Tier.PREMIUM), make_person()
    auth = bearer(me)
    listed = client.get(f"{V1}/requesters", headers=auth).get_json()
    assert [row["id"] for row in listed["requesters"]] == [me.id]
    assert {"tier", "external_id"}.isdisjoint(listed["requesters"][0])
    assert client.get(f"{V1}/requesters/{other.id}", headers=auth).status_code == 404
    found = client.get(f"{V1}/requesters?email={other.email}", headers=auth).get_json()
    assert found["total"] == 0
    shown = client.get(f"{V1}/categories", headers=auth).get_json()["categories"]
    assert all("skills" not in row for row in shown)


def test_a_private_group_is_not_there_for_others(client: FlaskClient, agent: Headers) -> None:
    hidden = make_group("Secret", is_private=True)
    member = make_agent(groups=(hidden,))
    db.session.commit()
    assert client.get(f"{V1}/groups/{hidden.id}", headers=agent).status_code == 404
    for path in ("groups", "agents"):
        assert "Secret" not in client.get(f"{V1}/{path}?limit=100", headers=agent).text
    found = client.get(f"{V1}/agents?group={hidden.id}", headers=agent).get_json()
    assert found["total"] == 0
    assert client.get(f"{V1}/groups/{hidden.id}", headers=bearer(member)).status_code == 200


def test_presence_is_one_s_own_or_an_admin_s(
    client: FlaskClient, admin: Headers, agent: Headers
) -> None:
    other = make_agent("other@desk.example")
    path = f"{V1}/agents/{other.id}/presence"
    assert client.put(path, json={"presence": "busy"}, headers=agent).status_code == 403
    for who in (admin, bearer(other)):
        answer = client.put(path, json={"presence": "busy"}, headers=who)
        assert answer.get_json()["presence"] == "busy"
    assert db.session.get_one(Person, other.id).presence is Presence.BUSY
    assert client.put(path, json={"presence": "offline"}, headers=admin).status_code == 400


def test_an_agent_who_leaves_hands_their_tickets_on(client: FlaskClient, admin: Headers) -> None:
    leaver, heir = make_agent(), make_agent()
    ticket = make_ticket(assignee=leaver)
    db.session.commit()
    gone = client.delete(f"{V1}/agents/{leaver.id}?instead={heir.id}", headers=admin)
    assert gone.status_code == 204
    assert db.session.get_one(Ticket, ticket.id).assignee_id == heir.id
    shown = client.get(f"{V1}/agents/{leaver.id}", headers=admin).get_json()
    assert (shown["is_active"], shown["presence"]) == (False, "offline")
    back = client.patch(f"{V1}/agents/{leaver.id}", json={"is_active": True}, headers=admin)
    assert back.get_json()["is_active"] is True
    lone = client.get(f"{V1}/agents?q=admin@desk", headers=admin).get_json()["agents"][0]
    assert client.delete(f"{V1}/agents/{lone['id']}", headers=admin).status_code == 409


def test_what_is_in_use_goes_with_something_in_its_place(
    client: FlaskClient, admin: Headers
) -> None:
    group, other = make_group("Old"), make_group("New")
    ticket = make_ticket(group=group)
    first, second = Tag(name="one"), Tag(name="two")
    ticket.tags = [first]
    db.session.add(second)
    db.session.commit()
    path = f"{V1}/groups/{group.id}"
    assert client.delete(path, headers=admin).status_code == 400
    assert client.delete(f"{path}?instead={10**9}", headers=admin).status_code == 400
    assert client.delete(f"{path}?instead={other.id}", headers=admin).status_code == 204
    merged = client.delete(f"{V1}/tags/{first.id}?instead={second.id}", headers=admin)
    assert merged.status_code == 204
    now = db.session.get_one(Ticket, ticket.id)
    assert (now.group_id, [tag.name for tag in now.tags]) == (other.id, ["two"])


def test_a_requester_with_tickets_stays(client: FlaskClient, agent: Headers) -> None:
    ticket = make_ticket()
    db.session.commit()
    path = f"{V1}/requesters/{ticket.requester_id}"
    assert client.delete(path, headers=agent).status_code == 409
    assert client.get(path, headers=agent).status_code == 200


def test_another_tier_chooses_the_policy_again(
    client: FlaskClient, admin: Headers, agent: Headers
) -> None:
    policy = {
        "name": "Premium",
        "calendar": calendar_name(),
        "tiers": ["premium"],
        "first_response_minutes": 5,
        "resolution_minutes": 10,
    }
    made = client.post(f"{V1}/policies", json=policy, headers=admin).get_json()
    ids = [p["id"] for p in client.get(f"{V1}/policies", headers=admin).get_json()["policies"]]
    order = [made["id"], *(i for i in ids if i != made["id"])]
    answer = client.put(f"{V1}/policies/order", json={"ids": order}, headers=admin)
    assert answer.status_code == 204
    assert db.session.get_one(SlaPolicy, made["id"]).position == 1
    body = {"subject": "a", "description": "b", "requester": {"email": "ann@x.example"}}
    ticket = client.post(f"{V1}/tickets", json=body, headers=agent).get_json()
    path = f"{V1}/requesters/{ticket['requester']['id']}"
    assert client.patch(path, json={"tier": "premium"}, headers=agent).status_code == 200
    clocks = db.session.scalars(
        sa.select(SlaClock).join(Ticket).where(Ticket.number == ticket["number"])
    )
    minutes = {
        (clock.due_at - clock.started_at).total_seconds() for clock in clocks if clock.due_at
    }
    assert minutes == {300, 600}


def test_subcategories_are_made_in_their_category(client: FlaskClient, admin: Headers) -> None:
    skill = make_skill("steam")
    technical, billing = category("technical"), category("billing")
    db.session.commit()
    under = f"{V1}/categories/{technical.id}/subcategories"
    made = client.post(under, json={"name": "Ovens", "skills": ["steam"]}, headers=admin)
    assert made.status_code == 201, made.text
    assert made.get_json()["skills"] == [{"id": skill.id, "name": "steam"}]
    one = f"{under}/{made.get_json()['id']}"
    assert client.patch(one, json={"is_active": False}, headers=admin).status_code == 200
    elsewhere = f"{V1}/categories/{billing.id}/subcategories/{made.get_json()['id']}"
    assert client.patch(elsewhere, json={"name": "x"}, headers=admin).status_code == 404
    assert client.delete(one, headers=admin).status_code == 204
    shown = client.get(f"{V1}/categories/{technical.id}", headers=admin).get_json()
    assert shown["subcategories"] == []


def test_an_order_that_names_not_all_is_refused(client: FlaskClient, admin: Headers) -> None:
    for ids in ([], [1], [10**9]):
        answer = client.put(f"{V1}/categories/order", json={"ids": ids}, headers=admin)
        assert answer.status_code == 409


@pytest.mark.requirement("X23")
@pytest.mark.parametrize(
    ("path", "model", "body"),
    [
        ("requesters", Person, {"email": "ann@x.example", "name": "Ann"}),
        ("organizations", Organization, {"name": "Bakery"}),
    ],
)
def test_an_import_that_runs_twice_makes_one(
    client: FlaskClient, admin: Headers, path: str, model: Any, body: dict[str, Any]
) -> None:
    one = f"{V1}/{path}/external/crm/7"
    first = client.put(one, json=body, headers=admin)
    assert first.status_code == 201, first.text
    again = client.put(one, json=body | {"name": "Other"}, headers=admin)
    assert again.status_code == 200
    assert again.get_json() == first.get_json() | {"name": "Other"}
    assert client.get(one, headers=admin).get_json() == again.get_json()
    count = sa.select(sa.func.count()).where(model.external_id == "crm/7")
    assert db.session.scalar(count) == 1
    assert client.get(f"{one}0", headers=admin).status_code == 404
    assert client.put(f"{one}0", json={}, headers=admin).status_code == 400
    taken = client.post(f"{V1}/{path}", json=body | {"external_id": "crm/7"}, headers=admin)
    assert taken.status_code in (400, 409)


@pytest.mark.requirement("X12", "X23")
def test_an_import_finds_a_known_customer_by_address(client: FlaskClient, agent: Headers) -> None:
    ann = make_person("ann@x.example", name="Ann")
    colleague = make_agent("bob@desk.example")
    db.session.commit()
    body = {"email": "Ann@X.example"}
    found = client.put(f"{V1}/requesters/external/crm-1", json=body, headers=agent)
    assert (found.status_code, found.get_json()["id"]) == (200, ann.id)
    assert found.get_json()["name"] == "Ann"
    other = client.put(f"{V1}/requesters/external/crm-2", json=body, headers=agent)
    assert other.status_code == 409
    staff = {"email": colleague.email}
    refused = client.put(f"{V1}/requesters/external/crm-3", json=staff, headers=agent)
    assert refused.status_code == 409


def test_the_same_key_makes_one(client: FlaskClient, admin: Headers) -> None:
    auth = {**admin, "Idempotency-Key": "k"}
    first = client.post(f"{V1}/groups", json={"name": "Ovens"}, headers=auth)
    again = client.post(f"{V1}/groups", json={"name": "Ovens"}, headers=auth)
    assert first.get_json() == again.get_json()
    assert db.session.scalar(sa.select(sa.func.count()).where(Group.name == "Ovens")) == 1


@pytest.mark.requirement("X13")
def test_a_change_is_whole_inside(client: FlaskClient, admin: Headers) -> None:
    """Nothing has to be named, but a step that is named has to be one."""
    made = client.post(f"{V1}/policies", json=KINDS["policies"][0](), headers=admin)
    path = made.headers["Location"]
    raised = client.patch(path, json={"escalations": [{"kind": "raise_priority"}]}, headers=admin)
    assert raised.get_json()["escalations"] == [
        {"target": None, "kind": "raise_priority", "priority": None}
    ]
    for step in ({"tag": "a"}, {"kind": "add_tag"}, {"kind": "reassign_group"}, {}):
        answer = client.patch(path, json={"escalations": [step]}, headers=admin)
        assert answer.status_code == 400, step
