"""The two routes with Zilliant's names, bodies and status codes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.api_builders import (
    Api,
)
from waybill.jobs.model import Counts, Process, Status, finished


def test_zilliant_client(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload()
    answer = api("POST", f"/EntityImport/{upload_id}/import")
    import_id = answer.json["importId"]
    assert (answer.status, answer.json) == (201, {"importId": import_id})
    assert api("POST", f"/EntityImport/{upload_id}/import").status == 409
    assert api("GET", f"/EntityImport/{import_id}/status").json == {
        "status": "RUNNING",
        "startDate": "2026-03-01T12:00:00Z",
        "clientErrorCallingService": False,
        "entityImportId": import_id,
    }


@pytest.mark.parametrize(
    ("status", "error_code", "shown", "client_error"),
    [
        (Status.COMPLETED, None, "SUCCEEDED", False),
        (Status.FAILED, "empty-file", "FAILED", True),
        (Status.FAILED, "internal-error", "FAILED", False),
        (Status.FAILED, "timed-out", "FAILED", False),
    ],
)
def test_zilliant_statuses(api: Api, status: Status, error_code: str | None, shown: str, client_error: bool) -> None:
    api.put_contacts()
    started = datetime(2026, 3, 1, 12, 0, 5, 999_000, tzinfo=UTC)
    job = api.add_job(status=Status.IN_PROGRESS, started_at=started)
    counts = Counts(1, 1) if status is Status.COMPLETED else Counts(0)
    ended = finished(job, status, counts, started + timedelta(seconds=1), api.retention, error_code=error_code)
    api.services.jobs.finish(ended, Status.IN_PROGRESS)
    assert api("GET", f"/EntityImport/{job.job_id}/status").json == {
        "status": shown,
        "startDate": "2026-03-01T12:00:05Z",
        "stopDate": "2026-03-01T12:00:06Z",
        "clientErrorCallingService": client_error,
        "entityImportId": job.job_id,
    }


def test_zilliant_canceled_import_failed_by_nobodys_fault(api: Api) -> None:
    api.put_contacts()
    job = api.add_job()
    api("POST", f"/jobs/{job.job_id}/cancel")
    shown = api("GET", f"/EntityImport/{job.job_id}/status").json
    assert (shown["status"], shown["clientErrorCallingService"]) == ("FAILED", False)
    export = api.add_job(process=Process.EXPORT)
    assert api("GET", f"/EntityImport/{export.job_id}/status").status == 404
