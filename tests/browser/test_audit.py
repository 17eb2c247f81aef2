"""The audit trail: admins see who did what, page by page and filtered; nobody else is offered it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, contacts_csv, start_import
from tests.browser.chromium import Visit
from tests.e2e.client import Client


def test_an_admin_finds_who_did_what(visit: Visit, admin: Client, alice: Client) -> None:
    admin.put_entity("audited", **CONTACTS)
    admin.wait(start_import(alice, "audited", "in.csv", contacts_csv(3, bad=1)))
    for number in range(52):  # more than a page of refusals
        refused = alice.call("PUT", "/entities/audited", json=CONTACTS | {"title": str(number)})
        assert refused.status_code == 403
    page = visit("audit?entity=audited")
    table = page.get_by_role("table", name="Audit trail")
    rows = table.get_by_role("row")
    expect(rows.nth(1)).to_contain_text("Save entity")
    expect(rows.nth(1)).to_contain_text("Refused")
    expect(rows).to_have_count(51)
    assert flaws(page) == []
    page.get_by_role("button", name="Next page").click()
    expect(rows).to_have_count(6)
    expect(rows.nth(3)).to_contain_text("Start import")
    expect(rows.nth(3)).to_contain_text("alice")
    expect(rows.nth(5)).to_contain_text("admin")
    page.get_by_label("Action").click()
    page.get_by_role("option", name="Start import", exact=True).click()
    expect(rows).to_have_count(2)
    page.get_by_label("Who").fill("nobody")
    expect(page.get_by_text("No entry matches the filters.")).to_be_visible()
    page.get_by_label("Who").fill("alice")
    expect(rows).to_have_count(2)
    table.get_by_role("link").filter(has_text="-").click()
    expect(page.get_by_role("row").filter(has_text="in.csv")).to_be_visible()


def test_nobody_else_is_offered_the_audit_trail(visit: Visit, admin: Client) -> None:
    page = visit("audit", user="alice")
    expect(page.get_by_text("Only administrators see the audit trail")).to_be_visible()
    expect(page.get_by_role("link", name="Manage exports")).to_be_visible()
    expect(page.get_by_role("link", name="Audit trail")).to_have_count(0)
