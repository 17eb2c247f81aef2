"""Files as the Pollock benchmark pollutes them, read by Waybill and its peers, and scored as the benchmark does.

Vitagliano, Hameed, Jiang, Reisener, Wu, Naumann: Pollock: A Data Loading Benchmark (PVLDB 16, 2023). A clean table of
84 rows is polluted in one place a file; the kinds are those of its generator, on a table of our own, without the sizes
(no rows at all, 17,000 columns, 1.5 GB). A file's score is the sum of ten measures: whether it could be read, and
precision, recall and F1 of the cells of the header, of the records and of the cells of the data. Rows that a reader
refuses are not read; records that the clean table does not have are `silently wrong`, unless the reader warned.

`python -m tests.bench.pollution` prints the table of docs/validation.md, with DuckDB and clevercsv where they are
installed.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

from tests.scanning import scan_file
from waybill.entities.expected import ExpectedTable
from waybill.entities.header import match_header
from waybill.entities.schema import parse_schema
from waybill.tabular.encodings import text_format
from waybill.tabular.recode import Recoded
from waybill.tabular.records import parse_rows, segments

HEADER = ["DATE", "TIME", "ITEM", "Price", "Quantity", "Kind", "Description", "New"]
_KINDS = ["Men's boots", 'Table, round 48"', "Towel", "Jersey, short-sleeve", "Kids' hat", "Vest"]
_TEXTS = [
    "Rugged enough for peak performance, light enough for a long day.",
    "Our 8'9\" rod is easy to carry: it comes in two parts",
    "Soft, absorbent, and made of cotton",
    "Built for comfort",
]
ROWS = [
    [f"{n % 28 + 1:02d}/0{n // 28 + 1}/2024", f"{n % 24:02d}:15", f"{'ABCD'[n % 4]}G-{1000 + n}", f"{n}.{n % 100:02d}",
     str(n % 7), _KINDS[n % 6], _TEXTS[n % 4], str(n % 2)]
    for n in range(1, 85)
]  # fmt: skip


@dataclass(frozen=True)
class Polluted:
    """A file, and the header and rows of the table in it."""

    name: str
    data: bytes
    header: Sequence[str] = tuple(HEADER)
    rows: Sequence[Sequence[str]] = tuple(map(tuple, ROWS))


class Read(NamedTuple):
    """What a reader made of a file: the header, and the rows that it would load; whether it warned."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    has_warned: bool = False


def record(cells: Sequence[str], delimiter: str = ",", quote: str = '"', escape: str = '"', end: str = "\r\n") -> str:
    mark = quote.strip()
    return delimiter.join(f"{quote}{cell.replace(mark, escape + mark)}{quote}" for cell in cells) + end


