"""An error shows the file's own text and names its field, whatever kind of file, mode and path the row took."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests import builders, workbooks
from tests.importing import run, start
from waybill import native
from waybill.bootstrap import Services
from waybill.imports.error_log import error_page
from waybill.jobs.model import Job

SCHEMA = {
    "fields": [
        {"name": "id", "type": "number"},
        {"name": "mail", "type": "string", "constraints": {"unique": True, "maxLength": 9}},
        {"name": "n", "type": "integer"},
    ],
    "primaryKey": "id",
}
PAIRS = {"fields": [{"name": "a", "type": "number"}, {"name": "b", "type": "string"}], "primaryKey": ["a", "b"]}


def errors(services: Services, job: Job) -> dict[int, tuple[Any, ...]]:
    """The first error of each row: type, field number, field name, cell."""
    items, _, _ = error_page(services.files, services.settings.files_bucket, job, 100, None)
    return {
        item["rowNumber"]: (item["type"], item["fieldNumber"], item["fieldName"], item["cell"])
        for item in reversed(items)
    }


def csv_file(rows: list[list[str]]) -> bytes:
    return "".join(",".join(row) + "\n" for row in rows).encode()


def workbook(rows: list[list[str]]) -> bytes:
    return workbooks.xlsx([workbooks.row(*map(workbooks.text, row)) for row in rows])


def json_lines(rows: list[list[str]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


@pytest.fixture(params=[True, False], ids=["native", "python"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(native, "library", lambda: None)


KINDS = pytest.mark.parametrize("write", [csv_file, workbook, json_lines])


@KINDS
@pytest.mark.usefixtures("library")
def test_errors_show_the_text_of_the_file_and_name_the_field(
    services: Services, drop: Any, write: Callable[[list[list[str]]], bytes]
) -> None:
    services.entities.put(builders.entity("things", schema=SCHEMA))
    rows = [
        ["id", "mail", "n"],
        ["1.50", "a", "1"],
        ["1.5", "b", "1"],
        ["2.0", "b", "2"],
        ["x", "d", "3"],
        ["3", "too long to hold", "4"],
        ["", "e", "5"],
    ]
    assert errors(services, drop(write(rows), entity="things")) == {
        2: ("duplicate-key", 1, "id", "1.50"),
        4: ("unique-error", 2, "mail", "b"),
        5: ("type-error", 1, "id", "x"),
        6: ("constraint-error", 2, "mail", "too long to hold"),
        7: ("missing-key", 1, "id", ""),
    }


@pytest.mark.usefixtures("library")
def test_rows_that_the_table_refuses_name_their_key(services: Services, drop: Any) -> None:
    plain = {**SCHEMA, "fields": [{"name": "id", "type": "number"}, {"name": "n", "type": "integer"}]}
    services.entities.put(builders.entity("things", schema=plain))
    drop(b"id,n\n1,1\n", entity="things")
    assert errors(services, drop(b"n,id\n9,1.00\n", entity="things", mode="insert", columns="{}")) == {
        1: ("incorrect-label", 1, "id", "n"),
    }
    assert errors(services, drop(b"id,n\n1.00,9\n", entity="things", mode="insert")) == {
        2: ("exists", 1, "id", "1.00"),
    }
    assert errors(services, drop(b"n,id\n9,7.0\n", entity="things", mode="update")) == {
        2: ("not-found", 2, "id", "7.0"),
    }


@pytest.mark.usefixtures("library")
def test_a_repeated_key_of_one_field_names_it_in_every_mode(services: Services, drop: Any) -> None:
    services.entities.put(builders.entity("things", schema={**SCHEMA, "fields": SCHEMA["fields"][::2]}))
    for options in ({"mode": "insert"}, {}, {"dry-run": "true"}):
        found = errors(services, drop(b"id,n\n1.0,1\n1,2\n", entity="things", **options))
        assert found == {2: ("duplicate-key", 1, "id", "1.0")}
    services.entities.put(builders.entity("pairs", schema=PAIRS))
    found = errors(services, drop(b"a,b\n1.0,x\n1,x\n", entity="pairs"))
    assert found == {2: ("duplicate-key", None, None, "1.0|x")}


def test_a_guarded_cell_is_shown_with_its_guard(services: Services, s3: Any) -> None:
    services.entities.put(builders.entity("things", schema=SCHEMA))
    data = b"id,mail,n\n1,'=123456789,1\n2,'=a,1\n3,=a,1\n4,'=12345678,1\n5,'=123456789\n6,'=12345678\n"
    job = start(services, s3, data, key="drop/things/x.csv")
    services.jobs.begin(job.job_id)
    services.jobs.set_option(job.job_id, "unescapeFormulas", True)
    assert errors(services, run(services, job)) == {
        2: ("constraint-error", 2, "mail", "'=123456789"),
        4: ("unique-error", 2, "mail", "=a"),
        6: ("constraint-error", 2, "mail", "'=123456789"),
        7: ("missing-cell", 3, "n", ""),
    }


def test_a_label_is_shown_as_the_file_has_it(services: Services, drop: Any) -> None:
    services.entities.put(builders.entity("things", schema=SCHEMA, columns={"E-mail": "mail"}))
    for header, expected in {
        b"id, E-mail,mail": ("duplicate-label", 3, "mail", "mail"),
        b"id,E-mail": ("missing-label", 3, "n", ""),
        b"id,E-mail, m": ("incorrect-label", 3, "n", " m"),
        b"id,E-mail,": ("blank-label", 3, "n", ""),
        b"id,E-mail,n,Note": ("extra-label", 4, None, "Note"),
    }.items():
        assert errors(services, drop(header + b"\n1,a,1\n", entity="things")) == {1: expected}


def test_the_error_log_has_the_formula_guard_and_the_api_shows_the_text(services: Services, drop: Any) -> None:
    from waybill.imports.job_files import error_log_key, rejects_key

    services.entities.put(builders.entity("things", schema=SCHEMA))
    job = drop(b"id,mail,n\n1,a,=1+1\n2,b,'-x\n", entity="things")
    bucket = services.settings.files_bucket
    log = services.files.read(bucket, error_log_key(job.job_id)).decode().splitlines()
    assert [line.split(",")[4] for line in log[1:]] == ["'=1+1", "''-x"]
    assert [cell for *_, cell in errors(services, job).values()][::-1] == ["=1+1", "'-x"]
    rejected = services.files.read(bucket, rejects_key(job.job_id)).decode().splitlines()
    assert [line.rsplit(",", 1)[1] for line in rejected[1:]] == ["=1+1", "'-x"]
