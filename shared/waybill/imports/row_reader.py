"""Reads the segments of a file as rows to write and rows to reject.

Structure is checked first (blank rows, stray quotes, missing and extra cells), then cells and keys by the entity's
compiled schema. All steps and the preview read rows with this class, so that they agree about every row.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from waybill.entities.cells import Problem
from waybill.entities.columns import Lane, make_column
from waybill.entities.header import Column, HeaderMatch
from waybill.entities.model import Entity
from waybill.entities.native_rows import NativeRows, Unverified, native_rows
from waybill.entities.references import is_own
from waybill.entities.row_compiler import MISSING_KEY, RECORD_KEY, RowCompiler, is_keyless, key_text
from waybill.entities.row_results import FOREIGN_KEY, RowBlock, RowError
from waybill.entities.schema import Schema
from waybill.errors import counted
from waybill.imports.cells import NO_VALUE_MARK, NULL_SYMBOL, no_value_message
from waybill.imports.modes import mode_of
from waybill.imports.sinks import BatchSink, Wrapping
from waybill.jobs.model import Job
from waybill.native import UNEVEN, WHOLE
from waybill.tabular.formulas import unguard
from waybill.tabular.records import Rows, Segment, comment_records, parse_columns, parse_rows, raw_records
from waybill.timestamps import epoch_milliseconds, rfc3339

if TYPE_CHECKING:
    from waybill.imports.plan_document import ImportPlan


FEW_CELLS = 10  # too few for a lane to pay
_DEFAULT_WRAPPING = BatchSink.wrapping
ROW_CAP_BYTES = 1024 * 1024
_NONE: frozenset[int] = frozenset()
_STRAY = "The row has a quote inside an unquoted cell, text after a closing quote, or a NUL character."
_STRAY_IN_JSON_LINES = "This is not a JSON value like the others, repeats a name, or contains a NUL character."


class Place(NamedTuple):
    """Where a key is in the file: number and name of its field, where it is one, and the text of its cell. The texts of
    several are joined as in `key_text`; a schema without a primary key has none."""

    field_number: int | None
    field_name: str | None
    cell: str | None


class RowReader:
    """Reads the rows of one job."""

    def __init__(
        self, schema: Schema, match: HeaderMatch, plan: ImportPlan, entity: Entity, job: Job, records_table: str
    ) -> None:
        own_table = entity.target is None
        self.entity = entity
        self.table = records_table if entity.target is None else entity.target.table
        self.entity_uid = entity.uid
        if plan.dialect.null_sequence is not None:
            schema, match = _with_null(schema, match, plan.dialect.null_sequence)
        self.schema = schema
        self._match = match
        self._plan = plan
        self._job_id, self._write_time, self._undo_of = job.job_id, job.write_time, job.undo_of
        self.target = entity.target
        # The key attributes of the table that is written.
        self.key_attributes = RECORD_KEY if own_table else schema.primary_key
        self._modified_attribute = None if entity.target is None else entity.target.modified_attribute
        self._own_table = own_table
        mode, keeps_blanks = mode_of(job), job.blanks == "keep"
        shape = mode.shape
        self._compiler = RowCompiler(
            schema, match, shape=shape, own_table=own_table, creates=mode.creates, keeps_blanks=keeps_blanks
        )
        self.unique_sets = self._compiler.unique_sets
        self._width = len(match.labels)
        self._native = None
        guarded = [column.position for column in match.columns if column.field.kind.is_text]
        self._guarded = guarded if job.options.get("unescapeFormulas") else []
        # The leading columns of a rejects file are not part of the row.
        self._first_own_cell = 3 if plan.rejects_format.strip_columns else 0
        self._mark = NO_VALUE_MARK.encode(plan.text_encoding, "ignore") if plan.may_lack_values else b""
        self._names = {position: field.name for position, field in match.columns}
        if not (self._first_own_cell or plan.dialect.comment_rows):
            self._native = native_rows(
                schema, match, plan.dialect, own_table, shape, self._guarded, self._compiler.updates
            )

    def read(self, segment: Segment, first_row: int, count: int, now: datetime, wrapping: Wrapping | None) -> RowBlock:
        """Check the first `count` records of a segment, the first of which is row `first_row`.

        Args:
            now: stamped on the records of a target table as the time of writing.
            wrapping: the text around each row's own that makes it a request; None when the texts are not needed.
        """
        block = self._checked(segment, first_row, count, now, wrapping)
        if block.errors and self._mark and self._mark in segment.data:
            for row, errors in block.errors.items():
                block.errors[row] = [e._replace(cell=e.cell and e.cell.removeprefix(NO_VALUE_MARK)) for e in errors]
        if block.errors and self._plan.dialect.null_sequence == NULL_SYMBOL:
            for row, errors in block.errors.items():
                block.errors[row] = [e._replace(cell="") if e.cell == NULL_SYMBOL else e for e in errors]
        return block

    def _checked(
        self, segment: Segment, first_row: int, count: int, now: datetime, wrapping: Wrapping | None
    ) -> RowBlock:
        native, data, dialect = self._native, segment.data, self._plan.dialect
        if self._mark and self._mark in data:
            native = None
        if native is not None and self._plan.text_encoding != "utf-8":
            data = data.decode(self._plan.text_encoding).encode()
        loaded = None
        if native is not None and segment.structural and len(data) <= ROW_CAP_BYTES and dialect.is_plain_bytes(data):
            options = self._native_options(now, wrapping)
            loaded = native.load(data, count, first_row, **options)
        rows: Sequence[int] = range(first_row, first_row + count)
        if native is None or loaded is None:
            return self._read(segment, rows, now, wrapping)
        block, unverified = loaded
        block.raw = _LazyRaws(segment, self._plan, rows)
        if unverified:
            by_row = {first_row + one.record: one for one in unverified}
            block.raw = _raws(data, by_row, block.raw)
            block.errors, doubtful = self._check_cells(native, data, first_row, unverified)
            lines = {row: data[by_row[row].start : by_row[row].end] + b"\n" for row in doubtful}
            whole = self._ask(native, block, doubtful, lines, self._native_options(now, wrapping))
            if whole:
                data = b"".join([lines[row] for row in whole])
                if self._plan.text_encoding != "utf-8":
                    data = data.decode().encode(self._plan.text_encoding)
                block.add(self._read(Segment(0, data, len(whole), True), whole, now, wrapping))
        return block

    def _native_options(self, now: datetime, wrapping: Wrapping | None) -> dict[str, Any]:
        before, after = wrapping or _DEFAULT_WRAPPING
        return {
            "partition": self.entity_uid,
            "stamps": self.stamps(now),
            "before": before,
            "after": after,
            "key_prefix": f"{self._job_id}-",
            "wants_texts": wrapping is not None,
        }

    def _ask(
        self,
        native: NativeRows,
        block: RowBlock,
        doubtful: Mapping[int, Collection[int]],
        lines: Mapping[int, bytes],
        options: Mapping[str, Any],
    ) -> list[int]:
        """Load the rows whose only doubt is about good cells, with the columns of these cells foreign. Returns the rows
        that are left for the full check."""
        columns = frozenset(position for found in doubtful.values() for position in found)
        rows = [row for row, found in doubtful.items() if WHOLE not in found]
        asking = native.asking(columns - {WHOLE}) if rows else None
        loaded = asking and asking.load(b"".join([lines[row] for row in rows]), len(rows), 0, numbers=rows, **options)
        if not loaded:
            return list(doubtful)
        block.add(loaded[0])
        approved = set(loaded[0].rows)
        return [row for row in doubtful if row not in approved]

    def _check_cells(
        self, native: NativeRows, data: bytes, first_row: int, unverified: Sequence[Unverified]
    ) -> tuple[dict[int, list[RowError]], dict[int, list[int]]]:
        """(errors of single cells by row; the other rows, each with the columns of its doubtful cells, or WHOLE)."""
        errors: dict[int, list[RowError]] = {}
        doubtful: dict[int, list[int]] = {}
        new = tuple.__new__  # a third of the time of RowError(…), and bad files have many
        problems, names = native.problems, self._names
        for record, begin, stop, column, start, end in unverified:
            row = first_row + record
            if column == UNEVEN:
                raw = data[begin:stop].decode() if start > self._width else ""
                extra = next(csv.reader([raw], **self._plan.dialect.reader_options()))[self._width :] if raw else []
                errors.setdefault(row, []).extend(self._uneven_errors(row, start, extra))
                continue
            if column != WHOLE:
                cell = data[start:end].decode()
                number, name = column + 1, names[column]
                for type, message in problems(column, cell):
                    error = new(RowError, (row, number, name, type, cell, message))
                    if row in errors:
                        errors[row].append(error)
                    else:
                        errors[row] = [error]
                if row in errors:
                    continue
            doubtful.setdefault(row, []).append(column)
        return errors, {row: found for row, found in doubtful.items() if row not in errors}

    def _read(self, segment: Segment, rows: Sequence[int], now: datetime, wrapping: Wrapping | None) -> RowBlock:
        """Check the first records of a segment, whose numbers are `rows`, without the native library."""
        text = segment.data.decode(self._plan.text_encoding)
        first_row, count, numbers = rows[0], len(rows), rows
        skipped = self._skipped_by_number(first_row, count)
        errors = self._too_long(segment, first_row, count)
        records = None
        has_marks = bool(self._mark) and self._mark in segment.data
        if not (self._first_own_cell or skipped or errors or has_marks):
            records = parse_columns(segment, text, self._plan.dialect, self._width, count)
        if records is not None:
            columns = records.cells
            if records.others:
                errors = self._uneven({rows[index]: cells for index, cells in records.others.items()})
                rows = [row for row in rows if row not in errors]
        else:
            parsed = parse_rows(segment, text, self._plan.dialect)
            skipped |= parsed.comments
            errors |= self._check_structure(parsed, rows, skipped, errors, has_marks)
            good = [index for index, row in enumerate(rows) if row not in errors and index not in skipped]
            rows = [rows[index] for index in good]
            columns = [list(column) for column in zip(*(parsed.cells[index] for index in good), strict=True)]
        block = self._compile(columns, rows, now, wrapping)
        block.errors |= errors
        block.raw = _LazyRaws(segment, self._plan, numbers)
        return block

    def unique_value(self, raw: str, index: int) -> tuple[str, int, str, str]:
        """(the value that the `index`-th unique set compares of a good row, then number and name of its first field,
        and the text of its cells)."""
        found = self._cells_of(raw, self.unique_sets[index])
        values = [self._unguarded(position, cell) for (position, _), cell in found]
        texts = [
            field.kind.identity(field.check(value)[0]) for ((_, field), _), value in zip(found, values, strict=True)
        ]
        first = found[0][0]
        return key_text(texts), first.position + 1, first.field.name, key_text([cell for _, cell in found])

    def key_place(self, raw: str) -> Place:
        """Where the primary key of a good row is, given the row as in the file."""
        found = self._cells_of(raw, self.schema.primary_key)
        if len(found) != 1:
            return Place(None, None, key_text([cell for _, cell in found]) if found else None)
        [(column, cell)] = found
        return Place(column.position + 1, column.field.name, cell)

    def reject_keys(self, block: RowBlock, errors: Mapping[int, RowError]) -> None:
        """Reject the good rows of a block that have an error of their key, which then says where the key is."""
        if errors:
            rows = [row for row in block.rows if row in errors]
            block.reject({row: self.at_key(errors[row], block.raw(row)) for row in rows})

    def at_key(self, error: RowError, raw: str) -> RowError:
        """The error of a row's key, saying where the key is."""
        if error.cell is not None:
            return error
        number, name, cell = self.key_place(raw)
        return error._replace(field_number=number, field_name=name, cell=cell)

    def columns_of(self, names: Sequence[str]) -> list[Column | None]:
        """The columns of these fields, None for each that the file lacks."""
        by_name = {column.field.name: column for column in self._match.columns}
        return [by_name.get(name) for name in names]

    def cells_of_rows(self, raws: Sequence[str], columns: Sequence[Column]) -> list[tuple[str, ...]]:
        """The cells that good rows have in these columns, as they are read."""
        positions = [column.position for column in columns]
        rows = csv.reader(raws, **self._plan.dialect.reader_options())
        if not self._guarded and len(positions) == 1:
            [position] = positions
            return [(cells[position],) for cells in rows]
        return [tuple([self._unguarded(position, cells[position]) for position in positions]) for cells in rows]

    def reject_dangling(self, block: RowBlock, dangling: Mapping[int, int]) -> None:
        """Reject the good rows of a block that name records which are not there.

        Args:
            dangling: by row, the foreign keys that do, as bits.
        """
        found = [row for row in block.rows if row in dangling] if dangling else []
        if found:
            block.reject_all({row: self._dangling_errors(row, block.raw(row), dangling[row]) for row in found})

    def _dangling_errors(self, row: int, raw: str, bits: int) -> list[RowError]:
        cells = next(csv.reader([raw], **self._plan.dialect.reader_options()))
        by_name = {column.field.name: column for column in self._match.columns}
        errors = []
        for number, key in enumerate(self.schema.foreign_keys):
            if not bits >> number & 1:
                continue
            columns = [by_name[name] for name in key.names if name in by_name]
            texts = ["" if cells[column.position] == NULL_SYMBOL else cells[column.position] for column in columns]
            whole = len(columns) == len(key.names) and not any(
                column.field.read(self._unguarded(column.position, cells[column.position])) in column.field.missing
                for column in columns
            )
            if not whole:
                message = f"A part of the key is missing that names a record of {key.resource or self.entity.name}."
            elif is_own(key, self.entity):
                message = f"Neither {self.entity.name} nor the file has a record with this key."
            else:
                message = f"{key.resource} has no record with this key."
            at, only = min(column.position for column in columns), len(key.names) == 1
            place = Place(at + 1 if only else None, key.names[0] if only else None, key_text(texts))
            errors.append((at, RowError(row, place.field_number, place.field_name, FOREIGN_KEY, place.cell, message)))
        return [error for _, error in sorted(errors, key=lambda found: found[0])]

    def _cells_of(self, raw: str, names: Sequence[str]) -> list[tuple[Column, str]]:
        """The columns of these fields with the cells that a row has there."""
        cells = next(csv.reader([raw], **self._plan.dialect.reader_options()))
        by_name = {column.field.name: column for column in self._match.columns}
        return [(by_name[name], cells[by_name[name].position]) for name in names]

    def _unguarded(self, position: int, cell: str) -> str:
        return unguard(cell) if position in self._guarded else cell

    def raw_rows(self, segment: Segment, first_row: int, count: int) -> Iterable[tuple[int, str]]:
        """(row number, record as in the file) of the rows among the first `count` records of a segment."""
        text = segment.data.decode(self._plan.text_encoding)
        skipped = self._skipped_by_number(first_row, count) | set(comment_records(segment, self._plan.dialect))
        raws = enumerate(raw_records(segment, text, self._plan.dialect)[:count])
        return [(first_row + index, raw) for index, raw in raws if index not in skipped]

    def _skipped_by_number(self, first_row: int, count: int) -> frozenset[int]:
        """Indexes of the comments that the dialect lists by row number."""
        listed = self._plan.dialect.comment_rows
        return frozenset(row - first_row for row in listed if first_row <= row < first_row + count) if listed else _NONE

    def _too_long(self, segment: Segment, first_row: int, count: int) -> dict[int, list[RowError]]:
        if len(segment.data) <= ROW_CAP_BYTES or self._undo_of is not None:  # imported, and longer by the record
            return {}
        errors = {}
        for row, raw in self.raw_rows(segment, first_row, count):
            size = len(raw.encode(self._plan.text_encoding)) if len(raw) * 4 > ROW_CAP_BYTES else 0
            if size > ROW_CAP_BYTES:
                message = f"The row has {size:,} bytes, more than {ROW_CAP_BYTES:,}."
                errors[row] = [RowError.whole(row, "row-too-long", message)]
        return errors

    def _compile(
        self, columns: Sequence[Sequence[str]], rows: Sequence[int], now: datetime, wrapping: Wrapping | None
    ) -> RowBlock:
        before, after = wrapping or _DEFAULT_WRAPPING
        if self._guarded and rows:
            cells, columns = columns, list(columns)
            for index in self._guarded:
                columns[index] = list(map(unguard, columns[index]))
        keys = None
        if not self.schema.primary_key:  # of an undo, those of the import
            of_job, places = (self._undo_of, map(int, columns[1])) if self._undo_of else (self._job_id, rows)
            keys = [f"{of_job}-{place:012d}" for place in places] if rows else []
        block = self._compiler.compile(
            columns,
            rows,
            partition=self.entity_uid,
            stamps=self.stamps(now),
            keys=keys,
            before=before,
            after=after,
        )
        if self._guarded and block.errors:
            _show_cells_as_they_stand(block.errors, self._guarded, rows, cells)
        return block

    def stamps(self, now: datetime) -> dict[str, str]:
        """The attributes that are written with every record, with their values as JSON.

        Args:
            now: the time of writing in a target table. In Waybill's own, all records of a job bear its `write_time`.
        """
        if self._own_table:
            at = epoch_milliseconds(self._write_time or now)
            return {"_at": f'{{"N":"{at}"}}', "_by": f'{{"S":"{self._job_id}"}}'}
        return {self._modified_attribute: f'{{"S":"{rfc3339(now)}"}}'} if self._modified_attribute else {}

    def _check_structure(
        self, parsed: Rows, rows: Sequence[int], skipped: Container[int], known: Container[int], has_marks: bool
    ) -> dict[int, list[RowError]]:
        """Errors of rows whose cells cannot be separated or do not match the header, by row number.

        Args:
            skipped: indexes of comments.
            known: numbers of rows that have an error already.
            has_marks: there are cells of a workbook that have no value.
        """
        errors: dict[int, list[RowError]] = {}
        uneven: dict[int, list[str]] = {}
        for index, (row, cells) in enumerate(zip(rows, parsed.cells, strict=False)):
            if index in skipped or row in known:
                continue
            if index in parsed.stray:
                message = _STRAY_IN_JSON_LINES if self._plan.format == "jsonl" else _STRAY
                errors[row] = [RowError.whole(row, "format-error", message)]
            elif (
                len(cells) != self._width
                or not any(cells[self._first_own_cell :])
                or (has_marks and any(no_value_message(cells[index]) for index in self._compiler.positions))
            ):
                uneven[row] = cells
        return errors | self._uneven(uneven)

    def _uneven(self, rows: Mapping[int, list[str]]) -> dict[int, list[RowError]]:
        """The errors of blank rows, and of rows with too few or too many cells or cells without a value, by row number.

        The errors of cells come first, then one for each missing or extra cell.
        """
        errors: dict[int, list[RowError]] = {row: [] for row in rows}
        filled = {row: cells for row, cells in rows.items() if any(cells[self._first_own_cell :])}
        for index, lane in self._lanes:
            name, present = lane.field.name, [row for row, cells in filled.items() if index < len(cells)]
            cells = [filled[row][index] for row in present]
            if len(cells) > FEW_CELLS:
                problems = lane.convert(lane.cleaned([self._unguarded(index, cell) for cell in cells])[0]).problems
            else:
                checked = (lane.field.check(self._unguarded(index, cell))[1] for cell in cells)
                problems = {at: found for at, found in enumerate(checked) if found}
            if name in self.schema.primary_key:
                keyless = (is_keyless(lane.field, self._unguarded(index, cell)) for cell in cells)
                problems |= {at: (MISSING_KEY,) for at, found in enumerate(keyless) if found}
            for at, cell in enumerate(cells if self._mark else ()):
                if message := no_value_message(cell):
                    problems[at] = (Problem("type-error", message),)
            for at, found in sorted(problems.items()):
                row = present[at]
                errors[row] += (RowError(row, index + 1, name, one.type, cells[at], one.message) for one in found)
        for row, whole in rows.items():
            errors[row] += self._uneven_errors(row, len(whole) if row in filled else 0, whole[self._width :])
        return errors

    def _uneven_errors(self, row: int, count: int, extra: Sequence[str]) -> list[RowError]:
        """What is wrong with a row that has `count` cells (0 where it is blank), `extra` ones beyond the header."""
        if not count:
            return [RowError.whole(row, "blank-row", "The row is blank.")]
        ends, only = "The row ends before this column.", f"The header has only {counted(self._width, 'column')}."
        missing = range(count, self._width)
        labels = [self._names.get(index, self._match.labels[index]) for index in missing]
        return [
            RowError(row, index + 1, label, "missing-cell", None, ends)
            for index, label in zip(missing, labels, strict=True)
        ] + [
            RowError(row, number, None, "extra-cell", cell, only) for number, cell in enumerate(extra, self._width + 1)
        ]

    @cached_property
    def _lanes(self) -> list[tuple[int, Lane]]:
        """The lanes for uneven rows; the compiler has none for columns that its shape does not need."""
        return [(index, make_column(field)) for index, field in self._match.columns]


