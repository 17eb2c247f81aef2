"""Sheets have the same rows with the C library as without it."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workbooks import xlsx
from waybill import native
from waybill.errors import JobFailed
from waybill.tabular import xlsx_sheet
from waybill.tabular.compressed import open_zip
from waybill.tabular.xlsx import XlsxWorkbook

EXAMPLES = int(os.environ.get("WAYBILL_EXAMPLES", "60"))

ITEMS = [
    "<si><t>plain</t></si>",
    "<si><t></t></si>",
    "<si><t>Zo\xeb \u4e16\U0001f600 &gt; a &amp; b</t></si>",
    "<si><t>_x000D_ _x0000_ _x005F_</t></si>",
    '<si><t xml:space="preserve"> spaced </t></si>',
    "<si><r><t>rich</t></r><r><t> text</t></r></si>",
    " <si><t>behind a space > and a sign</t></si>",
    "<si><t>\n\t</t></si>",
]
CELLS = [
    *(f'<c t="s"><v>{index}</v></c>' for index in ("0", "1", "2", "3", "7", "007")),
    *(f"<c{kind}><v>{text}</v></c>" for kind in ("", ' t="n"', ' s="1"', ' s="2" t="n"', ' s="99"')
      for text in ("1", "-0", "2.50", "1e3", "45000.25", "60", "0", "", " 7 ", "x", "1e309", "\u0663")),
    *(f'<c t="{kind}"><v>{text}</v></c>' for kind in ("b", "d", "e", "str", "inlineStr", "t", "zz")
      for text in ("1", "0", "true", "2024-02-29", "12:30:00", "#DIV/0!", "_x0041_", "Zo\xeb", "")),
    "<c/>", "<c></c>", '<c s="1"/>', '<c t="s"/>',
    '<c t="inlineStr"><is><t>in line</t></is></c>', '<c t="inlineStr"><is><t></t></is></c>',
    '<c t="inlineStr"><is><t xml:space="preserve"> a </t></is></c>', '<c t="inlineStr"><is><t>a &lt; b</t></is></c>',
    '<c t="inlineStr"><is><r><t>rich</t></r></is></c>', '<c t="n"><is><t>in line</t></is></c>',
    "<c><f>1+1</f><v>2</v></c>", '<c t="str"><f t="shared" si="0"/><v>a</v></c>', "<c><f>1+1</f></c>",
    "<c><f>1+1</f><v></v></c>", "<c><f>1+1</f><v> </v></c>", '<c cm="1"><v>1</v></c>', "<c><v>1</v><extLst/></c>",
]  # fmt: skip
BROKEN = [
    '<c t="s"><v>8</v></c>',
    '<c t="s"><v>x</v></c>',
    "<c><v>1</w></c>",
    "<c><v>&x;</v></c>",
    "<!-- a -->",
    "\x01",
]


def letters(column: int) -> str:
    found = ""
    while column:
        column, digit = divmod(column - 1, 26)
        found = chr(65 + digit) + found
    return found


@st.composite
def row(draw: st.DrawFn) -> str:
    """A row whose cells may say where they are, in order or not."""
    cells, place = [], 0
    for cell in draw(st.lists(st.sampled_from(CELLS) | st.sampled_from(CELLS[:7]), max_size=6)):
        place += draw(st.sampled_from([1, 1, 1, 1, 1, 2, 30, 130, 0]))
        says = draw(st.sampled_from([True, True, True, False]))
        cells.append(cell.replace("<c", f'<c r="{letters(place)}1"', 1) if says and place else cell)
    if draw(st.integers(0, 40)) == 0:
        cells.append(draw(st.sampled_from(BROKEN)))
    head = draw(
        st.sampled_from(["<row>", '<row spans="1:8" s="1">', '<row r="NUMBER">', '<row ht="15" r="NUMBER" x:d="0.3">'])
    )
    return draw(st.sampled_from(["", "", "", "\n ", "<row/>"])) + head + "".join(cells) + "</row>"


def values_of(book: bytes) -> Any:
    """What is read, values with their types, and what ends it."""
    found: list[Any] = []
    try:
        for number, values in XlsxWorkbook(open_zip(io.BytesIO(book))).rows(0):
            found.append((number, [(type(value), value, getattr(value, "width", None)) for value in values]))
    except JobFailed as failure:
        return found, (failure.job_code, failure.detail, failure.row_number)
    return found, None


def assert_both_read_the_same(book: bytes) -> Any:
    assert native.library() is not None, "`make native` builds it"
    quick = values_of(book)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "library", lambda: None)
        assert quick == values_of(book)
    return quick


@settings(max_examples=EXAMPLES * 5, deadline=None)
@given(
    st.lists(row(), max_size=8), st.lists(st.sampled_from(ITEMS), max_size=8), st.booleans(), st.sampled_from([0, 1, 5])
)
def test_any_sheet_has_the_rows_of_the_rule(rows: list[str], items: list[str], is_1904: bool, leap: int) -> None:
    rows = [
        text.replace("NUMBER", str(2 * number + (leap if number == 2 else 0))) for number, text in enumerate(rows, 1)
    ]
    texts = [*ITEMS, *items] if items else []
    book = xlsx(rows, formats=["yyyy-mm-dd hh:mm", "0000"], texts=texts, is_1904=is_1904)
    assert_both_read_the_same(book)


@pytest.mark.parametrize("cell", CELLS)
def test_every_kind_of_cell_has_the_value_of_the_rule(cell: str) -> None:
    placed = cell.replace("<c", '<c r="B7"', 1)
    rows = [f"<row>{cell}{cell}</row>", f'<row r="7">{placed}</row>']
    found, failure = assert_both_read_the_same(xlsx(rows, formats=["yyyy-mm-dd", "0000"], texts=ITEMS))
    assert failure is None
    assert [number for number, _ in found] == [1, 7]


def test_usual_rows_are_read_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f'<row r="{number}"><c r="A{number}" t="s"><v>0</v></c><c r="D{number}" s="1"><v>{number}</v></c></row>'
            for number in range(1, 2_000)]  # fmt: skip
    book = xlsx(rows, formats=["yyyy-mm-dd"], texts=ITEMS)
    expected = assert_both_read_the_same(book)
    monkeypatch.setattr(xlsx_sheet.Shortcut, "_read", lambda *_: pytest.fail("a row was left over"))
    found, _ = values_of(book)
    assert (found, None) == expected
    assert len(found) == 1_999


def test_a_text_too_long_for_the_buffers_is_read_all_the_same() -> None:
    long = "<si><t>" + "long " * 500_000 + "</t></si>"
    rows = ['<row><c t="s"><v>0</v></c></row>'] * 3
    found, failure = assert_both_read_the_same(xlsx(rows, texts=[long, *ITEMS]))
    assert failure is None
    assert [len(values[0][1]) for _, values in found] == [2_500_000] * 3
