"""One ticket on the desk, with and without htmx."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts.models import Person, Role
from app.channels import held_mail
from app.core.clock import utcnow
from app.core.db import db
from app.mail.models import OutboundEmail
from app.tickets import properties
from app.tickets.catalog_models import CustomField, Subcategory
from app.tickets.models import Attachment, Comment, Ticket
from app.tickets.words import Priority, Status, Visibility
from tests.factories import (
    category,
    make_agent,
    make_comment,
    make_group,
    make_person,
    make_ticket,
)

FIELDS = (
    ("oven", "choice", ["D4", "D6"]),
    ("weight", "number", []),
    ("paid", "checkbox", []),
    ("since", "date", []),
)
SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture
def agent(app: Flask) -> Person:
    db.session.add_all(
        CustomField(key=key, label=key.capitalize(), kind=kind, choices=choices, position=n)
        for n, (key, kind, choices) in enumerate(FIELDS)
    )
    return make_agent("agent@desk.example", name="Priya Raman")


@pytest.fixture
def desk(client: FlaskClient, agent: Person, sign_in: SignIn) -> FlaskClient:
    return sign_in(client, agent)


@pytest.fixture
def live(htmx: FlaskClient, agent: Person, sign_in: SignIn) -> FlaskClient:
    return sign_in(htmx, agent)


def token(client: FlaskClient, ticket: Ticket) -> str:
    page = client.get(f"/desk/tickets/{ticket.number}/status?part=show")
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.get_data(as_text=True))
    assert found, page.get_data(as_text=True)
    return found[1]


def post(client: FlaskClient, ticket: Ticket, action: str, /, **data: object) -> TestResponse:
    fields = {"csrf_token": token(client, ticket), "version": ticket.version} | data
    return client.post(
        f"/desk/tickets/{ticket.number}/{action}", data=fields, content_type="multipart/form-data"
    )


def untimed(answer: TestResponse) -> str:
    """The text without its CSRF token, which holds the second in which it was made."""
    return re.sub(r'(name="csrf_token" value=")[^"]+', r"\1", answer.get_data(as_text=True))


def saved(ticket: Ticket) -> Ticket:
    db.session.expire_all()
    return db.session.get_one(Ticket, ticket.id)


def ticket_of(**columns: object) -> Ticket:
    ticket = make_ticket(**columns)
    db.session.commit()
    return ticket


CHANGES = [
    ("status", {"status": "pending"}, lambda t: t.status is Status.PENDING),
    ("status", {"status": "waiting"}, lambda t: t.status is Status.PENDING),
    ("priority", {"priority": "urgent"}, lambda t: t.priority is Priority.CRITICAL),
    (
        "tags",
        {"tags": "Outage, ovens,outage"},
        lambda t: [x.name for x in t.tags] == ["outage", "ovens"],
    ),
    ("category", {"category": "billing"}, lambda t: t.category.key == "billing"),
    (
        "subject",
        {"subject": " All four  ovens\x00 are off "},
        lambda t: t.subject == "All four ovens are off",
    ),
    (
        "fields",
        {"field_oven": "D6", "was_oven": "", "field_weight": "1e3", "was_weight": ""},
        lambda t: t.custom_fields == {"oven": "D6", "weight": 1000},
    ),
]


@pytest.mark.parametrize(("part", "data", "holds"), CHANGES)
def test_a_change_without_script_goes_back_to_the_page(
    desk: FlaskClient, part: str, data: dict[str, str], holds: Callable[[Ticket], bool]
) -> None:
    ticket = ticket_of()
    answer = post(desk, ticket, part, part="show", **data)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/desk/tickets/{ticket.number}"
    assert holds(saved(ticket))


@pytest.mark.requirement("R 0-3")
@pytest.mark.parametrize(("part", "data", "holds"), CHANGES)
def test_a_change_with_htmx_answers_the_same_fragment_as_the_page(
    live: FlaskClient, part: str, data: dict[str, str], holds: Callable[[Ticket], bool]
) -> None:
    ticket = ticket_of()
    answer = post(live, ticket, part, part="show", **data)
    assert answer.status_code == 200
    assert holds(saved(ticket))
    fragment = untimed(answer)
    properties = re.match(r"\s*(<section.*?</section>)", fragment, re.DOTALL)
    assert properties
    live.environ_base.pop("HTTP_HX_REQUEST")
    whole = live.get(f"/desk/tickets/{ticket.number}")
    assert properties[1] in untimed(whole)
    for other in ("sla", "newest", "head"):
        assert re.search(f'id="ticket-{ticket.number}-{other}" hx-swap-oob', fragment), other


def test_a_change_in_a_row_answers_the_row(live: FlaskClient) -> None:
    ticket = ticket_of()
    answer = post(live, ticket, "status", status="in_progress", part="row")
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert text.lstrip().startswith("<li") or text.lstrip().startswith("<template")
    assert f'id="ticket-{ticket.number}"' in text
    assert "In progress" in text


def test_a_row_changed_without_script_goes_back_to_the_queue_alone(desk: FlaskClient) -> None:
    ticket = ticket_of()
    there = post(desk, ticket, "priority", priority="low", back="/desk/?view=mine")
    assert there.headers["Location"] == "/desk/?view=mine"
    for foreign in ("https://evil.example/", "//evil.example", "/desk/\\evil"):
        other = post(desk, saved(ticket), "priority", priority="high", back=foreign)
        assert other.headers["Location"] == "/desk/"


@pytest.mark.requirement("X20")
def test_a_forbidden_status_is_told_beside_the_control(
    desk: FlaskClient, htmx: FlaskClient
) -> None:
    ticket = ticket_of(status=Status.CLOSED)
    answer = post(desk, ticket, "status", status="pending", part="show")
    assert answer.status_code == 409
    assert "It can become: open" in answer.get_data(as_text=True)
    assert saved(ticket).status is Status.CLOSED


def test_a_refused_change_in_a_row_stays_in_its_menu(live: FlaskClient) -> None:
    ticket = ticket_of(status=Status.CLOSED)
    answer = post(live, ticket, "status", status="pending", part="row")
    assert answer.status_code == 409
    assert answer.headers["HX-Retarget"] == "#menu"


def test_a_stale_change_shows_both_values(desk: FlaskClient, agent: Person) -> None:
    ticket = ticket_of()
    old = ticket.version
    post(desk, ticket, "priority", priority="high")
    answer = post(desk, ticket, "priority", priority="low", version=old)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "Priya Raman changed the priority" in text
    assert "It is High now, you chose Low" in text
    assert post(desk, ticket, "tags", tags="new", version=old).status_code == 303


@pytest.mark.parametrize(
    ("part", "data"),
    [
        ("status", {"status": "nonsense"}),
        ("status", {}),
        ("status", {"status": "\x00"}),
        ("priority", {"priority": "9" * 5000}),
        ("assignment", {"assignee": "x"}),
        ("assignment", {"assignee": "-1"}),
        ("assignment", {"assignee": "9" * 14}),
        ("assignment", {"group": "9" * 14}),
        ("tags", {"tags": ",".join(map(str, range(40)))}),
        ("tags", {"tags": "x" * 70}),
        ("category", {}),
        ("category", {"category": "nonsense"}),
        ("category", {"subcategory": "x"}),
        ("category", {"subcategory": "9" * 14}),
        ("subject", {"subject": "  "}),
        ("subject", {"subject": "x" * 501}),
        ("fields", {"field_oven": "D9", "was_oven": ""}),
        ("fields", {"field_weight": "nan", "was_weight": ""}),
        ("fields", {"field_weight": "9" * 400, "was_weight": ""}),
        ("fields", {"field_since": "2026-02-30", "was_since": ""}),
        ("status", {"status": "open", "version": "x"}),
        ("status", {"status": "open", "version": "9" * 30}),
    ],
)
def test_wrong_choices_are_refused_in_words(
    desk: FlaskClient, part: str, data: dict[str, str]
) -> None:
    ticket = ticket_of()
    answer = post(desk, ticket, part, **data)
    assert answer.status_code == 422
    assert saved(ticket).version == 1


def test_history_tells_a_due_time_in_the_readers_zone(desk: FlaskClient, agent: Person) -> None:
    agent.time_zone = "Asia/Tokyo"
    ticket = ticket_of()
    due_at = datetime(2026, 12, 24, 20, tzinfo=UTC)
    properties.change_due(ticket, due_at, by=agent, now=utcnow())
    db.session.commit()
    page = desk.get(f"/desk/tickets/{ticket.number}?tab=history").get_data(as_text=True)
    assert "changed the due time from none to 25 December 2026, 05:00" in page


def test_a_subcategory_brings_its_category(desk: FlaskClient) -> None:
    ticket = ticket_of()
    ovens = Subcategory(category_id=category("technical").id, key="ovens", name="Ovens")
    db.session.add(ovens)
    db.session.commit()
    menu = desk.get(f"/desk/tickets/{ticket.number}/category").get_data(as_text=True)
    assert f'name="subcategory" value="{ovens.id}"' in menu
    assert post(desk, ticket, "category", subcategory=str(ovens.id)).status_code == 303
    assert (saved(ticket).category.key, saved(ticket).subcategory_id) == ("technical", ovens.id)


def test_a_refused_text_comes_back_as_it_was_typed(live: FlaskClient) -> None:
    ticket = ticket_of()
    long = post(live, ticket, "subject", part="show", subject="ovens " * 99)
    assert long.headers["HX-Retarget"] == "#menu"
    assert "ovens ovens" in long.get_data(as_text=True)
    many = ", ".join(f"tag {n}" for n in range(40))
    tags = post(live, ticket, "tags", part="show", tags=many).get_data(as_text=True)
    assert many in tags
    fields = {"field_weight": "heavy", "was_weight": "", "field_oven": "D6", "was_oven": ""}
    answer = post(live, ticket, "fields", part="show", **fields).get_data(as_text=True)
    assert "Type a number." in answer
    assert 'value="heavy"' in answer
    assert re.search(r"<option selected>D6", answer)
    assert saved(ticket).custom_fields == {}


def test_only_changed_fields_of_a_form_count(desk: FlaskClient) -> None:
    ticket = ticket_of(custom_fields={"oven": "D4"})
    old = ticket.version
    untouched = {"field_weight": "", "was_weight": ""}
    post(desk, ticket, "fields", field_oven="D6", was_oven="D4", **untouched)
    later = {"field_oven": "D4", "was_oven": "D4", "field_paid": "on", "was_paid": ""}
    assert post(desk, ticket, "fields", version=old, **later).status_code == 303
    assert saved(ticket).custom_fields == {"oven": "D6", "paid": True}
    stale = post(desk, ticket, "fields", version=old, field_oven="", was_oven="D4")
    assert stale.status_code == 409
    assert "It is D6 now" in stale.get_data(as_text=True)
    cleared = post(desk, saved(ticket), "fields", field_paid="", was_paid="on")
    assert cleared.status_code == 303
    assert saved(ticket).custom_fields["paid"] is False
    assert "Paid: " in desk.get(f"/desk/tickets/{ticket.number}").get_data(as_text=True)


@pytest.mark.parametrize(
    ("only", "there", "gone"),
    [("assignee", "Priya Raman (me)", "No group"), ("group", "No group", "Priya Raman (me)")],
)
def test_assignee_and_group_have_menus_of_their_own(
    live: FlaskClient, only: str, there: str, gone: str
) -> None:
    path = f"/desk/tickets/{ticket_of().number}/assignment"
    menu = live.get(f"{path}?part=show&only={only}").get_data(as_text=True)
    assert there in menu
    assert gone not in menu
    assert {there, gone} <= {text for text in (there, gone) if text in live.get(path).text}


def test_the_ticket_s_own_group_is_offered_first(live: FlaskClient) -> None:
    ovens = make_group("Ovens")
    make_agent(name="Zoe Ovens", groups=(ovens,))
    make_agent(name="Abe Else")
    ticket = ticket_of(group=ovens)
    menu = live.get(f"/desk/tickets/{ticket.number}/assignment").get_data(as_text=True)
    places = [menu.index(text) for text in ("(me)", "Zoe Ovens", "Everybody else", "Abe Else")]
    assert places == sorted(places)


@pytest.mark.requirement("X3")
def test_assigning_by_hand_warns_over_the_limit(desk: FlaskClient) -> None:
    busy = make_agent(name="Busy Bee", max_tickets=0)
    ticket = ticket_of()
    answer = post(desk, ticket, "assignment", assignee=str(busy.id), part="show")
    assert answer.status_code == 303
    page = desk.get(answer.headers["Location"]).get_data(as_text=True)
    assert "over the limit of 0" in page
    assert saved(ticket).assignee_id == busy.id


def test_a_customer_can_never_be_assignee(desk: FlaskClient) -> None:
    ticket, customer = ticket_of(), make_person()
    db.session.commit()
    answer = post(desk, ticket, "assignment", assignee=str(customer.id))
    assert answer.status_code == 422
    assert saved(ticket).assignee_id is None


def test_a_reply_without_script(desk: FlaskClient, agent: Person) -> None:
    ticket = ticket_of()
    answer = post(
        desk,
        ticket,
        "comments",
        body="Have you tried <b>it</b>?",
        then="pending",
        visibility="public",
        attachments=(BytesIO(b"log"), "log.txt"),
    )
    assert answer.status_code == 303
    assert saved(ticket).status is Status.PENDING
    page = desk.get(answer.headers["Location"]).get_data(as_text=True)
    assert "Have you tried &lt;b&gt;it&lt;/b&gt;?" in page
    file = re.search(r'href="(/desk/tickets/[^"]+/attachments/[^"]+)"', page)
    assert file
    with desk.get(file[1]) as download:
        assert download.data == b"log"
        assert download.headers["Content-Disposition"].startswith("attachment")


def test_a_reply_with_htmx_answers_the_conversation_and_an_empty_composer(
    live: FlaskClient,
) -> None:
    ticket = ticket_of()
    text = post(live, ticket, "comments", body="Hello", visibility="public").get_data(as_text=True)
    assert f'id="ticket-{ticket.number}-conversation"' in text
    assert re.search(f'id="ticket-{ticket.number}-composer" hx-swap-oob', text)
    assert text.count("Hello") >= 1


@pytest.mark.parametrize(
    ("body", "status"), [("", 422), ("   ", 422), ("x" * 50_001, 422), ("ok\x00ok", 303)]
)
def test_what_was_typed_is_kept_when_a_reply_is_refused(
    desk: FlaskClient, body: str, status: int
) -> None:
    ticket = ticket_of()
    answer = post(desk, ticket, "comments", body=body, visibility="public")
    assert answer.status_code == status
    if status == 422:
        assert body.strip() in answer.get_data(as_text=True)
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Comment)) == 0


def test_files_of_a_reply_that_is_refused_twice_go_along_once_each(desk: FlaskClient) -> None:
    ticket, kept = ticket_of(), []
    for name in ("a.txt", "b.txt"):
        file = (BytesIO(name.encode()), name)
        answer = post(desk, ticket, "comments", body="x" * 50_001, kept=kept, attachments=file)
        assert answer.status_code == 422
        kept = re.findall(r'name="kept" value="([^"]+)" checked', answer.text)
    post(desk, ticket, "comments", body="Both", visibility="public", kept=kept)
    sent = db.session.scalars(sa.select(Attachment.filename).order_by(Attachment.id))
    assert list(sent) == ["a.txt", "b.txt"]


def test_a_reply_on_a_closed_ticket_is_refused_and_kept(desk: FlaskClient) -> None:
    ticket = ticket_of(status=Status.CLOSED)
    answer = post(desk, ticket, "comments", body="My long answer", visibility="public")
    text = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "My long answer" in text
    assert "Reopen it first" in text


def test_the_page_of_every_tab_shows_its_part(desk: FlaskClient, agent: Person) -> None:
    ticket = ticket_of(subject="x" * 500)
    make_comment(ticket, agent, "A quiet word", visibility=Visibility.INTERNAL)
    db.session.commit()
    assert "A quiet word" in desk.get(f"/desk/tickets/{ticket.number}").get_data(as_text=True)
    for tab in ("history", "why"):
        assert desk.get(f"/desk/tickets/{ticket.number}?tab={tab}").status_code == 200


@pytest.mark.requirement("X18")
def test_foreign_and_unknown_numbers_are_the_same_404(
    desk: FlaskClient, htmx: FlaskClient, sign_in: SignIn
) -> None:
    inside = make_group(is_private=True)
    ticket = ticket_of(group=inside)
    answers = {
        re.sub(r'class="number">[0-9a-f]+', "", desk.get(path).get_data(as_text=True))
        for path in (f"/desk/tickets/{ticket.number}", "/desk/tickets/TKT-ZZZZZZZZ")
    }
    assert len(answers) == 1
    for part in ("status", "comments", "tags", "held/1", "deletion"):
        answer = desk.post(f"/desk/tickets/{ticket.number}/{part}", data={})
        assert answer.status_code in (400, 404)
    member = make_agent(groups=(inside,))
    boss = make_agent(role=Role.SUPERVISOR)
    for person in (member, boss):
        sign_in(htmx, person)
        assert htmx.get(f"/desk/tickets/{ticket.number}").status_code == 200


@pytest.mark.requirement("X18")
def test_customers_and_strangers_stay_outside(
    client: FlaskClient, htmx: FlaskClient, sign_in: SignIn
) -> None:
    ticket = ticket_of()
    stranger = client.get(f"/desk/tickets/{ticket.number}")
    assert stranger.status_code == 302
    assert "/login" in stranger.headers["Location"]
    assert htmx.get("/desk/").status_code == 401
    sign_in(client, ticket.requester)
    assert client.get(f"/desk/tickets/{ticket.number}").status_code == 403
    assert client.get("/desk/").status_code == 403


@pytest.mark.requirement("R 0-29", "R 13-3")
def test_deleting_and_restoring_are_a_supervisor_s(
    desk: FlaskClient, htmx: FlaskClient, sign_in: SignIn
) -> None:
    ticket = ticket_of()
    assert post(desk, ticket, "deletion").status_code == 403
    boss = sign_in(htmx, make_agent(role=Role.SUPERVISOR))
    assert post(boss, ticket, "deletion").status_code == 303
    assert desk.get(f"/desk/tickets/{ticket.number}").status_code == 404
    page = boss.get(f"/desk/tickets/{ticket.number}").text
    main = page.partition('<main class="main"')[2]
    assert re.findall(r'<form[^>]* action="([^"]+)"', main) == [
        f"/desk/tickets/{ticket.number}/restoration"
    ], "restored first"
    assert "data-menu" not in main
    assert "popovertarget" not in main.partition("ticket-head")[2]
    assert post(boss, saved(ticket), "restoration").status_code == 303
    assert desk.get(f"/desk/tickets/{ticket.number}").status_code == 200


def test_who_finds_nothing_on_the_desk_is_led_to_the_queue(desk: FlaskClient) -> None:
    for path in ("/desk/tickets/TKT-22222222", "/desk/nothing", "/admin/nothing"):
        page = desk.get(path)
        assert page.status_code == 404
        assert re.findall(r'class="button[^"]*" href="([^"]+)"', page.text) == [
            "/desk/",
            "/desk/search",
        ]
    page = desk.get("/desk/tickets/TKT-22222222").text
    assert "There is no such ticket, or it is not for you." in page
    assert "There is no such page" not in page
    elsewhere = desk.get("/nothing").text
    assert 'href="/tickets/new">Open a ticket' in elsewhere


def test_an_unknown_held_mail_is_a_404(desk: FlaskClient, agent: Person) -> None:
    ticket = ticket_of()
    assert post(desk, ticket, "held/999", decision="accepted").status_code == 404
    with pytest.raises(Exception, match="no such mail"):
        held_mail.decide(ticket, 2**40, "accepted", by=agent, now=utcnow())


@pytest.mark.parametrize("comments", [1, 40])
def test_a_ticket_page_costs_at_most_12_statements(
    desk: FlaskClient, agent: Person, statements: list[str], comments: int
) -> None:
    ticket = ticket_of(assignee=agent)
    for n in range(comments):
        make_comment(ticket, agent if n % 2 else ticket.requester)
    db.session.commit()
    desk.get(f"/desk/tickets/{ticket.number}")
    statements.clear()
    assert desk.get(f"/desk/tickets/{ticket.number}").status_code == 200
    assert len(statements) <= 12, statements


@pytest.mark.parametrize("rows", [1, 30])
def test_a_queue_page_costs_at_most_8_statements(
    desk: FlaskClient, statements: list[str], rows: int
) -> None:
    for _ in range(rows):
        make_ticket()
    db.session.commit()
    desk.get("/desk/")
    statements.clear()
    page = desk.get("/desk/")
    assert page.get_data(as_text=True).count("queue-row") >= min(rows, 25)
    assert len(statements) <= 8, statements


def test_a_hidden_group_is_none_of_the_list(desk: FlaskClient) -> None:
    """Its number in a form is as good as one that no group has."""
    ticket, hidden = make_ticket(), make_group("Secret team", is_private=True)
    path = f"/desk/tickets/{ticket.number}/assignment"
    page = desk.get(path)
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)
    assert token is not None
    answers = [
        desk.post(path, data={"csrf_token": token[1], "version": 1, "group": group_id})
        for group_id in (hidden.id, 999_999)
    ]
    assert {answer.status_code for answer in answers} == {422}
    assert "Secret team" not in answers[0].text
    assert db.session.get_one(Ticket, ticket.id).group_id is None


def test_a_reply_that_is_sent_twice_counts_once(desk: FlaskClient) -> None:
    ticket = ticket_of()
    for _ in range(2):
        assert post(desk, ticket, "comments", body="Done", then="resolved").status_code == 303
    assert saved(ticket).status is Status.RESOLVED
    count = sa.select(sa.func.count()).select_from(Comment)
    assert db.session.scalar(count) == 1
    post(desk, ticket, "comments", body="Done", visibility="internal")
    assert db.session.scalar(count) == 2
    assert [mail.kind for mail in db.session.scalars(sa.select(OutboundEmail))] == ["ticket_reply"]


def test_the_same_words_with_another_ending_are_sent_again(desk: FlaskClient) -> None:
    ticket = ticket_of()
    post(desk, ticket, "comments", body="Done")
    post(desk, ticket, "comments", body="Done", then="resolved")
    assert saved(ticket).status is Status.RESOLVED
