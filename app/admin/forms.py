"""What the forms of administration share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wtforms import (
    BooleanField,
    Field,
    Form,
    HiddenField,
    IntegerField,
    SelectChoice,
    StringField,
    TextAreaField,
)
from wtforms.validators import (
    DataRequired,
    InputRequired,
    Length,
    NumberRange,
    Optional,
    StopValidation,
)

from app.web.forms import BaseForm, ChecksField, one_line, storable, stripped, unix_lines

Choices = list[SelectChoice]


class AdminForm(BaseForm):
    """A form whose errors may also come from the action behind it."""

    @property
    def shown(self) -> list[Field]:
        """The fields that people see, in their order."""
        return [field for field in self if not isinstance(field, HiddenField)]


def line(
    label: str,
    hint: str = "",
    *more: Callable[[Any, Field], None],
    most: int = 100,
    needed: bool = True,
) -> StringField:
    """A field for one line; *more* checks come last."""
    too_long = f"At most {most:,} character{'s' if most != 1 else ''}."
    checks: list[Any] = [Length(max=most, message=too_long), one_line]
    if needed:
        checks.insert(0, DataRequired("Fill this in."))
    return StringField(
        label, [*checks, *more], description=hint, filters=[stripped], render_kw={"maxlength": most}
    )


def text(
    label: str,
    hint: str = "",
    *more: Callable[[Form, Field], None],
    most: int = 10_000,
    needed: bool = False,
) -> TextAreaField:
    """A field for several lines; *more* checks come last."""
    checks: list[Any] = [Length(max=most, message=f"At most {most:,} characters."), storable]
    if needed:
        checks.insert(0, DataRequired("Fill this in."))
    return TextAreaField(label, [*checks, *more], description=hint, filters=[unix_lines, stripped])


def number(
    label: str, hint: str = "", *, least: int = 0, most: int = 1_000_000, needed: bool = True
) -> IntegerField:
    """A field for a whole number."""
    told = f"A whole number from {least} to {most:,}."

    def is_number(form: Form, field: Field) -> None:
        if field.process_errors:  # in the library's words, and the range would be told besides
            found: Any = field.errors
            found.clear()
            raise StopValidation(told)

    first = InputRequired("Enter a number.") if needed else Optional()
    return IntegerField(
        label,
        [first, is_number, NumberRange(least, most, told)],
        description=hint,
        render_kw={"inputmode": "numeric"},
    )


def tick(label: str, hint: str = "", *, default: bool = False) -> BooleanField:
    """A checkbox."""
    return BooleanField(label, description=hint, default=default)


def checks(label: str, hint: str = "") -> ChecksField:
    """Any number of a list; the form fills in ``choices``."""
    return ChecksField(label, description=hint)  # type: ignore[no-untyped-call]


def ids(field: ChecksField) -> list[int]:
    """The chosen values as ids; a value that is no id was refused by the field."""
    return [int(value) for value in field.data or ()]


def options(pairs: Iterable[tuple[object, str]]) -> Choices:
    """Choices of a select or of checkboxes, from values and their words."""
    return [SelectChoice(str(value), words) for value, words in pairs]


def optional_id(value: str | None) -> int | None:
    """The id in a select's value, None for its empty choice."""
    return int(value) if value else None
