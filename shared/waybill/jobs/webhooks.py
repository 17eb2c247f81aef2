"""Which addresses are told of the end of a job, and how the secret is named with which that is signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from waybill.hosts import AllowedHosts, is_host_name, is_ip_address, refused_literal
from waybill.validation import Problems, refuse_unknown, secret_id_problem

MAX_WEBHOOKS = 5
"""Of one definition, or one import."""
MAX_URL, MAX_SECRET_ID = 1_000, 512

Document = dict[str, str]
"""`{"url", "secretId"}`, as definitions hold it."""


@dataclass(frozen=True)
class Webhook:
    """Where the end of a job is told, and which secret signs it."""

    url: str
    secret_id: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    @property
    def authority(self) -> str:
        """Host and port, as the address spells them."""
        return urlsplit(self.url).netloc

    @property
    def server(self) -> str:
        """Host and port, the same for each spelling of them."""
        return f"{self.host.removesuffix('.')}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query, as a request names them."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(document["url"], document["secretId"])


def check_webhooks(
    value: object, allowed: AllowedHosts, problems: Problems, path: str = "/webhooks"
) -> tuple[Document, ...]:
    """The member `webhooks` of a definition or an import. A null counts as left out. Looks no name up.

    Args:
        value: the decoded JSON.
        allowed: hosts that may be called although they are not public.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_WEBHOOKS:
        problems.append((path, f"must be a list of at most {MAX_WEBHOOKS} objects with url and secretId"))
        return ()
    found: dict[str, Document] = {}
    for position, each in enumerate(value):
        webhook = check_webhook(each, allowed, problems, f"{path}/{position}")
        if webhook is None:
            continue
        if webhook["url"] in found:
            problems.append((f"{path}/{position}/url", "names an address a second time"))
        found[webhook["url"]] = webhook
    return tuple(found.values())


def check_webhook(value: object, allowed: AllowedHosts, problems: Problems, path: str) -> Document | None:
    """One webhook; None when it is wrong."""
    if not isinstance(value, Mapping):
        problems.append((path, "must be an object with url and secretId"))
        return None
    known = len(problems)
    refuse_unknown(value, ("url", "secretId"), path, problems)
    if (problem := _url_problem(value.get("url"), allowed)) is not None:
        problems.append((f"{path}/url", problem))
    if (problem := secret_id_problem(value.get("secretId"), MAX_SECRET_ID)) is not None:
        problems.append((f"{path}/secretId", problem))
    return {"url": value["url"], "secretId": value["secretId"]} if len(problems) == known else None


def _url_problem(url: object, allowed: AllowedHosts) -> str | None:
    if not isinstance(url, str) or not url.startswith("https://") or len(url) > MAX_URL:
        return f"must be an address that begins with https://, of at most {MAX_URL} characters"
    if not all("!" <= character <= "~" for character in url) or "\\" in url:
        return "must have ASCII characters without blanks; others are written as %20"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "has a host or a port that cannot be read"
    if "@" in parts.netloc or "#" in url:
        return "must have neither a user name nor a part behind #"
    if port == 0 or not (is_host_name(host) or is_ip_address(host) or allowed.has_name(host)):
        return "must name a host, such as hooks.example.com"
    problem = refused_literal(host, allowed)
    return None if problem is None else f"names a host that {problem}"
