"""The pages of reports: who sees them, what they cost, how a number leads to its tickets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, date, timedelta
from html import unescape

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.core.clock import utcnow
from app.core.db import db
from app.reports import tickets
from app.reports.measures import FIGURES, MEASURES
from app.tickets import lifecycle
from app.tickets.models import Ticket
from app.tickets.words import Status
from tests.factories import make_agent, make_organization, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]
HOUR = timedelta(hours=1)


@pytest.fixture
def boss(client: FlaskClient, sign_in: SignIn) -> Person:
    boss = make_agent(role=Role.SUPERVISOR, name="Dora")
    sign_in(client, boss)
    return boss


def resolved(boss: Person, *, age: timedelta = 30 * HOUR, **columns: object) -> Ticket:
    """A ticket that took an hour, *age* ago."""
    ticket = make_ticket(age=age, **{"status": Status.OPEN} | columns)
    lifecycle.change_status(ticket, Status.RESOLVED, by=boss, now=ticket.created_at + HOUR)
    db.session.flush()
    return ticket


def links(html: str) -> list[str]:
    """Where the numbers of a page lead."""
    return [unescape(path) for path in re.findall(r'href="(/reports/tickets\?[^"]*)"', html)]


@pytest.mark.requirement("R 13-15")
@pytest.mark.parametrize(
    "path", ["/reports/", "/reports/tickets?measure=created", "/reports/tickets.csv"]
)
def test_reports_are_for_supervisors_and_admins(
    client: FlaskClient, sign_in: SignIn, path: str
) -> None:
    assert client.get(path).status_code == 302
    for role, code in (
        (Role.CUSTOMER, 403),
        (Role.AGENT, 403),
        (Role.SUPERVISOR, 200),
        (Role.ADMIN, 200),
    ):
        sign_in(client, make_person(role=role))
        assert client.get(path, buffered=True).status_code == code, role
    sign_in(client, make_agent())
    assert 'href="/reports/"' not in client.get("/desk/").text
    sign_in(client, make_agent(role=Role.SUPERVISOR))
    assert 'href="/reports/"' in client.get("/desk/").text


@pytest.mark.requirement("R 10-1", "R 10-2")
def test_a_number_leads_to_its_tickets_page_by_page(
    client: FlaskClient, boss: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets, "ROWS", 2)
    made = {resolved(boss).number for _ in range(5)}
    make_ticket(age=timedelta(days=200))
    page = client.get("/reports/?period=last_7_days")
    path = next(path for path in links(page.text) if "measure=resolved&" in path)
    found: list[str] = []
    while path:
        answer = client.get(path)
        assert answer.status_code == 200
        assert MEASURES["resolved"].definition in unescape(answer.text)
        found += re.findall(r'href="/desk/tickets/(TKT-\w+)"', answer.text)
        further = re.search(r'href="([^"]*)" rel="next"', answer.text)
        path = unescape(further[1]) if further else ""
    assert len(found) == 5
    assert set(found) == made


def test_everything_counted_is_explained_one_click_away(client: FlaskClient, boss: Person) -> None:
    resolved(boss)
    html = unescape(client.get("/reports/").text)
    asked = set(re.findall(r'popovertarget="about-(\w+)"', html))
    assert {"created", "resolved", "backlog", *FIGURES} <= asked
    for key in asked:
        told = FIGURES[key][1] if key in FIGURES else MEASURES[key].definition
        assert html.count(f'id="about-{key}"') == 1
        assert told in html


def test_charts_keep_to_the_content_policy_and_name_their_series(
    client: FlaskClient, boss: Person
) -> None:
    resolved(boss)
    html = client.get("/reports/").text
    assert html.count('<svg class="chart"') + html.count('class="chart" viewBox') == 2
    assert not re.search(r"\sstyle=|<style|<script(?![^>]*\bsrc=)", html)
    # Told apart without colour: stripes in the drawing, names in the legend.
    assert 'fill="url(#stripes-flow)"' in html
    for name in ("Created", "Resolved"):
        assert re.search(rf'class="key" data-series="\d">{name}<', html)
    # Nobody gets lost in sixty links by keyboard: the table beneath has them all.
    drawn = re.findall(r"<svg[^>]*class=\"chart\".*?</svg>", html)
    assert all("aria-hidden" in one for one in drawn)
    assert all('tabindex="-1"' in link for one in drawn for link in re.findall(r"<a [^>]*>", one))


@pytest.mark.requirement("X57")
@pytest.mark.parametrize("count", [1, 12])
def test_a_report_costs_few_statements_however_many_tickets(
    client: FlaskClient, boss: Person, statements: list[str], count: int
) -> None:
    for _ in range(count):
        resolved(boss, assignee=make_agent())
    db.session.commit()
    client.get("/reports/")
    for path, most in (
        ("/reports/?period=last_month", 9),  # who asks, six of the report, organizations
        ("/reports/?period=last_month", 3),  # nothing has happened since
        ("/reports/tickets?measure=handled", 4),  # who asks, ids, rows, how many
    ):
        statements.clear()
        assert client.get(path).status_code == 200
        assert len(statements) <= most, statements


def test_a_report_that_is_kept_is_never_stale(client: FlaskClient, boss: Person) -> None:
    ticket = resolved(boss)
    for _ in range(2):
        assert ">1 ticket came in and 1 was resolved." in client.get("/reports/").text
    lifecycle.delete(ticket, by=boss, now=utcnow())
    db.session.commit()
    assert ">0 tickets came in and 0 were resolved." in client.get("/reports/").text
    lifecycle.restore(ticket, by=boss, now=utcnow())
    lifecycle.change_status(ticket, Status.OPEN, by=boss, now=utcnow())
    db.session.commit()
    assert ">1 ticket came in and 0 were resolved." in client.get("/reports/").text


def test_a_report_reads_indexes_of_its_own(boss: Person, statements: list[str]) -> None:
    """Neither all tickets nor all history, however long the desk has been there."""
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL chooses by its statistics")
    from tests.reports.test_numbers import PERIOD

    for measure in MEASURES.values():
        found = tickets.ids(measure, PERIOD, tickets.Cut(), most=51)
        text = str(found.compile(db.engine, compile_kwargs={"literal_binds": True}))
        plan = [row[3] for row in db.session.execute(sa.text(f"EXPLAIN QUERY PLAN {text}"))]
        scanned = [line for line in plan if re.match(r"SCAN (ticket|ticket_event|sla_clock)", line)]
        assert [line for line in scanned if "USING" not in line] == [], measure.key


def test_the_export_has_a_row_for_each_ticket_and_no_formula(
    client: FlaskClient, boss: Person
) -> None:
    organization = make_organization("=HYPERLINK()")
    asker = make_person(name="@Max", organization=organization)
    made = [resolved(boss, subject="+1 for the oven", requester=asker) for _ in range(3)]
    gone = resolved(boss)
    lifecycle.delete(gone, by=boss, now=utcnow())
    make_ticket(age=timedelta(days=200), status=Status.CLOSED)
    db.session.commit()
    answer = client.get("/reports/tickets.csv?measure=handled&period=last_7_days", buffered=True)
    assert answer.content_type == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    head, *rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row[0] for row in rows] == [ticket.number for ticket in reversed(made)]
    line = dict(zip(head, rows[0], strict=True))
    assert line["Subject"] == "'+1 for the oven"
    assert line["Requester"] == "'@Max"
    assert line["Organization"] == "'=HYPERLINK()"
    assert line["Resolution, minutes"] == "60.0"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("start=2026-10-05&end=2026-10-01", "not before the first day"),
        ("start=yesterday&end=", "a day such as 2026-10-01"),
        ("start=1900-01-01&end=2100-01-01", "a day such as"),
        ("start=2000-01-01&end=2100-01-01", "at most ten years"),
        ("agent=nobody@desk.example", "there is no agent"),
        ("organization=99999999999999", "there is no organization"),
        ("category=%00", "there is no category"),
        ("priority=huge", "there is no priority"),
    ],
)
def test_wrong_input_is_told_and_the_page_still_shown(
    client: FlaskClient, boss: Person, asked: str, told: str
) -> None:
    answer = client.get(f"/reports/?{asked}")
    assert answer.status_code == 400
    assert told in unescape(answer.text)
    assert "Created and resolved" in answer.text
    assert client.get(f"/reports/tickets?{asked}").status_code == 422


def test_unknown_numbers_and_pages_are_refused(client: FlaskClient, boss: Person) -> None:
    for asked in ("measure=everything", "measure=created&before=-1", "before=99999999999"):
        assert client.get(f"/reports/tickets?{asked}").status_code == 422


def test_days_are_those_of_whoever_looks(client: FlaskClient, boss: Person) -> None:
    """A ticket of late evening in Berlin came the next morning in Auckland."""
    boss.time_zone = "Pacific/Auckland"
    make_ticket(created_at=utcnow().replace(year=2026, month=3, day=4, hour=22, tzinfo=UTC))
    db.session.commit()
    for day, count in ((date(2026, 3, 4), 0), (date(2026, 3, 5), 1)):
        html = client.get(f"/reports/tickets?measure=created&start={day}&end={day}").text
        assert f"<h1>Created: {count}</h1>" in html


def test_a_cut_is_kept_by_links_and_shown(client: FlaskClient, boss: Person) -> None:
    agent = make_agent(name="Ada")
    organization = make_organization("Backhaus Leitner")
    asker = make_person(organization=organization)
    kept = resolved(boss, assignee=agent, requester=asker)
    resolved(boss, assignee=agent)
    resolved(boss)
    answer = client.get(f"/reports/?agent={agent.id}&organization=backhaus+LEITNER")
    assert "Backhaus Leitner" in answer.text
    path = next(path for path in links(answer.text) if "measure=created&" in path)
    listed = re.findall(r'href="/desk/tickets/(TKT-\w+)"', client.get(path).text)
    assert listed == [kept.number]
    everything = re.search(r'href="([^"]*)"[^>]*>All tickets', answer.text)
    assert everything
    assert "agent" not in everything[1]
