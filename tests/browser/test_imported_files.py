"""Imported files (kintone): what a person does there, and what the API says then. Lines K1-K13 of its reference."""

from __future__ import annotations

import gzip
import re
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Response, Route, expect

from infra.local.stack import LocalStack
from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, contacts_csv, let_expire, start_import
from tests.browser.chromium import Visit
from tests.e2e.client import Client
from tests.workbooks import number, row, text, xlsx


def choose_file(page: Page, path: Path, entity: str) -> None:
    page.get_by_role("button", name="Import from file").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Into the entity").click()
    page.get_by_role("option", name=entity).click()
    dialog.locator("input[type=file]").set_input_files(path)


def test_headers_are_proposed_with_their_reasons_and_remembered(
    visit: Visit, admin: Client, alice: Client, tmp_path: Path
) -> None:
    fields = [{"name": "id"}, {"name": "first_name"}, {"name": "last_name"}, {"name": "city"}]
    schema = {"fields": fields, "primaryKey": ["id"], "fieldsMatch": "subset"}
    admin.put_entity("likely", schema=schema, permissions={"import": ["ops"], "view": ["ops"]})
    path = tmp_path / "people.csv"
    path.write_text("ID,Name,LAST-NAME,City of birth\n1,Ann,Smith,Gent\n")
    page = visit("imports", user="alice")
    choose_file(page, path, "likely")
    dialog = page.get_by_role("dialog")
    field = lambda label: dialog.get_by_role("button", name=f"Field for the column {label}")  # noqa: E731
    expect(field("LAST-NAME")).to_contain_text("last_name")
    expect(dialog.get_by_text('Proposed: it is the field "last_name" but for case, accents and signs.')).to_be_visible()
    for label in ("Name", "City of birth"):  # of what only resembles, nothing is taken unasked
        expect(field(label)).to_contain_text("no field")
    dialog.get_by_role("button", name="Take city").click()
    expect(field("City of birth")).to_contain_text("city")
    dialog.get_by_role("button", name="Take first_name").click()
    dialog.get_by_label("Remember for this entity").check()
    assert flaws(page) == []
    dialog.get_by_role("button", name="Start import").click()
    expect(page.get_by_role("row").filter(has_text="people.csv").filter(has_text="likely")).to_contain_text("1 row")
    assert alice.get("/entities/likely/records")["items"] == [
        {"id": "1", "first_name": "Ann", "last_name": "Smith", "city": "Gent"}
    ]
    remembered = {"ID": "id", "Name": "first_name", "LAST-NAME": "last_name", "City of birth": "city"}
    assert admin.get("/entities/likely")["columns"] == remembered
    choose_file(page, path, "likely")
    expect(field("City of birth")).to_contain_text("city")
    expect(dialog.get_by_text("Proposed:")).to_have_count(0)
    expect(dialog.get_by_label("Remember for this entity")).to_have_count(0)


