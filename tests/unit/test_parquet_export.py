"""Exports in Parquet, as pyarrow and DuckDB read them: typed by the schema, exact or refused."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.parquet import ParquetFile, read_table

import waybill.exports.formats.parquet as parquet
from tests.builders import START
from tests.exporting import UID, definition, entity, export, page, stored
from waybill.entities.model import Entity
from waybill.errors import JobFailed
from waybill.exports.encoder import RowEncoder
from waybill.exports.file_writer import FileWriter
from waybill.exports.formats import FORMATS

ID = {"name": "id", "type": "string"}
THINGS = entity(
    ID,
    {"name": "number", "type": "number", "decimalChar": ","},
    {"name": "integer", "type": "integer"},
    {"name": "wide", "type": "integer", "constraints": {"maximum": 10**37}},
    {"name": "flag", "type": "boolean", "trueValues": ["yes"], "falseValues": ["no"]},
    {"name": "day", "type": "date", "format": "%d/%m/%Y"},
    {"name": "moment", "type": "datetime"},
    {"name": "local", "type": "datetime", "format": "%Y-%m-%d %H:%M"},
    {"name": "zoned", "type": "datetime", "format": "%Y-%m-%dT%H:%M:%S%z"},
    {"name": "time", "type": "time"},
    {"name": "year", "type": "year"},
    {"name": "object", "type": "object"},
    {"name": "list", "type": "list"},
    primaryKey="id",
)
FULL = {
    "id": "=1+\n é🚲",
    "number": "-7,50",
    "integer": "9223372036854775807",
    "wide": "1" + "0" * 37,
    "flag": "yes",
    "day": "29/02/2024",
    "moment": "2024-01-26T15:00:00.25-05:00",
    "local": "0001-01-01 00:00",
    "zoned": "2024-02-29T10:00:00+0200",
    "time": "12:00:00",
    "year": "2024",
    "object": '{"b": [1.50], "a": null}',
    "list": "a,b",
}
VALUES = {
    "id": "=1+\n é🚲",
    "number": Decimal("-7.5"),
    "integer": 2**63 - 1,
    "wide": Decimal(10**37),
    "flag": True,
    "day": date(2024, 2, 29),
    "moment": datetime(2024, 1, 26, 20, 0, 0, 250_000, tzinfo=UTC),
    "local": datetime(1, 1, 1),
    "zoned": datetime(2024, 2, 29, 8, tzinfo=UTC),
    "time": "12:00:00",
    "year": 2024,
    "object": '{"a":null,"b":[1.5]}',
    "list": "a,b",
}
SCHEMA = {
    "id": pa.string(), "number": pa.decimal128(38, 18), "integer": pa.int64(), "wide": pa.decimal128(38, 0),
    "flag": pa.bool_(), "day": pa.date32(), "moment": pa.timestamp("us", "UTC"), "local": pa.timestamp("us"),
    "zoned": pa.timestamp("us", "UTC"), "time": pa.string(), "year": pa.int32(), "object": pa.string(),
    "list": pa.string(),
}  # fmt: skip


def of_one(kind: str, **members: Any) -> Entity:
    return entity(ID, {"name": "value", "type": kind, **members}, primaryKey="id")


def column(of: Entity, cells: list[str | None]) -> list[Any]:
    """The column `value` of an export of records with these cells."""
    items = [stored(of, {"id": f"r{number}", "value": cell}) for number, cell in enumerate(cells)]
    data, _ = export(of, [items[:1], items[1:]], "parquet")
    values: list[Any] = read_table(io.BytesIO(data))["value"].to_pylist()
    return values


def test_each_type_has_its_column_and_its_value() -> None:
    items = [stored(THINGS, FULL), stored(THINGS, {"id": "2"})]
    data, written = export(THINGS, [items], "parquet")
    assert (written.rows, written.size_bytes) == (2, len(data))
    table = read_table(io.BytesIO(data))
    assert {field.name: field.type for field in table.schema} == SCHEMA
    first, second = table.to_pylist()
    assert first == VALUES
    assert second == {name: "2" if name == "id" else None for name in VALUES}


def test_duckdb_reads_the_same(tmp_path: Path) -> None:
    file = tmp_path / "things.parquet"
    file.write_bytes(export(THINGS, [[stored(THINGS, FULL)]], "parquet")[0])
    seen = duckdb.sql(f"select * replace (epoch_us(moment) as moment, epoch_us(zoned) as zoned) from '{file}'")
    instants = {name: int(VALUES[name].timestamp() * 1_000_000) for name in ("moment", "zoned")}  # type: ignore[attr-defined]
    assert dict(zip(seen.columns, seen.fetchall()[0], strict=True)) == VALUES | instants


def test_athena_can_read_the_columns() -> None:
    """No nanoseconds, no INT96, no times of the day, nothing nested, decimals of at most 38 digits."""
    file = ParquetFile(io.BytesIO(export(THINGS, [[stored(THINGS, FULL)]], "parquet")[0]))
    for index in range(len(file.schema)):
        seen = file.schema.column(index)
        assert seen.physical_type in {"BYTE_ARRAY", "INT32", "INT64", "BOOLEAN", "FIXED_LEN_BYTE_ARRAY"}
        logical = json.loads(seen.logical_type.to_json())
        assert logical["Type"] in {"String", "Decimal", "None", "Date", "Timestamp"}
        assert logical.get("timeUnit", "microseconds") == "microseconds"
        assert logical.get("precision", 38) == 38
        assert seen.max_repetition_level == 0
        assert file.metadata.row_group(0).column(index).compression == "SNAPPY"


def test_an_export_of_nothing_has_the_columns() -> None:
    data, written = export(THINGS, [], "parquet")
    table = read_table(io.BytesIO(data))
    assert written.rows == table.num_rows == 0
    assert {field.name: field.type for field in table.schema} == SCHEMA


REFUSED = [
    ("integer", {}, str(2**63), "more than the 64 bits"), ("integer", {}, str(-(2**63) - 1), "more than the 64 bits"),
    ("integer", {"constraints": {"maximum": 10**40}}, "1" + "0" * 38, "more than the 38 digits"),
    ("number", {}, "1" + "0" * 20, "more than 20 digits before"), ("number", {}, "0." + "0" * 18 + "1", "18 behind"),
    ("number", {}, "1E-130", "18 behind"), ("number", {}, "9.9e125", "more than 20 digits before"),
    ("datetime", {}, "2024-01-26T15:00:00.1234567Z", "finer than the microseconds"), ("year", {}, "0999", "not a year"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "members", "cell", "why"), REFUSED)
def test_what_a_column_cannot_hold_fails_with_field_and_record(
    kind: str, members: dict[str, Any], cell: str, why: str
) -> None:
    of = of_one(kind, **members)
    good = stored(of, {"id": "good", "value": None})
    with pytest.raises(JobFailed, match=f'The field "value" of the record "bad" holds .*{why}') as failure:
        export(of, [[good, stored(of, {"id": "bad", "value": cell}), good]], "parquet")
    assert failure.value.job_code == "parquet-limit"


@pytest.mark.parametrize(
    ("kind", "attribute", "value"),
    [
        ("integer", {"S": "12"}, 12), ("integer", {"S": "abc"}, None), ("integer", {"N": "1.5"}, None),
        ("number", {"N": "1E+2"}, Decimal(100)), ("number", {"S": "?"}, None), ("boolean", {"S": "true"}, True),
        ("boolean", {"S": "maybe"}, None), ("date", {"S": "2024-02-30"}, None), ("date", {"S": "20240229"}, None),
        ("datetime", {"S": "2024-01-26"}, None), ("datetime", {"S": "2024-01-26T25:00:00"}, None),
        ("string", {"N": "5"}, "5"), ("year", {"N": "12345"}, None),
    ],
)  # fmt: skip
def test_attributes_of_another_type_are_exact_or_refused(kind: str, attribute: dict[str, Any], value: Any) -> None:
    of = of_one(kind)
    item = {"_pk": {"S": UID}, "_sk": {"S": "odd"}, "id": {"S": "odd"}, "value": attribute}
    if value is not None:
        assert read_table(io.BytesIO(export(of, [[item]], "parquet")[0]))["value"].to_pylist() == [value]
        return
    with pytest.raises(JobFailed, match='The field "value" of the record "odd" holds') as failure:
        export(of, [[item]], "parquet")
    assert failure.value.job_code == "parquet-limit"


def test_times_have_a_zone_where_all_their_values_do() -> None:
    of = of_one("datetime")
    local, zoned = "2024-01-26T24:00:00", "2024-01-26T24:00:00+01:00"
    assert column(of, [None, local]) == [None, datetime(2024, 1, 27)]
    assert column(of, [None, zoned]) == [None, datetime(2024, 1, 26, 23, tzinfo=UTC)]
    with pytest.raises(JobFailed, match='"value" has times with and without an offset') as failure:
        column(of, [local, None, zoned])
    assert failure.value.job_code == "parquet-limit"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=None), min_size=1, max_size=5))
def test_numbers_are_exact_or_refused(numbers: list[Decimal]) -> None:
    of = of_one("number")
    cells = [f"{number:f}" for number in numbers if abs(number.adjusted()) < 100 and len(number.as_tuple().digits) < 38]
    fits = all(abs(Decimal(cell)) < 10**20 and len(cell.partition(".")[2].rstrip("0")) <= 18 for cell in cells)
    try:
        assert column(of, [*cells]) == [Decimal(cell) for cell in cells]
        assert fits
    except JobFailed:
        assert not fits


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text().filter(lambda text: text.isprintable() or "\n" in text) | st.none(), min_size=1, max_size=5))
def test_texts_are_themselves(texts: list[str | None]) -> None:
    assert column(of_one("string"), [*texts]) == texts


def test_parts_of_parallel_segments_make_one_file_of_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever blocks their bytes arrive in."""
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 5)
    how = definition("parquet")
    encoder = RowEncoder(THINGS, how)
    fragment = b"".join(
        encoder.encode(page([stored(THINGS, FULL | {"id": str(2 * n)}), stored(THINGS, {"id": str(2 * n + 1)})])).data
        for n in range(6)
    )
    for size in (1, 100, len(fragment)):
        output = io.BytesIO()
        writer = FileWriter(how, encoder.columns, output, moment=START)
        blocks = [fragment[start : start + size] for start in range(0, len(fragment), size)]
        for block in blocks:
            writer.survey(block)
        writer.begin()
        for block in blocks:
            writer.write(block, 0)
        writer.end()
        file = ParquetFile(output)
        assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [6, 6]
        assert file.read()["id"].to_pylist() == [str(n) for n in range(12)]


def test_memory_does_not_grow_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 2_000)
    how = definition("parquet")
    encoder = RowEncoder(THINGS, how)
    data = encoder.encode(page([stored(THINGS, FULL)] * 500)).data

    class Nowhere:
        def write(self, data: bytes) -> None:
            return

    def most(pages: int) -> int:
        writer = FileWriter(how, encoder.columns, Nowhere(), moment=START)
        writer.survey(data)
        writer.begin()
        seen = 0
        for _ in range(pages):
            writer.write(data, 500)
            seen = max(seen, pa.total_allocated_bytes())
        writer.end()
        return seen

    before = pa.total_allocated_bytes()
    assert most(80) - before < (most(8) - before) * 1.5


def test_names_that_readers_take_for_one_are_refused() -> None:
    problem = FORMATS["parquet"].labels_problem
    assert problem is not None
    assert problem(["a", "b", "ß"]) is None
    assert "'Mail' and 'mail'" in str(problem(["Mail", "b", "mail"]))


def test_deletions_are_marked() -> None:
    data, _ = export(THINGS, [[stored(THINGS, FULL)]], "parquet", changes=True)
    assert read_table(io.BytesIO(data))["_deleted"].to_pylist() == [False]
