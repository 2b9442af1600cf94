"""Links that work once: by mail and from the terminal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import invitations, links, passwords
from app.accounts.models import (
    LinkPurpose,
    LoginSession,
    OneTimeLink,
    OrganizationDomain,
    Person,
    PersonEmail,
    Presence,
    Role,
)
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Invalid
from tests.accounts.pages import mails, token_of
from tests.factories import make_agent, make_organization, make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]
NEW = "a quite new password"


def ask(client: FlaskClient, page: str, email: str) -> tuple[int, str]:
    """Ask for a link; status and page, without what changes with every answer."""
    answer = client.post(page, data={"email": email, "csrf_token": token_of(client, page)})
    return answer.status_code, answer.text.replace(email, "ADDRESS")


def path_in_mail(kind: str) -> str:
    """The path of the newest mail of a kind."""
    return str(mails(kind)[-1].context["path"])


def post(client: FlaskClient, path: str, **data: str) -> tuple[int, str]:
    """Press the button of a link's page; status and where it sends us."""
    page, _, key = path.partition("?key=")
    data = {"key": key, "csrf_token": token_of(client, path)} | data
    answer = client.post(page, data=data)
    return answer.status_code, answer.headers.get("Location", "")


def is_signed_in(client: FlaskClient) -> bool:
    """Whether the account page opens."""
    return client.get("/account/").status_code == 200


@pytest.mark.requirement("R 0-29")
def test_a_mailed_link_signs_in_and_proves_the_address(client: FlaskClient) -> None:
    company = make_organization()
    db.session.add(OrganizationDomain(domain="example.com", organization_id=company.id))
    ana = make_person("ana@example.com", name="Ana")
    ana.emails[0].proven_at = None
    make_person("bo@example.com")
    db.session.commit()
    assert ask(client, "/login/link", "Ana@example.com")[0] == 200
    [mail] = mails("sign_in_link")
    assert (mail.recipient, mail.recipient_name) == ("ana@example.com", "Ana")
    path = path_in_mail("sign_in_link")

    for _ in range(3):  # a mail scanner opens it, again and again
        assert client.get(path).status_code == 200
    assert not is_signed_in(client)
    assert ana.emails[0].proven_at is None

    assert post(client, path) == (303, "/tickets")
    assert is_signed_in(client)
    assert ana.emails[0].proven_at is not None
    assert ana.organization_id == company.id


def test_the_answer_does_not_tell_whether_an_address_is_known(client: FlaskClient) -> None:
    make_person("ana@example.com")
    make_person("gone@example.com", is_active=False)
    db.session.commit()
    for page, kind in (("/login/link", "sign_in_link"), ("/password-reset", "password_reset")):
        answers = {ask(client, page, f"{who}@example.com") for who in ("ana", "gone", "nobody")}
        assert len(answers) == 1
        assert [mail.recipient for mail in mails(kind)] == ["ana@example.com"]


def test_an_unknown_address_takes_as_long(client: FlaskClient) -> None:
    """Something is written for it too, since the wait for the disk is what takes time."""
    assert ask(client, "/login/link", "nobody@example.com")[0] == 200
    [row] = db.session.scalars(sa.select(OneTimeLink))
    assert row.expires_at <= utcnow()
    assert row.person_id is None
    assert mails("sign_in_link") == []


def test_a_further_address_gets_no_link_until_it_is_proven(client: FlaskClient) -> None:
    ana = make_person("ana@example.com")
    ana.emails.append(PersonEmail(address="other@example.com", is_main=False))
    db.session.commit()
    ask(client, "/login/link", "other@example.com")
    assert mails("sign_in_link") == []
    ana.emails[1].proven_at = utcnow()
    db.session.commit()
    ask(client, "/login/link", "other@example.com")
    assert [mail.recipient for mail in mails("sign_in_link")] == ["other@example.com"]


def test_a_link_works_once(app: Flask) -> None:
    make_person("ana@example.com")
    db.session.commit()
    first, second = app.test_client(), app.test_client()
    ask(first, "/login/link", "ana@example.com")
    path = path_in_mail("sign_in_link")
    token = token_of(second, path)  # opened by somebody else before it was used
    assert post(first, path)[0] == 303
    key = path.partition("?key=")[2]
    late = second.post("/login/confirmation", data={"key": key, "csrf_token": token})
    assert late.status_code == 404
    assert second.get(path).status_code == 404
    assert not is_signed_in(second)


def test_using_a_link_uses_up_its_kin_and_leaves_other_people_alone(app: Flask) -> None:
    for name in ("ana", "bo"):
        make_person(f"{name}@example.com")
    db.session.commit()
    client = app.test_client()
    for name in ("ana", "ana", "bo"):
        ask(client, "/login/link", f"{name}@example.com")
    first, second, other = (str(mail.context["path"]) for mail in mails("sign_in_link"))
    assert post(client, second)[0] == 303
    assert client.get(first).status_code == 404
    assert post(app.test_client(), other)[0] == 303


