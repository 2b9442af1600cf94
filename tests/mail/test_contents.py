"""What other programs pack into mails: winmail.dat, signatures, invitations, embedded files."""

from __future__ import annotations

import base64
import binascii
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.html import html_to_text
from app.mail import charsets, invitations, opaque, tnef
from app.mail.parsing import ParsedEmail, parse

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))


def files(mail: ParsedEmail) -> list[tuple[str, str, bytes]]:
    return [(a.filename, a.content_type, a.data) for a in mail.attachments]


def mail_with(kind: str, data: bytes, *, text: str = "Hello", name: str = "") -> bytes:
    parameter = f'; name="{name}"' if name else ""
    return (
        "From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n"
        f"{text}\n--b\nContent-Type: {kind}{parameter}\n"
        f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(data).decode()}\n--b--\n"
    ).encode()


# winmail.dat


def attribute(name: int, value: bytes, level: int = 2) -> bytes:
    return struct.pack("<BHHI", level, name, 6, len(value)) + value + b"\0\0"


def properties(*pairs: tuple[int, int, bytes]) -> bytes:
    out = struct.pack("<I", len(pairs))
    for kind, name, value in pairs:
        out += struct.pack("<HHII", kind, name, 1, len(value)) + value + b"\0" * (-len(value) % 4)
    return out


def winmail(*attributes: bytes) -> bytes:
    return b"\x78\x9f\x3e\x22\x01\x00" + b"".join(attributes)


def unicode(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


PLAN = (
    attribute(tnef._START, b"\0" * 14)
    + attribute(tnef._TITLE, b"PLAN~1.PNG\0")
    + attribute(tnef._DATA, PNG)
    + attribute(
        tnef._ATTACHMENT,
        properties(
            (0x1F, tnef._LONG_NAME, unicode("Plan für Küche.png")),
            (0x1E, tnef._MIME_TYPE, b"image/png\0"),
            (0x1F, tnef._CONTENT_ID, unicode("plan@1")),
        ),
    )
)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("application/ms-tnef", "winmail.dat"), ("application/octet-stream", "WINMAIL.DAT")],
)
def test_the_files_in_a_winmail_dat_stand_in_its_place(kind: str, name: str) -> None:
    mail = parse(mail_with(kind, winmail(PLAN), name=name))
    assert mail.text == "Hello"
    assert files(mail) == [("Plan für Küche.png", "image/png", PNG)]


def test_the_message_in_a_winmail_dat_is_read_where_there_is_no_other() -> None:
    html = attribute(tnef._MESSAGE, properties((0x102, tnef._HTML_BODY, b"<p>Hi <b>you</b></p>")))
    mail = parse(mail_with("application/ms-tnef", winmail(html), text="", name="winmail.dat"))
    assert mail.text == "Hi you"
    assert mail.html == "<p>Hi <b>you</b></p>"
    assert files(mail) == []


def test_a_mail_inside_a_winmail_dat_brings_its_own_files() -> None:
    inner = winmail(attribute(tnef._BODY, b"Read this\0", level=1), PLAN)
    outer = winmail(
        attribute(tnef._START, b"\0" * 14),
        attribute(
            tnef._ATTACHMENT,
            properties(
                (0x1E, tnef._DISPLAY_NAME, b"Old mail\0"), (0xD, tnef._FILE_DATA, b"i" * 16 + inner)
            ),
        ),
    )
    mail = parse(mail_with("application/ms-tnef", outer, name="winmail.dat"))
    assert files(mail) == [
        ("Old mail", "text/plain", b"Read this"),
        ("Plan für Küche.png", "image/png", PNG),
    ]


def test_a_winmail_dat_that_is_none_stays_a_file() -> None:
    mail = parse(mail_with("application/ms-tnef", b"something else", name="winmail.dat"))
    assert files(mail) == [("winmail.dat", "application/ms-tnef", b"something else")]


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_of_tnef_are_survived(noise: bytes, cut: int) -> None:
    tnef.read(tnef.SIGNATURE + b"\0\0" + noise)
    whole = winmail(PLAN)
    tnef.read(whole[:cut] + noise)


# Opaque signatures


def der(tag: int, *content: bytes) -> bytes:
    body = b"".join(content)
    size = len(body)
    length = bytes((size,)) if size < 128 else b"\x84" + size.to_bytes(4, "big")
    return bytes((tag,)) + length + body


