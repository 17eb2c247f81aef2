"""What stands nowhere but where it belongs."""

from __future__ import annotations

from tests.planted.mutant import Mutant

CANARIES = (
    Mutant(
        "a-log-line-with-a-cell",
        "No log has a cell of a file.",
        "shared/waybill/imports/rejects.py",
        '        group["count"] += count\n',
        '        group["count"] += count\n'
        '        __import__("waybill.telemetry").telemetry.logger.info(f"bad: {sample}")\n',
        ("tests/simulation/test_canaries.py::test_a_canary_stands_where_it_belongs_and_nowhere_else",),
    ),
    Mutant(
        "a-log-line-with-a-recipient",
        "No log has the address of a recipient.",
        "shared/waybill/aws/mail.py",
        "            raise MailRefused(code) from None\n",
        "            raise MailRefused(code) from error\n",
        ("tests/simulation/test_canaries.py::test_a_canary_stands_where_it_belongs_and_nowhere_else",),
    ),
)
