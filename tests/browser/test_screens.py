"""Every screen, wide and on a phone, light and dark: axe finds nothing, Tab reaches everything, nothing is cut off."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Page

from infra.local.stack import LocalStack
from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, contacts_csv
from tests.browser.chromium import FITS, WAIT_MS, Visit
from tests.browser.screens import NOT_LOADED, PARTS, SCREENS, SIGN_IN, Data, Screen
from tests.browser.tabbing import unreachable
from tests.e2e.client import Client

WIDE, PHONE = (1440, 900), (390, 844)
TALL = 3_000  # axe sees no labels below the fold of a dialog
# What ends at an edge although there is more of it, in the dialog if there is one. Not what is hidden on purpose (one
# pixel), and not what a person scrolls in: inputs, code, sheets of rows.
CUT_OFF = """(allowed) => {
    const part = [...document.querySelectorAll('[role=dialog]')].pop() ?? document.body;
    return [...part.querySelectorAll('*')].filter((element) => {
        const {clientWidth, clientHeight, scrollWidth} = element;
        const isSeen = clientWidth > 1 && clientHeight > 1 && element.checkVisibility({visibilityProperty: true});
        const isCut = getComputedStyle(element).overflowX !== 'visible' && scrollWidth > clientWidth + 1;
        return isSeen && isCut && element.innerText?.trim() && !element.closest(allowed);
    }).map((element) => `cut off, ${element.scrollWidth - element.clientWidth} px: `
        + element.innerText.trim().replace(/\\s+/g, ' ').slice(0, 80));
}"""
ALLOWED = "input, textarea, .sheet, .code, [role=tablist]"


def test_every_screen_is_accessible_reachable_and_whole(
    visit: Visit, admin: Client, stack: LocalStack, tmp_path: Path
) -> None:
    admin.put_entity("screens", **CONTACTS)
    file = tmp_path / "contacts.csv"
    file.write_bytes(contacts_csv(12, bad=3))
    data = Data.made(admin, "screens", file)
    page = visit("start")
    faults: dict[str, list[str]] = {}
    for screen in SCREENS:
        screen.open(page, stack.stack["consoleUrl"], data)
        faults[screen.name] = faults_of(page, screen)
    page.route(PARTS, lambda route: route.abort())
    NOT_LOADED.open(page, stack.stack["consoleUrl"], data)
    faults[NOT_LOADED.name] = faults_of(page, NOT_LOADED)
    page.unroute(PARTS)
    page.evaluate("() => { sessionStorage.clear(); localStorage.clear(); }")
    SIGN_IN.open(page, stack.stack["consoleUrl"], data)
    faults[SIGN_IN.name] = faults_of(page, SIGN_IN)
    assert {name: found for name, found in faults.items() if found} == {}


def faults_of_layout(page: Page, *, may_cut_off: bool) -> list[str]:
    """What does not fit once the page has been laid out anew, for which it has as long as any expectation."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while True:
        faults = [] if page.evaluate(FITS) else ["scrolls sideways"]
        faults += [] if may_cut_off else page.evaluate(CUT_OFF, ALLOWED)
        if not faults or time.monotonic() > deadline:
            return faults
        page.wait_for_timeout(100)


def faults_of(page: Page, screen: Screen) -> list[str]:
    """What is wrong with a screen that is open, at each width."""
    found = []
    for width, height in (WIDE, PHONE):
        page.set_viewport_size({"width": width, "height": TALL})
        page.wait_for_load_state("networkidle")
        faults = flaws(page)
        page.set_viewport_size({"width": width, "height": height})
        faults += unreachable(page)
        faults += faults_of_layout(page, may_cut_off=width != PHONE[0] or screen.scrolls_sideways)
        found += [f"{width} px: {fault}" for fault in faults]
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    return found
