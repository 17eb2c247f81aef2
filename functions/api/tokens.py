"""Who a request speaks for: the token in `Authorization`, verified here so that a refusal is a problem document.

    Bearer <JWT>
    OAuth <base64 of the token endpoint's whole JSON answer>     (Zilliant); its `access_token` is used

A token is accepted when a key of the expected issuer signed it, it is meant for this service (`aud`, or Cognito's
`client_id` in access tokens, which have no `aud`), it is an access or ID token where it says what it is (Cognito's
`token_use`), and it is valid at this moment.

A token that a client got for itself, without a person (`client_credentials`), speaks for that machine client, whose
groups the setting MachineClients has (`waybill.jobs.machine_clients`); other clients are refused.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from issuer import is_user_pool, issuer_url, metadata_url
from jws import PublicKey, Token, parse
from waybill.aws.documents import DocumentUnavailable, get_json
from waybill.clock import SYSTEM_CLOCK, Clock
from waybill.entities.permissions import Caller
from waybill.errors import Unauthorized, Unavailable
from waybill.jobs import machine_clients
from waybill.settings import Settings

LEEWAY_SECONDS = 60
REFETCH_SECONDS = 60  # an unknown key id asks the issuer at most this often
RETRY_SECONDS = 5  # and while there are no keys at all
MAX_AGE_SECONDS = 3600  # a key that the issuer took back stays good for at most this long
API_SCOPE = "waybill/api"  # of the user pool's resource server; machine clients ask for it
_FETCH_TIMEOUT_SECONDS = 5.0


class KeySet:
    """The issuer's public keys, cached. Known keys outlive an outage of the issuer.

    Args:
        fetch: returns the JWKS document (RFC 7517), or raises DocumentUnavailable.
    """

    def __init__(self, fetch: Callable[[], dict[str, Any]], clock: Clock = SYSTEM_CLOCK) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, PublicKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._is_down = False

    def get(self, key_id: str | None) -> PublicKey | None:
        """The key, or None where the issuer has none of this id. A token without an id is for the only key there is
        (OpenID Connect Core, section 10.1).

        Raises:
            DocumentUnavailable: the issuer does not answer, so that the key may exist.
        """
        key = self._find(key_id)
        if (key is None or self._is_stale()) and self._may_fetch():
            self._refresh()
            key = self._find(key_id)
        if key is None and self._is_down:
            raise DocumentUnavailable("the issuer's keys are unavailable")
        return key

    def _find(self, key_id: str | None) -> PublicKey | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id or "")

    def _is_stale(self) -> bool:
        return self._fetched_at is None or self._clock.monotonic() - self._fetched_at > MAX_AGE_SECONDS

    def _may_fetch(self) -> bool:
        pause = REFETCH_SECONDS if self._keys else RETRY_SECONDS
        return self._tried_at is None or self._clock.monotonic() - self._tried_at >= pause

    def _refresh(self) -> None:
        self._tried_at = self._clock.monotonic()
        try:
            keys = _public_keys(self._fetch())
        except DocumentUnavailable:
            keys = {}
        self._is_down = not keys
        if keys:
            self._keys, self._fetched_at = keys, self._tried_at


def _public_keys(document: dict[str, Any]) -> dict[str, PublicKey]:
    keys: dict[str, PublicKey] = {}
    entries = document.get("keys")
    for entry in entries if isinstance(entries, list) else ():
        try:
            keys[entry.get("kid") or ""] = PublicKey.from_jwk(entry)
        except (ValueError, TypeError, AttributeError):  # one key that cannot be used does not shut out the others
            continue
    return keys


def fetch_keys(settings: Settings) -> dict[str, Any]:
    """The issuer's JWKS document.

    A Cognito pool has it at a known place; a pool of an embedded AWS signs as AWS would, and serves its keys itself. Of
    any other issuer the metadata say where (OpenID Connect Discovery 1.0, sections 4.2 and 4.3); one without metadata
    is asked at Cognito's place.

    Raises:
        DocumentUnavailable
    """
    issuer = issuer_url(settings)
    usual = f"{issuer}/.well-known/jwks.json"
    if is_user_pool(settings):
        return get_json(usual, _FETCH_TIMEOUT_SECONDS)
    try:
        metadata = get_json(metadata_url(settings), _FETCH_TIMEOUT_SECONDS)
    except DocumentUnavailable as error:
        if error.status != 404:
            raise
        return get_json(usual, _FETCH_TIMEOUT_SECONDS)
    url = metadata.get("jwks_uri")
    if metadata.get("issuer") != settings.oidc_issuer or not isinstance(url, str):
        raise DocumentUnavailable("the metadata are not this issuer's")
    if issuer.startswith("https:") and not url.startswith("https:"):
        raise DocumentUnavailable("the issuer's keys are not served safely")
    return get_json(url, _FETCH_TIMEOUT_SECONDS)


class TokenVerifier:
    """Turns the `Authorization` header into a caller.

    Args:
        machines: the groups of each machine client.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        machines: Mapping[str, frozenset[str]],
        keys: KeySet,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._machines = machines
        self._keys = keys
        self._clock = clock

    @classmethod
    def from_settings(cls, settings: Settings) -> TokenVerifier:
        machines = machine_clients.parse(settings.machine_clients)
        return cls(settings.oidc_issuer, settings.oidc_audience, machines, KeySet(lambda: fetch_keys(settings)))

    def caller(self, authorization: str | None) -> Caller:
        """Who the header's token speaks for.

        Raises:
            Unauthorized: there is no valid token. The sentence does not say which check it failed beyond what helps
                an honest client.
            Unavailable: the issuer's keys are unavailable.
        """
        try:
            token = parse(_token(authorization))
        except (ValueError, RecursionError):
            raise Unauthorized("The token is not valid.") from None
        self._check_signature(token)
        self._check_claims(token.claims)
        machine = self._machine(token.claims)
        self._check_audience(token.claims, machine)
        if machine is None:
            return _person(token.claims)
        name = machine_clients.PREFIX + machine
        return Caller(subject=name, name=name, groups=self._machines[machine])

    def _check_signature(self, token: Token) -> None:
        key_id = token.header.get("kid")
        if key_id is not None and not isinstance(key_id, str):
            raise Unauthorized("The token is not valid.")
        try:
            key = self._keys.get(key_id)
        except DocumentUnavailable:
            raise Unavailable("The identity provider does not answer. Try again in a minute.") from None
        if key is None or not key.verifies(token):
            raise Unauthorized("The token is not signed by the expected issuer.")

    def _check_claims(self, claims: dict[str, Any]) -> None:
        now = self._clock.now().timestamp()
        if claims.get("iss") != self._issuer or not (isinstance(claims.get("sub"), str) and claims["sub"]):
            raise Unauthorized("The token is not valid.")
        if not _is_time(claims.get("exp")) or now >= claims["exp"] + LEEWAY_SECONDS:
            raise Unauthorized("The token has expired.")
        for claim in ("nbf", "iat"):
            if claim in claims and not (_is_time(claims[claim]) and claims[claim] <= now + LEEWAY_SECONDS):
                raise Unauthorized("The token is not valid yet.")

    def _machine(self, claims: dict[str, Any]) -> str | None:
        """The machine client that the token speaks for; None for that of a person.

        The subject of a token without a person is the client (RFC 9068, section 2.2), or something that MachineClients
        names. A person's token is never taken for a machine's because the client that they used is one.
        """
        subject = claims["sub"]
        if f"sub:{subject}" in self._machines:
            return f"sub:{subject}"
        for claim in ("client_id", "azp", "cid"):
            client = claims.get(claim)
            if isinstance(client, str) and subject in (client, f"{client}@clients"):  # the latter is Auth0's
                if client not in self._machines:
                    raise Unauthorized("This client is not one of the service's machine clients.")
                return client
        return None

    def _check_audience(self, claims: dict[str, Any], machine: str | None) -> None:
        # An identity provider signs other things with the same keys, refresh tokens among them. Cognito's ID tokens are
        # meant for us by their `aud`, its access tokens by their `client_id`, and those of machine clients by a scope.
        audience = claims.get("aud", claims.get("client_id"))
        meant_for = audience if isinstance(audience, list) else [audience]
        if machine is not None and "aud" not in claims and claims.get("token_use") == "access":
            is_for_us = API_SCOPE in str(claims.get("scope")).split()
        else:
            is_for_us = self._audience in meant_for
        if not is_for_us or claims.get("token_use", "access") not in ("access", "id"):
            raise Unauthorized("The token is not meant for this service.")


