"""The Zilliant-compatible routes."""

from __future__ import annotations

from openapi.schemas.blocks import JOB_ID, Schema, given, ident, moment, of, word


def schemas() -> dict[str, Schema]:
    return {
        "ZilliantImport": given({"importId": ident()}),
        "ZilliantStatus": given(
            {
                "status": word(["RUNNING", "SUCCEEDED", "FAILED"]),
                "startDate": moment(),
                "stopDate": moment("Only once the import has ended."),
                "clientErrorCallingService": of("boolean", "It FAILED for a cause in the request or the file."),
                "entityImportId": ident(),
            },
            optional=["stopDate"],
        )
        | {
            "examples": [
                {
                    "status": "SUCCEEDED",
                    "startDate": "2021-09-28T13:09:25Z",
                    "stopDate": "2021-09-28T13:16:06Z",
                    "clientErrorCallingService": False,
                    "entityImportId": JOB_ID,
                }
            ]
        },
    }
