"""Fixtures of the tests of the command-line client."""

from tests.cli_service import home, service, stack

__all__ = ["home", "service", "stack"]
