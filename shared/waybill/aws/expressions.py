"""DynamoDB's condition and update expressions, built from values.

Names and values always travel as placeholders, so that reserved words never matter. The methods are named after the
operators and functions of
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from waybill.aws.dynamodb import to_attributes


class Placeholders:
    """The names and values of one request's expressions."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def path(self, path: str) -> str:
        """The placeholder of an attribute, `leases.3.attempt` being one within maps."""
        return ".".join(self.names.setdefault(name, f"#n{len(self.names)}") for name in path.split("."))

    def value(self, value: Any) -> str:
        """The placeholder of a value, or the path of another attribute."""
        if isinstance(value, Attr):
            return self.path(value.path)
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = value
        return placeholder

    def request(self) -> dict[str, Any]:
        request: dict[str, Any] = {}
        if self.names:
            request["ExpressionAttributeNames"] = {placeholder: name for name, placeholder in self.names.items()}
        if self.values:
            request["ExpressionAttributeValues"] = to_attributes(self.values)
        return request


@dataclass(frozen=True)
class Condition:
    """What must hold for a write; joined by `&` and `|`, negated by `~`.

    Attributes:
        joined_by: the outermost operator, for parentheses: DynamoDB refuses redundant ones.
    """

    render: Callable[[Placeholders], str]
    joined_by: str = ""

    def __and__(self, other: Condition) -> Condition:
        return Condition(lambda places: f"{self._within('OR', places)} AND {other._within('OR', places)}", "AND")

    def __or__(self, other: Condition) -> Condition:
        return Condition(lambda places: f"{self.render(places)} OR {other.render(places)}", "OR")

    def __invert__(self) -> Condition:
        return Condition(lambda places: f"NOT {self._within('AND OR', places)}")

    def _within(self, weaker: str, places: Placeholders) -> str:
        text = self.render(places)
        return f"({text})" if self.joined_by and self.joined_by in weaker else text


@dataclass(frozen=True)
class Attr:
    """An attribute in a condition, by its path: `status`, `leases.3.attempt`."""

    path: str

    def equals(self, value: Any) -> Condition:
        return Condition(lambda places: f"{places.path(self.path)} = {places.value(value)}")

    def is_below(self, value: Any) -> Condition:
        return Condition(lambda places: f"{places.path(self.path)} < {places.value(value)}")

    def at_most(self, value: Any) -> Condition:
        return Condition(lambda places: f"{places.path(self.path)} <= {places.value(value)}")

    def is_in(self, *values: Any) -> Condition:
        def render(places: Placeholders) -> str:
            return f"{places.path(self.path)} IN ({', '.join(map(places.value, values))})"

        return Condition(render)

    def has_fewer_than(self, elements: int) -> Condition:
        """Of a set; a missing one has no size, and the condition is false."""
        return Condition(lambda places: f"size({places.path(self.path)}) < {places.value(elements)}")

    def exists(self) -> Condition:
        return Condition(lambda places: f"attribute_exists({places.path(self.path)})")

    def is_missing(self) -> Condition:
        return Condition(lambda places: f"attribute_not_exists({places.path(self.path)})")


@dataclass(frozen=True)
class Change:
    """What an update does, by paths.

    Attributes:
        sets: the new values.
        defaults: values for attributes that have none yet.
        adds: numbers to add, an attribute without a value counting from 0; or elements to add to a set.
        deletes: elements to take out of a set; one that becomes empty is removed.
        removes: attributes to take away.
    """

    sets: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    adds: Mapping[str, int | frozenset[str]] = field(default_factory=dict)
    deletes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    removes: Sequence[str] = ()

    def render(self, places: Placeholders) -> str:
        path, value = places.path, places.value
        sets = [f"{path(name)} = {value(new)}" for name, new in self.sets.items()]
        sets += [f"{path(name)} = if_not_exists({path(name)}, {value(new)})" for name, new in self.defaults.items()]
        adds = [f"{path(name)} {value(number)}" for name, number in self.adds.items()]
        deletes = [f"{path(name)} {value(elements)}" for name, elements in self.deletes.items()]
        removes = [path(name) for name in self.removes]
        clauses = {"SET": sets, "ADD": adds, "DELETE": deletes, "REMOVE": removes}
        return " ".join(f"{verb} {', '.join(terms)}" for verb, terms in clauses.items() if terms)
