"""Each oracle fails when its promise is broken: an oracle that cannot fail proves nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.builders import START
from tests.simulation import oracles
from tests.simulation.oracles import Watch, exports, imports, jobs, objects, quality, sources
from tests.simulation.oracles import told as told_oracles
from tests.simulation.oracles.sheets import SCHEMA, Fold, Row, Sheet, expected_rejects
from tests.simulation.oracles.sight import Violation
from tests.simulation.servers import SIGNING_KEY, Post, Servers
from tests.simulation.simulate import AT_LEAST
from tests.simulation.world import World
from waybill.aws.dynamodb import to_attributes
from waybill.jobs.items import job_item
from waybill.jobs.model import ChunkLease, Counts, Job, Outcome, Process, Status
from waybill.webhooks.signature import headers
from waybill.wire.webhooks import job_payload

UID, KEY = "uid-contacts", "drop/contacts/a.csv"
SOURCE = b"id,n,note\nk1,1,a\nk2,x,b\nk3,3,c\n"
HOOK = "https://hooks.example/a"
REJECTS = b"_row,_type,_reason,id,n,note\n3,type-error,no number,k2,x,b\n"


class Scene:
    """A world in which nothing runs: a test writes what the product would."""

    def __init__(self) -> None:
        self.world = World(1)
        self.entries = 0
        world = self.world
        now, servers = world.timeline.monotonic, Servers(world.calls)
        self.watch = Watch(world.server, world.aws, world.settings, now, servers, world.hooks)
        self.settings = world.settings
        self.quality: dict[str, Any] | None = None
        self.etag = self.put(self.settings.drop_bucket, KEY, SOURCE)

    def put(self, bucket: str, key: str, data: bytes) -> str:
        return self.world.aws.put(bucket, key, data).etag

    def item(self, table: str, item: dict[str, Any]) -> None:
        status, answer = self.world.server.handle("PutItem", {"TableName": table, "Item": to_attributes(item)})
        assert status == 200, answer

    def save(self, *jobs: Job) -> Job:
        """Write a job's record, once for each of its states, and the entries of the audit trail."""
        for job in jobs:
            seen = self.watch.jobs.get(job.job_id)
            if seen is None:
                self.entry(job.job_id, "dropFile")
            key = (f"JOB#{job.job_id}", "DEFINITION")
            if seen is None and self.world.table(self.settings.jobs_table).get(key) is None:
                webhooks = [{"url": url} for url in self.watch.told_of_imports]
                document = json.dumps({"quality": self.quality, "webhooks": webhooks, "export": {}})
                self.item(self.settings.jobs_table, {"pk": key[0], "sk": key[1], "document": document})
            if job.status is Status.CANCELED and (seen is None or seen.job.status is not Status.CANCELED):
                self.entry(job.job_id, "cancelJob")
            if job.stop_reason == "USER" and job.job_id not in self.watch.stopped:
                self.entry(job.job_id, "stopJob")
            self.item(self.settings.jobs_table, job_item(job))
        return jobs[-1]

    def entry(self, job_id: str, action: str) -> None:
        self.entries += 1
        item = {"pk": "AUDIT#2026-03", "sk": str(self.entries), "action": action, "jobId": job_id}
        self.item(self.settings.jobs_table, item)

    def record(self, key: str, by: str, **fields: str) -> None:
        item: dict[str, Any] = {"_pk": f"{UID}#00", "_sk": key, "_at": 1, "_by": by, "id": key}
        self.item(self.settings.records_table, item | fields)

    def job(self, number: int = 1, status: Status = Status.WAITING, **changes: Any) -> Job:
        values: dict[str, Any] = {
            "job_id": f"job-{number}",
            "process": Process.IMPORT,
            "status": status,
            "entity": "contacts",
            "entity_uid": UID,
            "file_name": "a.csv",
            "submitted_at": START + timedelta(seconds=number),
            "started_by": "alice",
            "source_bucket": self.settings.drop_bucket,
            "source_key": KEY,
            "source_etag": self.etag,
        }
        if status is not Status.WAITING:
            values["started_at"] = START + timedelta(seconds=number)
        return Job(**{**values, **changes})

    def ended(self, number: int = 1, **changes: Any) -> Job:
        """A job that ended well: two rows imported, one rejected."""
        values: dict[str, Any] = {
            "counts": Counts(3, 2, 1),
            "outcome": Outcome.PARTIAL_SUCCESS,
            "completed_at": START,
            "expires_at": START + timedelta(days=3),
            "files_expire_at": START + timedelta(days=2),
            "has_rejects": True,
            "has_error_log": True,
        }
        return self.job(number, **{"status": Status.COMPLETED, **values, **changes})

    def results(self, number: int = 1, rejects: bytes = REJECTS) -> None:
        """The files and the records of such a job."""
        for name in ("rejects.csv", "error-log.csv"):
            self.put(self.settings.files_bucket, f"jobs/job-{number}/{name}", rejects)
        for key, n, note in (("k1", "1", "a"), ("k3", "3", "c")):
            self.record(key, f"job-{number}", n=n, note=note)

    def run_import(self, number: int = 1, **changes: Any) -> Job:
        """All that a good import writes."""
        self.save(self.job(number), self.job(number, Status.IN_PROGRESS))
        self.results(number)
        return self.save(self.ended(number, **changes))

    def tell(self, job: Job, url: str = HOOK, webhook_id: str = "msg_1", key: bytes = SIGNING_KEY, **told: Any) -> None:
        """A receiver takes a message about the end of a job."""
        body = json.dumps(job_payload(job, "") | told, default=str)
        signed = headers([key], webhook_id, 1, body)
        self.watch.hooks.taken.setdefault((url, webhook_id), []).append(Post(signed, body))
        self.watch.hooks.sent[url, webhook_id].append(Post(signed, body))

    def queued(self, partition: str, at: str, attempts: int) -> None:
        """A message that waits, or was given up."""
        item = {"pk": partition, "sk": f"{at}#msg_1", "url": HOOK, "jobId": "job-1", "attempts": attempts}
        self.item(self.settings.jobs_table, item)

    def announce(self, job_id: str, *statuses: str) -> None:
        for status in statuses:
            self.world.aws.events.append((0.0, {"Detail": json.dumps({"jobId": job_id, "status": status})}))

    def run_export(
        self, number: int, data: bytes, name: str = "x.csv", split: dict[str, int] | None = None, **changes: Any
    ) -> Job:
        """A run that ended well, delivered to the transfer box."""
        self.world.timeline.seconds += 1.0
        self.watch.asked["run"] += 1
        key = f"jobs/job-{number}/export"
        self.put(self.settings.files_bucket, key, data)
        self.put(self.settings.transfer_bucket, f"in/{name}", data)
        export = {"destination": {"kind": "s3", "prefix": "in"}, "filter": [], "includeDeleted": True, "split": split}
        document = json.dumps({"export": export, "series": "s"})
        self.item(self.settings.jobs_table, {"pk": f"JOB#job-{number}", "sk": "DEFINITION", "document": document})
        values: dict[str, Any] = {
            "process": Process.EXPORT,
            "extracted": {"key": key, "rows": 1, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
            "file_name": name,
            "counts": Counts(1, 1),
            "has_rejects": False,
            "has_error_log": False,
            "source_key": None,
        }
        self.save(
            self.job(number, process=Process.EXPORT), self.job(number, Status.IN_PROGRESS, process=Process.EXPORT)
        )
        return self.save(self.ended(number, **(values | changes)))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_world_in_which_all_went_well_passes_every_oracle(scene: Scene) -> None:
    scene.watch.told_of_imports = [HOOK]
    scene.item(scene.settings.catalog_table, {"pk": "ENTITY", "sk": "contacts", "uid": UID})
    scene.tell(scene.run_import())
    scene.announce("job-1", "WAITING", "IN_PROGRESS", "COMPLETED")
    scene.run_export(2, b"id,n,note\nk1,1,a\nk3,3,c\n")
    scene.announce("job-2", "WAITING", "IN_PROGRESS", "COMPLETED")
    a_set_with(scene, FILES_OF_A_SET, 3)
    scene.announce("job-3", "WAITING", "IN_PROGRESS", "COMPLETED")
    scene.watch.check_end()
    scene.watch.check_retention()
    every = {oracle.__name__ for oracle in (*oracles.AT_WRITE, *oracles.AT_RECORD, *oracles.AT_DELETION)}
    every |= {oracle.__name__ for oracle in (*oracles.AT_END, *oracles.AFTER_RETENTION)}
    # What this world gives no occasion for: a second import, a relaunch, Stop, leases, increments, time that passes.
    assert every - set(scene.watch.checked) == {
        "accepted_stops_are_kept",
        "attempts_are_made_in_time",
        "expired_files_are_gone",
        "imports_take_effect_in_order",
        "increments_fold_to_the_table",
        "leases_are_held_once",
        "live_source_is_kept",
        "no_write_is_behind_a_window",
        "nothing_is_written_after_stop",
        "repeated_requests_have_one_effect",
        "stopped_export_delivers_nothing",
        "windows_are_contiguous",
    }
    assert {broken[0].__name__ for broken in BROKEN} == every
    assert {f"checks: {name}" for name in every} <= set(AT_LEAST), "histories must reach each of them"


def canceled_after_it_began(scene: Scene) -> None:
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS), scene.job(status=Status.CANCELED, counts=Counts(0)))


