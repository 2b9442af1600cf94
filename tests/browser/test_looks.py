"""What a browser makes of the styles: colours of meanings, hover, room to write, fetching."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from app.tickets.words import Priority, Status
from tests.browser.conftest import sign_in

pytestmark = pytest.mark.browser

COLOURS = """(tones) => tones.map((tone) => {
  const badge = document.createElement("span");
  badge.className = "badge";
  badge.dataset.tone = tone;
  badge.innerHTML = '<svg class="icon"></svg><span></span><span>Word</span>';
  document.querySelector("main").append(badge);
  const style = getComputedStyle(badge);
  const word = getComputedStyle(badge.lastChild).textDecorationLine;
  return [getComputedStyle(badge.firstChild).color, style.color, style.backgroundColor, word];
})"""


# What lies 21 px beside the middle of a control, for each that is not the control itself.
MISSED = """(names) => names.flatMap((name) => {
  const control = document.querySelector("main " + name);
  control.scrollIntoView({block: "center"});
  const box = control.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  return [[0, -21], [0, 21], [-21, 0], [21, 0]]
    .filter(([dx, dy]) => !control.contains(document.elementFromPoint(x + dx, y + dy)))
    .map((beside) => `${name} ${beside}`);
})"""


def open_a_ticket(page: Page, subject: str) -> None:
    page.goto("/tickets/new")
    page.get_by_label("Subject").fill(subject)
    page.get_by_label("What is it about").select_option("technical")
    page.get_by_label("What happened").fill("Nothing is baking.")
    page.get_by_label("Your name").fill("Thabo Nkosi")
    page.get_by_label("Mail address").fill("thabo@looks.example")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/tickets/sent")


@pytest.mark.requirement("R 0-26", "R 12-4", "X58")
def test_every_status_and_priority_has_a_look_of_its_own(
    open_browser: Callable[..., Page],
) -> None:
    for scheme in ("light", "dark"):
        page = open_browser(color_scheme=scheme)
        page.goto("/tickets/new")
        for words in (Status, Priority):
            looks = page.evaluate(COLOURS, [word.value for word in words])
            assert len({str(look) for look in looks}) == len(words), (scheme, looks)
        in_work = page.evaluate(COLOURS, "open in_progress pending resolved closed".split())
        assert len({mark for mark, *_ in in_work}) == 5


@pytest.mark.requirement("R 0-26", "R 0-27", "R 12-2")
def test_rows_answer_the_pointer_and_a_list_says_that_it_is_fetched(
    open_browser: Callable[..., Page],
) -> None:
    page = open_browser(viewport={"width": 1440, "height": 900})
    page.goto("/tickets/new")
    box = page.get_by_label("What happened").bounding_box()
    assert box
    assert box["height"] >= 5 * 24, "room for five lines"
    open_a_ticket(page, "Looked at")

    sign_in(page, "agent@desk.example")
    page.goto("/desk/?view=all&page=1")
    row = page.locator(".queue-row").first
    page.mouse.move(0, 0)
    before = row.evaluate("(row) => getComputedStyle(row).backgroundColor")
    row.hover()
    expect(row).not_to_have_css("background-color", before)

    # What the page that is left has said is read from the next one.
    page.evaluate(
        """() => addEventListener("pagehide", () => sessionStorage.setItem(
             "said", document.querySelector("main").getAttribute("aria-busy")))"""
    )
    page.get_by_role("button", name="Status").first.click()
    page.get_by_label("Closed", exact=True).check()
    page.mouse.click(900, 20)
    page.wait_for_url("**status=closed**")
    assert "page=" not in page.url
    assert page.evaluate("sessionStorage.getItem('said')") == "true"
    expect(page.locator("main")).not_to_have_attribute("aria-busy", "true")


def test_a_finger_has_44_pixels_for_what_is_drawn_smaller(
    open_browser: Callable[..., Page],
) -> None:
    phone = {"width": 390, "height": 844}
    page = open_browser(viewport=phone, has_touch=True)
    open_a_ticket(page, "Touched")
    sign_in(page, "agent@desk.example")
    page.goto("/desk/?view=all")
    row = [f".queue-row {part}" for part in (".pick-one", ".priority", ".badge", ".agent")]
    assert page.evaluate(MISSED, [".chip", *row]) == []
    page.locator(".queue-row .subject a").first.click()
    page.locator(".composer").wait_for()
    parts = [".crumb", ".more", ".subject-line .button", ".tabs a", ".kinds label"]
    assert page.evaluate(MISSED, parts) == []


def test_a_ticket_on_paper_is_what_is_read_and_what_is_cut_off_says_all_of_itself(
    open_browser: Callable[..., Page],
) -> None:
    page = open_browser(viewport={"width": 1440, "height": 900})
    subject = "An oven that " + "hums and " * 18 + "bakes"
    open_a_ticket(page, subject)
    sign_in(page, "agent@desk.example")
    page.goto(
        "/desk/?view=all&sort=created_at&order=desc"
    )  # on the first page, whatever came before
    link = page.locator(".queue-row .subject a", has_text="An oven that hums").first
    expect(link).not_to_have_attribute("title", subject)
    link.hover()
    expect(link).to_have_attribute("title", subject)

    link.click()
    page.locator(".composer").wait_for()
    page.emulate_media(media="print")
    expect(page.get_by_text("Nothing is baking.")).to_be_visible()
    expect(page.locator(".props")).to_be_visible()
    for part in (".rail", ".tabs", ".composer", ".crumb"):
        expect(page.locator(part)).to_be_hidden()
