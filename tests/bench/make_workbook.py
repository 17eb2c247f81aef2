"""A CSV file as the workbook that Excel would save: shared strings, and real dates where the text is one.

Runs in the peers' virtual environment, which has xlsxwriter.
"""

from __future__ import annotations

import argparse
import csv
from datetime import datetime
from pathlib import Path

import xlsxwriter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv_file", type=Path)
    parser.add_argument("workbook", type=Path)
    arguments = parser.parse_args()
    with (
        arguments.csv_file.open(encoding="utf-8", newline="") as file,
        xlsxwriter.Workbook(arguments.workbook) as workbook,
    ):
        sheet = workbook.add_worksheet("offers")
        moment = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for row, cells in enumerate(csv.reader(file)):
            for column, text in enumerate(cells):
                if len(text) == 20 and text.endswith("Z"):
                    sheet.write_datetime(row, column, datetime.fromisoformat(text[:-1]), moment)
                else:
                    sheet.write_string(row, column, text)


if __name__ == "__main__":
    main()
