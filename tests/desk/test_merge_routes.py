"""Merging on the desk: choosing, what is said before, and the way back; where old numbers lead."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.clock import utcnow
from app.core.db import db
from app.tickets import attachments, keys
from app.tickets.mail_models import TicketAccess
from app.tickets.models import Attachment, Ticket
from app.tickets.words import Status
from tests.factories import make_comment, make_group, make_person, make_ticket


@pytest.fixture
def pair(app: Flask) -> tuple[Ticket, Ticket]:
    """Anna's older ticket, and Bob's younger one about the same."""
    anna, bob = make_person(name="Anna"), make_person(name="Bob")
    hers = make_ticket(anna, subject="Oven off", status=Status.OPEN)
    his = make_ticket(bob, subject="Oven again", status=Status.OPEN)
    make_comment(his, bob, "and the zeppelin")
    return hers, his


def post(client: FlaskClient, path: str, page: str, **data: str) -> TestResponse:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(page).text)
    assert found, page
    return client.post(path, data={"csrf_token": found[1], **data})


def merge(desk: FlaskClient, merged: Ticket, survivor: Ticket, **data: str) -> TestResponse:
    page = f"/desk/tickets/{merged.number}/merges?with={survivor.number}"
    into = {"into": survivor.number}
    return post(desk, f"/desk/tickets/{merged.number}/merges", page, **into, **data)


def test_open_tickets_of_the_same_requester_are_offered(desk: FlaskClient) -> None:
    anna = make_person()
    ticket, other, over = (make_ticket(anna) for _ in range(3))
    over.status = Status.CLOSED
    strangers = make_ticket(subject="Somebody else's oven")
    db.session.commit()
    path = f"/desk/tickets/{ticket.number}/merges"
    page = desk.get(path).text
    assert f"with={other.number}" in page
    for absent in (ticket, over, strangers):
        assert f"with={absent.number}" not in page
    assert f"with={strangers.number}" in desk.get(f"{path}?q=oven").text
    straight = desk.get(f"{path}?q={strangers.number}")
    assert straight.headers["Location"].endswith(f"with={strangers.number}")


def test_who_will_read_more_is_named_and_must_be_confirmed(
    desk: FlaskClient, pair: tuple[Ticket, Ticket]
) -> None:
    hers, his = pair
    db.session.commit()
    page = desk.get(f"/desk/tickets/{his.number}/merges?with={hers.number}").text
    for person in (hers.requester, his.requester):
        assert person.email in page
    refused = merge(desk, his, hers)
    assert refused.status_code == 422
    assert "confirm" in refused.text
    assert db.session.get_one(Ticket, his.id).merged_into_id is None
    agreed = f"{hers.requester_id},{his.requester_id}"
    done = merge(desk, his, hers, agreed=agreed)
    assert (done.status_code, done.headers["Location"]) == (303, f"/desk/tickets/{hers.number}")
    shown = desk.get(f"/desk/tickets/{hers.number}").text
    assert shown.index("Description") < shown.index("and the zeppelin")
    assert his.number in shown


def test_the_older_one_stays_unless_told_otherwise(
    desk: FlaskClient, pair: tuple[Ticket, Ticket]
) -> None:
    hers, his = pair
    db.session.commit()
    for number, other in ((hers.number, his.number), (his.number, hers.number)):
        page = desk.get(f"/desk/tickets/{number}/merges?with={other}").text
        assert f"Merge {his.number} into {hers.number}" in page
        turned = desk.get(f"/desk/tickets/{number}/merges?with={other}&keep={his.number}").text
        assert f"Merge {hers.number} into {his.number}" in turned


def merged_pair(desk: FlaskClient, pair: tuple[Ticket, Ticket]) -> tuple[Ticket, Ticket]:
    db.session.commit()
    done = merge(desk, pair[1], pair[0], agreed=",".join(str(t.requester_id) for t in pair))
    assert done.status_code == 303, done.text
    return pair


def test_the_history_has_the_way_back(desk: FlaskClient, pair: tuple[Ticket, Ticket]) -> None:
    hers, his = merged_pair(desk, pair)
    history = f"/desk/tickets/{hers.number}?tab=history"
    found = re.search(r'action="(/desk/tickets/[^"]+/reversal)"', desk.get(history).text)
    assert found
    undone = post(desk, found[1], history)
    assert undone.headers["Location"] == f"/desk/tickets/{his.number}"
    assert "and the zeppelin" in desk.get(f"/desk/tickets/{his.number}").text
    assert "and the zeppelin" not in desk.get(f"/desk/tickets/{hers.number}").text
    assert "reversal" not in desk.get(history).text
    again = post(desk, found[1], f"/desk/tickets/{hers.number}")
    assert again.status_code == 303
    assert "undone already" in desk.get(again.headers["Location"]).text


def test_the_desks_page_of_the_old_number_leads_on(
    desk: FlaskClient, pair: tuple[Ticket, Ticket]
) -> None:
    hers, his = merged_pair(desk, pair)
    path = f"/desk/tickets/{his.number}"
    assert desk.get(path).headers["Location"] == f"/desk/tickets/{hers.number}"
    assert (
        f'goes on as <a href="/desk/tickets/{hers.number}"' in desk.get(f"{path}?tab=history").text
    )
    hers.group = make_group(is_private=True)
    db.session.commit()
    assert hers.number not in str(desk.get(path).headers.get("Location", ""))


def test_what_was_typed_on_the_old_page_is_not_lost(
    desk: FlaskClient, pair: tuple[Ticket, Ticket]
) -> None:
    hers, his = merged_pair(desk, pair)
    page = f"/desk/tickets/{hers.number}"
    late = post(desk, f"/desk/tickets/{his.number}/comments", page, body="written with care")
    assert late.status_code == 409
    assert "written with care" in late.text
    assert f'action="/desk/tickets/{hers.number}/comments"' in late.text


def test_a_change_made_on_the_old_page_says_where_to_make_it(
    desk: FlaskClient, pair: tuple[Ticket, Ticket]
) -> None:
    hers, his = merged_pair(desk, pair)
    page = f"/desk/tickets/{hers.number}"
    for action, data in (("status", {"status": "open"}), ("participants", {"address": "x@y.zz"})):
        late = post(desk, f"/desk/tickets/{his.number}/{action}", page, version="1", **data)
        assert late.status_code == 409
        assert f"was merged into {hers.number}" in late.text


def test_a_foreign_private_groups_ticket_cannot_be_named(desk: FlaskClient) -> None:
    mine, foreign = make_ticket(), make_ticket(group=make_group(is_private=True))
    db.session.commit()
    page = desk.get(f"/desk/tickets/{mine.number}/merges?with={foreign.number}")
    assert page.status_code == 404
    assert foreign.subject not in page.text
    own = f"/desk/tickets/{mine.number}/merges"
    assert post(desk, own, own, into=foreign.number).status_code == 404


def test_links_of_both_customers_lead_to_the_survivor(
    app: Flask, desk: FlaskClient, pair: tuple[Ticket, Ticket]
) -> None:
    hers, his = pair
    now = utcnow()
    access_id = keys.access_rows(his.id, [his.requester_id], now=now)[his.requester_id]
    guest = app.test_client()
    before = guest.get(f"/tickets/{his.number}?key={keys.link_key(access_id)}")
    assert before.headers["Location"] == f"/tickets/{his.number}"
    merged_pair(desk, pair)
    for path in (f"/tickets/{his.number}", f"/tickets/{his.number}?key={keys.link_key(access_id)}"):
        led = guest.get(path)
        assert (led.status_code, led.headers["Location"]) == (303, f"/tickets/{hers.number}")
    page = guest.get(f"/tickets/{hers.number}")
    assert page.status_code == 200
    assert "and the zeppelin" in page.text
    access = db.session.get_one(TicketAccess, access_id)
    assert access.ticket_id == his.id
    stranger = app.test_client()
    for number in (his.number, hers.number):
        assert stranger.get(f"/tickets/{number}").status_code == 404


def test_a_link_to_a_file_of_the_old_number_still_works(
    desk: FlaskClient, pair: tuple[Ticket, Ticket]
) -> None:
    hers, his = pair
    stored = attachments.store_bytes(b"evidence", "a.txt", "text/plain")
    rows = attachments.rows(
        [stored], ticket_id=his.id, comment_id=None, uploader_id=None, now=utcnow()
    )
    file_id = db.session.scalar(sa.insert(Attachment).returning(Attachment.id), rows[0])
    merged_pair(desk, pair)
    for number in (hers.number, his.number):
        file = desk.get(f"/desk/tickets/{number}/attachments/{file_id}", buffered=True)
        assert file.data == b"evidence"
    hers.group = make_group(is_private=True)
    db.session.commit()
    assert desk.get(f"/desk/tickets/{his.number}/attachments/{file_id}").status_code == 404
