"""Two tickets become one conversation, and two again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.accounts.models import Person, Role
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.mail.models import OutboundEmail
from app.search import lists
from app.sla.queries import active_policies
from app.tickets import clocks, conversation, merging, portal_queries, properties
from app.tickets.filters import TicketFilters
from app.tickets.merge_models import TicketMerge
from app.tickets.models import Attachment, Comment, Participant, ReplyDraft, SlaClock, Ticket
from app.tickets.portal_queries import Viewer
from app.tickets.queries import Merged, get_visible, lock_going_on
from app.tickets.words import ClockState, ParticipantKind, Status, Visibility
from tests.factories import make_agent, make_comment, make_group, make_person, make_ticket

pytestmark = pytest.mark.usefixtures("app")
HOUR = timedelta(hours=1)


def merge(merged: Ticket, survivor: Ticket, by: Person | None = None) -> TicketMerge:
    db.session.commit()
    agreed = merging.outlook(merged, survivor).strangers
    done = merging.merge(merged, survivor, agreed=agreed, by=by or make_agent(), now=utcnow())
    db.session.commit()
    return done


def undo(done: TicketMerge, by: Person | None = None) -> None:
    by = by or make_agent()
    merging.undo(*merging.find(done.id, by=by), by=by, now=utcnow())
    db.session.commit()


def said(ticket: Ticket) -> list[str]:
    rows = sa.select(Comment.body).where(Comment.ticket_id == ticket.id)
    return list(db.session.scalars(rows.order_by(Comment.created_at, Comment.id)))


def people_of(ticket: Ticket) -> set[int]:
    its = sa.select(Participant.person_id).where(Participant.ticket_id == ticket.id)
    return set(db.session.scalars(its))


def comment_at(ticket: Ticket, author: Person, body: str, hours_ago: int) -> Comment:
    return make_comment(ticket, author, body, created_at=utcnow() - hours_ago * HOUR)


@pytest.fixture
def pair() -> tuple[Ticket, Ticket]:
    """Two tickets of one requester: the younger one is merged into the older one."""
    anna = make_person("anna@shop.example", name="Anna")
    older = make_ticket(anna, age=5 * HOUR, description="Oven off", status=Status.OPEN)
    younger = make_ticket(anna, age=3 * HOUR, description="Oven still off", status=Status.OPEN)
    make_ticket()  # somebody else's: nothing of it may move
    return younger, older


def test_the_conversation_is_one_in_order_of_time(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    anna, agent = older.requester, make_agent()
    other = make_ticket()
    make_comment(other, body="elsewhere")
    comment_at(older, agent, "first answer", 4)
    comment_at(younger, anna, "and again", 2)
    comment_at(older, anna, "any news?", 1)
    note = comment_at(younger, agent, "a note", 1)
    note.visibility = Visibility.INTERNAL
    merge(younger, older)
    assert said(older) == ["first answer", "Oven still off", "and again", "any news?", "a note"]
    assert said(younger) == []
    assert said(other) == ["elsewhere"]
    origins = sa.select(Comment.body).where(Comment.origin_ticket_id == younger.id)
    assert set(db.session.scalars(origins)) == {"Oven still off", "and again", "a note"}
    db.session.refresh(note)
    assert note.visibility is Visibility.INTERNAL
    assert older.preview.endswith("a note")


def test_files_tags_and_the_merged_ticket_itself(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    now = utcnow()
    properties.change_tags(older, ["oven"], by=make_agent(), now=now)
    properties.change_tags(younger, ["oven", "outage"], by=make_agent(), now=now)
    file = Attachment(
        ticket_id=younger.id, sha256="a" * 64, filename="a.txt", content_type="text/plain", size=1,
        created_at=now,
    )  # fmt: skip
    db.session.add(file)
    done = merge(younger, older)
    assert {tag.name for tag in older.tags} == {"outage", "oven"}
    db.session.refresh(file)
    assert (file.ticket_id, file.comment_id) == (older.id, done.comment_id)
    assert (younger.status, younger.merged_into_id) == (Status.CLOSED, older.id)
    assert younger.resolved_at is None  # it was not solved there
    undo(done)
    db.session.refresh(file)
    assert (file.ticket_id, file.comment_id) == (younger.id, None)
    assert [tag.name for tag in older.tags] == ["oven"]


def test_undoing_makes_two_of_it_again(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    agent = make_agent()
    comment_at(older, agent, "first answer", 4)
    comment_at(younger, younger.requester, "and again", 2)
    done = merge(younger, older)
    conversation.reply(older, "said since", by=agent, now=utcnow())
    undo(done)
    assert said(older) == ["first answer", "said since"]
    assert said(younger) == ["and again"]
    assert (younger.status, younger.merged_into_id, younger.closed_at) == (Status.OPEN, None, None)
    with pytest.raises(Conflict, match="undone already"):
        undo(done)


def test_another_requester_follows_only_after_somebody_agreed() -> None:
    anna, bob, carol = (make_person(name=name) for name in ("Anna", "Bob", "Carol"))
    hers, his = make_ticket(anna), make_ticket(bob)
    now = utcnow()
    db.session.add(
        Participant(ticket_id=his.id, person_id=carol.id, kind=ParticipantKind.CC, created_at=now)
    )
    db.session.flush()
    ahead = merging.outlook(his, hers)
    assert {p.id for p in ahead.read_survivor} == {bob.id, carol.id}
    assert {p.id for p in ahead.read_merged} == {anna.id}
    with pytest.raises(Invalid):
        merging.merge(his, hers, agreed={bob.id, carol.id}, by=make_agent(), now=now)
    merge(his, hers)
    assert people_of(hers) == {bob.id, carol.id}
    assert hers.requester_id == anna.id


def test_what_they_said_since_goes_back_with_those_who_came() -> None:
    anna, bob = make_person(name="Anna"), make_person(name="Bob")
    hers, his = make_ticket(anna), make_ticket(bob)
    done = merge(his, hers)
    now = utcnow()
    conversation.customer_comment(hers, "not my problem", by=bob, now=now)
    conversation.customer_comment(hers, "mine is", by=anna, now=now)
    undo(done)
    assert said(his) == ["not my problem"]
    assert said(hers) == ["mine is"]
    assert people_of(hers) == set()


def test_each_number_leads_those_who_may_see_it_to_the_survivor() -> None:
    anna, bob, eve = (make_person(name=name) for name in ("Anna", "Bob", "Eve"))
    hers, his = make_ticket(anna), make_ticket(bob)
    done = merge(his, hers)
    for person in (anna, bob):
        assert portal_queries.show_own(his.number, to=Viewer(person)).number == hers.number
    for number in (his.number, hers.number):
        with pytest.raises(Exception, match="no such ticket"):
            portal_queries.show_own(number, to=Viewer(eve))
    assert lock_going_on(his.id).id == hers.id
    undo(done)
    assert portal_queries.show_own(his.number, to=Viewer(bob)).number == his.number
    with pytest.raises(Exception, match="no such ticket"):
        portal_queries.show_own(hers.number, to=Viewer(bob))


def test_a_merged_ticket_is_in_no_list_and_not_changed(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    agent = make_agent()
    merge(younger, older)
    page = lists.list_tickets(TicketFilters(), viewer=agent, now=utcnow())
    numbers = {row.number for row in page.rows}
    assert older.number in numbers
    assert younger.number not in numbers
    with pytest.raises(Merged) as refused:
        get_visible(younger.number, to=agent, lock=True)
    assert refused.value.into == older.number
    rows, _ = portal_queries.page(older.requester, None, with_waiting=True)
    assert [row.number for row in rows] == [older.number]


def test_words_are_found_on_the_survivor(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    agent = make_agent()
    comment_at(younger, younger.requester, "the zeppelin landed", 2)

    def found() -> set[str]:
        page = lists.search_tickets("zeppelin", viewer=agent, now=utcnow())
        return {row.number for row in page.rows}

    done = merge(younger, older)
    assert found() == {older.number}
    undo(done)
    assert found() == {younger.number}


def clock(ticket: Ticket, hours: int) -> SlaClock:
    """A running first response, due in so many hours from the ticket's creation."""
    facts = clocks.facts_of(ticket)
    new = clocks.for_new_ticket(facts, start=ticket.created_at)
    for row in new.rows:
        db.session.add(SlaClock(ticket_id=ticket.id, **row))
    db.session.flush()
    db.session.refresh(ticket, ["clocks"])
    return ticket.clocks[0]


