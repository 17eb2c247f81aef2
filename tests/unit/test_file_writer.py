"""Files around rows: headers, archives and workbooks that others read, in constant memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.builders import START
from tests.exporting import definition, entity, export, page, stored
from waybill.errors import JobFailed
from waybill.exports.compression import ZipStream
from waybill.exports.definition import Definition
from waybill.exports.encoder import RowEncoder
from waybill.exports.file_writer import FileWriter
from waybill.exports.formats.base import Column

OF = entity(
    {"name": "id", "type": "string"},
    {"name": "spend", "type": "number"},
    {"name": "joined", "type": "date"},
    {"name": "vip", "type": "boolean"},
    primaryKey="id",
)
ANNA = stored(OF, {"id": "007", "spend": "7.50", "joined": "2024-02-29", "vip": "true"})
LONG = stored(OF, {"id": " =x_x000D_<&\r\n", "spend": "1" * 20, "joined": "1799-01-01", "vip": None})


# In a process of its own: another test sees to it that nothing loads calamine unasked.
_READ = """
import io, json, sys, python_calamine
workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
print(json.dumps([workbook.sheet_names, workbook.get_sheet_by_index(0).to_python()], default=str))
"""


def sheet(data: bytes, name: str = "things") -> list[list[Any]]:
    """The rows of a workbook's only sheet as calamine reads them."""
    read = subprocess.run([sys.executable, "-c", _READ], input=data, capture_output=True, check=True)
    names, rows = json.loads(read.stdout)
    assert names == [name]
    return list(rows)


@pytest.mark.parametrize("compression", ["none", "gzip", "zip"])
def test_an_export_of_nothing_has_its_header(compression: str) -> None:
    data, written = export(OF, [], compression=compression)
    assert (written.rows, written.size_bytes, written.sha256) == (0, len(data), hashlib.sha256(data).hexdigest())
    if compression == "gzip":
        data = gzip.decompress(data)
    if compression == "zip":
        data = zipfile.ZipFile(io.BytesIO(data)).read("things.csv")
    assert data == b"id,spend,joined,vip\r\n"
    assert export(OF, [], dialect={"header": False})[0] == b""
    assert export(OF, [], "jsonl")[0] == b""
    assert sheet(export(OF, [], "xlsx")[0]) == [["id", "spend", "joined", "vip"]]


def test_the_header_is_written_as_cells_are() -> None:
    of = entity({"name": "a,b", "type": "string"}, {"name": "\ufeffc", "type": "string"})
    assert export(of, [], dialect={"delimiter": ","})[0].decode() == '"a,b","\ufeffc"\r\n'
    assert export(of, [], changes=True)[0].decode().endswith(",_deleted\r\n")


def test_rows_and_checksum_are_those_of_the_file() -> None:
    data, written = export(OF, [[ANNA, LONG], [], [ANNA]], compression="gzip")
    assert (written.rows, written.size_bytes, written.sha256) == (3, len(data), hashlib.sha256(data).hexdigest())


def test_a_workbook_is_what_other_programs_read() -> None:
    data, _ = export(OF, [[ANNA], [LONG]], "xlsx")
    assert sheet(data) == [
        ["id", "spend", "joined", "vip"],
        ["007", 7.5, "2024-02-29", True],
        [" =x_x000D_<&\r\n", "1" * 20, "1799-01-01", ""],
    ]
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None


def test_the_same_rows_give_the_same_bytes() -> None:
    for format in ("csv", "xlsx", "jsonl"):
        for compression in ("none", "gzip", "zip"):
            first, again = (export(OF, [[ANNA], [LONG]], format, compression=compression)[0] for _ in range(2))
            assert first == again
    assert export(OF, [[ANNA]], compression="gzip")[0][4:8] == b"\0\0\0\0"  # no time


@pytest.mark.parametrize(
    ("file_name", "inside"),
    [
        ("things.csv.zip", "things.csv"), ("things.ZIP", "things.csv"), ("things.csv", "things.csv"),
        ("Zoë 京都_$yyyyMMdd.csv.zip", "Zoë 京都_20260131.csv"),
    ],
)  # fmt: skip
def test_the_name_in_a_zip_file_is_its_own_without_zip(file_name: str, inside: str) -> None:
    data, _ = export(OF, [[ANNA]], compression="zip", file_name=file_name)
    (entry,) = zipfile.ZipFile(io.BytesIO(data)).infolist()
    assert entry.filename == inside
    assert entry.flag_bits & 0x800  # names are UTF-8
    assert entry.date_time == (2026, 1, 31, 9, 30, 0)


