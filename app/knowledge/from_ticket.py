"""A first draft of an article from a ticket that was solved."""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import Person
from app.core.db import db
from app.core.errors import Conflict
from app.knowledge.models import LONGEST_BODY, LONGEST_TITLE
from app.knowledge.redaction import without_people
from app.tickets.models import Comment, Participant, Ticket
from app.tickets.queries import SHOWN_TO_CUSTOMERS, get_visible
from app.tickets.words import AuthorKind, Status

MOST_REPLIES = 20
_prefix = re.compile(
    r"^(?:\s*(?:re|fwd?|aw|wg|tr|sv|vs)\s*:|\s*\[[^\]]{0,60}\])+\s*", re.IGNORECASE
)
_mark_up = re.compile(r"^(\s*)([#>])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FirstDraft:
    """What the form begins with."""

    ticket_id: int
    number: str
    title: str
    body: str


def first_draft(number: str, *, by: Person) -> FirstDraft:
    """The question and the public answers of a solved ticket, without the people in it.

    Internal notes, quoted mails and files are left out. Three statements beside the ticket's.

    Raises:
        NotFound: no ticket that *by* may see.
        Conflict: it is not solved yet.
    """
    ticket = get_visible(number, to=by)
    if ticket.status not in (Status.RESOLVED, Status.CLOSED):
        raise Conflict("An article is made from a ticket once it is solved.")
    names, codes = _people(ticket), _codes(ticket)

    def clean(text: str) -> str:
        return _mark_up.sub(r"\1\\\2", without_people(text, names=names, codes=codes))

    replies = filter(None, map(clean, _replies(ticket)))
    title = clean(_prefix.sub("", ticket.subject)).replace("\n", " ")
    question, answer = clean(ticket.description), "\n\n".join(replies)
    body = f"## What happens\n\n{question}\n\n## What helps\n\n{answer}\n"
    return FirstDraft(ticket.id, ticket.number, title[:LONGEST_TITLE], body[:LONGEST_BODY])


def _replies(ticket: Ticket) -> list[str]:
    """The agents' public answers, oldest first."""
    wanted = sa.select(Comment.body).where(
        Comment.ticket_id == ticket.id,
        SHOWN_TO_CUSTOMERS,
        Comment.author_kind == AuthorKind.AGENT,
        Comment.is_automatic.is_(False),
    )
    newest = wanted.order_by(Comment.created_at.desc(), Comment.id.desc()).limit(MOST_REPLIES)
    return list(db.session.scalars(newest))[::-1]


def _people(ticket: Ticket) -> list[str]:
    """Names of everybody in it: customers, their company, and the agents who answered."""
    named = sa.select(Person.name).where(
        sa.or_(
            Person.id.in_(sa.select(Comment.author_id).where(Comment.ticket_id == ticket.id)),
            Person.id.in_(
                sa.select(Participant.person_id).where(Participant.ticket_id == ticket.id)
            ),
        )
    )
    names = [ticket.requester.name, *db.session.scalars(named)]
    agent = directory.agents().get(ticket.assignee_id or 0)
    if agent:
        names.append(agent.name)
    if ticket.requester.organization:
        names.append(ticket.requester.organization.name)
    return [name for name in names if name]


def _codes(ticket: Ticket) -> list[str]:
    """What the custom fields hold: order and serial numbers; and the phone number."""
    values = [value for value in ticket.custom_fields.values() if isinstance(value, str)]
    coded = [value for value in values if any(c.isdigit() for c in value)]
    phone = ticket.requester.phone
    return [*coded, phone] if phone else coded
