"""Records as DynamoDB gives them → bytes of an export file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from waybill.entities.fields import Field
from waybill.entities.model import Entity
from waybill.entities.rows import attribute_name
from waybill.entities.schema import parse_schema
from waybill.exports.definition import Definition
from waybill.tabular.formulas import GUARDED_TYPES, guard

Item = Mapping[str, Mapping[str, Any]]


class Output(Protocol):
    def write(self, data: bytes, /) -> object: ...


class _Column(NamedTuple):
    attribute: str
    to_cell: Callable[[Mapping[str, Any]], str]
    null: str
    guarded: bool


class CsvWriter:
    """Writes a header and then records as CSV (RFC 4180, UTF-8), in the definition's fields and order."""

    def __init__(self, output: Output, entity: Entity, definition: Definition) -> None:
        schema = parse_schema(entity.schema)
        names = definition.fields or [field.name for field in schema.fields]
        self._columns = [_column(schema.by_name[name], definition.escape_formulas) for name in names]
        self._output = output
        self._options = {
            "delimiter": definition.delimiter,
            "quotechar": definition.quote_char,
            "lineterminator": definition.line_terminator,
        }
        if definition.header:
            self._write_rows([list(names)])

    def write(self, items: Sequence[Item]) -> int:
        """Write one row per record.

        Returns:
            The number of rows written.
        """
        self._write_rows([self._row(item) for item in items])
        return len(items)

    def _row(self, item: Item) -> list[str]:
        cells = []
        for attribute, to_cell, null, guarded in self._columns:
            value = item.get(attribute)
            cell = null if value is None else to_cell(value)
            cells.append(guard(cell) if guarded and value is not None else cell)
        return cells

    def _write_rows(self, rows: Sequence[Sequence[str]]) -> None:
        out = io.StringIO(newline="")
        writer = csv.writer(out, **self._options)  # type: ignore[arg-type]
        careful = csv.writer(out, quoting=csv.QUOTE_ALL, **self._options)  # type: ignore[arg-type]
        for row in rows:
            # With a line end of LF alone, the csv module would leave a cell with a CR unquoted.
            (careful if any("\r" in cell for cell in row) else writer).writerow(row)
        self._output.write(out.getvalue().encode())


def _column(field: Field, escape_formulas: bool) -> _Column:
    null = field.missing_values[0] if field.missing_values else ""
    return _Column(
        attribute_name(field), field.kind.to_cell, null, escape_formulas and field.type in GUARDED_TYPES
    )
