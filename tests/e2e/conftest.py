"""One stack on the embedded AWS for all flows; each test uses entities of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.stack import LocalStack, local_stack
from tests.e2e.client import Client


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    with local_stack(parameters={"ChunkBytes": 200_000}) as running:
        yield running


@pytest.fixture(scope="session")
def admin(stack: LocalStack) -> Client:
    return Client(stack.stack, "admin")


@pytest.fixture(scope="session")
def alice(stack: LocalStack) -> Client:
    return Client(stack.stack, "alice")


@pytest.fixture(scope="session")
def bob(stack: LocalStack) -> Client:
    return Client(stack.stack, "bob")


@pytest.fixture
def s3(stack: LocalStack) -> Any:
    return stack.clients("s3")
