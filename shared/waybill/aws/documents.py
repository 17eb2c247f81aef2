"""Small JSON documents from the web: an issuer's keys.

By libcurl, which is loaded for DynamoDB anyway; urllib would add 0.1 s of start-up.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pycurl

from waybill.aws.dynamodb import certificate_authorities

MAX_BYTES = 1024 * 1024


class DocumentUnavailable(Exception):
    """No answer, or not the document; `status` is that of HTTP, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def get_json(url: str, timeout_seconds: float) -> dict[str, Any]:
    """GET a JSON object. Redirects are not followed.

    Raises:
        DocumentUnavailable
    """
    address = urlsplit(url)
    if address.scheme not in ("https", "http"):
        raise DocumentUnavailable("not a web address")
    received = bytearray()

    def receive(data: bytes) -> int:
        received.extend(data)
        return len(data) if len(received) <= MAX_BYTES else -1  # libcurl gives up

    handle = pycurl.Curl()
    try:
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.TIMEOUT_MS, int(timeout_seconds * 1000))
        handle.setopt(pycurl.WRITEFUNCTION, receive)
        if address.scheme == "https":
            handle.setopt(pycurl.CAINFO, certificate_authorities())
            handle.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        if address.hostname in ("127.0.0.1", "localhost", "::1"):
            handle.setopt(pycurl.PROXY, "")  # a proxy from the environment cannot reach this machine's loopback
        handle.perform()
        status = handle.getinfo(pycurl.RESPONSE_CODE)
    except pycurl.error as error:
        raise DocumentUnavailable(str(error.args[-1])) from None
    finally:
        handle.close()
    if status != 200:
        raise DocumentUnavailable(f"HTTP status {status}", status)
    try:
        document = json.loads(received)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise DocumentUnavailable("not a JSON object", status)
    return document
