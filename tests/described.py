"""Checks the API's responses against its own description."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from typing import Any

from openapi_schema_validator import OAS31Validator, oas31_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.builders import ROOT

Document = dict[str, Any]


@cache
def description() -> Document:
    document: Document = json.loads((ROOT / "functions/api/openapi.json").read_text(encoding="utf-8"))
    return document


def operations() -> list[tuple[str, str, Document]]:
    """(method, path, operation) of all."""
    return [
        (method.upper(), path, operation)
        for path, methods in description()["paths"].items()
        for method, operation in methods.items()
    ]


def find(method: str, path: str) -> Document | None:
    """The operation that a request is for; a path without parameters comes first: `/jobs/delete` is no job."""
    paths = description()["paths"]
    fitting = [path] if path in paths else [one for one in paths if re.fullmatch(re.sub("{.*?}", "[^/]+", one), path)]
    return next((paths[one][method.lower()] for one in fitting if method.lower() in paths[one]), None)


def check_answer(method: str, path: str, status: int, headers: dict[str, str], text: str) -> None:
    """Fail unless the description covers this response: its status, its headers, and every member of its body."""
    operation = find(method, path)
    if operation is None:
        assert status in (404, 405), (method, path, status)
        return
    called = f"{method} {path} → {status}"
    assert str(status) in operation["responses"], f"{called} is not described"
    response = _resolved(operation["responses"][str(status)])
    for name in response.get("headers", {}):
        if name != "Retry-After" or status == 202:  # while a job has not ended
            assert name in headers, f"{called} lacks {name}"
    content = response.get("content")
    if content is None:
        assert text == "", f"{called} has content"
        return
    media_type = headers["Content-Type"].partition(";")[0]
    assert media_type in content, f"{called} is {media_type}"
    if media_type.endswith("json"):
        errors = wrong(content[media_type]["schema"], json.loads(text))
        assert not errors, f"{called}: {errors}"


def wrong(schema: Document, value: Any) -> list[str]:
    """The parts of a value that do not match a schema of the description."""
    return [f"{error.json_path}: {error.message[:300]}" for error in _validator(json.dumps(schema)).iter_errors(value)]


def _resolved(part: Document) -> Document:
    if "$ref" not in part:
        return part
    found: Any = description()
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


@cache
def _registry() -> Registry[Any]:
    document = copy.deepcopy(description())
    _close(document["components"]["schemas"])
    return Registry().with_resource("urn:api", DRAFT202012.create_resource(document))


@cache
def _validator(schema: str) -> OAS31Validator:
    known = json.loads(schema.replace('"$ref": "#/', '"$ref": "urn:api#/'))
    return OAS31Validator(known, registry=_registry(), format_checker=oas31_format_checker)


def _close(part: Any) -> None:
    """Answers may get members in later versions; those of this one are described, all of them."""
    if isinstance(part, list):
        for each in part:
            _close(each)
    if not isinstance(part, dict):
        return
    if isinstance(part.get("properties"), dict):
        part.setdefault("additionalProperties", False)
    for each in part.values():
        _close(each)
