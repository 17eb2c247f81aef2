"""The corrections of a relaunch: items of the child, which the transaction of its registration puts and which are
removed with it.

    JOB#{jobId} / CORRECTIONS#{part}   data: a part of the document, packed

A request's body is at most 1 MiB, and a transaction takes 4 MB.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from waybill.aws.table import Action, Item, Table
from waybill.jobs.origins import Origin
from waybill.sizes import json_text

#: Corrected texts by label, by the number of the row in the original file.
Corrections = dict[int, dict[str, str]]

PREFIX = "CORRECTIONS#"
_PART_CHARACTERS = 300_000


@dataclass(frozen=True)
class CorrectedOrigin:
    """What a relaunch is made of, with corrections.

    Attributes:
        rows: what else the new job is made of.
        corrections: by row.
        job_id: the new job.
    """

    rows: Origin
    corrections: Mapping[int, Mapping[str, str]]
    job_id: str

    @property
    def refusal(self) -> str:
        return self.rows.refusal

    def actions(self, table: Table, now: datetime) -> list[Action]:
        packed = base64.b64encode(zlib.compress(json_text(self.corrections).encode())).decode()
        parts = [packed[at : at + _PART_CHARACTERS] for at in range(0, len(packed), _PART_CHARACTERS)]
        items: list[dict[str, Any]] = [
            {"pk": f"JOB#{self.job_id}", "sk": f"{PREFIX}{number}", "data": data} for number, data in enumerate(parts)
        ]
        return [*self.rows.actions(table, now), *map(table.put_action, items)]


def unpacked(items: Iterable[Item]) -> Corrections:
    """The corrections in the items of a job, in the order of their sort keys."""
    packed = "".join(item["data"] for item in items)
    if not packed:
        return {}
    document = json.loads(zlib.decompress(base64.b64decode(packed)))
    return {int(row): cells for row, cells in document.items()}
