"""The first day of a desk: an admin sets it up from nothing to the first automatic answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import PASSWORD, SECONDS, body, outset, running
from tests.process.test_supervisor import wait_until

pytestmark = pytest.mark.browser

LINK = re.compile(r"http\S+/first-admin\?key=\S+")
ANSWER = "We bake for 400 shops, so please name yours. Your number: {{ ticket.number }}."


@pytest.mark.requirement("R 8-1", "R 8-2", "R 8-3")
def test_an_admin_sets_up_a_desk_from_nothing(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with outset(tmp_path) as desk, running(desk) as log:
        chromium: Browser = request.getfixturevalue("chromium")
        wait_until(lambda: bool(LINK.search(log.read_text())))  # it serves a moment before
        [address] = LINK.findall(log.read_text())
        admin = chromium.new_page(base_url=desk.url)
        admin.set_default_timeout(SECONDS * 1_000)

        # The link that the first start prints makes the admin, once.
        admin.goto(address)
        admin.get_by_label("Your name").fill("Sanna Oksanen")
        admin.get_by_label("Mail address").fill("sanna@bakery.example")
        admin.get_by_label("Password").fill(PASSWORD)
        admin.get_by_role("button", name="Become admin").click()
        admin.wait_for_url("**/desk/**")
        assert admin.request.get(address).status in (404, 410)

        # A category of their own, and what its customers get at once.
        admin.goto("/admin/categories/new")
        admin.get_by_label("Name").fill("Ovens")
        admin.get_by_role("button", name="Save", exact=True).click()
        expect(admin.locator("main")).to_contain_text("Ovens")
        admin.goto("/admin/templates/new")
        admin.get_by_label("For tickets about").select_option(label="Ovens")
        admin.get_by_label("Subject").fill("Your oven")
        admin.get_by_label("Text", exact=True).fill(ANSWER)
        admin.get_by_role("button", name="Show it").click()
        expect(admin.locator("#preview")).to_contain_text("We bake for 400 shops")
        admin.get_by_role("button", name="Save", exact=True).click()
        expect(admin.locator("main")).to_contain_text("Ovens")
        admin.goto("/admin/settings")
        admin.get_by_label("Name", exact=True).fill("Bakery help")
        admin.get_by_role("button", name="Save", exact=True).click()
        expect(admin.locator(".rail .mark")).to_contain_text("Bakery help")

        # A customer writes, and has the answer before anybody has read the question.
        customer = chromium.new_page(base_url=desk.url)
        customer.set_default_timeout(SECONDS * 1_000)
        customer.goto("/tickets/new")
        expect(customer.get_by_role("banner")).to_contain_text("Bakery help")
        customer.get_by_label("Subject").fill("The oven is cold")
        customer.get_by_label("What is it about").select_option(label="Ovens")
        customer.get_by_label("What happened").fill("Since this morning.")
        customer.get_by_label("Your name").fill("Thabo Nkosi")
        customer.get_by_label("Mail address").fill("thabo@shop.example")
        customer.get_by_role("button", name="Send").click()
        customer.wait_for_url("**/tickets/sent")
        number = re.search(r"TKT-[A-Z2-9]{8}", customer.locator("main").inner_text())
        assert number
        answer = desk.inbox.wait_for("thabo@shop.example", "We bake for 400 shops")
        assert f"Your number: {number[0]}." in body(answer)
        admin.goto(f"/desk/tickets/{number[0]}")
        expect(admin.get_by_role("heading", name="The oven is cold")).to_be_visible()
        admin.close()
        customer.close()
