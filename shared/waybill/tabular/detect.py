"""Detects the format from a file's first bytes."""

from __future__ import annotations

import re

from waybill.errors import JobFailed

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
    b"PARE": "an encrypted Parquet file",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"SQLite format 3\0": "an SQLite database",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"{\\rtf": "an RTF document",
    # The first records of workbooks from before compound files: BOF, by its version and length.
    b"\x09\x00\x04\x00": "a workbook of Excel 2",
    b"\x09\x02\x06\x00": "a workbook of Excel 3",
    b"\x09\x04\x06\x00": "a workbook of Excel 4",
    b"\x09\x08\x08\x00": "a bare workbook stream of Excel 5",
    b"\x09\x08\x10\x00": "a bare workbook stream of Excel 97",
}
_XML = re.compile(r"\s*<(?:\?xml\b|(?:\w+:)?workbook\b)", re.IGNORECASE)
_HTML = re.compile(r"\s*<(?:!--|(?:!doctype|html|head|body|meta|style|table|div|center)\b)", re.IGNORECASE)
_MHTML = re.compile(r"\s*(?:MIME-Version:|Content-Type:\s*multipart/related|From: <?(?:Saved|Snapshot))", re.IGNORECASE)
_SYLK = re.compile(r"ID;P(?:WXL|CALCOOO32|SCALC3)\b")


def container(head: bytes) -> str:
    """`gzip`, `zip` (a workbook may be one), `ole` (an old or protected workbook), `parquet` or `text`.

    Raises:
        JobFailed: the file is of a known kind that is not supported.
    """
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            raise JobFailed("compression-error", f"The file is compressed with {name}; use gzip or zip.")
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            raise JobFailed(
                "format-error",
                f"The file is {name}, which is not supported. Send CSV, JSON Lines, Parquet or a workbook.",
            )
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
        return "zip"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "ole"
    if head.startswith(b"PAR1"):
        return "parquet"
    return "text"


def refuse_markup(head: str) -> None:
    """
    Raises:
        JobFailed: `format-error`, the text is markup that some programs name .xls.
    """
    for pattern, name in _MARKUP:
        if pattern.match(head):
            raise JobFailed("format-error", f"The file is {name}, which is not supported; save it as .xlsx or CSV.")


_MARKUP = (
    (_XML, "XML (as of Excel 2003, for one)"),
    (_HTML, "a web page (HTML)"),
    (_MHTML, "a web page in one file (MHTML)"),
    (_SYLK, "a SYLK file"),
)
