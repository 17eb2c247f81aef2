"""Partners' SFTP and FTPS servers and receivers of webhooks, in memory: requests pass `Calls.call` as those to AWS do.

The wire protocols themselves are tested against real servers (`tests/integration/test_sftp.py`, `test_ftps.py`).
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from unittest.mock import patch

from tests.simulation.calls import Calls
from tests.simulation.faults import CallFailed, Failure
from waybill.errors import DeliveryFailed
from waybill.exports.destinations.folder import FolderFile
from waybill.exports.destinations.ftps import Ftps
from waybill.exports.destinations.sftp import Sftp
from waybill.jobs.webhooks import Webhook

T = TypeVar("T")
TIMEOUT_SECONDS = 30.0
HOOKS = [{"url": f"https://hooks.example/{name}", "secretId": "hooks"} for name in ("a", "b")]
SIGNING = {"host": "hooks.example", "entities": ["*"], "signingSecrets": ["whsec_" + "A" * 32]}
#: The key in that secret.
SIGNING_KEY = base64.b64decode("A" * 32)
#: How a failure of the connection looks to a delivery.
REASONS = {
    Failure.INTERNAL: "protocol",
    Failure.UNAVAILABLE: "unreachable",
    Failure.THROTTLED: "unreachable",
    Failure.NETWORK: "connection-lost",
    Failure.TIMEOUT: "timeout",
}


#: When files were made that nobody says more of.
OLD = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Directory:
    """A partner's directory.

    Attributes:
        replaces: whether a rename replaces a file of that name.
        refuses: gets `rename OLD NEW`, `delete NAME` or `write NAME`; the reason of a refusal, or None.
        on_change: called with the files after each change.
        times: of files that are fetched; others are old.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    times: dict[str, datetime] = field(default_factory=dict)
    replaces: bool = True
    refuses: Callable[[str], str | None] = lambda request: None
    on_change: Callable[[Mapping[str, bytes]], object] = lambda files: None

    def put(self, name: str, data: bytes, moment: datetime = OLD) -> None:
        """A partner's file appears."""
        self.files[name], self.times[name] = data, moment

    def find(self, name: str) -> FolderFile | None:
        data = self.files.get(name)
        return None if data is None else FolderFile(name, len(data), self.times.get(name, OLD))

    def received(self) -> dict[str, bytes]:
        """What a receiver sees: files without a leading dot."""
        return {name: data for name, data in self.files.items() if not name.startswith(".")}


class Post(NamedTuple):
    """A request to a receiver."""

    headers: Mapping[str, str]
    body: str


class Hooks:
    """Receivers of webhooks, in the place of `WebhookClient`.

    Attributes:
        taken: (address, webhook-id) → the requests that came with it and that the receiver took.
        sent: the same → all requests, those too that it refused.
        answered: the same → all statuses that it answered.
        answers: gets an address; the status that it answers.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.taken: dict[tuple[str, str], list[Post]] = {}
        self.sent: defaultdict[tuple[str, str], list[Post]] = defaultdict(list)
        self.answered: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self.answers: Callable[[str], int] = lambda url: 204

    def post(self, webhook: Webhook, headers: Mapping[str, str], body: str, seconds: float = 15.0) -> int:
        def effect() -> int:
            message, status = (webhook.url, headers["webhook-id"]), self.answers(webhook.url)
            post = Post(dict(headers), body)
            self.sent[message].append(post)
            self.answered[message].append(status)
            if 200 <= status < 300:
                self.taken.setdefault(message, []).append(post)
            return status

        try:
            return self._calls.call("https", "Post", webhook.target, effect, timeout_seconds=seconds)
        except CallFailed as failed:
            raise DeliveryFailed(REASONS[failed.failure], "The receiver did not answer.") from None


class Servers:
    """Directories by scheme, host and path; one that nobody has set up is empty."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.directories: dict[str, Directory] = {}

    def find(self, destination: Mapping[str, Any]) -> Directory:
        """The directory that a definition names."""
        return self.directory({"sftp": Sftp(), "ftps": Ftps()}[destination["kind"]], destination)

    def directory(self, kind: Sftp | Ftps, destination: Mapping[str, Any]) -> Directory:
        with_port = {"port": kind.default_port, **destination}
        return self.directories.setdefault(kind.address(with_port), Directory())

    @contextmanager
    def patched(self) -> Iterator[None]:
        """While it lasts, deliveries to SFTP and FTPS reach these servers."""
        servers = self

        def open_(kind: Sftp | Ftps, destination: Mapping[str, Any], *_: Any) -> Connection:
            connection = Connection(servers._calls, kind.scheme, servers.directory(kind, destination))
            connection.request("Connect", "", lambda: None)
            return connection

        with ExitStack() as stack:
            for kind in (Sftp, Ftps):
                stack.enter_context(patch.object(kind, "open", open_))
            yield


