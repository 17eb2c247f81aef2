"""A receiver of webhooks on this machine, with TLS, that answers as a test says."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.partner_servers import HOST, Certificate


@dataclass
class Receiver:
    """
    Attributes:
        answers: the statuses of the next requests; then 204.
        trickle: answer with these bytes again and again, and never to the end.
        pause: seconds between them.
        got: (path, headers by lower-case name, body) of each request.
    """

    port: int = 0
    answers: list[int] = field(default_factory=list)
    trickle: bytes = b""
    pause: float = 0.0
    got: list[tuple[str, dict[str, str], str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}/in"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.got]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, headers, _ in self.got]


@contextmanager
def receiving(certificate: Certificate) -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            receiver.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            if receiver.trickle:
                self._trickle()
                return
            status = receiver.answers.pop(0) if receiver.answers else 204
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"https://{HOST}:{receiver.port}/elsewhere")
            self.end_headers()

        def _trickle(self) -> None:
            try:
                while receiver.trickle:
                    self.wfile.write(receiver.trickle)
                    time.sleep(receiver.pause)
            except OSError:  # the client has had enough
                pass

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that trusts nobody
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.trickle = b""
        server.shutdown()
        thread.join()
        server.server_close()
