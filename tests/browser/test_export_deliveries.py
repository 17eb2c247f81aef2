"""Manage exports (Actito): what is delivered, tested, reported and relaunched: lines A5, A15-A17."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import asyncssh
import pyrage
from playwright.sync_api import Page, Route, expect

from infra.local.stack import LocalStack
from tests.browser.axe import flaws
from tests.browser.builders import CONTACTS, contacts_csv, start_import
from tests.browser.chromium import Visit
from tests.browser.exports_screen import choose, delivered, go_on, open_tab, select, wizard
from tests.e2e.client import Client
from tests.partner_servers import SECRET, host_key_line, sftp_server


def mails(stack: LocalStack, recipient: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{stack.stack['endpointUrl']}/_ministack/ses/messages") as answer:
        accounts = json.load(answer)["messages"].values()
    return [mail for account in accounts for mail in account if mail["To"] == [recipient]]


def run_now(page: Page, admin: Client) -> dict[str, Any]:
    """Press the button, and wait for that run's end."""
    with page.expect_response(lambda response: response.url.endswith("/run")) as answer:
        page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("A run has started").first).to_be_visible()
    return admin.wait(answer.value.json()["jobId"])


def test_a5_a15_a17_each_run_sends_what_is_new_and_people_a_report(
    visit: Visit, stack: LocalStack, admin: Client
) -> None:
    admin.put_entity("a5", **CONTACTS)
    admin.wait(start_import(admin, "a5", "in.csv", contacts_csv(3)))
    page = visit("exports")
    wizard(page, "a5 changes", "a5", "Incremental")
    go_on(page, "Format and file name")
    expect(page.get_by_label("Include deletions")).not_to_be_checked()
    page.get_by_role("textbox", name="File name").fill("a5_$yyyyMMdd.csv")
    choose(page, "Compression None", "gzip")
    expect(page.get_by_role("textbox", name="File name")).to_have_value("a5_$yyyyMMdd.csv.gz")
    choose(page, "Compression gzip", "None")
    go_on(page, "Schedule")
    runs = page.get_by_role("status").locator("time")
    expect(runs).to_have_count(5)
    page.get_by_label("Time", exact=True).fill("25:00")
    expect(page.get_by_text("must be a time from 00:00 to 23:59")).to_be_visible()
    page.get_by_label("Time", exact=True).fill("23:45")
    choose(page, "Time zone", "Asia/Dubai")
    expect(runs).to_have_count(5)
    for run in runs.all():
        expect(run).to_have_attribute("title", re.compile(" 19:45:00 UTC$"))
    go_on(page, "Destination and recipients")
    page.get_by_role("button", name="Destination Transfer box").click()
    expect(page.get_by_role("option", name="SFTP server")).to_be_visible()
    expect(page.get_by_role("option", name="Download")).to_have_count(0)  # it is always sent to somebody
    page.keyboard.press("Escape")
    page.get_by_label("Prefix").fill("a5")
    page.get_by_label("Recipients of the report").fill("a17@example.com, a17b@example.com")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("Files can be delivered there")).to_be_visible()
    go_on(page, "Summary")
    page.get_by_role("button", name="Activate").click()
    select(page, "a5 changes")
    first = run_now(page, admin)
    admin.wait(start_import(admin, "a5", "more.csv", b"id,email,spend\n1,new@example.com,8\n9,p9@example.com,1\n"))
    select(page, "a5 changes")
    second = run_now(page, admin)
    assert (first["numberOfItems"], second["numberOfItems"], second["windowFrom"]) == (3, 2, first["windowTo"])
    files = delivered(stack, "a5")
    assert sorted(files) == sorted([first["fileName"], second["fileName"]])
    assert len(files[first["fileName"]]) == 4
    assert sorted(files[second["fileName"]]) == ["1,new@example.com,8", "9,p9@example.com,1", "id,email,spend"]

    open_tab(page, "Finished")
    select(page, "a5 changes")
    page.get_by_role("button", name="View report").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(second["fileName"], exact=True)).to_be_visible()
    expect(dialog.get_by_text("a5_$yyyyMMdd.csv", exact=True)).to_be_visible()
    dialog.get_by_role("button", name="Run").click()
    options = page.get_by_role("option")
    expect(options).to_have_count(2)
    options.last.click()  # the execution before
    expect(dialog.get_by_text(first["fileName"], exact=True)).to_be_visible()

    for recipient in ("a17@example.com", "a17b@example.com"):
        found = mails(stack, recipient)
        assert len(found) == 2
        assert all(mail["Subject"].startswith("Waybill: export of a5 ") for mail in found)
        text = json.dumps(found)
        assert first["fileName"] in text and second["fileName"] in text


