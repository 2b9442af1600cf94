"""Calendars: opening hours and holidays."""

from __future__ import annotations

import datetime as dt
import re
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from wtforms import Field, Form, SelectField, StringField, ValidationError
from wtforms.validators import Length

from app.accounts.access import supervisor_required
from app.accounts.forms import time_zones
from app.accounts.models import Person
from app.admin.forms import AdminForm, Choices, line, options, text, tick
from app.admin.resource import ListRow, Query, Resource
from app.core.clock import utcnow
from app.core.errors import Invalid
from app.core.settings_store import setting
from app.sla import editing
from app.sla.editing import minute_words
from app.sla.models import Calendar, CalendarInterval, Holiday, SlaPolicy
from app.web.forms import one_line, stripped
from app.web.words import DAYS

YEARS_AHEAD = 2
FIELDS = [day.lower() for day in DAYS]
INTERVAL = re.compile(r"(\d{1,2})(?:[:.](\d\d))?\s*(?:-|–|to)\s*(\d{1,2})(?:[:.](\d\d))?")
HOLIDAY = re.compile(r"(\d{4}-\d\d-\d\d)\s*(.*)")


def intervals_of(words: str) -> list[tuple[int, int]]:
    """ "9:00-12:00, 13-17" as minutes of the day, from and to.

    Raises:
        ValueError: with what to write instead.
    """
    if INTERVAL.sub("", words).strip(" ,;"):
        raise ValueError("Write it like 09:00-12:00, 13:00-17:00.")
    found = []
    for from_hour, from_minute, to_hour, to_minute in INTERVAL.findall(words):
        start = int(from_hour) * 60 + int(from_minute or 0)
        end = int(to_hour) * 60 + int(to_minute or 0)
        if int(from_minute or 0) > 59 or int(to_minute or 0) > 59 or not start < end <= 1440:
            raise ValueError("Each span ends after it begins, at 24:00 at the latest.")
        found.append((start, end))
    return found


def holidays_of(words: str) -> dict[dt.date, str]:
    """Days and their names, one on each line.

    Raises:
        ValueError: with the line that is none.
    """
    found: dict[dt.date, str] = {}
    for row in filter(None, map(str.strip, words.splitlines())):
        match = HOLIDAY.fullmatch(row)
        try:
            if match is None:
                raise ValueError(row)
            found[dt.date.fromisoformat(match[1])] = match[2].strip()[:100]
        except ValueError:
            raise ValueError(
                f"“{row[:50]}” is no day. Write it like 2026-12-25 Christmas."
            ) from None
    return found


def _are_intervals(form: Form, field: StringField) -> None:
    try:
        intervals_of(field.data or "")
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _are_holidays(form: Form, field: Field) -> None:
    try:
        holidays_of(field.data or "")
    except ValueError as error:
        raise ValidationError(str(error)) from None


class CalendarForm(AdminForm):
    """A calendar."""

    name = line("Name")
    time_zone = SelectField("Time zone", description="In which its hours are meant.")
    is_always = tick("Open day and night", "24 x 7, without holidays; the hours below are unused.")
    holidays = text(
        "Holidays",
        "One on each line, as 2026-12-25 Christmas. On these days it is closed.",
        _are_holidays,
        most=60_000,
    )
    country = SelectField("Country", default="")
    region = StringField(
        "Region",
        [Length(max=20), one_line],
        filters=[stripped],
        description="Such as BY; or empty.",
    )


for _day, _name in zip(FIELDS, DAYS, strict=True):
    _field = StringField(_name, [Length(max=200), one_line, _are_intervals], filters=[stripped])
    setattr(CalendarForm, _day, _field)


@cache
def _countries() -> dict[str, str]:
    """Names by code, of the countries whose holidays are known."""
    import holidays
    from holidays.registry import COUNTRIES  # here: a tenth of what a start would take

    known = set(holidays.list_supported_countries(include_aliases=False))
    names = {codes[1]: key.replace("_", " ").title() for key, codes in COUNTRIES.items()}
    found = {code: name for code, name in names.items() if code in known}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _country_choices() -> Choices:
    return options([("", "Choose a country"), *_countries().items()])


