"""Forms of the desk."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from flask import request
from wtforms import (
    EmailField,
    Field,
    MultipleFileField,
    RadioField,
    SelectChoice,
    SelectField,
    StringField,
    TelField,
    TextAreaField,
)
from wtforms.validators import DataRequired, Length, Optional, ValidationError

from app.accounts.forms import likely_address, mail_address
from app.tickets import attachments, catalog, participants
from app.tickets.conversation import Audience
from app.tickets.forms import custom_field
from app.tickets.kept_files import keep, kept
from app.tickets.words import Priority, Visibility
from app.web.forms import UNKNOWN, BaseForm
from app.web.htmx import wants_fragment
from app.web.security import MAX_FILES


def clean(text: str | None) -> str:
    """What a database can hold: no NUL, no lone surrogates, line ends as LF."""
    text = (text or "").replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-8", "replace").decode("utf-8")


def clean_line(text: str | None) -> str:
    """The same on one line."""
    return " ".join(clean(text).split())


class ReplyForm(BaseForm):
    """A reply or an internal note. The version rides along for the record alone."""

    body = TextAreaField(
        "Your comment",
        filters=[clean],
        validators=[Length(max=50_000, message="At most 50,000 characters.")],
    )
    attachments = MultipleFileField("Files")  # beside those that were kept: ``kept``
    visibility = RadioField(
        "Kind of comment",
        choices=[SelectChoice(v.value) for v in Visibility],
        default=Visibility.PUBLIC.value,
    )
    then = SelectField(
        "Then",
        choices=[SelectChoice(then) for then in ("keep", "pending", "resolved")],
        default="keep",
    )

    cc = StringField(
        "Also to",
        filters=[clean_line],
        validators=[Length(max=2_000, message="At most 2,000 characters.")],
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        tokens = request.form.getlist("kept")[:MAX_FILES]
        self.kept = [file for token in tokens if (file := kept(token))]

    def keep_files(self) -> None:
        """Store the chosen files that can be sent, for a composer that comes back."""
        uploads = attachments.uploads_of(self.attachments.data)[: MAX_FILES - len(self.kept)]
        fine = [upload for upload in uploads if not attachments.problem_of(upload)]
        self.kept += [keep(attachments.store_upload(upload)) for upload in fine]

    @property
    def left_out(self) -> frozenset[int]:
        """Who was named as recipient and unticked."""
        seen = _ids([request.form.get("readers", "")])
        return seen - _ids(request.form.getlist("to"))

    @property
    def audience(self) -> Audience:
        """Whom the composer named as recipients, and who of them was unticked.

        Raises:
            Invalid: somebody cc'd has no mail address.
        """
        cc = participants.addresses_of(self.cc.data or "")
        read = next(iter(_ids([request.form.get("read", "")])), None)
        if "readers" not in request.form:
            return Audience(cc=cc, read=read)
        return Audience(_ids([request.form["readers"]]), self.left_out, cc, read)


def _ids(texts: Iterable[str]) -> frozenset[int]:
    """Ids of people, with commas between."""
    parts = [part for text in texts for part in text[:2_000].split(",")]
    return frozenset(int(p) for p in parts if p.isascii() and p.isdigit() and len(p) < 11)


class PhoneTicketForm(BaseForm):
    """A ticket that an agent opens for somebody who called or came by."""

    name = StringField(
        "Name",
        filters=[clean_line],
        validators=[
            DataRequired("Type the customer's name."),
            Length(max=200, message="At most 200 characters."),
        ],
    )
    email = EmailField(
        "Mail address",
        filters=[clean_line],
        validators=[
            DataRequired("Type the customer's mail address."),
            Length(max=254, message="At most 254 characters."),
            likely_address,
            mail_address,
        ],
    )
    phone = TelField(
        "Phone",
        filters=[clean_line],
        validators=[Optional(), Length(max=50, message="At most 50 characters.")],
    )
    subject = StringField(
        "Subject",
        filters=[clean_line],
        validators=[
            DataRequired("Give the ticket a subject."),
            Length(max=200, message="At most 200 characters."),
        ],
    )
    category = SelectField("Category", validate_choice=False)
    subcategory = SelectField("Subcategory", validate_choice=False)
    priority = SelectField(
        "Priority",
        choices=[
            SelectChoice("", "Work it out"),
            *(SelectChoice(p.value, p.label) for p in Priority),
        ],
        default="",
    )
    description = TextAreaField(
        "What happened?",
        filters=[clean],
        validators=[
            DataRequired("Write down what it is about."),
            Length(max=50_000, message="At most 50,000 characters."),
        ],
    )
    attachments = MultipleFileField("Files")

    custom: tuple[catalog.FieldCard, ...] = ()

    def __init__(self, chosen: catalog.CategoryCard, *, is_known: bool, **options: Any) -> None:
        super().__init__(**options)
        self.chosen = chosen
        self.is_known = is_known
        active = catalog.active_categories()
        self.category.choices = [SelectChoice(card.key, card.name) for card in active]
        self.category.data = chosen.key
        # Without script nobody can narrow them; a fragment is for one category.
        self.subcategory.choices = [
            SelectChoice("", "None"),
            *(
                SelectChoice(str(sub.id), sub.name, optgroup=card.name)
                for card in ([chosen] if wants_fragment() else active)
                for sub in card.subcategories
                if sub.is_active
            ),
        ]

    def validate_category(self, field: Field) -> None:
        """Refuse one that is gone: the ticket would silently be about another."""
        if not self.is_known:
            raise ValidationError(UNKNOWN)

    def validate_subcategory(self, field: Field) -> None:
        """Refuse what is no id; `take_in` knows which ones belong to the category."""
        if field.data and not is_id(field.data):
            raise ValidationError(UNKNOWN)

    @property
    def custom_fields(self) -> list[Field]:
        """The custom fields of the chosen category."""
        return [self[f"field_{card.key}"] for card in self.custom]

    @property
    def custom_values(self) -> dict[str, Any]:
        """Their values by key, as they were typed."""
        return {card.key: self[f"field_{card.key}"].data for card in self.custom}


def phone_ticket_form() -> PhoneTicketForm:
    """The form with the custom fields of the category that was chosen."""
    key = request.values.get("category", "")
    chosen = catalog.category_by_key(key)
    category = chosen or catalog.default_category()
    make = _form_class(tuple(catalog.custom_fields(category.id)))
    return make(category, is_known=chosen is not None or not key)


def is_id(text: str) -> bool:
    """Whether *text* can be the id of something."""
    return text.isascii() and text.isdigit() and len(text) < 10


@lru_cache(maxsize=64)
def _form_class(cards: tuple[catalog.FieldCard, ...]) -> type[PhoneTicketForm]:
    """`PhoneTicketForm` with fields of one's own, each named ``field_<key>``."""
    fields = {f"field_{card.key}": custom_field(card) for card in cards}
    return type("PhoneTicketFormWithFields", (PhoneTicketForm,), {**fields, "custom": cards})
