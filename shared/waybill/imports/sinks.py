"""Where good rows go: to the table in batches, to the table as one conditional request each, or nowhere.

A sink takes the rows of a block, and tells which of them were refused and which may not be written yet. Every write can
be sent again with the same result: a put writes the whole row, and conditions accept what this job wrote itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from waybill.aws.dynamodb import BatchWriter, ConditionalWriter, DynamoDB, ItemTooLarge
from waybill.entities.fieldtypes.attributes import MAX_ITEM_BYTES
from waybill.entities.row_results import RowBlock, RowError
from waybill.imports.modes import Mode, Refusal

#: Of rows that fit by themselves: the rest is what the stored record has in other fields.
RECORD_TOO_LARGE = Refusal(
    "record-too-large", f"With this row's values the stored record would have more than {MAX_ITEM_BYTES:,} bytes."
)


class Wrapping(NamedTuple):
    """The text around a row's own that makes it a request (the shapes of `waybill.entities.row_compiler`)."""

    before: str
    after: str


class Sink(Protocol):
    @property
    def wrapping(self) -> Wrapping | None:
        """None for a sink that does not need the texts."""
        ...

    def write(self, block: RowBlock) -> None:
        """Hand in the good rows of a block."""
        ...

    def refused(self) -> dict[int, RowError]:
        """The rows refused so far and their errors; waits for what is on its way where refusals are possible."""
        ...

    def flush(self) -> None: ...

    def pending(self) -> Collection[int]:
        """Rows handed in that are not known to be written."""
        ...

    def stop(self) -> tuple[set[int], dict[int, RowError]]:
        """Send nothing more and wait for what is on its way.

        Returns:
            Rows handed in that are not known to be written, and those refused since `refused` was asked.
        """
        ...

    def close(self) -> None: ...


class BatchSink:
    """For batched modes: BatchWriteItem; rows may overtake each other."""

    wrapping: Wrapping = Wrapping('{"PutRequest":{"Item":{', "}}}")

    def __init__(self, dynamodb: DynamoDB, table: str, connections: int, before_send: Callable[[], None]) -> None:
        self._writer = BatchWriter(dynamodb, table, connections=connections, before_send=before_send)
        self._stand_ins: dict[int, int] = {}

    def write(self, block: RowBlock) -> None:
        rows, texts = block.rows, block.texts
        if len(set(block.digests)) < len(block.digests):  # perhaps equal keys; only the keys themselves tell
            # Only the last of equal keys: DynamoDB refuses a batch that names a key twice.
            last = dict(zip(block.keys, zip(rows, texts, strict=True), strict=True))
            self._stand_ins |= {
                row: last[key][0] for row, key in zip(rows, block.keys, strict=True) if last[key][0] != row
            }
            rows, texts = [row for row, _ in last.values()], [text for _, text in last.values()]
        self._writer.write(texts, rows)

    def refused(self) -> dict[int, RowError]:
        return {}

    def flush(self) -> None:
        self._writer.flush()

    def pending(self) -> Collection[int]:
        return self._writer.unacknowledged()

    def stop(self) -> tuple[set[int], dict[int, RowError]]:
        self._writer.drain()
        lost = set(self._writer.unacknowledged())
        return lost | {row for row, stand_in in self._stand_ins.items() if stand_in in lost}, {}

    def close(self) -> None:
        self._writer.close()


class ConditionalSink:
    """For other modes: one conditional request a row."""

    def __init__(self, writer: ConditionalWriter, wrapping: Wrapping, refusal: Refusal) -> None:
        self.wrapping = wrapping
        self._writer, self._refusal = writer, refusal

    def write(self, block: RowBlock) -> None:
        self._writer.write(block.texts, block.rows)

    def refused(self) -> dict[int, RowError]:
        self._writer.flush()
        return self._take_refused()

    def _take_refused(self) -> dict[int, RowError]:
        reasons = dict(self._writer.take_refused())
        return {
            row: RowError.whole(row, *(RECORD_TOO_LARGE if isinstance(reasons[row], ItemTooLarge) else self._refusal))
            for row in sorted(reasons)
        }

    def flush(self) -> None:
        self._writer.flush()

    def pending(self) -> Collection[int]:
        return self._writer.unacknowledged()

    def stop(self) -> tuple[set[int], dict[int, RowError]]:
        self._writer.drain()
        return set(self._writer.unacknowledged()), self._take_refused()

    def close(self) -> None:
        self._writer.close()


class NoSink:
    """For dry runs and previews: nothing is written."""

    wrapping: None = None

    def write(self, block: RowBlock) -> None:
        return

    def refused(self) -> dict[int, RowError]:
        return {}

    def flush(self) -> None:
        return

    def pending(self) -> Collection[int]:
        return ()

    def stop(self) -> tuple[set[int], dict[int, RowError]]:
        return set(), {}

    def close(self) -> None:
        return


# What this job wrote itself is accepted: a request or a whole attempt may be repeated. A tombstone is not a record.
_IS_ABSENT = "attribute_not_exists(#key) OR attribute_exists(#gone) OR #by = :job"
_IS_THERE = "attribute_exists(#key) AND (attribute_not_exists(#gone) OR #by = :job)"


def conditional_sink(
    mode: Mode,
    dynamodb: DynamoDB,
    table: str,
    job_id: str,
    stamps: Mapping[str, str],
    expires: int,
    connections: int,
    before_send: Callable[[], None],
) -> ConditionalSink:
    """The sink of a mode that is not batched, on Waybill's own table.

    A deletion leaves a tombstone, in which exports see it. `_gone`, its expiry, is the table's TTL attribute.

    Args:
        stamps: as `RowReader.stamps` makes them.
        expires: when tombstones go, in epoch seconds.
    """
    names = {"#key": "_pk", "#gone": "_gone", "#by": "_by"}
    values = {":job": {"S": job_id}}
    if mode.is_update:
        wrapping, operation = Wrapping(f'{{"TableName":{json.dumps(table)},', "}"), "UpdateItem"
    else:
        condition = _IS_ABSENT if mode.requires == "absent" else _IS_THERE
        operation = "PutItem"
        tombstone = ""
        if mode.shape == "delete":
            attributes = {**stamps, "_gone": f'{{"N":"{expires}"}}'}
            tombstone = "".join(f",{json.dumps(name)}:{value}" for name, value in attributes.items())
        after = (
            f'{tombstone}}},"ConditionExpression":{json.dumps(condition)},"ExpressionAttributeNames":{json.dumps(names)}'
            f',"ExpressionAttributeValues":{json.dumps(values)}}}'
        )
        wrapping = Wrapping(f'{{"TableName":{json.dumps(table)},"Item":{{', after)
    writer = ConditionalWriter(dynamodb, operation, connections=connections, before_send=before_send)
    return ConditionalSink(writer, wrapping, mode.refusal)
