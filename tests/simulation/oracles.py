"""What must be true in every simulated world, whatever befalls it: the promises of the contract, one function each.

Oracles of `AT_WRITE` see every write of a job, those of `AT_DELETION` every deletion of an object, and the others the
world when everything has come to rest. They raise `Violation`. None of them uses the product's code for rows, files or
queues: `Sheet` reads sources and results as a person would, and `Fold` knows what each mode does to a table.

watch = Watch(server, aws, settings, now)    # hooks itself into the writes of tables and buckets
…                                            # the history
watch.check_end()                            # and, some days later, check_retention()
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from tests.simulation.aws import Aws, Object
from tests.simulation.dynamodb import Server
from tests.simulation.servers import Servers
from waybill.aws.dynamodb import from_attributes
from waybill.jobs.items import job_from_item
from waybill.jobs.model import Counts, Job, Process, Status
from waybill.settings import Settings

Item = Mapping[str, Any]
Record = dict[str, str]
#: The entity of every history: what a person needs to tell good rows from bad ones without the product.
SCHEMA: dict[str, Any] = {
    "fields": [
        {"name": "id", "type": "string", "constraints": {"required": True}},
        {"name": "n", "type": "integer"},
        {"name": "note", "type": "string"},
    ],
    "primaryKey": ["id"],
    "fieldsMatch": "subset",
}
FIELDS = [field["name"] for field in SCHEMA["fields"]]
#: The contract's arrows (section 4), written out once more on purpose.
ARROWS = {
    ("WAITING", "IN_PROGRESS"),
    ("WAITING", "CANCELED"),
    ("WAITING", "FAILED"),
    ("IN_PROGRESS", "COMPLETED"),
    ("IN_PROGRESS", "FAILED"),
}
BEGINNINGS = {"WAITING", "FAILED"}  # a file that is refused at registration never waits
#: Partitions of the jobs table that are empty when nothing is under way.
TRANSIENT = ("ACTIVE", "OUTBOX", "QUEUE#", "RUNNING#", "DELETING", "REMOVAL")
#: Jobs have ended so soon after the last fault, and expired files are gone.
END_SECONDS = 3_600.0
GRACE_SECONDS = 3_600.0
#: An outage of up to this length ends no job.
OUTAGE_SECONDS = 3_600.0
#: A transaction that is retried through an outage may take so long.
REGISTRATION_SECONDS = 60.0
#: A dropped object is found within a quarter of an hour; the sweep that finds it may be a minute late.
FOUND_SECONDS = 960.0


class Violation(AssertionError):
    """A promise is broken: which one, and how."""

    def __init__(self, oracle: str, message: str) -> None:
        super().__init__(f"{oracle}: {message}")
        self.oracle = oracle


# Sources and results, read as a person reads them


class Row(NamedTuple):
    number: int
    cells: dict[str, str]

    def problem(self, mode: str) -> str | None:
        """The type of its leftmost error, for a row of SCHEMA; a deletion reads only the key."""
        if not any(self.cells.values()):
            return "blank-row"
        if not self.cells.get("id"):
            return "missing-key"
        number = self.cells.get("n", "")
        if mode != "delete" and number and not number.removeprefix("-").isdecimal():
            return "type-error"
        return None


class Sheet:
    """A CSV of SCHEMA. Where it has a column `_row`, its rows bear those numbers: rejects, and files made of them."""

    def __init__(self, data: bytes) -> None:
        lines = list(csv.reader(io.StringIO(data.decode(), newline="")))
        self.header = lines[0] if lines else []
        self.columns = [name for name in self.header if name in FIELDS]
        while len(lines) > 1 and not any(lines[-1]):  # blank rows behind the last row do not count
            lines.pop()
        self.rows: list[Row] = []
        self.types: dict[int, str] = {}
        for number, line in enumerate(lines[1:], 2):
            cells = dict(zip(self.header, line, strict=False))
            number = int(cells.get("_row") or number)
            self.types[number] = cells.get("_type", "")
            self.rows.append(Row(number, {name: cells.get(name, "") for name in self.columns}))

    @property
    def is_importable(self) -> bool:
        return bool(self.rows) and set(self.header) <= {*FIELDS, "_row", "_type", "_reason"}

    @cached_property
    def numbers(self) -> list[int]:
        return [row.number for row in self.rows]

    @cached_property
    def by_number(self) -> dict[int, Row]:
        return {row.number: row for row in self.rows}


class Fold:
    """An entity's table as its imports make it, one after the other."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}

    def set(self, key: str, record: Record | None) -> None:
        if record is None:
            self.records.pop(key, None)
        else:
            self.records[key] = record

    def apply(self, mode: str, columns: list[str], rows: list[Row]) -> None:
        for row in rows:
            key = row.cells["id"]
            if mode == "delete":
                self.records.pop(key, None)
                continue
            old = self.records.get(key, {}) if mode == "update" else {}
            kept = {name: value for name, value in old.items() if name not in columns}
            self.records[key] = kept | {name: value for name, value in row.cells.items() if value}


