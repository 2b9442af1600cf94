"""Which mails no machine may answer."""

from __future__ import annotations

import pytest

from app.mail.automatic import MailKind, classify
from app.mail.parsing import parse
from tests.mail.test_parsing import sample


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("plain", MailKind.PERSONAL),
        ("reply_quoting", MailKind.PERSONAL),
        ("out_of_office", MailKind.ANSWER),
        ("newsletter", MailKind.BULK),
        ("alert", MailKind.BULK),
        ("bounce", MailKind.BOUNCE),
    ],
)
def test_kinds_of_whole_mails(name: str, kind: MailKind) -> None:
    verdict = classify(sample(name))
    assert verdict.kind is kind
    assert bool(verdict.reason) is (kind is not MailKind.PERSONAL)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("Auto-Submitted: no", MailKind.PERSONAL),
        ("Auto-Submitted: auto-forwarded", MailKind.PERSONAL),
        ("Auto-Submitted: Auto-Replied (vacation)", MailKind.ANSWER),
        ("Auto-Submitted: auto-generated; x=y", MailKind.BULK),
        ("Auto-Submitted: auto-generated\r\nIn-Reply-To: <a@b>", MailKind.ANSWER),
        ("Auto-Submitted: auto-generated\r\nSubject: Abwesenheitsnotiz: x", MailKind.ANSWER),
        ("Subject: Automatische Antwort: [TKT-AAAABBBB] Oven", MailKind.ANSWER),
        ("Subject: Automatic reply: Oven", MailKind.ANSWER),
        ("Subject: Otomatik Yanıt: Fırın", MailKind.ANSWER),
        ("Subject: 自動回覆：烤箱", MailKind.ANSWER),
        ("Subject: Réponse automatique : Four", MailKind.ANSWER),
        ("Subject: Out of Office: Re: Oven\r\nIn-Reply-To: <a@b>", MailKind.ANSWER),
        ("Subject: Out of Office: Re: Oven", MailKind.PERSONAL),
        ("Subject: Automatic reply does not stop\r\nIn-Reply-To: <a@b>", MailKind.PERSONAL),
        ("Feedback-ID: 1:user:proton\r\nIn-Reply-To: <a@b>", MailKind.PERSONAL),
        ("X-Autoreply: yes", MailKind.ANSWER),
        ("X-Autoreply: no", MailKind.PERSONAL),
        ("Precedence: bulk", MailKind.BULK),
        ("Precedence: auto_reply\r\nIn-Reply-To: <a@b>", MailKind.ANSWER),
        ("Precedence: first-class", MailKind.PERSONAL),
        ("X-Auto-Response-Suppress: DR, OOF", MailKind.BULK),
        ("X-Auto-Response-Suppress: None", MailKind.PERSONAL),
        ("List-Unsubscribe: <https://x.example>", MailKind.BULK),
        ("List-Id: <a.b>\r\nIn-Reply-To: <a@b>", MailKind.BULK),
        ("Return-Path: <>", MailKind.BULK),
        ("Return-Path: <ann@x.example>", MailKind.PERSONAL),
        ("X-Failed-Recipients: x@y.example", MailKind.BOUNCE),
        ("Content-Type: multipart/report; report-type=disposition-notification", MailKind.BULK),
        ("Content-Type: multipart/report; report-type=delivery-status", MailKind.BOUNCE),
    ],
)
def test_kinds_by_header(header: str, kind: MailKind) -> None:
    mail = parse(f"From: ann@x.example\r\n{header}\r\n\r\n--x\r\n\r\nhi\r\n".encode())
    assert classify(mail).kind is kind


@pytest.mark.parametrize(
    ("subject", "kind"),
    [("Undeliverable: Oven", MailKind.BOUNCE), ("Fwd: Undeliverable: Oven", MailKind.PERSONAL)],
)
def test_a_report_that_somebody_passes_on_is_theirs(subject: str, kind: MailKind) -> None:
    mail = parse(
        f"From: ann@x.example\nSubject: {subject}\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\n\nWhy?\n--b\nContent-Type: message/delivery-status\n\n"
        "Final-Recipient: rfc822; bob@y.example\nAction: failed\n--b--\n".encode()
    )
    assert classify(mail).kind is kind


def test_our_own_addresses() -> None:
    mail = parse(b"From: support@desk.example\r\n\r\nhi")
    assert classify(mail, is_own=True).kind is MailKind.OWN
    assert classify(mail).kind is MailKind.PERSONAL


def test_the_envelope_outweighs_the_header() -> None:
    mail = parse(b"From: ann@x.example\r\nReturn-Path: <>\r\n\r\nhi")
    assert classify(mail, return_path="ann@x.example").reason == ""
    assert classify(mail).reason == "null return path"
    assert classify(mail, return_path="").reason == "null return path"
