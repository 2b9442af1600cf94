"""Full text of articles, best first: in the title before the summary before the text."""

from __future__ import annotations

import sqlalchemy as sa

from app.search.query import Term, fts5, is_sqlite, parse, tsquery

# Words of questions that say nothing of what they are about. Without them, "How do I change my
# password?" would suggest whatever has "how", "do" and "change" in it.
SILENT = frozenset(
    """a about after again all also am an and any anyone are as at be been before but by can cannot
    could did do does doesn dont for from get gets getting give got had has have hello help hi how i
    if in into is isn it its just like me my need no not of off on one or our out please problem
    question since so some somebody still than thank thanks that the their them then there these
    they this those to too trouble up us use very want was we were what when where which who why
    will with without won would you your""".split()
)


def all_words(text: str) -> str:
    """*text* as the value of ``q`` that finds what has each of its words; "" for none."""
    return _joined(parse(text), "AND", "&")


def any_word(text: str) -> str:
    """*text* as the value of ``q`` that finds what has one of its telling words; "" for none."""
    terms = (t for t in parse(text) if t.text.lower().split("'")[0] not in SILENT)
    return _joined(tuple(terms), "OR", "|")


def hits() -> sa.Subquery:
    """Articles that match ``:q``: ``id`` and ``score`` (less is better); drafts too."""
    if is_sqlite():
        statement = (
            "select rowid as id, bm25(search_article, 8, 4, 1) as score from search_article"
            " where search_article match :q"
        )
    else:
        statement = (
            "select article_id as id, -ts_rank('{0.05, 0.1, 0.4, 1.0}', document, query) as score"
            " from search_article cross join to_tsquery('simple', :q) as query"
            " where document @@ query"
        )
    columns = (sa.column("id", sa.Integer), sa.column("score", sa.Float))
    return sa.text(statement).columns(*columns).subquery("hits")


def _joined(terms: tuple[Term, ...], fts5_word: str, tsquery_sign: str) -> str:
    if is_sqlite():
        return f" {fts5_word} ".join(fts5(term, term.goes_on) for term in terms)
    return f" {tsquery_sign} ".join(tsquery(term) for term in terms)
