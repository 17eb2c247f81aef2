"""What a caller may rely on when DynamoDB throttles, answers late, cuts the line or takes only a part."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waybill.aws import dynamodb as wire
from waybill.aws.dynamodb import (
    BatchWriter,
    ConditionFailed,
    DynamoDB,
    DynamoDBError,
    TransactionCanceled,
    from_attributes,
    to_attributes,
)
from waybill.aws.sigv4 import Credentials
from waybill.ids import SystemIds

Answer = tuple[int, dict[str, Any]] | str | float


def refusal(code: str, status: int = 400, **more: Any) -> Answer:
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": f"{code} it is", **more}


THROTTLED = refusal("ProvisionedThroughputExceededException")
SERVER_ERROR = refusal("InternalServerError", 500)
CUT, GARBAGE = "cut", "garbage"


class PlayedDynamoDB:
    """Answers as `plan` says, one entry a request (a float: so many seconds late), then "all written".

    An entry may be a function of the request. What was written is in `items`, by key, in the order of arrival.
    """

    def __init__(self) -> None:
        self.plan: list[Answer | Callable[[dict[str, Any]], Answer]] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.items: dict[str, dict[str, Any]] = {}
        self.connections = 0
        self.waiting = self.most_waiting = 0
        self._lock = threading.Lock()
        played = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                played.connections += 1

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                operation = self.headers["X-Amz-Target"].rpartition(".")[2]
                with played._lock:
                    played.requests.append((operation, body))
                    step = played.plan.pop(0) if played.plan else (200, {"UnprocessedItems": {}})
                answer = step(body) if callable(step) else step
                if answer == CUT:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if isinstance(answer, float):
                    with played._lock:
                        played.waiting += 1
                        played.most_waiting = max(played.most_waiting, played.waiting)
                    time.sleep(answer)
                    played.waiting -= 1
                    answer = (200, {"UnprocessedItems": {}})
                if isinstance(answer, str):
                    self.answer(200, b"<html>not DynamoDB</html>")
                    return
                status, content = answer
                if operation == "BatchWriteItem" and status == 200:
                    unprocessed = [put for puts in content.get("UnprocessedItems", {}).values() for put in puts]
                    with played._lock:
                        for put in body["RequestItems"]["records"]:
                            if put not in unprocessed:
                                played.items[put["PutRequest"]["Item"]["pk"]["S"]] = put["PutRequest"]["Item"]
                self.answer(status, json.dumps(content, separators=(",", ":")).encode())

            def answer(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def played() -> Iterator[PlayedDynamoDB]:
    server = PlayedDynamoDB()
    yield server
    server.close()


class Pauses(list[float]):
    """A clock that writes down how long a caller would have waited, and moves on at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        if seconds > 0.001:  # how often libcurl is asked while it has no socket yet
            self.append(seconds)
        self.seconds += seconds

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.now(UTC)


class MostJitter(SystemIds):
    """Every pause is as long as it may be."""

    def fraction(self) -> float:
        return 1.0


def client(played: PlayedDynamoDB, pauses: Pauses | None = None, **options: Any) -> DynamoDB:
    if pauses is not None:
        options |= {"clock": pauses, "ids": MostJitter()}
    return DynamoDB("us-east-1", played.url, credentials=lambda: Credentials("AK", "SK"), **options)


def put(key: int | str, value: str = "x") -> bytes:
    item = {"pk": {"S": str(key)}, "value": {"S": value}}
    return json.dumps({"PutRequest": {"Item": item}}, ensure_ascii=False).encode()


def puts(count: int, start: int = 0) -> list[bytes]:
    return [put(key) for key in range(start, start + count)]


def unprocessed(*keys: int) -> Callable[[dict[str, Any]], Answer]:
    """Leaves the puts of these keys (of those in the request) unprocessed."""

    def step(body: dict[str, Any]) -> Answer:
        batch = body["RequestItems"]["records"]
        left = [one for one in batch if int(one["PutRequest"]["Item"]["pk"]["S"]) in keys]
        return 200, {"UnprocessedItems": {"records": left}}

    return step


