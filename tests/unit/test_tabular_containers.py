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
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from datetime import time as clock
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import workbooks
from tests.builders import ROOT
from tests.workbooks import number, row, shared, text, xlsx, zipped
from waybill.errors import JobFailed
from waybill.tabular.compressed import Gunzip, Unzip, chosen_file, open_zip
from waybill.tabular.ods import OdsWorkbook
from waybill.tabular.sheets import Digits, NoValue
from waybill.tabular.xls import XlsWorkbook
from waybill.tabular.xlsb import XlsbWorkbook
from waybill.tabular.xlsx import XlsxWorkbook
from waybill.tabular.xlsx_formats import format_of, serial_value


def whole(stream: Any, size: int = 1000) -> bytes:
    return b"".join(iter(lambda: stream.read(size), b""))


def drain(stream: Any) -> None:
    while stream.read(100_000):
        pass


def gunzip(data: bytes, size: int = 1000) -> bytes:
    return whole(Gunzip(io.BytesIO(data)), size)


def unzip(data: bytes) -> bytes:
    archive = open_zip(io.BytesIO(data))
    return whole(Unzip(archive, chosen_file(archive)))


def read(data: bytes) -> list[tuple[int, list[Any]]]:
    return list(XlsxWorkbook(open_zip(io.BytesIO(data))).rows(0))


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
        gzip.compress(b"") * 400_000,
        gzip.compress(b"a\n") + gzip.compress(b"") * 400_000,
    ],
    ids=[
        "trailing garbage",
        "garbage after zeros",
        "half a member",
        "truncated",
        "bomb",
        "empty members",
        "and a full",
    ],
)
def test_gzip_that_is_refused(data: bytes) -> None:
    assert code_of(lambda: drain(Gunzip(io.BytesIO(data)))) == "compression-error"


def test_some_empty_members_are_read_over() -> None:
    """As writers leave them that append to a file."""
    empty, full = gzip.compress(b""), gzip.compress(b"a\n")
    assert gunzip((empty + full) * 900) == b"a\n" * 900


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
        zipped({"__MACOSX/._a.csv": "a", ".DS_Store": "x", "folder/": ""}),
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
        "empty", "two files", "nothing of anybody", "bzip2 inside", "encrypted", "truncated",
        "beginning lost", "names differ", "declared too small", "declared too large", "many entries", "large directory",
        "magic alone", "no file", "bomb", "bomb that lies",
    ],
)  # fmt: skip
def test_zip_that_is_refused(data: bytes) -> None:
    def take_out() -> None:
        archive = open_zip(io.BytesIO(data))
        drain(Unzip(archive, chosen_file(archive)))

    assert code_of(take_out) == "compression-error"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_of_one_file_is_its_content(method: int) -> None:
    content = b"id,name\n" * 10_000
    assert unzip(zipped({"a.csv": content, "__MACOSX/._a.csv": b"\0"}, method)) == content


@pytest.mark.parametrize(
    ("others", "name"),
    [
        ({".DS_Store": "x", "a/.DS_Store": "x", "a/Thumbs.db": "x", "Desktop.ini": "x"}, "a/b.csv"),
        ({"export/": "", "__MACOSX/export/._b.csv": "x", "export/._b.csv": "x"}, "export/b.csv"),
        ({}, "..\\b.csv"),
    ],
)
def test_what_programs_add_to_a_zip_file_and_folders_are_passed_over(others: dict[str, str], name: str) -> None:
    assert unzip(zipped({**others, name: "id\n"})) == b"id\n"


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("orders/march.csv", "march"),
        ("march.csv", "march"),
        ("ap*.csv", "april"),
        ("*/april.cs?", "april"),
        ("[abc].csv", "brackets"),
        ("a.csv", "letter"),
        ("*.csv", "source-error"),
        ("may.csv", "source-error"),
        ("MARCH.CSV", "source-error"),
        (None, "compression-error"),
    ],
)
def test_a_file_of_an_archive_is_chosen_by_name_or_pattern(entry: str | None, found: str) -> None:
    names = {"orders/march.csv": "march", "orders/april.csv": "april", "[abc].csv": "brackets", "a.csv": "letter"}
    archive = open_zip(io.BytesIO(zipped(names)))
    if found.endswith("-error"):
        assert code_of(lambda: chosen_file(archive, entry)) == found
    else:
        assert whole(Unzip(archive, chosen_file(archive, entry))) == found.encode()