@pytest.mark.parametrize("purpose", list(LinkPurpose))
def test_forged_expired_and_foreign_links_are_dead(client: FlaskClient, purpose: str) -> None:
    person = make_person("ana@example.com")
    person_id = None if purpose == LinkPurpose.FIRST_ADMIN else person.id
    address = "" if purpose == LinkPurpose.FIRST_ADMIN else "ana@example.com"
    alive = links.make(LinkPurpose(purpose), person_id=person_id, address=address, now=utcnow())
    expired = links.make(
        LinkPurpose(purpose),
        person_id=person_id,
        address=address,
        now=utcnow() - timedelta(days=8),
    )
    db.session.commit()
    page, _, key = alive.partition("?key=")
    assert client.get(alive).status_code == 200
    token = token_of(client, alive)
    others = [path for path in links.PATHS.values() if path != page]
    dead = [f"{path}?key={key}" for path in others]  # a link does only what it was made for
    dead += [expired, page, f"{page}?key=", f"{page}?key={key[:-1]}", f"{page}?key={key}x"]
    dead += [f"{page}?key=%00", f"{page}?key=%ED%A0%80", f"{page}?key={'x' * 5_000}"]
    for path in dead:
        assert client.get(path).status_code == 404, path
        where, _, tried = path.partition("?key=")
        data = {"key": tried, "csrf_token": token, "name": "A", "email": "a@b.example"}
        answer = client.post(where, data=data | {"password": NEW, "again": NEW})
        assert answer.status_code == 404, path
    assert db.session.scalar(sa.select(sa.func.count(LoginSession.id))) == 0


def test_a_link_to_somebody_deactivated_is_dead(client: FlaskClient) -> None:
    person = make_person("ana@example.com")
    path = links.make(
        LinkPurpose.SIGN_IN, person_id=person.id, address="ana@example.com", now=utcnow()
    )
    db.session.commit()
    token = token_of(client, path)
    person.is_active = False
    db.session.commit()
    data = {"key": path.partition("?key=")[2], "csrf_token": token}
    assert client.post("/login/confirmation", data=data).status_code == 404


@pytest.mark.parametrize("purpose", ["sign_in", "password_reset", "invitation"])
def test_a_link_to_an_address_that_was_taken_away_is_dead(
    client: FlaskClient, purpose: str
) -> None:
    """A typing error in an invitation would else make an agent of a stranger for a week."""
    agent = make_agent("jo@exmaple.com")
    agent.emails.append(PersonEmail(address="jo@example.com"))
    key = LinkPurpose(purpose)
    path = links.make(key, person_id=agent.id, address="jo@exmaple.com", now=utcnow())
    db.session.commit()
    assert client.get(path).status_code == 200
    wrong, right = sorted(agent.emails, key=lambda email: not email.is_main)
    agent.emails.remove(wrong)
    db.session.flush()
    right.is_main = True
    db.session.commit()
    assert client.get(path).status_code == 404


def test_a_new_password_ends_every_link_that_was_mailed_before(
    client: FlaskClient, sign_in: SignIn
) -> None:
    """Whoever reads somebody's mail has asked for them, and keeps them for later."""
    old = "the password until now"
    ana = make_person("ana@example.com", password_hash=passwords.hash_password(old))
    other = make_person("bo@example.com")
    made = [
        links.make(purpose, person_id=ana.id, address=ana.email, now=utcnow())
        for purpose in (LinkPurpose.SIGN_IN, LinkPurpose.PASSWORD_RESET)
    ]
    foreign = links.make(LinkPurpose.SIGN_IN, person_id=other.id, now=utcnow())
    db.session.commit()
    sign_in(client, ana)
    form = {"current": old, "password": NEW}
    form["csrf_token"] = token_of(client, "/account/")
    assert client.post("/account/password", data=form).status_code == 303
    assert [client.get(path).status_code for path in made] == [404, 404]
    assert client.get(foreign).status_code == 200

    first, second = (
        links.make(purpose, person_id=ana.id, address=ana.email, now=utcnow())
        for purpose in (LinkPurpose.PASSWORD_RESET, LinkPurpose.SIGN_IN)
    )
    db.session.commit()
    assert post(client, first, password=NEW, again=NEW) == (303, "/tickets")
    assert client.get(second).status_code == 404


def test_the_key_is_kept_as_a_hash_alone(client: FlaskClient) -> None:
    make_person("ana@example.com")
    db.session.commit()
    ask(client, "/login/link", "ana@example.com")
    key = path_in_mail("sign_in_link").partition("?key=")[2]
    row = db.session.scalars(sa.select(OneTimeLink)).one()
    assert len(key) >= 43
    assert row.key_hash != key
    assert row.expires_at - row.created_at == timedelta(minutes=30)


