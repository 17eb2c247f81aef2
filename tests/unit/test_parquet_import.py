"""Imports of Parquet, in files that pyarrow and DuckDB wrote: each value is what its type says, or its row is told."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow.parquet import write_table

import waybill.imports.csv_lines as csv_lines
from tests.exporting import entity, export, import_file, read_file, stored
from waybill.entities.header import HeaderMismatch
from waybill.entities.model import Entity
from waybill.errors import JobFailed
from waybill.tabular.parquet import ParquetTable, decoded

ID = {"name": "id", "type": "string"}
EVERY = {
    "text": ("string", {}), "number": ("number", {"decimalChar": ","}), "integer": ("integer", {}),
    "flag": ("boolean", {"trueValues": ["yes"], "falseValues": ["no"]}), "day": ("date", {"format": "%d/%m/%Y"}),
    "moment": ("datetime", {}), "local": ("datetime", {"format": "%d.%m.%Y %H:%M"}), "clock": ("time", {}),
    "year": ("year", {}), "month": ("yearmonth", {}), "span": ("duration", {}), "object": ("object", {}),
    "array": ("array", {}), "list": ("list", {}), "point": ("geopoint", {}), "any": ("any", {}),
}  # fmt: skip


def file_of(table: pa.Table | dict[str, Any], **options: Any) -> bytes:
    output = io.BytesIO()
    write_table(table if isinstance(table, pa.Table) else pa.table(table), output, **options)
    return output.getvalue()


def of_one(kind: str, **members: Any) -> Entity:
    return entity({"name": "value", "type": kind, **members})


def value_of(kind: str, array: Any, **members: Any) -> Any:
    """What an import stores of a file's one value; None where the row is rejected as `type-error`."""
    items, errors = read_file(of_one(kind, **members), file_of({"value": array}), "a.parquet")
    assert len(items) + len(errors) == 1
    if errors:
        ((row, (error,)),) = errors.items()
        assert (row, error.type, error.field_name) == (2, "type-error", "value")
        return None
    return items[0].get("value")


CELLS = {
    "text": "=é🚲\n", "number": "-7,5", "integer": "-12", "flag": "yes", "day": "29/02/2024",
    "moment": "2024-01-26T15:00:00.25Z", "local": "26.01.2024 15:00", "clock": "12:00:00", "year": "2024",
    "month": "2024-02", "span": "P1D", "object": '{"a":[1.5,null]}', "array": '["x",1]', "list": "a,b",
    "point": "4.35,50.85", "any": "007",
}  # fmt: skip


def test_what_an_export_writes_an_import_reads() -> None:
    fields = [{"name": name, "type": kind, **more} for name, (kind, more) in EVERY.items()]
    of = entity(ID, *fields, primaryKey="id")
    items = [stored(of, {"id": "1", **CELLS}), stored(of, {"id": "2"})]
    data, _ = export(of, [items], "parquet")
    again = import_file(of, data, "things.parquet")
    own = {"_pk", "_sk", "_at", "_by"}
    assert [{name: value for name, value in item.items() if name not in own} for item in again] == [
        {name: value for name, value in item.items() if name not in own} for item in items
    ]
    assert export(of, [again], "parquet")[0] == data


