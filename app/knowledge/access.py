"""Which articles an agent may read.

What was made from a ticket of a private group says what is in it until somebody has published it:
its draft, and its earlier versions, are for those who may see that ticket.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.accounts.access import hidden_group_ids
from app.accounts.models import Person
from app.knowledge.models import Article, State
from app.tickets.models import Ticket


def readable_by(agent: Person) -> sa.ColumnElement[bool]:
    """Condition on an article: published, or not made from a ticket that *agent* may not see."""
    hidden = sorted(hidden_group_ids(agent))
    if not hidden:
        return sa.true()
    source = sa.exists().where(Ticket.id == Article.ticket_id, Ticket.group_id.in_(hidden))
    is_published = sa.and_(Article.state == State.PUBLISHED, Article.deleted_at.is_(None))
    return sa.or_(is_published, sa.not_(source))
