"""Other systems beside the desk: one hears of a ticket, another one tells of its customer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SECONDS, Desk, sign_in
from tests.browser.test_accessibility import findings
from tests.receiver import receiver, says

pytestmark = pytest.mark.browser

TOLD = {
    "fields": [{"label": "Plan", "value": "Gold"}],
    "links": [{"label": "Orders", "url": "https://shop.example.com/42"}],
    "badges": [{"label": "VIP", "tone": "good"}],
}


@pytest.mark.requirement("R 13-16", "R 13-21")
def test_an_admin_connects_other_systems(desk: Desk, open_browser: Callable[..., Page]) -> None:
    page = open_browser()
    sign_in(page, "admin@desk.example")
    with receiver() as shop, receiver(says(200, json.dumps(TOLD).encode())) as crm:
        page.goto("/admin/webhooks/new")
        page.get_by_label("Name").fill("Shop")
        page.get_by_label("Address").fill(shop.url)
        expect(page.get_by_label("Signing secret")).to_have_value(re.compile("^whsec_"))
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_role("link", name="Shop").click()
        page.get_by_role("button", name="Send a test").click()
        shop.wait_for(1, SECONDS)
        page.get_by_role("link", name="Deliveries").click()
        expect(page.locator("main b", has_text="webhook.test")).to_be_visible()
        assert findings(page) == []

        page.goto("/admin/context")
        page.get_by_label("Address").fill(crm.url)
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_text("Gold", exact=True)).to_be_visible()
        assert findings(page) == []
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Saved.")).to_be_visible()

        page.goto("/desk/tickets/new")
        page.locator("[name=email]").fill("jo@shop.example")
        page.locator("[name=name]").fill("Jo")
        page.locator("[name=subject]").fill("Where is my order?")
        page.locator("[name=description]").fill("It should be here.")
        page.locator("main form button.primary").click()
        beside = page.get_by_role("region", name="Customer data")
        expect(beside.get_by_text("Gold")).to_be_visible()
        expect(beside.get_by_role("link", name="Orders")).to_have_attribute(
            "href", "https://shop.example.com/42"
        )
        assert findings(page) == []
        shop.wait_for(2, SECONDS)
        assert json.loads(shop.got[1].body)["data"]["ticket"]["subject"] == "Where is my order?"
        page.goto("/admin/context")  # the other tests' tickets stand alone again
        page.get_by_label("Address").fill("")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Saved.")).to_be_visible()
