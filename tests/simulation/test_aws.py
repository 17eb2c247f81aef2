"""The services in memory answer as AWS documents it, through the product's own adapters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.simulation.aws import Aws
from tests.simulation.calls import Calls, Process
from tests.simulation.faults import Fault, FaultPlan, Outage
from tests.simulation.statemachine import Machine
from tests.simulation.timeline import Task, Timeline
from waybill.aws.bucket import BucketAccess, BucketRefused
from waybill.aws.events import Events, NotPublished
from waybill.aws.files import Files, NotDeleted, SourceChanged
from waybill.aws.mail import MailDelayed, Mailer, MailRefused
from waybill.aws.secrets import Secrets, SecretUnreadable
from waybill.aws.workflow import Workflow

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:test"
DEFINITION = {"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": "work", "End": True}}}


class Bench:
    """A timeline, the services, and the product's adapters to them."""

    def __init__(self, plan: FaultPlan | None = None) -> None:
        self.timeline = Timeline(1)
        self.calls = Calls(self.timeline, plan or FaultPlan(), 1)
        self.aws = Aws(self.timeline, self.calls, lambda *_: None, ["b", "other"])
        self.aws.executions.machines[MACHINE] = Machine(MACHINE, json.dumps(DEFINITION))
        self.files = Files("us-east-1")

    def run(self, work: Callable[[], Any]) -> Any:
        """What a process returns or raises."""
        ended: list[Task] = []
        with self.aws.patched():
            self.timeline.start(work, on_end=ended.append, process=Process("test#1"))
            self.timeline.run()
        if ended[0].error is not None:
            raise ended[0].error
        return ended[0].result


@pytest.fixture
def bench() -> Iterator[Bench]:
    yield Bench()


def test_objects_are_read_by_range_and_version(bench: Bench) -> None:
    etag = bench.aws.put("b", "k", b"0123456789", {"mode": "merge"}).etag

    def work() -> None:
        info = bench.files.head("b", "k")
        assert info is not None
        assert (info.size_bytes, info.etag, info.metadata) == (10, etag, {"mode": "merge"})
        assert info.modified == "2026-01-31T09:30:00.000Z"
        assert bench.files.read("b", "k", 2, 5) == b"234"
        assert bench.files.open("b", "k", start=7, etag=etag).read() == b"789"
        assert bench.files.head("b", "none") is None
        with pytest.raises(SourceChanged):
            bench.files.open("b", "k", etag="other").read()
        with pytest.raises(SourceChanged):
            bench.files.open("b", "none").read()
        bench.files.delete("b", "k", etag="other")
        assert bench.files.head("b", "k") is not None
        bench.files.delete("b", "k", etag=etag)
        assert bench.files.head("b", "k") is None

    bench.run(work)


def test_an_upload_in_parts_appears_whole_and_has_an_etag_of_its_parts(bench: Bench) -> None:
    data = bytes(6 * 1024 * 1024)

    def work() -> None:
        writer = bench.files.writer("b", "big")
        writer.write(data)
        assert bench.files.head("b", "big") is None
        paused = writer.pause()
        again = bench.files.resume_writer("b", "big", "text/csv", paused)
        again.write(b"end")
        again.close()
        info = bench.files.head("b", "big")
        assert info is not None
        assert (info.size_bytes, info.etag[-2:]) == (len(data) + 3, "-2")
        lost = bench.files.writer("b", "lost")
        lost.write(data)
        lost.abort()

    bench.run(work)
    assert not bench.aws.uploads


def test_parts_that_are_too_small_are_refused(bench: Bench) -> None:
    def work() -> None:
        s3 = bench.aws.client("s3")
        upload = s3.create_multipart_upload(Bucket="b", Key="k")["UploadId"]
        place = {"Bucket": "b", "Key": "k", "UploadId": upload}
        parts = [{"PartNumber": n, "ETag": s3.upload_part(**place, PartNumber=n, Body=b"x")["ETag"]} for n in (1, 2)]
        with pytest.raises(ClientError, match="EntityTooSmall"):
            s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})

    bench.run(work)


def test_a_prefix_is_deleted_page_by_page_and_what_is_refused_is_named(bench: Bench) -> None:
    bench.aws.page_keys = 2
    for number in range(5):
        bench.aws.put("b", f"jobs/{number}", b"")
    bench.aws.poison.undeletable.add("jobs/1")

    def work() -> None:
        with pytest.raises(NotDeleted, match="jobs/1: AccessDenied"):
            bench.files.delete_prefix("b", "jobs/")

    bench.run(work)
    assert set(bench.aws.buckets["b"]) == {"jobs/1"}
    assert [entry.operation for entry in bench.calls.log] == ["ListObjectsV2", "DeleteObjects"] * 3


