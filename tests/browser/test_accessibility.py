"""Every page: no serious or critical finding of axe, nothing wider than the screen."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.admin.data import RESOURCES
from app.admin.frame import PARTS
from tests.browser.conftest import ROOT, Desk, sign_in

pytestmark = pytest.mark.browser

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RUN = """
async (rules) => {
  const found = await axe.run(document, {resultTypes: ["violations"], ...rules});
  return found.violations
    .filter((v) => v.impact === "serious" || v.impact === "critical")
    .map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).slice(0, 3).join(" ")}`);
}
"""
SCREENS = [
    pytest.param({"viewport": {"width": 1440, "height": 900}}, id="wide"),
    pytest.param({"viewport": {"width": 320, "height": 700}, "has_touch": True}, id="narrow"),
]
FOR_EVERYBODY = (
    *("/", "/tickets/new", "/login", "/login/link", "/password-reset", "/nowhere"),
    *("/api/v1/docs", "/api/v1/docs/tickets"),
    *("/kb/", "/kb/search?q=nothing"),
)
FOR_CUSTOMERS = ("/", "/tickets", "/tickets/new", "/account/")
SPAM = "From: a@b.example\nSubject: Win\nX-Spam-Flag: YES\n\nWin " + "w" * 200
CHANGES = ("status", "priority", "assignment", "category", "tags", "subject", "fields")
FOR_AGENTS = (
    "/desk/",
    "/desk/?view=held",
    "/desk/?view=all&status=closed",
    "/desk/search",
    "/desk/search?q=oven",
    "/desk/?priority=high",
    "/desk/views",
    "/desk/views/new?priority=high",
    "/desk/tickets/new",
    "/account/",
    "/help/",
    "/help/workflow",
    "/help/settings",
    "/help/search?q=mail",
)
FOR_ADMINS = (
    "/admin/",
    *(door.path for part in PARTS for door in part.doors),
    *(f"{resource.url}/new" for resource in RESOURCES),
    *("/admin/categories/1", "/admin/categories/1/deletion", "/admin/policies/1"),
    *("/admin/calendars/1", "/admin/templates/1", "/admin/people/1"),
    *("/admin/people/2/deactivation", "/account/two-factor", "/admin/settings/chat/preview"),
    *("/admin/mail/ledger/counts", "/admin/mail/ledger/1", "/admin/mailboxes/1"),
)


def findings(page: Page) -> list[str]:
    """What axe finds; on wide screens the contrast also in the dark, where only colours differ."""
    page.evaluate(AXE.read_text())  # past the policy, which refuses it as it should
    found: list[str] = page.evaluate(RUN)
    if page.viewport_size and page.viewport_size["width"] > 1000:
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")  # at once, not fading
        found += [f"dark: {one}" for one in page.evaluate(RUN, {"runOnly": ["color-contrast"]})]
        page.emulate_media(color_scheme="light")
    return found


def check(page: Page, path: str) -> None:
    page.goto(path)
    assert findings(page) == [], path
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{path} is {wide} px wider than the screen"


@pytest.fixture(scope="session")
def quarantined(desk: Desk) -> None:
    """A mail that rests in quarantine, the first of the ledger."""
    desk.command("mail", "ingest", stdin=SPAM)


@pytest.fixture(scope="session")
def number(desk: Desk) -> str:
    """A ticket with everything on its page, and a subject that nobody wrote for looks."""
    token = desk.command("token", "create", "--email", "agent@desk.example", "--name", "axe")
    headers = {
        "Authorization": f"Bearer {token.strip().splitlines()[-1].split()[-1]}",
        "Content-Type": "application/json",
    }

    def post(path: str, content: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{desk.url}/api/v1{path}", json.dumps(content).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            made: dict[str, Any] = json.load(answer)
            return made

    requester = {"email": "customer@shop.example", "name": "Thabo Nkosi"}
    ticket = post(
        "/tickets",
        {
            "subject": "oven" + "x" * 496,
            "description": "لا أستطيع تسجيل الدخول\n\n从今天早上开始",
            "requester": requester,
            "tags": ["outage", "a-very-long-tag-" + "y" * 40],
        },
    )
    post(f"/tickets/{ticket['number']}/comments", {"body": "w" * 500})
    post(f"/tickets/{ticket['number']}/comments", {"body": "For us", "visibility": "internal"})
    other = {"subject": "The same oven", "requester": {"email": "other@shop.example"}}
    post("/tickets", {"description": "Again", **other})
    return str(ticket["number"])


@pytest.mark.requirement("R 0-30")
@pytest.mark.parametrize("screen", SCREENS)
def test_pages_for_everybody(open_browser: Callable[..., Page], screen: dict[str, Any]) -> None:
    page = open_browser(**screen)
    for path in FOR_EVERYBODY:
        check(page, path)


@pytest.mark.requirement("R 0-30")
@pytest.mark.parametrize("screen", SCREENS)
def test_pages_for_customers(
    open_browser: Callable[..., Page], number: str, screen: dict[str, Any]
) -> None:
    page = open_browser(**screen)
    sign_in(page, "customer@shop.example")
    for path in (*FOR_CUSTOMERS, f"/tickets/{number}"):
        check(page, path)


@pytest.mark.requirement("R 0-30")
@pytest.mark.parametrize("screen", SCREENS)
def test_pages_for_agents(
    open_browser: Callable[..., Page], number: str, screen: dict[str, Any]
) -> None:
    page = open_browser(**screen)
    sign_in(page, "agent@desk.example")
    ticket = f"/desk/tickets/{number}"
    parts = ("", "?tab=history", "?tab=why", *(f"/{kind}" for kind in CHANGES))
    several = f"/desk/changes?ticket={number}"
    for path in (*FOR_AGENTS, several, *(ticket + part for part in parts)):
        check(page, path)


@pytest.mark.parametrize("screen", SCREENS)
def test_merging_tickets_and_people(
    open_browser: Callable[..., Page], number: str, screen: dict[str, Any]
) -> None:
    page = open_browser(**screen)
    sign_in(page, "agent@desk.example")
    check(page, f"/desk/tickets/{number}/merges")
    check(page, f"/desk/tickets/{number}/merges?q=oven")
    check(page, str(page.get_by_role("link", name="The same oven").get_attribute("href")))
    expect(page.get_by_role("checkbox", name="They may read it")).to_be_visible()
    page.goto(f"/desk/tickets/{number}")
    person = str(page.get_by_role("link", name="Thabo Nkosi").first.get_attribute("href"))
    check(page, person)
    check(page, f"{person}/details")
    check(page, f"{person}/merges?q=other@")
    check(page, str(page.locator("main .lines a").first.get_attribute("href")))


@pytest.mark.parametrize("screen", SCREENS)
def test_pages_for_admins(
    open_browser: Callable[..., Page], quarantined: None, screen: dict[str, Any]
) -> None:
    page = open_browser(**screen)
    sign_in(page, "admin@desk.example")
    for path in FOR_ADMINS:
        check(page, path)


@pytest.mark.parametrize("screen", SCREENS)
def test_what_opens_on_them(
    open_browser: Callable[..., Page], number: str, screen: dict[str, Any]
) -> None:
    page = open_browser(**screen)
    sign_in(page, "agent@desk.example")
    for path in ("/desk/", f"/desk/tickets/{number}"):
        page.goto(path)
        openers = page.locator("button[popovertarget]:visible, .side a[data-menu], .crumb ~ a")
        for opener in openers.all():
            opener.click()
            page.locator(":popover-open").last.wait_for()
            assert findings(page) == [], opener
            page.keyboard.press("Escape")


@pytest.mark.parametrize("screen", SCREENS)
def test_forms_that_come_back(open_browser: Callable[..., Page], screen: dict[str, Any]) -> None:
    page = open_browser(**screen)
    sign_in(page, "agent@desk.example")
    for path in ("/tickets/new", "/desk/tickets/new"):
        page.goto(path)
        page.locator("main form").evaluate("(form) => { form.noValidate = true; }")
        page.locator("main form button[type=submit]").click()
        page.locator("[aria-invalid]").first.wait_for()
        expect(page.locator("[aria-invalid]").first).to_be_focused()
        assert findings(page) == [], path


def test_axe_is_installed() -> None:
    assert AXE.is_file(), f"{AXE.relative_to(Path.cwd())} is missing: make setup-dev"
