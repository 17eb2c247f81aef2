"""The preview of a file: what it shows is what the import then does."""

from __future__ import annotations

import csv
import gzip
import io
import json
import uuid
import zipfile
from datetime import timedelta
from typing import Any

import pytest

from tests import builders, workbooks
from tests.builders import contacts_csv
from tests.importing import records, run
from tests.integration.test_import_files import FILES, HEADER, JSON_FILES
from waybill.bootstrap import Services
from waybill.ids import new_uuid
from waybill.imports import beginning
from waybill.imports import preview as previewing
from waybill.imports.error_log import error_page
from waybill.imports.options import ImportOptions
from waybill.imports.plan_document import read_plan
from waybill.imports.preview import SHOWN_BYTES, SHOWN_ROWS, Preview, preview_file
from waybill.imports.rejected_rows import Wanted, rejected_page
from waybill.imports.rejects_reader import read_rejects_form
from waybill.imports.start import start_upload
from waybill.jobs.model import Job, Status
from waybill.jobs.uploads import Upload


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


def uploaded(services: Services, name: str, data: bytes) -> Upload:
    upload_id = str(uuid.uuid4())
    upload = Upload(
        upload_id=upload_id,
        entity="contacts",
        entity_uid=None,
        file_name=name,
        started_by="alice",
        started_by_id="alice",
        key=f"uploads/{upload_id}/source",
        expires_at=services.clock.now() + timedelta(hours=1),
    )
    services.uploads.add(upload)
    services.files.put(services.settings.files_bucket, upload.key, data)
    return upload


def preview(services: Services, upload: Upload, options: ImportOptions = ImportOptions()) -> Preview:  # noqa: B008
    info = services.files.head(services.settings.files_bucket, upload.key)
    assert info is not None
    return preview_file(services, upload, services.entities.get("contacts"), options, info.etag)


def compare(services: Services, name: str, data: bytes, **options: Any) -> tuple[Preview, Job]:
    """Preview a file, import it, and compare the two."""
    upload = uploaded(services, name, data)
    chosen = ImportOptions(**options)
    seen = preview(services, upload, chosen)
    job = run(services, start_upload(services, services.uploads.get(upload.upload_id), chosen, new_uuid()))
    errors, _, _ = error_page(services.files, services.settings.files_bucket, job, 1000, None)
    if job.status is Status.FAILED:
        assert seen.error is not None
        assert (seen.error.type, seen.error.message) == (job.error_code, job.error_message)
        if seen.header_errors:
            assert [(e.type, e.field_number, e.message) for e in seen.header_errors] == [
                (e["type"], e["fieldNumber"], e["message"]) for e in errors
            ]
        return seen, job
    plan = read_plan(services, job.job_id)
    assert plan is not None
    assert (seen.error, seen.header_errors) == (None, [])
    assert seen.detected == job.detected
    assert seen.labels == plan.labels
    last = seen.rows[-1].number
    assert [(e.row_number, e.field_number, e.type, e.message) for row in seen.rows for e in row.errors] == [
        (e["rowNumber"], e["fieldNumber"], e["type"], e["message"]) for e in errors if e["rowNumber"] <= last
    ]
    return seen, job


@pytest.mark.parametrize("kind", [*FILES, *JSON_FILES])
def test_the_preview_of_a_file_of_any_kind_shows_what_its_import_finds(services: Services, kind: str) -> None:
    name, data, _ = {**FILES, **JSON_FILES}[kind]
    seen, job = compare(services, name, data)
    assert job.status is Status.COMPLETED
    assert seen.fields == HEADER
    assert seen.is_whole
    assert [len(row.errors) for row in seen.rows] == [0, 1, 1, 1, 0]
    assert seen.rows[0].cells == ["0001", "a@example.com", "7.5", "2026-01-31", "yes"]


@pytest.mark.parametrize(
    ("size_bytes", "code"), [(3_000_000, "row-too-long"), (1_200_000, "row-too-long"), (800_000, "too-large")]
)
def test_a_first_row_that_is_too_long_is_no_empty_file(services: Services, size_bytes: int, code: str) -> None:
    data = f"{','.join(HEADER)}\n{'x' * size_bytes},,,,\n2,,,,\n".encode()
    seen = preview(services, uploaded(services, "long.csv", data))
    assert seen.error is not None
    assert (seen.error.type, seen.rows) == (code, [])
    assert seen.error.row_number == (2 if code == "row-too-long" else None)


