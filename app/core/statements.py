"""Statements that run very often: compiled once, their rows made straight from the driver's.

SQLAlchemy looks a statement up in its cache, makes a context, a result and rows for each
execution: some 40 microseconds, where SQLite needs 5 to 15 for a row by key. That counts on the
busiest pages, and where the one writer's lock is held meanwhile.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler

from app.core.db import Base, db

T = TypeVar("T")
M = TypeVar("M", bound=Base)
CONNECTION = "connection"  # of the running transaction, among what a session knows
MOST_FORMS = 100  # of one statement: it has one for each length of its lists


class _Value(NamedTuple):
    """How one parameter gets its value."""

    name: str
    place: int | None  # in a list
    default: Any
    make_default: Callable[[], Any] | None
    process: Callable[[Any], Any] | None
    key: str  # in the statement's text


@dataclass(frozen=True, slots=True)
class _Form:
    """A statement as the driver takes it."""

    text: str
    values: tuple[_Value, ...]
    is_positional: bool
    converters: tuple[tuple[int, Callable[[Any], Any]], ...]  # of columns
    returns: bool = True

    def parameters(self, values: Mapping[str, Any]) -> Any:
        found = []
        for name, place, default, make_default, process, _ in self.values:
            value = values[name] if name in values else make_default() if make_default else default
            if place is not None:
                value = value[place]
            found.append(process(value) if process else value)
        if self.is_positional:
            return found
        return {each.key: value for each, value in zip(self.values, found, strict=True)}


class Read(Generic[T]):
    """A select that is run very often; each of its rows is given to *make*, column by column.

    Without *make* the rows are named tuples.
    """

    def __init__(self, statement: Any, make: Callable[..., T] | None = None) -> None:
        self.statement = statement
        columns = statement.selected_columns
        self._types = [column.type for column in columns]
        self._make: Callable[..., Any] = make or namedtuple("Row", columns.keys(), rename=True)
        self._lists = [
            each.key
            for each in visitors.iterate(statement)
            if isinstance(each, sa.BindParameter) and each.expanding and each.required
        ]
        self._forms: dict[Any, _Form] = {}

    def all(self, **values: Any) -> list[T]:
        """All rows of this transaction."""
        connection = current_connection()
        if _is_watched(connection):
            return self._made(connection.execute(self.statement, values).all())
        for name in self._lists:
            values[name] = list(values[name])
        key = connection.dialect.name, *[len(values[name]) for name in self._lists]
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = self._compile(connection.dialect, values)
        rows = _run(connection, form.text, form.parameters(values), fetch=True)
        if form.converters:
            rows = [_converted(row, form.converters) for row in rows]
        return self._made(rows)

    def one(self, **values: Any) -> T | None:
        """The only row, or None."""
        rows = self.all(**values)
        return rows[0] if rows else None

    def _made(self, rows: Sequence[Any]) -> list[T]:
        make = self._make
        return [make(*row) for row in rows]

    def _compile(self, dialect: sa.Dialect, values: dict[str, Any]) -> _Form:
        compiled = cast(SQLCompiler, self.statement.compile(dialect=dialect))
        its = {name: value for name, value in values.items() if name in compiled.binds}
        state = compiled.construct_expanded_state(its)
        places = {
            one: (name, place)
            for name, several in state.parameter_expansion.items()
            for place, one in enumerate(several)
        }
        found = []
        for key in state.positiontup or state.parameters:
            name, place = places.get(key, (key, None))
            bind = compiled.binds[name]
            process = _processor(bind.type, dialect)
            found.append(_Value(name, place, bind.value, bind.callable, process, key))
        converters = []
        for column, each in enumerate(self._types):
            convert = _converter(each, dialect)
            if convert is not None:
                converters.append((column, convert))
        if len(self._forms) >= MOST_FORMS:
            self._forms.clear()
        return _Form(state.statement, tuple(found), compiled.positional, tuple(converters))


def _processor(of: Any, dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    """What makes a value for the driver."""
    if isinstance(of, sa.Enum) and of.enum_class is not None:
        values: dict[Any, Any] = {each: each.value for each in of.enum_class}
        return {None: None, **values}.__getitem__
    process: Callable[[Any], Any] | None = of.dialect_impl(dialect).bind_processor(dialect)
    return process


def _converter(of: Any, dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    """What makes a value of the driver's; enums are stored by value, and looked up in one step."""
    if isinstance(of, sa.Enum) and of.enum_class is not None:
        members: dict[Any, Any] = {each.value: each for each in of.enum_class}
        return {None: None, **members}.__getitem__
    convert: Callable[[Any], Any] | None = of.dialect_impl(dialect).result_processor(dialect, None)
    return convert


def loaded(model: type[M], row: Sequence[Any]) -> M:
    """The instance of a row that begins with all columns of *model*'s table, as if selected.

    The session has it from then on: it loads what is related, and writes what is changed.
    """
    names = _attributes(model)
    manager = model.__mapper__.class_manager
    key = model.__mapper__.identity_key_from_primary_key((row[0],))
    known: M | None = db.session.identity_map.get(key)
    if known is not None:
        return known
    instance: M = manager.new_instance()
    state = instance_state(instance)
    state.dict.update(zip(names, row, strict=False))
    state.key = key
    db.session.add(instance)
    return instance


