"""Who writes and publishes what; nothing that was written is lost."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Forbidden, Invalid
from app.knowledge import queries, writing
from app.knowledge.models import Audience, State
from tests.factories import make_agent
from tests.knowledge.articles import make_article, make_category, make_supervisor, text_of

pytestmark = pytest.mark.usefixtures("app")


def test_an_agent_writes_and_a_supervisor_publishes(app: Flask) -> None:
    agent, supervisor, now = make_agent(), make_supervisor(), utcnow()
    article = make_article(is_draft=True)
    writing.save(article, text_of(article, body="Better."), version=1, by=agent, now=now)
    with pytest.raises(Forbidden):
        writing.publish(article, by=agent, now=now)
    assert article.state is State.DRAFT
    writing.publish(article, by=supervisor, now=now)
    assert article.is_public


def test_an_agent_publishes_and_changes_what_is_for_agents() -> None:
    agent, now = make_agent(), utcnow()
    article = make_article(is_draft=True, audience=Audience.AGENTS)
    writing.publish(article, by=agent, now=now)
    writing.save(article, text_of(article, body="Better."), version=1, by=agent, now=now)
    assert (article.state, article.is_public) == (State.PUBLISHED, False)
    with pytest.raises(Forbidden):  # that would be publishing it to customers
        writing.save(
            article, text_of(article, audience=Audience.PUBLIC), version=2, by=agent, now=now
        )
    writing.withdraw(article, by=agent, now=now)
    assert article.state is State.DRAFT


@pytest.mark.parametrize("act", ["save", "withdraw", "delete"])
def test_what_customers_read_is_a_supervisors_to_change(act: str) -> None:
    article, agent, now = make_article(), make_agent(), utcnow()
    more = {"text": text_of(article), "version": 1} if act == "save" else {}
    with pytest.raises(Forbidden):
        getattr(writing, act)(article, by=agent, now=now, **more)
    getattr(writing, act)(article, by=make_supervisor(), now=now, **more)


def test_two_who_write_at_once_do_not_overwrite_each_other() -> None:
    article, by, now = make_article(is_draft=True), make_agent(), utcnow()
    writing.save(article, text_of(article, body="Mine."), version=1, by=by, now=now)
    with pytest.raises(Conflict):
        writing.save(article, text_of(article, body="Theirs."), version=1, by=by, now=now)
    assert article.body == "Mine."


def test_earlier_texts_are_kept() -> None:
    article, by, now = make_article("One", "First."), make_supervisor(), utcnow()
    writing.save(article, text_of(article, body="Second."), version=1, by=by, now=now)
    writing.save(article, text_of(article, body="Second."), version=2, by=by, now=now)
    db.session.flush()
    assert [row.version for row in queries.revisions(article, to=by)] == [2, 1]
    assert queries.revision(article, 1, to=by).body == "First."


def test_a_deleted_article_comes_back_as_a_draft() -> None:
    article, by, now = make_article(), make_supervisor(), utcnow()
    writing.delete(article, by=by, now=now)
    assert not article.is_public
    with pytest.raises(Conflict):
        writing.publish(article, by=by, now=now)
    writing.restore(article, by=by, now=now)
    assert (article.deleted_at, article.state) == (None, State.DRAFT)


def test_the_audit_log_tells_who_published_and_deleted() -> None:
    article, by, now = make_article("Lamp"), make_supervisor(), utcnow()
    writing.delete(article, by=by, now=now)
    db.session.flush()
    told = db.session.execute(
        sa.select(AuditEntry.action, AuditEntry.field, AuditEntry.to_value)
        .where(AuditEntry.thing == "article", AuditEntry.thing_id == article.id)
        .order_by(AuditEntry.id)
    ).all()
    assert [tuple(row)[:2] for row in told] == [
        ("created", ""),
        ("changed", "State"),
        ("deleted", ""),
    ]
    assert told[1].to_value == "published"


def test_an_article_needs_a_category_that_is_there() -> None:
    article, by = make_article(), make_supervisor()
    with pytest.raises(Invalid):
        writing.save(article, text_of(article, category_id=10**6), version=1, by=by, now=utcnow())


def test_names_of_categories_differ() -> None:
    make_category("Lamps")
    with pytest.raises(Invalid):
        make_category("Lamps")
