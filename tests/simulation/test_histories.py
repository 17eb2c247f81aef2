"""Whatever people do and whatever goes wrong, every promise of the contract holds: ten thousand seeded histories."""

from __future__ import annotations

from tests.simulation.people import History, run_histories
from tests.simulation.simulate import simulate


def test_a_seed_replays_to_the_same_log() -> None:
    """Also after other histories in the same process."""
    first = History(4)
    first.run()
    run_histories(range(5, 8))
    again = History(4)
    again.run()
    assert first.schedule() == again.schedule() and len(first.world.log) > 50


def test_every_promise_holds_in_ten_thousand_histories() -> None:
    """They reach what they are meant to reach: Stop at every step, each kind of failure, outages, poison."""
    result = simulate(0, 10_000)
    told = [f"{one.message[:500]}\n    make simulate SEED={one.seed}" for one in result.failed[:5]]
    assert not result.failed, f"{len(result.failed)} failed\n" + "\n".join(told)
    assert not result.too_seldom()


def test_files_are_judged_and_ends_are_told() -> None:
    """Some of those histories, chosen for what they reach: `make mutants` plants bugs that they must notice."""
    reached, failed = run_histories((10, 11, 22, 23, 33, 46))
    assert not failed, failed[0].message[:500]
    assert not {
        "import COMPLETED MAX_ERRORS",
        "import FAILED unusual-rows",
        "relaunched an unusual file",
        "warning unusual-rows",
        "warning many-rejected",
        "told webhooks",
        "refused webhooks",
        "gave up a webhook",
    } - {what for what, number in reached.items() if number}
