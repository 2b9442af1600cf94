"""Saved views: made of the queue's filters, changed, put in order, deleted."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import parse_qsl

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from wtforms import HiddenField, SelectChoice, SelectField, StringField
from wtforms.validators import DataRequired, Length

from app.accounts import directory
from app.accounts.access import agent_required, current_person
from app.accounts.directory import zone_of
from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, DomainError, NotFound
from app.core.paging import MOST_ID
from app.desk.ticket_routes import bp
from app.desk.toolbar import NEW_VIEW, QUEUE, SORTS, covered, in_words
from app.search import counts
from app.tickets import views
from app.tickets.catalog_models import View
from app.tickets.filters import TicketFilters, from_query, from_view
from app.web.forms import BaseForm, ChecksField, one_line, stripped
from app.web.ordering import asked_order

LIST = "/desk/views"
ID = f"<int(max={MOST_ID}):view_id>"
LISTS = {"own": "Mine", "team": "The team's"}
FILTERS = {field.name for field in fields(TicketFilters)} - {"limit", "page", "cursor"}
LONGEST_QUERY = 100_000  # characters: more than the longest lists have


class ViewForm(BaseForm):
    """A saved view. ``query`` carries all filters, of which the ticked ones are kept."""

    name = StringField(
        "Name",
        [
            DataRequired("Give it a name."),
            Length(max=60, message="At most 60 characters."),
            one_line,
        ],
        filters=[stripped],
        render_kw={"maxlength": 60},
    )
    audience = SelectField("For", default=views.MINE)
    sort = SelectField("Order")
    query = HiddenField()
    filters = ChecksField("Shows tickets with")  # type: ignore[no-untyped-call]

    @classmethod
    def of(
        cls, person: Person, asked: TicketFilters | None, *, name: str = "", audience: str = ""
    ) -> ViewForm:
        """The form for what *asked* names; None: for what was sent.

        A sent filter that names something gone meanwhile is left out, and refused as a choice.
        """
        if asked is None:
            form = cls()
            asked = from_view(_lists(form.query.data or ""), limit=TicketFilters().limit)
            form.query.data = asked.to_query()
        else:
            ticked = [chip for chip, _ in in_words(asked, person)]
            data = {"name": name, "audience": audience or views.MINE, "filters": ticked}
            data |= {"sort": _order(asked), "query": asked.to_query()}
            form = cls(formdata=None, data=data)
        form.asked = asked
        form.filters.choices = [SelectChoice(*pair) for pair in in_words(form.asked, person)]
        form.sort.choices = _orders(form.asked)
        form.audience.choices = _audiences(person)
        return form

    asked: TicketFilters

    @property
    def chosen(self) -> TicketFilters:
        """What is to be saved."""
        sort, order = self.sort.data.split()
        left = TicketFilters(sort=sort, order=order)
        kept = [name for chip in self.filters.data or () for name in covered(chip)]
        return replace(left, **{name: getattr(self.asked, name) for name in kept})


@dataclass(frozen=True, slots=True)
class ViewRow:
    """A row of the list of views; ``path`` leads to its tickets, "" where the rail lacks it."""

    id: int
    name: str
    path: str
    change_path: str
    text: str
    audience: str


@bp.get(LIST)
@agent_required
def list_views() -> ResponseReturnValue:
    """All that one has, and for supervisors all that are shared."""
    person = current_person()
    shown = {view.key for view in counts.rail_counts(person).views}
    own: list[ViewRow] = []
    team: list[ViewRow] = []
    for row in db.session.execute(views.kept_by(person)):
        (own if row.owner_id else team).append(_row(row, person, shown))
    lists = [("own", own, len(own) > 1), ("team", team, len(team) > 1 and person.is_supervisor)]
    return render_template(
        "desk/views.html",
        lists=[(key, LISTS[key], rows, is_ordered) for key, rows, is_ordered in lists if rows],
        is_supervisor=person.is_supervisor,
    )


@bp.get(NEW_VIEW)
@agent_required
def new_view() -> ResponseReturnValue:
    """The form for the list that was looked at."""
    person = current_person()
    view = counts.view_of(request.args.get("view", ""), person)
    return _page(ViewForm.of(person, _asked(view.filters if view else None, person)), None)


@bp.post(NEW_VIEW)
@agent_required
def create_view() -> ResponseReturnValue:
    """Save it."""
    return _save(None)


@bp.get(f"{LIST}/{ID}")
@agent_required
def edit_view(view_id: int) -> ResponseReturnValue:
    """Its form, with the filters of the list that was looked at."""
    person = current_person()
    view = views.get(view_id, to_change=person)
    asked = _asked(from_view(view.filters, limit=counts.ROWS), person)
    form = ViewForm.of(person, asked, name=view.name, audience=views.audience(view))
    return _page(form, view)


@bp.post(f"{LIST}/{ID}")
@agent_required
def change_view(view_id: int) -> ResponseReturnValue:
    """Change it; if it is gone, what was typed can be saved as a new one."""
    person = current_person()
    try:
        view = views.get(view_id, to_change=person)
    except NotFound as error:
        form = ViewForm.of(person, None)
        form.take(Conflict(f"{error.message} “Save” makes a new one of this."))
        return _page(form, None, status=error.status)
    return _save(view)


@bp.get(f"{LIST}/{ID}/deletion")
@agent_required
def ask_to_delete_view(view_id: int) -> ResponseReturnValue:
    """Is it meant?"""
    return render_template(
        "desk/view_deletion.html", view=views.get(view_id, to_change=current_person())
    )


@bp.post(f"{LIST}/{ID}/deletion")
@agent_required
def delete_view(view_id: int) -> ResponseReturnValue:
    """Delete it."""
    person = current_person()
    view = views.get(view_id, to_change=person)
    name = view.name
    views.delete(view, by=person, now=utcnow())
    db.session.commit()
    flash(f"{name} is deleted.", "success")
    return redirect(LIST, 303)


@bp.post(f"{LIST}/order/<any(own, team):whose>")
@agent_required
def order_views(whose: str) -> ResponseReturnValue:
    """Move one up or down by its button, or put all in the order in which they were dragged."""
    person = current_person()
    is_own = whose == "own"
    ids = asked_order(views.ids_in_order(own_of=person if is_own else None))
    try:
        views.put_in_order(ids, own=is_own, by=person, now=utcnow())
        db.session.commit()
    except Conflict as error:  # the list itself is the answer
        db.session.rollback()
        flash(error.message, "error")
    return redirect(LIST, 303)


def _save(view: View | None) -> ResponseReturnValue:
    person = current_person()
    form = ViewForm.of(person, None)
    view_id = view.id if view else None
    if not form.validate_on_submit():
        return _page(form, view, status=422)
    try:
        saved = views.save(
            view,
            name=form.name.data or "",
            audience=form.audience.data,
            filters=form.chosen,
            by=person,
            now=utcnow(),
        )
        db.session.commit()
    except DomainError as error:
        db.session.rollback()
        form.take(error)
        return _page(form, view_id and views.get(view_id, to_change=person), status=422)
    flash(f"{saved.name} is saved.", "success")
    is_seen = counts.view_of(views.key(saved.id), person) is not None
    return redirect(f"{QUEUE}?view={views.key(saved.id)}" if is_seen else LIST, 303)


def _lists(query: str) -> dict[str, list[str]]:
    """A query string as `from_view` takes it: the values of each filter.

    Of others there may be hundreds of thousands, and each is looked at while nobody else writes.
    """
    found = MultiDict(parse_qsl(query[:LONGEST_QUERY]))
    return {name: found.getlist(name) for name in FILTERS if name in found}


def _page(form: ViewForm, view: Any, *, status: int = 200) -> ResponseReturnValue:
    action = views.path(view.id) if view else NEW_VIEW
    page = render_template("desk/view.html", form=form, view=view, action=action)
    return page, status


def _asked(base: TicketFilters | None, person: Person) -> TicketFilters:
    """The filters of the address, over those of the view that was looked at."""
    found = from_query(request.args, base=base, zone=zone_of(person), limit=counts.ROWS)
    return replace(found, page=1, cursor="", limit=TicketFilters().limit)


def _row(row: Any, person: Person, shown: set[str]) -> ViewRow:
    key = views.key(row.id)
    filters = from_view(row.filters, limit=counts.ROWS)
    group = directory.groups().get(row.group_id or 0)
    return ViewRow(
        id=row.id,
        name=row.name,
        path=f"{QUEUE}?view={key}" if key in shown else "",
        change_path=views.path(row.id) if views.may_change(row, person) else "",
        text=" · ".join([words for _, words in in_words(filters, person)] or ["All tickets"]),
        audience="" if row.owner_id else group.name if group else "Everybody",
    )


def _audiences(person: Person) -> list[SelectChoice]:
    found = [SelectChoice(views.MINE, "Me alone")]
    if person.is_supervisor:
        found.append(SelectChoice(views.EVERYBODY, "Everybody"))
        groups = directory.groups().values()
        found += [SelectChoice(str(card.id), f"The group {card.name}") for card in groups]
    return found


def _order(filters: TicketFilters) -> str:
    return f"{filters.sort} {filters.order}"


def _orders(filters: TicketFilters) -> list[SelectChoice]:
    """Those of the queue, and the one there is, which may have come by an address."""
    found = {f"{sort} {order}": label for label, sort, order in SORTS}
    own = {_order(filters): "As the list is now"}
    return [SelectChoice(value, label) for value, label in (own | found).items()]
