"""The chat window's side of the desk: who may ask, what is told, what is mailed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts.models import Person, PersonEmail
from app.channels import answers
from app.channels.answers import Reply
from app.core import clock
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.settings_store import change_setting
from app.mail.models import OutboundEmail, OutboundState
from app.portal import chat_routes
from app.tickets import chatting, conversation, keys, merging
from app.tickets.attachments import StoredFile
from app.tickets.history_models import TicketEvent
from app.tickets.mail_models import TicketMessageId
from app.tickets.models import Ticket
from app.tickets.words import EventKind, Source, Status, Visibility
from app.web import limits
from tests.factories import make_agent, make_comment, make_person, make_ticket
from tests.portal.conftest import link_to
from tests.portal.test_limits import limited  # noqa: F401  (a fixture)

SHOP = "https://shop.example"
FIRST = {
    "name": "Thabo Nkosi",
    "email": "Thabo@Visitor.example",
    "body": "Does the oven fit?\nOur door has 80 cm.",
    "page": f"{SHOP}/ovens?session=secret",
    "once": "a secret of the window",
}


@dataclass
class Window:
    """A chat window on a page of an origin; it keeps its key, and no cookies."""

    app: Flask
    origin: str = SHOP
    key: str = ""

    def ask(
        self, path: str, content: Any = None, *, method: str = "", **headers: str
    ) -> TestResponse:
        named = {"Origin": self.origin} if self.origin else {}
        if self.key:
            named["Authorization"] = f"Bearer {self.key}"
        client = self.app.test_client(use_cookies=False)
        method = method or ("GET" if content is None else "POST")
        options = {} if content is None else {"json": content}
        return client.open(f"/chat/{path}", method=method, headers=named | headers, **options)

    def open(self, **changes: str) -> dict[str, Any]:
        answer = self.ask("conversations", FIRST | changes)
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.get_json()
        self.key = told["key"]
        return told

    def say(self, body: str) -> TestResponse:
        return self.ask("conversation/messages", {"body": body})

    def texts(self) -> list[str]:
        told = self.ask("conversation").get_json()
        return [message["text"] for message in told["messages"]]

    @property
    def ticket(self) -> Ticket:
        found = chatting.find(self.key, now=utcnow())
        assert found is not None
        return db.session.get_one(Ticket, found.ticket_id)


@pytest.fixture
def window(app: Flask) -> Window:
    """A window on the shop's pages, where an admin has allowed it."""
    change_setting("chat_is_on", True)
    change_setting("chat_origins", [SHOP])
    db.session.commit()
    return Window(app)


def mails(ticket: Ticket, kind: str = "ticket_reply") -> list[OutboundEmail]:
    its = sa.select(OutboundEmail).where(
        OutboundEmail.ticket_id == ticket.id, OutboundEmail.kind == kind
    )
    return list(db.session.scalars(its.order_by(OutboundEmail.id)))


def reply(ticket: Ticket, body: str = "Yes, it does.", **options: Any) -> int:
    """An agent's answer; its id."""
    agent = options.pop("by", None) or make_agent(name="Sanna Oksanen")
    return conversation.reply(ticket, body, by=agent, now=utcnow(), **options).id


def by_mail(ticket: Ticket, body: str = "By mail, then.") -> None:
    """The requester answers the desk's mail."""
    by = ticket.requester
    answers.receive(ticket, Reply(body, Source.EMAIL), by=by, now=utcnow())
    db.session.commit()


def merge(merged: Ticket, survivor: Ticket) -> None:
    """As an agent does who has seen who will read it then."""
    agreed = merging.outlook(merged, survivor).strangers
    merging.merge(merged, survivor, agreed=agreed, by=make_agent(), now=utcnow())


# --- who may ask


@pytest.mark.parametrize("path", ["greeting", "conversations", "conversation"])
def test_only_the_pages_of_an_allowed_origin_may_ask(window: Window, path: str) -> None:
    asks = {"Access-Control-Request-Method": "POST"}
    answer = window.ask(path, method="OPTIONS", **asks)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]
    for origin in ("http://shop.example", "https://shop.example:8443", "https://evil.example"):
        window.origin = origin
        answer = window.ask(path, method="OPTIONS", **asks)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://shop.example.evil"])
