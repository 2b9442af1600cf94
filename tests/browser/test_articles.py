"""An article from its writing to a ticket that is never sent."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.browser.test_accessibility import AXE, RUN, check

pytestmark = pytest.mark.browser

BODY = """Two minutes, and no tools.

## Switch it off

1. Pull the plug.

## Wipe it

| where | with |
|---|---|
| glass | `water` |

## Close it

> Never while it is hot.
"""
PATH = re.compile(r"^/kb/articles/\d+-how-do-i-clean-the-kiln$")


@pytest.mark.requirement("R 13-21")
def test_an_article_answers_before_a_ticket_and_in_a_reply(
    open_browser: Callable[..., Page],
) -> None:
    writer = open_browser(viewport={"width": 1440, "height": 900})
    sign_in(writer, "admin@desk.example")
    writer.goto("/admin/article-categories/new")
    writer.get_by_label("Name").fill("Care")
    writer.get_by_role("button", name="Save").click()
    check(writer, "/desk/articles/new")
    writer.get_by_label("Title").fill("How do I clean the kiln?")
    writer.get_by_label("Text").fill(BODY)
    writer.get_by_role("button", name="Preview").click()
    expect(writer.locator("#preview").get_by_role("heading", name="Wipe it")).to_be_visible()
    writer.get_by_role("button", name="Save and publish").click()
    expect(writer.get_by_role("link", name="As customers see it")).to_be_visible()
    article = writer.url
    for path in ("/desk/articles", article, f"{article}/text"):
        check(writer, path)

    guest = open_browser(viewport={"width": 320, "height": 700}, color_scheme="dark")
    guest.goto("/tickets/new")
    guest.get_by_label("Subject").press_sequentially("clean my kiln")
    offered = guest.get_by_role("region", name="Articles that may help").get_by_role("link")
    expect(offered).to_have_attribute("href", PATH)
    article = str(offered.get_attribute("href"))
    for path in ("/kb/", "/kb/search?q=kiln", article):
        check(guest, path)
    guest.get_by_role("button", name="Yes").click()
    expect(guest.get_by_role("heading", name="Thank you")).to_be_visible()

    writer.goto("/desk/tickets/new")
    writer.get_by_label("Name").fill("Thabo")
    writer.get_by_label("Mail address").fill("thabo.kiln@shop.example")
    writer.get_by_label("Subject").fill("Dust")
    writer.get_by_label("What happened?").fill("It is everywhere.")
    writer.get_by_role("button", name="Open the ticket").click()
    reply = writer.get_by_label("Your comment")
    reply.fill("Have a look:")
    writer.get_by_role("button", name="Insert an article").click()
    field = writer.get_by_role("searchbox", name="Find an article")
    expect(field).to_be_focused()
    writer.evaluate(AXE.read_text())
    assert writer.evaluate(RUN) == []
    field.fill("kiln")
    writer.get_by_role("button", name="How do I clean the kiln?", exact=True).click()
    expect(reply).to_have_value(
        re.compile(r"^Have a look:\n\nHow do I .*:\nhttp://.*/kb/articles/")
    )
    expect(reply).to_be_focused()
