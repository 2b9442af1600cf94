"""A report in words and links, as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from markupsafe import Markup

from app.reports import charts, cuts
from app.reports.charts import Bar, Series
from app.reports.cuts import Cut
from app.reports.figures import Compliance, Duration, Line, Report
from app.reports.measures import FIGURES, MEASURES
from app.reports.periods import PRESETS, Period, preset
from app.reports.tickets import duration
from app.tickets.words import Status, Target

INDEX, LIST, EXPORT = "/reports/", "/reports/tickets", "/reports/tickets.csv"
TITLES = {
    "priority": "By priority",
    "category": "By category",
    "agent": "By agent",
    "group": "By group",
    "source": "By source",
}


@dataclass(frozen=True, slots=True)
class Number:
    """A number in words, and the list of what it counts ("": there is nothing)."""

    text: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One of the numbers at the top; ``about`` is the key of its definition."""

    label: str
    about: str
    number: Number
    more: tuple[tuple[str, Number], ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """A period to choose."""

    label: str
    path: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, what it shows in words, and its series by name."""

    drawing: Markup
    told: str
    series: tuple[str, ...]


class Linker:
    """Makes the links of one report, or of one row of it.

    Attributes:
        query: the period and cut as a query string.
    """

    def __init__(self, period: Period, cut: Cut) -> None:
        days = [("start", period.first.isoformat()), ("end", period.last.isoformat())]
        self.query = urlencode([*days, *cut.pairs()])

    def list(self, measure: str) -> str:
        """Where the tickets of a number are."""
        return f"{LIST}?measure={measure}&{self.query}"

    def export(self, measure: str) -> str:
        """The same as CSV."""
        return f"{EXPORT}?measure={measure}&{self.query}"

    def number(self, measure: str, count: int) -> Number:
        """A count with its list."""
        return Number(f"{count:,}", self.list(measure) if count else "")

    def rate(self, measure: str, share: float | None) -> Number:
        """A share with the list of what it is a share of."""
        return Number("–") if share is None else Number(percent(share), self.list(measure))

    def time(self, measure: str, seconds: float | None) -> Number:
        """A time with the list of the tickets that took it."""
        return Number("–") if seconds is None else Number(duration(seconds), self.list(measure))


def percent(share: float) -> str:
    """ "92.3 %"; whole only where it is exact, so that 99.96 does not read as all."""
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    return f"{min(max(share, 0.001), 0.999):.1%}".replace("%", " %")


def choices(period: Period, cut: Cut, now: datetime) -> list[Choice]:
    """The presets, each with the same cut."""
    found = []
    for name, (label, _) in PRESETS.items():
        like = preset(name, now=now, zone=period.zone)
        path = f"{INDEX}?{urlencode([('period', name), *cut.pairs()])}"
        found.append(Choice(label, path, like == period))
    current = [choice for choice in found if choice.is_current][:1]  # 1 to 30 is two of them
    return [Choice(c.label, c.path, c in current) for c in found]


def narrowed(cut: Cut) -> list[tuple[str, str]]:
    """What the report is narrowed to, in words: ("Agent", "Ada")."""
    return [(name.capitalize(), cuts.name_of(name, value)) for name, value in cut.pairs()]


def definitions() -> dict[str, tuple[str, str]]:
    """Label and definition of everything that a page explains."""
    return {m.key: (m.label, m.definition) for m in MEASURES.values()} | FIGURES


class Page:
    """What the template of a report asks for."""

    def __init__(self, report: Report) -> None:
        self.report, self.link = report, Linker(report.period, report.cut)

    @property
    def cards(self) -> list[Card]:
        """The numbers at the top."""
        report, link, total = self.report, self.link, self.report.total
        response, resolution = total.first_response, total.resolution
        return [
            Card("Created", "created", link.number("created", total.created)),
            Card("Resolved", "resolved", link.number("resolved", total.resolved)),
            Card(
                "Open at the end",
                "backlog",
                link.number("backlog", total.backlog),
                (("at the start", link.number("opening_backlog", total.opening_backlog)),),
            ),
            Card(
                "First response, median",
                "first_response_time",
                link.time("answered", response.calendar.median),
                (("on average", link.time("answered", response.calendar.mean)),),
            ),
            Card(
                "Resolution, median",
                "resolution_time",
                link.time("resolved", resolution.calendar.median),
                (("on average", link.time("resolved", resolution.calendar.mean)),),
            ),
            Card(
                "SLA compliance",
                "compliance",
                link.rate("sla", total.compliance.rate),
                (("too late", link.number("sla_missed", total.compliance.missed)),),
            ),
            Card(
                "Reopen rate",
                "reopen_rate",
                link.rate("solved", report.reopen_rate),
                (("opened again", link.number("reopened", report.reopened)),),
            ),
        ]

    @property
    def summary(self) -> str:
        """The report in a few sentences."""
        total = self.report.total
        change = total.backlog - total.opening_backlog
        than = (
            f"{abs(change):,} {'more' if change > 0 else 'fewer'} than" if change else "as many as"
        )
        told = [
            f"{_tickets(total.created)} came in and {total.resolved:,} "
            f"{'was' if total.resolved == 1 else 'were'} resolved.",
            f"At the end {total.backlog:,} {'was' if total.backlog == 1 else 'were'} open, "
            f"{than} at the start.",
        ]
        if (median := total.first_response.calendar.median) is not None:
            told.append(f"Half of the first responses came within {duration(median)}.")
        if (median := total.resolution.calendar.median) is not None:
            told.append(f"Half of the resolutions took no longer than {duration(median)}.")
        rate = total.compliance.rate
        told.append(
            "No SLA target was met or missed."
            if rate is None
            else f"{percent(rate)} of {total.compliance.decided:,} SLA targets were met."
        )
        return " ".join(told)

    @property
    def states(self) -> list[tuple[Status, Number, int]]:
        """Each status at the end: how many, and their share for a bar (0 to 100)."""
        counts = self.report.states
        whole = sum(counts.values()) or 1
        return [
            (status, self.link.number(f"state_{status.value}", n), round(100 * n / whole))
            for status, n in counts.items()
        ]

    @property
    def handled(self) -> Number:
        """All tickets in the period."""
        return self.link.number("handled", self.report.total.handled)

    @property
    def times(self) -> list[tuple[str, str, Number, list[Number]]]:
        """First response and resolution: heading, definition, how many, six times."""
        total = self.report.total
        return [
            self._time("First response", "first_response_time", "answered", total.first_response),
            self._time("Resolution", "resolution_time", "resolved", total.resolution),
        ]

    def _time(
        self, label: str, about: str, measure: str, took: Duration
    ) -> tuple[str, str, Number, list[Number]]:
        spreads = (took.calendar, took.business)
        seconds = [t for s in spreads for t in (s.mean, s.median, s.percentile_90)]
        numbers = [self.link.time(measure, time) for time in seconds]
        return label, about, self.link.number(measure, took.count), numbers

    @property
    def targets(self) -> list[tuple[str, str, Number, Number, Number, Number | None]]:
        """Each target: label, definition, share met, met, missed, and without a target."""
        found = []
        for target in Target:
            key, clocks = f"sla_{target.value}", self.report.total.sla[target]
            without = None
            if target in self.report.without_sla:
                measure = "answered" if target is Target.FIRST_RESPONSE else "resolved"
                count = self.report.without_sla[target]
                without = self.link.number(f"{measure}_without_sla", count)
            found.append(
                (
                    target.label,
                    key,
                    self.link.rate(key, clocks.rate),
                    self.link.number(f"{key}_met", clocks.met),
                    self.link.number(f"{key}_missed", clocks.missed),
                    without,
                )
            )
        return found

    @cached_property
    def steps(self) -> list[tuple[str, Number, Number, Number]]:
        """Each step: label, created, resolved, open at its end."""
        found = []
        for moment in self.report.steps:
            period = Period(moment.step.first, moment.step.last, self.report.period.zone)
            link = Linker(period, self.report.cut)
            found.append(
                (
                    moment.step.label,
                    link.number("created", moment.created),
                    link.number("resolved", moment.resolved),
                    link.number("backlog", moment.backlog),
                )
            )
        return found

    @property
    def flow_chart(self) -> Chart:
        """Created and resolved over time."""
        steps = self.steps
        labels = tuple(step[0] for step in steps)
        created = tuple(
            Bar(m.created, step[1].path, f"{step[0]}: {m.created:,} created")
            for m, step in zip(self.report.steps, steps, strict=True)
        )
        resolved = tuple(
            Bar(m.resolved, step[2].path, f"{step[0]}: {m.resolved:,} resolved")
            for m, step in zip(self.report.steps, steps, strict=True)
        )
        most = max(self.report.steps, key=lambda m: m.created)
        unit = self.report.period.unit
        told = f"Most came in on {most.step.label}: {most.created:,}." if most.created else ""
        if unit != "day":
            told = told.replace(" on ", f" in the {unit} of ")
        drawing = charts.columns(
            "flow", labels, (Series("Created", created), Series("Resolved", resolved))
        )
        return Chart(drawing, told, ("Created", "Resolved"))

    @property
    def backlog_chart(self) -> Chart:
        """How many were open over time."""
        steps = self.steps
        labels = tuple(step[0] for step in steps)
        bars = tuple(
            Bar(m.backlog, step[3].path, f"{step[0]}: {m.backlog:,} open at the end")
            for m, step in zip(self.report.steps, steps, strict=True)
        )
        most = max(self.report.steps, key=lambda m: m.backlog)
        least = min(self.report.steps, key=lambda m: m.backlog)
        told = (
            f"From {least.backlog:,} ({least.step.label}) to {most.backlog:,} ({most.step.label})."
        )
        return Chart(charts.columns("backlog", labels, (Series("Open", bars),)), told, ("Open",))

    @property
    def sla_chart(self) -> Chart | None:
        """The share of each target that was met; None without any clock."""
        rows = [(t, c) for t, c in self.report.total.sla.items() if c.decided]
        if not rows:
            return None
        met = tuple(self._share(t, c, is_met=True) for t, c in rows)
        missed = tuple(self._share(t, c, is_met=False) for t, c in rows)
        labels = tuple(target.label for target, _ in rows)
        series = (Series("In time", met), Series("Too late", missed))
        return Chart(charts.shares("sla", labels, series), "", ("In time", "Too late"))

    def _share(self, target: Target, clocks: Compliance, *, is_met: bool) -> Bar:
        rate = clocks.rate or 0
        word, count = ("met", clocks.met) if is_met else ("missed", clocks.missed)
        return Bar(
            100 * (rate if is_met else 1 - rate),
            self.link.list(f"sla_{target.value}_{word}"),
            f"{target.label}: {count:,} {'in time' if is_met else 'too late'}",
        )

    @property
    def breakdowns(self) -> list[tuple[str, str, list[tuple[str, list[Number]]]]]:
        """Each dimension: key, heading, rows of label and numbers."""
        return [
            (name, TITLES[name], [(line.label, self._line(name, line)) for line in lines])
            for name, lines in self.report.breakdowns.items()
        ]

    def _line(self, dimension: str, line: Line) -> list[Number]:
        link = Linker(self.report.period, self.report.cut.within(dimension, line.key))
        return [
            link.number("created", line.created),
            link.number("resolved", line.resolved),
            link.number("backlog", line.backlog),
            link.time("answered", line.first_response.mean),
            link.time("resolved", line.resolution.mean),
            link.rate("sla", line.compliance.rate),
            link.number("sla_missed", line.compliance.missed),
        ]


def _tickets(count: int) -> str:
    return f"{count:,} ticket{'' if count == 1 else 's'}"
