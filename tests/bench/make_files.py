"""The file that the benchmarks import, and its Table Schema.

Eight columns, about 125 bytes a row: identifiers of 8, 12 and 18 digits (text, because leading zeros count), two codes,
two times and an enumeration. The same seed gives the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

SEED = 20250701
STATES = ("ACTIVE", "PENDING", "SUSPENDED", "WITHDRAWN")
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

SCHEMA: dict[str, Any] = {
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


def write_file(path: Path, rows: int, seed: int = SEED) -> None:
    """Writes `rows` data rows and a header; no two rows have one key."""
    random_numbers = random.Random(seed)
    below, choice = random_numbers.randrange, random_numbers.choice

    def code(prefix: str) -> str:
        return f"{prefix}-{''.join(random_numbers.choices(LETTERS, k=7))}-{below(10**4):04d}"

    def moment() -> str:
        day, second = below(336), below(86_400)
        return (
            f"202{below(6)}-{1 + day // 28:02d}-{1 + day % 28:02d}"
            f"T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
        )

    products, campaigns = [code("PRD") for _ in range(500)], [code("CMP") for _ in range(40)]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(field["name"] for field in SCHEMA["fields"]) + "\n")
        for number in range(rows):
            offer = number * 735_632_797 % 10**12  # odd and not a multiple of 5: all different, in no visible order
            file.write(
                f"{below(10**8):08d},{offer:012d},{below(10**18):018d},{choice(products)},{choice(campaigns)},"
                f"{moment()},{moment()},{choice(STATES)}\n"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    arguments = parser.parse_args()
    write_file(arguments.file, arguments.rows)
    arguments.file.with_suffix(".schema.json").write_text(json.dumps(SCHEMA, indent=2) + "\n")


if __name__ == "__main__":
    main()
