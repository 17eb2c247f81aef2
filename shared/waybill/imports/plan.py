"""The plan step: read the file once, count and check it as a whole, and divide it into chunks."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from waybill.aws.files import SourceChanged
from waybill.entities.header import HeaderMatch, HeaderMismatch, match_header
from waybill.entities.model import Entity
from waybill.entities.row_results import RowError
from waybill.entities.schema import Schema, parse_schema
from waybill.errors import JobFailed
from waybill.imports.deadline import OutOfTime, Remaining, whole_invocation
from waybill.imports.keys import partitions_for
from waybill.imports.modes import MODES
from waybill.imports.policy import Policy
from waybill.imports.reports import RejectsFormat
from waybill.imports.results import plan_key, write_error_log
from waybill.imports.rewrite import FileRead, Request, read_file
from waybill.imports.start import start_next
from waybill.jobs.model import Counts, Job, Status, finished, job_prefix
from waybill.tabular.dialect import Dialect
from waybill.tabular.plan import HEADER_ROW, Chunk, record_text
from waybill.tabular.records import cell_pattern

if TYPE_CHECKING:
    from waybill.jobs.services import Services


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an S3 object."""

    bucket: str
    key: str
    etag: str | None


@dataclass(frozen=True)
class DialectRejects(RejectsFormat):
    """A rejects file of a dialect that escapes its quotes instead of doubling them."""

    dialect: Dialect = field(default_factory=Dialect)

    def _quoted(self, text: str) -> str:
        return record_text([text], self.dialect)

    @property
    def _leading_columns(self) -> re.Pattern[str]:
        cell, delimiter = cell_pattern(self.dialect), re.escape(self.delimiter)
        return re.compile(f"{cell}{delimiter}{cell}{delimiter}{cell}(?:{delimiter}|\\Z)")


@dataclass(frozen=True)
class ImportPlan:
    """What the load and finish steps need to know; kept in S3 as plan.json.

    `source` is what the chunks are ranges of: the file itself, or what it was rewritten to. `text_encoding` is that of
    its bytes, `encoding` and `bom` are the rejects file's. `key_partitions` is 0 for an entity without primary key: no
    key can stand twice.
    """

    source: ObjectVersion

    labels: list[str]
    header: str
    chunks: list[Chunk]
    encoding: str
    bom: bool
    sha256: str
    dialect: Dialect
    key_partitions: int
    text_encoding: str = "utf-8"
    format: str = "csv"

    @property
    def rejects_format(self) -> RejectsFormat:
        strip = tuple(self.labels[:3]) == ("_row", "_type", "_reason")
        delimiter, quote_char = self.dialect.delimiter, self.dialect.quote_char
        if self.dialect.escape_char or not self.dialect.double_quote:
            return DialectRejects(delimiter, quote_char, self.encoding, strip, self.dialect)
        return RejectsFormat(delimiter, quote_char, self.encoding, strip)

    def to_json(self, job_id: str) -> bytes:
        """The plan as a document whose `chunks` are the items of the state machine's map."""
        document = asdict(self)
        document["chunks"] = [{"jobId": job_id, "chunk": chunk.number} for chunk in self.chunks]
        document["ranges"] = [
            [chunk.start, chunk.end, chunk.first_row, chunk.rows, chunk.skipped] for chunk in self.chunks
        ]
        return json.dumps(document).encode()

    @classmethod
    def from_json(cls, data: bytes) -> ImportPlan:
        document = json.loads(data)
        del document["chunks"]
        chunks = [
            Chunk(number, start, end, first_row, rows, tuple(skipped))
            for number, (start, end, first_row, rows, skipped) in enumerate(document.pop("ranges"))
        ]
        dialect, source = Dialect.from_json(document["dialect"]), ObjectVersion(**document["source"])
        return cls(**{**document, "chunks": chunks, "dialect": dialect, "source": source})


