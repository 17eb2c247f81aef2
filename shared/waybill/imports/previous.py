"""What each record was before an import, kept so that the import can be undone.

The precheck keeps it, before the first row is written, of every valid row: the file's text, which survives when the
file is overwritten, and the stored record. Only one import of an entity runs at a time, so that a record is what it was
until the job writes it; and what the job has written bears its mark. An attempt that meets that mark comes too late and
keeps nothing (`LateKeeper`). So whatever stands in a part is what was before, whoever wrote it and however often.

    jobs/{id}/previous/{chunk}/{row}-{attempt}   a part: lines as in a rejects file, `_type` the row's place in the
                                                 source, `_reason` the record, or its key where there
                                                 was none (`pack`)
    jobs/{id}/previous.json                      the parts, in file order
    jobs/{id}/left-rows                          the places of the rows that were not imported, eight bytes each

The deduplication writes `previous.json`, the finish `left-rows`. All of them expire with the files of the job.
"""

from __future__ import annotations

import base64
import json
import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from waybill.aws.table import KEYS_PER_BATCH, batch_get
from waybill.entities.row_compiler import RECORD_KEY
from waybill.errors import Superseded
from waybill.ids import new_token
from waybill.imports.existence import Key, comparable, keys_of
from waybill.imports.job_files import kept_prefix, left_rows_key, previous_key
from waybill.imports.modes import mode_of

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.entities.row_results import RowBlock
    from waybill.imports.plan_document import ImportPlan
    from waybill.imports.row_reader import RowReader
    from waybill.jobs.model import Job
    from waybill.jobs.services import Services
    from waybill.tabular.dialect import Dialect

#: Of a row whose record has no value in the way: it is absent, or deleted. Whose deletion it was is worth keeping.
_MARKS = ("_gone", "_by")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_LEFT_PIECE_BYTES = 8 * 65_536
#: Of one part, for samples.
MAX_MARKS = 64

Record = Mapping[str, Any]
"""A stored record in DynamoDB's JSON, as it was read."""


class Part(NamedTuple):
    """Some of the rows of one chunk, in file order. `marks` are bytes at which some of its lines begin, the first among
    them."""

    key: str
    size_bytes: int
    marks: Sequence[int]


class _Found(NamedTuple):
    """A stored record, packed."""

    cell: str
    is_there: bool


class LateKeeper(Superseded):
    """The job has written records already: what they were before was kept by another attempt."""


def _stand_ins(dialect: Dialect) -> tuple[str, str]:
    """Of the characters of `pack` those that mean something in a file, and what is written for them."""
    special = dialect.delimiter + (dialect.quote_char or "") + (dialect.escape_char or "")
    free = [character for character in "-_.~!" if character not in special]
    taken = [character for character in dict.fromkeys(special) if character in _ALPHABET]
    return "".join(taken), "".join(free[: len(taken)])


def pack(record: Record, dialect: Dialect) -> str:
    """The record as one cell that needs no quotes."""
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    packed = base64.b64encode(zlib.compress(text.encode("utf-8", "surrogatepass"), 1)).decode()
    return packed.translate(str.maketrans(*_stand_ins(dialect)))


def unpack(cell: str, dialect: Dialect) -> Record:
    """The inverse of `pack`."""
    record: Record = json.loads(unpack_text(cell, dialect))
    return record


def unpack_text(cell: str, dialect: Dialect) -> bytes:
    """The JSON text of a packed record."""
    packed = cell.translate(str.maketrans(*reversed(_stand_ins(dialect))))
    return zlib.decompress(base64.b64decode(packed, validate=True))


def is_record(previous: Record) -> bool:
    """Whether there was a record; else it was absent, or deleted."""
    return "_gone" not in previous and not previous.keys() <= set(RECORD_KEY)


