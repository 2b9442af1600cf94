"""The handbook: its chapters hang together, in the product and where the files are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.admin import frame
from app.core.markdown import render
from app.help import contexts
from app.help.contents import PARTS, handbook, target

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
CHAPTERS = [entry for entries in PARTS.values() for entry in entries]
# Written by a script, about the project rather than about the desk.
NO_CHAPTERS = {"docs/mail-corpora.md", "docs/requirements.md"}


def anchors(path: Path) -> set[str]:
    return {section.anchor for section in render(path.read_text("utf-8")).sections}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8"))
    broken = []
    for href in links:
        if "://" in href:
            continue
        name, _, anchor = href.partition("#")
        goal = (path.parent / name).resolve() if name else path
        if not goal.exists() or (anchor and anchor not in anchors(goal)):
            broken.append(href)
    assert broken == []


@pytest.mark.requirement("R 13-17")
def test_every_document_is_a_chapter() -> None:
    written = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert written - NO_CHAPTERS == {entry.file for entry in CHAPTERS} - {"README.md"}


def test_links_between_chapters_stay_in_the_product() -> None:
    assert target("docs/sla.md", "workflow.md#statuses") == "/help/workflow#statuses"
    assert target("README.md", "docs/mail.md") == "/help/mail"
    assert target("docs/install.md", "../README.md#settings") == "/help/settings"
    assert target("docs/install.md", "../deploy/nginx.conf") is None
    assert target("docs/mail.md", "#imap") == "#imap"
    assert target("docs/mail.md", "https://example.org/a#b") == "https://example.org/a#b"


def test_links_in_the_product_lead_to_a_section_that_is_there() -> None:
    known = {chapter.path for chapter in handbook().chapters}
    known |= {
        f"{chapter.path}#{section.anchor}"
        for chapter in handbook().chapters
        for section in chapter.sections
    }
    for chapter in handbook().chapters:
        links = re.findall(r'<a href="([^"]*)"', chapter.html)
        inside = [chapter.path + href if href[0] == "#" else href for href in links]
        assert [href for href in inside if href.startswith("/") and href not in known] == []


def test_the_settings_are_a_chapter_of_their_own() -> None:
    chapter = handbook().find("settings")
    assert chapter is not None
    assert chapter.title == "Settings"
    assert "SECRET_KEY</code>" in chapter.html
    assert "Reverse proxy" not in chapter.html


def test_chapters_follow_each_other() -> None:
    book = handbook()
    first, second, *_, last = book.chapters
    assert book.around(first) == (None, second)
    assert book.around(last)[1] is None
    assert len({chapter.key for chapter in book.chapters}) == len(book.chapters)


def test_pages_of_administration_lead_to_a_section_that_is_there() -> None:
    doors = {door.path for part in frame.PARTS for door in part.doors}
    assert set(contexts.PAGES) <= doors
    for page in ("/admin/", *doors):
        path, _, anchor = contexts.help_for(page).partition("#")
        chapter = handbook().find(path.removeprefix("/help/"))
        assert chapter is not None, page
        assert not anchor or anchor in {section.anchor for section in chapter.sections}, page
