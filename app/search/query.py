"""Full text: what people type, as a query of SQLite's FTS5 or PostgreSQL's tsvector.

Words are joined by "and", in any order, and each may go on ("invoice" finds "invoices");
"several words" in quotes stand together just so. Nothing typed is an operator.

Public words and internal notes are indexed apart. An agent searches both, a customer never touches
the notes; all words must be in one of the two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.core.cache import for_seconds
from app.core.db import db
from app.core.statements import Read
from app.core.text import search_words

MOST_WORDS = 16
MANY = 1_000
INDEXED_PREFIX = 4  # letters: prefixes up to here are one look-up (the migration's prefix='2 3 4')
NEWEST = 5_000  # where very many tickets match, a count looks at so many
COMMON_SECONDS = 60  # a word does not become common in a moment
COUNT_SECONDS = 5  # as the counts of the rail: the next page asks for the same
RANKED = 2_000  # best first looks at so many of the newest: the cost must not grow with the desk

PARTS = re.compile(r'"([^"]*)"?|([^\s"]+)')
QUOTES = str.maketrans("“”„«»", '"""""')
SIGNS = re.compile(r"[!-/:-@\[-`{-~]+")
ACCENTS = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True, slots=True)
class Term:
    """One word, or several that stand together; ``goes_on``: its end may be missing."""

    text: str
    goes_on: bool

    @property
    def last(self) -> str:
        """The word that goes on: "example" of an address in example.example."""
        return SIGNS.sub(" ", self.text).split()[-1]


def parse(text: str) -> tuple[Term, ...]:
    """The terms of any input; () where no letter or digit is in it."""
    terms = []
    for phrase, word in PARTS.findall(search_words(text).translate(QUOTES)):
        if any(c.isalnum() for c in phrase or word):
            exact = Term(phrase or word, goes_on=False)
            goes_on = bool(word) and (len(exact.last) > 2 or word.endswith("*"))
            terms.append(Term(exact.text, goes_on))
    return tuple(dict.fromkeys(terms[:MOST_WORDS]))


def expression(text: str) -> str:
    """*text* as the value of the parameter ``q``, "" where nothing can be found.

    On SQLite one small statement, where there are words of five letters or more.
    """
    terms = parse(text)
    if not is_sqlite():
        return " & ".join(tsquery(term) for term in terms)
    common = _common(terms)
    return " AND ".join(fts5(term, term.goes_on and term not in common) for term in terms)


def is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"


def fts5(term: Term, goes_on: bool) -> str:
    """In quotes nothing is an operator; the tokenizer cuts the words as it cut the texts."""
    text = term.text.replace('"', " ")
    return f'"{text}"*' if goes_on else f'"{text}"'


def tsquery(term: Term) -> str:
    """Folded as the index is (search_fold in the migration)."""
    folded = ACCENTS.sub("", unicodedata.normalize("NFKD", term.text))
    words = [f"'{word}'" for word in SIGNS.sub(" ", folded).split()]
    return "(" + " <-> ".join(words) + (":*)" if term.goes_on else ")")


def _common(terms: Iterable[Term]) -> set[Term]:
    """Terms whose end so many tickets have just as typed that longer ones can be left out.

    SQLite gathers all tickets of all words that begin with a prefix before it answers, unless the
    prefix is short and indexed itself: milliseconds for a word that is nearly everywhere.
    """
    doubtful = [term for term in terms if term.goes_on and len(term.last) > INDEXED_PREFIX]
    if not doubtful:
        return set()

    def look() -> set[Term]:
        values = {f"q{place}": f'"{term.last}"' for place, term in enumerate(doubtful)}
        found = db.session.connection().execute(_counts(len(doubtful)), values)
        return {doubtful[place] for place, count in found if count > MANY}

    return for_seconds(f"common:{doubtful}", COMMON_SECONDS, look)


@lru_cache
def _counts(terms: int) -> sa.CompoundSelect[Any]:
    counts = []
    for place in range(terms):
        rows = sa.select(_public.c.rowid).where(sa.text(f"search_ticket match :q{place}"))
        few = rows.limit(MANY + 1).subquery()
        counts.append(sa.select(sa.literal(place), sa.func.count()).select_from(few))
    return sa.union_all(*counts)


_public = sa.table("search_ticket", sa.column("rowid"))
_notes = sa.table("search_note", sa.column("rowid"))


def rows_of(*, notes: bool) -> Any:
    """SQLite: ids of the tickets found, unsorted, for counting a few."""
    public = sa.select(_public.c.rowid).where(sa.text("search_ticket match :q"))
    if not notes:
        return public
    return sa.union_all(public, sa.select(_notes.c.rowid).where(sa.text("search_note match :q")))


class found(FunctionElement[Any]):  # noqa: N801  (reads as a function in statements)
    """Condition on (ticket id, ``q``): its words match.

    Args:
        how: "all" gathers every ticket that matches, "newest" only so many of the newest, "each"
            looks at one ticket after the other, for words that very many have.
        notes: look in the notes too.
    """

    # No boolean type, or SQLAlchemy writes "... = 1", which no index serves.
    inherit_cache = True

    def __init__(self, ticket: Any, words: Any, how: str, *, notes: bool) -> None:
        # As a clause, it tells statements apart in SQLAlchemy's cache.
        super().__init__(ticket, words, sa.literal_column(f"{how}{'+notes' if notes else ''}"))


def _parts(element: found, compiler: SQLCompiler, kw: dict[str, Any]) -> tuple[str, str, str, bool]:
    ticket, words, style = element.clauses
    how, _, notes = style.name.partition("+")
    return compiler.process(ticket, **kw), compiler.process(words, **kw), how, bool(notes)


