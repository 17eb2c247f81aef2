"""Formats of export files. Each is one module, and one word of `FORMATS`.

    base.py   what a format declares
    cells.py  columns of cells, which all formats write
    csv.py, xlsx.py, jsonl.py, parquet.py

A format writes a column of a page at once. A pass or two over the column's bytes finds out whether any text needs
quoting, escaping or the formula guard; if none does, the column is used as it is. Rows are joined to fragments that
follow each other in a file with nothing between them. To add a format, see docs/extending.md.
"""

from __future__ import annotations

from waybill.exports.formats.base import Format
from waybill.exports.formats.csv import CSV
from waybill.exports.formats.jsonl import JSONL
from waybill.exports.formats.parquet import PARQUET
from waybill.exports.formats.xlsx import XLSX

FORMATS: dict[str, Format] = {format.name: format for format in (CSV, XLSX, JSONL, PARQUET)}
