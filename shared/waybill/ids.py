"""The only place that makes an id or a random number. A test or a simulator passes a source of its own."""

from __future__ import annotations

import os
import random
import uuid
from typing import Protocol


class Ids(Protocol):
    """Where ids and chance come from."""

    def random_bytes(self, count: int) -> bytes:
        """Unpredictable bytes."""

    def fraction(self) -> float:
        """A number in [0, 1), for jitter."""


class SystemIds:
    """The operating system's randomness."""

    random_bytes = staticmethod(os.urandom)
    # Not the generator of the module `random`: processes that start from one snapshot would share its state.
    fraction = staticmethod(random.SystemRandom().random)


SYSTEM_IDS: Ids = SystemIds()


def new_uuid(ids: Ids = SYSTEM_IDS) -> str:
    """A random UUID (RFC 9562, version 4), for what users see."""
    return str(uuid.UUID(bytes=ids.random_bytes(16), version=4))


def new_token(ids: Ids = SYSTEM_IDS) -> str:
    """32 random hexadecimal digits, for what only Waybill sees: attempts, marks, request tokens."""
    return ids.random_bytes(16).hex()


def time_ordered_uuid(milliseconds: int, ids: Ids = SYSTEM_IDS) -> str:
    """A UUID that sorts by its time (RFC 9562, section 5.7, version 7).

    Args:
        milliseconds: since the epoch.
    """
    bits = (milliseconds << 80) | int.from_bytes(ids.random_bytes(10))
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


def derived_uuid(namespace: str, *parts: str) -> str:
    """The same UUID for the same parts (RFC 9562, section 5.5, version 5).

    Args:
        namespace: a UUID; keeps ids made for different purposes apart.
        parts: joined with line breaks.
    """
    return str(uuid.uuid5(uuid.UUID(namespace), "\n".join(parts)))
