"""A dropped object whose event was lost is imported once, and its event may still come at any time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import builders
from tests.importing import all_jobs, drop_object, run, start
from waybill.aws.files import Listed
from waybill.bootstrap import Services
from waybill.errors import Conflict, Unavailable
from waybill.imports.start import start_drop, start_swept_drop
from waybill.jobs.model import Job, Status
from waybill.timestamps import parse_rfc3339, rfc3339
from waybill.upkeep import lost_drops
from waybill.upkeep.lost_drops import start_lost_drops
from waybill.upkeep.retention import remove_expired

KEY = "drop/contacts/contacts.csv"
FILE = builders.contacts_csv(count=2)


@pytest.fixture(autouse=True)
def entities(services: Services, clock: builders.Clock) -> None:
    services.entities.put(builders.entity())
    clock.moment = datetime.now(UTC)  # moto stores objects at the real time
    clock.on_sleep = lambda seconds: clock.forward(seconds=seconds)


@pytest.fixture
def stored_at(services: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """From now on S3 says that it stored each object so much later than it did."""
    head, page = services.files.head, services.files.page

    def set_to(later: timedelta) -> None:
        def shifted(text: str) -> str:
            return rfc3339(parse_rfc3339(text) + later)

        def shifted_head(bucket: str, key: str) -> Any:
            found = head(bucket, key)
            return found and replace(found, modified=shifted(found.modified))

        def shifted_page(bucket: str, prefix: str, after: str | None = None) -> tuple[list[Listed], bool]:
            found, more = page(bucket, prefix, after)
            return [one._replace(modified=shifted(one.modified)) for one in found], more

        monkeypatch.setattr(services.files, "head", shifted_head)
        monkeypatch.setattr(services.files, "page", shifted_page)

    return set_to


def jobs(services: Services) -> list[Job]:
    return all_jobs(services)


def event_time(services: Services) -> datetime:
    """The time of the event about the object that is there."""
    found = services.files.head(services.settings.drop_bucket, KEY)
    assert found is not None
    return parse_rfc3339(found.modified)


def test_an_object_without_a_job_is_imported_once_it_has_waited_for_its_event(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    drop_object(services, s3, FILE, mode="insert")
    assert start_lost_drops(services) == 0, "its event is on its way"
    started = []
    for _ in range(14):
        clock.forward(minutes=1)
        started.append(start_lost_drops(services))
    assert sum(started) == 1
    (job,) = jobs(services)
    assert (job.file_name, job.started_by, job.mode, job.status) == (
        *("contacts.csv", "s3:unknown", "insert"),
        Status.WAITING,
    )
    assert run(services, job).counts.imported == 2
    for _ in range(10):
        clock.forward(minutes=5)
        assert start_lost_drops(services) == 0


@pytest.mark.parametrize("key", ["drop/contacts/", "drop/contacts/folder/", "drop/contacts", "other/contacts/x.csv"])
def test_other_keys_start_nothing(services: Services, s3: Any, clock: builders.Clock, key: str) -> None:
    drop_object(services, s3, FILE, key=key)
    clock.forward(minutes=3)
    assert start_lost_drops(services) == 0


@pytest.mark.parametrize(
    ("key", "metadata", "code"),
    [("drop/nobody/x.csv", {}, "unknown-entity"), (KEY, {"mode": "nonsense"}, "source-error")],
)
@pytest.mark.parametrize("has_event", [True, False])
def test_a_refused_object_is_refused_once(
    services: Services, s3: Any, clock: builders.Clock, key: str, metadata: dict[str, str], code: str, has_event: bool
) -> None:
    event = drop_object(services, s3, FILE, key=key, **metadata)
    if has_event:
        start_drop(services, event["detail"])
    for _ in range(4):
        clock.forward(minutes=5)
        start_lost_drops(services)
    assert [job.error_code for job in jobs(services)] == [code]


def test_the_late_event_of_a_swept_object_finds_its_job(services: Services, s3: Any, clock: builders.Clock) -> None:
    event = drop_object(services, s3, FILE)
    clock.forward(minutes=3)
    assert start_lost_drops(services) == 1
    (job,) = jobs(services)
    for created_at in (None, event_time(services)):
        found = start_drop(services, event["detail"], created_at)
        assert found is not None and found.job_id == job.job_id
    run(services, job)
    assert start_drop(services, event["detail"], event_time(services)) == services.jobs.get(job.job_id)
    assert len(jobs(services)) == 1


@pytest.mark.parametrize("is_registered_first", [True, False], ids=["newer event first", "older event first"])
@pytest.mark.parametrize("newer", [b"a\n1\n", FILE], ids=["other bytes", "same bytes"])
def test_the_late_event_of_a_swept_object_finds_its_job_although_a_newer_object_is_there(
    services: Services,
    s3: Any,
    clock: builders.Clock,
    stored_at: Callable[[timedelta], None],
    newer: bytes,
    is_registered_first: bool,
) -> None:
    event, created_at = drop_object(services, s3, FILE), event_time(services)
    clock.forward(minutes=3)
    assert start_lost_drops(services) == 1
    (swept,) = jobs(services)
    newer_event = drop_object(services, s3, newer)
    stored_at(timedelta(minutes=5))
    events = [(event, created_at), (newer_event, event_time(services))]
    found = {}
    for one, moment in events[::-1] if is_registered_first else events:
        found[one["detail"]["object"]["sequencer"]] = start_drop(services, one["detail"], moment)
    late, other = (found[one["detail"]["object"]["sequencer"]] for one, _ in events)
    assert late is not None and late.job_id == swept.job_id
    assert other is not None and other.job_id != swept.job_id and other.status is Status.WAITING
    clock.forward(minutes=20)
    assert start_lost_drops(services) == 0
    assert len(jobs(services)) == 2


def test_of_two_lost_drops_of_one_key_each_that_is_found_makes_a_job(
    services: Services, s3: Any, clock: builders.Clock, stored_at: Callable[[timedelta], None]
) -> None:
    first, second = drop_object(services, s3, FILE), None
    clock.forward(minutes=3)
    assert start_lost_drops(services) == 1
    second = drop_object(services, s3, FILE)
    stored_at(timedelta(minutes=5))
    clock.forward(minutes=10)
    assert start_lost_drops(services) == 1
    assert len(jobs(services)) == 2
    for event in (first, second):
        start_drop(services, event["detail"])
    assert len(jobs(services)) == 2


def test_an_event_that_comes_while_the_sweep_registers_makes_no_other_job(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = drop_object(services, s3, FILE)
    really = services.jobs.register

    def register(*arguments: Any) -> Any:
        monkeypatch.setattr(services.jobs, "register", really)
        start_drop(services, event["detail"])
        return really(*arguments)

    monkeypatch.setattr(services.jobs, "register", register)
    clock.forward(minutes=3)
    assert start_lost_drops(services) == 0
    (job,) = jobs(services)
    assert job.started_by == "s3:123456789012"


def test_the_sweep_registering_while_an_event_is_handled_makes_no_other_job(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = drop_object(services, s3, FILE)
    clock.forward(minutes=3)
    really = services.jobs.register

    def register(*arguments: Any) -> Any:
        monkeypatch.setattr(services.jobs, "register", really)
        assert start_lost_drops(services) == 1
        return really(*arguments)

    monkeypatch.setattr(services.jobs, "register", register)
    found = start_drop(services, event["detail"], event_time(services))
    assert [job.job_id for job in jobs(services)] == [found and found.job_id]


def test_a_swept_object_and_its_records_go_as_others_do(services: Services, s3: Any, clock: builders.Clock) -> None:
    drop_object(services, s3, FILE)
    clock.forward(minutes=3)
    start_lost_drops(services)
    run(services, jobs(services)[0])
    clock.forward(hours=49)
    remove_expired(services)
    assert services.files.head(services.settings.drop_bucket, KEY) is None


def test_a_minute_lists_a_bounded_number_of_objects_and_the_next_goes_on(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        drop_object(services, s3, builders.contacts_csv(count=1), key=f"drop/contacts/{number:02d}.csv")
    really = services.files._s3.list_objects_v2
    monkeypatch.setattr(services.files._s3, "list_objects_v2", lambda **named: really(**named, MaxKeys=2))
    monkeypatch.setattr(lost_drops, "PAGES_PER_MINUTE", 2)
    clock.forward(minutes=3)
    started = []
    for _ in range(5):
        started.append(start_lost_drops(services))
        clock.forward(minutes=1)
    assert started == [4, 4, 4, 0, 0]
    assert len(jobs(services)) == 12


def test_a_minute_that_ends_within_a_page_goes_on_there(services: Services, s3: Any, clock: builders.Clock) -> None:
    for number in range(6):
        drop_object(services, s3, FILE, key=f"drop/contacts/{number}.csv")
    clock.forward(minutes=3)
    assert [start_lost_drops(services, builders.time_for(2)) for _ in range(4)] == [2, 2, 2, 0]


def test_objects_that_were_looked_at_are_not_looked_up_again(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        start(services, s3, FILE, key=f"drop/contacts/{number}.csv")
    looked_up: list[str] = []
    really = services.drops.latest
    monkeypatch.setattr(services.drops, "latest", lambda keys: looked_up.extend(keys) or really(keys))
    clock.forward(hours=3)
    start_lost_drops(services)
    assert len(looked_up) == 3
    for _ in range(3):
        clock.forward(minutes=5)
        start_lost_drops(services)
    assert len(looked_up) == 3
    upload = s3.create_multipart_upload(Bucket=services.settings.drop_bucket, Key=KEY)["UploadId"]
    part = s3.upload_part(Bucket=services.settings.drop_bucket, Key=KEY, UploadId=upload, PartNumber=1, Body=FILE)
    s3.complete_multipart_upload(
        Bucket=services.settings.drop_bucket,
        Key=KEY,
        UploadId=upload,
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )
    clock.forward(minutes=5)
    assert start_lost_drops(services) == 1, "its time is that of the upload's beginning"


@pytest.mark.parametrize("failure", [RuntimeError, Conflict, Unavailable], ids=["fails", "is being deleted", "busy"])
def test_an_object_that_cannot_be_registered_keeps_no_other_and_is_tried_again(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    for name in ("a", "b"):
        drop_object(services, s3, FILE, key=f"drop/contacts/{name}.csv")

    def refuse_a(services: Services, bucket: str, found: Listed) -> Job | None:
        if found.key.endswith("a.csv"):
            raise failure("no")
        return start_swept_drop(services, bucket, found)

    clock.forward(hours=3)
    with monkeypatch.context() as patch:
        patch.setattr(lost_drops, "start_swept_drop", refuse_a)
        for expected in (1, 0, 0):
            assert start_lost_drops(services) == expected
            clock.forward(minutes=5)
    assert start_lost_drops(services) == 1
    assert {job.file_name for job in jobs(services)} == {"a.csv", "b.csv"}


def test_two_minutes_at_once_lose_nothing(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_object(services, s3, FILE)
    clock.forward(minutes=3)
    really = services.files.page

    def page(*arguments: Any) -> Any:
        monkeypatch.setattr(services.files, "page", really)
        assert start_lost_drops(services) == 1
        return really(*arguments)

    monkeypatch.setattr(services.files, "page", page)
    assert start_lost_drops(services) == 0
    assert len(jobs(services)) == 1


def test_a_position_in_the_drop_folder_that_cannot_be_read_begins_anew(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    services.jobs_table.put({"pk": "DROPPASS", "sk": "LATEST", "beganAt": 5})
    drop_object(services, s3, FILE)
    clock.forward(minutes=5)
    assert start_lost_drops(services) == 1
    clock.forward(minutes=5)
    assert start_lost_drops(services) == 0
    assert services.drop_passes.latest() is not None
