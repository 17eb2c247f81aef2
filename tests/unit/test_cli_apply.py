"""`waybill apply`: definitions from files, reviewed as a plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli_service import (
    EXPORT_ID,
    JOB_ID,
    OTHER_ID,
    Request,
    Service,
    answer,
    export,
    job,
    partial,
    problem,
)
from waybill_cli.apply_plan import KINDS, differences
from waybill_cli.main import main

pytestmark = pytest.mark.usefixtures("home")

SCHEMA = {"fields": [{"name": "id", "type": "string"}], "primaryKey": ["id"]}
CONTACTS = {"schema": SCHEMA, "permissions": {"view": ["sales"]}}
#: As the service shows it: with defaults.
SHOWN = {
    "name": "contacts",
    "title": "contacts",
    "database": None,
    "dataType": "profile",
    "schema": SCHEMA,
    "dialect": None,
    "encoding": None,
    "permissions": {"view": ["sales"], "import": [], "export": []},
    "columns": {},
    "refuseDuplicates": False,
    "target": None,
}
NIGHTLY = {"name": "Nightly contacts", "entity": "contacts", "type": "INCREMENTAL", "schedule": {"time": "02:30"}}


def nightly(**changes: Any) -> dict[str, Any]:
    derived = {"fields": None, "filter": [], "fileName": "contacts_$yyyyMMdd.csv", "compression": "none"}
    return export(**{**NIGHTLY, **derived, "destination": {"kind": "s3"}, **changes})


@pytest.fixture
def folder(home: Path) -> Path:
    for kind in ("entities", "exports"):
        (home / "defs" / kind).mkdir(parents=True)
    write(home, "entities/contacts.json", CONTACTS)
    write(home, "exports/nightly.json", NIGHTLY | {"destination": {"kind": "s3"}})
    return home


def write(home: Path, name: str, document: Any) -> None:
    (home / "defs" / name).write_text(json.dumps(document))


def serve(stack: Service, entities: list[Any], exports: list[Any]) -> None:
    stack.routes["GET /v1/entities"] = answer({"items": entities, "nextToken": None})
    stack.routes["GET /v1/exports"] = answer({"items": exports, "nextToken": None})
    for kind in ("activate", "unschedule"):
        stack.routes[f"POST /v1/exports/{EXPORT_ID}/{kind}"] = answer(nightly())
    stack.routes[f"PUT /v1/exports/{EXPORT_ID}"] = answer(nightly())
    stack.routes[f"DELETE /v1/exports/{EXPORT_ID}"] = (204, {}, b"")
    stack.routes["POST /v1/exports"] = answer(nightly(), 201)
    for name in ("contacts", "orders", "gone"):
        stack.routes[f"PUT /v1/entities/{name}"] = answer(SHOWN, 201)
        stack.routes[f"DELETE /v1/entities/{name}"] = (204, {}, b"")


def changed(stack: Service) -> list[str]:
    return [
        f"{request.method} {request.path}"
        for request in stack.requests
        if request.method != "GET" and request.path != "/"
    ]


def test_what_is_as_it_should_be_is_left_alone(
    stack: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(stack, [SHOWN], [nightly(status="SCHEDULED")])
    assert main(["apply", "defs", "--yes", "--prune"]) == 0
    assert capsys.readouterr().out == "0 to create, 0 to replace, 0 to activate, 0 to delete.\n"
    assert changed(stack) == []


def test_a_plan_shows_each_difference_and_changes_nothing(
    stack: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = {**SHOWN, "permissions": {"view": ["sales", "ops"], "import": [], "export": []}, "dataType": "interaction"}
    serve(stack, [there, {**SHOWN, "name": "gone"}], [])
    assert main(["apply", "defs", "--plan", "--prune"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "~ entities contacts",
        '    /permissions/view: ["sales", "ops"] → ["sales"]',
        '    /dataType: "interaction" → "profile"',
        "+ exports Nightly contacts",
        "- entities gone",
        "    records: deleted",
        "    jobs: hidden at once, with their files, not counted",
        "    sources: deleted, not counted",
        "1 to create, 1 to replace, 0 to activate, 1 to delete.",
    ]
    assert changed(stack) == []
    assert main(["apply", "defs"]) == 2, "without a terminal nothing is changed unasked"
    assert changed(stack) == []


@pytest.mark.parametrize(
    ("folder_name", "place", "said"),
    [
        ("entities", "dialect", {"header": False}),
        ("entities", "dialect", {"doubleQuote": False}),
        ("entities", "dialect", {"quoteChar": ""}),
        ("entities", "dialect", {"quoteChar": None}),
        ("entities", "schema", {"missingValues": []}),
        ("exports", "destination", {"temporaryPrefix": ""}),
        ("exports", "destination", {"temporarySuffix": ""}),
        ("sources", "options", {"keepPrevious": False}),
    ],
)
def test_false_and_empty_differ_from_nothing_where_they_mean_something(
    folder_name: str, place: str, said: dict[str, Any]
) -> None:
    [kind] = [each for each in KINDS if each.folder == folder_name]
    for beside in ({}, {"a": "b"}):
        silent, saying = {"name": "n", place: dict(beside)}, {"name": "n", place: {**beside, **said}}
        assert list(differences(saying, silent, kind))
        assert list(differences(silent, saying, kind))
        assert list(differences(saying, saying, kind)) == list(differences(silent, silent, kind)) == []
    assert list(differences({"name": "n", place: said}, {"name": "n"}, kind))
    usual = {"name": "n", "dialect": {"header": True, "doubleQuote": True, "quoteChar": '"', "skipInitialSpace": False}}
    assert list(differences(usual, {"name": "n"}, kind)) == []


def test_an_export_without_a_destination_is_downloaded() -> None:
    [kind] = [each for each in KINDS if each.folder == "exports"]
    delivered, downloaded = ({"name": "n", "destination": {"kind": each}} for each in ("s3", "download"))
    assert list(differences({"name": "n"}, delivered, kind)) == ['/destination/kind: "s3" → "download"']
    assert list(differences({"name": "n"}, downloaded, kind)) == []


def test_entities_come_before_what_needs_them_and_go_after(stack: Service, folder: Path) -> None:
    serve(stack, [{**SHOWN, "name": "gone"}], [nightly(name="Old", status="SCHEDULED")])
    assert main(["apply", "defs", "--yes", "--prune", "--activate"]) == 0
    one = f"/v1/exports/{EXPORT_ID}"
    assert changed(stack) == [
        "PUT /v1/entities/contacts",
        "POST /v1/exports",
        f"POST {one}/activate",
        f"POST {one}/unschedule",
        f"DELETE {one}",
        "DELETE /v1/entities/gone",
    ]


@pytest.mark.parametrize("refused", [False, True])
def test_a_scheduled_export_stays_scheduled(stack: Service, folder: Path, refused: bool) -> None:
    serve(stack, [SHOWN], [nightly(status="SCHEDULED", format="xlsx")])
    one = f"/v1/exports/{EXPORT_ID}"
    if refused:
        stack.routes[f"PUT {one}"] = problem(422, "The request breaks a rule", "x")
    assert main(["apply", "defs", "--yes"]) == (1 if refused else 0)
    assert changed(stack)[:3] == [f"POST {one}/unschedule", f"PUT {one}", f"POST {one}/activate"]


def test_an_entity_that_names_a_later_one_is_made_after_it(stack: Service, folder: Path) -> None:
    write(folder, "entities/orders.json", CONTACTS)
    serve(stack, [], [nightly()])
    made: list[str] = []

    def put(request: Request) -> Any:
        if request.path.endswith("contacts") and "orders" not in made:
            return problem(422, "The request breaks a rule", "There is no entity orders.")
        made.append(request.path.rpartition("/")[2])
        return answer(SHOWN, 201)

    for name in ("contacts", "orders"):
        stack.routes[f"PUT /v1/entities/{name}"] = put
    assert main(["apply", "defs", "--yes"]) == 0
    assert made == ["orders", "contacts"]


def test_with_json_the_plan_and_what_became_of_it_are_one_document(
    stack: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(stack, [SHOWN], [])
    stack.routes["POST /v1/exports"] = problem(422, "The request breaks a rule", "x", errors=[{"pointer": "#/type"}])
    assert main(["apply", "defs", "--yes", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [change["name"] for change in document["refused"]] == ["Nightly contacts"]
    assert document["planned"][0]["action"] == "create" and document["done"] == []


def test_folders_that_say_nothing_clear_are_refused(stack: Service, folder: Path) -> None:
    serve(stack, [], [nightly(), nightly(exportId="7c5f6f3e-7d5b-4a86-9a36-3c1f6a7d1c99")])
    assert main(["apply", "defs", "--yes"]) == 2, "two exports have the name"
    write(folder, "exports/again.json", NIGHTLY)
    assert main(["apply", "defs", "--yes"]) == 2, "two files have the name"
    write(folder, "exports/again.json", ["x"])
    assert main(["apply", "defs", "--yes"]) == 2
    assert main(["apply", "nowhere", "--yes"]) == 2
    assert changed(stack) == []


@pytest.mark.parametrize("options", [["--plan"], ["--yes"], ["--plan", "--json"]])
def test_a_plan_says_what_goes_with_an_entity(
    stack: Service, folder: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [{"fields": ["id"], "reference": {"resource": "gone", "fields": ["id"]}}]
    lines = {**SHOWN, "name": "lines", "title": "lines", "schema": {**SCHEMA, "foreignKeys": keys}}
    write(folder, "entities/lines.json", {"schema": lines["schema"], "permissions": {"view": ["sales"]}})
    there = nightly(status="SCHEDULED", entity="contacts")
    old = {**there, "name": "Old", "entity": "gone", "exportId": OTHER_ID}
    serve(stack, [SHOWN, lines, {**SHOWN, "name": "gone"}], [there, old])
    stack.routes[f"POST /v1/exports/{OTHER_ID}/unschedule"] = answer(nightly())
    stack.routes[f"DELETE /v1/exports/{OTHER_ID}"] = (204, {}, b"")
    stack.routes["GET /v1/entities/gone/records/count"] = answer({"count": 1234, "precision": "approximate"})
    jobs = [job(entity="gone"), partial(entity="gone", jobId=OTHER_ID)]
    stack.routes["GET /v1/jobs"] = answer({"items": jobs, "nextToken": "more"})
    scheduled = {"sourceId": "s1", "name": "Partner", "entity": "gone", "status": "SCHEDULED"}
    sources = [scheduled, {**scheduled, "sourceId": "s2", "entity": "contacts"}]
    stack.routes["GET /v1/sources"] = answer({"items": sources, "nextToken": None})

    assert main(["apply", "defs", "--prune", *options]) == 0
    out = capsys.readouterr().out
    if "--json" in options:
        [_, gone] = json.loads(out)["planned"]
        assert (gone["action"], gone["changes"], gone["loses"]["records"]["count"]) == ("delete", [], 1234)
        assert gone["loses"]["jobs"] == {"count": 6, "isAll": False}
        assert len(gone["loses"]["inTheWay"]) == 5
    else:
        told = out.splitlines()
        at = told.index("- entities gone")
        assert told[at + 1 : at + 6] == [
            "    about 1,234 records: deleted",
            "    at least 6 imports and exports: hidden at once, with their files",
            "    1 export definition: deleted",
            "    1 source: deleted",
            f"    in the way: import {JOB_ID} (IN_PROGRESS)",
        ]
        assert "    in the way: source 'Partner' (SCHEDULED)" in told
        assert "    in the way: a foreign key of the entity lines" in told
        assert not any("'Old'" in line for line in told), "it is unscheduled and deleted first"
    assert len([one for one in stack.requests if one.path == "/v1/jobs"]) == 3, "pages are bounded"


def test_a_plan_looks_into_a_bounded_number_of_entities(
    stack: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(stack, [SHOWN, *({**SHOWN, "name": f"gone{number}"} for number in range(25))], [])
    assert main(["apply", "defs", "--prune", "--plan"]) == 0
    assert "Of 5 more entities that are deleted, nothing was counted." in capsys.readouterr().out
    assert len([one for one in stack.requests if one.path.endswith("/records/count")]) == 20
