"""One kind of data over the API: listed, shown, made, changed, put in order and deleted.

What differs is said once, in a `Kind`; the views of each are the same, and call the same actions
as the pages of administration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue
from marshmallow import EXCLUDE, fields, validate

from app.accounts.access import RANK
from app.accounts.models import Person, Role
from app.admin import resource
from app.admin.resource import Resource
from app.api.access import caller, token_required
from app.api.base import Schema
from app.api.idempotency import idempotent
from app.api.v1.blueprint import bp, documented, limited
from app.api.v1.schemas import Line, Text, in_part
from app.core import paging
from app.core.clock import utcnow
from app.core.db import Base, db
from app.core.errors import Forbidden, Invalid, NotFound
from app.core.paging import MOST_ID

DEEPEST_ROW = 10_000
LARGEST = 100
# Without bounds: out of them, other methods of the same path would make 405 of a 404.
ID = "<int:id>"

Data = dict[str, Any]
Query = sa.Select[Any]


class ListQuery(Schema):
    """What a list is asked for."""

    class Meta:
        """Other words in an address are nobody's harm."""

        unknown = EXCLUDE

    q = Line(
        load_default="",
        validate=validate.Length(max=200),
        metadata={"description": "Words in its name.", "example": "north"},
    )
    limit = fields.Integer(
        load_default=20,
        validate=validate.Range(1, LARGEST),
        metadata={"description": f"Rows a page, at most {LARGEST}."},
    )
    page = fields.Integer(
        load_default=1,
        validate=validate.Range(1, DEEPEST_ROW),
        metadata={"description": f"As far as {DEEPEST_ROW:,} rows; then use cursor."},
    )
    cursor = Text(
        load_default="",
        validate=validate.Length(max=500),
        metadata={"description": "next_cursor of the page before."},
    )


class InsteadQuery(Schema):
    """What takes the place of something that is deleted."""

    class Meta:
        """Other words in an address are nobody's harm."""

        unknown = EXCLUDE

    instead = fields.Integer(
        load_default=None,
        validate=validate.Range(1, MOST_ID),
        metadata={"description": "Id of what takes its place wherever it is used."},
    )