def test_cells_of_a_workbook_are_shown_as_the_import_reads_them(services: Services) -> None:
    text, number, row = workbooks.text, workbooks.number, workbooks.row
    sheets = {
        "Notes": [row(text("nothing to import"))],
        "März": [
            row(*map(text, HEADER)),
            row(number(1, 1), text("a@example.com"), number("7.50"), number(46053, 2), text("yes")),
            row(number(12345678, 1), text("b@example.com"), number(0.1), number(46054.5, 2), text("no")),
        ],
    }
    data = workbooks.xlsx(sheets, formats=["0000", "yyyy-mm-dd"])
    assert preview(services, uploaded(services, "b.xlsx", data)).sheets == ["Notes", "März"]
    seen, _ = compare(services, "book.xlsx", data, dialect={"sheetName": "März"})
    assert seen.detected is not None
    assert seen.detected["sheet"] == "März"
    assert seen.rows[0].cells == ["0001", "a@example.com", "7.5", "2026-01-31", "yes"]
    stored = records(services)["0001"]
    assert (stored["joined"], stored["spend"]) == ({"S": "2026-01-31"}, {"N": "7.5"})
    assert [error.field_name for error in seen.rows[1].errors] == ["joined"]
    seen, _ = compare(services, "book.xlsx", data, dialect={"sheetName": "May"})
    assert seen.error is not None
    assert seen.error.type == "source-error"


def test_the_sheets_are_chosen_as_by_the_import(services: Services) -> None:
    text, row = workbooks.text, workbooks.row
    bad = row(text("1"), text("a@example.com"), text("much"), text(""), text("yes"))
    sheets = {"Notes": [row(text("none"))], "A": [row(*map(text, HEADER)), bad], "B": [row(*map(text, HEADER)), bad]}
    data = workbooks.xlsx(sheets)
    seen, job = compare(services, "book.xlsx", data)
    assert (seen.detected or {})["sheet"] == "A"
    assert [*seen.warnings] == ["sheet-chosen"] == [warning["code"] for warning in job.warnings]
    seen, job = compare(services, "book.xlsx", data, dialect={"sheetName": ["B", "A"]})
    assert [row.number for row in seen.rows] == [2, 4]
    assert seen.rows[1].errors[0].message.startswith('Sheet "A", row 2: ')


def test_the_sheets_of_other_workbooks_are_named(services: Services) -> None:
    for kind, sheet in (("xls", "Old"), ("xlsb", "Binary"), ("ods", "Tabelle")):
        name, data, _ = FILES[kind]
        assert preview(services, uploaded(services, name, data)).sheets == [sheet]


def rejected_rows(services: Services, job: Job) -> list[dict[str, Any]]:
    form = read_rejects_form(services, job.job_id)
    assert form is not None
    return rejected_page(services, job, form, 100, None, Wanted(), None)[0]


def test_the_files_of_an_archive_are_named_and_one_is_chosen(services: Services) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__MACOSX/._a.csv", b"")
        archive.writestr("in/a.csv", contacts_csv(count=2))
        archive.writestr("in/b.csv", contacts_csv(count=3))
    seen, _ = compare(services, "all.zip", packed.getvalue())
    assert (seen.entries, seen.error and seen.error.type) == (["in/a.csv", "in/b.csv"], "compression-error")
    seen, _ = compare(services, "all.zip", packed.getvalue(), dialect={"entry": "in/b.csv"})
    assert (seen.to_resource()["entries"], len(seen.rows)) == (["in/a.csv", "in/b.csv"], 3)
    assert compare(services, "a.csv", contacts_csv(count=2))[0].entries is None


def test_a_cell_without_a_value_is_shown_as_its_author_sees_it(services: Services) -> None:
    text, row = workbooks.text, workbooks.row
    odd = row("<c><f>A1&amp;1</f></c>", text("a@example.com"), text("1"), text(""), text("yes"))
    seen, job = compare(services, "odd.xlsx", workbooks.xlsx([row(*map(text, HEADER)), odd]))
    assert (seen.rows[0].cells[0], seen.rows[0].errors[0].cell) == ("=A1&1", "=A1&1")
    [shown] = rejected_rows(services, job)
    assert shown["cells"]["contact_id"] == shown["errors"][0]["cell"] == "=A1&1"
    marked = "\u241a=A1&1,x,1,,yes\n"  # in a text of somebody's own it is no mark
    seen, job = compare(services, "text.csv", (",".join(HEADER) + "\n" + marked).encode())
    assert seen.rows[0].cells[0] == "\u241a=A1&1"
    assert rejected_rows(services, job)[0]["cells"]["contact_id"] == "\u241a=A1&1"


def test_parquet_is_previewed(services: Services) -> None:
    name, data, _ = FILES["parquet"]
    seen, _ = compare(services, name, data)
    assert (seen.detected or {})["format"] == "parquet"
    assert seen.labels == HEADER
    assert [row.number for row in seen.rows] == [2, 3, 4, 5, 6]


