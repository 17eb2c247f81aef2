"""The `jsonSchema` constraint: JSON Schema (2020-12) for `object` and `array` fields.

Only keywords that are really checked are accepted, beside annotations: a schema that asks for more is refused when the
entity is saved, never checked in part. https://json-schema.org/draft/2020-12/json-schema-validation
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .fieldtypes.attributes import is_number, json_text
from .patterns import Pattern

Test = Callable[[Any], bool]

_ANNOTATIONS = frozenset(
    [
        "$schema",
        "$id",
        "$comment",
        "$defs",
        "definitions",
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "format",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
        "then",
        "else",
    ]
)
_TYPES: dict[str, Test] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": lambda value: is_number(value) and value == int(value),
}


def compile_json_schema(schema: Any) -> Test:
    """Compiles a schema to a test of exact JSON values (`attributes.load_json`).

    Raises:
        ValueError: it is not a JSON Schema, or uses a keyword that is not supported.
    """
    if not isinstance(schema, Mapping):
        raise ValueError("must be an object")
    try:
        test = _Compiler(schema).compile(schema)
    except RecursionError:
        raise ValueError("nests too deeply") from None

    def holds(value: Any) -> bool:
        try:
            return test(value)
        except RecursionError:  # `{"$ref": "#"}`: nothing can conform
            return False

    return holds


class _Compiler:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.references: dict[str, Test] = {}

    def compile(self, schema: Any) -> Test:
        if isinstance(schema, bool):
            return lambda value: schema
        if not isinstance(schema, Mapping):
            raise ValueError("a schema must be an object, true or false")
        tests: list[Test] = []
        for keyword, given in schema.items():
            if keyword in _ANNOTATIONS:
                continue
            rule = getattr(self, f"_{keyword.lstrip('$')}", None) if keyword in _KEYWORDS else None
            if rule is None:
                raise ValueError(f"the keyword {keyword} is not supported")
            try:
                tests.append(rule(given, schema))
            except (TypeError, AttributeError, ArithmeticError):
                raise ValueError(f"the keyword {keyword} has a value of the wrong type") from None
        return lambda value: all(test(value) for test in tests)

    def _ref(self, given: str, schema: Any) -> Test:
        if given not in self.references:
            self.references[given] = lambda value: resolved[0](value)
            resolved = [self.compile(self._resolve(given))]
        return self.references[given]

    def _resolve(self, reference: str) -> Any:
        target: Any = self.root
        if not reference.startswith("#"):
            raise ValueError("$ref must point into the same schema")
        for step in reference[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            try:
                target = target[int(name)] if isinstance(target, list) else target[name]
            except (KeyError, IndexError, TypeError):
                raise ValueError(f"$ref {reference} points to nothing") from None
        return target

    def _type(self, given: Any, schema: Any) -> Test:
        names = [given] if isinstance(given, str) else list(given)
        if not names or any(name not in _TYPES for name in names):
            raise ValueError("type must be a JSON type or a list of them")
        return lambda value: any(_TYPES[name](value) for name in names)

    def _enum(self, given: Any, schema: Any) -> Test:
        allowed = {json_text(entry) for entry in given}
        return lambda value: json_text(value) in allowed

    def _const(self, given: Any, schema: Any) -> Test:
        return self._enum([given], schema)

    def _multipleOf(self, given: Any, schema: Any) -> Test:
        step = _positive(given)
        return _for_numbers(lambda value: (Fraction(value) / Fraction(step)).denominator == 1)

    def _minimum(self, given: Any, schema: Any) -> Test:
        bound = _number(given)
        return _for_numbers(lambda value: value >= bound)

    def _maximum(self, given: Any, schema: Any) -> Test:
        bound = _number(given)
        return _for_numbers(lambda value: value <= bound)

    def _exclusiveMinimum(self, given: Any, schema: Any) -> Test:
        bound = _number(given)
        return _for_numbers(lambda value: value > bound)

    def _exclusiveMaximum(self, given: Any, schema: Any) -> Test:
        bound = _number(given)
        return _for_numbers(lambda value: value < bound)

    def _minLength(self, given: Any, schema: Any) -> Test:
        least = _count(given)
        return lambda value: not isinstance(value, str) or len(value) >= least

    def _maxLength(self, given: Any, schema: Any) -> Test:
        most = _count(given)
        return lambda value: not isinstance(value, str) or len(value) <= most

    def _pattern(self, given: Any, schema: Any) -> Test:
        pattern = Pattern(f"(?s:.*)(?:{given})(?s:.*)")  # JSON Schema patterns are not anchored
        return lambda value: not isinstance(value, str) or pattern.matches(value)

    def _items(self, given: Any, schema: Any) -> Test:
        test, skip = self.compile(given), len(schema.get("prefixItems", ()))
        return lambda value: not isinstance(value, list) or all(map(test, value[skip:]))

    def _prefixItems(self, given: Any, schema: Any) -> Test:
        tests = [self.compile(entry) for entry in given]
        return lambda value: (
            not isinstance(value, list) or all(test(item) for test, item in zip(tests, value, strict=False))
        )

    def _contains(self, given: Any, schema: Any) -> Test:
        test = self.compile(given)
        return lambda value: not isinstance(value, list) or any(map(test, value))

    def _minItems(self, given: Any, schema: Any) -> Test:
        least = _count(given)
        return lambda value: not isinstance(value, list) or len(value) >= least

    def _maxItems(self, given: Any, schema: Any) -> Test:
        most = _count(given)
        return lambda value: not isinstance(value, list) or len(value) <= most

    def _uniqueItems(self, given: bool, schema: Any) -> Test:
        return lambda value: not (given and isinstance(value, list)) or len(set(map(json_text, value))) == len(value)

    def _properties(self, given: Any, schema: Any) -> Test:
        tests = {name: self.compile(member) for name, member in given.items()}
        return lambda value: (
            not isinstance(value, dict) or all(test(value[name]) for name, test in tests.items() if name in value)
        )

    def _patternProperties(self, given: Any, schema: Any) -> Test:
        tests = [(self._pattern(pattern, schema), self.compile(member)) for pattern, member in given.items()]
        return lambda value: (
            not isinstance(value, dict)
            or all(test(member) for name, member in value.items() for fits, test in tests if fits(name))
        )

    def _additionalProperties(self, given: Any, schema: Any) -> Test:
        test, named = self.compile(given), frozenset(schema.get("properties", ()))
        patterns = [self._pattern(pattern, schema) for pattern in schema.get("patternProperties", ())]
        return lambda value: (
            not isinstance(value, dict)
            or all(
                test(member)
                for name, member in value.items()
                if name not in named and not any(fits(name) for fits in patterns)
            )
        )

    def _propertyNames(self, given: Any, schema: Any) -> Test:
        test = self.compile(given)
        return lambda value: not isinstance(value, dict) or all(map(test, value))

    def _required(self, given: Any, schema: Any) -> Test:
        names = _names(given)
        return lambda value: not isinstance(value, dict) or all(name in value for name in names)

    def _dependentRequired(self, given: Any, schema: Any) -> Test:
        needs = {name: _names(names) for name, names in given.items()}
        return lambda value: (
            not isinstance(value, dict)
            or all(need in value for name, names in needs.items() if name in value for need in names)
        )

    def _minProperties(self, given: Any, schema: Any) -> Test:
        least = _count(given)
        return lambda value: not isinstance(value, dict) or len(value) >= least

    def _maxProperties(self, given: Any, schema: Any) -> Test:
        most = _count(given)
        return lambda value: not isinstance(value, dict) or len(value) <= most

    def _allOf(self, given: Any, schema: Any) -> Test:
        tests = [self.compile(entry) for entry in given]
        return lambda value: all(test(value) for test in tests)

    def _anyOf(self, given: Any, schema: Any) -> Test:
        tests = [self.compile(entry) for entry in given]
        return lambda value: any(test(value) for test in tests)

    def _oneOf(self, given: Any, schema: Any) -> Test:
        tests = [self.compile(entry) for entry in given]
        return lambda value: sum(test(value) for test in tests) == 1

    def _not(self, given: Any, schema: Any) -> Test:
        test = self.compile(given)
        return lambda value: not test(value)

    def _if(self, given: Any, schema: Any) -> Test:
        test = self.compile(given)
        then, otherwise = self.compile(schema.get("then", True)), self.compile(schema.get("else", True))
        return lambda value: then(value) if test(value) else otherwise(value)


_KEYWORDS = frozenset(
    [
        "$ref",
        "type",
        "enum",
        "const",
        "multipleOf",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "pattern",
        "items",
        "prefixItems",
        "contains",
        "minItems",
        "maxItems",
        "uniqueItems",
        "properties",
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "required",
        "dependentRequired",
        "minProperties",
        "maxProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
    ]
)


def _for_numbers(test: Test) -> Test:
    return lambda value: not is_number(value) or test(value)


def _number(given: Any) -> Decimal:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError
    return Decimal(str(given))


def _positive(given: Any) -> Decimal:
    number = _number(given)
    if number <= 0:
        raise TypeError
    return number


def _count(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise TypeError
    return given


def _names(given: Iterable[Any]) -> list[str]:
    names = list(given)
    if isinstance(given, str) or not all(isinstance(name, str) for name in names):
        raise TypeError
    return names
