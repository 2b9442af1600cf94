"""One change to several tickets that were ticked in a list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from wtforms import SelectChoice, SelectField, StringField
from wtforms.validators import Length

from app.accounts import directory
from app.accounts.access import agent_required, current_person, hidden_group_ids
from app.accounts.models import Group, Person
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import DomainError, Invalid
from app.desk.ticket_routes import bp
from app.desk.toolbar import QUEUE
from app.routing import assignment
from app.tickets import lifecycle, properties, timeline
from app.tickets.models import Ticket
from app.tickets.queries import NUMBER, get_visible, visible_to
from app.tickets.words import Priority, Status
from app.web.forms import BaseForm, one_line

MOST = 100
REFUSED = "What is listed here is not changed, and says why."
KEEP, NOBODY = "", "none"
AS_IT_IS = SelectChoice(KEEP, "Leave it as it is")


def _tags(label: str, hint: str) -> StringField:
    checks = [Length(max=500, message="At most 500 characters."), one_line]
    return StringField(label, checks, description=hint, filters=[_named])


def _named(text: Any) -> Any:
    """A filter: without white space and commas around, so that commas alone name nothing."""
    return text.strip(", \t") if isinstance(text, str) else text


class BulkForm(BaseForm):
    """What changes on each of the tickets; a field that is left alone changes nothing."""

    status = SelectField(
        "Status", choices=[AS_IT_IS, *(SelectChoice(s.value, s.label) for s in Status)]
    )
    priority = SelectField(
        "Priority", choices=[AS_IT_IS, *(SelectChoice(p.value, p.label) for p in Priority)]
    )
    assignee = SelectField("Assignee")
    group = SelectField("Group")
    add_tags = _tags("Add tags", "With commas between.")
    remove_tags = _tags("Take tags away", "With commas between.")

    @classmethod
    def of(cls, person: Person, **options: Any) -> BulkForm:
        """The form with the people and groups that *person* may choose."""
        form = cls(**options)
        agents = [card for card in directory.agents().values() if card.is_active]
        agents.sort(key=lambda card: card.id != person.id)
        hidden = hidden_group_ids(person)
        form.assignee.choices = [AS_IT_IS, SelectChoice(NOBODY, "Nobody")] + [
            SelectChoice(str(card.id), f"{card.name} (me)" if card.id == person.id else card.name)
            for card in agents
        ]
        form.group.choices = [AS_IT_IS, SelectChoice(NOBODY, "No group")] + [
            SelectChoice(str(card.id), card.name)
            for card in directory.groups().values()
            if card.id not in hidden
        ]
        return form

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be changed."""
        return not any(field.data for field in self if field.name != "csrf_token")


@dataclass(frozen=True, slots=True)
class Picked:
    """A ticket that was ticked; ``seen`` goes with the form, and says which version it shows."""

    number: str
    subject: str
    status: Status
    version: int
    problem: str = ""

    @property
    def seen(self) -> str:
        """As `_wanted` reads it."""
        return f"{self.number} {self.version}"


@bp.get("/desk/changes")
@agent_required
def ask_to_change() -> ResponseReturnValue:
    """What to change of them."""
    person = current_person()
    try:
        tickets = _picked(_wanted(), person)
    except Invalid as error:
        flash(error.message, "error")
        return redirect(_back(), 303)
    return _page(BulkForm.of(person, formdata=None), tickets)


@bp.post("/desk/changes")
@agent_required
def change_several() -> ResponseReturnValue:
    """Change each by itself: one that cannot be changed does not hold up the others."""
    person = current_person()
    form, wanted = BulkForm.of(person), _wanted()
    if not form.validate_on_submit():
        return _page(form, _picked(wanted, person), status=422)
    if form.is_empty:
        form.problem = "Choose what to change."
        return _page(form, _picked(wanted, person), status=422)
    refused: dict[str, str] = {}
    warning = ""  # of one agent, who has more with each ticket: the last one counts
    for number, version in wanted.items():
        begin_write()
        try:
            said = _change(form, number, version, by=person)
            db.session.commit()
            warning = said or warning
        except DomainError as error:
            db.session.rollback()
            refused[number] = error.message
    left = _picked(refused, person, refused)
    told = f"{_told(len(wanted) - len(refused), len(refused) - len(left))} {warning}".strip()
    if not left:
        flash(told, "error" if refused else "success")
        return redirect(_back(), 303)
    form.problem = f"{told} {REFUSED}".lstrip()
    return _page(form, left, status=409)


