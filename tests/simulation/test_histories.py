"""Whatever people do and whatever goes wrong, every promise of the contract holds: ten thousand seeded histories."""

from __future__ import annotations

from tests.simulation.people import History, run_histories


def test_a_seed_replays_to_the_same_log() -> None:
    """Also after other histories in the same process."""
    first = History(4)
    first.run()
    run_histories(range(5, 8))
    again = History(4)
    again.run()
    assert first.schedule() == again.schedule() and len(first.world.log) > 50
