"""How jobs and what belongs to them are stored: attribute names are the contract's member names, times RFC 3339 text,
expiries epoch seconds (DynamoDB's TTL asks for that)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from waybill.jobs.model import ChunkLease, Counts, Job, Outcome, Process, Status
from waybill.timestamps import from_epoch, parse_rfc3339, rfc3339

LIST_KEY = "JOB"
_TIMES = ("submitted_at", "started_at", "completed_at", "heartbeat_at", "window_from", "window_to")
_EPOCHS = ("expires_at", "files_expire_at")
_NESTED = ("counts", "leases", "process", "status", "outcome")


@dataclass(frozen=True)
class Upload:
    """A place to send a file to, and who may make an import of it."""

    upload_id: str
    entity: str
    file_name: str
    started_by: str
    started_by_id: str | None
    key: str
    expires_at: datetime
    entity_uid: str | None = None
    job_id: str | None = None


@dataclass(frozen=True)
class Drop:
    """One S3 event: the sequencer orders events of a key (hexadecimal, compared after padding on the left)."""

    key: str
    sequencer: str

    @property
    def order(self) -> str:
        return self.sequencer.rjust(64, "0")

    @property
    def item_key(self) -> dict[str, Any]:
        return {"pk": f"DROP#{hashlib.sha256(self.key.encode()).hexdigest()}", "sk": "LATEST"}


@dataclass(frozen=True)
class LedgerEntry:
    """What one part of a chunk came to, and which attempt's files hold the details.

    A chunk has one part, or several where an invocation ran out of time: each begins at the row and byte where the one
    before ended. `failure` is a job code where the source could not be read to the chunk's end. `cursor` is where the
    next part of an export's chunk begins.
    """

    chunk: int
    part: int
    attempt: str
    imported: int
    rejected: int
    unprocessed: int
    errors: int
    next_row: int
    next_byte: int
    is_last: bool
    failure: str | None = None
    cursor: str | None = None

    @property
    def rows(self) -> int:
        return self.imported + self.rejected + self.unprocessed


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


_FIELD_NAMES = [field.name for field in dataclasses.fields(Job)]


def job_item(job: Job) -> dict[str, Any]:
    """The stored form of a job, as plain values."""
    item: dict[str, Any] = {
        "pk": f"JOB#{job.job_id}",
        "sk": "JOB",
        "listKey": LIST_KEY,
        "listSort": f"{rfc3339(job.submitted_at)}#{job.job_id}",
        "process": str(job.process),
        "status": str(job.status),
        "leases": {str(chunk): dataclasses.asdict(lease) for chunk, lease in job.leases.items()},
        **dataclasses.asdict(job.counts),
    }
    if job.outcome is not None:
        item["outcome"] = str(job.outcome)
    for name in _FIELD_NAMES:
        if name in _NESTED:
            continue
        value = getattr(job, name)
        if name in _TIMES:
            value = rfc3339(value)
        elif name in _EPOCHS and value is not None:
            value = int(value.timestamp())
        item[camel(name)] = value
    return {name: value for name, value in item.items() if value is not None}


def job_from_item(item: Mapping[str, Any]) -> Job:
    """The inverse of `job_item`."""
    values: dict[str, Any] = {}
    for name in _FIELD_NAMES:
        if name in _NESTED or camel(name) not in item:
            continue
        value = item[camel(name)]
        if name in _TIMES:
            value = parse_rfc3339(value)
        elif name in _EPOCHS:
            value = from_epoch(value)
        values[name] = value
    outcome = item.get("outcome")
    return Job(
        process=Process(item["process"]),
        status=Status(item["status"]),
        outcome=None if outcome is None else Outcome(outcome),
        counts=Counts(item.get("total"), item["imported"], item["rejected"], item["unprocessed"]),
        leases={int(chunk): ChunkLease(**lease) for chunk, lease in item.get("leases", {}).items()},
        **values,
    )


def upload_item(upload: Upload) -> dict[str, Any]:
    item = {camel(name): value for name, value in dataclasses.asdict(upload).items() if value is not None}
    return item | {"pk": f"UPLOAD#{upload.upload_id}", "sk": "UPLOAD", "expiresAt": int(upload.expires_at.timestamp())}


def upload_from_item(item: Mapping[str, Any]) -> Upload:
    names = [field.name for field in dataclasses.fields(Upload)]
    values: dict[str, Any] = {name: item.get(camel(name)) for name in names}
    return Upload(**{**values, "expires_at": from_epoch(item["expiresAt"])})


def ledger_item(job_id: str, entry: LedgerEntry) -> dict[str, Any]:
    return {"pk": f"JOB#{job_id}", "sk": f"CHUNK#{entry.chunk:06d}#{entry.part:04d}", **dataclasses.asdict(entry)}


def ledger_entry_from_item(item: Mapping[str, Any]) -> LedgerEntry:
    values: dict[str, Any] = {field.name: item.get(field.name) for field in dataclasses.fields(LedgerEntry)}
    return LedgerEntry(**values)
