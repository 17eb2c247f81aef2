"""Workbooks as people and their programs write them: shapes of public bug reports with data that is made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import builders, workbooks
from tests.builders import ROOT
from tests.importing import records, rejected_types, rejects, run, start
from waybill.bootstrap import Services
from waybill.imports.error_log import error_page
from waybill.imports.job_files import rejects_key
from waybill.jobs.model import Job, Status

FILES = ROOT / "tests" / "stored" / "files"


def field(name: str, type: str = "string", **others: Any) -> dict[str, Any]:
    return {"name": name, "type": type, **others}


def import_file(services: Services, s3: Any, file: Path | tuple[str, bytes], *fields: Any, **entity: Any) -> Job:
    """Import a file into an entity of these fields, the first of which is the key."""
    schema = {"fields": list(fields), "primaryKey": [fields[0]["name"]]}
    services.entities.put(builders.entity("things", schema=schema, **entity))
    name, data = file if isinstance(file, tuple) else (file.name, file.read_bytes())
    return run(services, start(services, s3, data, key=f"drop/things/{name}"))


ID, N = field("id"), field("n", "integer")
#: file, fields, (imported, rejected), some values: by key, then by field.
CASES: list[tuple[str, list[Any], tuple[int, int], dict[str, dict[str, Any]]]] = [
    ("cols.xlsx", [ID, N], (2, 0), {"2": {"n": {"N": "2"}}}),
    ("empty_s2.xlsx", [ID, field("n", "number")], (1, 0), {"1": {"n": {"N": "7"}}}),
    ("formula.xlsx", [ID, N, field("sum", "integer")], (0, 2), {}),
    ("formula.xlsx", [ID, N, field("sum")], (0, 2), {}),
    ("nan.xlsx", [ID, field("n", "number")], (2, 1), {"3": {"n": {"N": "2.5"}}}),
    ("nan.xlsx", [ID, field("n")], (2, 1), {"1": {"n": {"S": "1.5"}}}),
    ("space.xlsx", [ID, field("n", "number")], (3, 0), {"2": {"n": {"N": "2.5"}}, "3": {"n": {"N": "3"}}}),
    ("backslash.xlsx", [ID, N], (1, 0), {"1": {"n": {"N": "7"}}}),
    ("zeroed.xlsx", [ID, field("d", "date")], (1, 0), {"1": {"d": {"S": "2023-03-15"}}}),
    ("hidden.xlsx", [ID, N], (1, 0), {"1": {"n": {"N": "7"}}}),
    ("chart.xlsx", [ID, N], (1, 0), {"1": {"n": {"N": "7"}}}),
    ("ds_store.zip", [ID, field("name")], (2, 0), {"1": {"name": {"S": "A"}}}),
    ("folder.zip", [ID, field("name")], (2, 0), {"2": {"name": {"S": "B"}}}),
    ("1904ext.xlsx", [field("k"), field("d", "date")], (1, 0), {"1": {"d": {"S": "2024-01-31"}}}),
]


@pytest.mark.parametrize(("name", "fields", "counts", "values"), CASES)
def test_a_workbook_is_read_as_a_person_reads_it(
    services: Services,
    s3: Any,
    name: str,
    fields: list[Any],
    counts: tuple[int, int],
    values: dict[str, dict[str, Any]],
) -> None:
    job = import_file(services, s3, FILES / name, *fields)
    assert (job.error_message, job.counts.imported, job.counts.rejected) == (None, *counts)
    stored = records(services)
    for key, expected in values.items():
        assert {member: stored[key].get(member) for member in expected} == expected


ODD = ["NaN", "1e400", "1_000", "abc", "INF", "0x10", "1,5"]


@pytest.mark.parametrize("type", ["number", "integer", "string", "date", "boolean", "any"])
def test_a_numeric_cell_that_is_no_number_is_the_error_of_its_row(services: Services, s3: Any, type: str) -> None:
    lines = [workbooks.row(workbooks.text(f"k{n}"), workbooks.number(text)) for n, text in enumerate(ODD)]
    data = workbooks.xlsx([workbooks.row(workbooks.text("id"), workbooks.text("n")), *lines])
    job = import_file(services, s3, ("odd.xlsx", data), ID, field("n", type))
    assert (job.counts.imported, rejected_types(services, job)) == (0, dict.fromkeys(range(2, 9), "type-error"))
    shown = [row[4].removeprefix("\u241a") for row in rejects(services, job)[1:]]
    assert shown == ODD


def test_odd_cells_are_nothing_in_a_column_that_no_field_needs(services: Services, s3: Any) -> None:
    lines = [workbooks.row(*map(workbooks.text, ("id", "other", "n")))]
    for n, odd in enumerate([*map(workbooks.number, ODD), "<c><f>A1</f></c>", '<c t="b"><v>maybe</v></c>']):
        lines.append(workbooks.row(workbooks.text(str(n)), odd, workbooks.number(n)))
    schema = {"fields": [ID, N], "primaryKey": ["id"], "fieldsMatch": "subset"}
    services.entities.put(builders.entity("things", schema=schema))
    job = run(services, start(services, s3, workbooks.xlsx(lines), key="drop/things/x.xlsx"))
    assert (job.counts.imported, job.counts.rejected) == (9, 0)


def test_a_formula_that_was_never_calculated_says_so_also_when_it_is_sent_again(services: Services, s3: Any) -> None:
    header = workbooks.row(*map(workbooks.text, ("id", "n")))
    lines = [
        workbooks.row(workbooks.text("a"), "<c><f>1+1</f></c>"),
        workbooks.row(workbooks.text("b"), '<c t="str"><f>T("")</f><v></v></c>'),
        workbooks.row(workbooks.text("c"), '<c><f t="shared" si="0"/><v> </v></c>'),
        workbooks.row(workbooks.text("d"), "<c><f>2+2</f><v>4</v></c>"),
    ]
    job = import_file(services, s3, ("f.xlsx", workbooks.xlsx([header, *lines])), ID, field("n"))
    assert rejected_types(services, job) == {2: "type-error", 4: "type-error"}
    assert sorted(records(services)) == ["b", "d"]
    assert "no saved value" in rejects(services, job)[1][2]
    text = services.files.read(services.settings.files_bucket, rejects_key(job.job_id)).decode()
    again = run(services, start(services, s3, text.encode(), key="drop/things/again.csv"))
    assert rejected_types(services, again) == {2: "type-error", 4: "type-error"}
    fixed = text.replace("\u241a=1+1", "2")
    again = run(services, start(services, s3, fixed.encode(), key="drop/things/fixed.csv"))
    assert (again.counts.imported, records(services)["a"]["n"]) == (1, {"S": "2"})


def test_deleting_by_key_needs_no_other_cell(services: Services, s3: Any) -> None:
    schema = {"fields": [ID, N], "primaryKey": ["id"]}
    services.entities.put(builders.entity("things", schema=schema))
    run(services, start(services, s3, b"id,n\n1,1\n", key="drop/things/a.csv"))
    lines = [workbooks.row(workbooks.text("id"), workbooks.text("n"))]
    lines.append(workbooks.row(workbooks.text("1"), "<c><f>A1</f></c>"))
    job = run(services, start(services, s3, workbooks.xlsx(lines), key="drop/things/d.xlsx", mode="delete"))
    assert (job.counts.imported, job.counts.rejected) == (1, 0)


def book(sheets: dict[str, list[list[Any]]], **others: Any) -> tuple[str, bytes]:
    def cell(value: Any) -> str:
        return "<c/>" if value is None else workbooks.text(value) if isinstance(value, str) else workbooks.number(value)

    lines = {name: [workbooks.row(*map(cell, row)) for row in rows] for name, rows in sheets.items()}
    return "book.xlsx", workbooks.xlsx(lines, **others)


def warnings_of(job: Job) -> list[str]:
    return [warning["code"] for warning in job.warnings]


GOOD = [["id", "n"], ["a", 1]]
OTHER = [["id", "n"], ["b", 2]]
NOTES = [["Notes"], ["nothing"]]


@pytest.mark.parametrize(
    ("sheets", "hidden", "read", "is_told"),
    [
        ({"A": GOOD}, [], "A", False),
        ({"A": GOOD, "Empty": []}, [], "A", False),
        ({"A": GOOD, "Notes": NOTES}, [], "A", False),
        ({"Notes": NOTES, "A": GOOD}, [], "A", True),
        ({"Empty": [], "A": GOOD}, [], "A", True),
        ({"A": GOOD, "B": OTHER}, [], "A", True),
        ({"B": OTHER, "A": GOOD}, ["B"], "A", True),
        ({"A": GOOD, "B": OTHER}, ["B"], "A", True),
        ({"B": OTHER, "A": GOOD}, ["B", "A"], "B", True),
    ],
)  # fmt: skip
def test_the_first_visible_sheet_whose_header_fits_is_read_and_told(
    services: Services, s3: Any, sheets: dict[str, Any], hidden: list[str], read: str, is_told: bool
) -> None:
    job = import_file(services, s3, book(sheets, hidden=hidden), ID, N)
    assert (job.counts.imported, (job.detected or {})["sheet"]) == (1, read)
    assert warnings_of(job) == (["sheet-chosen"] if is_told else [])
    assert sorted(records(services)) == [read.lower()]


def test_without_a_sheet_that_fits_the_first_one_with_content_says_what_is_wrong(services: Services, s3: Any) -> None:
    job = import_file(services, s3, book({"Empty": [], "Notes": NOTES, "More": [["x"]]}), ID, N)
    assert (job.error_code, (job.detected or {})["sheet"]) == ("missing-label", "Notes")


MARCH = [["id", "n", "remark"], ["a", 1, "x"], None, ["b", "bad", "y"]]
MAY = [["id", "n"], ["e", 5]]


@pytest.mark.parametrize("names", [["March", "April"], "*"])
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
def test_several_sheets_are_one_import_and_rows_are_told_by_sheet(
    services: Services, s3: Any, names: Any, chunk_bytes: int
) -> None:
    object.__setattr__(services.settings, "chunk_bytes", chunk_bytes)
    april = [["n", "remark", "other", "id"], [3, "z", "o", "c"], ["worse", "w", "o", "d"], [1, "w", "o", "a"]]
    march = [row or [] for row in MARCH]
    sheets = {"March": march, "Notes": NOTES, "April": april, "Empty": []}
    schema = {"fields": [ID, N], "primaryKey": ["id"], "fieldsMatch": "subset"}
    services.entities.put(builders.entity("things", schema=schema, dialect={"sheetName": names}))
    name, data = book(sheets)
    job = run(services, start(services, s3, data, key=f"drop/things/{name}"))
    assert (job.error_message, job.counts.total, job.counts.imported, job.counts.rejected) == (None, 6, 2, 4)
    stored = records(services)
    assert {key: item["n"]["N"] for key, item in stored.items()} == {"a": "1", "c": "3"}
    assert (job.detected or {})["sheets"] == [{"name": "March", "firstRow": 1}, {"name": "April", "firstRow": 5}]
    assert warnings_of(job) == (["sheet-chosen"] if names == "*" else [])
    lines = {row[0]: row[1:] for row in rejects(services, job)[1:]}
    assert {row: line[0] for row, line in lines.items()} == {
        "2": "duplicate-key", "3": "blank-row", "4": "type-error", "7": "type-error",
    }  # fmt: skip
    assert lines["4"][1].startswith('n: Sheet "March", row 4: ')
    assert lines["7"][1].startswith('n: Sheet "April", row 3: ')
    assert lines["7"][2:] == ["d", "worse", "w"]
    items, _, _ = error_page(services.files, services.settings.files_bucket, job, 10, None)
    assert all(item["message"].startswith('Sheet "') for item in items)


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["March", "May"], "incorrect-label"),
        (["March", "Notes"], "extra-label"),
        (["March", "June"], "source-error"),
        ("June", "source-error"),
        (["Notes", "March"], "extra-label"),
    ],
)
def test_sheets_that_do_not_belong_together_are_refused(services: Services, s3: Any, names: Any, code: str) -> None:
    sheets = {"March": [["id", "n", "m"], ["a", 1, 2]], "May": MAY, "Notes": NOTES}
    schema = {"fields": [ID, N, field("m", "integer")], "primaryKey": ["id"], "fieldsMatch": "superset"}
    services.entities.put(builders.entity("things", schema=schema, dialect={"sheetName": names}))
    name, data = book(sheets)
    job = run(services, start(services, s3, data, key=f"drop/things/{name}"))
    assert (job.status, job.error_code) == (Status.FAILED, code)


@pytest.mark.parametrize("kind", ["date", "string", "any", "number", "duration", "time"])
def test_xls_and_xlsx_of_the_same_cells_make_the_same_records(services: Services, s3: Any, kind: str) -> None:
    found = []
    for name in ("fmt.xlsx", "fmt.xls"):
        job = import_file(services, s3, FILES / name, field("k"), field("v", kind))
        values = {key: {n: v for n, v in item.items() if n[0] != "_"} for key, item in records(services).items()}
        assert job.status is Status.COMPLETED and job.counts.imported
        found.append((job.counts, rejects(services, job) if job.counts.rejected else None, values))
    assert found[0] == found[1]
    if kind == "date":
        assert sorted(found[0][2]) == ["45000 [$-409]d-mmm-yy", "45000 mmm-yy"]
    if kind == "string":
        assert found[0][2]["1234 00000"]["v"] == {"S": "01234"}


def test_white_space_and_times_of_ods(services: Services, s3: Any) -> None:
    import_file(services, s3, FILES / "tab.ods", field("k"), field("v"))
    assert records(services)["1"]["v"] == {"S": "c\td\ne"}
    import_file(services, s3, FILES / "times.ods", field("k"), field("v", "duration"))
    stored = records(services)
    assert [stored[f"r{n}"]["v"]["S"] for n in (0, 1, 3, 6)] == ["PT37800S", "PT90000S", "-PT3600S", "PT86400S"]


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (workbooks.xls([["id", "n"]], is_protected=True), "format-error", "protected with a password"),
        (workbooks.ods_of("", manifest="<manifest:encryption-data/>"), "format-error", "protected with a password"),
        (workbooks.xls([["id", "n"]])[:3000], "format-error", "damaged"),
        (b"MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n", "format-error", "MHTML"),
        (b"\xef\xbb\xbf<html><body><table>", "format-error", "HTML"),
        (b"\x09\x04\x06\x00\x00\x00\x10\x00\x00\x00", "format-error", "Excel 4"),
        (b"%PDF-1.7 x", "format-error", "PDF"),
        (workbooks.compound({"WordDocument": b"x"}), "format-error", "another kind of document"),
    ],
)  # fmt: skip
def test_a_file_named_xls_that_cannot_be_read_says_what_it_is(
    services: Services, s3: Any, data: bytes, code: str, words: str
) -> None:
    job = import_file(services, s3, ("book.xls", data), ID, N)
    assert (job.status, job.error_code) == (Status.FAILED, code)
    assert words in str(job.error_message)
