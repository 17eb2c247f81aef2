"""Split exports: every row in exactly one file, each file whole, and none with more rows or bytes than it may have."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import random
import re
import zipfile
from dataclasses import replace
from typing import Any

import pyarrow.parquet
import pyrage
import pytest

from tests.builders import START
from tests.exporting import definition, entity, import_file, page, stored
from waybill.errors import JobFailed
from waybill.exports.compression import Compression
from waybill.exports.definition import Definition
from waybill.exports.encoder import RowEncoder
from waybill.exports.file_names import MAX_FILES, delivered_names, part_name
from waybill.exports.file_writer import FileWriter, Written
from waybill.exports.formats import FORMATS
from waybill.exports.formats.base import DelimitedRows
from waybill.exports.rules import check_split
from waybill.exports.split import FileSet, limits_of

OF = entity({"name": "id", "type": "string"}, {"name": "note", "type": "string"}, primaryKey="id")
NOTES = ["", "plain", 'a "quoted" one', "two\r\nlines", "</row><row>", '"', ",\n,\n", "it's", "é🚲", "x" * 300]
TEXTS = ["csv", "jsonl", "xlsx"]
COMPRESSIONS = ["none", "gzip", "zip"]


def things(count: int) -> list[tuple[str, str]]:
    return [(f"{number:05}", NOTES[number % len(NOTES)] + str(number)) for number in range(count)]


def pages_of(how: Definition, rows: list[tuple[str, str]], per_page: int = 7) -> list[bytes]:
    encoder = RowEncoder(OF, how)
    pages = [rows[start : start + per_page] for start in range(0, len(rows), per_page)]
    return [encoder.encode(page([stored(OF, {"id": id, "note": note}) for id, note in each])).data for each in pages]


def cut_anywhere(pages: list[bytes], seed: int) -> list[bytes]:
    data, chosen = b"".join(pages), random.Random(seed)
    cuts = sorted(chosen.randrange(len(data) + 1) for _ in range(len(data) // 500))
    return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def split(how: Definition, blocks: list[bytes]) -> list[tuple[bytes, Written]]:
    """The files of a set: content, and what is told of it."""
    outputs: list[io.BytesIO] = []
    ended: list[Written] = []
    columns = RowEncoder(OF, how).columns

    def begin(number: int) -> FileWriter:
        assert number == len(outputs) + 1 == len(ended) + 1, "one file after the other"
        outputs.append(io.BytesIO())
        return FileWriter(how, columns, outputs[-1], moment=START, number=number)

    FileSet(limits_of(how), FORMATS[how.format].rows(how), begin, ended.append).write(blocks)
    files = [output.getvalue() for output in outputs]
    assert [file.size_bytes for file in ended] == [len(file) for file in files]
    return list(zip(files, ended, strict=True))


def rows_in(data: bytes, how: Definition, number: int) -> list[Any]:
    """The rows of a whole file, without its header."""
    if how.compression == "gzip":
        data = gzip.decompress(data)
    if how.compression == "zip":
        archive = zipfile.ZipFile(io.BytesIO(data))
        assert archive.namelist() == [part_name(how.file_name.removesuffix(".zip"), number)]
        data = archive.read(archive.namelist()[0])
    if how.format == "parquet":
        return [list(row.values()) for row in pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()]
    if how.format == "xlsx":
        return re.findall(rb"<row>.*?</row>", zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml"), re.S)[
            how.header :
        ]
    if how.format == "jsonl":
        return data.splitlines()
    quote = how.quote_char
    return list(csv.reader(io.StringIO(data.decode(), newline=""), quotechar=quote))[how.header :]


def all_rows(how: Definition, rows: list[tuple[str, str]]) -> list[Any]:
    whole = split(definition(how.format, dialect=how.dialect, split={"maxRows": 10**6}), pages_of(how, rows))
    return rows_in(whole[0][0], definition(how.format, dialect=how.dialect), 1)


def flat(files: list[list[Any]]) -> list[Any]:
    return list(itertools.chain.from_iterable(files))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("format", TEXTS)
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 95])
def test_each_file_has_its_number_of_rows(format: str, compression: str, count: int) -> None:
    how = definition(format, compression=compression, split={"maxRows": 10})
    files = split(how, cut_anywhere(pages_of(how, things(count)), count))
    sizes = [written.rows for _, written in files]
    assert sizes == [10] * (count // 10) + ([count % 10] if count % 10 or not count else [])
    found = [rows_in(data, how, number) for number, (data, _) in enumerate(files, 1)]
    assert [len(rows) for rows in found] == sizes
    assert flat(found) == (all_rows(how, things(count)) if count else [])


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("format", [*TEXTS, "parquet"])
def test_imports_of_all_files_give_the_records_that_were_exported(format: str, compression: str) -> None:
    if format == "parquet" and compression != "none":
        return
    how, rows = definition(format, compression=compression, split={"maxRows": 7}), things(20)
    records = []
    for data, _ in split(how, pages_of(how, rows, 5)):
        records += import_file(OF, data, how.file_name, unescape_formulas=format != "parquet")
    assert [record["_sk"]["S"] for record in records] == [id for id, _ in rows]
    assert [record["note"]["S"] for record in records] == [note for _, note in rows]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 95])
def test_pages_of_parquet_are_cut(count: int) -> None:
    how = definition("parquet", split={"maxRows": 10})
    files = split(how, cut_anywhere(pages_of(how, things(count)), count))
    assert [written.rows for _, written in files] == [10] * (count // 10) + (
        [count % 10] if count % 10 or not count else []
    )
    rows = flat([rows_in(data, how, number) for number, (data, _) in enumerate(files, 1)])
    assert rows == [list(row) for row in things(count)]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("format", TEXTS)
@pytest.mark.parametrize("most", [4_000, 20_000])
def test_no_file_is_larger_than_it_may_be(format: str, compression: str, most: int) -> None:
    how = definition(format, compression=compression, split={"maxBytes": most})
    noise = random.Random(most)
    rows = [(id, f"{note}{noise.getrandbits(160):x}") for id, note in things(3_000)]
    files = split(how, cut_anywhere(pages_of(how, rows, 100), most))
    assert len(files) > 3
    assert max(len(data) for data, _ in files) <= most
    if compression == "none" and format != "xlsx":
        full = max(len(str(row).encode()) for row in rows) + 50
        assert all(len(data) > most - full for data, _ in files[:-1]), "exact: the next row would not have fitted"
    elif most == 20_000:
        assert all(len(data) > most * 0.7 for data, _ in files[:-1]), "near its limit, as far as compression tells"
    found = [rows_in(data, how, number) for number, (data, _) in enumerate(files, 1)]
    assert flat(found) == all_rows(how, rows)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("format", TEXTS)
def test_a_row_that_is_larger_than_a_file_has_one_of_its_own(format: str, compression: str) -> None:
    how = definition(format, compression=compression, split={"maxBytes": 4_000})
    noise = random.Random(1)
    huge = "".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(3_000))
    files = split(how, pages_of(how, [("1", "a"), ("2", huge), ("3", "b"), ("4", "c")]))
    assert [written.rows for _, written in files] == [1, 1, 2]
    assert [len(data) <= 4_000 for data, _ in files] == [True, False, True]


def test_encrypted_files_are_no_larger_either() -> None:
    secret = pyrage.x25519.Identity.generate()
    encryption = {"kind": "age", "recipients": [str(secret.to_public())]}
    how = replace(
        definition("csv", compression="gzip", split={"maxBytes": 100_000}, file_name="things.csv.gz.age"),
        destination={"kind": "s3", "encryption": encryption},
    )
    noise = random.Random(1)
    rows = [(f"{number:05}", f"{noise.getrandbits(320):x}") for number in range(6_000)]
    files = split(how, pages_of(how, rows, 500))
    sizes = [len(data) for data, _ in files]
    assert len(files) > 2 and max(sizes) <= 100_000 and min(sizes[:-1]) > 90_000
    found = [rows_in(pyrage.decrypt(data, [secret]), how, number) for number, (data, _) in enumerate(files, 1)]
    assert [tuple(row) for row in flat(found)] == rows


def test_a_file_has_room_for_what_its_keys_add() -> None:
    problems: list[tuple[str, str]] = []
    destination = {"kind": "s3", "encryption": {"kind": "openpgp", "recipients": ["x" * 20_000] * 10}}
    check_split({"maxBytes": 400_000}, "csv", Compression.NONE, destination, None, problems)
    assert problems == [("/split/maxBytes", "must be a whole number from 404,096 to 5,000,000,000,000")]


@pytest.mark.parametrize("dialect", [{"header": False}, {"quoteChar": "'"}, {"lineTerminator": "\n", "delimiter": ";"}])
def test_rows_end_where_the_dialect_ends_them(dialect: dict[str, Any]) -> None:
    how = definition("csv", dialect=dialect, split={"maxRows": 3})
    rows = things(20)
    files = split(how, cut_anywhere(pages_of(how, rows), 3))
    texts = [data.decode() for data, _ in files]
    parsed = [
        list(csv.reader(io.StringIO(text, newline=""), quotechar=how.quote_char, delimiter=how.delimiter))[how.header :]
        for text in texts
    ]
    assert [len(each) for each in parsed] == [3] * 6 + [2]
    assert [row[0] for each in parsed for row in each] == [id for id, _ in rows]


def test_a_workbook_begins_another_when_its_sheet_is_full() -> None:
    how = definition("xlsx", split={"maxBytes": 10**9})
    assert limits_of(how).rows == 1_048_575
    assert limits_of(definition("csv", split={"maxBytes": 10**9})).rows is None
    assert limits_of(definition("xlsx", dialect={"header": False}, split={"maxBytes": 10**9})).rows == 1_048_576


def test_a_set_has_no_more_files_than_a_manifest_lists() -> None:
    how = definition("csv", split={"maxRows": 1})
    files = split(how, pages_of(how, things(MAX_FILES)))
    assert len(files) == MAX_FILES
    with pytest.raises(JobFailed, match="more than 1,000 files") as failure:
        split(how, pages_of(how, things(MAX_FILES + 1)))
    assert failure.value.job_code == "too-large"


def test_times_have_a_zone_in_all_files_or_in_none() -> None:
    of = entity({"name": "id", "type": "string"}, {"name": "at", "type": "datetime"}, primaryKey="id")
    how = definition("parquet", split={"maxRows": 1})
    encoder = RowEncoder(of, how)
    data = encoder.encode(
        page([stored(of, {"id": "1", "at": None}), stored(of, {"id": "2", "at": "2026-01-31T09:30:00"})])
    )
    surveyed = FileWriter(how, encoder.columns, io.BytesIO(), moment=START)
    surveyed.survey(data.data)
    outputs: list[io.BytesIO] = []

    def begin(number: int) -> FileWriter:
        outputs.append(io.BytesIO())
        writer = FileWriter(how, encoder.columns, outputs[-1], moment=START, number=number)
        writer.learn(surveyed)
        return writer

    FileSet(limits_of(how), FORMATS["parquet"].rows(how), begin, lambda _: None).write([data.data])
    kinds = [str(pyarrow.parquet.read_table(io.BytesIO(each.getvalue())).schema.field("at").type) for each in outputs]
    assert kinds == ["timestamp[us]", "timestamp[us]"]


def test_rows_are_found_whatever_stands_in_quotes() -> None:
    rows = DelimitedRows(b"\n", b'"')
    data = b'a,"b\nc"\n"""\n""",d\ne,"f\n'
    assert rows.end(data) == data.index(b"e,")
    assert (rows.end(b'"\n\n'), rows.end(b"ab"), rows.end(b"")) == (0, 0, 0)
    whole = data[: rows.end(data)]
    assert rows.count(whole) == 2
    assert rows.cut(whole, 1) == (b'a,"b\nc"\n', b'"""\n""",d\n')
    assert rows.cut(whole, 2) == rows.cut(whole, 9) == (whole, b"")
    assert rows.cut(whole, 0) == (b"", whole)


def test_names_of_a_set_are_in_order_and_its_manifest_is_last() -> None:
    assert delivered_names("a.csv.gz", 2) == ["a_0001.csv.gz", "a_0002.csv.gz", "a.csv.gz.manifest.json"]
    assert delivered_names(".csv.gz.age", 1)[0] == "_0001.csv.gz.age"
    assert delivered_names("a.csv", None) == ["a.csv", "a.csv.manifest.json"]
    names = delivered_names("a.csv", MAX_FILES)
    assert names[:-1] == sorted(names[:-1])
