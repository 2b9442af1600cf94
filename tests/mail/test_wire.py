"""Mails as they go over the wire: headers, parts, files, signatures."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.db import db
from app.core.sealing import seal
from app.core.settings_store import change_setting
from app.mail import unsubscribing, wire
from app.mail.models import Mailbox, OutboundEmail
from app.mail.parsing import parse
from app.mail.smtp import PutOff
from app.mail.wire import build, reply_address
from app.tickets import attachments, notifications

NOW = datetime(2026, 11, 23, 16, 40, tzinfo=UTC)
OURS = {
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "references",
    "x-deskhand-desk",
}


def outbound(**columns: Any) -> OutboundEmail:
    values: dict[str, Any] = {
        "kind": "ticket_reply",
        "recipient": "ann@customer.example",
        "recipient_name": "Ann Lee",
        "message_id": "0123456789abcdef@localhost",
        "in_reply_to": "",
        "references": "",
        "reply_token": "",
        "is_automatic": False,
        "context": {},
        "subject": "Hello",
        "body_text": "Grüße\n",
        "body_html": "<p>Grüße</p>",
        "created_at": NOW,
    }
    return OutboundEmail(**values | columns)


def read(raw: bytes) -> EmailMessage:
    mail = message_from_bytes(raw, policy=policy.SMTPUTF8)
    assert isinstance(mail, EmailMessage)
    return mail


@pytest.mark.requirement("X41", "X49")
def test_a_mail_carries_its_thread(app: Flask) -> None:
    long = "x" * 120 + "@prod.outlook.example"
    row = outbound(in_reply_to=long, references=f"zero@x.example {long}", reply_token="a" * 24)
    raw = build(row, None)
    mail = parse(raw)
    assert mail.message_id == "0123456789abcdef@localhost"
    assert mail.in_reply_to == (long,)
    assert mail.references == ("zero@x.example", long)
    assert [a.email for a in mail.reply_to] == [f"support+{'a' * 24}@desk.example"]
    assert (mail.from_name, mail.from_email) == ("Deskhand", "support@desk.example")
    assert mail.date == NOW
    assert mail.text == "Grüße\n"
    assert mail.html == "<p>Grüße</p>"
    assert not mail.header("auto-submitted")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"=?utf-8?q?=3C" not in raw.lower()  # ids are never encoded


def test_a_retry_sends_the_same_bytes(app: Flask) -> None:
    assert build(outbound(), None) == build(outbound(), None)


@pytest.mark.parametrize(("in_reply_to", "said"), [("a@b", "auto-replied"), ("", "auto-generated")])
def test_automatic_mail_says_so(app: Flask, in_reply_to: str, said: str) -> None:
    mail = parse(build(outbound(is_automatic=True, in_reply_to=in_reply_to), None))
    assert mail.header("auto-submitted") == said
    assert mail.header("x-auto-response-suppress") == "All"


@pytest.mark.parametrize("evil", ["x\r\nBcc: eve@evil.example", "x\nBcc: eve@evil.example\n\nbody"])
def test_nobody_adds_header_fields(app: Flask, evil: str) -> None:
    row = outbound(subject=evil, recipient_name=evil, in_reply_to=evil, references=evil)
    mail = message_from_bytes(build(row, Mailbox(address="help@desk.example", name=evil)))
    assert "Bcc" not in mail
    assert mail["In-Reply-To"] is None


def test_names_beyond_ascii_and_foreign_domains(app: Flask) -> None:
    box = Mailbox(address="hilfe@desk.example", name="Müller, Hilfe")
    row = outbound(recipient="j@bücher.example", recipient_name="Jürgen, Ö.", subject="Größe " * 30)
    mail = parse(build(row, box))
    assert (mail.from_name, mail.from_email) == ("Müller, Hilfe", "hilfe@desk.example")
    assert mail.to == (("Jürgen, Ö.", "j@xn--bcher-kva.example"),)
    assert mail.subject == ("Größe " * 30).strip()


def test_reply_addresses_follow_the_settings(app: Flask) -> None:
    assert reply_address("help@desk.example", "t" * 24) == f"help+{'t' * 24}@desk.example"
    assert reply_address("a" * 60 + "@desk.example", "t" * 24) == ""
    change_setting("reply_separator", "-")
    db.session.flush()
    assert reply_address("help@desk.example", "tok") == "help-tok@desk.example"
    change_setting("reply_tokens", False)
    db.session.flush()
    assert reply_address("help@desk.example", "tok") == ""


def test_an_address_goes_over_the_wire_in_ascii(app: Flask) -> None:
    assert wire.wire_address("a..b@x.example") == "a..b@x.example"
    with pytest.raises(ValueError, match="no mail address"):
        wire.wire_address("a@\u2603\u200d.example")
    with pytest.raises(ValueError, match=r"(?i)codepoint"):
        wire.wire_address("a@\u2603.example")


hostile = st.text(min_size=1, max_size=60).map(lambda text: f"x\r\nBcc: eve@evil.example\r\n{text}")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile, hostile, hostile)
def test_whatever_people_write_stays_in_its_field(
    app: Flask, subject: str, name: str, reference: str
) -> None:
    row = outbound(subject=subject, recipient_name=name, references=reference, in_reply_to=name)
    head = build(row, None).partition(b"\r\n\r\n")[0]
    lines = [line for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]
    assert {line.partition(b":")[0].lower().decode("ascii") for line in lines} <= OURS
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize(
    "address",
    ["a@b>\r\nRCPT TO:<eve@evil.example", "a b@c.example", "<a@b>", "a@b, eve@evil.example", "@x"],
)
def test_what_is_no_address_is_no_recipient(app: Flask, address: str) -> None:
    with pytest.raises(ValueError, match="no mail address"):
        build(outbound(recipient=address), None)


def test_an_address_beyond_ascii_stands_as_it_is(app: Flask) -> None:
    """RFC 6532: with SMTPUTF8 headers are UTF-8; an encoded word is none in an address."""
    box = Mailbox(address="помощь@desk.example", name="Помощь")
    raw = build(outbound(recipient="мария@bücher.example", recipient_name="Мария"), box)
    mail = parse(raw)
    assert mail.to == (("Мария", "мария@xn--bcher-kva.example"),)
    assert (mail.from_name, mail.from_email) == ("Помощь", "помощь@desk.example")
    assert b"stand-in" not in raw


def stored(name: str, data: bytes, kind: str = "text/plain", **how: Any) -> dict[str, Any]:
    return notifications.mail_file(attachments.store_bytes(data, name, kind, **how))


def with_files(*files: dict[str, Any]) -> EmailMessage:
    context = wire.with_attached({"files": list(files)})
    return read(build(outbound(context=context), None))


def test_all_mails_of_a_ticket_are_one_conversation_to_outlook(app: Flask) -> None:
    context = {"number": "TKT-7K2M9QXA", "subject": "Größe\r\nBcc: eve@evil.example"}
    for subject in ("Re: [TKT-7K2M9QXA] Größe", "[TKT-7K2M9QXA] Yours now: Größe"):
        mail = read(build(outbound(subject=subject, context=context), None))
        assert mail["Thread-Topic"] == "Größe Bcc: eve@evil.example"


def test_files_go_along_whatever_they_are(app: Flask) -> None:
    texts = stored('Über "alles".txt', b"line\r\n.\r\nline")
    image = stored("a.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "image/png")
    other = stored("mail.eml", b"Subject: x\r\n\r\ny", "message/rfc822")
    mail = with_files(texts, image, other)
    assert mail.get_content_type() == "multipart/mixed"
    body, *files = mail.iter_parts()
    assert body.get_content_type() == "multipart/alternative"
    assert [part.get_filename() for part in files] == ['Über "alles".txt', "a.png", "mail.eml"]
    assert files[0].get_payload(decode=True) == b"line\r\n.\r\nline"
    assert files[1].get_content_type() == "image/png"
    assert files[1].get_payload(decode=True) == b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    assert {part.get_content_disposition() for part in files} == {"attachment"}


def test_files_past_the_limit_or_that_servers_refuse_become_links(app: Flask) -> None:
    change_setting("mail_attachments_mb", 1)
    db.session.flush()
    files = [
        stored("first.bin", b"x" * 600_000),
        stored("second.bin", b"y" * 600_000),
        stored("third.bin", b"z" * 400_000),
        stored("setup.EXE", b"MZ"),
    ]
    context = wire.with_attached({"files": files})
    assert [file["attached"] for file in context["files"]] == [True, False, True, False]
    mail = with_files(*files)
    names = [part.get_filename() for part in mail.iter_attachments()]
    assert names == ["first.bin", "third.bin"]


def test_a_picture_in_the_text_is_in_the_mail(app: Flask) -> None:
    picture = stored(
        "a.png", b"\x89PNG\r\n\x1a\n", "image/png", is_inline=True, content_id="pic@desk"
    )
    mail = with_files(picture, stored("log.txt", b"log"))
    related, attached = mail.iter_parts()
    assert related.get_content_type() == "multipart/related"
    body, image = related.iter_parts()
    assert body.get_content_type() == "multipart/alternative"
    assert (image["Content-ID"], image.get_content_disposition()) == ("<pic@desk>", "inline")
    assert attached.get_filename() == "log.txt"


def test_a_file_that_is_away_is_waited_for(app: Flask) -> None:
    gone = stored("gone.txt", b"gone") | {"sha256": "0" * 64, "attached": True}
    with pytest.raises(PutOff, match=r"gone\.txt"):
        build(outbound(context={"files": [gone]}), None)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signing_box(key: rsa.RSAPrivateKey, address: str = "help@desk.example") -> Mailbox:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    sealed = seal(pem.decode())
    return Mailbox(address=address, name="Help", dkim_selector="s1", dkim_key=sealed)


@pytest.mark.parametrize("address", ["help@desk.example", "hilfe@bücher.example"])
def test_a_signature_holds_under_the_public_key(
    app: Flask, key: rsa.RSAPrivateKey, address: str
) -> None:
    import base64

    files = [stored("a.txt", b"x" * 5000) | {"attached": True}]
    row = outbound(
        context={"files": files, "stop": [1, "assigned"]},
        subject="Größe " * 30,
        references=" ".join(f"{n:040}@x.example" for n in range(8)),
        is_automatic=True,
    )
    raw = build(row, signing_box(key, address))
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    asked: list[bytes] = []

    def dns(name: bytes, timeout: float = 5) -> bytes:
        asked.append(name)
        return record

    assert dkim.verify(raw, dnsfunc=dns)
    domain = "xn--bcher-kva.example" if "ü" in address else "desk.example"
    assert asked == [f"s1._domainkey.{domain}.".encode()]
    assert not dkim.verify(raw.replace(b"Subject: ", b"Subject: Re: "), dnsfunc=dns)
    assert not dkim.verify(raw.replace(b"\r\nTo:", b"\r\nReply-To: e@evil\r\nTo:"), dnsfunc=dns)
    signed = raw.partition(b"\r\n\r\n")[0].lower()
    assert b"list-unsubscribe-post" in signed.partition(b"bh=")[0] + signed


def test_a_key_that_cannot_be_read_lets_nothing_out_unsigned(app: Flask) -> None:
    for broken in (seal("no key"), "not sealed"):
        box = Mailbox(address="help@desk.example", dkim_selector="s1", dkim_key=broken)
        with pytest.raises(PutOff, match="DKIM key"):
            build(outbound(), box)


def test_notices_can_be_stopped_with_one_click(app: Flask) -> None:
    mail = read(build(outbound(context={"stop": [7, "assigned"]}), None))
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail["List-Unsubscribe"].strip("<>")
    assert link.startswith("http://localhost/notices/")
    token = link.rpartition("/")[2]
    assert unsubscribing.read(token) == unsubscribing.Subscription(7, kind="assigned")
    assert unsubscribing.read(token[:-1]) is None
    assert unsubscribing.read("x" * 500) is None
    assert "List-Unsubscribe" not in read(build(outbound(), None))


def test_the_name_is_the_mailboxes(app: Flask) -> None:
    box = Mailbox(address="help@desk.example", name="Help", from_name="Acme Support")
    assert wire.sender(box) == ("Acme Support", "help@desk.example")
    assert wire.sender(Mailbox(address="a@b.example")) == ("Deskhand", "a@b.example")
    assert wire.sender(None) == ("Deskhand", "support@desk.example")
