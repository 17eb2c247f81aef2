"""`waybill entities import datapackage.json`: descriptors like those that people publish, rebuilt in small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli_service import Service, answer
from waybill.entities.model import Entity
from waybill.entities.references import check_references
from waybill.entities.schema import parse_schema
from waybill.tabular.dialect import Dialect
from waybill_cli.datapackage import read_package
from waybill_cli.failures import UsageFailure
from waybill_cli.main import main

# As the packages of github.com/datasets: a descriptor of the first versions of the standard, with fields of many names
# (country-codes); one with no more than it needs (gdp); one as datahub.io writes it (airport-codes).
CODES = {
    "name": "codes",
    "title": "Codes of countries",
    "datapackage_version": "1.0.0-beta.13",
    "licenses": [{"type": "ODC-PDDL-1.0", "url": "http://example.com"}],
    "resources": [
        {
            "name": "codes",
            "format": "csv",
            "url": "https://example.com/codes.csv",
            "path": "data/codes.csv",
            "schema": {
                "fields": [
                    {"name": "name", "description": "customary name", "type": "string"},
                    {"name": "Alpha-2", "type": "string"},
                    {"name": "currency minor unit", "type": "integer"},
                ]
            },
        }
    ],
}
YEARS = {
    "name": "years",
    "resources": [
        {
            "name": "years",
            "path": "data/years.csv",
            "schema": {
                "fields": [
                    {"name": "Country Name", "type": "string"},
                    {"name": "Year", "type": "year"},
                    {"name": "Value", "type": "number"},
                    {"name": "Date", "type": "date", "format": "any"},
                    {"name": "Note"},
                    {"name": "Place", "type": "geopoint"},
                ]
            },
        }
    ],
}
PORTS = {
    "name": "ports",
    "profile": "data-package",
    "count_of_rows": 81040,
    "resources": [
        {
            "name": "ports",
            "bytes": 8268267,
            "dialect": {
                "caseSensitiveHeader": False,
                "delimiter": ",",
                "doubleQuote": True,
                "header": True,
                "lineTerminator": "\r\n",
                "quoteChar": '"',
                "skipInitialSpace": False,
            },
            "encoding": "utf-8",
            "format": "csv",
            "path": "data/ports.csv",
            "profile": "tabular-data-resource",
            "schema": {
                "fields": [
                    {"format": "default", "name": "ident", "type": "string"},
                    {"format": "default", "name": "elevation", "type": "integer"},
                ],
                "missingValues": [""],
                "primaryKey": [],
            },
        }
    ],
}
STORE: dict[str, Any] = {
    "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
    "name": "store",
    "resources": [
        {"name": "notes", "path": "README.md", "format": "md"},
        {
            "name": "orders",
            "title": "Orders",
            "path": ["orders-1.csv", "orders-2.csv"],
            "dialect": {"delimiter": ";"},
            "encoding": "windows-1252",
            "schema": {
                "fields": [
                    {"name": "id", "type": "integer"},
                    {"name": "customer", "type": "integer"},
                    {"name": "place", "type": "string"},
                    {"name": "day", "type": "date"},
                    {"name": "mail", "type": "string"},
                ],
                "primaryKey": "id",
                "foreignKeys": [
                    {"fields": "customer", "reference": {"resource": "customers", "fields": "id"}},
                    {"fields": ["day", "place"], "reference": {"resource": "rates", "fields": ["day", "place"]}},
                    {"fields": "mail", "reference": {"resource": "customers", "fields": "mail"}},
                    {"fields": "place", "reference": {"resource": "elsewhere", "fields": "id"}},
                ],
            },
        },
        {
            "name": "customers",
            "data": [{"id": 1}],
            "schema": {
                "fields": [
                    {"name": "id", "type": "integer"},
                    {"name": "mail", "type": "string"},
                    {"name": "by", "type": "integer"},
                    {"name": "order", "type": "integer"},
                ],
                "primaryKey": ["id"],
                "foreignKeys": [
                    {"fields": "by", "reference": {"fields": ["id"]}},
                    {"fields": "order", "reference": {"resource": "orders", "fields": ["id"]}},
                ],
            },
        },
        {"name": "rates", "path": "rates.csv", "schema": "schemas/rates.json", "dialect": "dialect.json"},
        {"name": "Länder & Orte", "path": "x.csv", "schema": {"fields": [{"name": "a"}]}},
    ],
}
BESIDE = {
    "schemas/rates.json": {
        "fields": [{"name": "place", "type": "string"}, {"name": "day", "type": "date"}],
        "primaryKey": ["place", "day"],
    },
    "dialect.json": {"delimiter": "\t"},
}


def plans(document: Any) -> dict[str, Any]:
    return {plan.resource: plan for plan in read_package(document, BESIDE.__getitem__)}


@pytest.mark.parametrize("package", [CODES, YEARS, PORTS, STORE])
def test_what_a_package_becomes_is_a_definition_that_the_service_accepts(package: Any) -> None:
    made = [plan for plan in plans(package).values() if plan.entity is not None]
    entities = {plan.entity: Entity(plan.entity, plan.entity, plan.definition["schema"], plan.entity) for plan in made}
    assert made
    for plan in made:
        parse_schema(plan.definition["schema"])
        Dialect.from_document(plan.definition.get("dialect", {}))
        assert check_references(entities[plan.entity], entities) == []


def test_a_resource_becomes_an_entity_with_its_schema_dialect_and_encoding() -> None:
    found = plans(STORE)
    orders = found["orders"].definition
    assert (orders["title"], orders["database"], orders["encoding"]) == ("Orders", "store", "windows-1252")
    assert (orders["dialect"], found["orders"].files) == ({"delimiter": ";"}, ["orders-1.csv", "orders-2.csv"])
    assert orders["schema"]["foreignKeys"] == STORE["resources"][1]["schema"]["foreignKeys"][:2]
    assert found["customers"].definition["schema"]["foreignKeys"][0]["reference"] == {"fields": ["id"], "resource": ""}
    assert found["rates"].definition["dialect"] == {"delimiter": "\t"}
    assert "primaryKey" not in plans(PORTS)["ports"].definition["schema"]


def test_a_dialect_may_be_that_of_frictionless() -> None:
    def dialect(given: Any) -> Any:
        schema = {"fields": [{"name": "a"}]}
        (plan,) = read_package({"resources": [{"name": "a", "schema": schema, "dialect": given}]}, str)
        Dialect.from_document(plan.definition["dialect"])
        return plan.definition["dialect"]

    assert dialect({"headerRows": [2], "csv": {"delimiter": ";"}}) == {"headerRows": [2], "delimiter": ";"}
    assert dialect({"excel": {"sheet": "Data"}}) == {"sheetName": "Data"}
    assert dialect({"excel": {"sheet": 2}}) == {"sheetNumber": 2}


def test_what_an_entity_does_not_say_is_told() -> None:
    found = plans(STORE)
    assert (found["notes"].entity, found["notes"].problem) == (None, "it has no Table Schema")
    assert found["orders"].remarks == [
        "the foreign key of mail is left out: mail of customers is not its primary key",
        "the foreign key of place is left out: there is no entity of elsewhere",
    ]
    assert found["Länder & Orte"].entity == "L-nder-Orte"
    assert found["Länder & Orte"].remarks == [
        "the entity is called L-nder-Orte, because 'Länder & Orte' cannot be its name",
        "it has no primaryKey: each row of a file will be a new record",
    ]


@pytest.mark.parametrize(
    "path", ["/etc/schema.json", "../schema.json", "a/../../b.json", "https://example.com/s.json", "C:s.json"]
)
def test_a_schema_that_is_not_beside_the_descriptor_is_not_read(path: str) -> None:
    (plan,) = read_package({"resources": [{"name": "a", "schema": path}]}, lambda path: pytest.fail(path))
    assert plan.entity is None
    assert "beside the descriptor" in str(plan.problem)


def test_two_resources_of_one_name_and_what_is_no_package() -> None:
    fields = {"fields": [{"name": "a"}]}
    found = read_package({"resources": [{"name": "a b", "schema": fields}, {"name": "a-b", "schema": fields}]}, str)
    assert [(plan.entity, plan.problem) for plan in found] == [
        ("a-b", None),
        (None, "its entity would be a-b, as that of a b"),
    ]
    for document in ({}, [], {"resources": []}, {"resources": ["a"]}, 3):
        with pytest.raises(UsageFailure):
            read_package(document, str)


@pytest.mark.usefixtures("home")
def test_entities_are_made_in_an_order_in_which_each_finds_what_it_names(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "schemas").mkdir()
    for name, document in {**BESIDE, "datapackage.json": STORE}.items():
        (home / name).write_text(json.dumps(document))
    kept = {"permissions": {"view": ["sales"], "import": [], "export": []}, "columns": {"E": "mail"}}
    for name in ("orders", "rates", "L-nder-Orte"):
        stack.routes[f"GET /v1/entities/{name}"] = answer({"title": "Not Found"}, 404)
        stack.routes[f"PUT /v1/entities/{name}"] = answer({}, 201)
    stack.routes["GET /v1/entities/customers"] = answer({"name": "customers", "schema": {"fields": []}, **kept})
    stack.routes["PUT /v1/entities/customers"] = answer({})
    assert main(["entities", "import", "datapackage.json"]) == 1  # the notes are no table
    told = capsys.readouterr()
    sent = [request for request in stack.requests if request.method == "PUT"]
    foreign = [
        (
            request.path.rpartition("/")[2],
            [key["reference"]["resource"] for key in request.json["schema"].get("foreignKeys", [])],
        )
        for request in sent
    ]
    assert foreign == [
        ("rates", []),
        ("L-nder-Orte", []),
        ("orders", ["rates"]),
        ("customers", ["", "orders"]),
        ("orders", ["customers", "rates"]),
    ]
    assert {name: sent[3].json[name] for name in kept} == kept
    assert told.out.splitlines()[:4] == ["Created rates", "Created L-nder-Orte", "Created orders", "Replaced customers"]
    assert "notes makes no entity: it has no Table Schema" in told.err
    assert "orders: the foreign key of mail is left out" in told.err
    assert "waybill import orders-1.csv --entity orders --watch" in told.out


@pytest.mark.usefixtures("home")
def test_a_dry_run_prints_and_sends_nothing(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "datapackage.json").write_text(json.dumps(YEARS))
    assert main(["entities", "import", "datapackage.json", "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["years"]["schema"] == YEARS["resources"][0]["schema"]  # type: ignore[index]
    assert stack.requests == []


@pytest.mark.usefixtures("home")
def test_a_resource_that_the_service_refuses_does_not_keep_the_others(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "datapackage.json").write_text(json.dumps({"resources": [*CODES["resources"], *YEARS["resources"]]}))
    problem = {
        "title": "Unprocessable",
        "errors": [{"pointer": "#/schema/fields/0/type", "detail": "must be one of …"}],
    }
    for name, found in {"codes": answer(problem, 422), "years": answer({}, 201)}.items():
        stack.routes[f"GET /v1/entities/{name}"] = answer({"title": "Not Found"}, 404)
        stack.routes[f"PUT /v1/entities/{name}"] = found
    assert main(["--json", "entities", "import", "datapackage.json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["made"] == {"years": "Created"}
    assert result["failed"] == [
        {"resource": "codes", "detail": "Unprocessable; /schema/fields/0/type: must be one of …"}
    ]
