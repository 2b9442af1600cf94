"""Which agent and group the assignment rules give a ticket to: pure, and told rule by rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.accounts.directory import GroupCard
from app.accounts.models import Distribution, Presence
from app.core.cache import reference
from app.core.db import db
from app.routing.models import AssignmentRule, RuleKind
from app.tickets.catalog import CategoryCard
from app.tickets.words import AssignmentMethod

MOST_NAMES = 20  # as many names are told in one line; more are counted
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RuleCard:
    """An active assignment rule; see `AssignmentRule`."""

    id: int
    name: str
    category_id: int
    subcategory_id: int | None
    kind: RuleKind
    agent_id: int | None
    group_id: int | None

    @property
    def label(self) -> str:
        """How people know it."""
        return f"Rule “{self.name}”" if self.name else f"Rule {self.id}"


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent at this moment: who they are, and whether they can take one more ticket.

    Attributes:
        load: tickets assigned to them in new, open or in progress.
        hindrance: why nothing can be given to them ("is away"), "" if it can.
    """

    id: int
    name: str
    load: int
    limit: int
    last_assigned_at: datetime
    skill_ids: frozenset[int]
    hindrance: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that rules ask about, as it is at this moment."""

    rules: Sequence[RuleCard]
    agents: Mapping[int, Agent]
    groups: Mapping[int, GroupCard]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The ticket: what it is about, the group that it is in already, and who gave it up."""

    category: CategoryCard
    subcategory_id: int | None = None
    group_id: int | None = None
    exclude: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Choice:
    """Who gets a ticket. Without an agent it waits, in its group if it has one.

    Attributes:
        rule_id: the rule that chose, or that named the group.
        summary, explanation: for the Why tab: the result, then each rule and the candidates.
        turn_at: what `take` notes as the agent's last assignment; later than anyone's before.
    """

    agent_id: int | None
    group_id: int | None
    method: AssignmentMethod
    rule_id: int | None
    summary: str
    explanation: list[dict[str, Any]] = field(default_factory=list)
    turn_at: datetime = NEVER


def hindrance(
    presence: Presence, *, idle_since: datetime, active_at: datetime | None, load: int, limit: int
) -> str:
    """Why an agent cannot take a ticket now ("is away"), "" if they can."""
    if presence is not Presence.ONLINE:
        return f"is {presence.value}"
    if active_at is not None and active_at < idle_since:
        return "is away"  # the sweep that writes it down has not come by yet
    return "" if load < limit else f"has {load} of {limit} tickets"


def decide(desk: Desk, wanted: Wanted, *, now: datetime) -> Choice:
    """Ask the rules in their order; where none named a group, it is everybody's turn.

    The first matching rule that names a group fixes the group: from then on only its members are
    candidates, whatever a rule says. A `group` rule for a group that takes its tickets by hand is
    the last word.
    """
    asking = _Asking(desk, wanted, desk.groups.get(wanted.group_id or 0))
    for rule in desk.rules:
        if rule.category_id != wanted.category.id:
            asking.others.append(rule)
            continue
        reason = asking.mismatch(rule)
        if reason:
            asking.tell(rule, "missed", reason)
            continue
        if asking.group is None and rule.group_id is not None:
            asking.group, asking.namer = desk.groups[rule.group_id], rule
        agent, reason = asking.ask(rule)
        if agent is not None:
            asking.tell(rule, "hit", f"chose {agent.name}")
            return asking.choice(agent, rule, now)
        if rule.kind is RuleKind.GROUP and asking.distribution is Distribution.NONE:
            asking.tell(rule, "hit", reason)
            return asking.choice(None, rule, now)
        asking.tell(rule, "missed", reason)
    agent = _by(asking.distribution, asking.free())
    return asking.choice(agent, None if agent else asking.namer, now)


