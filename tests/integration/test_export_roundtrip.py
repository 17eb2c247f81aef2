"""Export → import → export gives the same records and the same bytes, whatever the type, format and compression."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.differential.strategies import TYPES, cells, fields
from tests.exporting import entity, export, import_file, stored
from waybill.entities.fields import Field
from waybill.entities.schema import parse_schema
from waybill.exports.formats import FORMATS

ID = {"name": "id", "type": "string"}
ANY_VALUE = [name for name in FORMATS if name != "parquet"]
"""Formats that hold every value of every type."""
# What quoting, escaping and the guard are about.
TRICKY = [
    " lead", "trail ", "\ttab", "a,b", 'say "hi"', '"', "line\nbreak", "cr\rlone", "crlf\r\n", "=1+1", "+32", "-5",
    "@x", "'=x", "''@y", "'", "007", "0" * 40 + "1", "1" * 38, "\ufeffbom", "\ufffe", "_x0041_", "_x000D_", "a&b<c>",
    "]]>", "Zoë 京都 🚲", "\x01\x1f\x7f", "null", "true", "é" * 300, ";", "|", "\\", "\\n", "#no comment", "\u2028",
]  # fmt: skip
DIALECTS: list[dict[str, Any]] = [
    {}, {"delimiter": ";"}, {"delimiter": "\t", "quoteChar": "'"}, {"lineTerminator": "\n"}, {"delimiter": "1"},
    {"delimiter": " "}, {"delimiter": "."}, {"delimiter": "-", "lineTerminator": "\n"},
]  # fmt: skip


def same_again(
    schema: dict[str, Any],
    records: list[dict[str, str | None]],
    format: str,
    compression: str = "none",
    dialect: dict[str, Any] | None = None,
    guard: bool = True,
) -> None:
    """The promise itself."""
    of = entity(*schema["fields"], **{name: value for name, value in schema.items() if name != "fields"})
    items = [stored(of, record) for record in records]
    options: dict[str, Any] = {"compression": compression, "escape_formulas": guard, "dialect": dialect or {}}
    data, written = export(of, [items[:2], items[2:]], format, **options)
    assert written.rows == len(items)
    again = import_file(of, data, f"things.{format}", dialect=dialect, unescape_formulas=guard)
    own = {"_pk", "_sk", "_at", "_by"}
    kept = [{name: value for name, value in item.items() if name not in own} for item in again]
    assert kept == [{name: value for name, value in item.items() if name not in own} for item in items]
    assert export(of, [again[:2], again[2:]], format, **options)[0] == data


def is_good(field: Field, cell: str) -> bool:
    value, problems = field.check(cell)
    return not problems and value is not None and "\0" not in cell


@st.composite
def tables(draw: st.DrawFn, kind: str, format: str) -> tuple[dict[str, Any], list[dict[str, str | None]]]:
    """A schema with a field of a type, and records of it."""
    document = draw(fields(kind, "value"))
    document["constraints"] = {}
    # An empty text cannot be told from a null where nothing is missing, nor can a null be written then.
    missing = [[""], ["-"], ["NA", ""], [" "], ["\t"], ["n,a"], *([["'="]] if format == "csv" else [])]
    document["missingValues"] = draw(st.sampled_from(missing))
    schema = {"fields": [ID, document], "primaryKey": "id"}
    field = parse_schema(schema).by_name["value"]
    pool = cells(kind)
    if kind in ("string", "any"):
        pool = st.one_of(pool, st.sampled_from(TRICKY), st.text(max_size=20))
    good = pool.filter(lambda cell: is_good(field, cell)) | st.none()
    values = draw(st.lists(good, min_size=1, max_size=6))
    return schema, [{"id": f"r{number}", "value": value} for number, value in enumerate(values)]


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    st.data(),
    st.sampled_from(ANY_VALUE),
    st.sampled_from(["none", "gzip", "zip"]),
    st.sampled_from(DIALECTS),
    st.booleans(),
)
def test_a_file_imports_as_what_was_exported(
    kind: str, data: st.DataObject, format: str, compression: str, dialect: dict[str, Any], guard: bool
) -> None:
    schema, records = data.draw(tables(kind, format))
    same_again(
        schema, records, format, compression, dialect if FORMATS[format].dialect_members is None else None, guard
    )


@pytest.mark.parametrize("format", ANY_VALUE)
@pytest.mark.parametrize("guard", [True, False])
def test_tricky_texts(format: str, guard: bool) -> None:
    for kind in ("string", "any"):
        schema = {"fields": [ID, {"name": "value", "type": kind}], "primaryKey": "id"}
        records: list[dict[str, str | None]] = [
            {"id": f"{text}{number}", "value": text} for number, text in enumerate(TRICKY)
        ]
        same_again(schema, records, format, guard=guard)


NUMBERS = [
    "0", "-0", "00012", "1.50", "-12.25", "1e3", "1E+100", "1e-100", "1E-130", "9.9e125", "1" * 38, "-" + "9" * 38,
    "0." + "0" * 20 + "123456789012345", "123456789012345", "1234567890123456", "0.1234567890123456", ".5", "5.",
]  # fmt: skip


@pytest.mark.parametrize("format", ANY_VALUE)
@pytest.mark.parametrize("options", [{}, {"decimalChar": ","}, {"groupChar": " "}, {"bareNumber": False}])
def test_numbers_keep_every_digit(format: str, options: dict[str, Any]) -> None:
    schema = {"fields": [ID, {"name": "value", "type": "number", **options}], "primaryKey": "id"}
    decimal_char = options.get("decimalChar", ".")
    records = [{"id": f"r{text}", "value": text.replace(".", decimal_char)} for text in NUMBERS]
    same_again(schema, records, format)
    whole = [text for text in NUMBERS if text.lstrip("-").isdigit()]
    schema = {"fields": [ID, {"name": "value", "type": "integer"}], "primaryKey": "id"}
    same_again(schema, [{"id": text, "value": text} for text in whole], format)


@pytest.mark.parametrize("format", ANY_VALUE)
def test_dates_of_all_ages(format: str) -> None:
    days = ["0001-01-01", "1899-12-31", "1900-02-28", "1900-03-01", "1999-12-31", "2024-02-29", "9999-12-31"]
    for pattern, cell in (("default", "{}-{}-{}"), ("%d/%m/%Y", "{2}/{1}/{0}"), ("any", "{}-{}-{}")):
        schema = {"fields": [ID, {"name": "value", "type": "date", "format": pattern}], "primaryKey": "id"}
        same_again(schema, [{"id": day, "value": cell.format(*day.split("-"))} for day in days], format)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(st.lists(st.one_of(st.just(""), st.sampled_from(TRICKY), st.text(max_size=5)), min_size=1, max_size=5))
@settings(max_examples=10, deadline=None)
@example([""])
def test_a_single_column_has_no_blank_lines(dialect: dict[str, Any], texts: list[str]) -> None:
    """Rows of one column, without a key; nothing counts as missing, so that an empty text is one."""
    texts = [text for text in texts if "\0" not in text and text.strip()] or ["x"]
    schema = {"fields": [{"name": "value", "type": "string", "missingValues": []}]}
    same_again(schema, [{"value": text} for text in texts], "csv", dialect=dialect)
    if dialect.get("delimiter") in (None, ";"):
        same_again(schema, [{"value": text} for text in texts], "csv", dialect={**dialect, "header": False})
