"""One HTTPS request to a receiver of webhooks: at the address that was checked, without redirects, in bounded time."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping

from waybill.clock import SYSTEM_CLOCK, Clock
from waybill.errors import DeliveryFailed
from waybill.hosts import AllowedHosts, connect
from waybill.jobs.webhooks import Webhook

#: From the look-up of the name to the first line of the answer (Standard Webhooks recommends 15 to 30).
SECONDS = 15.0
CONNECT_SECONDS = 5.0


class WebhookClient:
    """
    Args:
        allowed: hosts that may be called although they are not public.
    """

    def __init__(self, allowed: AllowedHosts, clock: Clock = SYSTEM_CLOCK) -> None:
        self._allowed = allowed
        self._clock = clock

    def post(self, webhook: Webhook, headers: Mapping[str, str], body: str, seconds: float = SECONDS) -> int:
        """Send a body; returns the status of the answer, of which nothing else is read.

        Args:
            seconds: limit of all of it.

        Raises:
            DeliveryFailed: `host-refused`, `unreachable`, `timeout`, `certificate`, `connection-lost`.
        """
        ends = self._clock.monotonic() + seconds
        late = DeliveryFailed("timeout", f"{webhook.host} did not answer in {seconds:g} seconds.")
        is_over = threading.Event()
        sock = connect(webhook.host, webhook.port, self._allowed, min(CONNECT_SECONDS, seconds), clock=self._clock)
        try:
            with (
                sock,
                _secured(sock, webhook.host) as secured,
                _limit(secured, ends - self._clock.monotonic(), is_over),
            ):
                status = _exchange(secured, webhook, headers, body)
        except ssl.SSLCertVerificationError as error:
            what = f"The certificate of {webhook.host} is not valid: {error.verify_message}."
            raise DeliveryFailed("certificate", what) from None
        except (OSError, http.client.HTTPException) as error:
            if is_over.is_set() or isinstance(error, TimeoutError):
                raise late from None
            raise DeliveryFailed("connection-lost", f"{webhook.host} gave no answer of HTTP.") from None
        if is_over.is_set():  # the end of the socket looks like the end of the answer's header
            raise late
        return status


def _secured(sock: socket.socket, host: str) -> ssl.SSLSocket:
    """The socket with TLS, whose handshake is still to be made; `sock` itself is of no use any more."""
    return ssl.create_default_context().wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)


@contextlib.contextmanager
def _limit(secured: ssl.SSLSocket, seconds: float, is_over: threading.Event) -> Iterator[None]:
    """End the socket after so many seconds, and set `is_over` before.

    A receiver that answers byte by byte is within every timeout of a socket: only the end of the socket ends it.
    """

    def end() -> None:
        is_over.set()
        with contextlib.suppress(OSError):  # it has ended by itself
            socket.socket.shutdown(secured, socket.SHUT_RDWR)  # SSLSocket's own would go on in plain text

    secured.settimeout(max(seconds, 0.001))  # 0 would mean: never wait
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _exchange(secured: ssl.SSLSocket, webhook: Webhook, headers: Mapping[str, str], body: str) -> int:
    secured.do_handshake()
    connection = http.client.HTTPConnection(webhook.host, webhook.port)
    connection.sock = secured
    about = {"Host": webhook.authority, "Content-Type": "application/json", "User-Agent": "Waybill-Webhooks/1"}
    connection.request("POST", webhook.target, body.encode(), {**about, **headers})
    return connection.getresponse().status