def test_several_files_and_a_folder_are_imported_in_order_each_with_its_result(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    admin.put_entity("several", **CONTACTS)
    names = ["orders_10.csv", "orders_2.csv", "strange.csv"]
    texts = [
        "ID,E-mail,Spend\n1,new@example.com,10\n",
        "id,email,spend\n1,old@example.com,2\n2,b@example.com,3\n",
        "a,b\n1,2\n",
    ]
    for name, content in zip(names, texts, strict=True):
        (tmp_path / name).write_text(content)
    page = visit("imports", viewport={"width": 1500, "height": 2000})  # axe sees no labels below the fold of a dialog
    page.get_by_role("button", name="Import from file").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Into the entity").click()
    page.get_by_role("option", name="several").click()
    dialog.locator("input[type=file]").set_input_files([tmp_path / name for name in names])
    table = dialog.get_by_role("table", name="Files to import")
    shown = table.get_by_role("rowheader")
    expect(shown).to_have_text(["orders_2.csv", "orders_10.csv", "strange.csv"])
    expect(dialog.get_by_text("old@example.com")).to_be_visible()
    table.get_by_role("button", name="Show orders_10.csv").click()
    expect(dialog.get_by_text("new@example.com")).to_be_visible()
    assert flaws(page) == []
    dialog.get_by_role("button", name="Start 3 imports").click()
    row_of = lambda name: table.get_by_role("row").filter(has_text=name)  # noqa: E731
    expect(row_of("strange.csv")).to_contain_text("Not imported:")
    expect(row_of("orders_2.csv")).to_contain_text("2 rows imported")
    expect(row_of("orders_10.csv")).to_contain_text("1 row imported")
    assert flaws(page) == []
    by_id = {record["id"]: record["email"] for record in admin.get("/entities/several/records")["items"]}
    assert by_id == {1: "new@example.com", 2: "b@example.com"}  # the later name came later
    page.evaluate(
        """() => {
            const zone = [...document.querySelectorAll("[role=dialog] input[type=file]")].at(-1).closest("div");
            const file = (path, text) => ({isFile: true, isDirectory: false, fullPath: path,
                name: path.split("/").at(-1), file: (resolve) => resolve(new File([text], path.split("/").at(-1)))});
            const pages = [[file("/in/b.csv", "id,email,spend\\n5,e@example.com,1\\n"), file("/in/.hidden", "x")],
                [file("/in/a.csv", "id,email,spend\\n4,d@example.com,1\\n")]];
            const folder = {isFile: false, isDirectory: true, name: "in", fullPath: "/in",
                createReader: () => ({readEntries: (resolve) => resolve(pages.shift() ?? [])})};
            const drop = new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: new DataTransfer()});
            Object.defineProperty(drop, "dataTransfer", {value: {types: ["Files"], files: [], items: [
                {webkitGetAsEntry: () => folder}]}});
            zone.dispatchEvent(drop);
        }"""
    )
    expect(shown).to_have_text(["in/a.csv", "in/b.csv"])
    dialog.get_by_role("button", name="Start 2 imports").click()
    expect(row_of("in/a.csv")).to_contain_text("1 row imported")
    expect(row_of("in/b.csv")).to_contain_text("1 row imported")
    dialog.get_by_role("button", name="Close", exact=True).click()
    assert {4, 5} <= {record["id"] for record in admin.get("/entities/several/records")["items"]}


def test_k1_k2_k9_a_file_is_previewed_mapped_imported_and_its_rest_downloaded(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    admin.put_entity("k1", **CONTACTS)
    path = tmp_path / "people.csv"
    path.write_text("ID;E-mail;Spend\n1;a@example.com;1.5\n2;b@example.com;much\n3;c@example.com;3\n")
    page = visit("imports")
    choose_file(page, path, "k1")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Detected: Semicolon")).to_be_visible()
    expect(dialog.get_by_text("Detected: utf-8")).to_be_visible()
    expect(dialog.get_by_text("much: not a number")).to_be_visible()
    expect(dialog.get_by_role("button", name="Field for the column E-mail")).to_contain_text("email")
    assert flaws(page) == []
    dialog.get_by_role("button", name="Start import").click()
    expect(dialog).to_be_hidden()
    mine = page.get_by_role("row").filter(has_text="people.csv").filter(has_text="k1")
    expect(mine).to_contain_text("2 rows imported, 1 rejected because of errors")
    headers = page.get_by_role("columnheader").all_inner_texts()
    assert [text.strip() for text in headers] == [
        "Submitted",
        "Completed",
        "Entity",
        "File",
        "Status",
        "Message",
        "Action",
    ]
    with page.expect_download() as download:
        mine.get_by_role("button", name="Download unimported rows").click()
    assert download.value.suggested_filename == "people.rejects.csv"
    assert "2;b@example.com;much" in Path(download.value.path()).read_text()
    job = admin.find_job(entity="k1")
    assert job["counts"] == {"total": 3, "processed": 3, "imported": 2, "rejected": 1, "unprocessed": 0}
    mine.get_by_role("button", name="Relaunch").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("broke a rule, and will break it again unless something changed")).to_be_visible()
    expect(dialog.get_by_role("link", name="correct the rows")).to_be_visible()
    assert flaws(page) == []
    dialog.get_by_role("button", name="Relaunch").click()
    again = page.get_by_role("row").filter(has_text="people").filter(has_text="0 rows imported, 1 rejected")
    expect(again).to_be_visible()
    assert admin.find_job(entity="k1")["retryOf"] == job["jobId"]
    page.get_by_role("link", name="k1").last.click()
    expect(page.get_by_role("cell", name="a@example.com")).to_be_visible()
    expect(page).to_have_url(re.compile("/console/entities/k1$"))
    page.go_back()
    expect(page.get_by_role("heading", name="Imported files")).to_be_visible()


def test_k1_columns_that_the_entity_does_not_take_are_named_before_the_import(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    admin.put_entity("k1c", **CONTACTS)
    path = tmp_path / "other.csv"
    path.write_text("id,email,Turnover,note\n1,a@example.com,2,x\n")
    page = visit("imports")
    choose_file(page, path, "k1c")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text('Label "Turnover" at position 3 is not the name of the field there')).to_be_visible()
    dialog.get_by_role("button", name="Field for the column Turnover").click()
    page.get_by_role("option", name="spend").click()
    expect(dialog.get_by_text("incorrect-label")).to_be_hidden()
    expect(dialog.get_by_text('Label "note" at position 4 is not a field')).to_be_visible()
    dialog.get_by_role("button", name="Start import").click()
    expect(page.get_by_role("row").filter(has_text="k1c")).to_contain_text('extra-label: Label "note"')


def test_a_file_that_lacks_fields_is_proposed_to_merge_and_keeps_them(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    admin.put_entity("k1m", **CONTACTS)
    path = tmp_path / "people.csv"
    path.write_text("id,email,spend\n1,a@example.com,5\n")
    page = visit("imports", viewport={"width": 1500, "height": 2000})  # axe sees no labels below the fold of a dialog
    choose_file(page, path, "k1m")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Records that exist are replaced: an empty cell empties its field.")).to_be_visible()
    dialog.get_by_role("button", name="Start import").click()
    expect(dialog).to_be_hidden()
    admin.wait(admin.find_job(entity="k1m")["jobId"])
    path.write_text("id,email\n1,new@example.com\n2,\n")
    choose_file(page, path, "k1m")
    mode = dialog.get_by_role("button", name="Mode")
    expect(mode).to_contain_text("Add or change")
    expect(dialog.get_by_text("In records that exist, spend stays as before; an empty cell empties")).to_be_visible()
    mode.click()
    page.get_by_role("option", name="Add or replace").click()
    expect(dialog.get_by_text("spend of records that exist will be emptied")).to_be_visible()
    mode.click()
    page.get_by_role("option", name="Add or change").click()
    dialog.get_by_role("button", name="Empty cells").click()
    page.get_by_role("option", name="Leave the field as it is").click()
    assert flaws(page) == []
    dialog.get_by_role("button", name="Start import").click()
    expect(dialog).to_be_hidden()
    job = admin.wait(admin.find_job(entity="k1m")["jobId"])
    assert (job["mode"], job["blanks"], job["warnings"]) == ("merge", "keep", [])
    records = admin.get("/entities/k1m/records")["items"]
    assert sorted(records, key=lambda record: record["id"]) == [
        {"id": 1, "email": "new@example.com", "spend": 5},
        {"id": 2, "email": None, "spend": None},
    ]


def test_k1_a_sheet_of_an_excel_file_is_chosen_previewed_tested_in_a_dry_run_and_imported(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    schema = {"fields": [*CONTACTS["schema"]["fields"], {"name": "joined", "type": "date"}], "primaryKey": ["id"]}
    admin.put_entity("k1x", schema=schema)
    path = tmp_path / "people.xlsx"
    people = [
        row(text("id"), text("E-Mail"), text("spend"), text("joined")),
        row(number(1), text("a@example.com"), number(2), number(46053, 1)),
        row(number(2), text("b@example.com"), number(-1), text("soon")),
    ]
    path.write_bytes(xlsx({"Notes": [row(text("read me"))], "März": people}, formats=["yyyy-mm-dd"]))
    page = visit("imports", viewport={"width": 1500, "height": 1400})
    choose_file(page, path, "k1x")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Sheets Detected: ").click()
    page.get_by_role("option", name="März").click()
    page.keyboard.press("Escape")
    expect(dialog.get_by_text("2026-01-31")).to_be_visible()
    expect(dialog.get_by_text("soon: not a date")).to_be_visible()
    expect(dialog.get_by_text("1 of the first 2 rows would be rejected")).to_be_visible()
    assert flaws(page) == []
    dialog.get_by_label("Dry run").check(force=True)
    dialog.get_by_role("button", name="Start dry run").click()
    expect(
        dialog.get_by_text("1 row would be imported, 1 rejected because of errors. Nothing was written.")
    ).to_be_visible()
    kinds = dialog.get_by_role("table", name="All errors by kind")
    expect(kinds.get_by_role("row").filter(has_text="joined")).to_contain_text("type-error")
    assert flaws(page) == []
    assert admin.get("/entities/k1x/records")["items"] == []
    dialog.get_by_role("button", name="Start import").click()
    expect(dialog).to_be_hidden()
    rows = page.get_by_role("row").filter(has_text="k1x")
    expect(rows.filter(has_text="1 row imported, 1 rejected")).to_contain_text("sheet März")
    expect(rows.filter(has_text="Dry run")).to_contain_text("1 row would be imported")
    assert admin.get("/entities/k1x/records")["items"] == [
        {"id": 1, "email": "a@example.com", "spend": 2, "joined": "2026-01-31"}
    ]


def test_k1_several_sheets_of_a_workbook_in_an_archive_of_several_files_are_imported(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    admin.put_entity("k1z", schema=CONTACTS["schema"] | {"fieldsMatch": "subset"})
    header = row(text("id"), text("email"))
    sheets = {
        name: [header, row(number(at), text(f"{name}@example.com"))] for at, name in enumerate(("may", "june"), 1)
    }
    path = tmp_path / "people.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("in/readme.txt", "nothing")
        archive.writestr("in/people.xlsx", xlsx(sheets))
    page = visit("imports", viewport={"width": 1500, "height": 1400})
    choose_file(page, path, "k1z")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("The import would fail: compression-error")).to_be_visible()
    dialog.get_by_role("button", name="File in the archive").click()
    page.get_by_role("option", name="in/people.xlsx").click()
    dialog.get_by_role("button", name="Sheets Detected: ").click()
    for name in ("june", "may"):
        page.get_by_role("option", name=name).click()
    page.keyboard.press("Escape")
    for name in ("june", "may"):
        expect(dialog.get_by_role("table").get_by_text(f"{name}@example.com")).to_be_visible()
    assert flaws(page) == []
    dialog.get_by_role("button", name="Start import").click()
    expect(dialog).to_be_hidden()
    job = admin.wait(admin.find_job(entity="k1z")["jobId"])
    assert (job["outcome"], job["counts"]["imported"]) == ("SUCCESS", 2)
    assert (job["detected"]["entry"], job["detected"]["sheet"]) == ("in/people.xlsx", "june, may")


@pytest.mark.parametrize(
    ("name", "data", "shown"),
    [
        ("people.jsonl", b'{"id": 1, "email": "a@example.com", "spend": 1}\n{"id": 2, "spend": "x"}\n', "jsonl"),
        ("people.csv.gz", gzip.compress(b"id;email;spend\n1;a@example.com;1\n2;;x\n"), "compressed with gzip"),
    ],
    ids=["json-lines", "gzip"],
)
def test_k1_other_kinds_of_files_are_previewed_too(
    visit: Visit, admin: Client, tmp_path: Path, name: str, data: bytes, shown: str
) -> None:
    admin.put_entity("k1o", **CONTACTS)
    path = tmp_path / name
    path.write_bytes(data)
    page = visit("imports?entity=k1o&import=1")
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").set_input_files(path)
    expect(dialog.get_by_text(f"Detected: {shown}")).to_be_visible()
    expect(dialog.get_by_text("x: not a number")).to_be_visible()
    dialog.get_by_role("button", name="Start import").click()
    expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("1 row imported, 1 rejected")


def is_new_upload(answer: Response) -> bool:
    return answer.url.endswith("/v1/uploads") and answer.request.method == "POST"


def test_k1_of_a_large_file_the_beginning_is_sent_first_and_all_of_it_with_start(
    visit: Visit, admin: Client, stack: LocalStack, tmp_path: Path
) -> None:
    admin.put_entity("k1l", **CONTACTS)
    path = tmp_path / "large.csv"
    path.write_bytes(b"id,email,spend,note\n" + b"".join(b"%d,,,%s\n" % (n, b"x" * 980) for n in range(9_000)))
    page = visit("imports?entity=k1l&import=1")
    uploads: list[str] = []
    page.on(
        "response", lambda answer: uploads.append(answer.json()["fields"]["key"]) if is_new_upload(answer) else None
    )
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").set_input_files(path)
    expect(dialog.get_by_text('Label "note" at position 4 is not a field')).to_be_visible()
    held: list[Route] = []
    page.route(re.compile(stack.stack["filesBucket"]), lambda route: held.append(route))
    with page.expect_request(re.compile(stack.stack["filesBucket"])):
        dialog.get_by_role("button", name="Start import").click()
    expect(dialog.get_by_role("progressbar", name="Sending the file")).to_be_visible()
    expect(dialog.get_by_text("of 8.9 MB")).to_be_visible()
    held[0].continue_()
    expect(page.get_by_role("row").filter(has_text="large.csv")).to_contain_text("extra-label")
    s3 = stack.clients("s3")
    sizes = [s3.head_object(Bucket=stack.stack["filesBucket"], Key=key)["ContentLength"] for key in uploads]
    assert sizes == [2 * 1024 * 1024, path.stat().st_size]


def test_k3_the_list_refreshes_by_itself_and_cheaply(visit: Visit, admin: Client) -> None:
    admin.put_entity("k3", **CONTACTS)
    page = visit("imports?entity=k3", clock=True)
    expect(page.get_by_text("Nothing was imported")).to_be_visible()
    asked: list[int] = []
    page.on("response", lambda answer: asked.append(answer.status) if "/v1/jobs" in answer.url else None)
    job_id = start_import(admin, "k3", "others.csv", contacts_csv(3000))
    page.clock.run_for(10_000)
    expect(page.get_by_role("row").filter(has_text="others.csv")).to_be_visible()
    admin.wait(job_id)
    page.clock.run_for(10_000)
    expect(page.get_by_role("row").filter(has_text="3,000 rows imported")).to_be_visible()
    # What has not changed is not sent again.
    for _ in range(3):
        with page.expect_response(lambda answer: "/v1/jobs?" in answer.url) as answer:
            page.clock.run_for(10_000)
        if answer.value.status == 304:
            break
    assert answer.value.status == 304
    # Nobody looks: nothing is asked, and at once when somebody looks again.
    page.evaluate("Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})")
    page.evaluate("Object.defineProperty(document, 'visibilityState', {configurable: true, get: () => 'hidden'})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(1_000)  # what was asked before is answered
    asked.clear()
    page.clock.run_for(600_000)
    assert asked == []
    page.evaluate("Object.defineProperty(document, 'hidden', {configurable: true, get: () => false})")
    page.evaluate("Object.defineProperty(document, 'visibilityState', {configurable: true, get: () => 'visible'})")
    with page.expect_response(lambda answer: "/v1/jobs" in answer.url):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_k3_a_running_job_is_read_when_the_api_asks_for_it_and_not_after_its_end(visit: Visit, admin: Client) -> None:
    admin.put_entity("k3r", **CONTACTS)
    ended = admin.wait(start_import(admin, "k3r", "followed.csv", contacts_csv(3)))
    running = ended | {"status": "IN_PROGRESS", "outcome": None, "completedAt": None, "allowedActions": ["stop"]}
    now: dict[str, Any] = {"job": running, "headers": {"Retry-After": "60", "ETag": '"1"'}}
    known: list[str | None] = []  # the ETag that each read of the job had from the one before

    def serve_job(route: Route) -> None:
        known.append(route.request.headers.get("if-none-match"))
        route.fulfill(json=now["job"], headers=now["headers"])

    def serve_list(route: Route) -> None:  # ended only when the job itself was read, so that this read comes to its end
        route.fulfill(json={"items": [ended if len(known) == 2 else running], "nextToken": None})

    page = visit("entities", clock=True)
    page.route(re.compile(r"/v1/jobs\?"), serve_list)
    page.route(f"**/v1/jobs/{ended['jobId']}", serve_job)
    page.get_by_role("link", name="Imported files").click()
    mine = page.get_by_role("row").filter(has_text="followed.csv")
    expect(mine).to_contain_text("In progress")

    def next_read() -> Any:
        return page.expect_response(lambda answer: answer.url.endswith(ended["jobId"]))

    now["job"] = running | {"message": "read once"}
    with next_read():
        page.clock.run_for(3_000)
    expect(mine).to_contain_text("read once")
    page.clock.run_for(30_000)
    assert known == [None]
    now.update(job=ended, headers={"ETag": '"2"'})
    with next_read():
        page.clock.run_for(31_000)
    assert known == [None, '"1"']
    expect(mine).to_contain_text("Completed")
    with page.expect_response(re.compile(r"/v1/jobs\?")):  # the list goes on
        page.clock.run_for(120_000)
    assert len(known) == 2


def test_k4_an_app_that_the_user_may_no_longer_see(visit: Visit, admin: Client, alice: Client) -> None:
    admin.put_entity("k4-secret", **CONTACTS)
    alice.wait(start_import(alice, "k4-secret", "k4.csv", contacts_csv(2)))
    admin.put_entity("k4-secret", **CONTACTS | {"permissions": {}})
    page = visit("imports", user="alice")
    mine = page.get_by_role("row").filter(has_text="k4.csv")
    expect(mine).to_contain_text("(No permission)")
    expect(mine).not_to_contain_text("k4-secret")


def test_k5_k6_k7_k10_waiting_running_stopped_canceled(visit: Visit, admin: Client) -> None:
    admin.put_entity("k5", **CONTACTS)
    running = start_import(admin, "k5", "running.csv", contacts_csv(120_000))
    waiting = start_import(admin, "k5", "waiting.csv", contacts_csv(5))
    page = visit("imports?entity=k5")
    second = page.get_by_role("row").filter(has_text="waiting.csv")
    expect(second).to_contain_text("Waiting")
    expect(second).to_contain_text("Queued, waiting to start")
    second.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    second.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel import").click()
    expect(second).to_contain_text("Canceled before it started")
    assert admin.get(f"/jobs/{waiting}")["status"] == "CANCELED"
    first = page.get_by_role("row").filter(has_text="running.csv")
    expect(first.get_by_role("progressbar")).to_be_visible()
    expect(first).to_contain_text("of 120,000 rows")
    assert flaws(page) == []
    first.get_by_role("button", name="Stop importing").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("stopping undoes nothing")).to_be_visible()
    dialog.get_by_role("button", name="Stop importing").click()
    expect(first).to_contain_text("not processed because the import was stopped")
    job = admin.get(f"/jobs/{running}")
    assert (job["status"], job["stopReason"]) == ("COMPLETED", "USER")
    assert job["counts"]["imported"] + job["counts"]["unprocessed"] == 120_000


def test_k8_a_failure_shows_its_code_and_all_errors(visit: Visit, admin: Client) -> None:
    admin.put_entity("k8", **CONTACTS)
    job_id = start_import(admin, "k8", "bad.csv", contacts_csv(300, bad=150), onError="all-or-nothing")
    admin.wait(job_id)
    page = visit("imports?entity=k8")
    mine = page.get_by_role("row").filter(has_text="bad.csv")
    expect(mine).to_contain_text("rejected-rows")
    mine.get_by_role("button", name="All errors").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("type-error").first).to_be_visible()
    expect(dialog.get_by_role("row").filter(has_text="type-error").filter(has_text="150").first).to_be_visible()
    assert flaws(page) == []
    dialog.get_by_role("button", name="Show more").click()
    dialog.get_by_role("searchbox").fill("151")
    expect(dialog.get_by_text("1 found").first).to_be_visible()


def test_k11_entries_disappear_when_their_time_is_over(visit: Visit, admin: Client, stack: LocalStack) -> None:
    admin.put_entity("k11", **CONTACTS)
    job = admin.wait(start_import(admin, "k11", "old.csv", contacts_csv(3, bad=1)))
    submitted, expires = (datetime.fromisoformat(job[name]) for name in ("submittedAt", "expiresAt"))
    assert timedelta(days=3) - timedelta(seconds=1) <= expires - submitted <= timedelta(days=3)
    page = visit("imports?entity=k11")
    mine = page.get_by_role("row").filter(has_text="old.csv")
    expect(mine).to_be_visible()
    let_expire(stack, job["jobId"], "expiresAt")
    mine.get_by_role("button", name="All errors").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("This job has expired.").first).to_be_visible()
    expect(dialog.get_by_text("Run it again to get a new one").first).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_text("Nothing was imported")).to_be_visible()
    assert admin.call("GET", f"/jobs/{job['jobId']}").status_code == 410


