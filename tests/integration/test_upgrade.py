"""An upgrade with jobs running: code goes on with what earlier code has stored (docs/decisions/, 2026-11-29).

`tests/stored/` has a file for each day on which stored documents changed: the items of the tables and the objects of
the buckets, in the middle of every kind of work. `RECORD=DAY pytest tests/integration/test_upgrade.py -k today` adds
one, from the code as it is. Files that are there already are never recorded again.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.importing import counts, load_and_finish, prepared, rejected_types, run, start
from waybill.bootstrap import Services
from waybill.exports import deliver as delivering
from waybill.exports import extract as extraction
from waybill.exports.definition import Export, ExportStatus
from waybill.exports.run import activate, tick
from waybill.ids import new_uuid
from waybill.imports.load import load_chunk
from waybill.jobs.model import Outcome, Status

FOLDER = Path(__file__).parents[1] / "stored"
RECORDED = sorted(path.stem for path in FOLDER.glob("*.json"))
BAD = [{"contact_id": f"bad{number}", "spend": "much"} for number in range(3)]
ROWS = 400


@dataclass(frozen=True)
class Stored:
    """Everything that Waybill has stored, and the ids by which the test finds its work."""

    moment: str
    ids: dict[str, str]
    tables: dict[str, list[dict[str, Any]]]
    objects: list[dict[str, Any]]


def enough() -> float:
    return 900.0


def work(services: Services, s3: Any) -> dict[str, str]:
    """Begin every kind of work, and leave it in the middle. Returns ids by what the work is."""
    services.settings = replace(services.settings, chunk_bytes=4_000)
    for name in ("contacts", "people", "done"):
        services.entities.put(builders.entity(name))
    loading = prepared(services, start(services, s3, builders.contacts_csv(BAD, count=ROWS)))
    assert (loading.chunks or 0) >= 3
    load_chunk(services, loading.job_id, 0)
    waiting = start(services, s3, builders.contacts_csv(BAD[:1], count=5), key="drop/contacts/second.csv")
    assert waiting.status is Status.WAITING
    data = builders.contacts_csv(count=ROWS)
    prechecked = start(services, s3, data, key="drop/people/p.csv", **{"on-error": "all-or-nothing"})
    prepared(services, prechecked)
    done = run(services, start(services, s3, builders.contacts_csv(BAD, count=10), key="drop/done/d.csv"))

    one_shot = export_of(services, "done", "uid-done")
    job = activate(services, one_shot, "alice", "a").running
    assert job is not None
    assert extraction.extract(services, job.job_id, enough)["outcome"] == "extracted"
    daily = {"type": "INCREMENTAL", "schedule": {"time": "02:30", "timezone": "UTC"}, "destination": {"kind": "s3"}}
    scheduled = activate(services, export_of(services, "done", "uid-done", **daily), "alice", "a")
    return {
        "loading": loading.job_id,
        "waiting": waiting.job_id,
        "prechecked": prechecked.job_id,
        "done": done.job_id,
        "extracted": job.job_id,
        "scheduled": scheduled.export_id,
    }


def export_of(services: Services, entity: str, uid: str, **members: Any) -> Export:
    definition = builders.export_definition(entity=entity, **members)
    export = Export(new_uuid(), definition, uid, ExportStatus.DRAFT, services.clock.now(), "alice", "a", "series")
    services.exports.add(export)
    return export


def snapshot(services: Services, s3: Any, ids: dict[str, str]) -> Stored:
    names = (services.settings.jobs_table, services.settings.catalog_table, services.settings.records_table)
    tables = {name: services.dynamodb.call("Scan", {"TableName": name})["Items"] for name in names}
    objects = []
    for bucket in (services.settings.drop_bucket, services.settings.files_bucket):
        for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            answer = s3.get_object(Bucket=bucket, Key=entry["Key"])
            body = base64.b64encode(answer["Body"].read()).decode()
            objects.append({"bucket": bucket, "key": entry["Key"], "metadata": answer["Metadata"], "body": body})
    return Stored(services.clock.now().isoformat(), ids, tables, objects)


def restore(services: Services, s3: Any, clock: builders.Clock, stored: Stored) -> None:
    clock.moment = datetime.fromisoformat(stored.moment) + timedelta(minutes=1)
    for name, items in stored.tables.items():
        for item in items:
            services.dynamodb.call("PutItem", {"TableName": name, "Item": item})
    for entry in stored.objects:
        body = base64.b64decode(entry["body"])
        s3.put_object(Bucket=entry["bucket"], Key=entry["key"], Body=body, Metadata=entry["metadata"])


def goes_on(services: Services, s3: Any, clock: builders.Clock, ids: dict[str, str]) -> None:
    """End all the work; every row is accounted for, as if nothing had changed meanwhile."""
    jobs = services.jobs
    loading = load_and_finish(services, jobs.get(ids["loading"]))
    assert (loading.status, counts(loading)) == (Status.COMPLETED, (ROWS + 3, ROWS, 3, 0))
    assert set(rejected_types(services, loading).values()) == {"type-error"}
    waiting = run(services, jobs.get(ids["waiting"]))
    assert counts(waiting) == (6, 5, 1, 0)
    prechecked = load_and_finish(services, jobs.get(ids["prechecked"]))
    assert (prechecked.outcome, counts(prechecked)) == (Outcome.SUCCESS, (ROWS, ROWS, 0, 0))
    done = jobs.get(ids["done"])
    assert (done.status, counts(done)) == (Status.COMPLETED, (13, 10, 3, 0))
    assert len(rejected_types(services, done)) == 3

    assert delivering.deliver(services, ids["extracted"], enough) == {"outcome": "ended"}
    assert (jobs.get(ids["extracted"]).status, jobs.get(ids["extracted"]).counts.total) == (Status.COMPLETED, 10)
    clock.forward(days=1)
    assert tick(services) == 1
    [scheduled] = services.runs.page(ids["scheduled"], 10)[0]
    assert extraction.extract(services, scheduled.job_id, enough)["outcome"] == "extracted"
    assert delivering.deliver(services, scheduled.job_id, enough) == {"outcome": "ended"}
    assert (jobs.get(scheduled.job_id).status, jobs.get(scheduled.job_id).counts.total) == (Status.COMPLETED, 10)


def test_today(services: Services, s3: Any, clock: builders.Clock) -> None:
    """The work that is recorded can be ended by the code that began it."""
    ids = work(services, s3)
    if day := os.environ.get("RECORD"):
        FOLDER.mkdir(exist_ok=True)
        with (FOLDER / f"{day}.json").open("x") as file:
            json.dump(vars(snapshot(services, s3, ids)), file, indent=1, sort_keys=True)
            file.write("\n")
    goes_on(services, s3, clock, ids)


@pytest.mark.parametrize("day", RECORDED)
def test_code_goes_on_with_what_earlier_code_has_stored(
    services: Services, s3: Any, clock: builders.Clock, day: str
) -> None:
    stored = Stored(**json.loads((FOLDER / f"{day}.json").read_text()))
    restore(services, s3, clock, stored)
    goes_on(services, s3, clock, stored.ids)


def test_there_is_something_recorded() -> None:
    assert RECORDED


def test_code_goes_on_with_documents_that_newer_code_has_added_to(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    """Newer code was deployed and taken back, or runs already while this code ends an execution."""
    stored = Stored(**json.loads((FOLDER / f"{RECORDED[-1]}.json").read_text()))
    for items in (stored.tables[services.settings.jobs_table], stored.tables[services.settings.catalog_table]):
        for item in items:
            item["addedLater"] = {"S": "by newer code"}
    plans = [entry for entry in stored.objects if entry["key"].endswith("/plan.json")]
    assert plans
    for entry in plans:
        plan = json.loads(base64.b64decode(entry["body"])) | {"addedLater": "by newer code"}
        entry["body"] = base64.b64encode(json.dumps(plan).encode()).decode()
    restore(services, s3, clock, stored)
    goes_on(services, s3, clock, stored.ids)
