"""Examples of what the API answers, by the names of the schemas."""

from __future__ import annotations

from typing import Any

JOB_ID = "2587c81c-b9fc-4873-ae2f-421b292d2c2b"
_MOMENT = "2026-01-31T09:30:00.000Z"

EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "Detected": [{"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1}],
    "Job": [
        {
            "jobId": JOB_ID,
            "process": "import",
            "status": "IN_PROGRESS",
            "outcome": None,
            "entity": "contacts",
            "fileName": "contacts.csv",
            "submittedAt": _MOMENT,
            "startedAt": "2026-01-31T09:30:01.000Z",
            "completedAt": None,
            "durationSeconds": None,
            "startedBy": "alice",
            "counts": {"total": 34033, "processed": 1200, "imported": 1180, "rejected": 20, "unprocessed": 0},
            "numberOfItems": 34033,
            "message": "1,200 of 34,033 rows processed",
            "error": None,
            "allowedActions": ["stop"],
            "mode": "upsert",
            "dryRun": False,
            "onError": "skip",
            "detected": {"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1},
            "rowsPerSecond": 5400,
            "remainingSeconds": 6,
            "queuePosition": None,
            "stopReason": None,
            "duplicateOf": None,
            "exportId": None,
            "windowFrom": None,
            "windowTo": None,
            "retryOf": None,
            "expiresAt": None,
            "filesExpireAt": None,
            "heartbeatAt": "2026-01-31T09:30:01.200Z",
            "links": {"errorLog": None, "rejects": None, "download": None},
        }
    ],
    "Problem": [
        {
            "type": "urn:waybill:problem:invalid-request",
            "title": "The request breaks a rule",
            "status": 422,
            "detail": "The import breaks a rule.",
            "instance": "/v1/imports",
            "errors": [{"pointer": "#/mode", "detail": "must be one of upsert, insert, update, delete"}],
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