def expected_rejects(mode: str, sheet: Sheet, before: Mapping[str, Record]) -> dict[int, str]:
    """Row number → type for each row that an undisturbed import rejects (contract, section 4, *Keys in a file*)."""
    problems = {row.number: row.problem(mode) for row in sheet.rows}
    rejects = {number: problem for number, problem in problems.items() if problem is not None}
    valid = [row for row in sheet.rows if row.number not in rejects]
    last = {row.cells["id"]: row.number for row in valid}
    for row in valid:
        key = row.cells["id"]
        if row.number != last[key]:
            rejects[row.number] = "duplicate-key"
        elif mode == "insert" and key in before:
            rejects[row.number] = "exists"
        elif mode in ("update", "delete") and key not in before:
            rejects[row.number] = "not-found"
    return rejects


# What has been seen


@dataclass
class Seen:
    """What became of one job.

    `last_rows` has for each key the last row of the file that an import, or one that it relaunches, has imported.
    """

    job: Job
    moves: list[tuple[float, Status]] = field(default_factory=list)
    is_deleted: bool = False
    last_rows: dict[str, int] = field(default_factory=dict)

    @property
    def ended_at(self) -> float | None:
        moment, status = self.moves[-1]
        return moment if status in ("COMPLETED", "FAILED", "CANCELED") else None


class Delivery(NamedTuple):
    """The file of a run that has been delivered."""

    job: Job
    data: bytes

    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.data.decode(), newline="")))