def test_a_password_reset_signs_out_everywhere_else(app: Flask, sign_in: SignIn) -> None:
    ana = make_person("ana@example.com", password_hash=passwords.hash_password("the old one"))
    bo = make_person("bo@example.com")
    elsewhere, stranger = sign_in(app.test_client(), ana), sign_in(app.test_client(), bo)
    client = app.test_client()
    ask(client, "/password-reset", "ana@example.com")
    path = path_in_mail("password_reset")
    page, _, key = path.partition("?key=")
    token = token_of(client, path)
    bad = {"key": key, "csrf_token": token, "password": NEW, "again": "another one"}
    assert client.post(page, data=bad).status_code == 422
    assert client.post(page, data=bad | {"password": "x", "again": "x"}).status_code == 422
    assert post(client, path, password=NEW, again=NEW) == (303, "/tickets")
    assert passwords.matches(ana.password_hash, NEW)
    assert not is_signed_in(elsewhere)
    assert is_signed_in(stranger)
    assert is_signed_in(client)
    assert client.get(path).status_code == 404


def test_the_first_admin_is_made_once(app: Flask) -> None:
    replaced = invitations.first_admin_link()
    link = invitations.first_admin_link()
    db.session.commit()
    assert link is not None
    assert replaced is not None
    assert link.startswith("http://localhost/first-admin?key=")
    client, other = app.test_client(), app.test_client()
    assert client.get(replaced.removeprefix("http://localhost")).status_code == 404
    path = link.removeprefix("http://localhost")
    token = token_of(other, path)
    made = {"name": "Ada", "email": "Ada@desk.example", "password": NEW}
    assert post(client, path, **made) == (303, "/desk/")
    admin = db.session.scalars(sa.select(Person)).one()
    assert (admin.role, admin.name, admin.presence) == (Role.ADMIN, "Ada", Presence.ONLINE)
    assert admin.password_hash is not None
    assert admin.password_hash.startswith("$argon2id$")
    data = made | {"key": path.partition("?key=")[2], "csrf_token": token, "email": "eve@x.example"}
    assert other.post("/first-admin", data=data).status_code == 404
    assert invitations.first_admin_link() is None


def test_a_first_admin_link_dies_with_any_admin(client: FlaskClient) -> None:
    link = invitations.first_admin_link()
    assert link is not None
    make_agent(role=Role.ADMIN)
    db.session.commit()
    assert client.get(link.removeprefix("http://localhost")).status_code == 409


def test_an_invited_agent_sets_name_and_password(client: FlaskClient) -> None:
    admin = make_agent(role=Role.ADMIN, name="Ada")
    invited = invitations.invite(
        "Priya@desk.example", name="Priya", role=Role.AGENT, by=admin, now=utcnow()
    )
    db.session.commit()
    [mail] = mails("invitation")
    assert (mail.recipient, mail.context["inviter"]) == ("priya@desk.example", "Ada")
    path = path_in_mail("invitation")
    assert 'value="Priya"' in client.get(path).text
    assert post(client, path, name="Priya Raman", password=NEW) == (303, "/desk/")
    assert (invited.name, invited.role, invited.presence) == (
        "Priya Raman",
        Role.AGENT,
        Presence.ONLINE,
    )
    assert invited.emails[0].proven_at is not None
    assert client.get(path).status_code == 404
    with pytest.raises(Conflict):
        invitations.invite("priya@desk.example", name="P", role=Role.ADMIN, by=admin, now=utcnow())


def test_a_new_invitation_replaces_the_one_before(client: FlaskClient) -> None:
    for role in (Role.AGENT, Role.SUPERVISOR):
        invitations.invite("p@desk.example", name="P", role=role, by=None, now=utcnow())
    db.session.commit()
    first, second = (str(mail.context["path"]) for mail in mails("invitation"))
    assert client.get(first).status_code == 404
    assert post(client, second, name="P", password=NEW)[0] == 303
    assert db.session.scalars(sa.select(Person)).one().role is Role.SUPERVISOR


def test_nobody_gets_a_role_by_an_address_that_was_added_to_them(app: Flask) -> None:
    """An agent may add the address of whoever is to be invited to a customer of their own."""
    evil = make_person("agent@evil.example")
    evil.emails.append(PersonEmail(address="new.admin@desk.example"))
    db.session.flush()

    def invite(address: str) -> Person:
        return invitations.invite(address, name="", role=Role.ADMIN, by=None, now=utcnow())

    with pytest.raises(Conflict, match="added to the customer"):
        invite("new.admin@desk.example")
    assert evil.role is Role.CUSTOMER
    evil.emails[1].proven_at = utcnow()  # they are somebody with two addresses
    db.session.flush()
    assert invite("new.admin@desk.example").email == "new.admin@desk.example"


def test_a_known_customer_can_be_invited_and_keeps_who_they_are(app: Flask) -> None:
    ana = make_person("ana@example.com", name="Ana")
    found = invitations.invite("ana@example.com", name="", role=Role.AGENT, by=None, now=utcnow())
    assert (found.id, found.role, found.name) == (ana.id, Role.AGENT, "Ana")
    with pytest.raises(Invalid):
        invitations.invite("b@x.example", name="", role=Role.CUSTOMER, by=None, now=utcnow())
