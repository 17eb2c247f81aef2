"""Writing into a target table: an existing table of somebody else, which others may write meanwhile.

Waybill's own table tells by `_by` and by tombstones what a job itself did there. A target table has no place for such
marks, so that it is the check before the load that decides: it asks, before anything is written, which keys are there
(`waybill.imports.deduplicate`), and rows that the mode forbids never come this far. Of the rest

    insert   is put on the condition that the key is absent. A request that meets exactly the record that it would
             write counts as done: it, or another of this job, was there before. Anything else is `exists`.
    update   is conditional on the key being there; a repetition changes nothing.
    delete   deletes, without condition: the record was there when the job began, and now is not, whoever did it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from waybill.aws.dynamodb import ConditionalWriter, ConditionFailed, DynamoDB, DynamoDBError, from_attributes
from waybill.entities.model import Target
from waybill.imports.modes import Mode
from waybill.imports.sinks import ConditionalSink, Wrapping


def target_sink(
    mode: Mode,
    dynamodb: DynamoDB,
    target: Target,
    key_attribute: str,
    connections: int,
    before_send: Callable[[], None],
) -> ConditionalSink:
    """The sink of a mode with a requirement, on a target table.

    Args:
        key_attribute: of the table's key, any one.
    """
    before, options = f'{{"TableName":{json.dumps(target.table)},', {"connections": connections}
    if mode.shape == "update":  # its texts bring their own condition
        writer = ConditionalWriter(dynamodb, "UpdateItem", before_send=before_send, **options)
        return ConditionalSink(writer, Wrapping(before, "}"), mode.refusal)
    if mode.shape == "delete":
        writer = ConditionalWriter(dynamodb, "DeleteItem", before_send=before_send, **options)
        return ConditionalSink(writer, Wrapping(f'{before}"Key":{{', "}}"), mode.refusal)
    writer = _InsertWriter(dynamodb, target.modified_attribute, before_send=before_send, **options)
    after = (
        '},"ConditionExpression":"attribute_not_exists(#key)","ReturnValuesOnConditionCheckFailure":"ALL_OLD"'
        f',"ExpressionAttributeNames":{{"#key":{json.dumps(key_attribute)}}}}}'
    )
    return ConditionalSink(writer, Wrapping(f'{before}"Item":{{', after), mode.refusal)


class _InsertWriter(ConditionalWriter):
    """Takes a put that meets its own record, but for the time of writing, for done."""

    def __init__(self, dynamodb: DynamoDB, modified_attribute: str | None, **options: Any) -> None:
        super().__init__(dynamodb, "PutItem", **options)
        self._modified_attribute = modified_attribute

    def _refuse(self, connection: Any, refusal: ConditionFailed) -> DynamoDBError | None:
        ours = json.loads(connection.puts[0])["Item"]
        if refusal.item is not None and self._content(ours) == self._content(refusal.item):
            self._acknowledge(connection, 1)
            return None
        return super()._refuse(connection, refusal)

    def _content(self, item: dict[str, Any]) -> dict[str, Any]:
        return from_attributes({name: value for name, value in item.items() if name != self._modified_attribute})
