"""What the native library approves is what the Python rule accepts, and it stays within its buffers."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from infra.native import build, own_compiler, source_hash
from tests.builders import ROOT, START, entity
from tests.unit.test_columns import CELLS, FIELDS
from waybill import native
from waybill.entities.header import match_header
from waybill.entities.model import Target
from waybill.entities.schema import parse_schema
from waybill.entities.text_formats import is_plain_email
from waybill.imports.digests import DigestFile, repeated
from waybill.imports.plan_document import ImportPlan
from waybill.imports.row_reader import RowReader
from waybill.imports.sinks import BatchSink
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.model import Job, Process, Status
from waybill.tabular import records
from waybill.tabular.dialect import Dialect
from waybill.tabular.records import Segment, cut

EXAMPLES = int(os.environ.get("WAYBILL_EXAMPLES", "60"))
JOB = Job("job", Process.IMPORT, Status.IN_PROGRESS, "contacts", "uid-contacts", "contacts.csv", START, "alice")


@pytest.fixture(scope="module", autouse=True)
def library() -> Any:
    found = native.library()
    assert found is not None, "`make native` builds it"
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Rows
# ---------------------------------------------------------------------------------------------------------------------


def reader(
    schema: dict[str, Any],
    dialect: Dialect,
    mode: str = "upsert",
    blanks: str = "clear",
    unescapes: bool = False,
    **members: Any,
) -> RowReader:
    plan = ImportPlan(
        source=ObjectVersion("bucket", "key", None),
        labels=[field["name"] for field in schema["fields"]],
        header="",
        chunks=[],
        encoding="utf-8",
        bom=False,
        sha256="",
        dialect=dialect,
        key_partitions=1,
    )
    parsed = parse_schema(schema)
    options = {"blanks": blanks} | ({"unescapeFormulas": True} if unescapes else {})
    job = replace(JOB, mode=mode, options=options)
    return RowReader(parsed, match_header(parsed, plan.labels), plan, entity(**members), job, "records")


def outcome(reader: RowReader, segment: Segment, first_row: int) -> tuple[Any, ...]:
    """Everything in a block, in a form that can be compared."""
    block = reader.read(segment, first_row, segment.records, START, BatchSink.wrapping)
    return (
        list(block.rows),
        [json.loads(text) for text in block.texts],
        list(block.keys),
        list(block.digests),
        [list(values) for values in block.unique],
        block.errors,
        [block.raw(row) for row in range(first_row, first_row + segment.records)],
    )


def assert_both_have_one_outcome(schema: dict[str, Any], dialect: Dialect, data: bytes, **members: Any) -> int:
    """How many rows the library approved or found single bad cells in."""
    found = cut(data, dialect, True)
    segment = Segment(0, data, found.records, found.structural)
    quick, plain = reader(schema, dialect, **members), reader(schema, dialect, **members)
    plain._native = None
    assert outcome(quick, segment, 2) == outcome(plain, segment, 2)
    if quick._native is None or not segment.structural:
        return 0
    loaded = quick._native.load(data, segment.records, 2, partition="u", stamps=quick.stamps(START), key_prefix="job-")
    if loaded is None:
        return 0
    block, unverified = loaded
    return len(block.rows) + sum(one.column != native.WHOLE for one in unverified)


def line(cells: list[str], dialect: Dialect) -> str:
    quote = dialect.quote_char
    marks = (dialect.delimiter, "\n", "\r", quote or "")
    return dialect.delimiter.join(
        f"{quote}{cell.replace(quote, quote * 2)}{quote}"
        if quote and any(mark in cell for mark in marks if mark)
        else cell
        for cell in cells
    )


def encodable(cell: str) -> bool:
    return "\ud800" not in cell


UNIQUE = {"unique": True}
KNOWN: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "string", "constraints": {"required": True, "maxLength": 4}},
    {"type": "string", "constraints": {"pattern": "[0-9]{2,3}"}},
    {"type": "string", "constraints": {"enum": ["a", "b", 'say "hi"']}},
    {"type": "string", "format": "email"},
    {"type": "string", "format": "uri"},
    {"type": "integer", "constraints": {"minimum": -5}},
    {"type": "number", "constraints": {"minimum": 0, "exclusiveMaximum": 100}},
    {"type": "number", "missingValues": ["", "NA"]},
    {"type": "boolean"},
    {"type": "date", "constraints": {"exclusiveMinimum": "2000-01-01"}},
    {"type": "datetime", "constraints": {"maximum": "2024-12-31T00:00:00Z"}},
    {"type": "any"},
    *[one for one in FIELDS if {"clean", "values", "default"} & one.keys()],
    {"type": "string", "constraints": UNIQUE},
    {"type": "number", "constraints": UNIQUE},
]
SPELLED: list[dict[str, Any]] = [
    {"type": "date", "format": "%d/%m/%Y"},
    {"type": "date", "format": "%d.%m.%y", "constraints": {"minimum": "01.01.00", "exclusiveMaximum": "01.02.24"}},
    {"type": "date", "format": "%Y%m%d", "constraints": UNIQUE},
    {"type": "date", "format": "%m/%Y"},
    {"type": "date", "format": "%Y-%m-%dT%H:%M:%SZ"},
    {"type": "time", "format": "%H:%M"},
    {"type": "time", "format": "%H.%M.%S"},
    {"type": "datetime", "format": "%d/%m/%Y %H:%M:%S", "constraints": {"maximum": "31/12/2024 12:00:00"}},
    {"type": "datetime", "format": "%Y%m%d%H%M"},
    {"type": "number", "decimalChar": ",", "groupChar": "."},
    {"type": "number", "decimalChar": ",", "groupChar": " ", "constraints": {"minimum": -5}},
    {"type": "number", "groupChar": "\u2019", "bareNumber": False, "constraints": UNIQUE},
    {"type": "number", "decimalChar": ",", "groupChar": "\u202f", "bareNumber": False},
    {"type": "integer", "groupChar": ","},
    {"type": "integer", "groupChar": ",", "bareNumber": False},
    {"type": "integer", "groupChar": "e", "bareNumber": False},
    {"type": "duration"},
    {"type": "list"},
    {"type": "list", "delimiter": ";", "constraints": {"minLength": 2, "maxLength": 3}},
    {"type": "list", "delimiter": "é", "itemType": "number"},
    *[
        {"type": "list", "itemType": one, "delimiter": "|"}
        for one in ("integer", "boolean", "date", "datetime", "time")
    ],
]
SPELLINGS = [
    "1.234.567,8", "1.234", "1,234,567", "1,23,4", "1 234,5", "1\u202f234,50", "1\xa0234", "1\u2019234.5", "1.234,",
    ",5", "1..2", "\u20ac 5", "12 %", "-5 EUR", "EUR -5,5", "EUR5", "5e3", "1e2e3", "5 e", "5-", "(5)", "- 5",
    "$-5.00", "5 kg.", "+7", "+-7", "007", "-007", "-0", "-00.0", "00", "+", "\xa31,000.50", "5 EUR 6", "x5x", "e5",
    "\u22125", "\xa5 5", "\u0665", "1/2/2024", "01/2/2024", "1/02/24", "29/02/2023", "29.02.24", "1.1.70", "1.1.68",
    "31.01.24", "20240229", "2024022", "12/2023", "02/03/2024 4:05:06", "02/03/2024  04:05:06", "02/03/2024 04:05:61",
    "2024-01-26t15:00:00z", "202401011200", "20240101120", "1:2", "23:59", "24:00", "1.2.3", "12.30.60", "0/1/2024",
    "01/01/0000", "'=1", "''=1", "'a", "'", "''", "'@x@y.com", "'-5", "=1", "'\t", "'+1,5", "01/01/0001", "13/2023",
    "01/01/2024 ", "P1Y2M3DT4H5M6.7S", "P8W", "P1W2D", "PT1HT1M", "P1YT", "PT",
    "P", "-P1D", "--P1D", "P1.5D", "PT1.S", "PT.5S", "P1", "PT1M1H", "P1DT", "P1S", "PT1Y", "PT1M", "p1D",
    "P1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111D", "P-1D",
    "PT1W", "a;b", "a;b;c;d", ";", ";;", "a;", 'x;"q";\\', "\xe9", "1\xe92", "1\xe9", "1|2|+3", "1||2", "true|0|False",
    "true|yes", "2024-02-29|2023-01-01", "2024-01-26T15:00:00|2024-01-26T15:00:00.5Z", "12:00:00|13:00:00",
    "\xfc;\xf6", "\x01;\t", "\U0001f600,b",
]  # fmt: skip
FOREIGN: list[dict[str, Any]] = [
    {"type": "date", "format": "%d/%m/%Y", "constraints": {"minimum": "01/01/2000"}},
    {"type": "date", "format": "any"},
    {"type": "number", "decimalChar": ",", "constraints": UNIQUE},
    {"type": "integer", "groupChar": ",", "bareNumber": False},
    {"type": "datetime", "format": "%m/%d/%y %I:%M %p", "constraints": {"required": True}},
    {"type": "duration", "constraints": UNIQUE},
    {"type": "list", "itemType": "integer"},
    {"type": "object"},
    {"type": "geopoint"},
    {"type": "string", "format": "email", "constraints": {"pattern": ".*com"}},
]

NO_KEYS = ("object", "array", "list", "geopoint", "geojson")


@pytest.mark.parametrize(
    ("as_key", "descriptor"),
    [(False, one) for one in [*FIELDS, *SPELLED]]
    + [(True, one) for one in [*FIELDS, *SPELLED] if one["type"] not in NO_KEYS],
)
def test_every_kind_of_cell_has_the_outcome_of_the_rule(descriptor: dict[str, Any], as_key: bool) -> None:
    dialect = Dialect()
    others = [{"name": "id", "type": "string"}] if not as_key else []
    name = "f" if as_key else "id"
    schema = {"fields": [*others, {"name": "f", **descriptor}], "primaryKey": name}
    lines = [
        line([*[f"k{at}" for _ in others], cell], dialect)
        for at, cell in enumerate(filter(encodable, [*CELLS, *SPELLINGS]))
    ]
    assert_both_have_one_outcome(schema, dialect, "\n".join([*lines, ""]).encode())


def test_most_fields_are_known_to_the_library() -> None:
    unknown = []
    for descriptor in FIELDS:
        schema = {"fields": [{"name": "id"}, {"name": "f", **descriptor}], "primaryKey": "id"}
        quick = reader(schema, Dialect())._native
        assert quick is not None
        if quick._foreign is not None:
            unknown.append(descriptor)
    assert [(one["type"], one.get("format")) for one in unknown] == [
        ("string", "email"),  # with a pattern
        ("date", "any"),
        ("datetime", None),  # with a bound that has a fraction
        ("datetime", "%m/%d/%y %I:%M %p"),
        ("object", None),
        ("array", None),
        ("geopoint", None),
        ("geojson", None),
    ]


#: Rows with more cells than the header, none of the header's own with a text.
WIDE = (",,,,,,,", ',,,,,,,""', ",,,,,,,x", ',,,,,,,"""",')
ANY_FIELDS = st.lists(
    st.sampled_from(KNOWN) | st.sampled_from(SPELLED) | st.sampled_from(FOREIGN), min_size=1, max_size=5
)
SOME_CELLS = [cell for cell in [*CELLS, *SPELLINGS] if encodable(cell) and "\0" not in cell]
DIALECTS = [
    Dialect(),
    Dialect(delimiter=";"),
    Dialect(delimiter="\t", quote_char=None),
    Dialect(delimiter="|", quote_char="'"),
    Dialect(comment_char="#"),
    Dialect(skip_initial_space=True),
    Dialect(escape_char="\\"),
]