class Watch:
    """Sees every write, and calls the oracles.

    Args:
        now: virtual seconds.

    Attributes:
        asked: how often people asked for a relaunch, an import of an upload, and a run; repetitions do not count.
        stops: jobs whose Stop was answered 200.
        stopped: when Stop took effect, by job.
        stalls: whether a process may stall for longer than a lease between its last check and what it sends.
        removed_by_people: (bucket, key) of objects that people took away themselves.
        deleting: jobs whose deletion people asked for.
        checked: how many checks each oracle has made.
        last_fault: the moment of the last fault, stall or outage's end.
        skew_seconds: by how much the clocks of processes differ at most.
        poisoned: words in ids and keys of what may stay behind because it can never be handled.
    """

    def __init__(
        self,
        server: Server,
        aws: Aws,
        settings: Settings,
        now: Callable[[], float],
        servers: Servers | None = None,
    ) -> None:
        self.server, self.aws, self.settings, self.now, self.servers = server, aws, settings, now, servers
        self.jobs: dict[str, Seen] = {}
        self.folds: dict[str, Fold] = defaultdict(Fold)
        self.deliveries: list[Delivery] = []
        self.asked: Counter[str] = Counter()
        self.stops: set[str] = set()
        self.stopped: dict[str, float] = {}
        self.stalls = False
        self.removed_by_people: set[tuple[str, str]] = set()
        self.deleting: set[str] = set()
        self.poisoned: set[str] = set()
        self.last_fault = self.skew_seconds = 0.0
        self.checked: Counter[str] = Counter()
        self.puts: Counter[tuple[str, str, str]] = Counter()
        self._sources: dict[tuple[str, str, str], bytes] = {}
        self._etags: dict[tuple[str, str], str] = {}
        self._definitions: dict[str, dict[str, Any]] = {}
        server.on_write = self.on_write
        aws.on_change = self.on_change

    def on_write(self, table: str, old: Item | None, new: Item | None, transaction: int | None) -> None:
        item = new or old
        if table == self.settings.records_table and new is not None and self.stopped:
            self._run(AT_RECORD, old, new)
        if table != self.settings.jobs_table or item is None or item["sk"] != {"S": "JOB"}:
            return
        before = None if old is None else job_from_item(from_attributes(old))
        after = None if new is None else job_from_item(from_attributes(new))
        self.see(before, after)
        self._run(AT_WRITE, before, after)

    def _run(self, oracles: Iterable[Callable[..., None]], *seen: Any) -> None:
        for oracle in oracles:
            oracle(self, *seen)

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
        seen = self.jobs.setdefault(after.job_id, Seen(after))
        if not seen.moves or seen.moves[-1][1] != after.status:
            seen.moves.append((self.now(), after.status))
        if after.stop_reason == "USER":
            self.stopped.setdefault(after.job_id, self.now())
        seen.job = after

    def on_change(self, bucket: str, key: str, found: Object | None) -> None:
        if found is not None:
            self._sources[bucket, key, found.etag] = found.data
            self.puts[bucket, key, found.etag] += 1
            self._etags[bucket, key] = found.etag
            return
        self._run(AT_DELETION, bucket, key, self._etags[bucket, key])

    def check_end(self) -> None:
        """All jobs have had their time to end."""
        self._run(AT_END)

    def check_retention(self) -> None:
        """All files have had their time to expire."""
        self._run(AFTER_RETENTION)

    # Views

    def source(self, job: Job) -> Sheet | None:
        """The rows that the job was started with; None when nobody has seen its object."""
        data = self._sources.get((str(job.source_bucket), str(job.source_key), str(job.source_etag)))
        return None if data is None else Sheet(data)

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
        return {key for key, item in self.records(job.entity_uid) if item["_by"] == {"S": job.job_id}}

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
        left += [f"execution {run.name}" for run in self.aws.executions.running()]
        return [entry for entry in left if not self.is_poisoned(entry)]

    def made_of_drops(self) -> Counter[tuple[str, str]]:
        """How many jobs were made of each dropped object (key and ETag)."""
        jobs = [seen.job for seen in self.jobs.values()]
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

    def increments(self) -> dict[str, list[Delivery]]:
        """The delivered files of each series of windows, in their order."""
        series: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in self.deliveries:
            if delivery.job.window_to is not None:
                series[str(self.definition(delivery.job)["series"])].append(delivery)
        return series

    def has_imported_since(self, run: Job) -> bool:
        """Whether an import of the run's entity has been in progress since the run began."""
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

    def is_poisoned(self, text: str) -> bool:
        return any(word in text for word in self.poisoned)


def _record(item: Item) -> Record:
    """A record's fields; the key of a one-field primary key is its text."""
    return {name: str(next(iter(value.values()))) for name, value in item.items() if not name.startswith("_")}


# At every write of a job


def moves_follow_the_arrows(watch: Watch, old: Job | None, new: Job | None) -> None:
    """Section 4: "Statuses and the only moves between them"; an ended job keeps its outcome, counts and times."""
    if new is None:
        watch.require(old is not None and old.is_terminal, moves_follow_the_arrows, f"{old} was deleted while it ran")
    elif old is None:
        watch.require(new.status in BEGINNINGS, moves_follow_the_arrows, f"{new.job_id} begins as {new.status}")
    elif old.status != new.status:
        watch.require((old.status, new.status) in ARROWS, moves_follow_the_arrows, f"{old.status} → {new.status}")
    elif old.is_terminal:
        kept = [(job.outcome, job.counts, job.completed_at, job.error_code) for job in (old, new)]
        watch.require(kept[0] == kept[1], moves_follow_the_arrows, f"{new.job_id} changed after its end: {kept}")


def tally_balances(watch: Watch, old: Job | None, new: Job | None) -> None:
    """Section 4, *Tally*: total = imported + rejected + unprocessed at the end; canceled: all 0; `unprocessed` 0 until
    the end; `processed` of an import never falls (an export that is repeated reads the table as it is by then)."""
    if new is None:
        return
    counts = new.counts
    if new.is_terminal:
        watch.require(counts.balances(), tally_balances, f"{new.job_id} {new.status} {counts}")
        if new.status is Status.CANCELED:
            watch.require(counts == Counts(total=0), tally_balances, f"canceled with {counts}")
    else:
        watch.require(counts.unprocessed == 0, tally_balances, f"{new.job_id} {new.status} {counts}")
        if old is not None and new.process is Process.IMPORT and watch.has_source(new):
            watch.require(
                new.processed >= old.processed, tally_balances, f"processed {old.processed} → {new.processed}"
            )


