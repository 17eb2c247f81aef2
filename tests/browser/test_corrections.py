"""Rejected rows are corrected in the page, as in a spreadsheet, and imported under their own numbers."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from infra.local.stack import LocalStack
from tests.browser.axe import flaws
from tests.browser.builders import start_import
from tests.browser.chromium import Visit, sign_in
from tests.e2e.client import Client

PEOPLE = {
    "schema": {
        "fields": [
            {"name": "id", "type": "integer"},
            {"name": "email", "type": "string", "format": "email"},
            {"name": "joined", "type": "date"},
            {"name": "land", "type": "string", "constraints": {"enum": ["BE", "NL", "FR"]}},
            {"name": "note", "type": "string"},
        ],
        "primaryKey": ["id"],
    },
    "permissions": {"view": ["sales"], "import": ["ops"], "export": ["ops"]},
}


def people_csv(rows: int) -> bytes:
    """Each row bad: its date day first, that of every second row with a wrong country besides."""
    lines = [f"{n},p{n}@example.com,{n % 28 + 1:02}/12/24,{'Belgie' if n % 2 else 'BE'},n" for n in range(rows)]
    return "\n".join(["id,email,joined,land,note", *lines, ""]).encode()


def cell(page: Page, row: int, column: int) -> Locator:
    """Of the rows that are drawn, by the number of the row in the file; column 0 is the key."""
    header = page.get_by_role("rowheader", name=str(row), exact=True)
    return page.get_by_role("row").filter(has=header).get_by_role("gridcell").nth(column)


def paste(page: Page, text: str) -> None:
    page.get_by_role("grid").evaluate(
        """(grid, text) => {
            const data = new DataTransfer();
            data.setData('text/plain', text);
            grid.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
        }""",
        text,
    )


def replace(page: Page, way: str, *, by: str | None = None) -> None:
    page.get_by_role("button", name="Replace in all rows").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="What to replace").click()
    dialog.get_by_role("option", name=way).click()
    if by is not None:
        dialog.get_by_label("By", exact=True).fill(by)
    dialog.get_by_role("button", name=re.compile("^Replace in [0-9]")).click()
    expect(dialog).to_have_count(0)


def child_of(client: Client, job_id: str) -> dict[str, Any]:
    """The import of corrected rows, once it has ended."""
    (child,) = [job for job in client.get("/jobs", limit=100)["items"] if job["retryOf"] == job_id]
    return client.wait(child["jobId"])


def test_twenty_rows_are_fixed_with_few_clicks_and_keep_their_numbers(visit: Visit, admin: Client) -> None:
    admin.put_entity("fix-twenty", **PEOPLE)
    job_id = start_import(admin, "fix-twenty", "twenty.csv", people_csv(20))
    admin.wait(job_id)
    page = visit("imports?entity=fix-twenty", user="alice")
    page.get_by_role("button", name="Correct rows").click()
    expect(page.get_by_role("grid")).to_be_visible()
    expect(cell(page, 2, 1)).to_have_attribute("aria-invalid", "true")
    expect(cell(page, 2, 1)).to_have_text("01/12/24")
    assert flaws(page) == []

    # A click on a line of the summary shows the rows of that kind.
    page.get_by_role("button", name="constraint-error in land").click()
    expect(page).to_have_url(re.compile("type=constraint-error&field=land"))
    expect(page.get_by_role("grid").get_by_role("rowheader")).to_have_count(10)
    replace(page, "One value by another", by="BE")
    expect(page.get_by_text("10 rows corrected, 10 rows with errors left")).to_be_visible()
    page.get_by_role("button", name="type-error in joined").click()
    replace(page, "Dates, day first")
    expect(page.get_by_text("20 rows corrected, no errors left")).to_be_visible()

    page.get_by_role("button", name="Import corrected rows").click()
    dialog = page.get_by_role("dialog")
    assert flaws(page) == []
    dialog.get_by_role("button", name="Import 20 rows").click()
    expect(page.get_by_text("The import of the corrected rows is queued")).to_be_visible()
    assert child_of(admin, job_id)["counts"]["imported"] == 20
    records = admin.get("/entities/fix-twenty/records", limit=100)["items"]
    assert {(each["land"], each["joined"][:7]) for each in records} == {("BE", "2024-12")}


def test_cells_are_edited_by_keyboard_checked_as_one_types_and_pasted_from_a_spreadsheet(
    visit: Visit, admin: Client, stack: LocalStack
) -> None:
    admin.put_entity("fix-keys", **PEOPLE)
    job_id = start_import(admin, "fix-keys", "keys.csv", people_csv(6))
    admin.wait(job_id)
    page = visit(f"imports/{job_id}/rows", user="alice")
    grid = page.get_by_role("grid")
    expect(cell(page, 2, 1)).to_have_text("01/12/24")
    page.get_by_role("button", name="Replace in all rows").click()  # no day shows which number is the month
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("01/12/24 can mean 2024-12-01 or 2024-01-12")).to_be_visible()
    expect(dialog.get_by_role("button", name="Replace in 0 rows")).to_be_disabled()
    dialog.get_by_role("button", name="Cancel").click()
    grid.focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")  # from the key to the date
    page.keyboard.type("2024-13-01")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="2", exact=True))
    expect(page.get_by_text("1 row corrected, 1 row with errors left")).to_be_visible()  # while it is being typed
    expect(cell(page, 2, 1)).to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Escape")
    expect(cell(page, 2, 1)).to_have_text("01/12/24")
    page.keyboard.type("2024-12-01")
    page.keyboard.press("Enter")
    expect(row).to_contain_text("Fits now")
    expect(grid).to_be_focused()
    expect(cell(page, 3, 1)).to_have_class(re.compile("sheet-active"))
    paste(page, "2024-12-02\tBE\r\n2024-12-03\tNL\r\n2024-12-04\tFR\r\n")
    expect(page.get_by_text("4 rows corrected, no errors left")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.get_by_text("1 row corrected, no errors left")).to_be_visible()
    paste(page, "2024-12-02\tBE")
    page.reload()  # what was corrected is kept
    expect(page.get_by_text("2 rows corrected, no errors left")).to_be_visible()
    for user, date in (("admin", "01/12/24"), ("alice", "2024-12-01")):  # for whoever made it
        page.evaluate("localStorage.removeItem('waybill.session')")
        sign_in(page, stack, user, f"imports/{job_id}/rows")
        expect(cell(page, 2, 1)).to_have_text(date)
    expect(page.get_by_text("2 rows corrected, no errors left")).to_be_visible()

    page.get_by_role("button", name="Import corrected rows").click()
    expect(dialog.get_by_text("The other 4 rows that were not imported")).to_be_visible()
    dialog.get_by_role("button", name="Import 2 rows").click()
    expect(page.get_by_text("The import of the corrected rows is queued")).to_be_visible()
    assert child_of(admin, job_id)["counts"]["imported"] == 2
    records = admin.get("/entities/fix-keys/records")["items"]
    assert {(each["id"], each["joined"], each["land"]) for each in records} == {
        (0, "2024-12-01", "BE"),
        (1, "2024-12-02", "BE"),
    }


def test_a_paste_reads_on_and_cells_keep_their_line_breaks(visit: Visit, admin: Client) -> None:
    admin.put_entity("fix-paste", **PEOPLE)
    lines = [f'{n},p@example.com,31/12/24,BE,"Main St {n}\n9000 Gent"' for n in range(150)]
    job_id = start_import(
        admin, "fix-paste", "paste.csv", "\n".join(["id,email,joined,land,note", *lines, ""]).encode()
    )
    admin.wait(job_id)
    page = visit(f"imports/{job_id}/rows?columns=all", user="alice")
    expect(cell(page, 2, 2)).to_have_text("31/12/24")
    grid = page.get_by_role("grid")
    cell(page, 2, 2).click()
    paste(page, "2024-12-31\r\n" * 151)
    expect(page.get_by_text("150 rows corrected, no errors left")).to_be_visible()
    expect(page.get_by_text("Left out of what was pasted: 1 row below the last row.")).to_be_visible()
    grid.focus()
    page.keyboard.press("Control+End")
    expect(page.get_by_role("rowheader", name="151", exact=True)).to_be_visible()

    page.keyboard.press("F2")
    page.keyboard.press("Alt+Enter")
    page.keyboard.type("Belgium")
    page.keyboard.press("Enter")
    expect(cell(page, 151, 4)).to_have_text("Main St 149↵9000 Gent↵Belgium")
    copied = grid.evaluate(
        """(grid) => {
            const data = new DataTransfer();
            grid.dispatchEvent(new ClipboardEvent('copy', {clipboardData: data, bubbles: true, cancelable: true}));
            return data.getData('text/plain');
        }"""
    )
    cell(page, 150, 4).click()
    paste(page, copied)
    expect(cell(page, 150, 4)).to_have_text("Main St 149↵9000 Gent↵Belgium")
    expect(page.get_by_text("150 rows corrected, no errors left")).to_be_visible()
    page.get_by_role("button", name="Import corrected rows").click()
    page.get_by_role("dialog").get_by_role("button", name="Import 150 rows").click()
    expect(page.get_by_text("The import of the corrected rows is queued")).to_be_visible()
    assert child_of(admin, job_id)["counts"]["imported"] == 150
    records = admin.get("/entities/fix-paste/records", key="149")["items"]
    assert records[0]["note"] == "Main St 149\n9000 Gent\nBelgium"


def test_what_is_given_up_changes_nothing_and_what_is_shown_is_what_is_sent(visit: Visit, admin: Client) -> None:
    admin.put_entity("fix-odd", **PEOPLE)
    lines = ['1,a@b.example,31/12/24,BE,"x\r\ny"', "2,a@b.example,2024-01-01,BE,n,more", "3,a@b.example,31/12/24"]
    data = "\r\n".join(["id,email,joined,land,note", *lines, ""]).encode()
    job_id = start_import(admin, "fix-odd", "odd.csv", data)
    admin.wait(job_id)
    page = visit(f"imports/{job_id}/rows?columns=all", user="alice")
    expect(cell(page, 2, 2)).to_have_text("31/12/24")
    cell(page, 3, 4).click()  # of the row with an extra cell
    page.keyboard.press("F2")
    page.keyboard.type("z")
    expect(page.get_by_text("1 row corrected, no errors left")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("3 rows read")).to_be_visible()
    page.get_by_role("grid").evaluate(
        """(grid) => {
            const data = new DataTransfer();
            data.items.add(new File(['x'], 'x.png', {type: 'image/png'}));
            grid.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
        }"""
    )
    cell(page, 2, 4).click()
    page.keyboard.press("F2")
    page.keyboard.type("!")
    page.keyboard.press("Enter")
    cell(page, 2, 2).click()
    paste(page, "2024-12-31")
    cell(page, 4, 2).click()
    paste(page, "2024-12-31")
    expect(page.get_by_text("2 rows corrected, no errors left")).to_be_visible()
    page.get_by_role("button", name="Import corrected rows").click()
    page.get_by_role("dialog").get_by_role("button", name="Import 2 rows").click()
    expect(page.get_by_text("The import of the corrected rows is queued")).to_be_visible()
    assert child_of(admin, job_id)["counts"]["imported"] == 2
    records = {each["id"]: each.get("note") for each in admin.get("/entities/fix-odd/records")["items"]}
    assert records == {1: "x\r\ny!", 3: None}


def test_corrections_that_the_browser_cannot_keep_are_told_and_not_left_without_a_question(
    visit: Visit, admin: Client
) -> None:
    admin.put_entity("fix-full", **PEOPLE)
    job_id = start_import(admin, "fix-full", "full.csv", people_csv(2))
    admin.wait(job_id)
    page = visit(f"imports/{job_id}/rows", user="alice")
    page.evaluate("""() => {
        for (const size of [1_000_000, 1_000, 1]) {
            try { for (let at = 0; ; at++) sessionStorage.setItem(`full-${size}-${at}`, "x".repeat(size)); } catch {}
        }
    }""")
    expect(cell(page, 2, 1)).to_have_text("01/12/24")
    cell(page, 2, 1).click()
    paste(page, "2024-12-01\tBE\r\n2024-12-02\tBE")
    warning = page.get_by_text("These corrections are more than this browser keeps")
    expect(warning).to_be_visible()
    page.get_by_role("link", name="Status", exact=True).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Stay").click()
    page.evaluate("sessionStorage.removeItem('full-1000000-0')")
    page.get_by_role("button", name="Undo").click()
    expect(warning).to_have_count(0)
    page.get_by_role("link", name="Status", exact=True).first.click()
    expect(page.get_by_role("heading", name="Status")).to_be_visible()


def test_what_was_sent_is_kept_until_it_was_imported(visit: Visit, admin: Client) -> None:
    admin.put_entity("fix-kept", **PEOPLE)
    job_id = start_import(admin, "fix-kept", "kept.csv", people_csv(2))
    admin.wait(job_id)
    page = visit(f"imports/{job_id}/rows", user="alice")
    screen = page.url
    expect(cell(page, 2, 1)).to_have_text("01/12/24")  # once the columns with errors are known
    cell(page, 2, 1).click()
    paste(page, "2024-12-01\tBE\r\n2024-12-02\tBE")
    expect(page.get_by_text("2 rows corrected, no errors left")).to_be_visible()
    # Meanwhile somebody else corrects one of them, so that the import of both fails.
    correction = {"rowNumber": 2, "cells": {"joined": "2024-12-01", "land": "BE"}}
    body = {"corrections": [correction], "only": "corrected"}
    other = admin.call("POST", f"/jobs/{job_id}/relaunch", json=body)
    assert admin.wait(other.json()["jobId"])["counts"]["imported"] == 1
    page.get_by_role("button", name="Import corrected rows").click()
    page.get_by_role("dialog").get_by_role("button", name="Import 2 rows").click()
    expect(page.get_by_text("The import of the corrected rows is queued")).to_be_visible()

    page.goto(screen)
    expect(page.get_by_text("The corrections of 2 rows were sent")).to_contain_text("failed")
    expect(page.get_by_text("2 rows corrected, no errors left")).to_be_visible()
    expect(cell(page, 2, 1)).to_have_text("2024-12-01")
    cell(page, 2, 1).click()
    paste(page, "01/12/24\tBE")  # as in the file: no correction any more
    page.get_by_role("button", name="Import corrected rows").click()
    page.get_by_role("dialog").get_by_role("button", name="Import 1 row").click()
    expect(page.get_by_text("The import of the corrected rows is queued")).to_be_visible()
    page.goto(screen)
    expect(page.get_by_text("The corrected rows were imported")).to_be_visible()
    expect(page.get_by_text("2 rows read")).to_be_visible()


def test_ten_thousand_rows_stay_smooth(visit: Visit, admin: Client) -> None:
    admin.put_entity("fix-many", **PEOPLE)
    job_id = start_import(admin, "fix-many", "many.csv", people_csv(10_000))
    admin.wait(job_id)
    page = visit(f"imports/{job_id}/rows", user="alice")
    grid = page.get_by_role("grid")
    expect(cell(page, 2, 1)).to_be_visible()
    grid.focus()
    page.keyboard.press("Control+End")
    page.get_by_role("button", name="Replace in all rows").click()  # reads all that one relaunch takes
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("At most 5,000 rows are corrected at once")).to_be_visible(timeout=60_000)
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("rowheader", name="5001", exact=True)).to_be_visible()
    page.wait_for_function("() => document.querySelectorAll('[role=grid] [role=row]').length < 80")
    # Every key is drawn before the next one: the frames in which thirty keys are handled.
    frames = page.evaluate(
        """async () => {
            const grid = document.querySelector('[role=grid]');
            const longest = [];
            for (let key = 0; key < 30; key++) {
                const before = performance.now();
                grid.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowUp', bubbles: true}));
                await new Promise(requestAnimationFrame);
                longest.push(performance.now() - before);
            }
            return longest.sort((a, b) => a - b);
        }"""
    )
    assert frames[15] < 250, frames  # half of them, on a machine that does other things as well