def ber(tag: int, *content: bytes) -> bytes:
    return bytes((tag, 0x80)) + b"".join(content) + b"\0\0"


def signed(entity: bytes, *, indefinite: bool) -> bytes:
    wrap = ber if indefinite else der
    octets = der(0x04, entity)
    if indefinite:
        octets = ber(0x24, der(0x04, entity[:9]), der(0x04, entity[9:]))
    content = wrap(0x30, der(0x06, opaque._DATA), wrap(0xA0, octets))
    data = wrap(0x30, der(0x02, b"\1"), der(0x31), content, der(0x31))
    return wrap(0x30, der(0x06, opaque._SIGNED_DATA), wrap(0xA0, data))


ENTITY = (
    b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nSigned words\r\n--i\r\n"
    b"Content-Type: image/png; name=a.png\r\n\r\nPNG\r\n--i--\r\n"
)


@pytest.mark.parametrize("indefinite", [False, True])
def test_an_opaque_signature_is_read_and_kept(indefinite: bool) -> None:
    data = signed(ENTITY, indefinite=indefinite)
    assert opaque.signed_content(data) == ENTITY
    mail = parse(
        b"From: a@x.example\nContent-Type: application/pkcs7-mime; smime-type=signed-data; "
        b"name=smime.p7m\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(data)
    )
    assert mail.text.strip() == "Signed words"
    assert [a.filename for a in mail.attachments] == ["a.png", "smime.p7m"]


def test_what_is_encrypted_stays_a_file() -> None:
    data = der(0x30, der(0x06, bytes.fromhex("2a864886f70d010703")), der(0xA0))
    mail = parse(mail_with("application/pkcs7-mime", data, name="smime.p7m"))
    assert files(mail) == [("smime.p7m", "application/pkcs7-mime", data)]


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes_of_a_signature_are_survived(noise: bytes, cut: int) -> None:
    opaque.signed_content(noise)
    opaque.signed_content(signed(ENTITY, indefinite=True)[:cut] + noise)
    opaque.signed_content(b"\x30\x80" * 500 + noise)


def test_keys_and_signatures_of_other_kinds_stay_files() -> None:
    raw = (
        b"From: a@x.example\nContent-Type: multipart/signed; boundary=b\n\n--b\n\nHello\n--b\n"
        b"Content-Type: application/pgp-signature; name=signature.asc\n\n-----BEGIN\n--b--\n"
    )
    mail = parse(raw)
    assert mail.text == "Hello"
    assert files(mail) == [("signature.asc", "application/pgp-signature", b"-----BEGIN")]


# Invitations

CALENDAR = """BEGIN:VCALENDAR
METHOD:{method}
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:19701025T030000
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
SUMMARY;LANGUAGE=en:Oven\\, second
  look
{times}
LOCATION:Room 1\\nFloor 2
ORGANIZER;CN="Lee, Ann":mailto:ann@x.example
ATTENDEE;PARTSTAT=DECLINED;CN=Bob:mailto:bob@x.example
BEGIN:VALARM
DESCRIPTION:Reminder
END:VALARM
END:VEVENT
END:VCALENDAR
"""
BERLIN = "DTSTART;TZID=Europe/Berlin:20250505T100000\nDTEND;TZID=Europe/Berlin:20250505T113000"


@pytest.mark.parametrize(
    ("method", "times", "first", "when"),
    [
        ("REQUEST", BERLIN, "Invitation", "Mon 5 May 2025, 10:00 to 11:30 (Europe/Berlin)"),
        ("CANCEL", "DTSTART:20250505T080000Z", "Cancelled", "Mon 5 May 2025, 08:00 (UTC)"),
        ("REPLY", "DTSTART;VALUE=DATE:20250505", "Declined", "Mon 5 May 2025, all day"),
        (
            "PUBLISH",
            "DTSTART:20250505T220000Z\nDTEND:20250506T010000Z\nRRULE:FREQ=DAILY",
            "Event",
            "Mon 5 May 2025, 22:00 to Tue 6 May, 01:00 (UTC) (repeats)",
        ),
        ("COUNTER", "DTSTART:tomorrow", "Proposes another time", "tomorrow"),
    ],
)
def test_an_invitation_in_words(method: str, times: str, first: str, when: str) -> None:
    assert invitations.described(CALENDAR.format(method=method, times=times)).split("\n") == [
        f"{first}: Oven, second look",
        f"When: {when}",
        "Where: Room 1 Floor 2",
        "Organizer: Lee, Ann",
    ]


