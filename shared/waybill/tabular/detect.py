"""Detects format, encoding and delimiter from a file's first bytes; its name counts only where they leave it open."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from waybill.errors import JobFailed
from waybill.tabular.dialect import Dialect, DialectError

HEAD_BYTES = 1024 * 1024
DELIMITERS = (",", ";", "\t", "|")
# Accepted only where every record has it equally often. None of them occurs in plain words, numbers or times of day.
RARE_DELIMITERS = ("\x1f", "\x1e", "\x01", "^", "~", "!", "#", "%", "*", "&", ":")
_SAMPLE_CHARS = 64 * 1024
_SAMPLE_RECORDS = 100
_FEWEST_RECORDS = 3

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BYTE_ORDERS = {"utf-16": ("utf-16-le", "utf-16-be"), "utf-32": ("utf-32-le", "utf-32-be")}

_COMPRESSED = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"\x1f\x9d": "compress",
    b"\x04\x22\x4d\x18": "LZ4",
}
_FOREIGN = {
    b"%PDF-": "a PDF document",
    b"PAR1": "a Parquet file",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"SQLite format 3\0": "an SQLite database",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"{\\rtf": "an RTF document",
}
_MARKUP = re.compile(rb"\s*<(?:\?xml|!doctype|html|table|head|body|\w+:?workbook)\b", re.IGNORECASE)
_REJECTS = re.compile(r"_row([^\w\r\n])_type\1_reason(?:\1|\r|\n|\Z)")
_REASON_QUOTE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)[0-9]*(.)[a-z-]*\1([\"'])")
_EXCEL_HINT = re.compile(r'"?sep=([^\r\n])"?(?:\r|\n)', re.IGNORECASE)
_ESCAPED_BYTES = re.compile("[\udc80-\udcff]")
_TEXT_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x19\x1c-\x1f]")


def container(head: bytes) -> str:
    """`gzip`, `zip` (a workbook may be one), `ole` (an old or protected workbook) or `text`.

    Raises:
        JobFailed: the file is of a known kind that is not supported.
    """
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            raise JobFailed("compression-error", f"The file is compressed with {name}; use gzip or zip.")
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            raise JobFailed(
                "format-error", f"The file is {name}, which is not supported. Send CSV, JSON Lines or a workbook."
            )
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
        return "zip"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "ole"
    return "text"


@dataclass(frozen=True)
class TextFormat:
    """The encoding of a text, as Python names it, and its byte order mark.

    `is_cuttable` says that delimiters, quotes and line breaks are single ASCII bytes that never are part of another
    character, so that bytes can be cut before they are decoded.
    """

    encoding: str
    bom: bytes
    is_cuttable: bool

    def decode(self, head: bytes) -> str:
        """The text of a file's first bytes, after the byte order mark."""
        return head[len(self.bom) :].decode(self.encoding, "replace")


def text_format(head: bytes, declared: str | None) -> TextFormat:
    """The encoding of a text file from its first bytes.

    Args:
        declared: a codec name, which is used as it is. None detects: by the byte order mark, else UTF-16 or UTF-32 by
            the places of NULs, else UTF-8, else Windows-1252, else Latin-1.

    Raises:
        JobFailed: `encoding-error`.
    """
    bom, marked = next(((mark, name) for mark, name in _BOMS if head.startswith(mark)), (b"", None))
    if marked == "utf-8" and head.startswith(b"_row", len(bom)):
        declared = (
            "utf-8"  # Waybill's own mark, on a rejects file whose encoding differs from that of the entity's files
        )
    if declared is None:
        encoding = marked or _guessed(head)
        return TextFormat(encoding, bom, encoding == "utf-8" or is_cuttable(encoding))
    encoding = codecs.lookup(declared).name
    if encoding == "utf-8-sig":
        encoding = "utf-8"
    if encoding in _BYTE_ORDERS:
        orders = _BYTE_ORDERS[encoding]
        encoding = marked if marked in orders else _by_nuls(head) or orders[0]
        encoding = encoding if encoding in orders else orders[0]
    if marked is not None and encoding != marked:
        if encoding == "utf-8" or encoding.startswith("utf-"):
            message = f"The file begins with the byte order mark of {marked}, but is declared {encoding}."
            raise JobFailed("encoding-error", message, 1)
        bom = b""
    return TextFormat(encoding, bom, is_cuttable(encoding))


