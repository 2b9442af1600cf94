"""Where the old part of an HTML mail begins, as the common clients write it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.html import FOLD, html_to_text
from app.mail.html_quoting import shown_html
from app.mail.parsing import parse

NEW = "Yes, that works."
OLD = "Shall we send a new one?"


def sides(html: str) -> tuple[str, str]:
    """What is shown and what is folded away, as text."""
    new, _, old = shown_html(html).partition(FOLD)
    return html_to_text(new), html_to_text(old)


@pytest.mark.parametrize(
    "html",
    [
        pytest.param(
            f'<div dir="ltr">{NEW}</div><br><div class="gmail_quote"><div dir="ltr" '
            'class="gmail_attr">On Mon, 1 Jan 2024 at 10:00, Bob &lt;<a href="mailto:b@x.example">'
            f'b@x.example</a>&gt; wrote:<br></div><blockquote class="gmail_quote">{OLD}'
            "</blockquote></div>",
            id="Gmail",
        ),
        pytest.param(
            f'<div dir="ltr">{NEW}</div><div class="gmail_quote"><div class="gmail_attr">'
            f"Lun 1 sij 2024 u 10:00 Bob je napisao:</div><blockquote>{OLD}</blockquote></div>",
            id="Gmail in a language that we do not know",
        ),
        pytest.param(
            f'<div class="WordSection1"><p class="MsoNormal">{NEW}<o:p></o:p></p><div><div '
            'style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">'
            '<p class="MsoNormal"><b>Lähettäjä:</b> Bob<br><b>Aihe:</b> Oven</p></div></div>'
            f'<p class="MsoNormal">{OLD}</p></div>',
            id="Outlook for Windows",
        ),
        pytest.param(
            f'<div>{NEW}</div><div id="appendonsend"></div><hr tabindex="-1">'
            '<div id="divRplyFwdMsg" dir="ltr"><b>From:</b> Bob &lt;b@x.example&gt;<br>'
            "<b>Sent:</b> Monday<br><b>To:</b> Ann"
            f"<br><b>Subject:</b> Oven</div><div>{OLD}</div>",
            id="Outlook on the web",
        ),
        pytest.param(
            f'<html><body>{NEW}<div><br><blockquote type="cite"><div>On 1 Jan 2024, at 10:00, '
            f"Bob &lt;b@x.example&gt; wrote:</div><br><div>{OLD}</div></blockquote></div></body>",
            id="Apple Mail",
        ),
        pytest.param(
            f'{NEW}<br><br><div dir="ltr">Sent from my iPhone</div><div dir="ltr"><br><blockquote '
            f'type="cite">On 1 Jan 2024, at 10:00, Bob wrote:<br>{OLD}</blockquote></div>',
            id="iPhone",
        ),
        pytest.param(
            f'<p>{NEW}</p><div class="moz-cite-prefix">Bob, 1.1.2024, 10:00:<br></div>'
            f'<blockquote type="cite" cite="mid:a@b"><p>{OLD}</p></blockquote>'
            '<pre class="moz-signature" cols="72">-- \nAnn</pre>',
            id="Thunderbird",
        ),
        pytest.param(
            f'<div class="ydp1">{NEW}</div><div id="ydp2" class="yahoo_quoted"><div>Bob, hétfő, '
            f"január 1.</div><div>{OLD}</div></div>",
            id="Yahoo",
        ),
        pytest.param(
            f'<div style="font-family: Arial">{NEW}</div><div class="protonmail_signature_block">'
            f'Sent with Proton</div><div class="protonmail_quote">On Monday, Bob wrote:<br>'
            f'<blockquote class="protonmail_quote">{OLD}</blockquote></div>',
            id="ProtonMail",
        ),
        pytest.param(
            f"<div>{NEW}</div><div>-- <br>Ann Lee<br>Customer Ltd</div>"
            f"<div>-----Original Message-----<br>From: Bob<br>{OLD}</div>",
            id="a signature behind dashes",
        ),
        pytest.param(
            f"<div>{NEW}</div><div>Gesendet: Montag, 1. Januar 2024 um 10:00 Uhr<br>"
            f'Von: "Bob" &lt;b@x.example&gt;<br>An: ann@x.example<br>Betreff: Ofen</div><div>{OLD}'
            "</div>",
            id="GMX",
        ),
        pytest.param(
            f"<table><tr><td>{NEW}<br>--<br>Ann</td></tr></table><blockquote>{OLD}</blockquote>",
            id="inside a table",
        ),
    ],
)
def test_what_is_old_is_folded_away(html: str) -> None:
    new, old = sides(html)
    assert new == NEW
    assert OLD in old or "Ann" in old


@pytest.mark.parametrize(
    "html",
    [
        "<p>Just this.</p>",
        "<blockquote>Shall we?</blockquote><p>Yes.</p><blockquote>When?</blockquote><p>Today.</p>",
        "<blockquote>everything is quoted</blockquote>",
        "<p>See:</p><p>---------- Forwarded message ---------</p><blockquote>Old</blockquote>",
        '<div class="gmail_quote"><blockquote>A question?</blockquote>My answer.</div>',
        "<p>Train:</p><p>From: Paris</p><p>To: London</p><p>Date: 5 May</p>",
        "<p>New</p><blockquote>old</blockquote><p>and this I add below</p>",
    ],
)
def test_nothing_new_is_folded_away(html: str) -> None:
    assert FOLD not in shown_html(html)


@pytest.mark.parametrize(
    "html",
    [
        pytest.param(
            '<div style="border:none;border-top:solid #E1E1E1 1.0pt"><p><b>From:</b> Bob<br><b>'
            f"Sent:</b> Monday<br><b>Subject:</b> Oven</p></div><p>{OLD}</p>",
            id="Outlook for Windows",
        ),
        pytest.param(
            '<div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Bob<br><b>Sent:'
            f"</b> Monday<br><b>Subject:</b> Oven</div><div>{OLD}</div>",
            id="Outlook on the web",
        ),
        pytest.param(
            '<blockquote type="cite"><div>Begin forwarded message:</div><div>From: Bob</div><br>'
            f"<div>{OLD}</div></blockquote>",
            id="Apple Mail",
        ),
    ],
)
def test_a_mail_that_is_passed_on_is_read_whole(html: str) -> None:
    html = f"<p>{NEW}</p>{html}"
    assert sides(html)[0] == NEW
    assert FOLD not in shown_html(html, passes_on=True)
    mail = f"Content-Type: text/html\n\n{html}"
    whole = parse(f"Subject: FW: Oven\n{mail}".encode())
    assert OLD in whole.reply_text
    assert FOLD not in (whole.html or "")
    for answer in ("Re: FW: Oven", "Forwarding: Oven", "I am here: Oven"):
        assert parse(f"Subject: {answer}\n{mail}".encode()).reply_text == NEW


def test_a_picture_is_no_emptiness() -> None:
    html = '<p>Look:</p><p><img src="cid:a"></p><blockquote>old</blockquote>'
    new, _, old = shown_html(html).partition(FOLD)
    assert 'data-cid="a"' in new
    assert "old" in old


def test_both_sides_are_whole() -> None:
    html = (
        "<div><table><tr><td><b>New</b><div class='gmail_attr'>x</div><blockquote>old</blockquote>"
    )
    new, _, old = shown_html(html).partition(FOLD)
    for side in (new, old):
        for name in ("div", "table", "td", "b"):
            assert side.count(f"<{name}>") == side.count(f"</{name}>"), (name, side)


def test_a_mail_cannot_bring_a_fold_of_its_own() -> None:
    assert FOLD not in shown_html(f"<p>One{FOLD}two \ue0f2 three</p>")


@given(st.text(alphabet="<>/=\"'& abdivpbrhr-:On wrote\n\ue0f1\ue0f2", max_size=300))
def test_no_private_mark_is_left(html: str) -> None:
    shown = shown_html(html)
    assert "\ue0f1" not in shown
    assert "\ue0f2" not in shown
    assert shown.count(FOLD) <= 1


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 100_000,
        "<blockquote>x" * 50_000,
        '<div class="' + "a " * 400_000 + '">',
        '<div class="a ' * 60_000,
        "<p id " + " " * 500_000 + "=x>",
        "<p>From: x</p>" * 60_000,
        "&gt; a<br>" * 80_000,
        "<div class=gmail_attr>x</div>" * 30_000,
    ],
)
def test_hostile_html_takes_linear_time(html: str) -> None:
    begun = time.process_time()
    shown_html(html)
    assert time.process_time() - begun < 6