def _is_time(value: object) -> bool:
    """A NumericDate (RFC 7519, section 2)."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and math.isfinite(value)
    )


def _token(authorization: str | None) -> str:
    scheme, _, value = (authorization or "").strip().partition(" ")
    value = value.strip()
    if not value or scheme.lower() not in ("bearer", "oauth"):
        raise Unauthorized("Send an Authorization header with a bearer token.")
    if scheme.lower() == "bearer":
        return value
    try:
        text = value.translate(str.maketrans("-_", "+/")).rstrip("=")
        answer = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (ValueError, RecursionError):
        answer = None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str):
        raise Unauthorized("OAuth takes the base64 of the token endpoint's whole JSON answer.")
    return token


def _person(claims: dict[str, Any]) -> Caller:
    """
    Raises:
        Unauthorized: the subject is one that only machine clients have.
    """
    if machine_clients.is_machine(claims["sub"]):
        raise Unauthorized("The token is not valid.")
    names = (claims.get(claim) for claim in ("username", "cognito:username", "preferred_username", "email", "sub"))
    return Caller(
        subject=claims["sub"],
        name=next(
            name for name in names if isinstance(name, str) and name and not name.startswith(machine_clients.PREFIX)
        ),
        groups=_groups(claims.get("cognito:groups", claims.get("groups"))),
    )


def _groups(claim: object) -> frozenset[str]:
    """A list of names, or the name of the only one. A text is never split: no group may come of a part of a name."""
    names = claim if isinstance(claim, list) else [claim]
    return frozenset(name for name in names if isinstance(name, str) and name)
