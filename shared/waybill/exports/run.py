"""One run of an export: start it, extract the records, end it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from waybill.entities.model import Entity
from waybill.errors import Conflict, Superseded
from waybill.exports.container import FileWriter
from waybill.exports.definition import Definition, Export
from waybill.exports.rows import Encoded, RowEncoder
from waybill.imports.results import export_key
from waybill.jobs.leases import Pulse, lease_chunk
from waybill.jobs.model import Counts, Job, Process, Status, finished

if TYPE_CHECKING:
    from waybill.bootstrap import Services

SHARDS = 64
_NAMESPACE = uuid.UUID("0d9a35a1-5f9c-5c8e-8d0c-0f7f35a4b2e6")
_ONLY_CHUNK = 0


def start_export(services: Services, export: Export, started_by: str, started_by_id: str) -> Job:
    """Register and start the first run of a one-shot export. Called again it finds the same job.

    Args:
        started_by, started_by_id: name and subject of whoever activates it.

    Raises:
        NotFound: the entity is gone.
        Conflict: the export is no draft.
    """
    entity = services.entities.get(export.definition.entity)
    if entity.target is not None:
        raise Conflict("An entity with a target table cannot be exported yet.", export.allowed_actions())
    job_id = str(uuid.uuid5(_NAMESPACE, export.export_id))
    now = services.clock()
    job = Job(
        job_id=job_id,
        process=Process.EXPORT,
        status=Status.WAITING,
        entity=entity.name,
        entity_uid=entity.uid,
        file_name=export.definition.file_name_at(now),
        submitted_at=now,
        started_by=started_by,
        started_by_id=started_by_id,
        export_id=export.export_id,
        export_type=export.definition.type.value,
    )
    export = services.exports.start_run(export, job_id)
    snapshot = {"export": export.definition.to_document(), "entity": entity.to_document()}
    job, _ = services.jobs.register(job, snapshot)
    if not job.is_terminal:
        services.workflow.start(services.settings.export_state_machine, job_id)
    return job


def extract(services: Services, job_id: str) -> Job:
    """Write an export's records to its file and end the job. A run that died begins again; until the last byte is
    stored no file is visible.

    Raises:
        Superseded: the job has ended, or another attempt has it.
    """
    job = services.jobs.begin(job_id)
    attempt = uuid.uuid4().hex
    job = lease_chunk(services, job_id, _ONLY_CHUNK, attempt)
    pulse = Pulse(services, job, _ONLY_CHUNK, attempt)
    snapshot = services.jobs.definition(job_id)
    definition = Definition.from_document(snapshot["export"])
    entity = Entity.from_document(snapshot["entity"])
    output = services.files.writer(services.settings.files_bucket, export_key(job_id), "text/csv; charset=utf-8")
    encoder = RowEncoder(entity, definition)
    writer = FileWriter(definition, encoder.labels, output, moment=job.submitted_at)
    try:
        writer.begin()
        for page in record_pages(services, entity.uid, encoder):
            writer.write(page.data, page.rows)
            pulse.note(writer.rows, writer.rows, 0)
            pulse.check()
        rows = writer.end().rows
        pulse.beat()
    except BaseException:
        output.abort()
        raise
    output.close()
    return _end(services, job, Status.COMPLETED, Counts(rows, rows), has_download=True)


def fail_export(services: Services, job_id: str) -> Job | None:
    """End a run whose step failed for good."""
    job = services.jobs.find(job_id)
    if job is None:
        return None
    if job.is_terminal:
        _note_on_export(services, job)
        return job
    message = "A step of the export failed repeatedly."
    counts = Counts(total=0)
    return _end(services, job, Status.FAILED, counts, error_code="internal-error", error_message=message)


def end_abandoned(services: Services, job_id: str) -> Job:
    """The job as it ended, after a `Superseded`: another attempt or caller was first."""
    job = services.jobs.find(job_id)
    if job is None or not job.is_terminal:
        raise Superseded(f"job {job_id} belongs to another attempt")
    _note_on_export(services, job)
    return job


def record_pages(services: Services, entity_uid: str, encoder: RowEncoder) -> Iterator[Encoded]:
    """The records of an entity, page by page; consistent reads, shard after shard."""
    for shard in range(SHARDS):
        query: dict[str, Any] = {
            "TableName": services.settings.records_table,
            "KeyConditionExpression": "#pk = :pk",
            "FilterExpression": "attribute_not_exists(#gone)",
            "ExpressionAttributeNames": {"#pk": "_pk", "#gone": "_gone"},
            "ExpressionAttributeValues": {":pk": {"S": f"{entity_uid}#{shard:02x}"}},
            "ConsistentRead": True,
        }
        while True:
            page = encoder.encode(services.dynamodb.call_bytes("Query", query))
            yield page
            if page.last_key is None:
                break
            query["ExclusiveStartKey"] = page.last_key


def _end(services: Services, job: Job, status: Status, counts: Counts, **changes: Any) -> Job:
    ended = finished(job, status, counts, services.clock(), services.jobs.retention, **changes)
    stored = services.jobs.finish(ended, job.status)
    _note_on_export(services, stored)
    return stored


def _note_on_export(services: Services, job: Job) -> None:
    if job.export_id is not None:
        services.exports.finish_run(job.export_id, job)
