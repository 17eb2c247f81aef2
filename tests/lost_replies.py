"""Requests to DynamoDB that take effect and whose replies are lost, so that the client's own retry meets its effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pycurl
import pytest

from waybill.aws.dynamodb import DynamoDB, network_error

ALL = 1_000_000


@contextmanager
def lost_replies(dynamodb: DynamoDB, operation: str, count: int = 1, *, about: str = "") -> Iterator[list[str]]:
    """The first `count` replies to `operation` are lost; the bodies of the lost requests are yielded.

    A transaction that is sent again with its token is not applied again: DynamoDB promises this, moto does not do it.

    Args:
        about: what the body of a request must contain to be one of them.
    """
    send = dynamodb._call_once
    lost: list[str] = []
    applied: set[str] = set()

    def call_once(sent: str, body: bytes) -> tuple[int, bytes]:
        token = json.loads(body).get("ClientRequestToken")
        answer = (200, b"{}") if token in applied else send(sent, body)
        if token is not None and answer[0] == 200:
            applied.add(token)
        if sent == operation and about in body.decode() and len(lost) < count:
            lost.append(body.decode())
            raise network_error(pycurl.E_RECV_ERROR, "the connection was cut")
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamodb, "_call_once", call_once)
        yield lost
