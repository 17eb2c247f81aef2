"""What schemas are built of. Words, limits and members come from the code that checks and writes them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from web import ID_PATTERN

Schema = dict[str, Any]

LINE_PATTERN = "^[^\\u0000-\\u001F\\u007F-\\u009F\\u2028\\u2029]*$"
MOMENT = "2026-01-31T09:30:00.000Z"
JOB_ID = "2587c81c-b9fc-4873-ae2f-421b292d2c2b"


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def of(kind: str, description: str = "", **keywords: Any) -> Schema:
    return {"type": kind, **({"description": description} if description else {}), **keywords}


def line(longest: int, description: str = "", **keywords: Any) -> Schema:
    """One line of text (`waybill.entities.model.is_line`)."""
    return of("string", description, minLength=1, maxLength=longest, pattern=LINE_PATTERN, **keywords)


def word(words: Iterable[str], description: str = "", **keywords: Any) -> Schema:
    return of("string", description, enum=[str(each) for each in words], **keywords)


def ident(description: str = "") -> Schema:
    return of("string", description, format="uuid", pattern=f"^{ID_PATTERN.pattern}$")


def moment(description: str = "") -> Schema:
    return of("string", description, format="date-time")


def uri() -> Schema:
    return of("string", format="uri")


def listed(items: Schema, description: str = "", **keywords: Any) -> Schema:
    return of("array", description, items=items, **keywords)


def or_null(schema: Schema) -> Schema:
    if "$ref" in schema or "anyOf" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    nullable = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    return nullable


def taken(
    members: Collection[str], properties: dict[str, Schema], required: Collection[str] = (), **more: Any
) -> Schema:
    """The object that a request holds.

    Args:
        members: what the code that reads the request knows.

    Raises:
        ValueError: `properties` are not those members.
    """
    check_members(members, properties)
    return {
        "type": "object",
        "properties": {name: one if name in required else or_null(one) for name, one in properties.items()},
        **({"required": [name for name in properties if name in required]} if required else {}),
        "additionalProperties": False,
        **more,
    }


def given(
    properties: dict[str, Schema], optional: Collection[str] = (), members: Collection[str] | None = None
) -> Schema:
    """The object that an answer holds; later versions may add members."""
    if members is not None:
        check_members(members, properties)
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def shown(members: Collection[str], properties: dict[str, Schema], required: Collection[str] = ()) -> Schema:
    """What a request held, as an answer holds it: members that were left out are left out, none is null."""
    return given(properties, set(properties) - set(required), members)


Shape = Callable[[Collection[str], dict[str, Schema], Collection[str]], Schema]  # `taken` or `shown`


def check_members(members: Collection[str], properties: Collection[str]) -> None:
    if set(members) != set(properties):
        raise ValueError(f"described and served members differ: {sorted(set(members) ^ set(properties))}")


def page_of(items: Schema, **more: Schema) -> Schema:
    next_token = or_null(of("string", "Give it as `nextToken` to go on; null on the last page."))
    return given({"items": listed(items), "nextToken": next_token, **more})


def same(members: Collection[str], properties: dict[str, Schema]) -> dict[str, Schema]:
    check_members(members, properties)
    return properties
