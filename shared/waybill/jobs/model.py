"""A job: its statuses, the only moves between them, and the message that users see in each status.

Pure: no AWS, no clock. Source of every rule: the contract, section 4.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from waybill.errors import Conflict, counted, in_words
from waybill.sizes import MAX_MESSAGE


class Process(StrEnum):
    IMPORT = "import"
    EXPORT = "export"


class Status(StrEnum):
    WAITING = "WAITING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class Outcome(StrEnum):
    SUCCESS = "SUCCESS"
    PARTIAL_SUCCESS = "PARTIAL_SUCCESS"
    FAILED = "FAILED"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED})
MOVES: dict[Status, frozenset[Status]] = {
    Status.WAITING: frozenset({Status.IN_PROGRESS, Status.FAILED, Status.CANCELED}),
    Status.IN_PROGRESS: frozenset({Status.COMPLETED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELED: frozenset(),
}

#: How far the delivery of an export's file is (`Job.delivery`) while it can still be given up.
UPLOADING = "uploading"

# Failures whose cause is the request or the file, not the service (Zilliant's clientErrorCallingService).
SERVICE_FAILURES = frozenset({"internal-error", "timed-out", "delivery-failed"})


@dataclass(frozen=True)
class Counts:
    """Rows by fate. `total` is None until known. At a terminal status total = imported + rejected + unprocessed.

    Of the rejected rows, `repeated` ones lost to another row of their key (`duplicate-key`); of the rejected and the
    unprocessed ones, `lost` ones have no text, because the file was gone.
    """

    total: int | None = None
    imported: int = 0
    rejected: int = 0
    unprocessed: int = 0
    repeated: int = 0
    lost: int = 0

    @property
    def importable(self) -> int:
        """Rows that were left and that a relaunch can import."""
        return self.rejected + self.unprocessed - self.repeated - self.lost

    def balances(self) -> bool:
        return self.total == self.imported + self.rejected + self.unprocessed


@dataclass(frozen=True)
class ChunkLease:
    """A chunk being loaded now: the attempt that owns it, the rows that it has handled so far, and until when no other
    attempt may take it over (epoch milliseconds).

    `row` is the first row that is not known to be handled; of an export, how much of its part is read, in thousandths.
    The counts cover exactly the rows before it, which stay in the table, or rejected, when the attempt dies. `repeated`
    is as in `Counts`. `attempts` counts those that have worked on the chunk: with more than one, rows may be written
    from `row` on.
    """

    attempt: str
    processed: int = 0
    imported: int = 0
    rejected: int = 0
    until: int = 0
    row: int = 0
    repeated: int = 0
    attempts: int = 1


@dataclass(frozen=True)
class Job:
    """One run of an import or an export, as stored. Times are aware UTC datetimes.

    `leases` holds the chunks in work by number; a finished chunk's rows are in `counts`, through its ledger item, and
    `chunks_loaded` counts it. `chunks` is how many the plan made.
    """

    job_id: str
    process: Process
    status: Status
    entity: str
    entity_uid: str
    file_name: str
    submitted_at: datetime
    started_by: str
    # subject of the token that started it; None for an S3 drop, whose permission is the bucket's
    started_by_id: str | None = None
    #: Its file was refused before the import had a definition: no such entity, unusable options, an older object.
    refused: bool = False
    source_bucket: str | None = None
    source_key: str | None = None
    source_etag: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    heartbeat_at: datetime | None = None
    # what the records that it writes to Waybill's own table bear (`jobs.running`); None for dry runs and exports
    write_time: datetime | None = None
    outcome: Outcome | None = None
    counts: Counts = field(default_factory=Counts)
    leases: dict[int, ChunkLease] = field(default_factory=dict)
    chunks: int | None = None
    chunks_loaded: int = 0
    error_code: str | None = None
    error_message: str | None = None
    mode: str = "upsert"
    dry_run: bool = False
    on_error: str = "skip"
    options: dict[str, Any] = field(default_factory=dict)
    detected: dict[str, Any] | None = None
    # what a careful person would want to know: each a code and a message
    warnings: list[dict[str, str]] = field(default_factory=list)
    stop_reason: str | None = None
    duplicate_of: str | None = None
    # the source that has fetched its file, and what that knows the file by (`sources.files`)
    source_id: str | None = None
    source_file: str | None = None
    # subject and name of the person for whom that source fetches files; their right is asked when the job begins
    acts_for: list[str] | None = None
    export_id: str | None = None
    export_type: str | None = None
    # the finished file of an export: key, rows, bytes, sha256; and how far its delivery is: step, name, attempts
    extracted: dict[str, Any] | None = None
    delivery: dict[str, Any] | None = None
    window_from: datetime | None = None
    window_to: datetime | None = None
    retry_of: str | None = None
    # whether it keeps what each record was before it; whether an undo has what it needs, once the job has ended
    keep_previous: bool = False
    can_undo: bool = False
    # the import whose rows this one undoes; of that one, the latest such job, and all of them
    undo_of: str | None = None
    undone_as: str | None = None
    undone_by: list[str] | None = None
    # what the plan step of a relaunched import makes its source of (`imports.child_source`); until then it has no
    # `source_key`. None where the source was there at the registration
    takes: dict[str, Any] | None = None
    # the latest job that imports the rows that this one left, and those that imported some of them, corrected
    relaunched_as: str | None = None
    corrected_by: list[str] | None = None
    # executions before the current one, and since when recovery has restarted them (`upkeep.recovery`)
    restarts: int = 0
    recovering_since: datetime | None = None
    expires_at: datetime | None = None
    files_expire_at: datetime | None = None
    has_error_log: bool = False
    has_rejects: bool = False
    has_download: bool = False

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def blanks(self) -> str:
        """What a missing value does to the field of a record that stays: `clear` or `keep`."""
        return str(self.options.get("blanks", "clear"))

    @property
    def recipients(self) -> list[str]:
        """Addresses that get the report of an import when it ends. Those of an export are in its definition."""
        return list(self.options.get("recipients", ()))

    @property
    def window(self) -> tuple[datetime | None, datetime | None]:
        """Of an export of changes: from when to before when its records were written."""
        return self.window_from, self.window_to

    @property
    def webhooks(self) -> list[dict[str, str]]:
        """Which addresses are told of the end: those of the import, or of the export's definition, and then those of
        the entity; each once."""
        named = [*self.options.get("webhooks", ()), *self.options.get("entityWebhooks", ())]
        return list({webhook["url"]: webhook for webhook in reversed(named)}.values())[::-1]

    @property
    def is_backfill(self) -> bool:
        """Whether it is a run of an incremental export for a past period, outside its series of windows."""
        return bool(self.options.get("backfill"))

    @property
    def is_stopped_export(self) -> bool:
        """Whether it is a run of an export that somebody has stopped, so that it has delivered nothing."""
        return self.process is Process.EXPORT and self.stop_reason is not None and self.status is not Status.FAILED

    @property
    def has_delivered(self) -> bool:
        """Whether it is a run of an export whose file was delivered, or can be downloaded."""
        return self.process is Process.EXPORT and self.status is Status.COMPLETED and self.stop_reason is None

    @property
    def is_publishing(self) -> bool:
        """Whether the file of an export is getting its final name, after which nothing takes it back."""
        return str((self.delivery or {}).get("step", UPLOADING)) != UPLOADING

    @property
    def takes_turns(self) -> bool:
        """Whether it is one of the imports of its entity that run one at a time."""
        return self.process is Process.IMPORT and not self.dry_run

    @property
    def takes_whole_file(self) -> bool:
        """Whether it is an import of a file, and not of rows that another job left, nor an undo."""
        is_import = self.process is Process.IMPORT and self.undo_of is None
        return is_import and (self.takes is None or bool(self.takes.get("is_whole")))

    @property
    def is_queued(self) -> bool:
        """Whether it waits for its turn."""
        return self.status is Status.WAITING and self.takes_turns

    def has_expired(self, now: datetime) -> bool:
        """Whether it counts as gone, although its record may still be there."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def processed(self) -> int:
        """Rows handled so far, in finished chunks and in those being loaded. Never falls while a job runs, nor at its
        end: the rows that a stopped export has read are then unprocessed."""
        if self.is_terminal and self.is_stopped_export:
            return self.counts.unprocessed
        done = self.counts.imported + self.counts.rejected
        return done + sum(lease.processed for lease in self.leases.values())

    @property
    def imported(self) -> int:
        return self.counts.imported + sum(lease.imported for lease in self.leases.values())

    @property
    def rejected(self) -> int:
        return self.counts.rejected + sum(lease.rejected for lease in self.leases.values())

    @property
    def repeated(self) -> int:
        """Of the rejected rows, those that another row of the file replaces, as far as a precheck has found them."""
        return self.counts.repeated + sum(lease.repeated for lease in self.leases.values())

    @property
    def percent(self) -> int | None:
        """How much of the file of an import is handled, or of the table of an export is read, while the job is in
        progress; None where that is not known."""
        if self.status is not Status.IN_PROGRESS:
            return None
        if self.process is Process.IMPORT:
            return self.processed * 100 // self.counts.total if self.counts.total else None
        if "parts" not in self.options:
            return None
        read = sum(lease.row for part, lease in self.leases.items() if part >= 0)
        return (1000 * self.chunks_loaded + read) // (10 * int(self.options["parts"]))

    @property
    def is_loaded(self) -> bool:
        """Whether every chunk is finished: what is left is to put the result together."""
        return self.chunks is not None and self.chunks_loaded == self.chunks

    def allowed_actions(self) -> list[str]:
        """What the status allows (contract section 4), in the words of the API's paths."""
        if self.status is Status.WAITING:
            return ["cancel"] if self.process is Process.IMPORT else []
        if self.status is Status.IN_PROGRESS:
            is_too_late = self.is_loaded if self.process is Process.IMPORT else self.is_publishing
            return [] if is_too_late or self.stop_reason is not None else ["stop"]
        return ["delete"]

    def conflict(self, done: str) -> Conflict:
        """The refusal of an action that the status forbids: names the job, and says what to do.

        Args:
            done: what the job cannot be: "canceled", "stopped" or "deleted".
        """
        allowed = self.allowed_actions()
        way_on = ""
        if done == "deleted":
            way_on = f" {allowed[0].capitalize()} it first, or wait for its end." if allowed else " Wait for its end."
        elif not self.is_terminal:
            way_on = f" {allowed[0].capitalize()} it instead." if allowed else " Wait for its end."
        return Conflict(f"Job {self.job_id} is {in_words(self.status)} and cannot be {done}.{way_on}", allowed)


