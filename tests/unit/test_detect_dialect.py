"""Files as people have them: dialects and headers that nobody declared, and what a job tells of them."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple

import pytest

from tests.bench.pollution import attempt, is_silently_wrong, polluted, score, waybill
from tests.scanning import ScannedFile, scan_file
from waybill.entities.expected import ExpectedTable
from waybill.entities.header import match_header
from waybill.entities.schema import Schema, parse_schema
from waybill.tabular.records import parse_rows, segments

TEXT = {"type": "string"}
NUMBER = {"type": "number", "decimalChar": ","}


def schema_of(fields: Mapping[str, Mapping[str, Any]], fields_match: str = "exact") -> dict[str, Any]:
    """A schema whose key is its first field."""
    return {
        "fields": [{"name": name, **field} for name, field in fields.items()],
        "primaryKey": [next(iter(fields))],
        "fieldsMatch": fields_match,
    }


class Case(NamedTuple):
    """A file, its entity's fields, and what becomes of it: cells by key and field, rejected rows, codes of warnings."""

    text: str
    fields: Mapping[str, Mapping[str, Any]]
    records: Mapping[str, Mapping[str, Any]]
    rejected: Collection[int] = frozenset()
    warnings: tuple[str, ...] = ()
    detected: Mapping[str, Any] = {}
    declared: Mapping[str, Any] = {}
    fields_match: str = "exact"


PERSON = {"id": TEXT, "name": TEXT}
CASES = {
    "semicolons, decimal commas, a comma in a label, a balance": Case(
        "Buchung;Name, Vorname;Betrag\n01.02.24;A;1,50\n02.02.24;B, C;2,50\nSaldo;7,50\n",
        {"Buchung": TEXT, "Name, Vorname": TEXT, "Betrag": NUMBER},
        {"01.02.24": {"Betrag": "1.50"}, "02.02.24": {"Name, Vorname": "B, C", "Betrag": "2.50"}},
        {4},
        detected={"delimiter": ";", "headerRow": 1},
    ),
    "a cell of nothing but a space, which tells nothing of the others": Case(
        "id,name\n1, \n", PERSON, {"1": {"name": " "}}, detected={"skip_initial_space": False}
    ),
    "ragged semicolons, one comma in each line": Case(
        "Date, posted;Order;State;\n" + "".join(f"March {n}, 2024;{n};pending;\n" for n in range(1, 6)),
        {"Order": TEXT, "Date, posted": TEXT, "State": TEXT},
        {"1": {"Date, posted": "March 1, 2024"}, "5": {}, "2": {}, "3": {}, "4": {}},
        fields_match="subset",
    ),
    "single quotes": Case(
        "'id','name'\n'1','O''Brien, Pat'\n'2','say \"hi\"'\n",
        PERSON,
        {"1": {"name": "O'Brien, Pat"}, "2": {"name": 'say "hi"'}},
        detected={"quote_char": "'"},
    ),
    "single quotes where a cell needs them": Case(
        "id,name\n1,'O, x'\n2,Ann\n", PERSON, {"1": {"name": "O, x"}, "2": {"name": "Ann"}}
    ),
    "single quotes around every cell of a column": Case(
        "id,name\n1,'Ann'\n2,'Bob'\n3,'Cyd'\n",
        PERSON,
        {"1": {"name": "Ann"}, "2": {"name": "Bob"}, "3": {"name": "Cyd"}},
    ),
    "one cell in single quotes": Case(
        "id,name\n1,'Ann'\n", PERSON, {"1": {"name": "Ann"}}, warnings=("dialect-guessed",)
    ),
    "apostrophes": Case(
        "id,name\n1,'tis\n2,rock 'n' roll\n3,'quoted'\n",
        PERSON,
        {"1": {"name": "'tis"}, "2": {"name": "rock 'n' roll"}, "3": {"name": "'quoted'"}},
    ),
    "spaces after commas, with quotes": Case(
        'id, name\n1, "Lee, Ann"\n2, Bob\n',
        PERSON,
        {"1": {"name": "Lee, Ann"}, "2": {"name": "Bob"}},
        warnings=("dialect-guessed",),
        detected={"skip_initial_space": True},
    ),
    "spaces after all commas": Case(
        "id, name\n1, Ann\n2, Bob\n",
        PERSON,
        {"1": {"name": "Ann"}, "2": {"name": "Bob"}},
        warnings=("dialect-guessed",),
    ),
    "a space after some commas": Case(
        "id,name\n1, Ann\n2,Bob\n", PERSON, {"1": {"name": " Ann"}, "2": {"name": "Bob"}}
    ),
    "backslashes before quotes": Case(
        'id,name\n1,"say \\"hi\\", Ann"\n2,"a\\\\b"\n',
        PERSON,
        {"1": {"name": 'say "hi", Ann'}, "2": {"name": "a\\b"}},
        warnings=("dialect-guessed",),
        detected={"escape_char": "\\"},
    ),
    "backslashes that are no escapes": Case(
        'id,name\n1,"C:\\dir\\"\n2,C:\\temp\n', PERSON, {"1": {"name": "C:\\dir\\"}, "2": {"name": "C:\\temp"}}
    ),
    "one column that holds a rare delimiter": Case("a#b\n1#2\n3#4\n", {"a#b": TEXT}, {"1#2": {}, "3#4": {}}),
    "one column that holds commas": Case(
        "name\nLee, Ann\nRoy, Bob\n", {"name": TEXT}, {"Lee, Ann": {}, "Roy, Bob": {}}
    ),
    "one column of amounts": Case("amount\n1,50\n2,50\n", {"amount": TEXT}, {"1,50": {}, "2,50": {}}),
    "spaces between columns": Case(
        "id name\n1 Ann\n2 Bob\n", PERSON, {"1": {"name": "Ann"}, "2": {"name": "Bob"}}, detected={"delimiter": " "}
    ),
    "sep= with the delimiter that is declared": Case(
        "sep=;\r\nid;name\r\n1;A\r\n",
        PERSON,
        {"1": {"name": "A"}},
        declared={"delimiter": ";"},
        detected={"headerRow": 2},
    ),
    "sep= and a header that is declared to be the first row": Case(
        "sep=;\r\nid;name\r\n1;A\r\n",
        PERSON,
        {"1": {"name": "A"}},
        declared={"headerRows": [1]},
        detected={"headerRow": 2},
    ),
    "sep= and no header": Case("sep=;\n1;A\n", PERSON, {"1": {"name": "A"}}, declared={"header": False}),
    "sep= of a table that was saved again": Case("sep=;;\nid;name\n1;A\n", PERSON, {"1": {"name": "A"}}),
    "a preamble": Case(
        "Account: 123\nPeriod;2024\n\nid;name\n1;A\n2;B\n",
        PERSON,
        {"1": {"name": "A"}, "2": {"name": "B"}},
        warnings=("header-row-guessed",),
        detected={"headerRow": 4, "delimiter": ";"},
    ),
    "a blank row above the header": Case(
        "\nid,name\n1,A\n", PERSON, {"1": {"name": "A"}}, warnings=("header-row-guessed",), detected={"headerRow": 2}
    ),
    "a title that is a field's name": Case(
        "Order\n\nOrder,Amount\n1,A\n",
        {"Order": TEXT, "Amount": TEXT},
        {"1": {"Amount": "A"}},
        warnings=("header-row-guessed",),
        fields_match="partial",
    ),
    "no header, and two delimiters that fit": Case(
        "x;y,z\n", PERSON, {"x;y": {"name": "z"}}, warnings=("dialect-guessed",), declared={"header": False}
    ),
    "no header, decimal commas": Case(
        "1;2,5\n2;3,5\n", {"id": TEXT, "n": NUMBER}, {"1": {"n": "2.5"}, "2": {"n": "3.5"}}, declared={"header": False}
    ),
    "what is declared is not detected": Case(
        "id,name\n1,'Ann'\n2, Bob\n",
        PERSON,
        {"1": {"name": "'Ann'"}, "2": {"name": " Bob"}},
        declared={"quoteChar": '"', "skipInitialSpace": False},
    ),
}


