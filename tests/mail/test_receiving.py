"""What makes a mail known again, and large mails on their way to the database and back."""

from __future__ import annotations

import hashlib

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app.core.clock import utcnow
from app.core.db import db
from app.mail import large, receiving
from app.mail.models import InboundEmail, RawEmail

HEAD = b"From: ada@customer.example\nSubject: Help\nMessage-ID: <1@customer.example>\n\n"


def hash_of(body: bytes) -> str:
    return receiving.envelope(HEAD + b"x" + body).content_hash


@given(st.lists(st.sampled_from([b"a", b" ", b"\r", b"\n", b"\r\n", b"\t"]), max_size=40))
def test_a_mail_is_the_same_whatever_its_line_ends(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    told = b"ada@customer.example\0Help\0"
    whole = hashlib.sha256(told + (b"x" + body).replace(b"\r\n", b"\n").rstrip()).hexdigest()
    before, receiving.PIECE = receiving.PIECE, 3
    try:
        assert hash_of(body) == whole
    finally:
        receiving.PIECE = before


def test_alarms_without_id_and_date_are_told_apart_by_who_received_them() -> None:
    alarm = b"From: ups@desk.example\nSubject: On battery\n\nNo power.\n"
    hops = [b"Received: from ups by mx.example with ESMTP id %d\n" % n for n in (1, 1, 2)]
    first, again, second = (receiving.envelope(hop + alarm).content_hash for hop in hops)
    assert first == again != second
    for known in (b"Date: Mon, 23 Nov 2026 10:00:00 +0000\n", b"Message-ID: <1@ups>\n"):
        both = {receiving.envelope(hop + known + alarm).content_hash for hop in hops}
        assert len(both) == 1  # it may come by two ways


@pytest.mark.parametrize("size", [0, large.LARGE - 100, large.LARGE + 1, 3 * large.PIECE + 7])
def test_a_mail_comes_back_byte_by_byte(app: Flask, size: int) -> None:
    raw = HEAD + bytes(n * n % 251 for n in range(1000)) * (size // 1000 + 1)
    stored = receiving.store(raw, None, now=utcnow())
    db.session.commit()
    assert receiving.find(stored.id).raw == raw
    column = sa.select(RawEmail.raw, InboundEmail.size).join_from(InboundEmail, RawEmail)
    column = column.where(InboundEmail.id == stored.id)
    assert db.session.execute(column).one() == (raw, len(raw))
    again = receiving.store(raw.replace(b"\n", b"\r\n", 3), None, now=utcnow())
    assert (again.is_new, again.id) == (False, stored.id)
