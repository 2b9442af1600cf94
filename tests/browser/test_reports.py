"""A supervisor finds why last month's compliance fell, from the chart to the ticket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from app import create_app
from app.accounts.models import Person, PersonEmail
from app.automation import escalation
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.settings import load
from app.tickets import conversation
from app.tickets.models import Ticket
from app.tickets.words import Priority, Source
from app.web.words import zone
from tests.browser.conftest import Desk, sign_in
from tests.browser.test_accessibility import check

pytestmark = pytest.mark.browser

LATE, IN_TIME = "The kiln stays cold", "Which cable fits?"


@pytest.fixture
def late(desk: Desk) -> str:
    """Two critical tickets of last month: one was answered too late. Its number."""
    with create_app(load(desk.environ)).app_context():
        month = utcnow().astimezone(zone("UTC")).replace(day=1) - timedelta(days=10)
        begin_write()
        found = {}
        for subject, hours in ((IN_TIME, 0.5), (LATE, 30)):
            asker = RequesterInput(email="kiln@shop.example", name="Ines Duarte")
            opened = take_in(
                NewTicket(subject, "Please.", asker, Source.WEB, priority=Priority.CRITICAL),
                now=month,
            )
            found[subject] = (opened, month + timedelta(hours=hours))
        db.session.commit()
        for opened, answered_at in found.values():
            if answered_at > month + timedelta(hours=1):
                escalation.sweep(month + timedelta(hours=2))
            begin_write()
            owner = PersonEmail.address == "admin@desk.example"
            agent = db.session.query(Person).join(PersonEmail).where(owner).one()
            ticket = db.session.get_one(Ticket, opened.id)
            conversation.reply(ticket, "It is.", by=agent, now=answered_at, then="resolved")
            db.session.commit()
        db.engine.dispose()
    return found[LATE][0].number


@pytest.mark.requirement("R 10-2", "R 13-15")
def test_from_a_fall_of_compliance_to_the_ticket(
    open_browser: Callable[..., Page], late: str
) -> None:
    page = open_browser(viewport={"width": 1440, "height": 900})
    sign_in(page, "admin@desk.example")
    page.get_by_role("link", name="Reports").click()
    page.get_by_role("link", name="Last month").click()
    expect(page.get_by_text("SLA targets were met")).to_be_visible()
    check(page, page.url)
    # What it is a share of, one click away.
    page.get_by_role("button", name="What is counted: SLA compliance").click()
    expect(page.get_by_text("they are told apart")).to_be_visible()
    page.keyboard.press("Escape")
    # The striped end of the first bar.
    page.locator(".chart .color-1 a").filter(has_text="First response").click()
    expect(page.get_by_role("heading", name="First response too late")).to_be_visible()
    check(page, page.url)
    expect(page.get_by_role("link", name=IN_TIME)).to_have_count(0)
    page.get_by_role("link", name=LATE).click()
    expect(page).to_have_url(f"/desk/tickets/{late}")

    narrow = open_browser(script=False, viewport={"width": 390, "height": 800})
    sign_in(narrow, "admin@desk.example")
    narrow.goto("/reports/?period=last_month")
    narrow.get_by_role("link", name="First response too late").click()
    expect(narrow.get_by_role("link", name=LATE)).to_be_visible()
