"""Which rows of an unfinished chunk stand in the table.

An attempt that died has written rows that nobody counted, and a reply that was lost leaves open whether its rows were
written. Before the rest of a chunk is listed as stopped, under the chunk's lease, the table is asked. A row stands when

    put      the record is the row's in every attribute but the time of writing. The job's mark `_by` alone would not
             do: another row of the file may have written the key.
    update   each attribute that the row sets has its value (`_by` too), and each one that it removes is absent
    delete   the tombstone has the job's mark; in a target table, the record is gone
    undo     the record has the job's mark, which nothing else of the job has written

A target table has no marks: there a row stands, too, when its record was the same before, and importing it again would
change nothing. So only chunks in which an attempt died are asked about rows that this attempt did not send.

A row that stood until a later row of the chunk replaced it counts as imported, and the finish rejects it as
`duplicate-key`. One that a row of another chunk replaced is listed as stopped; the finish rejects it, too, if that row
is a later one (`finish.write_winners`).

Rows are sent in file order over a number of connections, so an attempt leaves gaps of a limited size behind it. After a
longer stretch of keys without a trace of the job nothing more can follow, and the search is over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from waybill.aws.dynamodb import MAX_BATCH_PUTS, from_attributes
from waybill.aws.table import KEYS_PER_BATCH, batch_get
from waybill.imports.existence import comparable, keys_of
from waybill.imports.modes import mode_of

if TYPE_CHECKING:
    from waybill.aws.dynamodb import DynamoDB
    from waybill.imports.row_reader import RowReader
    from waybill.jobs.model import Job

_Item = Mapping[str, Any]


def longest_gap(connections: int) -> int:
    """More keys than an attempt with so many connections, or with some more, can leave out before one that it wrote."""
    return 4 * connections * MAX_BATCH_PUTS


class ReadBack:
    """The search through the rows of one chunk, in file order.

    Args:
        gap: after so many keys without a trace of the job the search is over.
        before_read: called before each request, to keep the lease.

    Attributes:
        end_row: the row after the last one that stands; 0 while none does.
        missing: the rows asked for that do not stand and that no later row has replaced.
    """

    def __init__(
        self, dynamodb: DynamoDB, reader: RowReader, job: Job, gap: int, before_read: Callable[[], object]
    ) -> None:
        self._dynamodb, self._reader, self._gap, self._before_read = dynamodb, reader, gap, before_read
        self._mode, self._job = mode_of(job), job
        self._own_table = reader.target is None
        self._time = "_at" if reader.target is None else reader.target.modified_attribute
        self._missing: dict[str, list[int]] = {}
        self._without_trace: set[str] = set()
        self.end_row = 0

    @property
    def missing(self) -> set[int]:
        return {row for rows in self._missing.values() for row in rows}

    @property
    def is_over(self) -> bool:
        return len(self._without_trace) >= self._gap

    def ask(self, rows: Sequence[int], keys: Sequence[str], texts: Sequence[bytes]) -> None:
        """Ask for rows, given with their key texts and their requests as `BatchSink` wraps them.

        Raises:
            DynamoDBError, or what `before_read` raises.
        """
        for start in range(0, len(rows), KEYS_PER_BATCH):
            if self.is_over:
                for row, key in zip(rows[start:], keys[start:], strict=True):
                    self._missing.setdefault(key, []).append(row)
                return
            part = slice(start, start + KEYS_PER_BATCH)
            self._before_read()
            items = self._items(texts[part])
            for row, key, text, item in zip(rows[part], keys[part], texts[part], items, strict=True):
                self._note(row, key, text, item)

    def _note(self, row: int, key: str, text: bytes, item: _Item | None) -> None:
        stands = self._stands(json.loads(text)["PutRequest"]["Item"], item)
        if stands:
            self._missing.pop(key, None)
            self.end_row = row + 1
        else:
            self._missing.setdefault(key, []).append(row)
        if stands or (item is not None and self._is_marked(item)):
            self._without_trace.clear()
        else:
            self._without_trace.add(key)

    def _items(self, texts: Sequence[bytes]) -> Iterator[_Item | None]:
        attributes = self._reader.key_attributes
        keys = keys_of(texts, attributes, self._mode.is_update)
        distinct = {comparable(key, attributes): key for key in keys}
        found = batch_get(self._dynamodb, self._reader.table, list(distinct.values()))
        by_key = {comparable(item, attributes): item for item in found}
        return (by_key.get(comparable(key, attributes)) for key in keys)

    def _is_marked(self, item: _Item) -> bool:
        """Whether the job wrote the record; the mark of an undo goes on with the one that was there before."""
        return self._own_table and item.get("_by", {"S": ""})["S"].partition("/")[0] == self._job.job_id

    def _stands(self, request: _Item, item: _Item | None) -> bool:
        if self._job.undo_of is not None:
            return item is not None and self._is_marked(item)
        if self._mode.shape == "delete":
            if not self._own_table:
                return item is None
            return item is not None and "_gone" in item and self._is_marked(item)
        if item is None:
            return False
        if self._mode.is_update:
            return all(_is_same(item.get(name), value) for name, value in self._changes(request, item))
        names = (request.keys() | item.keys()) - {self._time}
        return all(_is_same(item.get(name), request.get(name)) for name in names)

    def _changes(self, update: _Item, item: _Item) -> Iterator[tuple[str, Any]]:
        """The attributes that an update leaves behind (None: absent), but the time (`row_compiler` renders it). A
        default leaves any value that was there."""
        expression = update.get("UpdateExpression", "")
        values = update.get("ExpressionAttributeValues", {})
        for short, name in update.get("ExpressionAttributeNames", {}).items():
            if short != "#k" and name != self._time:
                value = values.get(f":{short[1:]}")
                yield name, item.get(name, value) if f"if_not_exists({short}," in expression else value


def _is_same(one: _Item | None, other: _Item | None) -> bool:
    """Whether two values are equal, in whichever spelling: DynamoDB has its own of numbers and sets."""
    if one is None or other is None or one == other:
        return one == other
    return from_attributes({"value": one}) == from_attributes({"value": other})