def counted_again_after_its_end(scene: Scene) -> None:
    job = scene.run_import()
    scene.save(replace(job, counts=Counts(3, 1, 2)))


def deleted_while_it_ran(scene: Scene) -> None:
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS))
    key = to_attributes({"pk": "JOB#job-1", "sk": "JOB"})
    scene.world.server.handle("DeleteItem", {"TableName": scene.settings.jobs_table, "Key": key})


def a_row_too_many(scene: Scene) -> None:
    scene.run_import(counts=Counts(4, 2, 1))


def progress_that_falls(scene: Scene) -> None:
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS, counts=Counts(3, 2)))
    scene.save(scene.job(status=Status.IN_PROGRESS, counts=Counts(3, 1)))


def no_rejects_file(scene: Scene) -> None:
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS), scene.ended(has_error_log=False))


def a_rejects_file_without_the_row(scene: Scene) -> None:
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS))
    scene.results(rejects=b"_row,_type,_reason,id,n,note\n")
    scene.save(scene.ended())


def an_export_with_another_digest(scene: Scene) -> None:
    extracted = {"key": "jobs/job-1/export", "rows": 1, "bytes": 1, "sha256": "other"}
    scene.run_export(1, b"id\n", extracted=extracted)


def two_imports_at_once(scene: Scene) -> None:
    for number in (1, 2):
        scene.save(scene.job(number), scene.job(number, Status.IN_PROGRESS))


