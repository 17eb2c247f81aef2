"""The named schemas of the description: request models and typed dictionaries, as JSON Schema 2020-12."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import is_typeddict

import waybill.wire
from openapi import documents
from openapi.examples import EXAMPLES
from waybill.exports import wire as exports_wire
from waybill.sources import wire as sources_wire

Json = dict[str, Any]
_REF = "#/components/schemas/"
_ABOUT = ("description", "default", "examples")


class _Generator(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # members are named well enough

    def sort(self, value: Any, parent_key: str | None = None) -> Any:
        return value  # members and examples stay in their order


def ref(name: str) -> Json:
    return {"$ref": f"{_REF}{name}"}


def components(bodies: Collection[type], answers: Collection[type]) -> tuple[dict[str, Json], dict[type, str]]:
    """
    Returns:
        The schemas by name, and the name of each body and answer. What requests and answers hold differently has two
        schemas; that of requests ends in `Request`.
    """
    kinds = _typed_dictionaries()
    taken, given = _schemas(bodies, kinds, _as_taken), _schemas(answers, kinds, lambda schema: schema)
    shared = set(taken) & set(given)
    differing = {name for name in shared if taken[name] != given[name]}
    while more := {name for name in shared - differing if _refs(taken[name]) & differing}:
        differing |= more
    renamed = {name: f"{name}Request" for name in differing}
    named = {renamed.get(name, name): _with_refs(schema, renamed) for name, schema in taken.items()} | given
    for name, examples in EXAMPLES.items():
        named[name]["examples"] = examples
    names = {kind: kind.__name__ for kind in answers} | {
        kind: renamed.get(kind.__name__, kind.__name__) for kind in bodies
    }
    return dict(sorted(named.items())), names


def _typed_dictionaries() -> dict[str, Any]:
    """Those of the answers and documents, by name, set up so that pydantic reads the docstrings of their members."""
    modules = [import_module(f"waybill.wire.{module.name}") for module in iter_modules(waybill.wire.__path__)]
    modules += [exports_wire, sources_wire, documents]
    kinds = {name: kind for module in modules for name, kind in vars(module).items() if is_typeddict(kind)}
    for kind in kinds.values():
        known = vars(kind).get("__pydantic_config__", {})
        kind.__pydantic_config__ = {**known, "use_attribute_docstrings": True}
    return kinds


def _schemas(wanted: Collection[type], kinds: dict[str, Any], finish: Callable[[Json], Json]) -> dict[str, Json]:
    """The wanted ones, and all that they refer to, by name."""
    generated = [*wanted, *(shape for shape in documents.SHAPES.values() if not isinstance(shape, dict))]
    adapters = [(kind.__name__, "validation", TypeAdapter(kind)) for kind in generated]
    _, schema = TypeAdapter.json_schemas(adapters, ref_template=f"{_REF}{{model}}", schema_generator=_Generator)  # type: ignore[arg-type]
    found: dict[str, Json] = schema["$defs"] | {
        name: shape for name, shape in documents.SHAPES.items() if isinstance(shape, dict)
    }
    for name in set(found) & set(kinds):
        for member, text in _inherited_texts(kinds[name]).items():
            found[name]["properties"][member].setdefault("description", text)
    found = {name: finish(finished(schema)) for name, schema in found.items()}
    reached = {kind.__name__ for kind in wanted}
    while more := set().union(*(_refs(found[name]) for name in reached)) - reached:
        reached |= more
    return {name: found[name] for name in reached}


def _inherited_texts(kind: Any) -> dict[str, str]:
    """Descriptions of the members that a class inherits: pydantic reads the docstrings of its own ones only."""
    texts: dict[str, str] = {}
    for base in filter(is_typeddict, getattr(kind, "__orig_bases__", ())):
        members = TypeAdapter(base).json_schema(schema_generator=_Generator)["properties"].items()
        own = {name: member["description"] for name, member in members if "description" in member}
        texts |= _inherited_texts(base) | own
    return texts


def _parts(schema: Json) -> Iterator[tuple[Any, Any]]:
    """(container, key) of each schema nested in a schema."""
    yield from ((schema, word) for word in ("items", "additionalProperties") if isinstance(schema.get(word), dict))
    members = schema.get("properties", {})
    yield from ((members, name) for name in members)
    choices = schema.get("anyOf", ())
    yield from ((choices, index) for index in range(len(choices)))


def _refs(schema: Json) -> set[str]:
    own = {schema["$ref"].removeprefix(_REF)} if "$ref" in schema else set()
    return own.union(*(_refs(container[key]) for container, key in _parts(schema)))


def _mapped(schema: Json, change: Callable[[Json], Json]) -> Json:
    """A copy in which each nested schema is changed."""
    copy = {word: part.copy() if word in ("anyOf", "properties") else part for word, part in schema.items()}
    for container, key in list(_parts(copy)):
        container[key] = change(container[key])
    return copy


def finished(schema: Json) -> Json:
    """Without what only pydantic needs, and with references for documents."""
    schema = {word: part for word, part in schema.items() if word not in ("title", "discriminator")}
    if "description" in schema:
        schema["description"] = re.sub(r"(?<!\n)\n(?!\n)", " ", schema["description"])
    if schema.get("default", 0) in (None, ""):
        del schema["default"]
    if "shape" in schema:
        return ref(schema["shape"]) | {word: schema[word] for word in _ABOUT if word in schema}
    schema = _mapped(schema, finished)
    if "anyOf" in schema:
        schema["anyOf"] = [part for choice in schema["anyOf"] for part in _choices(choice)]
    return schema


def _choices(schema: Json) -> list[Json]:
    choices: list[Json] = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    return choices


def _as_taken(schema: Json) -> Json:
    """Requests take no other members, and null for those that may be left out."""
    if "properties" not in schema or schema.get("additionalProperties") is True:
        return schema
    needed = schema.get("required", ())
    members = {name: one if name in needed else _or_null(one) for name, one in schema["properties"].items()}
    return schema | {"properties": members, "additionalProperties": False}


def _or_null(schema: Json) -> Json:
    if {"type": "null"} in schema.get("anyOf", ()) or not {"type", "$ref", "anyOf"} & set(schema):
        return schema
    about = {word: schema[word] for word in _ABOUT if word in schema}
    value = {word: part for word, part in schema.items() if word not in about}
    return {"anyOf": [*_choices(value), {"type": "null"}], **about}


def _with_refs(schema: Json, renamed: dict[str, str]) -> Json:
    schema = _mapped(schema, lambda part: _with_refs(part, renamed))
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        schema |= ref(renamed.get(name, name))
    return schema
