"""What a kind of destination declares and does, and what it is handed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from waybill.errors import StopRequested
from waybill.hosts import AllowedHosts
from waybill.validation import LINE_PATTERN, Problems, refuse_unknown

if TYPE_CHECKING:
    from waybill.exports.destinations.folder import Folder
    from waybill.jobs.leases import LenientHeartbeat
    from waybill.jobs.model import Job
    from waybill.jobs.services import Services
    from waybill.settings import Settings

_BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Allowed:
    """What this deployment lets exports be delivered to.

    Attributes:
        hosts: servers that may be connected to although they are not public.
        own_buckets: Waybill's own buckets, which nothing is delivered to.
        now: when the keys that files are encrypted for must be good; None when that is not asked.
    """

    hosts: AllowedHosts = field(default_factory=AllowedHosts)
    own_buckets: Collection[str] = ()
    now: datetime | None = None

    @classmethod
    def of(cls, settings: Settings, now: datetime | None = None) -> Allowed:
        hosts = AllowedHosts.parse(settings.allowed_private_hosts)
        return cls(hosts, (settings.drop_bucket, settings.files_bucket), now)


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait: for name and TCP connection, for the whole login, and for each answer after it."""

    connect: float = 10.0
    login: float = 20.0
    request: float = 30.0


@dataclass(frozen=True)
class Member:
    """A member of a kind's settings.

    Attributes:
        check: says what is wrong with a value, or None. A required member that is missing is checked as None.
        schema: a JSON Schema of valid values, for the API's description.
    """

    check: Callable[[object, Allowed], str | None]
    schema: Mapping[str, Any]
    required: bool = False


def line_schema(longest: int, description: str = "") -> dict[str, Any]:
    """The JSON Schema of one line of text (`waybill.validation.is_line`)."""
    described = {"description": description} if description else {}
    return {"type": "string", **described, "minLength": 1, "maxLength": longest, "pattern": LINE_PATTERN}


@dataclass(frozen=True)
class SetAside:
    """A receiver's old file that may still have another name, because the run that replaced it ended in between.

    Attributes:
        job_id: the run.
        destination: as the run had it.
        file_name: of the run.
        final_name: of the old file.
        entity: that the run exported.
        files: of its set; None for one file.
    """

    job_id: str
    destination: Mapping[str, Any]
    file_name: str
    final_name: str
    entity: str
    files: int | None = None


class StoredFile(NamedTuple):
    """A file of a run, as the files bucket has it."""

    key: str
    size_bytes: int


@dataclass
class Delivery:
    """One attempt at delivering the file of a run, or the files of a split export.

    Attributes:
        job: as last seen.
        destination: as the definition has it.
        replaces: whether the file replaces one of the same name (full extracts), or takes the next free name (changes:
            a file that the receiver has not collected yet must stay).
        manifest: gives the manifest for a final file name: a JSON object with the member `jobId`.
        heartbeat: proves that the attempt is alive.
        files: what is delivered.
        is_set: whether the files are those of a split export, however many.
    """

    services: Services
    job: Job
    destination: Mapping[str, Any]
    replaces: bool
    manifest: Callable[[str], bytes]
    heartbeat: LenientHeartbeat
    files: Sequence[StoredFile]
    is_set: bool

    @property
    def set_size(self) -> int | None:
        """The number of files of a split export; None for one file."""
        return len(self.files) if self.is_set else None

    @property
    def progress(self) -> Mapping[str, Any]:
        """What earlier attempts kept with `keep`."""
        return self.job.delivery or {}

    def keep(self, **values: Any) -> None:
        """Store progress in the job, durably, for the next attempt.

        Raises:
            Superseded: another attempt is at work.
        """
        self.heartbeat.send()
        self.job = self.services.jobs.set_delivery(self.job.job_id, {**self.progress, **values})

    def commit(self, **values: Any) -> None:
        """As `keep`, before the file gets its final name: from here on nobody can stop the run.

        Args:
            values: a `step` other than `jobs.model.UPLOADING` among them.

        Raises:
            StopRequested: somebody has.
            Superseded: another attempt is at work.
        """
        self.heartbeat.send()
        self.job = self.services.jobs.set_delivery(self.job.job_id, {**self.progress, **values}, commits=True)

    def check(self) -> None:
        """Prove that the attempt is alive, and learn whether to go on.

        Raises:
            StopRequested: somebody has stopped the run.
            Superseded: another attempt is at work.
        """
        if self.heartbeat.check().is_stopped_export:
            raise StopRequested(self.job.job_id)

    def read(self, file: StoredFile, offset: int) -> Iterator[bytes]:
        """A file's bytes from `offset` on, in blocks."""
        source = self.services.files.open(self.services.settings.files_bucket, file.key, start=offset)
        while block := source.read(_BLOCK_BYTES):
            yield block


