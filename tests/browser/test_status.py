"""Status (Incent): exports and imports together. Lines I1-I7 of its reference."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import expect

from infra.local.stack import LocalStack
from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, contacts_csv, let_expire, start_import
from tests.browser.chromium import Visit
from tests.e2e.client import Client

COLUMNS = [
    *("Process", "File Name", "Entity", "Status", "Start Date", "End Date", "Started By", "Number of Items"),
    "Files expire",
]


def run_export(client: Client, entity: str, file_name: str) -> dict[str, object]:
    body = {"name": f"Export of {entity}", "entity": entity, "fileName": file_name}
    export = client.call("POST", "/exports", json=body).json()
    assert client.call("POST", f"/exports/{export['exportId']}/activate").status_code == 200
    return client.wait(client.find_job(entity=entity, process="export")["jobId"])


def test_i1_i5_one_list_with_its_columns_and_the_time_that_is_left(visit: Visit, admin: Client) -> None:
    admin.put_entity("i1", **CONTACTS)
    imported = admin.wait(start_import(admin, "i1", "in.csv", contacts_csv(7)))
    run_export(admin, "i1", "out.csv")
    page = visit("status?q=i1", timezone_id="Asia/Tokyo")
    mine = page.get_by_role("row").filter(has_text="in.csv")
    expect(mine).to_contain_text("Import")
    started = datetime.fromisoformat(imported["startedAt"])
    expect(mine.locator("time").first).to_have_attribute("title", f"{started:%Y-%m-%d %H:%M:%S} UTC")
    expect(mine.locator("time").first).to_contain_text(f"{started + timedelta(hours=9):%M:%S}")
    expect(mine.locator("time").first).to_contain_text(f"{int(f'{started + timedelta(hours=9):%I}')}:")
    exported = page.get_by_role("row").filter(has_text="out.csv")
    expect(exported).to_contain_text("Export")
    expect(exported).to_contain_text("Completed")
    expect(exported).to_contain_text("admin")
    expect(exported).to_contain_text("in 1 d 23 h")
    expect(exported.get_by_role("cell").nth(7)).to_have_text("7")
    headers = [text.strip() for text in page.get_by_role("columnheader").all_inner_texts()]
    assert headers[1:] == COLUMNS
    assert flaws(page) == []
    page.get_by_role("button", name="Process Exports and imports").click()
    page.get_by_role("option", name="Imports", exact=True).click()
    expect(exported).to_have_count(0)
    expect(page).to_have_url(re.compile("process=import"))
    page.go_back()
    expect(exported).to_be_visible()


def test_i2_nothing_was_started_yet(visit: Visit) -> None:
    page = visit("status", user="bob")
    expect(
        page.get_by_text("This page is empty because no export or import that you may see was started")
    ).to_be_visible()
    assert flaws(page) == []


def test_i3_i7_a_file_without_data_and_the_error_log_of_a_failure(visit: Visit, admin: Client) -> None:
    admin.put_entity("i3", **CONTACTS)
    admin.wait(start_import(admin, "i3", "empty.csv", b"id,email,spend\n"))
    failed = admin.wait(start_import(admin, "i3", "failing.csv", contacts_csv(20, bad=3), onError="all-or-nothing"))
    assert failed["status"] == "FAILED"
    page = visit("status?q=i3")
    expect(page.get_by_role("row").filter(has_text="empty.csv")).to_contain_text("Failed")
    page.get_by_role("row").filter(has_text="failing.csv").get_by_role("checkbox").check(force=True)
    page.get_by_role("button", name="Error log").click()
    dialog = page.get_by_role("dialog")
    for number in ("2", "3", "4"):
        expect(dialog.get_by_role("rowheader", name=number, exact=True)).to_be_visible()
    assert flaws(page) == []
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "failing.errors.csv"
    text = Path(download.value.path()).read_text()
    assert text.startswith("rowNumber,fieldNumber,fieldName,type,cell,message")
    page.go_back()
    expect(dialog).to_be_hidden()


def test_i4_download_of_a_completed_export(visit: Visit, admin: Client) -> None:
    admin.put_entity("i4", **CONTACTS)
    admin.wait(start_import(admin, "i4", "in.csv", contacts_csv(3)))
    run_export(admin, "i4", "Übersicht $yyyy.csv")
    page = visit("status?q=i4")
    page.get_by_role("row").filter(has_text="Übersicht").get_by_role("checkbox").check(force=True)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.startswith("Übersicht 2")
    assert len(Path(download.value.path()).read_text().splitlines()) == 4


def test_i5_files_that_have_expired_are_gone_and_the_page_says_so(
    visit: Visit, admin: Client, stack: LocalStack
) -> None:
    admin.put_entity("i5", **CONTACTS)
    job = admin.wait(start_import(admin, "i5", "kept.csv", contacts_csv(4, bad=1)))
    page = visit("status?q=i5")
    mine = page.get_by_role("row").filter(has_text="kept.csv")
    expect(mine).to_contain_text("in 1 d 23 h")
    mine.get_by_role("checkbox").check(force=True)
    let_expire(stack, job["jobId"], "filesExpireAt")
    page.get_by_role("button", name="Download", exact=True).click()
    expect(page.get_by_text("The files of this job have expired.")).to_be_visible()
    expect(page.get_by_text("Files and entries are kept for a limited time.")).to_be_visible()
    assert flaws(page) == []
    page.get_by_role("button", name="Refresh").click()
    expect(mine).to_contain_text("expired")
    for what in ("Download", "Error log"):
        expect(page.get_by_role("button", name=what, exact=True)).to_have_attribute("aria-disabled", "true")
    for path in ("download", "error-log", "rejects"):
        assert admin.call("GET", f"/jobs/{job['jobId']}/{path}").status_code == 410


def test_i6_delete_the_chosen_entries(visit: Visit, admin: Client) -> None:
    admin.put_entity("i6", **CONTACTS)
    ids = [start_import(admin, "i6", f"i6-{n}.csv", contacts_csv(2)) for n in range(3)]
    for job_id in ids:
        admin.wait(job_id)
    page = visit("status?q=i6")
    for n in range(2):
        page.get_by_role("row").filter(has_text=f"i6-{n}.csv").get_by_role("checkbox").check(force=True)
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Delete these 2 entries?")).to_be_visible()
    assert flaws(page) == []
    dialog.get_by_role("button", name="OK").click()
    expect(page.get_by_text("2 entries deleted")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="i6-")).to_have_count(1)
    assert [admin.call("GET", f"/jobs/{job_id}").status_code for job_id in ids] == [404, 404, 200]
