"""Waybill's HTTP API, as the commands use it."""

from __future__ import annotations

import contextlib
import email.utils
import io
import os
import re
import sys
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from waybill_cli.downloads import Downloaded, copy, final_path, save
from waybill_cli.failures import Failure, Refusal, Unreachable, UsageFailure
from waybill_cli.profile import Connection
from waybill_cli.signin import SignIn

PAGE_ITEMS = 100  # the most that the API returns at once
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
UPLOAD_TIMEOUT = httpx.Timeout(300.0, connect=10.0)  # S3 answers once it has stored the whole file
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0)
#: A request that is to be sent again only later than that is not waited for. A minute has a new share of previews.
MAX_WAIT_SECONDS = 60.0
TOLD_FROM_SECONDS = 5.0
_BUSY = frozenset({429, 502, 503, 504})
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

Progressed = Callable[[int, int | None], None]  # bytes so far, bytes in all


class Api:
    """One connection to the API. Refusals are raised as `Refusal`."""

    def __init__(self, connection: Connection, user: str | None) -> None:
        self.connection = connection
        # A proxy named by the environment cannot reach the loopback of this machine.
        mounts: dict[str, httpx.BaseTransport | None] = {f"all://{host}": None for host in _LOOPBACK}
        headers = {"User-Agent": "waybill-cli", "Accept": "application/json"}
        self._http = httpx.Client(timeout=TIMEOUT, mounts=mounts, headers=headers)
        self.sign_in = SignIn(self._http, connection, user, self._auth_config)
        self._reached = False

    def close(self) -> None:
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str | int | None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request with the caller's token. Responses other than 2xx, 303 and 304 are raised.

        Args:
            path: after `/v1`, from `path_of`.
            query: members that are None are left out.

        Raises:
            Refusal, Unreachable, Failure
        """
        given = dict(headers or {})

        def build() -> httpx.Request:
            return self._http.build_request(
                method,
                f"{self.connection.api_url}/v1{path}",
                json=body,
                params={name: value for name, value in (query or {}).items() if value is not None},
                headers={**given, "Authorization": f"Bearer {self.sign_in.token()}"},
            )

        repeatable = method in ("GET", "PUT") or "Idempotency-Key" in given
        response = self._send(build, repeatable=repeatable)
        if response.status_code == 401 and self.sign_in.renew():
            response = self._send(build, repeatable=repeatable)
        if not response.is_success and response.status_code not in (303, 304):
            raise refusal(response)
        return response

    def get(self, path: str, **query: str | int | None) -> dict[str, Any]:
        return decode(self.request("GET", path, query=query))

    def post(self, path: str, body: Any = None, *, once: bool = False) -> httpx.Response:
        """POST a body. With `once`, for a route that honours `Idempotency-Key`, the request is repeated after a broken
        connection, and has its effect once."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if once else None
        return self.request("POST", path, body=body, headers=headers)

    def pages(self, path: str, limit: int | None, **query: str | int | None) -> Iterator[dict[str, Any]]:
        """The pages of a list, up to `limit` items. A page may be short, because filters apply after the read."""
        token: str | None = None
        left = limit
        while True:
            size = PAGE_ITEMS if left is None else min(PAGE_ITEMS, left)
            page = self.get(path, limit=size, nextToken=token, **query)
            yield page
            token = page.get("nextToken")
            left = None if left is None else left - len(page["items"])
            if token is None or (left is not None and left <= 0):
                return

    def send_form(self, url: str, fields: Mapping[str, str], source: Path, progressed: Progressed) -> None:
        """Send a file to the presigned form of `POST /v1/uploads`, straight from disk.

        Raises:
            Refusal, Unreachable, UsageFailure
        """
        try:
            with _CountedFile(source, progressed) as file:
                # S3 ignores fields after the file, so the file comes last.
                response = self._send(
                    lambda: self._http.build_request(
                        "POST",
                        url,
                        data=dict(fields),
                        files={"file": (fields.get("key", "source"), file, "application/octet-stream")},
                        extensions={"timeout": UPLOAD_TIMEOUT.as_dict()},
                    ),
                    repeatable=True,
                )
        except OSError as error:
            raise UsageFailure(f"Cannot read {source}: {error.strerror}.") from None
        if not response.is_success and response.status_code != 303:
            raise refusal(response)

    def download(
        self, path: str, target: Path | BinaryIO | None, progressed: Progressed, **query: str | int | None
    ) -> Downloaded:
        """Download the file that a route redirects to (303), or answers with.

        Args:
            target: a file, a folder, an open stream, or None for the file's own name in the current folder, where
                an existing file is not overwritten. A file appears under its name once it is complete.

        Raises:
            Refusal, Unreachable, UsageFailure
        """
        answer = self.request("GET", path, query=query)
        location = answer.headers.get("Location")
        disposition = answer.headers.get("Content-Disposition")
        if not location and disposition:
            if target is None or isinstance(target, Path):
                return save(iter([answer.content]), final_path(target, disposition))
            return copy(iter([answer.content]), target.write, None)
        if not location:
            raise Failure("The service returned no download address.", "try again")
        # Without the bearer token: S3 refuses a presigned address with a second credential.
        request = self._http.build_request("GET", location, headers={"Accept": "*/*", "Accept-Encoding": "identity"})
        try:
            with contextlib.closing(self._http.send(request, stream=True)) as response:
                if not response.is_success:
                    response.read()
                    raise refusal(response)
                chunks = _counted(response, progressed)
                if target is None or isinstance(target, Path):
                    return save(chunks, final_path(target, response.headers.get("Content-Disposition")))
                return copy(chunks, target.write, None)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(request, error) from None

    def _auth_config(self) -> dict[str, Any]:
        url = f"{self.connection.api_url}/v1/auth-config"
        response = self._send(lambda: self._http.build_request("GET", url), repeatable=True)
        if not response.is_success:
            raise refusal(response)
        config = decode(response)
        if not {"issuer", "clientId", "metadataUrl", "scope"} <= config.keys():
            raise _not_waybill()
        return config

    def _send(self, build: Callable[[], httpx.Request], *, repeatable: bool) -> httpx.Response:
        """Send a request; repeat it, where that is safe, while the service is busy or the network fails."""
        for pause in (*BACKOFF_SECONDS, None):
            request = build()
            try:
                response = self._http.send(request)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                # An address that never responded is more likely wrong than busy.
                worthwhile = repeatable and self._reached and isinstance(error, httpx.TransportError)
                if pause is None or not worthwhile:
                    raise self._unreachable(request, error) from None
                time.sleep(pause)
                continue
            self._reached = True
            busy = _is_busy(response) if repeatable else response.status_code == 429
            asked = retry_after_seconds(response) or 0
            if pause is None or not busy or asked > MAX_WAIT_SECONDS:
                return response
            if asked >= TOLD_FROM_SECONDS:
                print(f"{refusal(response)} Trying again in {asked:.0f} s.", file=sys.stderr)
            time.sleep(max(pause, asked))
        raise AssertionError("the last attempt returns or raises")

    def _unreachable(self, request: httpx.Request, error: Exception) -> Unreachable:
        if isinstance(error, httpx.TimeoutException):
            reason = "the request timed out"
        else:
            text = re.sub(r"^\[Errno -?\d+\] ", "", str(error).strip().partition("\n")[0])
            reason = text or type(error).__name__
        if str(request.url).startswith(self.connection.api_url):
            where = f"{self.connection.api_url} ({self.connection.source})"
        else:
            where = f"{request.url.scheme}://{request.url.netloc.decode()}"
        return Unreachable(f"Cannot reach {where}: {reason}", "check the address and the network, then try again")


