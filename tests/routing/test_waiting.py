"""Tickets that wait go out as soon as somebody can take them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.accounts import presence
from app.accounts.models import Distribution, Group, Person, Presence, Role
from app.core.clock import utcnow
from app.core.db import db
from app.core.jobs import Job, ring
from app.mail.models import OutboundEmail
from app.routing import assignment, waiting
from app.routing.models import AssignmentRule, RuleKind
from app.tickets import lifecycle
from app.tickets.history_models import DecisionRecord, TicketEvent
from app.tickets.models import Ticket
from app.tickets.words import EventKind, Priority, Status
from tests.factories import category, make_agent, make_group, make_ticket

pytestmark = pytest.mark.usefixtures("app")

NOW = utcnow()


def holder_of(ticket: Ticket) -> int | None:
    """Who has it, as the database says."""
    return db.session.scalar(sa.select(Ticket.assignee_id).where(Ticket.id == ticket.id))


def told(kind: EventKind = EventKind.UNASSIGNABLE) -> list[int]:
    """Tickets with a line of *kind*."""
    found = sa.select(TicketEvent.ticket_id).where(TicketEvent.kind == kind)
    return list(db.session.scalars(found.order_by(TicketEvent.id)))


def notices() -> list[str]:
    """Whom a mail "nobody could take it" goes to."""
    found = sa.select(OutboundEmail.recipient).where(OutboundEmail.kind == "group_ticket")
    return sorted(db.session.scalars(found))


@pytest.mark.requirement("R 4-7")
def test_highest_priority_and_oldest_go_out_first() -> None:
    def wait(priority: Priority, minutes: int) -> Ticket:
        return make_ticket(priority=priority, age=timedelta(minutes=minutes))

    normal, old, new = wait(Priority.NORMAL, 9), wait(Priority.HIGH, 8), wait(Priority.HIGH, 1)
    oldest, low = wait(Priority.HIGH, 60), wait(Priority.LOW, 90)
    agent = make_agent(max_tickets=3)
    assert waiting.hand_out(NOW) == 3
    assert [holder_of(t) for t in (oldest, old, new)] == [agent.id] * 3
    assert holder_of(normal) is None
    agent.max_tickets = 4
    assert waiting.hand_out(NOW) == 1
    assert (holder_of(normal), holder_of(low)) == (agent.id, None)


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_everybody_gets_an_equal_share(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "BATCH", batch)
    agents = [make_agent() for _ in range(3)]
    for n in range(9):
        make_ticket(age=timedelta(minutes=n % 2), priority=list(Priority)[n % 3])
    assert waiting.hand_out(NOW) == 9
    shares = db.session.execute(
        sa.select(Ticket.assignee_id, sa.func.count()).group_by(Ticket.assignee_id)
    )
    assert {row[0]: row[1] for row in shares} == {agent.id: 3 for agent in agents}


def test_only_new_or_open_unassigned_tickets_of_groups_that_distribute_go_out() -> None:
    by_hand, by_turn = make_group(), make_group(distribution=Distribution.ROUND_ROBIN)
    agent = make_agent(groups=(by_hand, by_turn), max_tickets=50)
    other = make_agent(presence=Presence.OFFLINE)
    stay = [
        *(make_ticket(status=s) for s in Status if s not in (Status.NEW, Status.OPEN)),
        make_ticket(group=by_hand),
        make_ticket(assignee=other),
        make_ticket(deleted_at=NOW),
    ]
    go = [make_ticket(group=by_turn), make_ticket(status=Status.OPEN, group=by_turn), make_ticket()]
    assert waiting.hand_out(NOW) == 3
    assert [holder_of(ticket) for ticket in go] == [agent.id] * 3
    assert agent.id not in [holder_of(ticket) for ticket in stay]


@pytest.mark.requirement("X5")
def test_waiting_tickets_of_a_group_go_to_its_members_alone() -> None:
    group = make_group(distribution=Distribution.LEAST_BUSY)
    ticket = make_ticket(group=group)
    stranger = make_agent()
    assert waiting.hand_out(NOW) == 0
    member = make_agent(groups=(group,), presence=Presence.AWAY)
    assert waiting.hand_out(NOW) == 0
    member.presence = Presence.ONLINE
    assert waiting.hand_out(NOW) == 1
    assert holder_of(ticket) == member.id != stranger.id


def test_rules_count_for_what_waits_too() -> None:
    group = make_group(distribution=Distribution.ROUND_ROBIN)
    make_agent(groups=(group,))
    named = make_agent(groups=(group,), presence=Presence.BUSY)
    rule = AssignmentRule(
        kind=RuleKind.SPECIFIC_AGENT, category_id=category().id, agent_id=named.id
    )
    db.session.add(rule)
    ticket = make_ticket(group=group)
    named.presence = Presence.ONLINE
    waiting.hand_out(NOW)
    assert holder_of(ticket) == named.id


def test_ticket_without_a_group_joins_the_group_that_a_rule_names() -> None:
    group = make_group()
    agent = make_agent(groups=(group,))
    make_agent()
    ticket = make_ticket()
    db.session.add(
        AssignmentRule(kind=RuleKind.LEAST_BUSY, category_id=category().id, group_id=group.id)
    )
    assert waiting.hand_out(NOW) == 1
    db.session.refresh(ticket)
    assert (ticket.assignee_id, ticket.group_id) == (agent.id, group.id)
    assert ticket.status is Status.OPEN


@pytest.mark.requirement("R 3-8", "R 4-7", "R 13-20", "X15")
def test_handing_out_leaves_history_decision_notice_and_turn() -> None:
    agent = make_agent(name="Ann")
    ticket = make_ticket()
    waiting.hand_out(NOW)
    line = db.session.scalars(
        sa.select(TicketEvent).where(TicketEvent.kind == EventKind.ASSIGNED)
    ).one()
    assert (line.actor_id, line.actor_name, line.to_value) == (None, "Routing", "Ann")
    assert line.details["method"] == "round_robin"
    decision = db.session.scalars(
        sa.select(DecisionRecord).where(DecisionRecord.ticket_id == ticket.id)
    ).one()
    assert decision.summary == "Ann is next in turn (no rule chose)."
    assert db.session.scalars(sa.select(OutboundEmail.kind)).all() == ["assigned"]
    db.session.refresh(agent)
    assert agent.last_assigned_at == NOW


# Never back to whoever gave it up


def test_never_back_to_whoever_gave_it_up() -> None:
    quitter = make_agent()
    ticket = make_ticket(assignee=quitter, status=Status.OPEN)
    assignment.assign(ticket, agent=None, by=quitter, now=NOW)
    assert waiting.hand_out(NOW) == 0
    other = make_agent()
    assert waiting.hand_out(NOW) == 1
    assert holder_of(ticket) == other.id


def test_whoever_passed_it_on_by_hand_gave_it_up_too() -> None:
    one, two = make_agent(), make_agent()
    ticket = make_ticket(assignee=one, status=Status.OPEN)
    assignment.assign(ticket, agent=two, by=one, now=NOW)
    assignment.assign(ticket, agent=None, by=two, now=NOW)
    assert waiting.hand_out(NOW) == 0


def test_whoever_gave_one_up_still_gets_others() -> None:
    quitter = make_agent()
    given_up = make_ticket(assignee=quitter, status=Status.OPEN, priority=Priority.CRITICAL)
    assignment.assign(given_up, agent=None, by=quitter, now=NOW)
    next_one = make_ticket()
    assert waiting.hand_out(NOW) == 1
    assert (holder_of(given_up), holder_of(next_one)) == (None, quitter.id)


def test_reopened_with_an_assignee_who_left_it_is_routed_again() -> None:
    gone = make_agent(is_active=False)
    boss = make_agent(role=Role.SUPERVISOR, presence=Presence.OFFLINE)
    ticket = make_ticket(assignee=gone, status=Status.RESOLVED, resolved_at=NOW)
    lifecycle.change_status(ticket, Status.OPEN, by=boss, now=NOW)
    agent = make_agent()
    assert waiting.hand_out(NOW) == 1
    assert holder_of(ticket) == agent.id


# Telling the group


@pytest.mark.requirement("X9")
def test_group_is_told_once_of_a_ticket_that_nobody_could_take() -> None:
    group = make_group(distribution=Distribution.ROUND_ROBIN)
    member = make_agent(groups=(group,), presence=Presence.AWAY)
    make_agent()
    ticket = make_ticket(group=group)
    for _ in range(3):
        waiting.hand_out(NOW)
    assert told() == [ticket.id]
    assert notices() == [member.email]
    member.presence = Presence.ONLINE
    assert waiting.hand_out(NOW) == 1


def test_another_group_is_told_of_a_ticket_that_came_to_it() -> None:
    groups = [make_group(distribution=Distribution.ROUND_ROBIN) for _ in range(2)]
    members = [make_agent(groups=(group,), presence=Presence.AWAY) for group in groups]
    ticket = make_ticket(group=groups[0])
    waiting.hand_out(NOW)
    assignment.assign(ticket, group=groups[1], by=members[0], now=NOW)
    for _ in range(2):
        waiting.hand_out(NOW)
    assert notices() == sorted(member.email for member in members)


def test_a_ticket_that_was_given_up_is_told_again() -> None:
    group = make_group(distribution=Distribution.ROUND_ROBIN)
    member = make_agent(groups=(group,), presence=Presence.AWAY)
    ticket = make_ticket(group=group)
    waiting.hand_out(NOW)
    assignment.assign(ticket, agent=member, by=member, now=NOW)
    assignment.assign(ticket, agent=None, by=member, now=NOW)
    for _ in range(2):
        waiting.hand_out(NOW)
    assert notices() == [member.email] * 2


def test_supervisors_are_told_where_nobody_works_in_the_group() -> None:
    group = make_group(distribution=Distribution.ROUND_ROBIN)
    make_agent(groups=(group,), is_active=False)
    boss = make_agent(role=Role.SUPERVISOR, presence=Presence.OFFLINE)
    make_ticket(group=group)
    waiting.hand_out(NOW)
    assert notices() == [boss.email]


def test_nothing_is_told_of_tickets_that_go_out() -> None:
    make_agent()
    make_ticket()
    waiting.hand_out(NOW)
    assert told() == []
    assert notices() == []


# Standing in the way


def test_a_ticket_that_fails_does_not_hold_up_the_rest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    agent = make_agent()
    bad, good = make_ticket(priority=Priority.CRITICAL), make_ticket()
    bad_id, give = bad.id, waiting._give

    def fail_once(ticket: Ticket, now: object) -> bool:
        if ticket.id == bad_id:
            raise RuntimeError("broken")
        return give(ticket, NOW)

    monkeypatch.setattr(waiting, "_give", fail_once)
    assert waiting.hand_out(NOW) == 1
    assert (holder_of(bad), holder_of(good)) == (None, agent.id)


def test_many_that_nobody_can_take_cost_no_transaction_each(statements: list[str]) -> None:
    group = make_group(distribution=Distribution.ROUND_ROBIN)
    make_agent()
    tickets = [make_ticket(group=group) for _ in range(20)]
    waiting.hand_out(NOW)
    assert sorted(told()) == sorted(ticket.id for ticket in tickets)
    waiting.hand_out(NOW)
    statements.clear()
    assert waiting.hand_out(NOW) == 0
    assert len(statements) <= 6


# The bell


@pytest.mark.requirement("R 4-7", "X3", "X10")
@pytest.mark.parametrize(
    "what", ["presence", "status", "unassigned"], ids=lambda what: f"{what} makes room"
)
def test_room_lets_a_waiting_ticket_out(what: str, run_jobs: Callable[[], int]) -> None:
    group: Group = make_group(distribution=Distribution.ROUND_ROBIN)
    boss: Person = make_agent(role=Role.SUPERVISOR)
    agent = make_agent(
        groups=(group,),
        max_tickets=1,
        presence=Presence.AWAY if what == "presence" else Presence.ONLINE,
    )
    mine = make_ticket(assignee=agent, group=group, status=Status.OPEN)
    if what == "presence":
        agent.max_tickets = 2
    waits = make_ticket(group=group)
    ring(Job.HAND_OUT)
    db.session.commit()
    run_jobs()
    assert holder_of(waits) is None
    match what:
        case "presence":
            presence.choose(agent, Presence.ONLINE, now=utcnow())
        case "status":
            lifecycle.change_status(mine, Status.PENDING, by=boss, now=utcnow())
        case "unassigned":
            assignment.assign(mine, agent=None, by=boss, now=utcnow())
    db.session.commit()
    run_jobs()
    assert holder_of(waits) == agent.id