def check_move(current: Status, new: Status) -> None:
    """Raise Conflict unless `current → new` is one of the moves of the contract."""
    if new not in MOVES[current]:
        raise Conflict(f"A job that is {current} cannot become {new}.")


def left_undone(undo: Job) -> bool:
    """Whether an undo has ended before its end, so that another one may follow it."""
    return undo.is_terminal and (undo.counts.unprocessed > 0 or undo.counts.total == 0)


def outcome_of(status: Status, counts: Counts) -> Outcome | None:
    """The outcome of a job that has just ended (contract section 4)."""
    if status is Status.CANCELED or status not in TERMINAL:
        return None
    if status is Status.FAILED:
        return Outcome.FAILED
    if counts.rejected or counts.unprocessed:
        return Outcome.PARTIAL_SUCCESS if counts.imported else Outcome.FAILED
    return Outcome.SUCCESS


def message_of(job: Job) -> str:
    """The one sentence that the screens show (kintone's message column)."""
    counts = job.counts
    if job.status is Status.WAITING:
        return "Queued, waiting to start"
    if job.status is Status.IN_PROGRESS:
        verb = "written" if job.process is Process.EXPORT else "processed"
        if job.is_stopped_export:
            return "Stopping"
        if job.extracted is not None:
            return f"{counted(job.extracted['rows'])} written, delivering the file"
        if counts.total is None:
            reading = "Reading the table" if job.process is Process.EXPORT else "Reading the file"
            return f"{counted(job.processed)} {verb}" if job.processed else reading
        if job.stop_reason is not None:
            return f"Stopping; {job.processed:,} of {counted(counts.total)} {verb}"
        return f"{job.processed:,} of {counted(counts.total)} {verb}"
    if job.status is Status.CANCELED:
        return "Canceled before it started"
    if job.status is Status.FAILED:
        return f"{job.error_code}: {job.error_message}"
    if job.is_stopped_export:
        return f"The export was stopped after {counted(counts.unprocessed)}; there is no file"
    if job.process is Process.EXPORT:
        return f"{counted(counts.imported)} exported"
    done = "undone" if job.undo_of is not None else "would be imported" if job.dry_run else "imported"
    parts = [f"{counted(counts.imported)} {done}"]
    if counts.rejected:
        why = "left because their records have changed since" if job.undo_of else "rejected because of errors"
        parts.append(f"{counts.rejected:,} {why}")
    if counts.unprocessed:
        why = (
            "an error limit was reached"
            if job.stop_reason == "MAX_ERRORS"
            else f"the {'undo' if job.undo_of else 'import'} was stopped"
        )
        parts.append(f"{counts.unprocessed:,} not processed because {why}")
    return ", ".join(parts)