def test_an_invitation_is_told_and_kept() -> None:
    calendar = CALENDAR.format(method="REQUEST", times=BERLIN).encode()
    mail = parse(mail_with("text/calendar; method=REQUEST", calendar, text="Please come."))
    assert mail.reply_text.startswith("Invitation: Oven, second look\nWhen: Mon 5 May")
    assert mail.reply_text.endswith("Please come.")
    assert [(a.filename, a.content_type) for a in mail.attachments] == [
        ("invitation.ics", "text/calendar")
    ]


def test_a_calendar_without_an_event_says_nothing() -> None:
    assert invitations.described("BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:x\nEND:VTODO") == ""


@given(st.text(alphabet='BEGIN:VEVENT\n;="DTSTART20250Z\\, ', max_size=300))
def test_any_calendar_is_survived(text: str) -> None:
    invitations.described(f"BEGIN:VEVENT\n{text}")


def test_the_answer_to_an_invitation_is_told_once() -> None:
    calendar = CALENDAR.format(method="REPLY", times=BERLIN)
    told = invitations.described(calendar.replace("SUMMARY:", "SUMMARY:Declined: "))
    assert told.startswith("Declined: Oven, second look\n")


# Other forms of the same message


@pytest.mark.parametrize("kind", ["text/x-amp-html", "text/enriched"])
def test_a_form_for_few_programs_is_no_file_beside_the_others(kind: str) -> None:
    other = f"--b\nContent-Type: {kind}\n\n<b>Hello</b>\n"
    raw = f"Content-Type: multipart/alternative; boundary=b\n\n--b\n\nHello\n{other}--b--\n"
    mail = parse(raw.encode())
    assert (mail.text, files(mail)) == ("Hello", [])


@pytest.mark.parametrize(
    "frame", ["{}", "Content-Type: multipart/alternative; boundary=b\n\n--b\n{}--b--\n"]
)
def test_it_is_read_where_there_is_no_other(frame: str) -> None:
    enriched = "Content-Type: text/enriched\n\n<bold>Hello</bold> 1 << 2\n"
    assert parse(frame.format(enriched).encode()).text.strip() == "Hello 1 < 2"
    markdown = "Content-Type: text/markdown\n\n*Hello*\n"
    assert parse(frame.format(markdown).encode()).text.strip() == "*Hello*"


def test_a_comment_behind_the_type_changes_nothing() -> None:
    mail = parse(b"Content-Type: text/html (a page); charset=utf-8\n\n<p>Hello</p>")
    assert (mail.text, mail.html) == ("Hello", "<p>Hello</p>")


# Digests, footers, and lines that gateways pad


@pytest.mark.parametrize("blank", ["\n", ""])
def test_the_mails_of_a_digest_are_its_files(blank: str) -> None:
    mail = parse(
        (
            "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nTopics\n--a\n"
            "Content-Type: multipart/digest; boundary=b\n\n"
            f"--b\n{blank}From: ann@x.example\nSubject: Oven\n\nCold\n--b--\n--a--\n"
        ).encode()
    )
    assert mail.text == "Topics"
    assert files(mail) == [
        ("Oven.eml", "message/rfc822", b"From: ann@x.example\nSubject: Oven\n\nCold")
    ]


@pytest.mark.parametrize(
    "footer",
    [
        "____________\nUsers mailing list\nusers@lists.example\n",
        "\n\n[This mail was checked!]\n",
    ],
)
@pytest.mark.parametrize("text", ["Hello world!", "Hello, world!"])  # with padding and without
def test_a_footer_below_base64_is_not_read_as_such(text: str, footer: str) -> None:
    head = "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n"
    encoded = base64.encodebytes(text.encode()).decode()
    assert parse(f"{head}{encoded}{footer}".encode()).text == text


def test_foreign_characters_in_base64_are_passed_over() -> None:
    encoded = base64.encodebytes(b"Hello world!").decode()
    for broken in ("!" + encoded, f"> {encoded}", encoded[:4] + "*" + encoded[4:]):
        raw = f"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n{broken}"
        assert parse(raw.encode()).text == "Hello world!", broken


def test_a_soft_line_break_may_be_padded() -> None:
    raw = b"Content-Transfer-Encoding: quoted-printable\n\nOne = \t\nline =3D one\n"
    assert parse(raw).text == "One line = one\n"