def files_exist(watch: Watch, old: Job | None, new: Job | None) -> None:
    """Section 4: "A terminal status means that its files exist": rejects and error log with all rows, an export's file
    with the digest that the job states."""
    if new is None or not new.is_terminal or (old is not None and old.is_terminal):
        return
    if watch.has_unreadable_plan(new):
        left = new.counts.unprocessed
        watch.require(new.counts.lost == left, files_exist, f"{new.job_id} offers rows for a relaunch: {new.counts}")
        return
    if new.has_error_log:
        log = watch.file(new, "error-log.csv")
        watch.require(log is not None, files_exist, f"{new.job_id} has no error log")
    if new.has_rejects:
        rejects = watch.rejects(new)
        left = new.counts.rejected + new.counts.unprocessed
        watch.require(rejects is not None, files_exist, f"{new.job_id} has no rejects file")
        watch.require(
            rejects is not None and len(rejects.rows) == left, files_exist, f"{new.job_id} lists not {left} rows"
        )
    elif new.process is Process.IMPORT:
        left = new.counts.rejected + new.counts.unprocessed
        watch.require(left == 0, files_exist, f"{new.job_id} lists none of {left} rows")
    if new.process is Process.EXPORT and new.status is Status.COMPLETED:
        assert new.extracted is not None
        found = watch.aws.buckets[watch.settings.files_bucket].get(str(new.extracted["key"]))
        watch.require(found is not None, files_exist, f"{new.job_id} has no file")
        assert found is not None
        digest = hashlib.sha256(found.data).hexdigest()
        watch.require(digest == new.extracted["sha256"], files_exist, f"{new.job_id}: another digest")
        watch.deliveries.append(Delivery(new, found.data))


def one_import_runs(watch: Watch, old: Job | None, new: Job | None) -> None:
    """Section 3: "imports into one entity take effect … one at a time"; dry runs do not count."""
    if new is None or new.status is not Status.IN_PROGRESS or not new.takes_turns:
        return
    running = [
        seen.job.job_id
        for seen in watch.jobs.values()
        if seen.job.status is Status.IN_PROGRESS and seen.job.takes_turns and seen.job.entity_uid == new.entity_uid
    ]
    watch.require(running == [new.job_id], one_import_runs, f"{running} run at once")


def leases_are_held_once(watch: Watch, old: Job | None, new: Job | None) -> None:
    """A chunk goes to another attempt only when its lease is over; clocks may differ by a second (`jobs.leases`)."""
    if old is None or new is None or watch.skew_seconds > 1.0:
        return
    now = watch.aws.timeline.now().timestamp() * 1000
    for chunk, lease in new.leases.items():
        held = old.leases.get(chunk)
        if held is not None and held.attempt != lease.attempt:
            early = (held.until - now) / 1000 - 2 * watch.skew_seconds
            watch.require(early <= 0.001, leases_are_held_once, f"chunk {chunk} was taken over {early} s too early")