@settings(max_examples=EXAMPLES * 3, deadline=None)
@given(data=st.data())
def test_any_file_has_the_outcome_of_the_rule(data: st.DataObject) -> None:
    dialect = data.draw(st.sampled_from(DIALECTS))
    fields = [{"name": f"f{at}", **one} for at, one in enumerate(data.draw(ANY_FIELDS))]
    names = [field["name"] for field in fields]
    keys = [field["name"] for field in fields if field["type"] not in NO_KEYS]
    primary_key = data.draw(st.lists(st.sampled_from(keys), max_size=2, unique=True)) if keys else []
    schema: dict[str, Any] = {"fields": fields, "primaryKey": primary_key}
    if uniques := data.draw(
        st.lists(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True), max_size=2)
    ):
        schema["uniqueKeys"] = uniques
    good = [[cell for cell in SOME_CELLS if not one.check(cell)[1]] for one in parse_schema(schema).fields]
    cell = st.sampled_from(SOME_CELLS) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
    row = st.tuples(*[st.sampled_from(cells) | st.sampled_from(cells) | cell for cells in good])
    lines = [line(list(cells), dialect) for cells in data.draw(st.lists(row, min_size=1, max_size=6))]
    for torn in data.draw(
        st.lists(st.sampled_from(["", dialect.delimiter, "x", *WIDE, '"', "a\0b", "# a", "a, b"]), max_size=2)
    ):
        lines.insert(data.draw(st.integers(0, len(lines))), torn)
    line_breaks = st.sampled_from(["\n", "\r\n", "\r"])
    text = "".join(one + data.draw(line_breaks) for one in lines)
    targets = [None, Target("t", "at"), Target("t", None)]
    modes = ["upsert", "insert", "merge", "update", "delete"] if primary_key else ["upsert", "merge"]
    blanks = data.draw(st.sampled_from(["clear", "keep"]))
    mode, unescapes = data.draw(st.sampled_from(modes)), data.draw(st.booleans())
    members: dict[str, Any] = {"target": data.draw(st.sampled_from(targets))} if primary_key else {}
    try:
        assert_both_have_one_outcome(
            schema, dialect, text.encode(), mode=mode, blanks=blanks, unescapes=unescapes, **members
        )
    except records.UnclosedQuote:
        return


