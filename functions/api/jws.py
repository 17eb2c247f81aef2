"""Signed tokens (RFC 7515, JWS Compact Serialization) and the keys that verify them (RFC 7517, RFC 7518).

The signatures are checked by `cryptography`. PyJWT takes 50 ms more of a cold start; tests compare this module with it,
algorithm by algorithm.

Which algorithms a key may be used with follows from the key alone, so that a token cannot choose (RFC 8725, section
3.1): `none` and the HMACs have no key here.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

MIN_RSA_BITS = 2048  # RFC 7518, section 3.3

_BASE64URL = re.compile("[A-Za-z0-9_-]*")
_HASHES: dict[str, HashAlgorithm] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
_CURVES: dict[str, tuple[str, ec.EllipticCurve]] = {
    "P-256": ("ES256", ec.SECP256R1()),
    "P-384": ("ES384", ec.SECP384R1()),
    "P-521": ("ES512", ec.SECP521R1()),
}
_RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@dataclass(frozen=True)
class Token:
    """A token taken apart; nothing of it is to be believed before its signature is verified."""

    signed: bytes
    signature: bytes
    header: dict[str, Any]
    claims: dict[str, Any]


def parse(text: str) -> Token:
    """
    Raises:
        ValueError: it is not a JWS of two JSON objects.
    """
    head, body, signature = text.split(".")
    header, claims = json.loads(_bytes(head)), json.loads(_bytes(body))
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("header and claims are JSON objects")
    return Token(f"{head}.{body}".encode(), _bytes(signature), header, claims)


def _bytes(text: object) -> bytes:
    """The bytes of base64url without padding (RFC 7515, section 2)."""
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class PublicKey:
    """A key of the issuer, and the algorithms that it may be used with."""

    def __init__(self, algorithms: tuple[str, ...], key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> None:
        self.algorithms = algorithms
        self._key = key

    @classmethod
    def from_jwk(cls, key: Mapping[str, Any]) -> PublicKey:
        """
        Raises:
            ValueError: it is not a key that signatures of tokens are verified with.
        """
        if key.get("use", "sig") != "sig" or "verify" not in key.get("key_ops", ["verify"]) or "d" in key:
            raise ValueError("the key is for something else")
        algorithms: tuple[str, ...]
        made: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
        if key.get("kty") == "RSA":
            algorithms, made = _RSA_ALGORITHMS, _rsa_key(key)
        elif key.get("kty") == "EC" and key.get("crv") in _CURVES:
            algorithm, curve = _CURVES[key["crv"]]
            algorithms, made = (algorithm,), _ec_key(key, curve)
        else:
            raise ValueError("an unknown type of key")
        if "alg" in key:
            algorithms = tuple(algorithm for algorithm in algorithms if algorithm == key["alg"])
        return cls(algorithms, made)

    def verifies(self, token: Token) -> bool:
        """Whether this key made the token's signature, by an algorithm that the key is for."""
        algorithm = token.header.get("alg")
        # "crit" names extensions that have to be understood; there are none (RFC 7515, section 4.1.11).
        if algorithm not in self.algorithms or "crit" in token.header:
            return False
        try:
            self._verify(str(algorithm), token)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _verify(self, algorithm: str, token: Token) -> None:
        digest = _HASHES[algorithm[2:]]
        if isinstance(self._key, ec.EllipticCurvePublicKey):
            self._key.verify(_der(token.signature, self._key.key_size), token.signed, ec.ECDSA(digest))
        elif algorithm.startswith("PS"):
            salted = padding.PSS(padding.MGF1(digest), digest.digest_size)
            self._key.verify(token.signature, token.signed, salted, digest)
        else:
            self._key.verify(token.signature, token.signed, padding.PKCS1v15(), digest)


def _rsa_key(key: Mapping[str, Any]) -> rsa.RSAPublicKey:
    made = rsa.RSAPublicNumbers(_number(_bytes(key.get("e"))), _number(_bytes(key.get("n")))).public_key()
    if made.key_size < MIN_RSA_BITS:
        raise ValueError("the key is too short")
    return made


def _ec_key(key: Mapping[str, Any], curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    x, y = _number(_bytes(key.get("x"))), _number(_bytes(key.get("y")))
    return ec.EllipticCurvePublicNumbers(x, y, curve).public_key()  # refuses what is not on the curve


def _der(signature: bytes, bits: int) -> bytes:
    """The two numbers of an ECDSA signature (RFC 7518, section 3.4) in the form that `cryptography` takes."""
    half = (bits + 7) // 8
    if len(signature) != 2 * half:
        raise ValueError("a signature of another length")
    return encode_dss_signature(_number(signature[:half]), _number(signature[half:]))


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
