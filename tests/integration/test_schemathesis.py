"""Schemathesis' coverage of every operation, against the API function in this process.

There are some 8,000 requests in it; through the embedded AWS they take minutes, so that tests/e2e sends others
(`test_contract.py`), which show that a gateway between changes nothing.
"""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.api_builders import ADMIN, EXPORT, Api, http_event
from tests.loopback import loopback_server
from tests.schemathesis import run_schemathesis


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    """The address of an HTTP API that has this function behind all routes."""

    class Gateway(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline or not self.parse_request():
                return
            path, _, query = self.path.partition("?")
            parameters: dict[str, list[str]] = {}
            for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
                parameters.setdefault(name, []).append(value)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            event = http_event(
                self.command,
                urllib.parse.unquote(path, errors="replace"),
                body=content.decode("latin-1") if content else None,
                query={name: ",".join(values) for name, values in parameters.items()},
                raw_query=query,
                headers={name.lower(): value for name, value in self.headers.items()},
            )
            if content:
                event |= {"body": base64.b64encode(content).decode(), "isBase64Encoded": True}
            answer = handler(event, None)
            self.send_response(answer["statusCode"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            content = answer.get("body", "").encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

    with loopback_server(Gateway, HTTPServer) as address:
        yield address


@pytest.mark.slow
@pytest.mark.usefixtures("tester")
def test_coverage_of_every_operation_finds_nothing(api: Api, tmp_path: Path) -> None:
    ids: dict[str, list[str]] = {"exports": [], "uploads": [], "jobs": []}
    for name in ("contacts", "orders"):
        api.put_contacts(name)
        daily = {"schedule": {"time": "02:30", "timezone": "UTC"}, "destination": {"kind": "s3"}}
        for more in ({"type": "ONE_SHOT"}, {"type": "PERIODIC_FULL", **daily}):
            definition = EXPORT | {"entity": name} | more
            ids["exports"].append(api("POST", "/exports", ADMIN, body=definition).json["exportId"])
        ids["uploads"] += [api.upload(ADMIN) for _ in range(3)]
        ids["jobs"].append(api.add_finished(entity=name).job_id)
    assert api("POST", f"/exports/{ids['exports'][1]}/activate", ADMIN).status == 200
    with serving(api.module.handler) as url:
        run_schemathesis(url, api.issuer.token(**ADMIN), tmp_path, phases="examples,coverage", ids=ids)
