"""Phones and small windows: what can be done is in sight, without scrolling sideways and before what is only told."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from infra.local.stack import LocalStack
from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, contacts_csv, start_import
from tests.browser.chromium import Visit, expect_no_sideways_scrolling
from tests.e2e.client import Client


@pytest.mark.parametrize("width", [390, 800])
def test_actions_are_in_sight_in_a_narrow_window(visit: Visit, admin: Client, stack: LocalStack, width: int) -> None:
    admin.put_entity(f"narrow-{width}", **CONTACTS)
    file = f"narrow-{width}.csv"
    admin.wait(start_import(admin, f"narrow-{width}", file, contacts_csv(5, bad=2)))
    page = visit(f"imports?entity=narrow-{width}", viewport={"width": width, "height": 844})
    expect(page.get_by_role("button", name=f"Download unimported rows: {file}")).to_be_in_viewport(ratio=1)
    assert flaws(page) == []
    for screen, seen in (
        (f"status?q={file}", page.get_by_role("button", name="Download", exact=True)),
        ("exports", page.get_by_role("button", name="Activate")),
        ("sources", page.get_by_role("button", name="Run now")),
        (f"entities/narrow-{width}", page.get_by_role("button", name="Import from file")),
        ("entities", page.get_by_role("link", name=f"narrow-{width}", exact=True)),
    ):
        page.goto(stack.stack["consoleUrl"] + screen)
        expect(seen.first).to_be_visible()
        expect_no_sideways_scrolling(page)
        page.wait_for_function(
            "action => action.getBoundingClientRect().x < innerWidth", arg=seen.first.element_handle()
        )
    page.goto(stack.stack["consoleUrl"] + "exports")
    expect(page.get_by_role("button", name="Activate")).to_be_in_viewport()
    expect(page.get_by_label("Database")).not_to_be_visible()
    page.get_by_role("button", name="Find").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Database")).to_be_visible()
    assert flaws(page) == []