@dataclass(slots=True)
class _Asking:
    """What is known so far while the rules are asked."""

    desk: Desk
    wanted: Wanted
    group: GroupCard | None
    namer: RuleCard | None = None  # the rule that fixed the group
    told: list[dict[str, Any]] = field(default_factory=list)
    others: list[RuleCard] = field(default_factory=list)

    @property
    def distribution(self) -> Distribution:
        """How the group gives its tickets to its members; everybody takes turns."""
        return self.group.distribution if self.group else Distribution.ROUND_ROBIN

    @property
    def place(self) -> str:
        return f" in {self.group.name}" if self.group else ""

    def members(self) -> Iterable[Agent]:
        if self.group is None:
            return self.desk.agents.values()
        agents = self.desk.agents
        return [agents[i] for i in self.group.member_ids if i in agents]

    def free(self) -> list[Agent]:
        """The candidates."""
        exclude = self.wanted.exclude
        return [a for a in self.members() if not a.hindrance and a.id not in exclude]

    def mismatch(self, rule: RuleCard) -> str:
        """Which condition of a rule for this category the ticket fails, in words; "" if none."""
        category, subcategory_id = self.wanted.category, self.wanted.subcategory_id
        names = {sub.id: sub.name for sub in category.subcategories}
        if rule.subcategory_id is None:
            if any(other.subcategory_id == subcategory_id for other in self._finer_rules()):
                return f"{names.get(subcategory_id or 0, 'the subcategory')} has rules of its own"
        elif rule.subcategory_id != subcategory_id:
            return f"is for {names.get(rule.subcategory_id, 'another subcategory')}"
        if rule.kind is RuleKind.SKILL_BASED and not needed_skills(self.wanted):
            return f"{category.name} needs no skill"
        named = self.desk.groups.get(rule.group_id or 0)
        if rule.group_id is not None and named is None:
            return "its group is gone"
        if named is not None and self.group is not None and named.id != self.group.id:
            return f"names {named.name}, the ticket is in {self.group.name}"
        return ""

    def _finer_rules(self) -> Iterable[RuleCard]:
        return (rule for rule in self.desk.rules if rule.subcategory_id is not None)

    def ask(self, rule: RuleCard) -> tuple[Agent | None, str]:
        """The agent whom a matching rule picks, or why it picks nobody."""
        free = self.free()
        nobody = f"nobody{self.place} can take it now"
        match rule.kind:
            case RuleKind.SPECIFIC_AGENT:
                named = next((agent for agent in free if agent.id == rule.agent_id), None)
                return named, "" if named else self._why_not(rule.agent_id)
            case RuleKind.GROUP:
                if self.group and self.group.distribution is Distribution.NONE:
                    return None, f"{self.group.name} takes its tickets by hand"
                return _by(self.distribution, free), nobody
            case RuleKind.SKILL_BASED:
                needed = needed_skills(self.wanted)
                able = [agent for agent in free if agent.skill_ids & needed]
                reason = f"nobody{self.place} with a needed skill can take it now"
                return _by(Distribution.LEAST_BUSY, able), reason
            case RuleKind.LEAST_BUSY:
                return _by(Distribution.LEAST_BUSY, free), nobody
            case RuleKind.ROUND_ROBIN:
                return _by(Distribution.ROUND_ROBIN, free), nobody

    def _why_not(self, agent_id: int | None) -> str:
        agent = self.desk.agents.get(agent_id or 0)
        if agent is None:
            return "its agent no longer answers tickets"
        if self.group is not None and agent.id not in self.group.member_ids:
            return f"{agent.name} is no member of {self.group.name}"
        return (
            f"{agent.name} {'gave it up' if agent.id in self.wanted.exclude else agent.hindrance}"
        )

    def tell(self, rule: RuleCard, result: str, words: str) -> None:
        text = f"{rule.label}: {words}"
        self.told.append({"text": text, "result": result, "rule_id": rule.id})

    def choice(self, agent: Agent | None, rule: RuleCard | None, now: datetime) -> Choice:
        kind = rule.kind.value if rule else "group" if self.group else "round_robin"
        latest = max((a.last_assigned_at for a in self.desk.agents.values()), default=NEVER)
        return Choice(
            agent_id=agent.id if agent else None,
            group_id=self.group.id if self.group else None,
            method=AssignmentMethod(kind),
            rule_id=rule.id if rule else None,
            summary=self._summary(agent, rule),
            explanation=[*self.told, *self._others(), *self._candidates()],
            turn_at=max(now, latest + timedelta(microseconds=1)),
        )

    def _summary(self, agent: Agent | None, rule: RuleCard | None) -> str:
        """ "Ann has the fewest tickets in Support (rule “Billing”)." """
        if agent is None:
            if self.group is not None and self.distribution is Distribution.NONE:
                return f"It waits in {self.group.name} until somebody takes it."
            return f"Nobody{self.place} could take it."
        by_load = f"has the fewest tickets{self.place}"
        by_turn = f"is next in turn{self.place}"
        how = by_load if self.distribution is Distribution.LEAST_BUSY else by_turn
        if rule is None:
            why = f"{self.group.name} hands out its tickets" if self.group else "no rule chose"
            return f"{agent.name} {how} ({why})."
        how = {
            RuleKind.SPECIFIC_AGENT: "is named by the rule",
            RuleKind.GROUP: how,
            RuleKind.SKILL_BASED: f"has a needed skill and the fewest tickets{self.place}",
            RuleKind.LEAST_BUSY: by_load,
            RuleKind.ROUND_ROBIN: by_turn,
        }[rule.kind]
        return f"{agent.name} {how} ({rule.label[0].lower()}{rule.label[1:]})."

    def _others(self) -> list[dict[str, Any]]:
        """One line for the rules of other categories, however many."""
        if not self.others:
            return []
        return [{"text": f"For other categories: {_listed([r.label for r in self.others])}"}]

    def _candidates(self) -> list[dict[str, Any]]:
        """Who could take it, with their load, and who could not, with the reason."""
        could, could_not = [], []
        for agent in self.members():
            if agent.id in self.wanted.exclude:
                could_not.append(f"{agent.name} gave it up")
            elif agent.hindrance:
                could_not.append(f"{agent.name} {agent.hindrance}")
            else:
                could.append(f"{agent.name} ({agent.load} of {agent.limit})")
        lines = [{"text": f"Candidates: {_listed(could) or 'nobody'}"}]
        return [*lines, {"text": f"No candidates: {_listed(could_not)}"}] if could_not else lines


