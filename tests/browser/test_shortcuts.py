"""The desk worked by single keys, and without them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import sign_in
from tests.browser.test_accessibility import findings
from tests.browser.test_hand_work import choose, make_tag, make_ticket

__all__ = ["make_ticket"]  # a fixture

pytestmark = pytest.mark.browser


@pytest.fixture
def agent(open_browser: Callable[..., Page]) -> Page:
    """A browser without transitions: keys cut them short, of which Chromium complains."""
    page = open_browser(viewport={"width": 1440, "height": 900})
    sign_in(page, "agent@desk.example")
    return page


@pytest.fixture
def numbers(
    agent: Page, make_ticket: Callable[..., str], request: pytest.FixtureRequest
) -> list[str]:
    """Three tickets, alone in a list that shows the oldest first."""
    made = [make_ticket(f"By keys {n}") for n in range(3)]
    tag = request.node.name[:30]
    for number in made:
        make_tag(agent, number, tag)
    agent.goto(f"/desk/?view=all&tag={tag}&sort=created_at&order=asc")
    return made


def link(page: Page, number: str) -> Locator:
    return page.locator(f"#ticket-{number} .subject a")


def badge(page: Page, number: str) -> Locator:
    return page.locator(f"#ticket-{number} .badge")


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until *target* has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if target.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError("Tab does not lead there")


def test_a_queue_is_worked_by_keys_alone(agent: Page, numbers: list[str]) -> None:
    first, second, third = numbers
    there, press = agent.url, agent.keyboard.press
    for key, number in (("j", first), ("j", second), ("j", third), ("j", third), ("k", second)):
        press(key)
        expect(link(agent, number)).to_be_focused()
    press("Enter")
    agent.wait_for_url(f"**/{second}")

    # A neighbour, a reply, a note, and back to the row.
    press("k")
    agent.wait_for_url(f"**/{first}")
    comment = agent.get_by_label("Your comment")
    press("n")
    expect(comment).to_be_focused()
    expect(agent.get_by_role("radio", name="Note")).to_be_checked()
    press("Escape")
    press("r")
    expect(comment).to_be_focused()
    expect(agent.get_by_role("radio", name="Reply")).to_be_checked()
    agent.keyboard.type("just try a reset")  # keys that would do something elsewhere
    expect(comment).to_have_value("just try a reset")
    press("Escape")
    press("u")  # would lose what was typed
    expect(comment).to_be_focused()
    tab_to(agent, agent.get_by_role("button", name="Send", exact=True))
    press("Enter")
    expect(agent.locator(".comment.agent")).to_contain_text("just try a reset")
    expect(comment).to_be_focused()
    press("Escape")
    press("u")
    agent.wait_for_url(there)
    expect(link(agent, first)).to_be_focused()

    # Two at once.
    press("x")
    press("j")
    press("j")
    press("x")
    boxes = agent.get_by_role("checkbox", name="Select TKT-")
    assert [box.is_checked() for box in boxes.all()] == [True, False, True]
    press("s")
    status = agent.get_by_role("combobox", name="Status")
    expect(status).to_be_focused()
    press("r")  # one letter: more have to come quickly
    expect(status).to_have_value("resolved")
    tab_to(agent, agent.get_by_role("button", name="Change 2 tickets"))
    press("Enter")
    agent.wait_for_url(there)
    for number in (first, third):
        expect(badge(agent, number)).to_have_attribute("data-tone", "resolved")
    expect(badge(agent, second)).not_to_have_attribute("data-tone", "resolved")


def test_a_key_opens_a_menu_and_the_row_keeps_the_focus(agent: Page, numbers: list[str]) -> None:
    row = agent.locator(f"#ticket-{numbers[0]}")
    press, menu = agent.keyboard.press, agent.locator("#menu")
    press("j")
    for key, chosen, shown in (
        ("s", "in", row.locator(".badge", has_text="In progress")),
        ("p", "crit", agent.locator(f"#ticket-{numbers[0]}[data-tone=critical]")),
        ("a", "priya", row.get_by_title("Priya Raman")),
    ):
        press(key)
        choose(agent, chosen)
        expect(shown.first).to_be_visible()
        expect(menu).to_be_hidden()
        expect(link(agent, numbers[0])).to_be_focused()
    press("t")
    tags = menu.get_by_label("with commas between")
    expect(tags).to_be_focused()
    agent.keyboard.type("warm")
    press("Enter")
    expect(row.locator(".tag", has_text="warm")).to_be_visible()
    expect(link(agent, numbers[0])).to_be_focused()
    press("t")
    expect(tags).to_be_focused()
    press("Escape")
    expect(link(agent, numbers[0])).to_be_focused()

    # The same on the ticket itself.
    press("o")
    agent.wait_for_url(f"**/{numbers[0]}")
    for key, chosen, label in (("s", "pend", "Pending"), ("p", "low", "Low")):
        press(key)
        choose(agent, chosen)
        expect(agent.locator(".props")).to_contain_text(label)
        expect(agent.locator("[popover]:popover-open")).to_have_count(0)
    for key in "at":
        press(key)
        expect(menu.locator(":focus")).to_be_visible()
        press("Escape")
        expect(menu).to_be_hidden()


def test_the_sheet_shows_the_keys_and_gives_the_focus_back(agent: Page, numbers: list[str]) -> None:
    press, sheet = agent.keyboard.press, agent.get_by_role("dialog", name="Keyboard shortcuts")
    press("j")
    press("?")
    expect(sheet).to_contain_text("Change the priority")
    assert findings(agent) == []
    press("j")  # nothing moves behind it
    press("Escape")
    expect(sheet).to_have_count(0)
    expect(link(agent, numbers[0])).to_be_focused()

    for width in (1440, 390):
        agent.set_viewport_size({"width": width, "height": 800})
        views = agent.get_by_role("button", name="Views")
        if width == 390:
            views.click()
        me = agent.get_by_role("button", name="Presence and account")
        me.click()
        agent.get_by_role("link", name="Keyboard shortcuts").click()
        expect(sheet).to_be_visible()
        sheet.get_by_role("button", name="Close").click()
        expect(sheet).to_have_count(0)
        expect(views if width == 390 else me).to_be_focused()
        press("/")
        if width == 390:
            agent.wait_for_url("**/desk/search")
        expect(agent.get_by_role("searchbox", name="Search tickets").last).to_be_focused()
        press("Escape")


def test_who_wants_no_keys_switches_them_off(agent: Page, numbers: list[str]) -> None:
    there, press = agent.url, agent.keyboard.press
    agent.goto("/account/")
    switch = agent.get_by_label("Single keys do something on the desk")
    switch.uncheck()
    agent.goto(there)
    press("j")
    press("?")
    expect(agent.locator(".subject a:focus")).to_have_count(0)
    expect(agent.get_by_role("dialog")).to_have_count(0)
    agent.goto("/account/")
    expect(switch).not_to_be_checked()
    switch.check()
    agent.goto(there)
    press("Control+j")
    expect(agent.locator(".subject a:focus")).to_have_count(0)
    press("j")
    expect(link(agent, numbers[0])).to_be_focused()


def test_without_script_the_link_leads_to_the_handbook(
    open_browser: Callable[..., Page],
) -> None:
    page = open_browser(script=False)
    sign_in(page, "agent@desk.example")
    page.goto("/account/")
    expect(page.locator("#shortcuts")).to_be_hidden()
    address = page.locator(".rail a[data-shortcuts]").get_attribute("href")
    page.goto(str(address))
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    assert page.evaluate("document.querySelector(location.hash) !== null")
