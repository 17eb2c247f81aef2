"""Foreign keys against the entities that they name (contract, section 5)."""

from __future__ import annotations

from collections.abc import Mapping

from waybill.entities.fields import Field
from waybill.entities.model import Entity
from waybill.entities.schema import ForeignKey, Schema, parse_schema
from waybill.validation import Problems

#: Types whose equal values are the same text.
_ALIKE = ({"string", "any"}, {"integer", "number"})


def check_references(entity: Entity, others: Mapping[str, Entity]) -> Problems:
    """What is wrong with an entity's foreign keys.

    Args:
        others: the entities that they name, by name, as far as there are any; they need not have the entity itself.
    """
    schema, problems = parse_schema(entity.schema), Problems()
    for position, key in enumerate(schema.foreign_keys):
        path = f"/schema/foreignKeys/{position}"
        if is_own(key, entity):
            problems += _problems(path, key, schema, schema, "this entity")
        elif key.resource not in others:
            problems.append((f"{path}/reference/resource", f"there is no entity {key.resource!r}"))
        else:
            problems += _problems(path, key, schema, parse_schema(others[key.resource].schema), key.resource)
    return problems


def is_own(key: ForeignKey, entity: Entity) -> bool:
    """Whether a foreign key of an entity names a record of the same entity."""
    return key.resource in ("", entity.name)


def fits(key: ForeignKey, schema: Schema, referenced: Schema) -> bool:
    """Whether a foreign key of one schema names records of the other."""
    return not _problems("", key, schema, referenced, "")


def still_fits(entity: Entity, named: Entity) -> bool:
    """Whether the foreign keys of an entity that name this one fit its definition."""
    schema, referenced = parse_schema(entity.schema), parse_schema(named.schema)
    return all(fits(key, schema, referenced) for key in schema.foreign_keys if key.resource == named.name)


def _problems(path: str, key: ForeignKey, schema: Schema, referenced: Schema, name: str) -> Problems:
    if set(key.referenced) != set(referenced.primary_key):
        whole = " and ".join(referenced.primary_key)
        what = f"the whole primary key of {name}: {whole}" if whole else f"a primary key, which {name} does not have"
        return [(f"{path}/reference/fields", f"must be {what}")]
    pairs = [
        (schema.by_name[one], referenced.by_name[other]) for one, other in zip(key.names, key.referenced, strict=True)
    ]
    return [
        (f"{path}/fields/{position}", f"is of type {field.type}, {other.name} of {name} of type {other.type}")
        for position, (field, other) in enumerate(pairs)
        if not _are_alike(field, other)
    ]


def _are_alike(field: Field, other: Field) -> bool:
    return field.type == other.type or any({field.type, other.type} <= types for types in _ALIKE)
