"""The base of all forms, and the checks that they share."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_wtf import FlaskForm
from werkzeug.datastructures import CombinedMultiDict, FileStorage, MultiDict
from wtforms import Field, FileField, Form, SelectMultipleField
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from app.core.errors import DomainError, Invalid
from app.core.text import printable

UNKNOWN = "Choose one of the list. What was chosen is not in it any more."
WORDS = {
    "Not a valid choice.": UNKNOWN,
    "'%(value)s' is not a valid choice for this field.": UNKNOWN,
    "'%(value)s' are not valid choices for this field.": UNKNOWN,
    "Field cannot be longer than %(max)d character.": "At most 1 character.",
    "Field cannot be longer than %(max)d characters.": "At most %(max)d characters.",
}


class _Words:
    """The desk's words in place of the form library's, which name no way out."""

    def gettext(self, text: str) -> str:
        return WORDS.get(text, text)

    def ngettext(self, one: str, many: str, count: int) -> str:
        return self.gettext(one if count == 1 else many)


class BaseForm(FlaskForm):
    """A form with its CSRF token; typed, which WTForms is not."""

    class Meta:
        """What all forms share."""

        def get_translations(self, form: Form) -> _Words:
            """Its messages in the desk's words."""
            return _Words()

        def wrap_formdata(self, form: Form, formdata: Any) -> Any:
            """What a browser sends: text, and files for the fields that take some.

            A file under another field's name, or a body of JSON, would be no text to its checks.
            """
            if formdata is None or isinstance(formdata, MultiDict):
                return formdata
            if request.method not in ("POST", "PUT", "PATCH", "DELETE"):
                return None
            takers = [field.name for field in form if isinstance(field, FileField)]
            files: MultiDict[str, FileStorage] = MultiDict()
            for name in takers:
                files.setlist(name, request.files.getlist(name))
            return CombinedMultiDict((files, request.form))

    def __init__(self, **options: Any) -> None:
        self.problem = ""  # what is wrong with the whole
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def validate_on_submit(self, extra_validators: Any = None) -> bool:
        """True where the form was sent and everything in it is right."""
        valid: bool = super().validate_on_submit(extra_validators)  # type: ignore[no-untyped-call]
        return valid

    def take(self, error: DomainError) -> None:
        """Put what an action has refused beside the fields, and the rest above the form."""
        errors = error.errors if isinstance(error, Invalid) else {}
        for name, message in errors.items():
            if name in self:
                self[name].errors = (message,)
        if not any(name in self for name in errors):
            self.problem = error.message


class ChecksField(SelectMultipleField):
    """Any number of a list, as checkboxes; ``data`` are the chosen values."""

    widget = ListWidget(prefix_label=False)  # type: ignore[assignment]
    option_widget = CheckboxInput()  # type: ignore[assignment]


def stripped(text: Any) -> Any:
    """A filter: without white space around it."""
    return text.strip() if isinstance(text, str) else text


def unix_lines(text: Any) -> Any:
    """A filter: forms send two characters for each line end; one is kept."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if isinstance(text, str) else text


def one_line(form: Form, field: Field) -> None:
    """Refuse line ends, NUL, bytes that were no UTF-8, and what else nobody types into a line."""
    if field.data and (not field.data.isprintable() or "\N{REPLACEMENT CHARACTER}" in field.data):
        raise ValidationError("Use letters, digits and signs only, on one line.")


def storable(form: Form, field: Field) -> None:
    """Take out what no column holds and what forges the page; a NUL nobody typed is refused."""
    text = field.data or ""
    field.data = printable(text)
    if "\0" in text:
        raise ValidationError("A character that cannot be stored was taken out. Have a look.")
