"""Schemas and files to draw: good values, near misses, and text that is neither."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.differential.cases import CELLS
from tests.differential.verdicts import Table

_UNHASHABLE = {"object", "array", "list", "geojson"}

_POOLS: dict[str, list[str]] = {}
_FIELDS: dict[str, list[dict[str, Any]]] = {}
for _field, _cells in CELLS:
    _type = _field.get("type", "any")
    _POOLS[_type] = [*dict.fromkeys([*_POOLS.get(_type, []), *(cell for cell in _cells if len(cell) < 100)])]
    _FIELDS.setdefault(_type, []).append(_field)

TYPES = sorted(_FIELDS)
_NUMBERS = st.one_of(
    st.integers(-200, 200).map(str),
    st.decimals(-200, 200, places=2).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
)
_DRAWN: dict[str, st.SearchStrategy[str]] = {
    "integer": _NUMBERS,
    "number": _NUMBERS,
    "date": st.dates().map(str),
    "datetime": st.datetimes().map(lambda moment: moment.isoformat()),
    "time": st.times().map(lambda moment: moment.isoformat()),
    "year": st.integers(-10, 10_100).map(str),
    "geopoint": st.tuples(st.integers(-200, 200), st.integers(-100, 100)).map(lambda pair: f"{pair[0]},{pair[1]}"),
}
_ALPHABETS = {
    "integer": "0123456789+-., _eE%€",
    "number": "0123456789+-., _eE%€",
    "date": "0123456789-/. T",
    "datetime": "0123456789-/: TZ+.",
    "time": "0123456789:.Z+ ",
    "year": "0123456789-+ ",
    "yearmonth": "0123456789- ",
    "duration": "PTYMDHSW0123456789.-",
    "geopoint": "0123456789.,- []",
    "boolean": "truefals01TF",
    "list": "ab012,; ",
}


def cells(kind: str) -> st.SearchStrategy[str]:
    """Cells for a field of one type: mostly of its table of cases."""
    pool = st.sampled_from(_POOLS[kind])
    # No line breaks and NULs: the table has them, and they are about rows.
    odd = st.text(_ALPHABETS.get(kind, 'abz019@.:/-_ äß{}[]",NA'), max_size=12)
    drawn = [_DRAWN[kind]] if kind in _DRAWN else []
    return st.one_of(pool, pool, st.sampled_from(["", "NA", "-"]), odd, *drawn)


@st.composite
def fields(draw: st.DrawFn, kind: str, name: str) -> dict[str, Any]:
    """A field: one of the table's with some constraints and missing values mixed in."""
    field = dict(draw(st.sampled_from(_FIELDS[kind])))
    constraints = dict(field.get("constraints", {}))
    others = [other.get("constraints", {}) for other in _FIELDS[kind] if _form(other) == _form(field)]
    constraints |= draw(st.sampled_from([{}, *others]))
    constraints |= draw(st.sampled_from([{}, {}, {"required": True}]))
    if kind in _UNHASHABLE | {"duration"} or not draw(st.booleans()):
        constraints.pop("unique", None)
    if kind == "datetime" and "format" not in field:
        constraints = {key: value for key, value in constraints.items() if not key.lower().endswith("imum")}
    if draw(st.integers(0, 4)) == 0:
        field["missingValues"] = draw(st.sampled_from([[], [""], ["-"], ["", "NA"]]))
    return {**field, "name": name, "constraints": constraints}


def _form(field: dict[str, Any]) -> tuple[Any, ...]:
    """What decides how constraints must be written."""
    names = ("format", "itemType", "delimiter", "trueValues", "decimalChar", "groupChar")
    return tuple(field.get(name) for name in names)


@st.composite
def columns(draw: st.DrawFn, kind: str) -> Table:
    """One field, many cells."""
    schema = {"fields": [{"name": "row"}, draw(fields(kind, "cell"))]}
    found = draw(st.lists(cells(kind), min_size=1, max_size=12))
    return Table.of(schema, [[str(row), cell] for row, cell in enumerate(found)])


@st.composite
def files(draw: st.DrawFn) -> Table:
    """Some fields, keys and a header; rows that may be ragged, blank, or stand twice."""
    kinds = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=4))
    names = [f"f{number}" for number in range(len(kinds))]
    schema: dict[str, Any] = {
        "fields": [draw(fields(kind, name)) for kind, name in zip(kinds, names, strict=True)],
        "fieldsMatch": draw(st.sampled_from(["exact", "exact", "equal", "subset", "superset", "partial"])),
    }
    if draw(st.booleans()):
        schema["missingValues"] = draw(st.sampled_from([[""], ["", "NA"], ["", "-"]]))
    able = [name for name, kind in zip(names, kinds, strict=True) if kind not in _UNHASHABLE | {"duration", "geopoint"}]
    if able and draw(st.booleans()):
        schema["primaryKey"] = draw(st.lists(st.sampled_from(able), min_size=1, max_size=2, unique=True))
    if able and draw(st.integers(0, 3)) == 0:
        schema["uniqueKeys"] = [draw(st.lists(st.sampled_from(able), min_size=1, max_size=2, unique=True))]
    labels = draw(st.one_of(st.just(names), st.just(names), _labels(names)))
    by_name = dict(zip(names, kinds, strict=True))
    row = st.tuples(*(cells(by_name.get(label.strip(), "string")) for label in labels)).map(list)
    ragged = st.tuples(row, st.integers(0, len(labels)), st.lists(st.sampled_from(["", "x"]), max_size=2)).map(
        lambda parts: parts[0][: parts[1]] + (parts[2] if parts[1] == len(labels) else [])
    )
    blank = st.sampled_from([[], [""] * len(labels), ["NA"] * len(labels)])
    rows = draw(st.lists(st.one_of(row, row, row, row, ragged, blank), min_size=1, max_size=8))
    again = draw(st.lists(st.sampled_from(rows), max_size=3))
    return Table.of(schema, [*rows, *again], labels)


def _labels(names: list[str]) -> st.SearchStrategy[list[str]]:
    """Headers that may not fit: another order, fewer, more, twice, blank, with spaces around."""
    odd = st.sampled_from(["x", "", "f0", " f0 ", "F0"])
    return st.one_of(
        st.permutations(names),
        st.permutations(names).map(lambda order: order[1:] or order),
        st.tuples(st.permutations(names), odd).map(lambda parts: [*parts[0], parts[1]]),
        st.tuples(st.just(names), odd).map(lambda parts: [*parts[0][:-1], parts[1]]),
    )
