"""The form in which an article is written."""

from __future__ import annotations

from typing import Any

from wtforms import (
    HiddenField,
    MultipleFileField,
    RadioField,
    SelectChoice,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, Length, NumberRange

from app.core.paging import MOST_ID
from app.knowledge import queries
from app.knowledge.models import LONGEST_BODY, LONGEST_SUMMARY, LONGEST_TITLE, Audience
from app.knowledge.writing import Text
from app.tickets import attachments
from app.web.forms import BaseForm, one_line, storable, stripped, unix_lines


def _whole_number(value: Any) -> int:
    text = str(value or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else 0


class ArticleForm(BaseForm):
    """An article. ``version`` is the one that its writer began with."""

    title = StringField(
        "Title",
        [
            DataRequired("Give it a title."),
            Length(max=LONGEST_TITLE, message=f"At most {LONGEST_TITLE} characters."),
            one_line,
        ],
        filters=[stripped],
        description="As somebody would ask: “How do I clean the pump?”",
    )
    category = SelectField("Category", validate_choice=False)
    audience = RadioField(
        "Who reads it?",
        choices=[SelectChoice(a.value, a.label) for a in Audience],
        default=Audience.PUBLIC.value,
    )
    summary = StringField(
        "In one sentence",
        [Length(max=LONGEST_SUMMARY, message=f"At most {LONGEST_SUMMARY} characters."), one_line],
        filters=[stripped],
        description="Stands in lists, below the title.",
    )
    body = TextAreaField(
        "Text",
        [
            DataRequired("Write something."),
            Length(max=LONGEST_BODY, message=f"At most {LONGEST_BODY:,} characters."),
            storable,
        ],
        filters=[unix_lines, stripped],
    )
    pictures = MultipleFileField("Pictures")
    version = HiddenField(filters=[_whole_number], validators=[NumberRange(0, MOST_ID)])

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.category.choices = [SelectChoice(str(id), name) for id, name in queries.categories()]

    @property
    def uploads(self) -> list[Any]:
        """The pictures that were chosen."""
        return attachments.uploads_of(self.pictures.data)

    @property
    def text(self) -> Text:
        """What was written; for a valid form."""
        return Text(
            title=self.title.data,
            summary=self.summary.data,
            body=self.body.data,
            category_id=_whole_number(self.category.data),
            audience=Audience(self.audience.data),
        )