@compiles(found)
def _in_tsvectors(element: found, compiler: SQLCompiler, **kw: Any) -> str:
    ticket, words, _, notes = _parts(element, compiler, kw)
    matches = f"document @@ to_tsquery('simple', {words})"
    if notes:
        matches += f" OR notes @@ to_tsquery('simple', {words})"
    return f"{ticket} IN (SELECT ticket_id FROM search_ticket WHERE {matches})"


@compiles(found, "sqlite")
def _in_fts5(element: found, compiler: SQLCompiler, **kw: Any) -> str:
    ticket, words, how, notes = _parts(element, compiler, kw)
    tables = ("search_ticket", "search_note") if notes else ("search_ticket",)
    if how == "each":
        probe = "EXISTS (SELECT 1 FROM {0} WHERE rowid = {1} AND {0} MATCH {2})"
        return f"({' OR '.join(probe.format(table, ticket, words) for table in tables)})"
    end = f"ORDER BY rowid DESC LIMIT {NEWEST}" if how == "newest" else ""
    ids = "SELECT * FROM (SELECT rowid FROM {0} WHERE {0} MATCH {1} {2})"
    gathered = " UNION ALL ".join(ids.format(table, words, end) for table in tables)
    return f"{ticket} IN ({gathered})"


@dataclass(frozen=True, slots=True)
class Hits:
    """Ids of tickets, and whether there are more."""

    ids: list[int]
    has_more: bool


def newest(
    words: str,
    *,
    hidden: frozenset[int],
    limit: int,
    mark: int | None = None,
    backwards: bool = False,
) -> Hits:
    """Tickets that an agent finds, newest first; one statement that stops at *limit*.

    Args:
        words: from `expression`, not "".
        hidden: groups whose tickets they may not see.
        mark: only those before (*backwards*: after) this ticket, nearest first in both cases.
    """
    comparison = "" if mark is None else f"and {{id}} {'>' if backwards else '<'} :mark"
    direction = "asc" if backwards else "desc"
    statement = _newest(comparison, direction, bool(hidden), is_sqlite())
    values = {"q": words, "limit": limit + 1, "mark": mark, "hidden": sorted(hidden)}
    ids = statement.all(**values)
    return Hits(ids[:limit], len(ids) > limit)


@lru_cache
def _newest(comparison: str, direction: str, hidden: bool, sqlite: bool) -> Read[int]:
    order = f"order by {{id}} {direction} limit :limit"
    streams = _streams(comparison, order, hidden=hidden, sqlite=sqlite)
    statement = _statement(f"{streams} order by 1 {direction} limit :limit", hidden)
    return Read(statement.columns(sa.column("id", sa.Integer)), make=int)


def best(words: str, *, hidden: frozenset[int], limit: int, offset: int = 0) -> Hits:
    """The same, best first among the newest `RANKED`: in number and subject before elsewhere."""
    statement = _best(bool(hidden), is_sqlite())
    values = {"q": words, "limit": limit + 1, "offset": offset, "hidden": sorted(hidden)}
    ids = list(db.session.connection().scalars(statement, values))
    return Hits(ids[:limit], len(ids) > limit)


@lru_cache
def _best(hidden: bool, sqlite: bool) -> sa.TextClause:
    streams = _streams(
        "", f"order by {{id}} desc limit {RANKED}", hidden=hidden, sqlite=sqlite, ranked=True
    )
    best_first = "group by id order by min(score), id desc limit :limit offset :offset"
    return _statement(f"select id from ({streams}) as found {best_first}", hidden)


def count(words: str, *, hidden: frozenset[int], cap: int) -> int:
    """How many tickets an agent finds, at most *cap* + 1; kept for a few seconds."""
    statement = _count(bool(hidden), is_sqlite())
    values = {"q": words, "limit": cap + 1, "hidden": sorted(hidden)}

    def look() -> int:
        return db.session.connection().scalar(statement, values) or 0

    return for_seconds(f"found:{values}", COUNT_SECONDS, look)


@lru_cache
def _count(hidden: bool, sqlite: bool) -> sa.TextClause:
    streams = _streams("", "limit :limit", hidden=hidden, sqlite=sqlite)
    return _statement(f"select count(*) from ({streams} limit :limit) as found", hidden)


def _statement(text: str, hidden: bool) -> sa.TextClause:
    statement = sa.text(text)
    return statement.bindparams(sa.bindparam("hidden", expanding=True)) if hidden else statement


def _streams(mark: str, order: str, *, hidden: bool, sqlite: bool, ranked: bool = False) -> str:
    """SQL: ids (and scores, less is better) from the public words and from the notes."""
    visible = "and (t.group_id is null or t.group_id not in :hidden)" if hidden else ""
    if not sqlite:
        score = ", -ts_rank(document || notes, query) as score" if ranked else ""
        join = "join ticket t on t.id = ticket_id" if hidden else ""
        return (
            f"select * from (select ticket_id as id{score}"
            f" from search_ticket cross join to_tsquery('simple', :q) as query {join}"
            f" where (document @@ query or notes @@ query) {visible}"
            f" {mark.format(id='ticket_id')} {order.format(id='ticket_id')}) as public"
        )
    streams = []
    for table, weights in (("search_ticket", "8, 8, 4, 1"), ("search_note", "1")):
        rowid = f"{table}.rowid"
        score = f", bm25({table}, {weights}) as score" if ranked else ""
        # Cross: SQLite walks the words and looks each ticket up, never the other way about.
        join = f"cross join ticket t on t.id = {rowid}" if hidden else ""
        streams.append(
            f"select * from (select {rowid} as id{score} from {table} {join}"
            f" where {table} match :q {visible} {mark.format(id=rowid)} {order.format(id=rowid)})"
        )
    return (" union all " if ranked else " union ").join(streams)
