"""Foreign HTML made safe; HTML as text and text as HTML."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.html import html_to_text, sanitize, text_to_html
from app.core.text import printable


@pytest.mark.requirement("X46")
@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("<p onclick=x() id=a class=b style='margin:0'>Hi</p>", "<p>Hi</p>"),
        ("<p style='margin:0;color: #D00000'>Hi</p>", '<p class="ink-red">Hi</p>'),
        (
            "<b style='font-weight:700;text-decoration: line-through' class='marked evil'>Hi</b>",
            '<b class="bold marked struck">Hi</b>',
        ),
        ("<font color=#0000ff size=7>Hi</font>", '<font class="ink-blue">Hi</font>'),
        ("<p style='color:#333;background:url(x)'>Hi</p>", "<p>Hi</p>"),
        (
            '<p title=\'<b style="color:red">\'>a style="color:red" b</p>',
            '<p title="&lt;b style=&quot;color:red&quot;&gt;">a style="color:red" b</p>',
        ),
        ("<script>alert(1)</script>Hi<style>p{}</style>", "Hi"),
        ('<a href="javascript:alert(1)">x</a>', '<a rel="noopener noreferrer nofollow">x</a>'),
        (
            '<a href="https://x.example/" target=_top>x</a>',
            '<a href="https://x.example/" rel="noopener noreferrer nofollow">x</a>',
        ),
        ('<a href="/desk/">x</a>', '<a rel="noopener noreferrer nofollow">x</a>'),
        (
            '<img src="https://t.example/logo.gif" alt="Logo">',
            '<img alt="Logo" data-src="https://t.example/logo.gif">',
        ),
        ('<img src="https://t.example/pixel.gif" width=1 height=1>', ""),
        ('<img data-src="javascript:x" alt="Logo">', '<img alt="Logo">'),
        ('<img src="data:image/png;base64,AAAA" alt="">', ""),
        ('<img src="cid:a@b">', '<img data-cid="a@b" alt="">'),
        ('<img src="cid:a@b" alt="Plan">', '<img alt="Plan" data-cid="a@b">'),
        ('<form action="/"><input name=a><button>Go</button></form>', "Go"),
        ("a<svg><script>x</script></svg>b", "ab"),
        ("Hi\x00 there\ud800\u202e", "Hi there"),
    ],
)
def test_only_harmless_html_stays(dirty: str, clean: str) -> None:
    assert sanitize(dirty) == clean


def test_words_about_a_cid_are_left_alone() -> None:
    assert sanitize('<p>write src="cid:x" there</p>') == '<p>write src="cid:x" there</p>'
    assert sanitize('<a href="cid:x">y</a>') == '<a rel="noopener noreferrer nofollow">y</a>'


@given(st.text(alphabet="<>/=\"'& abipx!-:;\x00\n", max_size=300))
def test_cleaning_again_changes_nothing(html: str) -> None:
    once = sanitize(html)
    assert sanitize(once) == once


@pytest.mark.parametrize(
    "html",
    [
        *("<div>" * 150_000, "<p " + "a=b " * 200_000, "<blockquote>x" * 60_000, "<b><p>" * 80_000),
        "<img " + ("x" * 20_000 + "<") * 40,  # runs as long as a tag may be
        *("&" * 900_000, "\u00a0" * 900_000, f"<a title='>{'&' * 900_000}'>x</a>"),
    ],
)
def test_senseless_html_takes_no_quadratic_time(html: str) -> None:
    start = time.process_time()
    sanitize(html)
    html_to_text(html)
    assert time.process_time() - start < 20  # nested as they are it would take minutes


def test_no_word_of_a_long_text_is_lost() -> None:
    text = " ".join(f"word{number}" for number in range(20_000))
    assert html_to_text(f"<p>{text}</p>") == text
    assert sanitize(f"<p>{text}</p>").replace("<p>", "").replace("</p>", "") == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One&nbsp; two<br>three</p><p>four</p>", "One two\nthree\n\nfour"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        (
            "<p>new</p><blockquote>old<blockquote>older</blockquote></blockquote>",
            "new\n\n> old\n>\n>> older",
        ),
        ('<a href="https://x.example/a">here</a>', "here <https://x.example/a>"),
        ('<a href="https://x.example/">x.example</a>', "x.example"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1 2\n3"),
        ("<head><title>no</title></head>yes &lt;b&gt;", "yes <b>"),
        ('see <img src="cid:1" alt="the plan">', "see the plan"),
        ("a\n\n   b\n<b>c</b>d", "a b cd"),
    ],
)
def test_html_reads_well_as_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<b> & 'c'", "<p>&lt;b&gt; &amp; &#x27;c&#x27;</p>"),
        ("a\nb\n\n\nc", "<p>a<br>\nb</p>\n<p>c</p>"),
        ("\n\n", ""),
    ],
)
def test_text_becomes_paragraphs(text: str, html: str) -> None:
    assert text_to_html(text) == html


@pytest.mark.parametrize(
    ("text", "href", "label"),
    [
        (
            "see https://x.example/a?b=1&c.",
            "https://x.example/a?b=1&amp;c",
            "https://x.example/a?b=1&amp;c",
        ),
        ("(http://x.example/a_(b))", "http://x.example/a_(b)", "http://x.example/a_(b)"),
        ("www.x.example, ok", "http://www.x.example", "www.x.example"),
        ("to ann@x.example.", "mailto:ann@x.example", "ann@x.example"),
    ],
)
def test_addresses_become_links(text: str, href: str, label: str) -> None:
    assert f'<a href="{href}" rel="noopener noreferrer nofollow">{label}</a>' in text_to_html(text)


@given(st.text(max_size=200))
def test_text_survives_as_html_and_back(text: str) -> None:
    words = printable(text).split()
    assert html_to_text(text_to_html(text)).split() == words
