"""Empty files to fill in: what is filled in below the header is imported."""

from __future__ import annotations

import csv
import io
from typing import Any

import openpyxl
import pytest
from webencodings.labels import LABELS

from tests import builders
from tests.api_builders import ADMIN, BOB, Api
from tests.importing import records, run, start
from waybill.bootstrap import Services
from waybill.entities.model import check_encoding
from waybill.exports.template import csv_template, xlsx_template
from waybill.tabular.encodings import codec_of

COUNTRIES = [f"Country {number:03}, some name" for number in range(40)]
FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "string", "description": "As on the invoice: <no> spaces & no dashes."},
    {"name": "=size", "type": "string", "constraints": {"enum": ["S", "M", 'L "wide"']}},
    {"name": "country", "type": "string", "constraints": {"enum": COUNTRIES}, "description": "Where it is."},
    {"name": "vip", "type": "boolean", "trueValues": ["yes"], "falseValues": ["no"]},
    {"name": "spend", "type": "number"},
    {"name": "joined", "type": "date"},
    {"name": "left", "type": "date", "format": "%d/%m/%Y"},
]


def entity(**changes: Any) -> Any:
    return builders.entity("things", schema={"fields": FIELDS, "primaryKey": ["id"]}, **changes)


def opened(data: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(data))


def test_a_workbook_helps_with_each_column() -> None:
    book = opened(xlsx_template(entity()))
    sheet = book.active
    assert (book.sheetnames, sheet.title, book["WaybillLists"].sheet_state) == (
        ["things", "WaybillLists"],
        "things",
        "hidden",
    )
    assert [cell.value for cell in sheet[1]] == [field["name"] for field in FIELDS]
    assert (sheet["A1"].comment.text, sheet["B1"].comment) == (FIELDS[0]["description"], None)
    offered = {str(rule.sqref): rule.formula1 for rule in sheet.data_validations.dataValidation}
    assert offered == {
        "B2:B1048576": '"S,M,L ""wide"""',
        "C2:C1048576": "WaybillLists!$A$1:$A$40",
        "D2:D1048576": '"yes,no"',
    }
    assert [cell.value for cell in book["WaybillLists"]["A"]] == COUNTRIES
    formats = [sheet.column_dimensions[letter].number_format for letter in "ABEFG"]
    assert formats == ["@", "@", "General", "yyyy\\-mm\\-dd", "@"]


FILLED = ["007", "M", COUNTRIES[3], "yes", "1.50", "2024-02-29", "31/12/2024"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dialect": {"delimiter": ";", "quoteChar": "'"}},
        {"dialect": {"headerRows": [3], "commentChar": "#"}},
        {"dialect": {"headerRows": [2, 3], "sheetName": "My things"}},
        {"encoding": "utf-16le"},
        {"encoding": "windows-1252", "dialect": {"delimiter": "\t", "quoteChar": None}},
    ],
)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_is_filled_in_is_imported(services: Services, s3: Any, kind: str, changes: dict[str, Any]) -> None:
    services.entities.put(entity(**changes))
    if kind == "csv":
        encoding, dialect = changes.get("encoding", "utf-8"), changes.get("dialect", {})
        text = io.StringIO(csv_template(entity(**changes)).decode(encoding))
        text.seek(0, io.SEEK_END)
        quote = dialect.get("quoteChar", '"')
        quoting = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
        filled = [cell.replace(",", "") for cell in FILLED] if quote is None else FILLED
        csv.writer(text, delimiter=dialect.get("delimiter", ","), quotechar=quote, quoting=quoting).writerow(filled)
        data = text.getvalue().encode(encoding)
    else:
        book = opened(xlsx_template(entity(**changes)))
        filled = FILLED
        book.active.append(FILLED)
        saved = io.BytesIO()
        book.save(saved)
        data = saved.getvalue()
    job = run(services, start(services, s3, data, key=f"drop/things/filled.{kind}"))
    imported = (1, 0) if filled == FILLED else (0, 1)  # without quotes the country cannot hold its comma
    assert (job.error_message, job.counts.imported, job.counts.rejected) == (None, *imported)
    if filled == FILLED:
        assert records(services)["007"]["left"] == {"S": "2024-12-31"}


def test_the_empty_file_itself_is_an_empty_file(services: Services, s3: Any) -> None:
    services.entities.put(entity())
    for name, data in (("a.csv", csv_template(entity())), ("a.xlsx", xlsx_template(entity()))):
        job = run(services, start(services, s3, data, key=f"drop/things/{name}"))
        assert job.error_code == "empty-file"


def test_both_are_served(api: Api) -> None:
    api.put_contacts()
    answer = api("GET", "/entities/contacts/template")
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="contacts.csv"'
    assert answer.content == b"contact_id,email,spend,joined,vip\r\n"
    answer = api("GET", "/entities/contacts/template", query={"format": "xlsx"})
    assert [cell.value for cell in opened(answer.content).active[1]][:2] == ["contact_id", "email"]
    assert api("GET", "/entities/contacts/template", query={"format": "pdf"}).status == 400
    assert api("GET", "/entities/contacts/template", BOB).status == 404
    assert api("GET", "/entities/none/template").status == 404


def test_without_a_header_there_is_nothing_to_fill_in(api: Api) -> None:
    api("PUT", "/entities/contacts", ADMIN, body={**_contacts(api), "dialect": {"header": False}})
    assert api("GET", "/entities/contacts/template", ADMIN).status == 409
    names = {"fields": [{"name": "имя", "type": "string"}]}
    api("PUT", "/entities/names", ADMIN, body={"schema": names, "encoding": "windows-1252"})
    assert api("GET", "/entities/names/template", ADMIN).status == 409
    assert api("GET", "/entities/names/template", ADMIN, query={"format": "xlsx"}).status == 200


def test_every_encoding_that_an_entity_may_have_has_a_template() -> None:
    """A label means what it means when a file is read."""
    labels = [label for label in LABELS if check_encoding(label, "", []) is not None]
    assert len(labels) > 200
    for label in labels:
        assert csv_template(entity(encoding=label)).decode(codec_of(label)).startswith("id,=size"), label


def test_no_template_is_as_long_as_its_dialect_says(api: Api) -> None:
    api("PUT", "/entities/contacts", ADMIN, body={**_contacts(api), "dialect": {"headerRows": [10**9]}})
    for format in ("csv", "xlsx"):
        assert api("GET", "/entities/contacts/template", ADMIN, query={"format": format}).status == 409


def test_a_workbook_of_several_sheets_has_no_template(api: Api) -> None:
    for dialect in ({"sheetName": ["A", "B"]}, {"sheetNumber": 2}):
        api("PUT", "/entities/contacts", ADMIN, body={**_contacts(api), "dialect": dialect})
        assert api("GET", "/entities/contacts/template", ADMIN, query={"format": "xlsx"}).status == 409
    api.put_contacts("waybilllists")
    book = opened(api("GET", "/entities/waybilllists/template", ADMIN, query={"format": "xlsx"}).content)
    assert book.active.title == "Sheet1"


def _contacts(api: Api) -> dict[str, Any]:
    api.put_contacts()
    read: dict[str, Any] = api("GET", "/entities/contacts", ADMIN).json
    return read
