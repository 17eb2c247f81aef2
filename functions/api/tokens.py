"""Who a request speaks for: the token in `Authorization`, verified here so that a refusal is a problem document.

    Bearer <JWT>
    OAuth <base64 of the token endpoint's whole JSON answer>     (Zilliant); its `access_token` is used

A token is good when its RS256 signature is by a key of the issuer, its issuer is the one expected, it is meant for us
(`aud`, or Cognito's `client_id` in access tokens, which have no `aud`), and it has not expired.
"""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jwt

from waybill.entities.permissions import Caller
from waybill.errors import Unauthorized
from waybill.settings import Settings

ALGORITHM = "RS256"
LEEWAY_SECONDS = 60
REFETCH_SECONDS = 60  # an unknown key id asks the issuer at most this often
MAX_AGE_SECONDS = 3600  # a key that the issuer took back stays good for at most this long
_FETCH_TIMEOUT_SECONDS = 5
_MAX_JWKS_BYTES = 1024 * 1024


class KeySet:
    """The issuer's public keys, cached.

    Args:
        fetch: returns the JWKS document (RFC 7517).
        clock: seconds, monotonic.
    """

    def __init__(self, fetch: Callable[[], dict[str, Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    def get(self, key_id: str) -> jwt.PyJWK | None:
        """The key, or None.

        Raises:
            OSError: the issuer does not answer and there are no keys yet.
        """
        now = self._clock()
        stale = self._fetched_at is None or now - self._fetched_at > MAX_AGE_SECONDS
        may_fetch = self._tried_at is None or now - self._tried_at >= REFETCH_SECONDS
        if not self._keys or ((stale or key_id not in self._keys) and may_fetch):
            self._tried_at = now
            try:
                self._keys = _public_keys(self._fetch())
                self._fetched_at = now
            except (OSError, ValueError):
                if not self._keys:  # known keys outlive an outage of the issuer
                    raise
        return self._keys.get(key_id)


def _public_keys(document: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    keys = {}
    for key in document.get("keys", []):
        if isinstance(key.get("kid"), str) and key.get("kty") == "RSA" and key.get("use", "sig") == "sig":
            with suppress(jwt.PyJWTError):  # one key that cannot be used does not shut out the others
                keys[key["kid"]] = jwt.PyJWK(key, ALGORITHM)
    return keys


def jwks_url(settings: Settings) -> str:
    """Where the issuer's keys are. A user pool of an embedded AWS signs as AWS would, and serves its keys itself."""
    if settings.aws_endpoint_url and settings.oidc_issuer.startswith("https://cognito-idp."):
        pool_id = settings.oidc_issuer.rpartition("/")[2]
        return f"{settings.aws_endpoint_url.rstrip('/')}/{pool_id}/.well-known/jwks.json"
    return f"{settings.oidc_issuer.rstrip('/')}/.well-known/jwks.json"


def fetch_json(url: str) -> dict[str, Any]:
    """GET a small JSON object.

    Raises:
        OSError, ValueError: no answer, or not such an object.
    """
    if not url.startswith(("https://", "http://")):
        raise ValueError("the issuer is no web address")
    with urllib.request.urlopen(url, timeout=_FETCH_TIMEOUT_SECONDS) as answer:  # noqa: S310  the scheme is checked
        document = json.loads(answer.read(_MAX_JWKS_BYTES))
    if not isinstance(document, dict):
        raise ValueError("the issuer's keys are no JSON object")
    return document


class TokenVerifier:
    """Turns the `Authorization` header into a caller."""

    def __init__(self, issuer: str, audience: str, keys: KeySet) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys

    @classmethod
    def from_settings(cls, settings: Settings) -> TokenVerifier:
        url = jwks_url(settings)
        return cls(settings.oidc_issuer, settings.oidc_audience, KeySet(lambda: fetch_json(url)))

    def caller(self, authorization: str | None) -> Caller:
        """Who the header's token speaks for.

        Raises:
            Unauthorized: there is no valid token. The sentence does not say which check it failed beyond what helps
                an honest client.
        """
        token = _token(authorization)
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get(str(header.get("kid")))
            if key is None or header.get("alg") != ALGORITHM:
                raise Unauthorized("The token is not signed by the expected issuer.")
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "sub"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthorized("The token has expired.") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Unauthorized("The token is not valid.") from None
        self._check_audience(claims)
        return _caller(claims)

    def _check_audience(self, claims: dict[str, Any]) -> None:
        audience = claims.get("aud", claims.get("client_id"))
        meant_for = audience if isinstance(audience, list) else [audience]
        # An identity provider signs other things with the same keys, refresh tokens for one.
        if self._audience not in meant_for or claims.get("token_use", "access") not in ("access", "id"):
            raise Unauthorized("The token is not meant for this service.")


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


def _caller(claims: dict[str, Any]) -> Caller:
    names = (claims.get(claim) for claim in ("username", "cognito:username", "preferred_username", "email", "sub"))
    groups = claims.get("cognito:groups", claims.get("groups", []))
    return Caller(
        subject=claims["sub"],
        name=next(name for name in names if isinstance(name, str) and name),
        groups=frozenset(group for group in groups if isinstance(group, str))
        if isinstance(groups, list)
        else frozenset(),
    )