def ended_import_is_exact(watch: Watch, old: Job | None, new: Job | None) -> None:
    """Section 4: "every row is imported or in the rejects file, exactly once"; "what was written stays and counts as
    imported, also after a crash". The rows that bear the job's mark are the imported ones, and the table is what the
    jobs of its entity make of it, one after the other.

    Where the source is gone, what a dead worker has written cannot be read again, nor which row of a repeated key
    stands: of the keys of the rows that are listed as `source-changed`, any row may stand
    (docs/decisions/2026-11-28-rows-that-stand-are-imported.md, *Limits*).
    """
    if new is None or not new.is_terminal or new.process is not Process.IMPORT or (old and old.is_terminal):
        return
    name, sheet = ended_import_is_exact, watch.source(new)
    if not new.counts.total:
        if new.takes_turns and new.entity_uid:
            watch.require(not watch.marked(new), name, f"{new.job_id} counts no rows and wrote {watch.marked(new)}")
        return
    if watch.has_unreadable_plan(new):
        return
    watch.require(sheet is not None, name, f"nobody has seen the source of {new.job_id}")
    assert sheet is not None
    rejects = watch.rejects(new)
    listed, types = ([], {}) if rejects is None else (rejects.numbers, rejects.types)
    watch.require(len(set(listed)) == len(listed), name, f"{new.job_id} lists a row twice: {listed}")
    watch.require(set(listed) <= set(sheet.numbers), name, f"{new.job_id} lists rows that it has not: {listed}")
    watch.require(
        len(sheet.rows) == new.counts.total, name, f"{new.job_id} counts {new.counts} of {len(sheet.rows)} rows"
    )
    imported = [row for row in sheet.rows if row.number not in set(listed)]
    watch.require(len(imported) == new.counts.imported, name, f"{new.job_id}: {new.counts}, {len(listed)} rows listed")
    keys = {row.cells["id"] for row in imported}
    watch.require(len(keys) == len(imported), name, f"{new.job_id} imported a key twice")
    marked = watch.marked(new)
    if new.dry_run:
        watch.require(not marked, name, f"the dry run {new.job_id} wrote {marked}")
        return
    told = f"{new.job_id} {new.status} {new.counts} ({new.mode}, {new.stop_reason}, {new.error_code})"
    watch.require(keys <= marked, name, f"{told}: told but not written {keys - marked}")
    lost = {row.cells["id"] for row in sheet.rows if types.get(row.number) == "source-changed"}
    watch.require(marked <= keys | lost, name, f"{told}: written but not told {marked - keys - lost}")
    found = Counter(types.values())
    counted = {"duplicate-key": new.counts.repeated, "source-changed": new.counts.lost}
    watch.require(all(found[type] == counted[type] for type in counted), name, f"{told}: listed are {found}")
    fold, live = watch.folds[new.entity_uid], watch.live(new.entity_uid)
    fold.apply(new.mode, sheet.columns, imported)
    for key in marked & lost:
        fold.set(key, live.get(key))
    watch.require(live == fold.records, name, f"{told}: the table has {live}, its jobs make {fold.records}")


def the_last_row_of_a_key_stays(watch: Watch, old: Job | None, new: Job | None) -> None:
    """Section 4, *Keys in a file*: "the last wins", also when an import was stopped and the rest is relaunched: what is
    left for a relaunch has no later row that was imported, and no relaunch imports such a row."""
    if new is None or not new.is_terminal or new.process is not Process.IMPORT or (old and old.is_terminal):
        return
    name, sheet, rejects = the_last_row_of_a_key_stays, watch.source(new), watch.rejects(new)
    if not new.counts.total or sheet is None or new.dry_run:
        return
    types = {} if rejects is None else rejects.types
    valid = [row for row in sheet.rows if row.problem(new.mode) is None]
    parent = watch.jobs.get(str(new.retry_of))
    last = {} if parent is None else dict(parent.last_rows)
    for row in valid:
        if row.number not in types:
            is_last = row.number >= last.get(row.cells["id"], 0)
            watch.require(is_last, name, f"{new.job_id} imports row {row.number} over row {last.get(row.cells['id'])}")
            last[row.cells["id"]] = row.number
    for row in valid:
        if types.get(row.number) == "stopped":
            is_last = row.number > last.get(row.cells["id"], 0)
            watch.require(is_last, name, f"{new.job_id} leaves row {row.number} before row {last.get(row.cells['id'])}")
    watch.jobs[new.job_id].last_rows = last


def rejects_are_the_right_ones(watch: Watch, old: Job | None, new: Job | None) -> None:
    """Sections 4 and 5: an import that nobody stopped rejects exactly the rows that its mode and the table refuse."""
    if new is None or not new.is_terminal or (old and old.is_terminal) or new.process is not Process.IMPORT:
        return
    sheet = watch.source(new)
    is_whole = new.status is Status.COMPLETED and new.stop_reason is None
    if not is_whole or sheet is None or (new.dry_run and new.mode != "upsert"):
        return  # what a dry run finds in the table depends on its moment
    rejects = watch.rejects(new)
    found = {} if rejects is None else rejects.types
    before = watch.folds[new.entity_uid].records  # not yet with this job's rows
    expected = expected_rejects(new.mode, sheet, before)
    watch.require(found == expected, rejects_are_the_right_ones, f"{new.job_id}: {found}, expected {expected}")


