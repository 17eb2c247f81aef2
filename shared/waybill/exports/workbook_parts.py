"""What all workbooks of Office Open XML (ECMA-376) that Waybill writes have in common."""

from __future__ import annotations

import re

SHEET_NAME_CHARS = 31
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# Characters that XML cannot hold, carriage returns, which it would change, and text that looks like such an escape.
_UNFIT = re.compile("[\0-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_SPACED = re.compile(r"^[ \t]|[ \t]\Z|\n").search


def opened_text(text: str) -> str:
    """A text in XML, with the end of the tag before it."""
    end = ' xml:space="preserve">' if _SPACED(text) else ">"
    text = _UNFIT.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    return end + text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def relations(*targets: tuple[str, str]) -> str:
    """The relationships part that names these parts (ECMA-376 part 2, 9.3): (kind, path) each, from `rId1` on."""
    inner = "".join(
        f'<Relationship Id="rId{number}" Type="{RELATION}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'{XML}<Relationships xmlns="{PACKAGE}/relationships">{inner}</Relationships>'
