"""Signatures of Standard Webhooks (https://www.standardwebhooks.com, specification 1.0.0, "Symmetric"). Pure.

The signed text is `{id}.{timestamp}.{body}`; its HMAC-SHA256 stands in the header as `v1,{base64}`, once for each key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

PREFIX = "whsec_"
MAX_SECRETS = 2
"""Two while a secret is replaced: the new one, and the one that receivers still have."""
LEAST_BYTES, MOST_BYTES = 24, 64


def keys_of(secret: Mapping[str, Any]) -> list[bytes]:
    """The keys in `{"signingSecrets": ["whsec_…"]}`.

    Raises:
        ValueError: says what is wrong, and nothing of the secret.
    """
    given = secret.get("signingSecrets")
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_SECRETS:
        raise ValueError(f"The secret's member signingSecrets must be a list of 1 to {MAX_SECRETS} texts.")
    return [_key(text) for text in given]


def _key(text: object) -> bytes:
    problem = f"Each of signingSecrets must be {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in base64."
    if not isinstance(text, str) or not text.startswith(PREFIX):
        raise ValueError(problem)
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise ValueError(problem) from None
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(problem)
    return key


def headers(keys: Sequence[bytes], webhook_id: str, timestamp: int, body: str) -> dict[str, str]:
    """The three headers of a message.

    Args:
        timestamp: of the attempt, in seconds since the epoch.
    """
    signed = f"{webhook_id}.{timestamp}.{body}".encode()
    signatures = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
