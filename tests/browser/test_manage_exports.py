"""Manage exports (Actito): lines A1-A4 and A6-A14 of its reference, as a person does them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from infra.local.stack import LocalStack
from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, contacts_csv, start_import
from tests.browser.chromium import Visit
from tests.browser.exports_screen import PERIODIC, choose, create, delivered, go_on, open_tab, select, wizard
from tests.e2e.client import Client


def test_a1_a3_a14_the_wizard_makes_an_export_that_is_downloaded(visit: Visit, admin: Client) -> None:
    admin.put_entity("a1", **CONTACTS)
    admin.wait(start_import(admin, "a1", "in.csv", contacts_csv(9)))
    page = visit("exports")
    page.get_by_role("button", name="Create export").click()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Something is missing")).to_be_visible()
    assert flaws(page) == []
    page.get_by_label("Name", exact=True).fill("A1 <b>export</b>")
    page.get_by_role("button", name="Entity").click()
    page.get_by_role("option", name="a1", exact=True).click()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Move email up").click()
    assert flaws(page) == []
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Add condition").click()
    page.get_by_role("button", name="Condition is").click()
    page.get_by_role("option", name="is less than").click()
    page.get_by_label("Value").fill("5")
    assert flaws(page) == []
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Now it would be")).to_contain_text("a1_20")
    assert flaws(page) == []
    for _ in range(3):
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("id is less than 5")).to_be_visible()
    assert flaws(page) == []
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("The export was activated")).to_be_visible()
    open_tab(page, "Finished")
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
    assert flaws(page) == []


def test_a8_a9_a10_edit_copy_and_delete_a_draft(visit: Visit, admin: Client) -> None:
    fields = [*CONTACTS["schema"]["fields"], {"name": "note"}]
    admin.put_entity("a8", **CONTACTS | {"schema": {"fields": fields}})
    conditions = [
        {"field": "id", "op": "in", "value": [1, 2]},
        {"field": "note", "op": "in", "value": ["a, b", "c"]},
        {"field": "email", "op": "empty", "value": False},
    ]
    export_id = create(admin, "a8 draft", "a8", filter=conditions)
    page = visit("exports?q=a8")
    select(page, "a8 draft")
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("heading", name="Data and type")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("a8 edited")
    for _ in range(6):
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("id is one of [1,2]")).to_be_visible()
    page.get_by_role("button", name="Keep as draft").click()
    found = admin.get(f"/exports/{export_id}")
    assert (found["name"], found["filter"]) == ("a8 edited", conditions)
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
    assert flaws(page) == []
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("row").filter(has_text="a8 copied")).to_have_count(0)
    assert [each["name"] for each in admin.get("/exports", q="a8")["items"]] == ["a8 edited"]


def test_a9_a11_copies_and_definitions_of_what_is_scheduled_running_and_finished(
    visit: Visit, stack: LocalStack, admin: Client
) -> None:
    admin.put_entity("a9", **CONTACTS)
    create(admin, "a9 scheduled", "a9", activate=True, type="PERIODIC_FULL", recipients=["a9@example.com"], **PERIODIC)
    finished = create(admin, "a9 finished", "a9", activate=True, fields=["id"])
    admin.wait(admin.get(f"/exports/{finished}")["jobId"])
    # Nobody listens on this port: a run that is tried again, for a minute.
    server = {"kind": "sftp", "host": "127.0.0.1", "port": 9, "directory": "/in", "secretId": "waybill/a9"}
    key = {"hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ0Zr0vHqvyAC3HgFjLNT3uLmYyqx6QgCMvnXIzG5lN"}
    secret = json.dumps({"username": "u", "password": "never shown", "host": "127.0.0.1", "entities": ["a9"]})
    stack.clients("secretsmanager").create_secret(Name="waybill/a9", SecretString=secret)
    running = create(admin, "a9 running", "a9", activate=True, destination=server | key)
    page = visit("exports?q=a9")
    dialog = page.get_by_role("dialog")
    for tab, name, texts in [
        ("In progress", "a9 running", ["SFTP 127.0.0.1:9/in", "waybill/a9", key["hostKey"]]),
        ("Finished", "a9 finished", ["Download", "id"]),
        ("Scheduled", "a9 scheduled", ["Every day at 02:30 (Europe/Brussels)", "a9@example.com"]),
    ]:
        open_tab(page, tab)
        select(page, name)
        page.get_by_role("button", name="View definition").click()
        for text in texts:
            expect(dialog.get_by_text(text, exact=True)).to_be_visible()
        assert flaws(page) == []
        dialog.get_by_role("button", name="Close").last.click()
        if tab == "In progress":
            expect(page.get_by_role("button", name="Copy", exact=True)).to_have_count(0)
            page.get_by_role("button", name="Stop", exact=True).click()
            assert flaws(page) == []
            expect(dialog.get_by_text("ends without a file")).to_be_visible()
            dialog.get_by_role("button", name="Stop exporting").click()
            expect(page.get_by_text("The run was stopped")).to_be_visible()
            assert admin.get(f"/jobs/{admin.get(f'/exports/{running}')['jobId']}")["stopReason"] == "USER"
            continue
        page.get_by_role("button", name="Copy", exact=True).click()
        dialog.get_by_role("textbox").fill(f"{name} copied")
        if tab == "Finished":
            assert flaws(page) == []
        dialog.get_by_role("button", name="Copy").click()
        expect(page.get_by_label("Name", exact=True)).to_have_value(f"{name} copied")
        page.get_by_role("button", name="Keep as draft").click()
        expect(page.get_by_role("row").filter(has_text=f"{name} copied")).to_be_visible()
    found = {each["name"]: each for each in admin.get("/exports", entity="a9", limit=100)["items"]}
    for name in ("a9 finished", "a9 scheduled"):
        copied, original = found[f"{name} copied"], found[name]
        assert copied["status"] == "DRAFT"
        for member in ("type", "fields", "filter", "schedule", "destination", "recipients", "fileName"):
            assert copied[member] == original[member], member


def test_a3_a_one_shot_for_a_given_date_and_time(visit: Visit, admin: Client) -> None:
    admin.put_entity("a3", **CONTACTS)
    page = visit("exports")
    wizard(page, "a3 later", "a3", "One shot")
    go_on(page, "Format and file name")
    expect(page.get_by_text("Include deletions")).to_have_count(0)
    go_on(page, "Schedule")
    choose(page, "When", "At a date and time")
    page.get_by_role("textbox", name="Date and time").fill("2099-07-31T09:30")
    choose(page, "Time zone", "Europe/Brussels")
    assert flaws(page) == []
    go_on(page, "Destination and recipients")
    expect(page.get_by_role("button", name="Destination Download")).to_be_visible()
    go_on(page, "Summary")
    expect(page.get_by_text("Once at 2099-07-31T09:30 (Europe/Brussels)")).to_be_visible()
    expect(page.locator("time")).to_have_attribute("title", "2099-07-31 07:30:00 UTC")
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("tab", name="Scheduled")).to_have_attribute("aria-selected", "true")
    row = page.get_by_role("row").filter(has_text="a3 later")
    expect(row.locator("time")).to_have_attribute("title", "2099-07-31 07:30:00 UTC")
    [found] = admin.get("/exports", entity="a3")["items"]
    assert (found["status"], found["type"], found["nextRunAt"]) == ("SCHEDULED", "ONE_SHOT", "2099-07-31T07:30:00.000Z")


def test_a4_a11_a12_a13_a_schedule_runs_is_viewed_and_paused(visit: Visit, stack: LocalStack, admin: Client) -> None:
    admin.put_entity("a12", **CONTACTS)
    admin.wait(start_import(admin, "a12", "in.csv", contacts_csv(4)))
    subset: dict[str, Any] = {"filter": [{"field": "id", "op": "ge", "value": 2}], "fileName": "a12_$yyyyMMdd.csv"}
    place = {"schedule": PERIODIC["schedule"], "destination": {"kind": "s3", "prefix": "a12"}}
    export_id = create(admin, "a12 nightly", "a12", activate=True, type="PERIODIC_FULL", **place, **subset)
    page = visit("exports?tab=SCHEDULED&q=a12")
    select(page, "a12 nightly")
    page.get_by_role("button", name="View definition").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Every day at 02:30 (Europe/Brussels)")).to_be_visible()
    expect(dialog.locator("time")).to_have_count(5)
    assert flaws(page) == []
    dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("A run has started")).to_be_visible()
    admin.wait(admin.find_job(entity="a12", process="export")["jobId"])
    open_tab(page, "Finished")
    expect(page.get_by_role("row").filter(has_text="a12 nightly")).to_contain_text("Completed")
    [(name, lines)] = delivered(stack, "a12").items()
    assert name.startswith("a12_20") and lines[0] == "id,email,spend"
    assert sorted(line.partition(",")[0] for line in lines[1:]) == ["2", "3"]
    select(page, "a12 nightly")
    for name, is_possible in [("Download", False), ("View report", True), ("View definition", True), ("Copy", True)]:
        button = page.get_by_role("button", name=name, exact=True)
        expect(button).to_be_enabled() if is_possible else expect(button).to_be_disabled()
    expect(page.get_by_role("button", name="Delete")).to_be_disabled()  # it is scheduled
    open_tab(page, "Scheduled")
    select(page, "a12 nightly")
    for name in ("Delete", "Edit"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page.get_by_role("button", name="Unschedule").click()
    assert flaws(page) == []
    expect(dialog.get_by_text("does not run again until it is activated")).to_be_visible()
    dialog.get_by_role("button", name="Unschedule").click()
    expect(page.get_by_role("tab", name="In definition")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("row").filter(has_text="a12 nightly")).to_be_visible()
    assert admin.get(f"/exports/{export_id}")["status"] == "DRAFT"


def test_a6_a7_what_the_back_office_set_up(visit: Visit, admin: Client, alice: Client) -> None:
    admin.put_entity("a7", **CONTACTS)
    settings = PERIODIC | {"destination": {"kind": "s3", "prefix": "a7"}, "recipients": ["ops@example.com"]}
    export_id = create(admin, "a7 flow", "a7", activate=True, type="INCREMENTAL_CUSTOM", **settings)
    flow = create(admin, "a6 flow", "a7", activate=True, type="CUSTOM", **PERIODIC)
    assert admin.wait(admin.call("POST", f"/exports/{flow}/run").json()["jobId"])["status"] == "COMPLETED"
    page = visit("exports?tab=SCHEDULED", user="alice")
    select(page, "a6 flow")
    for name in ("View definition", "Unschedule", "Run now", "Copy"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_disabled()
    open_tab(page, "Finished")
    select(page, "a6 flow")
    for name in ("Download", "View definition", "Copy"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_disabled()
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="View report").click()
    expect(dialog.get_by_text("Completed", exact=True)).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    open_tab(page, "Scheduled")
    select(page, "a7 flow")
    page.get_by_role("button", name="View definition").click()
    for value in ("id, email, spend", "Transfer box, a7", "ops@example.com"):
        expect(dialog.get_by_text(value)).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("button", name="Copy", exact=True).click()
    dialog.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("radio", name="Incremental", exact=True)).to_be_checked()
    expect(page.get_by_role("radio", name="Incremental custom")).to_have_count(0)
    page.get_by_role("button", name="Keep as draft").click()
    expect(page.get_by_role("row").filter(has_text="a7 flow (copy)")).to_contain_text("Incremental")
    open_tab(page, "Scheduled")
    select(page, "a7 flow")
    page.get_by_role("button", name="Unschedule").click()
    expect(dialog.get_by_text("This cannot be undone")).to_be_visible()
    assert flaws(page) == []
    dialog.get_by_role("button", name="Unschedule").click()
    expect(page.get_by_text("The export is in definition again")).to_be_visible()
    found = alice.get(f"/exports/{export_id}")
    assert (found["type"], found["status"]) == ("INCREMENTAL", "DRAFT")