# --- values ----------------------------------------------------------------------------------------------------------

numbers = st.integers(-(10**37), 10**37) | st.decimals(-(10**20), 10**20, allow_nan=False, places=6)
scalars = st.none() | st.booleans() | st.text(max_size=20) | st.binary(max_size=20) | numbers
text_sets = st.sets(st.text(max_size=8), min_size=1, max_size=4)
values = st.recursive(
    scalars | text_sets,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8), values, max_size=6))
def test_what_is_stored_comes_back_equal(item: dict[str, Any]) -> None:
    assert from_attributes(json.loads(json.dumps(to_attributes(item)))) == item


@pytest.mark.parametrize(
    ("plain", "attribute"),
    [
        ("007", {"S": "007"}),
        (True, {"BOOL": True}),
        (7, {"N": "7"}),
        (Decimal("7.50"), {"N": "7.50"}),
        (None, {"NULL": True}),
        (b"\x00\xff", {"B": "AP8="}),
        ({"b", "a"}, {"SS": ["a", "b"]}),
        ([1, {"a": "b"}], {"L": [{"N": "1"}, {"M": {"a": {"S": "b"}}}]}),
    ],
)
def test_attribute_types(plain: Any, attribute: dict[str, Any]) -> None:
    assert to_attributes({"x": plain}) == {"x": attribute}
    assert from_attributes({"x": attribute}) == {"x": plain}


@pytest.mark.parametrize(
    ("text", "number"), [("-12", -12), ("0", 0), ("1.5", Decimal("1.5")), ("1E+40", Decimal("1E+40"))]
)
def test_a_number_is_an_int_only_when_written_as_one(text: str, number: int | Decimal) -> None:
    (read,) = from_attributes({"n": {"N": text}}).values()
    assert read == number
    assert type(read) is type(number)


def test_sets_of_other_kinds_can_be_read() -> None:
    assert from_attributes({"n": {"NS": ["1", "2.5"]}, "b": {"BS": ["AA=="]}}) == {
        "n": {1, Decimal("2.5")},
        "b": {b"\x00"},
    }


@pytest.mark.parametrize("value", [1.5, object(), {1, 2}])
def test_what_dynamodb_cannot_hold_exactly_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        to_attributes({"x": value})


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), set()])
def test_values_without_a_meaning_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="DynamoDB has no"):
        to_attributes({"x": value})


def test_an_unknown_attribute_type_is_refused() -> None:
    with pytest.raises(ValueError, match="'X'"):
        from_attributes({"x": {"X": "?"}})


# --- one request -----------------------------------------------------------------------------------------------------


def test_a_request_carries_operation_body_and_signature(played: PlayedDynamoDB) -> None:
    played.plan = [(200, {"Item": {"pk": {"S": "Zoë"}}})]
    assert client(played).call("GetItem", {"Key": {"pk": {"S": "Zoë"}}}) == {"Item": {"pk": {"S": "Zoë"}}}
    assert played.requests == [("GetItem", {"Key": {"pk": {"S": "Zoë"}}})]


def test_the_connection_is_kept(played: PlayedDynamoDB) -> None:
    dynamodb = client(played)
    for _ in range(5):
        dynamodb.call("GetItem", {})
    assert played.connections == 1
    dynamodb.close()
    dynamodb.call("GetItem", {})
    assert played.connections == 2


@pytest.mark.parametrize(
    "trouble",
    [
        THROTTLED,
        SERVER_ERROR,
        refusal("ThrottlingException"),
        refusal("RequestLimitExceeded"),
        refusal("TransactionInProgressException"),
        refusal(
            "TransactionCanceledException",
            CancellationReasons=[{"Code": "TransactionConflict"}, {"Code": "None"}],
        ),
        CUT,
        GARBAGE,
    ],
    ids=str,
)
def test_passing_trouble_is_ridden_out_with_growing_pauses(played: PlayedDynamoDB, trouble: Answer) -> None:
    pauses = Pauses()
    played.plan = [trouble, trouble, trouble, (200, {"ok": True})]
    assert client(played, pauses).call("GetItem", {}) == {"ok": True}
    assert pauses == pytest.approx([0.05, 0.1, 0.2])