def test_columns_are_mapped_and_what_is_wrong_with_the_header_is_listed(services: Services) -> None:
    data = b"Id,email,spend,joined,vip\n1,a@example.com,x,,\n"
    seen, job = compare(services, "c.csv", data)
    assert job.error_code == "incorrect-label"
    assert seen.fields == [None, *HEADER[1:]]
    assert seen.rows[0].cells[:3] == ["1", "a@example.com", "x"]
    seen, job = compare(services, "c.csv", data, columns={"Id": "contact_id"})
    assert seen.fields == HEADER
    assert [(error.field_name, error.type) for error in seen.rows[0].errors] == [("spend", "type-error")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"contact_id,email\n",
        b'contact_id,email\n1,"open\n',
        b"PK\3\4 no zip at all",
        gzip.compress(b"contact_id,email\n1,a@example.com\n", mtime=0)[:20],
        b"\n\n",
        b'{"contact_id": 1,\n',
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 no workbook",
    ],
    ids=["nothing", "no rows", "open quote", "no zip", "cut gzip", "blank", "no JSON", "no workbook"],
)
def test_a_file_that_cannot_be_imported_says_so_beforehand(services: Services, data: bytes) -> None:
    seen, job = compare(services, "bad.csv", data)
    assert job.status is Status.FAILED
    assert seen.rows == []


def test_a_file_whose_encoding_or_delimiter_is_set(services: Services) -> None:
    data = "contact_id;email;spend;joined;vip\n1;ä,b@example.com;1;;\n".encode("cp850")
    seen, _ = compare(services, "c.csv", data, encoding="cp850", dialect={"delimiter": ";"})
    assert seen.rows[0].cells[1] == "ä,b@example.com"


def large_csv() -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    host = ".".join(letter * 60 for letter in "xyz")
    writer.writerows([f"c{n:06}", f"{n}@{host}.com", "much" if n % 7 == 0 else n, "", ""] for n in range(11_000))
    return out.getvalue().encode()


