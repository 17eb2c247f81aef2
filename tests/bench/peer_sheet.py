"""The peers for workbooks: fastexcel into Arrow, or python-calamine into Python's values; each cell of the first sheet.

Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def rows_by_fastexcel(file: Path) -> int:
    import fastexcel

    return int(fastexcel.read_excel(file).load_sheet(0, header_row=None).to_arrow().num_rows)


def rows_by_calamine(file: Path) -> int:
    from python_calamine import CalamineWorkbook

    return len(CalamineWorkbook.from_path(str(file)).get_sheet_by_index(0).to_python())


READERS = {"fastexcel": rows_by_fastexcel, "calamine": rows_by_calamine}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--endpoint-url", help="not used")
    parser.add_argument("--reader", choices=tuple(READERS), required=True)
    arguments = parser.parse_args()
    print(json.dumps({"rows": READERS[arguments.reader](arguments.file)}))


if __name__ == "__main__":
    main()