def plan_import(services: Services, job_id: str, remaining_seconds: Remaining = whole_invocation) -> dict[str, Any]:
    """Plan a job's file; a file that cannot be imported ends the job here, before any record is written.

    Args:
        remaining_seconds: until the invocation is ended from outside. A file that takes longer fails as `too-large`.

    Returns:
        `{"outcome": "planned", "bucket", "planKey", …}`, or `{"outcome": "failed"}`.

    Raises:
        Superseded: the job has ended.
    """
    job = services.jobs.begin(job_id)
    stored = read_plan(services, job_id) if job.counts.total is not None else None
    if stored is not None:  # an execution that was started anew goes on with the chunks that the ledger knows
        return _planned(services, job, stored)
    entity = Entity.from_document(services.jobs.definition(job_id))
    header_row = HEADER_ROW
    try:
        schema = parse_schema(entity.schema)
        found = _read_file(services, job, entity, schema, remaining_seconds)
        header_row = found.scan.header_row or HEADER_ROW
        match_labels(schema, entity, job, found.scan.labels)
        duplicate_of = _earlier_import(services, job, entity, found.sha256)
    except HeaderMismatch as mismatch:
        errors = [
            RowError(header_row, number or None, label or None, error_type, label, message)
            for error_type, number, label, message in mismatch.errors
        ]
        fail_import(services, job, errors)
        return {"jobId": job_id, "outcome": "failed"}
    except JobFailed as failure:
        error = RowError.whole(failure.row_number, failure.job_code, failure.detail)
        fail_import(services, job, [error])
        return {"jobId": job_id, "outcome": "failed"}
    bucket = services.settings.files_bucket
    source = ObjectVersion(job.source_bucket or "", job.source_key or "", job.source_etag)
    plan = ImportPlan(
        source=ObjectVersion(bucket, rewritten_key(job_id), None) if found.is_rewritten else source,
        labels=found.scan.labels,
        header=found.scan.header,
        chunks=found.scan.chunks,
        encoding=found.encoding,
        bom=found.bom,
        sha256=found.sha256,
        dialect=found.dialect,
        key_partitions=partitions_for(found.scan.rows) if schema.primary_key else 0,
        text_encoding=found.text_encoding,
        format=found.format,
    )
    services.files.put(bucket, plan_key(job_id), plan.to_json(job_id), "application/json")
    services.jobs.set_plan(job_id, found.scan.rows, found.detected, duplicate_of)
    return _planned(services, job, plan)


def _planned(services: Services, job: Job, plan: ImportPlan) -> dict[str, Any]:
    return {
        "jobId": job.job_id,
        "outcome": "planned",
        "bucket": services.settings.files_bucket,
        "planKey": plan_key(job.job_id),
        "chunks": len(plan.chunks),
        "checksFirst": Policy.of(job).checks_first,
    }


def read_plan(services: Services, job_id: str) -> ImportPlan | None:
    """The stored plan; None when the job has none."""
    if services.files.head(services.settings.files_bucket, plan_key(job_id)) is None:
        return None
    return ImportPlan.from_json(services.files.read(services.settings.files_bucket, plan_key(job_id)))


def match_labels(schema: Schema, entity: Entity, job: Job, labels: list[str]) -> HeaderMatch:
    """The file's columns as fields; the job's own `columns` come before the entity's.

    Raises:
        HeaderMismatch: the header does not fit.
    """
    return match_header(schema, labels, renames_of(entity, job), required=MODES[job.mode].labels)


def rewritten_key(job_id: str) -> str:
    """Where a file stands that had to be rewritten to be cut."""
    return f"{job_prefix(job_id)}source.csv"


def read_request(services: Services, job: Job, entity: Entity, schema: Schema) -> Request:
    """How a job's file is to be read."""
    return Request(
        version=(job.source_bucket or "", job.source_key or "", job.source_etag),
        file_name=job.file_name or "",
        target=(services.settings.files_bucket, rewritten_key(job.job_id)),
        dialect={**(entity.dialect or {}), **job.options.get("dialect", {})},
        encoding=job.options.get("encoding") or entity.encoding,
        chunk_bytes=services.settings.chunk_bytes,
        schema=schema,
        renames=renames_of(entity, job),
        match=partial(match_labels, schema, entity, job),
        is_whole_record=MODES[job.mode].shape == "put",
    )


def _read_file(services: Services, job: Job, entity: Entity, schema: Schema, remaining_seconds: Remaining) -> FileRead:
    try:
        return read_file(services.files, read_request(services, job, entity, schema), remaining_seconds)
    except SourceChanged:
        raise JobFailed("source-changed", "The file was overwritten or deleted before it was read.") from None
    except OutOfTime:
        message = "The file cannot be read through in the time of one step. Send it in parts, or as plain UTF-8 text."
        raise JobFailed("too-large", message) from None


def renames_of(entity: Entity, job: Job) -> dict[str, str]:
    """Field names by label."""
    return {**entity.columns, **job.options.get("columns", {})}


def _earlier_import(services: Services, job: Job, entity: Entity, sha256: str) -> str | None:
    """The job that imported the same bytes before.

    Raises:
        JobFailed: `duplicate-file`, where the entity refuses that.
    """
    earlier = services.jobs.content_seen(entity.uid, sha256)
    if earlier == job.job_id or job.retry_of is not None:
        return None
    if earlier is not None and entity.refuse_duplicates:
        raise JobFailed("duplicate-file", f"The same content was imported before, by job {earlier}.")
    return earlier


def fail_import(services: Services, job: Job, errors: list[RowError]) -> Job:
    """End a job whose file cannot be imported: FAILED with nothing counted, and an error log."""
    write_error_log(services.files, services.settings.files_bucket, job.job_id, errors)
    first = errors[0]
    ended = finished(
        job,
        Status.FAILED,
        Counts(total=0),
        services.clock.now(),
        services.jobs.retention,
        error_code=first.type,
        error_message=first.message,
        has_error_log=True,
    )
    stored = services.jobs.finish(ended, job.status)
    start_next(services, job.entity_uid)
    return stored
