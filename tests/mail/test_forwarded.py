"""Who wrote a mail that somebody passed on, as the mail programs of the world tell it."""

from __future__ import annotations

import pytest

from app.mail.forwarded import plain_subject, read
from app.mail.parsing import ParsedEmail, parse


def mail(text: str, subject: str = "Fwd: Door") -> ParsedEmail:
    head = f"From: bob@desk.example\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8"
    return parse(f"{head}\n\n{text}".encode())


GMAIL = """Please look.

---------- Forwarded message ---------
From: Ann Lee <ann@x.example>
Date: Mon, 23 Nov 2026 at 10:00
Subject: Door
To: <bob@desk.example>


The door is stuck.

> Is it open?
No.
"""
APPLE = """
> Begin forwarded message:
>
> From: Ann Lee <ann@x.example>
> Subject: Re: Door
> Date: 23 November 2026 at 10:00:00 CET
> To: Bob <bob@desk.example>
>
> The door is stuck.
"""
OUTLOOK = """Please look.

Bob

________________________________
From: Ann Lee <ann@x.example<mailto:ann@x.example>>
Sent: Monday, 23 November 2026 10:00
To: Bob <bob@desk.example>
Cc: Eve
Subject: Door

The door is stuck.
"""
OUTLOOK_2010 = """
-----Original Message-----
From: Ann Lee [mailto:ann@x.example]
Sent: Monday, 23 November 2026 10:00
To: Bob
Subject: Door

The door is stuck.
"""
THUNDERBIRD = """

-------- Forwarded Message --------
Subject: \tDoor
Date: \tMon, 23 Nov 2026 10:00:00 +0100
From: \tAnn Lee <ann@x.example>
To: \tbob@desk.example



The door is stuck.
"""
BOLD = """*From:* Ann Lee <
ann@x.example>
*Sent:* Monday

*To:* Bob
*Subject:* Door

The door is stuck.
"""


@pytest.mark.parametrize(
    ("text", "preface"),
    [
        (GMAIL, "Please look."),
        (APPLE, ""),
        (OUTLOOK, "Please look.\n\nBob"),
        (OUTLOOK_2010, ""),
        (THUNDERBIRD, ""),
        (BOLD, ""),
    ],
    ids=["gmail", "apple", "outlook", "outlook 2010", "thunderbird", "bold"],
)
def test_mail_programs_name_the_first_sender(text: str, preface: str) -> None:
    found = read(mail(text))
    assert found is not None
    assert (found.name, found.email, found.subject) == ("Ann Lee", "ann@x.example", "Door")
    assert found.text.startswith("The door is stuck.")
    assert found.preface == preface


LANGUAGES = {
    "de": ("WG: Tür", "Von: {}\nGesendet: Montag\nAn: Bob\nBetreff: Tür"),
    "de apple": (
        "Fwd: Tür",
        "Anfang der weitergeleiteten Nachricht:\n\nVon: {}\nBetreff: Tür\nDatum: x\nAn: y",
    ),
    "fr": ("TR: Tür", "De : {}\nEnvoyé : lundi\nÀ : Bob\nObjet : Tür"),
    "es": ("RV: Tür", "De: {}\nEnviado el: lunes\nPara: Bob\nAsunto: Tür"),
    "it": ("I: Tür", "Da: {}\nInviato: lunedì\nA: Bob\nOggetto: Tür"),
    "pt": ("ENC: Tür", "De: {}\nEnviada em: segunda\nPara: Bob\nAssunto: Tür"),
    "nl": ("FW: Tür", "Van: {}\nVerzonden: maandag\nAan: Bob\nOnderwerp: Tür"),
    "pl": ("PD: Tür", "Od: {}\nWysłano: poniedziałek\nDo: Bob\nTemat: Tür"),
    "sv": ("VB: Tür", "Från: {}\nSkickat: måndag\nTill: Bob\nÄmne: Tür"),
    "da": ("VS: Tür", "Fra: {}\nSendt: mandag\nTil: Bob\nEmne: Tür"),
    "cs": ("FW: Tür", "Od: {}\nOdesláno: pondělí\nKomu: Bob\nPředmět: Tür"),
    "ru": ("FW: Tür", "От: {}\nОтправлено: понедельник\nКому: Bob\nТема: Tür"),
    "ja": ("転送: Tür", "差出人: {}\n送信日時: 月曜日\n宛先: Bob\n件名: Tür"),
    "zh": ("转发: Tür", "发件人：{}\n发送时间：星期一\n收件人：Bob\n主题：Tür"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_in_their_users_languages(language: str) -> None:
    subject, header = LANGUAGES[language]
    text = "Bitte.\n\n" + header.format("Ann Lee <ann@x.example>") + "\n\nKaputt."
    found = read(mail(text, subject))
    assert found is not None
    assert (found.name, found.email, found.subject) == ("Ann Lee", "ann@x.example", "Tür")
    assert (found.text, found.preface) == ("Kaputt.", "Bitte.")


def test_an_attached_mail_is_read_itself() -> None:
    raw = (
        "From: bob@desk.example\nSubject: Look\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: text/plain\n\nPlease.\n"
        "--b\nContent-Type: message/rfc822\n\n"
        "From: Ann Lee <ann@x.example>\nSubject: Fwd: Door\nMessage-ID: <1@x.example>\n\nStuck.\n"
        "--b--\n"
    )
    found = read(parse(raw.encode()))
    assert found is not None
    assert (found.email, found.subject, found.text) == ("ann@x.example", "Door", "Stuck.")
    assert found.preface == "Please."
    assert found.mail is not None
    assert found.mail.message_id == "1@x.example"


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Re: Door", OUTLOOK),  # a reply quotes just so
        ("Fwd: Door", "The door is stuck."),
        ("Fwd: Door", "From: Ann Lee\nSent: Monday\nTo: Bob\nSubject: Door\n\nStuck."),
        ("Door", "From: here\nto: there\nwe walk."),
        (
            "Question",
            "What is a forwarded message?\n\nAnd more\nFrom: a@x.example\nTo: b\nSubject: c",
        ),
    ],
)
def test_other_mails_pass_nothing_on(subject: str, text: str) -> None:
    assert read(mail(text, subject)) is None


def test_subjects_lose_their_marks() -> None:
    assert plain_subject("Fwd: AW: Re[2]: WG : Door") == "Door"
    assert plain_subject("Fwd:") == ""
    assert plain_subject("Redoing: the door") == "Redoing: the door"


def test_long_texts_take_no_long_time() -> None:
    text = "From: a\n" * 50_000 + "_" * 100_000 + "\n" + "Subject: " * 10_000
    assert read(mail(text)) is None
