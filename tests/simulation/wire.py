"""libcurl in virtual time: stands in for the module `pycurl` below the product's DynamoDB client.

The client's own code runs: retries, timeouts, batches in flight. What it sends takes effect at the `Server`
in the middle of its time; the answers of requests in flight come in an order that the seed decides; a transaction holds
its items from its arrival to its effect. A request that is on its way takes effect even if its sender dies.

waybill.aws.dynamodb.pycurl = Wire(timeline, calls, server).curl()
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import pycurl

from tests.simulation.calls import LATE_SECONDS, Calls
from tests.simulation.dynamodb import Server
from tests.simulation.faults import Decision, Failure, Fault
from tests.simulation.timeline import Task, Timeline

REQUEST_SECONDS = 0.006
TRANSACTION_SECONDS = 0.015
#: An attempt without an answer ends when the client's patience does; one without patience never.
FOREVER = float("inf")

_CONSTANTS = {name: value for name, value in vars(pycurl).items() if name.isupper() or name == "error"}
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Reply(NamedTuple):
    """What comes back: a status and a body, or libcurl's error."""

    status: int
    body: bytes
    error: tuple[int, str] | None = None


_UNREACHABLE = Reply(0, b"", (pycurl.E_COULDNT_CONNECT, "could not connect"))
_CUT = Reply(0, b"", (pycurl.E_RECV_ERROR, "connection reset"))
_TIMED_OUT = Reply(0, b"", (pycurl.E_OPERATION_TIMEDOUT, "no answer in time"))


def _error(status: int, code: str) -> Reply:
    return Reply(status, _encode({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "simulated"}))


FAILURES = {
    Failure.INTERNAL: _error(500, "InternalServerError"),
    Failure.UNAVAILABLE: Reply(503, b"<html>Service Unavailable</html>"),
    Failure.THROTTLED: _error(400, "ThrottlingException"),
    Failure.NETWORK: _UNREACHABLE,
    Failure.TIMEOUT: None,
}


class Wire:
    """The transport of all processes of a world."""

    def __init__(self, timeline: Timeline, calls: Calls, server: Server) -> None:
        self.timeline, self.server = timeline, server
        self.sender: Task | None = None  # of the request that takes effect
        self._calls = calls

    def curl(self) -> SimpleNamespace:
        """What takes the place of the module `pycurl`."""
        return SimpleNamespace(**_CONSTANTS, Curl=lambda: Curl(self), CurlMulti=lambda: CurlMulti(self))

    def send(self, operation: str, body: bytes, answer: Callable[[Reply], None]) -> float | None:
        """Send a request for the running process.

        Args:
            answer: called with what comes back, unless nothing does.

        Returns:
            Seconds by which the sender stalls before it sends; None when it does not.

        Raises:
            Killed: the process is dead.
        """
        request = _decode(body)
        decision = self._calls.decide("dynamodb", operation, request)
        task = self.timeline.task
        if task is None or task.process is None:
            answer(self._handle(operation, request))
            return None
        is_transaction = operation == "TransactWriteItems"
        seconds = self._calls.latency(TRANSACTION_SECONDS if is_transaction else REQUEST_SECONDS)
        start = self.timeline.seconds
        stall = None
        if decision.fault is Fault.SLOW:
            stall = decision.seconds
            start += stall
        elif decision.fault in (Fault.LATE, Fault.LEFT_BEHIND):
            seconds = self._calls.latency(LATE_SECONDS)
        if decision.fault is Fault.FAILING:
            failure = FAILURES[decision.failure]
            if failure is not None:
                self.timeline.at(start + seconds, lambda: answer(failure))
            return None
        end = start + seconds
        if is_transaction:
            self.timeline.at(start + seconds / 4, lambda: self._begin(request, decision, task, end, answer))
        else:
            self.timeline.at(start + seconds / 2, lambda: self._take(operation, request, decision, task, end, answer))
        if decision.fault is Fault.LEFT_BEHIND:
            task.kill()
        return stall

    def _begin(self, request: Any, decision: Decision, task: Task, end: float, answer: Callable[[Reply], None]) -> None:
        """A transaction arrives: its items are held until it takes effect."""
        collision = self.server.hold(request)
        if collision is not None:
            reply = Reply(collision[0], _encode(collision[1]))
            self.timeline.at(end, lambda: answer(reply))
            return
        middle = self.timeline.seconds + (end - self.timeline.seconds) * 2 / 3
        self.timeline.at(middle, lambda: self._take("TransactWriteItems", request, decision, task, end, answer))

    def _take(
        self,
        operation: str,
        request: Any,
        decision: Decision,
        task: Task,
        end: float,
        answer: Callable[[Reply], None],
    ) -> None:
        """A request takes effect."""
        self.sender = task
        if decision.fault is Fault.UNPROCESSED:
            reply = self._take_in_part(operation, request)
        else:
            if operation == "TransactWriteItems":
                self.server.release(request)
            reply = self._handle(operation, request)
        match decision.fault:
            case Fault.CRASH_AFTER:
                task.kill()
                return
            case Fault.LOST_REPLY:
                return
            case Fault.EFFECT_THEN_FAILED:
                reply = FAILURES[Failure.INTERNAL] if decision.failure is not Failure.NETWORK else _CUT
        self.timeline.at(end, lambda: answer(reply))

    def _handle(self, operation: str, request: Any) -> Reply:
        status, answer = self.server.handle(operation, request)
        return Reply(status, _encode(answer))

    def _take_in_part(self, operation: str, request: Any) -> Reply:
        """Only the first half of a batch (rounded down) is taken; other requests are throttled."""
        if operation == "BatchGetItem":
            ((table, body),) = request["RequestItems"].items()
            half = len(body["Keys"]) // 2
            left = {table: {**body, "Keys": body["Keys"][half:]}}
            if not half:
                return Reply(200, _encode({"Responses": {table: []}, "UnprocessedKeys": left}))
            taken = {"RequestItems": {table: {**body, "Keys": body["Keys"][:half]}}}
            _, answer = self.server.handle(operation, taken)
            return Reply(200, _encode({**answer, "UnprocessedKeys": left}))
        if operation == "BatchWriteItem":
            ((table, writes),) = request["RequestItems"].items()
            half = len(writes) // 2
            if half:
                self.server.handle(operation, {"RequestItems": {table: writes[:half]}})
            return Reply(200, _encode({"UnprocessedItems": {table: writes[half:]}}))
        if operation == "TransactWriteItems":
            self.server.release(request)
        return FAILURES[Failure.THROTTLED] or _UNREACHABLE