class DestinationKind(ABC):
    """A kind of destination. Each parameter `destination` is the JSON object of a definition, which `check` accepts."""

    members: ClassVar[dict[str, Member]] = {}
    """The settings besides `kind`."""
    needs_secret: ClassVar[bool] = False
    """Whether the settings name a secret."""

    def check(self, destination: Mapping[str, Any], allowed: Allowed, path: str) -> Problems:
        """Everything that is wrong with the settings, as (JSON Pointer, problem). Connects to nothing."""
        problems: Problems = []
        refuse_unknown(destination, {"kind", *self.members}, path, problems)
        for name, member in self.members.items():
            if member.required or name in destination:
                problem = member.check(destination.get(name), allowed)
                if problem is not None:
                    problems.append((f"{path}/{name}", problem))
        return problems

    def with_defaults(self, destination: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
        """The destination with the deployment's defaults filled in."""
        return dict(destination)

    @abstractmethod
    def address(self, destination: Mapping[str, Any], file_name: str = "") -> str | None:
        """The URL of a file there, or of the destination itself, for people. It shows no secret.

        Args:
            destination: `with_defaults`.

        Returns:
            None when files stay with Waybill.
        """


class DeliveredKind(DestinationKind):
    """A kind of destination that files are sent to."""

    def check_secret(self, services: Services, destination: Mapping[str, Any], entity: str) -> None:
        """Look whether there is a usable secret for the destination and the entity. Connects to no server.

        Raises:
            DeliveryFailed: `secret`.
        """

    @abstractmethod
    def deliver(self, delivery: Delivery, remaining_seconds: Callable[[], float]) -> str | None:
        """Deliver the files and their manifest, which comes last, resuming what an earlier attempt began. The receiver
        never sees part of a file under its final name.

        Returns:
            The file's final name, or for a set the one that its names are made of; None when time ran out and the next
            call resumes.

        Raises:
            DeliveryFailed
        """

    def discard(self, delivery: Delivery) -> None:
        """Delete what a delivery that failed for good has left, as far as possible."""

    def leaves_aside(self, progress: Mapping[str, Any]) -> bool:
        """Whether a delivery that ended with this progress may have left the receiver's old file under another name."""
        return False

    def restore(self, services: Services, aside: SetAside) -> None:
        """Give an old file its name back.

        Raises:
            DeliveryFailed: that is not certain.
        """

    @abstractmethod
    def test(
        self,
        services: Services,
        destination: Mapping[str, Any],
        entity: str,
        timeouts: Timeouts,
        begin: Callable[[str], None],
    ) -> str:
        """Do what a delivery does, and leave nothing.

        Args:
            entity: whose records would be delivered.
            begin: gets the name of each step before it begins.

        Returns:
            What was done, in one sentence.

        Raises:
            DeliveryFailed: what a delivery would fail for.
        """

    def place(self, destination: Mapping[str, Any]) -> str:
        """What tells this place from others, however it is spelt.

        Args:
            destination: `with_defaults`.
        """
        return str(self.address(destination))

    @abstractmethod
    def bound_to(self, destination: Mapping[str, Any]) -> tuple[str, int]:
        """The host that a secret for this place names, and the port.

        Args:
            destination: `with_defaults`.
        """

    @abstractmethod
    def check_move_to(self, destination: Mapping[str, Any], value: object) -> str | None:
        """What is wrong with the folder that a source moves files to, or None."""

    @abstractmethod
    def open_folder(
        self, services: Services, destination: Mapping[str, Any], entity: str, timeouts: Timeouts | None = None
    ) -> Folder:
        """Open it to fetch files from.

        Args:
            entity: into which they are imported.
            timeouts: those of a delivery when left out.

        Raises:
            DeliveryFailed
        """