class Keeper:
    """Keeps the rows of one chunk, and what their records were: one part in each invocation that comes to rows."""

    def __init__(self, services: Services, job: Job, plan: ImportPlan, reader: RowReader, chunk: int) -> None:
        self._services, self._job, self._reader = services, job, reader
        self._form, self._dialect = plan.rejects_format, plan.dialect
        self._prefix = kept_prefix(job.job_id, chunk)
        self._is_keyless = plan.key_partitions == 0  # each row is a new record
        self._attributes: Sequence[str] = () if job.keep_previous else (*RECORD_KEY, *_MARKS)
        self._writer: Any = None
        self._key, self._marks = "", list[int]()

    def keep(self, block: RowBlock, up_to: int, end: int) -> tuple[dict[int, bool], int]:
        """Keep good rows of a block from row `up_to` on, as many as one request reads records: those may be large,
        however short the rows are. No more than one of them is in memory but packed.

        Args:
            end: the row after the block.

        Returns:
            (whether the record exists, of each row that was kept; the row up to which rows are kept now).

        Raises:
            LateKeeper
        """
        first = bisect_left(block.rows, up_to)
        last = first + KEYS_PER_BATCH
        rows, texts = block.rows[first:last], block.texts[first:last]
        presence = self._keep(block, rows, texts) if rows else {}
        return presence, end if last >= len(block.rows) else rows[-1] + 1

    def _keep(self, block: RowBlock, rows: Sequence[int], texts: Sequence[bytes]) -> dict[int, bool]:
        keys = keys_of(texts, RECORD_KEY, mode_of(self._job).is_update)
        found = {} if self._is_keyless else self._records(keys)
        kept = [found.get(comparable(key, RECORD_KEY)) or _Found(pack(key, self._dialect), False) for key in keys]
        self._write(block, rows, kept)
        return {row: record.is_there for row, record in zip(rows, kept, strict=True)}

    def end(self) -> list[Part]:
        """Complete the part; none where no row was kept."""
        if self._writer is None:
            return []
        self._writer.close()
        return [Part(self._key, self._writer.size_bytes, self._marks)]

    def _records(self, keys: Sequence[Record]) -> dict[Key, _Found]:
        """The stored records, deleted ones among them."""
        distinct = {comparable(key, RECORD_KEY): key for key in keys}
        table, found = self._reader.table, dict[Key, _Found]()
        items = batch_get(self._services.dynamodb, table, list(distinct.values()), self._attributes, one_by_one=True)
        while (record := next(items, None)) is not None:
            if record.get("_by") == {"S": self._job.job_id}:
                raise LateKeeper(f"job {self._job.job_id} writes records already")
            found[comparable(record, RECORD_KEY)] = _Found(pack(record, self._dialect), "_gone" not in record)
            del record  # before the next one is made
        return found

    def _write(self, block: RowBlock, rows: Sequence[int], kept: Sequence[_Found]) -> None:
        bucket, form = self._services.settings.files_bucket, self._form
        if self._writer is None:
            self._key = f"{self._prefix}{rows[0]:012d}-{new_token(self._services.ids)}"
            self._writer = self._services.files.writer(bucket, self._key, "text/csv")
        if len(self._marks) == MAX_MARKS:
            self._marks = self._marks[::2]
        self._marks.append(self._writer.size_bytes)
        for row, record in zip(rows, kept, strict=True):
            raw = block.raw(row)
            self._writer.write(form.kept(form.row_number(row, raw), row, record.cell, raw))


def write_parts(services: Services, job: Job, parts: Sequence[Part]) -> None:
    """Note which parts there are, in file order. Calling it again notes others as good as these."""
    content = json.dumps([[*part] for part in parts]).encode()
    services.files.put(services.settings.files_bucket, previous_key(job.job_id), content, "application/json")


def read_parts(services: Services, job_id: str) -> list[Part]:
    """
    Raises:
        SourceChanged: the job kept nothing, or its files are gone.
    """
    content = services.files.read(services.settings.files_bucket, previous_key(job_id))
    return [Part(*part) for part in json.loads(content)]


def packed_rows(rows: Sequence[int]) -> bytes:
    """Rows as `left-rows` has them."""
    values: array[int] = array("Q", rows)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


@dataclass
class LeftRows:
    """The rows that a job did not import. Asked for rows in ascending order, it reads its file once."""

    files: Files
    bucket: str
    job: Job

    def __post_init__(self) -> None:
        self._rows = self._read() if self.job.has_rejects else iter(())
        self._next = next(self._rows, None)

    def has(self, row: int) -> bool:
        while self._next is not None and self._next < row:
            self._next = next(self._rows, None)
        return self._next == row

    def _read(self) -> Iterator[int]:
        """
        Raises (while iterating):
            SourceChanged: the file is gone.
        """
        stream = self.files.open(self.bucket, left_rows_key(self.job.job_id))
        rest = b""
        while data := stream.read(_LEFT_PIECE_BYTES):
            rest += data
            values: array[int] = array("Q", rest[: len(rest) // 8 * 8])
            rest = rest[len(values) * 8 :]
            if sys.byteorder == "big":
                values.byteswap()
            yield from values