@pytest.mark.parametrize("wide", WIDE)
def test_a_row_is_blank_only_without_a_text_beyond_the_header_too(wide: str) -> None:
    schema = {"fields": [{"name": "id", "type": "string"}, {"name": "name", "type": "string"}], "primaryKey": ["id"]}
    assert_both_have_one_outcome(schema, Dialect(), f"1,a\n{wide}\n2,b\n".encode())


NEAR_SPELLINGS = st.text("0123459,.;:/- |+eTPDHMSWYZ\u20ac\u202f\u2019\xe9()%$K", max_size=12)


@pytest.mark.parametrize("descriptor", SPELLED)
@settings(max_examples=EXAMPLES, deadline=None)
@given(cells=st.lists(NEAR_SPELLINGS | st.sampled_from(SPELLINGS), min_size=1, max_size=20))
def test_any_spelling_has_the_outcome_of_the_rule(descriptor: dict[str, Any], cells: list[str]) -> None:
    schema = {"fields": [{"name": "f", **descriptor}]}
    data = "".join(line([cell], Dialect()) + "\n" for cell in cells)
    try:
        assert_both_have_one_outcome(schema, Dialect(), data.encode())
    except records.UnclosedQuote:
        return


@pytest.mark.parametrize("mode", ["merge", "update"])
@pytest.mark.parametrize("blanks", ["clear", "keep"])
def test_updates_of_rows_with_and_without_values(mode: str, blanks: str) -> None:
    """Texts that look like the names of values included."""
    some = [{"name": name, "type": "string"} for name in ("id", "first", "second")]
    schema = {"fields": [*some, {"name": "more", "type": "object"}], "primaryKey": ["id"]}
    rows = ['1,a,b,"{"":A"":1}"', "2,,b,", "3,a,,{}", "4,,,", '""":B"":",""":C"":",""":A"":{",{}']
    data = "".join(f"{row}\n" for row in rows).encode()
    approved = assert_both_have_one_outcome(schema, Dialect(), data, mode=mode, blanks=blanks)
    assert approved == 5


