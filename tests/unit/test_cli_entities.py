"""`waybill entities`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli_service import Service, answer
from waybill_cli.main import main
from waybill_cli.uploads import BEGINNING_BYTES, beginning_of

UPLOAD_ID = "2587c81c-b9fc-4873-ae2f-421b292d2c2b"

pytestmark = pytest.mark.usefixtures("home")


def test_entities_are_listed_put_and_shown(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = {"fields": [{"name": "contact_id"}, {"name": "email"}], "primaryKey": ["contact_id"]}
    entity = {"name": "contacts", "title": "Contacts", "database": "crm", "dataType": "profile", "schema": schema}
    stack.routes["GET /v1/entities"] = answer({"items": [entity], "nextToken": None})
    stack.routes["GET /v1/entities/contacts"] = answer(entity)
    stack.routes["PUT /v1/entities/contacts"] = answer(entity, 201)
    assert main(["entities"]) == 0
    assert "contact_id, email" in capsys.readouterr().out
    assert main(["entities", "show", "contacts"]) == 0
    shown = capsys.readouterr().out
    assert json.loads(shown) == entity
    (home / "contacts.json").write_text(shown)
    assert main(["entities", "put", "contacts", "contacts.json"]) == 0
    assert "name" not in stack.requests[-1].json  # the output of `show` is valid input
    assert "Created contacts" in capsys.readouterr().out


def test_fields_are_told_in_words(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    sex = {"name": "sex", "clean": ["trim", "lower"], "values": {"m": "male"}, "default": "unknown"}
    day = {"name": "day", "type": "date", "format": "%d/%m/%Y", "constraints": {"required": True}}
    keys = [
        {"fields": ["sex", "day"], "reference": {"resource": "days", "fields": ["a", "b"]}},
        {"fields": "day", "reference": {"fields": "day"}},
    ]
    schema = {"fields": [sex, day], "primaryKey": ["day"], "foreignKeys": keys}
    stack.routes["GET /v1/entities/contacts"] = answer({"name": "contacts", "schema": schema})
    assert main(["entities", "fields", "contacts"]) == 0
    _, first, second = (" ".join(line.split()) for line in capsys.readouterr().out.splitlines())
    assert first == (
        "sex any must name a record of days, with day trim; lower; 'm' is read as 'male'; a missing value is read as "
        "'unknown'"
    )
    assert second == (
        "day date, %d/%m/%Y the key; required; must name a record of days, with sex; must name a record of this entity"
    )
    assert main(["--json", "entities", "fields", "contacts"]) == 0
    assert json.loads(capsys.readouterr().out)["items"][1]["rules"][:2] == ["the key", "required"]


def test_an_entity_file_that_is_not_json_is_a_usage_error(stack: Service, home: Path) -> None:
    (home / "e.json").write_text("{")
    assert main(["entities", "put", "contacts", "e.json"]) == 2
    assert main(["entities", "put", "contacts", "missing.json"]) == 2


def test_groups_that_do_not_exist_are_told(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    permissions = {"view": ["sales", "slaes"], "import": ["ops"]}
    (home / "e.json").write_text(json.dumps({"schema": {"fields": [{"name": "id"}]}, "permissions": permissions}))
    stack.routes["PUT /v1/entities/contacts"] = answer({}, 201)
    assert main(["entities", "put", "contacts", "e.json"]) == 0  # a service that does not know its groups
    assert "no group" not in capsys.readouterr().err
    for is_complete in (True, False):
        stack.routes["GET /v1/groups"] = answer({"names": ["ops", "sales"], "isComplete": is_complete})
        assert main(["entities", "put", "contacts", "e.json"]) == 0
        told = capsys.readouterr().err
        assert ("there is no group 'slaes'" in told, "'ops'" in told) == (is_complete, False)


def test_an_entity_is_deleted_only_after_confirmation(stack: Service) -> None:
    stack.routes["DELETE /v1/entities/contacts"] = (204, {}, b"")
    assert main(["entities", "delete", "contacts"]) == 2
    assert stack.requests == []
    assert main(["entities", "delete", "contacts", "--yes"]) == 0


def test_records_have_a_column_for_every_field(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    items = [{"contact_id": "007", "vip": True}, {"contact_id": "008", "email": None}]
    stack.routes["GET /v1/entities/contacts/records"] = answer({"items": items, "nextToken": None})
    assert main(["entities", "records", "contacts"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["contact_id", "vip", "email"]


def test_an_entity_is_proposed_from_a_file(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    form = {
        "uploadId": UPLOAD_ID,
        "url": f"{stack.url}/form",
        "fields": {"key": "k"},
        "expiresAt": "2026-01-01T00:00:00Z",
    }
    stack.routes["POST /v1/uploads"] = answer(form, 201)
    stack.routes["POST /form"] = (204, {}, b"")
    field = {"name": "id", "label": "ID", "type": "integer", "why": "every cell is", "samples": ["1"], "values": None}
    found = {"definition": {"schema": {"fields": [{"name": "id"}]}}, "detected": None, "fields": [field], "rows": 1}
    stack.routes[f"POST /v1/uploads/{UPLOAD_ID}/infer"] = answer({**found, "isWhole": True})
    (home / "x.csv").write_text("ID\n1\n")
    assert main(["entities", "infer", "x.csv", "-o", "x.json", "--dialect", '{"delimiter": ";"}']) == 0
    assert stack.sent("POST", "/v1/uploads")[0].json == {"fileName": "x.csv"}
    assert stack.sent("POST", f"/v1/uploads/{UPLOAD_ID}/infer")[0].json == {"dialect": {"delimiter": ";"}}
    assert "every cell is" in capsys.readouterr().out
    assert json.loads((home / "x.json").read_text()) == found["definition"]
    assert main(["--json", "entities", "infer", "x.csv"]) == 0
    assert json.loads(capsys.readouterr().out)["fields"] == [field]
    assert main(["entities", "infer", "missing.csv"]) == 2


def test_of_a_long_text_only_the_beginning_is_sent(home: Path) -> None:
    (home / "long.csv").write_bytes(b"a\n" * (BEGINNING_BYTES // 2 + 10))
    (home / "long.xlsx").write_bytes(b"PK" * (BEGINNING_BYTES // 2 + 10))
    for name, size in (("long.csv", BEGINNING_BYTES), ("long.xlsx", BEGINNING_BYTES + 20)):
        with beginning_of(home / name) as sent:
            assert (sent.name, sent.stat().st_size) == (name, size)
