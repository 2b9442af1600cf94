"""What happens to a ticket: opened, answered, moved, told late.

The rules are the product's own (score, assignment, policies, clocks): they work on a draft of the
ticket, which becomes plain rows, because a hundred thousand of them must not take long.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app.channels.auto_response import due_words, fill
from app.demo import phrases
from app.demo.company import Customer
from app.demo.drafts import CLOCK_COLUMNS, TICKET_COLUMNS, Draft, DraftClock, World
from app.demo.texts import Texts
from app.routing.rules import Choice, Wanted, decide
from app.sla import queries
from app.sla.targets import Facts, Target
from app.tickets import clocks, decisions, durations
from app.tickets.attachments import StoredFile, rows
from app.tickets.conversation import preview_line
from app.tickets.lifecycle import DONE
from app.tickets.prioritising import Score, score
from app.tickets.timeline import By, System, row
from app.tickets.words import (
    AssignmentMethod,
    AuthorKind,
    ClockState,
    EventKind,
    Priority,
    Source,
    Status,
    Visibility,
)

SOURCES, SOURCE_WEIGHTS = tuple(Source), (46, 37, 6, 4, 7)  # web, mail, chat, API, phone
HOW = {
    Source.WEB: "in the portal",
    Source.EMAIL: "by mail",
    Source.CHAT: "by chat",
    Source.API: "through the API",
    Source.PHONE: "after a call",
}
GIVEN = (Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.CRITICAL)
RULES, SLA = System("Routing"), System("SLA")
DECISION_DAYS = timedelta(days=90)


class End(Exception):
    """The story is over, or goes on after today."""


class Acts:
    """What people and the desk do to one ticket; its rows go to the world's tables."""

    def __init__(self, world: World, ticket_id: int, at: datetime) -> None:
        self.world, self.rng, self.at = world, world.rng, at
        self.customer: Customer = world.company.customers[self.rng.choice(world.company.writers)]
        self.texts = Texts(self.rng, self.customer, at)
        self.events: list[dict[str, Any]] = []
        self.why: list[tuple[str, str, list[dict[str, Any]]]] = []
        self.tags: set[str] = set()
        # How long things take here: 1 uses up the whole target.
        self.pace = min(self.rng.lognormvariate(-0.95, 0.62), 2.5)
        self.asker = System(self.customer.name, self.customer.id)
        self.category = world.categories[self.texts.case.category]
        subs = {sub.key: sub.id for sub in self.category.subcategories}
        source = self.rng.choices(SOURCES, SOURCE_WEIGHTS)[0]
        description = self.texts.description()
        self.ticket: Any = Draft(
            id=ticket_id,
            number=world.number(),
            subject=self.texts.subject(),
            description=description,
            status=Status.NEW,
            priority=Priority.NORMAL,
            priority_is_computed=False,
            priority_score=None,
            category_id=self.category.id,
            subcategory_id=subs[self.texts.case.subcategory],
            requester_id=self.customer.id,
            assignee_id=None,
            group_id=None,
            mailbox_id=world.company.mailbox_id if source is Source.EMAIL else None,
            source=source,
            custom_fields=self._custom_fields(),
            preview=preview_line(self.customer.name, description),
            created_at=at,
            updated_at=at,
        )

    def later(self, span: timedelta = timedelta(), **parts: float) -> None:
        """Let time pass, and tell what falls due in it.

        Raises:
            End: that would be after today.
        """
        then = self.at + span + timedelta(**parts)
        if then >= self.world.now:
            raise End
        self.tell_due(then)
        self.at = then

    def event(self, kind: EventKind, by: By, at: datetime | None = None, **columns: Any) -> None:
        """Add a line of history, as `timeline.record` does."""
        ticket = self.ticket
        ticket.version += 1
        ticket.updated_at = at or self.at
        self.events.append(
            row(ticket.id, kind, by=by, now=at or self.at, version=ticket.version, **columns)
        )

    def open(self) -> None:
        """What `intake.take_in` does."""
        ticket, now = self.ticket, self.at
        opener = self.asker
        if ticket.source is Source.PHONE:
            caller = self.rng.choice(list(self.world.desks[0].agents.values()))
            opener = System(caller.name, caller.id)
        details = {"how": HOW[ticket.source], "source": ticket.source.value}
        self.event(EventKind.CREATED, opener, details=details)
        has_files = self.rng.random() < 0.06
        if has_files:
            self._attach(None, self.world.pictures)
        points = self._prioritise(has_files)
        choice = decide(
            self.rng.choice(self.world.desks),
            Wanted(self.category, ticket.subcategory_id),
            now=now,
        )
        ticket.assignee_id, ticket.group_id = choice.agent_id, choice.group_id
        service = self._start_clocks(choice)
        self._tell_choice(choice)
        answer = "Not sent: somebody talked to the customer."
        if ticket.source is not Source.PHONE:
            answer = "Sent: the category's template."
            self._auto_response()
        tier = f"{self.customer.name}: known by this address; tier {self.customer.tier.value}."
        self.why = [
            ("requester", tier, []),
            *([("priority", points.summary, points.details)] if points else []),
            ("rules", choice.summary, choice.explanation),
            ("sla", service.summary, service.details),
            ("auto_response", answer, []),
        ]

    def _prioritise(self, has_files: bool) -> Score | None:
        """By score, or as the customer or agent said."""
        ticket, world = self.ticket, self.world
        times, last_at = world.earlier.get(self.customer.id, (0, None))
        world.earlier[self.customer.id] = (times + 1, self.at)
        if self.rng.random() < 0.5:
            ticket.priority = self.rng.choices(GIVEN, (26, 62, 11, 1))[0]
            return None
        points = score(
            ticket.subject,
            ticket.description,
            tier=self.customer.tier.value,
            category_key=self.category.key,
            has_files=has_files,
            earlier=times,
            last_at=last_at,
            now=self.at,
            weights=world.weights,
        )
        ticket.priority, ticket.priority_score = points.priority, points.total
        ticket.priority_is_computed = True
        return points

    def _start_clocks(self, choice: Choice) -> clocks.NewClocks:
        ticket = self.ticket
        facts = Facts(
            priority=ticket.priority,
            category_id=ticket.category_id,
            tier=self.customer.tier,
            group_id=choice.group_id,
            source=ticket.source,
            category_name=self.category.name,
        )
        service = clocks.for_new_ticket(facts, start=self.at)
        for name, value in service.columns.items():
            setattr(ticket, name, value)
        ticket.clocks = [
            DraftClock(id=next(self.world.clock_ids), ticket_id=ticket.id, **line)
            for line in service.rows
        ]
        return service

    def _tell_choice(self, choice: Choice) -> None:
        groups = self.world.desks[0].groups
        if choice.group_id is not None:
            self.event(EventKind.GROUP, RULES, field="group", new=groups[choice.group_id].name)
        if choice.agent_id is not None:
            details = {
                "method": choice.method.value,
                "to_id": choice.agent_id,
                "rule_id": choice.rule_id,
            }
            name = self.world.agent_names[choice.agent_id]
            self.event(EventKind.ASSIGNED, RULES, field="assignee", new=name, details=details)
        else:
            self.event(EventKind.UNASSIGNABLE, RULES, new=choice.summary)
        if choice.agent_id is not None or choice.group_id is not None:
            self._set_status(Status.OPEN, RULES)

    def _auto_response(self) -> None:
        ticket = self.ticket
        due = next((c.due_at for c in ticket.clocks if c.target is Target.FIRST_RESPONSE), None)
        values = {
            "ticket.number": ticket.number,
            "ticket.subject": ticket.subject,
            "requester.name": self.customer.name,
            "due": due_words(due, "UTC"),
        }
        body = fill(self.world.templates[ticket.category_id], values)
        self._comment(body, None, AuthorKind.SYSTEM, is_automatic=True)

    def _comment(
        self,
        body: str,
        author_id: int | None,
        kind: AuthorKind,
        *,
        visibility: Visibility = Visibility.PUBLIC,
        is_automatic: bool = False,
    ) -> int:
        comment_id = next(self.world.comment_ids)
        source = self.ticket.source if kind is AuthorKind.REQUESTER else Source.WEB
        self.world.tables["comment"].append(
            {
                "id": comment_id,
                "ticket_id": self.ticket.id,
                "author_id": author_id,
                "author_kind": kind,
                "visibility": visibility,
                "body": body,
                "is_automatic": is_automatic,
                "source": source,
                "created_at": self.at,
            }
        )
        return comment_id

    def reply(self, body: str, to: Status = Status.IN_PROGRESS, *, files: bool = False) -> None:
        """The agent's public reply, with what the product does after one."""
        ticket, agent = self.ticket, self.agent()
        comment_id = self._comment(body, agent.id, AuthorKind.AGENT)
        if files:
            self._attach(comment_id, self.world.papers)
        ticket.preview = preview_line(agent.name, body)
        self.event(EventKind.COMMENT, agent)
        self._ended(clocks.answered(ticket, now=self.at))
        if to is not ticket.status:
            self.change_status(to, agent)

    def customer_writes(self, body: str, *, files: bool = False) -> None:
        """The customer's comment, with what the product does after one."""
        ticket = self.ticket
        comment_id = self._comment(body, self.customer.id, AuthorKind.REQUESTER)
        if files:
            self._attach(comment_id, self.world.pictures)
        ticket.preview = preview_line(self.customer.name, body)
        self.event(EventKind.COMMENT, self.asker)
        if ticket.status in (Status.PENDING, Status.RESOLVED, Status.CLOSED):
            self.change_status(Status.OPEN, self.asker)
        started = clocks.customer_wrote(ticket, now=self.at)
        if started is not None:
            started.id, started.ticket_id = next(self.world.clock_ids), ticket.id

    def note(self) -> None:
        """An internal note."""
        agent, body = self.agent(), self.texts.note()
        self._comment(body, agent.id, AuthorKind.AGENT, visibility=Visibility.INTERNAL)
        self.ticket.preview = preview_line(agent.name, body)
        self.event(EventKind.NOTE, agent)

    def change_status(self, to: Status, by: By) -> None:
        """What `lifecycle.change_status` does."""
        ticket, old = self.ticket, self.ticket.status
        self._set_status(to, by)
        if to is Status.RESOLVED:
            ticket.resolved_at = self.at
        elif to is Status.CLOSED:
            ticket.closed_at = self.at
        elif old in DONE:
            if reopening := durations.reopened(ticket, old, at=self.at):
                self.world.tables["reopening"].append(reopening)
            ticket.resolved_at = ticket.closed_at = None
        if to in DONE and old not in DONE:
            durations.finished(ticket, self._changes(), at=self.at)
        self._ended(clocks.follow_status(ticket, old, now=self.at))

    def _changes(self) -> list[durations.Change]:
        kind = EventKind.STATUS
        return [(e["created_at"], e["to_value"]) for e in self.events if e["kind"] is kind]

    def _set_status(self, to: Status, by: By) -> None:
        old, self.ticket.status = self.ticket.status, to
        self.event(EventKind.STATUS, by, field="status", old=old.label, new=to.label)

    def _ended(self, ended: list[Any]) -> None:
        for clock in ended:
            if clock.state is ClockState.MET:
                text = f"{clock.target.label} in time"
                self.event(EventKind.SLA_MET, SLA, new=text, details={"clock": clock.id})

    def cancel(self) -> None:
        """No request at all, or settled already; advertising is deleted, too."""
        agent = self.agent()
        body = self.texts.other(phrases.CANCELLED)
        self._comment(body, agent.id, AuthorKind.AGENT, visibility=Visibility.INTERNAL)
        self.event(EventKind.NOTE, agent)
        self.change_status(Status.CANCELLED, agent)
        if body == phrases.CANCELLED[1]:
            supervisor = self.world.supervisor_id
            self.ticket.deleted_at, self.ticket.deleted_by_id = self.at, supervisor
            by = System(self.world.agent_names[supervisor], supervisor)
            self.event(EventKind.DELETED, by)

    def hand_over(self) -> None:
        """To a colleague of the same group."""
        old, members = self.agent(), self._colleagues()
        new = self.rng.choice([i for i in members if i != old.id] or members)
        if new != old.id:
            self._assign(new, old)

    def agent(self) -> System:
        """Whoever holds the ticket; somebody of its group takes it where nobody does."""
        ticket = self.ticket
        if ticket.assignee_id is None:
            taker = self.rng.choice(self._colleagues())
            self._assign(taker, System(self.world.agent_names[taker], taker))
        return System(self.world.agent_names[ticket.assignee_id], ticket.assignee_id)

    def name(self) -> str:
        """Who signs the next reply."""
        return self.agent().name

    def _colleagues(self) -> Sequence[int]:
        desk = self.world.desks[0]
        group = desk.groups.get(self.ticket.group_id or 0)
        return group.member_ids if group else list(desk.agents)

    def _assign(self, to: int, by: System) -> None:
        ticket, names = self.ticket, self.world.agent_names
        old, ticket.assignee_id = ticket.assignee_id, to
        method = AssignmentMethod.MANUAL.value
        details = {"method": method, "from_id": old, "to_id": to}
        former = names[old] if old else None
        self.event(
            EventKind.ASSIGNED, by, field="assignee", old=former, new=names[to], details=details
        )
        if ticket.status is Status.NEW:
            self._set_status(Status.OPEN, by)

    def set_tags(self) -> None:
        """The agent sorts it."""
        rng, known = self.rng, list(self.world.tags)
        tags = {rng.choice(self.texts.case.tags)}
        if rng.random() < 0.2:
            tags.add(rng.choice(known))
        self._retag(self.tags | tags, self.agent())

    def _retag(self, tags: set[str], by: By, at: datetime | None = None) -> None:
        old, new = ", ".join(sorted(self.tags)) or None, ", ".join(sorted(tags))
        self.tags = tags
        self.event(EventKind.TAGS, by, at, field="tags", old=old, new=new)

    def _attach(self, comment_id: int | None, files: Sequence[StoredFile]) -> None:
        self.world.tables["attachment"] += rows(
            [self.rng.choice(files)],
            ticket_id=self.ticket.id,
            comment_id=comment_id,
            uploader_id=None,
            now=self.at,
        )

    def _custom_fields(self) -> dict[str, Any]:
        texts, category = self.texts, self.texts.case.category
        found: dict[str, Any] = {}
        if self.rng.random() < 0.6:
            found["product"] = texts.product
        if category in ("technical", "bug") and self.rng.random() < 0.4:
            found["serial_number"] = texts.serial
        if category == "billing":
            found["order_number"] = texts.order
        return found

    def tell_due(self, until: datetime) -> None:
        """What the minute's sweep told up to a moment: warnings, breaches, escalations."""
        while True:
            ripe: list[tuple[datetime, int, Any]] = []
            for n, clock in enumerate(self.ticket.clocks):
                if clock.due_at is not None and clock.breached_at is None:
                    if clock.warn_at is not None and clock.warned_at is None:
                        ripe.append((clock.warn_at, n, clock))
                    else:
                        ripe.append((clock.due_at, n, clock))
            first = min(ripe, default=None)
            if first is None or first[0] > until:
                return
            at = min(until, first[0] + timedelta(seconds=self.rng.randrange(60)))
            self._tell_one(first[2], at)

    def _tell_one(self, clock: Any, at: datetime) -> None:
        terms = queries.terms(clock.terms_id)
        due_at = clock.due_at.isoformat()
        details = {"clock": clock.id, "target": clock.target.value, "due_at": due_at}
        if clock.warn_at is not None and clock.warned_at is None:
            clock.warned_at = at
            text = f"{clock.target.label} is due soon"
            self.event(EventKind.SLA_WARNED, SLA, at, new=text, details=details)
            return
        clock.breached_at, clock.state, clock.warn_at = at, ClockState.BREACHED, None
        by = System(f"SLA policy {terms.policy}")
        text = f"{clock.target.label} is overdue"
        self.event(EventKind.SLA_BREACHED, by, at, new=text, details=details)
        clocks.follow(self.ticket)
        taken = []
        for step in terms.escalations:
            if step.target not in (None, clock.target):
                continue
            priority = self.ticket.priority
            if step.kind == "add_tag" and step.value not in self.tags:
                self._retag(self.tags | {step.value}, by, at)
                taken.append(f"tag {step.value} added")
            elif step.kind == "raise_priority" and priority is not Priority.CRITICAL:
                higher = Priority.of_rank(priority.rank - 1)
                words = {"old": priority.label, "new": higher.label}
                self.ticket.priority, self.ticket.priority_is_computed = higher, False
                self.event(EventKind.PRIORITY, by, at, field="priority", **words)
                taken.append(f"priority raised to {higher.label}")
        if taken:
            text = f"Escalated: {', '.join(taken)}"
            self.event(EventKind.ESCALATED, by, at, new=text, details=details)

    def write(self) -> None:
        """Put the rows into the world's tables."""
        ticket, tables, world = self.ticket, self.world.tables, self.world
        tables["ticket"].append({name: getattr(ticket, name) for name in TICKET_COLUMNS})
        tables["ticket_event"] += self.events
        tables["sla_clock"] += [
            {name: getattr(clock, name) for name in CLOCK_COLUMNS} for clock in ticket.clocks
        ]
        for name in sorted(self.tags):
            line = {"ticket_id": ticket.id, "tag_id": world.tags[name]}
            tables["ticket_tag"].append(line)
        colleagues = world.colleagues[self.customer.organization_id]
        follower = world.rng.choice(colleagues)
        in_company = self.customer.organization_id is not None and follower != self.customer.id
        if in_company and world.rng.random() < 0.08:
            tables["participant"].append(
                {"ticket_id": ticket.id, "person_id": follower, "created_at": ticket.updated_at}
            )
        if ticket.source is Source.EMAIL:
            message_id = f"{world.rng.getrandbits(96):024x}@mail.example"
            tables["ticket_message_id"].append(
                {"message_id": message_id, "ticket_id": ticket.id, "created_at": ticket.created_at}
            )
        if world.now - ticket.created_at < DECISION_DAYS:
            tables["decision_record"] += [
                decisions.explain(ticket.id, *decision, now=ticket.created_at)
                for decision in self.why
            ]
