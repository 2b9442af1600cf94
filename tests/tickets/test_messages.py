"""Mails shown in the conversation, and on a page of their own with pictures from elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.core.html import FOLD
from app.mail.html_quoting import shown_html
from app.tickets import messages
from app.tickets.attachments import FileChip
from app.tickets.models import Attachment, Ticket
from app.tickets.words import Source, Visibility
from tests.factories import make_agent, make_comment, make_group, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]
PHOTO = FileChip("photo.png", "/tickets/T/attachments/1/photo.png", "1 kB", True, "photo@1")
PDF = FileChip("a.pdf", "/tickets/T/attachments/2/a.pdf", "1 kB", False)
REMOTE = '<p>Hello</p><img src="https://pictures.example/a.png" alt="Logo">'


def test_text_is_shown_where_there_is_no_html() -> None:
    shown = messages.message("Hi <b>", "all of it", None, [PDF])
    assert shown == ("<p>Hi &lt;b&gt;</p>", "<p>all of it</p>", (PDF,), False)


def test_html_is_shown_with_its_old_part_apart() -> None:
    html = f"<p>New</p>{FOLD}<p>Old</p>"
    assert messages.message("text", "quoted", html, []) == ("<p>New</p>", "<p>Old</p>", (), True)


def test_an_image_of_the_mail_stands_in_its_place_and_not_below() -> None:
    html = shown_html('<p>See <img src="cid:photo@1" alt="it"></p>')
    shown = messages.message("See", "", html, [PHOTO, PDF])
    assert f'<img src="{PHOTO.path}" loading="lazy" alt="it">' in shown.new
    assert shown.files == (PDF,)


def test_what_is_no_picture_stays_below() -> None:
    page = FileChip("x.svg", "/x.svg", "1 kB", False, "photo@1")
    shown = messages.message("See", "", shown_html('<p>See <img src="cid:photo@1"></p>'), [page])
    assert "<img" not in shown.new
    assert shown.files == (page,)


def test_images_of_other_servers_are_not_loaded() -> None:
    html = shown_html(REMOTE)
    shown = messages.message("Hello", "", html, [])
    assert "pictures.example" not in shown.new
    assert '<span class="no-picture">Logo</span>' in shown.new
    assert messages.has_more_to_load(html)
    assert not messages.has_more_to_load("<p>Hello</p>")
    assert not messages.has_more_to_load(None)


@pytest.mark.parametrize("html", ["<p></p><div><br></div>", "<p>x</p>" * 30_000])
def test_the_text_is_shown_where_html_says_nothing_or_too_much(html: str) -> None:
    shown = messages.message("the text", "", html, [])
    assert (shown.new, shown.is_html) == ("<p>the text</p>", False)


def test_a_link_around_an_unloaded_picture_goes_with_it() -> None:
    html = shown_html(
        '<p>Hi <a href="https://x.example"><img src="https://x.example/a.png"></a></p>'
    )
    assert messages.message("Hi", "", html, []).new == "<p>Hi </p>"


@pytest.fixture
def ticket() -> Ticket:
    requester = make_person()
    return make_ticket(
        requester, description="Hello", description_html=shown_html(REMOTE), source=Source.EMAIL
    )


def test_the_conversation_leads_to_the_pictures(
    client: FlaskClient, ticket: Ticket, sign_in: SignIn
) -> None:
    for person, path in (
        (make_agent(), f"/desk/tickets/{ticket.number}"),
        (ticket.requester, f"/tickets/{ticket.number}"),
    ):
        sign_in(client, person)
        page = client.get(path)
        assert "pictures.example" not in page.text
        assert f'href="{path}/comments/description/pictures"' in page.text
        pictures = client.get(f"{path}/comments/description/pictures")
        assert '<img src="https://pictures.example/a.png"' in pictures.text
        policy = pictures.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "img-src 'self' https:" in policy
        assert pictures.headers["Referrer-Policy"] == "no-referrer"
        # Nowhere else may a page load what others serve.
        assert "https:" not in page.headers["Content-Security-Policy"]


def test_pictures_of_notes_and_foreign_tickets_are_for_nobody_else(
    client: FlaskClient, ticket: Ticket, sign_in: SignIn
) -> None:
    group = make_group(is_private=True)
    hidden = make_ticket(group=group, description_html=shown_html(REMOTE))
    note = make_comment(
        ticket, make_agent(), visibility=Visibility.INTERNAL, body_html=shown_html(REMOTE)
    )
    other = make_comment(make_ticket(), body_html=shown_html(REMOTE))
    client = sign_in(client, ticket.requester)
    base = f"/tickets/{ticket.number}/comments"
    assert client.get(f"{base}/description/pictures").status_code == 200
    assert client.get(f"{base}/{note.id}/pictures").status_code == 404
    assert client.get(f"{base}/{other.id}/pictures").status_code == 404
    assert client.get(f"/tickets/{hidden.number}/comments/description/pictures").status_code == 404
    sign_in(client, make_person())
    assert client.get(f"{base}/description/pictures").status_code == 404
    sign_in(client, make_agent())
    desk = f"/desk/tickets/{ticket.number}/comments"
    assert client.get(f"{desk}/{note.id}/pictures").status_code == 200
    assert client.get(f"{desk}/{other.id}/pictures").status_code == 404
    assert (
        client.get(f"/desk/tickets/{hidden.number}/comments/description/pictures").status_code
        == 404
    )


def test_an_image_is_served_by_the_ticket_that_is_read(
    client: FlaskClient, ticket: Ticket, sign_in: SignIn
) -> None:
    comment = make_comment(ticket, body_html=shown_html('<p>See <img src="cid:photo@1"></p>'))
    db.session.add(
        Attachment(
            ticket_id=ticket.id,
            comment_id=comment.id,
            sha256="0" * 64,
            filename="photo.png",
            content_type="image/png",
            size=10,
            is_inline=True,
            content_id="photo@1",
            created_at=utcnow(),
        )
    )
    db.session.flush()
    for person, path in (
        (make_agent(), f"/desk/tickets/{ticket.number}"),
        (ticket.requester, f"/tickets/{ticket.number}"),
    ):
        page = sign_in(client, person).get(path).text
        assert f'<img src="{path}/attachments/' in page
        assert page.count("photo.png") == 1
