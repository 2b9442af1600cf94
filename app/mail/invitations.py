"""A calendar invitation (iCalendar, RFC 5545) in a few lines that people can read (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

MAX_LINES = 5_000
MAX_VALUE = 500  # characters

_METHODS = {"REQUEST": "Invitation", "CANCEL": "Cancelled", "COUNTER": "Proposes another time"}
_ANSWERS = {"ACCEPTED": "Accepted", "DECLINED": "Declined", "TENTATIVE": "Maybe"}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = "January February March April May June July August September October November December"
_escaped = re.compile(r"\\([\\;,nN])")
_parameter = re.compile(r";([A-Za-z-]{1,40})=(\"[^\"]{0,300}\"|[^;:\"]{0,300})")
_zone_offset = re.compile(r"[^\w /+:.()-]")


def described(calendar: str) -> str:
    """What, when, where and from whom; empty where it holds no event."""
    event: dict[str, tuple[dict[str, str], str]] = {}
    method, depth = "", []
    for name, parameters, value in _lines(calendar):
        if name == "BEGIN":
            depth.append(value.upper())
        elif name == "END":
            if depth and depth.pop() == "VEVENT":
                break
        elif name == "METHOD":
            method = value.upper()
        elif depth and depth[-1] == "VEVENT":
            if name == "ATTENDEE" and method != "REPLY":
                continue
            event.setdefault(name, (parameters, value))
    if not event:
        return ""
    title = _METHODS.get(method, "Event")
    if method == "REPLY":
        answer = event.get("ATTENDEE", ({}, ""))[0].get("PARTSTAT", "").upper()
        title = _ANSWERS.get(answer, "Answer")
    summary = _text(event, "SUMMARY").removeprefix(f"{title}: ")  # some calendars say it there
    lines = [f"{title}: {summary or 'no title'}"]
    if when := _when(event):
        lines.append(f"When: {when}{' (repeats)' if 'RRULE' in event else ''}")
    if where := _text(event, "LOCATION"):
        lines.append(f"Where: {where}")
    parameters, organizer = event.get("ORGANIZER", ({}, ""))
    if organizer:
        address = re.sub(r"^mailto:", "", organizer, flags=re.IGNORECASE)
        lines.append(f"Organizer: {parameters.get('CN', '') or address}")
    return "\n".join(lines)


def _lines(calendar: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Name, parameters and value of each content line, unfolded (section 3.1)."""
    unfolded = re.sub(r"\r?\n[ \t]", "", calendar)
    for line in unfolded.splitlines()[:MAX_LINES]:
        head = re.match(r"[A-Za-z-]{1,40}", line)
        if head is None:
            continue
        parameters, position = {}, head.end()
        while found := _parameter.match(line, position):
            parameters[found[1].upper()] = found[2].strip('"')
            position = found.end()
        if line[position : position + 1] == ":":
            value = line[position + 1 : position + 1 + MAX_VALUE]
            yield head[0].upper(), parameters, value.strip()


def _text(event: dict[str, tuple[dict[str, str], str]], name: str) -> str:
    value = event.get(name, ({}, ""))[1]
    value = _escaped.sub(lambda m: " " if m[1] in "nN" else m[1], value)
    return " ".join(value.split())


def _when(event: dict[str, tuple[dict[str, str], str]]) -> str:
    """Start and end in the zone that the invitation names."""
    parameters, start = event.get("DTSTART", ({}, ""))
    begins = _moment(start)
    if begins is None:
        return start
    ends = _moment(event.get("DTEND", ({}, ""))[1])
    day = (
        f"{_DAYS[begins.weekday()]} {begins.day} {_MONTHS.split()[begins.month - 1]} {begins.year}"
    )
    if "T" not in start.upper():
        return f"{day}, all day"
    zone = (
        "UTC" if start.upper().endswith("Z") else _zone_offset.sub("", parameters.get("TZID", ""))
    )
    until = ""
    if ends is not None and ends > begins:
        until = f" to {ends:%H:%M}"
        if ends.date() != begins.date():
            until = f" to {_day(ends)}, {ends:%H:%M}"
    return f"{day}, {begins:%H:%M}{until}{f' ({zone})' if zone else ''}"


def _day(moment: datetime) -> str:
    return f"{_DAYS[moment.weekday()]} {moment.day} {_MONTHS.split()[moment.month - 1]}"


def _moment(value: str) -> datetime | None:
    digits = re.fullmatch(r"(\d{8})(?:T(\d{4})(?:\d\d)?)?Z?", value.strip(), re.IGNORECASE)
    if digits is None:
        return None
    try:
        return datetime.strptime(digits[1] + (digits[2] or "0000"), "%Y%m%d%H%M")  # noqa: DTZ007
    except ValueError:
        return None