@pytest.mark.parametrize("mode", ["merge", "update"])
def test_defaults_do_not_count_as_values_where_blanks_are_kept(mode: str) -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "grade", "type": "string", "default": "D"}]
    schema = {"fields": [*fields, {"name": "n", "type": "string"}], "primaryKey": ["id"]}
    for blanks in ("clear", "keep"):
        assert_both_have_one_outcome(schema, Dialect(), b"1,,a\n2,A,\n3,,\n", mode=mode, blanks=blanks)


def test_rows_with_unusual_good_cells_are_loaded_in_order_and_with_their_own_numbers() -> None:
    schema = {"fields": [{"name": "n", "type": "number"}, {"name": "at", "type": "date"}]}
    subject = reader(schema, Dialect())
    data = b"1,2024-01-01\n1e3,2024-01-01\n2,2024-01-01\nx,2024-01-01\n1e4,2024-01-01\n"
    rows, texts, keys, *_, errors, _ = outcome(subject, Segment(0, data, 5, True), 2)
    assert (rows, list(errors)) == ([2, 3, 4, 6], [5])
    assert [text["PutRequest"]["Item"]["n"]["N"] for text in texts] == ["1", "1000", "2", "10000"]
    assert keys == [f"job-{row:012d}" for row in rows]


def test_rows_are_approved_and_bad_cells_named_without_a_second_reading() -> None:
    schema = {"fields": [{"name": "id"}, {"name": "n", "type": "integer"}], "primaryKey": "id"}
    assert assert_both_have_one_outcome(schema, Dialect(), b'a,1\nb,x\n"c ""d""",3\ne,"4"\n') == 4


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252"])
def test_rows_of_other_encodings_come_out_in_utf_8(encoding: str) -> None:
    schema = {"fields": [{"name": "id"}, {"name": "n", "type": "integer"}], "primaryKey": "id"}
    data = "ä,1\nö,x\nü,\n,5\n".encode(encoding)
    quick = reader(schema, Dialect())
    quick._plan = ImportPlan(**{**vars(quick._plan), "text_encoding": encoding})
    rows, texts, found_keys, _, _, errors, raws = outcome(quick, Segment(0, data, 4, True), 2)
    assert (rows, found_keys, sorted(errors)) == ([2, 4], ["ä", "ü"], [3, 5])
    assert texts[0]["PutRequest"]["Item"]["id"] == {"S": "ä"}
    assert raws == ["ä,1", "ö,x", "ü,", ",5"]


