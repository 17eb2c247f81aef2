"""What one caller may ask for."""

from __future__ import annotations

from tests.planted.mutant import Mutant

QUOTAS = (
    Mutant(
        "connection-tests-without-a-limit",
        "A caller tests so many connections in a minute and no more.",
        "functions/api/routers/exports.py",
        "    request.services.previews.take(request.caller.subject)\n    request.note()\n",
        "    request.note()\n",
        ("tests/integration/test_quotas.py::test_connection_tests_count_as_previews",),
    ),
    Mutant(
        "parts-of-another-file-are-complete",
        "An upload in parts is complete only if what has arrived is what the caller has.",
        "shared/waybill/imports/part_uploads.py",
        "    if found != checksum:\n        raise _differs(found, checksum)\n",
        "",
        ("tests/integration/test_part_uploads.py::test_what_arrives_is_what_was_to_be_sent",),
    ),
    Mutant(
        "parts-that-nobody-throws-away",
        "Parts of an upload that is never completed do not stay.",
        "shared/waybill/upkeep/retention.py",
        '        services.files.abort_uploads(services.settings.files_bucket, entry["sourceKey"])\n',
        "",
        ("tests/integration/test_part_uploads.py::test_parts_of_an_upload_that_is_never_completed_are_thrown_away",),
    ),
)
