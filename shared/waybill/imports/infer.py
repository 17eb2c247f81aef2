"""A proposal for an entity from the beginning of a file that was sent: what it is, and what its columns hold."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from waybill.entities.header import REJECTS_LABELS
from waybill.entities.inference import Column, Proposal, propose
from waybill.entities.model import Entity
from waybill.entities.schema import SchemaError, parse_schema
from waybill.errors import InvalidRequest
from waybill.imports.beginning import Beginning, Limits, read_beginning
from waybill.imports.options import ImportOptions

if TYPE_CHECKING:
    from waybill.jobs.services import Services
    from waybill.jobs.uploads import Upload

MAX_ROWS = 100_000
_SECONDS = 5.0  # a request of the API may take 29, and the file is read twice
_FIRST = Limits(bytes=512 * 1024, records=100)
_LIMITS = Limits(bytes=8 * 1024**2, records=MAX_ROWS + 100)
_NO_FIELD = "\ue000 the label of no file"


@dataclass(frozen=True)
class Inferred:
    """A proposal, and what was detected of the file, as in a job; `rows` were read."""

    proposal: Proposal
    detected: dict[str, Any] | None
    rows: int
    is_whole: bool

    def to_resource(self) -> dict[str, Any]:
        proposal = self.proposal
        return {
            "definition": proposal.definition,
            "detected": self.detected,
            "fields": proposal.fields,
            "rows": self.rows,
            "isWhole": self.is_whole,
        }


def infer_entity(services: Services, upload: Upload, options: ImportOptions, etag: str) -> Inferred:
    """Propose an entity for the file of an upload, from its first 100,000 rows, or 8 MiB.

    Args:
        options: how the file is read, where it does not tell.
        etag: of the version to read.

    Raises:
        InvalidRequest: the file cannot be read, its header cannot be one, or it has no rows.
        SourceChanged: another file was uploaded in its place.
    """
    if options.dialect is not None and options.dialect.get("header") is False:
        raise InvalidRequest(
            "Without a header nothing tells the names of the fields.", [("/dialect/header", "must be true")]
        )
    labels = _read(services, upload, [_NO_FIELD], options, etag, _FIRST).labels
    problem = _problem(labels)
    if problem:
        raise InvalidRequest(problem)
    # Once more with fields of these names: cells of workbooks become text by their fields.
    found = _read(services, upload, labels, options, etag, _LIMITS)
    columns = [Column(label) for label in found.labels]
    rows = longer = 0
    for cells in islice(found.rows(), MAX_ROWS):
        if not any(cells):  # an import rejects it, whatever the entity
            continue
        rows += 1
        longer += any(cells[len(columns) :])
        for column, cell in zip(columns, cells, strict=False):
            column.add(cell)
    for column in columns:
        column.end(rows)
    if not rows:
        raise InvalidRequest("The file has no rows, so that nothing tells what its columns hold.")
    if longer * 2 > rows:
        raise InvalidRequest("Most rows have more cells than the header. Say where it is: `headerRows` of the dialect.")
    if tuple(found.labels[:3]) == REJECTS_LABELS:  # an import ignores these columns
        del columns[:3]
    is_whole = found.is_whole and rows < MAX_ROWS
    clock = services.clock
    ends = clock.monotonic() + _SECONDS
    proposal = propose(columns, is_whole, lambda: clock.monotonic() < ends)
    proposal.definition.update(_reading(found, options))
    return Inferred(proposal, found.detected, rows, is_whole)


def _read(
    services: Services, upload: Upload, names: list[str], options: ImportOptions, etag: str, limits: Limits
) -> Beginning:
    schema = {"fields": [{"name": name} for name in names], "fieldsMatch": "partial"}
    entity = Entity(uid="", name="inferred", schema=schema, title="inferred")
    try:
        parse_schema(schema)
    except SchemaError as error:
        member, message = error.problems[0]
        raise InvalidRequest(f"The header cannot be used: {member.removeprefix('/fields/')} {message}.") from None
    found = read_beginning(services, upload, entity, options, etag, limits)
    if found.error is not None:
        row = f" (row {found.error.row_number})" if found.error.row_number else ""
        raise InvalidRequest(f"{found.error.message}{row} ({found.error.type})")
    return found


def _problem(labels: list[str]) -> str | None:
    blank = next((number for number, label in enumerate(labels, 1) if not label.strip()), None)
    if blank is not None:
        return f"Column {blank} has no label in the header. Name it, or remove the column."
    twice = next((label for number, label in enumerate(labels) if label in labels[:number]), None)
    return None if twice is None else f"Two columns have the label {twice!r}. Give each a name of its own."


def _reading(found: Beginning, options: ImportOptions) -> dict[str, Any]:
    """How later files are read, where that is not as most files are."""
    detected = found.detected or {}
    usual = {"delimiter": ",", "quoteChar": '"'}
    names = ("delimiter", "quoteChar", "escapeChar", "doubleQuote", "skipInitialSpace")
    dialect = dict(options.dialect or {})
    dialect |= {name: detected[name] for name in names if detected.get(name) not in (None, usual.get(name))}
    if detected.get("headerRow") not in (None, 1) and "headerRows" not in dialect:
        dialect["headerRows"] = [detected["headerRow"]]
    encoding = options.encoding or detected.get("encoding")
    reading: dict[str, Any] = {"dialect": dialect} if dialect else {}
    return reading | ({"encoding": encoding} if encoding not in (None, "utf-8") else {})
