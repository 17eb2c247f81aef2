"""Uploads, and what starts an import."""

from __future__ import annotations

from openapi.schemas.blocks import (
    JOB_ID,
    Schema,
    given,
    ident,
    line,
    listed,
    moment,
    of,
    or_null,
    ref,
    taken,
    uri,
    word,
)
from openapi.schemas.entities import COLUMNS, ENCODING
from openapi.schemas.jobs import detected
from routes.imports import IMPORT_MEMBERS, LOOK_MEMBERS, MAX_FILE_NAME, UPLOAD_MEMBERS
from waybill.imports.modes import DEFAULT_MODE, MODES, MODES_IN_WORDS
from waybill.imports.options import MAX_ERRORS, ON_ERROR
from waybill.imports.preview import SHOWN_ROWS


def _import_request() -> Schema:
    return taken(
        IMPORT_MEMBERS,
        {
            "uploadId": ident("What `POST /v1/uploads` answered."),
            "mode": word(
                MODES,
                MODES_IN_WORDS,
                default=DEFAULT_MODE,
            ),
            "onError": word(
                ON_ERROR,
                "What a row that is rejected does to the import: nothing, stop it after `maxErrors`, or fail it before "
                "anything is written.",
                default="skip",
            ),
            "maxErrors": of(
                "integer", "For `abort`: rejected rows after which it stops.", minimum=1, maximum=MAX_ERRORS, default=1
            ),
            "dryRun": of("boolean", "Check everything, write nothing.", default=False),
            "encoding": ENCODING,
            "dialect": ref("TableDialect"),
            "columns": COLUMNS,
            "unescapeFormulas": of(
                "boolean", "Take one leading `'` off cells that an export's formula guard prefixed.", default=False
            ),
        },
        ["uploadId"],
        examples=[{"uploadId": JOB_ID, "mode": "upsert", "onError": "skip", "dryRun": False}],
    )


def _preview_request() -> Schema:
    properties = _import_request()["properties"]
    return {
        "type": "object",
        "properties": {name: properties[name] for name in properties if name in LOOK_MEMBERS},
        "additionalProperties": False,
        "examples": [{"dialect": {"sheetName": "March"}, "columns": {"E-mail": "email"}}],
    }


def _import_preview() -> Schema:
    number = or_null(of("integer", "Columns of the file count from 1.", minimum=1))
    error = given(
        {
            "fieldNumber": number,
            "fieldName": or_null(of("string")),
            "type": of("string", examples=["type-error"]),
            "message": of("string"),
        }
    )
    return given(
        {
            "detected": or_null(detected()),
            "sheets": or_null(listed(of("string"), "Of a workbook; one is chosen by `dialect.sheetName`.")),
            "labels": listed(of("string"), "The header."),
            "fields": listed(or_null(of("string")), "The field that each label stands for."),
            "rows": listed(
                given(
                    {
                        "rowNumber": of("integer", minimum=1),
                        "cells": listed(of("string"), "As the import reads them; long ones end in \u2026."),
                        "errors": listed(error, "Only where the header fits."),
                    }
                ),
                maxItems=SHOWN_ROWS,
            ),
            "headerErrors": listed(error, "All that is wrong with the header."),
            "error": or_null(
                given(
                    {
                        "code": of("string", examples=["missing-label"]),
                        "message": or_null(of("string")),
                        "rowNumber": or_null(of("integer", minimum=1)),
                    }
                )
                | {"description": "Why the import would fail before its first row."}
            ),
            "isWhole": of("boolean", "There is no more of the file than what was looked at."),
        }
    )


def schemas() -> dict[str, Schema]:
    return {
        "UploadRequest": taken(
            UPLOAD_MEMBERS,
            {"entity": of("string"), "fileName": line(MAX_FILE_NAME, "For display.")},
            ["entity", "fileName"],
            examples=[{"entity": "contacts", "fileName": "contacts.csv"}],
        ),
        "Upload": given(
            {
                "uploadId": ident("For `POST /v1/imports`."),
                "url": uri() | {"description": "Where to send the form (multipart/form-data)."},
                "fields": of("object", "Its fields; the file follows as `file`.", additionalProperties=of("string")),
                "expiresAt": moment("Until when the form can be sent."),
            }
        ),
        "PreviewRequest": _preview_request(),
        "ImportPreview": _import_preview(),
        "ImportRequest": _import_request(),
    }
