"""A loopback proxy before the embedded API, with limits of AWS's HTTP API and of Lambda that the embedded AWS lacks.

| rule | answer | source (AWS documentation) |
|---|---|---|
| a request of more than 10 MB | 413 | *Quotas for configuring and running an HTTP API* |
| no answer within 30 s | 503 | the same |
| an answer of more than 6,291,556 bytes, as Lambda gets it | 500 | *Lambda quotas*: synchronous payload |
| more than `rate` requests a second, where a test asks for it | 429 | *Throttle requests to your HTTP APIs* |
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from tests.api_builders import LAMBDA_ANSWER_BYTES
from tests.loopback import loopback_server

REQUEST_BYTES = 10 * 1024 * 1024
SECONDS = 30.0


class Gateway:
    """
    Args:
        target: the address of the embedded API, without `/v1`.
        rate: requests in any second that are let through; None for all.
        seconds: that an answer may take.
        now: in seconds, for `rate`.
    """

    def __init__(
        self,
        target: str,
        rate: int | None = None,
        seconds: float = SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target = target
        self.rate = rate
        self._seconds, self._now = seconds, now
        self.url = ""
        #: The size of each answer, as Lambda counts it.
        self.answer_bytes: list[int] = []
        self._passed: list[float] = []
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        if len(body) > REQUEST_BYTES:
            return httpx.Response(413, json={"message": "Request Entity Too Large"})
        if not self._lets_through():
            return httpx.Response(429, json={"message": "Too Many Requests"})
        try:
            answer = httpx.request(method, self.target + path, headers=headers, content=body, timeout=self._seconds)
        except httpx.ReadTimeout:
            return httpx.Response(503, json={"message": "Service Unavailable"})
        size = lambda_bytes(answer)
        self.answer_bytes.append(size)
        return answer if size <= LAMBDA_ANSWER_BYTES else httpx.Response(500, json={"message": "Internal Server Error"})

    def _lets_through(self) -> bool:
        with self._lock:
            now = self._now()
            self._passed = [moment for moment in self._passed if moment > now - 1]
            if self.rate is not None and len(self._passed) >= self.rate:
                return False
            self._passed.append(now)
            return True

    @contextmanager
    def serving(self) -> Iterator[Gateway]:
        gateway = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                answer = gateway.answer(self.command, self.path, headers, body)
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "content-encoding", "connection"):
                        self.send_header(name, value)
                content = b"" if answer.status_code in (204, 304) else answer.content
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _pass_on

        with loopback_server(Handler) as self.url:
            yield self


def lambda_bytes(answer: httpx.Response) -> int:
    """The size of the function's answer: its body is a string in a JSON document."""
    shown = {"statusCode": answer.status_code, "headers": dict(answer.headers), "body": answer.text}
    return len(json.dumps(shown, ensure_ascii=False).encode())