def _with_null(schema: Schema, match: HeaderMatch, null: str) -> tuple[Schema, HeaderMatch]:
    """The same with one more missing value in every field."""
    fields = {
        field.name: field if null in field.missing else replace(field, missing_values=(*field.missing_values, null))
        for field in schema.fields
    }
    schema = replace(schema, fields=tuple(fields.values()))
    columns = tuple(column._replace(field=fields[column.field.name]) for column in match.columns)
    absent = tuple(fields[field.name] for field in match.absent)
    return schema, replace(match, columns=columns, absent=absent)


def _raws(data: bytes, unverified: Mapping[int, Unverified], others: Callable[[int], str]) -> Callable[[int], str]:
    """Returns a function that returns rows as in the file; unverified ones without cutting the segment."""

    def raw(row: int) -> str:
        one = unverified.get(row)
        return others(row) if one is None else data[one.start : one.end].decode()

    return raw


def _show_cells_as_they_stand(
    errors: Mapping[int, list[RowError]], columns: Sequence[int], rows: Sequence[int], cells: Sequence[Sequence[str]]
) -> None:
    """Put the file's own texts into the errors of columns whose cells were changed before they were checked."""
    changed = frozenset(columns)
    for row, found in errors.items():
        at = bisect_left(rows, row)
        found[:] = [
            error._replace(cell=cells[error.field_number - 1][at])
            if error.field_number is not None and error.field_number - 1 in changed
            else error
            for error in found
        ]


class _LazyRaws:
    """Returns rows of a segment as in the file; cuts the segment at the first call."""

    def __init__(self, segment: Segment, plan: ImportPlan, rows: Sequence[int]) -> None:
        self._segment, self._plan, self._rows = segment, plan, rows
        self._raws: list[str] | None = None

    def __call__(self, row: int) -> str:
        if self._raws is None:
            text = self._segment.data.decode(self._plan.text_encoding)
            self._raws = raw_records(self._segment, text, self._plan.dialect)
        return self._raws[bisect_left(self._rows, row)]
