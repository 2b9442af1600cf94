"""The forms of the portal. Whatever is wrong, what was typed and chosen comes back with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from flask import current_app, request
from itsdangerous import BadData, URLSafeSerializer
from wtforms import (
    Field,
    HiddenField,
    MultipleFileField,
    SelectChoice,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, Length, ValidationError

from app.accounts.forms import email_field
from app.accounts.people import NAME_LENGTH
from app.core.errors import Invalid
from app.settings import Settings
from app.tickets import attachments, catalog, properties
from app.tickets.attachments import StoredFile
from app.tickets.forms import custom_field
from app.tickets.kept_files import keep, kept
from app.tickets.words import Priority
from app.web.forms import BaseForm, storable
from app.web.htmx import wants_fragment
from app.web.security import MAX_FILES

LONGEST_TEXT, LONGEST_SUBJECT = 50_000, 200

PRIORITIES = (
    SelectChoice("", "Not sure"),
    SelectChoice(Priority.LOW.value, "Low: a question, no hurry"),
    SelectChoice(Priority.NORMAL.value, "Normal"),
    SelectChoice(Priority.HIGH.value, "High: it holds up my work"),
    SelectChoice(Priority.CRITICAL.value, "Critical: nothing works"),
)


def in_lines(text: Any) -> Any:
    """A filter: forms send two characters for each line end; one is kept, and none around it."""
    return text.replace("\r\n", "\n").strip() if isinstance(text, str) else text


def in_one_line(text: Any) -> Any:
    """A filter: white space of any kind and length is one space."""
    return " ".join(text.split()) if isinstance(text, str) else text


def checked_files(form: WithFiles, field: Field) -> None:
    """Say what is wrong with the chosen files."""
    found = attachments.problems(attachments.uploads_of(field.data), kept=len(form.kept))
    if found:
        raise ValidationError(" ".join(found))


class WithFiles(BaseForm):
    """A form with files. A browser forgets them when a form comes back, so we keep them."""

    attachments = MultipleFileField("Files", [checked_files])

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        tokens = request.form.getlist("kept")[:MAX_FILES]
        self.kept = [file for token in tokens if (file := kept(token))]

    def validate(self, extra_validators: Any = None) -> bool:
        """True where everything is right."""
        return bool(super().validate(extra_validators))  # type: ignore[no-untyped-call]

    @property
    def has_files(self) -> bool:
        """True where files were chosen, now or before."""
        return bool(self.kept or attachments.uploads_of(self.attachments.data))

    def store_files(self) -> list[StoredFile]:
        """Everything to be sent; the bytes are on disk afterwards. For a form without errors."""
        return [*(kept.file for kept in self.kept), *attachments.store_uploads(self.chosen)]

    def keep_files(self) -> None:
        """Store the chosen files that can be sent, for the form's next try."""
        for upload in self.chosen:
            if len(self.kept) < MAX_FILES and not attachments.problem_of(upload):
                self.kept.append(keep(attachments.store_upload(upload)))

    @property
    def chosen(self) -> list[Any]:
        """The uploads of this try."""
        return attachments.uploads_of(self.attachments.data)

    def add_error(self, name: str, message: str) -> None:
        """Put *message* beside the field of this name."""
        field: Any = self[name]
        field.errors = [*field.errors, message]

    def blame(self, error: Invalid) -> None:
        """Put the errors of an action beside their fields, the rest on top."""
        for name, message in error.errors.items():
            if name in self:
                self.add_error(name, message)
        if not any(name in self for name in error.errors):
            self.form_errors.append(error.message)


class ReplyForm(WithFiles):
    """A customer's reply."""

    body = TextAreaField(
        "Add a reply",
        [
            storable,
            Length(max=LONGEST_TEXT, message="At most 50,000 characters; put it into a file."),
        ],
        filters=[in_lines],
    )


class LinkForm(BaseForm):
    """Where to mail a new link."""

    email = email_field()