def imports_take_effect_in_order(watch: Watch, old: Job | None, new: Job | None) -> None:
    """Section 3: imports into one entity take effect in the order of *Submitted*, which is that of registration: none
    begins while an earlier one waits, nor after a later one."""
    if new is None or new.status is not Status.IN_PROGRESS or not new.takes_turns:
        return
    if old is not None and old.status is Status.IN_PROGRESS:
        return
    mine = watch.jobs[new.job_id].moves[0][0]
    for seen in watch.jobs.values():
        other, theirs = seen.job, seen.moves[0][0]
        if other.job_id == new.job_id or not other.takes_turns or other.entity_uid != new.entity_uid:
            continue
        is_earlier = other.submitted_at < new.submitted_at
        is_overtaken = other.status is Status.WAITING and is_earlier
        watch.require(not is_overtaken, imports_take_effect_in_order, f"{new.job_id} begins before {other.job_id}")
        is_late = other.started_at is not None and not is_earlier
        watch.require(not is_late, imports_take_effect_in_order, f"{new.job_id} begins after {other.job_id}")
        if other.started_at is not None or other.status is Status.WAITING:
            is_ordered = is_earlier == (theirs < mine) or theirs == mine
            watch.require(
                is_ordered, imports_take_effect_in_order, f"{new.job_id} was registered before {other.job_id}"
            )


def submitted_is_the_registration(watch: Watch, old: Job | None, new: Job | None) -> None:
    """Section 3: "*Submitted* is when Waybill registered the job", but for what its one transaction takes."""
    if new is None or old is not None or new.process is not Process.IMPORT or watch.skew_seconds > 1.0:
        return
    late = (watch.aws.timeline.now() - new.submitted_at).total_seconds()
    watch.require(
        late <= REGISTRATION_SECONDS, submitted_is_the_registration, f"{new.job_id} was registered {late} s later"
    )


def exported_file_is_right(watch: Watch, old: Job | None, new: Job | None) -> None:
    """Section 7: what a run exported has arrived whole where its definition says; a full extract of a table that nobody
    imported into meanwhile is that table."""
    if new is None or new.process is not Process.EXPORT or new.status is not Status.COMPLETED:
        return
    if old is not None and old.is_terminal:
        return
    delivery = watch.deliveries[-1]
    export = watch.definition(new)["export"]
    if export["destination"]["kind"] != "download":
        arrived = watch.arrived(export["destination"], new.file_name)
        watch.require(
            arrived == delivery.data, exported_file_is_right, f"{new.file_name} is not what arrived: {arrived!r}"
        )
    if new.window_to is None and not export["filter"] and not watch.has_imported_since(new):
        rows = {row["id"]: {name: value for name, value in row.items() if value} for row in delivery.rows()}
        live = watch.live(new.entity_uid)
        watch.require(rows == live, exported_file_is_right, f"{new.job_id} exports {rows}, the table has {live}")


AT_WRITE: list[Callable[[Watch, Job | None, Job | None], None]] = [
    moves_follow_the_arrows,
    tally_balances,
    files_exist,
    one_import_runs,
    imports_take_effect_in_order,
    submitted_is_the_registration,
    leases_are_held_once,
    rejects_are_the_right_ones,
    the_last_row_of_a_key_stays,
    ended_import_is_exact,
    exported_file_is_right,
]


# At every write of a record, once a Stop was accepted


def nothing_is_written_after_stop(watch: Watch, old: Item | None, new: Item) -> None:
    """Section 4, *Stop*: "no row is written later than 5 s after Stop was accepted (the last row of a repeated key,
    already counted, may be written once more)"."""
    stopped = watch.stopped.get(new["_by"]["S"])
    if stopped is None or watch.stalls or (old is not None and old["_by"] == new["_by"]):
        return
    late = watch.now() - stopped
    watch.require(late <= 5.0, nothing_is_written_after_stop, f"{new['_sk']['S']} is written {late} s after Stop")


AT_RECORD: list[Callable[[Watch, Item | None, Item], None]] = [nothing_is_written_after_stop]


# When an object is deleted


