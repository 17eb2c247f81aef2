"""Extract: the rows of a run, from the table into one file.

The table is read in segments (`pages`). A run has one part, or for a large table PARTS of them side by side; each part
reads its share of the segments into part files, and one streaming writer joins the parts in order. A part file counts
once its ledger entry exists, as a chunk of an import does. An invocation that runs out of time commits what it has
read, and the next one resumes there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from waybill.aws.files import NotDeleted, Writer
from waybill.encryption import BadKey, fingerprint, shown
from waybill.entities.model import Entity, Right
from waybill.entities.schema import parse_schema
from waybill.errors import DeliveryFailed, JobFailed
from waybill.exports.compression import CONTENT_TYPES, Output, ZipStream
from waybill.exports.definition import Definition
from waybill.exports.destinations.base import Allowed
from waybill.exports.encoder import RowEncoder
from waybill.exports.file_names import manifest_name, part_name
from waybill.exports.file_writer import FileWriter, Hashing, Written
from waybill.exports.filter import compile_filter
from waybill.exports.formats import FORMATS
from waybill.exports.formats.base import Column
from waybill.exports.manifest import as_files, keep_files, manifest, part_of
from waybill.exports.pages import Extraction, page_request
from waybill.exports.rules import check_fit
from waybill.exports.run import check_not_stopped, is_archive, snapshot_of
from waybill.exports.split import FileSet, limits_of
from waybill.exports.window import choose_window
from waybill.hosts import AllowedHosts
from waybill.ids import new_token
from waybill.jobs.leases import FINISH, LenientHeartbeat, lease_chunk
from waybill.jobs.ledger import LedgerEntry
from waybill.jobs.model import Job, job_prefix
from waybill.jobs.rights import NO_PERMISSION, still_may

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices

PARTS = 16
TIME_RESERVE_SECONDS = 60.0
ASSEMBLY_SECONDS = 300.0
"""With less time left, the next invocation joins the parts of a small table."""
_BLOCK_BYTES = 1024 * 1024
_TOO_LARGE = (
    "The file cannot be put together in the 15 minutes that a step has. Make several exports, by filters, or choose "
    "fewer fields."
)
# Which hosts are allowed is checked when the run is defined, and again when it is delivered.
_ANYWHERE = "0.0.0.0/0, ::/0"


def extract(services: ExportServices, job_id: str, remaining_seconds: Callable[[], float]) -> dict[str, Any]:
    """Begin a run, and extract a small table whole.

    Returns:
        {"outcome": "extracted"}, "more" (call again), or "split" with the numbers of the `parts` to extract, so
        many of them in parallel as there are `workers`.

    Raises:
        JobFailed: the run is not possible; the job ends with its code.
        StopRequested: somebody has stopped it.
        Superseded: the job has ended, or another attempt is running.
    """
    job = check_not_stopped(services.jobs.begin(job_id))
    if job.extracted is not None:
        return {"outcome": "extracted"}
    definition, entity, _ = snapshot_of(services, job_id)
    if entity is None:
        raise JobFailed("unknown-entity", f"The entity {definition.entity} was deleted, or deleted and created again.")
    if "parts" not in job.options:
        _check_owner(services, job, definition, entity)
        _check_keys(services, definition)
    hosts = AllowedHosts.parse(f"{services.settings.allowed_private_hosts}, {_ANYWHERE}")
    if problems := check_fit(definition, entity, Allowed(hosts), mail_domains=None):
        member, problem = problems[0]
        raise JobFailed(
            "invalid-definition", f"The definition no longer suits the entity: {member} {problem}. Edit it."
        )
    job = choose_window(services, job, definition, entity)
    if "parts" not in job.options:
        can_split = FORMATS[definition.format].parts_can_be_joined
        is_large = can_split and _is_large(services, Extraction(job.window, definition, entity, PARTS))
        parts = PARTS if is_large else 1
        job = services.jobs.set_option_once(job_id, "parts", parts)
    if job.options["parts"] > 1:
        numbers = list(range(int(job.options["parts"])))
        return {"outcome": "split", "parts": numbers, "workers": services.settings.workers_per_job}
    if extract_part(services, job_id, 0, remaining_seconds) == "more" or remaining_seconds() < ASSEMBLY_SECONDS:
        return {"outcome": "more"}
    assemble(services, job_id, remaining_seconds)
    return {"outcome": "extracted"}


def _check_owner(services: ExportServices, job: Job, definition: Definition, entity: Entity) -> None:
    """
    Raises:
        JobFailed: the export's owner may no longer export the entity.
    """
    owner = services.exports.get(str(job.export_id)).acts_for
    if not still_may(services, owner.subject, owner.name, Right.EXPORT, entity.name, entity.uid):
        why = f"{owner.name} activated this export and may no longer export {entity.name}."
        way_on = "activate" if definition.is_periodic else "relaunch"
        raise JobFailed(NO_PERMISSION, f"{why} Somebody with that right can {way_on} it.")


def _check_keys(services: ExportServices, definition: Definition) -> None:
    """
    Raises:
        JobFailed: a key that the file is encrypted for has expired since the definition was saved.
    """
    encryption = definition.encryption or {"recipients": []}
    for key in encryption["recipients"]:
        try:
            fingerprint(encryption["kind"], key, services.clock.now())
        except BadKey as bad:
            error = DeliveryFailed("encryption-key", f"The key {bad}.")
            raise JobFailed("delivery-failed", f"{error.reason}: {error.detail}") from None


def extract_part(services: ExportServices, job_id: str, part: int, remaining_seconds: Callable[[], float]) -> str:
    """Extract one part of a run, or what earlier invocations left of it.

    Returns:
        "extracted", or "more" when time ran out: call again.

    Raises:
        JobFailed, StopRequested, Superseded: as `extract`.
    """
    if _is_done(services, job_id, part):
        return "extracted"
    attempt = new_token(services.ids)
    job = check_not_stopped(lease_chunk(services, job_id, part, attempt, remaining_seconds))
    done = services.ledger.entries(job_id, part).get(part, [])
    if done and done[-1].is_last:
        return "extracted"
    definition, entity, _ = snapshot_of(services, job_id)
    assert entity is not None  # `extract` checks it  # noqa: S101
    run = Extraction(job.window, definition, entity, int(job.options["parts"]))
    encoder = _encoder(run)
    heartbeat = LenientHeartbeat(services, job, part, attempt)
    bucket, records_table = services.settings.files_bucket, services.settings.records_table
    output = services.files.writer(bucket, part_key(job_id, part, len(done), attempt))
    segments = list(run.segments_of(part))
    segment, key = json.loads(done[-1].cursor or "null") if done else (segments[0], None)
    rows = 0
    try:
        while segment <= segments[-1]:
            encoded = encoder.encode(services.dynamodb.call_bytes(*page_request(run, records_table, segment, key)))
            output.write(encoded.data)
            rows += encoded.rows
            segment, key = (segment + 1, None) if encoded.last_key is None else (segment, encoded.last_key)
            heartbeat.note(rows, rows, 0, row=1000 * (segment - segments[0]) // len(segments))
            check_not_stopped(heartbeat.check())
            if remaining_seconds() < TIME_RESERVE_SECONDS:
                if not FORMATS[definition.format].parts_can_be_joined:
                    raise JobFailed("too-large", f"There are too many rows for one file of {definition.format}.")
                break
        heartbeat.send()
    except BaseException:
        output.abort()
        raise
    output.close()
    is_last = segment > segments[-1]
    entry = LedgerEntry(
        chunk=part,
        part=len(done),
        attempt=attempt,
        imported=rows,
        rejected=0,
        unprocessed=0,
        errors=0,
        next_row=0,
        next_byte=0,
        is_last=is_last,
        cursor=None if is_last else json.dumps([segment, key]),
    )
    services.ledger.commit(job_id, entry, heartbeat.lease)
    return "extracted" if is_last else "more"


def assemble(services: ExportServices, job_id: str, remaining_seconds: Callable[[], float]) -> Job:
    """Join the parts into the run's file: header, rows in order, compression, digest. In one go, because the state of a
    digest cannot be stored.

    Raises:
        JobFailed: `too-large`, it takes longer than an invocation; or as `extract`.
        StopRequested, Superseded: as `extract`.
    """
    job = services.jobs.get(job_id)
    if job.extracted is not None:
        return job
    attempt = new_token(services.ids)
    job = check_not_stopped(lease_chunk(services, job_id, FINISH, attempt))
    heartbeat = LenientHeartbeat(services, job, FINISH, attempt)
    definition, entity, snapshot = snapshot_of(services, job_id)
    assert entity is not None  # `extract` checks it  # noqa: S101
    bucket, key = services.settings.files_bucket, f"{job_prefix(job_id)}export-{attempt}"
    columns = RowEncoder(entity, definition, changes=definition.has_changes).columns

    def blocks() -> Iterator[tuple[bytes, int]]:
        """The parts in their order, each block with the number of rows that are counted with it."""
        ledger = services.ledger.entries(job_id)
        for entry in (entry for part in sorted(ledger) for entry in ledger[part]):
            rows = entry.imported
            for block in _blocks(services, bucket, part_key(job_id, entry.chunk, entry.part, entry.attempt)):
                yield block, rows
                rows = 0  # counted with the part's first block
                check_not_stopped(heartbeat.check())
                if remaining_seconds() < TIME_RESERVE_SECONDS:
                    raise JobFailed("too-large", _TOO_LARGE)

    plain = replace(definition, destination={})
    surveyed = FileWriter(plain, columns, _Nowhere(), moment=job.submitted_at)
    if surveyed.needs_survey:
        for block, _ in blocks():
            surveyed.survey(block)
    files = _Files(services, job, definition, snapshot, columns, key, surveyed)
    try:
        if definition.split is None:
            writer = files.begin()
            writer.begin()
            for block, rows in blocks():
                writer.write(block, rows)
            files.end(writer.end())
        else:
            rows_of = FORMATS[definition.format].rows(definition)
            FileSet(limits_of(definition), rows_of, files.begin, files.end).write(block for block, _ in blocks())
        heartbeat.send()
        extracted = files.close()
    except BaseException:
        files.abort()
        raise
    job = services.jobs.set_once(job_id, extracted=extracted)
    with suppress(NotDeleted):  # retention deletes all files of the job
        services.files.delete_prefix(bucket, f"{job_prefix(job_id)}parts/")
    return job


class _Nowhere:
    """An output that keeps nothing."""

    def write(self, data: bytes) -> None:
        return


class _Files:
    """The objects that the file of a run is written to, or those of a set; for a download, all of a set are in one
    archive, with their manifest."""

    def __init__(
        self,
        services: ExportServices,
        job: Job,
        definition: Definition,
        snapshot: Mapping[str, Any],
        columns: Sequence[Column],
        key: str,
        surveyed: FileWriter,
    ) -> None:
        self._services, self._job, self._definition, self._snapshot = services, job, definition, snapshot
        self._columns, self._key, self._surveyed = columns, key, surveyed
        self._base = job.file_name.removesuffix(".zip")
        self._written: list[Written] = []
        self._writer: FileWriter | None = None
        self._output: Writer | None = None
        self._archive: ZipStream | None = None
        if is_archive(definition):
            self._hashing = Hashing(self._open(key, "application/zip"))
            self._archive = ZipStream(self._hashing, job.submitted_at)

    def begin(self, number: int | None = None) -> FileWriter:
        """The writer of a file, or of that of a number in a set."""
        output: Output
        if self._archive is not None:
            self._archive.open(part_name(self._base, number or 1))
            output = self._archive
        else:
            format = FORMATS[self._definition.format]
            content_type = CONTENT_TYPES.get(self._definition.compression, format.content_type)
            if self._definition.encryption is not None:
                content_type = "application/octet-stream"
            output = self._open(self._key if number is None else part_of(self._key, number), content_type)
        moment = self._job.submitted_at
        self._writer = FileWriter(self._definition, self._columns, output, moment=moment, number=number)
        self._writer.learn(self._surveyed)
        return self._writer

    def end(self, written: Written) -> None:
        """Note a file that has ended."""
        self._written.append(written)
        if self._archive is not None:
            self._archive.close()
        else:
            self._close()

    def close(self) -> dict[str, Any]:
        """The member `extracted` of the job, once all is stored."""
        extracted: dict[str, Any] = {
            "key": self._key,
            "rows": sum(file.rows for file in self._written),
            "bytes": sum(file.size_bytes for file in self._written),
            "sha256": self._written[0].sha256,
        }
        if self._definition.encryption is not None:
            extracted["encryption"] = shown(self._definition.encryption)
        if self._definition.split is None:
            return extracted
        files = as_files(self._written)
        if self._archive is None:
            keep_files(self._services, self._key, files)
            return extracted | {"sha256": None, "files": len(files)}
        self._archive.open(manifest_name(self._base))
        self._archive.write(manifest(self._job, self._definition, self._snapshot, extracted, files, self._base))
        self._archive.close()
        self._archive.end()
        self._close()
        return extracted | {"bytes": self._hashing.size_bytes, "sha256": self._hashing.hash.hexdigest()}

    def abort(self) -> None:
        """Throw away what is not stored yet; retention deletes the rest with the job."""
        if self._writer is not None:
            self._writer.abort()
        if self._output is not None:
            self._output.abort()

    def _open(self, key: str, content_type: str) -> Writer:
        self._output = self._services.files.writer(self._services.settings.files_bucket, key, content_type)
        return self._output

    def _close(self) -> None:
        output, self._output = self._output, None
        if output is not None:
            output.close()


def part_key(job_id: str, part: int, number: int, attempt: str) -> str:
    """Key of the part file that an attempt writes."""
    return f"{job_prefix(job_id)}parts/{part:04d}/{number:04d}-{attempt}"


def _is_done(services: ExportServices, job_id: str, part: int) -> bool:
    done = services.ledger.entries(job_id, part).get(part, [])
    return bool(done) and done[-1].is_last


def _blocks(services: ExportServices, bucket: str, key: str) -> Iterator[bytes]:
    source = services.files.open(bucket, key)
    while block := source.read(_BLOCK_BYTES):
        yield block


def _encoder(run: Extraction) -> RowEncoder:
    keep = compile_filter(run.definition.filter, parse_schema(run.entity.schema), own_table=run.entity.target is None)
    return RowEncoder(run.entity, run.definition, keep=keep, changes=run.definition.has_changes)


def _is_large(services: ExportServices, run: Extraction) -> bool:
    """Whether a 64th of the table, whose keys are spread evenly, fills more than one page (1 MB)."""
    operation, request = page_request(run, services.settings.records_table, 0, None)
    return "LastEvaluatedKey" in services.dynamodb.call(operation, request | {"Select": "COUNT"})