def test_a_late_answer_is_given_up_and_asked_for_again(played: PlayedDynamoDB) -> None:
    played.plan = [1.0, *[(200, {"ok": True})] * 7]  # a busy machine may be late with more than the first
    assert client(played, Pauses(), timeout_seconds=0.15).call("GetItem", {}) == {"ok": True}


def test_an_answer_that_never_comes_is_a_timeout(played: PlayedDynamoDB) -> None:
    played.plan = [1.0] * 2
    with pytest.raises(DynamoDBError) as raised:
        client(played, Pauses(), timeout_seconds=0.1, max_attempts=2).call("GetItem", {})
    assert (raised.value.code, raised.value.status, raised.value.retryable) == ("Timeout", 0, True)


def test_nobody_listening_is_a_network_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    dynamodb = DynamoDB(
        "us-east-1", f"http://127.0.0.1:{port}", credentials=lambda: Credentials("AK", "SK"), max_attempts=1
    )
    with pytest.raises(DynamoDBError) as raised:
        dynamodb.call("GetItem", {})
    assert (raised.value.code, raised.value.retryable) == ("NetworkError", True)


@pytest.mark.parametrize("url", ["nonsense://x", "http://"])
def test_a_wrong_address_is_not_tried_again(url: str) -> None:
    pauses = Pauses()
    dynamodb = DynamoDB("us-east-1", url, credentials=lambda: Credentials("AK", "SK"), clock=pauses)
    with pytest.raises(DynamoDBError) as raised:
        dynamodb.call("GetItem", {})
    assert not raised.value.retryable
    assert pauses == []


def test_a_final_error_is_raised_at_once_in_awss_words(played: PlayedDynamoDB) -> None:
    played.plan = [refusal("ValidationException")]
    with pytest.raises(DynamoDBError, match="ValidationException it is") as raised:
        client(played).call("PutItem", {})
    assert (raised.value.code, raised.value.status, raised.value.retryable) == ("ValidationException", 400, False)
    assert len(played.requests) == 1


def test_a_false_condition_brings_the_item_that_it_met(played: PlayedDynamoDB) -> None:
    played.plan = [refusal("ConditionalCheckFailedException", Item={"pk": {"S": "1"}})]
    with pytest.raises(ConditionFailed) as raised:
        client(played).call("PutItem", {})
    assert raised.value.item == {"pk": {"S": "1"}}


def test_a_canceled_transaction_says_why_and_is_not_repeated(played: PlayedDynamoDB) -> None:
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "no"}]
    played.plan = [refusal("TransactionCanceledException", CancellationReasons=reasons)]
    with pytest.raises(TransactionCanceled) as raised:
        client(played).call("TransactWriteItems", {})
    assert raised.value.reasons == reasons
    assert not raised.value.retryable


def test_all_attempts_of_a_transaction_carry_one_token(played: PlayedDynamoDB) -> None:
    played.plan = [CUT, SERVER_ERROR]
    client(played, Pauses()).call("TransactWriteItems", {})
    tokens = {body["ClientRequestToken"] for _, body in played.requests}
    assert len(played.requests) == 3
    assert len(tokens) == 1
    client(played).call("TransactWriteItems", {"ClientRequestToken": "mine"})
    assert played.requests[-1][1]["ClientRequestToken"] == "mine"


def test_attempts_are_limited(played: PlayedDynamoDB) -> None:
    played.plan = [THROTTLED] * 20
    with pytest.raises(DynamoDBError):
        client(played, Pauses()).call("GetItem", {})
    assert len(played.requests) == 8


def test_an_outage_uses_up_the_retries_of_later_calls(played: PlayedDynamoDB) -> None:
    dynamodb = client(played, Pauses())
    played.plan = [SERVER_ERROR] * 1000
    for _ in range(20):
        with pytest.raises(DynamoDBError):
            dynamodb.call("GetItem", {})
    assert len(played.requests) == 20 + wire.RETRY_BUDGET
    played.plan = []
    dynamodb.call("GetItem", {})  # a success gives a retry back
    played.plan = [SERVER_ERROR]
    dynamodb.call("GetItem", {})


