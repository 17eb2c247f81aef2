"""Webhooks by Standard Webhooks: signatures as its libraries make them, and addresses that may be named."""

from __future__ import annotations

import base64
import gzip
import http.client
import io
import re
from typing import Any

import pytest

from tests.builders import ROOT
from waybill.hosts import AllowedHosts
from waybill.jobs.webhooks import MAX_WEBHOOKS, Webhook, check_webhooks
from waybill.validation import Problems
from waybill.webhooks.client import _exchange
from waybill.webhooks.signature import headers, keys_of

#: The vector of the libraries of Standard Webhooks (`libraries/python/tests/test_webhooks.py` and its siblings).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def test_a_message_is_signed_as_by_the_libraries_of_the_standard() -> None:
    assert headers(keys_of({"signingSecrets": [SECRET]}), ID, TIMESTAMP, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": str(TIMESTAMP),
        "webhook-signature": SIGNATURE,
    }


def test_while_a_secret_is_replaced_both_sign() -> None:
    old, new, both = (
        headers(keys_of({"signingSecrets": secrets}), ID, TIMESTAMP, BODY)["webhook-signature"]
        for secrets in ([SECRET], [OTHER], [OTHER, SECRET])
    )
    assert both == f"{new} {old}"


@pytest.mark.parametrize(
    "value",
    [
        *(None, "whsec_", SECRET, [], [SECRET] * 3, [None], [SECRET.removeprefix("whsec_")], ["whsec_!!!"]),
        *(["whsec_" + base64.b64encode(bytes(length)).decode()] for length in (0, 23, 65)),
        [SECRET, "whsec_é"],
    ],
)
def test_a_secret_that_cannot_sign_is_refused_in_words_that_hold_nothing_of_it(value: Any) -> None:
    with pytest.raises(ValueError, match="signingSecrets") as failed:
        keys_of({"signingSecrets": value})
    assert "MfKQ9" not in str(failed.value)


def problems_of(value: Any, allowed: str = "") -> Problems:
    problems: Problems = []
    check_webhooks(value, AllowedHosts.parse(allowed), problems)
    return problems


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com:8443/in?a=b&c=%20",
        "https://hooks.example.com/~a/(b)/c;d=e",
        "https://xn--bcher-kva.example/",
        "https://8.8.8.8/in",
        "https://[2606:4700:4700::1111]:444/in",
    ],
)
def test_public_addresses_of_https_may_be_named(url: str) -> None:
    assert problems_of([{"url": url, "secretId": "s"}]) == []


@pytest.mark.parametrize(
    "url",
    [
        *(None, 1, "", "hooks.example.com", "http://hooks.example.com", "HTTPS://hooks.example.com", "https://"),
        *(
            "https:///in",
            "https://user@hooks.example.com",
            "https://user:pass@hooks.example.com",
            "https://a.example/#b",
        ),
        *(
            "https://a.example:0",
            "https://a.example:70000",
            "https://a.example:x",
            "https://a .example",
            "https://a\n.b",
        ),
        *(
            "https://bücher.example",
            "https://a.example\\@b.example",
            "https://-a.example",
            "https://[::1",
            "https://[x]",
        ),
        *("https://localhost", "https://127.0.0.1", "https://2130706433", "https://0x7f.1", "https://[::1]/"),
        *("https://169.254.169.254/latest", "https://10.0.0.1", "https://[::ffff:10.0.0.1]/", "https://[fd00::1]"),
        "https://a.example/" + "x" * 1_000,
    ],
)
def test_other_addresses_are_refused(url: Any) -> None:
    [(path, problem)] = problems_of([{"url": url, "secretId": "s"}])
    assert path == "/webhooks/0/url" and problem


def test_the_operator_may_allow_a_private_host() -> None:
    webhooks = [{"url": "https://hooks.internal/in", "secretId": "s"}, {"url": "https://10.1.2.3/", "secretId": "s"}]
    assert [path for path, _ in problems_of(webhooks)] == ["/webhooks/1/url"]
    assert problems_of(webhooks, "hooks.internal, 10.1.0.0/16") == []


def test_each_address_is_named_once_with_a_secret_and_nothing_else() -> None:
    good = {"url": "https://a.example", "secretId": "s"}
    assert [path for path, _ in problems_of([good, good])] == ["/webhooks/1/url"]
    assert [path for path, _ in problems_of([good | {"secretId": ""}, good | {"more": 1}, "x"])] == [
        *("/webhooks/0/secretId", "/webhooks/1/more", "/webhooks/2"),
    ]
    assert [path for path, _ in problems_of([good] * (MAX_WEBHOOKS + 1))] == ["/webhooks"]
    assert problems_of({"url": "https://a.example"}) and problems_of(None) == []


