"""An export: its definition, its statuses, and the actions that each allows (contract, section 7). Pure.

DRAFT ─activate→ SCHEDULED (periodic, or a one-shot with a future time) ─unschedule→ DRAFT
  └────activate→ IN_PROGRESS ──→ FINISHED (one-shot, also when its run failed)

A periodic export stays SCHEDULED while it runs. After PAUSE_AFTER failed runs in a row it returns to DRAFT by itself.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from waybill.errors import Conflict, in_words
from waybill.exports.compression import Compression
from waybill.timestamps import parse_rfc3339, rfc3339

if TYPE_CHECKING:
    from waybill.wire.jobs import RunSummary


class ExportType(StrEnum):
    ONE_SHOT = "ONE_SHOT"
    PERIODIC_FULL = "PERIODIC_FULL"
    INCREMENTAL = "INCREMENTAL"
    CUSTOM = "CUSTOM"
    INCREMENTAL_CUSTOM = "INCREMENTAL_CUSTOM"


class ExportStatus(StrEnum):
    DRAFT = "DRAFT"
    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    FINISHED = "FINISHED"


# In the words of the API's paths, where there is one.
ALLOWED_ACTIONS: dict[ExportStatus, tuple[str, ...]] = {
    ExportStatus.DRAFT: ("edit", "delete", "copy", "activate"),
    ExportStatus.SCHEDULED: ("unschedule", "run", "copy", "definition"),
    ExportStatus.IN_PROGRESS: ("definition",),
    ExportStatus.FINISHED: ("copy", "definition"),
}

#: What to do where a status does not allow an action.
_INSTEAD = {
    (ExportStatus.SCHEDULED, "edit"): "unschedule it first.",
    (ExportStatus.SCHEDULED, "delete"): "unschedule it first.",
    (ExportStatus.FINISHED, "edit"): "copy it, and edit the copy.",
    (ExportStatus.FINISHED, "delete"): "POST /v1/exports/delete deletes finished exports.",
    (ExportStatus.FINISHED, "activate"): "copy it, and activate the copy.",
    (ExportStatus.FINISHED, "run"): "copy it, and activate the copy.",
    (ExportStatus.DRAFT, "run"): "activate it first.",
}

PERIODIC = frozenset(ExportType) - {ExportType.ONE_SHOT}
INCREMENTAL = frozenset({ExportType.INCREMENTAL, ExportType.INCREMENTAL_CUSTOM})
CUSTOM = frozenset({ExportType.CUSTOM, ExportType.INCREMENTAL_CUSTOM})

DEFAULT_FORMAT = "csv"
MAX_CONDITIONS = 50
MAX_FILE_NAME_BYTES = 200
MAX_SPLIT_NAME_BYTES = 150
"""Of the name of a split export, so that its numbers also stand in temporary names."""
MAX_SPLIT_ROWS, LEAST_BYTES, MAX_SPLIT_BYTES = 10**9, 1_000, 5 * 10**12
"""Of the files of a split export: 5 TB is what an object of S3 holds."""
LEAST_ENCRYPTED_BYTES = 100_000
"""Of those that are encrypted: for each key some hundred bytes are added."""

DELETED = "_deleted"
"""Last column of an export that includes deletions."""

MAX_SET_ASIDE = 5
"""Old files that an export remembers to give their names back."""

NO_SERIES = ""
"""Stands for the series of a run that is outside of it: for a past period."""

PAUSE_AFTER = 5
"""Failed runs in a row after which an export pauses itself."""

_DATE_UNITS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
DATE_PATTERN = re.compile(r"\$((?:yyyy|MM|dd|HH|mm|ss)+)")
_UNIT = re.compile("|".join(_DATE_UNITS))


@dataclass(frozen=True)
class Definition:
    """What to extract and how to write it. All defaults are filled in; `fields` None means all, in schema order, and
    `split` None one file."""

    name: str
    entity: str
    type: ExportType
    fields: tuple[str, ...] | None
    filter: tuple[dict[str, Any], ...]
    format: str
    dialect: dict[str, Any]
    compression: Compression
    file_name: str
    schedule: dict[str, Any] | None
    destination: dict[str, Any]
    recipients: tuple[str, ...]
    webhooks: tuple[dict[str, str], ...]
    escape_formulas: bool
    include_deleted: bool
    split: dict[str, int] | None = None

    @property
    def is_periodic(self) -> bool:
        return self.type in PERIODIC

    @property
    def is_incremental(self) -> bool:
        return self.type in INCREMENTAL

    @property
    def is_custom(self) -> bool:
        return self.type in CUSTOM

    @property
    def has_changes(self) -> bool:
        """Whether files have a last column `_deleted`."""
        return self.is_incremental and self.include_deleted

    @property
    def encryption(self) -> dict[str, Any] | None:
        """What files are encrypted for (`waybill.encryption`)."""
        return self.destination.get("encryption")

    @property
    def delimiter(self) -> str:
        return str(self.dialect.get("delimiter", ","))

    @property
    def quote_char(self) -> str:
        return str(self.dialect.get("quoteChar", '"'))

    @property
    def line_terminator(self) -> str:
        """CRLF unless asked otherwise (RFC 4180 and Table Dialect agree)."""
        return str(self.dialect.get("lineTerminator", "\r\n"))

    @property
    def header(self) -> bool:
        return bool(self.dialect.get("header", True))

    def file_name_at(self, moment: datetime) -> str:
        """The file name with its date patterns replaced by `moment`, in the time zone that it carries."""
        return DATE_PATTERN.sub(
            lambda found: _UNIT.sub(lambda unit: moment.strftime(_DATE_UNITS[unit[0]]), found[1]), self.file_name
        )

    def to_document(self) -> dict[str, Any]:
        """The members of the contract's definition, as JSON values."""
        return {
            "name": self.name,
            "entity": self.entity,
            "type": self.type,
            "fields": None if self.fields is None else list(self.fields),
            "filter": list(self.filter),
            "format": self.format,
            "dialect": self.dialect,
            "compression": self.compression,
            "fileName": self.file_name,
            "schedule": self.schedule,
            "destination": self.destination,
            "recipients": list(self.recipients),
            "webhooks": list(self.webhooks),
            "escapeFormulas": self.escape_formulas,
            "includeDeleted": self.include_deleted,
            "split": self.split,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Definition:
        fields = document["fields"]
        return cls(
            name=document["name"],
            entity=document["entity"],
            type=ExportType(document["type"]),
            fields=None if fields is None else tuple(fields),
            filter=tuple(document["filter"]),
            format=document["format"],
            dialect=document["dialect"],
            compression=Compression(document["compression"]),
            file_name=document["fileName"],
            schedule=document["schedule"],
            destination=document["destination"],
            recipients=tuple(document["recipients"]),
            webhooks=tuple(document.get("webhooks", ())),
            escape_formulas=document["escapeFormulas"],
            include_deleted=document["includeDeleted"],
            split=document.get("split"),
        )


Window = tuple[datetime | None, datetime | None]
"""From when to before when records were written; None as the first is the beginning, as the second not chosen yet."""


@dataclass(frozen=True)
class Run:
    """A run that was requested. The export holds it from before its job is registered until after it has ended, so that
    there is one run at a time, and an interrupted start is resumed.

    `occurrence` is the moment of the schedule that it is for; None for one that a person started. `window` repeats that
    of the run `retry_of`, or is a past period that somebody chose.
    """

    job_id: str
    submitted_at: datetime
    started_by: str
    started_by_id: str | None = None
    occurrence: datetime | None = None
    retry_of: str | None = None
    window: Window | None = None

    def to_document(self) -> dict[str, Any]:
        return {
            "jobId": self.job_id,
            "submittedAt": rfc3339(self.submitted_at),
            "startedBy": self.started_by,
            "startedById": self.started_by_id,
            "occurrence": rfc3339(self.occurrence),
            "retryOf": self.retry_of,
            "window": None if self.window is None else [rfc3339(edge) for edge in self.window],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Run:
        window = document["window"]
        return cls(
            job_id=document["jobId"],
            submitted_at=datetime.fromisoformat(document["submittedAt"]),
            started_by=document["startedBy"],
            started_by_id=document["startedById"],
            occurrence=parse_rfc3339(document["occurrence"]),
            retry_of=document["retryOf"],
            window=None if window is None else (parse_rfc3339(window[0]), parse_rfc3339(window[1])),
        )


class Owner(NamedTuple):
    """Whom an export acts for: the subject of their tokens, and their name."""

    subject: str
    name: str


@dataclass(frozen=True)
class Export:
    """A definition and its state. Its `owner` is who activated it last; None before the first activation. A one-shot is
    also activated by a relaunch of its run.

    `version` counts the edits. `series` is new when an edit makes an incremental export start over; `window_end` is
    where the last delivered window of the series ended. `handled_until`: the schedule up to here is done. `running` is
    the run that has not ended, `job_id` the latest one, `last_run` a summary that outlives its job. `failures`: failed
    runs in a row. `set_aside`: old files of receivers to which the next run gives their names back, each the members of
    a `destinations.base.SetAside`. `message` says why the export paused itself at `paused_at`. The schedule attends to
    it at `due_at`, `revision` counts all changes, and `is_counted` says that it is among those of its entity; the
    repository keeps the three.
    """

    export_id: str
    definition: Definition
    entity_uid: str
    status: ExportStatus
    created_at: datetime
    created_by: str
    created_by_id: str
    series: str
    version: int = 1
    job_id: str | None = None
    last_run: RunSummary | None = None
    running: Run | None = None
    window_end: datetime | None = None
    handled_until: datetime | None = None
    failures: int = 0
    set_aside: tuple[dict[str, Any], ...] = ()
    message: str | None = None
    paused_at: datetime | None = None
    owner: Owner | None = None
    revision: int = dataclasses.field(default=1, compare=False)
    due_at: datetime | None = dataclasses.field(default=None, compare=False)
    is_counted: bool = dataclasses.field(default=False, compare=False)

    @property
    def id(self) -> str:
        return self.export_id

    @property
    def etag(self) -> str:
        """Names this state of the export (RFC 9110, section 8.8.3), without the quotes."""
        return f"{self.export_id}.{self.revision}"

    @property
    def acts_for(self) -> Owner:
        """The owner; for an export that was activated before owners were noted, whoever created it."""
        return self.owner or Owner(self.created_by_id, self.created_by)

    def has_delivered(self, series: str, window_from: datetime | None) -> bool:
        """Whether what was delivered of a series of windows reaches behind the beginning of one of them."""
        if series != self.series or self.window_end is None:
            return False
        return window_from is None or window_from < self.window_end

    def allowed_actions(self) -> list[str]:
        actions = list(ALLOWED_ACTIONS[self.status])
        if self.running is not None:
            actions = [action for action in actions if action not in ("run", "delete")]
        return actions

    def check_allows(self, action: str) -> None:
        """Raise Conflict, with what is allowed, unless the export's state allows the action."""
        if action not in self.allowed_actions():
            raise self.conflict(action)

    def check_is_over(self) -> None:
        """Raise Conflict, with what is allowed, unless it is a draft or has finished, and no run is in progress."""
        if self.running is not None or self.status not in (ExportStatus.DRAFT, ExportStatus.FINISHED):
            raise self.conflict("delete")

    def conflict(self, action: str) -> Conflict:
        """The refusal of an action: names the export and what is in the way, and says what to do."""
        detail = f'The export "{self.definition.name}" ({self.export_id}) '
        if self.running is not None and (action == "run" or self.status is not ExportStatus.SCHEDULED):
            detail += f"is running, as job {self.running.job_id}: wait for its end, or stop it."
        else:
            way_on = _INSTEAD.get((self.status, action), f"that does not allow {action}.")
            detail += f"is {in_words(self.status)}: {way_on}"
        return Conflict(detail, self.allowed_actions())


def starts_over(old: Definition, new: Definition) -> bool:
    """Whether an edit makes an incremental export start over with a window of all records: one of entity, fields or
    filter, or one that includes deletions, which the earlier windows did not have."""
    same = (old.entity, old.fields, old.filter) == (new.entity, new.fields, new.filter)
    return not same or (new.include_deleted and not old.include_deleted)
