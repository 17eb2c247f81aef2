"""Gzip, zip and workbooks of unknown origin: read exactly, or refused early with a documented code."""

from __future__ import annotations

import gzip
import io
import random
import resource
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from datetime import time as clock
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import workbooks
from tests.builders import ROOT
from tests.workbooks import number, row, shared, text, xlsx, zipped
from waybill.errors import JobFailed
from waybill.tabular import workbooks as foreign
from waybill.tabular.compressed import Gunzip, Unzip, only_file, open_zip
from waybill.tabular.sheets import Digits
from waybill.tabular.xlsx import read_sheet
from waybill.tabular.xlsx_formats import serial_value


def whole(stream: Any, size: int = 1000) -> bytes:
    return b"".join(iter(lambda: stream.read(size), b""))


def drain(stream: Any) -> None:
    while stream.read(100_000):
        pass


def gunzip(data: bytes, size: int = 1000) -> bytes:
    return whole(Gunzip(io.BytesIO(data)), size)


def unzip(data: bytes) -> bytes:
    archive = open_zip(io.BytesIO(data))
    return whole(Unzip(archive, only_file(archive)))


def read(data: bytes, name: str | None = None, sheet: int = 1) -> list[tuple[int, list[Any]]]:
    return list(read_sheet(open_zip(io.BytesIO(data)), name, sheet).rows)


def code_of(call: Callable[[], object]) -> str:
    """The code with which it fails, early and without much memory."""
    started = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(JobFailed) as caught:
            call()
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024**2
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 4  # tracing doubles it
    return caught.value.job_code


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=4), st.integers(0, 4), st.integers(1, 3000))
def test_gzip_of_one_or_many_members_is_one_content(parts: list[bytes], zeros: int, size: int) -> None:
    data = b"".join(map(gzip.compress, parts)) + bytes(zeros)
    assert gunzip(data, size) == b"".join(parts)


@given(st.binary(max_size=300), st.data())
def test_damaged_gzip_never_reads_as_something_else(content: bytes, data: st.DataObject) -> None:
    packed = bytearray(gzip.compress(content))
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(1, len(packed) - 1))
        with pytest.raises(JobFailed, match="gzip"):
            gunzip(bytes(packed[:cut]))
    else:
        at = data.draw(st.integers(10, len(packed) - 1))
        packed[at] ^= data.draw(st.integers(1, 255))
        try:
            assert gunzip(bytes(packed)) == content
        except JobFailed as error:
            assert error.job_code == "compression-error"


def deflated_zeros(mebibytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([packer.compress(bytes(1024**2)) for _ in range(mebibytes)]) + packer.flush()


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"a\n") + b"garbage",
        gzip.compress(b"a\n") + b"\0\0x",
        gzip.compress(b"a\n") + gzip.compress(b"b\n")[:-3],
        gzip.compress(b"a" * 1000)[:-9],
        deflated_zeros(200),
    ],
    ids=["trailing garbage", "garbage after zeros", "half a member", "truncated", "bomb"],
)
def test_gzip_that_is_refused(data: bytes) -> None:
    assert code_of(lambda: drain(Gunzip(io.BytesIO(data)))) == "compression-error"


def with_flag(data: bytes, flag: int) -> bytes:
    changed = bytearray(data)
    changed[6] |= flag
    changed[changed.rfind(b"PK\1\2") + 8] |= flag
    return bytes(changed)