def two_waiting(scene: Scene) -> None:
    for number in (1, 2):
        scene.world.timeline.seconds += 1.0
        scene.save(scene.job(number))


def the_later_import_first(scene: Scene) -> None:
    two_waiting(scene)
    scene.save(scene.job(2, Status.IN_PROGRESS))


def the_earlier_import_last(scene: Scene) -> None:
    scene.world.timeline.seconds = 1.0
    scene.save(scene.job(1, submitted_at=START))
    scene.world.timeline.seconds = 2.0
    scene.save(scene.job(2), scene.job(2, Status.FAILED, counts=Counts(0), started_at=START))
    scene.save(scene.job(1, Status.IN_PROGRESS, submitted_at=START))


def a_time_long_before_the_registration(scene: Scene) -> None:
    scene.world.timeline.seconds = 100.0
    scene.save(scene.job())


def a_drop_that_nobody_finds(scene: Scene) -> None:
    scene.world.timeline.seconds = 1_000.0
    scene.watch.check_end()


def a_partners_file_that_nobody_fetches(scene: Scene) -> None:
    scene.watch.partner_files.append(("a.csv", b"id\n1\n"))
    scene.watch.check_end()


def two_jobs_of_one_drop(scene: Scene) -> None:
    scene.run_import(1)
    scene.save(scene.job(2), scene.job(2, Status.FAILED, counts=Counts(0)))
    scene.watch.check_end()


def a_lease_taken_over_too_early(scene: Scene) -> None:
    until = int((START.timestamp() + 12) * 1000)
    leases = [{0: ChunkLease(attempt, until=until)} for attempt in ("a", "b")]
    scene.save(scene.job(), *(scene.job(status=Status.IN_PROGRESS, leases=lease) for lease in leases))


def a_good_row_rejected(scene: Scene) -> None:
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS))
    scene.results(rejects=REJECTS.replace(b"3,type-error", b"4,type-error"))
    scene.save(scene.ended())


def repeated(scene: Scene, type: bytes) -> None:
    """A stopped import of two rows of one key, of which the earlier one is in the rejects file."""
    scene.etag = scene.put(scene.settings.drop_bucket, KEY, b"id,n,note\nk1,0,z\nk1,1,a\nk3,3,c\n")
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS))
    scene.results(rejects=b"_row,_type,_reason,id,n,note\n2," + type + b",why,k1,0,z\n")
    counts = Counts(3, 2, 1, repeated=int(type == b"duplicate-key"))
    scene.save(scene.ended(counts=counts, stop_reason="USER"))


def an_older_row_left_for_a_relaunch(scene: Scene) -> None:
    repeated(scene, b"stopped")


def an_older_row_relaunched(scene: Scene) -> None:
    repeated(scene, b"duplicate-key")
    key = "jobs/job-2/source"
    etag = scene.put(scene.settings.files_bucket, key, b"_row,_type,_reason,id,n,note\n2,stopped,why,k1,0,z\n")
    of = {"retry_of": "job-1", "source_bucket": scene.settings.files_bucket, "source_key": key, "source_etag": etag}
    scene.save(scene.job(2, **of), scene.job(2, Status.IN_PROGRESS, **of))
    scene.record("k1", "job-2", n="0", note="z")
    scene.save(scene.ended(2, counts=Counts(1, 1), has_rejects=False, has_error_log=False, **of))


