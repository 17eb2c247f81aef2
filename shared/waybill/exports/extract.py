"""Extract: the rows of a run, from the table into one file.

The table is read in segments (the 64 partitions of an entity, or the segments of a parallel scan), with consistent
reads. A run has one part, or for a large table PARTS of them side by side; each part reads its share of the segments
into part files, and the parts are put together in order by one streaming writer. A part file counts when its ledger
entry is there, as a chunk of an import does; an invocation whose time runs out commits how far it came.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from waybill.entities.model import Entity
from waybill.entities.records import SHARDS, TOMBSTONE_SECONDS, partition
from waybill.entities.schema import parse_schema
from waybill.errors import InvalidRequest, JobFailed
from waybill.exports.compression import CONTENT_TYPES
from waybill.exports.definition import Definition
from waybill.exports.destinations.base import Allowed
from waybill.exports.destinations.hosts import AllowedHosts
from waybill.exports.encoder import RowEncoder
from waybill.exports.file_writer import FileWriter
from waybill.exports.filter import compile_filter
from waybill.exports.formats import FORMATS
from waybill.exports.parse import parse_definition
from waybill.exports.run import snapshot_of
from waybill.ids import new_token
from waybill.jobs.leases import FINISH, LenientHeartbeat, lease_chunk
from waybill.jobs.ledger import LedgerEntry
from waybill.jobs.model import Job, Status, job_prefix
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices

SEGMENTS = SHARDS
"""Of an entity's own table its partitions; a large target table is scanned in as many."""
PARTS = 16
LAG_SECONDS = 300
"""A target table's other writers may be so late with what they stamped."""
SKEW_SECONDS = 1.0
"""How far the clocks of two functions may differ (Lambda keeps them to milliseconds)."""
TIME_RESERVE_SECONDS = 60.0
ASSEMBLY_SECONDS = 300.0
"""Time that a file is put together in by the invocation that extracted the last of a small table."""
_BLOCK_BYTES = 1024 * 1024
# Where a file may go was asked when the run was defined, and is asked again when it is delivered.
_ANYWHERE = "0.0.0.0/0, ::/0"


@dataclass(frozen=True)
class _Extraction:
    """A run that is being extracted."""

    job: Job
    definition: Definition
    entity: Entity
    parts: int

    @property
    def segments(self) -> int:
        """Of the table. A scan of a small target table needs one; an own entity always has its partitions."""
        return SEGMENTS if self.entity.target is None or self.parts > 1 else 1

    def segments_of(self, part: int) -> range:
        share = self.segments // self.parts
        return range(part * share, (part + 1) * share)


def extract(services: ExportServices, job_id: str, remaining_seconds: Callable[[], float]) -> dict[str, Any]:
    """Begin a run, and extract a small table whole.

    Returns:
        {"outcome": "extracted"}, "more" (call again), or "split" with the numbers of the `parts` to extract.

    Raises:
        JobFailed: the run cannot be made: the job ends with its code.
        Superseded: the job has ended, or another attempt is at work.
    """
    job = services.jobs.begin(job_id)
    if job.extracted is not None:
        return {"outcome": "extracted"}
    definition, entity, snapshot = snapshot_of(services, job_id)
    if entity is None:
        raise JobFailed("unknown-entity", f"The entity {definition.entity} was deleted, or created anew.")
    try:
        hosts = AllowedHosts.parse(f"{services.settings.allowed_private_hosts}, {_ANYWHERE}")
        parse_definition(_without_ids(snapshot["export"]), entity, Allowed(hosts), sends_mail=True)
    except InvalidRequest as error:
        member, problem = error.problems[0]
        raise JobFailed(
            "invalid-definition", f"The definition does not suit the entity any more: {member} {problem}. Edit it."
        ) from None
    job = choose_window(services, job, definition, entity)
    if "parts" not in job.options:
        can_split = FORMATS[definition.format].parts_can_be_joined
        parts = PARTS if can_split and _is_large(services, _Extraction(job, definition, entity, PARTS)) else 1
        job = services.jobs.set_option_once(job_id, "parts", parts)
    if job.options["parts"] > 1:
        return {"outcome": "split", "parts": list(range(int(job.options["parts"])))}
    if extract_part(services, job_id, 0, remaining_seconds) == "more" or remaining_seconds() < ASSEMBLY_SECONDS:
        return {"outcome": "more"}
    assemble(services, job_id, remaining_seconds)
    return {"outcome": "extracted"}


