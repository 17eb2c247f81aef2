"""Entities: the catalogue, the records, and the editor that takes a Table Schema."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
from playwright.sync_api import Page, expect

from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, contacts_csv, start_import
from tests.browser.chromium import Visit
from tests.e2e.client import Client

SCHEMA = {
    "fields": [
        {"name": "id", "type": "integer"},
        {"name": "email", "type": "strnig"},
        {"name": "spend", "type": "number", "constraints": {"minimun": 0, "minimum": "low"}},
    ],
    "primaryKey": "id",
}


def definition(page: Page) -> dict[str, object]:
    area = page.get_by_label("Definition")
    expect(area).not_to_have_value("")
    found: dict[str, object] = json.loads(area.input_value())
    return found


def test_a_table_schema_is_pasted_corrected_where_it_is_wrong_and_saved(visit: Visit, admin: Client) -> None:
    page = visit("entities")
    page.get_by_role("button", name="Create entity").or_(page.get_by_role("link", name="Create entity")).first.click()
    page.get_by_label("Name").fill("pasted")
    page.get_by_label("Definition").fill(json.dumps(SCHEMA, indent=2))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The problems are listed below the definition")).to_be_visible()
    assert flaws(page) == []
    places = page.get_by_role("listitem").filter(has_text="schema/fields/1/type")
    places.get_by_role("button", name="Line 9").click()
    selected = page.evaluate(
        "() => {const {value, selectionStart, selectionEnd} = document.activeElement;"
        "return value.slice(selectionStart, selectionEnd)}"
    )
    assert selected == '"strnig"'
    page.keyboard.type('"string"')
    page.get_by_label("Definition").fill(page.get_by_label("Definition").input_value().replace('"low"', "0"))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The entity was created")).to_be_visible()
    expect(page.get_by_text("There are no records.")).to_be_visible()
    saved = admin.get("/entities/pasted")
    assert [field["type"] for field in saved["schema"]["fields"]] == ["integer", "string", "number"]
    page.get_by_role("link", name="Entities").first.click()
    expect(page.get_by_role("link", name="pasted", exact=True)).to_be_visible()
    assert flaws(page) == []


def test_a_file_becomes_an_entity_that_is_edited_in_a_table_and_imports_it(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    path = tmp_path / "Kunden 2026.csv"
    rows = ["007;31.12.1980;1.234,50;ja", "008;01.02.1990;7,5;nein", "009;;12,25;ja"]
    path.write_bytes("\n".join(["Kunden-Nr;Geburtstag;Umsatz;Aktiv", *rows, ""]).encode("cp1252"))
    page = visit("entities/new")
    page.locator("input[type=file]").set_input_files(path)
    table = page.get_by_role("table", name="Proposed fields")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Kunden-2026")
    expect(table.get_by_text("every cell is a date, day first")).to_be_visible()
    expect(page.get_by_text("None of the first 3 rows would be rejected.")).to_be_visible()
    assert flaws(page) == []
    table.get_by_label("Geburtstag is required").check()
    expect(page.get_by_text("1 of the first 3 rows would be rejected.")).to_be_visible()
    table.get_by_label("Geburtstag is required").uncheck()
    table.get_by_label("Name of the field for Kunden-Nr").fill("id")
    table.get_by_role("button", name="Leave out Aktiv").click()
    page.get_by_label("Definition").fill(
        page.get_by_label("Definition").input_value().replace('"view": []', '"view": ["salse"]')
    )
    expect(page.get_by_text("Permissions name groups that do not exist")).to_be_visible()
    page.get_by_role("button", name="Take salse away").click()
    page.get_by_role("button", name="May view").click()
    page.get_by_role("option", name="sales").click()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Permissions name groups that do not exist")).to_be_hidden()
    expect(page.get_by_text("None of the first 3 rows would be rejected.")).to_be_visible()
    admin.put_entity("taken", **CONTACTS)
    page.get_by_label("Name", exact=True).fill("taken")
    page.get_by_role("button", name="Create and import").click()
    expect(page.get_by_text("There is an entity of this name")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("kunden")
    page.get_by_role("button", name="Create and import").click()
    expect(page.get_by_role("row").filter(has_text="Kunden 2026.csv")).to_contain_text("3 rows imported")
    made = admin.get("/entities/kunden")
    assert [field["name"] for field in made["schema"]["fields"]] == ["id", "Geburtstag", "Umsatz"]
    assert (made["columns"], made["permissions"]["view"]) == ({"Kunden-Nr": "id"}, ["sales"])
    records = admin.get("/entities/kunden/records")["items"]
    assert sorted(records, key=lambda each: str(each["id"]))[0] == {
        "id": "007",
        "Geburtstag": "1980-12-31",
        "Umsatz": 1234.5,
    }


def test_a_template_is_downloaded_and_imported_as_it_is_filled_in(visit: Visit, admin: Client, tmp_path: Path) -> None:
    admin.put_entity("filled", **CONTACTS)
    page = visit("entities/filled")
    page.get_by_role("button", name="Download template").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Text file (CSV)").click()
    assert download.value.suggested_filename == "filled.csv"
    assert Path(download.value.path()).read_text().splitlines() == ["id,email,spend"]
    page.get_by_role("button", name="Download template").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Workbook (XLSX)").click()
    path = tmp_path / "filled.xlsx"
    download.value.save_as(path)
    book = openpyxl.load_workbook(path)
    book.active.append(["7", "a@example.com", 1.5])
    book.save(path)
    page.get_by_role("button", name="Import from file").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Download template")).to_be_visible()
    dialog.locator("input[type=file]").set_input_files(path)
    expect(dialog.get_by_text("a@example.com")).to_be_visible()
    expect(dialog.get_by_role("button", name="Download template")).to_be_hidden()
    assert flaws(page) == []
    dialog.get_by_role("button", name="Start import").click()
    expect(page.get_by_role("row").filter(has_text="filled.xlsx")).to_contain_text("1 row imported")


def test_fields_say_in_words_what_they_clean_and_refer_to(visit: Visit, admin: Client) -> None:
    admin.put_entity("countries", schema={"fields": [{"name": "code"}], "primaryKey": "code"})
    country = {"name": "country", "clean": ["trim", "upper"], "values": {"UK": "GB"}, "default": "BE"}
    keys = [{"fields": "country", "reference": {"resource": "countries", "fields": "code"}}]
    schema = {"fields": [{"name": "id"}, country], "primaryKey": "id", "foreignKeys": keys}
    admin.put_entity("worded", schema=schema, permissions={"view": ["sales"]})
    page = visit("entities/worded/schema", user="alice")
    row = page.get_by_role("row").filter(has_text="country")
    for words in ("must name a record of countries", "letters become upper case", "“UK” is read as “GB”"):
        expect(row.get_by_text(words)).to_be_visible()
    expect(row.get_by_text("a missing value is read as “BE”")).to_be_visible()
    assert flaws(page) == []


def test_text_that_is_not_json_is_not_sent_and_not_lost(visit: Visit, admin: Client) -> None:
    page = visit("entities/new")
    page.get_by_label("Name").fill("unsaid")
    page.get_by_label("Definition").fill('{"fields": [')
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This is not JSON")).to_be_visible()
    assert admin.call("GET", "/entities/unsaid").status_code == 404
    page.get_by_role("link", name="Status", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Leave without saving?")).to_be_visible()
    dialog.get_by_role("button", name="Stay").click()
    page.reload()
    expect(page.get_by_label("Name")).to_have_value("unsaid")
    expect(page.get_by_label("Definition")).to_have_value('{"fields": [')
    page.get_by_role("button", name="Cancel").click()
    dialog.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", name="Entities")).to_be_visible()


def test_members_are_proposed_where_the_caret_stands_and_inserted_by_the_keyboard(visit: Visit) -> None:
    page = visit("entities/new")
    area = page.get_by_label("Definition")
    expect(page.get_by_role("button", name="Insert at the caret")).to_be_enabled()
    area.fill('{"quality": {}}')
    for _ in range(2):
        page.keyboard.press("ArrowLeft")  # into the object
    page.keyboard.press("Control+Space")
    expect(page.get_by_role("menuitem", name="maxRowsChangePercent")).to_be_visible()
    assert flaws(page) == []
    expect(page.get_by_role("menuitem", name="schema")).to_have_count(0)
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(area).to_be_focused()
    page.keyboard.type("stop")
    assert definition(page) == {"quality": {"action": "stop"}}


def test_what_somebody_else_has_changed_is_not_overwritten(visit: Visit, admin: Client) -> None:
    admin.put_entity("edited", **CONTACTS)
    page = visit("entities/edited")
    page.get_by_role("button", name="Settings of the entity").click()
    page.get_by_role("menuitem", name="Edit schema").click()
    document = definition(page)
    admin.put_entity("edited", title="Theirs", **CONTACTS)
    page.get_by_label("Definition").fill(json.dumps(document | {"title": "Mine"}))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Someone else has changed it")).to_be_visible()
    assert admin.get("/entities/edited")["title"] == "Theirs"
    page.reload()
    document = definition(page)
    page.get_by_label("Definition").fill(json.dumps(document | {"title": "Mine"}))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The entity was changed")).to_be_visible()
    assert admin.get("/entities/edited")["title"] == "Mine"


def test_who_may_only_view_sees_records_and_schema_and_is_not_offered_more(visit: Visit, admin: Client) -> None:
    admin.put_entity("viewed", **CONTACTS | {"permissions": {"view": ["sales"]}})
    admin.wait(start_import(admin, "viewed", "in.csv", contacts_csv(130)))
    page = visit("entities", user="alice")
    page.get_by_role("searchbox").fill("viewed")
    page.get_by_role("link", name="viewed").click()
    expect(page.get_by_role("heading", name="viewed (130)")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(51)
    page.get_by_role("button", name="Page 2").click()
    page.get_by_role("button", name="Page 3").click()
    expect(page.get_by_role("row")).to_have_count(31)
    for offered in ("Import from file", "Export"):
        expect(page.get_by_role("button", name=offered, exact=True)).to_have_count(0)
    page.get_by_role("button", name="Settings of the entity").click()
    expect(page.get_by_role("menuitem", name="Delete entity")).to_have_count(0)
    page.get_by_role("menuitem", name="View schema").click()
    assert definition(page)["permissions"] == {"view": ["sales"], "import": [], "export": []}
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    assert flaws(page) == []


def test_a_record_among_300_fields_is_found_by_key_and_filter_and_read(visit: Visit, admin: Client) -> None:
    names = ["id", *(f"f{number:03}" for number in range(1, 300))]
    fields = [{"name": name, "type": "integer"} for name in names]
    admin.put_entity("wide", schema={"fields": fields, "primaryKey": "id"})
    lines = [",".join(str(row * 1_000 + column) for column in range(300)) for row in range(60)]
    admin.wait(start_import(admin, "wide", "wide.csv", "\n".join([",".join(names), *lines, ""]).encode()))
    page = visit("entities/wide")
    expect(page.get_by_role("heading", name="wide (60)")).to_be_visible()
    expect(page.get_by_text("20 of 300 fields are shown")).to_be_visible()
    expect(page.get_by_role("columnheader")).to_have_count(20)
    assert flaws(page) == []
    page.get_by_role("searchbox", name="id").fill("7000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="wide (1 of 60)")).to_be_visible()
    page.get_by_role("cell").or_(page.get_by_role("rowheader")).get_by_role("button", name="7000").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("row")).to_have_count(301)
    dialog.get_by_role("searchbox").fill("f299")
    expect(dialog.get_by_role("cell", name="7299")).to_be_visible()
    expect(dialog.get_by_text("1 of 300 fields").first).to_be_visible()
    assert flaws(page) == []
    dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("searchbox", name="id").fill("")
    expect(page.get_by_role("heading", name="wide (60)")).to_be_visible()
    page.get_by_role("button", name="Filter", exact=True).click()
    dialog.get_by_role("button", name="Condition is").click()
    page.get_by_role("option", name="is at least").first.click()
    dialog.get_by_label("Value", exact=True).fill("58000")
    assert flaws(page) == []
    dialog.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("heading", name="wide (2 of 60)")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="wide (2 of 60)")).to_be_visible()
    page.get_by_role("button", name="Remove: id is at least 58000").click()
    page.get_by_role("button", name="Preferences", exact=True).click()
    dialog.get_by_role("radio", name="20 records").check()
    dialog.get_by_role("checkbox", name="f001").or_(dialog.get_by_role("switch", name="f001")).first.uncheck()
    dialog.get_by_role("button", name="Confirm").click()
    for _ in ("at once", "after a reload"):
        expect(page.get_by_role("row")).to_have_count(21)
        expect(page.get_by_role("columnheader", name="f001")).to_have_count(0)
        expect(page.get_by_role("columnheader")).to_have_count(19)
        page.reload()


def test_an_entity_that_is_not_there_says_so_and_how_to_go_on(visit: Visit) -> None:
    page = visit("entities/nobody")
    expect(page.get_by_text("It may have been deleted or may have expired").first).to_be_visible()


def test_an_entity_in_use_is_not_deleted_and_the_reason_is_shown(visit: Visit, admin: Client) -> None:
    admin.put_entity("in-use", **CONTACTS)
    body = {
        "name": "Daily",
        "entity": "in-use",
        "type": "PERIODIC_FULL",
        "schedule": {"time": "02:30", "timezone": "UTC"},
    }
    export = admin.call("POST", "/exports", json=body | {"destination": {"kind": "s3"}}).json()
    assert admin.call("POST", f"/exports/{export['exportId']}/activate").status_code == 200
    page = visit("entities/in-use")
    page.get_by_role("button", name="Settings of the entity").click()
    page.get_by_role("menuitem", name="Delete entity").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("The scheduled export Daily")).to_be_visible()
    expect(dialog.get_by_role("button", name="Delete")).to_be_disabled()
    dialog.get_by_label("Type in-use to confirm").fill("in-use")
    expect(dialog.get_by_role("button", name="Delete")).to_be_disabled()
    assert flaws(page) == []
    assert admin.call("POST", f"/exports/{export['exportId']}/unschedule").status_code == 200
    page.reload()
    page.get_by_role("button", name="Settings of the entity").click()
    page.get_by_role("menuitem", name="Delete entity").click()
    dialog.get_by_label("Type in-use to confirm").fill("in-use")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The entity was deleted")).to_be_visible()
