"""The files that the benchmarks import, each with its Table Schema beside it.

`narrow`: eight columns, about 125 bytes a row: identifiers of 8, 12 and 18 digits (text, because leading zeros count),
two codes, two times and an enumeration. `--bad` is the share of rows with an error, in turn one of six kinds.
`wide`: twenty columns, about 240 bytes a row, with quotes, commas and line breaks inside cells, dates, decimals, e-mail
addresses, nulls and text in several scripts. `mixed`: twelve columns as people write them, and `plain` the same rows in
default formats. The same seed gives the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SEED = 20250701
STATES = ("ACTIVE", "PENDING", "SUSPENDED", "WITHDRAWN")
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

NARROW: dict[str, Any] = {
    "fields": [
        {"name": "account", "type": "string", "constraints": {"required": True, "pattern": "[0-9]{8}"}},
        {"name": "offer", "type": "string", "constraints": {"required": True, "pattern": "[0-9]{12}"}},
        {"name": "catalog_id", "type": "string", "constraints": {"required": True, "pattern": "[0-9]{18}"}},
        {"name": "product_code", "type": "string", "constraints": {"maxLength": 20}},
        {"name": "campaign_code", "type": "string", "constraints": {"maxLength": 20}},
        {"name": "valid_from", "type": "datetime"},
        {"name": "valid_until", "type": "datetime"},
        {"name": "state", "type": "string", "constraints": {"enum": list(STATES)}},
    ],
    "primaryKey": ["account", "offer"],
}
WIDE: dict[str, Any] = {
    "fields": [
        {"name": "customer_id", "type": "string", "constraints": {"required": True, "pattern": "C[0-9]{9}"}},
        {"name": "first_name", "type": "string", "constraints": {"required": True, "maxLength": 40}},
        {"name": "last_name", "type": "string", "constraints": {"required": True, "maxLength": 40}},
        {"name": "company", "type": "string", "constraints": {"maxLength": 80}},
        {"name": "street", "type": "string"},
        {"name": "postal_code", "type": "string", "constraints": {"minLength": 4, "maxLength": 8}},
        {"name": "city", "type": "string"},
        {"name": "country", "type": "string", "constraints": {"enum": ["BE", "DE", "FR", "GR", "JP", "PL"]}},
        {"name": "email", "type": "string", "format": "email"},
        {"name": "phone", "type": "string"},
        {"name": "born", "type": "date"},
        {"name": "signed_on", "type": "date"},
        {"name": "updated_at", "type": "datetime"},
        {"name": "balance", "type": "number"},
        {"name": "credit_limit", "type": "number", "constraints": {"minimum": 0}},
        {"name": "discount", "type": "number", "constraints": {"minimum": 0, "maximum": 1}},
        {"name": "orders", "type": "integer", "constraints": {"minimum": 0}},
        {"name": "newsletter", "type": "boolean"},
        {"name": "token", "type": "string", "format": "uuid"},
        {"name": "remark", "type": "string"},
    ],
    "primaryKey": ["customer_id"],
}
#: As people write: day-first dates, decimal commas, a grouped number, a duration, a list, a unique field among twelve.
MIXED: dict[str, Any] = {
    "fields": [
        {"name": "order", "type": "string", "constraints": {"required": True, "pattern": "[0-9]{10}"}},
        {"name": "customer", "type": "string", "constraints": {"required": True, "maxLength": 40}},
        {"name": "ordered", "type": "date", "format": "%d/%m/%Y", "constraints": {"required": True}},
        {"name": "shipped", "type": "datetime", "format": "%d/%m/%Y %H:%M"},
        {"name": "amount", "type": "number", "decimalChar": ",", "constraints": {"minimum": 0}},
        {"name": "discount", "type": "number", "decimalChar": ",", "constraints": {"minimum": 0, "maximum": 1}},
        {"name": "units", "type": "integer", "groupChar": "."},
        {"name": "took", "type": "duration"},
        {"name": "tags", "type": "list", "delimiter": ";"},
        {"name": "state", "type": "string", "constraints": {"enum": list(STATES)}},
        {"name": "reference", "type": "string", "constraints": {"unique": True, "maxLength": 20}},
        {"name": "paid", "type": "boolean"},
    ],
    "primaryKey": ["order"],
}
_SPELLINGS = {"format", "decimalChar", "groupChar"}
#: The same in default formats.
PLAIN: dict[str, Any] = {
    **MIXED,
    "fields": [{name: value for name, value in field.items() if name not in _SPELLINGS} for field in MIXED["fields"]],
}
SCHEMAS = {"narrow": NARROW, "wide": WIDE, "mixed": MIXED, "plain": PLAIN}
FIRST_NAMES = ("Zoë", "Jürgen", "Chloé", "Łukasz", "Ελένη", "花子", "Anna", "Peter", "Mia", "Noah")
LAST_NAMES = ("Müller", "Dupont", "Wiśniewska", "Παπαδόπουλος", "山田", "Peeters", "Smith", "Jansen")
COMPANIES = ('"Peeters, Smith & Co"', '"The ""Golden"" Lion"', "Ateliers Réunis", "Nordwind GmbH", "", "山田商店")
STREETS = ('"Rue de la Loi, 16"', "Königsallee 60", '"Nowy Świat 12, lok. 4"', "Οδός Ερμού 7", "Main Street 1")
CITIES = ("Bruxelles", "Köln", "Kraków", "Θεσσαλονίκη", "京都", "Lyon")
REMARKS = ("", "", "", '"asked for ""express"", twice"', '"rings\nthe bell"', "naïve façade", "ok", '"a, b; c"')


def narrow_lines(rows: int, bad_share: float) -> Iterator[str]:
    """Every row has a different key."""
    random_numbers = random.Random(SEED)
    below, choice = random_numbers.randrange, random_numbers.choice

    def code(prefix: str) -> str:
        return f"{prefix}-{''.join(random_numbers.choices(LETTERS, k=7))}-{below(10**4):04d}"

    products, campaigns = [code("PRD") for _ in range(500)], [code("CMP") for _ in range(40)]
    spoil = spoilers()
    for number in range(rows):
        offer = number * 735_632_797 % 10**12  # odd and not a multiple of 5: all different, in no visible order
        line = (
            f"{below(10**8):08d},{offer:012d},{below(10**18):018d},{choice(products)},{choice(campaigns)},"
            f"{moment(below)},{moment(below)},{choice(STATES)}\n"
        )
        yield next(spoil)(line) if is_bad(number, bad_share) else line


def is_bad(number: int, bad_share: float) -> bool:
    """Whether the row is a bad one. `bad_rows(n)` of the first n rows are, evenly spread."""
    return bad_rows(number + 1, bad_share) > bad_rows(number, bad_share)


def bad_rows(rows: int, bad_share: float) -> int:
    return int(rows * bad_share)


def spoilers() -> Iterator[Callable[[str], str]]:
    """What makes a good narrow row bad, each kind in turn."""

    def cell(position: int, text: str) -> Callable[[str], str]:
        def spoil(line: str) -> str:
            cells = line.rstrip("\n").split(",")
            cells[position] = text
            return ",".join(cells) + "\n"

        return spoil

    kinds = (
        cell(0, "1234567X"),  # pattern
        cell(5, "2025-02-30T10:00:00Z"),  # type
        cell(7, "UNKNOWN"),  # enum
        cell(2, ""),  # required
        cell(3, "PRODUCT-CODE-THAT-IS-TOO-LONG"),  # maxLength
        lambda line: line.rpartition(",")[0] + "\n",  # a missing cell
    )
    while True:
        yield from kinds


def wide_lines(rows: int) -> Iterator[str]:
    random_numbers = random.Random(SEED)
    below, choice, bits = random_numbers.randrange, random_numbers.choice, random_numbers.getrandbits
    for number in range(rows):
        token = f"{bits(128):032x}"
        cents = below(10**7)
        yield (
            f"C{number * 735_632_797 % 10**9:09d},{choice(FIRST_NAMES)},{choice(LAST_NAMES)},{choice(COMPANIES)},"
            f"{choice(STREETS)},{below(10**5):05d},{choice(CITIES)},{choice(WIDE['fields'][7]['constraints']['enum'])},"
            f"user{below(10**7)}@example.com,+32 2 {below(10**3):03d} {below(10**2):02d} {below(10**2):02d},"
            f"{1940 + below(65)}-{1 + below(12):02d}-{1 + below(28):02d},"
            f"202{below(6)}-{1 + below(12):02d}-{1 + below(28):02d},{moment(below)},"
            f"{'-' if below(4) == 0 else ''}{cents // 100}.{cents % 100:02d},{below(500) * 100}.00,0.{below(100):02d},"
            f"{below(400)},{choice(('true', 'false'))},"
            f"{token[:8]}-{token[8:12]}-{token[12:16]}-{token[16:20]}-{token[20:]},{choice(REMARKS)}\n"
        )


def mixed_lines(rows: int, is_plain: bool) -> Iterator[str]:
    """The same rows for both: `is_plain` writes them in default formats."""
    random_numbers = random.Random(SEED)
    below, choice = random_numbers.randrange, random_numbers.choice
    tags = ("new", "gift", "express", "b2b", "refund", "fragile")
    for number in range(rows):
        days = [(2000 + below(26), 1 + below(12), 1 + below(28)) for _ in range(2)]
        hour, minute, cents, percent, units = below(24), below(60), below(10**7), below(100), below(10**7)
        if is_plain:
            ordered, shipped = (f"{year}-{month:02d}-{day:02d}" for year, month, day in days)
            shipped += f"T{hour:02d}:{minute:02d}:00"
            numbers = f"{cents // 100}.{cents % 100:02d},0.{percent:02d},{units}"
        else:
            ordered, shipped = (f"{day:02d}/{month:02d}/{year}" for year, month, day in days)
            shipped += f" {hour:02d}:{minute:02d}"
            grouped = f"{units:,}".replace(",", ".")
            numbers = f'"{cents // 100},{cents % 100:02d}","0,{percent:02d}",{grouped}'
        yield (
            f"{number:010d},{choice(FIRST_NAMES)} {choice(LAST_NAMES)},{ordered},{shipped},{numbers},"
            f"P{below(9)}DT{below(24)}H{below(60)}M,{choice(tags)};{choice(tags)};{choice(tags)},{choice(STATES)},"
            f"R{number:010d},{choice(('true', 'false'))}\n"
        )


def moment(below: Callable[[int], int]) -> str:
    day, second = below(336), below(86_400)
    return (
        f"202{below(6)}-{1 + day // 28:02d}-{1 + day % 28:02d}T{second // 3600:02d}:{second // 60 % 60:02d}"
        f":{second % 60:02d}Z"
    )


def schema_path(file: Path) -> Path:
    """The path of a file's schema."""
    return file.with_suffix(".schema.json")


def write_file(file: Path, rows: int, kind: str = "narrow", bad_share: float = 0.0) -> None:
    """Writes a header, `rows` data rows, and the schema."""
    schema = SCHEMAS[kind]
    if kind == "narrow":
        lines = narrow_lines(rows, bad_share)
    else:
        lines = wide_lines(rows) if kind == "wide" else mixed_lines(rows, kind == "plain")
    schema_path(file).write_text(json.dumps(schema, indent=2) + "\n")
    with file.open("w", encoding="utf-8", newline="") as out:
        out.write(",".join(field["name"] for field in schema["fields"]) + "\n")
        out.writelines(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kind", choices=tuple(SCHEMAS), default="narrow")
    parser.add_argument("--bad", type=float, default=0.0)
    arguments = parser.parse_args()
    write_file(arguments.file, arguments.rows, arguments.kind, arguments.bad)


if __name__ == "__main__":
    main()