NEAR_EMAILS = st.tuples(
    st.text("aZ09.-_+'\"é ", max_size=6) | st.sampled_from(["a" * 64, "a" * 65, "a" * 63 + "."]),
    st.sampled_from(["@", "", "@@", "@.", ".@"]),
    st.lists(st.text("aZ0-é_", max_size=3) | st.sampled_from(["a" * 63, "a" * 64]), max_size=5).map(".".join),
    st.sampled_from(["", ".com", ".c", ".co1", ".1co", ".xn--p1ai", ".com.", ".com "]),
).map("".join)


@settings(max_examples=EXAMPLES * 10, deadline=None)
@given(st.lists(NEAR_EMAILS | st.emails(), min_size=1, max_size=20))
def test_the_library_knows_the_one_rule_of_email_addresses(cells: list[str]) -> None:
    schema = {"fields": [{"name": "id", "type": "string", "format": "email"}], "primaryKey": "id"}
    (field,) = parse_schema(schema).fields
    cells = [cell for cell in cells if cell]
    subject = reader(schema, Dialect())._native
    assert subject is not None
    quoted = "".join(f'"{cell.replace(chr(34), chr(34) * 2)}"\n' for cell in cells).encode()
    loaded = subject.load(quoted, len(cells), 0)
    assert loaded is not None
    approved = [cells[row] for row in loaded[0].rows]
    assert approved == [cell for cell in cells if is_plain_email(cell)]
    assert all(field.check(cell)[1] == () for cell in approved)
    assert all('"' in cell or not cell.isascii() for cell in cells if not field.check(cell)[1] and cell not in approved)


