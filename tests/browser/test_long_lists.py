"""A thousand entries are read and drawn a page at a time."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from boto3.dynamodb.types import TypeSerializer
from playwright.sync_api import expect

from infra.local.stack import LocalStack
from tests.browser.builders import CONTACTS
from tests.browser.chromium import Visit
from tests.browser.exports_screen import create
from tests.e2e.client import Client
from waybill.jobs.items import job_item
from waybill.jobs.model import Counts, Job, Outcome, Process, Status


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


@contextmanager
def copies(stack: LocalStack, export_id: str, count: int) -> Iterator[None]:
    """So many drafts more like this one, named `mass 0000` and so on."""
    dynamodb, table = stack.clients("dynamodb"), stack.deployed.outputs["CatalogTable"]
    key = {"pk": {"S": "EXPORT"}, "sk": {"S": export_id}}
    item = dynamodb.get_item(TableName=table, Key=key)["Item"]
    made: list[dict[str, Any]] = []
    for number in range(count):
        definition = json.loads(item["definition"]["S"]) | {"name": f"mass {number:04d}"}
        made.append(item | {"sk": {"S": str(uuid.uuid4())}, "definition": {"S": json.dumps(definition)}})

    def write(requests: list[dict[str, Any]]) -> None:
        for start in range(0, len(requests), 25):
            answer = dynamodb.batch_write_item(RequestItems={table: requests[start : start + 25]})
            assert not answer["UnprocessedItems"]

    try:
        write([{"PutRequest": {"Item": each}} for each in made])
        yield
    finally:
        write([{"DeleteRequest": {"Key": {name: each[name] for name in key}}} for each in made])


def test_a_thousand_exports_are_read_and_drawn_a_page_at_a_time(visit: Visit, stack: LocalStack, admin: Client) -> None:
    admin.put_entity("mass", **CONTACTS)
    first = create(admin, "mass first", "mass")
    with copies(stack, first, 1_000):
        page = visit("entities")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/v1/exports?" in request.url else None)
        page.get_by_role("link", name="Manage exports").click()
        rows = page.get_by_role("table").get_by_role("row")
        expect(rows).to_have_count(26)  # 25 and the header
        assert len(asked) == 1
        page.get_by_role("button", name="Next page").click()
        expect(page.get_by_role("button", name="Page 2")).to_have_attribute("aria-current", "true")
        expect(rows).to_have_count(26)
        # Typing asks when it pauses, not at each key; eleven requests of a hundred look at all of them.
        asked.clear()
        word = "mass 0777"
        page.get_by_role("searchbox", name="Name").press_sequentially(word)
        expect(rows).to_have_count(2)
        expect(rows.last).to_contain_text("mass 0777")
        searches = Counter(parse_qs(urlsplit(url).query).get("q", [""])[0] for url in asked)
        assert 1 <= searches[word] <= 13
        assert len(searches) < len(word)