S, N = "S", "N"
VALUES: list[tuple[str, Any, Any]] = [
    ("integer", pa.array([2**64 - 1], pa.uint64()), {N: str(2**64 - 1)}),
    ("integer", pa.array([-5], pa.int8()), {N: "-5"}),
    ("integer", pa.array([5.0]), {N: "5"}),
    ("integer", pa.array([1e20]), {N: "1" + "0" * 20}),
    ("integer", pa.array([5.5]), None),
    ("integer", pa.array([Decimal("5.00")]), {N: "5"}),
    ("integer", pa.array([True]), None),
    ("integer", pa.array(["12"]), {N: "12"}),
    ("integer", pa.array(["x"]), None),
    ("number", pa.array([0.1]), {N: "0.1"}),
    ("number", pa.array([0.1], pa.float32()), {N: "0.1"}),
    ("number", pa.array([float("nan")]), None),
    ("number", pa.array([float("inf")]), None),
    ("number", pa.array([Decimal("-7.50")]), {N: "-7.5"}),
    ("number", pa.array([date(2024, 1, 1)]), None),
    ("string", pa.array([Decimal("7.50")]), {S: "7.50"}),
    ("string", pa.array(["007"]).dictionary_encode(), {S: "007"}),
    ("string", pa.array([b"abc"]), None),
    ("string", pa.array([b"ab"], pa.binary(2)), None),
    ("string", pa.array([datetime(2024, 1, 1)]), {S: "2024-01-01T00:00:00"}),
    ("boolean", pa.array([False]), {"BOOL": False}),
    ("boolean", pa.array([1]), {"BOOL": True}),
    ("date", pa.array([date(1, 1, 1)]), {S: "0001-01-01"}),
    ("date", pa.array([datetime(2024, 1, 1)]), {S: "2024-01-01"}),
    ("date", pa.array([datetime(2024, 1, 1, 1)]), None),
    ("date", pa.array([0], pa.timestamp("us", "UTC")), None),
    ("date", pa.array([2**30], pa.int32()).cast(pa.date32()), None),
    ("datetime", pa.array([0], pa.timestamp("ms", "UTC")), {S: "1970-01-01T00:00:00Z"}),
    ("datetime", pa.array([1], pa.timestamp("ns")), {S: "1970-01-01T00:00:00.000000001"}),
    ("datetime", pa.array([date(2024, 1, 1)]), {S: "2024-01-01T00:00:00"}),
    ("string", pa.array([2**62], pa.int64()).cast(pa.timestamp("us")), None),
    ("time", pa.array([time(1, 2, 3)]), {S: "01:02:03"}),
    ("time", pa.array([time(1, 2, 3, 4)]), None),
    ("year", pa.array([2024]), {N: "2024"}),
    ("object", pa.array([{"a": Decimal("1.50")}]), {"M": {"a": {N: "1.5"}}}),
    ("object", pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())), {"M": {"a": {N: "1"}}}),
    ("object", pa.array([[("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int8())), None),
    ("object", pa.array([{"a": b"x"}]), None),
    ("array", pa.array([[1, None]]), {"L": [{N: "1"}, {"NULL": True}]}),
    ("list", pa.array([["a", "b"]]), {"L": [{S: "a"}, {S: "b"}]}),
    ("number", pa.array([[1]]), None),
]


@pytest.mark.parametrize(("kind", "array", "value"), VALUES)
def test_each_value_is_what_its_type_says(kind: str, array: Any, value: Any) -> None:
    assert value_of(kind, array) == value


def test_times_are_written_in_patterns_only_where_these_say_all_of_them() -> None:
    day = {"format": "%d.%m.%Y %H:%M"}
    assert value_of("datetime", pa.array([datetime(2024, 1, 26, 15)]), **day) == {S: "2024-01-26T15:00:00"}
    assert value_of("datetime", pa.array([datetime(2024, 1, 26, 15, 0, 1)]), **day) is None
    assert value_of("datetime", pa.array([0], pa.timestamp("us", "UTC")), **day) is None


def test_timestamps_of_the_old_kind_keep_their_nanoseconds_and_their_years() -> None:
    old = {"use_deprecated_int96_timestamps": True}
    fine = pa.array([1706281200123456789], pa.timestamp("ns"))
    far = pa.array([datetime(1, 1, 1), datetime(9999, 12, 31, 1, 2, 3, 4)])
    for array, texts in (
        (fine, ["2024-01-26T15:00:00.123456789"]),
        (far, ["0001-01-01T00:00:00", "9999-12-31T01:02:03.000004"]),
    ):
        items = import_file(of_one("datetime"), file_of({"value": array}, **old), "a.parquet")
        assert [item["value"] for item in items] == [{S: text} for text in texts]


def test_text_that_is_not_utf8_is_told_by_its_row() -> None:
    good, bad = pa.array([b"good", b"\xff\xfe", None]), pa.array([b"a", b"b", b"c"])
    table = {"value": good.view(pa.string()), "id": bad.view(pa.string())}
    items, errors = read_file(entity({"name": "value", "type": "string"}, ID), file_of(table), "a.parquet")
    assert [item.get("value") for item in items] == [{S: "good"}, None]
    ((row, (error,)),) = errors.items()
    assert (row, error.type, error.cell) == (3, "type-error", "(2 bytes)")
    assert "UTF-8" in error.message


def test_rows_have_the_numbers_of_the_same_table_as_text_whatever_the_row_groups() -> None:
    table = {"value": pa.array([1 if number % 100 else None for number in range(5_000)])}
    of = of_one("integer", constraints={"required": True})
    _, errors = read_file(of, file_of(table, row_group_size=777), "a.parquet")
    assert sorted(errors) == [number + 2 for number in range(0, 5_000, 100)]


def test_duckdb_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "theirs.parquet"
    duckdb.sql(
        f"copy (select 'a' as id, 7.50::decimal(9,2) as n, date '2024-02-29' as d, [1, 2] as l, true as b,"
        f" timestamp '2024-01-01 10:00:00.5' as t, '12345678-1234-1234-1234-123456789abc'::uuid as u)"
        f" to '{file}' (format parquet, compression zstd)"
    )
    kinds = {"id": "string", "n": "number", "d": "date", "l": "array", "b": "boolean", "t": "datetime", "u": "string"}
    of = entity(*({"name": name, "type": kind} for name, kind in kinds.items()))
    (item,) = import_file(of, file.read_bytes(), "theirs.parquet")
    assert {name: item[name] for name in kinds} == {
        "id": {S: "a"}, "n": {N: "7.5"}, "d": {S: "2024-02-29"}, "l": {"L": [{N: "1"}, {N: "2"}]}, "b": {"BOOL": True},
        "t": {S: "2024-01-01T10:00:00.5"}, "u": {S: "12345678-1234-1234-1234-123456789abc"},
    }  # fmt: skip


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
def test_every_compression_of_pages_is_read(codec: str) -> None:
    data = file_of({"value": pa.array(["é" * 50] * 3)}, compression=codec)
    assert [item["value"] for item in import_file(of_one("string"), data, "a.bin")] == [{S: "é" * 50}] * 3


def test_gzip_and_zip_around_it_are_read() -> None:
    data = file_of({"value": pa.array(["x"])})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a.parquet", data)
    for packed_data in (gzip.compress(data), archive.getvalue()):
        assert len(import_file(of_one("string"), packed_data, "a")) == 1


def test_the_header_is_checked_by_name() -> None:
    data = file_of(pa.table([pa.array(["x"]), pa.array(["y"])], names=["value", "other"]))
    with pytest.raises(HeaderMismatch, match="other"):
        read_file(of_one("string"), data, "a.parquet")
    twice = file_of(pa.table([pa.array(["x"]), pa.array(["y"])], names=["value", "value"]))
    with pytest.raises((HeaderMismatch, JobFailed), match="value"):
        read_file(of_one("string"), twice, "a.parquet")
    with pytest.raises(HeaderMismatch):
        read_file(entity(ID, {"name": "value", "type": "string"}), file_of({"value": pa.array(["x"])}), "a.parquet")


def refused(data: bytes) -> str:
    with pytest.raises(JobFailed) as failure:
        read_file(of_one("string"), data, "a.parquet")
    assert failure.value.job_code in ("format-error", "empty-file")
    return failure.value.detail


def test_files_that_are_none_say_so() -> None:
    good = file_of({"value": pa.array(["x" * 100] * 50)}, compression="none")
    assert "damaged" in refused(good[: len(good) // 2])
    assert "damaged" in refused(b"PAR1")
    assert "damaged" in refused(good[:4] + b"\0" * 100 + good[104:-8] + b"\xff\xff\xff\x7fPAR1")
    assert "encrypted" in refused(b"PARE" + good[4:])
    assert "no rows" in refused(file_of({"value": pa.array([], pa.string())}))


def test_a_small_file_with_a_huge_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of({"value": pa.array(["x" * 400_000_000])}, compression="zstd")
    assert len(data) < 50_000
    assert "too much memory" in refused(data)


def test_a_small_file_with_rows_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_lines, "MAX_PARQUET_CHARS", 1_000_000)
    data = file_of({"value": pa.array(["x" * 100] * 100_000)})
    assert "1,000 times as large" in refused(data)


def test_texts_that_are_repeated_are_read_a_few_rows_at_once() -> None:
    """The file has each once: by its size alone, 2,048 rows of 300 kB would be one batch."""
    texts = [chr(97 + number) * 300_000 for number in range(3)]
    data = file_of({"id": [str(row) for row in range(200)], "text": [texts[row % 3] for row in range(200)]})
    assert len(data) < 1_000_000
    lines = list(decoded(io.BytesIO(data)))
    assert max(len(columns[0]) for columns in lines[1:]) == 13
    assert sum(len(columns[0]) for columns in lines[1:]) == 200
    ordinary = file_of({"id": [str(row) for row in range(5_000)]}, row_group_size=1_000)
    assert [len(columns[0]) for columns in list(decoded(io.BytesIO(ordinary)))[1:]] == [2_048, 2_048, 904]


def test_the_process_that_reads_ends_with_the_table(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(file_of({"value": pa.array(range(100_000))}))
    table = ParquetTable(str(file))
    next(table.batches())
    table.close()
    assert table._child.poll() is not None


def test_a_reader_that_takes_too_long_is_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(file_of({"value": pa.array(["x"] * 20_000_000)}))
    table = ParquetTable(str(file), cpu_seconds=1)
    with pytest.raises(TimeoutError):
        for _ in table.batches():
            pass
    table.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_damaged_files_are_read_or_refused(chance: random.Random) -> None:
    """Never anything else, whatever the bytes say."""
    data = bytearray(file_of({"value": pa.array([f"text {n}" for n in range(50)]), "n": pa.array(range(50))}))
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(4, len(data))] = chance.randrange(256)
    of = entity({"name": "value", "type": "string"}, {"name": "n", "type": "integer"})
    try:
        items, errors = read_file(of, bytes(data), "a.parquet")
    except (JobFailed, HeaderMismatch):
        return
    assert len(items) + len(errors) == 50