def test_a_record_that_is_too_large_or_a_key_too_long_is_left_to_the_rule() -> None:
    schema = {"fields": [{"name": "id"}, {"name": "text"}], "primaryKey": "id"}
    huge, control = "x" * 70_000, "\x01" * 65_000  # six bytes each as JSON
    data = f"a,{huge}\nb,{control}\n{'k' * 300},1\n{'k' * 1_025},1\n".encode()
    assert_both_have_one_outcome(schema, Dialect(), data)


# ---------------------------------------------------------------------------------------------------------------------
# Cutting, digests, digest files, texts
# ---------------------------------------------------------------------------------------------------------------------

FRAGMENTS = ["a", ",", '"', '""', "\n", "\r", "\r\n", " ", ',"x"', '"\n"', ",,", '"x\ny",', '"a""b"\n']


def cut_or_not(data: bytes, final: bool) -> Any:
    try:
        return cut(data, Dialect(), final)
    except records.UnclosedQuote as error:
        return error.record


@settings(max_examples=EXAMPLES * 5, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join), st.booleans())
def test_a_buffer_is_cut_as_by_the_rule(text: str, final: bool) -> None:
    quick = cut_or_not(text.encode(), final)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "library", lambda: None)
        plain = cut_or_not(text.encode(), final)
    if isinstance(plain, int) or isinstance(quick, int):
        assert quick == plain
    else:
        # A stray quote behind the last whole record counts for the next buffer at the latest.
        assert (quick.end, quick.records) == (plain.end, plain.records)
        assert quick.structural or not plain.structural or '"' in text[plain.end :]


def test_digests_are_xxh3_of_any_length_that_keys_may_have(library: Any) -> None:
    data = bytes(number * 37 % 251 for number in range(native.MAX_KEY_BYTES))
    for size in range(native.MAX_KEY_BYTES + 1):
        assert library.waybill_digest(data[:size], size) == xxh3_64_intdigest(data[:size]), size


@pytest.mark.parametrize("partitions", [1, 2, 16])
def test_a_digest_file_is_the_same_without_the_library(partitions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waybill.imports.digests._SEGMENT_PAIRS", 300)
    digests = [xxh3_64_intdigest(str(number).encode()) for number in range(1_000)]
    spills = []
    for _ in range(2):
        digest_file = DigestFile(partitions)
        for first in range(0, 1_000, 200):
            digest_file.add(digests[first : first + 200], range(first, first + 200))
        spills.append(bytes(digest_file.take_bytes()))
        monkeypatch.setattr(native, "library", lambda: None)
    assert spills[0] == spills[1]
    assert len(spills[0]) == 4 * partitions + 16 * 1_000


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=60))
def test_rows_of_repeated_digests_are_found_without_the_library_too(digests: list[int]) -> None:
    rows = range(len(digests))
    chunks = [(array("Q", digests[part]), array("Q", rows[part])) for part in (slice(7), slice(7, None))]
    expected = sorted(
        [row for row, digest in enumerate(digests) if digest == each]
        for each in set(digests)
        if digests.count(each) > 1
    )
    assert sorted(repeated(chunks)) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "library", lambda: None)
        assert sorted(repeated(chunks)) == expected


