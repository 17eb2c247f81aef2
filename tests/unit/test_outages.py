"""Which exceptions are worth the retries of more than an hour, and which are told after a few attempts."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import ProtocolError

from waybill.aws.dynamodb import ConditionFailed, DynamoDBError
from waybill.aws.files import SourceChanged
from waybill.aws.outages import is_outage


def refused(code: str, status: int) -> boto.ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(answer, "PutObject")


@pytest.mark.parametrize(
    "error",
    [
        DynamoDBError("NetworkError", "no route", 0, retryable=True),
        refused("InternalError", 500),
        refused("ServiceUnavailable", 503),
        refused("SlowDown", 503),
        refused("ThrottlingException", 400),
        refused("RequestTimeout", 400),
        refused("TooManyRequestsException", 429),
        boto.EndpointConnectionError(endpoint_url="https://s3"),
        boto.ReadTimeoutError(endpoint_url="https://s3"),
        boto.ConnectTimeoutError(endpoint_url="https://s3"),
        boto.ConnectionClosedError(endpoint_url="https://s3"),
        boto.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        boto.CredentialRetrievalError(provider="container", error_msg="timeout"),
        ResponseParserError("no XML"),
        ProtocolError("cut"),
        ConnectionResetError(),
        TimeoutError(),
        socket.gaierror(-3, "try again"),
        ssl.SSLError("eof"),
    ],
    ids=repr,
)
def test_an_outage(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("column"),
        ValueError("poison"),
        RecursionError(),
        MemoryError(),
        FileNotFoundError("module"),
        SourceChanged("key"),
        ConditionFailed("false", None),
        DynamoDBError("ValidationException", "wrong", 400),
        refused("AccessDenied", 403),
        refused("NoSuchBucket", 404),
        boto.ParamValidationError(report="wrong type"),
    ],
    ids=repr,
)
def test_no_outage(error: Exception) -> None:
    assert not is_outage(error)


def test_a_fault_that_an_outage_has_caused_is_one() -> None:
    try:
        try:
            raise refused("InternalError", 500)
        except boto.ClientError:
            raise KeyError("left half done") from None
    except KeyError as error:
        assert is_outage(error)
