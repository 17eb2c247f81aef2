"""The `jsonSchema` constraint: JSON Schema (2020-12) for `object` and `array` fields.

Only keywords that are really checked are accepted, beside annotations: a schema that asks for more is refused when the
entity is saved, never checked in part. https://json-schema.org/draft/2020-12/json-schema-validation

References can make a schema of a few lines take exponential time. So each check has a budget of steps, in proportion to
the size of its cell, and what a reference says about a value is found out once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .cells import TooComplex
from .fieldtypes.attributes import is_number, json_text
from .patterns import Pattern

#: Steps that a check may take: any schema has the first, and the cell adds the second for each of its values. A step is
#: a keyword that is applied, a member or item that is visited, or TEXT_PER_STEP characters: some 0.3 to 1 µs. A schema
#: without references takes a step or two for each of its keywords that concern a value.
BASE_STEPS = 20_000
STEPS_PER_VALUE = 50
TEXT_PER_STEP = 16

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


class _Check:
    """The check of one cell: the steps that it may still take, and what is known of its values."""

    def __init__(self, value: Any) -> None:
        self.steps = BASE_STEPS + STEPS_PER_VALUE * _size(value)
        #: By reference and identity of the value, which lives as long as the check.
        self.known: dict[tuple[str, int], bool] = {}
        self._texts: dict[int, str] = {}

    def take(self, steps: int) -> None:
        """
        Raises:
            TooComplex: the budget is spent.
        """
        self.steps -= steps
        if self.steps < 0:
            raise TooComplex("takes too many steps to check against the JSON schema of the field")

    def text(self, value: Any) -> str:
        """The one text of a value, by which values are compared."""
        text = self._texts.get(id(value))
        if text is None:
            text = self._texts[id(value)] = json_text(value)
            self.take(1 + len(text) // TEXT_PER_STEP)
        return text


Test = Callable[[Any, _Check], bool]

_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": lambda value: is_number(value) and value == int(value),
}


def compile_json_schema(schema: Any) -> Callable[[Any], bool]:
    """Compiles a schema to a test of exact JSON values (`attributes.load_json`), which raises TooComplex where a value
    takes more steps than its budget has.

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
            return test(value, _Check(value))
        except RecursionError:  # `{"$ref": "#"}`: nothing can conform
            return False

    return holds


