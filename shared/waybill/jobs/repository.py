"""Job records, and the moves between statuses, each one conditional request.

A stored job is never put as a whole: workers, people and the schedule change it side by side, and a put would undo what
the others did since it was read. Each method sets the attributes that it is about, on the conditions that it relied on.

    JOB#{jobId} / JOB          the status record, as `items.job_item` makes it
    JOB#{jobId} / DEFINITION   the entity (or export) as it was when the job was registered

What else belongs to a job has a module each: `ledger`, `queue`, `running`, `outbox`, `runs`, `active`, `checkups`,
`removals`, `drops`. A registration, a beginning and an end change several of them in one transaction, which is put
together here.

Lists read the index `newest` (keys only, so that progress does not rewrite it) and then the records themselves.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from waybill.aws.dynamodb import ConditionFailed, TransactionCanceled
from waybill.aws.expressions import Attr, Change, Condition
from waybill.aws.table import Action, Item, Key, Table
from waybill.clock import Clock, HasTime, no_limit
from waybill.errors import (
    ChecksFailed,
    Conflict,
    Gone,
    NotFound,
    NotItsTurn,
    StopRequested,
    Superseded,
    Unavailable,
)
from waybill.jobs.active import active_key
from waybill.jobs.checkups import first_item
from waybill.jobs.corrections import PREFIX, Corrections, unpacked
from waybill.jobs.cursors import decode_cursor, encode_cursor
from waybill.jobs.items import LIST_KEY, camel, job_from_item, job_item
from waybill.jobs.model import TERMINAL, UPLOADING, Job, Process, Retention, Status
from waybill.jobs.origins import TAKER, Origin
from waybill.jobs.outbox import Outbox, outbox_item
from waybill.jobs.queue import after_newest, order_action, queue_key
from waybill.jobs.quotas import UnfinishedJobs, too_many_jobs
from waybill.jobs.removals import removal_item, removal_key
from waybill.jobs.running import (
    STEP,
    RunningImport,
    RunningImports,
    claim_action,
    earliest_from,
    horizon_action,
    horizon_key,
    horizon_of,
    release_action,
)
from waybill.jobs.runs import run_key
from waybill.jobs.usual_rows import USUAL, known_rows, usual_action, usual_key
from waybill.sizes import json_text
from waybill.telemetry import read_each
from waybill.timestamps import from_epoch, parse_rfc3339, rfc3339

#: How often a transaction that collides is sent, each time with the client's own retries.
CONFLICT_ROUNDS = 5
#: Of a registration that others overtook each time.
BUSY_RETRY_SECONDS = 2
ADOPTED_PER_CALL = 100
#: Items of a job between two looks at the time.
DELETED_AT_ONCE = 500
#: Where a registration has the condition that the job joins its queue last.
ORDER_POSITION = 1
#: Where a beginning has the condition that no other import of the entity is running.
CLAIM_POSITION = 2
NEWEST = ("newest", ("listKey", "listSort"))

NEW = Attr("pk").is_missing()
WAITING = Attr("status").equals(Status.WAITING)
RUNNING = Attr("status").equals(Status.IN_PROGRESS)
ENDED = Attr("status").is_in(*sorted(TERMINAL))
NOT_ENDED = Attr("status").is_in(Status.WAITING, Status.IN_PROGRESS)

#: What every end sets; the rest of a job stays as it is stored.
_ENDING = (
    *("status", "outcome", "completedAt", "errorCode", "errorMessage", "expiresAt", "filesExpireAt", "leases"),
    *("total", "imported", "rejected", "unprocessed", "repeated", "lost", "hasErrorLog", "hasRejects"),
)


class _Overtaken(Exception):
    """An import of the same entity was registered since the job got its `submitted_at`."""


class JobRepository:
    """Reads and changes jobs; each method is one request or one transaction unless it says otherwise."""

    def __init__(self, table: Table, outbox: Outbox, retention: Retention, clock: Clock) -> None:
        self._table = table
        self._outbox = outbox
        self._clock = clock
        self._running = RunningImports(table)
        self._unfinished = UnfinishedJobs(table, clock)
        self.retention = retention

    # Reading

    def find(self, job_id: str) -> Job | None:
        """The job, also when it has expired; None when there is no record."""
        item = self._table.get(record_key(job_id))
        return None if item is None else job_from_item(item)

    def get(self, job_id: str) -> Job:
        """The job.

        Raises:
            NotFound: there is no such job.
            Gone: it has expired and its record is still there.
        """
        job = self.find(job_id)
        if job is None:
            raise NotFound("There is no job with this id, or it has expired.")
        if job.has_expired(self._clock.now()):
            raise Gone("This job has expired.")
        return job

    def is_over(self, job_id: str) -> bool:
        """Whether the job has ended, or is gone."""
        job = self.find(job_id)
        return job is None or job.is_terminal

    def find_many(self, job_ids: Sequence[str]) -> list[Job]:
        """Those of the jobs that have a record that can be read, in the order of their ids; a request for a hundred of
        them."""
        items = self._table.get_many([record_key(job_id) for job_id in job_ids])
        return list(read_each("job", items, job_from_item))

    def live(self, job_ids: Sequence[str]) -> list[Job]:
        """As `find_many`, without jobs that have expired."""
        now = self._clock.now()
        return [job for job in self.find_many(job_ids) if not job.has_expired(now)]

    def newest(self, limit: int, cursor: str | None = None) -> tuple[list[str], str | None]:
        """The ids of up to `limit` jobs, newest first, expired ones among them, and the cursor of the next page.

        Raises:
            MalformedRequest: the cursor was not issued by this list.
        """
        after = None
        if cursor is not None:
            sort = decode_cursor(cursor)
            pk, sk = record_key(_job_id(sort))
            after = {"listKey": LIST_KEY, "listSort": sort, "pk": pk, "sk": sk}
        page = self._table.query(LIST_KEY, index=NEWEST, newest_first=True, limit=limit, after=after)
        job_ids = [item["pk"].partition("#")[2] for item in page.items]
        return job_ids, None if page.last is None else encode_cursor(page.last["listSort"])

    def definition(self, job_id: str) -> dict[str, Any]:
        """The entity or export document that the job started with.

        Raises:
            NotFound
        """
        item = self._table.get(_definition_key(job_id))
        if item is None:
            raise NotFound("The definition of this job is gone.")
        document: dict[str, Any] = json.loads(item["document"])
        return document

    def has_takers(self, job_id: str) -> bool:
        """Whether a job that has not ended is still to make its source of this one's files, or without the rows that
        this one corrected. A query, and a read of the jobs that were registered to; both twice for a relaunch of
        corrected rows, whose owner of the files has the takers."""
        if self._takers(job_id):
            return True
        job = self.find(job_id)
        takes = (job.takes if job is not None else None) or {}
        if not takes.get("only_corrected"):
            return False
        return any(job_id in (taker.takes or {}).get("without", ()) for taker in self._takers(takes["job_id"]))

    def _takers(self, owner_id: str) -> list[Job]:
        """The jobs that are still to make their source of the files of a job."""
        pages = self._table.pages(record_key(owner_id)[0], prefix=TAKER, keys_only=True)
        takers = [item["sk"].removeprefix(TAKER) for items in pages for item in items]
        return [taker for taker in self.find_many(takers) if taker.source_key is None and not taker.is_terminal]

    def corrections(self, job_id: str) -> Corrections:
        """The corrections that a relaunch was registered with. A query, or two."""
        pages = self._table.pages(record_key(job_id)[0], prefix=PREFIX)
        return unpacked(item for items in pages for item in items)

    # Registering

    def register(
        self,
        job: Job,
        definition: Mapping[str, Any],
        origin: Origin | None = None,
        checks: Sequence[Action] = (),
        entry: Sequence[Action] = (),
    ) -> tuple[Job, bool]:
        """Store a new job once; an import that waits also joins its entity's queue, behind all that joined before.

        Args:
            job: of a job that joins a queue, `submitted_at` may be made later.
            origin: what the job is made of.
            checks: what must still hold when the job is stored, such as `EntityRepository.still_there`.
            entry: `AuditTrail.entry` of whoever starts it; here and in the other methods.

        Returns:
            The job as stored, and whether this call stored it (False: it was there already).

        Raises:
            Conflict: the origin is not free. For a drop: it is older than an event already registered for its key
                (`Drops.has_newer`), or the object of such an event is being deleted.
            ChecksFailed: a check was false, and the job is not there.
            TooManyRequests: its caller has too many unfinished jobs.
            Unavailable: so many imports join the same queue that this one was overtaken each time.
        """
        for _ in range(CONFLICT_ROUNDS):
            try:
                return self._register_once(job, definition, origin, checks, entry)
            except _Overtaken:
                job = replace(job, submitted_at=after_newest(self._table, job.entity_uid, self._clock.now()))
        message = f"Many imports into {job.entity} are being registered at once. Try again in a moment."
        raise Unavailable(message, BUSY_RETRY_SECONDS)

    def _register_once(
        self,
        job: Job,
        definition: Mapping[str, Any],
        origin: Origin | None,
        checks: Sequence[Action],
        entry: Sequence[Action],
    ) -> tuple[Job, bool]:
        """As `register`.

        Raises:
            _Overtaken: an import with a later `submitted_at` is in the queue.
        """
        actions = self._registration(job, definition)
        quota_position = len(actions)
        if (joins := self._unfinished.join_action(job)) is not None:
            actions.append(joins)
        if origin is not None:
            actions += origin.actions(self._table, self._clock.now())
        actions += entry
        try:
            self._table.transact([*actions, *checks], rounds=CONFLICT_ROUNDS)
        except TransactionCanceled as error:
            stored = self.find(job.job_id)
            if stored is not None:
                return stored, False
            if not error.failed_conditions:
                raise
            if error.failed_conditions[-1] >= len(actions):
                raise ChecksFailed from None
            if joins is not None and quota_position in error.failed_conditions:
                raise too_many_jobs() from None
            if job.is_queued and error.failed_conditions == [ORDER_POSITION]:
                raise _Overtaken from None
            if origin is None:
                raise
            raise Conflict(origin.refusal) from None
        self._outbox.publish_new(job)
        return job, True

    def _registration(self, job: Job, definition: Mapping[str, Any]) -> list[Action]:
        put = self._table.put_action
        actions = [
            put(job_item(job), NEW),
            put({**_keyed(_definition_key(job.job_id)), "document": json_text(definition)}),
        ]
        if job.is_queued:
            actions[ORDER_POSITION:ORDER_POSITION] = [order_action(self._table, job), put(_keyed(queue_key(job)))]
        if job.is_terminal:
            actions.append(put(removal_item(job)))
        else:
            actions.append(put(first_item(job)))
            if not job.is_queued:
                actions.append(put(_keyed(active_key(job))))
        if job.export_id is not None:
            actions.append(put(_keyed(run_key(job.export_id, rfc3339(job.submitted_at), job.job_id))))
        actions.append(put(outbox_item(job, self._clock.now())))
        return actions

    def adopt_active(self) -> None:
        """List jobs that an earlier version registered (`ACTIVE / {jobId}`) as this one does, some at each call."""
        ids = [item["sk"] for item in self._table.query("ACTIVE", limit=ADOPTED_PER_CALL).items]
        jobs = [job for job in self.find_many(ids) if not job.is_terminal]
        active = [_keyed(active_key(job)) for job in jobs if not job.takes_turns]
        self._table.put_many([*active, *map(first_item, jobs)])
        self._table.delete_many([("ACTIVE", job_id) for job_id in ids])

    # Moving

    def begin(self, job_id: str) -> Job:
        """WAITING → IN_PROGRESS; a job already in progress stays so. A read, and a transaction or an update.

        Raises:
            NotItsTurn: another import of the entity is running.
            Superseded: the job has ended.
        """
        job = self.find(job_id)
        if job is None or job.is_terminal:
            raise _ended(job_id)
        begun = self._begin_waiting(job) if job.status is Status.WAITING else None
        if begun is None:
            begun = self._change_running(job_id, Change(sets={"heartbeatAt": rfc3339(self._clock.now())}))
            self._outbox.publish(begun)  # an earlier call may have died before it did
        return begun

    def _begin_waiting(self, job: Job) -> Job | None:
        """The job in progress; None when it was not waiting any more.

        Raises:
            NotItsTurn: another import of the entity is running.
        """
        while True:
            now = parse_rfc3339(rfc3339(self._clock.now()))
            begun = replace(job, status=Status.IN_PROGRESS, heartbeat_at=now, started_at=now)
            known = self._known(job)
            if job.takes_whole_file:
                begun = replace(begun, options=begun.options | {USUAL: known_rows(job, known, now)})
            turn: list[Action] = []
            if job.takes_turns:
                horizon = horizon_of(known)
                begun = replace(begun, write_time=(write_time := earliest_from(now, horizon)))
                turn.append(claim_action(self._table, begun))
                turn.append(horizon_action(self._table, job.entity_uid, horizon, write_time + STEP))
            try:
                self._table.transact([*self._beginning(begun, now), *turn], rounds=CONFLICT_ROUNDS)
                break
            except TransactionCanceled as error:
                if not error.failed_conditions:
                    raise
                if 0 in error.failed_conditions:
                    return None
                if CLAIM_POSITION in error.failed_conditions:
                    raise NotItsTurn(f"job {job.job_id} waits for another import of its entity") from None
                # The end of a window was chosen since the horizon was read.
        self._outbox.publish_new(begun)
        return begun

    def _known(self, job: Job) -> list[Item]:
        """What is known of the entity before an import begins: its horizon, and how many rows are usual. One read."""
        keys = [horizon_key(job.entity_uid)] if job.takes_turns else []
        keys += [usual_key(job)] if job.takes_whole_file else []
        return self._table.get_many(keys)

    def _beginning(self, begun: Job, now: datetime) -> list[Action]:
        item = job_item(begun)
        names = ("status", "heartbeatAt", "startedAt", "writeTime")
        sets = {name: item[name] for name in names if name in item}
        if USUAL in begun.options:
            sets[f"options.{USUAL}"] = begun.options[USUAL]
        change = Change(sets=sets)
        return [
            self._table.update_action(record_key(begun.job_id), change, WAITING),
            self._table.put_action(outbox_item(begun, now)),
        ]

    def set_plan(
        self,
        job_id: str,
        total: int,
        chunks: int,
        detected: Mapping[str, Any],
        duplicate_of: str | None = None,
        first_row: int | None = None,
        warnings: Sequence[Mapping[str, str]] = (),
        without_options: Sequence[str] = (),
    ) -> Job:
        """Record what the plan found, once the rows are counted.

        Args:
            total: the number of rows.
            chunks: the number of chunks that they are loaded in.
            first_row: the number of the first row, if the others follow it without a gap.
            warnings: each a code and a message.
            without_options: the names of options that the file makes void.

        Raises:
            Superseded: the job has ended.
        """
        plan: dict[str, Any] = {
            "total": total,
            "chunks": chunks,
            "detected": dict(detected),
            "duplicateOf": duplicate_of,
            "warnings": [dict(each) for each in warnings],
        }
        if first_row is not None:
            plan["options.firstRow"] = first_row
        removes = [f"options.{name}" for name in without_options]
        return self._change_running(job_id, Change(sets=plan, removes=removes))

    def set_once(self, job_id: str, **values: Any) -> Job:
        """Set attributes of a running job that no attempt has set before; else leave them as they are.

        Args:
            values: by the names of `Job`'s fields; datetimes, or what DynamoDB holds.

        Returns:
            The job, with the values that count.

        Raises:
            Superseded: the job has ended.
        """
        stored = {
            camel(name): rfc3339(value) if isinstance(value, datetime) else value for name, value in values.items()
        }
        return self._change_running(job_id, Change(defaults=stored))

    def set_window_end(self, job: Job) -> Job:
        """Choose, once, where the window of write times of a run ends: behind those of all imports that have ended, and
        not behind that of the running import, nor of any that begins later. Two reads and a transaction.

        Returns:
            The job, with the end that counts.

        Raises:
            Superseded: the job has ended.
        """
        while job.window_to is None:
            horizon, running = self._horizon_and_running(job.entity_uid)
            end = earliest_from(self._clock.now(), horizon) if running is None else running.write_time
            if job.window_from is not None:
                end = max(job.window_from, end)
            where = RUNNING & Attr("windowTo").is_missing()
            change = Change(sets={"windowTo": rfc3339(end)})
            actions = [self._table.update_action(record_key(job.job_id), change, where)]
            if running is None:
                actions.append(horizon_action(self._table, job.entity_uid, horizon, end))
            try:
                self._table.transact(actions, rounds=CONFLICT_ROUNDS)
            except TransactionCanceled as error:
                if not error.failed_conditions:
                    raise
            stored = self.find(job.job_id)
            if stored is None or stored.is_terminal:
                raise _ended(job.job_id)
            job = stored
        return job

    def _horizon_and_running(self, entity_uid: str) -> tuple[datetime | None, RunningImport | None]:
        """The horizon first: an import that begins after this moves it."""
        horizon = self._running.horizon(entity_uid)
        running = self._running.find(entity_uid)
        return horizon, running

    def ends_window(self, job: Job) -> bool:
        """Whether a window of write times may end where the run's does: behind nothing that is written from now on. If
        so, that holds for imports that begin later too, however late their clocks are. Two reads and a transaction."""
        end = cast("datetime", job.window_to)
        while True:
            horizon, running = self._horizon_and_running(job.entity_uid)
            if running is not None:
                return end <= running.write_time
            if horizon is not None and end <= horizon:
                return True
            if end > self._clock.now():
                return False
            try:
                action = horizon_action(self._table, job.entity_uid, horizon, end)
                self._table.transact([action], rounds=CONFLICT_ROUNDS)
            except TransactionCanceled as error:
                if not error.failed_conditions:
                    raise

    def set_source(
        self, job_id: str, key: str, etag: str, options: Mapping[str, Any], importable: int, where: Condition
    ) -> Job:
        """Record the source that a step has made of another job's files.

        Args:
            key, etag: of the object in the files bucket.
            options: of the job that say how it is read.
            importable: rows in it that the other job counts as importable.
            where: what must still hold.

        Raises:
            Superseded: it does not, or the job has ended.
        """
        sets = {"sourceKey": key, "sourceEtag": etag, "takes.importable": importable}
        sets |= {f"options.{name}": value for name, value in options.items()}
        return self._change_running(job_id, Change(sets=sets), where)

    def set_delivery(self, job_id: str, delivery: Mapping[str, Any], commits: bool = False) -> Job:
        """Keep how far the delivery of a run is.

        Args:
            commits: the file gets its final name next, after which a Stop is refused.

        Raises:
            StopRequested: it commits, and a Stop was accepted before.
            Superseded: the job has ended.
        """
        change = Change(sets={"delivery": dict(delivery), "heartbeatAt": rfc3339(self._clock.now())})
        if not commits:
            return self._change_running(job_id, change)
        try:
            return self._change_running(job_id, change, RUNNING & Attr("stopReason").is_missing())
        except Superseded:
            if self.get(job_id).status is not Status.IN_PROGRESS:
                raise
            raise StopRequested(job_id) from None

    def set_option_once(self, job_id: str, name: str, value: Any) -> Job:
        """As `set_option`, unless it is set already.

        Raises:
            Superseded: the job has ended.
        """
        return self._change_running(job_id, Change(defaults={f"options.{name}": value}))

    def set_option(self, job_id: str, name: str, value: Any) -> Job:
        """Set one of the job's options, by which a step tells later ones what it found.

        Raises:
            Superseded: the job has ended.
        """
        return self._change_running(job_id, Change(sets={f"options.{name}": value}))

    def _change_running(self, job_id: str, change: Change, where: Condition = RUNNING) -> Job:
        try:
            return job_from_item(self._table.update(record_key(job_id), change, where))
        except ConditionFailed:
            raise _ended(job_id) from None

    def request_stop(self, job_id: str, reason: str, entry: Sequence[Action] = ()) -> Job:
        """Ask the workers to stop; they see it with their next heartbeat. The first reason stays.

        The finish of an import reads the job after the last chunk is loaded, so a reason that is taken here is always
        in the ended job. An export's file gets its final name on condition that there is none.

        Raises:
            Conflict: the job is not in progress, every chunk of the import is loaded, or the export's file gets its
                final name.
        """
        is_loading = Attr("chunks").is_missing() | ~Attr("chunksLoaded").equals(Attr("chunks"))
        is_import, step = Attr("process").equals(Process.IMPORT), Attr("delivery.step")
        is_open = (is_import & is_loading) | (~is_import & (step.is_missing() | step.equals(UPLOADING)))
        may_stop = RUNNING & is_open & Attr("stopReason").is_missing()
        stop = record_key(job_id), Change(sets={"stopReason": reason}), may_stop
        try:
            if not entry:
                return job_from_item(self._table.update(*stop))
            self._table.transact([self._table.update_action(*stop), *entry], rounds=CONFLICT_ROUNDS)
            return self.get(job_id)
        except (ConditionFailed, TransactionCanceled) as error:
            if isinstance(error, TransactionCanceled) and not error.failed_conditions:
                raise
            job = self.get(job_id)
            # It stops already: for this request, whose reply was lost, or for another.
            is_stopping = job.stop_reason is not None and not job.is_terminal and not job.is_loaded
            if is_stopping or job.stop_reason == reason:
                return job
            if job.status is not Status.IN_PROGRESS:
                raise job.conflict("stopped") from None
            message = "Every row of this import is processed; there is nothing left to stop."
            if job.process is Process.EXPORT:
                message = "The file of this export is being delivered; there is nothing left to stop."
            raise Conflict(message, job.allowed_actions()) from None

    def count_restart(self, job: Job, recovering_since: datetime | None = None) -> Job:
        """Record that the job's next execution replaces the current one.

        Args:
            recovering_since: since when the job's executions have died; None when the current one ends as it should.

        Raises:
            Superseded: somebody else did so, or the job has ended.
        """
        is_unchanged = Attr("restarts").is_missing() | Attr("restarts").equals(job.restarts)
        if recovering_since is None:
            change = Change(sets={"restarts": job.restarts + 1}, removes=["recoveringSince"])
        else:
            change = Change(sets={"restarts": job.restarts + 1, "recoveringSince": rfc3339(recovering_since)})
        try:
            return job_from_item(self._table.update(record_key(job.job_id), change, NOT_ENDED & is_unchanged))
        except ConditionFailed:
            stored = self.find(job.job_id)
            # Whoever counted it, perhaps this call, whose reply was lost: an execution is started once under its name.
            if stored is not None and not stored.is_terminal and stored.restarts == job.restarts + 1:
                return stored
            raise Superseded(f"job {job.job_id} has ended, or is being recovered already") from None

    def finish(
        self,
        job: Job,
        expected: Status,
        where: Condition | None = None,
        also: Collection[str] = (),
        entry: Sequence[Action] = (),
    ) -> Job:
        """Store how a job ended, schedule the deletion of its files and leave the queue. A Stop that was accepted since
        the job was read stays: the reason is in the ended job and in its announcement.

        Args:
            job: as `jobs.model.finished` made it.
            expected: the status it must still have.
            where: what else must still hold, of what the caller relied on.
            also: the names of other fields that the end sets.

        Returns:
            The job as stored: when another call ended it first, that one's.

        Raises:
            StopRequested: of an export, a Stop was accepted since the job was read.
            Superseded: the job has not ended, and `expected` or `where` does not hold.
        """
        known = job.options.get(USUAL)
        while True:
            actions = self._end(job, expected, where, also)
            adds = usual_action(self._table, job, known, self._clock.now())
            actions += [adds] if adds is not None else []
            try:
                self._table.transact([*actions, *entry], rounds=CONFLICT_ROUNDS)
                break
            except TransactionCanceled as error:
                stored = self.find(job.job_id)
                if stored is not None and stored.is_terminal:
                    return stored
                if adds is not None and error.failed_conditions == [len(actions) - 1]:
                    items = self._table.get_many([usual_key(job)])
                    known = known_rows(job, items, self._clock.now())
                    continue
                if stored is None or 0 not in error.failed_conditions:
                    raise
                if stored.stop_reason == job.stop_reason:
                    raise Superseded(f"job {job.job_id} was changed meanwhile") from None
                if job.process is Process.EXPORT:  # it must not end as if there was a file
                    raise StopRequested(job.job_id) from None
                job = replace(job, stop_reason=stored.stop_reason)
        if job.process is Process.IMPORT:
            self._outbox.publish_new(job)  # an export's end is published once its definition knows of it
        return job

    def _end(self, job: Job, expected: Status, where: Condition | None, also: Collection[str]) -> list[Action]:
        item, reason = job_item(job), Attr("stopReason")
        names = {*_ENDING, *map(camel, also)}
        change = Change(sets={name: value for name, value in item.items() if name in names})
        is_unchanged = Attr("status").equals(expected)
        is_unchanged &= reason.is_missing() if job.stop_reason is None else reason.equals(job.stop_reason)
        if where is not None:
            is_unchanged &= where
        actions = [
            self._table.update_action(record_key(job.job_id), change, is_unchanged),
            self._table.put_action(removal_item(job)),
            self._table.delete_action(queue_key(job) if job.takes_turns else active_key(job)),
        ]
        if job.takes_turns and expected is Status.IN_PROGRESS:
            actions.append(release_action(self._table, job))
        if (leaves := self._unfinished.leave_action(job)) is not None:
            actions.append(leaves)
        actions.append(self._table.put_action(outbox_item(job, self._clock.now())))
        return actions

    def expire(self, job: Job, entry: Sequence[Action] = ()) -> Item:
        """Record that an ended job is to be deleted: it has expired, and its entry among `removals` is due. One
        transaction, after which retention completes the deletion if the caller dies.

        Returns:
            Its entry among `removals`.

        Raises:
            Conflict: the job has not ended.
            Gone, NotFound: it was deleted.
        """
        now = from_epoch(int(self._clock.now().timestamp()))
        expired = replace(job, expires_at=now, files_expire_at=now)
        removal = removal_item(expired)
        seconds = int(now.timestamp())
        at = Attr("expiresAt")
        is_unchanged = at.is_missing() if job.expires_at is None else at.equals(int(job.expires_at.timestamp()))
        change = Change(sets={"expiresAt": seconds, "filesExpireAt": seconds})
        before = {removal_key(job, due) for due in (job.files_expire_at, job.expires_at)} - {removal_key(expired, now)}
        actions = [
            self._table.update_action(record_key(job.job_id), change, ENDED & is_unchanged),
            self._table.put_action(removal),
            *map(self._table.delete_action, sorted(before)),
            *entry,
        ]
        try:
            self._table.transact(actions, rounds=CONFLICT_ROUNDS)
        except TransactionCanceled as error:
            if not error.failed_conditions:
                raise
            raise self.get(job.job_id).conflict("deleted") from None
        return removal

    def delete(self, entry: Item, has_time: HasTime = no_limit) -> bool:
        """Delete the items of a job: definition, ledger, its entry among the runs of its export and, last, the record;
        a request for 25 of them. Calling it again completes a deletion that died.

        Args:
            entry: of the job among `removals`.

        Returns:
            Whether the time sufficed for all.
        """
        record = record_key(entry["jobId"])
        for items in self._table.pages(record[0], keys_only=True, limit=DELETED_AT_ONCE):
            if not has_time():
                return False
            self._table.delete_many([(item["pk"], item["sk"]) for item in items if item["sk"] != record[1]])
        if "exportId" in entry:
            self._table.delete(run_key(entry["exportId"], entry["submittedAt"], entry["jobId"]))
        self._table.delete(record)
        return True


def record_key(job_id: str) -> Key:
    return f"JOB#{job_id}", "JOB"


def _definition_key(job_id: str) -> Key:
    return f"JOB#{job_id}", "DEFINITION"


def _keyed(key: Key) -> dict[str, Any]:
    """An item that consists of its key, or the beginning of one."""
    return {"pk": key[0], "sk": key[1]}


def _job_id(sort: str) -> str:
    return sort.partition("#")[2]


def _ended(job_id: str) -> Superseded:
    return Superseded(f"job {job_id} has ended")