# Files written into texts


def test_an_image_written_into_html_becomes_one_of_the_mail() -> None:
    image = base64.b64encode(PNG).decode()
    raw = (
        "From: a@x.example\nContent-Type: text/html\n\n"
        f'<p>See <img alt="it" src="data:image/png;base64,{image}"></p>'
    )
    mail = parse(raw.encode())
    (file,) = mail.attachments
    assert (file.filename, file.content_type, file.data, file.inline) == (
        "image-1.png",
        "image/png",
        PNG,
        True,
    )
    assert mail.html is not None
    assert f'data-cid="{file.content_id}"' in mail.html
    assert html_to_text(mail.html) == "See it"


def test_what_a_mail_hides_is_neither_shown_nor_read() -> None:
    hidden = '<div style="display:none">Read this first</div><p>Your oven</p>'
    mail = parse(f"Content-Type: text/html\n\n{hidden}".encode())
    assert (mail.text, mail.html) == ("Your oven", "<p>Your oven</p>")


def test_uuencoded_files_leave_the_text() -> None:
    lines = b"".join(binascii.b2a_uu(PNG[i : i + 45]) for i in range(0, len(PNG), 45)).decode()
    mail = parse(f"From: a@x.example\n\nAbove\nbegin 644 a.png\n{lines}`\nend\nBelow\n".encode())
    assert mail.text == "Above\nBelow\n"
    assert files(mail) == [("a.png", "image/png", PNG)]
    poem = parse(b"From: a@x.example\n\nLet us\nbegin 100 times\nAND SING ANEW\n")
    assert poem.text == "Let us\nbegin 100 times\nAND SING ANEW\n"
    assert files(poem) == []


# Charsets


def test_japanese_with_the_characters_of_windows() -> None:
    encoded = b'\x1b$B$"\x1b(B \x1b$B-!\x1b(B \x1b$B-b\x1b(B'  # a kana, then row 13
    assert charsets.decode(encoded, "iso-2022-jp") == "あ ① №"


def test_characters_written_in_two_halves() -> None:
    assert charsets.decode(b"\xed\xa0\xbd\xed\xb8\x80 \xed\xa0 \xfc", "utf-8").startswith("😀 í")


@pytest.mark.parametrize(
    "named", ['charset="iso-8859-2"', "http-equiv=x content='text/html; charset=iso-8859-2'"]
)
def test_a_page_may_name_its_charset_itself(named: str) -> None:
    page = f"<html><meta {named}><p>žlutý kůň</p></html>"
    for charset in ("iso-8859-2", "utf-8"):  # it does not outweigh what the bytes show
        mail = parse(b"Content-Type: text/html\n\n" + page.encode(charset))
        assert mail.text == "žlutý kůň"


def test_8_bit_header_fields_have_the_charset_of_the_text() -> None:
    raw = "Subject: Заказ\nContent-Type: text/plain; charset=koi8-r\n\nПривет"
    mail = parse(raw.encode("koi8-r"))
    assert (mail.subject, mail.text) == ("Заказ", "Привет")
    assert parse(raw.encode()).subject == "Заказ"


def test_the_name_that_kept_its_characters_is_taken() -> None:
    raw = (
        "Content-Type: application/pdf; name*=utf-8''%D0%97.pdf\n"
        'Content-Disposition: attachment; filename="?.pdf"\n\nx'
    )
    assert parse(raw.encode()).attachments[0].filename == "З.pdf"


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: text/html\n\n" + b"data:image/png;base64," * 40_000,
        b"\n" + b"begin 644 a\n" * 80_000,
        b"\nbegin 644 a\n" + b"M" + b"A" * 60 + b"\n" + b"!" * 900_000,
        b"Content-Type: text/calendar\n\nBEGIN:VEVENT\n" + b"A;B=" * 40_000 + b"\n x" * 40_000,
        b"Content-Type: application/ms-tnef\n\n" + winmail(PLAN * 5_000),
        b"Content-Type: application/pkcs7-mime\n\n" + b"\x30\x80" * 400_000,
        b"Content-Type: application/pkcs7-mime\n\n" + signed(b"x" * 3_000_000, indefinite=True),
    ],
)
def test_hostile_contents_take_linear_time(raw: bytes) -> None:
    begun = time.process_time()
    parse(raw)
    assert time.process_time() - begun < 2