def _is_busy(response: httpx.Response) -> bool:
    """Whether the same request may succeed later; 409 with `Retry-After`: an earlier attempt has not ended."""
    is_unfinished = response.status_code == 409 and "Retry-After" in response.headers
    return response.status_code in _BUSY or is_unfinished


def path_of(*parts: str) -> str:
    """The path of a resource, each part percent-encoded."""
    return "".join(f"/{urllib.parse.quote(part, safe='')}" for part in parts)


def decode(response: httpx.Response) -> dict[str, Any]:
    """The JSON object in a response."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _not_waybill()
    return document


def _not_waybill() -> Failure:
    return Failure("The response does not come from Waybill.", "check the address: use the API's, without /v1")


def refusal(response: httpx.Response) -> Refusal:
    """The refusal in a response: a problem document, the XML of S3, or a bare status."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or not isinstance(problem.get("title"), str):
        problem = {"title": f"The service responded {response.status_code} {response.reason_phrase}".rstrip()}
        code, message = (re.search(f"<{tag}>([^<]*)</{tag}>", response.text) for tag in ("Code", "Message"))
        if code and message:
            problem["detail"] = f"{code[1]}: {message[1]}"
        problem["status"] = response.status_code
    return Refusal(response.status_code, problem, retry_after_seconds(response))


def retry_after_seconds(response: httpx.Response) -> float | None:
    """`Retry-After` (RFC 9110, section 10.2.3: seconds or a date); None without the header."""
    text = response.headers.get("Retry-After", "")
    try:
        seconds = float(text) if text.isdigit() else email.utils.parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError):
        return None
    return max(seconds, 0.0)


class _CountedFile(io.FileIO):
    """A file that reports how much of it was read."""

    def __init__(self, path: Path, progressed: Progressed) -> None:
        super().__init__(path)
        self._progressed = progressed
        self._size_bytes = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._progressed(self.tell(), self._size_bytes)
        return data


def _counted(response: httpx.Response, progressed: Progressed) -> Iterator[bytes]:
    length = response.headers.get("Content-Length", "")
    total_bytes = int(length) if length.isdecimal() else None
    size_bytes = 0
    for chunk in response.iter_raw():  # the stored bytes, even if S3 sends a Content-Encoding
        size_bytes += len(chunk)
        progressed(size_bytes, total_bytes)
        yield chunk
