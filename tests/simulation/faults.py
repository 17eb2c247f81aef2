"""What goes wrong in a simulated world, and the log of its calls from which faults are chosen.

A call is known by the invocation that makes it and its number within that invocation. Under one seed a run repeats
itself up to its first fault, so that a call of an undisturbed run's log is met again by the run that disturbs it.

log = World(seed=1).run().log
World(seed=1, faults=FaultPlan({Cell(log[17].invocation, log[17].ordinal, Fault.CRASH_AFTER)}))
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Fault(StrEnum):
    """What happens to one call."""

    CRASH_BEFORE = "crash before"  # the process dies, nothing was sent
    CRASH_AFTER = "crash after"  # it takes effect, and the process dies before it learns of it
    FAILING = "failing"  # this call and those like it fail until the invocation ends
    EFFECT_THEN_FAILED = "took effect then failed"  # the answer is an error of the server
    LOST_REPLY = "lost reply"  # it takes effect, and no answer comes
    SLOW = "slow"  # it takes effect late: the process stalls before it sends
    UNPROCESSED = "unprocessed"  # a batch is taken in part
    LATE = "late"  # it is on its way for seconds before it takes effect
    LEFT_BEHIND = "left behind"  # the process dies, and it takes effect seconds later


#: The faults of cells.
CELL_FAULTS = (
    Fault.CRASH_BEFORE,
    Fault.CRASH_AFTER,
    Fault.FAILING,
    Fault.EFFECT_THEN_FAILED,
    Fault.LOST_REPLY,
)


class Failure(StrEnum):
    """How a call fails."""

    INTERNAL = "internal"  # HTTP 500
    UNAVAILABLE = "unavailable"  # HTTP 503
    THROTTLED = "throttled"
    NETWORK = "network"  # no connection
    TIMEOUT = "timeout"  # no answer within the client's timeout


#: Services whose errors are final: only their connections fail for a while.
PARTNERS = ("sftp", "ftps", "https")


class CallFailed(Exception):
    """One attempt of a call failed in a way that clients may try again. The fakes of boto3's clients turn it into
    botocore's exceptions, after their own retries."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class LogEntry(NamedTuple):
    """One call, or one attempt of it where the client tries again.

    Attributes:
        moment: virtual seconds.
        invocation: `function/step/…#number`, the same in each run of a seed.
        ordinal: the number of the call within its invocation, from 0.
        detail: what it is about: the request of DynamoDB, or a short text.
        fault: what was done to it.
    """

    moment: float
    invocation: str
    ordinal: int
    service: str
    operation: str
    detail: Any
    fault: str = ""

    @property
    def family(self) -> str:
        """Service, operation and the family of what it is about: the same for calls that do the same."""
        return f"{self.service}.{self.operation} {family(self.detail)}"

    def __str__(self) -> str:
        fault = f"  ← {self.fault}" if self.fault else ""
        return f"{self.moment:12.3f} {self.invocation} [{self.ordinal}] {self.family}{fault}"


class Cell(NamedTuple):
    """One fault at one call."""

    invocation: str
    ordinal: int
    fault: Fault

    def __str__(self) -> str:
        return f"{self.fault} at {self.invocation}[{self.ordinal}]"


def cells(log: Iterable[LogEntry], faults: Sequence[Fault] = CELL_FAULTS) -> Iterator[Cell]:
    """Every fault at every call of an undisturbed run."""
    for entry in log:
        for fault in faults:
            yield Cell(entry.invocation, entry.ordinal, fault)


@dataclass(frozen=True)
class Outage:
    """An interval in which calls fail.

    Attributes:
        services: those that are out; empty for all.
    """

    start: float
    end: float
    services: frozenset[str] = frozenset()
    failure: Failure = Failure.UNAVAILABLE


class Decision(NamedTuple):
    """What is done to a call: a fault, how it fails, and how long it stalls."""

    fault: Fault | None = None
    failure: Failure = Failure.INTERNAL
    seconds: float = 0.0


UNDISTURBED = Decision()