def polluted() -> Iterator[Polluted]:
    """All files."""
    lines = [record(cells) for cells in [HEADER, *ROWS]]
    clean = "".join(lines)

    def text(name: str, body: str, **more: object) -> Polluted:
        return replace(Polluted(name, body.encode()), **more)  # type: ignore[arg-type]

    def table(name: str, **options: str) -> Polluted:
        return text(name, "".join(record(cells, **options) for cells in [HEADER, *ROWS]))

    def changed(name: str, index: int, line: str, cells: Sequence[str] | None) -> Polluted:
        body = [*lines]
        body[index] = line
        rows = [*map(tuple, ROWS)]
        if cells is None:
            del rows[index - 1]
        else:
            rows[index - 1] = tuple(cells)
        return text(name, "".join(body), rows=rows)

    yield text("source", clean)
    for encoding in ("utf-8-sig", "latin-1", "utf-16"):
        yield Polluted(f"encoding {encoding}", clean.encode(encoding))
    first = [[cells[2]] for cells in [HEADER, *ROWS]]
    yield text("one column", "".join(map(record, first)), header=first[0], rows=first[1:])
    yield text("one data row", "".join(lines[:2]), rows=ROWS[:1])
    yield text("no header", "".join(lines[1:]), header=[])
    yield text("many rows", lines[0] + "".join(lines[1:]) * 20, rows=ROWS * 20)
    for where, blank in (("preamble", False), ("preamble and a blank line", True)):
        for delimited in (True, False):
            notes = [["Report of sales"], ["made by hand"], ["last year"]]
            cells = [note + [""] * 7 if delimited else note for note in notes]
            top = "".join(map(record, cells)) + ("," * 7 * delimited + "\r\n" if blank else "")
            yield text(f"{where}{', delimited' * delimited}", top + clean)
            end = ("," * 7 * delimited + "\r\n" if blank else "") + "".join(map(record, cells))
            yield text(f"{where.replace('preamble', 'footnote')}{', delimited' * delimited}", clean + end)
    for end in ("\n", "\r"):
        yield table(f"record delimiter {end!r}", end=end)
    for delimiter in (";", "|", " ", "\t", "\t\t", ":", ", ", "\\t"):
        yield table(f"field delimiter {delimiter!r}", delimiter=delimiter)
    yield table("quote '", quote="'", escape="'")
    yield table('quote "_', quote='" ')
    yield table("escape \\", escape="\\")
    for index in (1, 2, 50, len(ROWS)):
        cells = ROWS[index - 1]
        yield changed(f"row {index} of no cells", index, "\r\n", None)
        yield changed(f"row {index} of 15 cells", index, record([*cells, *cells[:7]]), None)
        yield changed(f"row {index} of 5 cells", index, record(cells[:5]), None)
        yield changed(f"row {index} ends with LF", index, record(cells, end="\n"), cells)
        yield changed(f"row {index} with semicolons", index, record(cells, delimiter=";"), cells)
        yield changed(f"row {index} with '", index, record(cells, quote="'", escape="'"), cells)
        yield changed(f"row {index} escaped by \\", index, record(cells, escape="\\"), cells)
        for column in range(len(HEADER)):  # an extra quote in a cell
            at = record(cells)[:-2].split('","')
            at[column] = at[column][:2] + '"' + at[column][2:]
            yield changed(f"row {index}, quote in column {column}", index, '","'.join(at) + "\r\n", None)
    for column in (0, 2, 7):
        for label in ("", "HEAD/%R", "HEADER" * 40):
            header = [*HEADER[:column], label, *HEADER[column + 1 :]]
            yield text(f"label {column} {label[:8]!r}", record(header) + "".join(lines[1:]), header=header)
    two = [[*HEADER[:3], "HEADER", *HEADER[4:]], *ROWS]
    yield text(
        "header of two rows",
        record(two[0]) + record(["", "", "", "EUR", "", "", "", ""]) + "".join(lines[1:]),
        header=two[0],
    )
    more = "".join(record([f"{n}x{m}" for m in range(6)]) for n in range(10))
    yield text("a second table below", clean + "\r\n" + more)
    yield text("a table above", more + "\r\n" + clean)


_TYPES = {
    "DATE": {"type": "date", "format": "%d/%m/%Y"}, "Price": {"type": "number"}, "Quantity": {"type": "integer"},
    "New": {"type": "boolean"},
}  # fmt: skip


def waybill(file: Polluted) -> Read:
    """As an import reads it into an entity that has the fields of its table."""
    names = [name for name in file.header or HEADER if name]
    fields = [{"name": name, **_TYPES.get(name, {"type": "string"})} for name in names]
    match = "equal" if "" not in file.header else "subset"
    key = names[min(2, len(names) - 1)]
    fields[names.index(key)]["constraints"] = {"required": True}
    schema = parse_schema({"fields": fields, "primaryKey": [key], "fieldsMatch": match})
    expected = ExpectedTable(schema, {}, partial(match_header, schema))
    form = text_format(file.data, None)
    data, encoding = file.data[len(form.bom) :], form.encoding
    if not form.is_cuttable:
        data, encoding = Recoded(io.BytesIO(data), encoding).read(1 << 30), "utf-8"
    declared = {} if file.header else {"header": False}
    found = scan_file(io.BytesIO(data), declared, encoding, 1 << 24, names, expected)
    match_header(schema, found.labels)
    is_good, width, rows = expected.row_check(found.labels), len(found.labels), []
    for chunk in found.chunks:
        for segment in segments(io.BytesIO(data[chunk.start : chunk.end]), found.dialect):
            parsed = parse_rows(segment, segment.data.decode(encoding), found.dialect)
            whole = (
                cells
                for i, cells in enumerate(parsed.cells)
                if i not in parsed.stray and len(cells) == width and any(cells)
            )
            rows += filter(is_good, whole)
    return Read([label.strip() for label in found.labels] if file.header else [], rows, bool(found.warnings))


