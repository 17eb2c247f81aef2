"""Metrics are lines that CloudWatch takes, and that no reader of standard output takes for anything else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.api_builders import NOW, make_job
from waybill.aws.events import NotPublished
from waybill.jobs.model import Counts, Job, Outcome, Process, Status
from waybill.telemetry import NAMESPACE, count, logger
from waybill.upkeep.announcements import publish


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]


def values(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Metrics and dimensions of all lines."""
    found: dict[str, Any] = {}
    for line in lines(capsys):
        found |= {name: value for name, value in line.items() if name != "_aws"}
    return found


def test_a_line_follows_the_embedded_metric_format(capsys: pytest.CaptureFixture[str]) -> None:
    """Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format"."""
    count({"process": "import"}, RowsImported=3, RowsRejected=0)
    [line] = lines(capsys)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert isinstance(line["_aws"]["Timestamp"], int)
    assert (directive["Namespace"], directive["Dimensions"]) == (NAMESPACE, [["process", "service"]])
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "RowsImported": "Count",
        "RowsRejected": "Count",
    }
    assert (line["process"], line["service"], line["RowsImported"]) == ("import", "waybill", [3.0])
    assert "status" not in line  # the embedded AWS would take it for the function's answer


def announced(job: Job) -> None:
    events = SimpleNamespace(publish=lambda *_: None)
    jobs = SimpleNamespace(definition=lambda _: {"export": {"recipients": []}})
    publish(SimpleNamespace(events=events, jobs=jobs), job, set())  # type: ignore[arg-type]


def test_jobs_and_their_rows_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    announced(make_job())
    assert lines(capsys) == []
    announced(make_job(status=Status.IN_PROGRESS, started_at=NOW))
    assert values(capsys) == {"process": "import", "service": "waybill", "JobsStarted": [1.0]}
    ended = make_job(status=Status.COMPLETED, outcome=Outcome.PARTIAL_SUCCESS, counts=Counts(4, 3, 1))
    announced(ended)
    assert values(capsys) == {
        "process": "import",
        "service": "waybill",
        "outcome": "PARTIAL_SUCCESS",
        "JobsFinished": [1.0],
        "RowsImported": [3.0],
        "RowsRejected": [1.0],
        "RejectedPercent": [25.0],
    }
    announced(replace(ended, dry_run=True))
    assert not values(capsys).keys() & {"RowsImported", "RowsRejected"}
    announced(make_job(status=Status.CANCELED))
    assert values(capsys)["outcome"] == "CANCELED"


def test_a_change_that_is_published_again_is_counted_once(capsys: pytest.CaptureFixture[str]) -> None:
    outages = iter([True, True, False])

    def publish_event(*_: object) -> None:
        if next(outages):
            raise NotPublished

    services = SimpleNamespace(events=SimpleNamespace(publish=publish_event))
    ended = make_job(status=Status.COMPLETED, outcome=Outcome.SUCCESS, counts=Counts(3, 3))
    assert [publish(services, ended, set()) for _ in range(3)] == [False, False, True]  # type: ignore[arg-type]
    assert sum("RowsImported" in line for line in lines(capsys)) == 1


def test_the_times_of_a_job_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    times = {"submitted_at": NOW, "started_at": NOW + timedelta(seconds=7), "completed_at": NOW + timedelta(seconds=10)}
    ended = make_job(status=Status.COMPLETED, outcome=Outcome.SUCCESS, **times)
    announced(ended)
    found = values(capsys)
    assert (found["SecondsInQueue"], found["SecondsInWork"]) == ([7.0], [3.0])
    assert "WindowAgeSeconds" not in found
    announced(replace(ended, process=Process.EXPORT, window_to=NOW - timedelta(seconds=300)))
    assert values(capsys)["WindowAgeSeconds"] == [310.0]


@pytest.mark.parametrize(
    ("changes", "metric"),
    [
        ({"error_code": "internal-error"}, "JobsFailedByService"),
        ({"error_code": "timed-out"}, "JobsFailedByService"),
        ({"error_code": "delivery-failed", "delivery": {"step": "upload"}}, "DeliveriesFailed"),
        ({"status": Status.COMPLETED, "outcome": Outcome.SUCCESS, "delivery": {"step": "done"}}, "DeliveriesMade"),
        ({"error_code": "empty-file"}, None),
    ],
)
def test_what_alarms_watch_has_no_dimension_but_the_service(
    capsys: pytest.CaptureFixture[str], changes: dict[str, Any], metric: str | None
) -> None:
    """A file without rows wakes nobody; an alarm names every dimension of its metric."""
    announced(make_job(**{"status": Status.FAILED, "outcome": Outcome.FAILED, **changes}))
    alone = [line["_aws"]["CloudWatchMetrics"][0] for line in lines(capsys)]
    watched = [each["Metrics"][0]["Name"] for each in alone if each["Dimensions"] == [["service"]]]
    assert watched == ([] if metric is None else [metric])


def test_each_change_of_status_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    begun = make_job(status=Status.IN_PROGRESS, started_at=NOW)
    announced(begun)
    announced(replace(begun, status=Status.FAILED, outcome=Outcome.FAILED, error_code="empty-file"))
    told = [record for record in caplog.records if record.name == logger.name]
    assert [record.getMessage() for record in told] == ["Job status changed", "Job ended"]
    assert {record.jobId for record in told} == {begun.job_id}  # type: ignore[attr-defined]
    assert told[1].errorCode == "empty-file"  # type: ignore[attr-defined]
