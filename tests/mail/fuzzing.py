"""What must hold for any bytes that come as a mail, and bytes that try to break it."""

from __future__ import annotations

import dataclasses
import random
import re
import time

from app.core.html import FOLD, html_to_text
from app.mail import automatic, bounces, forwarded, parsing
from app.mail.parsing import MailAttachment, ParsedEmail

MOST_SECONDS = 2.0
# Whatever could run or load; the cleaner writes canonical tags, so that this is enough.
_DANGER = re.compile(
    r"<(?:script|style|iframe|object|embed|form|input|link|meta|base|svg|math)\b"
    r"|<[a-z0-9]+(?: [a-z-]+=\"[^\"]*\")* (?:on\w+|style|src|srcset|srcdoc|id|name)=",
)
_HREF = re.compile(r'<a(?: [a-z-]+="[^"]*")* href="([^"]*)"')
_OUR_SCHEMES = ("http:", "https:", "mailto:", "tel:")
TOKENS = (
    b"Content-Type: multipart/mixed; boundary=b\n",
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n",
    b"Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.example\n",
    b"Content-Type: text/html; charset=utf-16\n\n",
    b"Content-Type: text/calendar\n\nBEGIN:VEVENT\nDTSTART:20250505T100000Z\n",
    b"Content-Type: application/ms-tnef\n\n\x78\x9f\x3e\x22\x01\x00",
    b"Content-Type: application/pkcs7-mime\n\n\x30\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x02\xa0\x80",
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Transfer-Encoding: quoted-printable\n",
    b"\n--b\n",
    b"\n\n",
    b"=?utf-8?B?",
    b"=?iso-2022-jp?Q?=1B$B",
    b"On 1 Jan 2024, a@b.example wrote:\n",
    b"-----Original Message-----\n",
    b"From: a@b.example\nSent: x\nTo: y\nSubject: z\n",
    b"<div class=gmail_quote>",
    b'<div style="display:none">',
    b"Subject: Fwd: x\n",
    b"<!--",
    b"<blockquote>",
    b"<!--fold-->",
    b'<img src="cid:a" style="color:red">',
    b"data:image/png;base64,AAAA",
    b"begin 644 a\nM",
    b"<a@b.example>: 550 5.1.1 user unknown\n",
    b"> ",
    b"-- \n",
    b"\xff\xfe\x00",
)


def check(raw: bytes) -> None:
    """Read *raw* in every way that a mail is read; fail where a rule does not hold."""
    begun = time.process_time()
    mail = parsing.parse(raw)
    automatic.classify(mail)
    bounces.read(mail)
    forwarded.read(mail)
    seconds = time.process_time() - begun
    assert seconds < MOST_SECONDS, f"{seconds:.1f} s for {len(raw)} bytes"
    check_storable(mail)
    if mail.html is not None:
        assert not _DANGER.search(mail.html), mail.html
        for target in _HREF.findall(mail.html):  # browsers skip white space in it
            assert re.sub(r"\s", "", target).lower().startswith(_OUR_SCHEMES), target
        assert mail.html.count(FOLD) <= 1
        html_to_text(mail.html)


def check_storable(mail: ParsedEmail) -> None:
    """Every text in *mail* fits a column and a header; names of files are harmless."""

    def check_value(value: object) -> None:
        if isinstance(value, str):
            assert "\x00" not in value
            value.encode("utf-8")
        elif isinstance(value, (tuple, list)):
            for item in value:
                check_value(item)
        elif isinstance(value, MailAttachment):
            check_value(value.filename)
            check_value(value.content_type)
            check_value(value.content_id)
            assert 0 < len(value.filename) <= 255
            assert not set(value.filename) & set("/\\\r\n")

    for field in dataclasses.fields(mail):
        check_value(getattr(mail, field.name))


def mutated(seed: bytes, other: bytes, dice: random.Random) -> bytes:
    """*seed* after one to six accidents: cut, doubled, spliced, repeated a thousandfold."""
    raw = bytearray(seed[:200_000])
    for _ in range(dice.randint(1, 6)):
        start = dice.randint(0, len(raw))
        end = min(len(raw), start + dice.choice((1, 2, 7, 40, 400)))
        match dice.randint(0, 6):
            case 0:
                del raw[start:end]
            case 1:
                raw[start:start] = dice.choice(TOKENS)
            case 2:
                raw[start:end] = dice.randbytes(dice.randint(1, 8))
            case 3:
                position = dice.randint(0, len(other))
                raw[start:start] = other[position : position + dice.choice((20, 500, 5_000))]
            case 4:
                raw[start:start] = raw[start:end] * dice.choice((2, 10, 100))
            case 5:
                piece = bytes(raw[start : min(end, start + 60)]) or dice.choice(TOKENS)
                raw[start:start] = piece * (dice.choice((20_000, 300_000)) // len(piece))
            case _:
                raw[start:start] = dice.choice(TOKENS) * dice.choice((2, 500, 5_000))
    return bytes(raw)