def test_clocks_of_the_merged_one_count_as_neither(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    assert active_policies()
    first = clock(younger, 8)
    was_due = first.due_at
    done = merge(younger, older)
    assert {c.state for c in younger.clocks} == {ClockState.VOID}
    assert younger.next_due_at is None
    undo(done)
    assert first.state is ClockState.RUNNING
    assert first.due_at is not None
    assert was_due is not None
    assert first.due_at >= was_due


def test_what_waits_for_us_reopens_what_was_over(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    older.status, older.resolved_at = Status.RESOLVED, utcnow()
    merge(younger, older)
    assert (older.status, older.resolved_at) == (Status.OPEN, None)


def test_a_private_groups_words_stay_in_it() -> None:
    anna = make_person()
    legal = make_group(is_private=True)
    private, public = make_ticket(anna, group=legal), make_ticket(anna)
    agent = make_agent(groups=(legal,))
    with pytest.raises(Conflict, match="private group"):
        merge(private, public, by=agent)
    merge(public, private, by=agent)
    with pytest.raises(Exception, match="no such"):
        merging.find(db.session.scalars(sa.select(TicketMerge.id)).one(), by=make_agent())


def test_chains_lead_to_the_last_and_are_undone_one_by_one() -> None:
    anna = make_person()
    first, second, third = (
        make_ticket(anna, age=n * HOUR, description=f"no {n}") for n in (3, 2, 1)
    )
    into_second = merge(third, second)
    into_first = merge(second, first)
    assert (third.merged_into_id, second.merged_into_id) == (first.id, first.id)
    assert said(first) == ["no 2", "no 1"]
    with pytest.raises(Conflict, match="Undo that first"):
        undo(into_second)
    undo(into_first)
    db.session.refresh(third)
    assert third.merged_into_id == second.id
    assert said(second) == ["no 1"]
    undo(into_second)
    db.session.refresh(third)
    assert third.merged_into_id is None
    assert (said(first), said(second), said(third)) == ([], [], [])


REFUSED = [
    (lambda merged, survivor: setattr(survivor, "status", Status.CANCELLED), "cancelled"),
    (lambda merged, survivor: setattr(survivor, "deleted_at", utcnow()), "deleted"),
    (lambda merged, survivor: setattr(merged, "deleted_at", utcnow()), "deleted"),
]


@pytest.mark.parametrize(("prepare", "why"), REFUSED)
def test_refused(
    pair: tuple[Ticket, Ticket], prepare: Callable[[Ticket, Ticket], None], why: str
) -> None:
    prepare(*pair)
    with pytest.raises(Conflict, match=why):
        merge(*pair)
    with pytest.raises(Conflict, match="itself"):
        merge(pair[0], pair[0])


def test_a_merge_goes_one_way_and_once(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    merge(younger, older)
    with pytest.raises(Conflict, match="was merged into"):
        merge(older, younger)
    with pytest.raises(Conflict, match="already"):
        merge(younger, older)


def test_too_late_or_in_the_way(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    done = merge(younger, older)
    by = make_agent(role=Role.SUPERVISOR)
    later = utcnow() + timedelta(days=31)
    assert "30 days" in merging.cannot_undo(done, younger, older, now=later)
    older.deleted_at = utcnow()
    assert "Restore it first" in merging.cannot_undo(done, younger, older, now=utcnow())
    with pytest.raises(Conflict, match="Restore"):
        undo(done, by=by)


def test_the_first_message_comes_before_its_automatic_answer(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    make_comment(younger, None, "We have it", created_at=younger.created_at)
    merge(younger, older)
    assert said(older) == ["Oven still off", "We have it"]


def test_what_somebody_was_writing_is_kept(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    one, two = make_agent(), make_agent()
    for ticket, agent, body in ((older, one, "here"), (younger, one, "there"), (younger, two, "x")):
        draft = ReplyDraft(
            ticket_id=ticket.id, person_id=agent.id, body=body, files=[], saved_at=utcnow()
        )
        db.session.add(draft)
    merge(younger, older)
    drafts = db.session.scalars(sa.select(ReplyDraft)).all()
    assert {(d.ticket_id, d.person_id, d.body) for d in drafts} == {
        (older.id, one.id, "here\n\nthere"),
        (older.id, two.id, "x"),
    }


def test_mails_of_both_show_on_the_survivor(pair: tuple[Ticket, Ticket]) -> None:
    younger, older = pair
    agent = make_agent()
    for ticket in pair:
        conversation.reply(ticket, f"on {ticket.number}", by=agent, now=utcnow())
    done = merge(younger, older)

    def mailed(ticket: Ticket) -> set[str]:
        of = sa.select(OutboundEmail).where(OutboundEmail.ticket_id == ticket.id)
        return {m.context["body"] for m in db.session.scalars(of) if "body" in m.context}

    assert mailed(older) == {f"on {ticket.number}" for ticket in pair}
    conversation.reply(older, "since", by=agent, now=utcnow())
    undo(done)
    assert mailed(older) == {f"on {older.number}", "since"}
    assert mailed(younger) == {f"on {younger.number}"}
