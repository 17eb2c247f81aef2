"""Signing in with the public InitiateAuth of the user pool that the API names.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import httpx

from waybill_cli.failures import Failure, Unreachable, UsageFailure
from waybill_cli.profile import DEFAULT_STACK_USER, Connection, Profile, save_profile

TOKEN_VARIABLE = "WAYBILL_TOKEN"  # noqa: S105  a name, not a token
_EARLY_SECONDS = 60  # replace a token this long before it expires
_TARGET = "AWSCognitoIdentityProviderService.InitiateAuth"


class SignIn:
    """Tokens for one connection.

    Args:
        http: sends requests.
        connection: the address, and the sign-in saved for it.
        user: the user to act as; None for the one who is signed in, or else the local stack's admin.
        get_auth_config: returns the response of `GET /v1/auth-config`.
    """

    def __init__(
        self,
        http: httpx.Client,
        connection: Connection,
        user: str | None,
        get_auth_config: Callable[[], dict[str, Any]],
    ) -> None:
        self._http = http
        self._connection = connection
        self._user = user
        self._get_auth_config = get_auth_config
        self._token: str | None = None

    def token(self) -> str:
        """A bearer token.

        Raises:
            Failure: not signed in, or the user pool refuses.
        """
        if self._token is None:
            profile = self._saved()
            given = os.environ.get(TOKEN_VARIABLE) if self._user is None else None
            if given:
                self._token = given
            elif profile is not None and profile.expires_at > time.time() + _EARLY_SECONDS:
                self._token = profile.token
            else:
                self._token = self._fresh(profile)
        return self._token

    def renew(self) -> bool:
        """Replace a token that was refused. Returns False if it came from the environment."""
        if self._user is None and os.environ.get(TOKEN_VARIABLE):
            return False
        self._token = self._fresh(self._saved())
        return True

    def with_password(self, user: str, password: str) -> Profile:
        """Sign in with a password.

        Raises:
            Failure: the user pool refuses.
        """
        result = self._initiate("USER_PASSWORD_AUTH", {"USERNAME": user, "PASSWORD": password})
        return self._profile(user, result, None)

    def _saved(self) -> Profile | None:
        profile = self._connection.profile
        return profile if profile is not None and self._user in (None, profile.user) else None

    def _fresh(self, profile: Profile | None) -> str:
        passwords = self._connection.passwords
        user = self._user or (profile.user if profile is not None else DEFAULT_STACK_USER)
        if profile is not None and profile.refresh_token:
            try:
                result = self._initiate("REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": profile.refresh_token})
            except Unreachable:
                raise
            except Failure:
                if user not in passwords:
                    raise Failure(
                        f"The sign-in of {user} has expired.", f"sign in again with `waybill login --user {user}`"
                    ) from None
            else:
                renewed = self._profile(user, result, profile.refresh_token)
                save_profile(renewed)
                return renewed.token
        if user in passwords:
            return self.with_password(user, passwords[user]).token
        if self._user is not None:
            known = f"; the local stack has: {', '.join(passwords)}" if passwords else ""
            raise UsageFailure(
                f"No password is known for {user}{known}.", f"sign in with `waybill login --user {user}`"
            )
        raise Failure(
            f"You are not signed in at {self._connection.api_url}.",
            f"sign in with `waybill login --api-url {self._connection.api_url}`, or set {TOKEN_VARIABLE} to a token",
        )

    def _profile(self, user: str, result: dict[str, Any], refresh_token: str | None) -> Profile:
        lifetime_seconds = float(result.get("ExpiresIn", 3600))
        return Profile(
            self._connection.api_url,
            user,
            str(result["AccessToken"]),
            result.get("RefreshToken", refresh_token),
            time.time() + lifetime_seconds,
        )

    def _initiate(self, flow: str, parameters: dict[str, str]) -> dict[str, Any]:
        """Call InitiateAuth and return its `AuthenticationResult`."""
        config = self._get_auth_config()
        endpoint, issuer = config.get("endpoint"), str(config.get("issuer"))
        if not endpoint and not issuer.startswith("https://cognito-idp."):
            raise Failure(  # passwords are sent to a user pool only
                f"Users of this service sign in at {issuer}.",
                f"get a token there and set {TOKEN_VARIABLE} to it",
            )
        url = f"{str(endpoint or issuer.rpartition('/')[0]).rstrip('/')}/"  # a pool's issuer is {host}/{pool}
        body = {"AuthFlow": flow, "ClientId": config["clientId"], "AuthParameters": parameters}
        headers = {"X-Amz-Target": _TARGET, "Content-Type": "application/x-amz-json-1.1"}
        try:
            answer = self._http.post(url, json=body, headers=headers)
            document = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise Unreachable(f"The user pool at {url} does not respond", "try again") from None
        if not isinstance(document, dict):
            document = {}
        if challenge := document.get("ChallengeName"):
            raise Failure(
                f"The user pool requires {challenge} before this user can sign in.",
                "set a permanent password first (aws cognito-idp admin-set-user-password --permanent …)",
            )
        result = document.get("AuthenticationResult")
        if not answer.is_success or not isinstance(result, dict) or "AccessToken" not in result:
            reason = document.get("message") or document.get("__type") or f"HTTP {answer.status_code}"
            raise Failure(f"Sign-in refused: {reason}", "check the user name and the password")
        return result
