"""Examples of what the API answers, by the names of the schemas."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from waybill.imports.modes import MODES
from waybill.jobs.model import Counts, Job, Process, Status
from waybill.wire.jobs import JobLinks, job_resource

JOB_ID = "2587c81c-b9fc-4873-ae2f-421b292d2c2b"
_BEGAN = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
_JOB = Job(
    JOB_ID,
    Process.IMPORT,
    Status.IN_PROGRESS,
    "contacts",
    "",
    "contacts.csv",
    _BEGAN,
    "alice",
    started_at=_BEGAN,
    heartbeat_at=_BEGAN + timedelta(seconds=1200 / 5400),
    counts=Counts(34033, 1180, 20),
    detected={"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1},
)
_LINKS: JobLinks = {"errorLog": None, "rejects": None, "download": None}

EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "Detected": [{"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1}],
    "Job": [
        json.loads(
            json.dumps(
                job_resource(
                    _JOB,
                    entity_shown="contacts",
                    queue_position=None,
                    allowed_actions=_JOB.allowed_actions(),
                    links=_LINKS,
                    now=_BEGAN,
                )
            )
        )
    ],
    "Problem": [
        {
            "type": "urn:waybill:problem:invalid-request",
            "title": "The request breaks a rule",
            "status": 422,
            "detail": "The import breaks a rule.",
            "instance": "/v1/imports",
            "errors": [{"pointer": "#/mode", "detail": f"must be one of {', '.join(MODES)}"}],
        }
    ],
    "ZilliantStatus": [
        {
            "status": "SUCCEEDED",
            "startDate": "2021-09-28T13:09:25Z",
            "stopDate": "2021-09-28T13:16:06Z",
            "clientErrorCallingService": False,
            "entityImportId": JOB_ID,
        }
    ],
}
