"""The same cells give the same values, whatever kind of workbook they are in.

`tests/stored/files/same.xlsx` was written by XlsxWriter, then saved in each other kind by LibreOffice 7.4, and from its
file by SheetJS 0.18.5 (2026-11-29).
"""

from __future__ import annotations

import io
import zipfile
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import workbooks
from tests.builders import ROOT
from waybill.errors import JobFailed
from waybill.tabular.compressed import open_zip
from waybill.tabular.ods import OdsWorkbook
from waybill.tabular.sheets import Digits, NoValue, Tab, Workbook
from waybill.tabular.xls import XlsWorkbook
from waybill.tabular.xlsb import XlsbWorkbook
from waybill.tabular.xlsx import XlsxWorkbook

FILES = ROOT / "tests" / "stored" / "files"


def opened(kind: str, data: bytes) -> Workbook:
    file = io.BytesIO(data)
    if kind == "xls":
        return XlsWorkbook(file)
    return {"xlsx": XlsxWorkbook, "xlsb": XlsbWorkbook, "ods": OdsWorkbook}[kind](open_zip(file))


def book(path: Path) -> Workbook:
    return opened(path.suffix[1:], path.read_bytes())


def digits(value: float, width: int) -> Digits:
    found = Digits(value)
    found.width = width
    return found