class TicketForm(WithFiles):
    """A new ticket. `ticket_form` makes it for its viewer, with custom fields."""

    homepage = StringField("Leave this empty")
    started = HiddenField()
    subject = StringField(
        "Subject",
        [
            storable,
            DataRequired("Say in a few words what it is about."),
            Length(max=LONGEST_SUBJECT, message="At most 200 characters; the rest fits below."),
        ],
        filters=[in_one_line],
    )
    category = SelectField("What is it about?", validate_choice=False, render_kw={"required": True})
    subcategory = SelectField("More exactly", validate_choice=False)
    description = TextAreaField(
        "What happened?",
        [
            storable,
            DataRequired("Tell us what happened."),
            Length(max=LONGEST_TEXT, message="At most 50,000 characters; put it into a file."),
        ],
        filters=[in_lines],
    )
    priority = SelectField("How urgent is it?", choices=PRIORITIES, validate_choice=False)
    name = StringField(
        "Your name",
        [
            storable,
            DataRequired("Enter your name."),
            Length(max=NAME_LENGTH, message=f"At most {NAME_LENGTH} characters."),
        ],
        filters=[in_one_line],
    )
    email = email_field(new=True)

    custom: Sequence[catalog.FieldCard] = ()

    def __init__(self, category: catalog.CategoryCard, *, is_guest: bool, now: datetime) -> None:
        super().__init__()
        self.chosen_category, self.is_guest, self.now = category, is_guest, now
        self.custom_values: dict[str, Any] = {}
        if not is_guest:
            del self.name, self.email, self.started
        elif not self.started.data:
            self.started.data = shown_stamp(now)
        active = catalog.active_categories()
        self.category.choices = [
            SelectChoice("", "Choose one"),
            *(SelectChoice(card.key, card.name) for card in active),
        ]
        # Without script nobody can narrow them; a fragment is for one category.
        self.subcategory.choices = _subcategories([category] if wants_fragment() else active)

    @property
    def custom_fields(self) -> list[Field]:
        """The custom fields of the chosen category."""
        return [self[f"field_{card.key}"] for card in self.custom]

    @property
    def subcategory_id(self) -> int | None:
        """The chosen subcategory; posted by id or key."""
        wanted = self.subcategory.data
        cards = self.chosen_category.subcategories
        return next((c.id for c in cards if wanted in (str(c.id), c.key) and c.is_active), None)

    def validate(self, extra_validators: Any = None) -> bool:
        """True where all is right; custom fields are checked as a whole, bots turned away last."""
        is_right = super().validate(extra_validators)
        values = {card.key: self[f"field_{card.key}"].data for card in self.custom}
        try:
            self.custom_values = properties.clean_custom_fields(
                self.chosen_category.id, values, public_only=True
            )
        except Invalid as error:
            for name, message in error.errors.items():
                if not self[name].errors:
                    self.add_error(name, message)
            is_right = False
        if self.homepage.data:
            self.homepage.data = ""
            self.form_errors.append("A field that nobody sees was filled in. Send it once more.")
        elif self.is_guest and self._is_too_quick():
            self.form_errors.append("That was very quick. Have a second look, then send it again.")
        return is_right and not self.form_errors

    def validate_category(self, field: Field) -> None:
        """Only what the list has; a program that names none gets the default."""
        if field.raw_data and find_category(field.data) is None:
            raise ValidationError("Choose one of the list.")

    def validate_subcategory(self, field: Field) -> None:
        """Only the category's own."""
        if field.data and self.subcategory_id is None:
            raise ValidationError(f"Choose one of {self.chosen_category.name}, or none.")

    def validate_priority(self, field: Field) -> None:
        """Any word that PRODUCT knows for a priority; nothing means: work it out."""
        try:
            field.data = Priority.parse(field.data).value if field.data else ""
        except ValueError:
            raise ValidationError("Choose one of the list.") from None

    def _is_too_quick(self) -> bool:
        """Whether the form came back sooner than a person can fill it in, or was never shown."""
        shown_at = read_stamp(self.started.data)
        if shown_at is None:
            self.started.data = shown_stamp(self.now)
        return is_too_quick(shown_at, self.now)


def ticket_form(*, is_guest: bool, now: datetime) -> TicketForm:
    """The form for a new ticket; its custom fields are those of the category that was chosen."""
    chosen = find_category(request.values.get("category", ""))
    category = chosen or catalog.default_category()
    cards = tuple(card for card in catalog.custom_fields(category.id) if card.is_public)
    form = _form_class(cards)(category, is_guest=is_guest, now=now)
    if chosen:
        form.category.data = chosen.key
    return form


def shown_stamp(now: datetime) -> str:
    """A signed note of when a form was shown."""
    return _stamps().dumps(int(now.timestamp() * 1000))


def read_stamp(text: str | None) -> int | None:
    """When a form was shown, in milliseconds; None where nobody knows."""
    try:
        shown_at = _stamps().loads(text or "")
    except BadData:
        return None
    return shown_at if isinstance(shown_at, int) else None


def is_too_quick(shown_at: int | None, now: datetime) -> bool:
    """True for a form that came back sooner than a person can fill it in, or was never shown."""
    settings: Settings = current_app.extensions["settings"]
    if not settings.form_min_seconds:
        return False
    return shown_at is None or now.timestamp() - shown_at / 1000 < settings.form_min_seconds


def find_category(text: str) -> catalog.CategoryCard | None:
    """An active category by key or id."""
    cards = catalog.categories().values()
    return next((c for c in cards if c.is_active and text in (c.key, str(c.id))), None)


@lru_cache(maxsize=64)
def _form_class(cards: tuple[catalog.FieldCard, ...]) -> type[TicketForm]:
    """`TicketForm` with fields of one's own, each named ``field_<key>``."""
    fields = {f"field_{card.key}": custom_field(card) for card in cards}
    return type("TicketFormWithFields", (TicketForm,), {**fields, "custom": cards})


def _subcategories(categories: list[catalog.CategoryCard]) -> list[SelectChoice]:
    """Choices below their category's name."""
    return [SelectChoice("", "Not sure")] + [
        SelectChoice(str(sub.id), sub.name, optgroup=card.name)
        for card in categories
        for sub in card.subcategories
        if sub.is_active
    ]


def _stamps() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="deskhand.form-shown")