def a_repeated_key_that_is_not_counted(scene: Scene) -> None:
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS))
    scene.results(rejects=REJECTS.replace(b"type-error", b"duplicate-key"))
    scene.save(scene.ended(stop_reason="USER"))


def written_and_not_told(scene: Scene) -> None:
    scene.record("k2", "job-1")
    scene.run_import()


def told_and_not_written(scene: Scene) -> None:
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS))
    scene.put(scene.settings.files_bucket, "jobs/job-1/rejects.csv", REJECTS)
    scene.put(scene.settings.files_bucket, "jobs/job-1/error-log.csv", REJECTS)
    scene.save(scene.ended())


def a_dry_run_that_writes(scene: Scene) -> None:
    scene.save(scene.job(dry_run=True), scene.job(status=Status.IN_PROGRESS, dry_run=True))
    scene.results()
    scene.save(scene.ended(dry_run=True))


def another_value_in_the_table(scene: Scene) -> None:
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS))
    scene.results()
    scene.record("k1", "job-1", n="7")
    scene.save(scene.ended())


def an_import_that_has_no_rows_and_wrote_one(scene: Scene) -> None:
    scene.record("k1", "job-1")
    scene.save(scene.job(), scene.job(status=Status.FAILED, counts=Counts(0)))


def a_row_written_long_after_stop(scene: Scene) -> None:
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS, stop_reason="USER"))
    scene.world.timeline.seconds = 5.5
    scene.record("k1", "job-1")


def an_export_that_lacks_a_record(scene: Scene) -> None:
    scene.run_import()
    scene.run_export(2, b"id,n,note\nk1,1,a\n")


def a_delivery_that_did_not_arrive(scene: Scene) -> None:
    scene.run_export(1, b"id,n,note\n")
    scene.world.aws.buckets[scene.settings.transfer_bucket].clear()
    document = scene.watch.jobs["job-1"].job
    exports.exported_file_is_right(scene.watch, None, document)


