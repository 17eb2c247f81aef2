"""The only DynamoDB client of Waybill: JSON over libcurl with our own signatures, without boto3.

boto3 costs 0.4 s of start-up and 270 µs of CPU a row written, this client 0.06 s and 6 µs. `DynamoDB.call` is one
request with retries; `BatchWriter` keeps many BatchWriteItem requests in flight from one thread. Neither may be shared
between threads.

    DynamoDBError                 what AWS or the network refused
    ├── ConditionFailed           a condition was false; `item` is the item that it met, when asked for
    ├── ItemTooLarge              the item that a write would leave is larger than DynamoDB's 400 KB
    └── TransactionCanceled       `reasons`: one dict per action of the transaction

Protocol: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html, retries:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from importlib.util import find_spec
from types import TracebackType
from typing import Any, TypeVar

import pycurl

from waybill.aws.partitions import url_suffix
from waybill.aws.sigv4 import CredentialsProvider, Headers, Signer
from waybill.clock import SYSTEM_CLOCK, Clock
from waybill.ids import SYSTEM_IDS, Ids, new_token
from waybill.joined import join

MAX_BATCH_PUTS = 25
MAX_BATCH_BYTES = 16 * 1024 * 1024
#: Bodies on their way at once: 16 connections with 25 records of 400 KB each would not fit into a small Lambda.
MAX_IN_FLIGHT_BYTES = 32 * 1024 * 1024
#: A transfer holds its last body until it gets another; a larger one is taken from it.
MAX_KEPT_BYTES = 1024 * 1024

BACKOFF_BASE_SECONDS = 0.05
BACKOFF_CAP_SECONDS = 5.0
#: Retries that a client may have spent on an outage before it fails at once; each success gives one back.
RETRY_BUDGET = 50

_Answer = TypeVar("_Answer")

ALL_WRITTEN = b'{"UnprocessedItems":{}}'

_THROTTLED = frozenset(
    {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", "ThrottlingError"}
)
_RETRYABLE = _THROTTLED | {
    "InternalServerError",
    "ServiceUnavailable",
    "TransactionConflictException",
    "TransactionInProgressException",
}
#: Reasons that cancel a transaction although nothing is wrong with it; "None" is an action that had no part in it.
_RETRYABLE_REASONS = _THROTTLED | {"None", "ProvisionedThroughputExceeded", "TransactionConflict"}
_REFUSED = re.compile(r"(?<=:)table/[\w.-]+|arn:[\w-]+:kms:[\w-]+:[0-9]+:key/[\w-]+")
#: Of PutItem and of UpdateItem: a ValidationException has no other mark of its cause than its sentence.
_TOO_LARGE = re.compile(r"Item size (to update )?has exceeded the maximum allowed size")
#: libcurl errors that another attempt cannot cure: the address or the certificates are wrong.
_FINAL_CURL_ERRORS = frozenset(
    {
        pycurl.E_UNSUPPORTED_PROTOCOL,
        pycurl.E_URL_MALFORMAT,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT_BADFILE,
    }
)


class DynamoDBError(Exception):
    """A request that failed for good, or after all its retries.

    Attributes:
        code: AWS's short name (`ValidationException`), or `NetworkError`, `Timeout`, `BadResponse`.
        message: AWS's sentence.
        status: HTTP status, 0 when there was no answer.
        retryable: another attempt may succeed.
    """

    def __init__(self, code: str, message: str, status: int = 0, retryable: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.retryable = retryable


def why_refused(error: Exception) -> str | None:
    """What to tell people where DynamoDB lets nobody use a table, for lack of a right to it or to its KMS key. None for
    other errors."""
    if not isinstance(error, DynamoDBError) or error.retryable:
        return None
    if error.code != "AccessDeniedException" and "kms" not in error.code.lower():
        return None
    found = _REFUSED.search(error.message)
    return (
        f"DynamoDB does not let Waybill use the {found[0] if found else 'table'} ({error.code}). Ask the operator of "
        "Waybill to allow the table (TargetTables) and its KMS key (OtherKmsKeyArns, and the policy of the key)."
    )


class ConditionFailed(DynamoDBError):
    """The condition of a write was false.

    `item` is the item in DynamoDB's JSON when the request had `ReturnValuesOnConditionCheckFailure: ALL_OLD` and there
    was one, else None. After a lost reply the retry of a write can meet its own effect: compare before believing.
    """

    def __init__(self, message: str, item: dict[str, Any] | None, status: int = 400) -> None:
        super().__init__("ConditionalCheckFailedException", message, status)
        self.item = item


class ItemTooLarge(DynamoDBError):
    """The item would be larger than 400 KB: of an update, with what it has already."""


class TransactionCanceled(DynamoDBError):
    """A transaction that was not applied; `reasons` has `Code`, `Message`, `Item` per action ("None": innocent)."""

    def __init__(self, message: str, reasons: list[dict[str, Any]], status: int = 400) -> None:
        retryable = bool(reasons) and all(reason.get("Code", "None") in _RETRYABLE_REASONS for reason in reasons)
        super().__init__("TransactionCanceledException", message, status, retryable)
        self.reasons = reasons

    @property
    def failed_conditions(self) -> list[int]:
        """The positions of the actions whose conditions were false."""
        failed = "ConditionalCheckFailed"
        return [position for position, reason in enumerate(self.reasons) if reason.get("Code") == failed]


# ---------------------------------------------------------------------------------------------------------------------
# Values
# ---------------------------------------------------------------------------------------------------------------------


def to_attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    """Plain Python values as DynamoDB attribute values.

    Takes str, int, Decimal, bool, None, bytes, dict, list, tuple and non-empty sets of str.

    Raises:
        TypeError: another type; float above all, which cannot say what it means in decimal digits.
        ValueError: a number that is not finite, or an empty set.
    """
    return {name: _to_attribute(value) for name, value in item.items()}


def _to_attribute(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("DynamoDB has no NaN and no infinity")
        return {"N": str(value)}
    if isinstance(value, Mapping):
        return {"M": to_attributes(value)}
    if isinstance(value, list | tuple):
        return {"L": [_to_attribute(element) for element in value]}
    if isinstance(value, bytes):
        return {"B": b64encode(value).decode()}
    if isinstance(value, set | frozenset) and all(isinstance(element, str) for element in value):
        if not value:
            raise ValueError("DynamoDB has no empty sets")
        return {"SS": sorted(value)}
    raise TypeError(f"DynamoDB cannot hold a {type(value).__name__}")


def from_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """DynamoDB attribute values as plain Python; a number is an int when it is written as one, else a Decimal."""
    return {name: _from_attribute(attribute) for name, attribute in attributes.items()}


def _from_attribute(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return _number(value)
        case "NULL":
            return None
        case "M":
            return from_attributes(value)
        case "L":
            return [_from_attribute(element) for element in value]
        case "B":
            return b64decode(value)
        case "SS":
            return set(value)
        case "NS":
            return {_number(element) for element in value}
        case "BS":
            return {b64decode(element) for element in value}
    raise ValueError(f"unknown attribute type {kind!r}")


def _number(text: str) -> int | Decimal:
    return int(text) if text.lstrip("-").isdigit() else Decimal(text)


# ---------------------------------------------------------------------------------------------------------------------
# One request
# ---------------------------------------------------------------------------------------------------------------------


class DynamoDB:
    """A DynamoDB endpoint.

    Args:
        region: as in `us-east-1`.
        endpoint_url: another address than AWS's own (the embedded AWS, tests).
        credentials: provider; the environment's, else botocore's chain.
        timeout_seconds: for one attempt, connecting included.
        max_attempts: of one `call`.
        clock, ids: what retries wait by, and where their jitter and request tokens come from.
    """

    def __init__(
        self,
        region: str,
        endpoint_url: str | None = None,
        *,
        credentials: CredentialsProvider | None = None,
        timeout_seconds: float = 10.0,
        max_attempts: int = 8,
        clock: Clock = SYSTEM_CLOCK,
        ids: Ids = SYSTEM_IDS,
    ) -> None:
        self.endpoint_url = (endpoint_url or f"https://dynamodb.{region}.{url_suffix(region)}").rstrip("/")
        self.timeout_seconds = timeout_seconds
        self._host = self.endpoint_url.partition("://")[2]
        self._signer = Signer(region, "dynamodb", credentials, clock)
        self._max_attempts = max_attempts
        self.clock, self.ids = clock, ids
        self._budget = RETRY_BUDGET
        self._operations: dict[str, Headers] = {}
        self._handle: pycurl.Curl | None = None

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Sends one request, again when throttled, on 5xx and on network errors.

        A transaction gets a client token, so that its retries apply it once. Any other write may be applied twice when
        its reply is lost: make it conditional on something that only this attempt wrote.

        Args:
            operation: `GetItem`, `Query`, `TransactWriteItems`, …
            request: its parameters in DynamoDB's JSON.

        Raises:
            ConditionFailed, TransactionCanceled, DynamoDBError
        """
        if operation == "TransactWriteItems":
            request = {"ClientRequestToken": new_token(self.ids), **request}
        return self._repeated(operation, request, decode_answer)

    def call_bytes(self, operation: str, request: Mapping[str, Any]) -> bytes:
        """As `call`, for a caller that decodes the answer's JSON itself.

        Raises:
            DynamoDBError
        """
        return self._repeated(operation, request, _checked_answer)

    def _repeated(self, operation: str, request: Mapping[str, Any], decode: Callable[[int, bytes], _Answer]) -> _Answer:
        body = json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode()
        failures = 0
        while True:
            try:
                answer = decode(*self._call_once(operation, body))
            except DynamoDBError as error:
                failures += 1
                if not error.retryable or failures >= self._max_attempts or self._budget <= 0:
                    raise
                self._budget -= 1
                self.clock.sleep(backoff_seconds(failures, self.ids.fraction()))
            else:
                self._budget = min(self._budget + 1, RETRY_BUDGET)
                return answer

    def _call_once(self, operation: str, body: bytes) -> tuple[int, bytes]:
        if self._handle is None:
            self._handle = self.new_handle()
        handle, received = self._handle, list[bytes]()
        handle.setopt(pycurl.WRITEFUNCTION, received.append)
        self.load(handle, operation, body)
        try:
            handle.perform()
        except pycurl.error as error:
            raise network_error(*error.args) from None
        return handle.getinfo(pycurl.RESPONSE_CODE), b"".join(received)

    def new_handle(self) -> pycurl.Curl:
        """A transfer with everything set that all requests share."""
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, self.endpoint_url + "/")
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.TIMEOUT_MS, int(self.timeout_seconds * 1000))
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(min(self.timeout_seconds, 3.0) * 1000))
        if self.endpoint_url.startswith("https:"):
            handle.setopt(pycurl.CAINFO, certificate_authorities())
            handle.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        if self._host.startswith(("127.", "localhost", "[::1]")):
            handle.setopt(pycurl.PROXY, "")  # a proxy from the environment cannot reach this machine's loopback
        return handle

    def load(self, handle: pycurl.Curl, operation: str, body: bytes) -> None:
        """Makes `handle` the next request: signed headers and body."""
        headers = self._operations.get(operation)
        if headers is None:
            headers = self._operations[operation] = (
                ("host", self._host),
                ("content-type", "application/x-amz-json-1.0"),
                ("x-amz-target", f"DynamoDB_20120810.{operation}"),
            )
        # An empty "expect" keeps libcurl from waiting for a "100 Continue" before a large body.
        handle.setopt(pycurl.HTTPHEADER, [*self._signer.sign(headers, body), "expect:", "accept:"])
        handle.setopt(pycurl.POSTFIELDS, body)

    def close(self) -> None:
        """Closes the kept connection; the next call opens another."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None


def certificate_authorities() -> str:
    """Path of the trusted certificates: `AWS_CA_BUNDLE` as for every AWS tool, else certifi's.

    libcurl's wheel knows no system path. `import certifi` would cost 20 ms for importlib.resources.
    """
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if bundle:
        return bundle
    spec = find_spec("certifi")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("certifi is not installed")
    return os.path.join(spec.submodule_search_locations[0], "cacert.pem")


def backoff_seconds(failures: int, random: float) -> float:
    """Full jitter: anything up to a limit that doubles with each failure (1 and up)."""
    return random * min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(failures - 1, 16))


def network_error(number: int, message: str) -> DynamoDBError:
    """What libcurl's error number means to a caller."""
    code = "Timeout" if number == pycurl.E_OPERATION_TIMEDOUT else "NetworkError"
    return DynamoDBError(code, message, retryable=number not in _FINAL_CURL_ERRORS)


