"""Fixtures of the local stack: the whole of Waybill on an embedded AWS, and its users.

A folder or file of tests names the fixtures it uses: `stack = stack_fixture(…)`, `admin = client_fixture("admin")`.
Each test uses entities of its own, so that one stack serves all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, Literal

import pytest

from infra.local.stack import LocalStack, local_stack
from tests.e2e.client import Client

Scope = Literal["session", "module"]


def stack_fixture(
    *,
    scope: Scope = "session",
    parameters: Mapping[str, str | int],
    auth: bool = False,
    concurrency: int | None = None,
    before: Callable[[], None] = lambda: None,
) -> Any:
    """A running stack. `before` runs first, and may skip or fail the tests; the others are those of `local_stack`."""

    @pytest.fixture(scope=scope)
    def stack() -> Iterator[LocalStack]:
        before()
        with local_stack(parameters=parameters, auth=auth, concurrency=concurrency) as running:
            yield running

    return stack


def client_fixture(user: str, *, scope: Scope = "session") -> Any:
    """A client of the API that is signed in as this user."""

    @pytest.fixture(scope=scope)
    def client(stack: LocalStack) -> Iterator[Client]:
        with closing(Client(stack.stack, user)) as signed_in:
            yield signed_in

    return client