def a_set_with(scene: Scene, files: list[bytes], number: int = 2, **listed: Any) -> None:
    """A run in files of at most one row; the manifest says what is `listed` of the last one, in place of the truth."""
    bucket, key = scene.settings.transfer_bucket, f"jobs/job-{number}/export"
    kept = [{"rows": 1, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for data in files]
    for at, data in enumerate(files, 1):
        scene.put(scene.settings.files_bucket, f"{key}/{at:04}", data)
        scene.put(bucket, f"in/x_{at:04}.csv", data)
    scene.put(scene.settings.files_bucket, f"{key}/files.json", json.dumps(kept).encode())
    shown = [{"fileName": f"x_{at:04}.csv", **file} for at, file in enumerate(kept, 1)]
    shown[-1] |= listed
    scene.put(bucket, "in/x.csv.manifest.json", json.dumps({"files": shown}).encode())
    extracted = {"key": key, "rows": 1, "bytes": 1, "sha256": None, "files": len(files)}
    scene.run_export(number, b"", extracted=extracted, split={"maxRows": 1})


FILES_OF_A_SET = [b"id,n,note\nk1,1,a\n", b"id,n,note\nk3,3,c\n"]


def a_set_whose_manifest_lists_another_digest(scene: Scene) -> None:
    scene.run_import()
    a_set_with(scene, FILES_OF_A_SET, sha256="other")


def a_set_whose_manifest_lacks_a_file(scene: Scene) -> None:
    scene.run_import()
    a_set_with(scene, FILES_OF_A_SET, fileName="x_0003.csv")


def a_set_with_more_rows_in_a_file(scene: Scene) -> None:
    scene.run_import()
    a_set_with(scene, [FILES_OF_A_SET[0] + b"k3,3,c\n"], rows=2)


def a_stopped_export_that_is_delivered_all_the_same(scene: Scene) -> None:
    scene.put(scene.settings.transfer_bucket, "out/a.csv", b"id\n")
    (found,) = scene.world.aws.buckets[scene.settings.transfer_bucket].values()
    scene.world.aws.buckets[scene.settings.transfer_bucket]["out/a.csv"] = replace(
        found, metadata={"waybill-job": "job-1"}
    )
    run = scene.job(process=Process.EXPORT, export_id="out")
    scene.save(run, replace(run, status=Status.IN_PROGRESS, stop_reason="USER"))
    counts = Counts(2, unprocessed=2)
    scene.save(replace(run, status=Status.COMPLETED, stop_reason="USER", counts=counts, outcome=Outcome.FAILED))


def a_stopped_export_that_offers_its_file(scene: Scene) -> None:
    run = scene.job(process=Process.EXPORT, export_id="out")
    scene.save(run, replace(run, status=Status.IN_PROGRESS, stop_reason="USER"))
    ended = replace(run, status=Status.COMPLETED, stop_reason="USER", counts=Counts(0), outcome=Outcome.FAILED)
    scene.save(replace(ended, has_download=True))


def the_source_of_a_waiting_import_deleted(scene: Scene) -> None:
    scene.save(scene.job())
    scene.world.aws.remove(scene.settings.drop_bucket, KEY)


def the_source_of_the_newest_import_deleted(scene: Scene) -> None:
    scene.run_import()
    scene.world.aws.remove(scene.settings.drop_bucket, KEY)


def an_import_that_waits_for_ever(scene: Scene) -> None:
    scene.save(scene.job())
    scene.watch.check_end()


def an_import_that_ends_too_late(scene: Scene) -> None:
    scene.save(scene.job())
    scene.world.timeline.seconds = 4_000.0
    scene.save(scene.job(status=Status.FAILED, counts=Counts(0)))
    scene.watch.check_end()


def an_entry_left_in_the_queue(scene: Scene) -> None:
    scene.item(scene.settings.jobs_table, {"pk": f"QUEUE#{UID}", "sk": "1#job-1"})
    scene.watch.check_end()


def a_move_that_nobody_heard_of(scene: Scene) -> None:
    scene.run_import()
    scene.announce("job-1", "WAITING", "COMPLETED")
    scene.watch.check_end()


def a_move_that_never_was(scene: Scene) -> None:
    scene.run_import()
    scene.announce("job-1", "WAITING", "IN_PROGRESS", "COMPLETED", "FAILED")
    scene.watch.check_end()


def a_start_recorded_twice(scene: Scene) -> None:
    scene.run_import()
    scene.announce("job-1", "WAITING", "IN_PROGRESS", "COMPLETED")
    scene.entry("job-1", "createImport")
    scene.watch.check_end()


def a_stop_that_nobody_recorded(scene: Scene) -> None:
    scene.watch.stopped["job-1"] = 0.0
    scene.run_import()
    scene.announce("job-1", "WAITING", "IN_PROGRESS", "COMPLETED")
    scene.watch.check_end()


def two_children_of_one_request(scene: Scene) -> None:
    for number in (1, 2):
        child = scene.job(number, retry_of="job-0")
        scene.save(child, replace(child, status=Status.CANCELED, counts=Counts(0)))
        scene.announce(f"job-{number}", "WAITING", "CANCELED")
    scene.watch.asked["relaunch"] = 1
    scene.watch.puts[scene.settings.drop_bucket, KEY, scene.etag] = 2
    scene.watch.check_end()


def a_stop_forgotten(scene: Scene) -> None:
    scene.run_import()
    scene.announce("job-1", "WAITING", "IN_PROGRESS", "COMPLETED")
    scene.watch.stops.add("job-1")
    scene.watch.check_end()


def a_stop_that_ended_as_a_failure(scene: Scene) -> None:
    scene.watch.stops.add("job-1")
    scene.run_import(status=Status.FAILED, stop_reason="USER", error_code="internal-error")
    scene.announce("job-1", "WAITING", "IN_PROGRESS", "FAILED")
    scene.watch.check_end()


def increments(scene: Scene, *windows: tuple[int | None, int], rows: bytes = b"k1,1,a,false\nk3,3,c,false\n") -> None:
    scene.run_import()
    scene.announce("job-1", "WAITING", "IN_PROGRESS", "COMPLETED")
    scene.world.timeline.seconds = 10.0
    for number, (begin, end) in enumerate(windows, 2):
        window = [None if moment is None else START + timedelta(seconds=moment) for moment in (begin, end)]
        data = b"id,n,note,_deleted\n" + (rows if number == 2 else b"")
        scene.run_export(number, data, f"x{number}.csv", window_from=window[0], window_to=window[1])
        scene.announce(f"job-{number}", "WAITING", "IN_PROGRESS", "COMPLETED")
    scene.watch.check_end()


def a_gap_between_windows(scene: Scene) -> None:
    increments(scene, (None, 5), (6, 9))


def a_window_twice(scene: Scene) -> None:
    increments(scene, (None, 5), (None, 9))


def a_record_that_no_increment_has(scene: Scene) -> None:
    increments(scene, (None, 9), rows=b"k1,1,a,false\n")


def a_deletion_that_an_increment_makes_up(scene: Scene) -> None:
    increments(scene, (None, 9), rows=b"k1,1,a,false\nk3,3,c,true\n")


def a_record_written_behind_a_window(scene: Scene) -> None:
    scene.run_export(2, b"id,n,note,_deleted\n", window_to=START)
    scene.record("k9", "job-1", n="1")


def a_file_that_outlives_its_job(scene: Scene) -> None:
    scene.run_import()
    scene.world.timeline.seconds = 3 * 86_400.0
    scene.watch.check_retention()


def a_dropped_object_that_outlives_its_job(scene: Scene) -> None:
    scene.run_import()
    scene.world.timeline.seconds = 3 * 86_400.0
    for name in ("rejects.csv", "error-log.csv"):
        scene.world.aws.remove(scene.settings.files_bucket, f"jobs/job-1/{name}")
    scene.watch.check_retention()


def a_detail_that_outlives_its_deleted_job(scene: Scene) -> None:
    scene.run_import()
    scene.item(scene.settings.jobs_table, {"pk": "JOB#job-1", "sk": "DEFINITION", "document": "{}"})
    scene.watch.removed_by_people.add((scene.settings.drop_bucket, KEY))
    scene.world.aws.remove(scene.settings.drop_bucket, KEY)
    for name in ("rejects.csv", "error-log.csv"):
        scene.world.aws.remove(scene.settings.files_bucket, f"jobs/job-1/{name}")
    key = to_attributes({"pk": "JOB#job-1", "sk": "JOB"})
    scene.world.server.handle("DeleteItem", {"TableName": scene.settings.jobs_table, "Key": key})
    scene.watch.check_retention()


RULE = {"maxRejectedPercent": 10, "maxRowsChangePercent": 50, "action": "stop"}
MANY = [{"code": "many-rejected", "message": ""}]
UNUSUAL = [{"code": "unusual-rows", "message": ""}]
TENS: dict[str, Any] = {"options": {"usual": {"rows": [10, 10, 10]}}}
REFUSED: dict[str, Any] = {
    "status": Status.FAILED, "error_code": "unusual-rows", "counts": Counts(0), "has_rejects": False,
    "has_error_log": False,
}  # fmt: skip


def bad_rows_that_nobody_is_told_of(scene: Scene) -> None:
    scene.quality = RULE | {"action": "tell"}
    scene.run_import()


def good_files_that_are_complained_of(scene: Scene) -> None:
    scene.quality = RULE | {"maxRejectedPercent": 50}
    scene.run_import(warnings=MANY)


def bad_files_that_are_not_stopped(scene: Scene) -> None:
    scene.quality = RULE
    scene.run_import(warnings=MANY)


def a_stop_that_no_rule_asks_for(scene: Scene) -> None:
    scene.quality = RULE | {"action": "tell"}
    scene.run_import(warnings=MANY, stop_reason="MAX_ERRORS")


def with_rule(scene: Scene, action: str) -> None:
    """The source has 3 rows, where 10 are usual."""
    scene.quality = RULE | {"maxRejectedPercent": None, "action": action}
    scene.watch.totals[UID, "upsert", ""] = [10, 10, 10], 0.0


def a_short_file_that_nobody_is_told_of(scene: Scene) -> None:
    with_rule(scene, "tell")
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS, **TENS))
    scene.results()
    scene.save(scene.ended(**TENS))