def test_an_unknown_certificate_is_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import ssl

    from tests.bench.null_dynamodb import make_certificate

    certificate, key = make_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    played = PlayedDynamoDB()
    played.server.socket = tls.wrap_socket(played.server.socket, server_side=True)
    url = played.url.replace("http:", "https:")
    try:
        with pytest.raises(DynamoDBError) as raised:
            DynamoDB("us-east-1", url, credentials=lambda: Credentials("AK", "SK")).call("GetItem", {})
        assert not raised.value.retryable
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        DynamoDB("us-east-1", url, credentials=lambda: Credentials("AK", "SK")).call("GetItem", {})
    finally:
        played.close()


@given(st.integers(1, 100_000), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_never_longer_than_the_cap(failures: int, random: float) -> None:
    assert 0 <= wire.backoff_seconds(failures, random) <= wire.BACKOFF_CAP_SECONDS


class NotedJitter(SystemIds):
    """A different fraction each time, as chance would have it."""

    def __init__(self) -> None:
        self.fractions: list[float] = []

    def fraction(self) -> float:
        self.fractions.append((0.37 + 0.29 * len(self.fractions)) % 1)
        return self.fractions[-1]


def limits(failures: int) -> list[float]:
    """The longest pause after each of so many failures in a row."""
    return [min(wire.BACKOFF_CAP_SECONDS, wire.BACKOFF_BASE_SECONDS * 2**number) for number in range(failures)]


def jittered(played: PlayedDynamoDB) -> tuple[DynamoDB, Pauses, NotedJitter]:
    pauses, ids = Pauses(), NotedJitter()
    options: dict[str, Any] = {"credentials": lambda: Credentials("AK", "SK"), "clock": pauses, "ids": ids}
    return DynamoDB("us-east-1", played.url, **options), pauses, ids


@pytest.mark.parametrize("failure", [THROTTLED, SERVER_ERROR], ids=["throttled", "server error"])
def test_each_retry_of_a_call_waits_a_random_part_of_a_limit_that_doubles(
    played: PlayedDynamoDB, failure: Answer
) -> None:
    """Callers that failed together do not come back together, neither at first nor later."""
    dynamodb, pauses, ids = jittered(played)
    played.plan = [failure] * 7
    dynamodb.call("GetItem", {"TableName": "records"})
    assert pauses == pytest.approx([part * most for part, most in zip(ids.fractions, limits(7), strict=True)])


@pytest.mark.parametrize("refused", [THROTTLED, unprocessed(*range(25))], ids=["throttled", "unprocessed"])
def test_each_retry_of_a_batch_waits_a_random_part_too(played: PlayedDynamoDB, refused: Any) -> None:
    dynamodb, pauses, ids = jittered(played)
    played.plan = [refused] * 9
    with BatchWriter(dynamodb, "records", connections=1) as batch_writer:
        batch_writer.write(puts(25))
    expected = [part * most for part, most in zip(ids.fractions, limits(9), strict=True)]
    assert sum(pauses) == pytest.approx(sum(expected), rel=0.01)  # long pauses are taken in pieces
    assert len(played.items) == 25


def test_start_up_needs_neither_boto3_nor_certifi() -> None:
    code = (
        "import sys; import waybill.aws.dynamodb as d; d.DynamoDB('us-east-1').new_handle();"
        "print([name for name in ('boto3', 'botocore', 'certifi', 'pydantic', 'asyncio') if name in sys.modules])"
    )
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- many writes -----------------------------------------------------------------------------------------------------


def writer(
    played: PlayedDynamoDB, pauses: Pauses | None = None, timeout_seconds: float = 5, **more: Any
) -> BatchWriter:
    return BatchWriter(client(played, pauses, timeout_seconds=timeout_seconds), "records", **more)


def sizes(played: PlayedDynamoDB) -> list[int]:
    return [len(body["RequestItems"]["records"]) for _, body in played.requests]


@pytest.mark.parametrize(("count", "expected"), [(0, []), (1, [1]), (25, [25]), (26, [1, 25]), (130, [5] + [25] * 5)])
def test_everything_arrives_in_batches_of_25(played: PlayedDynamoDB, count: int, expected: list[int]) -> None:
    with writer(played, connections=4) as batch_writer:
        batch_writer.write(puts(count))
    assert sorted(sizes(played)) == expected
    assert set(played.items) == {str(key) for key in range(count)}
    assert batch_writer.acknowledged == count
    assert batch_writer.unacknowledged() == []


def test_many_requests_are_on_their_way_at_once(played: PlayedDynamoDB) -> None:
    played.plan = [1.0] * 8
    with writer(played, connections=8) as batch_writer:
        batch_writer.write(puts(200))
    assert played.most_waiting == played.connections == 8


def test_text_arrives_as_it_was(played: PlayedDynamoDB) -> None:
    text = 'Zoë "quoted" \\ \u2028 \U0001f600 \x01'
    with writer(played) as batch_writer:
        batch_writer.write([put("k", text)])
    assert played.items["k"]["value"] == {"S": text}


def test_only_the_unprocessed_are_sent_again(played: PlayedDynamoDB) -> None:
    pauses = Pauses()
    played.plan = [unprocessed(3, 7, 9), unprocessed(7)]
    with writer(played, pauses, connections=1) as batch_writer:
        batch_writer.write(puts(25), tags=range(1000, 1025))
    assert sizes(played) == [25, 3, 1]
    assert len(played.items) == batch_writer.acknowledged == 25
    assert pauses == pytest.approx([0.05, 0.1])


def test_the_unprocessed_may_come_back_in_another_spelling(played: PlayedDynamoDB) -> None:
    respelled = {"PutRequest": {"Item": {"pk": {"S": "2"}, "value": {"N": "7.5"}}}}
    played.plan = [(200, {"UnprocessedItems": {"records": [respelled]}})] * 2
    with writer(played, Pauses(), connections=1) as batch_writer:
        batch_writer.write(puts(3))
    assert sizes(played) == [3, 1, 1]
    assert played.items["2"]["value"] == {"N": "7.5"}
    assert batch_writer.acknowledged == 3
    assert batch_writer.unacknowledged() == []


@pytest.mark.parametrize("trouble", [THROTTLED, SERVER_ERROR, CUT, GARBAGE], ids=str)
def test_a_batch_in_trouble_is_sent_again_whole(played: PlayedDynamoDB, trouble: Answer) -> None:
    pauses = Pauses()
    played.plan = [trouble, trouble]
    with writer(played, pauses, connections=1) as batch_writer:
        batch_writer.write(puts(30))
    assert sizes(played) == [25, 25, 25, 5]
    assert len(played.items) == batch_writer.acknowledged == 30
    assert pauses == pytest.approx([0.05, 0.1])


def test_a_slow_answer_is_given_up_and_the_batch_sent_again(played: PlayedDynamoDB) -> None:
    played.plan = [1.0]
    with writer(played, connections=1, timeout_seconds=0.15) as batch_writer:
        batch_writer.write(puts(5))
    assert sizes(played) == [5, 5]
    assert batch_writer.acknowledged == 5


def test_an_answer_that_came_while_the_caller_was_busy_counts(played: PlayedDynamoDB) -> None:
    with writer(played, connections=4, timeout_seconds=0.2) as batch_writer:
        batch_writer.write(puts(75))
        time.sleep(0.4)
    assert sizes(played) == [25, 25, 25]


def test_trouble_on_one_connection_does_not_hold_up_the_others(played: PlayedDynamoDB) -> None:
    played.plan = [THROTTLED, unprocessed(30), CUT]
    with writer(played, connections=3) as batch_writer:
        batch_writer.write(puts(1000))
    assert len(played.items) == batch_writer.acknowledged == 1000


def test_long_throttling_slows_down_and_does_not_fail_while_anything_is_written(played: PlayedDynamoDB) -> None:
    pauses = Pauses()
    played.plan = [unprocessed(*range(left)) for left in range(24, 0, -1)]
    with writer(played, pauses, connections=1, patience_seconds=6) as batch_writer:
        batch_writer.write(puts(25))
    assert sum(pauses) > 60
    assert len(played.items) == 25


def test_an_outage_is_given_up_after_the_patience(played: PlayedDynamoDB) -> None:
    pauses = Pauses()
    played.plan = [SERVER_ERROR] * 1000
    batch_writer = writer(played, pauses, connections=2, patience_seconds=30)
    with pytest.raises(DynamoDBError, match="InternalServerError"):
        batch_writer.write(puts(200), tags=range(200))
    assert 30 <= sum(pauses) < 45
    assert sorted(batch_writer.unacknowledged()) == list(range(200))
    batch_writer.close()


def test_an_outage_that_only_one_batch_meets_is_given_up_too(played: PlayedDynamoDB) -> None:
    """The step's retry repeats it; the invocation does not spin until it is killed."""
    pauses = Pauses()
    played.plan = [(200, {"UnprocessedItems": {}}), *[THROTTLED] * 1000]
    batch_writer = writer(played, pauses, connections=4, patience_seconds=30)
    batch_writer.write(puts(25))
    batch_writer.flush()
    with pytest.raises(DynamoDBError) as refused:
        batch_writer.write(puts(25, start=25), tags=range(25))
        batch_writer.flush()
    assert refused.value.retryable
    assert 30 <= sum(pauses) < 45
    assert sorted(batch_writer.unacknowledged()) == list(range(25))
    batch_writer.close()


def test_the_callers_own_pause_is_not_an_outage(played: PlayedDynamoDB) -> None:
    pauses = Pauses()
    with writer(played, pauses, connections=1, patience_seconds=30) as batch_writer:
        batch_writer.write(puts(25))
        batch_writer.flush()
        pauses.seconds += 1000
        played.plan = [THROTTLED] * 6
        batch_writer.write(puts(25, start=25))
    assert batch_writer.acknowledged == 50


def test_a_refused_batch_stops_the_writer_in_awss_words(played: PlayedDynamoDB) -> None:
    played.plan = [(200, {"UnprocessedItems": {}}), refusal("ValidationException")]
    batch_writer = writer(played, connections=1)
    with pytest.raises(DynamoDBError, match="ValidationException it is"):
        batch_writer.write(puts(100), tags=range(100))
    assert sorted(batch_writer.unacknowledged()) == list(range(25, 100))
    with pytest.raises(DynamoDBError, match="ValidationException it is"):
        batch_writer.flush()
    with pytest.raises(DynamoDBError, match="ValidationException it is"):
        batch_writer.write([put("more")], tags=["more"])
    assert "more" in batch_writer.unacknowledged()
    assert len(played.requests) == 2
    batch_writer.close()


def test_several_refusals_at_once_are_one_error(played: PlayedDynamoDB) -> None:
    played.plan = [refusal("ValidationException"), refusal("ResourceNotFoundException"), THROTTLED]
    with (
        pytest.raises(DynamoDBError, match=r"ValidationException|ResourceNotFoundException"),
        writer(played, connections=4) as batch_writer,
    ):
        batch_writer.write(puts(100), tags=range(100))
    assert len(batch_writer.unacknowledged()) == 75
    assert batch_writer.acknowledged == 25


class Stopped(Exception):
    """What a caller raises when a person pressed Stop."""


@pytest.mark.parametrize("connections", [1, 4])
def test_a_request_that_the_caller_kept_from_being_sent_is_not_sent_after_its_time(
    played: PlayedDynamoDB, connections: int
) -> None:
    """The caller was busy, or stalled, while the connection was still being made: what allowed the request then (a
    lease, a job that is not to stop) may not hold any more."""
    pauses, may_send = Pauses(), True

    def check() -> None:
        if not may_send:
            raise Stopped

    batch_writer = writer(played, pauses, connections=connections, timeout_seconds=3, before_send=check)
    batch_writer.write(puts(100)[: 25 * connections], tags=range(25 * connections))
    pauses.seconds += 10
    may_send = False
    with pytest.raises(Stopped):
        batch_writer.flush()
    batch_writer.close()
    time.sleep(0.2)  # what was sent all the same arrives
    assert played.requests == []
    assert sorted(batch_writer.unacknowledged()) == list(range(25 * connections))


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_a_caller_can_stop_before_any_request(played: PlayedDynamoDB, allowed: int) -> None:
    permitted = 0

    def before_send() -> None:
        nonlocal permitted
        if permitted == allowed:
            raise Stopped
        permitted += 1

    played.plan = [0.1] * 10  # late: they are on their way when Stop comes
    batch_writer = writer(played, connections=2, before_send=before_send)
    with pytest.raises(Stopped), batch_writer:
        batch_writer.write(puts(100), tags=range(100))
    sent = len(played.requests)
    assert sent <= allowed
    assert batch_writer.acknowledged == len(played.items) == 25 * sent
    assert sorted([*batch_writer.unacknowledged(), *(int(key) for key in played.items)]) == list(range(100))


def test_a_request_that_had_not_begun_does_not_follow_the_stop(played: PlayedDynamoDB) -> None:
    """Between its permission and the stop may lie a slow heartbeat, and the end of the lease."""
    permissions = iter([True, True, False])

    def before_send() -> None:
        if not next(permissions):
            raise Stopped

    batch_writer = writer(played, connections=4, before_send=before_send)
    with pytest.raises(Stopped), batch_writer:
        batch_writer.write(puts(100), tags=range(100))
    assert played.requests == []
    assert sorted(batch_writer.unacknowledged()) == list(range(100))


def test_stop_also_holds_for_what_would_be_sent_again(played: PlayedDynamoDB) -> None:
    sent = 0

    def before_send() -> None:
        nonlocal sent
        if sent == 2:
            raise Stopped
        sent += 1

    played.plan = [unprocessed(4, 30, 31)] * 2  # whichever request comes first
    batch_writer = writer(played, connections=2, before_send=before_send)
    with pytest.raises(Stopped), batch_writer:
        batch_writer.write(puts(50), tags=range(50))
        batch_writer.flush()
    assert len(played.requests) == 2
    assert sorted(batch_writer.unacknowledged()) == [4, 30, 31]


def test_when_the_caller_fails_what_is_on_its_way_is_waited_for(played: PlayedDynamoDB) -> None:
    played.plan = [0.2]
    with pytest.raises(ZeroDivisionError), writer(played) as batch_writer:
        batch_writer.write(puts(5))
        _ = 1 // 0
    assert len(played.items) == batch_writer.acknowledged == 5
    with pytest.raises(RuntimeError, match="drained"):
        batch_writer.write(puts(1))


def test_a_request_is_never_larger_than_dynamodb_takes(played: PlayedDynamoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_BATCH_BYTES", 1000)
    monkeypatch.setattr(wire, "MAX_IN_FLIGHT_BYTES", 1500)
    with writer(played, connections=4) as batch_writer:
        batch_writer.write([put(key, "é" * 150) for key in range(30)])
        batch_writer.write([put("huge", "x" * 5000)])  # alone, for DynamoDB to judge
    assert set(sizes(played)) <= {1, 2}
    assert len(played.items) == 31


@settings(deadline=None)
@given(st.data())
def test_whatever_goes_wrong_each_put_is_acknowledged_once(data: st.DataObject) -> None:
    played, pauses = PlayedDynamoDB(), Pauses()
    try:
        steps = st.one_of(
            st.sampled_from([THROTTLED, SERVER_ERROR, GARBAGE, CUT]),
            st.lists(st.integers(0, 80), max_size=20).map(lambda keys: unprocessed(*keys)),
        )
        played.plan = data.draw(st.lists(steps, max_size=8))
        count = data.draw(st.integers(0, 80))
        with writer(played, pauses, connections=data.draw(st.integers(1, 4))) as batch_writer:
            batch_writer.write(puts(count))
        assert batch_writer.acknowledged == count
        assert set(played.items) == {str(key) for key in range(count)}
    finally:
        played.close()
