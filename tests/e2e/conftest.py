"""One stack on the embedded AWS for all flows."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.stack import LocalStack
from tests.stack import client_fixture, stack_fixture

TARGET_TABLE = "e2e-theirs"

stack = stack_fixture(parameters={"ChunkBytes": 200_000, "TargetTables": TARGET_TABLE})
admin = client_fixture("admin")
alice = client_fixture("alice")
bob = client_fixture("bob")


@pytest.fixture
def s3(stack: LocalStack) -> Any:
    return stack.clients("s3")