DAY = datetime(2023, 3, 15)
VALUES: dict[str, Any] = {
    "general": 1234.5,
    "zeros": digits(1234, 5),
    "zeros fraction": 12.5,
    "percent": 0.5,
    "long": 123456789012346e3,
    "small": 1e-7,
    "negative": -2.5,
    "elapsed over a day": timedelta(hours=36),
    "elapsed": timedelta(hours=6),
    "time": time(12),
    "time with fraction": time(0, 0, 2, 500_000),
    "date": DAY,
    "day first": DAY,
    "datetime": datetime(2023, 3, 15, 18),
    "month": DAY,
    "locale": DAY,
    "zero section": DAY,
    "text format": 7.0,
    "literal": 1.0,
    "currency": 1234.5,
    "scientific": 12345.0,
    "early date": datetime(1900, 3, 1),
    "leap day that never was": "1900-02-29",
    "day zero": "1900-01-00",
    "negative date": -1.2,
    "text": "007",
    "tab": "a\tb",
    "breaks": "a\nb\n\nc",
    "spaces": "  a   b  ",
    "unicode": "Zo\u00eb \U0001d4b3 \u00df",
    "empty text": None,
    "true": True,
    "false": False,
    "blank": None,
    "formula": 2.0,
    "formula text": "ab",
    "formula date": DAY,
    "formula empty": "",
    "formula true": True,
    "division by zero": "#DIV/0!",
    "not available": "#N/A",
    "after a gap": 1.0,
}
#: What the writer of a file made of a cell. Neither calamine nor xlrd sees anything else there.
MADE_OTHERWISE: dict[str, dict[str, Any]] = {
    "same.xlsx": {"long": 1.234567890123457e17, "empty text": "", "formula empty": NoValue('=T("")')},
    "same-libreoffice.xlsx": {"formula empty": None},
    # It has no 29 February 1900: days before that of March are a day off, and those before 1900 are dates.
    "same-libreoffice.ods": {
        "zero section": 45000.0,
        "leap day that never was": datetime(1900, 2, 28),
        "day zero": datetime(1899, 12, 30),
        "negative date": datetime(1899, 12, 28, 19, 12),
    },
    "same-libreoffice.xls": {"long": 1.234567890123457e17, "formula text": 0.0},
    "same-sheetjs.xlsb": {},
    "same-sheetjs.xls": {},
    # It writes dates and times as numbers, and no errors.
    "same-sheetjs.ods": {
        "elapsed over a day": 1.5, "elapsed": 0.25, "time": 0.5, "time with fraction": 2.89351851851852e-05,
        "date": 45000.0, "day first": 45000.0, "datetime": 45000.75, "month": 45000.0, "locale": 45000.0,
        "zero section": 45000.0, "formula date": 45000.0, "early date": 61.0, "leap day that never was": 60.0,
        "day zero": 0.0, "division by zero": None, "not available": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", MADE_OTHERWISE)
def test_the_same_cells_are_the_same_values(name: str) -> None:
    found = book(FILES / name)
    rows = list(found.rows(0))
    values = {values[0]: [*values, None][1] for _, values in rows[1:]}
    expected = {**VALUES, **MADE_OTHERWISE[name]}
    assert {key: (type(value), value) for key, value in values.items()} == {
        key: (type(value), value) for key, value in expected.items()
    }
    widths = [value.width for value in values.values() if isinstance(value, Digits)]
    assert widths == [5]
    assert [number for number, _ in rows][-3:] == [41, 42, 45]
    hidden = name != "same-sheetjs.ods"
    assert found.tabs == [Tab("Werte"), Tab("Versteckt", is_visible=not hidden)]
    assert [values for _, values in found.rows(1)] == [["k", "v"], ["old", 1.0]]


def test_formats_of_xls_are_those_of_xlsx() -> None:
    # Programs write 17 significant digits of a number, or fewer; 15 are shown.
    both = [
        [
            (row, key, f"{value:.15g}" if isinstance(value, float) else value, getattr(value, "width", 0))
            for row, (key, value) in book(FILES / name).rows(0)
        ]
        for name in ("fmt.xlsx", "fmt.xls")
    ]
    assert both[0] == both[1]
    assert both[0][1] == (2, "1234 00000", "1234", 5)
    shown = [value for _, _, value, _ in both[0][5:10]]
    assert shown == ["-1.2", "0.5", datetime(2023, 3, 15, 18), "1900-02-29", "1900-01-00"]


def test_times_and_white_space_of_ods() -> None:
    assert list(book(FILES / "tab.ods").rows(0)) == [(1, ["k", "v"]), (2, ["1", "c\td\ne"])]
    times = {values[0]: values[1] for _, values in book(FILES / "times.ods").rows(0)}
    assert [times[f"r{n}"] for n in range(8)] == [
        timedelta(hours=10, minutes=30), timedelta(hours=25), timedelta(seconds=1.5), timedelta(hours=-1),
        timedelta(hours=296_296, minutes=17, seconds=36), timedelta(hours=23, minutes=59, seconds=59),
        timedelta(hours=24), timedelta(hours=24, seconds=1),
    ]  # fmt: skip


def cell(attributes: str, content: str = "") -> str:
    return f"<table:table-cell {attributes}>{content}</table:table-cell>"


def ods_rows(*rows: str, before: str = "", styles: str = "") -> list[tuple[int, list[Any]]]:
    return list(opened("ods", workbooks.ods_of("".join(rows), before=before, styles=styles)).rows(0))


def ods_row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


STRING = 'office:value-type="string"'
TENTH = datetime(2026, 1, 31, 10, 0, 0, 124_000)


def p(content: str) -> str:
    return f"<text:p>{content}</text:p>"


def times(what: str, count: int) -> str:
    return f'table:number-{what}-repeated="{count}"'


@pytest.mark.parametrize(
    ("attributes", "content", "value"),
    [
        (STRING, "<text:p>a</text:p><text:p/><text:p>b</text:p>", "a\n\nb"),
        (STRING, p(" a \n  b<text:s text:c='2'/><text:span>c <text:a>d</text:a></text:span> "), "a b  c d"),
        (STRING, "<office:annotation><text:p>note</text:p></office:annotation><text:p>a</text:p>", "a"),
        (STRING, p(f"a<text:note>{p('n')}</text:note>") + f"<draw:frame>{p('x')}</draw:frame>", "a"),
        (f'{STRING} office:string-value="given"', "<text:p>shown</text:p>", "given"),
        ('office:value-type="float" office:value="7"', "<text:p>007</text:p>", digits(7, 3)),
        ('office:value-type="float" office:value="7"', "<text:p>7</text:p>", 7.0),
        ('office:value-type="float" office:value="0.5"', "<text:p>01</text:p>", 0.5),
        ('office:value-type="float" office:value="NaN"', "", NoValue("NaN")),
        ('office:value-type="float" office:value="1e400"', "", NoValue("1e400")),
        ('office:value-type="percentage" office:value="0.5"', "<text:p>50 %</text:p>", 0.5),
        ('office:value-type="currency" office:value="-1.50"', "", -1.5),
        ('office:value-type="boolean" office:boolean-value="true"', "", True),
        ('office:value-type="boolean" office:boolean-value="1"', "", NoValue("1")),
        ('office:value-type="date" office:date-value="2026-01-31"', "", datetime(2026, 1, 31)),
        ('office:value-type="date" office:date-value="2026-01-31T10:00:00.1239"', "", TENTH),
        ('office:value-type="date" office:date-value="2026-02-31"', "", NoValue("2026-02-31")),
        ('office:value-type="date" office:date-value="-0001-01-01"', "", NoValue("-0001-01-01")),
        ('office:value-type="time" office:time-value="PT36H"', "", timedelta(hours=36)),
        ('office:value-type="time" office:time-value="P1DT0.25S"', "", timedelta(days=1, milliseconds=250)),
        ('table:style-name="clock" office:value-type="time" office:time-value="PT06H30M00S"', "", time(6, 30)),
        ('table:style-name="child" office:value-type="time" office:time-value="PT06H30M00S"', "", time(6, 30)),
        ('table:style-name="span" office:value-type="time" office:time-value="PT06H30M00S"', "", timedelta(hours=6.5)),
        ('office:value-type="time" office:time-value="6:30"', "", NoValue("6:30")),
        ('table:formula="of:=[.A1]*2"', "", NoValue("=[.A1]*2")),
        (f'{STRING} office:string-value="" calcext:value-type="error"', p("#DIV/0!"), "#DIV/0!"),
    ],
)  # fmt: skip
def test_cells_of_ods(attributes: str, content: str, value: Any) -> None:
    styles = (
        '<number:time-style style:name="N1"/><number:time-style style:name="N2" number:truncate-on-overflow="false"/>'
        '<style:style style:name="clock" style:family="table-cell" style:data-style-name="N1"/>'
        '<style:style style:name="child" style:family="table-cell" style:parent-style-name="clock"/>'
        '<style:style style:name="span" style:family="table-cell" style:data-style-name="N2"/>'
    )
    ((number, values),) = ods_rows(ods_row(cell(attributes, content)), styles=styles)
    assert (number, type(values[0]), values[0]) == (1, type(value), value)
    assert getattr(values[0], "width", None) == getattr(value, "width", None)


def test_repeated_and_grouped_rows_and_cells_of_ods() -> None:
    a, empty = cell(f"{STRING} {times('columns', 2)}", p("a")), cell(times("columns", 3))
    twice = ods_row(empty, a, empty, attributes=times("rows", 2))
    found = ods_rows(
        f"<table:table-header-rows>{ods_row(a)}</table:table-header-rows>",
        ods_row(empty, attributes=times("rows", 5)),
        f"<table:table-row-group>{twice}</table:table-row-group>",
        ods_row(empty, attributes=times("rows", 1_048_568)),
        before=f"<table:tracked-changes><table:table-cell>{p('old')}</table:table-cell></table:tracked-changes>",
    )
    assert found == [(1, ["a", "a"]), (7, [None, None, None, "a", "a"]), (8, [None, None, None, "a", "a"])]


@pytest.mark.parametrize(
    "row",
    [
        ods_row(cell(f"{STRING} {times('columns', 20_000)}", p("a"))),
        ods_row(cell(STRING, p("a")), attributes=times("rows", 1_048_577)),
        ods_row(cell(f"{STRING} {times('columns', 16_000)}", p("a")), attributes=times("rows", 1_048_576)),
        ods_row(cell(f"{STRING} {times('columns', 0)}", p("a"))),
        ods_row(cell(STRING, p('a<text:s text:c="99999999999"/>'))),
        "<table:table-row><table:table-cell>",
    ],
)
def test_repeat_bombs_and_broken_ods_are_refused(row: str) -> None:
    with pytest.raises(JobFailed) as refused:
        ods_rows(row)
    assert refused.value.job_code == "format-error"


def test_a_later_table_of_ods_is_read_without_those_before_it() -> None:
    text = "".join(
        f'<table:table table:name="{name}">{ods_row(cell(STRING, f"<text:p>{n}</text:p>"))}</table:table>'
        for n, name in enumerate(["A &amp; B", "C"])
    )
    data = workbooks.ods_of("", tables=text)
    found = opened("ods", data)
    assert [tab.name for tab in found.tabs] == ["A & B", "C"]
    assert [list(found.rows(n)) for n in (1, 0)] == [[(1, ["1"])], [(1, ["0"])]]


MANIFEST = {"META-INF/manifest.xml": "<a/>"}


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("xls", workbooks.xls([["a"]], is_protected=True), "protected with a password"),
        ("xls", workbooks.compound({"EncryptedPackage": b"x"}), "protected with a password"),
        ("xls", workbooks.compound({"WordDocument": b"x"}), "another kind of document"),
        ("xls", workbooks.xls([["a"]])[:2000], "damaged"),
        ("ods", workbooks.ods_of("", manifest="<manifest:encryption-data/>"), "protected with a password"),
        ("ods", workbooks.zipped({"encrypted-package": "x", **MANIFEST}), "protected with a password"),
        ("ods", workbooks.zipped({"content.xml": "<a/>", **MANIFEST}), "without tables"),
        ("ods", workbooks.zipped({"content.xml": '<!DOCTYPE a><table name="x">', **MANIFEST}), "document type"),
    ],
)  # fmt: skip
def test_a_workbook_that_cannot_be_read_says_why(kind: str, data: bytes, words: str) -> None:
    with pytest.raises(JobFailed, match=words) as refused:
        list(opened(kind, data).rows(0))
    assert refused.value.job_code == "format-error"


