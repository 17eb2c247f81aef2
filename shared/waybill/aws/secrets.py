"""Secrets of partners' servers, from Secrets Manager. boto3 is loaded on first use; nothing is kept."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from waybill.aws.clients import session
from waybill.aws.outages import is_outage

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient


class SecretUnreadable(Exception):
    """The secret does not exist, may not be read, or is not a JSON object. The message holds nothing of its value."""


class Secrets:
    def __init__(self, region: str, endpoint_url: str | None = None) -> None:
        self._region = region
        self._endpoint_url = endpoint_url

    @cached_property
    def _secrets(self) -> SecretsManagerClient:
        return session().client("secretsmanager", region_name=self._region, endpoint_url=self._endpoint_url)

    def get(self, secret_id: str) -> dict[str, Any]:
        """The secret's JSON object.

        Args:
            secret_id: name or ARN.

        Raises:
            SecretUnreadable
        """
        from botocore.exceptions import ClientError, ParamValidationError

        try:
            text = self._secrets.get_secret_value(SecretId=secret_id).get("SecretString", "")
        except ParamValidationError:
            raise SecretUnreadable("Secrets Manager does not accept its name") from None
        except ClientError as error:
            if is_outage(error):
                raise
            raise SecretUnreadable(error.response["Error"]["Code"]) from None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise SecretUnreadable("it is not a JSON object")
        return value
