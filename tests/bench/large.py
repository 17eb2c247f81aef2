"""The slow benchmarks: import and export a million rows through the whole stack on the embedded AWS, and 2 GB in
bounded memory.

The first two do not measure speed (the embedded AWS is by far the slower side): they show that every row is accounted
for and stored, and that an export extracted in parallel parts contains every record once. Exits with status 1 if a
count is wrong or the memory goal is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
from xxhash import xxh3_64_intdigest

from infra.local.demo import Api
from infra.local.stack import LocalStack, local_stack
from tests.bench.imports import Workshop, large_csv_memory
from tests.bench.make_files import bad_rows, is_bad, schema_path
from tests.bench.measure import ROOT, Failed, say, table
from waybill.aws.dynamodb import BatchWriter, DynamoDB
from waybill.aws.sigv4 import Credentials
from waybill.entities.model import SHARDS, partition
from waybill.entities.row_compiler import key_text

OUTPUT = ROOT / ".waybill" / "bench-large.json"
ENTITY = "offers"
BAD_SHARE = 0.01
TERMINAL = ("COMPLETED", "FAILED", "CANCELED")
FUNCTION = b"-ExportStepsFunction-"


def million_rows(shop: Workshop, only: str | None, timeout_seconds: float) -> None:
    """Imports the rows of a file, or only writes them to the table if just the export is to run, and exports them.

    Raises:
        Failed: a count does not match the file, or the export lacks or repeats a record.
    """
    file = shop.file("narrow", shop.rows, BAD_SHARE)
    say("starting the embedded AWS")
    with local_stack() as running, contextlib.closing(Api(running.stack)) as api:
        api.call("PUT", f"entities/{ENTITY}", {"schema": json.loads(schema_path(file).read_text())})
        if only == "export":
            _load_table(running, file)
        else:
            _import(running, api, file, shop.rows, timeout_seconds)
        if only != "rows":
            _export(running, api, file, shop.rows - bad_rows(shop.rows, BAD_SHARE), timeout_seconds)


def _import(running: LocalStack, api: Api, file: Path, rows: int, timeout_seconds: float) -> None:
    """Drops the file, waits for its job and counts the stored records."""
    bad = bad_rows(rows, BAD_SHARE)
    began = time.monotonic()
    running.clients("s3").upload_file(str(file), running.stack["dropBucket"], f"drop/{ENTITY}/{file.name}")
    job = _wait(api, f"jobs?process=import&entity={ENTITY}", began + timeout_seconds)
    seconds = time.monotonic() - began
    print(f"{job['status']} ({job['outcome']}) after {_speed(rows, seconds)}: {job['counts']}")
    expected = {"total": rows, "processed": rows, "imported": rows - bad, "rejected": bad, "unprocessed": 0}
    if job["status"] != "COMPLETED" or job["counts"] != expected:
        raise Failed(f"the job should be COMPLETED with {expected}: {job}")
    say("counting the records")
    stored = _count_records(running)
    print(f"{stored:,} records are in the table")
    if stored != expected["imported"]:
        raise Failed(f"{stored:,} records are stored, not {expected['imported']:,}")


def _load_table(running: LocalStack, file: Path) -> None:
    """Writes the good rows as an import would. A real import takes several times as long here."""
    catalog = running.clients("dynamodb")
    name = running.deployed.resources["CatalogTable"]
    [uid] = [item["uid"]["S"] for item in catalog.scan(TableName=name)["Items"] if item["sk"]["S"] == ENTITY]
    stamp = {"_at": {"N": "1767225600000"}, "_by": {"S": "bench"}}
    began, written = time.monotonic(), 0
    anybody = Credentials("test", "test")
    dynamodb = DynamoDB(running.stack["region"], running.stack["endpointUrl"], credentials=lambda: anybody)
    with (
        BatchWriter(dynamodb, running.stack["recordsTable"]) as writer,
        file.open(newline="", encoding="utf-8") as source,
    ):
        header, *_ = islice(csv.reader(source), 1)
        rows = (row for number, row in enumerate(csv.reader(source)) if not is_bad(number, BAD_SHARE))
        while block := list(islice(rows, 10_000)):
            puts = []
            for row in block:
                key = key_text(row[:2])
                place = {"_pk": {"S": partition(uid, xxh3_64_intdigest(key.encode()) % SHARDS)}, "_sk": {"S": key}}
                fields = {name: {"S": cell} for name, cell in zip(header, row, strict=True)}
                puts.append(json.dumps({"PutRequest": {"Item": place | stamp | fields}}).encode())
            writer.write(puts)
            written += len(puts)
            say(f"{written:,} records written")
    print(f"{written:,} records loaded in {_speed(written, time.monotonic() - began)}")


def _export(running: LocalStack, api: Api, file: Path, records: int, timeout_seconds: float) -> None:
    """Exports the table, downloads the file, and compares its rows with those that were stored."""
    body = {"name": "All offers", "entity": ENTITY, "escapeFormulas": False}
    export = api.call("POST", "exports", body)
    began = time.monotonic()
    with _memory_of_steps(running) as peaks:
        api.call("POST", f"exports/{export['exportId']}/activate")
        job = _wait(api, f"exports/{export['exportId']}/jobs", began + timeout_seconds)
    seconds = time.monotonic() - began
    print(f"{job['status']} ({job['outcome']}) after {_speed(records, seconds)}: {job['message']}")
    largest = max(peaks.values(), default=0)
    print(f"peak memory of the {len(peaks)} step processes: {largest:.0f} MB at most, {sum(peaks.values()):.0f} in all")
    if job["status"] != "COMPLETED" or job["numberOfItems"] != records:
        raise Failed(f"the export should be COMPLETED with {records:,} rows: {job}")
    parts = _count_parts(running, job["jobId"])
    print(f"extracted in {parts} parts")
    answer = api.get(f"jobs/{job['jobId']}/download")
    target = file.with_name("export.csv")
    digest = hashlib.sha256()
    link = answer.headers["Location"]
    with httpx.stream("GET", link, timeout=60, trust_env=False) as found, target.open("wb") as out:
        for block in found.iter_bytes():
            digest.update(block)
            out.write(block)
    report = api.call("GET", f"jobs/{job['jobId']}/report")
    if (report["bytes"], report["sha256"]) != (target.stat().st_size, digest.hexdigest()):
        raise Failed(f"the report does not tell the file's size and digest: {report}")
    wanted, found_rows = _digests(file, is_source=True), _digests(target, is_source=False)
    if len(found_rows) != records or len(set(found_rows)) != records or set(found_rows) != set(wanted):
        raise Failed(f"{len(found_rows):,} rows were exported, {len(set(found_rows)):,} of them different")
    print(f"{len(found_rows):,} rows, each record once and unchanged; {target.stat().st_size:,} bytes")


def _digests(file: Path, *, is_source: bool) -> list[bytes]:
    """A digest of each row: of the source's, those that are good."""
    with file.open(newline="", encoding="utf-8") as source:
        rows = csv.reader(source)
        next(rows)
        return [
            hashlib.blake2b("\0".join(row).encode(), digest_size=12).digest()
            for number, row in enumerate(rows)
            if not (is_source and is_bad(number, BAD_SHARE))
        ]


