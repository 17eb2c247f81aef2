"""The audit trail as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from typing_extensions import TypedDict

from waybill.wire.schema import Moment, NextToken, Schema, Uuid


class AuditEntry(TypedDict):
    """What somebody did."""

    time: Moment
    actor: str
    """The name of whoever did it, as in `startedBy`: `s3:…` of dropped files, `source:…` of
    fetched ones, `schedule` of runs of schedules."""
    actorId: str | None
    """The subject of the token; null where there was none."""
    action: Annotated[str, Schema(examples=["createImport"])]
    """The `operationId` of this description; `dropFile` for a dropped file, `fetchFile`, `moveFile` and `deleteFile`
    for one that a source has fetched, moved or deleted, `runSchedule` for the run of a schedule."""
    outcome: Annotated[str, Schema(enum=["done", "refused", "failed"])]
    """`refused`: answered 403. `failed`: a dropped file whose import could not begin, or one that
    a source was to move or delete and that was gone, or another one, by then."""
    entity: str | None
    jobId: Uuid | None
    """The job that was started, changed or downloaded from."""
    parentJobId: Uuid | None
    """Of a job that was started with the rows or the window of another one: that one."""
    exportId: Uuid | None
    sourceId: Uuid | None
    uploadId: Uuid | None
    address: str | None
    """The network address that the request came from; null where there was no request."""


class AuditPage(TypedDict):
    items: list[AuditEntry]
    nextToken: NextToken


def audit_entry(item: Mapping[str, Any]) -> AuditEntry:
    """
    Args:
        item: of `waybill.jobs.audit`.
    """
    return {
        "time": item["sk"].partition("#")[0],
        "actor": item["actor"],
        "actorId": item.get("actorId"),
        "action": item["action"],
        "outcome": item["outcome"],
        "entity": item.get("entity"),
        "jobId": item.get("jobId"),
        "parentJobId": item.get("parentJobId"),
        "exportId": item.get("exportId"),
        "sourceId": item.get("sourceId"),
        "uploadId": item.get("uploadId"),
        "address": item.get("address"),
    }
