"""Detects how a delimited text is to be read: its delimiter, quoting, and the row of its header.

The text is read as each dialect that its first characters suggest. The reading under which the header fits what is
expected wins; then the one whose rows fit, then the one that is merely regular. What is declared is never detected.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product, zip_longest
from typing import Any, NamedTuple, Protocol

from waybill.errors import JobFailed
from waybill.tabular.dialect import Dialect, DialectError
from waybill.tabular.labels import LabelReader
from waybill.tabular.records import is_structural, read_lines

DELIMITERS = (",", ";", "\t", "|")
#: Without a header that fits, accepted only where every record has it equally often. None of them occurs in plain
#: words, numbers or times of day.
RARE_DELIMITERS = ("\x1f", "\x1e", "\x01", "^", "~", "!", "#", "%", "*", "&", ":")
#: Accepted only where the header fits.
_ODD_DELIMITERS = (" ", "/", "=", "-", "_", ".", "$", "@", "+", "?", "<", ">", "\\", "\x02", "\x1c", "\x1d")
_QUOTES = ('"', "'", "`")
HEADER_ROWS = 20  # the header is one of these, where it is not declared
DIALECT_GUESSED = "dialect-guessed"
HEADER_ROW_GUESSED = "header-row-guessed"

_SAMPLE_CHARS = 64 * 1024
_SAMPLE_RECORDS = 100 + HEADER_ROWS
_FEWEST_RECORDS = 3

_REJECTS = re.compile(r"_row([^\w\r\n])_type\1_reason(?:\1|\r|\n|\Z)")
_REJECTS_COLUMNS = 3
_REASON_QUOTE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)[0-9]*(.)[a-z-]*\1([\"'])")
#: Excel's own line for the delimiter; a program that saves the table again adds delimiters to it.
_EXCEL_HINT = re.compile(r'"?sep=([^\r\n\w"])\1*"?\1*[ \t]*(?:\r|\n)', re.IGNORECASE | re.ASCII)
_DETECTED = ("delimiter", "quoteChar", "escapeChar", "skipInitialSpace")
_SHOWN = {"\t": "tab", " ": "space"}


class Expected(Protocol):
    """What is known about a table before it is read."""

    @property
    def field_names(self) -> Sequence[str]: ...

    def named(self, labels: Sequence[str]) -> int:
        """How many of the fields the labels name."""

    def fits(self, labels: list[str]) -> bool:
        """Whether a table with this header can be imported."""

    def row_check(self, labels: Sequence[str]) -> Callable[[Sequence[str]], bool]:
        """Returns a function that tells whether every cell of a row under this header is one of its field."""

    def text_columns(self, labels: Sequence[str]) -> Sequence[int]:
        """The columns under this header whose fields take any text."""


@dataclass(frozen=True)
class DialectFound:
    """How to read a text. `warnings`, message by code, tell what its characters do not settle."""

    dialect: Dialect
    warnings: Mapping[str, str] = field(default_factory=dict)


def declared_dialect(document: Mapping[str, Any]) -> Dialect:
    """
    Raises:
        JobFailed: `source-error`, the dialect cannot be used.
    """
    try:
        return Dialect.from_document(document)
    except DialectError as error:
        raise JobFailed("source-error", f"The dialect cannot be used: {error}.") from None


def table_dialect(document: Mapping[str, Any], head: str, expected: Expected | None = None) -> DialectFound:
    """The dialect of a delimited text: what is declared, and the rest detected from its first characters.

    A rejects file of Waybill is read as it was written: with one header row, its own delimiter and quote, whatever is
    declared for other files of its entity.

    Raises:
        JobFailed: `source-error`, the dialect cannot be used.
    """
    declared = declared_dialect(document)
    is_open = {member for member in _DETECTED if document.get(member) is None}
    is_open -= {"quoteChar", "escapeChar"} & document.keys()  # null turns it off
    own_columns = 0
    if rejects := _REJECTS.match(head):
        declared, quote_is_known = _rejects_dialect(declared, document, head, rejects[1])
        is_open -= {"delimiter", "quoteChar"} if quote_is_known else {"delimiter"}
        own_columns = _REJECTS_COLUMNS
    elif hint := _EXCEL_HINT.match(head):
        declared = _after_hint(declared, document, hint[1])
        is_open -= {"delimiter"}
    sample = _Sample(head, own_columns, expected)
    readings = [_read(dialect, sample) for dialect in _candidates(declared, is_open, sample)]
    best = max(readings, key=lambda reading: reading.rank)
    best, guess = _settled(best, readings, sample, is_open)
    dialect = best.dialect
    warnings = {}
    if guess:
        warnings[DIALECT_GUESSED] = f"{guess}. If that is wrong, declare it in the dialect and import the file again."
    if declared.header_rows is None and best.header_row is not None and best.header_row != best.first_row:
        dialect = replace(dialect, header_rows=(best.header_row,))
        warnings[HEADER_ROW_GUESSED] = header_row_warning(best.header_row)
    return DialectFound(dialect, warnings)


def header_row_warning(row: int) -> str:
    """What to tell of a header that is not the first row."""
    above = "row 1" if row == 2 else f"rows 1 to {row - 1}"
    return (
        f"Row {row} was taken as the header, because it fits the entity better than {above}. Nothing above it was "
        "imported. If that is wrong, declare headerRows in the dialect."
    )


class HeaderRow(NamedTuple):
    """The row of a header: its number, whether its labels fit, and how many fields they name."""

    row: int | None
    labels: list[str]
    fits: bool = False
    named: int = 0


def find_header(rows: Sequence[tuple[int, Sequence[str]]], expected: Expected | None) -> HeaderRow:
    """The row that is the header: of those whose labels fit, the one that names most fields, else the first.

    Where none fits, a later row is taken only for its clearly better message: it names several fields, and more.

    Args:
        rows: (number, cells) of rows that are not comments, the first of a table.
    """
    if not rows:
        return HeaderRow(None, [])
    first = best = HeaderRow(rows[0][0], list(rows[0][1]))
    if expected is None:
        return first
    for row, cells in rows:
        if row > HEADER_ROWS:
            break
        named = expected.named(cells)
        if not named or (best.fits and named <= best.named):
            continue
        labels = list(cells)
        found = HeaderRow(row, labels, expected.fits(labels), named)
        if (found.fits, found.named) > (best.fits, best.named) and (found.fits or row == first.row or named > 1):
            best = found
    return best


class _Sample:
    """The first lines of a text, and what they may hold."""

    def __init__(self, head: str, own_columns: int, expected: Expected | None) -> None:
        self.head, self.own_columns, self.expected = head, own_columns, expected
        text = head[:_SAMPLE_CHARS]
        self.is_cut = len(text) < len(head)
        if self.is_cut:
            text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
        self.text = text
        self.lines = list(io.StringIO(text, newline=""))

    def records(self, dialect: Dialect) -> Iterator[tuple[int, list[str] | None, str]]:
        """(row, cells or None for a comment, record as in the file) of the first records."""
        taken = 0
        found: tuple[int, list[str] | None, str] | None = None
        for row, (cells, now) in enumerate(read_lines(self.lines, dialect), 1):
            if found:
                yield found
            if row > _SAMPLE_RECORDS:
                return
            found = row, cells, "".join(self.lines[taken:now]).rstrip("\r\n")
            taken = now
        if found and (not self.is_cut or found[0] == 1):  # the last one may be cut off
            yield found


@dataclass(frozen=True)
class _Reading:
    """A text as one dialect reads it. `rows` are those behind the header, without blank ones and comments.

    Shares of rows: `whole`, as wide as the header and without stray quotes; of these `good`, with cells that their
    fields take; and `undivided`, without another delimiter in their texts.
    """

    dialect: Dialect
    header: HeaderRow
    first_row: int | None
    rows: list[list[str]]
    whole: float
    good: float
    undivided: float
    regular: tuple[int, float, int]

    @property
    def header_row(self) -> int | None:
        return self.header.row

    @property
    def fit(self) -> tuple[bool, int, float, float, float]:
        """How well the text fits what is expected, when it is read so. Only the header counts where it does not fit."""
        if self.header.fits:
            return True, self.header.named, self.whole, self.good, self.undivided
        is_usual = self.dialect.delimiter in DELIMITERS or self.regular[0] > 0
        return False, self.header.named if is_usual else -1, 0.0, 0.0, 0.0

    @property
    def rank(self) -> tuple[Any, ...]:
        return self.fit, self.regular, self.whole if self.header.fits or self.regular[0] else 0.0


def _read(dialect: Dialect, sample: _Sample) -> _Reading:
    records = [
        (row, cells, is_structural(raw, dialect) and "\0" not in raw) for row, cells, raw in sample.records(dialect)
    ]
    table = [(row, cells) for row, cells, _ in records if cells is not None and row not in dialect.comment_rows]
    first_row = table[0][0] if table else None
    header = _header(dialect, records, table, sample.expected)
    behind = max(dialect.header_rows or (header.row or 0,)) if dialect.header_rows != () else 0
    rows = [
        (cells, is_whole)
        for row, cells, is_whole in records
        if cells and row > behind and row not in dialect.comment_rows
    ]
    width = len(header.labels)
    whole = [cells for cells, is_whole in rows if is_whole and len(cells) == width]
    good = undivided = 0
    if header.fits and sample.expected is not None:
        good = sum(map(sample.expected.row_check(header.labels), whole))
        others = set(DELIMITERS) - {dialect.delimiter}
        texts = sample.expected.text_columns(header.labels)
        undivided = sum(others.isdisjoint("".join([cells[index] for index in texts])) for cells in whole)
    count = max(1, len(rows))
    widths = [len(cells) for cells, _ in rows]
    if header.row is not None and header.labels:
        widths.insert(0, width)
    return _Reading(
        dialect,
        header,
        first_row,
        [cells for cells, _ in rows],
        len(whole) / count,
        good / count,
        undivided / count,
        _regularity(dialect.delimiter, widths),
    )


def _header(
    dialect: Dialect,
    records: Sequence[tuple[int, list[str] | None, bool]],
    table: Sequence[tuple[int, list[str]]],
    expected: Expected | None,
) -> HeaderRow:
    """The header of a table, whose rows that are not comments are `table`."""
    if dialect.header_rows is None:
        return find_header(table, expected)
    names = [] if expected is None else list(expected.field_names)
    if not dialect.header_rows:
        return HeaderRow(None, names, bool(names), len(names))
    reader = LabelReader(dialect)
    try:
        for row, cells, _ in records:
            reader.take(row, cells or [])
            if reader.is_done:
                break
    except JobFailed:  # the import will say why
        return HeaderRow(None, [])
    fits = expected is not None and reader.is_done and expected.fits(reader.labels)
    return HeaderRow(reader.first_row, reader.labels, fits, expected.named(reader.labels) if expected else 0)


def _regularity(delimiter: str, widths: Sequence[int]) -> tuple[int, float, int]:
    """How evenly a delimiter divides the records, and into how many cells; zeros where it divides no header."""
    if not widths or widths[0] < 2:
        return 0, 0.0, 0
    if delimiter in DELIMITERS:
        return 2, round(Counter(widths)[widths[0]] / len(widths), 1), widths[0]
    if delimiter in RARE_DELIMITERS and len(widths) >= _FEWEST_RECORDS and len(set(widths)) == 1:
        return 1, 1.0, 0
    return 0, 0.0, 0


def _candidates(declared: Dialect, is_open: set[str], sample: _Sample) -> Iterator[Dialect]:
    """The dialects that a text suggests, the more common first."""
    for delimiter in _delimiters(sample) if "delimiter" in is_open else [declared.delimiter]:
        quotes: list[str | None] = [declared.quote_char]
        if "quoteChar" in is_open:
            opening = re.compile(rf"(?:^|{re.escape(delimiter)}) *(['`])", re.MULTILINE)
            quotes += sorted(set(opening.findall(sample.text)))
        skips = [declared.skip_initial_space]
        if "skipInitialSpace" in is_open and f"{delimiter} " in sample.text:
            skips.append(True)
        for quote, skip in product(quotes, skips):
            escapes = [declared.escape_char]
            if "escapeChar" in is_open and _escapes_quotes(sample, delimiter, quote):
                escapes.append("\\")
            for escape in escapes:
                dialect = replace(
                    declared, delimiter=delimiter, quote_char=quote, skip_initial_space=skip, escape_char=escape
                )
                if not dialect.contradictions():
                    yield dialect


def _delimiters(sample: _Sample) -> list[str]:
    """Those that may divide the text, and at the end one that does not occur in it: it may have a single column."""
    present = [delimiter for delimiter in DELIMITERS if delimiter in sample.text]
    present += [delimiter for delimiter in RARE_DELIMITERS if delimiter in sample.text]
    if sample.expected is not None:
        for delimiter in _ODD_DELIMITERS:
            lines = (line for line in sample.lines[:HEADER_ROWS] if delimiter in line)
            labels = ([part.strip(" \r\n\"'`") for part in line.split(delimiter)] for line in lines)
            if any(sample.expected.named(each) > 1 for each in labels):
                present.append(delimiter)
    absent = next((delimiter for delimiter in DELIMITERS if delimiter not in sample.head), RARE_DELIMITERS[0])
    first = [","] if "," not in present else []
    return [*first, *present, *([absent] if absent not in [*first, *present] else [])]


def _escapes_quotes(sample: _Sample, delimiter: str, quote: str | None) -> bool:
    """Whether backslashes may be escapes: one stands before a quote, and none before what needs no escape."""
    if quote is None or f"\\{quote}" not in sample.text:
        return False
    return not re.search(
        rf"\\(?!\\|{re.escape(quote)}|{re.escape(delimiter)}|[\r\n]|\Z)", sample.head.replace("\\\\", "")
    )


def _settled(best: _Reading, readings: Sequence[_Reading], sample: _Sample, is_open: set[str]) -> tuple[_Reading, str]:
    """The best reading among those that fit equally well, and what to tell of the choice."""
    if sample.expected is not None and not best.header.fits:
        return best, ""
    told = []
    equal = [each for each in readings if (each.fit, each.whole) == (best.fit, best.whole)]
    for rival in equal:
        if rival.dialect == replace(best.dialect, quote_char=rival.dialect.quote_char) and rival is not best:
            wrapped = _wrapped(best.rows, rival.dialect.quote_char or "")
            if wrapped:
                best = rival
                if wrapped < _FEWEST_RECORDS:
                    told.append(f"The quotes {rival.dialect.quote_char} around cells were dropped")
                break
    for rival in equal:
        if rival.dialect == replace(best.dialect, skip_initial_space=True) and rival is not best:
            cells = [cell for row in best.rows for cell in row[sample.own_columns + 1 :] if cell.strip()]
            if cells and all(cell.startswith(" ") for cell in cells):
                best = rival
    if "skipInitialSpace" in is_open and best.dialect.skip_initial_space:
        told.append("Spaces after delimiters were dropped (skipInitialSpace)")
    if "escapeChar" in is_open and best.dialect.escape_char:
        told.append("A backslash was read as the escape of the character after it (escapeChar)")
    if best.header.fits:
        others = {
            each.dialect.delimiter
            for each in equal
            if each.rows != best.rows and each.dialect == replace(best.dialect, delimiter=each.dialect.delimiter)
        }
        if others:
            names = " or ".join(_SHOWN.get(each, f'"{each}"') for each in sorted(others))
            taken = _SHOWN.get(best.dialect.delimiter, f'"{best.dialect.delimiter}"')
            told.append(f"The cells were divided at {taken}, but {names} fits the entity as well")
    return best, "; ".join(told)


def _wrapped(rows: Sequence[Sequence[str]], quote: str) -> int:
    """The number of filled cells in a column in which all of them stand in quotes; of several the greatest, else 0."""
    most = 0
    for column in zip_longest(*rows, fillvalue=""):
        cells = [cell for cell in column if cell]
        if cells and all(len(cell) > 1 and cell[0] == cell[-1] == quote for cell in cells):
            most = max(most, len(cells))
    return most


def _rejects_dialect(dialect: Dialect, document: Mapping[str, Any], head: str, delimiter: str) -> tuple[Dialect, bool]:
    """The dialect of a rejects file, as far as its header and the reason of its first row tell it; and whether they
    tell the quote character."""
    quote = _REASON_QUOTE.match(head)
    is_own = document.get("delimiter") in (None, delimiter) and (quote is None or quote[2] == dialect.quote_char)
    base = dialect if is_own or not (quote or delimiter != dialect.delimiter) else Dialect()
    if delimiter in (base.quote_char, base.escape_char):
        base = Dialect()
    if quote and base.quote_char != quote[2] and "quoteChar" not in document:
        base = replace(base, quote_char=quote[2])
    found = replace(
        base,
        delimiter=delimiter,
        header_rows=(1,),
        comment_rows=(),
        comment_char=None,
        null_sequence=dialect.null_sequence,
    )
    return found, quote is not None


def _after_hint(declared: Dialect, document: Mapping[str, Any], delimiter: str) -> Dialect:
    """The dialect of a table below the line `sep=`: a delimiter that is declared is stronger, and a header that is
    declared for row 1 stands below the line."""
    rows = declared.header_rows
    if rows and rows[0] == 1:
        rows = tuple(row + 1 for row in rows)
    below = replace(declared, header_rows=rows, comment_rows=tuple(sorted({1, *declared.comment_rows})))
    if document.get("delimiter") is not None:
        return below
    hinted = replace(below, delimiter=delimiter)
    if problems := hinted.contradictions():
        raise JobFailed("source-error", f"The dialect cannot be used: {DialectError(problems)}.")
    return hinted
