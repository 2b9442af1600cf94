"""Bytes of a mail as a ParsedEmail: any bytes give one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mail import contents
from app.mail.parsing import ParsedEmail, parse
from tests.mail.fuzzing import check_storable

SAMPLES = Path(__file__).parent / "samples"


def sample(name: str) -> ParsedEmail:
    return parse((SAMPLES / f"{name}.eml").read_bytes())


def files(mail: ParsedEmail) -> list[tuple[str, str, int, bool]]:
    return [(a.filename, a.content_type, a.size, a.inline) for a in mail.attachments]


@pytest.mark.requirement("R 7-4", "R 7-7")
def test_a_plain_mail() -> None:
    mail = sample("plain")
    assert (mail.from_email, mail.from_name) == ("ann@customer.example", "Ann Lee")
    assert mail.subject == "[urgent] [billing] Invoice is wrong"
    assert [a.email for a in mail.to + mail.cc] == ["support@desk.example", "bob@customer.example"]
    assert mail.message_id == "plain@customer.example"
    assert mail.text == "Hello,\n\nthe invoice is wrong.\n\n-- \nAnn Lee\nCustomer Ltd\n"
    assert mail.reply_text == "Hello,\n\nthe invoice is wrong."
    assert mail.html is None
    assert mail.date is not None
    assert mail.date.isoformat() == "2024-01-01T10:00:00+00:00"


@pytest.mark.requirement("R 7-4", "X46")
def test_a_reply_keeps_the_whole_and_names_its_thread() -> None:
    mail = sample("reply_quoting")
    assert mail.in_reply_to == ("one@desk.example",)
    assert mail.references == ("zero@customer.example", "one@desk.example")
    assert mail.reply_text == "It works now, thanks."
    assert "> Have you tried it?" in mail.text


@pytest.mark.requirement("R 7-7", "X46")
def test_html_is_cleaned_and_read_as_text() -> None:
    mail = sample("html_only")
    assert mail.subject == "Grüße"
    assert mail.html is not None
    pixel = '<img data-src="https://track.example/p.gif" alt="">'  # not loaded
    assert mail.html.strip() == f"<p>Viele <b>Grüße</b></p>{pixel}"
    assert mail.text == mail.reply_text == "Viele Grüße"


@pytest.mark.requirement("X46")
def test_an_inline_image_is_marked_by_its_id() -> None:
    mail = sample("inline_image")
    assert mail.html == '<p>Look: <img alt="plan" data-cid="plan@1"></p>'
    assert mail.text == "Look: [plan]"
    assert files(mail) == [("plan.png", "image/png", 18, True)]
    assert mail.attachments[0].content_id == "plan@1"


def test_files_keep_their_names_but_no_paths() -> None:
    mail = sample("attachments")
    assert mail.text == "Grüße"
    assert files(mail) == [
        ("über uns.pdf", "application/pdf", 8, False),
        ("passwd", "text/plain", 4, False),
        ("The inner one.eml", "message/rfc822", 47, False),
    ]
    assert mail.attachments[0].data == b"%PDF-1.4"


def test_flowed_text_is_joined_again() -> None:
    mail = sample("flowed")
    assert mail.text.startswith("This is one paragraph.\nThis is another.\n> quoted text\n-- \nAnn")
    assert mail.reply_text == "This is one paragraph.\nThis is another."


def test_a_broken_header_is_read_on() -> None:
    mail = sample("broken_header")
    assert mail.subject == "still read"
    assert mail.from_email == "ann@customer.example"
    assert mail.text == "the body\n"


@pytest.mark.requirement("X47")
def test_bytes_that_their_charset_does_not_know() -> None:
    mail = sample("wrong_charset")
    assert (mail.subject, mail.text) == ("naïve café", "naïve café\n")


def test_a_mail_that_ends_too_soon() -> None:
    mail = sample("cut_off")
    assert mail.text == "hello"
    assert files(mail) == [("a.png", "image/png", 7, False)]


def test_nothing_that_a_database_refuses_comes_out() -> None:
    mail = sample("nul_and_surrogates")
    assert "ab" in mail.subject
    assert "ab" in mail.text
    check_storable(mail)


def test_recipients_include_where_it_was_delivered() -> None:
    mail = parse(b"To: a@x.example\r\nDelivered-To: Support+abc@x.example\r\n\r\n")
    assert mail.recipients == ("a@x.example", "Support+abc@x.example")


line = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b",
        b'Content-Type: multipart/alternative; boundary="c',
        b"Content-Type: text/html; charset=utf-7",
        b"Content-Type: text/plain; format=flowed; charset=idna",
        b"Content-Type: message/rfc822",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: x-uuencode",
        b"Content-Disposition: inline; filename*0*=''%ff%; filename=\"..\"",
        b"Content-ID: <<a>",
        b"--b",
        b"--c",
        b"--b--",
        b"Subject: =?utf-16?b?2AA=?=",
        b'From: "a <b@c',
        b"Date: 99 Foo 0000 99:99:99 +9999",
        b"References: <a> <",
        b" folded",
        b"",
        b"begin 644 x\r\n#86%A",
        b"<img src=cid:a><p>x",
        b"> quoted",
        b"On 1 wrote:",
    ]
)


@pytest.mark.requirement("X43", "X47")
@settings(max_examples=300, deadline=None)
@given(
    st.lists(line | st.binary(max_size=40), max_size=30), st.sampled_from([b"\r\n", b"\n", b"\r"])
)
def test_any_bytes_give_a_mail(lines: list[bytes], end: bytes) -> None:
    check_storable(parse(end.join(lines)))


HEAD = b"From: a@x.example\r\nSubject: s\r\n"
STRAYS = b"\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + b"\xff" * 4_000_000


@pytest.mark.parametrize(
    "raw",
    [
        HEAD
        + b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
            for n in range(3000)
        ),
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 10_000,
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"\n--bx" * 1_000_000,
        HEAD + b"X: y\r\n" * 500_000,
        HEAD + b"X: y\r\n" + b" z\r\n" * 500_000,
        b"To: " + b'"a\\' * 100_000,
        b"To: " + b"=?a?q?x" * 30_000,
        b"Content-Type: x; " + b"a@b.c," * 50_000,
        HEAD + b"\r\n" + b"abc\r\n" * 1_000_000,
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n" + STRAYS * 3,
    ],
    ids="deep,parts,no delimiters,fields,folds,quotes,words,type,lines,strays".split(","),
)
def test_no_mail_takes_long(raw: bytes) -> None:
    start = time.process_time()
    parse(raw)
    assert time.process_time() - start < 3


def test_parts_beyond_the_limit_stay_as_one_attachment() -> None:
    raw = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    raw += b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n" * 1_200
    mail = parse(raw)
    assert len(mail.attachments) == 1_001
    assert mail.attachments[-1].size > 5_000
    assert mail.attachments[-1].content_type == "application/octet-stream"


def test_every_mail_of_the_corpora_is_read(corpora: Path) -> None:
    seen = 0
    for path in sorted(corpora.glob("*/mails/*")):
        mail = parse(path.read_bytes())
        check_storable(mail)
        assert mail.html is None or "<script" not in mail.html
        seen += 1
    assert seen > 700


@pytest.mark.parametrize(
    ("text", "deleting", "joined"),
    [
        ("a \nb\n\nc", False, "a b\n\nc"),
        ("a \nb", True, "ab"),
        (">> a \n>> b\n> c", False, ">> a b\n> c"),
        ("a\n-- \nb", False, "a\n-- \nb"),
        (" >stuffed", False, ">stuffed"),
    ],
)
def test_unflowed(text: str, deleting: bool, joined: str) -> None:
    assert contents.unflowed(text, deleting_spaces=deleting) == joined