@contextlib.contextmanager
def _memory_of_steps(running: LocalStack) -> Iterator[dict[int, float]]:
    """Process → the most memory (MB) that a process of the export's steps had, as the kernel counts it (Linux)."""
    peaks: dict[int, float] = {}
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.5):
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError, StopIteration):
                    if FUNCTION not in (process / "cmdline").read_bytes():
                        continue
                    status = (process / "status").read_text().splitlines()
                    if int(_field(status, "PPid:")) == running.aws.pid:
                        peaks[int(process.name)] = int(_field(status, "VmHWM:")) / 1024

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        is_over.set()
        thread.join()


def _field(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.startswith(name)).split()[1]


def _count_parts(running: LocalStack, job_id: str) -> int:
    """How many parts the export was assembled from; a single one would not test parallel parts.

    Raises:
        Failed: one.
    """
    found = running.clients("dynamodb").query(
        TableName=running.stack["jobsTable"],
        KeyConditionExpression="pk = :job AND begins_with(sk, :part)",
        ExpressionAttributeValues={":job": {"S": f"JOB#{job_id}"}, ":part": {"S": "CHUNK#"}},
    )
    parts = len({item["sk"]["S"].split("#")[1] for item in found["Items"]})
    if parts < 2:
        raise Failed(f"the export was made in {parts} part: use more rows")
    return parts


def _wait(api: Api, path: str, deadline: float) -> dict[str, Any]:
    """The newest job of a list, at its end."""
    job: dict[str, Any] | None = None
    said = ""
    while time.monotonic() < deadline:
        jobs: list[dict[str, Any]] = api.call("GET", path)["items"]
        job = jobs[0] if jobs else None
        if job is not None:
            if job["status"] in TERMINAL:
                return job
            if job["message"] != said:
                said = job["message"]
                say(said)
        time.sleep(5)
    raise Failed(f"the job did not end: {job}")


def _speed(rows: int, seconds: float) -> str:
    return f"{seconds:.0f} s, {rows / seconds:,.0f} rows/s"


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
    parser.add_argument("--timeout", type=float, default=3600, help="seconds that the import, or the export, may take")
    parser.add_argument("--only", choices=("rows", "export", "memory"), help="import, export or memory alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="waybill-bench-") as folder:
        shop = Workshop(Path(folder), arguments.rows, 1)
        try:
            if arguments.only != "memory":
                million_rows(shop, arguments.only, arguments.timeout)
            if arguments.only in ("rows", "export"):
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
