"""Reads the rejects file of an ended import, from any of its rows on.

How it is read (dialect, encoding, where the rows begin) is in `jobs/{id}/rejects.json`, which whoever writes a rejects
file puts before it. Unlike the plan that document does not grow with the file, so that a request may read it; and an
abandoned import's rejects file has another form than its plan says.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from waybill.aws.files import SourceChanged
from waybill.entities.header import REJECTS_LABELS
from waybill.imports.job_files import rejects_form_key
from waybill.imports.plan_document import ImportPlan, read_plan
from waybill.tabular.dialect import Dialect
from waybill.tabular.encodings import is_cuttable
from waybill.tabular.recode import Recoded
from waybill.tabular.records import Readable, raw_records, segments

if TYPE_CHECKING:
    from waybill.jobs.services import Services


class RejectedRow(NamedTuple):
    """A row of a rejects file: its record as in the file, and the byte at which the next one begins."""

    raw: str
    end: int


@dataclass(frozen=True)
class RejectsForm:
    """How a rejects file is read.

    Attributes:
        dialect: of its records, with one header row and no comments.
        labels: of the source, without the three leading columns.
        start: the byte at which the first row begins.
        may_lack_values: whether cells may be marked as those of a workbook that have no value.
    """

    dialect: Dialect
    encoding: str
    bom: bool
    labels: list[str]
    start: int
    may_lack_values: bool = False

    @classmethod
    def of(cls, plan: ImportPlan) -> RejectsForm:
        form = plan.rejects_format
        mark = "\ufeff".encode(plan.encoding) if plan.bom else b""
        return cls(
            dialect=replace(plan.dialect, header_rows=(1,), comment_char=None, comment_rows=()),
            encoding=plan.encoding,
            bom=plan.bom,
            labels=plan.labels[len(REJECTS_LABELS) :] if form.strip_columns else plan.labels,
            start=len(mark) + len(form.header(plan.header)),
            may_lack_values=plan.may_lack_values,
        )

    def to_json(self) -> bytes:
        return json.dumps(dataclasses.asdict(self)).encode()

    def rows(self, stream: Readable, start: int) -> Iterator[list[RejectedRow]]:
        """The rows of a stream that begins with the row at byte `start` of the file, some at a time.

        Raises (while iterating):
            RecordTooLong, UnclosedQuote: as `segments`.
        """
        can_cut = is_cuttable(self.encoding)
        text_encoding = self.encoding if can_cut else "utf-8"
        end = start
        for segment in segments(stream if can_cut else Recoded(stream, self.encoding), self.dialect):
            rows = []
            for raw in raw_records(segment, segment.data.decode(text_encoding, "replace"), self.dialect):
                end += len(f"{raw}\n".encode(self.encoding, "replace"))
                rows.append(RejectedRow(raw, end))
            yield rows


def read_rejects_form(services: Services, job_id: str) -> RejectsForm | None:
    """How the rejects file of a job is read; None when its files are gone."""
    try:
        data = services.files.read(services.settings.files_bucket, rejects_form_key(job_id))
    except SourceChanged:  # an earlier version of Waybill ended the job
        plan = read_plan(services, job_id)
        return None if plan is None else RejectsForm.of(plan)
    document = json.loads(data)
    return RejectsForm(**{**document, "dialect": Dialect.from_json(document["dialect"])})