class OrderIn(Schema):
    """Every id, in the new order."""

    ids = fields.List(
        fields.Integer(strict=True, validate=validate.Range(1, MOST_ID)),
        required=True,
        validate=validate.Length(max=1_000),
    )


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How one kind of data is worked with.

    Attributes:
        path: of its list, behind /api/v1/; also the list's name in answers.
        one: what people call one, "SLA policy".
        what: what it is for, in the description.
        read, write: the least role that may.
        shape, new, change: schemas of what is shown, made and changed; None: not by this way.
        found: rows (whole entities) for a query, as a caller may see them.
        order: how they are sorted: by id alone, unless it says otherwise.
        show: rows as JSON.
        present: a row as its `new` schema would have given it; a change is laid over that.
        save: makes (None) or changes one. Raises DomainError.
        admin: its pages, which know what may be deleted and what that leaves behind.
        remove: deletes it in its own way; *is_replaceable* where it takes what comes instead.
        put_in_order: takes all ids in their new order.
        example: one as it is shown; *example_in* as it is made.
    """

    path: str
    one: str
    what: str
    model: type[Base]
    read: Role
    write: Role
    shape: type[Schema]
    new: type[Schema] | None
    found: Callable[[Data, Person], Query]
    show: Callable[[Sequence[Any], Person], list[Data]]
    present: Callable[[Any], Data]
    save: Callable[[Any | None, Data, Person, datetime], Any]
    example: Data
    example_in: Data = field(default_factory=dict)
    change: type[Schema] | None = None
    query: type[ListQuery] = ListQuery
    order: tuple[Any, ...] = ()
    admin: Resource | None = None
    remove: Callable[[Any, int | None, Person, datetime], None] | None = None
    is_replaceable: bool = True
    put_in_order: Callable[..., None] | None = None

    @property
    def key(self) -> str:
        """The name of its list in answers."""
        return self.path.replace("-", "_")

    @property
    def tag(self) -> str:
        """Its chapter in the description."""
        return self.path.replace("-", " ").capitalize()


def register(kind: Kind) -> None:
    """Put the resources of *kind* on the blueprint."""
    views = _Views(kind)
    views.add_list()
    views.add_show()
    if kind.new is not None:
        views.add_create(kind.new)
    change = kind.change or kind.new
    if change is not None:
        views.add_change(change)
    if kind.admin is not None or kind.remove is not None:
        views.add_delete()
    if kind.put_in_order is not None:
        views.add_order(kind.put_in_order)


def thing_of(kind: Kind, thing_id: int, *, lock: bool = False) -> Any:
    """One of a kind, as the caller may see it.

    Raises:
        NotFound: unknown and foreign alike.
    """
    query = kind.found({}, caller()).order_by(None)
    thing_id = thing_id if thing_id <= MOST_ID else 0  # no database has such an id
    query = query.where(kind.model.__table__.c.id == thing_id)
    if lock:
        query = query.with_for_update(of=kind.model)
    found = db.session.scalars(query).unique().one_or_none()
    if found is None:
        raise NotFound(f"There is no such {kind.one}.")
    return found


def allowed(role: Role) -> Person:
    """Whoever calls, if they are at least *role*.

    Raises:
        Forbidden: they are not.
    """
    person = caller()
    if RANK[person.role] < RANK[role]:
        raise Forbidden(f"This takes the token of {_a(role)}.")
    return person


def page_of(query: Query, args: Data, *, key: str, order: Sequence[Any], ident: Any) -> Data:
    """Rows of one page with what stands beside them; two statements.

    Lists in an order of their own are short: their cursors count rows. Others seek by *ident*.
    """
    limit, columns = args["limit"], () if order else (ident,)
    position = (args["page"] - 1) * limit
    if args["cursor"]:
        at = paging.decode(args["cursor"], key, columns)
        position = at.position
        rows = query.where(ident > at.values[0]) if columns else query.offset(position)
    elif position + limit > max(DEEPEST_ROW, limit):
        message = f"Only the first {DEEPEST_ROW:,} rows have page numbers: use cursor."
        raise Invalid(message, {"page": "use cursor"})
    else:
        rows = query.offset(position)
    rows = rows.order_by(*order, ident).limit(limit + 1)
    found = list(db.session.scalars(rows).unique())
    counted = query.with_only_columns(ident).order_by(None).limit(DEEPEST_ROW + 1)
    total = db.session.scalar(sa.select(sa.func.count()).select_from(counted.subquery())) or 0
    cursor = None
    if len(found) > limit:
        found = found[:limit]
        values = (found[-1].id,) if columns else ()
        cursor = paging.encode(paging.Cursor(values, position=position + limit), key)
    return {
        "rows": found,
        "total": min(total, DEEPEST_ROW),
        "total_is_estimate": total > DEEPEST_ROW,
        "page": position // limit + 1,
        "total_pages": -(-min(total, DEEPEST_ROW) // limit),
        "next_cursor": cursor,
    }


def _a(role: Role) -> str:
    return f"an {role.value}" if role.value[0] in "aeiou" else f"a {role.value}"


class _Views:
    """The views of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        name = kind.shape.__name__.removesuffix("Out")
        self.listed = Schema.from_dict(
            {
                kind.key: fields.List(fields.Nested(kind.shape), required=True),
                "total": fields.Integer(required=True),
                "total_is_estimate": fields.Boolean(required=True),
                "page": fields.Integer(required=True),
                "total_pages": fields.Integer(required=True),
                "next_cursor": fields.String(required=True, allow_none=True),
            },
            name=f"{name}List",
        )
        self.list_example = {
            kind.key: [kind.example],
            "total": 1,
            "total_is_estimate": False,
            "page": 1,
            "total_pages": 1,
            "next_cursor": None,
        }
        self.changed: type[Schema] | None = None
        if source := kind.change or kind.new:
            self.changed = type(f"{name}Change", (source,), {})

    def _route(self, rule: str, method: str, name: str, summary: str, doc: str) -> Any:
        """The outermost decorators, first the last one."""
        kind = self.kind

        def decorate(view: Any) -> Any:
            view.__doc__ = doc
            shown = bp.doc(summary=summary)(view)
            path = f"/{kind.path}{rule}"
            endpoint = f"{name}_{kind.key}"
            return bp.route(path, endpoint=endpoint, methods=[method], tags=[kind.tag])(shown)

        return decorate

    def add_list(self) -> None:
        """GET of the list."""
        kind = self.kind

        @limited
        @token_required
        @bp.arguments(kind.query, location="query")
        @bp.response(200, self.listed, example=self.list_example)
        @documented(400, 403)
        def view(args: Data) -> ResponseReturnValue:
            person = allowed(kind.read)
            ident = kind.model.__table__.c.id
            query = kind.found(args, person)
            found = page_of(query, args, key=kind.key, order=kind.order, ident=ident)
            rows = found.pop("rows")
            return jsonify({kind.key: kind.show(rows, person), **found})

        self._route("", "GET", "list", f"List {kind.tag.lower()}", kind.what)(view)

    def add_show(self) -> None:
        """GET of one."""
        kind = self.kind

        @limited
        @token_required
        @bp.response(200, kind.shape, example=kind.example)
        @documented(403, 404)
        def view(id: int) -> ResponseReturnValue:
            person = allowed(kind.read)
            return jsonify(kind.show([thing_of(kind, id)], person)[0])

        self._route(f"/{ID}", "GET", "show", f"Show {_an(kind.one)}", "By its id.")(view)

    def add_create(self, schema: type[Schema]) -> None:
        """POST to the list."""
        kind = self.kind

        @limited
        @token_required
        @bp.arguments(schema, example=kind.example_in)
        @bp.response(201, kind.shape, example=kind.example)
        @documented(400, 403, 409)
        @idempotent
        def view(data: Data) -> ResponseReturnValue:
            person = allowed(kind.write)
            made = kind.save(None, data, person, utcnow())
            response = jsonify(_shown(kind, made.id, person))
            response.headers["Location"] = f"/api/v1/{kind.path}/{made.id}"
            return response, 201

        words = f"With the token of {_a(kind.write)}."
        self._route("", "POST", "create", f"Make {_an(kind.one)}", words)(view)

    def add_change(self, schema: type[Schema]) -> None:
        """PATCH of one: what is not named stays."""
        kind = self.kind
        assert self.changed is not None  # noqa: S101  (there is a schema)
        example = dict(list(kind.example_in.items())[:1])

        @limited
        @token_required
        @bp.arguments(in_part(self.changed), example=example)
        @bp.response(200, kind.shape, example=kind.example)
        @documented(400, 403, 404, 409)
        def view(data: Data, id: int) -> ResponseReturnValue:
            person = allowed(kind.write)
            thing = thing_of(kind, id, lock=True)
            if data:
                kind.save(thing, {**kind.present(thing), **data}, person, utcnow())
                db.session.commit()
            return jsonify(_shown(kind, id, person))

        words = "What is not named stays as it is."
        self._route(f"/{ID}", "PATCH", "change", f"Change {_an(kind.one)}", words)(view)

    def add_delete(self) -> None:
        """DELETE of one."""
        kind = self.kind
        words = f"With the token of {_a(kind.write)}."
        takes_another = kind.is_replaceable
        if kind.admin is not None and kind.remove is None:
            takes_another = kind.admin.is_replaceable

        def delete(id: int, instead: int | None) -> ResponseReturnValue:
            person = allowed(kind.write)
            thing = thing_of(kind, id, lock=True)
            _delete(kind, thing, instead, person)
            db.session.commit()
            return "", 204

        if takes_another:
            words += " What is in use is refused, unless you say what takes its place."

            @limited
            @token_required
            @bp.arguments(InsteadQuery, location="query")
            @bp.response(204)
            @documented(400, 403, 404, 409)
            def view(args: Data, id: int) -> ResponseReturnValue:
                return delete(id, args["instead"])

        else:

            @limited
            @token_required
            @bp.response(204)
            @documented(403, 404, 409)
            def view(id: int) -> ResponseReturnValue:
                return delete(id, None)

        self._route(f"/{ID}", "DELETE", "delete", f"Delete {_an(kind.one)}", words)(view)

    def add_order(self, put_in_order: Callable[..., None]) -> None:
        """PUT of all ids."""
        kind = self.kind

        @limited
        @token_required
        @bp.arguments(OrderIn, example={"ids": [3, 1, 2]})
        @bp.response(204)
        @documented(400, 403, 409)
        def view(data: Data) -> ResponseReturnValue:
            person = allowed(kind.write)
            put_in_order(data["ids"], by=person, now=utcnow())
            db.session.commit()
            return "", 204

        words = "Name every id, the first one first."
        self._route("/order", "PUT", "order", f"Put {kind.tag.lower()} in order", words)(view)


def _an(one: str) -> str:
    return f"an {one}" if one[0] in "aeiouS" else f"a {one}"


def _shown(kind: Kind, thing_id: int, person: Person) -> Data:
    db.session.flush()
    return kind.show([thing_of(kind, thing_id)], person)[0]


def _delete(kind: Kind, thing: Any, instead: int | None, person: Person) -> None:
    if kind.remove is not None:
        kind.remove(thing, instead, person, utcnow())
        return
    assert kind.admin is not None  # noqa: S101  (no such view without)
    new = None
    if instead is not None:
        new = db.session.get(kind.model, instead)
        if new is None or not kind.admin.may_replace(thing, new):
            raise Invalid("There is nothing of this id.", {"instead": "An id of the same kind."})
    resource.remove(kind.admin, thing, new, by=person, now=utcnow())


def words_of(columns: Sequence[Any], args: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    """The condition for ``q``: each word in any of *columns*."""
    text = args.get("q", "")
    if not text:
        return []
    return [sa.or_(*(column.icontains(text, autoescape=True) for column in columns))]
