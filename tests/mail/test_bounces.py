"""What delivery reports say, written for programs and for people."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail import bounce_notices, bounces
from app.mail.automatic import MailKind, classify
from app.mail.bounces import Action, Bounce, BouncedRecipient
from app.mail.parsing import parse


def notice(
    text: str, *, sender: str = "MAILER-DAEMON@mx.example", subject: str = "failure notice"
) -> bytes:
    return f"From: {sender}\nTo: support@desk.example\nSubject: {subject}\n\n{text}".encode()


def read(raw: bytes) -> Bounce:
    mail = parse(raw)
    assert classify(mail).kind is MailKind.BOUNCE
    return bounces.read(mail)


def report(*groups: str, returned: str = "", kind: str = "message/rfc822") -> bytes:
    status = "\n\n".join(("Reporting-MTA: dns; mx.example", *groups))
    parts = [
        "Content-Type: text/plain\n\nIt failed.",
        *(() if not groups else (f"Content-Type: message/delivery-status\n\n{status}\n",)),
    ]
    if returned:
        parts.append(f"Content-Type: {kind}\n\n{returned}")
    body = "".join(f"--b\n{part}\n" for part in parts)
    return (
        "From: postmaster@mx.example\nTo: support@desk.example\n"
        f"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n{body}--b--\n"
    ).encode()


def test_a_report_names_every_recipient_with_status_and_reason() -> None:
    bounce = read(
        report(
            "Original-Recipient: rfc822;ann@customer.example\n"
            "Final-Recipient: RFC822; <ann.lee@mail.customer.example>\nAction: failed\n"
            "Status: 5.1.1 (no such mailbox)\n"
            "Diagnostic-Code: smtp; 550 5.1.1 <ann.lee@mail.customer.example>:\n   User unknown",
            "Final-Recipient: rfc822;bob@customer.example\nAction: delayed\nStatus: 4.4.1",
            "Final-Recipient: rfc822;eve@customer.example\nAction: delivered\nStatus: 2.0.0",
            returned="Message-ID: <sent@desk.example>\nTo: ann@customer.example\n\nHello",
        )
    )
    assert bounce.recipients == (
        BouncedRecipient(
            "ann@customer.example",
            Action.FAILED,
            "5.1.1",
            "550 5.1.1 <ann.lee@mail.customer.example>: User unknown",
            is_hard=True,
            final_address="ann.lee@mail.customer.example",
        ),
        BouncedRecipient(
            "bob@customer.example", Action.DELAYED, "4.4.1", final_address="bob@customer.example"
        ),
        BouncedRecipient(
            "eve@customer.example", Action.DELIVERED, "2.0.0", final_address="eve@customer.example"
        ),
    )
    assert [one.address for one in bounce.failed] == ["ann@customer.example"]
    assert bounce.original_message_id == "sent@desk.example"


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers"])
def test_the_mail_that_came_back_is_told_from_its_header(kind: str) -> None:
    raw = report(
        "Final-Recipient: rfc822; ann@x.example\nAction: failed",
        returned="Received: by mx\nMessage-Id:\n <a.1@desk.example>\n\n",
        kind=kind,
    )
    assert read(raw).original_message_id == "a.1@desk.example"


def test_a_report_that_names_nobody_means_whom_the_mail_went_to() -> None:
    bounce = read(report(returned="To: Ann <ann@x.example>\nMessage-ID: <a@b>\n\nHello"))
    assert [one.address for one in bounce.recipients] == ["ann@x.example"]
    many = read(report(returned="To: ann@x.example, bob@x.example\nMessage-ID: <a@b>\n\nHello"))
    assert many.recipients == ()
    assert many.original_message_id == "a@b"


def test_a_report_inside_a_gateways_mail_is_read() -> None:
    inner = report("Final-Recipient: rfc822; ann@x.example\nAction: failed\nStatus: 5.1.1").decode()
    raw = (
        "From: postmaster@gateway.example\nSubject: Delivery Status Notification (Failure)\n"
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n"
        f"{inner}\n--o\n\nThis mail is confidential.\n--o--\n"
    )
    assert [one.address for one in read(raw.encode()).failed] == ["ann@x.example"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "This is the mail system at host mx.example.\n\n"
            "<ann@x.example>: host mail.x.example[192.0.2.1] said: 550 5.1.1\n"
            "    <ann@x.example>: Recipient address rejected: User unknown (in reply to\n"
            "    RCPT TO command)\n",
            [("ann@x.example", "5.1.1", True)],
            id="Postfix",
        ),
        pytest.param(
            "A message that you sent could not be delivered to one or more of its\n"
            "recipients. The following address(es) failed:\n\n  ann@x.example\n"
            "    host mail.x.example [192.0.2.1]\n    SMTP error from remote mail server:\n"
            "    550 no such user here\n\n  bob@y.example\n    mailbox is full:\n"
            "    retry timeout exceeded\n",
            [("ann@x.example", "", True), ("bob@y.example", "", False)],
            id="Exim",
        ),
        pytest.param(
            "Hi. This is the qmail-send program at mx.example.\n\n<ann@x.example>:\n"
            "Sorry, no mailbox here by that name. (#5.1.1)\n\n"
            "--- Below this line is a copy of the message.\n\n<eve@y.example>:\nno\n",
            [("ann@x.example", "5.1.1", True)],
            id="qmail",
        ),
        pytest.param(
            "   ----- The following addresses had permanent fatal errors -----\n"
            "<ann@x.example>\n    (reason: 550 Host unknown)\n\n"
            "   ----- Transcript of session follows -----\n"
            "550 5.1.2 <ann@x.example>... Host unknown (Name server: x.example: not found)\n",
            [("ann@x.example", "", True)],
            id="sendmail",
        ),
        pytest.param(
            "Delivery has failed to these recipients or groups:\n\n"
            "Ann Lee (ann@x.example)<mailto:ann@x.example>\n"
            "Your message couldn't be delivered. The recipient's mailbox is full.\n",
            [("ann@x.example", "", False)],
            id="Exchange",
        ),
        pytest.param(
            "** Address not found **\n\nYour message wasn't delivered to ann@x.example because "
            "the address couldn't be found, or is unable to receive mail.\n",
            [("ann@x.example", "", True)],
            id="Gmail",
        ),
        pytest.param(
            "Sorry, we were unable to deliver your message to the following address.\n\n"
            "<ann@x.example>:\n554: 5.7.9 Message not accepted for policy reasons.\n\n"
            "--- Below this line is a copy of the message.\n",
            [("ann@x.example", "5.7.9", False)],
            id="Yahoo",
        ),
        pytest.param(
            "Your message\n\n  Subject: Offer\n\nwas not delivered to:\n\n  ann@x.example\n\n"
            "because:\n\n  User ann (ann@x.example) not listed in Domino Directory\n",
            [("ann@x.example", "", True)],
            id="Lotus",
        ),
        pytest.param(
            "Your message could not be delivered to the following recipients because they do "
            "not accept mail:\n\tannlee\n",
            [("annlee@mx.example", "", False)],
            id="AOL, names alone",
        ),
        pytest.param(
            "К сожалению, Ваше письмо не может быть доставлено одному или нескольким "
            "получателям:\n\nann@x.example\nuser not found\n",
            [("ann@x.example", "", True)],
            id="mail.ru",
        ),
        pytest.param(
            "次の宛先にメールを届けできませんでした。\n\n    Recipient: <ann@x.example>\n"
            "    Reason: 550 Unknown user ann@x.example\n",
            [("ann@x.example", "", True)],
            id="a Japanese carrier",
        ),
        pytest.param(
            "Ihre Nachricht konnte nicht zugestellt werden an:\n\n* ann@x.example\n"
            "  Empfänger unbekannt\n",
            [("ann@x.example", "", True)],
            id="German",
        ),
    ],
)
def test_notices_for_people(text: str, expected: list[tuple[str, str, bool]]) -> None:
    found = read(notice(text)).recipients
    assert [(one.address, one.status, one.is_hard) for one in found] == expected
    assert all(one.action is Action.FAILED for one in found)


def test_a_delay_is_no_failure() -> None:
    text = (
        "THIS IS A WARNING ONLY. You do not need to resend your message.\n\n"
        "<ann@x.example>: connect to mail.x.example: Connection timed out\n"
    )
    (one,) = read(notice(text, subject="Delayed Mail (still being retried)")).recipients
    assert (one.action, one.is_hard) == (Action.DELAYED, False)


def test_the_failed_recipients_field_outweighs_the_words() -> None:
    raw = notice("Something about eve@y.example went wrong: 550 user unknown\n")
    found = read(b"X-Failed-Recipients: ann@x.example,\n bob@x.example\n" + raw).recipients
    assert [one.address for one in found] == ["ann@x.example", "bob@x.example"]


def test_the_id_of_a_pasted_mail_is_found() -> None:
    text = (
        "<ann@x.example>: 550 no such user\n\n------ This is a copy of your message. ------\n\n"
        "Received: by desk.example\nTo: ann@x.example\nMessage-ID: <sent@desk.example>\n\nHello\n"
    )
    bounce = read(notice(text))
    assert bounce.original_message_id == "sent@desk.example"


@pytest.mark.parametrize(
    ("sender", "subject", "text"),
    [
        ("ann@x.example", "Delivery failure", "The parcel could not be delivered to bob@y.example"),
        ("ann@x.example", "Fwd: Undeliverable: Offer", "550 user unknown: bob@y.example. Why?"),
        ("ann@x.example", "Re: failure notice", "> <bob@y.example>: 550 user unknown\n\nSee this?"),
        ("postmaster@x.example", "Our new mail server", "Hello, we are moving on Monday. Ann"),
        ("Ann Lee <ann@x.example>", "Mail could not be sent", "I can not reach you on the phone."),
    ],
)
def test_what_people_write_about_failures_is_theirs(sender: str, subject: str, text: str) -> None:
    assert classify(parse(notice(text, sender=sender, subject=subject))).kind is MailKind.PERSONAL


@pytest.mark.parametrize(
    ("status", "reason", "hard"),
    [
        ("5.1.1", "", True),
        ("5.1.1", "user unknown, try again", True),
        ("5.2.1", "mailbox disabled", True),
        ("5.2.2", "no such user, mailbox full", False),
        ("4.2.1", "no such user", False),
        ("5.7.1", "blocked by our policy", False),
        ("5.5.0", "Requested action not taken: mailbox unavailable", True),
        ("", "Sender address rejected: domain not found", False),
        ("", "This user doesn't have a mail account here", True),
        ("", "something went wrong", False),
    ],
)
def test_hard_means_that_the_address_is_wrong(status: str, reason: str, hard: bool) -> None:
    assert bounces.is_hard(status, reason) is hard


@pytest.mark.parametrize(
    "text",
    [
        "<" * 30_000,
        "a@" * 20_000,
        "to " * 20_000,
        "a" * 60_000 + "@",
        "-- " * 20_000,
        "--b\n\n" * 60_000,
        "> " * 30_000,
    ],
)
def test_hostile_notices_take_linear_time(text: str) -> None:
    mail = parse(notice(text))
    begun = time.process_time()
    classify(mail)
    bounces.read(mail)
    assert time.process_time() - begun < 1


@given(st.text(max_size=400), st.text(max_size=60))
def test_any_words_give_a_bounce(text: str, subject: str) -> None:
    mail = parse(
        notice(text, subject=" ".join(subject.split())).replace(b"\0", b"")
        if text.isascii()
        else text.encode("utf-8", "replace")
    )
    bounce_notices.is_notice(mail)
    for one in bounces.read(mail).recipients:
        assert "@" in one.address