def rows_per_second(job: Job, now: datetime) -> float | None:
    """Mean rate since the job started; None before its first row."""
    if job.started_at is None or not job.processed:
        return None
    seconds = ((job.completed_at or now) - job.started_at).total_seconds()
    return round(job.processed / seconds, 1) if seconds > 0 else None


def remaining_seconds(job: Job, now: datetime) -> int | None:
    """Seconds left at the mean rate so far; None when unknown or ended."""
    rate = rows_per_second(job, now)
    if job.is_terminal or not rate or job.counts.total is None:
        return None
    return max(0, round((job.counts.total - job.processed) / rate))


def finished(job: Job, status: Status, counts: Counts, now: datetime, retention: Retention, **changes: Any) -> Job:
    """The job as it stands after its last move.

    Raises:
        Conflict: the move is not one of the contract's.
        ValueError: the tally does not balance.
    """
    check_move(job.status, status)
    if not counts.balances():
        raise ValueError(f"job {job.job_id}: {counts} does not balance")
    expires, files_expire = retention.expiry(job, now)
    outcome = outcome_of(status, counts)
    if status is Status.COMPLETED and job.is_stopped_export:
        outcome = Outcome.FAILED
    if "error_message" in changes:
        changes["error_message"] = _shortened(changes["error_message"])
    return dataclasses.replace(
        job,
        status=status,
        counts=counts,
        leases={},
        outcome=outcome,
        completed_at=now,
        expires_at=expires,
        files_expire_at=files_expire,
        **changes,
    )


def _shortened(message: str | None) -> str | None:
    """A message that quotes a file may be as long as the file's cells; the job is an item of a table."""
    return message if message is None or len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


@dataclass(frozen=True)
class Retention:
    """How long records and files stay, in seconds (contract section 4, *Retention*)."""

    import_seconds: int
    import_minimum_seconds: int
    export_seconds: int
    files_seconds: int

    def expiry(self, job: Job, completed_at: datetime) -> tuple[datetime, datetime]:
        """(when the record expires, when its files do)."""
        completed = completed_at.timestamp()
        if job.process is Process.IMPORT:
            expires = max(job.submitted_at.timestamp() + self.import_seconds, completed + self.import_minimum_seconds)
        else:
            expires = completed + self.export_seconds
        files = min(completed + self.files_seconds, expires)
        # Whole seconds, as they are stored: readers and retention then agree to the millisecond.
        return datetime.fromtimestamp(int(expires), UTC), datetime.fromtimestamp(int(files), UTC)


def job_prefix(job_id: str) -> str:
    """Prefix of everything a job keeps in the files bucket."""
    return f"jobs/{job_id}/"