def live_source_is_kept(watch: Watch, bucket: str, key: str, etag: str) -> None:
    """Section 4, *Retention*: a deletion takes away no source of a job that has not ended, nor of the newest job of its
    key."""
    if (bucket, key) in watch.removed_by_people:
        return
    owners = [
        seen.job
        for seen in watch.jobs.values()
        if (seen.job.source_bucket, seen.job.source_key, seen.job.source_etag) == (bucket, key, etag)
        and not seen.is_deleted
        and seen.job.error_code != "source-changed"  # its event came after that of the object that is there
    ]
    now = watch.aws.timeline.now()
    for job in owners:
        watch.require(job.is_terminal, live_source_is_kept, f"the source of {job.job_id} ({job.status}) is deleted")
    newest = owners[-1] if owners else None  # registered last, whatever the clocks said
    if newest is not None and newest.job_id not in watch.deleting and newest.files_expire_at is not None:
        left = (newest.files_expire_at - now).total_seconds() - watch.skew_seconds
        watch.require(left <= 0, live_source_is_kept, f"the source of {newest.job_id} is deleted {left} s too early")


AT_DELETION: list[Callable[[Watch, str, str, str], None]] = [live_source_is_kept]


# When everything has come to rest


def every_job_has_ended(watch: Watch) -> None:
    """Section 3: "A waiting import never waits for a job that nobody works on"; each job has ended within an hour of
    the last fault, or of its registration."""
    for seen in watch.jobs.values():
        if seen.is_deleted or watch.is_poisoned(seen.job.job_id):
            continue
        watch.require(seen.ended_at is not None, every_job_has_ended, f"{seen.job.job_id} is {seen.job.status}")
        assert seen.ended_at is not None
        late = seen.ended_at - max(watch.last_fault, seen.moves[0][0])
        watch.require(
            late <= END_SECONDS, every_job_has_ended, f"{seen.job.job_id} ended {late} s after the last fault"
        )


def every_drop_makes_one_job(watch: Watch) -> None:
    """Section 3: "A dropped object whose event was lost is found by the sweep within 15 minutes and imported once"; an
    object makes one job however often its events come."""
    made, bucket = watch.made_of_drops(), watch.settings.drop_bucket
    for key, found in watch.drops_without_job():
        age = (watch.aws.timeline.now() - found.modified).total_seconds()
        watch.require(age <= FOUND_SECONDS, every_drop_makes_one_job, f"{key} was never imported")
    for (key, etag), number in made.items():
        drops = watch.puts[bucket, key, etag]
        watch.require(number <= drops, every_drop_makes_one_job, f"{key}: {number} jobs of {drops} drops")


def nothing_is_under_way(watch: Watch) -> None:
    """Queues, the list of active jobs, outbox, claims and marks are empty once all jobs have ended."""
    left = watch.under_way()
    watch.require(not left, nothing_is_under_way, f"left: {left}")


def every_move_is_announced(watch: Watch) -> None:
    """Section 7: "Every job's change of status is an event on the bus", at least once, and nothing else is."""
    announced = {(detail["jobId"], detail["status"]) for detail in watch.announced()}
    moves = {
        (seen.job.job_id, str(status))
        for seen in watch.jobs.values()
        for _, status in seen.moves
        if not watch.is_poisoned(seen.job.job_id)
    }
    watch.require(moves <= announced, every_move_is_announced, f"never announced: {sorted(moves - announced)}")
    made_up = {event for event in announced - moves if not watch.is_poisoned(event[0])}
    watch.require(not made_up, every_move_is_announced, f"announced and never made: {sorted(made_up)}")


def repeated_requests_have_one_effect(watch: Watch) -> None:
    """Section 6, `Idempotency-Key`: a request that is repeated because its answer was lost makes nothing twice: there
    are no more imports of uploads, relaunches and runs than people asked for."""
    made: Counter[str] = Counter()
    for job in (seen.job for seen in watch.jobs.values()):
        if job.retry_of is not None:
            made["relaunch"] += 1
        elif str(job.source_key).startswith("uploads/"):
            made["imports"] += 1
        elif job.export_id is not None and job.started_by != "schedule":
            made["run"] += 1
    for what, number in made.items():
        told = f"{number} times {what}, asked for {watch.asked[what]}"
        watch.require(number <= watch.asked[what], repeated_requests_have_one_effect, told)


