"""What has been seen of a simulated world, and views of what there is, for the oracles."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.simulation.aws import Aws, Object
from tests.simulation.dynamodb import Server
from tests.simulation.oracles.sheets import Fold, Record, Sheet
from tests.simulation.servers import Hooks, Servers
from waybill.aws.dynamodb import from_attributes
from waybill.exports.file_names import delivered_names, part_name
from waybill.jobs.model import Job, Process, Status
from waybill.settings import Settings

Item = Mapping[str, Any]
#: Partitions of the jobs table that are empty when nothing is under way.
TRANSIENT = ("AFTER", "ACTIVE", "OUTBOX", "QUEUE#", "RUNNING#", "DELETING", "REMOVAL")


class Violation(AssertionError):
    """A promise is broken: which one, and how."""

    def __init__(self, oracle: str, message: str) -> None:
        super().__init__(f"{oracle}: {message}")
        self.oracle = oracle


@dataclass
class Seen:
    """What became of one job.

    `last_rows` has for each key the last row of the file that an import, or one that it relaunches, has imported.
    `accepts_rows` says that somebody relaunched a file that was refused for its number of rows.
    """

    job: Job
    moves: list[tuple[float, Status]] = field(default_factory=list)
    is_deleted: bool = False
    last_rows: dict[str, int] = field(default_factory=dict)
    accepts_rows: bool = False

    @property
    def ended_at(self) -> float | None:
        moment, status = self.moves[-1]
        return moment if status in ("COMPLETED", "FAILED", "CANCELED") else None


class Delivery(NamedTuple):
    """The file of a run that has been delivered, or its files by name."""

    job: Job
    files: dict[str, bytes]

    def rows(self) -> list[dict[str, str]]:
        return [row for data in self.files.values() for row in rows_of(data)]


def rows_of(data: bytes) -> list[dict[str, str]]:
    """The rows of a file of CSV."""
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


class Sight:
    """What has been seen of a world.

    Args:
        now: virtual seconds.

    Attributes:
        asked: how often people asked for a relaunch, an import of an upload, and a run; repetitions do not count.
        stops: jobs whose Stop was answered 200.
        stopped: when Stop took effect, by job.
        window_ends: the latest end of a window, by entity, in epoch milliseconds.
        stalls: whether a process may stall for longer than a lease between its last check and what it sends.
        removed_by_people: (bucket, key) of objects that people took away themselves.
        deleting: jobs whose deletion people asked for.
        checked: how many checks each oracle has made.
        last_fault: the moment of the last fault, stall or outage's end.
        skew_seconds: by how much the clocks of processes differ at most.
        names_records: the rows of files name records of their own entity (`sheets.NAMING_SCHEMA`).
        has_short_invocations: some have hardly more time than what steps keep back, too little to plan any file.
        hooks: the receivers of webhooks.
        told_of_imports: addresses that are told also of files that were refused before they were registered.
        to_be_told: address and job of each end that is to be told.
        totals: by entity, mode and source the rows of the imports that say what is usual, and when the last one ended.
        partner_files: name and content of each file that a partner put where a source fetches; no two are the same.
        poisoned: words in ids and keys of what may stay behind because it can never be handled.
    """

    def __init__(
        self,
        server: Server,
        aws: Aws,
        settings: Settings,
        now: Callable[[], float],
        servers: Servers | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self.server, self.aws, self.settings, self.now, self.servers = server, aws, settings, now, servers
        self.hooks = hooks or Hooks(aws.calls)
        self.told_of_imports: list[str] = []
        self.to_be_told: set[tuple[str, str]] = set()
        self.totals: dict[tuple[str, str, str], tuple[list[int], float]] = defaultdict(lambda: ([], 0.0))
        self.jobs: dict[str, Seen] = {}
        self.folds: dict[str, Fold] = defaultdict(Fold)
        self.deliveries: list[Delivery] = []
        self.asked: Counter[str] = Counter()
        self.stops: set[str] = set()
        self.stopped: dict[str, float] = {}
        self.window_ends: dict[str, int] = {}
        self.stalls = False
        self.removed_by_people: set[tuple[str, str]] = set()
        self.deleting: set[str] = set()
        self.poisoned: set[str] = set()
        self.last_fault = self.skew_seconds = 0.0
        self.has_short_invocations = False
        self.names_records = False
        self.checked: Counter[str] = Counter()
        self.puts: Counter[tuple[str, str, str]] = Counter()
        self.partner_files: list[tuple[str, bytes]] = []
        self._sources: dict[tuple[str, str, str], bytes] = {}
        self._etags: dict[tuple[str, str], str] = {}
        self._definitions: dict[str, dict[str, Any]] = {}

    def require(self, holds: bool, oracle: Callable[..., object], message: object) -> None:
        """
        Raises:
            Violation: the promise of the oracle is broken.
        """
        self.checked[oracle.__name__] += 1
        if not holds:
            raise Violation(oracle.__name__, str(message))

    def see(self, before: Job | None, after: Job | None) -> None:
        if after is None:
            assert before is not None
            self.jobs[before.job_id].is_deleted = True
            return
        if after.is_terminal and not (before is not None and before.is_terminal):
            self.to_be_told |= {(url, after.job_id) for url in self._told_of(after)}
        seen = self.jobs.setdefault(after.job_id, Seen(after))
        if not seen.moves or seen.moves[-1][1] != after.status:
            seen.moves.append((self.now(), after.status))
        if after.stop_reason == "USER":
            self.stopped.setdefault(after.job_id, self.now())
        seen.job = after
        # A period that somebody chose holds once the run has made sure of it.
        if after.window_to is not None and (not after.is_backfill or "parts" in after.options):
            end = int(after.window_to.timestamp() * 1000 + 0.5)
            self.window_ends[after.entity_uid] = max(end, self.window_ends.get(after.entity_uid, end))

    def _told_of(self, job: Job) -> list[str]:
        """The addresses that are told of its end."""
        if self.is_poisoned(job.job_id):
            return []
        if job.refused:
            return self.told_of_imports if job.entity_uid else []
        definition = self.definition(job)
        definition = definition if job.process is Process.IMPORT else definition["export"]
        return [webhook["url"] for webhook in definition.get("webhooks") or []]

    # Views

    def source(self, job: Job) -> Sheet | None:
        """The rows that the job was started with; None when nobody has seen its object."""
        data = self._sources.get((str(job.source_bucket), str(job.source_key), str(job.source_etag)))
        return None if data is None else Sheet(data)

    def content(self, job: Job) -> bytes | None:
        """The file that the job was started with; None when nobody has seen its object."""
        return self._sources.get((str(job.source_bucket), str(job.source_key), str(job.source_etag)))

    def has_source(self, job: Job) -> bool:
        """Whether the object that the job was started with is still there; without it, rows cannot be read again."""
        found = self.aws.buckets.get(str(job.source_bucket), {}).get(str(job.source_key))
        return found is not None and found.etag == job.source_etag

    def has_unreadable_plan(self, job: Job) -> bool:
        """Whether the job's plan can never be read; its rows can then be neither imported nor listed."""
        return f"jobs/{job.job_id}/plan.json" in self.aws.poison.unreadable

    def file(self, job: Job, name: str) -> Object | None:
        return self.aws.buckets[self.settings.files_bucket].get(f"jobs/{job.job_id}/{name}")

    def rejects(self, job: Job) -> Sheet | None:
        found = self.file(job, "rejects.csv")
        return None if found is None else Sheet(found.data)

    def records(self, entity_uid: str) -> Iterator[tuple[str, Item]]:
        """Key and item of each record of an entity, tombstones too."""
        table = self.server.tables[self.settings.records_table]
        for name, partition in table.partitions.items():
            if name.startswith(f"{entity_uid}#"):
                yield from partition.items.items()

    def live(self, entity_uid: str) -> dict[str, Record]:
        """The entity's records by key, values as text."""
        return {key: _record(item) for key, item in self.records(entity_uid) if "_gone" not in item}

    def marked(self, job: Job) -> set[str]:
        """Keys of the records that bear the job's mark."""
        return {key for key, item in self.records(job.entity_uid) if writer_of(item) == job.job_id}

    def under_way(self) -> list[str]:
        """What shows that something has not ended: entries of queues and lists, and executions."""
        settings = self.settings
        tables = (self.server.tables[settings.jobs_table], self.server.tables[settings.catalog_table])
        left = [
            f"{name}/{key}"
            for table in tables
            for name, partition in table.partitions.items()
            if name.startswith(TRANSIENT)
            for key in partition.items
        ]
        left += [
            f"run of source {key}"
            for name, partition in self.server.tables[settings.catalog_table].partitions.items()
            for key, item in partition.items.items()
            if name == "SOURCE" and "running" in item
        ]
        left += [f"execution {run.name}" for run in self.aws.executions.running()]
        return [entry for entry in left if not self.is_poisoned(entry)]

    def made_of_drops(self) -> Counter[tuple[str, str]]:
        """How many jobs were made of each dropped object (key and ETag), relaunches of it left out."""
        jobs = [seen.job for seen in self.jobs.values() if seen.job.retry_of is None]
        dropped = [job for job in jobs if job.source_bucket == self.settings.drop_bucket and job.source_key]
        return Counter((str(job.source_key), str(job.source_etag)) for job in dropped)

    def drops_without_job(self) -> list[tuple[str, Object]]:
        """The dropped objects that have not been registered."""
        made, objects = self.made_of_drops(), self.aws.buckets[self.settings.drop_bucket]
        dropped = [key for key in objects if key.removeprefix("drop/").partition("/")[2] and not self.is_poisoned(key)]
        return [(key, objects[key]) for key in dropped if (key, objects[key].etag) not in made]

    def definition(self, job: Job) -> dict[str, Any]:
        """The snapshot that a run was registered with, also when it has been deleted."""
        if job.job_id not in self._definitions:
            item = self.server.tables[self.settings.jobs_table].get((f"JOB#{job.job_id}", "DEFINITION"))
            assert item is not None, f"{job.job_id} has no definition"
            self._definitions[job.job_id] = json.loads(item["document"]["S"])
        return self._definitions[job.job_id]

    def arrived(self, destination: Mapping[str, Any], name: str) -> bytes | None:
        """The file of this name at a destination."""
        if destination["kind"] == "s3":
            key = "/".join(filter(None, [str(destination.get("prefix", "")).strip("/"), name]))
            found = self.aws.buckets[self.settings.transfer_bucket].get(key)
            return None if found is None else found.data
        assert self.servers is not None
        return self.servers.find(destination).files.get(name)

    def extracted(self, run: Job) -> list[tuple[str, str, str]]:
        """The files that a run has stored: the name that each is delivered by, its key, its SHA-256."""
        assert run.extracted is not None
        key = str(run.extracted["key"])
        if not run.extracted.get("files"):
            return [(run.file_name, key, run.extracted["sha256"])]
        kept = json.loads(self.aws.buckets[self.settings.files_bucket][f"{key}/files.json"].data)
        numbered = enumerate(kept, 1)
        return [(part_name(run.file_name, number), f"{key}/{number:04}", file["sha256"]) for number, file in numbered]

    def arrived_from(self, run: Job) -> list[str]:
        """Names of the files and manifests that a run has delivered, those that are complete or not."""
        objects = self.aws.buckets[self.settings.transfer_bucket]
        left = [key for key, found in objects.items() if found.metadata.get("waybill-job") == run.job_id]
        names = {run.file_name, *delivered_names(run.file_name, len(self.jobs))}
        is_only_one = [seen.job.file_name for seen in self.jobs.values()].count(run.file_name) == 1
        for directory in () if self.servers is None else self.servers.directories.values():
            for name, data in directory.received().items():
                if run.job_id.encode() in data or (is_only_one and name in names):
                    left.append(name)
        return left

    def increments(self) -> dict[str, list[Delivery]]:
        """The delivered files of each series of windows, in their order."""
        series: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in self.deliveries:
            if delivery.job.window_to is not None and not delivery.job.is_backfill:
                series[str(self.definition(delivery.job)["series"])].append(delivery)
        return series

    def has_imported_since(self, run: Job) -> bool:
        """Whether an import of the run's entity has been in progress since the run began, or the one that it repeats:
        a relaunch has the window of its run."""
        while run.retry_of is not None:
            run = self.jobs[run.retry_of].job
        began = self.jobs[run.job_id].moves[0][0]
        return any(
            seen.job.takes_turns
            and seen.job.entity_uid == run.entity_uid
            and seen.job.started_at is not None
            and (seen.ended_at is None or seen.ended_at >= began)
            for seen in self.jobs.values()
        )

    def has_other_owner(self, job: Job) -> bool:
        """Whether the object of a job is also that of another whose files have not expired."""
        now = self.aws.timeline.now()
        return any(
            other.job.source_key == job.source_key
            and other.job.job_id != job.job_id
            and not other.is_deleted
            and (other.job.files_expire_at is None or other.job.files_expire_at > now)
            for other in self.jobs.values()
        )

    def announced(self) -> list[dict[str, Any]]:
        return [json.loads(entry["Detail"]) for _, entry in self.aws.events]

    def audit_trail(self) -> Iterator[dict[str, Any]]:
        """The entries, as plain values."""
        for name, partition in self.server.tables[self.settings.jobs_table].partitions.items():
            if name.startswith("AUDIT#"):
                yield from map(from_attributes, partition.items.values())

    def is_poisoned(self, text: str) -> bool:
        return any(word in text for word in self.poisoned)


def writer_of(item: Item) -> str:
    """The id of the job that wrote a record; an undo names the import before as well, whose record it put back."""
    return str(item["_by"]["S"]).partition("/")[0]


def _record(item: Item) -> Record:
    """A record's fields; the key of a one-field primary key is its text."""
    return {name: str(next(iter(value.values()))) for name, value in item.items() if not name.startswith("_")}