def test_a_delivery_copies_with_metadata_and_says_what_was_refused(bench: Bench) -> None:
    bench.aws.put("b", "k", b"data")

    def work() -> None:
        target = bench.files.bucket("other", BucketAccess("123456789012"))
        target.copy_from("b", "k", "123456789012", "out", {"job-id": "j"}, lambda: None)
        found = target.find("out")
        assert found is not None and found.metadata == {"job-id": "j"} and target.find("none") is None
        target.abandon_upload("x")
        with pytest.raises(BucketRefused, match="no bucket"):
            bench.files.bucket("nowhere", BucketAccess("123456789012")).put("k", b"", "text/csv", {})

    bench.run(work)


def test_a_created_object_makes_one_event_with_a_growing_sequencer(bench: Bench) -> None:
    details: list[dict[str, Any]] = []
    bench.aws.on_created = details.append
    bench.run(lambda: [bench.files.put("b", "k", data) for data in (b"1", b"2")])
    assert [detail["object"]["size"] for detail in details] == [1, 1]
    assert details[0]["object"]["sequencer"] < details[1]["object"]["sequencer"]


def test_an_execution_is_started_once_and_seen_to_run(bench: Bench) -> None:
    def work() -> None:
        workflow = Workflow("us-east-1")
        assert not workflow.is_running(MACHINE, "job", 0)
        assert workflow.start(MACHINE, "job") and workflow.is_running(MACHINE, "job", 0)
        bench.aws.client("stepfunctions").stop_execution(
            executionArn=MACHINE.replace("stateMachine", "execution") + ":job"
        )
        assert not workflow.start(MACHINE, "job") and not workflow.is_running(MACHINE, "job", 0)
        assert workflow.start(MACHINE, "job", 1)

    bench.run(work)


def test_events_mails_and_secrets(bench: Bench) -> None:
    bench.aws.poison.mails.add("gone@example.com")
    bench.aws.secrets["partner"] = '{"username": "u"}'

    def work() -> None:
        Events("us-east-1").publish("Changed", {"a": 1}, [])
        Mailer("us-east-1", None, "us@example.com").send("a@example.com", "s", "text", "html")
        with pytest.raises(MailRefused):
            Mailer("us-east-1", None, "us@example.com").send("gone@example.com", "s", "text", "html")
        assert Secrets("us-east-1").get("partner") == {"username": "u"}
        with pytest.raises(SecretUnreadable):
            Secrets("us-east-1").get("other")

    bench.run(work)
    assert [json.loads(entry["Detail"]) for _, entry in bench.aws.events] == [{"a": 1}]
    assert bench.aws.mails == [("a@example.com", "s", "text")]


def test_an_event_that_is_refused_is_reported(bench: Bench) -> None:
    bench.aws.poison.events = lambda entry: True
    with pytest.raises(NotPublished):
        bench.run(lambda: Events("us-east-1").publish("Changed", {}, []))


def test_a_client_tries_again_as_boto3_does_and_then_raises_its_errors() -> None:
    bench = Bench(FaultPlan(outages=[Outage(0, 3, frozenset({"events"}))]))
    bench.run(lambda: Events("us-east-1").publish("Changed", {}, []))
    assert len(bench.calls.log) > 2 and len(bench.aws.events) == 1
    with pytest.raises(MailDelayed):
        Bench(FaultPlan(outages=[Outage(0, 999)])).run(
            lambda: Mailer("us-east-1", None, "us@example.com").send("a@example.com", "s", "t", "h")
        )


def test_a_lost_reply_has_taken_effect() -> None:
    bench = Bench(FaultPlan(rates={Fault.LOST_REPLY: 1.0}))
    with pytest.raises(ReadTimeoutError):
        bench.run(lambda: bench.files.put("b", "k", b"data"))
    assert bench.aws.buckets["b"]["k"].data == b"data" and bench.timeline.seconds > 300


def test_the_items_of_a_map_are_read_by_step_functions_itself() -> None:
    bench = Bench(FaultPlan(outages=[Outage(0, 10_000, frozenset({"s3"}))]))
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON"},
        "Parameters": {"Bucket": "b", "Key": "plan"},
    }
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, **DEFINITION}
    state = {"Type": "Map", "ItemReader": reader, "ItemProcessor": processor, "End": True}
    machine = Machine(MACHINE, json.dumps({"StartAt": "Map", "States": {"Map": state}}))
    bench.aws.executions.machines[MACHINE] = machine
    bench.aws.put("b", "plan", b"[]")
    execution = bench.aws.executions.start(MACHINE, "one", "{}")
    bench.timeline.run()
    assert execution.error is not None and execution.error.error == "States.ItemReaderFailed"
