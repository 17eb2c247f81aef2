"""An entity from a file: what is proposed for it can be created, and imports the file."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pytest

from tests.api_builders import ADMIN, ALICE, OPS, Api
from tests.importing import run
from waybill.entities.inference import Column


def workbook(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


def upload(api: Api, data: bytes, name: str = "x.csv", who: Any = ADMIN, **body: Any) -> str:
    answer = api("POST", "/uploads", who, body={"fileName": name, **body})
    assert answer.status == 201, answer.text
    upload_id: str = answer.json["uploadId"]
    api.services.files.put(api.services.settings.files_bucket, f"uploads/{upload_id}/source", data)
    return upload_id


CSV = (
    "Kunden-Nr;Name;Geburtstag;Umsatz;Aktiv\n"
    "007;Ann;31.12.1980;1.234,50;ja\n"
    "008;Bob;01.02.1990;7,5;nein\n"
    "009;Zoé;;;ja\n"
)
FILES = {
    "a.csv": CSV.encode("cp1252"),
    "b.csv": b"Report of January\n\n" + CSV.encode(),
    "c.xlsx": workbook(
        [
            ["Kunden-Nr", "Name", "Geburtstag", "Umsatz", "Aktiv"],
            ["007", "Ann", datetime(1980, 12, 31, tzinfo=UTC).replace(tzinfo=None), 1234.5, True],
            ["008", "Bob", datetime(1990, 2, 1, tzinfo=UTC).replace(tzinfo=None), 7.5, False],
            ["009", "Zoé", None, None, True],
        ]
    ),
    "d.jsonl": b'{"Kunden-Nr":"007","Name":"Ann","Umsatz":1234.5}\n{"Kunden-Nr":"008","Name":null,"Umsatz":7.5}\n',
}


@pytest.mark.parametrize("name", FILES)
def test_a_proposal_is_created_and_imports_its_file(api: Api, name: str) -> None:
    upload_id = upload(api, FILES[name], name)
    body = {"dialect": {"headerRows": [3]}} if name == "b.csv" else {}  # nothing but a schema tells a report's title
    found = api("POST", f"/uploads/{upload_id}/infer", ADMIN, body=body)
    assert found.status == 200, found.text
    types = {field["name"]: field["type"] for field in found.json["fields"]}
    assert (types["kunden_nr"], types["Umsatz"]) == ("string", "number")
    if name != "d.jsonl":
        assert (types["Geburtstag"], types["Aktiv"]) == ("date", "boolean")
    assert found.json["definition"]["schema"]["primaryKey"] == ["kunden_nr"]
    assert api("PUT", "/entities/kunden", ADMIN, body=found.json["definition"]).status == 201
    assert api("POST", "/imports", ADMIN, body={"uploadId": upload_id}).pointers == ["#/entity"]
    started = api("POST", "/imports", ADMIN, body={"uploadId": upload_id, "entity": "kunden"})
    assert started.status == 202, started.text
    job = run(api.services, api.services.jobs.get(started.json["jobId"]))
    rows = 2 if name == "d.jsonl" else 3
    assert (job.error_message, job.counts.imported, job.counts.rejected) == (None, rows, 0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a,,c\n1,2,3\n", "Column 2 has no label"),
        (b"a,b,a\n1,2,3\n", "'a'"),
        (b"a,b\n", "no data rows"),
        (b"", "empty"),
        (b"%PDF-1.7\x00\x00", "("),
    ],
)
def test_a_file_that_makes_no_entity_is_refused_with_the_reason(api: Api, data: bytes, words: str) -> None:
    answer = api("POST", f"/uploads/{upload(api, data)}/infer", ADMIN, body={})
    assert answer.status == 422 and words in answer.json["detail"], answer.text


@pytest.mark.parametrize(
    ("data", "dialect"),
    [
        (b"#c\na,b\n1,2\n", {"commentChar": "#"}),
        (b"a,b\nunit,unit\n1,2\n", {"commentRows": [2]}),
        (b'a,b\n1",2\n', {"quoteChar": None}),
        (b"a,b\nx,y\n1,2\n", {"headerRows": [1, 2]}),
        (b'{"data": [{"a": 1, "b": "x"}]}', {"property": "data"}),
    ],
)
def test_what_was_said_of_the_file_stays_in_the_proposal(api: Api, data: bytes, dialect: dict[str, Any]) -> None:
    upload_id = upload(api, data, "x.json" if data[:1] == b"{" else "x.csv")
    found = api("POST", f"/uploads/{upload_id}/infer", ADMIN, body={"dialect": dialect})
    assert found.status == 200, found.text
    assert api("PUT", "/entities/kunden", ADMIN, body=found.json["definition"]).status == 201
    started = api("POST", "/imports", ADMIN, body={"uploadId": upload_id, "entity": "kunden"})
    job = run(api.services, api.services.jobs.get(started.json["jobId"]))
    assert (job.error_message, job.counts.imported, job.counts.rejected) == (None, 1, 0)


def test_a_header_is_needed_and_blank_rows_tell_nothing(api: Api) -> None:
    refused = api("POST", f"/uploads/{upload(api, b'1,2')}/infer", ADMIN, body={"dialect": {"header": False}})
    assert refused.status == 422 and refused.pointers == ["#/dialect/header"]
    title = upload(api, b"Report\n1,2\n3,4\n5,6\n")
    assert api("POST", f"/uploads/{title}/infer", ADMIN, body={"dialect": {"delimiter": ","}}).status == 422
    gap = upload(api, b"id,n\n1,2\n\n3,4\n")
    found = api("POST", f"/uploads/{gap}/infer", ADMIN, body={})
    assert (found.json["rows"], found.json["definition"]["schema"]["primaryKey"]) == (2, ["id"])
    again = upload(api, b"_row,_type,_reason,id\n7,type-error,no,x\n")
    assert [each["name"] for each in api("POST", f"/uploads/{again}/infer", ADMIN, body={}).json["fields"]] == ["id"]


def test_who_may_ask(api: Api) -> None:
    api.put_contacts()
    assert api("POST", "/uploads", ALICE, body={"fileName": "x.csv"}).status == 403
    mine = upload(api, b"a\n1\n", who=ALICE, entity="contacts")
    assert api("POST", f"/uploads/{mine}/infer", ALICE, body={}).status == 200
    assert api("POST", f"/uploads/{mine}/infer", OPS, body={}).status in (403, 404)
    own = upload(api, b"a\n1\n")
    assert api("POST", f"/uploads/{own}/infer", ALICE, body={}).status == 404
    assert api("POST", f"/uploads/{own}/preview", ADMIN, body={}).pointers == ["#/entity"]
    assert api("POST", f"/uploads/{own}/preview", ADMIN, body={"entity": "contacts"}).status == 200
    assert api("POST", f"/uploads/{mine}/preview", ALICE, body={"entity": "others"}).status == 422
    assert api("POST", "/imports", ADMIN, body={"uploadId": own, "entity": "none"}).status == 404


def test_a_long_text_is_judged_by_its_beginning(api: Api) -> None:
    data = b"n,word\n" + b"".join(b"%d,word\n" % number for number in range(150_000)) + b"x,word\n"
    answer = api("POST", f"/uploads/{upload(api, data)}/infer", ADMIN, body={}).json
    assert (answer["rows"], answer["isWhole"]) == (100_000, False)
    assert answer["fields"][0]["type"] == "integer"


def test_header_names_are_remembered(api: Api) -> None:
    api.put_contacts()
    assert api("POST", "/entities/contacts/columns", body={"columns": {"Wages": "wages"}}).status == 422
    answer = api("POST", "/entities/contacts/columns", body={"columns": {"Mail": "email", "email": "email"}})
    assert (answer.status, answer.json["columns"]) == (200, {"Mail": "email"})
    upload_id = api.upload(data=b"contact_id,Money\nx,1\n")
    request = {"uploadId": upload_id, "columns": {"Money": "spend"}, "rememberColumns": True}
    assert api("POST", "/imports", body=request).status == 202
    assert api("GET", "/entities/contacts").json["columns"] == {"Mail": "email", "Money": "spend"}
    actions = [entry["action"] for entry in api("GET", "/audit", ADMIN, query={"entity": "contacts"}).json["items"]]
    assert actions.count("rememberColumns") == 2


def test_names_that_nobody_could_mean_are_not_remembered(api: Api) -> None:
    api.put_contacts()
    for columns in ({"\0": "email"}, {"x" * 1_001: "email"}):
        assert api("POST", "/entities/contacts/columns", body={"columns": columns}).status == 422
    many = {f"name {number}": "email" for number in range(1_001)}
    assert api("POST", "/entities/contacts/columns", body={"columns": many}).status == 413
    assert api("POST", "/entities/contacts/columns", ADMIN, body={"columns": {"email": "spend"}}).status == 200
    again = api("POST", "/entities/contacts/columns", ADMIN, body={"columns": {"email": "email"}})
    assert again.json["columns"] == {}, "a wrong name can be taken back"


def test_short_rows_cost_what_stands_in_them(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 200 KB has 200 million cells where each of 100,000 rows is filled up to 2,000 columns."""
    added = []
    add = Column.add
    monkeypatch.setattr(Column, "add", lambda column, cell: (added.append(cell), add(column, cell)))
    data = (",".join(f"c{number}" for number in range(1_990)) + "\n" + "1\n" * 2_000).encode()
    answer = api("POST", f"/uploads/{upload(api, data)}/infer", ADMIN, body={})
    assert (answer.status, answer.json["rows"], len(added)) == (200, 2_000, 2_000)
    assert answer.json["fields"][1]["why"] == "text, because no row has a value"
    assert answer.json["definition"]["schema"]["fields"][0]["type"] == "integer"


