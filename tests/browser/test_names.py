"""Names of any script and content are shown as text, and nothing in them runs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from infra.local.stack import LocalStack
from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, start_import
from tests.browser.chromium import Visit, expect_no_sideways_scrolling
from tests.browser.exports_screen import create, select
from tests.e2e.client import Client

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)<!--.csv"
QUOTES = "\"quotes\" 'and' `ticks` & more.csv"
RIGHT_TO_LEFT = "\u202egnp.\u202c שלום مرحبا.csv"
EXPORT_NAME = "<img src=x onerror=alert(1)>\"'&amp;"
EXPORT_RIGHT_TO_LEFT = "\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe שלום"
LONG = "n" * 296 + ".csv"


def test_names_are_shown_as_they_are_and_nothing_of_them_runs(visit: Visit, admin: Client, stack: LocalStack) -> None:
    fields = [{"name": "id", "type": "integer"}, {"name": MARKUP}, {"name": RIGHT_TO_LEFT}, {"name": "f" * 255}]
    admin.put_entity("hostile", title=MARKUP, schema={"fields": fields, "primaryKey": "id", "fieldsMatch": "partial"})
    good, bad = f'id,"{MARKUP}"\n1,"{MARKUP}"\n'.encode(), b"id\n<b>x</b>\n"
    s3, bucket = stack.clients("s3"), stack.stack["dropBucket"]
    for name, data in ((MARKUP, good), (QUOTES, bad), (RIGHT_TO_LEFT, good), (LONG, bad)):
        s3.put_object(Bucket=bucket, Key=f"drop/hostile/{name}", Body=data)
        assert admin.wait(admin.find_job(entity="hostile", q=name)["jobId"])["fileName"] == name
    failed = start_import(admin, "hostile", QUOTES, b"nothing\n")
    admin.wait(failed)

    def check(page: Page) -> None:
        expect_no_sideways_scrolling(page)
        expect(page.locator("img[src=x], #root b")).to_have_count(0)

    page = visit("imports?entity=hostile")
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    for name in (MARKUP, QUOTES, RIGHT_TO_LEFT):
        expect(page.get_by_role("row").filter(has_text=name).first).to_be_visible()
    expect(page.get_by_role("rowheader").get_by_title(LONG)).to_be_visible()
    check(page)
    page.get_by_role("button", name=f"All errors: {LONG}").click()
    expect(page.get_by_role("dialog").get_by_text("<b>x</b>").first).to_be_visible()
    assert flaws(page) == []
    check(page)
    page.goto(stack.stack["consoleUrl"] + "status?q=hostile")
    for name in (MARKUP, QUOTES, RIGHT_TO_LEFT):
        expect(page.get_by_role("row").filter(has_text=name).first).to_be_visible()
    check(page)
    for name in (MARKUP, LONG):
        page.get_by_role("checkbox", name=f"Select {name}").check(force=True)
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog").get_by_text(MARKUP)).to_be_visible()
    check(page)
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.goto(stack.stack["consoleUrl"] + "entities/hostile")
    expect(page.get_by_text(f"The import of {QUOTES} failed")).to_be_visible()
    expect(page.get_by_role("cell", name=MARKUP)).to_be_visible()
    expect(page.get_by_text(MARKUP, exact=True).first).to_be_visible()
    check(page)
    assert flaws(page) == []
    page.goto(stack.stack["consoleUrl"] + "entities")
    expect(page.get_by_role("row").filter(has_text="hostile")).to_contain_text(MARKUP)
    check(page)


def test_names_of_markup_quotes_and_other_scripts_are_only_text(visit: Visit, admin: Client) -> None:
    admin.put_entity("people", title=f"{EXPORT_NAME} {EXPORT_RIGHT_TO_LEFT}", **CONTACTS)
    names = {kind: f"{kind} {name}"[:200] for kind, name in {
        "markup": EXPORT_NAME, "rtl": EXPORT_RIGHT_TO_LEFT, "long": "very long name " * 20,
    }.items()}  # fmt: skip
    for kind, name in names.items():
        file_name = f"{kind} {EXPORT_NAME} שלום.csv"
        finished = create(admin, name, "people", activate=True, fileName=file_name)
        admin.wait(admin.get(f"/exports/{finished}")["jobId"])
    page = visit("exports?tab=FINISHED&q=markup")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    select(page, names["markup"])
    dialog = page.get_by_role("dialog")
    for button in ("View report", "View definition"):
        page.get_by_role("button", name=button).click()
        expect(dialog.get_by_text(f"markup {EXPORT_NAME} שלום.csv").first).to_be_visible()
        dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("searchbox", name="Name").fill(EXPORT_NAME)
    expect(page.get_by_role("row").filter(has_text=names["markup"])).to_be_visible()
    page.get_by_role("searchbox", name="Name").fill("")
    for kind in ("rtl", "long"):
        row = page.get_by_role("row").filter(has_text=f"{kind} ").first
        expect(row).to_be_visible()
        expect(row.locator("bdi").first).to_have_css("unicode-bidi", "isolate")
    expect_no_sideways_scrolling(page)
    assert flaws(page) == []

    # A name that the API does not take is refused in the wizard, with the reason, and can be mended there.
    page.get_by_role("button", name="Create export").click()
    expect(page.get_by_role("heading", name="Data and type")).to_be_visible()
    page.get_by_role("button", name="Entity").click()
    option = page.get_by_role("option").filter(has_text="people: ")
    expect(option).to_contain_text(EXPORT_NAME)
    option.click()
    page.get_by_label("Name", exact=True).fill("n" * 300)
    for _ in range(5):
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", name="Destination and recipients")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("must be one line of 1 to 200 characters")).to_be_visible()
    expect(page).to_have_url(re.compile("step=6"))
    expect(page.locator("img[src=x]")).to_have_count(0)
    assert dialogs == []
