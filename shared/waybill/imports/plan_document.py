"""The plan of an import: its chunks, and how to read them. The plan step writes it to S3, the other steps read it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from waybill.aws.files import SourceChanged
from waybill.entities.header import REJECTS_LABELS
from waybill.imports.job_files import plan_key
from waybill.imports.rejects import RejectsFormat, reason_of
from waybill.imports.source_object import ObjectVersion
from waybill.tabular.dialect import Dialect
from waybill.tabular.records import cell_pattern
from waybill.tabular.scan import Chunk, record_text

if TYPE_CHECKING:
    from waybill.jobs.services import Services


def is_rejects_file(labels: Sequence[str]) -> bool:
    """Whether a file with this header is a rejects file that is sent again."""
    return tuple(labels[:3]) == REJECTS_LABELS


@dataclass(frozen=True)
class DialectRejects(RejectsFormat):
    """A rejects file of a dialect that escapes its quotes instead of doubling them."""

    dialect: Dialect = field(default_factory=Dialect)

    def _why(self, type: str, name: str | None, message: str, more: int) -> str:
        reason = record_text([reason_of(name, message, more)], self.dialect)
        return f"{self.delimiter}{type}{self.delimiter}{reason}{self.delimiter}"

    @property
    def _leading_columns(self) -> re.Pattern[str]:
        cell, delimiter = cell_pattern(self.dialect), re.escape(self.delimiter)
        return re.compile(f"{cell}{delimiter}{cell}{delimiter}{cell}(?:{delimiter}|\\Z)")


@dataclass(frozen=True)
class ImportPlan:
    """What the steps after the plan need to know about the file.

    Attributes:
        source: the object that the chunks are ranges of: the file itself, or the CSV that it was converted to.
        text_encoding: of that object's bytes.
        encoding, bom: of the rejects file.
        key_partitions: of the digest files; 0 for an entity without primary key, where no key can be repeated.
        format: the kind of the original file, such as `csv` or `jsonl`.
        sheets: (number of the first row, name) of the sheets of a workbook, where several are imported.
    """

    source: ObjectVersion

    labels: list[str]
    header: str
    chunks: list[Chunk]
    encoding: str
    bom: bool
    sha256: str
    dialect: Dialect
    key_partitions: int
    text_encoding: str = "utf-8"
    format: str = "csv"
    sheets: tuple[tuple[int, str], ...] = ()

    @property
    def rejects_format(self) -> RejectsFormat:
        strip = is_rejects_file(self.labels)
        delimiter, quote_char = self.dialect.delimiter, self.dialect.quote_char
        if self.dialect.escape_char or not self.dialect.double_quote:
            return DialectRejects(delimiter, quote_char, self.encoding, strip, dialect=self.dialect)
        return RejectsFormat(delimiter, quote_char, self.encoding, strip, self.sheets)

    @property
    def may_lack_values(self) -> bool:
        """Whether cells may be marked as those of a workbook that have no value (`waybill.imports.cells`)."""
        return self.format not in ("csv", "jsonl") or self.rejects_format.strip_columns

    @property
    def first_row(self) -> int | None:
        """The number of the first row; None where the rows are not numbered one after the other: where comments are in
        between, or the file is a rejects file, whose rows have the numbers of another one."""
        if self.rejects_format.strip_columns or any(chunk.skipped for chunk in self.chunks):
            return None
        return self.chunks[0].first_row

    @property
    def empty_row(self) -> str:
        """A row whose cells are empty, for the rejects file."""
        return self.dialect.delimiter * (len(self.labels) - 1)

    def to_json(self, job_id: str) -> bytes:
        """The plan as a document whose `chunks` are the items of the state machine's maps."""
        document = asdict(self)
        document["chunks"] = [{"jobId": job_id, "chunk": chunk.number} for chunk in self.chunks]
        document["ranges"] = [
            [chunk.start, chunk.end, chunk.first_row, chunk.rows, chunk.skipped] for chunk in self.chunks
        ]
        return json.dumps(document).encode()

    @classmethod
    def from_json(cls, data: bytes) -> ImportPlan:
        document = json.loads(data)
        del document["chunks"]
        chunks = [
            Chunk(number, start, end, first_row, rows, tuple(skipped))
            for number, (start, end, first_row, rows, skipped) in enumerate(document.pop("ranges"))
        ]
        # A newer version may have written members that this one does not know, while it was deployed and taken back.
        known = {name: value for name, value in document.items() if name in cls.__dataclass_fields__}
        dialect, source = Dialect.from_json(document["dialect"]), ObjectVersion(**document["source"])
        known["sheets"] = tuple((row, name) for row, name in known.get("sheets", ()))
        return cls(**{**known, "chunks": chunks, "dialect": dialect, "source": source})


def read_plan(services: Services, job_id: str) -> ImportPlan | None:
    """The stored plan; None when the job has none."""
    try:
        data = services.files.read(services.settings.files_bucket, plan_key(job_id))
    except SourceChanged:
        return None
    return ImportPlan.from_json(data)
