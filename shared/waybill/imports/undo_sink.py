"""Puts records of Waybill's own table back as they were before an import, one conditional request each.

A record stands as the import left it while its mark `_by` names the import. The record that is put back bears the mark
`{undo}/{import before}`: the undo can be repeated, and the import before can be undone in turn, because its records
stand as it left them. Where there was no record, or a deleted one, a tombstone takes its place, in which exports see
the deletion.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from waybill.aws.dynamodb import ConditionalWriter, DynamoDB
from waybill.entities.fieldtypes.attributes import MAX_ITEM_BYTES, attribute_bytes
from waybill.imports.modes import CHANGED_SINCE
from waybill.imports.previous import Record, is_record, unpack
from waybill.imports.sinks import ConditionalSink, Wrapping

if TYPE_CHECKING:
    from waybill.entities.row_results import RowBlock
    from waybill.jobs.model import Job
    from waybill.tabular.dialect import Dialect

_PREVIOUS_COLUMN = 2  # `_reason` of a rejects file
_ONE_CHAR_BYTES = 4  # of UTF-8, at most
_OWN = ("_at", "_by", "_gone")


class UndoSink(ConditionalSink):
    """
    Args:
        job: the undo.
        before: undos of the same import that did not come to their end: what they have put back may be put back again.
        stamps: as `RowReader.stamps` makes them.
        expires: when tombstones go, in epoch seconds.
    """

    def __init__(
        self,
        dynamodb: DynamoDB,
        table: str,
        job: Job,
        before: Sequence[str],
        dialect: Dialect,
        stamps: Mapping[str, str],
        expires: int,
        connections: int,
        before_send: Callable[[], None],
    ) -> None:
        writer = ConditionalWriter(dynamodb, "PutItem", connections=connections, before_send=before_send)
        super().__init__(writer, Wrapping("{", "}"), CHANGED_SINCE)
        self._job_id, self._dialect = job.job_id, dialect
        self._at, self._gone = json.loads(stamps["_at"]), {"N": str(expires)}
        marks = {f":u{number}": {"S": job_id} for number, job_id in enumerate((job.job_id, *before))}
        conditions = ["contains(#by, :undone)", *(f"begins_with(#by, {name})" for name in marks)]
        self._request = {
            "TableName": table,
            "ConditionExpression": " OR ".join(conditions),
            "ExpressionAttributeNames": {"#by": "_by"},
            "ExpressionAttributeValues": {":undone": {"S": str(job.undo_of)}, **marks},
        }

    def write(self, block: RowBlock) -> None:
        texts = [self._put(block.raw(row), text) for row, text in zip(block.rows, block.texts, strict=True)]
        self._writer.write(texts, block.rows)

    def _put(self, raw: str, key_text: bytes) -> bytes:
        cells = next(csv.reader([raw], **self._dialect.reader_options()))
        previous, key = unpack(cells[_PREVIOUS_COLUMN], self._dialect), json.loads(key_text)
        if any(previous[name] != value for name, value in key.items()):
            raise ValueError("the record that was kept of a row is of another key")
        request = {**self._request, "Item": self._item(key, previous)}
        return json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")

    def _item(self, key: Record, previous: Record) -> dict[str, Any]:
        origin = f"/{previous['_by']['S'].rpartition('/')[2]}" if "_by" in previous else ""
        marks = {"_at": self._at, "_by": {"S": f"{self._job_id}{origin}"}}
        if not is_record(previous):
            return {**key, **marks, "_gone": self._gone}
        fields = {name: value for name, value in previous.items() if name not in _OWN}
        item = {**fields, **marks}
        # A record that was as large as can be: its own mark was shorter.
        return {**item, "_by": {"S": self._job_id}} if _is_too_large(item) else item


def _is_too_large(item: Mapping[str, Any]) -> bool:
    if len(str(item)) * _ONE_CHAR_BYTES <= MAX_ITEM_BYTES:
        return False
    return sum(len(name.encode()) + attribute_bytes(value) for name, value in item.items()) > MAX_ITEM_BYTES
