"""Writes to a target table: an existing table of somebody else, to which others may write at the same time.

In Waybill's own table, `_by` and tombstones tell what a job did there. A target table has no place for such marks, so
the precheck decides: it asks, before anything is written, which keys are there (`waybill.imports.precheck`), and the
load leaves out the rows that the mode forbids. Of the others

    insert   puts on the condition that the key is absent. A request that finds exactly the record that it would write
             counts as done: it was sent before, by this attempt or an earlier one. Anything else is `exists`.
    update   (and any put of a mode that requires the record) is conditional on the key being present; a repetition
             changes nothing.
    delete   deletes without condition: the record was there when the job began, and is gone now, whoever deleted it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from waybill.aws.dynamodb import (
    ConditionalWriter,
    ConditionFailed,
    DynamoDB,
    DynamoDBError,
    ItemTooLarge,
    from_attributes,
)
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
    """The sink of a mode that is not batched, on a target table.

    Args:
        key_attribute: any attribute of the table's key.
    """
    before, options = f'{{"TableName":{json.dumps(target.table)},', {"connections": connections}
    if mode.is_update:
        writer = ConditionalWriter(dynamodb, "UpdateItem", before_send=before_send, **options)
        return ConditionalSink(writer, Wrapping(before, "}"), mode.refusal)
    if mode.shape == "delete":
        writer = ConditionalWriter(dynamodb, "DeleteItem", before_send=before_send, **options)
        return ConditionalSink(writer, Wrapping(f'{before}"Key":{{', "}}"), mode.refusal)
    if mode.requires == "absent":
        condition = '"attribute_not_exists(#key)","ReturnValuesOnConditionCheckFailure":"ALL_OLD"'
        put: ConditionalWriter = _InsertWriter(dynamodb, target.modified_attribute, before_send=before_send, **options)
    else:
        condition = '"attribute_exists(#key)"'
        put = ConditionalWriter(dynamodb, "PutItem", before_send=before_send, **options)
    after = f'}},"ConditionExpression":{condition},"ExpressionAttributeNames":{{"#key":{json.dumps(key_attribute)}}}}}'
    return ConditionalSink(put, Wrapping(f'{before}"Item":{{', after), mode.refusal)


class _InsertWriter(ConditionalWriter):
    """Counts a put as done when it finds its own record, apart from the time of writing."""

    def __init__(self, dynamodb: DynamoDB, modified_attribute: str | None, **options: Any) -> None:
        super().__init__(dynamodb, "PutItem", **options)
        self._modified_attribute = modified_attribute

    def _refuse(self, connection: Any, refusal: ConditionFailed | ItemTooLarge) -> DynamoDBError | None:
        if isinstance(refusal, ItemTooLarge) or refusal.item is None:
            return super()._refuse(connection, refusal)
        ours = json.loads(connection.puts[0])["Item"]
        if self._content(ours) == self._content(refusal.item):
            self._acknowledge(connection, 1)
            return None
        return super()._refuse(connection, refusal)

    def _content(self, item: dict[str, Any]) -> dict[str, Any]:
        return from_attributes({name: value for name, value in item.items() if name != self._modified_attribute})
