"""The peer for Parquet: pyarrow reads every cell of a file into Python's values. `--make` writes the file from a CSV.

Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pyarrow
from make_files import NARROW
from pyarrow import csv, parquet

TEXTS = {field["name"]: pyarrow.string() for field in NARROW["fields"] if field["type"] == "string"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--endpoint-url", help="not used")
    parser.add_argument("--make", type=Path, help="the narrow CSV file")
    arguments = parser.parse_args()
    if arguments.make:
        columns = csv.read_csv(arguments.make, convert_options=csv.ConvertOptions(column_types=TEXTS))
        parquet.write_table(columns, arguments.file, row_group_size=50_000)
    rows = 0
    for batch in parquet.ParquetFile(arguments.file).iter_batches(use_threads=False):
        rows += len(batch.to_pylist())
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