def _found(words: str) -> Query:
    policies = (
        sa.select(sa.func.count())
        .where(SlaPolicy.calendar_id == Calendar.id)
        .correlate(Calendar)
        .scalar_subquery()
    )
    days = (
        sa.select(sa.func.count())
        .where(Holiday.calendar_id == Calendar.id)
        .correlate(Calendar)
        .scalar_subquery()
    )
    found: Query = sa.select(
        Calendar.id,
        Calendar.name,
        Calendar.time_zone,
        Calendar.is_always,
        policies.label("policies"),
        days.label("days"),
    )
    found = found.where(Calendar.name.icontains(words, autoescape=True)) if words else found
    return found.order_by(sa.func.lower(Calendar.name), Calendar.id)


def _row(row: Any) -> ListRow:
    days = "1 holiday" if row.days == 1 else f"{row.days} holidays"
    hours = "Open day and night" if row.is_always else f"{row.time_zone}, {days}"
    side = "1 policy" if row.policies == 1 else f"{row.policies} policies"
    return ListRow(row.id, row.name, hours, side=side)


def _form(calendar: Calendar | None) -> CalendarForm:
    office = dict.fromkeys(FIELDS[:5], "09:00-17:00") | {"time_zone": setting("time_zone")}
    form = CalendarForm(data=_data(calendar) if calendar else office)
    form.time_zone.choices = [choice for choice in time_zones() if choice.value]
    form.country.choices = _country_choices()
    return form


def _data(calendar: Calendar) -> dict[str, Any]:
    return {
        "name": calendar.name,
        "time_zone": calendar.time_zone,
        "is_always": calendar.is_always,
        "holidays": _holiday_lines({row.day: row.name for row in calendar.holidays}),
        **{
            field: _day_words([part for part in calendar.intervals if part.weekday == day])
            for day, field in enumerate(FIELDS)
        },
    }


def _day_words(parts: list[CalendarInterval]) -> str:
    ordered = sorted(parts, key=lambda part: part.start_minute)
    return ", ".join(
        f"{minute_words(part.start_minute)}-{minute_words(part.end_minute)}" for part in ordered
    )


def _holiday_lines(days: dict[dt.date, str]) -> str:
    return "\n".join(f"{day.isoformat()} {name}".strip() for day, name in sorted(days.items()))


def _save(calendar: Calendar | None, form: CalendarForm, by: Person, now: datetime) -> Calendar:
    return editing.save_calendar(
        calendar,
        name=form.name.data,
        time_zone=form.time_zone.data,
        is_always=form.is_always.data,
        intervals=[
            (day, *span)
            for day, name in enumerate(FIELDS)
            for span in intervals_of(form[name].data or "")
        ],
        holidays=holidays_of(form.holidays.data or ""),
        by=by,
        now=now,
    )


def _press(press: str, calendar: Calendar | None, form: CalendarForm) -> str:
    """Put the public holidays of a country into the field, beside those that are there."""
    import holidays

    code, region = form.country.data, (form.region.data or "").upper() or None
    if code not in _countries():
        raise Invalid("Choose a country.", {"country": "Choose a country."})
    try:
        days = holidays_of(form.holidays.data or "")
    except ValueError as error:
        raise Invalid(str(error), {"holidays": str(error)}) from None
    first = utcnow().year
    years = range(first, first + YEARS_AHEAD + 1)
    try:
        public = holidays.country_holidays(code, subdiv=region, years=years)
    except NotImplementedError:
        known = ", ".join(holidays.list_supported_countries().get(code, ())) or "none"
        message = f"{_countries()[code]} has no region {region}. Known are {known}."
        raise Invalid(message, {"region": message}) from None
    new = {day: name for day, name in public.items() if day not in days}
    form.holidays.data = _holiday_lines(days | new)
    where = f"{_countries()[code]}, {region}" if region else _countries()[code]
    return f"{len(new)} holidays of {where} until {years[-1]} are filled in. Look, then save."


CALENDARS = Resource(
    path="calendars",
    one="calendar",
    many="Calendars",
    lead="Opening hours in which targets of SLA policies count.",
    guard=supervisor_required,
    model=Calendar,
    found=_found,
    row=_row,
    form=_form,
    save=_save,
    name=lambda calendar: calendar.name,
    facts=editing.calendar_facts,
    refuse_delete=editing.refuse_last_calendar,
    press=_press,
    template="admin/calendar.html",
    beside=lambda calendar, form: {"days": [form[day] for day in FIELDS]},
)