def test_a_file_that_is_in_an_archive_twice_is_refused() -> None:
    out = io.BytesIO(zipped({"a.csv": "a"}))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(out, "a") as archive:
        archive.writestr("a.csv", "b")
    for entry in (None, "a.csv"):
        assert code_of(partial(chosen_file, open_zip(out), entry)) == "compression-error"


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
        False, "#DIV/0!", None, "=1", 1e-7,
        -2.5, datetime(2023, 3, 15), clock(12), timedelta(hours=30), 7.0, 7.5, 7.0,
        7.0, datetime(2023, 3, 15, 6), 3.0, datetime(2026, 1, 31, 10),
        "2026-01-31T10:00:00Z", -1.0,
    ]  # fmt: skip
    assert isinstance(values[15], Digits) and values[15].width == 3
    assert not isinstance(values[16], Digits)
    assert isinstance(values[9], NoValue)


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


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("", ["", "", ""]),
        ("General", ["", "", ""]),
        ("yyyy-mm-dd", ["date", "date", "date"]),
        ('[=0]"";dd/mm/yyyy', ["date", "", "date"]),
        ("[$-409]d-mmm-yy;@", ["date", "date", "date"]),
        ("dd/mm/yyyy;;", ["date", "", ""]),
        ('"none";[<0]"d";[Red]h:mm', ["", "time", ""]),
        ("[<-1]0;[>=5]yyyy;[h]", ["date", "elapsed", ""]),
        ("0;-0;;@", ["", "", ""]),
        (r"\y0;\;d", ["", "", "date"]),
    ],
)
def test_the_section_of_a_format_depends_on_the_number(code: str, kinds: list[str]) -> None:
    assert [format_of(code).of(value).kind for value in (5, 0, -5)] == kinds


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("<c><v>1</v><is><t>x</t></is></c>", 1.0),
        ('<c t="inlineStr"><v>1</v><is><t>x</t></is></c>', "x"),
        ('<c t="inlineStr"><v>x</v></c>', "x"),
        ("<c><is><t>x</t></is></c>", "x"),
        ('<c><v>1</v><e:v xmlns:e="urn:e">2</e:v></c>', 1.0),
        ('<c><v>1</v><extLst xmlns="urn:e"><v>2</v><c/></extLst></c>', 1.0),
        ('<c t="b"><v>true</v></c>', True),
        ("<c><v> 2 </v></c>", 2.0),
        ("<c><v> </v></c>", None),
        ("<c><v>+.5e1</v></c>", 5.0),
    ],
)
def test_a_cell_has_one_value(cell: str, value: object) -> None:
    assert read(xlsx([row(cell)])) == ([(1, [value])] if value is not None else [(1, [None])])


def test_names_of_extensions_mean_nothing() -> None:
    main, ext = "http://schemas.openxmlformats.org/spreadsheetml/2006/main", 'xmlns:x="urn:x"'
    sheet_xml = (
        f'<worksheet xmlns="{main}" {ext}><sheetData><row><c s="1"><v>1</v></c></row>'
        "<x:row><x:c><x:v>2</x:v></x:c></x:row></sheetData>"
        '<extLst><ext xmlns="urn:x"><a><row><c><v>3</v></c></row><row><c><v>4</v></c></row></a></ext></extLst>'
        "</worksheet>"
    )
    styles = (
        f'<styleSheet xmlns="{main}" {ext}><numFmts><numFmt numFmtId="164" formatCode="yyyy"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs><extLst><x:cellXfs><xf numFmtId="0"/></x:cellXfs>'
        '<x:dxfs><x:dxf><numFmt numFmtId="164" formatCode="0"/></x:dxf></x:dxfs></extLst></styleSheet>'
    )
    found = read(xlsx([], parts={"xl/worksheets/sheet1.xml": sheet_xml, "xl/styles.xml": styles}))
    assert found == [(1, [datetime(1900, 1, 1)])]


def test_the_workbook_part_may_be_anywhere_and_no_part_is_there_twice() -> None:
    moved = {"_rels/.rels": '<Relationships><Relationship Type="x/officeDocument" Target="book.xml"/></Relationships>'}
    parts = zipfile.ZipFile(io.BytesIO(xlsx([row(number(7))]))).namelist()
    content = {name: zipfile.ZipFile(io.BytesIO(xlsx([row(number(7))]))).read(name) for name in parts}
    content["book.xml"] = content.pop("xl/workbook.xml")
    relations = content.pop("xl/_rels/workbook.xml.rels").decode()
    content["_rels/book.xml.rels"] = relations.replace('"worksheets/', '"xl/worksheets/').encode()
    assert read(zipped({**content, **moved})) == [(1, [7.0])]
    for twice in ("xl/worksheets/sheet1.xml", "XL/Worksheets/Sheet1.xml", "xl\\worksheets\\sheet1.xml"):
        out = io.BytesIO(xlsx([row(number(7))]))
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(out, "a") as archive:
            archive.writestr(twice, "<worksheet/>")
        assert code_of(partial(read, out.getvalue())) == "format-error"


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


def test_a_cell_far_out_in_an_old_workbook_costs_no_memory() -> None:
    far = [["a"], *[[""]] * 60_000, [""] * 250 + ["b"]]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = list(XlsWorkbook(io.BytesIO(workbooks.xls(far))).rows(0))
    assert [(row, len(values)) for row, values in rows] == [(1, 1), (60_002, 251)]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_an_old_workbook_that_is_large_is_refused_before_it_is_read() -> None:
    assert code_of(lambda: XlsWorkbook(io.BytesIO(bytes(33 * 1024**2)))) == "format-error"


@pytest.mark.parametrize(
    ("make", "opened"),
    [
        (workbooks.xls, lambda data: XlsWorkbook(io.BytesIO(data))),
        (workbooks.xlsb, lambda data: XlsbWorkbook(open_zip(io.BytesIO(data)))),
        (workbooks.ods, lambda data: OdsWorkbook(open_zip(io.BytesIO(data)))),
    ],
)
def test_other_workbooks_keep_their_row_numbers(make: Callable[[Any], bytes], opened: Callable[[bytes], Any]) -> None:
    rows = [[], ["", "id", "name"], [], ["", "007", "\u00e9"]]
    assert list(opened(make(rows)).rows(0)) == [(2, [None, "id", "name"]), (4, [None, "007", "\u00e9"])]


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
    assert sum(1 for _ in XlsxWorkbook(archive).rows(0)) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 1024**2


def test_the_reader_of_old_workbooks_is_not_loaded_before_it_is_needed() -> None:
    code = "import waybill.imports.conversion, sys; assert 'xlrd' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "shared")}, check=True)
