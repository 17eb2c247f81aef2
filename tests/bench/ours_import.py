"""Ours: plan and load a local file with Waybill's own import steps, over the real wire.

S3 is this machine's disk and the job record is in memory (the product makes one request a second for it); everything
else is the product's: reading and cutting, row checks, rejects and error log, digests, serialising, signing, TLS with
certificate checks, acknowledgements. Prints one JSON line, the counts of the rows.

`--validate` checks the rows without writing or rendering any report, and prints the errors too. `--load-s3` loads
the S3 client that the product reads with, so that its memory counts. `--read-mb-per-second` makes the disk as slow as
that; `planned` and `loaded` of what is printed are the seconds of each. `--profile` prints where the time
went. Needs AWS_* credentials and AWS_CA_BUNDLE in the environment.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waybill.aws.files import FileInfo, Files, SourceChanged, Writer
from waybill.bootstrap import Services
from waybill.clock import SYSTEM_CLOCK
from waybill.settings import Settings

if TYPE_CHECKING:
    from waybill.jobs.ledger import LedgerEntry
    from waybill.jobs.model import ChunkLease, Job

CHUNK_BYTES = 32 * 1024 * 1024
CONNECTIONS = 16
JOB_ID = "3f0e8f9a-7c1d-4c59-9a64-3a1f5f0f2f7b"


class LocalFiles(Files):
    """S3 objects as files of a folder. A key that is an absolute path names the file to import."""

    def __init__(self, folder: Path, endpoint_url: str, load_s3: bool, bytes_per_second: float = math.inf) -> None:
        super().__init__("us-east-1", endpoint_url)
        self._folder = folder
        self._bytes_per_second = bytes_per_second
        self._local = _LocalS3(folder)
        if load_s3:
            self._s3  # noqa: B018 - its memory is what is wanted

    def _path(self, bucket: str, key: str) -> Path:
        return self._folder / bucket / key

    def head(self, bucket: str, key: str) -> Any:
        path = self._path(bucket, key)
        return FileInfo(path.stat().st_size, "etag", {}, "2026-01-31T09:30:00.000Z") if path.exists() else None

    def open(self, bucket: str, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> Any:
        try:
            return _Range(self._path(bucket, key), start, end, self._bytes_per_second)
        except FileNotFoundError as error:
            raise SourceChanged(key) from error

    def read(self, bucket: str, key: str, start: int = 0, end: int | None = None) -> bytes:
        try:
            return self._path(bucket, key).read_bytes()[start:end]
        except FileNotFoundError as error:
            raise SourceChanged(key) from error

    def put(self, bucket: str, key: str, body: bytes, content_type: str = "") -> None:
        self._local.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    def writer(self, bucket: str, key: str, content_type: str = "") -> Writer:
        local: Any = self._local
        return Writer(local, bucket, key, content_type)


class _Range(io.FileIO):
    """Bytes `[start, end)` of a file, which arrive at a speed. A connection holds some of what has not been read."""

    HELD_BYTES = 256 * 1024

    def __init__(self, path: Path, start: int, end: int | None, bytes_per_second: float) -> None:
        super().__init__(path)
        self.seek(start)
        self._bytes_per_second = bytes_per_second
        self._arrival = time.perf_counter()
        self._left = path.stat().st_size - start if end is None else end - start

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        data = super().read(wanted)
        self._left -= len(data)
        now = time.perf_counter()
        self._arrival = max(self._arrival, now - self.HELD_BYTES / self._bytes_per_second)
        self._arrival += len(data) / self._bytes_per_second
        if self._arrival > now:
            time.sleep(self._arrival - now)
        return data


class _LocalS3:
    """The calls that `waybill.aws.files.Writer` makes of an S3 client, on a folder; parts come in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:
        path = self._folder / Bucket / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)

    def create_multipart_upload(self, *, Bucket: str, Key: str, ContentType: str) -> dict[str, str]:
        self.put_object(Bucket=Bucket, Key=Key, Body=b"", ContentType=ContentType)
        return {"UploadId": "upload"}

    def upload_part(self, *, Bucket: str, Key: str, UploadId: str, PartNumber: int, Body: bytes) -> dict[str, str]:
        with (self._folder / Bucket / Key).open("ab") as out:
            out.write(Body)
        return {"ETag": str(PartNumber)}

    def complete_multipart_upload(self, **_: Any) -> None:
        return

    abort_multipart_upload = complete_multipart_upload


class OneJob:
    """The job record of the one import that runs."""

    def __init__(self, job: Job, definition: dict[str, Any]) -> None:
        self.job = job
        self._definition = definition

    def begin(self, job_id: str) -> Job:
        return self.job

    get = begin

    def set_option(self, job_id: str, name: str, value: Any) -> None:
        self.job = replace(self.job, options={**self.job.options, name: value})

    def definition(self, job_id: str) -> dict[str, Any]:
        return self._definition

    def set_plan(self, job_id: str, total: int, *_: Any, **__: Any) -> Job:
        self.job = replace(self.job, counts=replace(self.job.counts, total=total))
        return self.job


class OneLedger:
    """The ledger of the one import that runs."""

    def __init__(self, jobs: OneJob) -> None:
        self._jobs = jobs

    def entries(self, job_id: str, chunk: int | None = None) -> dict[int, list[LedgerEntry]]:
        return {}

    def lease(self, job_id: str, chunk: int, attempt: str, seconds: float) -> Job:
        from waybill.jobs.model import ChunkLease

        until = int((SYSTEM_CLOCK.now().timestamp() + seconds) * 1000)
        return replace(self._jobs.job, leases={chunk: ChunkLease(attempt, until=until)})

    def heartbeat(self, job_id: str, chunk: int, lease: ChunkLease) -> Job:
        return self._jobs.job

    def commit(self, job_id: str, entry: LedgerEntry, lease: ChunkLease | None = None) -> LedgerEntry:
        return entry


