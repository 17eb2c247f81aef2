"""Runs many histories, on all cores: on every commit ten thousand (`test_histories.py`), at night a million.

    make simulate                        10,000 histories, from a seed of today
    make simulate N=1000000 SEED=5       so many, from seed 5 on
    make simulate SEED=123               replays one, and prints its schedule
    make simulate CELLS=all PAIRS=all    every fault at every call instead (`cells`), and every pair of crashes

Every seed replays to the same log: hashes are not random (`PYTHONHASHSEED=0`), and nothing else is.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.simulation.cells import run_all
from tests.simulation.people import Failed, History, run_histories

BLOCK = 50
#: What histories must reach, at least so often in ten thousand, and how many checks each oracle must make: otherwise
#: they prove less than they seem to.
AT_LEAST = {
    "import COMPLETED": 5_000,
    "import COMPLETED MAX_ERRORS": 300,
    "import COMPLETED USER": 500,
    "import CANCELED": 70,
    "import FAILED rejected-rows": 300,
    "import FAILED source-changed": 50,
    "import FAILED empty-file": 100,
    "import FAILED timed-out": 8,
    "export FAILED timed-out": 4,
    "export COMPLETED": 1_000,
    "export COMPLETED USER": 100,
    "export FAILED delivery-failed": 1,
    "mode insert": 500,
    "mode merge": 1_000,
    "mode update": 500,
    "mode delete": 500,
    "dry run": 500,
    "restarted 1 times": 80,
    "stop accepted during Plan": 50,
    "stop accepted during Load": 30,
    "stop accepted during Precheck": 5,
    "stop accepted during Deduplicate": 4,
    "stop refused during Finish": 20,
    "canceled": 60,
    "relaunched an import": 300,
    "corrected rows of an import": 50,
    "import FAILED unusual-rows": 150,
    "relaunched an unusual file": 70,
    "warning unusual-rows": 70,
    "warning many-rejected": 300,
    "told webhooks": 700,
    "told a webhook twice": 20,
    "refused webhooks": 100,
    "gave up a webhook": 40,
    "undid an import": 500,
    "undo COMPLETED and stopped it": 30,
    "undo of records that were changed since": 10,
    "relaunched an export": 80,
    "deleted a job": 300,
    "deleted a job while another ran": 30,
    "loaded into a throttled table": 200,
    "deleted an entity": 100,
    "dropped again": 300,
    "took a source away": 50,
    "aborted an execution": 100,
    "repeated a request": 100,
    "folded increments": 100,
    "relaunched increments": 20,
    "ran an export for a past period": 50,
    "delivered several files": 200,
    "delivered to s3": 100,
    "delivered to sftp": 100,
    "delivered to download": 100,
    "expired": 300,
    "outage: 15 s": 300,
    "outage: 10 min": 100,
    "outage: 1 h": 50,
    "outage: 2 h": 50,
    "outage: 24 h": 10,
    "skew: 3 s": 300,
    "skew: 3600 s": 300,
    "doubled or late events": 1_000,
    "short invocations": 300,
    "steps whose answer was lost": 200,
    "poison: object": 30,
    "poison: plan": 30,
    "poison: announcement": 30,
    "poison: definition": 30,
    "fault: crash before": 300,
    "fault: crash after": 300,
    "fault: failing": 300,
    "fault: took effect then failed": 300,
    "fault: lost reply": 300,
    "fault: slow": 300,
    "fault: late": 200,
    "fault: left behind": 200,
    "fault: unprocessed": 50,
    "checks: accepted_stops_are_kept": 1_000,
    "checks: ended_import_is_exact": 50_000,
    "checks: attempts_are_made_in_time": 50,
    "checks: every_drop_makes_one_job": 5_000,
    "checks: every_end_is_told": 20_000,
    "checks: every_fetched_file_makes_one_job": 5_000,
    "checks: every_job_has_ended": 15_000,
    "checks: every_move_is_announced": 10_000,
    "checks: every_move_of_a_person_is_recorded": 10_000,
    "checks: expired_files_are_gone": 3_000,
    "checks: exported_file_is_right": 2_000,
    "checks: files_exist": 20_000,
    "checks: imports_take_effect_in_order": 10_000,
    "checks: increments_fold_to_the_table": 200,
    "checks: leases_are_held_once": 1_000,
    "checks: live_source_is_kept": 1_000,
    "checks: messages_are_signed": 3_000,
    "checks: moves_follow_the_arrows": 30_000,
    "checks: no_write_is_behind_a_window": 1_500,
    "checks: nothing_is_under_way": 9_000,
    "checks: nothing_is_written_after_stop": 1_000,
    "checks: one_import_runs": 30_000,
    "checks: rejected_rows_are_judged": 8_000,
    "checks: rejects_are_the_right_ones": 4_000,
    "checks: repeated_requests_have_one_effect": 1_500,
    "checks: rows_are_judged_by_the_usual": 20_000,
    "checks: submitted_is_the_registration": 6_000,
    "checks: tally_balances": 100_000,
    "checks: stopped_export_delivers_nothing": 200,
    "checks: the_last_row_of_a_key_stays": 30_000,
    "checks: windows_are_contiguous": 700,
}


@dataclass
class Result:
    reached: Counter[str] = field(default_factory=Counter)
    failed: list[Failed] = field(default_factory=list)

    def too_seldom(self) -> dict[str, int]:
        """What was reached too seldom, for the number of histories."""
        share = self.reached["histories"] / 10_000
        return {what: self.reached[what] for what, least in AT_LEAST.items() if self.reached[what] < int(least * share)}


def simulate(first: int, count: int, processes: int | None = None, report: bool = False) -> Result:
    """Run the histories of `count` seeds, from `first` on."""
    result, started = Result(), time.monotonic()
    blocks = [range(at, min(at + BLOCK, first + count)) for at in range(first, first + count, BLOCK)]
    os.environ["PYTHONHASHSEED"] = "0"
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for reached, failed in pool.map(run_histories, blocks):
            result.reached.update(reached)
            result.failed += failed
            if report:
                _report(result, failed, time.monotonic() - started)
    return result


def _report(result: Result, failed: list[Failed], seconds: float) -> None:
    for one in failed:
        print(f"seed {one.seed}: {one.message[:500]}\n    make simulate SEED={one.seed}", flush=True)
    done = result.reached["histories"]
    if done % 1_000 < BLOCK:
        print(f"{done:,} histories in {seconds:,.0f} s, {len(result.failed)} failed", flush=True)


def tell(seed: int) -> bool:
    """Run one history and print its schedule; whether it kept every promise."""
    history = History(seed)
    try:
        history.run()
    except AssertionError as violation:
        verdict = str(violation)
    else:
        verdict = ""
    print(history.schedule())
    print(history.character)
    print(f"seed {seed}: {verdict or 'every promise was kept'}")
    return not verdict


def coverage(result: Result) -> Iterator[str]:
    """What was reached, and in how many of the histories."""
    for what, number in sorted(result.reached.items()):
        yield f"{number:>10,}  {what}"
    for what, number in result.too_seldom().items():
        yield f"too seldom: {what} ({number:,})"


def main(arguments: list[str]) -> int:
    given = dict(argument.partition("=")[::2] for argument in arguments)
    if given.get("CELLS") or given.get("PAIRS"):
        kinds = [with_pairs for with_pairs, name in ((False, "CELLS"), (True, "PAIRS")) if given.get(name)]
        return 0 if all([run_all(with_pairs) for with_pairs in kinds]) else 1
    first = int(given.get("SEED") or datetime.now(UTC).strftime("%y%m%d0000"))
    count = int(given.get("N") or 10_000)
    if given.get("SEED") and not given.get("N"):
        return 0 if tell(first) else 1
    result = simulate(first, count, report=True)
    print("\n".join(coverage(result)))
    if result.failed:
        print("The first that failed:")
        tell(result.failed[0].seed)
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
