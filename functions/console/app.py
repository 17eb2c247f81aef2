"""The web console and the documentation: files that `make console` and `make docs` build, served as they are."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from files import Answer, answer, file_answer, files_in
from policy import DOCS_POLICY, page_policy

STATIC = Path(__file__).with_name("static")
DOCS = Path(__file__).with_name("docs")
HASHED = "assets/"  # the names in this folder change with their content
_NOT_BUILT = "The {} was not built: run `make {}`, then deploy again.\n"
_PLACE = re.compile(r"/(console|docs)(/.*|$)", re.DOTALL)


def handler(event: dict[str, Any], context: Any) -> Answer:
    """Answer one GET below /console or /docs, or of the root, which leads to the console.

    The event and the answer have payload format 2.0 of HTTP APIs.
    """
    found = _PLACE.search(str(event["rawPath"]))  # a proxy may have put anything before it
    if not found:
        return answer(307, headers={"location": f"{_local_root(event)}console/"})
    serve = _docs if found[1] == "docs" else _console
    return serve(event, found[2])


def _console(event: dict[str, Any], path: str) -> Answer:
    """A file of the console, or its page for any of its screens."""
    if not path and not _is_local():
        return answer(308, headers={"location": "console/"})
    name = path.removeprefix("/")
    files = files_in(str(STATIC))
    if "index.html" not in files:
        return _missing(_NOT_BUILT.format("console", "console"))
    if name in files and name != "index.html":
        return file_answer(files, name, event, is_final=name.startswith(HASHED))
    if name.startswith(HASHED):  # an old page asks for what a newer build has replaced
        return _missing("There is no such file.\n")
    # The page's addresses count from the console's root. The embedded AWS takes the slash off /console/, so that there
    # is no way to count; it has one place for an API.
    root = "../" * name.count("/") or "./"
    if not path:
        root = f"{_local_root(event)}console/"
    page = files["index.html"].read_text(encoding="utf-8").replace("<head>", f'<head>\n    <base href="{root}" />', 1)
    headers = {"cache-control": "no-cache", "content-security-policy": page_policy()}
    return answer(200, page.encode(), "text/html; charset=utf-8", headers)


def _docs(event: dict[str, Any], path: str) -> Answer:
    """A file of the documentation; a page also by the name that it has in the repository, `operate.md`."""
    files = files_in(str(DOCS))
    if "index.html" not in files:
        return _missing(_NOT_BUILT.format("documentation", "docs"))
    if not path:
        return answer(307, headers={"location": f"{_local_root(event)}docs/index.html"})
    name = path.removeprefix("/") or "index.html"
    if name not in files:
        name = f"{name.removesuffix('.md')}.html"
    if name not in files:
        return _missing("There is no such page.\n")
    policy = {"content-security-policy": DOCS_POLICY} if name.endswith(".html") else {}
    return file_answer(files, name, event, is_final=name.startswith(HASHED), headers=policy)


def _missing(reason: str) -> Answer:
    return answer(404, reason.encode(), "text/plain; charset=utf-8")


def _is_local() -> bool:
    return "AWS_ENDPOINT_URL" in os.environ


def _local_root(event: dict[str, Any]) -> str:
    """Where the embedded AWS has this API; on AWS addresses are relative."""
    return f"/_aws/execute-api/{event['requestContext']['apiId']}/" if _is_local() else ""
