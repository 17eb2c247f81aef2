"""The audit trail."""

from __future__ import annotations

from tests.planted.mutant import Mutant

AUDIT = (
    Mutant(
        "entry-after-the-change",
        "No change is without its entry in the audit trail.",
        "shared/waybill/jobs/repository.py",
        "                self._table.transact([*actions, *entry], rounds=CONFLICT_ROUNDS)\n",
        "                self._table.transact(actions, rounds=CONFLICT_ROUNDS)\n"
        "                entry and self._table.transact(entry)\n",
        ("tests/integration/test_audit.py::test_whoever_dies_leaves_the_change_and_its_entry_or_neither[cancelJob]",),
    ),
    Mutant(
        "stop-recorded-again",
        "A Stop that is asked for twice is one entry in the audit trail.",
        "shared/waybill/jobs/repository.py",
        'may_stop = RUNNING & is_open & Attr("stopReason").is_missing()\n',
        "may_stop = RUNNING & is_open\n",
        ("tests/integration/test_audit.py::test_what_changes_nothing_leaves_nothing",),
    ),
)
