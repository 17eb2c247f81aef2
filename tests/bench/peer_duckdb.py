"""The peer for validation: DuckDB's `read_csv` with the schema's types, `store_rejects`, and the constraints as
expressions, on one thread.

What the reader has no option for (groups of digits beside decimal commas, durations, lists) is an expression too.
Prints one JSON line: the number of good rows, then of different values of unique fields, and of values of others.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import duckdb

DURATION = r"-?P(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)"
TYPES = {"string": "VARCHAR", "date": "DATE", "datetime": "TIMESTAMP", "boolean": "BOOLEAN", "integer": "BIGINT"}


def quoted(text: Any) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def type_of(field: dict[str, Any]) -> str:
    if field["type"] == "number":
        return "DECIMAL(18, 6)"
    return "VARCHAR" if field.get("groupChar") else TYPES.get(field["type"], "VARCHAR")


def rules_of(field: dict[str, Any]) -> list[str]:
    """The rules of a field as expressions; a null passes all but `required`."""
    name, limits = f'"{field["name"]}"', field.get("constraints", {})
    makers = {
        "pattern": lambda limit: f"regexp_full_match({name}, {quoted(limit)})",
        "minLength": lambda limit: f"length({name}) >= {limit}",
        "maxLength": lambda limit: f"length({name}) <= {limit}",
        "minimum": lambda limit: f"{name} >= {limit}",
        "maximum": lambda limit: f"{name} <= {limit}",
        "enum": lambda limit: f"{name} IN ({', '.join(map(quoted, limit))})",
    }
    rules = [make(limits[rule]) for rule, make in makers.items() if rule in limits]
    if field.get("groupChar"):
        rules.append(f"TRY_CAST(replace({name}, {quoted(field['groupChar'])}, '') AS BIGINT) IS NOT NULL")
    if field["type"] == "duration":
        rules.append(f"regexp_full_match({name}, {quoted(DURATION)})")
    if field["type"] == "list":
        rules.append(f"len(string_split({name}, {quoted(field['delimiter'])})) > 0")
    checked = [f"({name} IS NULL OR {rule})" for rule in rules]
    return [*checked, f"{name} IS NOT NULL"] if limits.get("required") else checked


def query_of(file: Path, fields: list[dict[str, Any]]) -> str:
    columns = ", ".join(f"{quoted(field['name'])}: {quoted(type_of(field))}" for field in fields)
    options = [
        "header = true",
        "auto_detect = false",
        "store_rejects = true",
        "delim = ','",
        "quote = '\"'",
        "escape = '\"'",
    ]
    formats = {field["type"]: field["format"] for field in fields if field.get("format", "").startswith("%")}
    options += [f"dateformat = {quoted(formats['date'])}"] if "date" in formats else []
    options += [f"timestampformat = {quoted(formats['datetime'])}"] if "datetime" in formats else []
    options += ["decimal_separator = ','"] if any(field.get("decimalChar") == "," for field in fields) else []
    rules = " AND ".join(rule for field in fields for rule in rules_of(field))
    unique = [field["name"] for field in fields if field.get("constraints", {}).get("unique")]
    counts = [f"count(*) FILTER ({rules})", *(f'count(DISTINCT "{name}")' for name in unique)]
    # A column that nothing asks for is not converted, and its bad cells are not found.
    counts += [f'count("{field["name"]}")' for field in fields if not rules_of(field)]
    return f"SELECT {', '.join(counts)} FROM read_csv({quoted(file)}, columns = {{{columns}}}, {', '.join(options)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--endpoint-url", help="not used")
    arguments = parser.parse_args()
    fields = json.loads(arguments.file.with_suffix(".schema.json").read_text())["fields"]
    database = duckdb.connect()
    database.execute("SET threads = 1")
    [(good, *others)] = database.execute(query_of(arguments.file, fields)).fetchall()
    print(json.dumps({"valid": good, "counts": others}))


if __name__ == "__main__":
    main()
