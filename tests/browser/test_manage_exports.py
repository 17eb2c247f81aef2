"""Manage exports (Actito). Lines A1-A16 of its reference, as far as a person sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import CONTACTS, Visit, contacts_csv, start_import, violations
from tests.e2e.client import Client

PERIODIC = {"schedule": {"time": "02:30", "timezone": "Europe/Brussels"}, "destination": {"kind": "s3"}}


def create(client: Client, name: str, entity: str, activate: bool = False, **members: Any) -> str:
    answer = client.call("POST", "/exports", json={"name": name, "entity": entity, **members})
    assert answer.status_code == 201, answer.text
    export_id: str = answer.json()["exportId"]
    if activate:
        assert client.call("POST", f"/exports/{export_id}/activate").status_code == 200
    return export_id


def select(page: Page, name: str) -> None:
    page.get_by_role("row").filter(has_text=name).get_by_role("radio").check(force=True)


def test_a1_a3_a14_the_wizard_makes_an_export_that_is_downloaded(visit: Visit, admin: Client) -> None:
    admin.put_entity("a1", **CONTACTS)
    admin.wait(start_import(admin, "a1", "in.csv", contacts_csv(9)))
    page = visit("exports")
    page.get_by_role("button", name="Create export").click()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Something is missing")).to_be_visible()
    assert violations(page) == []
    page.get_by_label("Name", exact=True).fill("A1 <b>export</b>")
    page.get_by_role("button", name="Entity").click()
    page.get_by_role("option", name="a1", exact=True).click()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Move email up").click()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Add condition").click()
    page.get_by_role("button", name="Condition is").click()
    page.get_by_role("option", name="is less than").click()
    page.get_by_label("Value").fill("5")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Now it would be")).to_contain_text("a1_20")
    assert violations(page) == []
    for _ in range(3):
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("id is less than 5")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("The export was activated")).to_be_visible()
    page.get_by_role("tab", name="Finished").click()
    expect(page.get_by_role("row").filter(has_text="A1 <b>export</b>")).to_contain_text("Completed")
    select(page, "A1 <b>export</b>")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert (lines[0], len(lines)) == ("email,id,spend", 6)


def test_a2_search_and_filters(visit: Visit, admin: Client) -> None:
    admin.put_entity("a2x", database="Alpha", dataType="repository", **CONTACTS)
    admin.put_entity("a2y", database="Beta", **CONTACTS)
    create(admin, "a2 one", "a2x")
    create(admin, "a2 two", "a2y", type="INCREMENTAL", **PERIODIC)
    page = visit("exports")
    one, two = (page.get_by_role("row").filter(has_text=name) for name in ("a2 one", "a2 two"))
    expect(one).to_be_visible()
    page.get_by_label("Name", exact=True).fill("A2 T")
    expect(one).to_have_count(0)
    expect(two).to_be_visible()
    page.get_by_label("Name", exact=True).fill("a2")
    for label, option, left, gone in [
        ("Database", "Alpha", one, two),
        ("Data type", "Repository", one, two),
        ("Export type", "Incremental", two, one),
    ]:
        page.get_by_role("button", name=f"{label} All").click()
        page.get_by_role("option", name=option, exact=True).click()
        expect(left).to_be_visible()
        expect(gone).to_have_count(0)
        page.get_by_role("button", name=f"{label} {option}").click()
        page.get_by_role("option", name="All", exact=True).click()
        expect(gone).to_be_visible()
    assert violations(page) == []


def test_a8_a9_a10_edit_copy_and_delete_a_draft(visit: Visit, admin: Client) -> None:
    admin.put_entity("a8", **CONTACTS)
    export_id = create(admin, "a8 draft", "a8", filter=[{"field": "id", "op": "in", "value": [1, 2]}])
    page = visit("exports?q=a8")
    select(page, "a8 draft")
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("heading", name="Data and type")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("a8 edited")
    for _ in range(6):
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("id is one of [1,2]")).to_be_visible()
    page.get_by_role("button", name="Keep as draft").click()
    assert admin.get(f"/exports/{export_id}")["name"] == "a8 edited"
    select(page, "a8 edited")
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_role("dialog").get_by_role("textbox").fill("a8 copied")
    page.get_by_role("dialog").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("heading", name="Data and type")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("a8 copied")
    page.get_by_role("button", name="Keep as draft").click()
    select(page, "a8 copied")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    assert violations(page) == []
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("row").filter(has_text="a8 copied")).to_have_count(0)
    assert [each["name"] for each in admin.get("/exports", q="a8")["items"]] == ["a8 edited"]


def test_a4_a11_a12_a13_a_schedule_runs_is_looked_at_and_paused(visit: Visit, admin: Client) -> None:
    admin.put_entity("a12", **CONTACTS)
    admin.wait(start_import(admin, "a12", "in.csv", contacts_csv(4)))
    export_id = create(admin, "a12 nightly", "a12", activate=True, type="PERIODIC_FULL", **PERIODIC)
    page = visit("exports?tab=SCHEDULED&q=a12")
    select(page, "a12 nightly")
    page.get_by_role("button", name="View definition").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Every day at 02:30 (Europe/Brussels)")).to_be_visible()
    expect(dialog.locator("time")).to_have_count(5)
    assert violations(page) == []
    dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("A run has started")).to_be_visible()
    admin.wait(admin.find_job(entity="a12", process="export")["jobId"])
    page.get_by_role("tab", name="Finished").click()
    expect(page.get_by_role("row").filter(has_text="a12 nightly")).to_contain_text("Completed")
    expect(page.get_by_role("button", name="Download")).to_be_disabled()
    page.get_by_role("tab", name="Scheduled").click()
    select(page, "a12 nightly")
    page.get_by_role("button", name="Unschedule").click()
    expect(dialog.get_by_text("does not run again until it is activated")).to_be_visible()
    dialog.get_by_role("button", name="Unschedule").click()
    expect(page.get_by_role("tab", name="In definition")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("row").filter(has_text="a12 nightly")).to_be_visible()
    assert admin.get(f"/exports/{export_id}")["status"] == "DRAFT"


def test_a6_a7_what_the_back_office_set_up(visit: Visit, admin: Client, alice: Client) -> None:
    admin.put_entity("a7", **CONTACTS)
    export_id = create(admin, "a7 flow", "a7", activate=True, type="INCREMENTAL_CUSTOM", **PERIODIC)
    create(admin, "a6 flow", "a7", activate=True, type="CUSTOM", **PERIODIC)
    page = visit("exports?tab=SCHEDULED", user="alice")
    select(page, "a6 flow")
    for name in ("View definition", "Unschedule", "Run now", "Copy"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_disabled()
    select(page, "a7 flow")
    page.get_by_role("button", name="Unschedule").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("This cannot be taken back")).to_be_visible()
    dialog.get_by_role("button", name="Unschedule").click()
    expect(page.get_by_text("The export is in definition again")).to_be_visible()
    found = alice.get(f"/exports/{export_id}")
    assert (found["type"], found["status"]) == ("INCREMENTAL", "DRAFT")


def test_a15_a16_the_report_of_a_failed_run_and_its_relaunch(visit: Visit, admin: Client) -> None:
    admin.put_entity("a15", **CONTACTS)
    destination = {
        **{"kind": "sftp", "host": "127.0.0.1", "port": 9, "directory": "/in", "secretId": "waybill/none"},
        "hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ0Zr0vHqvyAC3HgFjLNT3uLmYyqx6QgCMvnXIzG5lN",
    }
    create(admin, "a15 failing", "a15", activate=True, destination=destination)
    job = admin.wait(admin.find_job(entity="a15", process="export")["jobId"], seconds=240)
    assert job["status"] == "FAILED"
    page = visit("exports?tab=FINISHED&q=a15")
    select(page, "a15 failing")
    page.get_by_role("button", name="View report").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(f"Error code: {job['error']['code']}")).to_be_visible()
    for label in ("Status", "Start", "End", "Duration", "File name", "Rows exported"):
        expect(dialog.get_by_text(label, exact=True)).to_be_visible()
    assert violations(page) == []
    if admin.get(f"/jobs/{job['jobId']}/report")["relaunchable"]:
        dialog.get_by_role("button", name="Relaunch").click()
        expect(page.get_by_text("The run was started again")).to_be_visible()
        assert admin.find_job(entity="a15", process="export")["retryOf"] == job["jobId"]
