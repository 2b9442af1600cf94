"""Macros and canned responses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from wtforms import SelectField

from app.accounts.access import supervisor_required
from app.accounts.models import Person
from app.admin.catalog import category_choices
from app.admin.forms import AdminForm, line, options, text, tick
from app.admin.resource import ListRow, Query, Resource
from app.admin.rules import group_choices
from app.admin.teams import agent_choices
from app.tickets import macros
from app.tickets.catalog_models import Macro
from app.tickets.words import Priority, Status

KEEP = ("", "Leave it as it is")
_known = ", ".join(f"{{{{ {name} }}}}" for name in macros.PLACEHOLDERS)


class MacroForm(AdminForm):
    """A macro."""

    name = line("Name", "Agents choose by it.")
    reply = text("Reply", f"Put into the composer, for the agent to read over. Filled in: {_known}")
    status = SelectField(
        "Status", default="", choices=options([KEEP, *((s.value, s.label) for s in Status)])
    )
    priority = SelectField(
        "Priority", default="", choices=options([KEEP, *((p.value, p.label) for p in Priority)])
    )
    category = SelectField("Category", default="")
    group = SelectField("Group", default="")
    assignee = SelectField("Assignee", default="")
    tags = line("Add tags", "With commas between.", most=300, needed=False)
    is_active = tick("In use", "Else no agent is offered it.")


def _found(words: str) -> Query:
    found = sa.select(Macro.id, Macro.name, Macro.reply, Macro.changes, Macro.is_active)
    if words:
        found = found.where(
            sa.or_(
                Macro.name.icontains(words, autoescape=True),
                Macro.reply.icontains(words, autoescape=True),
            )
        )
    return found.order_by(Macro.position, Macro.id)


def _row(row: Any) -> ListRow:
    card = macros.MacroCard(row.id, row.name, row.reply, row.changes)
    tags = [] if row.is_active else ["Not in use"]
    return ListRow(row.id, row.name, card.summary, (*([] if row.changes else ["Reply"]), *tags))


def _form(macro: Macro | None) -> MacroForm:
    changes = dict(macro.changes) if macro else {}
    form = MacroForm(
        data={
            "name": macro.name,
            "reply": macro.reply,
            "is_active": macro.is_active,
            **{name: str(value) for name, value in changes.items() if name != "tags"},
            "tags": ", ".join(changes.get("tags", ())),
        }
        if macro
        else {"is_active": True}
    )
    form.category.choices = options([KEEP]) + category_choices()
    form.group.choices = group_choices(KEEP[1])
    held = changes.get("assignee")
    also = (held,) if isinstance(held, int) else ()
    whoever = options([KEEP, (macros.ME, "Whoever uses the macro")])
    form.assignee.choices = whoever + agent_choices(also=also)
    return form


def _save(macro: Macro | None, form: MacroForm, by: Person, now: datetime) -> Macro:
    changes: dict[str, Any] = {
        name: form[name].data for name in ("status", "priority") if form[name].data
    }
    for name in ("category", "group", "assignee"):
        if value := form[name].data:
            changes[name] = int(value) if value.isdigit() else value
    if tags := [tag for tag in (form.tags.data or "").split(",") if tag.strip()]:
        changes["tags"] = tags
    return macros.save(
        macro,
        name=form.name.data,
        reply=form.reply.data or "",
        changes=changes,
        is_active=form.is_active.data,
        by=by,
        now=now,
    )


MACROS = Resource(
    path="macros",
    one="macro",
    many="Macros",
    lead="A reply, several changes, or both, with one click on the ticket.",
    order_hint="Agents see them in this order.",
    guard=supervisor_required,
    model=Macro,
    found=_found,
    row=_row,
    form=_form,
    save=_save,
    name=lambda macro: macro.name,
    facts=macros.facts,
    put_in_order=macros.put_in_order,
    is_replaceable=False,
    delete_words=lambda macro: "What it did on tickets stays.",
)
