"""The start page: what runs, what failed, what is due, what is left, and charts, from a bounded number of requests."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, contacts_csv, start_import
from tests.browser.chromium import Visit, expect_no_sideways_scrolling
from tests.e2e.client import Client


def test_the_console_opens_on_what_failed_and_what_is_due(visit: Visit, admin: Client) -> None:
    admin.put_entity("started", **CONTACTS)
    admin.wait(start_import(admin, "started", "amber.csv", contacts_csv(5, bad=2)))
    admin.wait(start_import(admin, "started", "red.csv", b"nothing\n1\n"))
    admin.wait(start_import(admin, "started", "green.csv", contacts_csv(5)))
    body = {"name": "Started daily", "entity": "started", "type": "PERIODIC_FULL", "destination": {"kind": "s3"}}
    schedule = {"time": "02:30", "timezone": "UTC"}
    export = admin.call("POST", "/exports", json=body | {"schedule": schedule}).json()
    assert admin.call("POST", f"/exports/{export['exportId']}/activate").status_code == 200
    page = visit("")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/jobs?" in request.url else None)
    failed = page.get_by_role("table", name="Failed since yesterday")
    expect(failed.get_by_role("row").filter(has_text="amber.csv")).to_contain_text("Completed")
    expect(failed.get_by_role("row").filter(has_text="red.csv")).to_contain_text("Failed")
    expect(failed.get_by_text("green.csv")).to_have_count(0)
    expect(page.get_by_role("table", name="Due next").get_by_text("Started daily")).to_be_visible()
    expect(page.get_by_text("100 of 100")).to_be_visible()
    expect(page.get_by_text("imports 3 d, exports 2 d").first).to_be_visible()
    expect(page.get_by_label("Rows by day").first).to_be_visible()
    page.reload()
    expect(failed.get_by_text("amber.csv")).to_be_visible()
    assert len(asked) <= 6
    assert flaws(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    expect_no_sideways_scrolling(page)
    assert flaws(page) == []
    page.set_viewport_size({"width": 1500, "height": 950})
    page.get_by_role("link", name="Status", exact=True).first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("row").filter(has_text="red.csv")).to_be_visible()
    assert admin.call("POST", f"/exports/{export['exportId']}/unschedule").status_code == 200
