"""The description of the API is what the API does, and its page needs nothing from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.api_builders import http_event, load_function
from tests.builders import ROOT, settings
from tests.described import description, operations, wrong
from waybill import schedule
from waybill.bootstrap import Services
from waybill.exports import filter
from waybill.tabular import dialect

FOLDER = ROOT / "functions" / "api"


@pytest.fixture
def get(function: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    services = Services(settings("http://127.0.0.1:9"))
    monkeypatch.setattr(function, "services", lambda: services)
    monkeypatch.setattr(function, "verifier", lambda: None)

    def call(path: str, method: str = "GET", **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = function.handler(http_event(method, path, **request), None)
        return answer

    return call


def test_the_committed_files_are_what_make_openapi_writes() -> None:
    program = "import json; from openapi.build import built; print(json.dumps(built()))"
    environment = os.environ | {"PYTHONPATH": f"{FOLDER}{os.pathsep}{ROOT / 'shared'}"}
    written = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    ).stdout
    for name, text in json.loads(written).items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name} is stale: run `make openapi`"


def test_it_is_openapi() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(description()).iter_errors()] == []


def test_every_reference_leads_to_something() -> None:
    """The validator does not look at headers, and one that is missing stops the build of the console."""
    places = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(description())))
    assert len(places) > 100
    for place in places:
        found: Any = description()
        for part in place.split("/"):
            assert part in found, f"there is no #/{place}"
            found = found[part]


def test_every_route_is_described_and_nothing_else() -> None:
    served = load_function("api").operations()
    routes = {(route.method, route.path.replace("<", "{").replace(">", "}")) for route in served}
    assert {(method, path) for method, path, _ in operations()} == routes
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)


def test_requests_take_no_unknown_members() -> None:
    schemas = description()["components"]["schemas"]
    for method, path, operation in operations():
        if "requestBody" in operation:
            name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert schemas[name]["additionalProperties"] is False, (method, path)


def test_requests_take_null_for_what_may_be_left_out() -> None:
    """Null counts as left out: a client may send what an answer showed, or all members that it knows."""
    schemas = description()["components"]["schemas"]
    for method, path, operation in operations():
        if "requestBody" in operation:
            name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            for member in set(schemas[name]["properties"]) - set(schemas[name].get("required", ())):
                member_schema = {"$ref": f"#/components/schemas/{name}/properties/{member}"}
                assert wrong(member_schema, None) == [], (method, path, member)


def _schemas_in(part: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, list):
        for index, each in enumerate(part):
            yield from _schemas_in(each, f"{where}/{index}")
    elif isinstance(part, dict):
        yield where, part
        for name, each in part.items():
            if name not in ("example", "examples"):
                yield from _schemas_in(each, f"{where}/{name}")


def test_generated_clients_can_name_every_object() -> None:
    """A generator invents a name for what has none, and another one after the next change."""
    for name, component in description()["components"]["schemas"].items():
        for where, schema in _schemas_in(component, name):
            assert where == name or not isinstance(schema.get("properties"), dict), f"{where} has no name of its own"


def test_no_enum_holds_null() -> None:
    """Generators make an enum of texts of it, with a member that has no name."""
    for where, schema in _schemas_in(description(), ""):
        assert None not in (schema["enum"] if isinstance(schema.get("enum"), list) else ()), where


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("Condition", filter.MEMBERS),
        ("PeriodicSchedule", schedule.PERIODIC_MEMBERS),
        ("IntervalSchedule", schedule.INTERVAL_MEMBERS),
        ("OneShotSchedule", schedule.ONE_SHOT_MEMBERS),
        ("TableDialect", dialect.MEMBERS),
    ],
)
def test_documents_are_described_with_the_members_that_are_read(name: str, members: Collection[str]) -> None:
    assert set(description()["components"]["schemas"][name]["properties"]) == set(members)


def test_examples_are_valid() -> None:
    for name, schema in description()["components"]["schemas"].items():
        for example in schema.get("examples", []):
            assert wrong({"$ref": f"#/components/schemas/{name}"}, example) == [], name


def test_servers_hold_the_address_that_was_called(get: Any) -> None:
    answer = get("/v1/openapi.json")
    served = json.loads(answer["body"])
    assert served["servers"] == [{"url": "http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4e5"}]
    assert served | {"servers": None} == description() | {"servers": None}


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(str(value))
            if name in ("href", "src"):
                self.links.append(str(value))


def test_page_needs_nothing_from_outside(get: Any) -> None:
    answer = get("/v1/docs")
    page = _Page(answer["body"])
    assert answer["headers"]["Content-Type"].startswith("text/html")
    assert answer["headers"]["Content-Security-Policy"].startswith("default-src 'none';")
    assert "unsafe" not in answer["headers"]["Content-Security-Policy"]
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "base", "form"})
    assert not {name for name in page.attributes if name.startswith("on") or name == "style"}
    assert len(set(page.ids)) == len(page.ids)
    assert {link for link in page.links if not link.startswith("#")} == {"openapi.json"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_page_has_every_operation_and_explains_every_problem(get: Any) -> None:
    page = _Page(get("/v1/docs")["body"])
    assert {operation["operationId"] for _, _, operation in operations()} <= set(page.ids)
    for problem in description()["x-problems"]:
        assert f"problem-{problem['code']}" in page.ids
        assert problem["type"] in get("/v1/docs")["body"]


def test_texts_in_the_page_are_escaped() -> None:
    build = load_function("api", "openapi.page")
    evil = json.loads(
        json.dumps(description()).replace("Check that the service is up", "<script>alert(1)</script> & `<b>`")
    )
    page = build.page(evil)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in page


def test_problems_link_to_what_explains_them(get: Any) -> None:
    for path, link in [
        ("/v1/nothing", "docs#problem-not-found"),
        ("/v1/nothing/at/all", "../../docs#problem-not-found"),
    ]:
        assert get(path)["headers"]["Link"] == f'<{link}>; rel="help"'
    assert "Link" not in get("/nothing")["headers"]


def test_head_is_get_without_the_content(get: Any) -> None:
    for path in ("/v1/health", "/v1/openapi.json", "/v1/nothing"):
        head, whole = get(path, "HEAD"), get(path)
        assert (head["statusCode"], head["body"]) == (whole["statusCode"], "")
        assert head["headers"] == whole["headers"]
    refused = get("/v1/uploads", "HEAD")
    assert (refused["statusCode"], refused["headers"]["Allow"]) == (405, "POST")


def test_the_function_starts_without_the_builder() -> None:
    """Describing loads every schema and library; serving reads a file."""
    app = (FOLDER / "app.py").read_text() + "".join(path.read_text() for path in (FOLDER / "routers").glob("*.py"))
    assert not re.search(r"^\s*(from|import) openapi", app, re.MULTILINE)
