"""Which records an export takes: conditions checked, and compiled to a test of one record. Pure.

A filter is a list of conditions that must all hold (contract, section 7):

    [{"field": "vip", "op": "eq", "value": true}, {"field": "spend", "op": "between", "value": [10, 99.5]}]

| op | value | for |
|---|---|---|
| `eq`, `ne` | one value | every type |
| `in` | a list of 1 to 100 values | every type |
| `lt`, `le`, `gt`, `ge` | one value | what has an order: numbers, times, durations, `string` (by code point) |
| `between` | `[low, high]`, both included | the same |
| `begins` | a text | `string`, `any` |
| `contains` | a text; for `list` and `array` one element | `string`, `any`, `list`, `array` |
| `empty` | true (default) or false | every type: null, or the empty text |

Values are read as the field's type reads them, and compared as values: 1.0 equals 1, dates and times are instants, and
what has no offset counts as UTC. Parts of a text (`begins`, `contains`) and bounds of a `string` need not fit its
format.

A null, that is an attribute that is absent or NULL, meets only `ne` and `empty`: it has no value that could be equal,
less or more.

An attribute that the field's type did not write (the type was changed since, or another program writes the target
table) counts as its text, read as a cell would be; one that cannot be read so meets only `ne` and `"empty": false`.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from waybill.entities.fields import Field
from waybill.entities.fieldtypes import Attribute, FieldType
from waybill.entities.row_compiler import attribute_name
from waybill.entities.schema import Schema
from waybill.errors import InvalidRequest
from waybill.exports.definition import MAX_CONDITIONS
from waybill.validation import Problems, refuse_unknown

Item = Mapping[str, Attribute]
"""A record as DynamoDB gives it: attribute name → attribute value."""

MAX_VALUES = 100
MAX_CHARS = 50_000  # of the whole filter as JSON; the definition that it is part of has a limit, too

_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
OPS = ("eq", "ne", *_ORDERINGS, "in", "between", "begins", "contains", "empty")
MEMBERS = frozenset({"field", "op", "value"})

EMPTY_FILTER_VALUE = "empty-filter-value"
"""A warning, of previews and of jobs."""

_UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)


def check_filter(value: object, schema: Schema, problems: Problems) -> tuple[dict[str, Any], ...]:
    """The member `filter` of a definition, with its defaults filled in. A null member counts as left out.

    Args:
        value: the decoded JSON.
        schema: of the entity.
        problems: gets an entry for each wrong member, such as `/filter/0/value`.

    Returns:
        What `compile_filter` takes, when there are no new problems.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_CONDITIONS:
        problems.append(("/filter", f"must be a list of at most {MAX_CONDITIONS} conditions"))
        return ()
    try:
        too_long = len(json.dumps(value, ensure_ascii=False)) > MAX_CHARS
    except RecursionError:
        too_long = True
    if too_long:
        problems.append(("/filter", f"must have at most {MAX_CHARS:,} characters"))
        return ()
    return tuple(_checked(given, schema, f"/filter/{position}", problems) for position, given in enumerate(value))


def compile_filter(
    conditions: Sequence[Mapping[str, Any]], schema: Schema, own_table: bool = True
) -> Callable[[Item], bool] | None:
    """A test of one record, or None when every record passes. The test never raises, with any stored item.

    Args:
        conditions: what `check_filter` gave.
        own_table: whether the items are of Waybill's own table; in a target table attributes have the fields' names.

    Raises:
        InvalidRequest: they do not fit the schema, which has changed since.
    """
    problems: Problems = []
    check_filter(list(conditions), schema, problems)
    if problems:
        raise InvalidRequest("The filter no longer fits the schema of the entity.", problems)
    tests = [_compiled(condition, schema.by_name[condition["field"]], own_table) for condition in conditions]
    if len(tests) < 2:
        return tests[0] if tests else None

    def all_hold(item: Item) -> bool:
        for test in tests:  # noqa: SIM110 (quicker than all())
            if not test(item):
                return False
        return True

    return all_hold


