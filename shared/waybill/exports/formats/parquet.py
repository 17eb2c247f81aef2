"""Parquet: a column for each field, typed by the schema; its values exact, or the run is refused.

Parts of a run hold pages of columns as lines of JSON texts. One writer, in constant memory, makes row groups of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from json.encoder import encode_basestring as quote_json
from typing import TYPE_CHECKING, Any

import msgspec

from waybill.entities.fields import Field
from waybill.entities.fieldtypes import TYPES, Attribute
from waybill.entities.fieldtypes.attributes import are_canonical
from waybill.entities.fieldtypes.export_columns import Cells
from waybill.errors import JobFailed
from waybill.exports.compression import Output
from waybill.exports.formats.base import Column, DelimitedRows, Format, Framing
from waybill.exports.formats.cells import CellRefused, nested_text
from waybill.exports.formats.jsonl import JsonCells

if TYPE_CHECKING:
    from waybill.exports.definition import Definition

LIMIT = "parquet-limit"
"""Error code of a job with a value that its column cannot hold."""
WHOLE_DIGITS, DECIMALS = 20, 18
"""Digits before and behind the point, of a `number`: 38 together, which is what readers of Parquet hold."""
#: A row group ends behind the page with which it has so many bytes in memory, or so many rows.
ROW_GROUP_BYTES, ROW_GROUP_ROWS = 32 * 1024 * 1024, 250_000
_LEAST_INT64, _GREATEST_INT64 = -(2**63), 2**63 - 1
_SURE_INTEGER_CHARS = 18
_SURE_NUMBER_CHARS = 19
_WAY_ON = "Export as csv or jsonl."
_PLAIN_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{0,5}[1-9])?Z?").fullmatch
_MICROSECOND_DIGITS = 6


class ColumnCells(JsonCells):
    """Pages of columns, each cell the JSON text of its value, or null; a page is a line. There is no formula guard: no
    program that reads Parquet executes a text.
    """

    def texts(self, cells: Sequence[str], *, guarded: bool) -> Cells:
        return super().texts(cells, guarded=False)

    def numbers(self, cells: Sequence[str], decimal_char: str) -> Cells:
        return self.texts(cells, guarded=False)

    def dates(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        return self.texts(values, guarded=False)

    def nested(self, attributes: Sequence[Mapping[str, Any]], to_cell: Callable[[Attribute], str]) -> Cells:
        return Cells("", [quote_json(nested_text(attribute, to_cell)) for attribute in attributes], "")

    def rows(self, columns: Sequence[Cells]) -> str:
        return "[" + ",".join(f"[{','.join(column.whole())}]" for column in columns) + "]\n"


def is_wide(field: Field) -> bool:
    """Whether the bounds of an integer field allow more than 64 bits hold."""
    limits = [rule.limit for rule in field.constraints if rule.name in ("minimum", "maximum")]
    return any(not _LEAST_INT64 <= limit <= _GREATEST_INT64 for limit in limits)


def fit_of(field: Field) -> Callable[[Cells], Cells] | None:
    """What checks the cells of a field, or makes them what its column holds; None for texts."""
    if field.kind.column == "integer":
        return _fit_wide_integers if is_wide(field) else _fit_integers
    return _FITS.get(field.kind.column)


def _fit_integers(cells: Cells) -> Cells:
    texts = _canonical(cells.texts, "an integer")
    if max(map(len, texts)) > _SURE_INTEGER_CHARS or any("." in text for text in texts):
        for text in texts:
            if "." in text:
                raise CellRefused(f"holds {text}, which is not an integer. {_WAY_ON}", LIMIT)
            if not _LEAST_INT64 <= int(text) <= _GREATEST_INT64:
                what = "more than the 64 bits of an integer of Parquet"
                way = "Export as csv or jsonl, or give the field bounds that say how large it may be"
                raise CellRefused(f"holds {text}, {what}. {way} (then it is decimal(38, 0)).", LIMIT)
    return cells


def _fit_wide_integers(cells: Cells) -> Cells:
    for text in _canonical(cells.texts, "an integer"):
        if "." in text:
            raise CellRefused(f"holds {text}, which is not an integer. {_WAY_ON}", LIMIT)
        if len(text.lstrip("-")) > WHOLE_DIGITS + DECIMALS:
            raise CellRefused(f"holds {text}, more than the 38 digits of decimal(38, 0). {_WAY_ON}", LIMIT)
    return cells


def _fit_numbers(cells: Cells) -> Cells:
    texts = _canonical(cells.texts, "a number")
    if max(map(len, texts)) > _SURE_NUMBER_CHARS:
        for text in texts:
            whole, _, decimals = text.lstrip("-").partition(".")
            if len(whole) > WHOLE_DIGITS or len(decimals) > DECIMALS:
                holds = f"{WHOLE_DIGITS} digits before and {DECIMALS} behind the point, which decimal(38, 18) holds"
                raise CellRefused(f"holds {text}, more than {holds}. {_WAY_ON}", LIMIT)
    return cells


def _fit_years(cells: Cells) -> Cells:
    for text in cells.texts:
        if not (text.isascii() and text.isdigit() and len(text) == 4 and text[0] != "0"):
            raise CellRefused(f"holds {text[:40]}, not a year from 1000 to 9999. {_WAY_ON}", LIMIT)
    return cells


def _fit_booleans(cells: Cells) -> Cells:
    if cells.opening:
        raise CellRefused(f"holds {cells.texts[0][:40]!r}, which is not a boolean. {_WAY_ON}", LIMIT)
    return cells


def _fit_dates(cells: Cells) -> Cells:
    for text in cells.texts:
        try:
            is_date = date.fromisoformat(text).isoformat() == text
        except ValueError:
            is_date = False
        if not is_date:
            raise CellRefused(f"holds {text[:40]!r}, which is not a date. {_WAY_ON}", LIMIT)
    return cells


def _fit_moments(cells: Cells) -> Cells:
    """Times to the microsecond: those with an offset as the instant in UTC, with a `Z`."""
    return Cells(cells.opening, [_moment(text) for text in cells.texts], cells.closing)


def _moment(text: str) -> str:
    if _PLAIN_MOMENT(text) and text[11:13] != "24":
        try:
            datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return text
    try:
        exact: str = _DATETIME.parse(text).identity
    except ValueError:
        raise CellRefused(f"holds {text[:40]!r}, which is not a date and time. {_WAY_ON}", LIMIT) from None
    if len(exact.rstrip("Z").partition(".")[2]) > _MICROSECOND_DIGITS:
        raise CellRefused(f"holds {text[:60]}, finer than the microseconds of a timestamp. {_WAY_ON}", LIMIT)
    return exact


_DATETIME = TYPES["datetime"]()
_FITS: dict[str, Callable[[Cells], Cells]] = {
    "number": _fit_numbers,
    "boolean": _fit_booleans,
    "date": _fit_dates,
    "datetime": _fit_moments,
    "year": _fit_years,
}


def _canonical(texts: Sequence[str], noun: str) -> Sequence[str]:
    if texts and not are_canonical(texts):
        bad = next(text for text in texts if not are_canonical([text]))
        raise CellRefused(f"holds {bad[:40]!r}, which is not {noun}. {_WAY_ON}", LIMIT)
    return texts


class ParquetFile(Framing):
    """The row groups, and the metadata around them (see `Framing`).

    Whether a column of times bears a zone is what its values say: those of one column all do, or none does.
    """

    def __init__(self, output: Output, definition: Definition, columns: Sequence[Column]) -> None:
        self._output, self._columns = output, columns
        self._begun = b""
        self._has_zone: dict[int, bool] = {}
        self._times = []
        for index, (_, field) in enumerate(columns):
            if field is not None and field.kind.column == "datetime":
                if field.format in ("default", "any"):
                    self._times.append(index)
                else:
                    self._has_zone[index] = "%z" in field.format
        self.needs_survey = bool(self._times)
        self._batches: list[Any] = []
        self._bytes = self._rows = 0

    def survey(self, data: bytes) -> None:
        for page in self._pages(data):
            for index in self._times:
                for has_zone in {str(text)[-1] == "Z" for text in page[index] if text is not None}:
                    if self._has_zone.setdefault(index, has_zone) != has_zone:
                        label = self._columns[index].label
                        what = f'The field "{label}" has times with and without an offset'
                        raise JobFailed(LIMIT, f"{what}, which no column of Parquet holds together. {_WAY_ON}")

    def learn(self, surveyed: Framing) -> None:
        assert isinstance(surveyed, ParquetFile)  # the files of a run have one format  # noqa: S101
        self._has_zone = surveyed._has_zone

    def begin(self, header: bytes) -> None:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        self._types = [self._type(index) for index in range(len(self._columns))]
        members = [pa.field(column.label, kind) for column, kind in zip(self._columns, self._types, strict=True)]
        self._schema = pa.schema(members)
        sink = pa.PythonFile(_Sink(self._output), mode="w")
        self._writer = ParquetWriter(
            sink, self._schema, version="2.6", compression="snappy", store_schema=False, write_page_index=True
        )

    def write(self, data: bytes, rows: int) -> None:
        import pyarrow as pa

        for page in self._pages(data):
            arrays = [_array(texts, kind) for texts, kind in zip(page, self._types, strict=True)]
            batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
            self._batches.append(batch)
            self._bytes += batch.nbytes
            self._rows += batch.num_rows
            if self._bytes >= ROW_GROUP_BYTES or self._rows >= ROW_GROUP_ROWS:
                self._end_row_group()

    def end(self) -> None:
        self._end_row_group()
        self._writer.close()

    def _end_row_group(self) -> None:
        import pyarrow as pa

        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches), row_group_size=self._rows)
        self._batches, self._bytes, self._rows = [], 0, 0

    def _pages(self, data: bytes) -> Iterator[list[list[str | bool | None]]]:
        """The pages that end in these bytes."""
        lines = (self._begun + data).split(b"\n") if b"\n" in data else [self._begun + data]
        self._begun = lines.pop()
        for line in lines:
            page: list[list[str | bool | None]] = msgspec.json.decode(line)
            yield page

    def _type(self, index: int) -> Any:
        """The type of a column in Arrow, which says how Parquet stores it."""
        import pyarrow as pa

        field = self._columns[index].field
        kind = "boolean" if field is None else field.kind.column
        if kind == "integer":
            return pa.decimal128(WHOLE_DIGITS + DECIMALS, 0) if field is not None and is_wide(field) else pa.int64()
        if kind == "datetime":
            return pa.timestamp("us", "UTC" if self._has_zone.get(index, True) else None)
        return {
            "number": pa.decimal128(WHOLE_DIGITS + DECIMALS, DECIMALS),
            "boolean": pa.bool_(),
            "date": pa.date32(),
            "year": pa.int32(),
        }.get(kind, pa.string())


def _array(texts: list[str | bool | None], kind: Any) -> Any:
    """Values from their texts: Arrow refuses every text that is not exactly one."""
    import pyarrow as pa

    return pa.array(texts, kind) if kind == pa.bool_() else pa.array(texts, pa.string()).cast(kind)


class _Sink:
    """An output as the file that Arrow writes to."""

    def __init__(self, output: Output) -> None:
        self._output, self._position = output, 0
        self.closed = False

    def write(self, data: bytes) -> int:
        self._output.write(bytes(data))
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        return

    def close(self) -> None:
        self.closed = True


class PageRows(DelimitedRows):
    """The rows of pages, of which each is a line."""

    def count(self, data: bytes) -> int:
        return sum(len(_columns(line)[0]) for line in data.splitlines())

    def cut(self, data: bytes, rows: int) -> tuple[bytes, bytes]:
        head, lines = b"", data.splitlines(keepends=True)
        for index, line in enumerate(lines):
            columns = _columns(line)
            if len(columns[0]) > rows:
                first, rest = (
                    msgspec.json.encode([column[part] for column in columns]) + b"\n"
                    for part in (slice(rows), slice(rows, None))
                )
                return head + (first if rows else b""), rest + b"".join(lines[index + 1 :])
            rows -= len(columns[0])
            head += line
        return head, b""


def _columns(page: bytes) -> list[list[msgspec.Raw]]:
    return msgspec.json.decode(page, type=list[list[msgspec.Raw]])


def labels_problem(labels: Sequence[str]) -> str | None:
    """Why these cannot be the columns of one file: DuckDB, Athena and Spark do not tell cases apart."""
    seen: dict[str, str] = {}
    for label in labels:
        if (other := seen.setdefault(label.casefold(), label)) != label:
            return f"cannot be parquet: its readers take {other!r} and {label!r} for one column. Choose one of them"
    return None


PARQUET = Format(
    name="parquet",
    extension="parquet",
    content_type="application/vnd.apache.parquet",
    cells=ColumnCells,
    framing=ParquetFile,
    dialect_members=frozenset(),
    fit=fit_of,
    labels_problem=labels_problem,
    compresses_itself=True,
    guards_formulas=False,
    rows=lambda _: PageRows(),
    knows_size=False,
)
