"""A visitor chats from a page on another origin, under a strict policy of that page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SECONDS, Desk, link, sign_in
from tests.browser.test_accessibility import AXE, RUN

pytestmark = pytest.mark.browser

ADDRESS = "ada@visitor.example"


@pytest.fixture
def shop(desk: Desk) -> Iterator[str]:
    """A website of its own that holds the line from the admin's page, and allows nothing else."""
    line = f'<script src="{desk.url}/widget.js" data-text-label="Ask us" async></script>'
    page = (
        '<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark"><title>Shop</title></head>'
        f"<body><main><h1>Ovens</h1></main>{line}</body></html>"
    )
    policy = f"default-src 'none'; script-src {desk.url}; connect-src {desk.url}"

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header(
                "Content-Security-Policy", f"{policy}; require-trusted-types-for 'script'"
            )
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.requirement("R 1-3", "R 13-7", "R 13-21")
def test_a_visitor_chats_and_goes_on_by_mail(
    desk: Desk, chromium: Browser, open_browser: Callable[..., Page], shop: str
) -> None:
    agent, visitor = open_browser(), open_browser(color_scheme="dark")
    sign_in(agent, "admin@desk.example")
    agent.goto("/admin/settings/chat")
    agent.get_by_label("Chat is on").check()
    agent.get_by_label("Websites").fill(f"{shop}/")
    agent.get_by_role("button", name="Save").click()
    agent.get_by_role("link", name="Try it").click()
    agent.get_by_role("button", name="Write to us").click()
    expect(agent.get_by_label("How can we help?")).to_be_focused()

    # The visitor writes, by keyboard alone.
    visitor.goto(f"{shop}/ovens")
    launcher = visitor.get_by_role("button", name="Ask us")
    launcher.focus()
    visitor.keyboard.press("Enter")
    window = visitor.get_by_role("dialog")
    expect(window.get_by_label("How can we help?")).to_be_focused()
    visitor.keyboard.press("Escape")
    expect(launcher).to_be_focused()
    visitor.keyboard.press("Enter")
    visitor.keyboard.type("Does the oven fit?")
    visitor.keyboard.press("Tab")
    visitor.keyboard.type("Ada Visitor")
    visitor.keyboard.press("Tab")
    visitor.keyboard.type(ADDRESS)
    visitor.evaluate(AXE.read_text())
    assert visitor.evaluate(RUN) == []
    visitor.keyboard.press("Enter")
    expect(window).to_contain_text("Your number is")
    number = re.search(r"TKT-[A-Z2-9]{8}", window.inner_text())
    assert number
    expect(window.get_by_label("Write a message")).to_be_focused()
    visitor.keyboard.type("It has <b>four</b> racks.")
    visitor.keyboard.press("Enter")
    expect(window.get_by_role("log")).to_contain_text("It has <b>four</b> racks.")

    # The agent answers, and the visitor sees it; it is not mailed then.
    agent.goto(f"/desk/tickets/{number[0]}")
    expect(agent.locator(".comment").first).to_contain_text("by chat, address not proven")
    with visitor.expect_response("**/chat/conversation/seen", timeout=2 * SECONDS * 1000):
        answer(agent, "Yes, it is 78 cm wide.")
    expect(window.get_by_role("log")).to_contain_text("78 cm")
    assert visitor.evaluate(RUN) == []
    agent.goto(f"/desk/tickets/{number[0]}?tab=history")
    expect(agent.locator("main")).to_contain_text("seen in the chat window, so it is not mailed")

    # A reload keeps the conversation; the visitor goes on from the mail, and it goes on there.
    visitor.reload()
    visitor.get_by_role("button", name="Ask us").click()
    expect(window.get_by_role("log")).to_contain_text("78 cm")
    customer = open_browser()
    customer.goto(link(desk.inbox.wait_for(ADDRESS, number[0])))
    customer.get_by_label("Add a reply").fill("Here is my invoice number, for you alone.")
    customer.get_by_role("button", name="Send reply").click()
    expect(customer.locator("main")).to_contain_text("for you alone")
    visitor.reload()
    visitor.get_by_role("button", name="Ask us").click()
    expect(window).to_contain_text("goes on by mail")
    expect(window).not_to_contain_text("for you alone")
    agent.goto(f"/desk/tickets/{number[0]}")
    expect(agent.locator(".props")).to_contain_text(f"on {shop.partition('://')[2]}/ovens")
    answer(agent, "Thank you, that is the one.")
    desk.inbox.wait_for(ADDRESS, "Thank you, that is the one.")

    # On a website that nobody allowed the page stays as it is.
    elsewhere = chromium.new_page()
    with elsewhere.expect_event("requestfailed", timeout=SECONDS * 1000):
        elsewhere.goto(shop.replace("127.0.0.1", "localhost"))
    expect(elsewhere.locator("deskhand-chat")).to_have_count(0)
    elsewhere.close()


def answer(agent: Page, text: str) -> None:
    """Send a public reply from the ticket's page."""
    agent.get_by_label("Your comment").fill(text)
    agent.get_by_role("button", name="Send", exact=True).click()
    expect(agent.locator(".comment.agent").last).to_contain_text(text)
