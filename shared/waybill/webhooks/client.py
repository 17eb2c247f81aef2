"""One HTTPS request to a receiver of webhooks: at the address that was checked, without redirects, in bounded time."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping

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
        sock = connect(webhook.host, webhook.port, self._allowed, min(CONNECT_SECONDS, seconds), clock=self._clock)
        # A receiver that answers byte by byte is within every timeout of a socket: only the end of the socket ends it.
        timer = threading.Timer(seconds, _shut, [sock])
        timer.daemon = True
        timer.start()
        try:
            sock.settimeout(seconds)
            return _exchange(sock, webhook, headers, body)
        except ssl.SSLCertVerificationError as error:
            what = f"The certificate of {webhook.host} is not valid: {error.verify_message}."
            raise DeliveryFailed("certificate", what) from None
        except (OSError, http.client.HTTPException):
            if not timer.is_alive():
                raise DeliveryFailed("timeout", f"{webhook.host} did not answer in {seconds:g} seconds.") from None
            raise DeliveryFailed("connection-lost", f"{webhook.host} gave no answer of HTTP.") from None
        finally:
            timer.cancel()
            sock.close()


def _exchange(sock: socket.socket, webhook: Webhook, headers: Mapping[str, str], body: str) -> int:
    context = ssl.create_default_context()
    with context.wrap_socket(sock, server_hostname=webhook.host) as secured:
        connection = http.client.HTTPConnection(webhook.host, webhook.port)
        connection.sock = secured
        about = {"Host": webhook.authority, "Content-Type": "application/json", "User-Agent": "Waybill-Webhooks/1"}
        connection.request("POST", webhook.target, body.encode(), {**about, **headers})
        return connection.getresponse().status


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
