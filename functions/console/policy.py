"""The Content-Security-Policy of the console's page: nothing from elsewhere runs in it; it calls only what it needs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import urllib.request
from functools import cache
from typing import Any

DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of the documentation's pages, which load their search index and nothing else."""

_CALLED = ("token_endpoint", "revocation_endpoint", "jwks_uri")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(?=/|$)")
_METADATA_SECONDS = 3.0
_METADATA_BYTES = 100_000


def page_policy() -> str:
    """The policy. Besides the API, its own address, the console calls the issuer of tokens, and sends files to their
    bucket."""
    files = os.environ.get("AWS_ENDPOINT_URL") or f"https://{os.environ['FILES_HOST']}"
    services = " ".join(sorted({*_issuer_origins(os.environ["OIDC_ISSUER"]), files}))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self' data:; img-src 'self' data:; "
        f"connect-src 'self' {services}; "
        "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
    )


def _issuer_origins(issuer: str) -> set[str]:
    """Where the issuer answers, and where its metadata (OpenID Connect Discovery 1.0) say that it gives out and takes
    back tokens: the user pool does so at the domain of its managed login, which differs between AWS partitions."""
    if "AWS_ENDPOINT_URL" in os.environ and issuer.startswith("https://cognito-idp."):
        return set()  # the embedded AWS is the issuer too
    urls = [issuer]
    with contextlib.suppress(OSError, ValueError):  # the page says that nobody can sign in; the next request asks again
        urls += [str(_metadata(issuer)[name]) for name in _CALLED if name in _metadata(issuer)]
    return {found[0] for url in urls if (found := _ORIGIN.match(url))}


@cache
def _metadata(issuer: str) -> dict[str, Any]:
    # The issuer is a parameter of the stack.
    request = urllib.request.Request(f"{issuer.rstrip('/')}/.well-known/openid-configuration")  # noqa: S310
    with urllib.request.urlopen(request, timeout=_METADATA_SECONDS) as answer:  # noqa: S310  # nosec B310
        document = json.loads(answer.read(_METADATA_BYTES))
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise ValueError("not the metadata of this issuer")
    return document