def test_another_website_can_neither_ask_nor_tell(window: Window, origin: str) -> None:
    window.origin = origin
    count = sa.select(sa.func.count()).select_from(Ticket)
    before = db.session.scalar(count)
    for answer in (window.ask("greeting"), window.ask("conversations", FIRST)):
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert db.session.scalar(count) == before


def test_a_message_without_an_origin_is_refused(window: Window) -> None:
    window.origin = ""
    assert window.ask("greeting").status_code == 200  # the desk's own preview asks so
    assert window.ask("conversations", FIRST).status_code == 403


def test_the_chat_is_off_until_an_admin_switches_it_on(window: Window) -> None:
    change_setting("chat_is_on", False)
    db.session.commit()
    assert window.ask("greeting").status_code == 403
    assert window.ask("conversations", FIRST).status_code == 403


def test_no_cookie_is_set_or_looked_at(
    window: Window, client: FlaskClient, sign_in: Callable[[FlaskClient, Person], FlaskClient]
) -> None:
    person = make_person("thabo@visitor.example")
    sign_in(client, person)
    answer = client.post("/chat/conversations", json=FIRST, headers={"Origin": SHOP})
    assert answer.status_code == 201
    assert "Set-Cookie" not in answer.headers
    assert client.get("/chat/conversation", headers={"Origin": SHOP}).status_code == 401


def test_the_script_is_for_every_website_and_kept(client: FlaskClient) -> None:
    answer = client.get("/widget.js")
    assert answer.content_type.startswith("text/javascript")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "max-age=3600" in answer.headers["Cache-Control"]
    same = client.get("/widget.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")


def test_the_greeting_is_for_all_visitors_alike(window: Window) -> None:
    answer = window.ask("greeting")
    told = answer.get_json()
    assert set(told) == {"name", "promise", "accent", "shown"}
    assert "public" in answer.headers["Cache-Control"]


# --- a first message


@pytest.mark.requirement("R 1-3", "R 13-7", "R 13-21")
def test_a_message_becomes_a_ticket_whose_source_is_chat(window: Window) -> None:
    told = window.open()
    ticket = window.ticket
    assert told["number"] == ticket.number
    assert (ticket.source, ticket.subject) == (Source.CHAT, "Does the oven fit?")
    assert ticket.description == FIRST["body"]
    assert ticket.requester.email == "thabo@visitor.example"
    assert ticket.channel == "shop.example/ovens"  # never what stands behind the question mark
    assert [m["text"] for m in told["messages"]] == [FIRST["body"]]
    confirmed = db.session.scalars(
        sa.select(OutboundEmail).where(OutboundEmail.recipient == "thabo@visitor.example")
    ).one()
    assert confirmed.context["key"]  # the way on by mail, and to the ticket's page
    assert not confirmed.context["answers_mail"]
    assert confirmed.in_reply_to == ""


def test_the_same_message_sent_twice_counts_once(window: Window) -> None:
    first, second = window.open()["number"], window.open()["number"]
    assert first == second
    assert window.open(email="other@visitor.example")["number"] != first
    window.open()
    assert [window.say("Again").status_code for _ in range(2)] == [201, 201]
    assert window.texts() == [FIRST["body"], "Again"]


@pytest.mark.parametrize("once", ["", "another secret"])
def test_the_same_words_in_anothers_name_open_another_ticket(window: Window, once: str) -> None:
    mine = window.open(body="Hello")["number"]
    stranger = Window(window.app)
    assert stranger.open(body="Hello", once=once)["number"] != mine
    window.say("My card is 1234")
    assert stranger.texts() == ["Hello"]


def test_whoever_claims_an_address_learns_and_changes_nothing(window: Window) -> None:
    known = make_person("thabo@visitor.example", name="T. M. Nkosi-Dlamini", phone="")
    old = make_ticket(known, subject="An older matter")
    make_comment(old, known, "Something private")
    told = window.ask("conversations", FIRST).text
    assert "Dlamini" not in told
    assert "older" not in told
    assert "private" not in told
    db.session.expire_all()
    assert known.name == "T. M. Nkosi-Dlamini"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "N" * 201}, "name"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@shop,example"}, "email"),
        ({"body": "  "}, "body"),
        ({"body": "x" * 5001}, "body"),
        ({"body": "a\0b"}, "body"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    window: Window, changes: dict[str, str], field: str
) -> None:
    answer = window.ask("conversations", FIRST | changes)
    assert answer.status_code == 422
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert answer.content_type == "application/problem+json"
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]