def accepted_stops_are_kept(watch: Watch) -> None:
    """Section 4: an import whose Stop was accepted ends `COMPLETED` with `stopReason: "USER"`; `FAILED` only where it
    could not end as stopped: its file cannot be imported or is gone, or an outage outlasted the retries."""
    for job_id in watch.stops:
        job = watch.jobs[job_id].job
        if job.is_terminal:
            told = f"{job_id} is {job.status} with {job.stop_reason}, {job.error_code}"
            reason = "USER" if job_id in watch.stopped else "MAX_ERRORS"  # it had been stopped before
            watch.require(job.stop_reason == reason, accepted_stops_are_kept, told)
            is_kept = job.status is Status.COMPLETED or _has_cause(watch, job)
            watch.require(is_kept, accepted_stops_are_kept, told)


def _has_cause(watch: Watch, job: Job) -> bool:
    """Whether the world explains the error of a stopped import that has failed."""
    if job.error_code == "source-changed":
        return not watch.has_source(job)
    if job.error_code == "timed-out":
        moves = watch.jobs[job.job_id].moves
        return moves[-1][0] - moves[0][0] >= OUTAGE_SECONDS
    sheet = watch.source(job)
    return sheet is not None and not job.counts.total and not sheet.is_importable


def windows_are_contiguous(watch: Watch) -> None:
    """Section 7, *Incremental*: the first window takes everything; each begins where the last delivered one ended."""
    for series, deliveries in watch.increments().items():
        end = None
        for delivery in deliveries:
            job = delivery.job
            told = f"{series}: {job.window_from} to {job.window_to} after {end}"
            watch.require(job.window_to is not None and job.window_from == end, windows_are_contiguous, told)
            end = job.window_to


def increments_fold_to_the_table(watch: Watch) -> None:
    """Section 7, *Incremental*: "`inc₁ … incₙ` fold to the table", for series whose last window ended after the last
    import."""
    for series, deliveries in watch.increments().items():
        last = deliveries[-1].job
        if watch.skew_seconds > 1.0 or not watch.definition(last)["export"]["includeDeleted"]:
            continue
        if watch.has_imported_since(last):
            continue
        table: dict[str, Record] = {}
        for delivery in deliveries:
            for row in delivery.rows():
                if row.pop("_deleted", "") == "true":
                    table.pop(row["id"], None)
                else:
                    table[row["id"]] = {name: value for name, value in row.items() if value}
        live = watch.live(last.entity_uid)
        watch.require(table == live, increments_fold_to_the_table, f"{series}: folded {table}, the table has {live}")


def expired_files_are_gone(watch: Watch) -> None:
    """Section 4, *Retention*: after `filesExpireAt`, or when its job was deleted, no file of a job is left, the source
    included, and nothing that bears its id after `expiresAt`."""
    now = watch.aws.timeline.now().timestamp()
    for job_id, seen in watch.jobs.items():
        job = seen.job
        if watch.is_poisoned(job_id) or watch.is_poisoned(str(job.source_key)):
            continue
        expires = now if seen.is_deleted else 0 if job.files_expire_at is None else job.files_expire_at.timestamp()
        if not expires or (expires > now - GRACE_SECONDS and not seen.is_deleted):
            continue
        keys = [key for key in watch.aws.buckets[watch.settings.files_bucket] if f"jobs/{job_id}/" in key]
        watch.require(not keys, expired_files_are_gone, f"{job_id} has left {keys}")
        source = watch.aws.buckets.get(str(job.source_bucket), {}).get(str(job.source_key))
        is_there = source is not None and source.etag == job.source_etag and not watch.has_other_owner(job)
        watch.require(not is_there, expired_files_are_gone, f"{job_id} has left its source {job.source_key}")
        if seen.is_deleted:
            left = [str(item["sk"]) for item in watch.server.tables[watch.settings.jobs_table].query(f"JOB#{job_id}")]
            watch.require(not left, expired_files_are_gone, f"{job_id} has left {left}")


AT_END: list[Callable[[Watch], None]] = [
    every_job_has_ended,
    every_drop_makes_one_job,
    nothing_is_under_way,
    every_move_is_announced,
    repeated_requests_have_one_effect,
    accepted_stops_are_kept,
    windows_are_contiguous,
    increments_fold_to_the_table,
]
AFTER_RETENTION: list[Callable[[Watch], None]] = [expired_files_are_gone, nothing_is_under_way]