class _Compiler:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.references: dict[str, Test] = {}

    def compile(self, schema: Any) -> Test:
        if isinstance(schema, bool):
            return lambda value, check: schema
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
        steps = 1 + len(tests)

        def holds(value: Any, check: _Check) -> bool:
            check.take(steps)
            return all(test(value, check) for test in tests)

        return holds

    def _ref(self, given: str, schema: Any) -> Test:
        if given not in self.references:

            def holds(value: Any, check: _Check) -> bool:
                key = given, id(value)
                if key not in check.known:
                    check.known[key] = resolved[0](value, check)
                return check.known[key]

            self.references[given] = holds
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
        return lambda value, check: any(_TYPES[name](value) for name in names)

    def _enum(self, given: Any, schema: Any) -> Test:
        allowed = {json_text(entry) for entry in given}
        return lambda value, check: check.text(value) in allowed

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
        return lambda value, check: not isinstance(value, str) or len(value) >= least

    def _maxLength(self, given: Any, schema: Any) -> Test:
        most = _count(given)
        return lambda value, check: not isinstance(value, str) or len(value) <= most

    def _pattern(self, given: Any, schema: Any) -> Test:
        pattern = Pattern(f"(?s:.*)(?:{given})(?s:.*)")  # JSON Schema patterns are not anchored

        def holds(value: Any, check: _Check) -> bool:
            if not isinstance(value, str):
                return True
            check.take(1 + len(value) // TEXT_PER_STEP)
            return pattern.matches(value)

        return holds

    def _items(self, given: Any, schema: Any) -> Test:
        test, skip = self.compile(given), len(schema.get("prefixItems", ()))
        return lambda value, check: (
            not isinstance(value, list) or all(test(item, check) for item in _visited(value[skip:], check))
        )

    def _prefixItems(self, given: Any, schema: Any) -> Test:
        tests = [self.compile(entry) for entry in given]
        return lambda value, check: (
            not isinstance(value, list)
            or all(test(item, check) for test, item in zip(tests, _visited(value, check), strict=False))
        )

    def _contains(self, given: Any, schema: Any) -> Test:
        test = self.compile(given)
        return lambda value, check: (
            not isinstance(value, list) or any(test(item, check) for item in _visited(value, check))
        )

    def _minItems(self, given: Any, schema: Any) -> Test:
        least = _count(given)
        return lambda value, check: not isinstance(value, list) or len(value) >= least

    def _maxItems(self, given: Any, schema: Any) -> Test:
        most = _count(given)
        return lambda value, check: not isinstance(value, list) or len(value) <= most

    def _uniqueItems(self, given: bool, schema: Any) -> Test:
        return lambda value, check: (
            not (given and isinstance(value, list))
            or len({check.text(item) for item in _visited(value, check)}) == len(value)
        )

    def _properties(self, given: Any, schema: Any) -> Test:
        tests = {name: self.compile(member) for name, member in given.items()}

        def test(value: Any, check: _Check) -> bool:
            if not isinstance(value, dict):
                return True
            return all(tests[name](value[name], check) for name in _fewer(value, tests, check))

        return test

    def _patternProperties(self, given: Any, schema: Any) -> Test:
        tests = [(self._pattern(pattern, schema), self.compile(member)) for pattern, member in given.items()]
        return lambda value, check: (
            not isinstance(value, dict)
            or all(test(member, check) for name, member in value.items() for fits, test in tests if fits(name, check))
        )

    def _additionalProperties(self, given: Any, schema: Any) -> Test:
        test, named = self.compile(given), frozenset(schema.get("properties", ()))
        patterns = [self._pattern(pattern, schema) for pattern in schema.get("patternProperties", ())]
        return lambda value, check: (
            not isinstance(value, dict)
            or all(
                test(member, check)
                for name, member in _visited(value.items(), check)
                if name not in named and not any(fits(name, check) for fits in patterns)
            )
        )

    def _propertyNames(self, given: Any, schema: Any) -> Test:
        test = self.compile(given)
        return lambda value, check: (
            not isinstance(value, dict) or all(test(name, check) for name in _visited(value, check))
        )

    def _required(self, given: Any, schema: Any) -> Test:
        names = dict.fromkeys(_names(given))  # ends at the first that the value lacks
        return lambda value, check: not isinstance(value, dict) or all(name in value for name in names)

    def _dependentRequired(self, given: Any, schema: Any) -> Test:
        needs = {name: dict.fromkeys(_names(names)) for name, names in given.items()}
        return lambda value, check: (
            not isinstance(value, dict)
            or all(
                need in value for name in _fewer(value, needs, check) for need in _visited(needs.get(name, ()), check)
            )
        )

    def _minProperties(self, given: Any, schema: Any) -> Test:
        least = _count(given)
        return lambda value, check: not isinstance(value, dict) or len(value) >= least

    def _maxProperties(self, given: Any, schema: Any) -> Test:
        most = _count(given)
        return lambda value, check: not isinstance(value, dict) or len(value) <= most

    def _allOf(self, given: Any, schema: Any) -> Test:
        tests = [self.compile(entry) for entry in given]
        return lambda value, check: all(test(value, check) for test in tests)

    def _anyOf(self, given: Any, schema: Any) -> Test:
        tests = [self.compile(entry) for entry in given]
        return lambda value, check: any(test(value, check) for test in tests)

    def _oneOf(self, given: Any, schema: Any) -> Test:
        tests = [self.compile(entry) for entry in given]
        return lambda value, check: sum(test(value, check) for test in tests) == 1

    def _not(self, given: Any, schema: Any) -> Test:
        test = self.compile(given)
        return lambda value, check: not test(value, check)

    def _if(self, given: Any, schema: Any) -> Test:
        test = self.compile(given)
        then, otherwise = self.compile(schema.get("then", True)), self.compile(schema.get("else", True))
        return lambda value, check: then(value, check) if test(value, check) else otherwise(value, check)


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


def _for_numbers(test: Callable[[Any], bool]) -> Test:
    return lambda value, check: not is_number(value) or test(value)


def _fewer(value: dict[str, Any], named: dict[str, Any], check: _Check) -> Iterator[str]:
    """The names that stand in both, looked for in the smaller: a schema may name thousands, in each of many values."""
    smaller, larger = (value, named) if len(value) < len(named) else (named, value)
    return (name for name in _visited(smaller, check) if name in larger)


def _visited(values: Collection[Any], check: _Check) -> Collection[Any]:
    check.take(len(values))
    return values


def _size(value: Any) -> int:
    """The number of values in a value, long texts counting as several."""
    if isinstance(value, dict):
        return 1 + sum(map(_size, value)) + sum(map(_size, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_size, value))
    return 1 + len(value) // TEXT_PER_STEP if isinstance(value, str) else 1


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