def empty_values(conditions: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Warnings of conditions whose value is the empty text: most people who leave a value empty mean something else.

    They are shown with jobs too, some of whose readers may not know the filter: they tell a condition by its number.

    Args:
        conditions: what `check_filter` gave.
    """
    found = []
    for number, condition in enumerate(conditions, start=1):
        value = condition.get("value")
        if value == "" or (isinstance(value, list) and "" in value):
            message = (
                f"Condition {number} of the filter compares with the empty text. A record without a value has none:"
            )
            found.append({"code": EMPTY_FILTER_VALUE, "message": f'{message} to find it, use the op "empty".'})
    return found


def ops_of(kind: FieldType) -> tuple[str, ...]:
    """The ops that suit a type."""
    suits = {"eq", "ne", "in", "empty"}
    if kind.is_ordered:
        suits |= {*_ORDERINGS, "between"}
    if kind.is_text:
        suits.add("begins")
    if kind.is_text or kind.has_elements:
        suits.add("contains")
    return tuple(op for op in OPS if op in suits)


def _checked(given: object, schema: Schema, path: str, problems: Problems) -> dict[str, Any]:
    if not isinstance(given, dict):
        problems.append((path, "must be an object with field, op and value"))
        return {}
    given = {member: part for member, part in given.items() if part is not None}
    refuse_unknown(given, MEMBERS, path, problems)
    name, op = given.get("field"), given.get("op")
    field = schema.by_name.get(name) if isinstance(name, str) else None
    if field is None:
        problems.append((f"{path}/field", "must be the name of a field of the entity"))
    if not isinstance(op, str) or op not in OPS:
        problems.append((f"{path}/op", f"must be one of {', '.join(OPS)}"))
    elif field is not None and op not in ops_of(field.kind):
        problems.append(
            (f"{path}/op", f"must be one of {', '.join(ops_of(field.kind))} for a field of type {field.type}")
        )
    elif field is not None:
        if op == "empty":
            given.setdefault("value", True)
        _check_value(given, op, field.kind, path + "/value", problems)
    return given


def _check_value(given: Mapping[str, Any], op: str, kind: FieldType, path: str, problems: Problems) -> None:
    if "value" not in given:
        problems.append((path, 'is required; op "empty" finds records without a value'))
        return
    value = given["value"]
    if op == "empty":
        if not isinstance(value, bool):
            problems.append((path, "must be true or false"))
        return
    if op not in ("in", "between"):
        _read_given(value, op, kind, path, problems)
        return
    if op == "in" and not (isinstance(value, list) and 1 <= len(value) <= MAX_VALUES):
        problems.append((path, f"must be a list of 1 to {MAX_VALUES} values"))
        return
    if op == "between" and not (isinstance(value, list) and len(value) == 2):
        problems.append((path, "must be a list of two values: the lowest and the highest"))
        return
    before = len(problems)
    keys = [_read_given(part, op, kind, f"{path}/{position}", problems) for position, part in enumerate(value)]
    if op == "between" and len(problems) == before and not keys[0] <= keys[1]:
        problems.append((path, "must begin with the lower value"))


def _read_given(given: Any, op: str, kind: FieldType, path: str, problems: Problems) -> Any:
    try:
        return _given_key(given, op, kind)
    except _UNREADABLE:
        problems.append((path, f"must be {kind.filter_noun(op)}"))
        return None


def _given_key(given: Any, op: str, kind: FieldType) -> Any:
    """The key of a value of a condition. Raises one of `_UNREADABLE` when it is of the wrong type."""
    if given is None:
        raise ValueError
    return kind.filter_value(given, op)


def _text(attribute: Attribute) -> str:
    """An attribute of another type as text. Raises one of `_UNREADABLE`."""
    if "BOOL" in attribute:
        return "true" if attribute["BOOL"] else "false"
    return str(attribute["S"] if "S" in attribute else attribute["N"])


def _compiled(condition: Mapping[str, Any], field: Field, own_table: bool) -> Callable[[Item], bool]:
    name, kind, op = attribute_name(field, own_table), field.kind, condition["op"]
    if op == "empty":
        return _is_empty(name, condition.get("value", True))
    read, key, holds = kind.filter_reader(op), kind.filter_key(op), _holds(condition, kind)
    without_value: bool = op == "ne"

    def test(item: Item) -> bool:
        attribute = item.get(name)
        if attribute is None:
            return without_value
        try:
            return holds(read(attribute))
        except _UNREADABLE:
            try:
                return holds(key(kind.parse(_text(attribute))))
            except _UNREADABLE:
                return without_value

    return test


def _is_empty(name: str, wanted: bool) -> Callable[[Item], bool]:
    def test(item: Item) -> bool:
        attribute = item.get(name)
        empty: bool = attribute is None or "NULL" in attribute or attribute.get("S") == ""
        return empty is wanted

    return test


def _holds(condition: Mapping[str, Any], kind: FieldType) -> Callable[[Any], bool]:
    """Key of a record → whether the condition holds."""
    op, value = condition["op"], condition["value"]
    if op == "in":
        allowed: Collection[Any] = frozenset(_given_key(part, op, kind) for part in value)
        return lambda key: key in allowed
    if op == "between":
        low, high = (_given_key(part, op, kind) for part in value)
        return lambda key: bool(low <= key <= high)
    wanted = _given_key(value, op, kind)
    if op == "eq":
        return lambda key: bool(key == wanted)
    if op == "ne":
        return lambda key: bool(key != wanted)
    if op == "begins":
        return lambda key: bool(key.startswith(wanted))
    if op == "contains":
        return lambda key: wanted in key
    compare = _ORDERINGS[op]
    return lambda key: compare(key, wanted)