def with_sizes(data: bytes, size: int) -> bytes:
    """A zip whose directory declares another size of its one entry."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, changed.rfind(b"PK\1\2") + 24, size)
    return bytes(changed)


def many_entries(count: int) -> bytes:
    entry = b"PK\1\2" + struct.pack("<6H3L5H2L", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * count
    return directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), 0, 0)


ZIP_BOMB = zipped({"a.csv": bytes(200 * 1024**2)})


@pytest.mark.parametrize(
    "data",
    [
        zipped({}),
        zipped({"a.csv": "a", "b.csv": "b"}),
        zipped({"folder/a.csv": "a"}),
        zipped({"folder/": "", "a.csv": "a"}),
        zipped({"..\\a.csv": "a"}),
        zipped({"a.csv": "a" * 100}, zipfile.ZIP_BZIP2),
        with_flag(zipped({"a.csv": "a"}), 1),
        zipped({"a.csv": "a" * 1000})[:-30],
        zipped({"a.csv": "a" * 1000})[20:],
        zipped({"a.csv": random.Random(1).randbytes(1000)}).replace(b"a.csv", b"b.csv", 1),
        with_sizes(zipped({"a.csv": "a" * 1000}), 500),
        with_sizes(zipped({"a.csv": "a" * 1000}), 5000),
        many_entries(60_000),
        many_entries(5_000),
        b"PK\3\4",
        b"PK\5\6" + bytes(18),
        ZIP_BOMB,
        with_sizes(ZIP_BOMB, 1000),
    ],
    ids=[
        "empty", "two files", "in a folder", "with a folder", "with a path", "bzip2 inside", "encrypted", "truncated",
        "beginning lost", "names differ", "declared too small", "declared too large", "many entries", "large directory",
        "magic alone", "no file", "bomb", "bomb that lies",
    ],
)  # fmt: skip
def test_zip_that_is_refused(data: bytes) -> None:
    def take_out() -> None:
        archive = open_zip(io.BytesIO(data))
        drain(Unzip(archive, only_file(archive)))

    assert code_of(take_out) == "compression-error"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_of_one_file_is_its_content(method: int) -> None:
    content = b"id,name\n" * 10_000
    assert unzip(zipped({"a.csv": content, "__MACOSX/._a.csv": b"\0"}, method)) == content


def test_values_of_every_kind() -> None:
    texts = ["<si><t>a&amp;b</t></si>", "<si><r><t>rich </t></r><r><t>text</t></r><rPh><t>guide</t></rPh></si>",
             "<si><t>x_x000D_y_x005F_z_xD800_</t></si>", "<si/>"]  # fmt: skip
    formats = ['yyyy"-"mm', "h:mm AM/PM", "[h]:mm", "000", "0.00", '"d"0', "[Red][$-409]d-mmm;@", "0.00E+00"]
    cells = [
        shared(0), shared(1), shared(2), shared(3), text("in <line>"), '<c t="str"><f>A1</f><v>f</v></c>',
        '<c t="b"><v>0</v></c>', '<c t="e"><v>#DIV/0!</v></c>', "<c/>", "<c><f>1</f></c>", number("1E-7"),
        number(-2.5), number(45000, 1), number(0.5, 2), number(1.25, 3), number(7, 4), number(7.5, 4), number(7, 5),
        number(7, 6), number(45000.25, 7), number(3, 8), '<c t="d"><v>2026-01-31T10:00:00</v></c>',
        '<c t="d"><v>2026-01-31T10:00:00Z</v></c>', number(-1, 1),
    ]  # fmt: skip
    ((at, values),) = read(xlsx([row(*cells, at=3)], texts=texts, formats=formats))
    assert at == 3
    assert values == [
        "a&b", "rich text", "x\ry_z_xD800_", "", "in <line>", "f",
        False, "#DIV/0!", None, None, 1e-7,
        -2.5, datetime(2023, 3, 15), clock(12), timedelta(hours=30), 7.0, 7.5, 7.0,
        7.0, datetime(2023, 3, 15, 6), 3.0, datetime(2026, 1, 31, 10),
        "2026-01-31T10:00:00Z", -1.0,
    ]  # fmt: skip
    assert isinstance(values[15], Digits) and values[15].width == 3
    assert not isinstance(values[16], Digits)


@pytest.mark.parametrize(
    ("serial", "kind", "is_1904", "value"),
    [
        (0, "date", False, "1900-01-00"),
        (0.5, "date", False, clock(12)),
        (1, "date", False, datetime(1900, 1, 1)),
        (59, "date", False, datetime(1900, 2, 28)),
        (60, "date", False, "1900-02-29"),
        (60.25, "date", False, "1900-02-29T06:00:00"),
        (61, "date", False, datetime(1900, 3, 1)),
        (2_958_465, "date", False, datetime(9999, 12, 31)),
        (2_958_466, "date", False, 2_958_466),
        (-1, "date", False, -1),
        (0, "date", True, datetime(1904, 1, 1)),
        (60, "date", True, datetime(1904, 3, 1)),
        (2_957_003, "date", True, datetime(9999, 12, 31)),
        (2_957_004, "date", True, 2_957_004),
        (0.5, "time", True, clock(12)),
        (0.999999999, "time", False, datetime(1900, 1, 1)),
        (44197.999999999, "date", False, datetime(2021, 1, 2)),
        (44197.123456789, "date", False, datetime(2021, 1, 1, 2, 57, 46, 667000)),
        (2.5, "elapsed", False, timedelta(hours=60)),
    ],
)
def test_serial_numbers_are_the_moments_that_a_spreadsheet_shows(
    serial: float, kind: str, is_1904: bool, value: object
) -> None:
    assert serial_value(serial, kind, is_1904) == value


def test_sheets_without_cell_references_with_prefixes_and_gaps() -> None:
    data = xlsx([], parts={
        "xl/worksheets/sheet1.xml": '<x:worksheet xmlns:x="urn:x"><x:dimension ref="A1"/><x:sheetData>'
        '<x:row><x:c><x:v>1</x:v></x:c><x:c><x:v>2</x:v></x:c></x:row>'
        '<x:row r="4"><x:c r="C4"><x:v>3</x:v></x:c><x:c r="AA4" t="b"><x:v>1</x:v></x:c></x:row>'
        "</x:sheetData></x:worksheet>"
    })  # fmt: skip
    assert read(data) == [(1, [1.0, 2.0]), (4, [None, None, 3.0, *[None] * 23, True])]


_VALUES = st.sampled_from([
    "<v>1</v>", "<v>1.5</v>", "<v>1e3</v>", "<v></v>", "", "<f>A1&lt;2</f><v>7</v>", "<f/><v>7</v>", "<v>&#49;</v>",
    "<v>0</v>", "<v> 2 </v>", "<is><t>x</t></is>", '<is><t xml:space="preserve"> y </t></is>',
    "<is><r><t>z</t></r></is>",
    "<v>-0</v>", "<!-- c --><v>1</v>", "<v><![CDATA[1]]></v>", "<v>1\r\n</v>", "<v>n\u00e4</v>",
    "<is><t>_x000A_</t></is>",
])  # fmt: skip
_ATTRIBUTES = st.sampled_from([
    "", ' s="1"', ' s="2"', ' s="0"', ' t="s"', ' t="str"', ' t="b"', ' t="e"', ' s="1" t="n"', ' t="inlineStr"',
    ' t="n" s="1"', ' cm="1"', " s='0'",
])  # fmt: skip


_CELLS = st.lists(st.tuples(st.integers(0, 3), _ATTRIBUTES, _VALUES), max_size=5)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.booleans(), _CELLS), max_size=6), st.data())
def test_the_shortcut_reads_what_the_parser_reads(
    lines: list[tuple[bool, list[tuple[int, str, str]]]], data: st.DataObject
) -> None:
    rows = []
    for index, (is_numbered, cells) in enumerate(lines):
        column, body = 0, ""
        for gap, attributes, value in cells:
            column += gap
            place = f' r="{chr(65 + column)}{index + 1}"' if gap or is_numbered else ""
            body += f"<c{place}{attributes}>{value}</c>" if value else f"<c{place}{attributes}/>"
            column += 1
        at = f' r="{index + 1}" spans="1:2"' if is_numbered else ""
        rows.append(data.draw(st.sampled_from([f"<row{at}>{body}</row>", f"\n <row{at}>{body}</row>", f"<row{at}/>"])))
    texts, formats = ["<si><t>t0</t></si>", "<si><r><t>t1</t></r></si>"], ["yyyy", "000"]

    def outcome(beginning: str) -> object:
        content = f'<?xml version="1.0"?><worksheet><sheetData>{beginning}{"".join(rows)}</sheetData></worksheet>'
        try:
            return read(xlsx([], texts=texts, formats=formats, parts={"xl/worksheets/sheet1.xml": content}))
        except JobFailed as error:
            return error.job_code

    found, expected = outcome(""), outcome("<!-- all to the parser -->")
    assert repr(found) == repr(expected)


def entity_bomb() -> bytes:
    declaration = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x">]>'
    return xlsx([], parts={"xl/worksheets/sheet1.xml": f"{declaration}<worksheet><c><v>&b;</v></c></worksheet>"})


def texts_bomb() -> bytes:
    return xlsx([row(shared(0))], parts={"xl/sharedStrings.xml": b"<sst>" + b"<si><t>a</t></si>" * 20_000_000})


def sheet(content: str) -> bytes:
    return xlsx([], parts={"xl/worksheets/sheet1.xml": content})


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (entity_bomb, "format-error"),
        (lambda: sheet('<!DOCTYPE a SYSTEM "file:///etc/passwd"><worksheet/>'), "format-error"),
        (texts_bomb, "format-error"),
        (lambda: sheet("<worksheet><sheetData>" + "<row/>" * 5_000_000), "format-error"),
        (lambda: sheet("<worksheet>" + " " * 50_000_000), "format-error"),
        (lambda: sheet("<worksheet><sheetData><row>"), "format-error"),
        (lambda: sheet('<worksheet><row r="2"/><row r="2"/></worksheet>'), "format-error"),
        (lambda: sheet('<worksheet><row r="1048577"/></worksheet>'), "format-error"),
        (lambda: sheet('<worksheet><row r="x"/></worksheet>'), "format-error"),
        (lambda: sheet('<worksheet><row><c r="B1"/><c r="A1"/></row></worksheet>'), "format-error"),
        (lambda: sheet('<worksheet><row><c r="XFE1"/></row></worksheet>'), "format-error"),
        (lambda: sheet('<worksheet><row><c r="ZZZZZZZZZZZZZZZZ1"/></row></worksheet>'), "format-error"),
        (lambda: sheet('<worksheet><row><c t="s"><v>5</v></c></row></worksheet>'), "format-error"),
        (lambda: sheet('<worksheet><row><c t="s"><v>x</v></c></row></worksheet>'), "format-error"),
        (lambda: sheet('<worksheet><row><c><v>abc</v></c></row></worksheet>'), "format-error"),
        (lambda: sheet('<worksheet><row><c><v>nan</v></c></row></worksheet>'), "format-error"),
        (lambda: xlsx([], parts={"xl/workbook.xml": "<workbook/>"}), "source-error"),
        (lambda: zipped({"[Content_Types].xml": "", "xl/x": ""}), "format-error"),
    ],
)  # fmt: skip
def test_workbook_that_is_refused(make: Callable[[], bytes], code: str) -> None:
    data = make()
    assert code_of(lambda: read(data)) == code


def test_a_row_that_is_too_long_is_refused() -> None:
    noise = random.Random(1).randbytes(9 * 1024**2).hex()
    with pytest.raises(JobFailed) as caught:
        read(xlsx([row(text(noise))]))
    assert (caught.value.job_code, caught.value.row_number) == ("row-too-long", 1)


@pytest.mark.parametrize(
    "data",
    [
        workbooks.compound({"EncryptedPackage": b"x"}),
        workbooks.compound({"WordDocument": b"x"}),
        workbooks.xls([["a"]])[:2000],
        workbooks.ods([["a"]])[:-50],
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000),
    ],
    ids=["encrypted", "a document", "truncated xls", "truncated ods", "magic alone"],
)
def test_foreign_workbook_that_is_refused(data: bytes) -> None:
    assert code_of(lambda: list(foreign.read_sheet(io.BytesIO(data), None, 1).rows)) == "format-error"


def test_a_foreign_workbook_cannot_take_the_memory_of_the_function() -> None:
    """One cell far out makes calamine allocate a cell for every position before it."""
    far = [["a"], *[[""]] * 60_000, [""] * 250 + ["b"]]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert code_of(lambda: list(foreign.read_sheet(io.BytesIO(workbooks.xls(far)), None, 1).rows)) == "format-error"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


@pytest.mark.parametrize("make", [workbooks.xls, workbooks.xlsb, workbooks.ods])
def test_foreign_workbooks_keep_their_row_numbers(make: Callable[[Any], bytes]) -> None:
    rows = [[], ["", "id", "name"], [], ["", "007", "\u00e9"]]
    found = foreign.read_sheet(io.BytesIO(make(rows)), None, 1)
    assert list(found.rows) == [(2, [None, "id", "name"]), (4, [None, "007", "\u00e9"])]
    for name, sheet_number in (("nobody", 1), (None, 2)):
        with pytest.raises(JobFailed) as caught:
            foreign.read_sheet(io.BytesIO(make(rows)), name, sheet_number)
        assert caught.value.job_code == "source-error"


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_workbook_never_breaks_the_reader(data: st.DataObject) -> None:
    packed = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(packed))
    except JobFailed as error:
        assert error.job_code in ("compression-error", "format-error", "source-error")


SMALL = xlsx([row(text("id"), shared(0)), row(number(1), number(2))], texts=["<si><t>name</t></si>"])


def test_a_sheet_is_read_without_keeping_it() -> None:
    def lines() -> Iterator[str]:
        for index in range(20_000):
            yield row(*(number(index * column) for column in range(10)))

    archive = open_zip(io.BytesIO(xlsx(lines())))
    tracemalloc.start()
    assert sum(1 for _ in read_sheet(archive, None, 1).rows) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 1024**2


def test_calamine_is_not_loaded_before_it_is_needed() -> None:
    code = "import waybill.imports.conversion, sys; assert 'python_calamine' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "shared")}, check=True)
