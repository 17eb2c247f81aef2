"""Files of every kind from the drop to the last record: what is stored, what is rejected, what the job says."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from tests import builders, workbooks
from tests.importing import records, rejected_types, rejects, run, start
from waybill.bootstrap import Services
from waybill.imports.finish import finish_import
from waybill.imports.job_files import converted_key, rejects_key
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.jobs.model import Job, Status

HEADER = ["contact_id", "email", "spend", "joined", "vip"]
ROWS = [
    ["0001", "a@example.com", "7.5", "2026-01-31", "yes"],
    ["0002", "caf\u00e9@example.com", "x", "2026-01-31", "no"],
    [],
    ["0003", "c@example.com", "1", "2026-02-31", "no"],
    ["0004", "d@example.com", "", "", ""],
]
GOOD, BAD = ["0001", "0004"], {3: "type-error", 4: "blank-row", 5: "type-error"}


def table(delimiter: str = ",", line_break: str = "\r\n") -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=line_break).writerows([HEADER, *ROWS])
    return out.getvalue()


def json_lines() -> str:
    return "".join("\n" if not row else json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in ROWS)


def sheet() -> list[list[str]]:
    return [HEADER, *ROWS]


def xlsx() -> bytes:
    return workbooks.xlsx(
        workbooks.row(*(workbooks.text(cell) if cell else "<c/>" for cell in cells)) for cells in sheet()
    )


def parquet() -> bytes:
    output = io.BytesIO()
    columns = zip(*(row or [None] * len(HEADER) for row in ROWS), strict=True)
    write_table(pa.table({name: [*cells] for name, cells in zip(HEADER, columns, strict=True)}), output)
    return output.getvalue()


FILES: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "csv": ("c.csv", table().encode(), {"encoding": "utf-8", "delimiter": ","}),
    "bom": ("c.csv", table().encode("utf-8-sig"), {"encoding": "utf-8", "bom": True}),
    "semicolon in cp1252": ("c.txt", table(";").encode("cp1252"), {"encoding": "cp1252", "delimiter": ";"}),
    "tab, CR alone": ("c", table("\t", "\r").encode(), {"delimiter": "\t"}),
    "utf-16": ("c.csv", table().encode("utf-16"), {"encoding": "utf-16-le", "bom": True}),
    "utf-16-be": ("c.csv", table("|").encode("utf-16-be"), {"encoding": "utf-16-be", "bom": False, "delimiter": "|"}),
    "utf-32": ("c.csv", table().encode("utf-32"), {"encoding": "utf-32-le", "bom": True}),
    "gzip": ("c.csv.gz", gzip.compress(table().encode()), {"compression": "gzip", "encoding": "utf-8"}),
    "gzip of utf-16": (
        "c.gz",
        gzip.compress(table().encode("utf-16")),
        {"compression": "gzip", "encoding": "utf-16-le"},
    ),
    "zip": ("c.zip", workbooks.zipped({"c.csv": table()}), {"compression": "zip", "delimiter": ","}),
    "zip named csv": ("c.csv", workbooks.zipped({"c.csv": table(), "__MACOSX/._c.csv": b"\0"}), {"compression": "zip"}),
    "zip of a folder": (
        "c.zip",
        workbooks.zipped({"out/c.csv": table(), "out/.DS_Store": "x"}),
        {"compression": "zip", "entry": "out/c.csv"},
    ),
    "parquet": ("c.parquet", parquet(), {"format": "parquet", "headerRow": 1, "encoding": None}),
    "parquet in zip": ("c.zip", workbooks.zipped({"c": parquet()}), {"format": "parquet", "compression": "zip"}),
    "xlsx in gzip": ("c.xlsx.gz", gzip.compress(xlsx()), {"format": "xlsx", "compression": "gzip", "sheet": "Sheet1"}),
    "xlsx in zip": ("c.zip", workbooks.zipped({"c.xlsx": xlsx()}), {"format": "xlsx", "compression": "zip"}),
    "ods in zip": ("c.zip", workbooks.zipped({"c.ods": workbooks.ods(sheet())}), {"format": "ods"}),
    "xls in gzip": ("c.gz", gzip.compress(workbooks.xls(sheet())), {"format": "xls", "compression": "gzip"}),
    "xlsx": ("c.xlsx", xlsx(), {"format": "xlsx", "sheet": "Sheet1", "delimiter": None}),
    "xls": ("c.xls", workbooks.xls(sheet()), {"format": "xls", "sheet": "Old"}),
    "xlsb": ("c.xlsb", workbooks.xlsb(sheet()), {"format": "xlsb", "sheet": "Binary"}),
    "ods": ("c.ods", workbooks.ods(sheet()), {"format": "ods", "sheet": "Tabelle"}),
}
JSON_FILES: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "jsonl": ("c.jsonl", json_lines().encode(), {"format": "jsonl", "headerRow": None}),
    "jsonl of another name": ("c.csv", json_lines().encode(), {"format": "jsonl"}),
    "jsonl in gzip": ("c.gz", gzip.compress(json_lines().encode()), {"format": "jsonl", "compression": "gzip"}),
    "jsonl in utf-16": ("c.jsonl", json_lines().replace("\\u00e9", "\u00e9").encode("utf-16"), {"format": "jsonl"}),
}


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


def check(services: Services, s3: Any, name: str, data: bytes, detected: dict[str, Any], first_row: int) -> Job:
    job = run(services, start(services, s3, data, key=f"drop/contacts/{name}"))
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert (job.counts.total, job.counts.imported, job.counts.rejected) == (5, 2, 3)
    assert sorted(records(services)) == GOOD
    assert records(services)["0001"] == {
        "_pk": records(services)["0001"]["_pk"],
        "_sk": {"S": "0001"},
        "contact_id": {"S": "0001"},
        "email": {"S": "a@example.com"},
        "spend": {"N": "7.5"},
        "joined": {"S": "2026-01-31"},
        "vip": {"BOOL": True},
    }
    assert job.detected is not None
    assert {member: job.detected[member] for member in detected} == detected
    return job


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_any_kind_is_imported_and_its_rejects_import_again(services: Services, s3: Any, kind: str) -> None:
    name, data, detected = FILES[kind]
    job = check(services, s3, name, data, {"headerRow": 1, **detected}, 2)
    content = services.files.read(services.settings.files_bucket, rejects_key(job.job_id))
    shown = job.detected or {}
    text = content.decode(shown["encoding"] or "utf-8")
    assert text.startswith("\ufeff") is shown["bom"]
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=shown["delimiter"] or ","))
    assert rows[0] == ["_row", "_type", "_reason", *HEADER]
    assert {int(row[0]): row[1] for row in rows[1:]} == BAD
    assert [row[3:] for row in rows[1:]] == [ROWS[1], [""], ROWS[3]]
    again = run(services, start(services, s3, content, key="drop/contacts/again"))
    assert (again.counts.total, again.counts.imported, again.counts.rejected) == (3, 0, 3)
    fixed = text.replace(",x,", ",5,").replace(";x;", ";5;").replace("\tx\t", "\t5\t").replace("|x|", "|5|")
    again = run(services, start(services, s3, fixed.encode(shown["encoding"] or "utf-8"), key="drop/contacts/fixed"))
    assert (again.counts.total, again.counts.imported) == (3, 1)
    assert records(services)["0002"]["email"] == {"S": "caf\u00e9@example.com"}


@pytest.mark.parametrize("kind", JSON_FILES)
def test_json_lines_are_numbered_from_one(services: Services, s3: Any, kind: str) -> None:
    name, data, detected = JSON_FILES[kind]
    job = check(services, s3, name, data, detected, 1)
    assert rejected_types(services, job) == {row - 1: code for row, code in BAD.items()}
    assert rejects(services, job)[0] == ["_row", "_type", "_reason", *HEADER]
    assert rejects(services, job)[1][3:] == ROWS[1]


def test_the_rejects_of_a_workbook_import_again_whatever_is_declared_for_other_files(
    services: Services, s3: Any
) -> None:
    services.entities.put(
        builders.entity(dialect={"delimiter": ";", "quoteChar": "'", "headerRows": [1]}, encoding="cp1252")
    )
    job = run(services, start(services, s3, xlsx(), key="drop/contacts/c.xlsx"))
    assert job.counts.rejected == 3
    content = services.files.read(services.settings.files_bucket, rejects_key(job.job_id)).replace(b",x,", b",5,")
    again = run(services, start(services, s3, content, key="drop/contacts/again"))
    assert (again.counts.total, again.counts.imported) == (3, 1)
    assert records(services)["0002"]["email"] == {"S": "caf\u00e9@example.com"}


@pytest.mark.parametrize("chunk_bytes", [1, 100, 1 << 20])
def test_a_full_dialect_is_followed_whatever_the_chunk_size(services: Services, s3: Any, chunk_bytes: int) -> None:
    object.__setattr__(services.settings, "chunk_bytes", chunk_bytes)
    dialect = {
        "delimiter": ";", "quoteChar": "'", "doubleQuote": False, "escapeChar": "\\", "skipInitialSpace": True,
        "header": False, "commentChar": "#", "commentRows": [3], "nullSequence": "\\N",
    }  # fmt: skip
    schema = {"fields": [{"name": "id"}, {"name": "a", "missingValues": []}], "primaryKey": "id"}
    services.entities.put(builders.entity("notes", schema=schema, dialect=dialect))
    data = "# it's; 'fine\n1; 'it\\'s'\nskipped\n2; \\\\N\n3;x\\;y\n#\n4\n5; 'a\\\nb'\n\n6;b'ad\n7;ok\n# end\n\n"
    job = run(services, start(services, s3, data.encode(), key="drop/notes/n.txt"))
    assert (job.status, job.counts.total, job.counts.imported, job.counts.rejected) == (Status.COMPLETED, 8, 5, 3)
    assert {key: item.get("a") for key, item in records(services).items()} == {
        "1": {"S": "it's"},
        "2": None,
        "3": {"S": "x;y"},
        "5": {"S": "a\nb"},
        "7": {"S": "ok"},
    }
    content = services.files.read(services.settings.files_bucket, rejects_key(job.job_id)).decode()
    lines = content.splitlines()
    assert lines[0] == "_row;_type;_reason;id;a"
    assert [line.partition(";")[0] for line in lines[1:]] == ["7", "9", "10"]
    assert lines[3].startswith("10;format-error;") and lines[3].endswith(";6;b'ad")
    fixed = content.replace("b'ad", "good").replace(";4", ";4;four")
    again = run(services, start(services, s3, fixed.encode(), key="drop/notes/again"))
    assert (again.counts.total, again.counts.imported, again.counts.rejected) == (3, 2, 1)
    assert records(services)["6"]["a"] == {"S": "good"}


def test_a_reason_with_quotes_is_escaped_as_the_dialect_escapes_them(services: Services, s3: Any) -> None:
    """Else the corrected file would not be read as it was written."""
    dialect = {"quoteChar": "'", "doubleQuote": False, "escapeChar": "\\", "header": False}
    schema = {"fields": [{"name": "id"}, {"name": "o'clock", "type": "integer"}], "primaryKey": "id"}
    services.entities.put(builders.entity("notes", schema=schema, dialect=dialect))
    job = run(services, start(services, s3, b"a,ten\n", key="drop/notes/n.txt"))
    content = services.files.read(services.settings.files_bucket, rejects_key(job.job_id))
    assert b"'o\\'clock: " in content
    again = run(services, start(services, s3, content.replace(b"ten", b"10"), key="drop/notes/again"))
    assert (again.counts.total, again.counts.imported) == (1, 1)


def test_a_cell_that_is_the_null_sequence_is_null(services: Services, s3: Any) -> None:
    services.entities.put(builders.entity(dialect={"nullSequence": "\\N"}))
    data = b"contact_id,email,spend,joined,vip\na,\\N,\\N,\\N,\\N\n\\N,a@example.com,,,\nb,NA,,,\n"
    job = run(services, start(services, s3, data))
    assert (job.counts.imported, rejected_types(services, job)) == (2, {3: "missing-key"})
    assert set(records(services)["a"]) == {"_pk", "_sk", "contact_id"}


TYPED = {
    "fields": [
        {"name": "id"},
        {"name": "day", "type": "date", "format": "%d.%m.%Y"},
        {"name": "at", "type": "datetime"},
        {"name": "time", "type": "time"},
        {"name": "sum", "type": "number", "decimalChar": ","},
        {"name": "n", "type": "integer"},
        {"name": "flag", "type": "boolean", "trueValues": ["ja"], "falseValues": ["nein"]},
        {"name": "tags", "type": "array"},
    ],
    "primaryKey": ["id"],
}


def test_typed_cells_become_what_the_fields_declare(services: Services, s3: Any) -> None:
    services.entities.put(builders.entity("typed", schema=TYPED))
    names = [field["name"] for field in TYPED["fields"]]  # type: ignore[index]
    boolean = '<c t="b"><v>1</v></c>'
    error = '<c t="e"><v>#N/A</v></c>'
    formula = "<c><f>1+1</f><v>2</v></c>"
    zip_code = workbooks.number(123, 4)
    lines = [
        workbooks.row(*map(workbooks.text, names)),
        workbooks.row(
            zip_code, workbooks.number(46053, 1), workbooks.number("46053.5000000001", 2), workbooks.number(0.75, 3),
            workbooks.number("0.30000000000000004"), formula, boolean, workbooks.text("[1]"),
        ),
        workbooks.row(workbooks.text("00042"), workbooks.number(60, 1), workbooks.number(60.5, 2), at=5),
        workbooks.row(workbooks.number("12345678901234567"), error, error, error, error, error, error, error),
        workbooks.row(workbooks.text("x"), workbooks.number(46053), workbooks.number(46053)),
    ]  # fmt: skip
    data = workbooks.xlsx(lines, formats=["dd/mm/yyyy", "m/d/yy h:mm", "hh:mm", "00000"])
    job = run(services, start(services, s3, data, key="drop/typed/t.xlsx"))
    stored = records(services)
    assert {name: value for name, value in stored["00123"].items() if name[0] != "_"} == {
        "id": {"S": "00123"},
        "day": {"S": "2026-01-31"},
        "at": {"S": "2026-01-31T12:00:00"},
        "time": {"S": "18:00:00"},
        "sum": {"N": "0.3"},
        "n": {"N": "2"},
        "flag": {"BOOL": True},
        "tags": {"L": [{"N": "1"}]},
    }
    assert rejected_types(services, job) == {
        3: "blank-row", 4: "blank-row", 5: "type-error", 6: "type-error", 7: "type-error",
    }  # fmt: skip
    shown = {row[0]: row[3:] for row in rejects(services, job)[1:]}
    assert shown["5"][:3] == ["00042", "1900-02-29", "1900-02-29T12:00:00"]
    assert shown["6"] == ["12345678901234600", *["#N/A"] * 7]
    assert shown["7"][:3] == ["x", "46053", "46053"]


def test_json_values_become_what_the_fields_declare(services: Services, s3: Any) -> None:
    schema = {**TYPED, "fields": [*TYPED["fields"], {"name": "note", "missingValues": []}]}  # type: ignore[misc]
    services.entities.put(builders.entity("typed", schema=schema))
    lines = [
        '{"id": 1, "sum": 12345678901234567890.25, "n": 2e1, "flag": false, "tags": [1.50, {"b": null, "a": "x"}]}',
        '{"tags": null, "id": "007", "day": "31.01.2026", "at": "2026-01-31T00:00:00Z", "note": null, "n": null}',
        '{"id": "x", "id": "y"}',
        '{"id": "\\ud800"}',
        "not json",
        '["list"]',
        '{"id": "8", "note": "", "flag": true}',
        '{"id": 9, "n": 1.5}',
        '{"id": "z", "sum": NaN}',
    ]
    job = run(services, start(services, s3, "\n".join(lines).encode(), key="drop/typed/t.jsonl"))
    stored = records(services)
    assert sorted(stored) == ["007", "1", "8"]
    assert stored["1"]["sum"] == {"N": "12345678901234567890.25"}
    assert (stored["1"]["n"], stored["1"]["flag"]) == ({"N": "20"}, {"BOOL": False})
    assert stored["1"]["tags"] == {"L": [{"N": "1.5"}, {"M": {"a": {"S": "x"}, "b": {"NULL": True}}}]}
    assert "note" not in stored["007"] and "n" not in stored["007"]
    assert (stored["8"]["note"], stored["8"]["flag"]) == ({"S": ""}, {"BOOL": True})
    assert rejected_types(services, job) == {
        3: "format-error", 4: "format-error", 5: "format-error", 6: "format-error", 8: "type-error", 9: "format-error",
    }  # fmt: skip


@pytest.mark.parametrize("member", [None, "result.rows"])
def test_an_array_of_objects_is_numbered_by_its_items(services: Services, s3: Any, member: str | None) -> None:
    items = [dict(zip(HEADER, row, strict=True)) for row in ROWS if row]
    document = items if member is None else {"count": 4, "result": {"rows": items, "next": None}}
    services.entities.put(builders.entity(dialect={"property": member} if member else {}))
    job = run(services, start(services, s3, json.dumps(document, indent=2).encode(), key="drop/contacts/c.json"))
    assert (job.error_message, job.detected and job.detected["format"]) == (None, "json")
    assert rejected_types(services, job) == {2: "type-error", 3: "type-error"}
    assert sorted(records(services)) == GOOD


def test_an_object_over_several_lines_is_not_read_line_by_line(services: Services, s3: Any) -> None:
    """Else the last of its records, which has no comma behind it, would be the only one."""
    data = b'{\n "count": 2,\n "data": [\n  {"contact_id": "1"},\n  {"contact_id": "2"}\n ]\n}\n'
    job = run(services, start(services, s3, data, key="drop/contacts/c.json"))
    assert (job.error_code, "declare its name as `property`" in str(job.error_message)) == ("format-error", True)
    assert records(services) == {}


def test_a_bad_first_line_of_json_is_a_row_like_any_other(services: Services, s3: Any) -> None:
    lines = ['{"contact_id":"1","email":"A', *(json.dumps(dict(zip(HEADER, row, strict=True))) for row in ROWS if row)]
    job = run(services, start(services, s3, "\n".join(lines).encode(), key="drop/contacts/c.csv"))
    assert rejected_types(services, job) == {1: "format-error", 3: "type-error", 4: "type-error"}
    assert rejects(services, job)[1][3] == f"{lines[0]}!"
    assert sorted(records(services)) == GOOD


def test_records_behind_separators_are_rows(services: Services, s3: Any) -> None:
    texts = [f"\x1e{json.dumps(dict(zip(HEADER, row, strict=True)))}\n" for row in ROWS if row]
    texts.insert(1, '\x1e{"contact_id": "cut')
    job = run(services, start(services, s3, "".join(texts).encode(), key="drop/contacts/c.json-seq"))
    assert rejected_types(services, job) == {2: "format-error", 3: "type-error", 4: "type-error"}
    assert sorted(records(services)) == GOOD


def test_json_arrays_go_by_position_or_by_a_header(services: Services, s3: Any) -> None:
    job = run(services, start(services, s3, b'["a", null, 1, null, true]\n["b"]\n', key="drop/contacts/a.jsonl"))
    assert (job.counts.imported, rejected_types(services, job)) == (1, {2: "missing-cell"})
    data = json.dumps(HEADER) + '\n["c", null, 1, null, false]\n'
    job = run(services, start(services, s3, data.encode(), key="drop/contacts/b.jsonl"))
    assert (job.counts.total, job.counts.imported) == (1, 1)
    assert sorted(records(services)) == ["a", "c"]


def test_an_update_by_json_lines_changes_only_what_it_names(services: Services, s3: Any) -> None:
    run(services, start(services, s3, builders.contacts_csv(count=2)))
    data = b'{"spend": 9, "contact_id": "c000000"}\n'
    job = run(services, start(services, s3, data, key="drop/contacts/u.jsonl", mode="update"))
    assert job.counts.imported == 1
    stored = records(services)
    assert (stored["c000000"]["spend"], stored["c000000"]["email"]) == ({"N": "9"}, {"S": "a@example.com"})


@pytest.mark.parametrize(
    ("dialect", "sheet", "code"),
    [
        ({}, "first", None),
        ({"sheetNumber": 2}, "second", None),
        ({"sheetName": "second"}, "second", None),
        ({"sheetName": "second", "sheetNumber": 1}, "second", None),
        ({"sheetName": "third"}, None, "source-error"),
        ({"sheetNumber": 3}, None, "source-error"),
        ({"sheetName": ["second", "first"]}, "second, first", None),
        ({"sheetName": "*"}, "first, second", None),
    ],
)
def test_the_sheet_is_chosen_by_the_dialect(
    services: Services, s3: Any, dialect: dict[str, Any], sheet: str | None, code: str | None
) -> None:
    services.entities.put(builders.entity(dialect=dialect))
    lines = [workbooks.row(*map(workbooks.text, cells)) for cells in ([*HEADER], ["a", "", "", "", ""])]
    data = workbooks.xlsx({"first": lines, "second": lines})
    job = run(services, start(services, s3, data, key="drop/contacts/c.xlsx"))
    assert job.error_code == code
    assert (job.detected or {}).get("sheet") == sheet


@pytest.mark.parametrize(("entry", "key"), [("a.csv", "a"), ("2026/b_*", "b"), ("nothing.csv", None), (None, None)])
def test_the_file_of_an_archive_is_chosen_by_the_dialect(
    services: Services, s3: Any, entry: str | None, key: str | None
) -> None:
    files = {f"2026/{name}": f"{','.join(HEADER)}\n{name[0]},,,,\n" for name in ("a.csv", "b_1.csv")}
    options = {"dialect": json.dumps({"entry": entry})} if entry else {}
    job = run(services, start(services, s3, workbooks.zipped(files), key="drop/contacts/c.zip", **options))
    assert sorted(records(services)) == ([key] if key else [])
    if key is None:
        assert job.error_code == ("source-error" if entry else "compression-error")
        assert "2026/a.csv" in str(job.error_message)


@pytest.mark.parametrize("data", [
    gzip.compress(gzip.compress(b"a")), gzip.compress(workbooks.zipped({"a.csv": "a"})),
    workbooks.zipped({"a.zip": workbooks.zipped({"a.csv": "a"})}), workbooks.zipped({"a.gz": gzip.compress(b"a")}),
], ids=["gzip in gzip", "zip in gzip", "zip in zip", "gzip in zip"])  # fmt: skip
def test_an_archive_in_an_archive_is_refused(services: Services, s3: Any, data: bytes) -> None:
    job = run(services, start(services, s3, data, key="drop/contacts/c.zip"))
    assert (job.error_code, "another archive" in str(job.error_message)) == ("compression-error", True)


def test_headers_and_comments_of_a_sheet(services: Services, s3: Any) -> None:
    services.entities.put(builders.entity(dialect={"headerRows": [2, 4], "headerJoin": "", "commentChar": "#"}))
    cells = [["Report"], ["contact", "", "", "", ""], ["#"], ["_id", *HEADER[1:]], ["a"], ["# no"], ["b", "", "x"]]
    renames = {"contactemail": "email", "contactspend": "spend", "contactjoined": "joined", "contactvip": "vip"}
    lines = [workbooks.row(*(workbooks.text(cell) if cell else "<c/>" for cell in row)) for row in cells]
    data = workbooks.xlsx(lines)
    job = run(services, start(services, s3, data, key="drop/contacts/c.xlsx", columns=json.dumps(renames)))
    assert (job.counts.total, job.counts.imported, rejected_types(services, job)) == (2, 1, {7: "type-error"})
    assert (job.detected or {})["headerRow"] == 2


def test_a_row_of_over_a_mebibyte_is_rejected_alone(services: Services, s3: Any) -> None:
    long = "x" * (1024 * 1024)
    data = f"contact_id,email,spend,joined,vip\na,,,,\nb,{long},,,\nc,,,,\n".encode()
    job = run(services, start(services, s3, data))
    assert (job.counts.imported, rejected_types(services, job)) == (2, {3: "row-too-long"})
    assert rejects(services, job)[1][4] == long


def test_comments_are_not_counted_where_the_source_is_gone(services: Services, s3: Any) -> None:
    """A converted file does not need its source any more; others do."""
    job = start(services, s3, gzip.compress(table().encode()), key="drop/contacts/c.gz")
    planned = plan_import(services, job.job_id)
    s3.delete_object(Bucket=services.settings.drop_bucket, Key="drop/contacts/c.gz")
    for chunk in range(planned["chunks"]):
        load_chunk(services, job.job_id, chunk)
    finish_import(services, job.job_id)
    assert services.jobs.get(job.job_id).counts.imported == 2


def test_a_plan_that_is_made_again_converts_to_the_same(services: Services, s3: Any) -> None:
    job = start(services, s3, xlsx(), key="drop/contacts/c.xlsx")
    plan_import(services, job.job_id)
    first = services.files.read(services.settings.files_bucket, converted_key(job.job_id))
    assert first.decode().splitlines()[0] == ",".join(HEADER)
    assert run(services, job).counts.imported == 2
    assert services.files.read(services.settings.files_bucket, converted_key(job.job_id)) == first


def test_no_half_of_a_converted_file_is_left(services: Services, s3: Any) -> None:
    data = gzip.compress(b"contact_id,email,spend,joined,vip\na,,,,\n" * 100)[:-20]
    job = run(services, start(services, s3, data, key="drop/contacts/c.gz"))
    assert (job.status, job.error_code) == (Status.FAILED, "compression-error")
    assert services.files.head(services.settings.files_bucket, converted_key(job.job_id)) is None
