"""A small AWS in virtual time: the product's own steps run in it, seconds pass in microseconds, and nothing is random
that a seed does not decide.

    Timeline       the clock; tasks are threads of which exactly one runs, until it sleeps
    Wire           the client of the jobs table: real retries, over tables in memory; it can throttle, lose and collide
    VirtualFile    a CSV of any size whose bytes are made when they are read
    Store          S3 in memory, and the virtual file
"""

from __future__ import annotations

import heapq
import io
import itertools
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pycurl

from tests.builders import START
from waybill.aws.dynamodb import ConditionFailed, DynamoDB, DynamoDBError, TransactionCanceled, network_error
from waybill.aws.files import FileInfo, SourceChanged

Item = dict[str, Any]


class Killed(BaseException):
    """The task's process has died: nothing it would still do takes effect."""


class Task:
    def __init__(self, work: Callable[[], Any], deadline: float) -> None:
        self.work, self.deadline = work, deadline
        self.killed = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.on_end: Callable[[Task], None] = lambda task: None
        self.turn = threading.Lock()
        self.turn.acquire()


class Timeline:
    """A clock of virtual seconds. Earliest event first, ties in the order in which they were made."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._main_turn = threading.Lock()
        self._main_turn.acquire()
        self._task: Task | None = None

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), action))

    def start(self, work: Callable[[], Any], limit_seconds: float, on_end: Callable[[Task], None]) -> Task:
        """Run `work` as a task; at its limit it is killed wherever it is."""
        task = Task(work, self.seconds + limit_seconds)
        task.on_end = on_end
        threading.Thread(target=self._live, args=(task,), daemon=True).start()
        self.at(self.seconds, lambda: self._resume(task))
        return task

    def sleep(self, seconds: float) -> None:
        """Let time pass; outside of tasks it passes at once."""
        task = self._task
        if task is None:
            self.seconds += seconds
            return
        wake = self.seconds + max(0.0, seconds)
        if wake >= task.deadline:
            wake, task.killed = max(self.seconds, task.deadline), True
        self.at(wake, lambda: self._resume(task))
        self._main_turn.release()
        task.turn.acquire()
        self.check_alive()

    def check_alive(self) -> None:
        if self._task is not None and self._task.killed:
            raise Killed

    def run(self) -> None:
        while self._events:
            moment, _, action = heapq.heappop(self._events)
            self.seconds = max(self.seconds, moment)
            action()

    def _resume(self, task: Task) -> None:
        self._task = task
        task.turn.release()
        self._main_turn.acquire()
        self._task = None

    def _live(self, task: Task) -> None:
        task.turn.acquire()
        try:
            task.result = task.work()
        except BaseException as error:
            task.error = error
        self.at(self.seconds, lambda: task.on_end(task))
        self._main_turn.release()


class Tables:
    """The items of DynamoDB, in its own JSON, and the requests it received."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.locked_until: dict[tuple[str, str], float] = {}
        self.tokens: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.on_change: Callable[[Item | None, Item], None] = lambda old, new: None

    def put(self, key: tuple[str, str], item: Item) -> None:
        old = self.items.get(key)
        self.items[key] = item
        self.on_change(old, item)


