"""Forms of the desk."""

from __future__ import annotations

from typing import Any

from wtforms import (
    EmailField,
    MultipleFileField,
    RadioField,
    SelectChoice,
    SelectField,
    StringField,
    TelField,
    TextAreaField,
)
from wtforms.validators import Email, InputRequired, Length, Optional

from app.tickets import catalog
from app.tickets.words import Priority, Visibility
from app.web.forms import BaseForm


def clean(text: str | None) -> str:
    """What a database can hold: no NUL, no lone surrogates, line ends as LF."""
    text = (text or "").replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-8", "replace").decode("utf-8")


def clean_line(text: str | None) -> str:
    """The same on one line."""
    return " ".join(clean(text).split())


class ReplyForm(BaseForm):
    """A reply or an internal note. The version rides along for the record alone."""

    body = TextAreaField("Your comment", filters=[clean], validators=[Length(max=50_000)])
    attachments = MultipleFileField("Files")
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


class PhoneTicketForm(BaseForm):
    """A ticket that an agent opens for somebody who called or came by."""

    name = StringField(
        "Name",
        filters=[clean_line],
        validators=[InputRequired("Type the customer's name."), Length(max=200)],
    )
    email = EmailField(
        "Mail address",
        filters=[clean_line],
        validators=[
            InputRequired("Type the customer's mail address."),
            Email("That is no mail address; it looks like name@example.org."),
            Length(max=254),
        ],
    )
    phone = TelField("Phone", filters=[clean_line], validators=[Optional(), Length(max=50)])
    subject = StringField(
        "Subject",
        filters=[clean_line],
        validators=[InputRequired("Give the ticket a subject."), Length(max=200)],
    )
    category = SelectField("Category")
    subcategory = SelectField("Subcategory", validate_choice=False)
    priority = SelectField(
        "Priority",
        choices=[
            SelectChoice("", "Work it out"),
            *(SelectChoice(p.value, p.label) for p in Priority),
        ],
    )
    description = TextAreaField(
        "What happened?",
        filters=[clean],
        validators=[InputRequired("Write down what it is about."), Length(max=50_000)],
    )
    attachments = MultipleFileField("Files")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        active = [card for card in catalog.categories().values() if card.is_active]
        self.category.choices = [SelectChoice(card.key, card.name) for card in active]
        self.subcategory.choices = [
            SelectChoice("", "None"),
            *(
                SelectChoice(str(sub.id), sub.name, optgroup=card.name)
                for card in active
                for sub in card.subcategories
                if sub.is_active
            ),
        ]
