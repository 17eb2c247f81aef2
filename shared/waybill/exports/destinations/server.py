"""A directory on a partner's server: what SFTP and FTPS have in common."""

from __future__ import annotations

import posixpath
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from waybill.errors import DeliveryFailed
from waybill.exports.destinations.base import (
    Allowed,
    DeliveredKind,
    Delivery,
    Member,
    SetAside,
    Timeouts,
    line_schema,
)
from waybill.exports.destinations.connection import ServerConnection
from waybill.exports.destinations.credentials import Credentials
from waybill.exports.destinations.folder import Fate, FolderFile, moved_names
from waybill.exports.destinations.names import MAX_AFFIX, TemporaryNames
from waybill.exports.destinations.publish import (
    PAUSES_SECONDS,
    Publication,
    Source,
    Step,
    clean_up_test,
    discard,
    publish,
    restore,
    test_directory,
)
from waybill.hosts import AllowedHosts, is_host_name, is_ip_address, refused_literal
from waybill.ids import new_uuid
from waybill.jobs.bound_secrets import read_secret
from waybill.validation import Problems, is_line, secret_id_problem, secret_id_schema

if TYPE_CHECKING:
    from waybill.jobs.services import Services

MAX_DIRECTORY = 1024
MAX_FOLDER = 100
MAX_SECRET_ID = 2048  # Secrets Manager, GetSecretValue


_AFFIX = re.compile(rf"[A-Za-z0-9._~#+-]{{0,{MAX_AFFIX}}}")


def _check_host(value: object, allowed: Allowed) -> str | None:
    if not isinstance(value, str):
        return "must be a host name or an IP address"
    refusal = refused_literal(value, allowed.hosts)
    if refusal is not None:
        return refusal
    return None if is_host_name(value) or is_ip_address(value) else "must be a host name (RFC 1123) or an IP address"


def _check_port(value: object, _: Allowed) -> str | None:
    is_port = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65_535
    return None if is_port else "must be a number from 1 to 65535"


def _check_directory(value: object, _: Allowed) -> str | None:
    if not isinstance(value, str) or not is_line(value, MAX_DIRECTORY):
        return f"must be one line of 1 to {MAX_DIRECTORY} characters"
    return "must not have .. in it" if ".." in value.replace("\\", "/").split("/") else None


def _affix(description: str) -> Member:
    """A part of temporary names: printable ASCII that no path or shell takes for something else."""

    def check(value: object, _: Allowed) -> str | None:
        is_plain = isinstance(value, str) and _AFFIX.fullmatch(value)
        return None if is_plain else f"must be at most {MAX_AFFIX} letters, digits or characters of ._~#+-"

    return Member(check, {"type": "string", "pattern": f"^{_AFFIX.pattern}$", "description": description})


def _check_folder(value: object, _: Allowed) -> str | None:
    is_name = is_line(value, MAX_FOLDER) and value not in (".", "..") and not set("/\\") & set(str(value))
    return None if is_name else f"must be the name of a folder in the directory, of at most {MAX_FOLDER} characters"


