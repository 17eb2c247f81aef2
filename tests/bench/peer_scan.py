"""The peer: what a Python programmer writes first, boto3's `Table.scan` into a writer of the standard library,
xlsxwriter or pyarrow.

Needs AWS_* credentials and AWS_CA_BUNDLE in the environment. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
from make_files import NARROW

NAMES = [field["name"] for field in NARROW["fields"]]


def records(endpoint_url: str, name: str) -> Iterator[dict[str, Any]]:
    """All items of a table."""
    table = boto3.resource("dynamodb", region_name="us-east-1", endpoint_url=endpoint_url).Table(name)
    answer = table.scan(ConsistentRead=True)
    yield from answer["Items"]
    while "LastEvaluatedKey" in answer:
        answer = table.scan(ConsistentRead=True, ExclusiveStartKey=answer["LastEvaluatedKey"])
        yield from answer["Items"]


def write_csv(file: Path, items: Iterator[dict[str, Any]]) -> int:
    rows = 0
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, NAMES, extrasaction="ignore")
        writer.writeheader()
        for item in items:
            writer.writerow(item)
            rows += 1
    return rows


def write_jsonl(file: Path, items: Iterator[dict[str, Any]]) -> int:
    rows = 0
    with file.open("w", encoding="utf-8") as out:
        for item in items:
            out.write(json.dumps({name: item.get(name) for name in NAMES}) + "\n")
            rows += 1
    return rows


def write_xlsx(file: Path, items: Iterator[dict[str, Any]]) -> int:
    import xlsxwriter

    rows = 0
    with xlsxwriter.Workbook(str(file), {"constant_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, NAMES)
        for rows, item in enumerate(items, 1):
            for column, name in enumerate(NAMES):
                sheet.write_string(rows, column, item[name])
    return rows


def write_parquet(file: Path, items: Iterator[dict[str, Any]]) -> int:
    import pyarrow
    from pyarrow import parquet

    kinds = {"string": pyarrow.string(), "datetime": pyarrow.timestamp("us", "UTC")}
    schema = pyarrow.schema([(field["name"], kinds[field["type"]]) for field in NARROW["fields"]])
    moments = [field["name"] for field in NARROW["fields"] if field["type"] == "datetime"]
    rows = 0
    with parquet.ParquetWriter(file, schema) as writer:
        while some := list(islice(items, 20_000)):
            for item in some:
                for name in moments:
                    if item.get(name) is not None:
                        item[name] = datetime.fromisoformat(item[name])
            writer.write_table(pyarrow.Table.from_pylist(some, schema))
            rows += len(some)
    return rows


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "xlsx": write_xlsx, "parquet": write_parquet}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--endpoint-url", required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--format", choices=tuple(WRITERS), required=True)
    arguments = parser.parse_args()
    rows = WRITERS[arguments.format](arguments.file, records(arguments.endpoint_url, arguments.table))
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
