"""What the parameters of queries share: all of them are texts, and unknown ones are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from models.base import broken
from waybill.errors import MalformedRequest

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
MAX_TOKEN = 16_384
"""Characters of a `nextToken`; the longest holds the key of an item, of 3 KB, with its letters escaped."""


class Query(BaseModel):
    """The parameters of a query."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, defer_build=True, use_attribute_docstrings=True
    )

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Self:
        """A query as its model.

        Raises:
            MalformedRequest: a parameter is unknown, or has a value that it cannot have.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            found = {each["type"]: each for each in error.errors(include_url=False, include_input=False)}
        if "extra_forbidden" in found:
            known = ", ".join(member.alias or name for name, member in cls.model_fields.items())
            raise MalformedRequest(f"There is an unknown parameter in the query; this resource takes only {known}.")
        first = next(iter(found.values()))
        rule = first.get("ctx", {}).get("rule", first["msg"])
        raise MalformedRequest(f"{first['loc'][0]} {rule}.")


def _limit(text: Any) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_LIMIT):
        raise broken(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _text(given: str) -> str | None:
    return given or None


def _token(text: str) -> str | None:
    if len(text) > MAX_TOKEN:
        raise broken("was not issued by this list")
    return text or None


class Paging(Query):
    """A page of a list."""

    limit: Annotated[
        int, PlainValidator(_limit), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT})
    ] = DEFAULT_LIMIT
    """Length of a page."""
    next_token: Annotated[str | None, BeforeValidator(_token), WithJsonSchema({"type": "string"})] = None
    """Of the page before."""


@dataclass(frozen=True)
class Words:
    """One or more words with commas between; an empty value counts as absent, because forms send empty fields."""

    kind: type[StrEnum]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string", "enum": [*self.kind, ""]}}

    def _parse(self, text: str) -> frozenset[StrEnum]:
        try:
            return frozenset(self.kind(word.strip()) for word in text.split(",")) if text else frozenset(self.kind)
        except ValueError:
            raise broken(f"must be one or more of {', '.join(self.kind)}") from None


@dataclass(frozen=True)
class OneOf:
    """Annotates a parameter that is one of some words, or empty."""

    words: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "enum": [*self.words, ""]}

    def _check(self, text: str) -> str:
        if text and text not in self.words:
            raise broken(f"must be {' or '.join(self.words)}")
        return text