def python_sniffer(file: Polluted) -> Read:
    """The standard library: `csv.Sniffer` on the first 64 KiB, then `csv.reader`."""
    text = file.data.decode("utf-16" if file.data[:2] == b"\xff\xfe" else "utf-8-sig")
    dialect = csv.Sniffer().sniff(text[: 64 * 1024])
    rows = list(csv.reader(io.StringIO(text, newline=""), dialect))
    return Read(rows[0], rows[1:]) if file.header else Read([], rows)


def python_csv(file: Polluted) -> Read:
    """The standard library, `csv.reader` as it is."""
    rows = list(csv.reader(io.StringIO(file.data.decode("utf-8-sig"), newline="")))
    return Read(rows[0], rows[1:]) if file.header else Read([], rows)


def duckdb_reader(file: Polluted) -> Read:
    """`read_csv` with its sniffer, and rows that do not fit left out."""
    import duckdb

    with tempfile.NamedTemporaryFile(suffix=".csv") as copy:
        copy.write(file.data)
        copy.flush()
        header = "true" if file.header else "false"
        query = f"SELECT * FROM read_csv('{copy.name}', all_varchar = true, ignore_errors = true, header = {header})"
        found = duckdb.sql(query)
        rows = [["" if cell is None else cell for cell in row] for row in found.fetchall()]
        return Read(found.columns if file.header else [], rows)


def clevercsv_reader(file: Polluted) -> Read:
    """clevercsv's detection, then its reader."""
    import clevercsv

    text = file.data.decode("utf-16" if file.data[:2] == b"\xff\xfe" else "utf-8-sig")
    dialect = clevercsv.Sniffer().sniff(text[: 8 * 1024])
    rows = list(clevercsv.reader(io.StringIO(text, newline=""), dialect))
    return Read(rows[0], rows[1:]) if file.header else Read([], rows)


READERS: dict[str, tuple[str | None, Callable[[Polluted], Read]]] = {
    "Waybill": (None, waybill),
    "csv.Sniffer and csv.reader": (None, python_sniffer),
    "csv.reader": (None, python_csv),
    "DuckDB": ("duckdb", duckdb_reader),
    "clevercsv": ("clevercsv", clevercsv_reader),
}


def measures(truth: Counter[object], found: Counter[object]) -> tuple[float, float, float]:
    """Precision, recall and F1, as the benchmark names them."""
    if not truth:
        return 1.0, 1.0, 1.0
    common = (truth & found).total()
    if not common:
        return 0.0, 0.0, 0.0
    precision, recall = common / truth.total(), common / found.total()
    return precision, recall, 2 * precision * recall / (precision + recall)


def score(file: Polluted, read: Read | None) -> float:
    """Between 0 and 10."""
    if read is None:
        return 0.0
    header = measures(Counter(file.header), Counter(read.header))
    records = measures(Counter(map(tuple, file.rows)), Counter(map(tuple, read.rows)))
    cells = measures(
        Counter(cell for row in file.rows for cell in row), Counter(cell for row in read.rows for cell in row)
    )
    return 1 + sum(header) + sum(records) + sum(cells)


def is_silently_wrong(file: Polluted, read: Read | None) -> bool:
    """Whether a reader loads records that the clean table does not have, without a warning."""
    if read is None or read.has_warned:
        return False
    return bool(Counter(map(tuple, read.rows)) - Counter(map(tuple, file.rows)))


def attempt(reader: Callable[[Polluted], Read], file: Polluted) -> Read | None:
    try:
        return reader(file)
    except Exception:  # each library has errors of its own
        return None


def main() -> None:
    files = list(polluted())
    print(f"{len(files)} files\n")
    print("| reader | score | files read | with records that are wrong, unsaid |\n|---|---|---|---|")
    for name, (module, reader) in READERS.items():
        if module is not None and find_spec(module) is None:
            print(f"| {name} | not installed | | |")
            continue
        results = [(file, attempt(reader, file)) for file in files]
        mean = sum(score(file, read) for file, read in results) / len(files)
        wrong = sum(is_silently_wrong(file, read) for file, read in results)
        print(f"| {name} | {mean:.2f} | {sum(read is not None for _, read in results)} | {wrong} |")


if __name__ == "__main__":
    main()
