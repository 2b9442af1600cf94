"""People are left out of what others will read."""

from __future__ import annotations

import pytest

from app.knowledge.redaction import without_people


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Call +49 30 1234567 please", "Call [number] please"),
        ("Call (030) 123-4567.", "Call [number]."),
        ("Since 2026-11-22 and 21.11.2026", "Since 2026-11-22 and 21.11.2026"),
        ("It costs 1,200 for 12 months", "It costs 1,200 for 12 months"),
        ("Mail me: a.b+c@mail.example now", "Mail me: [mail address] now"),
        ("See [TKT-ABCDEFGH]", "See [ticket]"),
        ("From 192.168.0.17", "From [IP address]"),
        ("Order GL-204551", "Order [number]"),
        ("Error P-07 and HTTP 404", "Error P-07 and HTTP 404"),
        ("https://a.example/page?token=secret#x", "https://a.example/page"),
        ("Thabo's lamp, says Thabo Nkosi", "[name] lamp, says [name]"),
        ("THABO NKOSI wrote", "[name] wrote"),
        ("The Nkosification", "The Nkosification"),
        ("Serial SN77 and sn77x", "Serial [number] and sn77x"),
    ],
)
def test_what_belongs_to_one_person_is_taken_out(text: str, left: str) -> None:
    assert without_people(text, names=["Thabo Nkosi"], codes=["SN77"]) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Hello Maria,\n\nturn it off.\n\nKind regards\nEva\nGreenlatch", "turn it off."),
        ("Dear team\nIt hums.\nThanks!\nMax", "It hums."),
        ("Guten Tag, seit Montag brummt es.\n\nViele Grüße\nJörg", "Seit Montag brummt es."),
        ("Turn it off.\n\nEva Lindholm, Greenlatch", "Turn it off."),
        ("Thanks", "Thanks"),
        ("Hi there", "Hi there"),
        ("First\nthanks to the lamp\nwe see more\nof it\nnow\nthan\never", None),
    ],
)
def test_greeting_and_signature_go(text: str, left: str | None) -> None:
    assert without_people(text, names=["Eva Lindholm"]) == (text if left is None else left)