class NoDuplicates:
    def find(self, entity_uid: str, mode: str, sha256: str) -> str | None:
        return None


class LocalServices(Services):
    """The product's services, with this machine's disk for S3."""

    def __init__(self, settings: Settings, files: LocalFiles) -> None:
        super().__init__(settings)
        self._local = files

    @cached_property
    def files(self) -> Files:
        return self._local


def new_services(file: Path, schema: dict[str, Any], endpoint_url: str, files: LocalFiles) -> Any:
    """Services with one import registered."""
    from waybill.entities.model import Entity
    from waybill.imports.policy import schema_options
    from waybill.jobs.model import Job, Process, Status

    settings: dict[str, Any] = {
        field.name: 1 if field.type == "int" else field.name for field in dataclasses.fields(Settings)
    }
    settings |= {
        "chunk_bytes": CHUNK_BYTES,
        "write_connections": CONNECTIONS,
        "aws_region": "us-east-1",
        "aws_endpoint_url": endpoint_url,
    }
    entity = Entity("7f9c24e5-5a3c-4c8a-9a53-0f6e6f7cbb0a", "offers", schema, title="offers")
    job = Job(
        job_id=JOB_ID,
        process=Process.IMPORT,
        status=Status.IN_PROGRESS,
        entity=entity.name,
        entity_uid=entity.uid,
        file_name=file.name,
        submitted_at=SYSTEM_CLOCK.now(),
        started_by="bench",
        source_bucket="drop",
        source_key=str(file.resolve()),
        options=schema_options(schema, "upsert"),
    )
    services: Any = LocalServices(Settings(**settings), files)
    services.jobs = OneJob(job, entity.to_document())
    services.ledger, services.duplicates = OneLedger(services.jobs), NoDuplicates()
    return services


def import_file(services: Any) -> dict[str, float]:
    """Plans and loads the file as the import state machine would; tells the rows, and the seconds of both."""
    from waybill.imports.deduplicate import deduplicate_import
    from waybill.imports.load import load_chunk
    from waybill.imports.plan import plan_import
    from waybill.imports.policy import Policy
    from waybill.imports.precheck import precheck_chunk

    began = time.perf_counter()
    planned = plan_import(services, JOB_ID)
    seconds = {"planned": time.perf_counter() - began}
    if Policy.of(services.jobs.job).needs_precheck:
        for number in range(planned["chunks"]):
            precheck_chunk(services, JOB_ID, number)
        deduplicate_import(services, JOB_ID)
    began = time.perf_counter()
    entries = [load_chunk(services, JOB_ID, number) for number in range(planned["chunks"])]
    seconds["loaded"] = time.perf_counter() - began
    return seconds | {
        name: sum(getattr(entry, name) for entry in entries)
        for name in ("imported", "rejected", "unprocessed", "errors")
    }


def validate_file(services: Any) -> dict[str, Any]:
    """Plans the file and checks its rows, their keys and unique values; nothing is written."""
    from waybill.imports.chunks import chunk_segments, reader_of
    from waybill.imports.digests import DigestFile, repeated_by_partition
    from waybill.imports.plan import plan_import
    from waybill.imports.plan_document import read_plan

    plan_import(services, JOB_ID)
    plan = read_plan(services, JOB_ID)
    assert plan is not None
    reader = reader_of(services, services.jobs.job, plan)
    now, found, good = services.clock.now(), [], 0
    names = ["duplicate-key", *["unique-error" for _ in reader.unique_sets]]
    digest_files: list[list[bytes]] = [[] for _ in names]
    for chunk in plan.chunks:
        of_chunk = [DigestFile(plan.key_partitions) for _ in names]
        for segment, row, count in chunk_segments(services.files, plan, chunk):
            block = reader.read(segment, row, count, now, None)
            good += len(block.rows)
            found += [
                (error.row_number, error.field_number, error.type) for row in block.errors.values() for error in row
            ]
            for digest_file, digests in zip(of_chunk, [block.digests, *block.unique], strict=True):
                digest_file.add(digests, block.rows)
        for files, digest_file in zip(digest_files, of_chunk, strict=True):
            files.append(digest_file.take_bytes())
    for name, files in zip(names, digest_files, strict=True):
        reads = [lambda start, end, data=data: data[start:end] for data in files]
        for groups in repeated_by_partition(reads, plan.key_partitions):
            found += [(row, 0, name) for rows in groups for row in rows]
    return {"valid": good, "errors": sorted(found)}


def _profiled(run: Callable[[Any], Any], services: Any) -> Any:
    import cProfile
    import pstats

    profile = cProfile.Profile()
    result = profile.runcall(run, services)
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(35)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--schema", type=Path, help="Table Schema; the file's name with .schema.json when left out")
    parser.add_argument("--endpoint-url", required=True)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--load-s3", action="store_true")
    parser.add_argument("--read-mb-per-second", type=float, default=math.inf)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    schema = json.loads((arguments.schema or arguments.file.with_suffix(".schema.json")).read_text())
    folder = Path(tempfile.mkdtemp(prefix="waybill-bench-s3-"))
    try:
        speed = arguments.read_mb_per_second * 1e6
        files = LocalFiles(folder, arguments.endpoint_url, arguments.load_s3, speed)
        services = new_services(arguments.file, schema, arguments.endpoint_url, files)
        run = validate_file if arguments.validate else import_file
        result = _profiled(run, services) if arguments.profile else run(services)
    finally:
        shutil.rmtree(folder)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