@pytest.mark.parametrize("form", ["csv", "utf-16", "gzip", "zip", "jsonl"])
def test_of_a_large_file_only_the_beginning_is_read(
    services: Services, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = plain = large_csv()
    if form == "utf-16":
        data = plain.decode().encode("utf-16")
    elif form == "gzip":
        data = gzip.compress(plain)
    elif form == "zip":
        data = workbooks.zipped({"c.csv": plain})
    elif form == "jsonl":
        rows = csv.DictReader(io.StringIO(plain.decode()))
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    bytes_read: list[int] = []
    scan_table = beginning.scan_table
    monkeypatch.setattr(
        beginning,
        "scan_table",
        lambda stream, *args, **options: (
            bytes_read.append(len(stream.getvalue())),
            scan_table(stream, *args, **options),
        )[1],
    )
    previews_only = form in ("utf-16", "zip", "jsonl")  # small files show that these import as previewed
    seen = (
        preview(services, uploaded(services, f"c.{form}", data)) if previews_only else compare(services, "c", data)[0]
    )
    assert not seen.is_whole
    assert len(seen.rows) == SHOWN_ROWS
    assert [row.number for row in seen.rows if row.errors] == [row.number for row in seen.rows][::7]
    assert bytes_read[0] <= 2 * SHOWN_BYTES
    # What a client sends of a large text is enough.
    if form != "zip":
        part = preview(services, uploaded(services, f"c.{form}", data[: 2 * 1024 * 1024]))
        assert (part.detected, part.rows) == (seen.detected, seen.rows)


def test_a_workbook_that_takes_too_long_to_read_is_given_up(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"<si><t>{'x' * 50}{n}</t></si>" for n in range(30_000)]
    data = workbooks.xlsx([workbooks.row(*map(workbooks.text, HEADER))], texts=texts)
    monkeypatch.setattr(beginning, "SECONDS", 0.02)
    seen = preview(services, uploaded(services, "c.xlsx", data))
    assert (seen.rows, seen.is_whole) == ([], False)
    assert seen.error is not None
    assert "takes too long" in seen.error.message


def test_a_bomb_is_not_unpacked(services: Services) -> None:
    bomb = gzip.compress(b"contact_id,email,spend,joined,vip\n" + b"1,,,,\n" * 30_000_000, 9)
    seen = preview(services, uploaded(services, "c.gz", bomb))
    assert len(seen.rows) == SHOWN_ROWS
    sheet = {"xl/worksheets/sheet1.xml": b"<worksheet><sheetData>" + b" " * 60_000_000}
    seen = preview(services, uploaded(services, "c.xlsx", workbooks.xlsx([], parts=sheet)))
    assert seen.error is not None
    assert "200 times its size" in seen.error.message


PREAMBLE = [["Account", "123"], [], HEADER]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_header_below_a_preamble_is_found_and_told(services: Services, kind: str) -> None:
    rows = [*PREAMBLE, ["0001", "a@example.com", "7.5", "2026-01-31", "yes"], ["Total", "", "", "no date", ""]]
    text = "".join(";".join(row) + "\n" for row in rows).encode()
    data = workbooks.xlsx([workbooks.row(*map(workbooks.text, row)) for row in rows]) if kind == "xlsx" else text
    seen, job = compare(services, f"c.{kind}", data)
    assert job.detected is not None
    assert job.detected["headerRow"] == 3
    assert [warning["code"] for warning in job.warnings] == list(seen.warnings) == ["header-row-guessed"]
    assert [(row.number, bool(row.errors)) for row in seen.rows] == [(4, False), (5, True)]
    assert sorted(records(services)) == ["0001"]


@pytest.mark.parametrize(
    ("data", "detected"),
    [
        (b"id;name\n1;a\n", {"encoding": "utf-8", "delimiter": ";", "headerRow": 1}),
        (b'contact_id;email;spend;joined;vip\n1;"a\n', {"encoding": "utf-8", "delimiter": ";"}),
        (b"PK\3\4", {"encoding": None, "delimiter": None}),
    ],
)
def test_a_file_that_fails_shows_what_was_detected(services: Services, data: bytes, detected: dict[str, Any]) -> None:
    seen, job = compare(services, "c.csv", data)
    assert job.status is Status.FAILED
    for shown in (job.detected, seen.detected):
        assert shown is not None
        assert {member: shown[member] for member in detected} == detected


@pytest.mark.parametrize("kind", ["csv", "utf-16", "gzip", "jsonl"])
def test_the_end_mark_of_dos_is_no_row(services: Services, kind: str) -> None:
    name, data, _ = {**FILES, **JSON_FILES}[kind]
    encoding = "utf-16-le" if kind == "utf-16" else "utf-8"
    mark = "\r\n\x1a\x1a".encode(encoding)
    data = gzip.compress(gzip.decompress(data) + mark) if kind == "gzip" else data + mark
    seen, job = compare(services, name, data)
    assert (job.counts.total, job.counts.rejected) == (5, 3)
    assert [bool(row.errors) for row in seen.rows] == [False, True, True, True, False]


@pytest.mark.parametrize("form", ["array", "member", "sequence"])
def test_json_of_every_form_is_previewed(services: Services, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previewing, "SHOWN_BYTES", 4000)
    items = [{"contact_id": f"{n:06d}", "email": "a@example.com", "spend": 1, "joined": None} for n in range(90)]
    texts = {
        "array": json.dumps(items),
        "member": json.dumps({"total": 90, "rows": items}),
        "sequence": "".join(f"\x1e{json.dumps(item)}\n" for item in items),
    }
    options = {"dialect": {"property": "rows"}} if form == "member" else {}
    seen, job = compare(services, "c.json", texts[form].encode(), **options)
    assert (job.counts.total, job.counts.imported) == (90, 90)
    assert [row.number for row in seen.rows] == list(range(1, SHOWN_ROWS + 1))
    assert not seen.is_whole


@pytest.mark.parametrize("tail", [b",,,,", b"\n" * 900, b'"",,,,\r', (b'"",' * 30 + b"\r") * 900])
def test_blank_rows_at_the_end_of_a_file_are_not_shown(services: Services, tail: bytes) -> None:
    """Also where the fast path does not read them."""
    for options in ({}, {"unescape_formulas": True}):
        seen, job = compare(services, "tail.csv", builders.contacts_csv(count=2) + tail, **options)
        assert [row.number for row in seen.rows] == [2, 3]
        assert job.counts.imported == 2


def test_what_the_preview_proposes_is_what_columns_need_until_it_is_remembered(services: Services) -> None:
    data = b"Contact-ID,E-Mail,Spend,joined,VIP\n1,a@example.com,2,2026-01-31,yes\n"
    upload = uploaded(services, "x.csv", data)
    seen = preview(services, upload)
    assert seen.error is not None and seen.error.type == "incorrect-label"
    needed = {
        label: str(each.field)
        for label, each in zip(seen.labels, seen.proposals, strict=True)
        if each.field and not each.is_known
    }
    assert list(needed) == ["Contact-ID", "E-Mail", "Spend", "VIP"]
    mapped = preview(services, upload, ImportOptions(columns=needed))
    assert (mapped.error, mapped.fields) == (None, ["contact_id", "email", "spend", "joined", "vip"])
    assert mapped.proposals == seen.proposals  # whatever the options say
    services.entities.remember_columns(services.entities.get("contacts"), needed, may_replace=False)
    assert all(each.is_known for each in preview(services, upload).proposals)