def test_only_admins_give_another_meaning_to_a_name(api: Api) -> None:
    """Else whoever may import swaps the columns of everybody's later files."""
    api.put_contacts()
    assert api("POST", "/entities/contacts/columns", body={"columns": {"Mail": "email"}}).status == 200
    for columns in (
        *({"email": "spend", "spend": "email"}, {"Mail": "spend"}, {"joined": "email"}),
        *({"Mail ": "spend"}, {"Ma\u200bil": "spend"}, {" email\u00a0": "spend"}),  # files may spell them so
    ):
        refused = api("POST", "/entities/contacts/columns", body={"columns": columns})
        assert (refused.status, refused.pointers) == (422, ["#/columns"])
        assert "already" in refused.text
        upload_id = api.upload(data=b"contact_id\nx\n")
        request = {"uploadId": upload_id, "columns": columns, "rememberColumns": True}
        assert api("POST", "/imports", body=request).status == 422
        assert api("POST", "/imports", body={"uploadId": upload_id, "columns": columns}).status == 202, "for one import"
    assert api("GET", "/entities/contacts").json["columns"] == {"Mail": "email"}
    assert api("POST", "/entities/contacts/columns", body={"columns": {" Mail": "email"}}).status == 200
    answer = api("POST", "/entities/contacts/columns", ADMIN, body={"columns": {"Mail ": "spend"}})
    assert answer.json["columns"] == {"Mail ": "spend"}, "what looks the same means one field"


