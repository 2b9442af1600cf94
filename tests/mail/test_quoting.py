"""What was written now, against quotations and signatures."""

from __future__ import annotations

import time

import pytest

from app.mail.quoting import new_text

QUOTE = "> Have you tried\n> turning it off?\n"


@pytest.mark.requirement("X46")
@pytest.mark.parametrize(
    "introduction",
    [
        "On Mon, Jan 1, 2024 at 10:00 AM Ann Lee <ann@x.example> wrote:",
        "On Mon, Jan 1, 2024 at 10:00 AM Ann Lee\n<ann@x.example>\nwrote:",
        "Am 01.01.2024 um 10:00 schrieb Ann Lee:",
        "Le lun. 1 janv. 2024 à 10:00, Ann Lee <ann@x.example> a écrit :",
        "El lun, 1 ene 2024 a las 10:00, Ann Lee (<ann@x.example>) escribió:",
        "Il giorno lun 1 gen 2024 alle ore 10:00 Ann Lee <ann@x.example> ha scritto:",
        "Em seg., 1 de jan. de 2024 às 10:00, Ann Lee <ann@x.example> escreveu:",
        "Op ma 1 jan 2024 om 10:00 schreef Ann Lee <ann@x.example>:",
        "W dniu 1.01.2024 o 10:00, Ann Lee pisze:",
        "pon., 1 sty 2024 o 10:00 Ann Lee <ann@x.example> napisał(a):",
        "Den mån 1 jan. 2024 kl 10:00 skrev Ann Lee <ann@x.example>:",
        "Dne po 1. 1. 2024 v 10:00 Ann Lee <ann@x.example> napsal(a):",
        "пн, 1 янв. 2024 г. в 10:00, Ann Lee <ann@x.example> написал:",
        "2024年1月1日(月) 10:00 Ann Lee <ann@x.example>:",
        "在 2024年1月1日，Ann Lee <ann@x.example> 写道：",
    ],
)
def test_an_introduced_quotation_goes(introduction: str) -> None:
    assert new_text(f"It works now.\n\n{introduction}\n{QUOTE}") == "It works now."
    assert new_text(f"It works now.\n\n{introduction}\n\nHave you tried it?") == "It works now."


def test_the_armor_of_a_signed_text_goes() -> None:
    head = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
    foot = "-----BEGIN PGP SIGNATURE-----\n\niQEz\n-----END PGP SIGNATURE-----\n"
    assert new_text(f"{head}It works now.\n{foot}") == "It works now."
    assert new_text("") == ""


@pytest.mark.parametrize(
    "header",
    [
        "From: Ann <ann@x.example>\nSent: Monday\nTo: Bob\nSubject: Help",
        "*From:* Ann\n*Sent:* Monday\n*Subject:* Help",
        "Von: Ann\nGesendet: Montag\nAn: Bob\nBetreff: Hilfe",
        "De : Ann\nEnvoyé : lundi\nÀ : Bob\nObjet : Aide",
        "Da: Ann\nInviato: lunedì\nA: Bob\nOggetto: Aiuto",
        "Van: Ann\nVerzonden: maandag\nAan: Bob\nOnderwerp: Hulp",
        "Från: Ann\nSkickat: måndag\nTill: Bob\nÄmne: Hjälp",
        "Od: Ann\nWysłano: poniedziałek\nDo: Bob\nTemat: Pomoc",
        "От: Ann\nОтправлено: понедельник\nКому: Bob\nТема: Помощь",
        "发件人: Ann\n发送时间: 星期一\n收件人: Bob\n主题: 帮助",
        "-----Original Message-----\nFrom: Ann",
        ">>> Ann Lee <ann@x.example> 1/22/24 10:00 AM >>>",
        "________________________________\nFrom: Ann\nSent: Monday",
    ],
)
def test_the_old_mails_header_goes_with_all_below(header: str) -> None:
    assert new_text(f"It works now.\n\n{header}\n\nHave you tried it?") == "It works now."


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("Thanks!\n\n-- \nBob\nExample Ltd", "Thanks!"),
        ("Thanks!\n\nSent from my iPhone", "Thanks!"),
        ("Thanks!\n\nGesendet von meinem Telefon", "Thanks!"),
        ("Thanks!\n\n-Bob Lee", "Thanks!"),
        (
            f"{QUOTE}\nYes.\n\n> And the cable?\n\nAlso yes.",
            "Yes.\n\n> And the cable?\n\nAlso yes.",
        ),
        (f"On 1 Jan 2024 Ann wrote:\n{QUOTE}\nYes, twice.", "Yes, twice."),
        (QUOTE, ""),
        ("", ""),
    ],
)
def test_signatures_go_and_answers_stay(text: str, new: str) -> None:
    assert new_text(text) == new


@pytest.mark.parametrize(
    "text",
    [
        "On your remote host you can run:\n\nmake",
        "Take the box away please.\nThanks for that.",
        "/etc/passwd is gone",
        "- one\n- two",
        "Sent from my desk, it is easier.",
        "From: the start it was slow",
        "He wrote:\nnothing at all",
        "On 24 May I wrote:\na letter that matters.",
        "Here it is.\n\n---------- Forwarded message ---------\nFrom: Ann <ann@x.example>\n"
        "Date: Mon\nSubject: Help\n\nThe panel is dead.",
        "a -- b",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert new_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "On 1 a\n" * 100_000,
        "> x\ny\n" * 100_000,
        "_" * 500_000,
        "-" * 500_000,
        "2020 a@:" * 60_000,
        "--\n" * 200_000,
        "From: x\n" * 200_000,
    ],
)
def test_time_is_linear(text: str) -> None:
    start = time.process_time()
    new_text(text)
    assert time.process_time() - start < 2