def choose_window(services: ExportServices, job: Job, definition: Definition, entity: Entity) -> Job:
    """Settle which window of write times an incremental run takes, once; see docs/exports.md for the proof.

    Everything stamped before `window_to` has been written when this returns, and stays visible to consistent reads. An
    own table is written by imports only: a window ends before the import that runs began, so that nothing is in flight.
    A target table has other writers: it ends LAG_SECONDS ago.

    Raises:
        JobFailed: `window-too-old`, the deletions of so long ago are not all there any more.
    """
    if not definition.is_incremental:
        return job
    now = services.clock.now()
    if job.window_to is None:
        if entity.target is not None:
            window_to = now - timedelta(seconds=LAG_SECONDS)
        else:
            services.clock.sleep(
                SKEW_SECONDS
            )  # an import that begins after this has no earlier stamps, whatever its clock says
            window_to = min(now, _write_horizon(services, entity) or now)
        if job.window_from is not None:
            window_to = max(job.window_from, window_to)
        job = services.jobs.set_once(job.job_id, window_to=window_to)
    oldest = now - timedelta(seconds=TOMBSTONE_SECONDS - 3600)
    if definition.has_changes and job.window_from is not None and job.window_from < oldest:
        raise JobFailed(
            "window-too-old",
            f"Deletions are kept 30 days, and the last delivered window ended on {rfc3339(job.window_from)}. "
            "Unschedule the export and change its fields or filter, or turn includeDeleted off and on, to begin anew.",
        )
    return job


def _write_horizon(services: ExportServices, entity: Entity) -> datetime | None:
    """Before this, nothing that is in flight was stamped; None when no import is at work."""
    job = services.queue.head(entity.uid)
    if job is None or job.status is Status.WAITING or job.started_at is None:
        return None
    return job.started_at - timedelta(seconds=SKEW_SECONDS)


def extract_part(services: ExportServices, job_id: str, part: int, remaining_seconds: Callable[[], float]) -> str:
    """Extract one part of a run, or what earlier invocations left of it.

    Returns:
        "extracted", or "more" when time ran out: call again.

    Raises:
        JobFailed, Superseded: as `extract`.
    """
    if _is_done(services, job_id, part):
        return "extracted"
    attempt = new_token(services.ids)
    job = lease_chunk(services, job_id, part, attempt, remaining_seconds)
    done = services.ledger.entries(job_id, part).get(part, [])
    if done and done[-1].is_last:
        return "extracted"
    definition, entity, _ = snapshot_of(services, job_id)
    assert entity is not None  # noqa: S101  `extract` has seen to it
    run = _Extraction(job, definition, entity, int(job.options["parts"]))
    encoder = _encoder(run)
    heartbeat = LenientHeartbeat(services, job, part, attempt)
    bucket = services.settings.files_bucket
    output = services.files.writer(bucket, part_key(job_id, part, len(done), attempt))
    segments = list(run.segments_of(part))
    segment, key = json.loads(done[-1].cursor or "null") if done else (segments[0], None)
    rows = 0
    try:
        while segment <= segments[-1]:
            encoded = encoder.encode(services.dynamodb.call_bytes(*_page_request(services, run, segment, key)))
            output.write(encoded.data)
            rows += encoded.rows
            segment, key = (segment + 1, None) if encoded.last_key is None else (segment, encoded.last_key)
            heartbeat.note(rows, rows, 0)
            heartbeat.check()
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
    """Put the parts together to the run's file: header, rows in order, compression, digest. In one go: the state of a
    digest cannot be kept.

    Raises:
        JobFailed: `too-large`, it takes longer than an invocation; or as `extract`.
        Superseded: as `extract`.
    """
    job = services.jobs.get(job_id)
    if job.extracted is not None:
        return job
    attempt = new_token(services.ids)
    job = lease_chunk(services, job_id, FINISH, attempt)
    heartbeat = LenientHeartbeat(services, job, FINISH, attempt)
    definition, entity, _ = snapshot_of(services, job_id)
    assert entity is not None  # noqa: S101  `extract` has seen to it
    bucket, key = services.settings.files_bucket, f"{job_prefix(job_id)}export-{attempt}"
    content_type = CONTENT_TYPES.get(definition.compression, FORMATS[definition.format].content_type)
    output = services.files.writer(bucket, key, content_type)
    labels = RowEncoder(entity, definition, changes=definition.has_changes).labels
    writer = FileWriter(definition, labels, output, moment=job.submitted_at)
    ledger = services.ledger.entries(job_id)
    try:
        writer.begin()
        for part in sorted(ledger):
            for entry in ledger[part]:
                rows = entry.imported
                for block in _blocks(services, bucket, part_key(job_id, part, entry.part, entry.attempt)):
                    writer.write(block, rows)
                    rows = 0  # they count with the part's first block
                    heartbeat.check()
                    if remaining_seconds() < TIME_RESERVE_SECONDS:
                        raise JobFailed(
                            "too-large",
                            "The file cannot be put together in the 15 minutes that a step has. Make several exports, "
                            "by filters, or choose fewer fields.",
                        )
        written = writer.end()
        heartbeat.send()
    except BaseException:
        output.abort()
        raise
    output.close()
    extracted = {"key": key, "rows": written.rows, "bytes": written.size_bytes, "sha256": written.sha256}
    job = services.jobs.set_once(job_id, extracted=extracted)
    services.files.delete_prefix(bucket, f"{job_prefix(job_id)}parts/")
    return job


