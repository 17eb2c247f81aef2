"""Signed tokens (RFC 7515, JWS Compact Serialization) and the keys that verify them (RFC 7517).

The cryptography is the library `cryptography`; this is the frame around it. PyJWT would do the same for 0.2 s more of
start-up, a quarter of what a function with boto3 takes; the tests hold this module against it.

Which algorithms a key may be used with follows from the key alone, so that a token cannot choose (RFC 8725, section
3.1): `none` and the HMACs have no key here.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MIN_RSA_BITS = 2048  # RFC 7518, section 3.3

_BASE64URL = re.compile("[A-Za-z0-9_-]+")
_CURVES = {"P-256": ("ES256", 32), "P-384": ("ES384", 48), "P-521": ("ES512", 66)}
_RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@dataclass(frozen=True)
class Token:
    """A token taken apart; nothing of it is to be believed before its signature is verified."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def parse(text: str) -> Token:
    """
    Raises:
        ValueError: it is no JWS with two JSON objects.
    """
    head, body, signature = text.split(".")
    header, claims = json.loads(decode(head)), json.loads(decode(body))
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("header and claims are JSON objects")
    return Token(header, claims, f"{head}.{body}".encode(), decode(signature))


def decode(text: str) -> bytes:
    """Base64url without padding (RFC 7515, section 2).

    Raises:
        ValueError
    """
    if not _BASE64URL.fullmatch(text):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class PublicKey:
    """A key of the issuer, and the algorithms that it may be used with."""

    def __init__(self, algorithms: tuple[str, ...], check: Callable[[str, bytes, bytes], None]) -> None:
        self.algorithms = algorithms
        self._check = check

    @classmethod
    def from_jwk(cls, key: Mapping[str, Any]) -> PublicKey:
        """
        Raises:
            ValueError: it is none that signatures of tokens are verified with.
        """
        if key.get("use", "sig") != "sig" or "verify" not in key.get("key_ops", ["verify"]):
            raise ValueError("the key is for something else")
        algorithms: tuple[str, ...]
        if key.get("kty") == "RSA":
            algorithms, check = _RSA_ALGORITHMS, _rsa(_number(key, "n"), _number(key, "e"))
        elif key.get("kty") == "EC" and key.get("crv") in _CURVES:
            algorithm, size = _CURVES[key["crv"]]
            algorithms, check = (algorithm,), _elliptic(size, _number(key, "x"), _number(key, "y"))
        else:
            raise ValueError("an unknown type of key")
        if "alg" in key:
            algorithms = tuple(algorithm for algorithm in algorithms if algorithm == key["alg"])
        return cls(algorithms, check)

    def verifies(self, token: Token) -> bool:
        """Whether the token bears a signature by this key, made by an algorithm that the key is for."""
        from cryptography.exceptions import InvalidSignature

        algorithm = token.header.get("alg")
        # "crit" names extensions that have to be understood; there are none (RFC 7515, section 4.1.11).
        if algorithm not in self.algorithms or "crit" in token.header:
            return False
        try:
            self._check(str(algorithm), token.signature, token.signed)
        except (InvalidSignature, ValueError):
            return False
        return True


def _number(key: Mapping[str, Any], name: str) -> int:
    value = key.get(name)
    if not isinstance(value, str):
        raise ValueError(f"the key has no {name}")
    return int.from_bytes(decode(value))


def _rsa(modulus: int, exponent: int) -> Callable[[str, bytes, bytes], None]:
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    public = RSAPublicNumbers(exponent, modulus).public_key()
    if public.key_size < MIN_RSA_BITS:
        raise ValueError("the key is too short")

    def check(algorithm: str, signature: bytes, signed: bytes) -> None:
        digest = _hash(algorithm)
        # RFC 7518, sections 3.3 and 3.5: the salt is as long as the hash.
        padding = PKCS1v15() if algorithm.startswith("RS") else PSS(MGF1(digest), digest.digest_size)
        public.verify(signature, signed, padding, digest)

    return check


def _elliptic(size: int, x: int, y: int) -> Callable[[str, bytes, bytes], None]:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    curves: dict[int, ec.EllipticCurve] = {32: ec.SECP256R1(), 48: ec.SECP384R1(), 66: ec.SECP521R1()}
    public = ec.EllipticCurvePublicNumbers(x, y, curves[size]).public_key()

    def check(algorithm: str, signature: bytes, signed: bytes) -> None:
        if len(signature) != 2 * size:  # R and S side by side (RFC 7518, section 3.4)
            raise ValueError("not a signature of this curve")
        r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
        public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_hash(algorithm)))

    return check


def _hash(algorithm: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    known: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
    return known[algorithm[2:]]
