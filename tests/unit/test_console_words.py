"""The console's words: one term for one thing, and words for every code that the documents list."""

from __future__ import annotations

import re

import pytest

from tests.builders import ROOT

SOURCE = ROOT / "console" / "src"
FILES = [path for path in SOURCE.rglob("*.ts*") if ".test." not in path.name and path.name != "openapi.d.ts"]

STATUS = r"components/status-indicator"
MOMENTS = r"toLocale(Date|Time)?String\("
COUNTS = r"[Cc]ount\([^()]*\)\} (rows|records|files|entries)\b"
RULES = {
    r"\b[Oo]bject [Tt]ype\b|\"App\"|\bApp:": "what records are kinds of is an entity",
    COUNTS: "it may be 1 row: `counted` knows",
    STATUS: "StatusText keeps words whole",
    MOMENTS: "a moment is a <Time>, which names its zone; a number is formatCount's",
}
EXCEPT = {STATUS: ("StatusText.tsx",), COUNTS: ("words.ts",), MOMENTS: ("words.ts",)}


@pytest.mark.parametrize(("section", "table"), [("## Jobs", "JOB_ERRORS"), ("## Rows", "ROW_ERRORS")])
def test_every_code_of_the_documents_has_words_in_the_console(section: str, table: str) -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8").partition(section)[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+`) \|", page, re.MULTILINE)
    codes = {code for cell in cells for code in re.findall("`(.+?)`", cell)}
    code = (SOURCE / "common" / "errorCodes.ts").read_text(encoding="utf-8")
    words = code.partition(f"{table}: ")[2].partition("};")[0]
    assert codes == set(re.findall(r'^  "?([a-z-]+)"?: ', words, re.MULTILINE))
    assert len(codes) > 10


def test_the_words_of_the_console() -> None:
    wrong = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for pattern, rule in RULES.items():
            if path.name not in EXCEPT.get(pattern, ()):
                wrong += [f"{path.relative_to(SOURCE)}: {found[0]}: {rule}" for found in re.finditer(pattern, text)]
    assert wrong == []
