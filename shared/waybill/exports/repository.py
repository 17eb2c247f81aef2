"""Exports in the catalogue table, and their moves, each one conditional request.

    EXPORT / {exportId}   definition and lastRun (JSON text), entity, entityUid, status, created…, jobId

Ids grow with time (UUID version 7), so that the newest export stands first without an index.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from waybill.aws.dynamodb import ConditionFailed, DynamoDB, from_attributes, to_attributes
from waybill.errors import NotFound
from waybill.exports.definition import Definition, Export, ExportStatus, run_summary
from waybill.jobs.model import Job, rfc3339


def new_export_id(moment: datetime) -> str:
    """A UUID version 7 (RFC 9562, section 5.7): milliseconds, then random bits."""
    milliseconds = int(moment.timestamp() * 1000)
    bits = (milliseconds << 80) | int.from_bytes(os.urandom(10))
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


# Words that expressions may not use as they are (DynamoDB, "Reserved words").
_RESERVED = {"#status": "status", "#definition": "definition"}


class ExportRepository:
    """Reads and changes exports; each method is one request, `of_entity` one for each megabyte of definitions."""

    def __init__(self, dynamodb: DynamoDB, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def get(self, export_id: str) -> Export:
        """The export.

        Raises:
            NotFound: there is none with this id.
        """
        answer = self._dynamodb.call(
            "GetItem", {"TableName": self._table, "Key": _key(export_id), "ConsistentRead": True}
        )
        if "Item" not in answer:
            raise export_not_found()
        return _from_item(answer["Item"])

    def page(self, limit: int, after: str | None = None) -> tuple[list[Export], str | None]:
        """Up to `limit` exports, newest first, beginning after the id `after`, and the id to go on from."""
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :export",
            "ExpressionAttributeValues": to_attributes({":export": "EXPORT"}),
            "ScanIndexForward": False,
            "ConsistentRead": True,
            "Limit": limit,
        }
        if after is not None:
            query["ExclusiveStartKey"] = _key(after)
        answer = self._dynamodb.call("Query", query)
        last = answer.get("LastEvaluatedKey")
        return [_from_item(item) for item in answer["Items"]], None if last is None else str(last["sk"]["S"])

    def of_entity(self, entity_uid: str) -> list[Export]:
        """All exports of one entity, newest first."""
        found, after = self.page(1000)
        while after is not None:
            more, after = self.page(1000, after)
            found += more
        return [export for export in found if export.entity_uid == entity_uid]

    def add(self, export: Export) -> None:
        self._dynamodb.call("PutItem", {"TableName": self._table, "Item": to_attributes(_to_item(export))})

    def replace(self, export: Export, definition: Definition, entity_uid: str) -> Export:
        """Give a draft another definition.

        Raises:
            Conflict: it is no draft any more.
            NotFound: it was deleted.
        """
        return self._move(
            export,
            "edit",
            (ExportStatus.DRAFT,),
            "SET #definition = :definition, entity = :entity, entityUid = :uid",
            {
                ":definition": json.dumps(definition.to_document()),
                ":entity": definition.entity,
                ":uid": entity_uid,
            },
        )

    def start_run(self, export: Export, job_id: str) -> Export:
        """DRAFT → IN_PROGRESS with its job. Called again with the same job it changes nothing.

        Raises:
            Conflict: it is no draft, and this job is not its run.
            NotFound: it was deleted.
        """
        if export.status is ExportStatus.IN_PROGRESS and export.job_id == job_id:
            return export
        return self._move(
            export,
            "activate",
            (ExportStatus.DRAFT,),
            "SET #status = :running, jobId = :job",
            {":running": ExportStatus.IN_PROGRESS, ":job": job_id},
        )

    def finish_run(self, export_id: str, job: Job) -> None:
        """IN_PROGRESS → FINISHED, with the summary of the run. Nothing when the export is not in this run."""
        try:
            self._update(
                export_id,
                "SET #status = :finished, lastRun = :summary",
                "#status = :running AND jobId = :job",
                {
                    ":finished": ExportStatus.FINISHED,
                    ":running": ExportStatus.IN_PROGRESS,
                    ":summary": json.dumps(run_summary(job)),
                    ":job": job.job_id,
                },
            )
        except ConditionFailed:
            return

    def delete(self, export: Export) -> None:
        """Delete a draft.

        Raises:
            Conflict: it is no draft any more.
        """
        try:
            self._dynamodb.call(
                "DeleteItem",
                {
                    "TableName": self._table,
                    "Key": _key(export.export_id),
                    "ConditionExpression": "attribute_not_exists(pk) OR #status = :draft",
                    "ExpressionAttributeNames": {"#status": "status"},
                    "ExpressionAttributeValues": to_attributes({":draft": ExportStatus.DRAFT}),
                },
            )
        except ConditionFailed:
            raise self.get(export.export_id).conflict("delete") from None

    def _move(
        self,
        export: Export,
        action: str,
        expected: tuple[ExportStatus, ...],
        expression: str,
        values: Mapping[str, Any],
    ) -> Export:
        names = {f":expected{index}": status for index, status in enumerate(expected)}
        try:
            return self._update(export.export_id, expression, f"#status IN ({', '.join(names)})", {**values, **names})
        except ConditionFailed:
            raise self.get(export.export_id).conflict(action) from None

    def _update(self, export_id: str, expression: str, condition: str, values: Mapping[str, Any]) -> Export:
        answer = self._dynamodb.call(
            "UpdateItem",
            {
                "TableName": self._table,
                "Key": _key(export_id),
                "UpdateExpression": expression,
                "ConditionExpression": condition,
                "ExpressionAttributeNames": {
                    name: word for name, word in _RESERVED.items() if name in expression + condition
                },
                "ExpressionAttributeValues": to_attributes(values),
                "ReturnValues": "ALL_NEW",
            },
        )
        return _from_item(answer["Attributes"])


def export_not_found() -> NotFound:
    return NotFound("There is no export with this id.")


def _key(export_id: str) -> dict[str, Any]:
    return to_attributes({"pk": "EXPORT", "sk": export_id})


def _to_item(export: Export) -> dict[str, Any]:
    item = {
        "pk": "EXPORT",
        "sk": export.export_id,
        "definition": json.dumps(export.definition.to_document()),
        "entity": export.definition.entity,
        "entityUid": export.entity_uid,
        "status": export.status.value,
        "createdAt": rfc3339(export.created_at),
        "createdBy": export.created_by,
        "createdById": export.created_by_id,
        "jobId": export.job_id,
        "lastRun": None if export.last_run is None else json.dumps(export.last_run),
    }
    return {name: value for name, value in item.items() if value is not None}


def _from_item(attributes: Mapping[str, Any]) -> Export:
    item = from_attributes(attributes)
    return Export(
        export_id=item["sk"],
        definition=Definition.from_document(json.loads(item["definition"])),
        entity_uid=item["entityUid"],
        status=ExportStatus(item["status"]),
        created_at=datetime.fromisoformat(item["createdAt"]),
        created_by=item["createdBy"],
        created_by_id=item["createdById"],
        job_id=item.get("jobId"),
        last_run=json.loads(item["lastRun"]) if "lastRun" in item else None,
    )
