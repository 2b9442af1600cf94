"""One kind of data that is administered: its list, its form, its order, and how it is deleted.

What differs is said once, in a `Resource`; the seven pages of each are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from wtforms import SelectField

from app.accounts.access import current_person
from app.accounts.models import Person
from app.admin import replacing
from app.admin.forms import AdminForm, Choices, options
from app.core import audit
from app.core.audit import Facts
from app.core.clock import utcnow
from app.core.db import Base, db
from app.core.errors import Conflict, DomainError, Invalid, NotFound
from app.core.jobs import Job, ring
from app.core.paging import MOST_ID, Page
from app.web.ordering import asked_order

ROWS = 25
MOST_PAGES = 400  # a list that is longer is searched
MOST_TO_ORDER = 200
ID = f"<int(max={MOST_ID}):thing_id>"

Query = sa.Select[*tuple[Any, ...]]
Guard = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class ListRow:
    """A row of a list: a linked title, words below it, and at the end."""

    id: int
    title: str
    text: str = ""
    tags: tuple[str, ...] = ()
    side: str = ""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """How one kind of data is administered.

    Attributes:
        path: of its list, behind /admin/.
        one, many: what people call it, "group" and "Groups".
        lead: what it is for, above the list.
        guard: who may (a decorator of `accounts.access`).
        found: the rows for the words that are searched; ordered.
        row: a row of *found* as the list shows it.
        form: the form, filled with a thing (None: empty).
        save: makes or changes it from a valid form. Raises DomainError.
        put_in_order: takes ids in their new order, where there is an order; *order_hint* says
            what it means.
        is_of_kind: whether a row of *model* is one of these.
        is_replaceable: deleting it may put another one in its place: each row of *found* that
            *may_replace* it.
        refuse_delete: raises DomainError where it has to stay.
        saved_notice: what to say beside "is saved".
        press: what another button of the form does (``press`` is its value); what to say then. The
            form comes back unsaved.
        template: of the form, where it is not a plain list of fields.
        beside: what else that template shows.
    """

    path: str
    one: str
    many: str
    lead: str
    guard: Guard
    model: type[Base]
    found: Callable[[str], Query]
    row: Callable[[Any], ListRow]
    form: Callable[[Any | None], AdminForm]
    save: Callable[[Any | None, Any, Person, datetime], Any]
    name: Callable[[Any], str]
    facts: Callable[[Any], Facts]
    put_in_order: Callable[..., None] | None = None
    order_hint: str = "The first one is asked first."
    is_of_kind: Callable[[Any], bool] = lambda thing: True
    is_deletable: bool = True
    is_replaceable: bool = True
    may_replace: Callable[[Any, Any], bool] = lambda thing, row: True
    refuse_delete: Callable[[Any], None] = lambda thing: None
    delete_words: Callable[[Any], str] = lambda thing: ""
    saved_notice: Callable[[Any], str] = lambda thing: ""
    press: Callable[[str, Any | None, Any], str] | None = None
    template: str = "admin/form.html"
    beside: Callable[[Any | None, Any], dict[str, Any]] = lambda thing, form: {}

    @property
    def url(self) -> str:
        """Of the list."""
        return f"/admin/{self.path}"


class DeleteForm(AdminForm):
    """What takes the place of something that is deleted."""

    instead = SelectField("Use instead")


def register(bp: Blueprint, resource: Resource) -> None:
    """Add the pages of *resource* to *bp*, whose prefix is /admin."""
    pages = _Pages(resource)
    for rule, view, method in (
        ("", pages.index, "GET"),
        ("/new", pages.new, "GET"),
        ("/new", pages.create, "POST"),
        (f"/{ID}", pages.edit, "GET"),
        (f"/{ID}", pages.change, "POST"),
        *(
            (
                (f"/{ID}/deletion", pages.ask_to_delete, "GET"),
                (f"/{ID}/deletion", pages.delete, "POST"),
            )
            if resource.is_deletable
            else ()
        ),
        *((("/order", pages.order, "POST"),) if resource.put_in_order else ()),
    ):
        name = f"{resource.path.replace('-', '_')}_{view.__name__}"
        # A bound method takes no attributes, which the guard wants to leave on its view.
        guarded = resource.guard(_function(view))
        bp.add_url_rule(f"/{resource.path}{rule}", name, guarded, methods=[method])


def remove(resource: Resource, thing: Any, new: Any | None, *, by: Person, now: datetime) -> None:
    """Delete *thing*, with *new* (None: nothing) wherever it is used, and write that down.

    Raises:
        DomainError: it has to stay, or something has to take its place.
    """
    thing_id, name, facts = thing.id, resource.name(thing), resource.facts(thing)
    resource.refuse_delete(thing)
    if resource.is_replaceable:
        replacing.delete(thing, new, by=by, now=now)
    else:
        db.session.delete(thing)
        db.session.flush()
    after = {"Replaced by": resource.name(new)} if new else {}
    before = {**facts, **after}
    audit.note(resource.one, thing_id, name, before=before, after={}, by=by, now=now)
    ring(Job.HAND_OUT)


def _function(view: Callable[..., Any]) -> Callable[..., Any]:
    def call(**arguments: Any) -> Any:
        return view(**arguments)

    call.__name__ = view.__name__
    call.__doc__ = view.__doc__
    return call


def asked_words() -> str:
    """What a list is searched for, by ``?q=``."""
    return " ".join(request.args.get("q", "").replace("\0", "").split())[:100]


def paged(query: Query, path: str) -> tuple[Sequence[Any], Page]:
    """One page of *query*, by ``?page=``; the links keep what is searched. One statement.

    Raises:
        Invalid: a page that no list has.
    """
    text = request.args.get("page", "1")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST_PAGES:
        raise Invalid("There is no such page of this list. Start from its first.")
    number = int(text)
    start = (number - 1) * ROWS
    rows = db.session.execute(query.limit(ROWS + 1).offset(start)).all()
    shown = rows[:ROWS]

    def link(to: int) -> str:
        kept = {k: v for k, v in request.args.items() if k != "page"}
        return f"{path}?{urlencode({**kept, 'page': to})}"

    words = f"{start + 1} to {start + len(shown)}" if shown else "Nothing found"
    return shown, Page(
        text=words,
        previous=link(number - 1) if number > 1 else None,
        next=link(number + 1) if len(rows) > ROWS else None,
    )


class _Pages:
    """The views of one resource."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource

    def index(self) -> ResponseReturnValue:
        """The list."""
        return self._list()

    def new(self) -> ResponseReturnValue:
        """An empty form."""
        return self._form(None, self.resource.form(None))

    def create(self) -> ResponseReturnValue:
        """Make one."""
        return self._save(None)

    def edit(self, thing_id: int) -> ResponseReturnValue:
        """Its form."""
        thing = self._thing(thing_id)
        return self._form(thing, self.resource.form(thing))

    def change(self, thing_id: int) -> ResponseReturnValue:
        """Change it."""
        return self._save(self._thing(thing_id))

    def order(self) -> ResponseReturnValue:
        """Move one up or down by its button, or put all in the order in which they were dragged."""
        resource = self.resource
        assert resource.put_in_order is not None  # noqa: S101  (no route without)
        rows = db.session.execute(resource.found("").limit(MOST_TO_ORDER)).all()
        order = asked_order([row.id for row in rows])
        try:
            resource.put_in_order(order, by=current_person(), now=utcnow())
            db.session.commit()
        except Conflict as error:  # the list itself is the answer
            db.session.rollback()
            flash(error.message, "error")
        return redirect(resource.url, 303)

    def ask_to_delete(self, thing_id: int) -> ResponseReturnValue:
        """By what it is used, and what takes its place."""
        thing = self._thing(thing_id)
        return self._deletion(thing, DeleteForm(formdata=None))

    def delete(self, thing_id: int) -> ResponseReturnValue:
        """Delete it."""
        resource = self.resource
        thing = self._thing(thing_id)
        name = resource.name(thing)
        form = DeleteForm()
        form.instead.choices = self._others(thing)
        if not form.validate_on_submit():
            return self._deletion(thing, form, status=422)
        try:
            remove(
                resource,
                thing,
                self._chosen(form.instead.data),
                by=current_person(),
                now=utcnow(),
            )
        except DomainError as error:
            db.session.rollback()
            form.take(error)
            return self._deletion(self._thing(thing_id), form, status=422)
        db.session.commit()
        flash(f"{name} is deleted.", "success")
        return redirect(resource.url, 303)

    def _save(self, thing: Any | None) -> ResponseReturnValue:
        resource = self.resource
        form = resource.form(thing)
        thing_id = thing.id if thing is not None else None
        if resource.press and "press" in request.form:
            return self._press(thing, form)
        if not form.validate_on_submit():
            return self._form(thing, form, status=422)
        try:
            saved = resource.save(thing, form, current_person(), utcnow())
            db.session.commit()
        except DomainError as error:
            db.session.rollback()
            form.take(error)
            again = None if thing_id is None else self._thing(thing_id)
            return self._form(again, form, status=422)
        notice = resource.saved_notice(saved)
        flash(f"{resource.name(saved)} is saved. {notice}".strip(), "success")
        return redirect(resource.url, 303)

    def _press(self, thing: Any | None, form: AdminForm) -> ResponseReturnValue:
        assert self.resource.press is not None  # noqa: S101  (the caller has looked)
        try:
            notice = self.resource.press(request.form["press"], thing, form)
            db.session.commit()
        except DomainError as error:
            thing_id = thing.id if thing is not None else None
            db.session.rollback()
            form.take(error)
            again = None if thing_id is None else self._thing(thing_id)
            return self._form(again, form, status=422)
        return self._form(thing, form, notice=notice)

    def _thing(self, thing_id: int) -> Any:
        thing = db.session.get(self.resource.model, thing_id)
        if thing is None or not self.resource.is_of_kind(thing):
            raise NotFound(f"This {self.resource.one} is gone.")
        return thing

    def _list(self) -> ResponseReturnValue:
        resource = self.resource
        words = asked_words()
        query = resource.found(words)
        page = None
        if resource.put_in_order and not words:  # one page: an order is seen as a whole
            rows = db.session.execute(query.limit(MOST_TO_ORDER)).all()
        else:
            rows, page = paged(query, resource.url)
        return render_template(
            "admin/list.html",
            resource=resource,
            rows=[resource.row(row) for row in rows],
            page=page,
            words=words,
            is_ordered=resource.put_in_order is not None and not words and len(rows) > 1,
        )

    def _form(
        self, thing: Any | None, form: AdminForm, *, status: int = 200, notice: str = ""
    ) -> ResponseReturnValue:
        resource = self.resource
        name = resource.name(thing) if thing is not None else ""
        page = render_template(
            resource.template,
            resource=resource,
            thing=thing,
            name=name,
            form=form,
            action=request.path,
            notice=notice,
            **resource.beside(thing, form),
        )
        return page, status

    def _deletion(self, thing: Any, form: DeleteForm, *, status: int = 200) -> ResponseReturnValue:
        resource = self.resource
        uses = replacing.uses(thing) if resource.is_replaceable else replacing.Uses("", False)
        form.instead.choices = self._others(thing, is_needed=uses.is_needed)
        page = render_template(
            "admin/delete.html",
            resource=resource,
            name=resource.name(thing),
            thing=thing,
            uses=uses,
            words=resource.delete_words(thing),
            form=form,
        )
        return page, status

    def _others(self, thing: Any, *, is_needed: bool = False) -> Choices:
        """What may take its place; where nothing may, too, that comes first."""
        if not self.resource.is_replaceable:
            return options([("", "")])
        first = ("", "Choose one" if is_needed else f"No other {self.resource.one}")
        others = db.session.execute(self.resource.found("").limit(1_000)).all()
        may = self.resource.may_replace
        rows = [r for r in others if r.id != thing.id and may(thing, r)]
        shown = (self.resource.row(row) for row in rows)
        return options([first, *((row.id, row.title) for row in shown)])

    def _chosen(self, value: str | None) -> Any | None:
        return self._thing(int(value)) if value else None