#: The record that says from when a workbook counts its days, in each binary kind: as it stands in a file, and changed.
DATE_MODES = {
    "xls": (b"\x22\x00\x02\x00\x00\x00", b"\x22\x00\x02\x00\x01\x00"),
    "xlsb": (b"\x99\x01\x24\x00", b"\x99\x01\x24\x01"),
}


@pytest.mark.parametrize("name", ["same-libreoffice.xls", "same-sheetjs.xls", "same-sheetjs.xlsb"])
def test_binary_workbooks_of_old_macs_count_from_1904(name: str) -> None:
    """Read as the others, each date would be four years early, in silence."""
    data, kind = (FILES / name).read_bytes(), name.rpartition(".")[2]
    parts = {"": data}
    if kind == "xlsb":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {info.filename: archive.read(info) for info in archive.infolist()}
    part = "xl/workbook.bin" if kind == "xlsb" else ""
    before, after = DATE_MODES[kind]
    assert parts[part].count(before) == 1
    parts[part] = parts[part].replace(before, after)
    found = opened(kind, workbooks.zipped(parts) if kind == "xlsb" else parts[part])
    values = {values[0]: [*values, None][1] for _, values in list(found.rows(0))[1:]}
    assert values["date"] == values["month"] == DAY + timedelta(days=1462)
    assert values["datetime"] == datetime(2023, 3, 15, 18) + timedelta(days=1462)
    assert values["day zero"] == datetime(1904, 1, 1)
    for key in ("time", "elapsed", "elapsed over a day", "general", "zeros"):
        assert values[key] == VALUES[key]
