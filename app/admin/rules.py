"""Assignment rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from wtforms import RadioField, SelectField

from app.accounts import directory
from app.accounts.access import supervisor_required
from app.accounts.models import Person
from app.admin.forms import AdminForm, Choices, line, optional_id, options, tick
from app.admin.resource import ListRow, Query, Resource
from app.admin.teams import agent_choices
from app.routing import ruling
from app.routing.models import AssignmentRule, RuleKind
from app.tickets import catalog


class RuleForm(AdminForm):
    """An assignment rule."""

    name = line("Name", "The Why tab of a ticket names the rule by it.", needed=False)
    about = SelectField(
        "For tickets about",
        description="A rule for a category also serves its subcategories that have none.",
    )
    kind = RadioField(
        "Gives them to",
        choices=options(ruling.KINDS.items()),
        default=RuleKind.GROUP.value,
    )
    agent = SelectField("Agent", default="", description="For “One agent” alone.")
    group = SelectField(
        "Group",
        default="",
        description="The first rule that names a group fixes it: only members get it.",
    )
    is_active = tick("In use", "Else it is not asked.")


def group_choices(first: str) -> Choices:
    """Every group by name; *first* is the choice of none."""
    groups = directory.groups().values()
    return options([("", first), *((group.id, group.name) for group in groups)])


def _about_choices() -> Choices:
    """Every category, each followed by its subcategories, as "category-subcategory"."""
    found = []
    for card in catalog.categories().values():
        found.append((f"{card.id}-", card.name))
        found += [(f"{card.id}-{s.id}", f"{card.name}, {s.name}") for s in card.subcategories]
    return options(found)


def _found(words: str) -> Query:
    found = sa.select(
        AssignmentRule.id,
        AssignmentRule.name,
        AssignmentRule.category_id,
        AssignmentRule.subcategory_id,
        AssignmentRule.kind,
        AssignmentRule.agent_id,
        AssignmentRule.group_id,
        AssignmentRule.is_active,
    )
    if words:
        found = found.where(
            sa.or_(
                AssignmentRule.name.icontains(words, autoescape=True),
                AssignmentRule.category_id.in_(catalog.named_like(words)),
            )
        )
    return found.order_by(AssignmentRule.position.desc(), AssignmentRule.id)


def _row(row: Any) -> ListRow:
    about = catalog.category_words(row.category_id, row.subcategory_id)
    agent = directory.agents().get(row.agent_id or 0)
    group = directory.groups().get(row.group_id or 0)
    target = " in ".join(card.name for card in (agent, group) if card)
    kind = ruling.KINDS[row.kind]
    return ListRow(
        row.id,
        row.name or about,
        f"{about}: {kind[0].lower()}{kind[1:]}",
        () if row.is_active else ("Not in use",),
        target,
    )


def _form(rule: AssignmentRule | None) -> RuleForm:
    form = RuleForm(
        data={
            "name": rule.name,
            "about": f"{rule.category_id}-{rule.subcategory_id or ''}",
            "kind": rule.kind.value,
            "agent": str(rule.agent_id or ""),
            "group": str(rule.group_id or ""),
            "is_active": rule.is_active,
        }
        if rule
        else {"is_active": True}
    )
    form.about.choices = _about_choices()
    also = (rule.agent_id,) if rule and rule.agent_id else ()
    form.agent.choices = options([("", "Nobody")]) + agent_choices(also=also)
    form.group.choices = group_choices("No group")
    return form


def _save(rule: AssignmentRule | None, form: RuleForm, by: Person, now: datetime) -> AssignmentRule:
    category_id, _, subcategory_id = form.about.data.partition("-")
    return ruling.save_rule(
        rule,
        name=form.name.data or "",
        category_id=int(category_id),
        subcategory_id=optional_id(subcategory_id),
        kind=RuleKind(form.kind.data),
        agent_id=optional_id(form.agent.data),
        group_id=optional_id(form.group.data),
        is_active=form.is_active.data,
        by=by,
        now=now,
    )


RULES = Resource(
    path="rules",
    one="assignment rule",
    many="Assignment rules",
    lead="Who gets a new ticket. Without a rule that fits, everyone takes turns.",
    order_hint="They are asked from the top; the first one that finds somebody has the say.",
    guard=supervisor_required,
    model=AssignmentRule,
    found=_found,
    row=_row,
    form=_form,
    save=_save,
    name=ruling.label,
    facts=ruling.facts,
    put_in_order=ruling.put_in_order,
    saved_notice=ruling.notice,
    is_replaceable=False,
    delete_words=lambda rule: "Tickets that have an agent or a group by it keep them.",
)