def read(data: bytes, schema: Schema, declared: Mapping[str, Any]) -> tuple[ScannedFile, dict[int, list[str]]]:
    """The file as it is scanned, and its rows by number."""
    names = [field.name for field in schema.fields]
    expected = ExpectedTable(schema, {}, partial(match_header, schema))
    found = scan_file(io.BytesIO(data), declared, None, 1 << 20, names, expected)
    rows: dict[int, list[str]] = {}
    for chunk in found.chunks:
        row = chunk.first_row
        for segment in segments(io.BytesIO(data[chunk.start : chunk.end]), found.dialect):
            parsed = parse_rows(segment, segment.data.decode(), found.dialect)
            rows |= {row + i: [] if i in parsed.stray else cells for i, cells in enumerate(parsed.cells)}
            row += segment.records
    return found, {row: rows[row] for chunk in found.chunks for row in chunk.data_rows()}


@pytest.mark.parametrize("name", CASES)
def test_a_file_is_read_as_its_entity_expects_it(name: str) -> None:
    case = CASES[name]
    schema = parse_schema(schema_of(case.fields, case.fields_match))
    found, rows = read(case.text.encode(), schema, case.declared)
    columns = match_header(schema, found.labels).columns
    whole = {row: cells for row, cells in rows.items() if len(cells) == len(found.labels)}
    values = [{field.name: field.check(cells[at]) for at, field in columns} for cells in whole.values()]
    assert not any(problems for row in values for _, problems in row.values())
    key = schema.primary_key[0]
    shown = {str(row[key][0]): {name: str(value) for name, (value, _) in row.items()} for row in values}
    assert shown.keys() == case.records.keys()
    assert {key: {name: shown[key][name] for name in wanted} for key, wanted in case.records.items()} == case.records
    assert rows.keys() - whole.keys() == case.rejected
    assert tuple(found.warnings) == case.warnings
    detected = {**asdict(found.dialect), **found.detected}
    assert {member: detected[member] for member in case.detected} == case.detected


def test_polluted_files_are_read_as_well_as_documented_and_never_wrong_unsaid() -> None:
    files = [(file, attempt(waybill, file)) for file in polluted()]
    assert [file.name for file, read in files if is_silently_wrong(file, read)] == []
    assert sum(score(file, read) for file, read in files) / len(files) > 9.6