def a_short_file_that_is_imported(scene: Scene) -> None:
    with_rule(scene, "stop")
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS, **TENS))
    scene.results()
    scene.save(scene.ended(warnings=UNUSUAL, **TENS))


def a_usual_file_that_is_refused(scene: Scene) -> None:
    scene.quality = RULE | {"maxRowsChangePercent": 70}
    scene.watch.totals[UID, "upsert", ""] = [10, 10, 10], 0.0
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS, **TENS), scene.ended(**REFUSED, **TENS))


def an_accepted_file_that_is_refused_again(scene: Scene) -> None:
    with_rule(scene, "stop")
    scene.save(scene.job(), scene.job(status=Status.IN_PROGRESS, **TENS), scene.ended(**REFUSED, **TENS))
    again = {"retry_of": "job-1", **TENS}
    scene.save(scene.job(2, **again), scene.job(2, Status.IN_PROGRESS, **again), scene.ended(2, **REFUSED, **again))


def an_import_that_was_forgotten(scene: Scene) -> None:
    scene.run_import()
    scene.world.timeline.seconds = 3_600.0
    later = {"submitted_at": START + timedelta(hours=1)}
    scene.save(scene.job(2, **later), scene.job(2, Status.IN_PROGRESS, **later))


def an_import_that_counts_twice(scene: Scene) -> None:
    scene.run_import()
    twice: dict[str, Any] = {"options": {"usual": {"rows": [3, 3]}}}
    scene.save(scene.job(2), scene.job(2, Status.IN_PROGRESS, **twice))


def told(scene: Scene) -> Job:
    scene.watch.told_of_imports = [HOOK]
    scene.item(scene.settings.catalog_table, {"pk": "ENTITY", "sk": "contacts", "uid": UID})
    scene.announce("job-1", "WAITING", "IN_PROGRESS", "COMPLETED")
    return scene.run_import()


def an_end_that_nobody_is_told_of(scene: Scene) -> None:
    told(scene)
    scene.watch.check_end()


def an_end_with_two_ids(scene: Scene) -> None:
    job = told(scene)
    scene.tell(job)
    scene.tell(job, webhook_id="msg_2")
    scene.watch.check_end()


