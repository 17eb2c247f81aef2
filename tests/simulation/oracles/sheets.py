"""Sources and results as a person reads them, without the product's code for rows.

`Sheet` reads their rows, and `Fold` knows what each mode does to a table.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

Record = dict[str, str]
#: The entity of every history: what a person needs to tell good rows from bad ones without the product.
SCHEMA: dict[str, Any] = {
    "fields": [
        {"name": "id", "type": "string", "constraints": {"required": True}},
        {"name": "n", "type": "integer"},
        {"name": "note", "type": "string"},
    ],
    "primaryKey": ["id"],
    "fieldsMatch": "subset",
}
#: That of some histories: the note of a row names a record of its own entity.
NAMING_SCHEMA = SCHEMA | {"foreignKeys": [{"fields": "note", "reference": {"resource": "", "fields": "id"}}]}
FIELDS = [field["name"] for field in SCHEMA["fields"]]


class Row(NamedTuple):
    number: int
    cells: dict[str, str]

    def problem(self, mode: str) -> str | None:
        """The type of its leftmost error, for a row of SCHEMA; a deletion reads only the key."""
        if not any(self.cells.values()):
            return "blank-row"
        if not self.cells.get("id"):
            return "missing-key"
        number = self.cells.get("n", "")
        if mode != "delete" and number and not number.removeprefix("-").isdecimal():
            return "type-error"
        return None


class Sheet:
    """A CSV of SCHEMA. Where it has a column `_row`, its rows bear those numbers: rejects, and files made of them."""

    def __init__(self, data: bytes) -> None:
        lines = list(csv.reader(io.StringIO(data.decode(), newline="")))
        self.header = lines[0] if lines else []
        self.columns = [name for name in self.header if name in FIELDS]
        while len(lines) > 1 and not any(lines[-1]):  # blank rows behind the last row do not count
            lines.pop()
        self.rows: list[Row] = []
        self.types: dict[int, str] = {}
        for number, line in enumerate(lines[1:], 2):
            cells = dict(zip(self.header, line, strict=False))
            number = int(cells.get("_row") or number)
            self.types[number] = cells.get("_type", "")
            self.rows.append(Row(number, {name: cells.get(name, "") for name in self.columns}))

    @property
    def is_importable(self) -> bool:
        return bool(self.rows) and set(self.header) <= {*FIELDS, "_row", "_type", "_reason"}

    @cached_property
    def numbers(self) -> list[int]:
        return [row.number for row in self.rows]

    @cached_property
    def by_number(self) -> dict[int, Row]:
        return {row.number: row for row in self.rows}


class Fold:
    """An entity's table as its imports make it, one after the other, and what each of them found.

    Attributes:
        writers: of each key the imports that wrote its record and were not undone, with what each found.
        undone: of each key whose last write put back what an import had found, that import.
    """

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.writers: dict[str, list[tuple[str, Record | None]]] = defaultdict(list)
        self.undone: dict[str, str] = {}

    def note(self, job_id: str, key: str) -> None:
        """A job is about to write a record."""
        if not (self.writers[key] and self.writers[key][-1][0] == job_id):
            self.writers[key].append((job_id, self.records.get(key)))
        self.undone.pop(key, None)

    def stands(self, job_id: str, key: str) -> bool:
        """Whether the record is as an import left it, or an undo of it that did not come to its end."""
        writers = self.writers[key]
        return self.undone.get(key) == job_id or (bool(writers) and writers[-1][0] == job_id)

    def undo(self, job_id: str, key: str) -> None:
        if self.undone.get(key) != job_id:
            _, before = self.writers[key].pop()
            self.set(key, before)
            self.undone[key] = job_id

    def set(self, key: str, record: Record | None) -> None:
        if record is None:
            self.records.pop(key, None)
        else:
            self.records[key] = record

    def apply(self, mode: str, columns: list[str], rows: list[Row], blanks: str = "clear", job_id: str = "") -> None:
        for row in rows:
            key = row.cells["id"]
            self.note(job_id, key)
            if mode == "delete":
                self.records.pop(key, None)
                continue
            old = self.records.get(key, {}) if mode in ("update", "merge") else {}
            kept = {name: value for name, value in old.items() if name not in columns or blanks == "keep"}
            self.records[key] = kept | {name: value for name, value in row.cells.items() if value}


def expected_rejects(
    mode: str, sheet: Sheet, before: Mapping[str, Record], names_records: bool = False
) -> dict[int, str]:
    """Row number → type for each row that an undisturbed import rejects (contract, section 4, *Keys in a file*).

    Args:
        names_records: the entity has NAMING_SCHEMA.
    """
    problems = {row.number: row.problem(mode) for row in sheet.rows}
    rejects = {number: problem for number, problem in problems.items() if problem is not None}
    valid = [row for row in sheet.rows if row.number not in rejects]
    dangling = naming_nothing(mode, valid, before) if names_records and mode != "delete" else set()
    last = {row.cells["id"]: row.number for row in valid if row.number not in dangling}
    for row in valid:
        key = row.cells["id"]
        if row.number < last.get(key, 0):
            rejects[row.number] = "duplicate-key"
        elif mode == "insert" and key in before:
            rejects[row.number] = "exists"
        elif mode in ("update", "delete") and key not in before:
            rejects[row.number] = "not-found"
        elif row.number in dangling:
            rejects[row.number] = "foreign-key"
    return rejects


def naming_nothing(mode: str, rows: list[Row], before: Mapping[str, Record]) -> set[int]:
    """Of these rows of NAMING_SCHEMA, those whose note is no key: neither of a record nor of a row that is imported."""
    dangling: set[int] = set()
    while True:
        there = {row.cells["id"] for row in rows if row.number not in dangling and mode != "update"} | before.keys()
        found = {row.number for row in rows if row.cells.get("note") and row.cells["note"] not in there}
        if found == dangling:
            return dangling
        dangling = found
