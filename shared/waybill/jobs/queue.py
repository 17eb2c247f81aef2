"""Where a waiting import stands in its entity's queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waybill.aws.dynamodb import to_attributes

if TYPE_CHECKING:
    from waybill.jobs.services import Services


def queue_positions(services: Services, entity_uid: str) -> dict[str, int]:
    """Job → its place among the imports of one entity, 1 for the next; the first thousands of them (one request)."""
    answer = services.dynamodb.call(
        "Query",
        {
            "TableName": services.settings.jobs_table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": to_attributes({":pk": f"QUEUE#{entity_uid}"}),
            "ProjectionExpression": "sk",
        },
    )
    # The import that runs stands at the head of the queue until it ends.
    entries = [item["sk"]["S"].partition("#")[2] for item in answer["Items"]]
    return {job_id: max(1, index) for index, job_id in enumerate(entries)}