def an_end_with_two_bodies(scene: Scene) -> None:
    job = told(scene)
    scene.tell(job)
    scene.tell(replace(job, mode="delete"))
    scene.watch.check_end()


def an_end_that_was_another_one(scene: Scene) -> None:
    scene.tell(replace(told(scene), warnings=MANY))
    scene.watch.check_end()


def an_end_told_to_somebody_else(scene: Scene) -> None:
    job = told(scene)
    scene.tell(job)
    scene.tell(job, "https://elsewhere.example/", "msg_2")
    scene.watch.check_end()


def a_message_that_is_overdue(scene: Scene) -> None:
    told(scene)
    scene.queued("WEBHOOK", "2026-01-01T00:00:00.000Z", 1)
    scene.watch.check_end()


def a_message_that_was_never_tried(scene: Scene) -> None:
    told(scene)
    scene.queued("WEBHOOK", "2099-01-01T00:00:00.000Z", 0)
    scene.watch.check_end()


def a_message_given_up_too_early(scene: Scene) -> None:
    told(scene)
    scene.queued("WEBHOOK#DEAD", "2026-01-01T00:00:00.000Z", 3)
    scene.watch.check_end()


def a_message_with_another_signature(scene: Scene) -> None:
    scene.tell(told(scene), key=b"another key that is as long")
    scene.watch.check_end()


BROKEN: list[tuple[Callable[..., object], Callable[[Scene], None]]] = [
    (jobs.moves_follow_the_arrows, canceled_after_it_began),
    (jobs.moves_follow_the_arrows, counted_again_after_its_end),
    (jobs.moves_follow_the_arrows, deleted_while_it_ran),
    (jobs.tally_balances, a_row_too_many),
    (jobs.tally_balances, progress_that_falls),
    (jobs.files_exist, no_rejects_file),
    (jobs.files_exist, a_rejects_file_without_the_row),
    (jobs.files_exist, an_export_with_another_digest),
    (imports.one_import_runs, two_imports_at_once),
    (imports.imports_take_effect_in_order, the_later_import_first),
    (imports.imports_take_effect_in_order, the_earlier_import_last),
    (imports.submitted_is_the_registration, a_time_long_before_the_registration),
    (objects.every_drop_makes_one_job, a_drop_that_nobody_finds),
    (objects.every_drop_makes_one_job, two_jobs_of_one_drop),
    (sources.every_fetched_file_makes_one_job, a_partners_file_that_nobody_fetches),
    (jobs.leases_are_held_once, a_lease_taken_over_too_early),
    (imports.rejects_are_the_right_ones, a_good_row_rejected),
    (imports.the_last_row_of_a_key_stays, an_older_row_left_for_a_relaunch),
    (imports.the_last_row_of_a_key_stays, an_older_row_relaunched),
    (imports.ended_import_is_exact, a_repeated_key_that_is_not_counted),
    (imports.ended_import_is_exact, written_and_not_told),
    (imports.ended_import_is_exact, told_and_not_written),
    (imports.ended_import_is_exact, a_dry_run_that_writes),
    (imports.ended_import_is_exact, another_value_in_the_table),
    (imports.ended_import_is_exact, an_import_that_has_no_rows_and_wrote_one),
    (imports.nothing_is_written_after_stop, a_row_written_long_after_stop),
    (exports.no_write_is_behind_a_window, a_record_written_behind_a_window),
    (exports.exported_file_is_right, an_export_that_lacks_a_record),
    (exports.exported_file_is_right, a_delivery_that_did_not_arrive),
    (exports.exported_file_is_right, a_set_whose_manifest_lists_another_digest),
    (exports.exported_file_is_right, a_set_whose_manifest_lacks_a_file),
    (exports.exported_file_is_right, a_set_with_more_rows_in_a_file),
    (exports.stopped_export_delivers_nothing, a_stopped_export_that_is_delivered_all_the_same),
    (exports.stopped_export_delivers_nothing, a_stopped_export_that_offers_its_file),
    (objects.live_source_is_kept, the_source_of_a_waiting_import_deleted),
    (objects.live_source_is_kept, the_source_of_the_newest_import_deleted),
    (jobs.every_job_has_ended, an_import_that_waits_for_ever),
    (jobs.every_job_has_ended, an_import_that_ends_too_late),
    (jobs.nothing_is_under_way, an_entry_left_in_the_queue),
    (jobs.every_move_is_announced, a_move_that_nobody_heard_of),
    (jobs.every_move_is_announced, a_move_that_never_was),
    (jobs.every_move_of_a_person_is_recorded, a_start_recorded_twice),
    (jobs.every_move_of_a_person_is_recorded, a_stop_that_nobody_recorded),
    (jobs.repeated_requests_have_one_effect, two_children_of_one_request),
    (jobs.accepted_stops_are_kept, a_stop_forgotten),
    (jobs.accepted_stops_are_kept, a_stop_that_ended_as_a_failure),
    (exports.windows_are_contiguous, a_gap_between_windows),
    (exports.windows_are_contiguous, a_window_twice),
    (exports.increments_fold_to_the_table, a_record_that_no_increment_has),
    (exports.increments_fold_to_the_table, a_deletion_that_an_increment_makes_up),
    (quality.rejected_rows_are_judged, bad_rows_that_nobody_is_told_of),
    (quality.rejected_rows_are_judged, good_files_that_are_complained_of),
    (quality.rejected_rows_are_judged, bad_files_that_are_not_stopped),
    (quality.rejected_rows_are_judged, a_stop_that_no_rule_asks_for),
    (quality.rows_are_judged_by_the_usual, a_short_file_that_nobody_is_told_of),
    (quality.rows_are_judged_by_the_usual, a_short_file_that_is_imported),
    (quality.rows_are_judged_by_the_usual, a_usual_file_that_is_refused),
    (quality.rows_are_judged_by_the_usual, an_accepted_file_that_is_refused_again),
    (quality.rows_are_judged_by_the_usual, an_import_that_was_forgotten),
    (quality.rows_are_judged_by_the_usual, an_import_that_counts_twice),
    (told_oracles.every_end_is_told, an_end_that_nobody_is_told_of),
    (told_oracles.every_end_is_told, an_end_with_two_ids),
    (told_oracles.every_end_is_told, an_end_with_two_bodies),
    (told_oracles.every_end_is_told, an_end_that_was_another_one),
    (told_oracles.every_end_is_told, an_end_told_to_somebody_else),
    (told_oracles.attempts_are_made_in_time, a_message_that_is_overdue),
    (told_oracles.attempts_are_made_in_time, a_message_that_was_never_tried),
    (told_oracles.attempts_are_made_in_time, a_message_given_up_too_early),
    (told_oracles.messages_are_signed, a_message_with_another_signature),
    (objects.expired_files_are_gone, a_file_that_outlives_its_job),
    (objects.expired_files_are_gone, a_dropped_object_that_outlives_its_job),
    (objects.expired_files_are_gone, a_detail_that_outlives_its_deleted_job),
]


