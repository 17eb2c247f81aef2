"""The peer for validation: frictionless-py, `Resource.validate` with the same schema and dialect.

Prints one JSON line, as `ours_import.py --validate` does: the errors as (row, field number, type).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from frictionless import Resource

LIMIT = 10_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--endpoint-url", help="not used")
    arguments = parser.parse_args()
    resource = Resource.from_descriptor(
        {
            "name": "table",
            "path": arguments.file.name,
            "scheme": "file",
            "format": "csv",
            "encoding": "utf-8",
            "dialect": {"csv": {"delimiter": ","}},
            "schema": json.loads(arguments.file.with_suffix(".schema.json").read_text()),
        },
        basepath=str(arguments.file.parent),
    )
    report = resource.validate(limit_errors=LIMIT)
    if report.errors:
        raise SystemExit(str(report.errors))
    found = [
        (getattr(error, "row_number", 0), getattr(error, "field_number", 0), error.type)
        for error in report.tasks[0].errors
    ]
    print(json.dumps({"errors": sorted(found)}))


if __name__ == "__main__":
    main()
