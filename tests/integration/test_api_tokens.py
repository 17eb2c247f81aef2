"""A request speaks for whoever its token names, and for nobody when anything about the token is wrong."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from tests.api_builders import AUDIENCE, Issuer, http_event, load_function
from tests.builders import settings
from waybill.bootstrap import Services

tokens = load_function("api", "tokens")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer().serving() as issuer:
        yield issuer


@pytest.fixture
def me(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """GET /v1/me with an Authorization header."""
    module = load_function("api")
    services = Services(settings("http://127.0.0.1:9", oidc_issuer=issuer.url))
    verifier = tokens.TokenVerifier.from_settings(services.settings)
    monkeypatch.setattr(module, "services", lambda: services)
    monkeypatch.setattr(module, "verifier", lambda: verifier)

    def call(authorization: str | None) -> dict[str, Any]:
        headers = {} if authorization is None else {"authorization": authorization}
        answer: dict[str, Any] = module.handler(http_event("GET", "/v1/me", headers=headers), None)
        return answer

    return call


def oauth(answer: Any) -> str:
    return "OAuth " + base64.b64encode(json.dumps(answer).encode()).decode()


def test_bearer_token_says_who_i_am_and_my_groups(issuer: Issuer, me: Callable[..., dict[str, Any]]) -> None:
    answer = me(f"Bearer {issuer.token('alice', ('sales', 'ops'))}")
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"name": "alice", "subject": "alice-subject", "groups": ["ops", "sales"]}


@pytest.mark.parametrize(
    "claims",
    [
        {"client_id": None, "aud": AUDIENCE, "token_use": "id"},
        {"client_id": None, "aud": ["other", AUDIENCE], "token_use": None},
    ],
)
def test_other_good_tokens(issuer: Issuer, me: Callable[..., dict[str, Any]], claims: dict[str, Any]) -> None:
    assert me(f"bearer {issuer.token(**claims)}")["statusCode"] == 200


def test_clocks_may_differ_by_a_minute(issuer: Issuer, me: Callable[..., dict[str, Any]]) -> None:
    now = int(time.time())
    for claims, status in [({"exp": now - 30}, 200), ({"exp": now - 120}, 401), ({"nbf": now + 600}, 401)]:
        assert me(f"Bearer {issuer.token(**claims)}")["statusCode"] == status, claims


def test_zilliant_sends_the_whole_token_response(issuer: Issuer, me: Callable[..., dict[str, Any]]) -> None:
    header = oauth({"access_token": issuer.token("zoe"), "token_type": "Bearer", "instance_url": "https://x.example"})
    assert json.loads(me(header)["body"])["name"] == "zoe"
    assert json.loads(me(header.rstrip("="))["body"])["name"] == "zoe"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"sub": None},
        {"iss": "https://somebody.else.example"},
        {"client_id": "other-client"},
        {"client_id": None},
        {"aud": "other-client"},
        {"token_use": "refresh"},
    ],
    ids=str,
)
def test_wrong_claims(issuer: Issuer, me: Callable[..., dict[str, Any]], claims: dict[str, Any]) -> None:
    answer = me(f"Bearer {issuer.token(**claims)}")
    assert answer["statusCode"] == 401
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert answer["headers"]["WWW-Authenticate"].startswith("Bearer")
    assert json.loads(answer["body"])["status"] == 401


def signed_with_the_public_key(claims: dict[str, Any], issuer: Issuer) -> str:
    """The classic forgery: HS256 with what everybody knows as its secret."""
    public = issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = {"alg": "HS256", "typ": "JWT", "kid": issuer.key_id}
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{base64url(hmac.digest(public, signed.encode(), 'sha256'))}"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_wrong_headers(issuer: Issuer, me: Callable[..., dict[str, Any]]) -> None:
    good = issuer.token()
    head, body, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    stranger = Issuer()
    stranger.url = issuer.url
    for authorization in (
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {good}",
        good,
        "Bearer not.a.token",
        f"Bearer {head}.{body}.",
        f"Bearer {head}.{body}.{'A' + signature[1:] if signature[0] != 'A' else 'B' + signature[1:]}",
        f"Bearer {jwt.encode(claims, None, 'none', {'kid': issuer.key_id})}",
        f"Bearer {signed_with_the_public_key(claims, issuer)}",
        f"Bearer {stranger.token()}",
        f"OAuth {good}",
        "OAuth %%%",
        oauth("text"),
        oauth({"token": good}),
        oauth({"access_token": 1}),
    ):
        assert me(authorization)["statusCode"] == 401, authorization


def test_new_keys_are_fetched_and_unknown_ones_at_most_once_a_minute() -> None:
    issuer = Issuer()
    fetches: list[float] = []
    now = [0.0]

    def fetch() -> dict[str, Any]:
        fetches.append(now[0])
        return issuer.jwks()

    keys = tokens.KeySet(fetch, lambda: now[0])
    assert keys.get("key-1") is not None
    assert keys.get("key-1") is not None
    assert fetches == [0.0]
    for second in (10.0, 30.0, 70.0, 80.0):
        now[0] = second
        assert keys.get("nonsense") is None
    assert fetches == [0.0, 70.0]
    issuer.rotate()
    now[0] = 200.0
    assert keys.get("key-1'") is not None


def test_known_keys_outlive_an_outage_of_the_issuer() -> None:
    issuer = Issuer()
    now = [0.0]
    down = [False]

    def fetch() -> dict[str, Any]:
        if down[0]:
            raise OSError("unreachable")
        return issuer.jwks()

    keys = tokens.KeySet(fetch, lambda: now[0])
    assert keys.get("key-1") is not None
    down[0], now[0] = True, 10_000.0
    assert keys.get("key-1") is not None


def test_embedded_user_pool_serves_its_keys_itself() -> None:
    pool = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc"
    embedded = settings("http://127.0.0.1:4566", oidc_issuer=pool)
    assert tokens.jwks_url(embedded) == "http://127.0.0.1:4566/us-east-1_abc/.well-known/jwks.json"
    real = settings("", oidc_issuer=pool, aws_endpoint_url=None)
    assert tokens.jwks_url(real) == f"{pool}/.well-known/jwks.json"
