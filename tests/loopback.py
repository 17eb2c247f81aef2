"""An HTTP server of a test, on a free loopback port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer


@contextmanager
def loopback_server(
    handler: type[BaseHTTPRequestHandler], server: type[HTTPServer] = ThreadingHTTPServer
) -> Iterator[str]:
    """Serve until the block ends; gives the address. Requests are not logged.

    Args:
        server: `HTTPServer` where requests must come one after the other.
    """
    quiet = type("Quiet", (handler,), {"log_message": lambda *_: None})
    with server(("127.0.0.1", 0), quiet) as running:
        running.daemon_threads = True  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()
