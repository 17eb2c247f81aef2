"""Detection of format, encoding and delimiter by the first bytes; text of any encoding, row by row."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scanning import scan_file
from waybill.errors import JobFailed
from waybill.tabular.detect import container, refuse_markup
from waybill.tabular.detect_dialect import table_dialect
from waybill.tabular.dialect import Dialect
from waybill.tabular.jsonlines import BadLine, find_names, json_text, parse_line, read_lines
from waybill.tabular.recode import Recoded
from waybill.tabular.scan import scan_table


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-16"), max_size=8), min_size=2, max_size=2), min_size=1, max_size=8
    ),
    st.sampled_from(["utf-16-le", "utf-16-be", "utf-32-le", "utf-7", "utf-8"]),
    st.integers(1, 40),
)
def test_text_of_any_encoding_reads_as_its_characters(rows: list[list[str]], encoding: str, size: int) -> None:
    text = "".join(",".join(row) + "\n" for row in rows)
    stream = Recoded(io.BytesIO(text.encode(encoding)), encoding)
    assert b"".join(iter(lambda: stream.read(size), b"")).decode() == text


@pytest.mark.parametrize(
    ("data", "encoding", "row"),
    [
        ("a,b\n1,2\n".encode("utf-16-le") + b"\x00\xd8\n\0", "utf-16-le", 3),
        ("a,b\n1,2\n3,4".encode("utf-16-le") + b"\0", "utf-16-le", 3),
        ('a,b\n"1\n",2\n3,'.encode("utf-16-le") + b"\x00\xdc", "utf-16-le", 3),
        (b"a,b\n1,\x81\x30\n", "gb18030", 2),
        (b"a,b\n1,+2AA-\n", "utf-7", 2),
    ],
)
def test_what_does_not_decode_is_an_error_of_its_row(data: bytes, encoding: str, row: int) -> None:
    with pytest.raises(JobFailed) as caught:
        scan_table(Recoded(io.BytesIO(data), encoding), Dialect(), "utf-8", 1 << 20, source_encoding=encoding)
    assert (caught.value.job_code, caught.value.row_number) == ("encoding-error", row)
    assert encoding in caught.value.detail


def test_an_undecodable_byte_far_down_is_an_error_of_its_row() -> None:
    data = b"id,name\n" + b"1,\xc3\xa9\n" * 300_000 + b"2,\xe9\n" + b"3,x\n" * 10
    with pytest.raises(JobFailed) as caught:
        scan_file(io.BytesIO(data), {}, None, 1 << 20)
    assert (caught.value.job_code, caught.value.row_number) == ("encoding-error", 300_002)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("id,name\n1,a\n", ","),
        ("id;name\n1;a,b\n2;c,d\n", ";"),
        ("id\tname\n1\ta\n", "\t"),
        ("id|name\n1|a\n", "|"),
        ('id,"a;b;c;d"\n1,2\n', ","),
        ("id;name, first\n1;a\n2;b\n", ";"),
        ("price;sum\n1,5;2,5\n1,25;3,5\n", ";"),
        ("name\nSmith\n", ","),
        ("time\n12:30\n13:30\n14:30\n", ","),
        ("id^name\n1^a\n2^b\n", "^"),
        ("id~name~x\n1~a~y\n2~b~z\n", "~"),
        ("id\x1fname\n1\x1fa\n2\x1fb\n", "\x1f"),
        ("id:name\n1:a\n2:b\n", ":"),
        ("id^name\n1^a\n2b\n", ","),
        ("id:name\n1:a\n", ","),
        ("full name\nAnn Lee\nBob Roy\n", ","),
        ("sep=|\nid|name\n1|a\n", "|"),
        ("", ","),
        ('a,"b\nc;d;e;f;g', ","),
    ],
)
def test_the_delimiter_is_what_divides_records_alike(text: str, delimiter: str) -> None:
    assert table_dialect({}, text).dialect.delimiter == delimiter
    assert table_dialect({"delimiter": "*"}, text).dialect.delimiter == "*"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\3\4", "zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
        (b"id,name", "text"),
        (b"", "text"),
        (b"BZh9", "compression-error"),
        (b"\xfd7zXZ\0", "compression-error"),
        (b"\x28\xb5\x2f\xfd", "compression-error"),
        (b"7z\xbc\xaf\x27\x1c", "compression-error"),
        (b"Rar!\x1a\x07", "compression-error"),
        (b"%PDF-1.7", "format-error"),
        (b"PAR1", "parquet"),
        (b"PARE", "format-error"),
        (b"\x89PNG", "format-error"),
    ],
)
def test_a_container_is_detected_by_its_first_bytes(head: bytes, kind: str) -> None:
    try:
        assert container(head) == kind
    except JobFailed as error:
        assert error.job_code == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('<?xml version="1.0"?>', "XML"), ("<ss:Workbook>", "XML"), ("  <HTML>", "HTML"), ("<table>", "HTML"),
        ("<!DOCTYPE html>", "HTML"), ("<!-- saved -->", "HTML"), ("MIME-Version: 1.0\r\n", "MHTML"),
        ("ID;PWXL;N;E\r\n", "SYLK"),
    ],
)  # fmt: skip
def test_markup_that_calls_itself_a_table_is_refused(text: str, kind: str) -> None:
    with pytest.raises(JobFailed, match=kind):
        refuse_markup(text)


@pytest.mark.parametrize("text", ["<id>,name", "ID;Preis\n", "MIME,type\n", "<tables>;x\n"])
def test_tables_that_look_a_little_like_markup_are_none(text: str) -> None:
    refuse_markup(text)


@pytest.mark.parametrize(("head", "kind"), [(b"\x09\x04\x06\x00\x00", "Excel 4"), (b"%PDF-1.7", "PDF")])
def test_files_of_other_kinds_say_what_they_are(head: bytes, kind: str) -> None:
    with pytest.raises(JobFailed, match=kind) as refused:
        container(head)
    assert refused.value.job_code == "format-error"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), json_values, max_size=4), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_json_lines_keep_every_value(objects: list[dict[str, Any]], line_break: str) -> None:
    data = "".join(json.dumps(value, ensure_ascii=False) + line_break for value in objects).encode(
        "utf-8", "surrogatepass"
    )
    lines = list(read_lines(io.BytesIO(data), "utf-8"))
    assert [number for number, _ in lines] == list(range(1, len(objects) + 1))
    for (_, text), value in zip(lines, objects, strict=True):
        parsed = parse_line(text)
        assert json.loads(json_text(parsed)) == value
    if objects:
        names, array = find_names(iter(lines))
        assert names == list(dict.fromkeys(name for value in objects for name in value))
        assert array is None


@pytest.mark.parametrize(
    "text",
    ["1", '"a"', "null", "{", '{"a":1,"a":2}', '{"a":NaN}', '{"a":-Infinity}', "[" * 100_000, '{"a":1} x', "{'a':1}"],
)
def test_lines_that_are_not_rows(text: str) -> None:
    with pytest.raises(BadLine):
        parse_line(text)


def test_numbers_of_any_length_stay_as_they_are() -> None:
    text = '{"a":' + "9" * 5000 + ',"b":1e400,"c":0.10}'
    assert json_text(parse_line(text)) == text


@pytest.mark.parametrize(
    ("data", "code", "row"),
    [
        (b"\n\n", "empty-file", None),
        (b"{\n}", "format-error", 1),
        (b'{"a"\n["a"]\n', "format-error", 1),
        (b'{"a":1}\n{"a":"\xff"}\n', "encoding-error", 2),
        (b"[" + b"1," * 9_000_000, "row-too-long", 1),
        (json.dumps({f"n{n}": 1 for n in range(10_001)}).encode(), "format-error", 1),
    ],
)
def test_json_that_cannot_be_read(data: bytes, code: str, row: int | None) -> None:
    with pytest.raises(JobFailed) as caught:
        find_names(read_lines(io.BytesIO(data), "utf-8"))
    assert (caught.value.job_code, caught.value.row_number) == (code, row)


@given(st.binary(max_size=200), st.integers(1, 60))
def test_any_bytes_are_a_plan_or_a_documented_failure(data: bytes, chunk_bytes: int) -> None:
    try:
        found = scan_file(io.BytesIO(data), {}, None, chunk_bytes)
    except JobFailed as error:
        assert error.job_code in {"empty-file", "encoding-error", "format-error", "blank-header"}
        return
    text = data[3 * found.detected["bom"] :].decode(found.encoding)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=found.dialect.delimiter))
    header = found.detected["headerRow"]
    assert rows[header - 1] == found.labels
    filled = [number for number, cells in enumerate(rows, 1) if any(cells)]
    assert found.rows == filled[-1] - header