@dataclass
class FaultPlan:
    """The faults of a run.

    Attributes:
        cells: faults at single calls.
        outages: faults of intervals.
        rates: how often each fault befalls a call, by chance.
        until: chance stops at this moment, so that a run can come to its end.
        stall_seconds: the longest stall of `SLOW`.
        poison: calls whose family matches one of these patterns fail for ever (an object that cannot be deleted).
    """

    cells: Iterable[Cell] = ()
    outages: Sequence[Outage] = ()
    rates: dict[Fault, float] = field(default_factory=dict)
    until: float = float("inf")
    stall_seconds: float = 40.0
    poison: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._cells = {(cell.invocation, cell.ordinal): cell.fault for cell in self.cells}
        self._failing: set[tuple[str, str, str, str]] = set()
        self._chances = [(fault, rate) for fault, rate in self.rates.items() if rate > 0]
        self._rate = sum(rate for _, rate in self._chances)
        self._poison = [re.compile(pattern) for pattern in self.poison]
        self._is_quiet = not (self._cells or self.outages or self._chances or self._poison)

    @property
    def last_moment(self) -> float:
        """After this moment nothing goes wrong any more (cells and poison apart)."""
        ends = [outage.end for outage in self.outages]
        return max([*ends, self.until if self._chances else 0.0, 0.0])

    def decide(self, random: Any, entry: LogEntry) -> Decision:
        """What is done to a call. `random` is the run's own source."""
        if self._is_quiet:
            return UNDISTURBED
        if self._cells or self._failing:
            decision = self._by_cell(entry)
            if decision is not None:
                return decision
        for outage in self.outages:
            is_out = not outage.services or entry.service in outage.services
            if is_out and outage.start <= entry.moment < outage.end:
                return Decision(Fault.FAILING, outage.failure)
        if self._chances and entry.moment < self.until and random.random() < self._rate:
            return self._by_chance(random, entry.operation)
        if self._poison and any(pattern.search(entry.family) for pattern in self._poison):
            return Decision(Fault.FAILING)
        return UNDISTURBED

    def _by_cell(self, entry: LogEntry) -> Decision | None:
        fault = self._cells.get((entry.invocation, entry.ordinal))
        kind = (
            (entry.invocation, entry.service, entry.operation, family(entry.detail)) if self._failing or fault else ()
        )
        if fault is Fault.FAILING:
            self._failing.add(kind)
        failure = Failure.NETWORK if entry.service in PARTNERS else Failure.INTERNAL
        if kind in self._failing:
            return Decision(Fault.FAILING, failure)
        return fault and Decision(fault, failure, self.stall_seconds)

    def _by_chance(self, random: Any, operation: str) -> Decision:
        (fault,) = random.choices([fault for fault, _ in self._chances], [rate for _, rate in self._chances])
        if fault is Fault.UNPROCESSED and operation != "BatchWriteItem":
            return UNDISTURBED
        failure = random.choice(list(Failure))
        return Decision(fault, failure, random.uniform(0, self.stall_seconds))


_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|\b[0-9a-f]{32,}\b")
_NUMBER = re.compile(r"\d+")


def family(detail: Any) -> str:
    """What a call is about without its ids and numbers.

    Args:
        detail: a text, or a request of DynamoDB, of which table and keys count.
    """
    if isinstance(detail, dict):
        detail = ", ".join(_keys(detail))
    return _NUMBER.sub("0", _ID.sub("…", str(detail)))


def _keys(request: dict[str, Any]) -> list[str]:
    if "TransactItems" in request:
        actions = [(kind, body) for action in request["TransactItems"] for kind, body in action.items()]
        return [f"{kind} {_key(body)}" for kind, body in actions]
    if "RequestItems" in request:
        return list(request["RequestItems"])
    return [_key(request)]


def _key(body: dict[str, Any]) -> str:
    key = body.get("Key") or body.get("Item")
    if key is None:
        values = body.get("ExpressionAttributeValues", {})
        index = body.get("IndexName", "")
        return " ".join(
            filter(None, [body.get("TableName", ""), index, *(str(v.get("S", "")) for v in values.values())])
        )
    names = [name for name in ("pk", "sk", "_pk", "_sk") if name in key] or sorted(key)[:2]
    return f"{body['TableName']} {'/'.join(str(*key[name].values()) for name in names)}"
