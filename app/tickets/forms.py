"""Fields of forms that several areas show."""

from __future__ import annotations

from wtforms import BooleanField, Field, SelectChoice, SelectField, StringField
from wtforms.validators import DataRequired
from wtforms.widgets import DateInput

from app.tickets.catalog import FieldCard
from app.web.forms import storable


def custom_field(card: FieldCard) -> Field:
    """The form's field for a custom field; the value is checked by `properties`."""
    if card.kind == "checkbox":
        return BooleanField(card.label)
    needed = [DataRequired(f"{card.label} is needed.")] if card.is_required else []
    match card.kind:
        case "choice":
            choices = [SelectChoice("", "Choose one"), *map(SelectChoice, card.choices)]
            return SelectField(card.label, needed, choices=choices, validate_choice=False)
        case "date":
            return StringField(card.label, needed, widget=DateInput())
        case "number":
            return StringField(card.label, needed, render_kw={"inputmode": "decimal"})
        case _:
            return StringField(card.label, [storable, *needed], render_kw={"maxlength": 1000})
