"""Segments of a file → rows to write and rows to reject.

Structure first (blank rows, stray quotes, missing and extra cells), then cells and keys by the entity's compiled
schema. The load and the finish read rows through the same class, so that both see the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from waybill.entities.header import HeaderMatch
from waybill.entities.rows import MISSING_KEY, Block, compile_rows
from waybill.entities.schema import Schema
from waybill.imports.reports import RowError
from waybill.tabular.records import Rows, Segment, parse_columns, parse_rows, raw_records

if TYPE_CHECKING:
    from waybill.imports.plan import ImportPlan


@dataclass
class RowBlock:
    """What became of the rows of a segment. `rows` (numbers), `puts`, `keys` and `digests` run over the good ones;
    `rejected` holds each bad row as it stands in the file, with its errors, in file order."""

    rows: Sequence[int] = ()
    puts: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    digests: list[int] = field(default_factory=list)
    rejected: list[tuple[str, list[RowError]]] = field(default_factory=list)


class RowReader:
    """Reads the rows of one job."""

    def __init__(
        self, schema: Schema, match: HeaderMatch, plan: ImportPlan, entity_uid: str, job_id: str, table: str
    ) -> None:
        self.table = table
        self._schema = schema
        self._match = match
        self._plan = plan
        self._entity_uid = entity_uid
        self._job_id = job_id
        self._compiler = compile_rows(schema, match)
        self._width = len(match.labels)
        # The leading columns of a rejects file say nothing of the row itself.
        self._first_own_cell = 3 if plan.rejects_format.strip_columns else 0

    def read(self, segment: Segment, first_row: int, count: int, now: datetime) -> RowBlock:
        """Check the first `count` records of a segment, the first of which is row `first_row`.

        Args:
            now: stamped on the records as the time of writing.
        """
        text = segment.data.decode(self._plan.encoding)
        columns = parse_columns(segment, text, self._plan.dialect, self._width)
        if columns is not None and not self._first_own_cell:
            if count < segment.records:
                columns = [column[:count] for column in columns]
            rows = range(first_row, first_row + count)
            block = self._compile(columns, rows, now)
            errors = self._row_errors(block, rows)
        else:
            parsed = parse_rows(segment, text, self._plan.dialect)
            errors = self._check_structure(parsed, first_row, count)
            good = [index for index in range(count) if first_row + index not in errors]
            rows_left = [first_row + index for index in good]
            columns = [list(column) for column in zip(*(parsed.cells[index] for index in good), strict=True)]
            block = self._compile(columns, rows_left, now) if good else Block()
            errors |= self._row_errors(block, rows_left)
            rows = rows_left  # type: ignore[assignment]
        raws = raw_records(segment, text, self._plan.dialect) if errors else []
        return RowBlock(
            rows=[rows[index] for index in block.rows] if len(block.rows) < len(rows) else rows,
            puts=block.texts,
            keys=block.keys,
            digests=block.digests,
            rejected=[(raws[row - first_row], errors[row]) for row in sorted(errors)],
        )

    def raw_rows(self, segment: Segment, first_row: int, count: int) -> Iterable[tuple[int, str]]:
        """(row number, record as it stands in the file) of the first `count` records of a segment."""
        text = segment.data.decode(self._plan.encoding)
        return enumerate(raw_records(segment, text, self._plan.dialect)[:count], first_row)

    def _compile(self, columns: Sequence[Sequence[str]], rows: Sequence[int], now: datetime) -> Block:
        stamps = {"_at": f'{{"N":"{int(now.timestamp() * 1000)}"}}', "_by": f'{{"S":"{self._job_id}"}}'}
        keys = None if self._schema.primary_key else [f"{self._job_id}-{row:012d}" for row in rows]
        return self._compiler.compile_columns(columns, partition=self._entity_uid, stamps=stamps, keys=keys)

    def _row_errors(self, block: Block, rows: Sequence[int]) -> dict[int, list[RowError]]:
        errors: dict[int, list[RowError]] = {}
        for error in block.errors:
            row = rows[error.row]
            errors.setdefault(row, []).append(
                RowError(
                    row, error.field_number or None, error.field_name or None, error.type, error.cell, error.message
                )
            )
        return errors

    def _check_structure(self, parsed: Rows, first_row: int, count: int) -> dict[int, list[RowError]]:
        """Errors of rows whose cells cannot be told apart or do not fit the header, by row number."""
        errors: dict[int, list[RowError]] = {}
        for index, cells in enumerate(parsed.cells[:count]):
            row = first_row + index
            if index in parsed.stray:
                message = "A quote stands inside an unquoted cell, text after a closing quote, or a NUL in the row."
                errors[row] = [RowError(row, None, None, "format-error", None, message)]
            elif not any(cells[self._first_own_cell :]):
                errors[row] = [RowError(row, None, None, "blank-row", None, "The row is blank.")]
            elif len(cells) != self._width:
                errors[row] = self._ragged(row, cells)
        return errors

    def _ragged(self, row: int, cells: list[str]) -> list[RowError]:
        """A row with too few or too many cells: what is wrong with those it has, then each missing or extra one."""
        errors: list[RowError] = []
        for index, fld in self._match.columns:
            if index >= len(cells):
                continue
            name, cell = fld.name, cells[index]
            _, problems = fld.check(cell)
            if name in self._schema.primary_key and (cell in fld.missing or not cell.strip()):
                errors.append(RowError(row, index + 1, name, MISSING_KEY.type, cell, MISSING_KEY.message))
                continue
            errors += (RowError(row, index + 1, name, found.type, cell, found.message) for found in problems)
        for number in range(len(cells) + 1, self._width + 1):
            name = self._match.labels[number - 1]
            errors.append(RowError(row, number, name, "missing-cell", None, "The row ends before this column."))
        for number in range(self._width + 1, len(cells) + 1):
            message = f"The header has only {self._width} columns."
            errors.append(RowError(row, number, None, "extra-cell", cells[number - 1], message))
        return errors
