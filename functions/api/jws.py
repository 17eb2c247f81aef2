"""Signed tokens (RFC 7515, JWS Compact Serialization) and the keys that verify them (RFC 7517), by PyJWT.

Which algorithms a key may be used with follows from the key alone, so that a token cannot choose (RFC 8725, section
3.1): `none` and the HMACs have no key here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jwt import PyJWS
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

MIN_RSA_BITS = 2048  # RFC 7518, section 3.3

_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@dataclass(frozen=True)
class Token:
    """A token taken apart; nothing of it is to be believed before its signature is verified."""

    text: str
    header: dict[str, Any]
    claims: dict[str, Any]


def parse(text: str) -> Token:
    """
    Raises:
        ValueError: it is no JWS with two JSON objects.
    """
    try:
        parts = PyJWS().decode_complete(text, options={"verify_signature": False})
    except PyJWTError as error:
        raise ValueError("not a token") from error
    header, claims = parts["header"], json.loads(parts["payload"])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("header and claims are JSON objects")
    return Token(text, header, claims)


class PublicKey:
    """A key of the issuer, and the algorithms that it may be used with."""

    def __init__(self, algorithms: tuple[str, ...], key: Any) -> None:
        self.algorithms = algorithms
        self._key = key

    @classmethod
    def from_jwk(cls, key: Mapping[str, Any]) -> PublicKey:
        """
        Raises:
            ValueError: it is none that signatures of tokens are verified with.
        """
        if key.get("use", "sig") != "sig" or "verify" not in key.get("key_ops", ["verify"]) or "d" in key:
            raise ValueError("the key is for something else")
        algorithms: tuple[str, ...]
        made: Any
        try:
            if key.get("kty") == "RSA":
                algorithms, made = _RSA_ALGORITHMS, RSAAlgorithm.from_jwk(dict(key))
            elif key.get("kty") == "EC" and key.get("crv") in _CURVES:
                algorithms, made = (_CURVES[key["crv"]],), ECAlgorithm.from_jwk(dict(key))
            else:
                raise ValueError("an unknown type of key")
        except (PyJWTError, KeyError, TypeError) as error:
            raise ValueError("the key is broken") from error
        if key["kty"] == "RSA" and made.key_size < MIN_RSA_BITS:
            raise ValueError("the key is too short")
        if "alg" in key:
            algorithms = tuple(algorithm for algorithm in algorithms if algorithm == key["alg"])
        return cls(algorithms, made)

    def verifies(self, token: Token) -> bool:
        """Whether the token bears a signature by this key, made by an algorithm that the key is for."""
        # "crit" names extensions that have to be understood; there are none (RFC 7515, section 4.1.11).
        if token.header.get("alg") not in self.algorithms or "crit" in token.header:
            return False
        try:
            PyJWS().decode(token.text, self._key, algorithms=list(self.algorithms))
        except (PyJWTError, ValueError):
            return False
        return True