def test_parts_of_fragments_follow_each_other() -> None:
    """As a writer does that puts the parts of parallel segments together, block by block."""
    for format in ("csv", "jsonl", "xlsx"):
        how = definition(format)
        encoder = RowEncoder(OF, how)
        fragment = encoder.encode(page([ANNA, LONG])).data * 3
        output = io.BytesIO()
        writer = FileWriter(how, encoder.columns, output, moment=START)
        writer.begin()
        for start in range(0, len(fragment), 100):
            writer.write(fragment[start : start + 100], 6 if not start else 0)
        assert writer.end().rows == 6
        if format == "xlsx":
            assert sheet(output.getvalue()) == sheet(export(OF, [[ANNA, LONG]] * 3, format)[0])
        else:
            assert output.getvalue() == export(OF, [[ANNA, LONG]] * 3, format)[0]


def test_a_sheet_has_only_so_many_rows() -> None:
    def new(how: Definition) -> FileWriter:
        writer = FileWriter(how, [Column("id", None)], io.BytesIO(), moment=START)
        writer.begin()
        return writer

    writer = new(definition("xlsx"))
    writer.write(b"", 1_048_575)
    with pytest.raises(JobFailed, match="1,048,576 rows, and there are more") as failure:
        writer.write(b"<row/>", 1)
    assert failure.value.job_code == "xlsx-limit"
    new(definition("xlsx", dialect={"header": False})).write(b"", 1_048_576)
    new(definition("csv")).write(b"", 2_000_000)


def test_memory_does_not_grow_with_the_file() -> None:
    class Nowhere:
        def write(self, data: bytes) -> None:
            return

    def peak(pages: int, format: str) -> int:
        how = definition(format, compression="none" if format == "xlsx" else "zip")
        encoder = RowEncoder(OF, how)
        tracemalloc.start()
        writer = FileWriter(how, encoder.columns, Nowhere(), moment=START)
        writer.begin()
        for _ in range(pages):
            encoded = encoder.encode(body)
            writer.write(encoded.data, encoded.rows)
        writer.end()
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return taken

    body = page([ANNA] * 500)
    for format in ("csv", "jsonl", "xlsx"):
        assert peak(40, format) < peak(4, format) * 1.2


class Sparse:
    """A file whose first bytes are a hole."""

    def __init__(self, path: Path, hole: int) -> None:
        self.file = path.open("wb")
        os.truncate(path, hole)
        self.file.seek(hole)

    def write(self, data: bytes) -> None:
        self.file.write(data)


def test_a_directory_behind_four_gigabytes(tmp_path: Path) -> None:
    """Only the place is large, so that this takes no time."""
    path, hole = tmp_path / "large.zip", 5 * 1024**3
    sparse = Sparse(path, hole)
    stream = ZipStream(sparse, datetime(2026, 1, 31, tzinfo=UTC))
    stream._position = hole
    for name in ("a.csv", "b.csv"):
        stream.open(name)
        stream.write(name.encode())
        stream.close()
    stream.end()
    sparse.file.close()
    with zipfile.ZipFile(path) as archive:
        assert [entry.header_offset >= hole for entry in archive.infolist()] == [True, True]
        assert archive.read("b.csv") == b"b.csv"


@pytest.mark.slow
def test_an_entry_of_more_than_four_gigabytes(tmp_path: Path) -> None:
    path, block = tmp_path / "large.zip", bytes(16 * 1024**2)
    with path.open("wb") as file:
        stream = ZipStream(file, START)
        stream.open("zeros")
        for _ in range(257):
            stream.write(block)
        stream.close()
        stream.open("after")
        stream.write(b"it")
        stream.close()
        stream.end()
    with zipfile.ZipFile(path) as archive:
        assert [entry.file_size for entry in archive.infolist()] == [257 * len(block), 2]
        assert archive.read("after") == b"it"
