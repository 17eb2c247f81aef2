"""The one import of each entity that is running: claimed by the transaction that begins it, released by the one that
ends it. Dry runs write nothing and do not claim.

RUNNING#{uid} / IMPORT     jobId, startedAt
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from waybill.aws.expressions import Attr
from waybill.aws.table import Action, Item, Key, Table
from waybill.jobs.model import Job
from waybill.timestamps import parse_rfc3339, rfc3339


class RunningImport(NamedTuple):
    job_id: str
    started_at: datetime


class RunningImports:
    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, entity_uid: str) -> RunningImport | None:
        """The entity's running import, or None. One consistent read."""
        item = self._table.get(_key(entity_uid))
        return None if item is None else _from_item(item)

    def find_many(self, entity_uids: Sequence[str]) -> dict[str, RunningImport]:
        """The running imports by their entities' uids. A consistent read for a hundred entities."""
        items = self._table.get_many([_key(uid) for uid in entity_uids])
        return {item["pk"].partition("#")[2]: _from_item(item) for item in items}


def claim_action(table: Table, job: Job) -> Action:
    """Claims the entity for a job that begins; its condition is false while another import is running."""
    pk, sk = _key(job.entity_uid)
    item = {"pk": pk, "sk": sk, "jobId": job.job_id, "startedAt": rfc3339(job.started_at)}
    return table.put_action(item, Attr("pk").is_missing())


def release_action(table: Table, job: Job) -> Action:
    """Releases the claim of a job that ends; its condition is false when another import has the claim."""
    is_free = Attr("jobId").is_missing()
    return table.delete_action(_key(job.entity_uid), is_free | Attr("jobId").equals(job.job_id))


def _key(entity_uid: str) -> Key:
    return f"RUNNING#{entity_uid}", "IMPORT"


def _from_item(item: Item) -> RunningImport:
    return RunningImport(item["jobId"], parse_rfc3339(item["startedAt"]))