def is_cuttable(encoding: str) -> bool:
    """Whether an encoding is UTF-8, or has one byte a character and agrees with ASCII."""
    if encoding in ("utf-8", "ascii"):
        return True
    decoder = codecs.getincrementaldecoder(encoding)
    try:
        if any(decoder().decode(bytes([byte])) != chr(byte) for byte in range(128)):
            return False
        # With several bytes a character, a decoder waits for more after the first.
        return all(len(decoder("replace").decode(bytes([byte]))) == 1 for byte in range(128, 256))
    except (UnicodeError, LookupError):
        return False


def _guessed(head: bytes) -> str:
    wide = _by_nuls(head)
    if wide:
        return wide
    valid, invalid = _utf8_sequences(head)
    if invalid <= valid:
        if b"\0" in head and len(_TEXT_CONTROLS.findall(head)) > len(head) // 4:
            raise _not_text()
        return "utf-8"  # a byte that does not decode is then an error of its row
    if len(_TEXT_CONTROLS.findall(head)) > len(head) // 100:
        raise _not_text()
    try:
        head.decode("cp1252")
    except UnicodeDecodeError:
        return "iso8859-1"
    return "cp1252"


def _not_text() -> JobFailed:
    message = "The encoding of the file is not recognised; declare it with the option encoding."
    return JobFailed("encoding-error", message, 1)


def _utf8_sequences(head: bytes) -> tuple[int, int]:
    """(characters beyond ASCII, bytes that are not UTF-8)."""
    if head.isascii():
        return 0, 0
    # The head may end inside a character; an incremental decoder tells that from an error.
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    text = decoder.decode(head, final=len(head) < HEAD_BYTES)
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    invalid = len(_ESCAPED_BYTES.findall(text))
    return beyond - invalid, invalid


