"""Records are exported from the page of their entity."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, contacts_csv, start_import
from tests.browser.chromium import Visit
from tests.browser.exports_screen import go_on
from tests.e2e.client import Client


def test_an_export_takes_three_clicks(visit: Visit, admin: Client) -> None:
    admin.put_entity("exported", **CONTACTS)
    admin.wait(start_import(admin, "exported", "in.csv", contacts_csv(130)))
    page = visit("entities/exported")
    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("130 records match")).to_be_visible()
    expect(dialog.get_by_role("table", name="The first rows of the file").get_by_role("row")).to_have_count(11)
    assert flaws(page) == []
    dialog.get_by_role("button", name="Export", exact=True).click()
    expect(dialog.get_by_text("The file is ready")).to_be_visible()
    expect(dialog.get_by_text("130 rows exported")).to_be_visible()
    with page.expect_download() as saving:
        dialog.get_by_role("button", name="Download").click()
    assert saving.value.suggested_filename.startswith("exported_")
    assert len(Path(saving.value.path()).read_text().splitlines()) == 131


def test_what_is_filtered_is_exported_and_an_empty_value_is_told(visit: Visit, admin: Client) -> None:
    admin.put_entity("filtered", **CONTACTS)
    admin.wait(start_import(admin, "filtered", "in.csv", contacts_csv(30)))
    page = visit('entities/filtered?filter=[{"field":"email","op":"contains","value":"p7@"}]')
    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("1 record matches")).to_be_visible()
    dialog.get_by_role("textbox", name="Value").fill("")
    expect(dialog.get_by_text("to find records without one, choose “is empty”")).to_be_visible()
    expect(dialog.get_by_text("filter/0/value")).to_be_visible()
    expect(dialog.get_by_role("button", name="Export", exact=True)).to_be_disabled()
    dialog.get_by_role("textbox", name="Value").fill("p8@")
    dialog.get_by_label("Name", exact=True).fill("only the eighth")
    dialog.get_by_role("button", name="Schedule or deliver instead").click()
    expect(page.get_by_role("heading", name="Data and type")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("only the eighth")  # what was typed goes along
    go_on(page, "Filter")
    expect(page.get_by_label("Value")).to_have_value("p8@")
