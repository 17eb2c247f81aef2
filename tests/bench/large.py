"""The benchmarks that take long: a million rows through the whole stack on the embedded AWS, and 2 GB in little memory.

The first is no race (the embedded AWS is the slower side by far): it shows that every row is accounted for and stored.
Exit status 1 when a count is wrong or the memory goal is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from infra.local.demo import Api
from infra.local.stack import LocalStack, local_stack
from tests.bench.imports import Workshop, large_csv_memory
from tests.bench.make_files import bad_rows, schema_path
from tests.bench.measure import ROOT, Failed, say, table

OUTPUT = ROOT / ".waybill" / "bench-large.json"
ENTITY = "offers"
BAD_SHARE = 0.01
SHARDS = 64
TERMINAL = ("COMPLETED", "FAILED", "CANCELED")


def million_rows(shop: Workshop, timeout_seconds: float) -> None:
    """Drops the file, waits for its job, counts what is stored.

    Raises:
        Failed: a count is not what the file says.
    """
    file, bad = shop.file("narrow", shop.rows, BAD_SHARE), bad_rows(shop.rows, BAD_SHARE)
    say("starting the embedded AWS")
    with local_stack() as running, contextlib.closing(Api(running.stack)) as api:
        api.call("PUT", f"entities/{ENTITY}", {"schema": json.loads(schema_path(file).read_text())})
        began = time.monotonic()
        running.clients("s3").upload_file(str(file), running.stack["dropBucket"], f"drop/{ENTITY}/{file.name}")
        job = _wait(api, began + timeout_seconds)
        seconds = time.monotonic() - began
        speed = f"{seconds:.0f} s, {shop.rows / seconds:,.0f} rows/s"
        print(f"{job['status']} ({job['outcome']}) after {speed}: {job['counts']}")
        expected = {
            "total": shop.rows,
            "processed": shop.rows,
            "imported": shop.rows - bad,
            "rejected": bad,
            "unprocessed": 0,
        }
        if job["status"] != "COMPLETED" or job["counts"] != expected:
            raise Failed(f"the job should be COMPLETED with {expected}: {job}")
        say("counting the records")
        stored = _count_records(running)
        print(f"{stored:,} records are in the table")
        if stored != expected["imported"]:
            raise Failed(f"{stored:,} records are stored, not {expected['imported']:,}")


def _wait(api: Api, deadline: float) -> dict[str, Any]:
    job: dict[str, Any] | None = None
    said = ""
    while time.monotonic() < deadline:
        jobs: list[dict[str, Any]] = api.call("GET", f"jobs?process=import&entity={ENTITY}")["items"]
        job = jobs[0] if jobs else None
        if job is not None:
            if job["status"] in TERMINAL:
                return job
            if job["message"] != said:
                said = job["message"]
                say(said)
        time.sleep(5)
    raise Failed(f"the import did not end: {job}")


def _count_records(running: LocalStack) -> int:
    """By query: the embedded AWS walks a whole table for each page of a scan."""
    dynamodb, name = running.clients("dynamodb"), running.stack["recordsTable"]
    uid = dynamodb.scan(TableName=name, Limit=1)["Items"][0]["_pk"]["S"].partition("#")[0]
    count = 0
    for shard in range(SHARDS):
        pages = dynamodb.get_paginator("query").paginate(
            TableName=name,
            Select="COUNT",
            KeyConditionExpression="#pk = :pk",
            ExpressionAttributeNames={"#pk": "_pk"},
            ExpressionAttributeValues={":pk": {"S": f"{uid}#{shard:02x}"}},
        )
        count += sum(page["Count"] for page in pages)
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--timeout", type=float, default=3600, help="seconds that the import may take")
    parser.add_argument("--only", choices=("rows", "memory"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="waybill-bench-") as folder:
        shop = Workshop(Path(folder), arguments.rows, 1)
        try:
            if arguments.only != "memory":
                million_rows(shop, arguments.timeout)
            if arguments.only == "rows":
                return 0
            result = large_csv_memory(shop)
        except Failed as error:
            print(error, file=sys.stderr)
            return 1
    print(table([result]))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps([result.to_json()], indent=2) + "\n")
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
