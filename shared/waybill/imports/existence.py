"""Asks a table which keys it holds, 100 keys a request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from waybill.aws.dynamodb import DynamoDB
from waybill.aws.table import batch_get

_TOMBSTONE = "_gone"

# A key in comparable form: DynamoDB spells numbers in its own way.
Key = tuple[tuple[str, str | Decimal], ...]


def keys_of(texts: Iterable[bytes], attributes: Sequence[str], is_update: bool) -> list[dict[str, Any]]:
    """The keys, in DynamoDB's JSON, of the records in these requests.

    Args:
        texts: requests as `waybill.imports.sinks.BatchSink` wraps them.
        attributes: names of the table's key attributes.
    """
    found = []
    for text in texts:
        item = json.loads(text)["PutRequest"]["Item"]
        key = item["Key"] if is_update else item
        found.append({name: key[name] for name in attributes})
    return found


def comparable(key: Mapping[str, Any], attributes: Sequence[str]) -> Key:
    values = []
    for name in attributes:
        ((kind, value),) = key[name].items()
        values.append((kind, Decimal(value) if kind == "N" else value))
    return tuple(values)


def existing(
    dynamodb: DynamoDB, table: str, keys: Sequence[Mapping[str, Any]], attributes: Sequence[str], own_table: bool
) -> set[Key]:
    """The keys that the table holds, by consistent reads. In Waybill's own table a tombstone is not a record."""
    wanted = [*attributes, _TOMBSTONE] if own_table else attributes
    distinct = {comparable(key, attributes): key for key in keys}
    items = batch_get(dynamodb, table, list(distinct.values()), wanted)
    return {comparable(item, attributes) for item in items if not (own_table and _TOMBSTONE in item)}