class Server(DeliveredKind):
    """A kind of server. A subclass opens connections, and adds the members that identify the right server."""

    members: ClassVar[dict[str, Member]] = {
        "host": Member(_check_host, {"type": "string", "maxLength": 255}, required=True),
        "port": Member(_check_port, {"type": "integer", "minimum": 1, "maximum": 65_535}),
        "directory": Member(_check_directory, line_schema(MAX_DIRECTORY), required=True),
        "secretId": Member(
            lambda value, _: secret_id_problem(value, MAX_SECRET_ID),
            secret_id_schema(MAX_SECRET_ID, "The secret in Secrets Manager that holds user name and password or key."),
            required=True,
        ),
    }
    members |= {
        "temporaryPrefix": _affix("Begins the names of files that are not complete, a dot unless set."),
        "temporarySuffix": _affix("Ends the names of files that are not complete, `.part` unless set."),
        "temporaryFolder": Member(
            _check_folder,
            line_schema(MAX_FOLDER, "A folder in the directory where files are until they are complete."),
        ),
    }
    needs_secret = True
    scheme: ClassVar[str]
    default_port: ClassVar[int]
    needs_password: ClassVar[bool]

    def check(self, destination: Mapping[str, Any], allowed: Allowed, path: str) -> Problems:
        problems = super().check(destination, allowed, path)
        names = _temporary(destination)
        if not problems and not (names.prefix or names.suffix or names.folder):
            problems.append((f"{path}/temporaryPrefix", "must not be empty together with temporarySuffix"))
        return problems

    @abstractmethod
    def open(
        self, destination: Mapping[str, Any], credentials: Credentials, hosts: AllowedHosts, timeouts: Timeouts
    ) -> ServerConnection:
        """Connect, log in and go to the directory.

        Args:
            destination: with its port.

        Raises:
            DeliveryFailed: for any reason but `exists`.
        """

    def connect(
        self,
        destination: Mapping[str, Any],
        secret: Mapping[str, Any],
        hosts: AllowedHosts,
        timeouts: Timeouts = Timeouts(),  # noqa: B008  it is frozen
    ) -> ServerConnection:
        """`open` with the credentials of a secret.

        Args:
            hosts: those that may be connected to although they are not public.

        Raises:
            DeliveryFailed: for any reason but `exists`.
        """
        credentials = Credentials.from_secret(secret, self.needs_password)
        return self.open({"port": self.default_port, **destination}, credentials, hosts, timeouts)

    def check_secret(self, services: Services, destination: Mapping[str, Any], entity: str) -> None:
        Credentials.from_secret(self._secret(services, destination, entity), self.needs_password)

    def _secret(self, services: Services, destination: Mapping[str, Any], entity: str) -> Mapping[str, Any]:
        return read_secret(services, destination["secretId"], *self.bound_to(destination), entity)

    def bound_to(self, destination: Mapping[str, Any]) -> tuple[str, int]:
        return str(destination["host"]), int(destination.get("port", self.default_port))

    def address(self, destination: Mapping[str, Any], file_name: str = "") -> str:
        port = f":{destination['port']}" if destination.get("port") else ""
        folder = str(destination.get("directory") or "").strip("/")
        parts = [f"{destination['host']}{port}", folder, file_name]
        return f"{self.scheme}://" + "/".join(part for part in parts if part)

    def place(self, destination: Mapping[str, Any]) -> str:
        port = destination.get("port")
        members = {"host": str(destination["host"]).lower(), "directory": _plain(str(destination["directory"]))}
        return self.address(members | ({} if port in (None, self.default_port) else {"port": port}))

    def deliver(self, delivery: Delivery, remaining_seconds: Callable[[], float]) -> str | None:
        def check(_: int) -> None:
            delivery.check()

        sources = [Source(file.size_bytes, partial(delivery.read, file)) for file in delivery.files]
        with self._connected(delivery.services, delivery.destination, delivery.job.entity) as connection:
            return publish(
                connection,
                delivery.job.file_name,
                delivery.job.job_id,
                sources if delivery.is_set else sources[0],
                delivery.manifest,
                _StateInJob(delivery),
                replace=delivery.replaces,
                remaining_seconds=remaining_seconds,
                progress=check,
                temporary=_temporary(delivery.destination),
                sleep=delivery.services.clock.sleep,
            )

    def discard(self, delivery: Delivery) -> None:
        job = delivery.job
        with suppress(DeliveryFailed), self._connected(delivery.services, delivery.destination, job.entity) as server:
            names, sleep = _temporary(delivery.destination), delivery.services.clock.sleep
            discard(server, job.file_name, job.job_id, _StateInJob(delivery), names, sleep, delivery.set_size)

    def leaves_aside(self, progress: Mapping[str, Any]) -> bool:
        return progress.get("step") == Step.SWAPPING

    def restore(self, services: Services, aside: SetAside) -> None:
        with self._connected(services, aside.destination, aside.entity) as connection:
            names, sleep = _temporary(aside.destination), services.clock.sleep
            restore(connection, aside.file_name, aside.job_id, aside.final_name, names, sleep, aside.files)

    def test(
        self,
        services: Services,
        destination: Mapping[str, Any],
        entity: str,
        timeouts: Timeouts,
        begin: Callable[[str], None],
    ) -> str:
        test_id, names = new_uuid(services.ids), _temporary(destination)
        begin("read the secret")
        secret = self._secret(services, destination, entity)
        hosts = Allowed.of(services.settings).hosts
        begin("connect and log in")
        connection = self.connect(destination, secret, hosts, timeouts)
        try:
            with connection:
                test_directory(connection, test_id, begin, names, services.clock.sleep)
        except DeliveryFailed as error:
            if error.reason in ("timeout", "connection-lost"):  # clean up over another connection
                with suppress(DeliveryFailed), self.connect(destination, secret, hosts, timeouts) as again:
                    clean_up_test(again, test_id, names)
            raise
        return f"A file was written to {destination['directory']} on {destination['host']}, renamed, and deleted again."

    def check_move_to(self, destination: Mapping[str, Any], value: object) -> str | None:
        if (problem := _check_directory(value, Allowed())) is not None:
            return problem
        is_same = _plain(str(value)) in (_plain(str(destination.get("directory", ""))), "")
        return "must be another directory than that of the location" if is_same else None

    def open_folder(
        self, services: Services, destination: Mapping[str, Any], entity: str, timeouts: Timeouts | None = None
    ) -> ServerFolder:
        secret, hosts = self._secret(services, destination, entity), Allowed.of(services.settings).hosts
        return ServerFolder(
            lambda: self.connect(destination, secret, hosts, timeouts or Timeouts()),
            _temporary(destination),
            services.clock.sleep,
        )

    def _connected(self, services: Services, destination: Mapping[str, Any], entity: str) -> ServerConnection:
        secret = self._secret(services, destination, entity)
        return self.connect(destination, secret, Allowed.of(services.settings).hosts)


def _plain(directory: str) -> str:
    """The one spelling of a directory: `/out/./a//` → `out/a`; empty for where a login begins."""
    plain = posixpath.normpath(directory).strip("/")
    return "" if plain == "." else plain


