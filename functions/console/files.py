"""Answers with files: compressed where the browser takes that, and with the headers that every answer has."""

from __future__ import annotations

import base64
import mimetypes
from functools import cache
from pathlib import Path
from typing import Any

ENCODINGS = {"br": ".br", "gzip": ".gz"}  # best first; the builds write them
_TYPES = {
    ".js": "text/javascript",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
}
_SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",  # of files that are no page
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}

Answer = dict[str, Any]


@cache
def files_in(folder: str) -> dict[str, Path]:
    """Name → file of all there is to serve. Paths are only looked up here: none leads out of the folder."""
    root = Path(folder)
    return {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}


def file_answer(
    files: dict[str, Path], name: str, event: dict[str, Any], *, is_final: bool, headers: Answer | None = None
) -> Answer:
    """A file. One that is final has a name that changes with its content, and is kept for good."""
    caching = "public, max-age=31536000, immutable" if is_final else "no-cache"
    sent = {"cache-control": caching, "vary": "accept-encoding", **(headers or {})}
    path = files[name]
    accepted = event.get("headers", {}).get("accept-encoding", "")
    wanted = {part.partition(";")[0].strip() for part in accepted.split(",")}
    for encoding, suffix in ENCODINGS.items():
        if encoding in wanted and name + suffix in files:
            path = files[name + suffix]
            sent["content-encoding"] = encoding
            break
    kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return answer(200, path.read_bytes(), kind, sent)


def answer(status: int, body: bytes = b"", content_type: str = "text/plain", headers: Answer | None = None) -> Answer:
    """An answer of the API (payload format 2.0)."""
    return {
        "statusCode": status,
        "headers": {"content-type": content_type, **_SECURITY_HEADERS, **(headers or {})},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