class Faults:
    """How often each fault occurs on the wire (by default never), and the source of all ids and randomness."""

    def __init__(self, seed: int = 0, *, throttled: float = 0.0, lost_requests: float = 0.0, lost_replies: float = 0.0):
        self.random = random.Random(seed)
        self.throttled, self.lost_requests, self.lost_replies = throttled, lost_requests, lost_replies

    def random_bytes(self, count: int) -> bytes:
        return self.random.randbytes(count)

    def fraction(self) -> float:
        return self.random.random()

    def happens(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability


class Wire(DynamoDB):
    """`DynamoDB` with its own retries; a request takes `latency_seconds`, a transaction holds its items meanwhile."""

    latency_seconds, transaction_seconds = 0.005, 0.015

    def __init__(self, tables: Tables, timeline: Timeline, faults: Faults, **options: Any) -> None:
        super().__init__("us-east-1", "http://127.0.0.1:9", clock=timeline, ids=faults, **options)
        self._tables, self._timeline, self._faults = tables, timeline, faults

    def _call_once(self, operation: str, body: bytes) -> tuple[int, bytes]:
        self._timeline.check_alive()
        request = json.loads(body)
        self._tables.calls[operation] += 1
        if self._faults.happens(self._faults.throttled):
            raise DynamoDBError("ThrottlingException", "", 400, retryable=True)
        if self._faults.happens(self._faults.lost_requests):
            self._time_out()
        is_transaction = operation == "TransactWriteItems"
        keys = [_key(action) for action in request["TransactItems"]] if is_transaction else [_key({"Update": request})]
        if any(self._tables.locked_until.get(key, 0.0) > self._timeline.seconds for key in keys):
            if is_transaction:
                raise TransactionCanceled("", [{"Code": "TransactionConflict"}])
            if operation in ("UpdateItem", "PutItem", "DeleteItem"):
                raise DynamoDBError("TransactionConflictException", "", 400, retryable=True)
        if is_transaction:
            self._tables.locked_until |= dict.fromkeys(keys, self._timeline.seconds + self.transaction_seconds)
        self._timeline.sleep(self.transaction_seconds if is_transaction else self.latency_seconds)
        answer: dict[str, Any] = getattr(self, f"_{operation}")(request)
        if self._faults.happens(self._faults.lost_replies):
            self._time_out()
        return 200, json.dumps(answer).encode()

    def _time_out(self) -> None:
        self._timeline.sleep(self.timeout_seconds)
        raise network_error(pycurl.E_OPERATION_TIMEDOUT, "no answer in time")

    def _GetItem(self, request: Item) -> Item:
        item = self._tables.items.get(_key({"Get": request}))
        return {} if item is None else {"Item": item}

    def _DeleteItem(self, request: Item) -> Item:
        self._tables.items.pop(_key({"Delete": request}), None)
        return {}

    def _PutItem(self, request: Item) -> Item:
        self._tables.put(_key({"Put": request}), request["Item"])
        return {}

    def _UpdateItem(self, request: Item) -> Item:
        key = _key({"Update": request})
        if not _holds(request, self._tables.items.get(key)):
            raise ConditionFailed("", None)
        item = _updated(request, self._tables.items[key])
        self._tables.put(key, item)
        return {"Attributes": item}

    def _Query(self, request: Item) -> Item:
        values = request["ExpressionAttributeValues"]
        pk, prefix = values[":pk"]["S"], values.get(":prefix", {"S": ""})["S"]
        keys = sorted(key for key in self._tables.items if key[0] == pk and key[1].startswith(prefix))
        return {"Items": [self._tables.items[key] for key in keys[: request.get("Limit")]]}

    def _TransactWriteItems(self, request: Item) -> Item:
        token = request["ClientRequestToken"]
        if token in self._tables.tokens:
            return {}
        actions = request["TransactItems"]
        found = [(self._tables.items.get(_key(action)), next(iter(action.values()))) for action in actions]
        reasons = [{"Code": "None" if _holds(body, item) else "ConditionalCheckFailed"} for item, body in found]
        if any(reason["Code"] != "None" for reason in reasons):
            raise TransactionCanceled("", reasons)
        for action in actions:
            ((kind, body),) = action.items()
            if kind == "Put":
                self._tables.put(_key(action), body["Item"])
            elif kind == "Update":
                self._tables.put(_key(action), _updated(body, self._tables.items[_key(action)]))
            else:
                self._tables.items.pop(_key(action), None)
        self._tables.tokens.add(token)
        return {}


def _key(action: Mapping[str, Any]) -> tuple[str, str]:
    ((_, body),) = action.items()
    key = body.get("Key") or body.get("Item") or {"pk": {"S": ""}, "sk": {"S": ""}}
    return key["pk"]["S"], key["sk"]["S"]


def _find(item: Item | None, path: str, names: Mapping[str, str]) -> Any:
    node: Any = {"M": item or {}}
    for part in path.split("."):
        node = None if node is None else node["M"].get(names.get(part, part))
    return node


def _holds(request: Mapping[str, Any], item: Item | None) -> bool:
    """The conditions that the repository uses: alternatives of conjunctions, of equalities, IN and
    attribute_not_exists."""
    return any(_all_hold(terms, request, item) for terms in request.get("ConditionExpression", "").split(" OR "))


def _all_hold(terms: str, request: Mapping[str, Any], item: Item | None) -> bool:
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    for term in filter(None, terms.split(" AND ")):
        if match := re.fullmatch(r"attribute_not_exists\((\S+)\)", term):
            holds = _find(item, match[1], names) is None
        elif match := re.fullmatch(r"(\S+) IN \((.+)\)", term):
            holds = _find(item, match[1], names) in [values[name] for name in match[2].split(", ")]
        elif match := re.fullmatch(r"(\S+) = (:\S+)", term):
            holds = _find(item, match[1], names) == values[match[2]]
        else:
            raise NotImplementedError(term)
        if not holds:
            return False
    return True


def _updated(request: Mapping[str, Any], item: Item) -> Item:
    """The item after SET (values, if_not_exists), ADD and REMOVE."""
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    new: Item = {**item, "leases": {"M": dict(item["leases"]["M"])}, "options": item.get("options", {"M": {}})}
    clauses = re.split(r"\b(SET|ADD|REMOVE) ", request["UpdateExpression"])[1:]
    for verb, clause in zip(clauses[::2], clauses[1::2], strict=True):
        for term in re.split(r", (?![^(]*\))", clause.strip()):
            path, _, operand = term.partition(" = " if verb == "SET" else " ")
            *parents, last = (names.get(part, part) for part in path.split("."))
            target = new[parents[0]]["M"] if parents else new
            if verb == "REMOVE":
                target.pop(last, None)
            elif verb == "ADD":
                target[last] = {"N": str(int(target.get(last, {"N": "0"})["N"]) + int(values[operand]["N"]))}
            elif match := re.fullmatch(r"if_not_exists\(\S+, (:\S+)\)", operand):
                target.setdefault(last, values[match[1]])
            else:
                target[last] = values[operand]
    return new


class VirtualFile:
    """A CSV of `rows` rows of WIDTH bytes each, the first of which is row 0 here.

    Every `bad_every`-th row is bad; in the second half every `repeat_every`-th has the key of a row of the first half.
    """

    HEADER = b"contact_id,email,spend,joined,vip\n"
    WIDTH = 120

    def __init__(self, rows: int, *, bad_every: int = 0, repeat_every: int = 0, piece_bytes: int = 1 << 20) -> None:
        self.rows, self.piece_bytes = rows, piece_bytes
        self._bad_every, self._repeat_every = bad_every, repeat_every
        self.size_bytes = len(self.HEADER) + rows * self.WIDTH

    def is_bad(self, number: int) -> bool:
        return self._bad_every > 0 and number % self._bad_every == 0

    def key(self, number: int) -> int:
        half = self.rows // 2
        repeats = self._repeat_every > 0 and number >= half and number % self._repeat_every == 0
        return number - half if repeats else number

    def row(self, number: int) -> bytes:
        spend = b"no-number." if self.is_bad(number) else b"0000007.50"
        return b"c%038d,mailbox-of-%030d@example.com,%b,2026-01-31,yes\n" % (self.key(number), number, spend)

    def bytes(self, start: int, end: int) -> bytes:
        """The bytes `[start, end)`."""
        head, end = self.HEADER[start:end], min(end, self.size_bytes)
        first = max(0, start - len(self.HEADER)) // self.WIDTH
        behind = max(0, -(-(end - len(self.HEADER)) // self.WIDTH))
        skip = max(0, start - len(self.HEADER) - first * self.WIDTH)
        body = b"".join(map(self.row, range(first, behind)))
        return head + body[skip : skip + max(0, end - start - len(head))]

    def stream(self, start: int = 0, end: int | None = None) -> io.RawIOBase:
        return _Range(self, start, self.size_bytes if end is None else end)


class _Range(io.RawIOBase):
    def __init__(self, file: VirtualFile, start: int, end: int) -> None:
        self._file, self._position, self._end = file, start, end

    def read(self, size: int = -1, /) -> bytes:
        size = self._file.piece_bytes if size < 0 else min(size, self._file.piece_bytes)
        data = self._file.bytes(self._position, min(self._position + size, self._end))
        self._position += len(data)
        return data


class Store:
    """`Files` in memory; one key is the virtual file. A request takes `latency_seconds`."""

    latency_seconds = 0.1  # AWS: "roughly 100 to 200 milliseconds" for the first byte of a small object

    def __init__(self, source_key: str, source: VirtualFile, timeline: Timeline) -> None:
        self.objects: dict[str, bytes] = {}
        self.calls: Counter[str] = Counter()
        self._source_key, self._source, self._timeline = source_key, source, timeline

    def head(self, bucket: str, key: str) -> FileInfo | None:
        self._count("HEAD")
        return FileInfo(len(self.objects[key]), "etag", {}, "2026-01-31T09:30:00.000Z") if key in self.objects else None

    def open(self, bucket: str, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> Any:
        self._count("GET")
        if key == self._source_key:
            return self._source.stream(start, end)
        if key not in self.objects:
            raise SourceChanged(key)
        return io.BytesIO(self.objects[key][start:end])

    def read(self, bucket: str, key: str, start: int = 0, end: int | None = None) -> bytes:
        data: bytes = self.open(bucket, key, start=start, end=end).read()
        return data

    def put(self, bucket: str, key: str, body: bytes, content_type: str = "") -> None:
        self._count("PUT")
        self.objects[key] = body

    def writer(self, bucket: str, key: str, content_type: str = "") -> Any:
        store = self

        class Writer(io.BytesIO):
            def close(self) -> None:
                store.put(bucket, key, self.getvalue())

            def abort(self) -> None:
                pass

        return Writer()

    def delete(self, bucket: str, key: str) -> None:
        self.objects.pop(key, None)

    def delete_prefix(self, bucket: str, prefix: str) -> None:
        for key in [key for key in self.objects if key.startswith(prefix)]:
            del self.objects[key]

    def _count(self, verb: str) -> None:
        self._timeline.check_alive()
        self._timeline.sleep(self.latency_seconds)
        self.calls[verb] += 1


def seconds_of_backoff(rule: Mapping[str, Any], chance: random.Random) -> Iterator[float]:
    """The waits of a retrier of a state machine, full jitter (Amazon States Language, *Retrier*)."""
    for attempt in range(rule["MaxAttempts"]):
        yield chance.random() * min(rule["MaxDelaySeconds"], rule["IntervalSeconds"] * rule["BackoffRate"] ** attempt)
