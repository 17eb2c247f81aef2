"""File contents imported before, so that the same file sent again is recognised.

Only an import that left no row counts: a file that was imported in part is sent again for the rest. The same bytes in
another mode are other work (contract, section 5, `refuseDuplicates`).

CONTENT#{uid} / {mode}#{sha256}   jobId, expiresAt: the last import of these bytes into the entity in this mode
"""

from __future__ import annotations

from contextlib import suppress

from waybill.aws.dynamodb import ConditionFailed
from waybill.aws.expressions import Attr
from waybill.aws.table import Table
from waybill.clock import Clock
from waybill.jobs.model import Job
from waybill.timestamps import from_epoch

KEPT_SECONDS = 30 * 86_400


class Duplicates:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def find(self, entity_uid: str, mode: str, sha256: str) -> str | None:
        """The id of the job that imported the same bytes into the entity in the last KEPT_SECONDS, whole and in this
        mode; or None."""
        item = self._table.get((f"CONTENT#{entity_uid}", f"{mode}#{sha256}"))
        if item is None or from_epoch(item["expiresAt"]) <= self._clock.now():
            return None
        return str(item["jobId"])

    def remember(self, job: Job, sha256: str) -> None:
        """Remember the bytes of an import that ended with SUCCESS for KEPT_SECONDS."""
        expires = int(self._clock.now().timestamp()) + KEPT_SECONDS
        item = {
            "pk": f"CONTENT#{job.entity_uid}",
            "sk": f"{job.mode}#{sha256}",
            "jobId": job.job_id,
            "expiresAt": expires,
        }
        self._table.put(item)

    def forget(self, undo: Job, sha256: str) -> None:
        """Forget the bytes of the import that a job undoes, unless another import brought them since."""
        with suppress(ConditionFailed):
            self._table.delete(
                (f"CONTENT#{undo.entity_uid}", f"{undo.mode}#{sha256}"), Attr("jobId").equals(undo.undo_of)
            )
