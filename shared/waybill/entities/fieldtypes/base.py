"""What every field type answers. One class per type stands in the modules beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

ORDERED = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
SIZED = frozenset({"minLength", "maxLength"})

Attribute = Mapping[str, Any]
"""A DynamoDB attribute value as its JSON protocol writes it: `{"S": "Aa"}`, `{"N": "12"}`, `{"L": [...]}`."""


class FieldType:
    """One type with one format: cell text ↔ logical value ↔ DynamoDB attribute.

    `storage` is the DynamoDB type letter of a scalar (`S`, `N`, `BOOL`); `""` when `stored` gives a whole attribute
    value as JSON text. `constraints` are those the standard allows beside `required`, `unique` and `enum`. `noun` says
    what a cell should have been: a bad one is "not {noun}". `units` are what its length counts.
    """

    name: ClassVar[str]
    storage: ClassVar[str] = "S"
    constraints: ClassVar[frozenset[str]] = frozenset()
    noun: str = "valid text"
    units: ClassVar[str] = "characters"

    def __init__(self, format: str = "default") -> None:
        self.format = format

    def parse(self, cell: str) -> Any:
        """Reads a cell that is not a missing value. Raises ValueError; `Unreadable` when there is a reason to tell."""
        raise NotImplementedError

    def parse_given(self, given: Any) -> Any:
        """Reads a value of the schema itself (a bound, an enum entry): typed JSON, or text as in a cell."""
        if isinstance(given, str):
            return self.parse(given)
        raise ValueError

    def stored(self, value: Any) -> str:
        """The text inside `{"S": …}` / `{"N": …}` (not escaped), `true`/`false`, or a whole attribute as JSON."""
        return str(value)

    def identity(self, value: Any) -> str:
        """Equal values have equal identities: record keys, `unique`, `uniqueKeys` and `enum` compare these."""
        return self.stored(value)

    def order(self, value: Any) -> Any:
        """What bounds compare."""
        return value

    def length(self, value: Any) -> int:
        """What `minLength` and `maxLength` compare."""
        return len(value)

    def to_json(self, attribute: Attribute) -> Any:
        """The value as the records API shows it."""
        return attribute[self.storage]

    def to_cell(self, attribute: Attribute) -> str:
        """The text an export writes; reading it again gives the same value and the same text."""
        return str(attribute[self.storage])
