"""DynamoDB's expressions over items in DynamoDB's JSON: parsed once for each text, then a closure.

Grammar: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html. What
it does not know is an AssertionError: an expression that is not understood must never pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

Value = dict[str, Any]  # {"S": "…"}
Item = dict[str, Value]
Values = Mapping[str, Value]
Names = tuple[tuple[str, str], ...]
Path = tuple[str | int, ...]
Operand = Callable[[Item, Values], Value | None]
Test = Callable[[Item, Values], bool]


class InvalidExpression(Exception):
    """DynamoDB answers ValidationException: the item or the values do not suit the expression."""


_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),+\-\[\].]|[#:]?[A-Za-z0-9_]+)")
_COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")


@dataclass
class _Parser:
    """Recursive descent; the nodes of conditions are tuples: an operator and its arguments."""

    text: str
    names: dict[str, str]
    tokens: list[str] = field(default_factory=list)
    position: int = 0
    used_names: set[str] = field(default_factory=set)
    used_values: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        at = 0
        text = self.text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            assert match is not None, f"cannot read {text[at:]!r} in {self.text!r}"
            self.tokens.append(match[1])
            at = match.end()

    @property
    def next(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    @property
    def word(self) -> str:
        return self.next.upper()

    def take(self, *expected: str) -> str:
        token = self.next
        assert token and (not expected or token.upper() in expected), f"{token!r} instead of {expected}: {self.text!r}"
        self.position += 1
        return token

    def skip(self, token: str) -> bool:
        if self.word == token:
            self.position += 1
            return True
        return False

    def end(self) -> None:
        assert not self.next, f"unexpected {self.next!r} in {self.text!r}"

    def condition(self) -> tuple[Any, ...]:
        terms = [self._conjunction()]
        while self.skip("OR"):
            terms.append(self._conjunction())
        return terms[0] if len(terms) == 1 else ("or", *terms)

    def _conjunction(self) -> tuple[Any, ...]:
        terms = [self._negation()]
        while self.skip("AND"):
            terms.append(self._negation())
        return terms[0] if len(terms) == 1 else ("and", *terms)

    def _negation(self) -> tuple[Any, ...]:
        if self.skip("NOT"):
            return ("not", self._negation())
        if self.next == "(":
            self.take()
            assert self.next != "(" or not self._closes_twice(), f"redundant parentheses: {self.text!r}"
            inner = self.condition()
            self.take(")")
            return inner
        return self._comparison()

    def _closes_twice(self) -> bool:
        """Whether the parenthesis here and the one before it enclose the same."""
        depth = 0
        for position in range(self.position, len(self.tokens)):
            depth += {"(": 1, ")": -1}.get(self.tokens[position], 0)
            if depth == 0:
                return self.tokens[position + 1 : position + 2] == [")"]
        return False

    def _comparison(self) -> tuple[Any, ...]:
        name = self.next.lower()
        if name in ("attribute_exists", "attribute_not_exists") and self._is_call():
            self.position += 2
            path = self.path()
            self.take(")")
            return (name, path)
        if name in ("begins_with", "contains", "attribute_type") and self._is_call():
            self.position += 2
            left = self.operand()
            self.take(",")
            right = self.operand()
            self.take(")")
            return (name, left, right)
        left = self.operand()
        if self.skip("BETWEEN"):
            low = self.operand()
            self.take("AND")
            return ("between", left, low, self.operand())
        if self.skip("IN"):
            self.take("(")
            options = [self.operand()]
            while self.skip(","):
                options.append(self.operand())
            self.take(")")
            return ("in", left, *options)
        return (self.take(*_COMPARATORS), left, self.operand())

    def _is_call(self) -> bool:
        return self.tokens[self.position + 1 : self.position + 2] == ["("]

    def operand(self) -> tuple[Any, ...]:
        name = self.next.lower()
        if name == "size" and self._is_call():
            self.position += 2
            path = self.path()
            self.take(")")
            return ("size", path)
        if name in ("if_not_exists", "list_append") and self._is_call():
            self.position += 2
            first = self.operand()
            self.take(",")
            second = self.operand()
            self.take(")")
            return (name, first, second)
        if self.next.startswith(":"):
            return ("value", self.value())
        return ("path", self.path())

    def value(self) -> str:
        token = self.take()
        assert token.startswith(":"), f"{token!r} is no value: {self.text!r}"
        self.used_values.add(token)
        return token

    def path(self) -> Path:
        steps: list[str | int] = [self._name()]
        while self.next in (".", "["):
            if self.take() == ".":
                steps.append(self._name())
            else:
                steps.append(int(self.take()))
                self.take("]")
        return tuple(steps)

    def _name(self) -> str:
        token = self.take()
        if not token.startswith("#"):
            assert re.fullmatch(r"[A-Za-z_]\w*", token), f"{token!r} is no name: {self.text!r}"
            assert token.upper() not in _reserved(), f"{token} is a reserved word: {self.text!r}"
            return token
        assert token in self.names, f"{token} is not in ExpressionAttributeNames: {self.text!r}"
        self.used_names.add(token)
        return self.names[token]


@cache
def _reserved() -> frozenset[str]:
    return frozenset(word.upper() for word in ReservedKeywords.get_reserved_keywords())


# ---------------------------------------------------------------------------------------------------------------------
# Values
# ---------------------------------------------------------------------------------------------------------------------


def find(item: Item, path: Path) -> Value | None:
    """The value at a path, or None."""
    value = item.get(path[0])  # type: ignore[call-overload]
    for step in path[1:]:
        if value is None:
            return None
        if isinstance(step, int):
            elements = value.get("L", ())
            value = elements[step] if step < len(elements) else None
        else:
            value = value["M"].get(step) if "M" in value else None
    return value  # type: ignore[no-any-return]


def number(value: Value) -> int | Decimal:
    text = value["N"]
    return int(text) if text.lstrip("-").isdigit() else Decimal(text)


def equal(left: Value | None, right: Value | None) -> bool:
    if left is None or right is None:
        return False
    if left == right:
        return True
    ((kind, one),) = left.items()
    if kind not in right:
        return False
    other = right[kind]
    match kind:
        case "N":
            return number(left) == number(right)
        case "M":
            return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
        case "L":
            return len(one) == len(other) and all(map(equal, one, other))
        case "SS" | "BS":
            return set(one) == set(other)
        case "NS":
            return {Decimal(text) for text in one} == {Decimal(text) for text in other}
    return False


def _ordered(left: Value | None, right: Value | None) -> tuple[Any, Any] | None:
    """Both as Python values that can be compared; None where DynamoDB has no order."""
    if left is None or right is None:
        return None
    ((kind, one),) = left.items()
    if kind not in right:
        return None
    if kind == "N":
        return number(left), number(right)
    return (one, right[kind]) if kind in ("S", "B") else None


def _size(value: Value | None) -> Value | None:
    if value is None:
        return None
    ((kind, content),) = value.items()
    if kind == "S":
        return {"N": str(len(content.encode()))}
    assert kind in ("L", "M", "SS", "NS", "BS"), f"size of {kind}"
    return {"N": str(len(content))}


# ---------------------------------------------------------------------------------------------------------------------
# Conditions
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compiled:
    """An expression ready to run.

    Attributes:
        run: of a condition its test, of an update the function from old item to new.
        node: of a condition.
        paths: of a projection or an update.
    """

    run: Callable[[Item, Values], Any]
    names: frozenset[str]
    values: frozenset[str]
    node: tuple[Any, ...] = ()
    paths: tuple[Path, ...] = ()


@cache
def condition(text: str, names: Names) -> Compiled:
    parser = _Parser(text, dict(names))
    node = parser.condition()
    parser.end()
    return Compiled(_test(node), frozenset(parser.used_names), frozenset(parser.used_values), node)


def _operand(node: tuple[Any, ...]) -> Operand:
    match node:
        case ("value", name):
            return lambda item, values: values[name]
        case ("path", path) if len(path) == 1:
            (top,) = path
            return lambda item, values: item.get(top)
        case ("path", path):
            return lambda item, values: find(item, path)
        case ("size", path):
            return lambda item, values: _size(find(item, path))
    raise AssertionError(f"{node} is no operand")


def _test(node: tuple[Any, ...]) -> Test:
    kind, *arguments = node
    match kind:
        case "and":
            tests = [_test(argument) for argument in arguments]
            return lambda item, values: all(test(item, values) for test in tests)
        case "or":
            tests = [_test(argument) for argument in arguments]
            return lambda item, values: any(test(item, values) for test in tests)
        case "not":
            test = _test(arguments[0])
            return lambda item, values: not test(item, values)
        case "attribute_exists":
            return lambda item, values: find(item, arguments[0]) is not None
        case "attribute_not_exists":
            return lambda item, values: find(item, arguments[0]) is None
        case "in":
            first, *options = map(_operand, arguments)
            return lambda item, values: any(equal(first(item, values), option(item, values)) for option in options)
        case "between":
            first, low, high = map(_operand, arguments)
            at_least, at_most = _comparison(">=", first, low), _comparison("<=", first, high)
            return lambda item, values: at_least(item, values) and at_most(item, values)
        case "begins_with" | "contains" | "attribute_type":
            left, right = map(_operand, arguments)
            function = {"begins_with": _begins_with, "contains": _contains, "attribute_type": _has_type}[kind]
            return lambda item, values: function(left(item, values), right(item, values))
    left, right = map(_operand, arguments)
    return _comparison(kind, left, right)


def _comparison(kind: str, left: Operand, right: Operand) -> Test:
    if kind == "=":
        return lambda item, values: equal(left(item, values), right(item, values))
    if kind == "<>":
        return lambda item, values: not equal(left(item, values), right(item, values))
    compare = {
        "<": lambda pair: pair[0] < pair[1],
        "<=": lambda pair: pair[0] <= pair[1],
        ">": lambda pair: pair[0] > pair[1],
        ">=": lambda pair: pair[0] >= pair[1],
    }[kind]

    def test(item: Item, values: Values) -> bool:
        pair = _ordered(left(item, values), right(item, values))
        return pair is not None and bool(compare(pair))

    return test


def _begins_with(value: Value | None, prefix: Value | None) -> bool:
    return value is not None and prefix is not None and "S" in value and value["S"].startswith(prefix["S"])


def _contains(value: Value | None, part: Value | None) -> bool:
    if value is None or part is None:
        return False
    ((kind, content),) = value.items()
    if kind == "S":
        return "S" in part and part["S"] in content
    if kind == "L":
        return any(equal(element, part) for element in content)
    return kind in ("SS", "NS", "BS") and kind[0] in part and part[kind[0]] in content


def _has_type(value: Value | None, kind: Value | None) -> bool:
    return value is not None and kind is not None and kind["S"] in value


# ---------------------------------------------------------------------------------------------------------------------
# Projections and updates
# ---------------------------------------------------------------------------------------------------------------------


@cache
def projection(text: str, names: Names) -> Compiled:
    parser = _Parser(text, dict(names))
    paths = [parser.path()]
    while parser.skip(","):
        paths.append(parser.path())
    parser.end()
    assert all(len(path) == 1 for path in paths), f"only whole attributes are projected here: {text!r}"
    tops = [str(path[0]) for path in paths]

    def run(item: Item, values: Values) -> Item:
        return {top: item[top] for top in tops if top in item}

    return Compiled(run, frozenset(parser.used_names), frozenset(), paths=tuple(paths))


_Action = Callable[[Item, Item, Values], None]  # old item, new item, values


@cache
def update(text: str, names: Names) -> Compiled:
    parser = _Parser(text, dict(names))
    actions: list[_Action] = []
    paths: list[Path] = []
    seen: set[str] = set()
    while parser.next:
        verb = parser.take("SET", "ADD", "REMOVE", "DELETE").upper()
        assert verb not in seen, f"{verb} stands twice: {text!r}"
        seen.add(verb)
        while True:
            path = parser.path()
            paths.append(path)
            actions.append(_update_action(verb, path, parser))
            if not parser.skip(","):
                break
    for position, path in enumerate(paths):
        for other in paths[:position]:
            shorter = min(len(path), len(other))
            assert path[:shorter] != other[:shorter], f"two document paths overlap: {text!r}"

    def run(item: Item, values: Values) -> Item:
        new = dict(item)
        for action in actions:
            action(item, new, values)
        return new

    return Compiled(run, frozenset(parser.used_names), frozenset(parser.used_values), paths=tuple(paths))


def _update_action(verb: str, path: Path, parser: _Parser) -> _Action:
    if verb == "SET":
        parser.take("=")
        right = _set_value(parser)

        def action(old: Item, new: Item, values: Values) -> None:
            value = right(old, values)
            if value is None:
                raise InvalidExpression(
                    "The provided expression refers to an attribute that does not exist in the item"
                )
            container, last = _container(new, path)
            container[last] = value

        return action
    if verb == "REMOVE":

        def action(old: Item, new: Item, values: Values) -> None:
            if len(path) == 1:
                new.pop(path[0], None)  # type: ignore[call-overload]
            elif find(old, path) is not None:
                container, last = _container(new, path)
                del container[last]
            elif find(old, path[:-1]) is None:
                raise InvalidExpression("The document path provided in the update expression is invalid for update")

        return action
    name = parser.value()
    change = _add if verb == "ADD" else _delete

    def action(old: Item, new: Item, values: Values) -> None:
        value = change(find(old, path), values[name])
        container, last = _container(new, path)
        if value is None:
            container.pop(last, None)
        else:
            container[last] = value

    return action


def _set_value(parser: _Parser) -> Operand:
    left = _set_operand(parser.operand())
    if parser.next not in ("+", "-"):
        return left
    sign = 1 if parser.take() == "+" else -1
    right = _set_operand(parser.operand())

    def run(item: Item, values: Values) -> Value | None:
        one, other = left(item, values), right(item, values)
        if one is None or other is None:
            return None
        return {"N": _plain(number(one) + sign * number(other))}

    return run


def _set_operand(node: tuple[Any, ...]) -> Operand:
    match node:
        case ("if_not_exists", ("path", path), otherwise):
            default = _set_operand(otherwise)

            def run(item: Item, values: Values) -> Value | None:
                found = find(item, path)
                return default(item, values) if found is None else found

            return run
        case ("list_append", first, second):
            one, other = _set_operand(first), _set_operand(second)

            def append(item: Item, values: Values) -> Value | None:
                left, right = one(item, values), other(item, values)
                return None if left is None or right is None else {"L": left["L"] + right["L"]}

            return append
    return _operand(node)


def _container(item: Item, path: Path) -> tuple[Any, Any]:
    """The map or list that holds the end of a path, copied with all above it, because items are never changed."""
    container: Any = item
    for step in path[:-1]:
        try:
            value = container[step]
        except (KeyError, IndexError):
            value = {}
        if "M" in value:
            inner: Any = dict(value["M"])
            container[step] = {"M": inner}
        elif "L" in value:
            inner = list(value["L"])
            container[step] = {"L": inner}
        else:
            raise InvalidExpression("The document path provided in the update expression is invalid for update")
        container = inner
    last = path[-1]
    if isinstance(container, list) and isinstance(last, int) and last >= len(container):
        container.append({})
        last = len(container) - 1
    return container, last


def _add(found: Value | None, given: Value) -> Value:
    if "N" in given:
        if found is None:
            return given
        if "N" not in found:
            raise InvalidExpression("An operand in the update expression has an incorrect data type")
        return {"N": _plain(number(found) + number(given))}
    ((kind, elements),) = given.items()
    assert kind in ("SS", "NS", "BS"), f"ADD of {kind}"
    return {kind: sorted({*(found or {}).get(kind, ()), *elements})}


def _delete(found: Value | None, given: Value) -> Value | None:
    ((kind, elements),) = given.items()
    assert kind in ("SS", "NS", "BS"), f"DELETE of {kind}"
    left = sorted(set((found or {}).get(kind, ())) - set(elements))
    return {kind: left} if left else None


def _plain(value: int | Decimal) -> str:
    return str(value) if isinstance(value, int) else format(value.normalize(), "f")


def key_condition(compiled: Compiled) -> Iterator[tuple[Any, ...]]:
    """The terms of a key condition: `("=", ("path", …), ("value", …))` and the like."""
    node = compiled.node
    yield from node[1:] if node[0] == "and" else (node,)