def test_a15_a16_a_destination_is_tested_mended_and_the_failed_run_relaunched(
    visit: Visit, stack: LocalStack, admin: Client, tmp_path: Path
) -> None:
    admin.put_entity("a15", **CONTACTS)
    admin.wait(start_import(admin, "a15", "in.csv", contacts_csv(5)))
    secrets = stack.clients("secretsmanager")
    secret = SECRET | {"host": "127.0.0.1", "entities": ["a15"]}
    secrets.create_secret(Name="waybill/a15", SecretString=json.dumps(secret | {"password": "wrong"}))
    key = asyncssh.generate_private_key("ssh-ed25519")
    reader = pyrage.x25519.Identity.generate()
    with sftp_server(tmp_path, [key]) as server:
        page = visit("exports")
        wizard(page, "a15 out", "a15", "One shot")
        go_on(page, "Destination and recipients")
        expect(page.get_by_role("button", name="Test connection")).to_have_count(0)  # nothing to connect to
        choose(page, "Destination Download", "SFTP server")
        test = page.get_by_role("button", name="Test connection")
        test.click()
        expect(page.get_by_text("destination/hostKey")).to_be_visible()
        for label, value in {
            "Host": "127.0.0.1",
            "Port": str(server.port),
            "Directory": "/",
            "Secret": "waybill/a15",
        }.items():
            page.get_by_label(label, exact=True).fill(value)
        page.get_by_label("Host key").fill(host_key_line(key))
        expect(page.get_by_text("destination/hostKey")).to_have_count(0)
        page.get_by_label("Port", exact=True).fill("22 (SSH)")
        expect(page.get_by_text("This is not a whole number")).to_be_visible()
        test.click()
        expect(page.get_by_text("destination/port")).to_be_visible()
        page.get_by_label("Port", exact=True).fill(str(server.port))
        choose(page, "Encryption None", "age")
        page.get_by_label("Encrypted for").fill("age1qqq")
        test.click()
        expect(page.get_by_text("destination/encryption/recipients/0")).to_be_visible()
        page.get_by_label("Encrypted for").fill(f"{reader.to_public()}\n")
        held: list[Route] = []
        page.route("**/exports/test-destination", lambda route: held.append(route))
        test.click()
        expect(test).to_be_disabled()
        expect(page.get_by_text("Testing: this takes up to 25 seconds")).to_be_visible()
        held[0].continue_()
        page.unroute("**/exports/test-destination")
        expect(page.get_by_text("The login is refused")).to_be_visible()
        expect(page.get_by_text("Correct the user name, password or key in the secret.")).to_be_visible()
        expect(page.get_by_text("Reason: auth")).to_be_visible()
        assert flaws(page) == []
        page.get_by_label("Directory").fill("/in")
        expect(page.get_by_text("Reason: auth")).to_have_count(0)
        page.get_by_label("Directory").fill("/")
        page.get_by_label("Prefix of temporary names").fill("")
        page.get_by_role("navigation", name="Steps").get_by_text("Data and type").click()
        page.get_by_role("radio", name="Periodic full", exact=True).check(force=True)
        page.get_by_role("radio", name="One shot", exact=True).check(force=True)
        go_on(page, "Destination and recipients")
        expect(page.get_by_label("Prefix of temporary names")).to_have_value("")
        go_on(page, "Summary")
        expect(page.get_by_text(f"age, for {str(reader.to_public())[:12]}…")).to_be_visible()
        expect(page.get_by_text("Prefix of temporary names").locator("xpath=following::*[1]")).to_have_text("None")
        page.get_by_role("button", name="Activate").click()
        expect(page.get_by_text("The export was activated")).to_be_visible()
        failed = admin.wait(admin.find_job(entity="a15", process="export")["jobId"])
        assert failed["error"]["message"].startswith("auth: ")

        open_tab(page, "Finished")
        select(page, "a15 out")
        expect(page.get_by_role("button", name="Download")).to_be_disabled()
        page.get_by_role("button", name="View report").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("Error code: delivery-failed")).to_be_visible()
        for label in ("Status", "Start", "End", "Duration", "File name", "Rows exported"):
            expect(dialog.get_by_text(label, exact=True)).to_be_visible()
        assert flaws(page) == []
        secrets.put_secret_value(SecretId="waybill/a15", SecretString=json.dumps(secret))
        dialog.get_by_role("button", name="Relaunch").click()
        expect(page.get_by_text("The run was started again")).to_be_visible()
        child = admin.wait(admin.find_job(entity="a15", process="export", status="COMPLETED")["jobId"])
        assert (child["retryOf"], child["numberOfItems"]) == (failed["jobId"], 5)
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            child["fileName"],
            f"{child['fileName']}.manifest.json",
        ]
        assert child["fileName"].endswith(".age")
        assert len(pyrage.decrypt((tmp_path / child["fileName"]).read_bytes(), [reader]).splitlines()) == 6
    expect(page.get_by_role("row").filter(has_text="a15 out")).to_contain_text("Completed")