# ---------------------------------------------------------------------------------------------------------------------
# The library itself
# ---------------------------------------------------------------------------------------------------------------------


def test_a_library_of_another_source_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = shutil.copytree(native.FOLDER, tmp_path / "native")
    monkeypatch.setattr(native, "FOLDER", sources)
    assert native.library.__wrapped__() is not None
    with (sources / "cells.c").open("a") as changed:
        changed.write("\n")
    assert native.library.__wrapped__() is None
    monkeypatch.setattr(native, "PATH", tmp_path / "nothing.so")
    assert native.library.__wrapped__() is None


def test_an_older_library_that_lacks_a_function_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, older = tmp_path / "older.c", tmp_path / "older.so"
    source.write_text('const char *waybill_source(void) { return "of an older source"; }')
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(older), str(source)], check=True)
    monkeypatch.setattr(native, "PATH", older)
    assert native.library.__wrapped__() is None


def test_a_library_whose_structures_lie_differently_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cell(ctypes.Structure):
        _fields_ = (("text", native.Span), ("marks", ctypes.c_uint32), ("stored", native.Span))

    mirrored = native._STRUCTURES
    assert native.library.__wrapped__() is not None
    monkeypatch.setattr(native, "_STRUCTURES", [Cell if one is native.Cell else one for one in mirrored])
    assert native.library.__wrapped__() is None
    monkeypatch.setattr(native, "_STRUCTURES", mirrored)
    monkeypatch.setattr(native, "KINDS", (*native.KINDS, "another"))
    assert native.library.__wrapped__() is None


def test_a_library_that_knows_other_limits_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "MAX_KEY_BYTES", native.MAX_KEY_BYTES + 1)
    assert native.library.__wrapped__() is None


def test_the_library_names_its_source(library: Any) -> None:
    assert library.waybill_source().decode() == source_hash() == native.source_hash()


@pytest.mark.skipif(sys.platform != "linux", reason="the sanitizers are gcc's or clang's on Linux")
def test_no_input_makes_it_leave_its_buffers(tmp_path: Path) -> None:
    compiler = own_compiler()
    if compiler is None and not os.environ.get("CI"):
        pytest.skip("no C compiler with sanitizers on this machine")
    flags = ["-g", "-O1", "-std=c11", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", '-DSOURCE=""']
    runs = []
    for kind in ("-DVECTORS", "-U__SSE2__"):  # as on other processors too
        program = tmp_path / f"fuzz{kind}"
        source = ROOT / "tests" / "unit" / "native_fuzz.c"
        subprocess.run([*(compiler or ["cc"]), *flags, kind, "-o", program, source], check=True)
        done = subprocess.run([program, "1", str(EXAMPLES * 300)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4_000:]
        runs.append(tuple(map(int, done.stdout.split())))
    assert runs[0] == runs[1]
    good, unverified, pages, _ = runs[0]
    assert good > EXAMPLES * 20 and unverified > EXAMPLES * 20 and pages > EXAMPLES * 20


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_it_compiles_without_a_warning(tmp_path: Path) -> None:
    assert (
        build([*(own_compiler() or ["cc"]), "-Wall", "-Wextra", "-Wconversion", "-Werror"], tmp_path / "library.so")
        == 0
    )


@given(
    st.binary(max_size=20) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.integers(0, 9),
)
def test_it_knows_valid_utf_8(library: Any, data: bytes, plain: int) -> None:
    data = b"a" * plain + data
    try:
        data.decode()
        is_valid = True
    except UnicodeDecodeError:
        is_valid = False
    assert bool(library.waybill_is_utf8(data, len(data))) is is_valid