def _by_nuls(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark: with ASCII characters, NULs are always in the same places."""
    size = len(head) - len(head) % 4
    if size == 0 or b"\0" not in head:
        return None
    shares = [head[place:size:4].count(0) * 4 / size for place in range(4)]
    few, many = 0.02, 0.2
    if shares[0] < few and min(shares[1:]) > many and min(shares[2:]) > 0.9:
        return "utf-32-le"
    if shares[3] < few and min(shares[:3]) > many and min(shares[:2]) > 0.9:
        return "utf-32-be"
    even, odd = (shares[0] + shares[2]) / 2, (shares[1] + shares[3]) / 2
    if even < few and odd > many:
        return "utf-16-le"
    if odd < few and even > many:
        return "utf-16-be"
    return None


def table_dialect(document: Mapping[str, Any], head: str) -> Dialect:
    """The dialect of a delimited text: what is declared, and the rest detected from its first characters.

    A rejects file of Waybill is read as it was written: with one header row, its own delimiter and quote, whatever is
    declared for other files of its entity.

    Raises:
        JobFailed: `source-error`, the dialect cannot be used.
    """
    dialect = declared_dialect(document)
    if rejects := _REJECTS.match(head):
        return _rejects_dialect(dialect, document, head, rejects[1])
    if document.get("delimiter") is not None:
        return dialect
    if dialect.header_rows is None and (hint := _EXCEL_HINT.match(head)) and not hint[1].isalnum():
        return declared_dialect({**document, "delimiter": hint[1], "commentRows": [1, *dialect.comment_rows]})
    return declared_dialect({**document, "delimiter": _delimiter(head, dialect)})


def declared_dialect(document: Mapping[str, Any]) -> Dialect:
    """
    Raises:
        JobFailed: `source-error`, the dialect cannot be used.
    """
    try:
        return Dialect.from_document(document)
    except DialectError as error:
        raise JobFailed("source-error", f"The dialect cannot be used: {error}.") from None


def _rejects_dialect(dialect: Dialect, document: Mapping[str, Any], head: str, delimiter: str) -> Dialect:
    quote = _REASON_QUOTE.match(head)
    is_own = document.get("delimiter") in (None, delimiter) and (quote is None or quote[2] == dialect.quote_char)
    base = dialect if is_own or not (quote or delimiter != dialect.delimiter) else Dialect()
    if delimiter in (base.quote_char, base.escape_char):
        base = Dialect()
    return replace(
        base,
        delimiter=delimiter,
        header_rows=(1,),
        comment_rows=(),
        comment_char=None,
        null_sequence=dialect.null_sequence,
    )


def _delimiter(head: str, dialect: Dialect) -> str:
    """The character that divides the first records most evenly; among equals, into the most cells. A comma where none
    divides the header. A character that is rarely a delimiter must divide all records equally."""
    sample = _sample(head, dialect)
    if not sample:
        return ","
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths = _widths(sample, dialect, delimiter)
        if widths and widths[0] > 1:
            evenness = round(Counter(widths)[widths[0]] / len(widths), 1)
            if (evenness, widths[0]) > best_score:
                best, best_score = delimiter, (evenness, widths[0])
    if best_score[1]:
        return best
    for delimiter in RARE_DELIMITERS:
        widths = _widths(sample, dialect, delimiter)
        if len(widths) >= _FEWEST_RECORDS and widths[0] > 1 and len(set(widths)) == 1:
            return delimiter
    return ","


def _sample(head: str, dialect: Dialect) -> list[str]:
    """The lines of the first whole records, without comments and the rows above the header."""
    text = head[:_SAMPLE_CHARS]
    if len(text) < len(head):
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    lines = list(io.StringIO(text, newline=""))
    if dialect.comment_char:
        lines = [line for line in lines if not line.startswith(dialect.comment_char)]
    if dialect.header_rows:
        lines = lines[dialect.header_rows[-1] - 1 :]
    return lines


def _widths(lines: list[str], dialect: Dialect, delimiter: str) -> list[int]:
    """How many cells each of the first records has, without blank ones."""
    if delimiter in (dialect.quote_char, dialect.escape_char) or delimiter == (dialect.comment_char or "")[:1]:
        return []
    widths: list[int] = []
    try:
        for cells in csv.reader(lines, **replace(dialect, delimiter=delimiter).reader_options()):
            if cells:
                widths.append(len(cells))
            if len(widths) == _SAMPLE_RECORDS:
                break
    except csv.Error:
        return []
    return widths


def is_json_lines(head: str, is_whole: bool, file_name: str) -> bool:
    """Whether a text is JSON Lines: its first line is an object or an array.

    Args:
        is_whole: the text ends here, so that its last line needs no line break.
        file_name: its extension decides where the first line is not JSON, or does not end within the head.
    """
    text = head.lstrip(" \t\r\n")
    if not text.startswith(("{", "[")):
        return False
    by_name = file_name.lower().removesuffix(".gz").removesuffix(".zip").endswith((".jsonl", ".ndjson", ".json"))
    line, line_break, _ = text.partition("\n")
    if not line_break and not is_whole:
        return by_name or text.startswith(('{"', "[{"))
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return by_name
    return isinstance(value, dict | list)


def refuse_markup(head: str) -> None:
    """
    Raises:
        JobFailed: `format-error`, the text is XML or HTML (some programs name such files .xls).
    """
    if _MARKUP.match(head[:1000].encode("utf-8", "replace")):
        raise JobFailed("format-error", "The file is XML or HTML, which is not supported; save it as .xlsx or CSV.")
