"""The load step: validate the rows of one chunk, write the good ones, keep the bad ones with their reasons.

Exactly-once by construction: what an attempt writes can be written again with the same result (a record is a put of
the whole row, the attempt's files have the attempt in their keys), and only the ledger item, put once in one
transaction with the totals, makes it count. An attempt that lost its lease learns so with its next heartbeat.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from waybill.aws.dynamodb import BatchWriter
from waybill.aws.files import SourceChanged, Writer
from waybill.entities.model import Entity
from waybill.entities.schema import parse_schema
from waybill.imports.keys import KeySpill
from waybill.imports.plan import ImportPlan, match_labels, read_plan
from waybill.imports.reports import ChunkReport, RowError
from waybill.imports.results import chunk_prefix
from waybill.imports.rows import RowBlock, RowReader
from waybill.jobs.items import LedgerEntry
from waybill.jobs.model import ChunkLease, Job
from waybill.tabular.plan import Chunk
from waybill.tabular.records import Segment, segments

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.bootstrap import Services

HEARTBEAT_SECONDS = 1.0
STOPPED = "stopped"


@dataclass(frozen=True)
class ChunkResult:
    """What loading came to. `failure` is a job code where the source could not be read to the chunk's end."""

    imported: int
    rejected: int
    unprocessed: int
    failure: str | None = None


def load_chunk(services: Services, job_id: str, number: int) -> LedgerEntry:
    """Load one chunk of a planned import, or find that it is loaded already.

    Returns:
        The ledger entry that counts.

    Raises:
        Superseded: a newer attempt owns the chunk, or the job has ended.
        DynamoDBError, botocore errors: worth a retry of the step.
    """
    stored = services.jobs.ledger_entry(job_id, number)
    if stored is not None:
        return stored
    plan = read_plan(services, job_id)
    if plan is None:
        raise LookupError(f"job {job_id} has no plan")
    attempt = uuid.uuid4().hex
    job = services.jobs.lease_chunk(job_id, number, attempt)
    return load_leased_chunk(services, job, plan, plan.chunks[number], attempt)


def load_leased_chunk(
    services: Services, job: Job, plan: ImportPlan, chunk: Chunk, attempt: str, skip: bool = False
) -> LedgerEntry:
    """Load a chunk under a lease of `attempt`; with `skip` none of its rows is written, all are listed as stopped."""
    reader = row_reader(services, job, plan)
    prefix = chunk_prefix(job.job_id, chunk.number, attempt)
    pulse = _Pulse(services, job, chunk.number, attempt, skip)
    with _ChunkFiles(services.files, services.settings.files_bucket, prefix) as outputs:
        report = ChunkReport(plan.rejects_format, outputs.rejects, outputs.error_log)
        spill = KeySpill(plan.key_partitions)
        writer = BatchWriter(
            services.dynamodb,
            reader.table,
            connections=services.settings.write_connections,
            before_send=pulse.check,
        )
        with writer:
            result = _load_rows(services, job, plan, chunk, reader, writer, report, spill, pulse)
        if report.rows:
            outputs.put("index", report.index())
            outputs.put("summary", report.summary.to_json())
        if result.imported and plan.key_partitions:
            outputs.put("keys", spill.to_bytes())
    entry = LedgerEntry(
        chunk.number,
        attempt,
        result.imported,
        result.rejected,
        result.unprocessed,
        report.errors,
        result.failure,
    )
    return services.jobs.commit_chunk(job.job_id, entry)


def row_reader(services: Services, job: Job, plan: ImportPlan) -> RowReader:
    """The reader for a job's rows, from the definition that it started with."""
    entity = Entity.from_document(services.jobs.definition(job.job_id))
    schema = parse_schema(entity.schema)
    match = match_labels(schema, entity, job, plan.labels)
    return RowReader(schema, match, plan, entity.uid, job.job_id, services.settings.records_table)


