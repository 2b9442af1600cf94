"""The main job: a customer's question, the desk's answer, solved; with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, body, link, sign_in

pytestmark = pytest.mark.browser


@pytest.mark.requirement("R 0-3", "R 0-28", "R 7-2", "R 13-7")
@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_from_the_form_to_solved_and_back(
    desk: Desk, open_browser: Callable[..., Page], tmp_path: Path, script: bool
) -> None:
    customer, agent = open_browser(script=script), open_browser(script=script)
    address = f"johanna{'1' if script else '2'}@backhaus.example"
    subject = f"All four ovens are offline {address}"
    log = tmp_path / "service-log.txt"
    log.write_text("E-41\n")

    # The customer opens a ticket and gets its number, and a mail with the link.
    customer.goto("/tickets/new")
    customer.get_by_label("Subject").fill(subject)
    customer.get_by_label("What is it about").select_option("technical")
    customer.get_by_label("What happened").fill("The panel shows E-41.\n\nWe bake by hand now.")
    customer.locator("input[type=file]").set_input_files(log)
    customer.get_by_label("Your name").fill("Johanna Leitner")
    customer.get_by_label("Mail address").fill(address)
    customer.get_by_role("button", name="Send").click()
    customer.wait_for_url("**/tickets/sent")
    number = re.search(r"TKT-[A-Z2-9]{8}", customer.locator("main").inner_text())
    assert number
    received = desk.inbox.wait_for(address, number[0])
    assert "Auto-Submitted" in received

    # The agent finds it, raises its priority in place, asks back and waits.
    sign_in(agent, "agent@desk.example")
    agent.goto("/desk/?view=unresolved&sort=created_at&order=desc")
    row = agent.locator(f"#ticket-{number[0]}")
    expect(row).to_contain_text(subject)
    row.locator("a.priority").click()
    agent.get_by_role("button", name="Critical").click()
    expect(agent.locator(f"#ticket-{number[0]} a.priority")).to_contain_text("Critical")
    agent.get_by_role("link", name=subject).click()
    expect(agent.get_by_role("heading", name=subject)).to_be_visible()
    expect(agent.get_by_text("service-log.txt")).to_be_visible()
    agent.get_by_label("Your comment").fill("Please switch the gateway off and on.")
    agent.get_by_role("button", name="Send and wait").click()
    expect(agent.locator(".comment.agent")).to_contain_text("Please switch the gateway")
    expect(agent.locator(".ticket-head")).to_contain_text("Pending")

    # An internal note stays inside.
    agent.get_by_text("Note", exact=True).click()
    agent.get_by_label("Your comment").fill("Same revision as in Graz: the secret certificate.")
    agent.get_by_role("button", name="Add note").click()
    expect(agent.locator(".comment.note")).to_contain_text("the secret certificate")

    # The customer reads the answer in a mail, follows its link and replies.
    answer = desk.inbox.wait_for(address, "Please switch the gateway")
    assert "secret" not in body(answer)
    assert re.search(r"\+[a-z2-7]{16,}@", str(answer["Reply-To"]))
    customer.goto(link(answer))
    assert "key=" not in customer.url
    expect(customer.locator("main")).to_contain_text("Please switch the gateway")
    assert "secret" not in customer.content()
    customer.get_by_label("Add a reply").fill("Done, it works again.")
    customer.get_by_role("button", name="Send reply").click()
    expect(customer.locator("main")).to_contain_text("Done, it works again.")

    # The agent sees it open again, and resolves it.
    agent.goto(f"/desk/tickets/{number[0]}")
    expect(agent.locator(".ticket-head")).to_contain_text("Open")
    agent.get_by_label("Your comment").fill("Glad to hear it.")
    agent.get_by_role("button", name="Send and resolve").click()
    expect(agent.locator(".ticket-head")).to_contain_text("Resolved")
    desk.inbox.wait_for(address, "Glad to hear it.")
    # Whoever it was routed to hears of the reply: the admin too is present where tests went before.
    desk.inbox.wait_for(("agent@desk.example", "admin@desk.example"), f"replied: {subject}")

    # It was not solved after all: the customer reopens it and then says that it is.
    customer.goto(f"/tickets/{number[0]}")
    customer.get_by_role("button", name="open it again").click()
    expect(customer.get_by_role("button", name="This is solved")).to_be_visible()
    customer.get_by_role("button", name="This is solved").click()
    expect(customer.get_by_role("button", name="open it again")).to_be_visible()


def test_whoever_comes_without_a_key_sees_nothing(
    desk: Desk, open_browser: Callable[..., Page]
) -> None:
    stranger = open_browser()
    for path in ("/tickets/TKT-AAAAAAAA", "/tickets/TKT-AAAAAAAA?key=forged", "/desk/"):
        stranger.goto(path)
        assert "offline" not in stranger.content()
