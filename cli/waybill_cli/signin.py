"""Signing in, and the token of each request.

People sign in at the issuer that the API names, in their browser (`waybill_cli.oidc`). With a password, by the public
InitiateAuth of a user pool, they do on a local stack and where the service allows it.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import httpx

from waybill_cli.failures import Failure, Unreachable, UsageFailure
from waybill_cli.oidc import Issuer, Tokens
from waybill_cli.profile import DEFAULT_STACK_USER, Connection, Profile, load_profile, renewing, save_profile

TOKEN_VARIABLE = "WAYBILL_TOKEN"  # a name, not a token  # noqa: S105
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
            Failure: not signed in, or the issuer refuses.
        """
        if self._token is None:
            profile = self._connection.profile
            given = os.environ.get(TOKEN_VARIABLE) if self._user is None else None
            if given:
                self._token = given
            elif profile is not None and self._is_mine(profile) and _is_fresh(profile):
                self._token = profile.token
            else:
                self._token = self._fresh()
        return self._token

    def renew(self) -> bool:
        """Replace a token that was refused. Returns False if it came from the environment."""
        if self._user is None and os.environ.get(TOKEN_VARIABLE):
            return False
        self._token = self._fresh()
        return True

    def with_browser(self, open_browser: bool) -> Profile:
        """Sign a person in at the issuer's page. Without a browser here, by a code for another device where the issuer
        offers that.

        Raises:
            Failure: the issuer refuses.
        """
        if not open_browser and self._issuer.offers_device_flow:
            tokens = self._issuer.sign_in_with_device()
        else:
            tokens = self._issuer.sign_in_with_browser(open_browser)
        if self._config.get("endpoint"):
            tokens = replace(tokens, refresh=None)  # the embedded AWS would renew them without the groups
        return self._profile(self._name_of(tokens), tokens)

    def as_program(self, client_id: str, secret_variable: str) -> Profile:
        """Sign a machine client in; its secret is in an environment variable.

        Raises:
            Failure: the issuer refuses.
        """
        secret = os.environ.get(secret_variable)
        if not secret:
            raise UsageFailure(f"The environment variable {secret_variable} is not set: it holds the client's secret.")
        tokens = self._issuer.sign_in_as_program(client_id, secret)
        return replace(
            self._profile(self._name_of(tokens), tokens), client_id=client_id, secret_variable=secret_variable
        )

    def with_password(self, user: str, password: str) -> Profile:
        """Sign a person in with their password.

        Raises:
            Failure: the service takes no passwords, or the user pool refuses.
        """
        return self._profile(user, self._initiate_auth(user, password))

    def sign_out(self) -> None:
        """End the saved session at the issuer.

        Raises:
            Failure: the issuer refuses.
        """
        profile = self._connection.profile
        if profile is not None and profile.refresh_token:
            self._issuer.revoke(profile.refresh_token)

    @cached_property
    def _config(self) -> dict[str, Any]:
        return self._get_auth_config()

    @cached_property
    def _issuer(self) -> Issuer:
        return Issuer(self._http, self._config, lambda line: print(line, file=sys.stderr, flush=True))

    def _is_mine(self, profile: Profile) -> bool:
        return profile.api_url == self._connection.api_url and self._user in (None, profile.user)

    def _fresh(self) -> str:
        known = self._connection.profile
        if known is not None and self._is_mine(known):
            renewed = self._renewed(known)
            if renewed is not None:
                return renewed.token
        passwords = self._connection.passwords
        user = self._user or DEFAULT_STACK_USER
        if user in passwords:
            return self.with_password(user, passwords[user]).token
        if self._user is not None:
            others = f"; the local stack has: {', '.join(passwords)}" if passwords else ""
            raise UsageFailure(
                f"No password is known for {user}{others}.", f"sign in with `waybill login --user {user}`"
            )
        raise Failure(
            f"You are not signed in at {self._connection.api_url}.",
            f"sign in with `waybill login --api-url {self._connection.api_url}`, or set {TOKEN_VARIABLE} to a token",
        )

    def _renewed(self, known: Profile) -> Profile | None:
        """The saved profile with new tokens, saved again; None where a password of the local stack does instead.

        Args:
            known: the profile as this command has read it; another one may have renewed it meanwhile.

        Raises:
            Failure: the session has ended.
        """
        with renewing():
            profile = load_profile()
            if profile is None or not self._is_mine(profile):
                profile = known
            if profile != known and profile.token != self._token and _is_fresh(profile):
                return profile
            if profile.client_id is not None and profile.secret_variable is not None:
                renewed = self.as_program(profile.client_id, profile.secret_variable)
            else:
                try:
                    tokens = self._issuer.renew(profile.refresh_token) if profile.refresh_token else None
                except Unreachable:
                    raise
                except Failure:
                    tokens = None
                if tokens is None:
                    if profile.user in self._connection.passwords:
                        self._user = profile.user
                        return None
                    raise Failure(f"The session of {profile.user} has ended.", "sign in again with `waybill login`")
                renewed = self._profile(profile.user, tokens)
            save_profile(renewed)
            return renewed

    def _profile(self, user: str, tokens: Tokens) -> Profile:
        return Profile(self._connection.api_url, user, tokens.access, tokens.refresh, tokens.expires_at)

    def _name_of(self, tokens: Tokens) -> str:
        """The name that the API has for whom it gave a token to.

        Raises:
            Failure: the API does not take the token.
        """
        url = f"{self._connection.api_url}/v1/me"
        try:
            answer = self._http.get(url, headers={"Authorization": f"Bearer {tokens.access}"})
            document = answer.json()
        except (httpx.HTTPError, ValueError):
            raise Unreachable(f"{url} does not respond", "try again") from None
        if not answer.is_success:
            reason = document.get("detail") if isinstance(document, dict) else None
            raise Failure(f"The service does not accept this sign-in: {reason or f'HTTP {answer.status_code}'}")
        return str(document["name"])

    def _initiate_auth(self, user: str, password: str) -> Tokens:
        config = self._config
        endpoint, issuer = config.get("endpoint"), str(config.get("issuer"))
        if not config.get("passwordSignIn"):  # passwords are sent to a user pool only
            raise Failure(
                f"Users of this service sign in at {issuer}, not with a password here.",
                f"sign in with `waybill login` (without --user), or set {TOKEN_VARIABLE} to a token",
            )
        url = f"{str(endpoint or issuer.rpartition('/')[0]).rstrip('/')}/"  # a pool's issuer is {host}/{pool}
        parameters = {"USERNAME": user, "PASSWORD": password}
        body = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": config["clientId"], "AuthParameters": parameters}
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
                "sign in with `waybill login` (without --user), in the browser",
            )
        result = document.get("AuthenticationResult")
        if not answer.is_success or not isinstance(result, dict) or "AccessToken" not in result:
            reason = document.get("message") or document.get("__type") or f"HTTP {answer.status_code}"
            raise Failure(f"Sign-in refused: {reason}", "check the user name and the password")
        expires_at = time.time() + float(result.get("ExpiresIn", 3600))
        return Tokens(str(result["AccessToken"]), result.get("RefreshToken"), expires_at)


def _is_fresh(profile: Profile) -> bool:
    return profile.expires_at > time.time() + _EARLY_SECONDS