def needed_skills(wanted: Wanted) -> frozenset[int]:
    """Skills of the category and the subcategory; any one of them will do."""
    own = (s.skill_ids for s in wanted.category.subcategories if s.id == wanted.subcategory_id)
    return wanted.category.skill_ids.union(*own)


def _by(distribution: Distribution, free: list[Agent]) -> Agent | None:
    """Whoever was assigned longest ago, or whoever has least; ties by longest ago, then id."""
    match distribution:
        case Distribution.ROUND_ROBIN:
            return min(free, key=lambda a: (a.last_assigned_at, a.id), default=None)
        case Distribution.LEAST_BUSY:
            return min(free, key=lambda a: (a.load, a.last_assigned_at, a.id), default=None)
        case Distribution.NONE:
            return None


def _listed(names: list[str]) -> str:
    """ "Ann, Bob and 3 more"."""
    shown = ", ".join(names[:MOST_NAMES])
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown


def active_rules() -> tuple[RuleCard, ...]:
    """The active rules in the order in which they are asked; cached."""
    return reference("assignment_rules", _load_rules)


def _load_rules() -> tuple[RuleCard, ...]:
    rows = db.session.scalars(
        sa.select(AssignmentRule)
        .where(AssignmentRule.is_active)
        .order_by(AssignmentRule.position.desc(), AssignmentRule.id)
    )
    return tuple(
        RuleCard(
            row.id,
            row.name,
            row.category_id,
            row.subcategory_id,
            row.kind,
            row.agent_id,
            row.group_id,
        )
        for row in rows
    )
