"""What a request may raise.

WaybillError
├── Refused        the service refused; carries its problem document (RFC 9457)
└── Unreachable    no response
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class WaybillError(Exception):
    """A request had no good answer."""


class Unreachable(WaybillError):
    """There was no response, or none in time."""


class Refused(WaybillError):
    """The service refused the request.

    Attributes:
        status: HTTP status.
        problem: the problem document.
        retry_after_seconds: when the same request may succeed, where the service says so.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_seconds: float | None = None) -> None:
        title, detail = problem.get("title") or f"HTTP {status}", problem.get("detail")
        super().__init__(f"{title}: {detail}" if detail else str(title))
        self.status = status
        self.problem = problem
        self.retry_after_seconds = retry_after_seconds
