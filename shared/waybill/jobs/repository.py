"""Jobs in DynamoDB: what is stored under which key, and every change as one conditional request.

    JOB#{id}    / JOB               the status record
    JOB#{id}    / DEFINITION        the entity (or export) as it was when the job was registered
    JOB#{id}    / CHUNK#{n}#{part}  the ledger of a part of a chunk: written once, in one transaction with the totals
    ACTIVE      / {id}              a job that has not ended: the sweep sees to it that somebody works on it
    CONTENT#{uid} / {sha256}        the last import of some content into an entity
    QUEUE#{uid} / {submitted}#{id}  the imports of one entity, in order
    DROP#{hash} / LATEST            the newest sequencer registered for a dropped key
    UPLOAD#{id} / UPLOAD            an upload that may become an import
    SWEEP       / {when}#{id}       files to delete when their time has come
    RUNS#{id}   / {submitted}#{id}  the runs of one export, in order
    OUTBOX      / {id}#{status}     a change of status that was not announced yet

Counts never grow by ADD alone: a lost reply and a retry would count twice. They change only in the transaction that
puts a ledger item which must not exist yet. Lists read the index `newest` (keys only, so that progress does not
rewrite it) and then the records themselves.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from waybill.aws.dynamodb import ConditionFailed, DynamoDB, TransactionCanceled, from_attributes, to_attributes
from waybill.clock import Clock
from waybill.errors import Conflict, EntityDeleted, Gone, LeaseHeld, MalformedRequest, NotFound, Superseded
from waybill.ids import SYSTEM_IDS, Ids, new_token
from waybill.jobs.items import (
    LIST_KEY,
    Drop,
    LedgerEntry,
    Upload,
    camel,
    job_from_item,
    job_item,
    ledger_entry_from_item,
    ledger_item,
    upload_from_item,
    upload_item,
)
from waybill.jobs.model import ChunkLease, Job, Process, Retention, Status
from waybill.timestamps import from_epoch, rfc3339

CONTENT_SECONDS = 30 * 86_400
RUN_LIST_SECONDS = 400 * 86_400
OUTBOX_SECONDS = 7 * 86_400
CONFLICT_ROUNDS = 5


class JobRepository:
    """Reads and changes jobs; each method is one request or one transaction unless it says otherwise."""

    def __init__(
        self,
        dynamodb: DynamoDB,
        table: str,
        retention: Retention,
        clock: Clock,
        heart: DynamoDB | None = None,
        announce: Callable[[Job], bool] = lambda job: True,
        ids: Ids = SYSTEM_IDS,
    ) -> None:
        """
        Args:
            heart: the client for heartbeats, whose requests end sooner.
            announce: tells the world of a job's new status; False when that has to be tried again later.
        """
        self._dynamodb = dynamodb
        self._heart = heart or dynamodb
        self._table = table
        self._clock = clock
        self._ids = ids
        self._announce = announce
        self.retention = retention

    # Reading

    def find(self, job_id: str) -> Job | None:
        """The job, also when it has expired; None when there is no record."""
        return self._find(f"JOB#{job_id}")

    def _find(self, pk: str) -> Job | None:
        item = self._get(pk, "JOB")
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

    def page(self, limit: int, cursor: str | None = None) -> tuple[list[Job], str | None]:
        """Up to `limit` jobs, newest submitted first; expired ones are left out, so that a page may be shorter.

        The cursor names the last job seen, so that jobs added meanwhile shift nothing. Costs one Query and as many
        BatchGetItem requests as 100 keys need.

        Raises:
            MalformedRequest: the cursor is none that this method gave.
        """
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": "newest",
            "KeyConditionExpression": "listKey = :jobs",
            "ExpressionAttributeValues": to_attributes({":jobs": LIST_KEY}),
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if cursor is not None:
            sort = _decode_cursor(cursor)
            query["ExclusiveStartKey"] = to_attributes(
                {"listKey": LIST_KEY, "listSort": sort, "pk": f"JOB#{sort.partition('#')[2]}", "sk": "JOB"}
            )
        answer = self._dynamodb.call("Query", query)
        live = self._live([{"pk": item["pk"], "sk": item["sk"]} for item in answer["Items"]])
        last = answer.get("LastEvaluatedKey")
        return live, None if last is None else _encode_cursor(last["listSort"]["S"])

    def runs(self, export_id: str, limit: int, cursor: str | None = None) -> tuple[list[Job], str | None]:
        """Up to `limit` runs of an export, newest first; a page may be shorter, as that of `page`.

        Raises:
            MalformedRequest: the cursor is none that this method gave.
        """
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :runs",
            "ExpressionAttributeValues": to_attributes({":runs": f"RUNS#{export_id}"}),
            "ScanIndexForward": False,
            "ConsistentRead": True,
            "Limit": limit,
        }
        if cursor is not None:
            query["ExclusiveStartKey"] = to_attributes({"pk": f"RUNS#{export_id}", "sk": _decode_cursor(cursor)})
        answer = self._dynamodb.call("Query", query)
        ids = [item["sk"]["S"].partition("#")[2] for item in answer["Items"]]
        live = self._live([to_attributes({"pk": f"JOB#{job_id}", "sk": "JOB"}) for job_id in ids])
        last = answer.get("LastEvaluatedKey")
        return live, None if last is None else _encode_cursor(last["sk"]["S"])

    def _live(self, keys: Sequence[dict[str, Any]]) -> list[Job]:
        """The jobs under these keys that have not expired."""
        now = self._clock.now()
        return [job for job in self._get_all(keys) if not job.has_expired(now)]

    def _get_all(self, keys: Sequence[dict[str, Any]]) -> list[Job]:
        found: dict[str, Job] = {}
        pending = list(keys)
        while pending:
            request = {self._table: {"Keys": pending[:100], "ConsistentRead": True}}
            answer = self._dynamodb.call("BatchGetItem", {"RequestItems": request})
            for attributes in answer["Responses"].get(self._table, []):
                item = from_attributes(attributes)
                found[item["pk"]] = job_from_item(item)
            unread = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            pending = unread + pending[100:]
        return [found[key["pk"]["S"]] for key in keys if key["pk"]["S"] in found]

    def definition(self, job_id: str) -> dict[str, Any]:
        """The entity or export document that the job started with."""
        item = self._get(f"JOB#{job_id}", "DEFINITION")
        if item is None:
            raise NotFound("The definition of this job is gone.")
        document: dict[str, Any] = json.loads(item["document"])
        return document

    def ledger(self, job_id: str, chunk: int | None = None) -> dict[int, list[LedgerEntry]]:
        """The finished parts of every chunk (or of one) by chunk number, in order."""
        entries: dict[int, list[LedgerEntry]] = {}
        prefix = "CHUNK#" if chunk is None else f"CHUNK#{chunk:06d}#"
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": to_attributes({":pk": f"JOB#{job_id}", ":prefix": prefix}),
            "ConsistentRead": True,
        }
        while True:
            answer = self._dynamodb.call("Query", query)
            for attributes in answer["Items"]:
                entry = ledger_entry_from_item(from_attributes(attributes))
                entries.setdefault(entry.chunk, []).append(entry)
            if "LastEvaluatedKey" not in answer:
                return entries
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def queue_head(self, entity_uid: str) -> str | None:
        """The oldest entry of an entity's queue, `{submittedAt}#{jobId}`; None when there is none."""
        answer = self._dynamodb.call(
            "Query",
            {
                "TableName": self._table,
                "KeyConditionExpression": "pk = :pk",
                "ExpressionAttributeValues": to_attributes({":pk": f"QUEUE#{entity_uid}"}),
                "ConsistentRead": True,
                "Limit": 1,
            },
        )
        items = answer["Items"]
        return str(items[0]["sk"]["S"]) if items else None

    # Registering

    def register(
        self,
        job: Job,
        definition: Mapping[str, Any],
        drop: Drop | None = None,
        entity_checks: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[Job, bool]:
        """Store a new job once; an import that waits also joins its entity's queue.

        Args:
            entity_checks: `EntityRepository.still_there`, for a job that must not begin while its entity is deleted.

        Returns:
            The job as stored, and whether this call stored it (False: it was there already).

        Raises:
            Conflict: `drop` is older than an event already registered for its key.
            EntityDeleted: a check failed.
        """
        actions: list[dict[str, Any]] = [
            self._put(job_item(job), "attribute_not_exists(pk)"),
            self._put({"pk": f"JOB#{job.job_id}", "sk": "DEFINITION", "document": json.dumps(definition)}),
        ]
        if job.status is Status.WAITING and job.process is Process.IMPORT and not job.dry_run:
            actions.append(self._put(self._queue_key(job)))
        if job.is_terminal:
            actions.append(self._put(self._sweep_item(job)))
        else:
            actions.append(self._put({"pk": "ACTIVE", "sk": job.job_id}))
        if job.export_id is not None:
            expires = int(job.submitted_at.timestamp()) + RUN_LIST_SECONDS
            sort = f"{rfc3339(job.submitted_at)}#{job.job_id}"
            actions.append(self._put({"pk": f"RUNS#{job.export_id}", "sk": sort, "expiresAt": expires}))
        actions.append(self._outbox_put(job))
        if drop is not None and job.status is Status.WAITING:
            actions.append(
                self._put(
                    {**drop.item_key, "sequencer": drop.order},
                    "attribute_not_exists(pk) OR sequencer <= :sequencer",
                    {":sequencer": drop.order},
                )
            )
        try:
            self._transact([*actions, *entity_checks])
        except TransactionCanceled as error:
            stored = self.find(job.job_id)
            if stored is not None:
                return stored, False
            checked = error.reasons[len(actions) :]
            if any(reason.get("Code") == "ConditionalCheckFailed" for reason in checked):
                raise EntityDeleted(job.entity) from None
            if any(reason.get("Code") == "ConditionalCheckFailed" for reason in error.reasons):
                raise Conflict("A newer version of this object is already registered.") from None
            raise
        self.announce(job)
        return job, True

    # Moving

    def begin(self, job_id: str) -> Job:
        """WAITING → IN_PROGRESS; a job already in progress stays so.

        Raises:
            Superseded: the job has ended.
        """
        now = rfc3339(self._clock.now())
        try:
            job = self._update(
                job_id,
                "SET #status = :running, startedAt = if_not_exists(startedAt, :now), heartbeatAt = :now",
                "#status IN (:waiting, :running)",
                {":running": Status.IN_PROGRESS, ":waiting": Status.WAITING, ":now": now},
                {"#status": "status"},
            )
        except ConditionFailed:
            raise Superseded(f"job {job_id} has ended") from None
        # Also when an earlier call may have died before it did so: an event twice is better than none.
        self._announce(job)
        return job

    def set_plan(self, job_id: str, total: int, detected: Mapping[str, Any], duplicate_of: str | None = None) -> Job:
        """Record what the plan found, once the rows are counted."""
        values = {":total": total, ":detected": dict(detected), ":duplicate": duplicate_of}
        try:
            return self._update(
                job_id,
                "SET #total = :total, detected = :detected, duplicateOf = :duplicate",
                "#status = :running",
                {**values, ":running": Status.IN_PROGRESS},
                {"#total": "total", "#status": "status"},
            )
        except ConditionFailed:
            raise Superseded(f"job {job_id} has ended") from None

    def set_once(self, job_id: str, **values: Any) -> Job:
        """Set attributes of a running job that no attempt has set before; else leave them as they are.

        Args:
            values: by the names of `Job`'s fields; datetimes, or what DynamoDB holds.

        Returns:
            The job, with the values that count.

        Raises:
            Superseded: the job has ended.
        """
        names = {f"#{name}": camel(name) for name in values}
        stored = {
            f":{name}": rfc3339(value) if isinstance(value, datetime) else value for name, value in values.items()
        }
        sets = ", ".join(f"#{name} = if_not_exists(#{name}, :{name})" for name in values)
        try:
            return self._update(
                job_id,
                f"SET {sets}",
                "#status = :running",
                {**stored, ":running": Status.IN_PROGRESS},
                {**names, "#status": "status"},
            )
        except ConditionFailed:
            raise Superseded(f"job {job_id} has ended") from None

    def set_delivery(self, job_id: str, delivery: Mapping[str, Any]) -> Job:
        """Keep how far the delivery of a run is.

        Raises:
            Superseded: the job has ended.
        """
        try:
            return self._update(
                job_id,
                "SET delivery = :delivery, heartbeatAt = :now",
                "#status = :running",
                {":delivery": dict(delivery), ":now": rfc3339(self._clock.now()), ":running": Status.IN_PROGRESS},
                {"#status": "status"},
            )
        except ConditionFailed:
            raise Superseded(f"job {job_id} has ended") from None

    def set_option_once(self, job_id: str, name: str, value: Any) -> Job:
        """As `set_option`, unless it is set already."""
        return self._update(
            job_id,
            "SET options.#name = if_not_exists(options.#name, :value)",
            "#status = :running",
            {":value": value, ":running": Status.IN_PROGRESS},
            {"#name": name, "#status": "status"},
        )

    def set_option(self, job_id: str, name: str, value: Any) -> Job:
        """Set one of the job's options; steps hand on to each other what they found so."""
        return self._update(
            job_id,
            "SET options.#name = :value",
            "#status = :running",
            {":value": value, ":running": Status.IN_PROGRESS},
            {"#name": name, "#status": "status"},
        )

    def request_stop(self, job_id: str, reason: str) -> Job:
        """Ask the workers to stop; they see it with their next heartbeat.

        Raises:
            Conflict: the job is not an import in progress.
        """
        try:
            return self._update(
                job_id,
                "SET stopReason = if_not_exists(stopReason, :reason)",
                "#status = :running AND #process = :import",
                {":reason": reason, ":running": Status.IN_PROGRESS, ":import": Process.IMPORT},
                {"#status": "status", "#process": "process"},
            )
        except ConditionFailed:
            job = self.get(job_id)
            raise Conflict(f"A job that is {job.status} cannot be stopped.", job.allowed_actions()) from None

    def lease_chunk(self, job_id: str, chunk: int, attempt: str, seconds: float) -> Job:
        """Give a chunk to an attempt for a while; each heartbeat prolongs it. Progress so far is kept, so that the
        job's `processed` does not fall while the chunk is read again.

        Raises:
            LeaseHeld: another attempt has it, and its lease is not over.
            Superseded: the job is no longer in progress.
        """
        job = self.get(job_id)
        old = job.leases.get(chunk)
        now = self._clock.now().timestamp()
        if old is not None and old.attempt != attempt and old.until > now * 1000:
            raise LeaseHeld(old.until / 1000 - now)
        lease = replace(old or ChunkLease(attempt), attempt=attempt, until=int((now + seconds) * 1000))
        names = {"#chunk": str(chunk), "#status": "status"}
        values = {
            ":lease": dataclasses.asdict(lease),
            ":now": rfc3339(self._clock.now()),
            ":running": Status.IN_PROGRESS,
        }
        unchanged = "attribute_not_exists(leases.#chunk)"
        if old is not None:
            unchanged, values[":old"] = "leases.#chunk = :old", dataclasses.asdict(old)
        try:
            return self._update(
                job_id,
                "SET leases.#chunk = :lease, heartbeatAt = :now",
                f"#status = :running AND {unchanged}",
                values,
                names,
            )
        except ConditionFailed:
            if self.get(job_id).status is Status.IN_PROGRESS:
                raise LeaseHeld(1.0) from None
            raise Superseded(f"job {job_id} is no longer in progress") from None

    def heartbeat(self, job_id: str, chunk: int, lease: ChunkLease) -> Job:
        """Report a chunk's progress and learn whether to go on: the answer shows `stop_reason`.

        Raises:
            Superseded: another attempt owns the chunk, or the job has ended.
        """
        try:
            return self._update(
                job_id,
                "SET leases.#chunk = :lease, heartbeatAt = :now",
                "#status = :running AND leases.#chunk.attempt = :attempt",
                {
                    ":lease": dataclasses.asdict(lease),
                    ":now": rfc3339(self._clock.now()),
                    ":running": Status.IN_PROGRESS,
                    ":attempt": lease.attempt,
                },
                {"#chunk": str(chunk), "#status": "status"},
                self._heart,
            )
        except ConditionFailed:
            raise Superseded(f"chunk {chunk} of job {job_id} belongs to another attempt") from None

    def commit_chunk(self, job_id: str, entry: LedgerEntry, lease: ChunkLease | None = None) -> LedgerEntry:
        """Put a part's ledger item and add it to the totals, both or neither, once; with that the lease ends.

        `unprocessed` rows stay in the ledger only: the job shows them when it has ended.

        Args:
            lease: the attempt's progress. Where an attempt before it had come further than this part does, the rest
                stays with the chunk (not leased to anybody), so that the job's `processed` does not fall.

        Returns:
            The entry that counts: this one, or the one that an earlier call wrote.

        Raises:
            Superseded: another attempt owns the chunk, or the job has ended.
        """
        values: dict[str, Any] = {":imported": entry.imported, ":rejected": entry.rejected}
        values |= {":running": Status.IN_PROGRESS, ":attempt": entry.attempt}
        release = "REMOVE leases.#chunk"
        if lease is not None and not entry.is_last and lease.processed > entry.imported + entry.rejected:
            release = "SET leases.#chunk = :ahead"
            ahead = ChunkLease(
                entry.attempt,
                lease.processed - entry.imported - entry.rejected,
                max(0, lease.imported - entry.imported),
                max(0, lease.rejected - entry.rejected),
                row=lease.row,
            )
            values[":ahead"] = dataclasses.asdict(ahead)
        totals = {
            "Update": {
                "TableName": self._table,
                "Key": to_attributes({"pk": f"JOB#{job_id}", "sk": "JOB"}),
                "UpdateExpression": f"ADD #imported :imported, #rejected :rejected {release}",
                "ConditionExpression": "#status = :running AND leases.#chunk.attempt = :attempt",
                "ExpressionAttributeNames": {
                    "#chunk": str(entry.chunk),
                    "#status": "status",
                    "#imported": "imported",
                    "#rejected": "rejected",
                },
                "ExpressionAttributeValues": to_attributes(values),
            }
        }
        # The same token for the same attempt: a lost reply and a retry are one transaction.
        token = hashlib.sha256(f"{job_id}/{entry.chunk}/{entry.part}/{entry.attempt}".encode()).hexdigest()[:36]
        try:
            self._transact([self._put(ledger_item(job_id, entry), "attribute_not_exists(pk)"), totals], token)
        except TransactionCanceled as error:
            parts = self.ledger(job_id, entry.chunk).get(entry.chunk, [])
            if len(parts) <= entry.part:
                if error.retryable:
                    raise
                raise Superseded(f"chunk {entry.chunk} of job {job_id} belongs to another attempt") from None
            return parts[entry.part]
        return entry

    def finish(self, job: Job, expected: Status) -> Job:
        """Store a job at its terminal status, schedule the deletion of its files and leave the queue.

        Args:
            job: as `jobs.model.finished` made it.
            expected: the status it must still have.

        Returns:
            The job as stored: when another call ended it first, that one's.
        """
        actions = [
            self._put(job_item(job), "#status = :expected", {":expected": expected}, {"#status": "status"}),
            self._put(self._sweep_item(job)),
            {"Delete": {"TableName": self._table, "Key": to_attributes({"pk": "ACTIVE", "sk": job.job_id})}},
        ]
        if job.process is Process.IMPORT:
            actions.append({"Delete": {"TableName": self._table, "Key": to_attributes(self._queue_key(job))}})
        actions.append(self._outbox_put(job))
        try:
            self._transact(actions)
        except TransactionCanceled:
            stored = self.find(job.job_id)
            if stored is None or not stored.is_terminal:
                raise
            return stored
        if job.process is Process.IMPORT:
            self.announce(job)  # an export's end is announced once its definition knows of it
        return job

    # Announcing: the change and its place in the outbox are one transaction, so that none is lost

    def announce(self, job: Job) -> None:
        """Announce the job's status if it stands in the outbox, and then take it out."""
        sk = f"{job.job_id}#{job.status}"
        if self._get("OUTBOX", sk) is not None and self._announce(job):
            key = to_attributes({"pk": "OUTBOX", "sk": sk})
            self._dynamodb.call("DeleteItem", {"TableName": self._table, "Key": key})

    def announce_late(self, older_than_seconds: float) -> int:
        """Announce what stands in the outbox since long: whoever should have done so is dead.

        Returns:
            The number of changes.
        """
        answer = self._dynamodb.call(
            "Query",
            {
                "TableName": self._table,
                "KeyConditionExpression": "pk = :outbox",
                "ExpressionAttributeValues": to_attributes({":outbox": "OUTBOX"}),
                "ConsistentRead": True,
                "Limit": 100,
            },
        )
        late = 0
        for item in map(from_attributes, answer["Items"]):
            if (self._clock.now() - from_epoch(item["since"])).total_seconds() < older_than_seconds:
                continue
            job = job_from_item(json.loads(item["job"]))
            self.announce(job)
            late += 1
        return late

    def _outbox_put(self, job: Job) -> dict[str, Any]:
        since = int(self._clock.now().timestamp())
        item = {
            "pk": "OUTBOX",
            "sk": f"{job.job_id}#{job.status}",
            "since": since,
            "job": json.dumps(job_item(job), default=str),
            "expiresAt": since + OUTBOX_SECONDS,
        }
        return self._put(item)

    def leave_queue(self, entity_uid: str, entry: str) -> None:
        """Take an ended job's entry out of its entity's queue."""
        key = to_attributes({"pk": f"QUEUE#{entity_uid}", "sk": entry})
        self._dynamodb.call("DeleteItem", {"TableName": self._table, "Key": key})

    def delete(self, job: Job) -> None:
        """Delete the record, its definition and ledger. The caller deletes the files first.

        Raises:
            Conflict: the job has not ended.
        """
        try:
            self._dynamodb.call(
                "DeleteItem",
                {
                    "TableName": self._table,
                    "Key": to_attributes({"pk": f"JOB#{job.job_id}", "sk": "JOB"}),
                    "ConditionExpression": "attribute_not_exists(pk) OR NOT #status IN (:waiting, :running)",
                    "ExpressionAttributeNames": {"#status": "status"},
                    "ExpressionAttributeValues": to_attributes(
                        {":waiting": Status.WAITING, ":running": Status.IN_PROGRESS}
                    ),
                },
            )
        except ConditionFailed:
            raise Conflict(f"A job that is {job.status} cannot be deleted.", job.allowed_actions()) from None
        self.forget_details(job.job_id)

    def forget_details(self, job_id: str) -> None:
        """Delete what a job's record stood on: definition and ledger (one request each)."""
        parts = [entry for entries in self.ledger(job_id).values() for entry in entries]
        for sk in ["DEFINITION", *(ledger_item(job_id, entry)["sk"] for entry in parts)]:
            key = to_attributes({"pk": f"JOB#{job_id}", "sk": sk})
            self._dynamodb.call("DeleteItem", {"TableName": self._table, "Key": key})

    # Uploads

    def add_upload(self, upload: Upload) -> None:
        item = to_attributes(upload_item(upload))
        self._dynamodb.call("PutItem", {"TableName": self._table, "Item": item})

    def get_upload(self, upload_id: str) -> Upload:
        """The upload, also when it has expired.

        Raises:
            NotFound: there is none.
        """
        item = self._get(f"UPLOAD#{upload_id}", "UPLOAD")
        upload = None if item is None else upload_from_item(item)
        if upload is None:
            raise NotFound("There is no upload with this id, or it has expired.")
        return upload

    def claim_upload(self, upload: Upload, job_id: str) -> None:
        """Bind an upload to the job made of it.

        Raises:
            Conflict: it was imported already.
        """
        try:
            self._dynamodb.call(
                "UpdateItem",
                {
                    "TableName": self._table,
                    "Key": to_attributes({"pk": f"UPLOAD#{upload.upload_id}", "sk": "UPLOAD"}),
                    "UpdateExpression": "SET jobId = :job",
                    "ConditionExpression": "attribute_exists(pk) AND (attribute_not_exists(jobId) OR jobId = :job)",
                    "ExpressionAttributeValues": to_attributes({":job": job_id}),
                },
            )
        except ConditionFailed:
            raise Conflict("This upload was imported already.") from None

    # Content seen before

    def content_seen(self, entity_uid: str, sha256: str) -> str | None:
        """The job that imported the same bytes into the entity before; None when none did lately."""
        item = self._get(f"CONTENT#{entity_uid}", sha256)
        if item is None or from_epoch(item["expiresAt"]) <= self._clock.now():
            return None
        return str(item["jobId"])

    def note_content(self, job: Job, sha256: str) -> None:
        """Remember the bytes of a completed import for CONTENT_SECONDS."""
        expires = int(self._clock.now().timestamp()) + CONTENT_SECONDS
        item = {"pk": f"CONTENT#{job.entity_uid}", "sk": sha256, "jobId": job.job_id, "expiresAt": expires}
        self._dynamodb.call("PutItem", {"TableName": self._table, "Item": to_attributes(item)})

    # Jobs that have not ended

    def active(self) -> list[Job]:
        """The jobs that have not ended, at most a megabyte of ids; ended ones that were left over are taken out."""
        answer = self._dynamodb.call(
            "Query",
            {
                "TableName": self._table,
                "KeyConditionExpression": "pk = :active",
                "ExpressionAttributeValues": to_attributes({":active": "ACTIVE"}),
                "ConsistentRead": True,
            },
        )
        jobs = []
        for item in answer["Items"]:
            job = self.find(item["sk"]["S"])
            if job is not None and not job.is_terminal:
                jobs.append(job)
            else:
                key = {"pk": item["pk"], "sk": item["sk"]}
                self._dynamodb.call("DeleteItem", {"TableName": self._table, "Key": key})
        return jobs

    def is_busy(self, entity_uid: str) -> bool:
        """Whether a job of the entity has not ended; costs a Query and a BatchGetItem for each hundred active jobs."""
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :active",
            "ExpressionAttributeValues": to_attributes({":active": "ACTIVE"}),
            "ConsistentRead": True,
        }
        while True:
            answer = self._dynamodb.call("Query", query)
            ids = [item["sk"]["S"] for item in answer["Items"]]
            jobs = self._get_all([to_attributes({"pk": f"JOB#{job_id}", "sk": "JOB"}) for job_id in ids])
            if any(job.entity_uid == entity_uid and not job.is_terminal for job in jobs):
                return True
            if "LastEvaluatedKey" not in answer:
                return False
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def count_restart(self, job: Job) -> Job:
        """Note that a job's execution is started anew.

        Raises:
            Superseded: somebody else did so, or the job has ended.
        """
        try:
            return self._update(
                job.job_id,
                "SET restarts = :next",
                "#status IN (:waiting, :running) AND (attribute_not_exists(restarts) OR restarts = :now)",
                {
                    ":next": job.restarts + 1,
                    ":now": job.restarts,
                    ":waiting": Status.WAITING,
                    ":running": Status.IN_PROGRESS,
                },
                {"#status": "status"},
            )
        except ConditionFailed:
            raise Superseded(f"job {job.job_id} is seen to already") from None

    # Sweeping

    def due_files(self, limit: int = 100) -> list[tuple[str, dict[str, Any]]]:
        """Files whose time has come: (sort key, {jobId, sourceBucket?, sourceKey?, sourceEtag?})."""
        answer = self._dynamodb.call(
            "Query",
            {
                "TableName": self._table,
                "KeyConditionExpression": "pk = :sweep AND sk <= :now",
                "ExpressionAttributeValues": to_attributes({":sweep": "SWEEP", ":now": rfc3339(self._clock.now())}),
                "Limit": limit,
            },
        )
        return [(item["sk"], item) for item in map(from_attributes, answer["Items"])]

    def swept(self, sort_key: str) -> None:
        key = to_attributes({"pk": "SWEEP", "sk": sort_key})
        self._dynamodb.call("DeleteItem", {"TableName": self._table, "Key": key})

    # Parts of requests

    def _transact(self, actions: Sequence[Mapping[str, Any]], token: str | None = None) -> None:
        """One transaction. While it only collides with other writes it is sent again: that says nothing of who owns
        what.

        Raises:
            TransactionCanceled: a condition was false; or, `retryable`, it collided all the time.
        """
        request: dict[str, Any] = {"TransactItems": list(actions), "ClientRequestToken": token or new_token(self._ids)}
        for rounds_left in reversed(range(CONFLICT_ROUNDS)):
            try:
                self._dynamodb.call("TransactWriteItems", request)
                return
            except TransactionCanceled as error:  # after the client's own attempts, with jitter between them
                if not (error.retryable and rounds_left):
                    raise

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        key = to_attributes({"pk": pk, "sk": sk})
        answer = self._dynamodb.call("GetItem", {"TableName": self._table, "Key": key, "ConsistentRead": True})
        return from_attributes(answer["Item"]) if "Item" in answer else None

    def _put(
        self,
        item: Mapping[str, Any],
        condition: str | None = None,
        values: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        put: dict[str, Any] = {"TableName": self._table, "Item": to_attributes(item)}
        if condition is not None:
            put["ConditionExpression"] = condition
        if values:
            put["ExpressionAttributeValues"] = to_attributes(values)
        if names:
            put["ExpressionAttributeNames"] = dict(names)
        return {"Put": put}

    def _update(
        self,
        job_id: str,
        expression: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str],
        client: DynamoDB | None = None,
    ) -> Job:
        answer = (client or self._dynamodb).call(
            "UpdateItem",
            {
                "TableName": self._table,
                "Key": to_attributes({"pk": f"JOB#{job_id}", "sk": "JOB"}),
                "UpdateExpression": expression,
                "ConditionExpression": condition,
                "ExpressionAttributeValues": to_attributes(values),
                "ExpressionAttributeNames": dict(names),
                "ReturnValues": "ALL_NEW",
            },
        )
        return job_from_item(from_attributes(answer["Attributes"]))

    def _queue_key(self, job: Job) -> dict[str, Any]:
        return {"pk": f"QUEUE#{job.entity_uid}", "sk": f"{rfc3339(job.submitted_at)}#{job.job_id}"}

    def _sweep_item(self, job: Job) -> dict[str, Any]:
        item = {
            "pk": "SWEEP",
            "sk": f"{rfc3339(job.files_expire_at)}#{job.job_id}",
            "jobId": job.job_id,
            "sourceBucket": job.source_bucket,
            "sourceKey": job.source_key,
            "sourceEtag": job.source_etag,
        }
        return {name: value for name, value in item.items() if value is not None}


def _encode_cursor(sort: str) -> str:
    return base64.urlsafe_b64encode(sort.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> str:
    try:
        sort = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        raise MalformedRequest("nextToken is none that this list gave.") from None
    if "#" not in sort:
        raise MalformedRequest("nextToken is none that this list gave.")
    return sort