def _temporary(destination: Mapping[str, Any]) -> TemporaryNames:
    members = {"prefix": "temporaryPrefix", "suffix": "temporarySuffix", "folder": "temporaryFolder"}
    given = {part: destination[member] for part, member in members.items() if member in destination}
    return TemporaryNames(**given)


class _StateInJob:
    """Stores how far `publish` is in the job."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def load(self) -> Publication | None:
        kept = self._delivery.progress
        return Publication(Step(kept["step"]), kept["name"], int(kept.get("done", 0))) if "step" in kept else None

    def save(self, publication: Publication) -> None:
        move = self._delivery.commit if publication.step is Step.PUBLISHING else self._delivery.keep
        done = {"done": publication.done} if publication.done or self._delivery.is_set else {}
        move(step=str(publication.step), name=publication.name, **done)


class ServerFolder:
    """See `Folder`. It connects again when a file was not read to its end.

    A file that is to be deleted or moved first gets a temporary name that nobody else uses, and is compared there: it
    may be another one by then, which gets its name back. A call that goes on after a crash finds by that name how far
    the one before was.

    Args:
        sleep: takes seconds.
    """

    def __init__(
        self,
        connect: Callable[[], ServerConnection],
        names: TemporaryNames = TemporaryNames(),  # noqa: B008  it is frozen
        sleep: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._connect, self._names, self._sleep = connect, names, sleep
        self._open: ServerConnection | None = connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()

    def files(self, takes: Callable[[str], bool]) -> Iterator[FolderFile]:
        return self._whole(self._server.files(lambda name: not self._names.is_aside(name) and takes(name)))

    def find(self, name: str) -> FolderFile | None:
        return self._server.find(name)

    def read(self, file: FolderFile, offset: int) -> Iterator[bytes]:
        return self._whole(self._server.read_from(file.name, offset))

    def is_delivery(self, file: FolderFile) -> bool:
        return False  # a file on a server bears nothing of its export

    def delete(self, file: FolderFile, mark: str) -> Fate:
        aside = self._names.aside(mark)
        fate = self._set_aside(file, aside)
        if fate is Fate.DONE:
            with self._put_back(file, aside):
                self._server.delete(aside)
        return fate

    def move(self, file: FolderFile, to: str, mark: str) -> tuple[Fate, str | None]:
        aside, paths = self._names.aside(mark), [f"{to.rstrip('/')}/{name}" for name in moved_names(file)]
        fate = self._set_aside(file, aside)
        if fate is Fate.DONE:
            with self._put_back(file, aside):
                return fate, self._named(aside, paths, f"{to} has too many files of the name {file.name}.")
        moved = next((path for path in paths[:2] if file.is_same(self._server.find(path))), None)
        return (fate, None) if moved is None else (Fate.DONE, moved)

    def _set_aside(self, file: FolderFile, aside: str) -> Fate:
        """Give a file its temporary name. What has that name is compared: another file, which has taken the place of
        this one in between, gets its own name back, or the one with its time where a third has come.

        Raises:
            DeliveryFailed: `protocol` when the server does not show the file under its temporary name.
        """
        server = self._server
        found = server.find(aside)
        if found is None:
            there = server.find(file.name)
            if there is None:
                return Fate.GONE
            if not file.is_same(there):
                return Fate.CHANGED
            server.rename(file.name, aside, replace=False)
            found = self._shown(aside)
        if file.is_same(found):
            return Fate.DONE
        self._named(aside, moved_names(found._replace(name=file.name)), f"There are too many files named {file.name}.")
        return Fate.CHANGED

    @contextmanager
    def _put_back(self, file: FolderFile, aside: str) -> Iterator[None]:
        """After a refusal, give what was set aside its name back, as far as the server can be asked."""
        try:
            yield
        except DeliveryFailed:
            with suppress(DeliveryFailed):
                self._named(aside, moved_names(file), "")
            raise

    def _shown(self, name: str) -> FolderFile:
        """A file that has just got its name; some servers show that after a while."""
        for pause in (*PAUSES_SECONDS, 0.0):
            if (found := self._server.find(name)) is not None:
                return found
            self._sleep(pause)
        raise DeliveryFailed("protocol", f"The server does not show the file {name} after a rename.")

    def _named(self, aside: str, names: Iterable[str], else_: str) -> str:
        """Give what was set aside the first of the names that is free, and return it.

        Raises:
            DeliveryFailed: `exists` when none is.
        """
        for name in names:
            try:
                self._server.rename(aside, name, replace=False)
            except DeliveryFailed as failure:
                if failure.reason != "exists":
                    raise
            else:
                return name
        raise DeliveryFailed("exists", else_)

    @property
    def _server(self) -> ServerConnection:
        if self._open is None:
            self._open = self._connect()
        return self._open

    def _whole(self, parts: Iterator[Any]) -> Iterator[Any]:
        """Hang up when something is not read to its end: the rest may be long, and is not wanted."""
        is_whole = False
        try:
            yield from parts
            is_whole = True
        finally:
            if not is_whole:
                self._hang_up()

    def _hang_up(self) -> None:
        if self._open is not None:
            connection, self._open = self._open, None
            with connection:
                pass
