"""moto and botocore without what takes half of their time in tests: they answer as before.

| what | instead |
|---|---|
| a transaction copies whole tables, to undo what it did | the items that it names are copied |
| each value of an item in an answer is looked for under all names that an attribute could have | written as it is |
| the tree of an update expression is copied object by object | copied by pickle |
| each client of boto3 compiles the rules for the addresses of its service | compiled once |
"""

from __future__ import annotations

import base64
import copy
import pickle
from types import SimpleNamespace
from typing import Any

import botocore.regions
import moto.dynamodb.models
import moto.dynamodb.parsing.validators
from botocore.endpoint_provider import EndpointProvider
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.models import DynamoDBBackend, DynamoType, Table

_transact = DynamoDBBackend.transact_write_items
_structure = BaseJSONSerializer._serialize_type_structure


def install() -> None:
    """Change moto and botocore, for the whole process."""
    models: Any = moto.dynamodb.models
    models.copy = SimpleNamespace(deepcopy=lambda value: value if isinstance(value, Table) else copy.deepcopy(value))
    models.DynamoDBBackend.transact_write_items = _transact_write_items
    validators: Any = moto.dynamodb.parsing.validators
    validators.deepcopy = lambda value: pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    serializer: Any = BaseJSONSerializer
    serializer._serialize_type_structure = _serialize_structure
    regions: Any = botocore.regions
    regions.EndpointProvider = _endpoint_provider


def _transact_write_items(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    """As moto's, which begins by copying the tables (here it gets the tables themselves)."""
    before = _before(backend, transact_items)
    try:
        _transact(backend, transact_items)
    except BaseException:
        for (name, partition), found in before.items():
            if found is None:
                backend.tables[name].items.pop(partition, None)
            else:
                backend.tables[name].items[partition] = found
        raise


def _before(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> dict[tuple[str, DynamoType], Any]:
    """The partitions of the items that a transaction names, with copies of these items; None for one without items."""
    before: dict[tuple[str, DynamoType], Any] = {}
    for action in transact_items:
        (body,) = action.values()
        table, key = backend.tables.get(body["TableName"]), body.get("Key") or body["Item"]
        if table is None or any(name not in key for name in table.table_key_attrs):
            continue  # moto refuses it
        partition, sort = backend.get_keys_value(table, key)
        place, found = (table.name, partition), table.items.get(partition)
        if sort is None:
            before[place] = copy.deepcopy(found)
            continue
        kept = before.setdefault(place, dict(found) if found else None)
        if kept and sort in kept:
            kept[sort] = copy.deepcopy(kept[sort])
    return before


def _serialize_structure(serializer: BaseJSONSerializer, serialized: Any, value: Any, shape: Any, key: str) -> None:
    if shape.name == "AttributeValue" and type(value) is dict:
        serialized[key] = _attribute(value)
    else:
        _structure(serializer, serialized, value, shape, key)


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    """A value of DynamoDB's JSON, whose binary content is bytes, as it is sent."""
    ((kind, content),) = value.items()
    match kind:
        case "BOOL" | "NULL":
            return value
        case "S" | "N":
            return {kind: str(content)}
        case "M":
            return {kind: {name: _attribute(member) for name, member in content.items()}}
        case "L":
            return {kind: [_attribute(element) for element in content]}
        case "SS" | "NS":
            return {kind: [str(element) for element in content]}
        case "B":
            return {kind: base64.b64encode(content).decode()}
        case "BS":
            return {kind: [base64.b64encode(element).decode() for element in content]}
    raise AssertionError(f"moto answers with a value of type {kind}")


def _endpoint_provider(ruleset_data: Any, partition_data: Any, **options: Any) -> EndpointProvider:
    key = id(ruleset_data), id(partition_data)
    if key not in _providers:
        # Kept with what it was made of, so that no other has its identity.
        _providers[key] = EndpointProvider(ruleset_data, partition_data, **options), ruleset_data, partition_data
    return _providers[key][0]


_providers: dict[tuple[int, int], tuple[EndpointProvider, Any, Any]] = {}