@cache
def _attributes(model: type[Base]) -> tuple[str, ...]:
    """Names by column; the first is the key."""
    columns = model.__table__.columns
    if [column.name for column in columns if column.primary_key] != [columns[0].name]:
        raise TypeError(f"{model.__name__} has not its first column alone as its key.")
    return tuple(model.__mapper__.get_property_by_column(column).key for column in columns)


def _converted(row: Sequence[Any], converters: tuple[tuple[int, Callable[[Any], Any]], ...]) -> Any:
    columns = list(row)
    for place, convert in converters:
        columns[place] = convert(columns[place])
    return columns


class Write:
    """An insert or update that is run very often; given for each dialect where they differ.

    Columns that are left out get what the model says, as with SQLAlchemy.
    """

    def __init__(self, statement: Any) -> None:
        self._statements = statement if isinstance(statement, dict) else None
        self._statement = statement
        self._forms: dict[Any, _Form] = {}

    def many(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for each of *rows*, which all name the same columns."""
        if not rows:
            return
        connection = current_connection()
        if _is_watched(connection):
            connection.execute(self._of(connection), list(rows))
            return
        form = self._form(connection, rows[0], several=True)
        _run(connection, form.text, [form.parameters(row) for row in rows], several=True)

    def one(self, **values: Any) -> Any:
        """Run it once: the first column that it returns; None where nothing was returned."""
        connection = current_connection()
        if _is_watched(connection):
            found = connection.execute(self._of(connection), values)
            return found.scalar() if found.returns_rows else None
        form = self._form(connection, values, several=False)
        rows = _run(connection, form.text, form.parameters(values), fetch=form.returns)
        return rows[0][0] if rows else None

    def _of(self, connection: sa.Connection) -> Any:
        return self._statements[connection.dialect.name] if self._statements else self._statement

    def _form(
        self, connection: sa.Connection, values: Mapping[str, Any], *, several: bool
    ) -> _Form:
        dialect = connection.dialect
        key = dialect.name, several, *values
        form = self._forms.get(key)
        if form is not None:
            return form
        statement = self._of(connection)
        returns = bool(statement.returning_column_descriptions)
        names = list(values) if isinstance(statement, sa.Insert) else None
        # As for many rows, or PostgreSQL's dialect has the key of each returned.
        compiled = statement.compile(
            dialect=dialect, column_keys=names, for_executemany=not returns
        )
        made = {column.key: column.default for column in compiled.insert_prefetch}
        found = []
        for name in compiled.positiontup or compiled.binds:
            bind = compiled.binds[name]
            process = _processor(bind.type, dialect)
            default, make = bind.value, None
            if name in made:
                default, make = _of_column(made[name])
            found.append(_Value(name, None, default, make, process, name))
        form = _Form(compiled.string, tuple(found), compiled.positional, (), returns)
        self._forms[key] = form
        return form


def _of_column(default: Any) -> tuple[Any, Callable[[], Any] | None]:
    """A value, or what makes one."""
    if default.is_scalar:
        return default.arg, None
    return None, lambda: default.arg(None)


def current_connection() -> sa.Connection:
    """The connection of the running transaction, which is begun where there is none.

    The session looks for it anew each time, which takes as long as a small statement.
    """
    session = db.session()
    known: sa.Connection | None = session.info.get(CONNECTION)
    # In no transaction after a failed flush: the session says so.
    return known if known is not None and known.in_transaction() else session.connection()


@event.listens_for(Session, "after_begin")
def _remember(session: Session, transaction: object, connection: sa.Connection) -> None:
    session.info[CONNECTION] = connection


@event.listens_for(Session, "after_transaction_create")
def _forget(session: Session, transaction: object) -> None:
    # Also at a savepoint, which the session sets when it is asked for the connection.
    session.info.pop(CONNECTION, None)


def _is_watched(connection: sa.Connection) -> bool:
    """Somebody listens to statements (tests count them): they take the ordinary way."""
    return bool(connection.engine.dispatch.before_cursor_execute)


def _run(
    connection: sa.Connection, text: str, values: Any, *, fetch: bool = False, several: bool = False
) -> Sequence[Any]:
    """Give a statement to the driver; errors are SQLAlchemy's.

    Raises:
        sa.exc.DBAPIError: what the database said.
    """
    dialect = connection.dialect
    cursor = connection.connection.cursor()
    try:
        if several:
            cursor.executemany(text, values)
            return ()
        cursor.execute(text, values)
        return cursor.fetchall() if fetch else ()
    except dialect.loaded_dbapi.Error as error:
        if dialect.is_disconnect(error, connection.connection, cursor):
            connection.invalidate(error)
        raise sa.exc.DBAPIError.instance(
            text, None, error, dialect.loaded_dbapi.Error, hide_parameters=True
        ) from error
    finally:
        cursor.close()
