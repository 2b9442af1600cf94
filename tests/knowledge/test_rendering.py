"""Articles as HTML: what Markdown becomes, and what never gets onto a page."""

from __future__ import annotations

import pytest

from app.core.html import sanitize_rendered
from app.knowledge.rendering import Part, excerpt, parts, render, slug

OWN = {"plan.png": "/kb/pictures/7/plan.png"}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**a** `b`", "<p><strong>a</strong> <code>b</code></p>"),
        ("# A\n\n### B", '<h2 id="part-a">A</h2>\n<h3 id="part-b">B</h3>'),
        ("1. a\n2. b", "<ol>\n<li>a</li>\n<li>b</li>\n</ol>"),
        ("```py\na < b\n```", "<pre><code>a &lt; b\n</code></pre>"),
        ("![The plan](plan.png)", '<p><img src="/kb/pictures/7/plan.png" alt="The plan"></p>'),
        ("![The plan](other.png)", "<p>The plan</p>"),
        ("![Seen](https://tracker.example/x.png)", "<p>Seen</p>"),
        ("![Seen](data:image/png;base64,AAAA)", "<p>Seen</p>"),
        ("<img src=x onerror=alert(1)>", "<p>&lt;img src=x onerror=alert(1)&gt;</p>"),
        ("[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>"),
    ],
)
def test_markdown_becomes_harmless_html(text: str, html: str) -> None:
    assert render(text, OWN).html.strip() == html


def test_links_lead_to_our_pages_and_within_the_article() -> None:
    html = render("[a](/kb/articles/1-a) [b](#part-two)\n\n## Part two", {}).html
    assert 'href="/kb/articles/1-a"' in html
    assert 'href="#part-part-two"' in html
    assert 'id="part-part-two"' in html


def test_tables_can_be_scrolled_and_keep_their_alignment() -> None:
    html = render("|a|b|\n|-|-:|\n|1|2|", {}).html
    assert '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>' in html
    assert '<td class="align-right">2</td>' in html


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://tracker.example/x.png">',
        '<img src="//tracker.example/x.png">',
        '<p style="position:fixed">a</p>',
        '<p class="notice">a</p>',
        '<p id="main">a</p>',
        "<script>alert(1)</script>",
        '<svg onload="alert(1)"></svg>',
        '<form action="/logout"><button>a</button></form>',
    ],
)
def test_a_fault_of_the_renderer_would_end_at_the_cleaner(html: str) -> None:
    clean = sanitize_rendered(html)
    for word in ("tracker", "style", "class", "id=", "script", "svg", "form", "alert"):
        assert word not in clean


def test_headings_are_listed_where_there_are_several() -> None:
    assert parts(render("## A\n\n## B", {}).html) == []
    found = parts(render('## A & *b*\n\n## "C"\n\n### No\n\n## D', {}).html)
    assert [part.title for part in found] == ["A & b", '"C"', "D"]
    assert found[2] == Part("part-d", "D")


def test_the_words_to_search_are_those_that_are_read() -> None:
    text = render("## Title\n\nSee [here](https://a.example).\n\n- **one**", {}).text
    assert text == "Title\nSee here.\none"


def test_addresses_keep_letters_of_every_script() -> None:
    assert slug("How do I …?") == "how-do-i"
    assert slug("Größe & Gewicht") == "größe-gewicht"
    assert slug("从今天早上开始") == "从今天早上开始"
    assert slug("???") == "article"
    assert len(slug("a" * 300)) == 100


def test_an_excerpt_ends_at_a_word() -> None:
    assert excerpt("a few\nwords") == "a few words"
    assert excerpt("word " * 100).endswith("word …")
