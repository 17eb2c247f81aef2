"""A part of the console that does not load: words instead of a blank page, and one reload after an upgrade."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route, expect

from tests.browser.axe import flaws
from tests.browser.chromium import Visit

COULD_NOT = "This part of the console could not be loaded"
PARTS = re.compile(r"/assets/(?!index-)[^/]*\.js$")


def go(page: Page, path: str) -> None:
    page.evaluate(f"history.pushState(null, '', '{path}'); dispatchEvent(new PopStateEvent('popstate'))")


def test_offline_every_screen_says_that_it_did_not_load_and_can_be_tried_again(visit: Visit) -> None:
    page = visit("imports")
    expect(page.get_by_role("heading", name="Imported files")).to_be_visible()
    context = page.context
    context.set_offline(True)
    for path in ("entities/new", "entities/some", "exports/new", "status", "entities", "exports", "audit"):
        go(page, path)
        expect(page.get_by_text(COULD_NOT)).to_be_visible()
        expect(page.get_by_role("link", name="Imported files")).to_be_visible()  # the frame stays
    assert flaws(page) == []
    page.get_by_role("button", name="Try again").last.click()
    expect(page.get_by_text(COULD_NOT)).to_be_visible()
    context.set_offline(False)
    page.get_by_role("button", name="Try again").last.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Audit trail")).to_be_visible()
    go(page, "entities")
    expect(page.get_by_role("heading", name="Entities")).to_be_visible()
    expect(page.get_by_text(COULD_NOT)).to_have_count(0)


def test_a_dialog_that_does_not_load_leaves_the_frame(visit: Visit) -> None:
    page = visit("imports")
    expect(page.get_by_role("heading", name="Imported files")).to_be_visible()
    page.context.set_offline(True)
    page.get_by_role("button", name="Import from file").first.click()
    expect(page.get_by_text(COULD_NOT)).to_be_visible()
    page.context.set_offline(False)
    with page.expect_navigation():  # the browser remembers that the script failed
        page.get_by_role("button", name="Try again").last.click()
    expect(page.get_by_role("dialog")).to_be_visible()  # its address says that it is open


class Upgrade:
    """The server as after an upgrade: the page has another entry script, and the parts of the old build are gone."""

    def __init__(self, page: Page, *, new_parts: bool) -> None:
        self.loads = 0
        self._new_parts = new_parts
        page.route(re.compile(r"/console/[a-z]+$"), self._page)
        page.route(PARTS, self._part)
        page.route(re.compile(r"/assets/index-new-[^/]*\.js$"), self._entry)

    def _page(self, route: Route) -> None:
        self.loads += route.request.is_navigation_request()
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("assets/index-", "assets/index-new-", 1))

    def _part(self, route: Route) -> None:
        if self.loads and self._new_parts:
            route.continue_()
        else:
            route.fulfill(status=404, body="There is no such file.\n")

    def _entry(self, route: Route) -> None:
        name = route.request.url.rpartition("/")[2].replace("index-new-", "index-")
        route.fulfill(body=f'import "./{name}";', content_type="text/javascript")


def test_after_an_upgrade_the_page_is_loaded_again_once(visit: Visit) -> None:
    page = visit("imports")
    expect(page.get_by_role("heading", name="Imported files")).to_be_visible()
    # What renews a session is there already: its script is among those that an upgrade removes.
    page.wait_for_function("() => performance.getEntriesByType('resource').some(({name}) => /oidc-client/.test(name))")
    upgrade = Upgrade(page, new_parts=True)
    page.get_by_role("link", name="Status").click()
    expect(page.get_by_role("heading", name="Status")).to_be_visible()
    page.get_by_role("link", name="Entities").click()
    expect(page.get_by_role("heading", name="Entities")).to_be_visible()
    assert upgrade.loads == 1


def test_parts_that_are_missing_in_the_new_build_too_make_no_loop(visit: Visit) -> None:
    page = visit("imports")
    expect(page.get_by_role("heading", name="Imported files")).to_be_visible()
    upgrade = Upgrade(page, new_parts=False)
    page.get_by_role("link", name="Status").click()
    expect(page.get_by_text(COULD_NOT)).to_be_visible()
    assert upgrade.loads == 1
    with page.expect_navigation():
        page.get_by_role("button", name="Try again").last.click()
    expect(page.get_by_text(COULD_NOT)).to_be_visible()
    assert upgrade.loads == 2