def _told(done: int, gone: int) -> str:
    """What became of those that the page does not list (any more); "" where it lists all."""
    found = []
    if done:
        found.append("1 ticket is changed." if done == 1 else f"{done} tickets are changed.")
    if gone:
        what = "1 ticket is" if gone == 1 else f"{gone} tickets are"
        found.append(f"{what} gone, or not for you.")
    return " ".join(found)


def _change(form: BulkForm, number: str, version: int, *, by: Person) -> str:
    """The status comes last, so that assigning does not change it once more.

    Returns:
        What whoever assigns should know, or "".
    """
    ticket, now = get_visible(number, to=by, lock=True), utcnow()
    agent: Any = _chosen(Person, form.assignee.data)
    group: Any = _chosen(Group, form.group.data)
    priority = Priority(form.priority.data) if form.priority.data else None
    status = Status(form.status.data) if form.status.data else None
    chosen = {
        "assignee": ... if agent is ... else agent.display_name if agent else "",
        "group": ... if group is ... else group.name if group else "",
        "priority": priority.label if priority else ...,
        "status": status.label if status else ...,
    }
    for field, words in chosen.items():
        if words is not ...:
            timeline.refuse_stale(ticket, field, version=version or None, chosen=words)
    warning = ""
    if (agent, group) != (..., ...):
        warning = assignment.assign(ticket, agent=agent, group=group, by=by, now=now)
    if priority:
        properties.change_priority(ticket, priority, by=by, now=now)
    _change_tags(ticket, _names(form.add_tags.data), _names(form.remove_tags.data), by=by)
    if status and ticket.status is not status:
        lifecycle.change_status(ticket, status, by=by, now=now)
    return warning


def _change_tags(ticket: Ticket, added: set[str], removed: set[str], *, by: Person) -> None:
    if added or removed:
        names = ({tag.name for tag in ticket.tags} | added) - removed
        properties.change_tags(ticket, names, by=by, now=utcnow())


def _names(text: str | None) -> set[str]:
    return set(properties.clean_tags((text or "").split(",")))


def _chosen(model: type[Any], value: str) -> Any:
    """The row of an id, None for nobody, ``...`` where it stays."""
    if value == KEEP:
        return ...
    return None if value == NOBODY else db.session.get(model, int(value))


def _wanted() -> dict[str, int]:
    """Versions by number, of what was ticked ("TKT-…": 0, unknown) or the form shows.

    Raises:
        Invalid: nothing was, or too much.
    """
    found: dict[str, int] = {}
    for text in request.values.getlist("ticket"):
        number, _, version = text.partition(" ")
        is_version = version.isascii() and version.isdigit() and len(version) < 10
        if NUMBER.fullmatch(number) and (not version or is_version):
            found[number.upper()] = int(version or 0)
    if not found:
        raise Invalid("Tick the tickets in the list first.")
    if len(found) > MOST:
        raise Invalid(f"At most {MOST} tickets at once.")
    return found


def _picked(
    numbers: Iterable[str], person: Person, problems: dict[str, str] | None = None
) -> list[Picked]:
    """Those that *person* may see, as they are now; one statement."""
    rows = sa.select(Ticket.number, Ticket.subject, Ticket.status, Ticket.version)
    rows = rows.where(Ticket.number.in_(list(numbers)), visible_to(person))
    rows = rows.where(Ticket.deleted_at.is_(None)).order_by(Ticket.id)
    found = problems or {}
    return [Picked(*row, problem=found.get(row.number, "")) for row in db.session.execute(rows)]


def _page(form: BulkForm, tickets: list[Picked], *, status: int = 200) -> ResponseReturnValue:
    count = {0: "tickets", 1: "1 ticket"}.get(len(tickets), f"{len(tickets)} tickets")
    page = render_template("desk/bulk.html", form=form, tickets=tickets, count=count, back=_back())
    return page, status


def _back() -> str:
    """The list that they were ticked in: a page of the desk, never another site."""
    wanted = request.values.get("back", "")
    is_own = wanted.startswith("/desk/") and wanted.isprintable() and "\\" not in wanted
    return wanted if is_own else QUEUE