def test_a_refused_import_changes_no_entity(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload(data=b"contact_id,Money\nx,1\n")
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 202
    again = {"uploadId": upload_id, "columns": {"Money": "spend"}, "rememberColumns": True}
    assert api("POST", "/imports", body=again).status == 409
    dry = again | {"uploadId": api.upload(data=b"contact_id,Money\nx,1\n"), "dryRun": True}
    assert api("POST", "/imports", body=dry).status == 202
    assert api("GET", "/entities/contacts").json["columns"] == {}


def test_remembering_meets_somebody_elses_change(api: Api) -> None:
    api.put_contacts()
    stale = api.services.entities.get("contacts")
    api("POST", "/entities/contacts/columns", body={"columns": {"Mail": "email"}})
    changed = api.services.entities.remember_columns(stale, {"Money": "spend"}, False)
    assert changed.columns == {"Mail": "email", "Money": "spend"}


def test_a_file_is_judged_by_a_definition_that_is_not_saved(api: Api) -> None:
    upload_id = upload(api, b"id,day,n\n1,2026-01-31,x\n,2026-02-30,2\n")
    fields = [{"name": "id"}, {"name": "day", "type": "date"}, {"name": "n", "type": "integer"}]
    definition = {"schema": {"fields": fields, "primaryKey": ["id"]}}

    def preview(who: Any = ADMIN, **body: Any) -> Any:
        return api("POST", f"/uploads/{upload_id}/preview", who, body=body)

    seen = preview(definition=definition)
    assert seen.status == 200, seen.text
    told = [[(each["fieldName"], each["type"]) for each in row["errors"]] for row in seen.json["rows"]]
    assert told == [[("n", "type-error")], [("id", "missing-key"), ("day", "type-error")]]
    fields[2]["type"] = "string"
    assert preview(definition=definition).json["rows"][0]["errors"] == []
    assert preview(definition=definition, mode="merge").status == 200
    assert preview(definition={"schema": {"fields": fields}}, mode="update").pointers == ["#/mode"]
    assert api("GET", "/entities", ADMIN).json["items"] == []


def test_an_unsaved_definition_is_refused_where_a_saved_one_would_be(api: Api) -> None:
    upload_id = upload(api, b"id\n1\n")

    def pointers(definition: Any, **body: Any) -> list[str]:
        path = f"/uploads/{upload_id}/preview"
        refused = api("POST", path, ADMIN, body={"definition": definition, **body})
        assert refused.status == 422, refused.text
        found: list[str] = refused.pointers
        return found

    assert pointers({"schema": {"fields": [{"name": "id", "type": "strnig"}]}}) == ["#/definition/schema/fields/0/type"]
    assert pointers({"schema": {"fields": [{"name": "id"}]}, "columns": {"x": "y"}}) == ["#/definition/columns/x"]
    assert pointers({"titel": "x", "schema": {"fields": [{"name": "id"}]}}) == ["#/definition/titel"]
    assert pointers([]) == ["#/definition"]
    key = {"fields": ["id"], "reference": {"resource": "nobody", "fields": ["id"]}}
    keyed = {"schema": {"fields": [{"name": "id"}], "foreignKeys": [key]}}
    assert pointers(keyed) == ["#/definition/schema/foreignKeys/0/reference/resource"]
    assert pointers({"schema": {"fields": [{"name": "id"}]}}, entity="contacts") == ["#/definition"]


def test_only_admins_try_definitions(api: Api) -> None:
    definition = {"schema": {"fields": [{"name": "contact_id"}]}}
    api.put_contacts()
    upload_id = upload(api, b"contact_id\n1\n", who=ALICE, entity="contacts")
    path = f"/uploads/{upload_id}/preview"
    assert api("POST", path, ALICE, body={"definition": definition}).status == 403
    assert api("POST", path, ADMIN, body={"definition": definition}).pointers == ["#/definition"]
    assert api("POST", f"/uploads/{upload(api, b'1')}/preview", OPS, body={"definition": definition}).status == 404
