"""Markdown: what links, what is escaped, where sections begin."""

from __future__ import annotations

import pytest

from app.core.markdown import Section, render, slug


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<b onclick=x()>a</b>", "<p>&lt;b onclick=x()&gt;a&lt;/b&gt;</p>\n"),
        ("[a](javascript:alert)", "<p>[a](javascript:alert)</p>\n"),
        ("[a](data:text/html,x)", "<p>[a](data:text/html,x)</p>\n"),
        ("[a](/b?c&d)", '<p><a href="/b?c&amp;d">a</a></p>\n'),
        ("~~a~~ `b`", "<p><s>a</s> <code>b</code></p>\n"),
    ],
)
def test_only_markdown_becomes_html(text: str, html: str) -> None:
    assert render(text).html == html


def test_tables_keep_their_alignment_without_a_style() -> None:
    html = render("|a|b|\n|-|-:|\n|1|2|").html
    assert '<td class="align-right">2</td>' in html
    assert "style" not in html


def test_headings_have_anchors_that_differ() -> None:
    document = render("# A `b`, c?\n\ntext\n\n## A b c\n\n## A b c")
    assert [section.anchor for section in document.sections] == ["a-b-c", "a-b-c-1", "a-b-c-2"]
    assert '<h1 id="a-b-c">A <code>b</code>, c?</h1>' in document.html


def test_headings_are_no_higher_than_the_page_allows() -> None:
    html = render("# a\n\n## b\n\n### c", top=2).html
    assert html == '<h2 id="a">a</h2>\n<h2 id="b">b</h2>\n<h3 id="c">c</h3>\n'


def test_links_go_where_the_caller_says_or_are_only_words() -> None:
    targets = {"other.md#part": "/help/other#part"}
    html = render("See [*this*](other.md#part) and [that](gone.md).", link=targets.get).html
    assert html == '<p>See <a href="/help/other#part"><em>this</em></a> and that.</p>\n'


def test_sections_hold_the_words_and_the_code_below_a_heading() -> None:
    text = "Before\nit.\n\n## Start `it`\n\n- one [link](x)\n\n```sh\nmake run\n```\n"
    assert render(text).sections == (
        Section(0, "", "", "Before it."),
        Section(2, "start-it", "Start it", "one link\nmake run"),
    )


def test_slugs_keep_letters_of_every_script() -> None:
    assert slug("Über 24 × 7: wann?") == "über-24--7-wann"