def test_the_parts_of_an_address_are_those_of_the_request() -> None:
    webhook = Webhook("https://Hooks.Example.com:8443/in?a=b", "s")
    assert (webhook.host, webhook.port, webhook.authority) == ("hooks.example.com", 8443, "Hooks.Example.com:8443")
    assert webhook.target == "/in?a=b"
    assert (Webhook("https://a.example?x", "s").target, Webhook("https://a.example", "s").port) == ("/?x", 443)
    assert Webhook("https://[2606::1]/", "s").host == "2606::1"


def documented() -> Any:
    """The receiver in the documentation: its function `verified`."""
    page = (ROOT / "docs" / "webhooks.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    return found["verified"]


def test_the_receiver_of_the_documentation_takes_what_is_signed_and_nothing_else() -> None:
    verified = documented()
    sent = headers(keys_of({"signingSecrets": [OTHER, SECRET]}), ID, TIMESTAMP, BODY)
    for secret in (SECRET, OTHER):
        assert verified(sent, BODY.encode(), secret, now=TIMESTAMP + 299) == {"test": 2432232314}
    with_capitals = {name.title(): value for name, value in sent.items()}
    assert verified(with_capitals, BODY.encode(), SECRET, now=TIMESTAMP)
    unknown = "whsec_" + base64.b64encode(bytes(24)).decode()
    for headers_, body, secret, now in (
        (sent, BODY.encode(), unknown, TIMESTAMP),
        (sent, BODY.encode() + b" ", SECRET, TIMESTAMP),
        (sent, BODY.encode(), SECRET, TIMESTAMP + 301),
        (sent, BODY.encode(), SECRET, TIMESTAMP - 301),
        (sent | {"webhook-id": "msg_other"}, BODY.encode(), SECRET, TIMESTAMP),
        (sent | {"webhook-timestamp": str(TIMESTAMP + 1)}, BODY.encode(), SECRET, TIMESTAMP),
        (sent | {"webhook-signature": "v1a," + SIGNATURE[3:]}, BODY.encode(), SECRET, TIMESTAMP),
        ({"webhook-id": ID}, BODY.encode(), SECRET, TIMESTAMP),
    ):
        with pytest.raises((ValueError, KeyError)):
            verified(headers_, body, secret, now=now)


class Reading(io.BytesIO):
    """Bytes, of which it is known how many were read."""

    read_bytes = 0

    def close(self) -> None:
        self.read_bytes = self.read_bytes if self.closed else self.tell()
        super().close()


class Wire:
    """A connection over which a receiver answers with these bytes."""

    def __init__(self, answer: bytes) -> None:
        self.sent, self.answer = b"", Reading(answer)

    def do_handshake(self) -> None:
        pass

    def sendall(self, data: Any) -> None:
        self.sent += bytes(data)

    def makefile(self, *_: Any) -> io.BytesIO:
        return self.answer

    def close(self) -> None:
        pass


def exchanged(wire: Wire, **headers: str) -> int:
    webhook = Webhook("https://hooks.example.com/a?b=c", "s")
    return _exchange(wire, webhook, {"webhook-id": "msg_1", **headers}, "{}")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        b"HTTP/1.1 1000 OK\r\n\r\n",
        b"HTTP/1.1 200 " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000,
    ],
)
def test_what_is_no_answer_of_http_fails_as_one_that_is_expected(answer: bytes) -> None:
    with pytest.raises((OSError, http.client.HTTPException)):
        exchanged(Wire(answer))


def test_of_an_answer_only_its_status_is_read() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99999999999999999999\r\n\r\n"
    wire = Wire(head + bomb)
    assert exchanged(wire) == 200
    assert wire.sent.startswith(b"POST /a?b=c HTTP/1.1\r\n") and wire.sent.endswith(b"\r\n\r\n{}")
    wire.answer.close()
    assert wire.answer.read_bytes == len(head)
    moved = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/\r\n\r\n"
    assert exchanged(Wire(moved)) == 301


@pytest.mark.parametrize("value", ["msg_1\r\nX-Admin: yes", "msg_1\n", "a\rb"])
def test_no_id_brings_headers_of_its_own(value: str) -> None:
    wire = Wire(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(ValueError, match="Invalid header value"):
        exchanged(wire, **{"webhook-id": value})
    assert b"X-Admin" not in wire.sent