class Signer:
    """`waybill.aws.sigv4.Signer` without a signature, which nobody here checks and which costs a fifth of a call."""

    def __init__(self, *_: Any) -> None:
        self._lines: dict[Any, list[str]] = {}

    def sign(self, headers: Any, body: bytes) -> list[str]:
        lines = self._lines.get(headers)
        if lines is None:
            lines = self._lines[headers] = [f"{name}: {value}" for name, value in headers]
        return lines


class Curl:
    """`pycurl.Curl`: one transfer at a time."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.timeout_seconds = FOREVER
        self.receive: Callable[[bytes], object] = lambda data: None
        self.operation, self.body = "", b""
        self.reply: Reply | None = None
        self.status = 0

    def setopt(self, option: int, value: Any) -> None:
        if option == pycurl.POSTFIELDS:
            self.body = value
        elif option == pycurl.HTTPHEADER:
            self.operation = next(line for line in value if line.startswith("x-amz-target")).rpartition(".")[2]
        elif option == pycurl.WRITEFUNCTION:
            self.receive = value
        elif option == pycurl.TIMEOUT_MS:
            self.timeout_seconds = value / 1000 if value else FOREVER

    def getinfo(self, info: int) -> int:
        if info == pycurl.SIZE_UPLOAD_T:
            return len(self.body)
        assert info == pycurl.RESPONSE_CODE
        return self.status

    def perform(self) -> None:
        """Send the request, and wait for its answer or for the timeout."""
        timeline = self.wire.timeline
        task = timeline.task
        replies: list[Reply] = []

        def answer(reply: Reply) -> None:
            if not replies:
                replies.append(reply)
                if task is not None:
                    timeline.wake(task)

        stall = self.wire.send(self.operation, self.body, answer)
        if task is not None and task.process is not None:
            limit = timeline.at(timeline.seconds + (stall or 0.0) + self.timeout_seconds, lambda: answer(_TIMED_OUT))
            try:
                timeline.wait()
            finally:
                timeline.cancel(limit)
        (reply,) = replies
        self.finish(reply)
        if reply.error is not None:
            raise pycurl.error(*reply.error)

    def finish(self, reply: Reply) -> None:
        self.status = reply.status
        if reply.body:
            self.receive(reply.body)

    def close(self) -> None:
        pass


class CurlMulti:
    """`pycurl.CurlMulti`: many transfers in flight from one task."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._new: list[Curl] = []
        self._in_flight: dict[Curl, int] = {}  # with the number of its transfer: an older one's answer is nobody's
        self._answered: list[Curl] = []
        self._failed: list[tuple[Curl, int, str]] = []
        self._count = 0
        self._waiting: Task | None = None

    def setopt(self, option: int, value: Any) -> None:
        pass

    def add_handle(self, handle: Curl) -> None:
        self._new.append(handle)

    def remove_handle(self, handle: Curl) -> None:
        self._in_flight.pop(handle, None)
        if handle in self._new:
            self._new.remove(handle)

    def perform(self) -> tuple[int, int]:
        self._wire.timeline.check_alive()
        for handle in self._new:
            self._count += 1
            self._in_flight[handle] = self._count
        sent, self._new = self._new, []
        for handle in sent:
            self._send(handle, self._in_flight[handle])
        return 0, len(self._in_flight)

    def _send(self, handle: Curl, number: int) -> None:
        def answer(reply: Reply) -> None:
            if self._in_flight.get(handle) != number:
                return
            del self._in_flight[handle]
            handle.finish(reply)
            if reply.error is None:
                self._answered.append(handle)
            else:
                self._failed.append((handle, *reply.error))
            if self._waiting is not None:
                self._wire.timeline.wake(self._waiting)

        stall = self._wire.send(handle.operation, handle.body, answer)
        if stall is not None:
            self._wire.timeline.sleep(stall)  # the whole process stalls, between the check and the request

    def timeout(self) -> int:
        return -1

    def select(self, seconds: float) -> int:
        """Wait until an answer comes, for so long at most; returns how many have come."""
        timeline = self._wire.timeline
        task = timeline.task
        if task is None:
            return len(self._answered) + len(self._failed)
        timeline.check_alive()
        if not (self._answered or self._failed) and seconds > 0:
            self._waiting = task
            limit = timeline.at(timeline.seconds + seconds, lambda: timeline.wake(task))
            try:
                timeline.wait()
            finally:
                timeline.cancel(limit)
                self._waiting = None
        return len(self._answered) + len(self._failed)

    def info_read(self) -> tuple[int, list[Curl], list[tuple[Curl, int, str]]]:
        answered, failed = self._answered, self._failed
        self._answered, self._failed = [], []
        return 0, answered, failed

    def close(self) -> None:
        self._new.clear()
        self._in_flight.clear()
