"""Requests to Waybill's HTTP API: retries, lists, files, and waiting for jobs."""

from __future__ import annotations

import contextlib
import email.utils
import io
import os
import re
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from waybill_client import parts
from waybill_client.errors import Refused, Unreachable, WaybillError

PAGE_ITEMS = 100  # the most that the API returns at once
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
UPLOAD_TIMEOUT = httpx.Timeout(300.0, connect=10.0)  # S3 answers once it has stored the whole file
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0)
#: A request that is to be sent again only later than that is not waited for. A minute has a new share of previews.
MAX_WAIT_SECONDS = 60.0
#: Between two looks at a job, where the service does not say.
POLL_SECONDS = 2.0
MIN_POLL_SECONDS = 0.05  # no busy loop, even if the service answers Retry-After: 0
FINAL = frozenset({"COMPLETED", "FAILED", "CANCELED"})
_BUSY = frozenset({429, 502, 503, 504})
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

Job = dict[str, Any]
Progressed = Callable[[int, int | None], None]  # bytes so far, bytes in all


def _unheard(done: int, total: int | None) -> None:
    """Nobody wants to know how far a transfer is."""


class Client:
    """One connection to the API. Subclasses may raise errors of their own (`refused`, `unreachable`)."""

    user_agent = "waybill-client"

    def __init__(self, api_url: str, token: str | Callable[[], str]) -> None:
        """
        Args:
            api_url: with or without `/v1`.
            token: a bearer token, or what returns one; it is asked before each request.
        """
        self.api_url = api_url.rstrip("/").removesuffix("/v1").rstrip("/")
        self._give_token = token if callable(token) else lambda: token
        # A proxy named by the environment cannot reach the loopback of this machine.
        mounts: dict[str, httpx.BaseTransport | None] = {f"all://{host}": None for host in _LOOPBACK}
        headers = {"User-Agent": self.user_agent, "Accept": "application/json"}
        self._http = httpx.Client(timeout=TIMEOUT, mounts=mounts, headers=headers)
        self._reached = False

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def renew(self) -> bool:
        """Get another token after a 401; returns whether there is one."""
        return False

    def refused(self, response: httpx.Response) -> Exception:
        """The error of a refusal."""
        return Refused(response.status_code, problem_of(response), retry_after_seconds(response))

    def unreachable(self, request: httpx.Request, reason: str) -> Exception:
        """The error of a request without a response."""
        return Unreachable(f"Cannot reach {request.url.scheme}://{request.url.netloc.decode()}: {reason}")

    def foreign(self) -> Exception:
        """The error of a response that is not Waybill's."""
        return WaybillError("The response does not come from Waybill.")

    def waits(self, error: Exception, seconds: float) -> None:
        """Called before the client waits because the service asked it to."""

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str | int | None] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> httpx.Response:
        """Send a request with the caller's token. Responses other than 2xx, 303 and 304 are raised.

        Args:
            path: after `/v1`, from `path_of`.
            query: members that are None are left out.
            repeatable: whether it may be sent twice; as the method and `Idempotency-Key` say when left out.

        Raises:
            Refused, Unreachable
        """
        given = dict(headers or {})

        def build() -> httpx.Request:
            return self._http.build_request(
                method,
                f"{self.api_url}/v1{path}",
                json=body,
                params={name: value for name, value in (query or {}).items() if value is not None},
                headers={**given, "Authorization": f"Bearer {self._give_token()}"},
            )

        if repeatable is None:
            repeatable = method in ("GET", "PUT") or "Idempotency-Key" in given
        response = self._send(build, repeatable=repeatable)
        if response.status_code == 401 and self.renew():
            response = self._send(build, repeatable=repeatable)
        if not response.is_success and response.status_code not in (303, 304):
            raise self.refused(response)
        return response

    def get(self, path: str, **query: str | int | None) -> dict[str, Any]:
        return self.decode(self.request("GET", path, query=query))

    def post(
        self, path: str, body: Any = None, *, once: bool = False, repeatable: bool | None = None
    ) -> httpx.Response:
        """POST a body. With `once`, for a route that honours `Idempotency-Key`, the request is repeated after a broken
        connection, and has its effect once; with `repeatable`, for a route that may be asked twice, it is repeated."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if once else None
        return self.request("POST", path, body=body, headers=headers, repeatable=repeatable)

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

    def items(self, *parts: str, **query: str | int | None) -> Iterator[dict[str, Any]]:
        """All items of a list, such as `items("jobs", job_id, "errors")`; pages are read as they are needed."""
        for page in self.pages(path_of(*(part.strip("/") for part in parts)), None, **query):
            yield from page["items"]

    def import_file(self, source: Path | str, entity: str, *, progressed: Progressed = _unheard, **options: Any) -> Job:
        """Upload a file and start its import; returns the job.

        Args:
            options: members of `POST /imports`, as `mode="merge"`, `dryRun=True`.
            progressed: told how many bytes were sent.

        Raises:
            Refused, Unreachable, OSError
        """
        upload_id = self.upload(Path(source), entity, progressed=progressed)
        return self.decode(self.post("/imports", {"uploadId": upload_id, **options}, once=True))

    def upload(
        self,
        source: Path,
        entity: str | None,
        *,
        name: str | None = None,
        progressed: Progressed = _unheard,
        unfinished: Path | None = None,
    ) -> str:
        """Upload a file; returns the id of the upload, which an import names. One of more than PARTS_FROM_BYTES is sent
        in parts, with a checksum of each and of the whole.

        Args:
            entity: that it will be imported into.
            name: of the file, if it is not that of `source`.
            unfinished: where to remember uploads in parts, so that another call goes on with one that was interrupted;
                none are remembered when left out.

        Raises:
            Refused, Unreachable, OSError
        """
        # Bytes of the name that are not UTF-8 become replacement characters.
        name = name or os.fsencode(source.name).decode("utf-8", "replace")
        body = {"fileName": name} if entity is None else {"entity": entity, "fileName": name}
        if source.stat().st_size > parts.PARTS_FROM_BYTES:
            return parts.send_in_parts(self, source, body, progressed, parts.Unfinished(unfinished))
        upload = self.decode(self.post("/uploads", body))
        self.send_form(upload["url"], upload["fields"], source, progressed)
        return str(upload["uploadId"])

    def wait(self, job: Job | str, *, timeout_seconds: float | None = None) -> Job:
        """Return a job once it has ended.

        Args:
            job: the job or its id.

        Raises:
            TimeoutError: it has not ended in that time.
        """
        job_id = job if isinstance(job, str) else str(job["jobId"])
        ends = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        for seen in self.changes(self.request("GET", path_of("jobs", job_id))):
            if seen["status"] in FINAL:
                return seen
            if ends is not None and time.monotonic() > ends:
                raise TimeoutError(f"Job {job_id} is {seen['status']} after {timeout_seconds} s.")
        raise AssertionError("a job is followed until it has ended")

    def changes(self, answer: httpx.Response) -> Iterator[Job]:
        """A job as it is at each look, as often as the service asks, until it has ended.

        Args:
            answer: a response that contains the job.
        """
        job = self.decode(answer)
        etag = answer.headers.get("ETag") if answer.request.method == "GET" else None
        while True:
            yield job
            if job["status"] in FINAL:
                return
            wait = retry_after_seconds(answer)
            time.sleep(max(POLL_SECONDS if wait is None else wait, MIN_POLL_SECONDS))
            headers = {"If-None-Match": etag} if etag else None
            answer = self.request("GET", path_of("jobs", str(job["jobId"])), headers=headers)
            if answer.status_code != 304:
                job, etag = self.decode(answer), answer.headers.get("ETag")

    def send_form(self, url: str, fields: Mapping[str, str], source: Path, progressed: Progressed) -> None:
        """Send a file to the presigned form of `POST /v1/uploads`, straight from disk.

        Raises:
            Refused, Unreachable, OSError
        """
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
        if not response.is_success and response.status_code != 303:
            raise self.refused(response)

    def put_part(self, url: str, content: Iterator[bytes], headers: Mapping[str, str]) -> Exception | None:
        """Send a part of a file to its presigned address; returns what went wrong, if that may go better next time.

        Raises:
            Refused
        """
        request = self._http.build_request(
            "PUT", url, content=content, headers=dict(headers), extensions={"timeout": UPLOAD_TIMEOUT.as_dict()}
        )
        try:
            response = self._http.send(request)
        except httpx.TransportError as error:
            return self.unreachable(request, reason_of(error))
        if response.is_success:
            return None
        if _is_busy(response) or response.status_code in (403, 408, 500):  # 403: the address has expired
            return self.refused(response)
        raise self.refused(response)

    @contextlib.contextmanager
    def opened(
        self, path: str, progressed: Progressed = _unheard, **query: str | int | None
    ) -> Iterator[tuple[httpx.Headers, Iterator[bytes]]]:
        """The file that a route redirects to (303), or answers with: its headers and its bytes.

        Raises:
            Refused, Unreachable
        """
        answer = self.request("GET", path, query=query)
        location = answer.headers.get("Location")
        if not location and "Content-Disposition" in answer.headers:
            yield answer.headers, iter([answer.content])
            return
        if not location:
            raise self.foreign()
        # Without the bearer token: S3 refuses a presigned address with a second credential.
        request = self._http.build_request("GET", location, headers={"Accept": "*/*", "Accept-Encoding": "identity"})
        try:
            with contextlib.closing(self._http.send(request, stream=True)) as response:
                if not response.is_success:
                    response.read()
                    raise self.refused(response)
                yield response.headers, _counted(response, progressed)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self.unreachable(request, reason_of(error)) from None

    def download(self, path: str, target: Path | str, **query: str | int | None) -> int:
        """Save the file that a route redirects to, or answers with; returns its bytes. It appears once it is complete.

        Raises:
            Refused, Unreachable, OSError
        """
        final = Path(target)
        part = final.with_name(f".{final.name}.{uuid.uuid4()}.part")
        try:
            with self.opened(path, _unheard, **query) as (_, chunks), part.open("wb") as file:
                size = sum(file.write(chunk) for chunk in chunks)
            part.replace(final)
        finally:
            part.unlink(missing_ok=True)
        return size

    def decode(self, response: httpx.Response) -> dict[str, Any]:
        """The JSON object in a response."""
        document = decoded(response)
        if document is None:
            raise self.foreign()
        return document

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
                    raise self.unreachable(request, reason_of(error)) from None
                time.sleep(pause)
                continue
            self._reached = True
            busy = _is_busy(response) if repeatable else response.status_code == 429
            asked = retry_after_seconds(response) or 0
            if pause is None or not busy or asked > MAX_WAIT_SECONDS:
                return response
            if asked:
                self.waits(self.refused(response), asked)
            time.sleep(max(pause, asked))
        raise AssertionError("the last attempt returns or raises")


def reason_of(error: Exception) -> str:
    """Why there was no response, in a few words."""
    if isinstance(error, httpx.TimeoutException):
        return "the request timed out"
    text = re.sub(r"^\[Errno -?\d+\] ", "", str(error).strip().partition("\n")[0])
    return text or type(error).__name__


def _is_busy(response: httpx.Response) -> bool:
    """Whether the same request may succeed later; 409 with `Retry-After`: an earlier attempt has not ended."""
    is_unfinished = response.status_code == 409 and "Retry-After" in response.headers
    return response.status_code in _BUSY or is_unfinished


def path_of(*parts: str) -> str:
    """The path of a resource, each part percent-encoded."""
    return "".join(f"/{urllib.parse.quote(part, safe='')}" for part in parts)


def decoded(response: httpx.Response) -> dict[str, Any] | None:
    """The JSON object in a response, or None."""
    try:
        document = response.json()
    except ValueError:
        document = None
    return document if isinstance(document, dict) else None


_S3_PROBLEMS = {
    "NoSuchUpload": "This upload was completed or canceled meanwhile, perhaps by another client with the same file. "
    "See whether its import has begun before you send the file again."
}


def problem_of(response: httpx.Response) -> dict[str, Any]:
    """The problem in a response: a problem document, the XML of S3, or a bare status."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or not isinstance(problem.get("title"), str):
        problem = {"title": f"The service responded {response.status_code} {response.reason_phrase}".rstrip()}
        code, message = (re.search(f"<{tag}>([^<]*)</{tag}>", response.text) for tag in ("Code", "Message"))
        if code and message:
            problem["detail"] = _S3_PROBLEMS.get(code[1], f"{code[1]}: {message[1]}")
        problem["status"] = response.status_code
    return problem


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
