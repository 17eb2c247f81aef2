"""The web console: the files that `make console` builds into `static/`, and index.html for the screens in it."""

from __future__ import annotations

import base64
import mimetypes
import os
from functools import cache
from pathlib import Path
from typing import Any

from policy import page_policy

STATIC = Path(__file__).with_name("static")
HASHED = "assets/"  # the names in this folder change with their content
ENCODINGS = {"br": ".br", "gzip": ".gz"}  # best first; the build writes them
_NOT_BUILT = "The console was not built: run `make console`, then deploy again.\n"
_TYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml", ".css": "text/css"}

Answer = dict[str, Any]


def handler(event: dict[str, Any], context: Any) -> Answer:
    """Answer one GET below /console, or of the root, which leads there (HTTP API, payload format 2.0)."""
    _, found, path = str(event["rawPath"]).partition("/console")
    if not found:
        local = f"{_local_root(event)}console/" if "AWS_ENDPOINT_URL" in os.environ else "console/"
        return _answer(307, headers={"location": local})
    if not path and "AWS_ENDPOINT_URL" not in os.environ:
        return _answer(308, headers={"location": "console/"})  # relative: a proxy may have put anything before it
    name = path.removeprefix("/")
    files = _files(str(STATIC))
    if "index.html" not in files:
        return _answer(404, _NOT_BUILT.encode(), "text/plain; charset=utf-8")
    if name in files and name != "index.html":
        accepted = event.get("headers", {}).get("accept-encoding", "")
        return _file(files, name, accepted)
    if name.startswith(HASHED):  # an old page asks for what a newer build has replaced
        return _answer(404, b"There is no such file.\n", "text/plain; charset=utf-8")
    # The page's addresses count from the console's root. The embedded AWS takes the slash off /console/, so that there
    # is no way to count; it has one place for an API.
    root = "../" * name.count("/") or "./"
    if not path:
        root = f"{_local_root(event)}console/"
    return _page(files["index.html"], root)


def _local_root(event: dict[str, Any]) -> str:
    """Where the embedded AWS has this API."""
    return f"/_aws/execute-api/{event['requestContext']['apiId']}/"


@cache
def _files(folder: str) -> dict[str, Path]:
    """Name → file of all there is to serve. Paths are only looked up here: none leads out of the folder."""
    root = Path(folder)
    return {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}


def _page(path: Path, root: str) -> Answer:
    """index.html, for any screen of a console whose root is there."""
    page = path.read_text(encoding="utf-8").replace("<head>", f'<head>\n    <base href="{root}" />', 1)
    headers = {"cache-control": "no-cache", "content-security-policy": page_policy()}
    return _answer(200, page.encode(), "text/html; charset=utf-8", headers)


def _file(files: dict[str, Path], name: str, accepted: str) -> Answer:
    headers = {"cache-control": "no-cache", "vary": "accept-encoding"}
    if name.startswith(HASHED):
        headers["cache-control"] = "public, max-age=31536000, immutable"
    path = files[name]
    wanted = {part.partition(";")[0].strip() for part in accepted.split(",")}
    for encoding, suffix in ENCODINGS.items():
        if encoding in wanted and name + suffix in files:
            path = files[name + suffix]
            headers["content-encoding"] = encoding
            break
    kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return _answer(200, path.read_bytes(), kind, headers)


def _answer(status: int, body: bytes = b"", content_type: str = "text/plain", headers: Answer | None = None) -> Answer:
    return {
        "statusCode": status,
        "headers": {"content-type": content_type, **_SECURITY_HEADERS, **(headers or {})},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


_SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",  # of files that are no page
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
