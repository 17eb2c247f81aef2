"""Events on the account's default event bus. boto3 is loaded on first use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from waybill.aws.clients import session

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

SOURCE = "waybill"


class NotPublished(Exception):
    """EventBridge did not take the event; worth another attempt later."""


class Events:
    def __init__(self, region: str, endpoint_url: str | None = None) -> None:
        self._region = region
        self._endpoint_url = endpoint_url

    @cached_property
    def _events(self) -> EventBridgeClient:
        return session().client("events", region_name=self._region, endpoint_url=self._endpoint_url)

    def publish(self, detail_type: str, detail: Mapping[str, Any], resources: list[str]) -> None:
        """Put one event (AWS, Amazon EventBridge API, PutEvents).

        Raises:
            NotPublished
        """
        from botocore.exceptions import BotoCoreError, ClientError

        entry = {"Source": SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail), "Resources": resources}
        try:
            answer = self._events.put_events(Entries=[entry])  # type: ignore[list-item]
        except (BotoCoreError, ClientError) as error:
            raise NotPublished(type(error).__name__) from error
        if answer.get("FailedEntryCount"):
            raise NotPublished(answer["Entries"][0].get("ErrorMessage", "no reason given"))
