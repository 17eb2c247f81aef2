"""What holds on every screen: names are shown as they are, the keyboard is enough, long lists and first loads small."""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from boto3.dynamodb.types import TypeSerializer
from playwright.sync_api import Locator, Page, expect

from infra.local import console
from infra.local.stack import LocalStack
from tests.browser.conftest import CONTACTS, Visit, contacts_csv, flaws, start_import
from tests.e2e.client import Client
from waybill.jobs.items import job_item
from waybill.jobs.model import Counts, Job, Outcome, Process, Status

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)<!--.csv"
QUOTES = "\"quotes\" 'and' `ticks` & more.csv"
RIGHT_TO_LEFT = "\u202egnp.\u202c שלום مرحبا.csv"
LONG = "n" * 296 + ".csv"
FIRST_LOAD_BYTES = 400_000


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
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url
        assert page.locator("img[src=x], #root b").count() == 0

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


def tab_to(page: Page, wanted: Locator) -> None:
    """Move on from where the focus is until it is there."""
    expect(wanted).to_be_visible()
    for _ in range(150):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"the Tab key does not lead to {wanted}")


def test_the_keyboard_is_enough_to_import_a_file_see_its_errors_and_delete_the_entry(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    admin.put_entity("by-keyboard", **CONTACTS)
    path = tmp_path / "typed.csv"
    path.write_bytes(contacts_csv(3, bad=1))
    page = visit("imports?entity=by-keyboard")
    page.on("filechooser", lambda _: None)  # the browser is told early that they are ours to answer
    press = page.keyboard.press
    dialog = page.get_by_role("dialog")
    expect(page.get_by_text("Nothing was imported")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Import from file").first)
    press("Enter")
    expect(dialog.get_by_role("button", name="Into the entity")).to_contain_text("by-keyboard")
    choose = dialog.get_by_role("button", name="Choose file")
    tab_to(page, choose)
    expect(choose).to_be_focused()
    with page.expect_file_chooser() as chooser:
        press("Enter")
    chooser.value.set_files(path)
    expect(dialog.get_by_text("much: not a number")).to_be_visible()
    tab_to(page, dialog.get_by_role("button", name="Start import"))
    press("Enter")
    expect(dialog).to_be_hidden()
    mine = page.get_by_role("row").filter(has_text="typed.csv")
    expect(mine).to_contain_text("2 rows imported, 1 rejected")
    tab_to(page, mine.get_by_role("button", name="All errors"))
    press("Enter")
    expect(dialog.get_by_role("cell", name="much").first).to_be_visible()
    tab_to(page, dialog.get_by_role("searchbox"))
    page.keyboard.type("nothing like it")
    expect(dialog.get_by_text("No error matches the search.")).to_be_visible()
    press("Escape")  # clears the search, or closes
    if dialog.is_visible():
        press("Escape")
    expect(dialog).to_be_hidden()
    tab_to(page, page.get_by_role("link", name="Status", exact=True))
    press("Enter")
    tab_to(page, page.get_by_role("row").filter(has_text="typed.csv").get_by_role("checkbox"))
    press("Space")
    tab_to(page, page.get_by_role("button", name="Delete", exact=True))
    press("Enter")
    tab_to(page, dialog.get_by_role("button", name="OK"))
    press("Enter")
    expect(page.get_by_text("1 deleted")).to_be_visible()
    assert admin.get("/jobs", entity="by-keyboard", limit=100)["items"] == []


@pytest.fixture
def thousand(stack: LocalStack, admin: Client) -> Iterator[str]:
    """An entity with a thousand finished imports."""
    admin.put_entity("thousand", **CONTACTS)
    dynamodb, table, serialize = stack.clients("dynamodb"), stack.stack["jobsTable"], TypeSerializer().serialize
    now = datetime.now(UTC)
    items = []
    for number in range(1_000):
        at = now - timedelta(seconds=number)
        job = Job(
            job_id=str(uuid.uuid4()),
            process=Process.IMPORT,
            status=Status.COMPLETED,
            outcome=Outcome.SUCCESS,
            entity="thousand",
            entity_uid="",
            file_name=f"{number:04}.csv",
            submitted_at=at,
            started_at=at,
            completed_at=at,
            started_by="admin",
            counts=Counts(1, 1, 0),
            expires_at=now + timedelta(days=1),
            files_expire_at=now + timedelta(days=1),
        )
        items.append({name: serialize(value) for name, value in job_item(job).items()})
    for first in range(0, len(items), 25):
        puts = [{"PutRequest": {"Item": item}} for item in items[first : first + 25]]
        dynamodb.batch_write_item(RequestItems={table: puts})
    yield "thousand"
    for first in range(0, len(items), 25):
        keys = [{"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}} for item in items[first : first + 25]]
        dynamodb.batch_write_item(RequestItems={table: keys})


@pytest.mark.parametrize("screen", ["imports?entity=thousand", "status"])
def test_of_a_thousand_entries_only_those_of_a_page_are_fetched_and_drawn(
    visit: Visit, thousand: str, screen: str
) -> None:
    page = visit("entities", clock=True)
    expect(page.get_by_role("heading", name="Entities")).to_be_visible()
    fetched: list[int] = []

    def count(answer) -> None:  # type: ignore[no-untyped-def]
        if "/v1/jobs?" in answer.url:
            fetched.append(len(answer.json()["items"]) if answer.status == 200 else 0)

    page.on("response", count)
    page.evaluate(f"history.pushState(null, '', '{screen}'); dispatchEvent(new PopStateEvent('popstate'))")
    rows = page.get_by_role("row").filter(has_text=".csv")
    expect(page.get_by_role("row").filter(has_text="0000.csv")).to_be_visible()
    expect(rows).to_have_count(25)
    assert len(fetched) == 1
    for number in (2, 3, 4):
        page.get_by_role("button", name="Next page").click()
        expect(page.get_by_role("row").filter(has_text=f"{25 * (number - 1):04}.csv")).to_be_visible()
        expect(rows).to_have_count(25)
    assert sum(fetched) <= 200
    fetched.clear()
    page.clock.run_for(20_000)
    with page.expect_response(lambda answer: "/v1/jobs?" in answer.url):
        page.clock.run_for(10_000)
    assert fetched, "it refreshes itself"
    assert sum(fetched) <= 50 * len(fetched)
    expect(rows).to_have_count(25)
    expect(page.get_by_role("row").filter(has_text="0075.csv")).to_be_visible()


def test_the_first_load_is_small_and_other_screens_come_when_they_are_opened(visit: Visit, stack: LocalStack) -> None:
    page = visit("imports")
    expect(page.get_by_role("heading", name="Imported files")).to_be_visible()
    loaded = "performance.getEntriesByType('resource').filter(({name}) => name.endsWith('.js'))"
    sizes = page.evaluate(f"{loaded}.map(({{name, encodedBodySize}}) => [name, encodedBodySize])")
    assert 0 < sum(size for _, size in sizes) <= FIRST_LOAD_BYTES
    names = [name for name, _ in sizes]
    assert not [name for name in names if "ExportWizard" in name or "SchemaEditor" in name]
    # What was built is what is served: the same limit holds without brotli.
    assets = console.TARGET / "assets"
    assert sum((assets / f"{name.rpartition('/')[2]}.gz").stat().st_size for name in names) <= FIRST_LOAD_BYTES


def test_links_into_the_console_and_the_back_button(visit: Visit, admin: Client) -> None:
    admin.put_entity("deep", **CONTACTS)
    job = admin.wait(start_import(admin, "deep", "deep.csv", contacts_csv(3, bad=1)))
    page = visit(f"imports?entity=deep&errors={job['jobId']}")  # before anybody is signed in
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("cell", name="much").first).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    expect(dialog).to_be_hidden()
    page.go_back()
    expect(dialog).to_be_visible()
    page.reload()
    expect(dialog.get_by_role("cell", name="much").first).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Status", exact=True).click()
    page.get_by_role("searchbox").fill("deep.csv")
    expect(page).to_have_url(re.compile("q=deep.csv"))
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.go_forward()
    expect(page.get_by_role("searchbox")).to_have_value("deep.csv")
    page.evaluate("history.pushState(null, '', 'nowhere'); dispatchEvent(new PopStateEvent('popstate'))")
    expect(page.get_by_text("There is no such screen")).to_be_visible()


def test_what_the_console_reckons_by_itself(stack: LocalStack) -> None:
    done = subprocess.run(
        ["npm", "test", "--silent"], cwd=console.SOURCE, env=console.node_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