def test_k12_deleting_the_app_takes_its_imports_off_the_list(visit: Visit, admin: Client) -> None:
    admin.put_entity("k12", **CONTACTS)
    admin.wait(start_import(admin, "k12", "k12.csv", contacts_csv(2)))
    page = visit("imports")
    page.get_by_role("row").filter(has_text="k12.csv").get_by_role("link", name="k12").click()
    page.get_by_role("button", name="Settings of the entity").click()
    page.get_by_role("menuitem", name="Delete entity").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("1 import or export: hidden at once")).to_be_visible()
    expect(dialog.get_by_text("2 records: deleted")).to_be_visible()
    dialog.get_by_label("Type k12 to confirm").fill("k12")
    assert flaws(page) == []
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The entity was deleted")).to_be_visible()
    page.get_by_role("link", name="Imported files").click()
    expect(page.get_by_role("heading", name="Imported files")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="k12.csv")).to_have_count(0)
    assert admin.call("GET", "/entities/k12").status_code == 404


def test_k13_the_app_leads_to_its_imports(visit: Visit, admin: Client) -> None:
    admin.put_entity("k13", **CONTACTS)
    admin.wait(start_import(admin, "k13", "nothing.csv", b"id,email,spend\n"))
    page = visit("entities/k13")
    expect(page.get_by_text("The import of nothing.csv failed")).to_be_visible()
    assert flaws(page) == []
    page.get_by_role("link", name="Imported files").last.click()
    expect(page.get_by_role("row").filter(has_text="nothing.csv")).to_contain_text("empty-file")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("menuitem", name="Imported files").click()
    expect(page.get_by_role("heading", name="Imported files")).to_be_visible()


def test_k13_while_a_file_is_imported(visit: Visit, admin: Client) -> None:
    admin.put_entity("k13b", **CONTACTS)
    job_id = start_import(admin, "k13b", "long.csv", contacts_csv(100_000))
    page = visit("entities/k13b")
    expect(page.get_by_text("A file is being imported: long.csv")).to_be_visible()
    admin.call("POST", f"/jobs/{job_id}/stop")
    admin.wait(job_id)