class Connection:
    """See `ServerConnection`. A request that fails on its way closes it."""

    unsure_bytes = 0

    def __init__(self, calls: Calls, scheme: str, directory: Directory) -> None:
        self._calls, self._scheme, self._directory = calls, scheme, directory
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False

    def request(self, operation: str, name: str, effect: Callable[[], T]) -> T:
        """One request; a refusal is the server's answer."""
        if not self._is_open:
            raise DeliveryFailed("connection-lost", "The connection is closed.")
        try:
            return self._calls.call(self._scheme, operation, name, effect, timeout_seconds=TIMEOUT_SECONDS)
        except CallFailed as failed:
            self._is_open = False
            raise DeliveryFailed(REASONS[failed.failure], "The connection broke.") from None

    def _change(self, operation: str, names: str, change: Callable[[], None]) -> None:
        def effect() -> None:
            reason = self._directory.refuses(f"{operation} {names}")
            if reason is not None:
                raise DeliveryFailed(reason, "The server refused.")
            change()
            self._directory.on_change(self._directory.files)

        self.request(operation.title(), names, effect)

    def size(self, name: str) -> int | None:
        def effect() -> int | None:
            found = self._directory.files.get(name)
            return None if found is None else len(found)

        return self.request("Size", name, effect)

    def write(self, name: str, offset: int, chunks: Iterable[bytes], progress: Callable[[int], None]) -> None:
        files = self._directory.files

        def put(at: int, data: bytes) -> None:
            old = files.get(name, b"") if at else b""
            assert at <= len(old), "a hole"
            files[name] = old[:at] + data + old[at + len(data) :]

        if offset == 0:
            self._change("write", name, lambda: put(0, b""))
        try:
            for chunk in chunks:
                at, offset = offset, offset + len(chunk)
                self._change("write", name, lambda at=at, chunk=chunk: put(at, chunk))  # type: ignore[misc]
                progress(offset)
        except BaseException:
            self._is_open = False
            raise

    def rename(self, old: str, new: str, replace: bool) -> None:
        files = self._directory.files

        def move() -> None:
            if old not in files:
                raise DeliveryFailed("not-found", "There is no such file.")
            if new in files and not (replace and self._directory.replaces):
                raise DeliveryFailed("exists", "There is such a file.")
            files[new] = files.pop(old)
            self._directory.times[new] = self._directory.times.pop(old, OLD)

        self._change("rename", f"{old} {new}", move)

    def read(self, name: str, limit: int) -> bytes | None:
        def effect() -> bytes | None:
            found = self._directory.files.get(name)
            return None if found is None or len(found) > limit else found

        return self.request("Read", name, effect)

    def delete(self, name: str) -> None:
        def remove() -> None:
            self._directory.files.pop(name, None)
            self._directory.times.pop(name, None)

        self._change("delete", name, remove)

    def files(self, takes: Callable[[str], bool]) -> Iterator[FolderFile]:
        directory = self._directory
        names = [name for name in directory.files if "/" not in name and takes(name)]
        found = self.request("List", "", lambda: [directory.find(name) for name in names])
        yield from (file for file in found if file is not None)

    def find(self, name: str) -> FolderFile | None:
        return self.request("Find", name, lambda: self._directory.find(name))

    def read_from(self, name: str, offset: int) -> Iterator[bytes]:
        def effect() -> bytes:
            if name not in self._directory.files:
                raise DeliveryFailed("not-found", "There is no such file.")
            return self._directory.files[name][offset:]

        data = self.request("Fetch", name, effect)
        middle = len(data) // 2
        for part in (data[:middle], data[middle:]):
            if part:
                yield part
