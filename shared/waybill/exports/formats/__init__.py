"""Formats of export files. Each is one module, and one word of `FORMATS`.

    base.py   what a format declares
    cells.py  columns of cells, which all formats write
    csv.py, xlsx.py, jsonl.py

A format writes a page's column at once: where no text of it needs quoting, escaping or the formula guard, which a pass
or two over its bytes tells, the column is taken as it stands. Rows are joined to fragments that follow each other in a
file with nothing between them. To add a format, see docs/extending.md.
"""

from __future__ import annotations

from waybill.exports.formats.base import Format
from waybill.exports.formats.csv import CSV
from waybill.exports.formats.jsonl import JSONL
from waybill.exports.formats.xlsx import XLSX

FORMATS: dict[str, Format] = {format.name: format for format in (CSV, XLSX, JSONL)}
