"""Ours: plan and load a local file with Waybill's own import steps, over the real wire.

The job record and S3 are stand-ins in memory (one request a second in the product); reading, row checks, key spill,
serialising, signing and TLS are the product's. `--wire-only` sends ready-made requests instead, as many as the file
has rows: what the wire alone costs. Needs AWS_* credentials and AWS_CA_BUNDLE in the environment.
"""

from __future__ import annotations

import argparse
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO

from waybill.aws.dynamodb import BatchWriter, DynamoDB

if TYPE_CHECKING:
    from waybill.jobs.items import LedgerEntry
    from waybill.jobs.model import ChunkLease, Job

TABLE = "records"
CHUNK_BYTES = 32 * 1024 * 1024
CONNECTIONS = 16


def send_ready_made(file: Path, dynamodb: DynamoDB) -> int:
    """One put for each row of the file, of the size and shape that its records have."""
    with file.open("rb") as lines:
        rows = sum(1 for _ in lines) - 1
    record = (
        '{"PutRequest":{"Item":{"_pk":{"S":"7f9c24e5-5a3c-4c8a-9a53-0f6e6f7cbb0a#2a"},"_sk":{"S":"KEY"},'
        '"_at":{"N":"1750000000000"},"_by":{"S":"3f0e8f9a-7c1d-4c59-9a64-3a1f5f0f2f7b"},"account":{"S":"57314844"},'
        '"offer":{"S":"001471265594"},"catalog_id":{"S":"586506397772175199"},"product_code":{"S":"PRD-ERKHZXA-4240"},'
        '"campaign_code":{"S":"CMP-2SNQLJA-3372"},"valid_from":{"S":"2022-07-14T07:53:53Z"},'
        '"valid_until":{"S":"2020-06-09T06:37:37Z"},"state":{"S":"SUSPENDED"}}}}'
    )
    puts = [record.replace("KEY", f"{number:021d}") for number in range(1000)]
    with BatchWriter(dynamodb, TABLE, connections=CONNECTIONS) as writer:
        for start in range(0, rows, len(puts)):
            writer.write(puts[: rows - start])
    return writer.acknowledged


class LocalFiles:
    """The file to import, and memory for everything else."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._objects: dict[str, bytes] = {}

    def open(
        self, bucket: str, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None
    ) -> BinaryIO:
        if key != str(self._source):
            return io.BytesIO(self._objects[key][start:end])
        return _Range(self._source, start, end)

    def head(self, bucket: str, key: str) -> object | None:
        return self._objects.get(key)

    def read(self, bucket: str, key: str, start: int = 0, end: int | None = None) -> bytes:
        return self._objects[key][start:end]

    def put(self, bucket: str, key: str, body: bytes, content_type: str = "") -> None:
        self._objects[key] = body

    def writer(self, bucket: str, key: str, content_type: str = "") -> Any:
        raise AssertionError("the benchmark's file has no bad rows")


class _Range(io.FileIO):
    """Bytes `[start, end)` of a file, read as they come: 64 KiB at most, as from a socket."""

    def __init__(self, path: Path, start: int, end: int | None) -> None:
        super().__init__(path)
        self.seek(start)
        self._left = path.stat().st_size - start if end is None else end - start

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        data = super().read(wanted)
        self._left -= len(data)
        return data


class OneJob:
    """The job record of the one import that runs."""

    def __init__(self, job: Job, definition: dict[str, Any]) -> None:
        self.job = job
        self._definition = definition
        self.entries: list[LedgerEntry] = []

    def begin(self, job_id: str) -> Job:
        return self.job

    def definition(self, job_id: str) -> dict[str, Any]:
        return self._definition

    def set_plan(self, job_id: str, total: int, detected: Any, duplicate_of: str | None = None) -> Job:
        self.job = replace(self.job, counts=replace(self.job.counts, total=total))
        return self.job

    def ledger_entry(self, job_id: str, chunk: int) -> None:
        return None

    def lease_chunk(self, job_id: str, chunk: int, attempt: str) -> Job:
        return self.job

    def heartbeat(self, job_id: str, chunk: int, lease: ChunkLease) -> Job:
        return self.job

    def commit_chunk(self, job_id: str, entry: LedgerEntry) -> LedgerEntry:
        self.entries.append(entry)
        return entry


def import_file(file: Path, schema: dict[str, Any], dynamodb: DynamoDB) -> int:
    """Plans and loads the file as the import state machine would; returns the number of rows imported."""
    from waybill.entities.model import parse_entity
    from waybill.imports.load import load_chunk
    from waybill.imports.plan import plan_import
    from waybill.jobs.model import Job, Process, Status

    entity = parse_entity("offers", "7f9c24e5-5a3c-4c8a-9a53-0f6e6f7cbb0a", {"schema": schema}, ())
    job = Job(
        job_id="3f0e8f9a-7c1d-4c59-9a64-3a1f5f0f2f7b",
        process=Process.IMPORT,
        status=Status.IN_PROGRESS,
        entity=entity.name,
        entity_uid=entity.uid,
        file_name=file.name,
        submitted_at=datetime.now(UTC),
        started_by="bench",
        source_bucket="local",
        source_key=str(file),
    )
    jobs = OneJob(job, entity.to_document())
    services: Any = SimpleNamespace(
        dynamodb=dynamodb,
        files=LocalFiles(file),
        jobs=jobs,
        clock=lambda: datetime.now(UTC),
        settings=SimpleNamespace(
            files_bucket="files", records_table=TABLE, chunk_bytes=CHUNK_BYTES, write_connections=CONNECTIONS
        ),
    )
    planned = plan_import(services, job.job_id)
    for number in range(planned["chunks"]):
        load_chunk(services, job.job_id, number)
    return sum(entry.imported for entry in jobs.entries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--schema", type=Path, help="Table Schema; the file's name with .schema.json when left out")
    parser.add_argument("--endpoint-url", required=True)
    parser.add_argument("--wire-only", action="store_true")
    arguments = parser.parse_args()
    dynamodb = DynamoDB("us-east-1", arguments.endpoint_url)
    if arguments.wire_only:
        print(send_ready_made(arguments.file, dynamodb))
    else:
        schema = json.loads((arguments.schema or arguments.file.with_suffix(".schema.json")).read_text())
        print(import_file(arguments.file, schema, dynamodb))


if __name__ == "__main__":
    main()
