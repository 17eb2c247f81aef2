"""Where good rows go: into the table by batches, into the table one conditional request each, or nowhere.

A sink takes the rows of a block and says, when it is flushed, which of them were refused and which are not known to be
written. Every write can be sent again with the same result: a put is a put of the whole row, and conditions let pass
what this job wrote itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from waybill.aws.dynamodb import BatchWriter, ConditionalWriter, DynamoDB
from waybill.entities.records import TOMBSTONE_SECONDS


class Refusal(NamedTuple):
    """A row that the table did not take."""

    row: int
    type: str
    message: str


class Wrapping(NamedTuple):
    """What stands around a row's text to make it a request (the shapes of `waybill.entities.rows`)."""

    before: str
    after: str


class Sink(Protocol):
    @property
    def wrapping(self) -> Wrapping | None:
        """None where nobody wants the texts."""
        ...

    def write(self, rows: Sequence[int], texts: Sequence[bytes], digests: Sequence[int]) -> None: ...

    def refused(self) -> list[Refusal]:
        """Rows handed in so far that were refused; waits for what is on its way where refusals are possible."""
        ...

    def flush(self) -> None: ...

    def pending(self) -> Collection[int]:
        """Rows handed in that are not known to be written."""
        ...

    def stop(self) -> tuple[set[int], list[Refusal]]:
        """Send nothing more and wait for what is on its way.

        Returns:
            Rows handed in that are not known to be written, and those refused since `refused` was asked.
        """
        ...

    def close(self) -> None: ...


class BatchSink:
    """Mode upsert: BatchWriteItem, rows overtaking each other."""

    wrapping: Wrapping = Wrapping('{"PutRequest":{"Item":{', "}}}")

    def __init__(self, dynamodb: DynamoDB, table: str, connections: int, before_send: Callable[[], None]) -> None:
        self._writer = BatchWriter(dynamodb, table, connections=connections, before_send=before_send)
        self._stand_ins: dict[int, int] = {}

    def write(self, rows: Sequence[int], texts: Sequence[bytes], digests: Sequence[int]) -> None:
        if len(set(digests)) < len(digests):
            # Of equal keys only the last: a batch that names a key twice is refused as a whole.
            last = dict(zip(digests, zip(rows, texts, strict=True), strict=True))
            self._stand_ins |= {
                row: last[digest][0] for row, digest in zip(rows, digests, strict=True) if last[digest][0] != row
            }
            rows, texts = [row for row, _ in last.values()], [text for _, text in last.values()]
        self._writer.write(texts, rows)

    def refused(self) -> list[Refusal]:
        return []

    def flush(self) -> None:
        self._writer.flush()

    def pending(self) -> Collection[int]:
        return self._writer.unacknowledged()

    def stop(self) -> tuple[set[int], list[Refusal]]:
        self._writer.drain()
        lost = set(self._writer.unacknowledged())
        return lost | {row for row, stand_in in self._stand_ins.items() if stand_in in lost}, []

    def close(self) -> None:
        self._writer.close()


class ConditionalSink:
    """Modes insert, update and delete: one conditional request a row."""

    def __init__(self, writer: ConditionalWriter, wrapping: Wrapping, refusal: tuple[str, str]) -> None:
        self.wrapping = wrapping
        self._writer, self._refusal = writer, refusal

    def write(self, rows: Sequence[int], texts: Sequence[bytes], digests: Sequence[int]) -> None:
        self._writer.write(texts, rows)

    def refused(self) -> list[Refusal]:
        self._writer.flush()
        return self._take_refused()

    def _take_refused(self) -> list[Refusal]:
        return [Refusal(row, *self._refusal) for row in sorted(self._writer.take_refused())]

    def flush(self) -> None:
        self._writer.flush()

    def pending(self) -> Collection[int]:
        return self._writer.unacknowledged()

    def stop(self) -> tuple[set[int], list[Refusal]]:
        self._writer.drain()
        return set(self._writer.unacknowledged()), self._take_refused()

    def close(self) -> None:
        self._writer.close()


class NoSink:
    """A dry run, or a check: nothing is written."""

    wrapping: None = None

    def write(self, rows: Sequence[int], texts: Sequence[bytes], digests: Sequence[int]) -> None:
        return

    def refused(self) -> list[Refusal]:
        return []

    def flush(self) -> None:
        return

    def pending(self) -> Collection[int]:
        return ()

    def stop(self) -> tuple[set[int], list[Refusal]]:
        return set(), []

    def close(self) -> None:
        return


EXISTS = ("exists", "A record with this key exists already.")
NOT_FOUND = ("not-found", "There is no record with this key.")

# What this job wrote itself passes: a request, or a whole attempt, may be repeated. A tombstone is no record.
_IS_ABSENT = "attribute_not_exists(#key) OR attribute_exists(#gone) OR #by = :job"
_IS_THERE = "attribute_exists(#key) AND (attribute_not_exists(#gone) OR #by = :job)"


def conditional_sink(
    mode: str,
    dynamodb: DynamoDB,
    table: str,
    job_id: str,
    now_seconds: int,
    connections: int,
    before_send: Callable[[], None],
) -> ConditionalSink:
    """The sink of mode insert, update or delete on Waybill's own table.

    A deletion leaves a tombstone (`_gone`, its expiry, is the table's TTL attribute) from which exports tell it.
    """
    names = {"#key": "_pk", "#gone": "_gone", "#by": "_by"}
    values = {":job": {"S": job_id}}
    if mode == "update":  # its texts bring their own condition
        wrapping, operation, refusal = Wrapping(f'{{"TableName":{json.dumps(table)},', "}"), "UpdateItem", NOT_FOUND
    else:
        condition, refusal = (_IS_ABSENT, EXISTS) if mode == "insert" else (_IS_THERE, NOT_FOUND)
        operation = "PutItem"
        stamps = ""
        if mode == "delete":
            stamps = (
                f',"_at":{{"N":"{now_seconds * 1000}"}},"_by":{{"S":{json.dumps(job_id)}}}'
                f',"_gone":{{"N":"{now_seconds + TOMBSTONE_SECONDS}"}}'
            )
        after = (
            f'{stamps}}},"ConditionExpression":{json.dumps(condition)},"ExpressionAttributeNames":{json.dumps(names)}'
            f',"ExpressionAttributeValues":{json.dumps(values)}}}'
        )
        wrapping = Wrapping(f'{{"TableName":{json.dumps(table)},"Item":{{', after)
    writer = ConditionalWriter(dynamodb, operation, connections=connections, before_send=before_send)
    return ConditionalSink(writer, wrapping, refusal)