@pytest.mark.parametrize(("oracle", "broken"), BROKEN, ids=[broken.__name__ for _, broken in BROKEN])
def test_an_oracle_sees_what_is_broken(
    scene: Scene, oracle: Callable[..., object], broken: Callable[..., None]
) -> None:
    with pytest.raises(Violation) as caught:
        broken(scene)
    assert caught.value.oracle == oracle.__name__, caught.value


def test_increments_that_fold_to_the_table_pass(scene: Scene) -> None:
    increments(scene, (None, 5), (5, 9))


def test_the_fold_knows_what_each_mode_does() -> None:
    fold = Fold()
    row = Row(2, {"id": "k1", "n": "1", "note": "a"})
    fold.apply("upsert", ["id", "n", "note"], [row])
    fold.apply("update", ["id", "n"], [Row(2, {"id": "k1", "n": ""})])
    assert fold.records == {"k1": {"id": "k1", "note": "a"}}
    fold.apply("upsert", ["id", "n"], [Row(2, {"id": "k1", "n": "2"})])
    assert fold.records == {"k1": {"id": "k1", "n": "2"}}
    fold.apply("delete", ["id"], [Row(2, {"id": "k1"})])
    assert fold.records == {}


def test_expected_rejects_follow_the_order_of_the_checks() -> None:
    sheet = Sheet(b"id,n\nk1,1\nk1,x\n,1\n\nk1,2\nk2,3\n\n")
    assert [row.number for row in sheet.rows] == [2, 3, 4, 5, 6, 7]
    bad = {3: "type-error", 4: "missing-key", 5: "blank-row", 2: "duplicate-key"}
    assert expected_rejects("upsert", sheet, {}) == bad
    assert expected_rejects("insert", sheet, {"k1": {}}) == bad | {6: "exists"}
    assert expected_rejects("update", sheet, {"k2": {}}) == bad | {6: "not-found"}
    assert SCHEMA["primaryKey"] == ["id"]
    naming = Sheet(b"id,note\na,b\nb,c\nc,d\nd,x\ne,e\ne,y\nf,y\nf,e\n")
    gone = {
        2: "foreign-key",
        3: "foreign-key",
        4: "foreign-key",
        5: "foreign-key",
        7: "foreign-key",
        8: "duplicate-key",
    }
    assert expected_rejects("upsert", naming, {}, names_records=True) == gone
    assert expected_rejects("upsert", naming, {"x": {}}, names_records=True) == {7: "foreign-key", 8: "duplicate-key"}
