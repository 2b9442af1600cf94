"""Which agent and group the rules choose, and how they tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.accounts.directory import GroupCard
from app.accounts.models import Distribution, Presence
from app.routing.models import RuleKind
from app.routing.rules import (
    MOST_NAMES,
    NEVER,
    Agent,
    Choice,
    Desk,
    RuleCard,
    Wanted,
    decide,
    hindrance,
)
from app.tickets.catalog import CategoryCard, SubcategoryCard
from app.tickets.words import AssignmentMethod

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

LINUX, OVENS = 71, 72
PRINTERS = SubcategoryCard(31, "printers", "Printers", True, frozenset())
STOVES = SubcategoryCard(32, "stoves", "Stoves", True, frozenset({OVENS}))
TECHNICAL = CategoryCard(3, "technical", "Technical", True, frozenset({LINUX}), (PRINTERS, STOVES))
BILLING = CategoryCard(5, "billing", "Billing", True, frozenset(), ())

TURNS = GroupCard(21, "Turns", False, Distribution.ROUND_ROBIN, (1, 2))
LEAST = GroupCard(22, "Least", False, Distribution.LEAST_BUSY, (1, 2))
HANDS = GroupCard(23, "Hands", True, Distribution.NONE, (1, 2))
FAR = GroupCard(24, "Far", False, Distribution.ROUND_ROBIN, (3, 99))
EMPTY = GroupCard(25, "Empty", False, Distribution.ROUND_ROBIN, ())
GROUPS = {group.id: group for group in (TURNS, LEAST, HANDS, FAR, EMPTY)}


def agent(
    n: int, *, load: int = 0, ago: int | None = None, skills: set[int] | None = None
) -> Agent:
    """Agent *n*, free, last assigned *ago* minutes ago (None: never)."""
    last = NEVER if ago is None else NOW - timedelta(minutes=ago)
    return Agent(n, "ABCDEFGH"[n - 1], load, 5, last, frozenset(skills or ()), "")


def busy(n: int, hindrance: str = "is away") -> Agent:
    """Agent *n*, who takes nothing now."""
    return Agent(n, "ABCDEFGH"[n - 1], 0, 5, NEVER, frozenset(), hindrance)


def rule(id: int, kind: RuleKind, **columns: Any) -> RuleCard:
    """A rule for the whole category Technical."""
    values: dict[str, Any] = {
        "name": f"R{id}",
        "category_id": TECHNICAL.id,
        "subcategory_id": None,
        "agent_id": None,
        "group_id": None,
    }
    return RuleCard(id=id, kind=kind, **(values | columns))


def ask(*rules: RuleCard, agents: list[Agent], wanted: Wanted | None = None) -> Choice:
    """Decide for a technical ticket, unless told otherwise."""
    desk = Desk(rules, {a.id: a for a in agents}, GROUPS)
    return decide(desk, wanted or Wanted(TECHNICAL), now=NOW)


def told(choice: Choice) -> list[tuple[str, str | None]]:
    """What the Why tab says of the rules."""
    return [(line["text"], line.get("result")) for line in choice.explanation]


# Who is chosen among those who are free


@pytest.mark.requirement("R 1-1", "R 4-3")
def test_without_rules_it_goes_round_everybody() -> None:
    choice = ask(agents=[agent(1, ago=1), agent(2, ago=9, load=4), agent(3, ago=5)])
    assert (choice.agent_id, choice.group_id, choice.method) == (
        2,
        None,
        AssignmentMethod.ROUND_ROBIN,
    )
    assert choice.summary == "B is next in turn (no rule chose)."


@pytest.mark.requirement("X2")
@pytest.mark.parametrize(
    ("agents", "chosen"),
    [
        ([agent(1, ago=1), agent(2)], 2),
        ([agent(2), agent(1)], 1),
        ([agent(2, ago=3), agent(1, ago=3)], 1),
        ([busy(1), agent(2, ago=1)], 2),
        ([busy(1)], None),
        ([], None),
    ],
    ids=[
        "never assigned first",
        "then by id",
        "equal times by id",
        "only free ones",
        "none",
        "nil",
    ],
)
def test_turns_go_to_whoever_was_assigned_longest_ago(
    agents: list[Agent], chosen: int | None
) -> None:
    assert ask(agents=agents).agent_id == chosen


@pytest.mark.requirement("R 4-2", "X8")
@pytest.mark.parametrize(
    ("agents", "chosen"),
    [
        ([agent(1, load=2), agent(2, load=1, ago=1)], 2),
        ([agent(1, load=1, ago=1), agent(2, load=1, ago=2)], 2),
        ([agent(2, load=1, ago=2), agent(1, load=1, ago=2)], 1),
    ],
    ids=["least load", "ties by longest ago", "then by id"],
)
def test_least_busy_takes_whoever_has_least(agents: list[Agent], chosen: int) -> None:
    least = rule(1, RuleKind.LEAST_BUSY, group_id=LEAST.id)
    choice = ask(least, agents=agents)
    assert (choice.agent_id, choice.method, choice.rule_id) == (
        chosen,
        AssignmentMethod.LEAST_BUSY,
        1,
    )


@pytest.mark.requirement("X2")
def test_turn_comes_after_everybodys_last_turn_even_with_a_slow_clock() -> None:
    late = NOW + timedelta(seconds=3)
    ahead = Agent(1, "A", 0, 5, late, frozenset(), "")
    choice = ask(agents=[ahead, agent(2, ago=1)])
    assert choice.agent_id == 2
    assert choice.turn_at == late + timedelta(microseconds=1)
    assert ask(agents=[agent(2, ago=1)]).turn_at == NOW


# Kinds of rules


@pytest.mark.requirement("R 4-2")
def test_specific_agent_is_taken_while_free() -> None:
    named = rule(1, RuleKind.SPECIFIC_AGENT, agent_id=2)
    choice = ask(named, agents=[agent(1), agent(2, ago=1, load=4)])
    assert (choice.agent_id, choice.method) == (2, AssignmentMethod.SPECIFIC_AGENT)
    assert choice.summary == "B is named by the rule (rule “R1”)."
    assert ("Rule “R1”: chose B", "hit") in told(choice)


@pytest.mark.requirement("R 4-1", "X7")
@pytest.mark.parametrize(
    ("two", "reason"),
    [
        (busy(2, "is busy"), "B is busy"),
        (busy(2, "has 5 of 5 tickets"), "B has 5 of 5 tickets"),
        (None, "its agent no longer answers tickets"),
    ],
)
def test_specific_agent_who_is_not_free_misses_and_the_next_rule_is_asked(
    two: Agent | None, reason: str
) -> None:
    rules = rule(1, RuleKind.SPECIFIC_AGENT, agent_id=2), rule(2, RuleKind.ROUND_ROBIN)
    agents = [agent(1), *([two] if two else [])]
    choice = ask(*rules, agents=agents)
    assert (choice.agent_id, choice.rule_id) == (1, 2)
    assert told(choice)[:2] == [
        (f"Rule “R1”: {reason}", "missed"),
        ("Rule “R2”: chose A", "hit"),
    ]


@pytest.mark.requirement("R 4-2", "R 4-6", "X7")
@pytest.mark.parametrize(
    ("group", "chosen", "words"),
    [
        (TURNS, 2, "B is next in turn in Turns (rule “R1”)."),
        (LEAST, 1, "A has the fewest tickets in Least (rule “R1”)."),
        (HANDS, None, "It waits in Hands until somebody takes it."),
    ],
)
def test_group_rule_picks_an_agent_only_if_the_group_distributes(
    group: GroupCard, chosen: int | None, words: str
) -> None:
    agents = [agent(1, ago=1, load=0), agent(2, ago=2, load=1), agent(3)]
    choice = ask(rule(1, RuleKind.GROUP, group_id=group.id), agents=agents)
    assert (choice.agent_id, choice.group_id, choice.method, choice.rule_id) == (
        chosen,
        group.id,
        AssignmentMethod.GROUP,
        1,
    )
    assert choice.summary == words


def test_group_that_works_by_hand_is_the_last_word() -> None:
    rules = rule(1, RuleKind.GROUP, group_id=HANDS.id), rule(2, RuleKind.ROUND_ROBIN)
    choice = ask(*rules, agents=[agent(1)])
    assert (choice.agent_id, choice.group_id) == (None, HANDS.id)
    assert told(choice)[0] == ("Rule “R1”: Hands takes its tickets by hand", "hit")


@pytest.mark.requirement("R 4-2", "R 4-4")
@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (Wanted(TECHNICAL), 2),
        (Wanted(TECHNICAL, PRINTERS.id), 2),
        (Wanted(TECHNICAL, STOVES.id), 3),
    ],
    ids=["of the category", "of the category for a subcategory", "any one of both"],
)
def test_skill_rule_takes_the_least_busy_with_a_needed_skill(wanted: Wanted, chosen: int) -> None:
    agents = [
        agent(1),
        agent(2, load=3, skills={LINUX}),
        agent(3, load=2, skills={OVENS}),
        agent(4, load=4, skills={LINUX, OVENS}),
    ]
    choice = ask(rule(1, RuleKind.SKILL_BASED), agents=agents, wanted=wanted)
    assert (choice.agent_id, choice.method) == (chosen, AssignmentMethod.SKILL_BASED)


@pytest.mark.requirement("R 4-4")
def test_skill_rule_misses_where_nobody_free_knows_it() -> None:
    choice = ask(rule(1, RuleKind.SKILL_BASED), agents=[agent(1)])
    assert (choice.agent_id, choice.rule_id) == (1, None)
    assert told(choice)[0] == ("Rule “R1”: nobody with a needed skill can take it now", "missed")


def test_skill_rule_for_a_category_without_skills_misses_and_names_no_group() -> None:
    skilled = rule(1, RuleKind.SKILL_BASED, category_id=BILLING.id, group_id=TURNS.id)
    choice = ask(skilled, agents=[agent(3)], wanted=Wanted(BILLING))
    assert (choice.agent_id, choice.group_id) == (3, None)
    assert told(choice)[0] == ("Rule “R1”: Billing needs no skill", "missed")


# The group


@pytest.mark.requirement("X5")
def test_first_rule_that_names_a_group_fixes_it_though_it_finds_nobody() -> None:
    rules = (
        rule(1, RuleKind.LEAST_BUSY, group_id=TURNS.id),
        rule(2, RuleKind.ROUND_ROBIN, group_id=FAR.id),
        rule(3, RuleKind.ROUND_ROBIN),
    )
    choice = ask(*rules, agents=[busy(1), busy(2), agent(3)])
    assert (choice.agent_id, choice.group_id, choice.rule_id) == (None, TURNS.id, 1)
    assert choice.method is AssignmentMethod.LEAST_BUSY
    assert choice.summary == "Nobody in Turns could take it."
    assert told(choice)[:3] == [
        ("Rule “R1”: nobody in Turns can take it now", "missed"),
        ("Rule “R2”: names Far, the ticket is in Turns", "missed"),
        ("Rule “R3”: nobody in Turns can take it now", "missed"),
    ]


@pytest.mark.requirement("X5")
def test_later_rules_choose_among_the_members_of_the_fixed_group() -> None:
    rules = (
        rule(1, RuleKind.SKILL_BASED, group_id=TURNS.id),
        rule(2, RuleKind.SPECIFIC_AGENT, agent_id=3),
        rule(3, RuleKind.ROUND_ROBIN),
    )
    choice = ask(*rules, agents=[agent(1, ago=1), agent(2, ago=2), agent(3, skills={LINUX})])
    assert (choice.agent_id, choice.group_id, choice.rule_id) == (2, TURNS.id, 3)
    assert told(choice)[1] == ("Rule “R2”: C is no member of Turns", "missed")


def test_rules_before_the_group_was_named_choose_among_all() -> None:
    rules = rule(1, RuleKind.SKILL_BASED), rule(2, RuleKind.GROUP, group_id=TURNS.id)
    choice = ask(*rules, agents=[agent(1), agent(3, skills={LINUX})])
    assert (choice.agent_id, choice.group_id) == (3, None)


def test_group_that_is_settled_already_wins_over_rules() -> None:
    rules = (rule(1, RuleKind.GROUP, group_id=FAR.id),)
    choice = ask(*rules, agents=[agent(1), agent(3)], wanted=Wanted(TECHNICAL, group_id=TURNS.id))
    assert (choice.agent_id, choice.group_id, choice.method, choice.rule_id) == (
        1,
        TURNS.id,
        AssignmentMethod.GROUP,
        None,
    )
    assert choice.summary == "A is next in turn in Turns (Turns hands out its tickets)."


def test_settled_group_that_works_by_hand_keeps_the_ticket() -> None:
    choice = ask(agents=[agent(1)], wanted=Wanted(BILLING, group_id=HANDS.id))
    assert (choice.agent_id, choice.group_id) == (None, HANDS.id)


def test_group_without_members_has_no_candidates() -> None:
    choice = ask(rule(1, RuleKind.GROUP, group_id=EMPTY.id), agents=[agent(1)])
    assert (choice.agent_id, choice.group_id) == (None, EMPTY.id)
    assert told(choice)[-1] == ("Candidates: nobody", None)


# Which rules match


@pytest.mark.requirement("X6")
def test_rule_of_a_category_serves_its_subcategories() -> None:
    choice = ask(
        rule(1, RuleKind.SPECIFIC_AGENT, agent_id=2),
        agents=[agent(1), agent(2, ago=1)],
        wanted=Wanted(TECHNICAL, PRINTERS.id),
    )
    assert choice.agent_id == 2


@pytest.mark.requirement("R 4-1", "X6")
def test_rule_of_a_category_leaves_subcategories_that_have_rules_of_their_own() -> None:
    rules = (
        rule(1, RuleKind.SPECIFIC_AGENT, agent_id=1),
        rule(2, RuleKind.SPECIFIC_AGENT, agent_id=2, subcategory_id=PRINTERS.id),
    )
    agents = [agent(1), agent(2, ago=1), agent(3, ago=9)]
    of_printers = ask(*rules, agents=agents, wanted=Wanted(TECHNICAL, PRINTERS.id))
    assert of_printers.agent_id == 2
    assert told(of_printers)[0] == ("Rule “R1”: Printers has rules of its own", "missed")
    of_stoves = ask(*rules, agents=agents, wanted=Wanted(TECHNICAL, STOVES.id))
    assert of_stoves.agent_id == 1
    assert ask(*rules, agents=agents).agent_id == 1


def test_rule_of_a_subcategory_serves_nothing_else() -> None:
    only = rule(1, RuleKind.SPECIFIC_AGENT, agent_id=2, subcategory_id=PRINTERS.id)
    choice = ask(only, agents=[agent(1), agent(2, ago=1)])
    assert choice.agent_id == 1
    assert told(choice)[0] == ("Rule “R1”: is for Printers", "missed")


def test_rules_are_asked_in_the_given_order_and_the_rest_not_at_all() -> None:
    rules = rule(7, RuleKind.ROUND_ROBIN), rule(1, RuleKind.SPECIFIC_AGENT, agent_id=2)
    choice = ask(*rules, agents=[agent(1), agent(2, ago=1)])
    assert choice.rule_id == 7
    assert [text for text, result in told(choice) if result] == ["Rule “R7”: chose A"]


def test_rules_of_other_categories_are_told_in_one_line() -> None:
    other = rule(1, RuleKind.ROUND_ROBIN, category_id=BILLING.id)
    nameless = rule(2, RuleKind.ROUND_ROBIN, category_id=BILLING.id, name="")
    choice = ask(other, nameless, agents=[agent(1)])
    assert ("For other categories: Rule “R1”, Rule 2", None) in told(choice)


# Who is free


@pytest.mark.requirement("R 4-5", "X4")
@pytest.mark.parametrize(
    ("presence", "idle_minutes", "load", "words"),
    [
        (Presence.ONLINE, 1, 4, ""),
        (Presence.ONLINE, None, 0, ""),
        (Presence.ONLINE, 1, 5, "has 5 of 5 tickets"),
        (Presence.ONLINE, 1, 6, "has 6 of 5 tickets"),
        (Presence.ONLINE, 11, 0, "is away"),
        (Presence.AWAY, 1, 0, "is away"),
        (Presence.BUSY, 1, 0, "is busy"),
        (Presence.OFFLINE, None, 0, "is offline"),
    ],
)
def test_only_agents_who_are_online_and_below_their_limit_are_free(
    presence: Presence, idle_minutes: int | None, load: int, words: str
) -> None:
    active_at = None if idle_minutes is None else NOW - timedelta(minutes=idle_minutes)
    idle_since = NOW - timedelta(minutes=10)
    found = hindrance(presence, idle_since=idle_since, active_at=active_at, load=load, limit=5)
    assert found == words


def test_a_limit_of_nothing_takes_nothing() -> None:
    found = hindrance(Presence.ONLINE, idle_since=NOW, active_at=None, load=0, limit=0)
    assert found == "has 0 of 0 tickets"


def test_whoever_gave_it_up_is_no_candidate_for_any_rule() -> None:
    rules = rule(1, RuleKind.SPECIFIC_AGENT, agent_id=1), rule(2, RuleKind.ROUND_ROBIN)
    wanted = Wanted(TECHNICAL, exclude=frozenset({1}))
    choice = ask(*rules, agents=[agent(1), agent(2, ago=1)], wanted=wanted)
    assert choice.agent_id == 2
    assert told(choice)[0] == ("Rule “R1”: A gave it up", "missed")
    alone = ask(agents=[agent(1)], wanted=wanted)
    assert alone.agent_id is None


def test_candidates_are_told_with_their_load_and_others_with_the_reason() -> None:
    choice = ask(agents=[agent(1, load=3), busy(2, "has 5 of 5 tickets"), busy(3)])
    assert told(choice) == [
        ("Candidates: A (3 of 5)", None),
        ("No candidates: B has 5 of 5 tickets, C is away", None),
    ]


def test_many_candidates_are_counted_not_all_named() -> None:
    many = [Agent(n, f"Agent {n}", 0, 5, NEVER, frozenset(), "") for n in range(1, 101)]
    text, _ = told(ask(agents=many))[0]
    assert text.endswith(f"Agent {MOST_NAMES} (0 of 5) and {100 - MOST_NAMES} more")
