"""What hands do on the desk with script: files, menus, filters, and where they end up."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import Desk, sign_in
from tests.browser.test_accessibility import findings

pytestmark = pytest.mark.browser

LOG: FilePayload = {"name": "service-log.txt", "mimeType": "text/plain", "buffer": b"E-41"}
PICTURE: FilePayload = {"name": "panel.png", "mimeType": "image/png", "buffer": b"\x89PNG" * 99}
FILES = "Attach files, up to 10 of 25 MB each"


@pytest.fixture(scope="session")
def make_ticket(desk: Desk) -> Callable[..., str]:
    """Open a ticket, and return its number."""
    made = desk.command("token", "create", "--email", "agent@desk.example", "--name", "hands")
    headers = {
        "Authorization": f"Bearer {made.strip().splitlines()[-1].split()[-1]}",
        "Content-Type": "application/json",
    }

    def make(subject: str) -> str:
        content: dict[str, Any] = {
            "subject": subject,
            "description": "Nothing is baking.",
            "requester": {"email": "customer@shop.example"},
        }
        request = urllib.request.Request(
            f"{desk.url}/api/v1/tickets", json.dumps(content).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(json.load(answer)["number"])

    return make


@pytest.fixture
def agent(open_browser: Callable[..., Page]) -> Page:
    page = open_browser(viewport={"width": 1440, "height": 900})
    sign_in(page, "agent@desk.example")
    return page


def expect_chips(page: Page, *names: str) -> None:
    """Wait until these files are chosen: shown, and what the form would send."""
    expect(page.locator("#reply-files-list bdi")).to_have_text(names)
    chosen = "[...document.querySelector('#reply-files').files].map((file) => file.name)"
    assert page.evaluate(chosen) == list(names)


def choose(page: Page, word: str) -> None:
    """Type what a choice of the open menu begins with, quickly, and take it."""
    expect(page.locator(":popover-open :focus")).to_be_visible()
    page.evaluate(
        """(word) => { for (const key of word) document.activeElement.dispatchEvent(
             new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true})); }""",
        word,
    )
    expect(page.locator(".choice:focus")).to_have_text(re.compile(rf"^\s*{word}", re.IGNORECASE))
    page.keyboard.press("Enter")


def test_files_are_chosen_taken_away_kept_and_sent(
    agent: Page, make_ticket: Callable[..., str]
) -> None:
    agent.goto(f"/desk/tickets/{make_ticket('With files')}")
    field = agent.get_by_label(FILES)
    field.set_input_files(LOG)
    field.set_input_files(PICTURE)
    expect_chips(agent, "service-log.txt", "panel.png")
    agent.get_by_role("button", name="Remove service-log.txt").click()
    expect_chips(agent, "panel.png")
    expect(agent.get_by_role("button", name="Remove panel.png")).to_be_focused()

    # A refusal brings the form back, with its files: each goes along once.
    comment = agent.get_by_label("Your comment")
    comment.evaluate("(text) => text.removeAttribute('maxlength')")
    comment.fill("x" * 50_001)
    agent.get_by_role("button", name="Send", exact=True).click()
    expect(comment).to_have_attribute("aria-invalid", "true")
    expect(agent.get_by_label("panel.png")).to_be_checked()
    expect_chips(agent)
    comment.fill("See the picture.")
    agent.get_by_role("button", name="Send", exact=True).click()
    expect(agent.locator(".comment.agent").get_by_text("panel.png")).to_have_count(1)
    expect_chips(agent)
    expect(comment).to_be_focused()


def test_a_file_that_is_too_large_is_not_sent(agent: Page, make_ticket: Callable[..., str]) -> None:
    agent.goto(f"/desk/tickets/{make_ticket('Too large')}")
    field = agent.get_by_label(FILES)
    field.evaluate("(field) => { field.dataset.limit = 100; }")
    field.set_input_files(PICTURE)
    expect(agent.locator("#reply-files-list")).to_contain_text("too large")
    assert not field.evaluate("(field) => field.checkValidity()")
    agent.get_by_role("button", name="Remove panel.png").click()
    assert field.evaluate("(field) => field.checkValidity()")


def test_a_pasted_picture_goes_along(agent: Page, make_ticket: Callable[..., str]) -> None:
    agent.goto(f"/desk/tickets/{make_ticket('Pasted')}")
    agent.get_by_label("Your comment").evaluate(
        """(text) => {
          const data = new DataTransfer();
          data.items.add(new File(["x"], "pasted.png", { type: "image/png" }));
          const paste = { clipboardData: data, bubbles: true, cancelable: true };
          text.dispatchEvent(new ClipboardEvent("paste", paste));
        }"""
    )
    expect_chips(agent, "pasted.png")


@pytest.mark.requirement("R 0-30")
def test_properties_change_by_keyboard(agent: Page, make_ticket: Callable[..., str]) -> None:
    number = make_ticket("Changed by hand")
    agent.goto(f"/desk/tickets/{number}")
    side, head = agent.locator(".props"), agent.locator(".ticket-head")
    for label, keys, shown in (
        ("Category", "bill", "Billing"),
        ("Assignee", "priya", "Priya Raman"),
    ):
        link = side.get_by_role("link", name=label)
        link.focus()
        agent.keyboard.press("Enter")
        choose(agent, keys)
        expect(link).to_contain_text(shown)
        expect(agent.locator("#menu")).not_to_be_visible()
        expect(link).to_be_focused()
    edit = head.get_by_role("link", name="Edit the subject")
    edit.focus()
    agent.keyboard.press("Enter")
    expect(agent.get_by_role("textbox", name="Subject")).to_be_focused()
    agent.keyboard.type("Said better")  # over the old one, which is selected
    agent.get_by_role("button", name="Save").click()
    expect(head.get_by_role("heading")).to_have_text("Said better")
    expect(edit).to_be_focused()


@pytest.mark.requirement("R 12-1", "R 12-2")
def test_a_filter_counts_when_its_menu_closes(agent: Page, make_ticket: Callable[..., str]) -> None:
    number = make_ticket("Filtered")
    agent.goto("/desk/?view=unresolved&sort=created_at&order=desc")
    status = agent.get_by_role("button", name="Status not resolved")
    status.click()
    agent.get_by_label("Closed", exact=True).check()
    agent.keyboard.press("Escape")
    expect(agent.get_by_label("Closed", exact=True)).not_to_be_checked()
    assert "closed" not in agent.url
    status.click()
    agent.get_by_label("Pending", exact=True).uncheck()
    agent.mouse.click(900, 20)
    agent.wait_for_url("**status=new**")
    assert "sort=created_at" in agent.url
    assert "pending" not in agent.url
    assert "q=" not in agent.url

    # From a ticket back to the same list.
    there = agent.url
    agent.locator(f"#ticket-{number} .subject a").click()
    agent.get_by_role("link", name="Unresolved", exact=True).first.wait_for()
    agent.locator(".ticket-head .crumb").click()
    agent.wait_for_url(there)


def test_rows_are_ticked_counted_and_changed_together(
    agent: Page, make_ticket: Callable[..., str]
) -> None:
    numbers = [make_ticket(f"Ticked together {n}") for n in range(4)]
    for number in numbers:
        make_tag(agent, number, "ticked")
    agent.goto("/desk/?view=all&tag=ticked&sort=created_at&order=asc")
    boxes = agent.get_by_role("checkbox", name="Select TKT-")
    bar = agent.get_by_role("form", name="Selected tickets")
    expect(boxes).to_have_count(4)
    expect(bar).to_be_hidden()
    boxes.nth(1).focus()
    agent.keyboard.press("Space")
    expect(bar).to_be_visible()
    boxes.nth(3).click(modifiers=["Shift"])
    assert [box.is_checked() for box in boxes.all()] == [False, True, True, True]
    bar.get_by_role("button", name="All on this page").click()
    assert all(box.is_checked() for box in boxes.all())
    bar.get_by_role("button", name="None").click()
    expect(bar).to_be_hidden()
    boxes.nth(0).check()
    boxes.nth(2).check()
    counted = "getComputedStyle(document.querySelector('.picked'), '::before').content"
    assert "picked" in agent.evaluate(counted)
    assert findings(agent) == []
    bar.get_by_role("button", name="Change them").click()
    agent.get_by_label("Priority").select_option("critical")
    agent.get_by_role("button", name="Change 2 tickets").click()
    agent.wait_for_url("**tag=ticked**")
    expect(agent.locator('.queue-row[data-tone="critical"]')).to_have_count(2)


def make_tag(page: Page, number: str, name: str) -> None:
    page.goto(f"/desk/tickets/{number}/tags")
    page.get_by_label("with commas between").fill(name)
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_role("button", name="Save").click()
