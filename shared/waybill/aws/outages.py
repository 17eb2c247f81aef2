"""Which exceptions an outage of AWS or of the network explains, so that a later attempt may succeed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from waybill.aws.dynamodb import DynamoDBError

# Codes that AWS sends with status 400 (AWS SDK reference, *Retry behavior*; S3 and STS error responses).
_PASSING_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "ExpiredToken",
        "ExpiredTokenException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "RequestTimeoutException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)


def is_outage(error: BaseException) -> bool:
    """Whether the error, or one that it was raised from or while handling, is of the network, a failure of an AWS
    service (5xx), throttling, or a timeout."""
    return any(map(_is_passing, _chain(error)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _is_passing(error: BaseException) -> bool:
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    if isinstance(error, DynamoDBError):
        return error.retryable
    if isinstance(error, boto.ClientError):
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        return status >= 500 or status == 429 or "Throttl" in code or code in _PASSING_CODES
    network = ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError, HTTPError
    from_boto = (
        boto.ConnectionError,
        boto.HTTPClientError,
        boto.IncompleteReadError,
        boto.FlexibleChecksumError,
        boto.CredentialRetrievalError,
        ResponseParserError,
    )
    return isinstance(error, network + from_boto)
