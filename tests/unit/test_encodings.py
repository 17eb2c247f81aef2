"""The encoding of a text: labels and their meaning, detection, and what is refused."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from webencodings.labels import LABELS

from tests.encoding_samples import Sample, judged, samples
from waybill.errors import JobFailed
from waybill.tabular.encodings import (
    HEAD_BYTES,
    UnknownEncoding,
    codec_of,
    decode,
    guess_encoding,
    guessed_again,
    is_cuttable,
    lines_beyond_ascii,
    text_format,
)

LATIN = "id;name\r\n1;caf\u00e9\r\n2;\u20ac 5\r\n"


@pytest.mark.parametrize(
    ("data", "declared", "encoding", "bom"),
    [
        (b"id,name\n", None, "utf-8", b""),
        (LATIN.encode(), None, "utf-8", b""),
        (LATIN.encode("utf-8-sig"), None, "utf-8", b"\xef\xbb\xbf"),
        (LATIN.encode("utf-8-sig"), "utf-8", "utf-8", b"\xef\xbb\xbf"),
        (LATIN.encode("utf-8-sig"), "utf-8-sig", "utf-8", b"\xef\xbb\xbf"),
        (LATIN.encode("cp1252"), None, "cp1252", b""),
        (LATIN.encode("cp1252"), "cp1250", "cp1250", b""),
        (LATIN.encode("utf-16"), None, "utf-16-le", b"\xff\xfe"),
        (b"\xfe\xff" + LATIN.encode("utf-16-be"), None, "utf-16-be", b"\xfe\xff"),
        (b"\xfe\xff" + LATIN.encode("utf-16-be"), "utf-16", "utf-16-be", b"\xfe\xff"),
        (LATIN.encode("utf-16-le"), None, "utf-16-le", b""),
        (LATIN.encode("utf-16-be"), None, "utf-16-be", b""),
        (LATIN.encode("utf-16-be"), "utf-16", "utf-16-be", b""),
        (LATIN.encode("utf-16-le"), "utf-16", "utf-16-le", b""),
        (LATIN.encode("utf-32-le"), None, "utf-32-le", b""),
        (LATIN.encode("utf-32-be"), None, "utf-32-be", b""),
        (LATIN.encode("utf-32"), None, "utf-32-le", b"\xff\xfe\0\0"),
        ("\u540d\u524d,\u5e74\n\u592a\u90ce,12\n".encode("shift_jis"), "shift_jis", "cp932", b""),
        (b"a,b\n1,\0\n2,x\n3,y\n", None, "utf-8", b""),
        # One bad byte among good UTF-8 is an error of its row, not another encoding for the whole file.
        ("\u00e9\n\u00e9\n".encode() + b"\xff\n", None, "utf-8", b""),
        (b"x" * (HEAD_BYTES - 1) + "\u00e9".encode()[:1], None, "utf-8", b""),
    ],
)
def test_the_encoding_is_found(data: bytes, declared: str | None, encoding: str, bom: bytes) -> None:
    found = text_format(data, declared)
    assert (found.encoding, found.bom) == (encoding, bom)


@pytest.mark.parametrize(
    ("data", "declared"),
    [
        (bytes(range(256)) * 8, None),
        (random.Random(5).randbytes(4000), None),
    ],
)
def test_what_is_not_text_or_not_what_is_declared_is_refused(data: bytes, declared: str | None) -> None:
    with pytest.raises(JobFailed) as caught:
        text_format(data, declared)
    assert caught.value.job_code == "encoding-error"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", True), ("ascii", True), ("latin-1", True), ("cp1252", True), ("koi8-r", True), ("cp437", True),
        ("mac-roman", True), ("utf-16", False), ("utf-16-le", False), ("utf-7", False), ("shift_jis", False),
        ("gb18030", False), ("big5", False), ("iso2022_jp", False), ("cp037", False), ("hz", False),
    ],
)  # fmt: skip
def test_only_encodings_whose_bytes_can_be_cut_are_cut(encoding: str, expected: bool) -> None:
    assert is_cuttable(encoding) is expected


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("iso-8859-1", "cp1252"), ("Latin-1", "cp1252"), ("ascii", "cp1252"), (" UTF8 ", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("shift_jis", "cp932"), ("gb2312", "gb18030"), ("gbk", "gb18030"), ("euc-kr", "cp949"), ("utf-16", "utf-16"),
        ("utf-16le", "utf-16-le"), ("cp437", "cp437"), ("macintosh", "mac-roman"), ("latin2", "iso8859-2"),
    ],
)  # fmt: skip
def test_a_label_means_what_the_encoding_standard_says(label: str, codec: str) -> None:
    assert codec_of(label) == codec


@pytest.mark.parametrize(
    "label",
    ["idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf_7", "utf-7", "hz", "rot13", "base64", "undefined",
     "replacement", "x-user-defined", "", "a\0b", "no-such"],
)  # fmt: skip
def test_what_is_no_encoding_of_files_is_refused(label: str) -> None:
    with pytest.raises(UnknownEncoding):
        codec_of(label)
    with pytest.raises(JobFailed) as caught:
        text_format(b"id\n1\n", label)
    assert caught.value.job_code == "encoding-error"


@pytest.mark.parametrize("declared", ["cp1252", "iso-8859-2", "shift_jis", "utf-16", "utf-8"])
def test_a_byte_order_mark_is_stronger_than_a_declaration(declared: str) -> None:
    assert text_format("id\nZo\u00e9\n".encode("utf-8-sig"), declared).encoding == "utf-8"
    assert text_format(b"\xff\xfe" + "id\n".encode("utf-16-le"), declared).encoding == "utf-16-le"


def test_repeated_byte_order_marks_are_all_taken_off() -> None:
    found = text_format(b"\xef\xbb\xbf" * 2 + b"id\n1\n", None)
    assert found.decode(b"\xef\xbb\xbf" * 2 + b"id\n1\n") == "id\n1\n"


@pytest.mark.parametrize(("data", "encoding"), [(b"\x81", "cp1252"), (b"\x9c", "iso8859-2"), (b"\x85", "iso8859-15")])
def test_bytes_that_are_only_control_characters_are_not_text(data: bytes, encoding: str) -> None:
    with pytest.raises(UnicodeDecodeError):
        decode(data, encoding)


@pytest.mark.parametrize("sample", [*samples(50)][::3], ids=str)
def test_the_encoding_of_fifty_rows_is_found(sample: Sample) -> None:
    assert judged(sample) == "right"


def test_of_short_texts_hardly_one_is_read_wrong() -> None:
    counts = Counter(judged(each) for each in samples(1, 2))
    assert counts["wrong"] <= 10 < 200 < counts["right"]


def test_a_guess_is_told_with_a_sample() -> None:
    data = "id;miasto\n1;\u0141\u00f3d\u017a\n2;Pi\u0142a\n3;O\u015bwi\u0119cim\n4;Gda\u0144sk\n5;E\u0142k\n".encode(
        "cp1250"
    )
    found = text_format(data, None)
    assert found.encoding == "cp1250"
    assert found.guess is not None
    assert "\u0141\u00f3d\u017a" in found.guess


def test_japanese_mail_is_no_ascii() -> None:
    found = text_format("id;name\n1;東京都港区\n".encode("iso2022_jp"), None)
    assert (found.encoding, found.bom, found.is_cuttable) == ("iso2022_jp", b"", False)
    assert found.guess is not None and "iso-2022-jp" in found.guess
    with pytest.raises(JobFailed, match="not recognised"):
        text_format(b"id;name\n1;\x1b$B!\n", None)


def test_words_of_the_schema_decide() -> None:
    data = "id;miejsce\n1;\u0142\u0105ka\n".encode("iso8859-2")
    assert text_format(data, None, ["\u0142\u0105ka"]).encoding == "iso8859-2"


def test_ascii_before_it_does_not_hide_the_rest() -> None:
    ascii_lines = b"1;plain;12\n" * 40_000
    russian = "\u041c\u043e\u0441\u043a\u0432\u0430;\u0443\u043b\u0438\u0446\u0430\n".encode("cp1251")
    assert guess_encoding(lines_beyond_ascii([ascii_lines, russian * 20])).encoding == "cp1251"


def test_a_random_text_is_refused_or_read_as_text() -> None:
    for seed in range(50):
        data = b"id;name\n1;" + bytes(random.Random(seed).choices(range(0xA0, 0x100), k=6)) + b"\n"
        try:
            text = decode(data, text_format(data, None).encoding)
        except JobFailed as failure:
            assert failure.job_code == "encoding-error"
        except UnicodeDecodeError:
            pass  # which the scan reports with its row
        else:
            assert not re.search("[\x80-\x9f\ufffd]", text)


@pytest.mark.parametrize("label", sorted(LABELS))
def test_the_codec_of_a_label_is_a_label_too(label: str) -> None:
    """The rejects file of an import is declared by the codec."""
    try:
        codec = codec_of(label)
    except UnknownEncoding:
        return
    assert codec_of(codec) == codec


@pytest.mark.parametrize(
    "word", ["Gr\u00f6\u00dfe", "\u0141\u00f3d\u017a", "\u041c\u043e\u0441\u043a\u0432\u0430", "\u6771\u4eac"]
)
@pytest.mark.parametrize("bad", [b"\xfc", b"\xe9", b"\xff"])
def test_a_bad_byte_in_utf_8_makes_no_other_encoding_of_it(word: str, bad: bytes) -> None:
    lines = "\n".join(f"{number};{word}" for number in range(300)).encode() + b"\n300;x" + bad
    form = text_format(lines, None)
    assert form.encoding == "utf-8"
    assert guessed_again(form, lines_beyond_ascii([lines])) is None


def test_text_that_no_encoding_reads_as_words_is_refused() -> None:
    with pytest.raises(JobFailed) as caught:
        guess_encoding("\u6771\u4eac\u90fd;\u5927\u962a\u5e9c\n".encode() * 50 + b"x\xff")
    assert caught.value.job_code == "encoding-error"


def test_what_the_beginning_did_not_tell_is_guessed_from_the_rest() -> None:
    lines = "\u041c\u043e\u0441\u043a\u0432\u0430;\u0443\u043b\u0438\u0446\u0430\n".encode("cp1251") * 20
    found = guessed_again(text_format(b"id;name\n", None), lines)
    assert found is not None
    assert found.encoding == "cp1251"