@pytest.mark.parametrize("content", [[], "text", 7, None, {"body": 7}, {"body": ["a"]}])
def test_anything_but_texts_is_refused(window: Window, content: Any) -> None:
    answer = window.ask("conversations", content, method="POST")
    assert answer.status_code == 422


def test_a_long_body_is_refused_before_it_is_read(window: Window) -> None:
    answer = window.ask("conversations", FIRST | {"body": "x" * chat_routes.BODY})
    assert answer.status_code == 413
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP


def test_robots_fill_in_what_nobody_sees_or_are_too_quick(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert window.ask("conversations", FIRST | {"homepage": "https://spam"}).status_code == 422
    settings = window.app.extensions["settings"]
    monkeypatch.setitem(window.app.extensions, "settings", _slower(settings))
    shown = window.ask("greeting").get_json()["shown"]
    for stamp in ("", "forged", shown):
        assert window.ask("conversations", FIRST | {"shown": stamp}).status_code == 422
    later = utcnow() + timedelta(seconds=3)
    monkeypatch.setattr(chat_routes, "utcnow", lambda: later)
    assert window.ask("conversations", FIRST | {"shown": shown}).status_code == 201


def _slower(settings: Any) -> Any:
    from dataclasses import replace

    return replace(settings, form_min_seconds=2)


# --- keys


def test_a_key_is_for_its_own_ticket_alone(window: Window) -> None:
    window.open()
    other = Window(window.app)
    other.open(email="other@visitor.example", body="Another matter")
    assert window.texts() == [FIRST["body"]]
    assert other.texts() == ["Another matter"]


def test_a_key_opens_no_page_and_a_mails_link_opens_no_window(
    window: Window, client: FlaskClient
) -> None:
    window.open()
    number = window.ticket.number
    answer = client.get(f"/tickets/{number}?key={window.key}", follow_redirects=True)
    assert FIRST["body"][:10] not in answer.text
    window.key = link_to(window.ticket).partition("key=")[2]
    assert window.ask("conversation").status_code == 401


def test_keys_that_are_forged_old_or_revoked_open_nothing(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.open()
    ticket, good = window.ticket, window.key
    for key in ("", "x", good[:-2], good.swapcase(), "ü", "9" * 500):
        window.key = key
        for path, content in (
            ("conversation", None),
            ("conversation/messages", {"body": "Hi"}),
            ("conversation/seen", {"newest": 1}),
        ):
            assert window.ask(path, content).status_code == 401, (key, path)
    window.key = good
    later = utcnow() + keys.CHAT_LIFETIME
    monkeypatch.setattr(chat_routes, "utcnow", lambda: later)
    assert window.ask("conversation").status_code == 401
    monkeypatch.setattr(chat_routes, "utcnow", clock.utcnow)
    assert window.ask("conversation").status_code == 200
    keys.revoke(ticket.id, ticket.requester_id, now=utcnow())
    db.session.commit()
    assert window.ask("conversation").status_code == 401


def test_each_message_brings_a_key_for_another_week(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.open()
    later = utcnow() + keys.CHAT_LIFETIME - timedelta(hours=1)
    monkeypatch.setattr(chat_routes, "utcnow", lambda: later)
    told = window.say("Still there?").get_json()
    much_later = later + timedelta(days=6)
    monkeypatch.setattr(chat_routes, "utcnow", lambda: much_later)
    assert window.ask("conversation").status_code == 401
    window.key = told["key"]
    assert window.ask("conversation").status_code == 200


# --- what is told


def test_answers_are_told_and_internal_notes_never(window: Window) -> None:
    window.open()
    agent = make_agent("sanna@desk.example", name="Sanna Oksanen")
    ticket = window.ticket
    reply(ticket, "A secret note", by=agent, visibility=Visibility.INTERNAL)
    reply(ticket, "Yes, it does.", by=agent)
    db.session.commit()
    answer = window.ask("conversation")
    assert "secret" not in answer.text
    assert "sanna@" not in answer.text
    newest = answer.get_json()["messages"][-1]
    assert (newest["from"], newest["name"], newest["text"]) == (
        "agent",
        "Sanna Oksanen",
        "Yes, it does.",
    )


def test_a_reply_shows_once_it_can_be_taken_back_no_more(window: Window) -> None:
    window.open()
    soon = utcnow() + timedelta(seconds=10)
    reply(window.ticket, undo_until=soon)
    db.session.commit()
    assert window.texts() == [FIRST["body"]]


def test_what_others_wrote_on_the_ticket_is_not_told(window: Window) -> None:
    window.open()
    ticket = window.ticket
    make_comment(ticket, make_person(), "A colleague's mail", source=Source.EMAIL)
    make_comment(ticket, None, "Hello T. M. Nkosi", author_kind="system", is_automatic=True)
    other = make_ticket(make_person(), description="Of another ticket")
    make_comment(other, make_agent(), "Answered there")
    merge(other, ticket)
    db.session.commit()
    assert window.texts() == [FIRST["body"]]


def test_nothing_new_is_said_in_a_few_statements(window: Window, statements: list[str]) -> None:
    window.open()
    first = window.ask("conversation")
    statements.clear()
    same = window.ask("conversation", **{"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")
    assert len(statements) <= 2
    reply(window.ticket)
    db.session.commit()
    news = window.ask("conversation", **{"If-None-Match": first.headers["ETag"]})
    assert news.status_code == 200
    assert news.headers["ETag"] != first.headers["ETag"]


def test_once_the_owner_has_answered_by_mail_the_window_is_closed(window: Window) -> None:
    window.open()
    reply(window.ticket, "Before")
    by_mail(window.ticket, "My real question is private.")
    told = window.ask("conversation").get_json()
    assert (told["ended"], told["messages"]) == ("mail", [])
    assert window.say("Me again").status_code == 409


@pytest.mark.parametrize("how", ["merged", "deleted", "cancelled", "closed long ago", "given away"])
def test_a_ticket_that_is_over_is_over_in_the_window_too(window: Window, how: str) -> None:
    window.open()
    ticket = window.ticket
    match how:
        case "merged":
            merge(ticket, make_ticket(make_person()))
        case "deleted":
            ticket.deleted_at = utcnow()
        case "cancelled":
            ticket.status = Status.CANCELLED
        case "closed long ago":
            ticket.status, ticket.closed_at = Status.CLOSED, utcnow() - timedelta(days=15)
        case _:
            ticket.requester = make_person()
    db.session.commit()
    told = window.ask("conversation").get_json()
    assert (told["ended"], told["messages"]) == ("over", [])
    count = sa.select(sa.func.count()).select_from(Ticket)
    before = db.session.scalar(count)
    assert window.say("Hello?").status_code == 409
    assert db.session.scalar(count) == before


def test_a_message_opens_a_ticket_that_waits(window: Window) -> None:
    window.open()
    reply(window.ticket, "Which one?", then="pending")
    db.session.commit()
    assert window.say("The large one").status_code == 201
    assert window.ticket.status is Status.OPEN


def test_many_lines_make_one_notice_for_the_agent(window: Window) -> None:
    make_agent()
    window.open()
    for n in range(3):
        window.say(f"Line {n}")
    assert len(mails(window.ticket, "customer_reply")) == 1


# --- what is mailed


def test_an_answer_is_mailed_unless_it_is_seen_in_the_window(window: Window) -> None:
    window.open()
    ticket = window.ticket
    seen, unseen = reply(ticket, "One"), reply(ticket, "Two")
    db.session.commit()
    first, second = mails(ticket)
    assert first.due_at == first.created_at + timedelta(minutes=3)
    assert window.ask("conversation/seen", {"newest": seen}).status_code == 204
    db.session.expire_all()
    assert (first.state, second.state) == (OutboundState.CANCELLED, OutboundState.QUEUED)
    assert second.comment_id == unseen
    known = set(db.session.scalars(sa.select(TicketMessageId.message_id)))
    assert first.message_id not in known  # no later mail refers to what nobody got
    kinds = db.session.scalars(
        sa.select(TicketEvent.kind).where(TicketEvent.ticket_id == ticket.id)
    )
    assert EventKind.CHAT_SEEN in kinds.all()


def test_files_travel_by_mail_alone(window: Window) -> None:
    window.open()
    file = StoredFile("0" * 64, "plan.pdf", "application/pdf", 12)
    newest = reply(window.ticket, "The plan", files=[file])
    db.session.commit()
    told = window.ask("conversation")
    assert told.get_json()["messages"][-1]["has_files"]
    assert "plan.pdf" not in told.text
    window.ask("conversation/seen", {"newest": newest})
    assert mails(window.ticket)[0].state is OutboundState.QUEUED


def test_a_mail_that_a_sender_has_taken_up_is_not_spared(window: Window) -> None:
    window.open()
    newest = reply(window.ticket)
    mails(window.ticket)[0].attempts = 1
    db.session.commit()
    window.ask("conversation/seen", {"newest": newest})
    assert mails(window.ticket)[0].state is OutboundState.QUEUED


def test_only_the_visitors_own_mail_is_spared(window: Window) -> None:
    window.open()
    ticket = window.ticket
    audience = conversation.Audience(cc=["colleague@visitor.example"])
    newest = reply(ticket, audience=audience)
    db.session.commit()
    window.ask("conversation/seen", {"newest": newest + 10_000})
    db.session.expire_all()
    states = {mail.recipient: (mail.state, mail.due_at > mail.created_at) for mail in mails(ticket)}
    assert states == {
        "thabo@visitor.example": (OutboundState.CANCELLED, True),
        "colleague@visitor.example": (OutboundState.QUEUED, False),
    }


@pytest.mark.parametrize("how", ["by mail", "always", "another source"])
def test_answers_leave_at_once_where_nobody_waits_in_a_window(window: Window, how: str) -> None:
    window.open()
    ticket = window.ticket
    if how == "by mail":
        by_mail(ticket)
    elif how == "always":
        change_setting("chat_mail_minutes", 0)
    else:
        ticket = make_ticket(make_person())
    reply(ticket)
    db.session.commit()
    (mail,) = mails(ticket)
    assert mail.due_at == mail.created_at


@pytest.mark.parametrize("newest", [None, "1", True, -1, 2**40, 1.5])
def test_what_was_seen_is_a_number(window: Window, newest: Any) -> None:
    window.open()
    assert window.ask("conversation/seen", {"newest": newest}).status_code == 422


# --- limits


@pytest.mark.real_commits
def test_whoever_sends_too_many_has_to_wait(limited: Flask) -> None:  # noqa: F811
    with limited.app_context():
        begin_write()
        change_setting("chat_is_on", True)
        change_setting("chat_origins", [SHOP])
        db.session.commit()
    window = Window(limited)
    most = int(limits.TICKET_BY_IP.split()[0])
    codes = [
        window.ask("conversations", FIRST | {"email": f"p{n}@"}).status_code
        for n in range(most + 1)
    ]
    assert codes == [422] * most + [429]
    refused = window.ask("conversations", FIRST)
    assert refused.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Retry-After" in refused.headers
    most = int(limits.CHAT_BY_WINDOW.split()[0])
    window.key = "forged"
    codes = [window.say("Hi").status_code for _ in range(most + 1)]
    assert codes == [401] * most + [429]
    # Each message brings a new key; what counts is whose conversation it opens.
    now = utcnow()
    with limited.app_context():
        known = [keys.chat_key(7, now=now + timedelta(seconds=n)) for n in range(most + 1)]
        other = keys.chat_key(8, now=now)
    codes = []
    for window.key in known:
        codes.append(window.say("Hi").status_code)
    assert codes == [401] * most + [429]
    window.key = other
    assert window.say("Hi").status_code == 401


def test_the_person_stays_a_guest_whose_address_is_not_proven(window: Window) -> None:
    window.open()
    address = db.session.get_one(PersonEmail, "thabo@visitor.example")
    assert address.proven_at is None
