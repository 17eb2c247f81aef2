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
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.api_builders import AUDIENCE, Issuer, http_event, load_function
from tests.builders import settings
from waybill.aws.documents import DocumentUnavailable, get_json
from waybill.bootstrap import Services
from waybill.jobs import machine_clients

tokens = load_function("api", "tokens")
jws = load_function("api", "jws")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer().serving() as issuer:
        yield issuer


@pytest.fixture
def me(issuer: Issuer, function: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """GET /v1/me with an Authorization header."""
    services = Services(
        settings(
            "http://127.0.0.1:9",
            oidc_issuer=issuer.url,
            user_pool_id="us-east-1_test",
            machine_clients='{"nightly": ["ops"], "sub:c0ffee": ["sales"]}',
        )
    )
    # What is left to the caller is kept in a table, which knows nothing of them.
    monkeypatch.setattr(services.dynamodb, "call", lambda operation, request: {})
    verifier = tokens.TokenVerifier.from_settings(services.settings)
    monkeypatch.setattr(function, "services", lambda: services)
    monkeypatch.setattr(function, "verifier", lambda: verifier)

    def call(authorization: str | None) -> dict[str, Any]:
        headers = {} if authorization is None else {"authorization": authorization}
        answer: dict[str, Any] = function.handler(http_event("GET", "/v1/me", headers=headers), None)
        return answer

    return call


def oauth(answer: Any) -> str:
    return "OAuth " + base64.b64encode(json.dumps(answer).encode()).decode()


def test_bearer_token_says_who_i_am_and_my_groups(issuer: Issuer, me: Callable[..., dict[str, Any]]) -> None:
    answer = me(f"Bearer {issuer.token('alice', ('sales', 'ops'))}")
    assert answer["statusCode"] == 200
    said = json.loads(answer["body"])
    assert (said["name"], said["subject"], said["groups"]) == ("alice", "alice-subject", ["ops", "sales"])


@pytest.mark.parametrize(
    "claims",
    [
        {"client_id": None, "aud": AUDIENCE, "token_use": None},
        {"client_id": None, "aud": AUDIENCE, "token_use": "id"},
        {"client_id": None, "aud": ["other", AUDIENCE], "token_use": None},
        {"iat": None, "nbf": 0},
        {"exp": 4_102_444_800.5},  # a NumericDate may have a fraction (RFC 7519, section 2)
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
        {"aud": []},
        {"aud": {"a": 1}},
        {"exp": "4102444800"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": "soon"},
        {"iat": 4102444800},
        {"sub": ""},
        {"sub": 7},
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
        f"Bearer {head}.{body}.{signature}=",
        f"Bearer {head}.{body}.{signature}.x",
        f"Bearer {base64url(b'[]')}.{body}.{signature}",
        f"Bearer {base64url(b'{')}.{body}.{signature}",
        f"Bearer {base64url(b'[' * 5000)}.{body}.{signature}",
        f"Bearer {base64url(json.dumps({'alg': 'RS256', 'kid': 7}).encode())}.{body}.{signature}",
        f"Bearer {base64url(json.dumps({'alg': ['RS256'], 'kid': issuer.key_id}).encode())}.{body}.{signature}",
        f"Bearer {jwt.encode(claims, issuer.key, 'RS256', {'kid': issuer.key_id, 'crit': ['b64']})}",
        f"Bearer {jwt.encode(claims, issuer.key, 'RS512', {'kid': issuer.key_id})}",  # the key says RS256
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


class Keys:
    """A key set with a clock, and an issuer that can be down."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.now = 0.0
        self.is_down = False
        self.fetches: list[float] = []
        self.keys = tokens.KeySet(self._fetch, self)

    def monotonic(self) -> float:
        return self.now

    def _fetch(self) -> dict[str, Any]:
        self.fetches.append(self.now)
        if self.is_down:
            raise DocumentUnavailable("down")
        return self.issuer.jwks()

    def has(self, second: float, key_id: str | None) -> bool:
        self.now = second
        return self.keys.get(key_id) is not None


def test_new_keys_are_fetched_and_unknown_ones_at_most_once_a_minute() -> None:
    keys = Keys(Issuer())
    assert keys.has(0, "key-1")
    assert keys.has(1, "key-1")
    assert keys.has(2, None)  # the only one
    assert keys.fetches == [0]
    for second in (10, 30, 70, 80):
        assert not keys.has(second, "nonsense")
    assert keys.fetches == [0, 70]
    keys.issuer.rotate()
    assert keys.has(200, "key-1'")
    assert not keys.has(201, "key-1")


def test_a_key_that_was_taken_back_is_good_for_an_hour_at_most() -> None:
    keys = Keys(Issuer())
    assert keys.has(0, "key-1")
    keys.issuer.rotate()
    assert keys.has(3600, "key-1")
    assert not keys.has(3601, "key-1")


def test_known_keys_outlive_an_outage_of_the_issuer() -> None:
    keys = Keys(Issuer())
    assert keys.has(0, "key-1")
    keys.is_down = True
    assert keys.has(10_000, "key-1")
    assert keys.has(10_001, "key-1")
    assert keys.fetches == [0, 10_000]
    with pytest.raises(DocumentUnavailable):  # perhaps a new one: nobody can tell
        keys.has(10_002, "key-2")
    assert keys.fetches == [0, 10_000]
    keys.is_down = False
    assert not keys.has(10_100, "key-2")


def test_an_outage_before_the_first_key_is_asked_about_every_five_seconds() -> None:
    keys = Keys(Issuer())
    keys.is_down = True
    for second in (0, 1, 4, 5, 6):
        with pytest.raises(DocumentUnavailable):
            keys.has(second, "key-1")
    assert keys.fetches == [0, 5]
    keys.is_down = False
    assert keys.has(10, "key-1")


def test_an_outage_of_the_issuer_is_no_fault_of_the_token(me: Callable[..., dict[str, Any]], issuer: Issuer) -> None:
    issuer.is_down = True
    try:
        answer = me(f"Bearer {issuer.token()}")
    finally:
        issuer.is_down = False
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (503, "application/problem+json")
    assert me("Bearer nonsense")["statusCode"] == 401


@pytest.mark.parametrize(
    "document",
    [{}, {"keys": {}}, {"keys": []}, {"keys": [1, None, {}]}, {"keys": [{"kid": "key-1", "kty": "oct", "k": "AAAA"}]}],
    ids=str,
)
def test_keys_that_cannot_be_used_are_none(document: dict[str, Any]) -> None:
    with pytest.raises(DocumentUnavailable):
        tokens.KeySet(lambda: document).get("key-1")


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "oct"},
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"n": "AQAB"},
        {"e": None},
        {"n": "="},
        {"alg": "HS256"},
    ],
    ids=str,
)
def test_a_key_of_another_kind_verifies_nothing(issuer: Issuer, change: dict[str, Any]) -> None:
    (good,) = issuer.jwks()["keys"]
    token = jws.parse(issuer.token())
    assert jws.PublicKey.from_jwk(good).verifies(token)
    try:
        key = jws.PublicKey.from_jwk(good | change)
    except ValueError:
        return
    assert not key.verifies(token)


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEYS = {
    name: ec.generate_private_key(curve)
    for name, curve in [
        ("ES256", ec.SECP256R1()),
        ("ES384", ec.SECP384R1()),
        ("ES512", ec.SECP521R1()),
    ]
}


def jwk_of(algorithm: str) -> tuple[Any, dict[str, Any]]:
    """(private key, public JWK without `alg`) as PyJWT makes it."""
    if algorithm.startswith("ES"):
        key = EC_KEYS[algorithm]
        return key, {**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": algorithm}
    return RSA_KEY, {**jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "RSA"}


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"])
def test_every_algorithm_as_pyjwt_signs_it(algorithm: str) -> None:
    private, public = jwk_of(algorithm)
    key = jws.PublicKey.from_jwk(public)

    def verifies(text: str) -> bool:
        try:
            return bool(key.verifies(jws.parse(text)))
        except ValueError:
            return False

    signed = jwt.encode({"sub": "a"}, private, algorithm)
    head, body, signature = signed.split(".")
    assert key.verifies(jws.parse(signed))
    assert jws.PublicKey.from_jwk(public | {"alg": algorithm}).verifies(jws.parse(signed))
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    for wrong in (
        raw[:-1],
        raw + b"0",
        bytes([raw[0] ^ 1]) + raw[1:],
        raw[:-1] + bytes([raw[-1] ^ 1]),
        b"0" * len(raw),
    ):
        assert not verifies(f"{head}.{body}.{base64url(wrong)}")
    assert not verifies(f"{head}.{base64url(b'{}')}.{signature}")
    for other in ("none", "HS256", "RS256" if algorithm.startswith("ES") else "ES256", None):
        header = base64url(json.dumps({"alg": other}).encode())
        assert not verifies(f"{header}.{body}.{signature}")
    for header in ({"alg": algorithm, "crit": []}, {}):
        assert not verifies(f"{base64url(json.dumps(header).encode())}.{body}.{signature}")


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"cognito:groups": ["ops", "sales"]}, ["ops", "sales"]),
        ({"groups": ["ops"]}, ["ops"]),
        ({"groups": "ops"}, ["ops"]),
        ({"groups": "ops admin,admin"}, ["ops admin,admin"]),
        ({}, []),
        ({"groups": ["ops", 7, None, "", {"admin": True}]}, ["ops"]),
        ({"groups": {"admin": True}}, []),
        ({"cognito:groups": [], "groups": ["admin"]}, []),  # the pool's own claim counts
    ],
    ids=str,
)
def test_shapes_of_groups(
    issuer: Issuer, me: Callable[..., dict[str, Any]], claims: dict[str, Any], groups: list[str]
) -> None:
    given = jws.parse(issuer.token(**{"cognito:groups": None})).claims | claims
    answer = me(f"Bearer {jwt.encode(given, issuer.key, 'RS256', {'kid': issuer.key_id})}")
    assert (answer["statusCode"], json.loads(answer["body"])["groups"]) == (200, groups)


# Machine clients

# As Cognito writes what `client_credentials` gives: no audience, no user name, no groups.
COGNITO_MACHINE: dict[str, Any] = {
    "sub": "nightly",
    "client_id": "nightly",
    "scope": "other/read waybill/api",
    "username": None,
    "cognito:groups": None,
}
OUTSIDE: dict[str, Any] = {"token_use": None, "username": None, "cognito:groups": None, "aud": AUDIENCE}


@pytest.mark.parametrize(
    ("claims", "name", "groups"),
    [
        (COGNITO_MACHINE, "client:nightly", ["ops"]),
        (OUTSIDE | {"sub": "nightly", "client_id": "nightly"}, "client:nightly", ["ops"]),  # RFC 9068
        (OUTSIDE | {"sub": "nightly@clients", "client_id": None, "azp": "nightly"}, "client:nightly", ["ops"]),  # Auth0
        (OUTSIDE | {"sub": "nightly", "client_id": None, "cid": "nightly"}, "client:nightly", ["ops"]),  # Okta
        (OUTSIDE | {"sub": "c0ffee", "client_id": None, "azp": "b1b2"}, "client:sub:c0ffee", ["sales"]),  # Keycloak
    ],
    ids=["Cognito", "RFC 9068", "Auth0", "Okta", "by subject"],
)
def test_a_program_speaks_for_itself_with_the_groups_that_the_parameter_gives_it(
    issuer: Issuer, me: Callable[..., dict[str, Any]], claims: dict[str, Any], name: str, groups: list[str]
) -> None:
    answer = me(f"Bearer {issuer.token(**claims)}")
    assert answer["statusCode"] == 200, answer["body"]
    said = json.loads(answer["body"])
    assert (said["name"], said["subject"], said["groups"]) == (name, name, groups)


@pytest.mark.parametrize(
    "claims",
    [
        COGNITO_MACHINE | {"sub": "unknown", "client_id": "unknown"},
        COGNITO_MACHINE | {"cognito:groups": ["admin"], "sub": "unknown", "client_id": "unknown"},
        COGNITO_MACHINE | {"scope": "other/read"},  # a token for another service, which it could send on to this one
        COGNITO_MACHINE | {"scope": None},
        COGNITO_MACHINE | {"token_use": "id"},
        COGNITO_MACHINE | {"iss": "https://somebody.else.example"},
        OUTSIDE | {"sub": "nightly", "client_id": "nightly", "aud": "other"},
        OUTSIDE | {"sub": "nightly", "client_id": "nightly", "aud": None},
        OUTSIDE | {"sub": "unknown", "azp": "unknown", "client_id": None},
    ],
    ids=str,
)
def test_other_programs_and_tokens_for_other_services_are_refused(
    issuer: Issuer, me: Callable[..., dict[str, Any]], claims: dict[str, Any]
) -> None:
    assert me(f"Bearer {issuer.token(**claims)}")["statusCode"] == 401


def test_nobody_gets_a_programs_groups_by_using_its_client_or_its_name(
    issuer: Issuer, me: Callable[..., dict[str, Any]]
) -> None:
    for claims in (
        {"client_id": None, "azp": "nightly", "aud": AUDIENCE},
        {"username": "client:nightly"},
        {"username": "nightly"},
    ):
        person = json.loads(me(f"Bearer {issuer.token('eve', **claims)}")["body"])
        assert (person["subject"], person["groups"]) == ("eve-subject", []), claims
        assert not person["name"].startswith("client:")
    for subject in ("client:nightly", "sub:c0ffee", "client:sub:c0ffee"):
        answer = me(f"Bearer {issuer.token('eve', sub=subject)}")
        assert answer["statusCode"] == 401 or json.loads(answer["body"])["groups"] == [], subject


@pytest.mark.parametrize("text", ["[]", "{", '{"a": "ops"}', '{"a": [1]}', '{"a": [""]}', '"a"'])
def test_a_map_of_machine_clients_that_is_none_is_refused_whole(text: str) -> None:
    with pytest.raises(ValueError):
        machine_clients.parse(text)


# Where the keys are


def test_metadata_of_an_issuer_say_where_its_keys_are(issuer: Issuer) -> None:
    wanted = settings(None, oidc_issuer=issuer.url)
    assert tokens.fetch_keys(wanted) == issuer.jwks()  # no metadata: at Cognito's place
    try:
        issuer.metadata = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
        assert tokens.fetch_keys(wanted) == issuer.jwks()
        for metadata in ({"issuer": "https://other", "jwks_uri": f"{issuer.url}/keys"}, {"issuer": issuer.url}, {}):
            issuer.metadata = metadata
            with pytest.raises(DocumentUnavailable):
                tokens.fetch_keys(wanted)
        issuer.is_down = True
        with pytest.raises(DocumentUnavailable):
            tokens.fetch_keys(wanted)
    finally:
        issuer.metadata, issuer.is_down = None, False


@pytest.mark.parametrize(
    ("endpoint", "asked"),
    [
        ("http://127.0.0.1:4566", "http://127.0.0.1:4566/us-east-1_abc/.well-known/jwks.json"),
        (None, "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc/.well-known/jwks.json"),
    ],
)
def test_a_user_pool_has_its_keys_at_a_known_place(
    endpoint: str | None, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls: list[str] = []
    monkeypatch.setattr(tokens, "get_json", lambda url, timeout: urls.append(url) or {})
    pool = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc"
    tokens.fetch_keys(settings(endpoint, oidc_issuer=pool))
    assert urls == [asked]


def test_documents_that_are_none(issuer: Issuer) -> None:
    assert get_json(f"{issuer.url}/keys", 5.0) == issuer.jwks()
    for url in (f"{issuer.url}/nothing", "http://127.0.0.1:9/x", "file:///etc/hosts", "ftp://127.0.0.1/x", "nonsense"):
        with pytest.raises(DocumentUnavailable):
            get_json(url, 5.0)