def _checked_answer(status: int, body: bytes) -> bytes:
    """The body of an answer that is no error, and looks like a JSON object."""
    if status != 200 or body[:1] != b"{" or body[-1:] != b"}":
        decode_answer(status, body)
    return body


def decode_answer(status: int, body: bytes) -> dict[str, Any]:
    """The answer's JSON object.

    Raises:
        ConditionFailed, ItemTooLarge, TransactionCanceled, DynamoDBError: it is an error, or no JSON.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        # Not DynamoDB's own words: a proxy or a load balancer.
        retryable = status < 400 or status == 429 or status >= 500
        raise DynamoDBError("BadResponse", f"HTTP status {status} without a JSON object", status, retryable)
    if status == 200:
        return answer
    code = str(answer.get("__type", "")).rpartition("#")[2] or f"Http{status}"
    message = str(answer.get("message") or answer.get("Message") or "")
    if code == "ConditionalCheckFailedException":
        raise ConditionFailed(message, answer.get("Item"), status)
    if code == "TransactionCanceledException":
        raise TransactionCanceled(message, answer.get("CancellationReasons") or [], status)
    if code == "ValidationException" and _TOO_LARGE.match(message):
        raise ItemTooLarge(code, message, status)
    raise DynamoDBError(code, message, status, status >= 500 or status == 429 or code in _RETRYABLE)


# ---------------------------------------------------------------------------------------------------------------------
# Many writes
# ---------------------------------------------------------------------------------------------------------------------


class _Connection:
    """One transfer and the batch that it holds until all of it is acknowledged."""

    __slots__ = ("body_bytes", "due", "failures", "handle", "puts", "received", "tags")

    def __init__(self, handle: pycurl.Curl) -> None:
        self.handle = handle
        self.received: list[bytes] = []
        handle.setopt(pycurl.WRITEFUNCTION, self.received.append)
        # libcurl looks at its timer before the socket, so an answer that came while the caller was busy would be lost:
        # the writer keeps the time itself.
        handle.setopt(pycurl.TIMEOUT_MS, 0)
        self.puts: Sequence[bytes] = ()
        self.tags: Sequence[Any] = ()
        self.body_bytes = 0
        self.failures = 0
        self.due = 0.0


class BatchWriter:
    """Writes any number of records with BatchWriteItem over many kept connections, from one thread.

    A batch stays with its connection until DynamoDB has acknowledged all of it: what comes back as unprocessed is sent
    again, alone, and the whole batch after throttling, 5xx and network errors (a put can be repeated), each after a
    full-jitter pause. So memory stays bounded, and a throttled table slows `write` down instead of failing it. The
    budget of retries is time: the writer gives up when nothing at all was acknowledged for `patience_seconds`.

    Two writes of one key that are less than `connections` batches apart may arrive in either order.

    After an error (a refused batch, or whatever `before_send` raised) nothing more is sent, the requests in flight
    are waited for, and `unacknowledged` lists what is not known to be written. As a context manager it flushes at the
    end of the block, or drains when the block raised.

    Args:
        dynamodb: where to, and with which timeout; keep that shorter than the lease under which the caller writes.
        table: name or ARN.
        connections: requests in flight at once.
        before_send: called before each request, retries included; raises to stop the writer.
        patience_seconds: see above.
    """

    def __init__(
        self,
        dynamodb: DynamoDB,
        table: str,
        *,
        connections: int = 16,
        before_send: Callable[[], object] | None = None,
        patience_seconds: float = 60.0,
    ) -> None:
        self.acknowledged = 0
        self._dynamodb = dynamodb
        self._before_send = before_send
        self._patience_seconds = patience_seconds
        self._clock, self._ids = dynamodb.clock, dynamodb.ids
        self._head = ('{"RequestItems":{' + json.dumps(table) + ":[").encode()
        self._operation, self._max_puts = "BatchWriteItem", MAX_BATCH_PUTS
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._connections = {(handle := dynamodb.new_handle()): _Connection(handle) for _ in range(connections)}
        self._free = list(self._connections.values())
        self._paused: list[_Connection] = []
        self._in_flight: dict[_Connection, None] = {}  # the one sent first comes first
        self._in_flight_bytes = 0
        self._not_begun: list[_Connection] = []  # of those in flight: libcurl has not touched them yet
        self._progress_at = self._clock.monotonic()
        self._error: BaseException | None = None
        self._unsent: list[Any] = []

    def write(self, puts: Sequence[bytes], tags: Sequence[Any] | None = None) -> None:
        """Sends write requests, 25 at a time, and waits only while all connections are busy.

        Args:
            puts: JSON of single write requests in UTF-8, `{"PutRequest":{"Item":{…}}}`. Of any 25 in a row no two may
                have one key, or DynamoDB refuses the batch: `dict(zip(keys, puts)).values()` keeps the last of each.
            tags: what the caller knows each put by (a row number); `unacknowledged` gives it back. The put itself when
                left out.

        Raises:
            DynamoDBError: a batch was refused for good; the message is AWS's.
            BaseException: whatever `before_send` raised, now or earlier.
        """
        tags = puts if tags is None else tags
        sent = 0
        try:
            self._raise_earlier_error()
            while sent < len(puts):
                sent += self._write_batch(puts[sent : sent + self._max_puts], tags[sent : sent + self._max_puts])
            final = self._perform()  # once: with each request it would cost a fifth of all CPU
            if final is not None:
                raise final
        except BaseException as error:
            self._unsent += tags[sent:]
            self._stop(error)
            raise

    def flush(self) -> None:
        """Waits until everything is acknowledged.

        Raises: as `write`.
        """
        try:
            self._raise_earlier_error()
            while self._in_flight or self._paused:
                self._turn()
        except BaseException as error:
            self._stop(error)
            raise

    def drain(self) -> None:
        """Waits for the requests on their way and sends nothing more, not even what they leave unprocessed."""
        if self._error is None:
            self._error = RuntimeError("the writer was drained")
        for connection in self._not_begun:
            self._end_transfer(connection.handle)
        self._not_begun.clear()
        while self._in_flight:
            self._wait_for_network(1.0)
            self._collect()

    def unacknowledged(self) -> list[Any]:
        """The tags of what was handed in and is not known to be written, in no order.

        What was in a request whose reply was lost may have been written all the same.
        """
        held = [tag for connection in self._connections.values() for tag in connection.tags]
        return held + self._unsent

    def close(self) -> None:
        """Closes the connections and aborts requests in flight: call `flush` or `drain` first."""
        for handle in self._connections:
            handle.close()
        self._multi.close()

    def __enter__(self) -> BatchWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.flush()
            else:
                self.drain()
        finally:
            self.close()

    def _raise_earlier_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _stop(self, error: BaseException) -> None:
        """Keeps the first error; every later `write` and `flush` raises it again."""
        if self._error is None:
            self._error = error
        self.drain()

    def _write_batch(self, puts: Sequence[bytes], tags: Sequence[Any]) -> int:
        """Starts one batch of as many puts as fit into a request; returns how many that are."""
        body = self._body(puts)
        while len(body) > MAX_BATCH_BYTES and len(puts) > 1:
            puts, tags = puts[: len(puts) // 2], tags[: len(tags) // 2]
            body = self._body(puts)
        if self._paused:
            self._resend_due()
        while not self._free or (self._in_flight and self._in_flight_bytes + len(body) > MAX_IN_FLIGHT_BYTES):
            self._turn()
        connection = self._free.pop()
        connection.puts, connection.tags, connection.failures = puts, tags, 0
        try:
            self._send(connection, body)
        except BaseException:
            connection.puts = connection.tags = ()  # the caller counts them as unsent
            raise
        return len(puts)

    def _body(self, puts: Sequence[bytes]) -> bytes:
        return b"%b%b]}}" % (self._head, join(puts))

    def _send(self, connection: _Connection, body: bytes) -> None:
        if self._before_send is not None:
            self._before_send()
        if not (connection.failures or self._in_flight or self._paused):
            self._progress_at = self._clock.monotonic()  # the caller's own pauses are not the network's
        connection.received.clear()
        connection.body_bytes = len(body)
        connection.due = self._clock.monotonic() + self._dynamodb.timeout_seconds
        self._dynamodb.load(connection.handle, self._operation, body)
        self._multi.add_handle(connection.handle)
        self._in_flight[connection] = None
        self._in_flight_bytes += len(body)
        self._not_begun.append(connection)

    def _perform(self) -> DynamoDBError | None:
        """Lets libcurl go on with the transfers; returns an error that is final.

        A request that is overdue and not sent whole is ended first, or it would be applied after the time for which
        `before_send` allowed it: the caller, or the whole machine, had stalled.
        """
        final, now = None, self._clock.monotonic()
        if self._in_flight and next(iter(self._in_flight)).due <= now:
            for late in [connection for connection in self._in_flight if connection.due <= now]:
                if late in self._not_begun or late.handle.getinfo(pycurl.SIZE_UPLOAD_T) < late.body_bytes:
                    final = self._time_out(late) or final
        self._multi.perform()
        self._not_begun.clear()
        return final

    def _time_out(self, connection: _Connection) -> DynamoDBError | None:
        timeout = network_error(pycurl.E_OPERATION_TIMEDOUT, "no answer in time")
        return self._take_answer(self._end_transfer(connection.handle), timeout)

    def _resend_due(self) -> None:
        now = self._clock.monotonic()
        for connection in [paused for paused in self._paused if paused.due <= now]:
            self._paused.remove(connection)
            self._send(connection, self._body(connection.puts))

    def _turn(self) -> None:
        """Waits for an answer or for the end of a pause, and does what then is to do."""
        wait_seconds = 1.0
        if self._paused:
            wait_seconds = min(
                wait_seconds, max(0.0, min(paused.due for paused in self._paused) - self._clock.monotonic())
            )
        if self._in_flight:
            self._wait_for_network(wait_seconds)
        else:
            self._clock.sleep(wait_seconds)
        self._collect()
        if self._paused:
            self._resend_due()

    def _wait_for_network(self, wait_seconds: float) -> None:
        wait_seconds = max(0.0, min(wait_seconds, next(iter(self._in_flight)).due - self._clock.monotonic()))
        timer_ms = self._multi.timeout()
        if timer_ms >= 0:
            wait_seconds = min(wait_seconds, timer_ms / 1000)
        if self._multi.select(wait_seconds) <= 0 and wait_seconds:
            # libcurl has no socket to wait for while it looks up a name: select returns at once.
            self._clock.sleep(0.001)

    def _collect(self) -> None:
        """Takes the answers that have come.

        Raises:
            DynamoDBError: one of them is final; the others are taken all the same.
        """
        final = self._perform()
        left = 1
        while left:
            left, answered, failed = self._multi.info_read()
            for handle in answered:
                final = self._take_answer(self._end_transfer(handle), None) or final
            for handle, number, message in failed:
                final = self._take_answer(self._end_transfer(handle), network_error(number, message)) or final
        now = self._clock.monotonic()
        while self._in_flight and (late := next(iter(self._in_flight))).due <= now:
            final = self._time_out(late) or final
        if final is not None and self._error is None:
            raise final

    def _end_transfer(self, handle: pycurl.Curl) -> _Connection:
        connection = self._connections[handle]
        self._multi.remove_handle(handle)
        del self._in_flight[connection]
        self._in_flight_bytes -= connection.body_bytes
        if connection.body_bytes > MAX_KEPT_BYTES:
            handle.setopt(pycurl.POSTFIELDS, b"")
        return connection

    def _take_answer(self, connection: _Connection, error: DynamoDBError | None) -> DynamoDBError | None:
        """Frees the connection, or pauses it with what is to be sent again; returns an error that is final."""
        sent = len(connection.puts)
        if error is None:
            body = b"".join(connection.received)
            if body == ALL_WRITTEN:
                unprocessed = []
            else:
                try:
                    answer = decode_answer(connection.handle.getinfo(pycurl.RESPONSE_CODE), body)
                    unprocessed = [put for puts in answer.get("UnprocessedItems", {}).values() for put in puts]
                except (ConditionFailed, ItemTooLarge) as refusal:
                    error = self._refuse(connection, refusal)
                    unprocessed, sent = [], 0
                except DynamoDBError as refusal:
                    error = refusal
        if error is None:
            if not unprocessed:
                self._acknowledge(connection, sent)
                connection.puts = connection.tags = ()
                self._free.append(connection)
                return None
            error = DynamoDBError("UnprocessedItems", f"{len(unprocessed)} of {sent} writes were not taken", 200, True)
            _keep_unprocessed(connection, unprocessed)
            self._acknowledge(connection, sent - len(connection.puts))
        if not error.retryable:
            return error
        now = self._clock.monotonic()
        if now - self._progress_at >= self._patience_seconds and connection.failures >= 4:
            return error
        connection.failures += 1
        connection.due = now + backoff_seconds(connection.failures, self._ids.fraction())
        self._paused.append(connection)
        return None

    def _refuse(self, connection: _Connection, refusal: ConditionFailed | ItemTooLarge) -> DynamoDBError | None:
        """A batch has no conditions, and no word on which of its items is too large: it is an error."""
        return refusal

    def _acknowledge(self, connection: _Connection, count: int) -> None:
        if count > 0:
            self.acknowledged += count
            self._progress_at = self._clock.monotonic()


class ConditionalWriter(BatchWriter):
    """Writes records one conditional request each, many at once, as `BatchWriter` does otherwise.

    `write` takes whole request bodies of `operation`. A request whose condition was false, or that would make an item
    too large, is no error: its tag and the reason go to `refused`. The condition must let pass what an earlier attempt
    of the same write left, because any request may be sent twice.

    Args:
        operation: `PutItem`, `UpdateItem` or `DeleteItem`.
    """

    def __init__(self, dynamodb: DynamoDB, operation: str, **options: Any) -> None:
        super().__init__(dynamodb, "", **options)
        self.refused: list[tuple[Any, ConditionFailed | ItemTooLarge]] = []
        self._operation, self._max_puts = operation, 1

    def take_refused(self) -> list[tuple[Any, ConditionFailed | ItemTooLarge]]:
        """The tags refused since the last call, and why each was."""
        refused, self.refused = self.refused, []
        return refused

    def _body(self, puts: Sequence[bytes]) -> bytes:
        return puts[0]

    def _refuse(self, connection: _Connection, refusal: ConditionFailed | ItemTooLarge) -> DynamoDBError | None:
        self.refused.append((connection.tags[0], refusal))
        self._progress_at = self._clock.monotonic()
        return None


def _keep_unprocessed(connection: _Connection, unprocessed: list[Any]) -> None:
    """Leaves in the connection what was not written, and its tags."""
    left = {json.dumps(put, sort_keys=True) for put in unprocessed}
    if len(connection.tags) == len(connection.puts):
        pairs = zip(connection.puts, connection.tags, strict=True)
        kept = [pair for pair in pairs if json.dumps(json.loads(pair[0]), sort_keys=True) in left]
        if len(kept) == len(unprocessed):
            connection.puts, connection.tags = [put for put, _ in kept], [tag for _, tag in kept]
            return
    # They came back in another spelling (a number, the order of a set): it is unknown which ones they are.
    connection.puts = [json.dumps(put, separators=(",", ":"), ensure_ascii=False).encode() for put in unprocessed]
