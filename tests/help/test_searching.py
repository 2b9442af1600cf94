"""Search in the handbook."""

from __future__ import annotations

from app.core.markdown import render
from app.help.contents import Chapter, Handbook, Part
from app.help.searching import search


def book(**texts: str) -> Handbook:
    chapters = []
    for key, text in texts.items():
        document = render(text)
        chapters.append(Chapter(key, key.capitalize(), "", document.html, document.sections))
    return Handbook((Part("All", tuple(chapters)),))


BOOK = book(
    mail="Mail comes.\n\n## Ways in\n\nBy IMAP, or by LMTP.\n\n## Fetching\n\nDeskhand fetches.",
    sla="## Clocks\n\nA clock runs. Clocks stop.\n\n## Calendars\n\nHours of a clock.",
)


def titles(words: str) -> list[str]:
    return [found.title for found in search(BOOK, words)]


def test_every_word_has_to_be_there_and_its_start_is_enough() -> None:
    assert titles("imap lmtp") == ["Ways in"]
    assert titles("fetch") == ["Fetching"]
    assert titles("etch") == []
    assert titles("imap clock") == []


def test_a_section_that_names_the_word_comes_first() -> None:
    assert titles("clock") == ["Clocks", "Calendars"]


def test_the_chapter_may_have_one_of_the_words() -> None:
    assert titles("sla hours") == ["Calendars"]
    assert titles("sla") == []


def test_what_stands_before_the_first_heading_is_found_under_the_chapter() -> None:
    (found,) = search(BOOK, "comes")
    assert (found.title, found.path) == ("Mail", "/help/mail")


def test_a_hit_is_marked_and_its_address_leads_to_the_section() -> None:
    (found,) = search(BOOK, "LMTP")
    assert found.path == "/help/mail#ways-in"
    assert [piece.text for piece in found.excerpt if piece.is_hit] == ["LMTP"]


def test_a_long_section_shows_the_part_with_the_word() -> None:
    found = search(
        book(long="## Long\n\n" + "many words " * 200 + "needle " + "and more " * 99), "needle"
    )
    text = "".join(piece.text for piece in found[0].excerpt)
    assert "needle" in text
    assert len(text) < 250
    assert text.startswith("… ")
    assert text.endswith(" …")


def test_signs_alone_find_nothing() -> None:
    assert search(BOOK, "*** ?") == []
