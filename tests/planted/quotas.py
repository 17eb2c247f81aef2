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
)
