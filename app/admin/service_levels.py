"""SLA policies: for which tickets, how soon, in which hours, and what a breach does."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from wtforms import Form, FormField, SelectField, StringField, ValidationError
from wtforms.validators import DataRequired, Length

from app.accounts import directory
from app.accounts.access import supervisor_required
from app.accounts.models import Person, Tier
from app.admin.catalog import category_choices
from app.admin.forms import AdminForm, checks, ids, line, optional_id, options, text, tick
from app.admin.resource import ListRow, Query, Resource
from app.core.db import db
from app.core.errors import DomainError, Invalid
from app.sla import editing
from app.sla.editing import LONGEST_TARGET, PolicyDraft, Step, span
from app.sla.models import Calendar, EscalationKind, SlaPolicy
from app.sla.targets import Target
from app.tickets import catalog
from app.tickets.properties import clean_tags
from app.tickets.words import Priority, Source
from app.web.forms import one_line, stripped

STEPS = editing.MOST_STEPS
SOURCES = {
    Source.WEB: "Web form",
    Source.EMAIL: "Mail",
    Source.PHONE: "Phone",
    Source.CHAT: "Chat",
    Source.API: "API",
}
UNITS = {"d": 24 * 60, "h": 60, "min": 1, "m": 1}
SPAN = re.compile(r"(\d{1,7})\s*(days?|d|hours?|h|minutes?|min|m)\b", re.IGNORECASE)


def minutes_of(words: str) -> int:
    """ "1 h 30 min" or "2 d" as minutes; a day has 24 hours of the calendar.

    Raises:
        ValueError: anything else.
    """
    rest = SPAN.sub("", words).replace(",", " ").strip()
    found = SPAN.findall(words)
    if rest or not found:
        raise ValueError(words)
    short = {"day": "d", "days": "d", "hour": "h", "hours": "h", "minute": "m", "minutes": "m"}
    return sum(int(n) * UNITS[short.get(unit.lower(), unit.lower())] for n, unit in found)


def _is_span(form: Form, field: StringField) -> None:
    if not field.data:
        return
    try:
        minutes = minutes_of(field.data)
    except ValueError:
        raise ValidationError("Write it like 4 h, 30 min or 1 h 30 min.") from None
    if not 0 < minutes <= LONGEST_TARGET:
        raise ValidationError("Between one minute and ten years.")


def _span_field(label: str, hint: str, *, needed: bool = True) -> StringField:
    first = [DataRequired("Fill this in.")] if needed else []
    return StringField(
        label, [*first, Length(max=50), one_line, _is_span], description=hint, filters=[stripped]
    )


class StepForm(Form):
    """One escalation: on which breach, what, and the tag if it is one."""

    target = SelectField("On a breach of", default="")
    what = SelectField("Do", default="")
    tag = StringField("Tag", [Length(max=60), one_line], filters=[stripped])


class PolicyForm(AdminForm):
    """An SLA policy."""

    name = line("Name")
    description = text("Description", "For your colleagues; customers never see it.", most=1_000)
    is_active = tick("In use", "Else no new ticket gets it.")
    priorities = checks("Priority")
    categories = checks("Category")
    tiers = checks("Tier of the customer")
    groups = checks("Group")
    sources = checks("Came by")
    calendar = SelectField("Calendar", default="", description="Targets count in its hours alone.")
    first_response = _span_field("First response", "Until an agent's first public reply.")
    next_response = _span_field(
        "Next response", "Until the reply to each further question; empty: none.", needed=False
    )
    resolution = _span_field("Resolution", "Until it is resolved, waiting not counted.")
    steps_problem = ""

    def take(self, error: DomainError) -> None:
        """As the base; what is wrong with the steps stands below them."""
        super().take(error)
        self.steps_problem = error.errors.get("steps", "") if isinstance(error, Invalid) else ""


# One row of fields each: a list that may grow would need a script to be added to.
for _n in range(1, STEPS + 1):
    setattr(PolicyForm, f"step_{_n}", FormField(StepForm, f"Step {_n}"))


def _found(words: str) -> Query:
    found: Query = sa.select(
        SlaPolicy.id,
        SlaPolicy.name,
        SlaPolicy.is_active,
        SlaPolicy.first_response_minutes,
        SlaPolicy.resolution_minutes,
        SlaPolicy.priorities,
        SlaPolicy.categories,
        SlaPolicy.tiers,
        SlaPolicy.groups,
        SlaPolicy.sources,
        Calendar.name.label("calendar"),
    ).join(Calendar)
    found = found.where(SlaPolicy.name.icontains(words, autoescape=True)) if words else found
    return found.order_by(SlaPolicy.position, SlaPolicy.id)


def _row(row: Any) -> ListRow:
    narrowed = [
        name
        for name in ("priorities", "categories", "tiers", "groups", "sources")
        if getattr(row, name)
    ]
    about = f"by {', '.join(narrowed)}" if narrowed else "all tickets"
    return ListRow(
        row.id,
        row.name,
        f"{about[0].upper()}{about[1:]}, in {row.calendar}",
        () if row.is_active else ("Not in use",),
        f"First response {span(row.first_response_minutes)}, "
        f"resolution {span(row.resolution_minutes)}",
    )


def _group_names() -> dict[int, str]:
    return {group.id: group.name for group in directory.groups().values()}


def _category_names() -> dict[int, str]:
    return {card.id: card.name for card in catalog.categories().values()}


def _form(policy: SlaPolicy | None) -> PolicyForm:
    form = PolicyForm(data=_data(policy) if policy else {"is_active": True})
    form.priorities.choices = options((p.value, p.label) for p in Priority)
    form.categories.choices = category_choices()
    form.tiers.choices = options((tier.value, tier.value.capitalize()) for tier in Tier)
    form.groups.choices = options(_group_names().items())
    form.sources.choices = options(SOURCES.items())
    rows = db.session.execute(sa.select(Calendar.id, Calendar.name).order_by(Calendar.name))
    form.calendar.choices = options([("", "Choose one"), *((row.id, row.name) for row in rows)])
    targets = options([("", "Any target"), *((t.value, t.label) for t in Target)])
    for step in _steps(form):
        step.target.choices = targets
        step.what.choices = _what()
    return form


def _steps(form: PolicyForm) -> list[StepForm]:
    return [form[f"step_{n}"].form for n in range(1, STEPS + 1)]


def _what() -> Any:
    raised = [p for p in Priority if p is not Priority.LOW]
    return options(
        [
            ("", "Nothing more"),
            ("raise_priority:", "Raise the priority by one"),
            *((f"raise_priority:{p.value}", f"Raise the priority to {p.label}") for p in raised),
            *((f"reassign_group:{i}", f"Move to {name}") for i, name in _group_names().items()),
            ("add_tag:", "Add the tag …"),
        ]
    )


def _data(policy: SlaPolicy) -> dict[str, Any]:
    steps = {}
    for n, step in enumerate(policy.escalations[:STEPS], start=1):
        is_tag = step.kind is EscalationKind.ADD_TAG
        steps[f"step_{n}"] = {
            "target": step.target or "",
            "what": f"{step.kind.value}:{'' if is_tag else step.value}",
            "tag": step.value if is_tag else "",
        }
    return {
        "name": policy.name,
        "description": policy.description,
        "is_active": policy.is_active,
        "priorities": policy.priorities,
        "categories": [str(i) for i in policy.categories],
        "tiers": policy.tiers,
        "groups": [str(i) for i in policy.groups],
        "sources": policy.sources,
        "calendar": str(policy.calendar_id),
        "first_response": span(policy.first_response_minutes),
        "next_response": span(policy.next_response_minutes),
        "resolution": span(policy.resolution_minutes),
        **steps,
    }


def _typed_steps(form: PolicyForm) -> tuple[Step, ...]:
    found = []
    for step in _steps(form):
        kind, _, value = (step.what.data or "").partition(":")
        if not kind:
            continue
        if kind == EscalationKind.ADD_TAG:
            value = ", ".join(clean_tags([step.tag.data or ""]))
        target = Target(step.target.data) if step.target.data else None
        found.append(Step(EscalationKind(kind), value, target))
    return tuple(found)


def _save(policy: SlaPolicy | None, form: PolicyForm, by: Person, now: datetime) -> SlaPolicy:
    next_response = form.next_response.data
    draft = PolicyDraft(
        name=form.name.data,
        description=form.description.data or "",
        is_active=form.is_active.data,
        calendar_id=optional_id(form.calendar.data),
        priorities=form.priorities.data,
        categories=ids(form.categories),
        tiers=form.tiers.data,
        groups=ids(form.groups),
        sources=form.sources.data,
        first_response_minutes=minutes_of(form.first_response.data),
        next_response_minutes=minutes_of(next_response) if next_response else None,
        resolution_minutes=minutes_of(form.resolution.data),
        steps=_typed_steps(form),
    )
    return editing.save_policy(
        policy, draft, groups=_group_names(), categories=_category_names(), by=by, now=now
    )


POLICIES = Resource(
    path="policies",
    one="SLA policy",
    many="SLA policies",
    lead="How soon a ticket is answered and resolved. Changes bind later tickets only.",
    order_hint="The first one that fits a ticket is its policy.",
    guard=supervisor_required,
    model=SlaPolicy,
    found=_found,
    row=_row,
    form=_form,
    save=_save,
    name=lambda policy: policy.name,
    facts=lambda policy: editing.policy_facts(policy, _group_names(), _category_names()),
    put_in_order=editing.put_policies_in_order,
    is_replaceable=False,
    delete_words=lambda policy: "Clocks that run by it go on as they are.",
    template="admin/policy.html",
    beside=lambda policy, form: {"steps": _steps(form)},
)
