"""The handbook: which chapters there are, and what stands in them."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from app.core.markdown import Document, Section, render, slug
from app.core.places import ROOT

HOME = "/help/"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the contents.

    Attributes:
        key: the last part of the chapter's address.
        file: where it is written, below the root of the project.
        only: the heading of the one section of *file* that is the chapter; "": all of it is.
    """

    key: str
    file: str
    lead: str
    only: str = ""


PARTS: dict[str, tuple[Entry, ...]] = {
    "Working at the desk": (
        Entry("desk", "docs/desk.md", "The queue, a ticket, replies, notes, macros, merging."),
        Entry("workflow", "docs/workflow.md", "What happens to a ticket, and who does what."),
        Entry("assignment", "docs/assignment.md", "How urgent a ticket is, and who gets it."),
        Entry("sla", "docs/sla.md", "How soon we answer, and what happens if we do not."),
        Entry("knowledge-base", "docs/knowledge-base.md", "Articles that answer beforehand."),
    ),
    "Running the desk": (
        Entry("administration", "docs/administration.md", "Everything that is set up in pages."),
        Entry("reports", "docs/reports.md", "How the desk is doing, and why."),
        Entry("chat", "docs/chat.md", "A window on your own website."),
        Entry("webhooks", "docs/webhooks.md", "Working together with your other systems."),
        Entry("api", "docs/api.md", "Tickets for other programs."),
    ),
    "Looking after it": (
        Entry("install", "docs/install.md", "From nothing to a desk, on one machine or several."),
        Entry("settings", "README.md", "What the environment of the processes says.", "Settings"),
        Entry("mail", "docs/mail.md", "How mail comes in and goes out."),
        Entry("backup", "docs/backup.md", "Everything in one file, and new versions."),
        Entry("operations", "docs/operations.md", "Whether all is well, and what to do if not."),
        Entry("architecture", "docs/architecture.md", "Where to look in the code."),
    ),
}


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter as it is shown."""

    key: str
    title: str
    lead: str
    html: str
    sections: tuple[Section, ...]

    @property
    def path(self) -> str:
        """Where it is."""
        return HOME + self.key

    @property
    def headings(self) -> tuple[Section, ...]:
        """What is worth a line in the chapter's own contents."""
        return tuple(section for section in self.sections if section.level == 2)


@dataclass(frozen=True, slots=True)
class Part:
    """Chapters that belong together."""

    title: str
    chapters: tuple[Chapter, ...]


@dataclass(frozen=True, slots=True)
class Handbook:
    """All of it, in order."""

    parts: tuple[Part, ...]

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """Every chapter, in order."""
        return tuple(chapter for part in self.parts for chapter in part.chapters)

    def find(self, key: str) -> Chapter | None:
        """The chapter of a key."""
        return next((chapter for chapter in self.chapters if chapter.key == key), None)

    def around(self, chapter: Chapter) -> tuple[Chapter | None, Chapter | None]:
        """The chapters before and after one."""
        chapters = (None, *self.chapters, None)
        place = chapters.index(chapter)
        return chapters[place - 1], chapters[place + 1]


@lru_cache(1)
def handbook() -> Handbook:
    """The handbook, read and rendered once by each process that shows it."""
    return read(ROOT)


def read(root: Path) -> Handbook:
    """Read and render the handbook that lies below *root*."""
    return Handbook(
        tuple(
            Part(title, tuple(_chapter(root, entry) for entry in entries))
            for title, entries in PARTS.items()
        )
    )


def target(file: str, href: str) -> str | None:
    """Where a link in *file* leads to in the product; None where it cannot be followed there."""
    if "://" in href or href.startswith(("#", "mailto:")):
        return href
    path, _, anchor = href.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
    for entries in PARTS.values():
        for entry in entries:
            if entry.file == path and entry.only and slug(entry.only) == anchor:
                return HOME + entry.key
            if entry.file == path and not entry.only:
                return f"{HOME}{entry.key}#{anchor}" if anchor else HOME + entry.key
    return None


def _chapter(root: Path, entry: Entry) -> Chapter:
    title, text = entry.only, (root / entry.file).read_text("utf-8")
    if title:
        text = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    else:
        heading, _, text = text.partition("\n")
        title = heading.removeprefix("# ")
    document: Document = render(text, link=lambda href: target(entry.file, href), top=2)
    # On a narrow screen names of settings may break where they can be read on.
    html = document.html.replace("<code>DESKHAND_", "<code>DESKHAND_<wbr>")
    return Chapter(entry.key, title, entry.lead, html, document.sections)
