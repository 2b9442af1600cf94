"""A desk on which random things happen, with a diary of its own to compare reports with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import sqlalchemy as sa

from app.accounts.models import Person, Presence, Role
from app.automation import escalation
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.db import db
from app.sla.models import Calendar, CalendarInterval, SlaPolicy
from app.tickets import conversation, holding, lifecycle, merging
from app.tickets.models import SlaClock, Ticket
from app.tickets.words import TRANSITIONS, ClockState, Priority, Source, Status, Target
from tests.factories import category, make_agent, make_group, make_organization, make_person

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
OPEN = (Status.NEW, Status.OPEN, Status.IN_PROGRESS, Status.PENDING)
WORKED_ON = (Status.NEW, Status.OPEN, Status.IN_PROGRESS)


@dataclass
class Story:
    """What was seen of one ticket: when it came, each status from when on, its first answer."""

    ticket: Ticket
    created_at: datetime
    changes: list[tuple[datetime, Status]] = field(default_factory=list)
    answered_at: datetime | None = None

    def status_at(self, moment: datetime) -> Status | None:
        """The status just before *moment*; None before it came."""
        if self.created_at >= moment:
            return None
        return next((s for at, s in reversed(self.changes) if at < moment), Status.NEW)

    def spans(self) -> Iterator[tuple[datetime, datetime | None, Status]]:
        """From, until (None: still) and status, in order."""
        entries = [(self.created_at, Status.NEW), *self.changes]
        for (since, status), following in zip(entries, [*entries[1:], None], strict=True):
            yield since, following[0] if following else None, status

    def spells(self) -> Iterator[tuple[datetime, datetime | None, Status]]:
        """The spans in which it was done, resolved and closed as one, with the last status."""
        since: datetime | None = None
        was = Status.NEW
        for start, _, status in self.spans():
            if status in OPEN:
                if since is not None:
                    yield since, start, was
                since = None
            else:
                since, was = since or start, status
        if since is not None:
            yield since, None, was


class RandomDesk:
    """Three agents, two groups, a policy in office hours and one around the clock."""

    def __init__(self, seed: int, *, tickets: int = 26, days: int = 10) -> None:
        self.rng = Random(seed)
        self.stories: dict[int, Story] = {}
        self.now = BEGIN
        self.end = BEGIN + timedelta(days=days)
        self._found()
        steps = tickets * 5
        for step in range(steps):
            self.now += (self.end - self.now) / (steps - step) * self.rng.uniform(0.2, 1.8)
            self._something(step, tickets)
            self._watch()
        escalation.sweep(self.end)
        self.now = self.end

    def _found(self) -> None:
        rng = self.rng
        self.groups = [make_group("Ovens"), make_group("Books")]
        idle = {"presence": Presence.OFFLINE, "presence_is_chosen": True}
        self.agents = [make_agent(name=name, **idle) for name in ("Ada", "Ben", "Cleo")]
        self.boss = make_agent(role=Role.SUPERVISOR, name="Dora", **idle)
        self.organization = make_organization("Backhaus")
        self.people = [make_person(organization=self.organization) for _ in range(2)]
        self.people += [make_person() for _ in range(3)]
        office = Calendar(
            name="Office",
            time_zone="Europe/Berlin",
            intervals=[
                CalendarInterval(weekday=n, start_minute=540, end_minute=1020) for n in range(5)
            ],
        )
        db.session.execute(sa.update(SlaPolicy).values(is_active=False))
        db.session.add(
            SlaPolicy(
                name="Office hours",
                position=1,
                calendar=office,
                categories=[category("billing").id],
                first_response_minutes=120,
                next_response_minutes=180,
                resolution_minutes=600,
            )
        )
        always = Calendar(name="All day", is_always=True)
        db.session.add(
            SlaPolicy(
                name="All day",
                position=2,
                calendar=always,
                priorities=["critical", "high"],
                first_response_minutes=300,
                next_response_minutes=200,
                resolution_minutes=2_000,
            )
        )
        db.session.commit()
        rng.shuffle(self.people)

    def _something(self, step: int, tickets: int) -> None:
        acts: list[Callable[[Story], None]] = [
            *[self._reply] * 4,
            *[self._customer_writes] * 2,
            *[self._change_status] * 6,
            *[self._assign] * 2,
            self._delete_or_restore,
            self._merge,
        ]
        if len(self.stories) < tickets and (not self.stories or self.rng.random() < 0.3):
            self._open()
        else:
            self.rng.choice(acts)(self.rng.choice(list(self.stories.values())))
        if step % 8 == 0:
            db.session.commit()
            escalation.sweep(self.now)

    def _watch(self) -> None:
        """Note each change of a status that is seen."""
        for story in self.stories.values():
            last = story.changes[-1][1] if story.changes else Status.NEW
            if story.ticket.merged_into_id is None and story.ticket.status is not last:
                story.changes.append((self.now, story.ticket.status))

    def _open(self) -> None:
        rng = self.rng
        source = rng.choice(list(Source))
        person = rng.choice(self.people)
        opened = take_in(
            NewTicket(
                subject="The oven is cold",
                description="Since this morning.",
                requester=RequesterInput(person_id=person.id),
                source=source,
                category_id=category(rng.choice(("billing", "technical", "bug"))).id,
                priority=rng.choice(list(Priority)),
            ),
            now=self.now,
        )
        ticket = db.session.get_one(Ticket, opened.id)
        self.stories[ticket.id] = Story(ticket, self.now)
        if source is Source.PHONE:
            self.stories[ticket.id].answered_at = self.now

    def _agent(self) -> Person:
        return self.rng.choice(self.agents)

    def _usable(self, story: Story) -> bool:
        return story.ticket.deleted_at is None and story.ticket.merged_into_id is None

    def _reply(self, story: Story) -> None:
        if self._usable(story) and story.ticket.status not in (Status.CLOSED, Status.CANCELLED):
            then = self.rng.choice(("keep", "pending", "resolved"))
            if story.ticket.status is Status.RESOLVED:
                then = "keep"
            conversation.reply(
                story.ticket, "Have a look.", by=self._agent(), now=self.now, then=then
            )
            story.answered_at = story.answered_at or self.now

    def _customer_writes(self, story: Story) -> None:
        if self._usable(story) and story.ticket.status is not Status.CANCELLED:
            asker = db.session.get_one(Person, story.ticket.requester_id)
            conversation.customer_comment(story.ticket, "And now?", by=asker, now=self.now)

    def _change_status(self, story: Story) -> None:
        if self._usable(story):
            to = self.rng.choice(TRANSITIONS[story.ticket.status])
            lifecycle.change_status(story.ticket, to, by=self.boss, now=self.now)

    def _assign(self, story: Story) -> None:
        if self._usable(story):
            if self.rng.random() < 0.5:
                group = self.rng.choice(self.groups)
                holding.give_to_group(story.ticket, group, by=self.boss, now=self.now)
            else:
                agent = self.rng.choice([*self.agents, None])
                holding.give(story.ticket, agent, by=self.boss, now=self.now)

    def _delete_or_restore(self, story: Story) -> None:
        if story.ticket.merged_into_id is None:
            change = lifecycle.restore if story.ticket.deleted_at else lifecycle.delete
            change(story.ticket, by=self.boss, now=self.now)

    def _merge(self, story: Story) -> None:
        other = self.rng.choice(list(self.stories.values()))
        if self.rng.random() < 0.3 and not merging.refusal(
            story.ticket, other.ticket, now=self.now
        ):
            agreed = {*merging.outlook(story.ticket, other.ticket).strangers}
            merging.merge(story.ticket, other.ticket, agreed=agreed, by=self.boss, now=self.now)

    # What a report should count, by brute force.

    def counted(self) -> list[Story]:
        """Neither deleted nor merged."""
        return [story for story in self.stories.values() if self._usable(story)]

    def expected(self, measure: str, start: datetime, end: datetime) -> list[int]:
        """Ids of the tickets, or of the clocks, that a measure counts; sorted."""
        if measure.startswith("sla"):
            return self._clocks(measure, start, end)
        if measure.startswith("state_"):
            status = Status(measure.removeprefix("state_"))
            found = [story for story in self._handled(start, end) if story.status_at(end) is status]
        else:
            found = getattr(self, f"_{measure}")(start, end)
        return sorted(story.ticket.id for story in found)

    def _handled(self, start: datetime, end: datetime) -> list[Story]:
        return [
            story
            for story in self.counted()
            if any(
                status in OPEN and since < end and (until is None or until >= start)
                for since, until, status in story.spans()
            )
        ]

    def _created(self, start: datetime, end: datetime) -> list[Story]:
        return [story for story in self.counted() if start <= story.created_at < end]

    def _resolved(self, start: datetime, end: datetime) -> list[Story]:
        found = []
        for story in self.counted():
            spells = list(story.spells())
            if spells and spells[-1][1] is None and spells[-1][2] is not Status.CANCELLED:
                found += [story] if start <= spells[-1][0] < end else []
        return found

    def _opening_backlog(self, start: datetime, end: datetime) -> list[Story]:
        return [story for story in self.counted() if story.status_at(start) in OPEN]

    def _backlog(self, start: datetime, end: datetime) -> list[Story]:
        return [story for story in self.counted() if story.status_at(end) in OPEN]

    def _answered(self, start: datetime, end: datetime) -> list[Story]:
        return [s for s in self.counted() if s.answered_at and start <= s.answered_at < end]

    def _solved(
        self, start: datetime, end: datetime, *, only_reopened: bool = False
    ) -> list[Story]:
        return [
            story
            for story in self.counted()
            if any(
                start <= since < end
                and was is not Status.CANCELLED
                and (until is not None or not only_reopened)
                for since, until, was in story.spells()
            )
        ]

    def _reopened(self, start: datetime, end: datetime) -> list[Story]:
        return self._solved(start, end, only_reopened=True)

    def _answered_without_sla(self, start: datetime, end: datetime) -> list[Story]:
        return self._without(Target.FIRST_RESPONSE, self._answered(start, end))

    def _resolved_without_sla(self, start: datetime, end: datetime) -> list[Story]:
        return self._without(Target.RESOLUTION, self._resolved(start, end))

    def _without(self, target: Target, stories: list[Story]) -> list[Story]:
        ended = {
            clock.ticket_id
            for clock in db.session.scalars(sa.select(SlaClock))
            if clock.target is target and clock.state in (ClockState.MET, ClockState.BREACHED)
        }
        return [story for story in stories if story.ticket.id not in ended]

    def _clocks(self, measure: str, start: datetime, end: datetime) -> list[int]:
        wanted, _, outcome = measure.removeprefix("sla").removeprefix("_").rpartition("_")
        if outcome not in ("met", "missed"):
            wanted, outcome = measure.removeprefix("sla").removeprefix("_"), ""
        kept = {story.ticket.id for story in self.counted()}
        found = []
        for clock in db.session.scalars(sa.select(SlaClock)):
            if clock.ticket_id not in kept or (wanted and clock.target != wanted):
                continue
            missed = clock.breached_at is not None and start <= clock.breached_at < end
            met = (
                clock.state is ClockState.MET
                and clock.stopped_at is not None
                and start <= clock.stopped_at < end
            )
            if (missed and outcome != "met") or (met and outcome != "missed"):
                found.append(clock.id)
        return sorted(found)

    @staticmethod
    def worked_seconds(story: Story) -> int:
        """How long it was on our side until it was done for good."""
        *_, (done_at, _, _) = story.spells()
        spans = [
            (until or done_at) - since
            for since, until, status in story.spans()
            if status in WORKED_ON
        ]
        return round(sum(spans, timedelta()).total_seconds())
