"""Undoing an import: what a person asks for, sees before, and gets."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, contacts_csv, start_import
from tests.browser.chromium import Visit
from tests.browser.test_imported_files import choose_file
from tests.e2e.client import Client


def test_an_import_is_undone_after_a_look_at_what_becomes_of_its_records(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    admin.put_entity("u1", **CONTACTS)
    admin.wait(start_import(admin, "u1", "before.csv", contacts_csv(2)))
    path = tmp_path / "wrong.csv"
    path.write_bytes(contacts_csv(3).replace(b"example.com", b"example.org"))
    page = visit("imports")
    choose_file(page, path, "u1")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Can be undone").check()
    assert flaws(page) == []
    dialog.get_by_role("button", name="Start import").click()
    expect(dialog).to_be_hidden()
    mine = page.get_by_role("row").filter(has_text="wrong.csv")
    expect(mine).to_contain_text("3 rows imported")
    job = admin.find_job(entity="u1")
    assert job["keepPrevious"] and "undo" in job["allowedActions"]
    admin.wait(start_import(admin, "u1", "since.csv", b"id,email,spend\n1,since@example.com,1\n"))
    mine.get_by_role("button", name="Undo: wrong.csv").click()
    asked = page.get_by_role("dialog")
    expect(asked.get_by_text("put back as they were: 1")).to_be_visible()
    expect(asked.get_by_text("removed, because the import created them: 1")).to_be_visible()
    expect(asked.get_by_text("because they were changed since: 1")).to_be_visible()
    assert flaws(page) == []
    asked.get_by_role("button", name="Undo import").click()
    expect(asked).to_be_hidden()
    undone = page.get_by_role("row").filter(has_text="2 rows undone")
    expect(undone).to_contain_text("1 left because their records have changed since")
    expect(undone.get_by_role("button", name="Relaunch")).to_have_count(0)
    records = admin.call("GET", "/entities/u1/records").json()["items"]
    assert {record["id"]: record["email"] for record in records} == {0: "p0@example.com", 1: "since@example.com"}
    expect(page.get_by_role("button", name="Undo: wrong.csv")).to_have_count(0)
