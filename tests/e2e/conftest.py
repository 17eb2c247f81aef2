"""One stack on the embedded AWS for all flows; each test uses entities of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from infra.local.stack import LocalStack, local_stack
from tests.e2e.client import Client

TARGET_TABLE = "e2e-theirs"


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    with local_stack(parameters={"ChunkBytes": 200_000, "TargetTables": TARGET_TABLE}) as running:
        yield running


@pytest.fixture(scope="session")
def admin(stack: LocalStack) -> Iterator[Client]:
    with closing(Client(stack.stack, "admin")) as client:
        yield client


@pytest.fixture(scope="session")
def alice(stack: LocalStack) -> Iterator[Client]:
    with closing(Client(stack.stack, "alice")) as client:
        yield client


@pytest.fixture(scope="session")
def bob(stack: LocalStack) -> Iterator[Client]:
    with closing(Client(stack.stack, "bob")) as client:
        yield client


@pytest.fixture
def s3(stack: LocalStack) -> Any:
    return stack.clients("s3")
