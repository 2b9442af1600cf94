"""The help centre of the invented company: what its customers ask again and again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from app.accounts.models import Person
from app.core.db import db
from app.demo.article_texts import ARTICLES, CATEGORIES
from app.knowledge import voting, writing
from app.knowledge.models import Audience
from app.knowledge.writing import Text

VOTERS = 60  # of the most read article


def write(rng: Random, *, supervisor: Person, agents: Sequence[Person], now: datetime) -> int:
    """Add categories, articles and their votes to the session. How many articles."""
    began = now - timedelta(days=400)
    categories = {
        name: writing.save_category(
            None, name=name, description=description, by=supervisor, now=began
        )
        for name, description in CATEGORIES.items()
    }
    ages = sorted((rng.randrange(20, 380) for _ in ARTICLES), reverse=True)
    for sketch, age in zip(ARTICLES, ages, strict=True):
        at = now - timedelta(days=age, minutes=rng.randrange(600))
        text = Text(
            title=sketch.title,
            summary=sketch.summary,
            body=sketch.body,
            category_id=categories[sketch.category].id,
            audience=Audience.AGENTS if sketch.is_for_agents else Audience.PUBLIC,
        )
        article = writing.create(text, by=rng.choice(agents), now=at)
        if sketch.is_draft:
            continue
        writing.publish(article, by=supervisor, now=at + timedelta(hours=3))
        if sketch.is_for_agents:
            continue
        for voter in range(rng.randrange(8, VOTERS)):
            voting.vote(
                article.id,
                voting.visitor("demo", f"{article.id}-{voter}"),
                is_helpful=rng.random() < 0.86,
                now=at + (now - at) * rng.random(),
            )
    db.session.flush()
    return len(ARTICLES)
