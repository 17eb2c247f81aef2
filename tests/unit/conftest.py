"""Fixtures of the tests of the command-line client, and how property tests run."""

from hypothesis import settings

from tests.cli_service import home, service, stack

__all__ = ["home", "service", "stack"]

# A property does not fail because the machine is busy.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