def _load_rows(
    services: Services,
    job: Job,
    plan: ImportPlan,
    chunk: Chunk,
    reader: RowReader,
    writer: BatchWriter,
    report: ChunkReport,
    spill: KeySpill,
    pulse: _Pulse,
) -> ChunkResult:
    imported = rejected = unprocessed = 0
    next_row, end_row = chunk.first_row, chunk.first_row + chunk.rows
    try:
        for segment in chunk_segments(services.files, plan, chunk):
            count = min(segment.records, end_row - next_row)
            if pulse.stopping:
                for row, raw in reader.raw_rows(segment, next_row, count):
                    report.reject(raw, [_stopped(row)])
                unprocessed += count
            else:
                block = reader.read(segment, next_row, count, services.clock())
                for raw, errors in block.rejected:
                    report.reject(raw, errors)
                rejected += len(block.rejected)
                imported += len(block.rows)
                if plan.key_partitions:
                    spill.add(block.digests, block.rows)
                writer.write(distinct_puts(block))
            next_row += count
            pulse.beat(imported + rejected, imported, rejected)
            if next_row == end_row:
                break
    except SourceChanged:
        cells = plan.dialect.delimiter * (len(plan.labels) - 1)
        message = "The file was overwritten or deleted while it was imported."
        for row in range(next_row, end_row):
            report.reject(cells, [RowError(row, None, None, "source-changed", None, message)])
        return ChunkResult(imported, rejected, unprocessed + end_row - next_row, "source-changed")
    return ChunkResult(imported, rejected, unprocessed)


def chunk_segments(files: Files, plan: ImportPlan, chunk: Chunk) -> Iterator[Segment]:
    """The records of a chunk, in segments.

    Raises (while iterating):
        SourceChanged: the file is no longer the one that was planned.
    """
    source = plan.source
    stream = files.open(source.bucket, source.key, start=chunk.start, end=chunk.end, etag=source.etag)
    return segments(stream, plan.dialect, chunk.start)


def distinct_puts(block: RowBlock) -> list[str]:
    """The puts of a block, of each key only the last: a batch with two equal keys is refused as a whole."""
    if len(set(block.digests)) == len(block.digests):
        return block.puts
    return list(dict(zip(block.digests, block.puts, strict=True)).values())


def _stopped(row: int) -> RowError:
    return RowError(row, None, None, STOPPED, None, "The import was stopped before this row.")


class _Pulse:
    """Tells the job how far the chunk is, each second, and learns whether to stop."""

    def __init__(self, services: Services, job: Job, chunk: int, attempt: str, skip: bool) -> None:
        self._services, self._job_id, self._chunk, self._attempt = services, job.job_id, chunk, attempt
        old = job.leases.get(chunk)
        self._lease = ChunkLease(attempt, *((old.processed, old.imported, old.rejected) if old else (0, 0, 0)))
        self._next = time.monotonic() + HEARTBEAT_SECONDS
        self.stopping = skip or job.stop_reason is not None

    def beat(self, processed: int, imported: int, rejected: int) -> None:
        """Note the progress; an attempt that reads again what an earlier one read does not turn it back."""
        if processed > self._lease.processed:
            self._lease = ChunkLease(self._attempt, processed, imported, rejected)
        self.check()

    def check(self) -> None:
        """Send a heartbeat when one is due.

        Raises:
            Superseded: the chunk is another attempt's.
        """
        if time.monotonic() < self._next:
            return
        job = self._services.jobs.heartbeat(self._job_id, self._chunk, self._lease)
        self.stopping = self.stopping or job.stop_reason is not None
        self._next = time.monotonic() + HEARTBEAT_SECONDS


class _ChunkFiles:
    """The files of one attempt at one chunk. Rejects and error log are written as they come, the rest at once."""

    def __init__(self, files: Files, bucket: str, prefix: str) -> None:
        self._files, self._bucket, self._prefix = files, bucket, prefix
        self.rejects = _LazyWriter(self, "rejects")
        self.error_log = _LazyWriter(self, "errors")

    def put(self, name: str, data: bytes) -> None:
        self._files.put(self._bucket, self._prefix + name, data)

    def new_writer(self, name: str) -> Writer:
        return self._files.writer(self._bucket, self._prefix + name)

    def __enter__(self) -> _ChunkFiles:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for output in (self.rejects, self.error_log):
            output.end(keep=error is None)


class _LazyWriter:
    """A writer that makes no object where nothing is written."""

    def __init__(self, outputs: _ChunkFiles, name: str) -> None:
        self._outputs, self._name = outputs, name
        self._writer: Writer | None = None

    def write(self, data: bytes, /) -> None:
        if self._writer is None:
            self._writer = self._outputs.new_writer(self._name)
        self._writer.write(data)

    def end(self, keep: bool) -> None:
        if self._writer is not None:
            if keep:
                self._writer.close()
            else:
                self._writer.abort()
