"""The users of the Cognito user pool and their groups at this moment. boto3 is loaded on first use; nothing is kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from waybill.aws.clients import session

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient


class UserPool:
    """
    Args:
        pool_id: of the pool that issues the tokens.
    """

    def __init__(self, region: str, endpoint_url: str | None, pool_id: str) -> None:
        self._region = region
        self._endpoint_url = endpoint_url
        self._pool_id = pool_id

    @cached_property
    def _cognito(self) -> CognitoIdentityProviderClient:
        return session().client("cognito-idp", region_name=self._region, endpoint_url=self._endpoint_url)

    def groups(self, subject: str, name: str) -> frozenset[str]:
        """The groups of a user. A user who was deleted or disabled has no groups. Two requests.

        Args:
            subject: the `sub` of the user's tokens. Another user who has the name now has another `sub`.
            name: the username, by which Cognito finds a user.
        """
        try:
            user = self._cognito.admin_get_user(UserPoolId=self._pool_id, Username=name)
            attributes = {each["Name"]: each.get("Value") for each in user["UserAttributes"]}
            if not user["Enabled"] or attributes.get("sub") != subject:
                return frozenset()
            return self._groups(name)
        except self._cognito.exceptions.UserNotFoundException:
            return frozenset()

    def all_groups(self) -> frozenset[str]:
        """The groups of the pool, with or without users. One request for each 60."""
        pages = self._cognito.get_paginator("list_groups").paginate(UserPoolId=self._pool_id)
        return frozenset(group["GroupName"] for page in pages for group in page["Groups"])

    def _groups(self, name: str) -> frozenset[str]:
        asked: dict[str, Any] = {"UserPoolId": self._pool_id, "Username": name}
        groups: set[str] = set()
        while True:
            page = self._cognito.admin_list_groups_for_user(**asked)
            groups |= {group["GroupName"] for group in page["Groups"]}
            if not page.get("NextToken"):
                return frozenset(groups)
            asked["NextToken"] = page["NextToken"]