def part_key(job_id: str, part: int, number: int, attempt: str) -> str:
    """Where an attempt keeps the rows of a part of a run."""
    return f"{job_prefix(job_id)}parts/{part:04d}/{number:04d}-{attempt}"


def _is_done(services: ExportServices, job_id: str, part: int) -> bool:
    done = services.ledger.entries(job_id, part).get(part, [])
    return bool(done) and done[-1].is_last


def _blocks(services: ExportServices, bucket: str, key: str) -> Iterator[bytes]:
    source = services.files.open(bucket, key)
    while block := source.read(_BLOCK_BYTES):
        yield block


def _encoder(run: _Extraction) -> RowEncoder:
    keep = compile_filter(run.definition.filter, parse_schema(run.entity.schema))
    return RowEncoder(run.entity, run.definition, keep=keep, changes=run.definition.has_changes)


def _is_large(services: ExportServices, run: _Extraction) -> bool:
    """Whether a 64th of the table fills more than one page (1 MB): keys are spread evenly."""
    operation, request = _page_request(services, run, 0, None)
    return "LastEvaluatedKey" in services.dynamodb.call(operation, request | {"Select": "COUNT"})


def _page_request(
    services: ExportServices, run: _Extraction, segment: int, key: dict[str, Any] | None
) -> tuple[str, dict[str, Any]]:
    """The request for one page of a segment: operation and parameters."""
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    if run.entity.target is None:
        operation = "Query"
        names["#pk"], values[":pk"] = "_pk", {"S": partition(run.entity.uid, segment)}
        request: dict[str, Any] = {
            "TableName": services.settings.records_table,
            "KeyConditionExpression": "#pk = :pk",
        }
        window = _own_window(run, names, values)
    else:
        operation = "Scan"
        request = {"TableName": run.entity.target.table, "Segment": segment, "TotalSegments": run.segments}
        window = _target_window(run, names, values)
    if window:
        request["FilterExpression"] = window
    if names:
        request["ExpressionAttributeNames"] = names
    if values:
        request["ExpressionAttributeValues"] = values
    if key is not None:
        request["ExclusiveStartKey"] = key
    return operation, request | {"ConsistentRead": True}


def _own_window(run: _Extraction, names: dict[str, str], values: dict[str, Any]) -> str:
    """Write times are epoch milliseconds in `_at`. Tombstones count from the second window on."""
    conditions = []
    if not run.definition.has_changes or run.job.window_from is None:
        names["#gone"] = "_gone"
        conditions.append("attribute_not_exists(#gone)")
    for edge, comparison, moment in (("from", ">=", run.job.window_from), ("to", "<", run.job.window_to)):
        if run.definition.is_incremental and moment is not None:
            names["#at"], values[f":{edge}"] = "_at", {"N": str(_milliseconds(moment))}
            conditions.append(f"#at {comparison} :{edge}")
    return " AND ".join(conditions)


def _target_window(run: _Extraction, names: dict[str, str], values: dict[str, Any]) -> str:
    """Write times are RFC 3339 text as Waybill stamps it, or epoch seconds or milliseconds as others may; they compare
    only with their like, and numbers of one cannot be taken for the other. An item without any belongs to the first
    window."""
    window_from, window_to = run.job.window_from, run.job.window_to
    if not run.definition.is_incremental or run.entity.target is None or window_to is None:
        return ""
    names["#at"] = str(run.entity.target.modified_attribute)
    values |= {":text": {"S": "S"}, ":number": {"S": "N"}, **_stamps("to", window_to)}
    kinds = {"Text": "text", "Seconds": "number", "Milliseconds": "number"}
    if window_from is None:
        values[":limit"] = _SECONDS_LIMIT
        late = {"Text": "#at >= :toText", "Milliseconds": "#at >= :toMilliseconds"}
        late["Seconds"] = "#at BETWEEN :toSeconds AND :limit"
        tests = [f"(attribute_type(#at, :{kinds[form]}) AND {test})" for form, test in late.items()]
        return f"NOT ({' OR '.join(tests)})"
    values |= _stamps("from", window_from)
    tests = [
        f"(attribute_type(#at, :{kind}) AND #at >= :from{form} AND #at < :to{form})" for form, kind in kinds.items()
    ]
    return " OR ".join(tests)


# Seconds are below until the year 5138, milliseconds above since 1973.
_SECONDS_LIMIT = {"N": "100000000000"}


def _stamps(edge: str, moment: datetime) -> dict[str, Any]:
    milliseconds = _milliseconds(moment)
    return {
        f":{edge}Text": {"S": str(rfc3339(moment))},
        f":{edge}Seconds": {"N": f"{milliseconds // 1000}.{milliseconds % 1000:03d}"},
        f":{edge}Milliseconds": {"N": str(milliseconds)},
    }


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _without_ids(document: dict[str, Any]) -> dict[str, Any]:
    return {member: value for member, value in document.items() if member not in ("exportId", "version")}
