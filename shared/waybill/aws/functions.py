"""Other functions of this service, asked for an answer. boto3 is loaded on first use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from waybill.aws.clients import session

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

# The caller itself serves an HTTP API request, which times out after 30 seconds.
_ANSWER_SECONDS = 26


class NoAnswer(Exception):
    """The function failed, was not there, or did not answer in time. Its log has the cause."""


class Functions:
    def __init__(self, region: str, endpoint_url: str | None = None) -> None:
        self._region = region
        self._endpoint_url = endpoint_url

    @cached_property
    def _lambda(self) -> LambdaClient:
        from botocore.config import Config

        # Not sent again by the client: what the function does would be done twice.
        config = Config(connect_timeout=2, read_timeout=_ANSWER_SECONDS, retries={"total_max_attempts": 1})
        return session().client("lambda", region_name=self._region, endpoint_url=self._endpoint_url, config=config)

    def ask(self, name: str, event: Mapping[str, Any]) -> Any:
        """What the function returns for an event.

        Raises:
            NoAnswer
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._lambda.invoke(FunctionName=name, Payload=json.dumps(event).encode())
            value = json.loads(answer["Payload"].read())
        except (BotoCoreError, ClientError, ValueError) as error:
            raise NoAnswer(name) from error
        if "FunctionError" in answer:
            raise NoAnswer(name)
        return value
