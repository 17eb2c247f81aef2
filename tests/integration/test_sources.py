"""Sources: each file becomes one job, from S3, SFTP and FTPS, and is moved or deleted only once it is imported."""

from __future__ import annotations

import dataclasses
import ftplib
import gzip
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import pyrage
import pysequoia
import pytest

from tests import builders, importing
from tests import partner_servers as servers
from tests.partner_servers import HOST, SECRET, Faults, certificate, ftps_partner, sftp_partner
from waybill.bootstrap import Services
from waybill.entities.model import Quality
from waybill.entities.row_results import RowError
from waybill.errors import Conflict, TooManyRequests
from waybill.exports.connection_test import check_decryption
from waybill.exports.destinations.ftps_connection import FtpsConnection
from waybill.exports.destinations.s3 import S3Folder
from waybill.exports.destinations.server import Server
from waybill.ids import new_uuid
from waybill.imports.options import ImportOptions
from waybill.imports.register import fail_import
from waybill.imports.relaunch import relaunch_import
from waybill.jobs.audit import Wanted
from waybill.jobs.model import Job, Status
from waybill.sizes import MAX_SOURCES
from waybill.sources import fetch as fetching
from waybill.sources.definition import Source, SourceStatus
from waybill.sources.fetch import DELIVERIES, fetch
from waybill.sources.files import SeenFile
from waybill.sources.listing_test import run_listing_test
from waybill.sources.run import activate, end_failed, run_now, tick
from waybill.tabular.compressed import Meter

#: Later than any time that the services around the tests give to a file.
NOW = datetime(2099, 1, 1, tzinfo=UTC)
CONTACTS = builders.contacts_csv(count=3)
BAD = builders.contacts_csv([{"contact_id": "c1", "spend": "lots"}])
SECRET_ID = "waybill/partner"


class Place:
    """A partner's folder `out`, with `done` beside it."""

    def __init__(self, location: dict[str, Any], folder: Path | None, s3: Any, faults: Faults) -> None:
        self.location, self._folder, self._s3, self.faults = location, folder, s3, faults
        self.move_to = "done" if folder is None else "../done"
        if folder is not None:
            self.move_to = "/done"

    def put(self, name: str, data: bytes = CONTACTS, age: float = 3600.0, now: datetime = NOW) -> None:
        """A file that is so many seconds old (in S3, all are years old)."""
        if self._folder is None:
            self._s3.put_object(Bucket="transfer-bucket", Key=f"out/{name}", Body=data)
            return
        path = self._folder / "out" / name
        path.write_bytes(data)
        moment = now.timestamp() - age
        os.utime(path, (moment, moment))

    def remove(self, name: str) -> None:
        if self._folder is None:
            self._s3.delete_object(Bucket="transfer-bucket", Key=f"out/{name}")
        else:
            (self._folder / "out" / name).unlink()

    def names(self, folder: str = "out") -> list[str]:
        if self._folder is not None:
            return sorted(path.name for path in (self._folder / folder).iterdir())
        found = self._s3.list_objects_v2(Bucket="transfer-bucket", Prefix=f"{folder}/").get("Contents", [])
        return sorted(each["Key"].removeprefix(f"{folder}/") for each in found)


@pytest.fixture(scope="module")
def host_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> servers.Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def services(services: Services, clock: builders.Clock, moto_url: str) -> Services:
    clock.moment = NOW
    services.settings = dataclasses.replace(services.settings, allowed_private_hosts=HOST)
    secrets = boto3.client("secretsmanager", endpoint_url=moto_url, region_name="us-east-1")
    secrets.create_secret(Name=SECRET_ID, SecretString=json.dumps(SECRET))
    services.entities.put(builders.entity())
    return services


@pytest.fixture(params=["s3", "sftp", "ftps"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, host_key: asyncssh.SSHKey, shown: servers.Certificate, s3: Any
) -> Iterator[Place]:
    if request.param == "s3":
        yield Place({"kind": "s3", "prefix": "out"}, None, s3, Faults())
        return
    for name in ("out", "done"):
        (tmp_path / name).mkdir()
    faults = Faults()
    with ExitStack() as stack:
        if request.param == "sftp":
            partner = stack.enter_context(sftp_partner(tmp_path, faults, host_keys=[host_key]))
        else:
            partner = stack.enter_context(ftps_partner(tmp_path, faults, shown=shown))
        location = partner.destination(directory="/out", secretId=SECRET_ID)
        yield Place(location, tmp_path, s3, faults)


def no_limit() -> float:
    return 900.0


def ran(services: Services, source: Source) -> Source:
    """One run, to its end."""
    running = run_now(services, services.sources.get(source.source_id), "alice", new_uuid()).running
    assert running is not None
    while fetch(services, running.run_id, no_limit) == "more":
        pass
    ended = services.sources.get(source.source_id)
    assert ended.running is None
    return ended


def run_jobs(services: Services) -> list[Job]:
    """Import what waits; the jobs by the names of their files."""
    for job in importing.all_jobs(services):
        if not job.is_terminal:
            importing.run(services, job)
    return sorted(importing.all_jobs(services), key=lambda job: job.submitted_at)


def seen(services: Services, source: Source) -> dict[str, SeenFile]:
    files, last = services.source_files.page(source.source_id, 100)
    assert last is None
    return {file.file.name: file for file in files}


def test_each_file_that_matches_becomes_one_job(services: Services, place: Place, clock: builders.Clock) -> None:
    for name in ("b.csv", "a.csv", "c.txt", ".hidden.csv"):
        place.put(name)
    source = builders.scheduled_source(services, location=place.location, options={"mode": "merge"})
    ended = ran(services, source)
    jobs = run_jobs(services)
    assert [job.file_name for job in jobs] == ["a.csv", "b.csv"]
    for job in jobs:
        assert (job.source_id, job.started_by, job.mode) == (source.source_id, "source:Partner contacts", "merge")
        assert (job.status, job.imported) == (Status.COMPLETED, 3)
    assert ended.last_run is not None and ended.last_run["taken"] == 2
    files = seen(services, source)
    assert {name: (file.status, file.imported, file.after) for name, file in files.items()} == {
        "a.csv": ("COMPLETED", 3, None),
        "b.csv": ("COMPLETED", 3, None),
    }
    clock.forward(hours=1)
    ended = ran(services, source)
    assert ended.last_run is not None and ended.last_run["taken"] == 0
    assert len(importing.all_jobs(services)) == 2
    assert place.names() == [".hidden.csv", "a.csv", "b.csv", "c.txt"]


IDENTITY = pyrage.x25519.Identity.generate()
OPENPGP = pysequoia.Tsk.generate("Ann <ann@example.com>")
DECRYPTION_KEYS = {"age": f"# created by age-keygen\n{IDENTITY}\n", "openpgp": str(OPENPGP)}


def encrypted(kind: str, data: bytes) -> bytes:
    if kind == "age":
        return bytes(pyrage.encrypt(data, [IDENTITY.to_public()]))
    return bytes(pysequoia.encrypt(data, [OPENPGP.extract_certificate()], armor=False))


@pytest.fixture
def encrypted_place(services: Services, s3: Any, moto_url: str) -> Callable[..., Place]:
    """Makes a folder in S3 whose files are decrypted."""

    def make(kind: str, **secret: Any) -> Place:
        content = {
            "host": "transfer-bucket",
            "entities": ["contacts"],
            "decryptionKey": DECRYPTION_KEYS[kind],
            **secret,
        }
        secrets = boto3.client("secretsmanager", endpoint_url=moto_url, region_name="us-east-1")
        secrets.create_secret(Name="waybill/decrypts", SecretString=json.dumps(content))
        decryption = {"kind": kind, "secretId": "waybill/decrypts"}
        return Place({"kind": "s3", "prefix": "out", "decryption": decryption}, None, s3, Faults())

    return make


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_encrypted_files_are_decrypted_and_imported_once(
    services: Services, encrypted_place: Callable[..., Place], kind: str
) -> None:
    place = encrypted_place(kind)
    place.put("a.csv.age", encrypted(kind, CONTACTS))
    place.put("b.csv.gz.pgp", encrypted(kind, gzip.compress(builders.contacts_csv(count=2))))
    armored = pyrage.encrypt(CONTACTS, [IDENTITY.to_public()], armored=True)
    place.put("c.csv", armored if kind == "age" else pysequoia.encrypt(CONTACTS, [OPENPGP.extract_certificate()]))
    source = builders.scheduled_source(services, location=place.location, pattern="*")
    assert check_decryption(services, place.location, "contacts").code is None
    ran(services, source)
    jobs = {job.file_name: job.imported for job in run_jobs(services)}
    assert jobs == {"a.csv": 3, "b.csv.gz": 2, "c.csv": 3}
    assert set(seen(services, source)) == {"a.csv.age", "b.csv.gz.pgp", "c.csv"}
    ended = ran(services, source)
    assert ended.last_run is not None and ended.last_run["taken"] == 0


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_a_file_that_cannot_be_decrypted_is_a_failed_job_that_says_why(
    services: Services, encrypted_place: Callable[..., Place], kind: str
) -> None:
    place, whole = encrypted_place(kind), encrypted(kind, builders.contacts_csv(count=5_000))
    place.put("a.csv", whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
    place.put("b.csv", CONTACTS)
    ran(services, builders.scheduled_source(services, location=place.location))
    jobs = {job.file_name: job for job in run_jobs(services)}
    assert {(job.error_code, job.imported) for job in jobs.values()} == {("decryption-error", 0)}
    assert "it is damaged, ends too early" in str(jobs["a.csv"].error_message)
    assert "it is not encrypted with" in str(jobs["b.csv"].error_message)


def replace_key(moto_url: str, key: str) -> None:
    secrets = boto3.client("secretsmanager", endpoint_url=moto_url, region_name="us-east-1")
    content = {"host": "transfer-bucket", "entities": ["contacts"], "decryptionKey": key}
    secrets.put_secret_value(SecretId="waybill/decrypts", SecretString=json.dumps(content))


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_files_for_other_keys_wait_for_the_right_secret(
    services: Services, encrypted_place: Callable[..., Place], clock: builders.Clock, moto_url: str, kind: str
) -> None:
    others = {"age": str(pyrage.x25519.Identity.generate()), "openpgp": str(pysequoia.Tsk.generate("Bob"))}
    place = encrypted_place(kind, decryptionKey=others[kind])
    for name in ("a.csv.age", "b.csv.age"):
        place.put(name, encrypted(kind, CONTACTS))
    source = builders.scheduled_source(
        services, location=place.location, pattern="*", recipients=["ops@example.com"], order="name"
    )
    first = ran(services, source)
    clock.forward(hours=1)
    second = ran(services, source)
    assert first.trouble is not None and second.trouble is not None and second.last_run is not None
    assert second.trouble["since"] == first.trouble["since"] and second.trouble["code"] == "secret"
    assert "other keys than those of the secret: a.csv.age, b.csv.age" in second.trouble["message"]
    assert (second.last_run["taken"], second.last_run["waiting"], second.last_run["code"]) == (0, 2, "secret")
    assert not importing.all_jobs(services) and second.trouble["told"]
    replace_key(moto_url, DECRYPTION_KEYS[kind])
    third = ran(services, source)
    assert third.trouble is None and [job.imported for job in run_jobs(services)] == [3, 3]


def test_a_file_for_other_keys_holds_no_other_up(
    services: Services, encrypted_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = encrypted_place("age")
    foreign = bytes(pyrage.encrypt(CONTACTS, [pyrage.x25519.Identity.generate().to_public()]))
    for name in ("a.csv.age", "b.csv.age"):
        place.put(name, foreign)
    place.put("c.csv.age", encrypted("age", CONTACTS))
    source = builders.scheduled_source(services, location=place.location, pattern="*", order="name")
    monkeypatch.setattr(fetching, "TRIED_AGAIN", 1)
    taken, positions = [], []
    for _ in range(3):
        ended = ran(services, source)
        assert ended.last_run is not None and ended.trouble is not None
        taken.append(ended.last_run["taken"])
        positions.append(ended.position)
    assert (taken, positions) == ([0, 0, 1], [["a.csv.age"], ["b.csv.age"], None])
    assert [job.file_name for job in run_jobs(services)] == ["c.csv"]
    for name in ("a.csv.age", "b.csv.age"):
        place.remove(name)
    assert ran(services, source).trouble is None


def test_what_is_left_of_a_name_is_a_name(services: Services, encrypted_place: Callable[..., Place]) -> None:
    place = encrypted_place("age")
    for name in ("..age", ".age", ".a.csv.age"):
        place.put(name, encrypted("age", CONTACTS))
    ran(services, builders.scheduled_source(services, location=place.location, pattern=".*"))
    assert sorted(job.file_name for job in importing.all_jobs(services)) == ["..age", ".a.csv", ".age"]


def test_an_interrupted_decryption_is_tried_again_and_holds_no_other_up(
    services: Services, encrypted_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = encrypted_place("age")
    for name in ("a.csv.age", "b.csv.age"):
        place.put(name, encrypted("age", CONTACTS))
    source = builders.scheduled_source(services, location=place.location, pattern="*", order="name")
    with monkeypatch.context() as short:

        def killed(decrypting: Any) -> None:
            raise fetching.DecryptionInterrupted("the process was interrupted")

        short.setattr(fetching.Decrypting, "end", killed)
        running = run_now(services, source, "alice", new_uuid()).running
        times = iter([900.0] * 4)
        assert running is not None and fetch(services, running.run_id, lambda: next(times, 599.0)) == "done"
    ended = services.sources.get(source.source_id)
    assert ended.last_run is not None and "a.csv.age: It could not be decrypted" in ended.last_run["message"]
    assert ended.position == ["a.csv.age"] and not importing.all_jobs(services) and ended.trouble is None
    ran(services, source)
    ran(services, source)
    assert sorted(job.file_name for job in run_jobs(services)) == ["a.csv", "b.csv"]


def test_what_is_decrypted_is_bounded(
    services: Services, encrypted_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = encrypted_place("age")
    place.put("a.csv.age", encrypted("age", CONTACTS))
    monkeypatch.setattr(fetching, "Meter", lambda: Meter(max_bytes=10))
    ran(services, builders.scheduled_source(services, location=place.location, pattern="*"))
    place.put("b.csv.age", encrypted("age", CONTACTS * 2))
    monkeypatch.setattr(fetching, "MAX_ENCRYPTED_BYTES", 10)
    ran(services, builders.scheduled_source(services, location=place.location, pattern="*"))
    codes = sorted(str(job.error_code) for job in importing.all_jobs(services))
    assert codes == ["compression-error", "source-error", "source-error"]


def test_an_invocation_decrypts_what_it_has_the_time_for(
    services: Services, encrypted_place: Callable[..., Place]
) -> None:
    place = encrypted_place("age")
    place.put("a.csv.age", encrypted("age", CONTACTS))
    source = builders.scheduled_source(services, location=place.location, pattern="*")
    running = run_now(services, source, "alice", new_uuid()).running
    assert running is not None
    assert fetch(services, running.run_id, lambda: 599.0) == "more"
    times = iter([900.0, 900.0])
    fetch(services, running.run_id, lambda: next(times, 59.0))
    [job] = run_jobs(services)
    assert (job.error_code, "in the time of one step" in str(job.error_message)) == ("source-error", True)


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ({"entities": ["orders"]}, "There is no secret"),
        ({"host": "another-bucket"}, "There is no secret"),
        ({"decryptionKey": ""}, "has no member decryptionKey"),
        ({"decryptionKey": "AGE-SECRET-KEY-1NOBODY"}, "cannot be read"),
        ({"decryptionKey": str(IDENTITY.to_public())}, "is a public key"),
        ({"decryptionKey": str(OPENPGP)}, "is a private key of OpenPGP"),
        ({"decryptionPassphrase": 7}, "must be text"),
    ],
)
def test_a_key_that_cannot_be_used_is_a_matter_of_the_location(
    services: Services, encrypted_place: Callable[..., Place], secret: dict[str, Any], words: str
) -> None:
    place = encrypted_place("age", **secret)
    source = builders.scheduled_source(services, location=place.location, pattern="*")
    tested = run_listing_test(services, place.location, "contacts", {"pattern": "*", "order": "name"})
    assert (tested["code"], words in tested["detail"]) == ("secret", True)
    assert "told" in (ran(services, source).trouble or {}), "also of an empty folder"
    place.put("a.csv.age", encrypted("age", CONTACTS))
    ended = ran(services, source)
    assert ended.trouble is not None and words in str(ended.trouble) and "NOBODY" not in str(ended.trouble)
    assert not importing.all_jobs(services), "the file is fetched when the secret is corrected"


def test_a_protected_key_of_openpgp_needs_its_passphrase(
    services: Services, encrypted_place: Callable[..., Place]
) -> None:
    key = (Path(__file__).parents[1] / "stored" / "openpgp" / "protected.secret.asc").read_text()
    place = encrypted_place("openpgp", decryptionKey=key, decryptionPassphrase="hunter22")
    place.put("a.csv.pgp", pysequoia.encrypt(CONTACTS, [pysequoia.Tsk.from_bytes(key.encode()).extract_certificate()]))
    ran(services, builders.scheduled_source(services, location=place.location, pattern="*"))
    assert [job.imported for job in run_jobs(services)] == [3]


def test_a_changed_file_is_another_file(services: Services, place: Place, clock: builders.Clock) -> None:
    place.put("a.csv")
    source = builders.scheduled_source(services, location=place.location)
    ran(services, source)
    place.put("a.csv", builders.contacts_csv(count=4), age=1800)
    ran(services, source)
    assert sorted(job.imported for job in run_jobs(services)) == [3, 4]


@pytest.mark.parametrize("after", ["leave", "delete"])
def test_a_file_that_older_code_has_seen_under_another_spelling_is_known(
    services: Services, place: Place, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    if place.location["kind"] != "s3":
        place.location["directory"] = "/./out"
    place.put("a.csv")
    source = builders.scheduled_source(services, location=place.location, after=after)
    with monkeypatch.context() as older:
        older.setattr(Server, "place", Server.address)
        ran(services, source)
    run_jobs(services)
    ended = ran(services, source)
    assert ended.last_run is not None and ended.last_run["taken"] == 0
    assert len(importing.all_jobs(services)) == 1
    assert place.names() == (["a.csv"] if after == "leave" else [])


@pytest.mark.parametrize("after", ["delete", "move"])
def test_files_go_only_once_they_are_imported(
    services: Services, place: Place, clock: builders.Clock, after: str
) -> None:
    place.put("good.csv")
    place.put("bad.csv", BAD)
    members = {"moveTo": place.move_to} if after == "move" else {}
    source = builders.scheduled_source(services, location=place.location, after=after, **members)
    ran(services, source)
    ran(services, source)
    assert place.names() == ["bad.csv", "good.csv"]
    run_jobs(services)
    assert tick(services) == 1  # a run that fetches nothing
    running = services.sources.get(source.source_id).running
    assert running is not None and running.only_after
    assert fetch(services, running.run_id, no_limit) == "done"
    assert place.names() == ["bad.csv"]
    files = seen(services, source)
    assert files["good.csv"].after == ("deleted" if after == "delete" else "moved")
    assert (files["bad.csv"].after, files["bad.csv"].outcome) == (None, "FAILED")
    if after == "move":
        assert place.names("done") == ["good.csv"]
        assert str(files["good.csv"].moved_to).endswith("done/good.csv")
    assert tick(services) == 0
    assert len(importing.all_jobs(services)) == 2


def test_a_moved_file_never_takes_the_place_of_another(services: Services, place: Place, clock: builders.Clock) -> None:
    source = builders.scheduled_source(services, location=place.location, after="move", moveTo=place.move_to)
    for day in range(3):
        place.put("orders.tar.csv", builders.contacts_csv(count=day + 1), age=3600 - day)
        ran(services, source)
        run_jobs(services)
        ran(services, source)
        assert place.names() == []
    names = place.names("done")
    assert len(names) == 3 and "orders.tar.csv" in names
    assert all(name.startswith("orders") and name.endswith(".tar.csv") for name in names)


def test_a_new_file_of_the_same_name_is_not_deleted(services: Services, place: Place, clock: builders.Clock) -> None:
    place.put("a.csv")
    source = builders.scheduled_source(services, location=place.location, after="delete")
    ran(services, source)
    run_jobs(services)
    clock.forward(seconds=1)
    place.put("a.csv", builders.contacts_csv(count=5), age=600)
    ran(services, source)
    assert place.names() == ["a.csv"]
    assert [file.after for file in services.source_files.page(source.source_id, 9)[0]] == [None, "changed"]
    run_jobs(services)
    ran(services, source)
    assert place.names() == []


def test_a_duplicate_is_done_with(services: Services, place: Place) -> None:
    services.entities.put(builders.entity(refuse_duplicates=True))
    source = builders.scheduled_source(services, location=place.location, after="delete")
    place.put("a.csv")
    place.put("b.csv")
    ran(services, source)
    run_jobs(services)
    ran(services, source)
    assert {file.error_code for file in seen(services, source).values()} == {None, "duplicate-file"}
    assert place.names() == []


def test_a_dry_run_deletes_nothing(services: Services, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was registered while sources could have them."""
    monkeypatch.setattr(fetching, "import_options", lambda given, entity: (ImportOptions(dry_run=True), []))
    source = builders.scheduled_source(services, location=place.location, after="delete")
    place.put("a.csv")
    ran(services, source)
    run_jobs(services)
    ran(services, source)
    assert place.names() == ["a.csv"]


def test_a_young_file_waits(services: Services, place: Place, clock: builders.Clock) -> None:
    if place.location["kind"] == "s3":
        clock.moment = datetime.now(UTC) + timedelta(seconds=30)
    place.put("a.csv", age=30.0)
    source = builders.scheduled_source(services, location=place.location)
    ended = ran(services, source)
    assert ended.last_run is not None
    assert (ended.last_run["taken"], ended.last_run["waiting"]) == (0, 1)
    clock.forward(seconds=61)
    ran(services, source)
    assert len(importing.all_jobs(services)) == 1


def test_a_file_that_changes_while_it_is_fetched_waits(
    services: Services, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("a.csv")
    source = builders.scheduled_source(services, location=place.location)
    copied, growing = fetching._Work._written, [True]

    def written(work: Any, *given: Any) -> bool:
        if growing:
            growing.clear()
            place.put("a.csv", CONTACTS + b"c9,", age=3000)
        return copied(work, *given)

    monkeypatch.setattr(fetching._Work, "_written", written)
    ended = ran(services, source)
    assert ended.last_run is not None
    assert (ended.last_run["taken"], ended.last_run["waiting"]) == (0, 1)
    assert "a.csv: It changed" in ended.last_run["message"]
    assert importing.all_jobs(services) == []
    place.put("a.csv", age=2000)
    ran(services, source)
    assert [job.imported for job in run_jobs(services)] == [3]


def test_order_is_by_time_where_wanted(services: Services, place: Place) -> None:
    for age, name in ((300, "a.csv"), (900, "b.csv"), (600, "c.csv")):
        place.put(name, age=age)
    source = builders.scheduled_source(services, location=place.location, order="modified")
    ran(services, source)
    names = [job.file_name for job in run_jobs(services)]
    assert names == (["b.csv", "c.csv", "a.csv"] if place.location["kind"] != "s3" else ["a.csv", "b.csv", "c.csv"])


def test_a_folder_of_more_files_than_a_run_looks_at_is_gone_through(
    services: Services, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LOOKED_AT", 4)
    monkeypatch.setattr(fetching, "TAKEN_PER_RUN", 3)
    for number in range(10):
        place.put(f"{number:02}.csv")
    source = builders.scheduled_source(services, location=place.location)
    taken = []
    for _ in range(6):
        ended = ran(services, source)
        assert ended.last_run is not None
        taken.append(ended.last_run["taken"])
    assert taken == [3, 1, 3, 1, 2, 0]
    names = [job.file_name for job in run_jobs(services)]
    assert names == [f"{number:02}.csv" for number in range(10)]


def test_a_run_goes_on_where_its_time_ended(services: Services, place: Place) -> None:
    for number in range(4):
        place.put(f"{number}.csv")
    source = builders.scheduled_source(services, location=place.location)
    running = run_now(services, source, "alice", "1").running
    assert running is not None
    for _ in range(3):
        times = iter([900.0, 900.0, 900.0, *[10.0] * 50])
        if fetch(services, running.run_id, lambda times=times: next(times)) == "done":  # type: ignore[misc]
            break
    else:
        assert fetch(services, running.run_id, no_limit) == "done"
    assert [job.file_name for job in run_jobs(services)] == ["0.csv", "1.csv", "2.csv", "3.csv"]
    ended = services.sources.get(source.source_id)
    assert ended.last_run is not None and ended.last_run["taken"] == 4


def test_a_large_file_is_fetched_over_several_invocations(
    services: Services, place: Place, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = b"c%07d,a@example.com,7.50,2026-01-31,yes\n"
    data = CONTACTS.partition(b"\n")[0] + b"\n" + b"".join(line % number for number in range(320_000))
    assert len(data) > 12 * 1024**2
    place.put("large.csv", data)
    source = builders.scheduled_source(services, location=place.location)
    running = run_now(services, source, "alice", "1").running
    assert running is not None
    steps = 0
    while True:
        calls = iter([900.0, *[10.0] * 1_000])
        if fetch(services, running.run_id, lambda calls=calls: next(calls)) == "done":  # type: ignore[misc]
            break
        steps += 1
        assert steps < 10
    assert steps >= 2
    [job] = importing.all_jobs(services)
    assert s3.get_object(Bucket=job.source_bucket, Key=job.source_key)["Body"].read() == data
    assert services.source_files.fetching(source.source_id, str(job.source_file)) is None


def test_a_file_that_is_too_large_is_refused_with_a_job(
    services: Services, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MAX_FILE_BYTES", 20)
    place.put("a.csv")
    source = builders.scheduled_source(services, location=place.location)
    ran(services, source)
    ran(services, source)
    [job] = importing.all_jobs(services)
    assert (job.status, job.error_code) == (Status.FAILED, "source-error")
    assert "a source fetches files of up to 20" in str(job.error_message)
    assert seen(services, source)["a.csv"].error_code == "source-error"


def test_hostile_names_are_passed_over(services: Services, place: Place) -> None:
    place.put("a.csv")
    if place.location["kind"] == "s3":
        hostile = ["up\\..\\b.csv", "n" * 300 + ".csv"]
    else:
        hostile = ["up\\..\\b.csv", "line\x1bbreak.csv"]
        if place.location["kind"] == "sftp":
            hostile.append("not utf-8 \udcff.csv")
    for name in hostile:
        place.put(name)
    source = builders.scheduled_source(services, location=place.location)
    ended = ran(services, source)
    assert [job.file_name for job in importing.all_jobs(services)] == ["a.csv"]
    assert ended.last_run is not None and ended.last_run["passedOver"] == len(hostile)


def test_folders_and_links_are_no_files(services: Services, place: Place, tmp_path: Path) -> None:
    place.put("a.csv")
    if place.location["kind"] == "s3":
        place.put("folder.csv/b.csv")
        place.put("folder.csv/")
    else:
        (tmp_path / "out" / "folder.csv").mkdir()
        (tmp_path / "secret.csv").write_bytes(CONTACTS)
        os.utime(tmp_path / "secret.csv", (0, 0))
        (tmp_path / "out" / "link.csv").symlink_to("a.csv")
    source = builders.scheduled_source(services, location=place.location)
    ran(services, source)
    names = sorted(job.file_name for job in importing.all_jobs(services))
    # pyftpdlib lists a link as the file that it leads to, as many FTP servers do.
    assert names in (["a.csv"], ["a.csv", "link.csv"][: 2 if place.location["kind"] == "ftps" else 1])


def test_what_a_run_would_fetch_can_be_seen_before(services: Services, place: Place) -> None:
    for number in range(25):
        place.put(f"{number:02}.csv")
    place.put("other.txt")
    found = run_listing_test(services, place.location, "contacts", {"pattern": "*.csv", "order": "name"})
    assert (found["ok"], found["code"]) == (True, None)
    assert [file["name"] for file in found["files"]] == [f"{number:02}.csv" for number in range(20)]
    assert found["files"][0]["sizeBytes"] == len(CONTACTS)
    assert importing.all_jobs(services) == []


# Of one kind of place


@pytest.mark.parametrize("members", [{"after": "delete"}, {"after": "move", "moveTo": "done"}])
@pytest.mark.parametrize("mark", ["waybill-export", "waybill-job", "waybill-file"])
def test_what_exports_have_delivered_is_no_file_of_a_source(
    services: Services, s3: Any, members: dict[str, str], mark: str
) -> None:
    delivered = {"Bucket": "transfer-bucket", "Body": CONTACTS, "Metadata": {mark: "of another entity"}}
    for name in ("a.csv", "a.csv.manifest.json"):
        s3.put_object(Key=f"out/{name}", **delivered)
    s3.put_object(Bucket="transfer-bucket", Key="out/b.csv", Body=CONTACTS)
    source = s3_source(services, pattern="*", **members)
    ended = ran(services, source)
    assert [job.file_name for job in run_jobs(services)] == ["b.csv"]
    assert ended.last_run is not None
    assert (ended.last_run["taken"], ended.last_run["passedOver"]) == (1, 2)
    assert ended.last_run["message"] == f"{DELIVERIES}, which no source fetches: 2."
    assert list(seen(services, source)) == ["b.csv"]
    ran(services, source)
    left = [each["Key"] for each in s3.list_objects_v2(Bucket="transfer-bucket", Prefix="out/")["Contents"]]
    assert left == ["out/a.csv", "out/a.csv.manifest.json"]


@pytest.mark.parametrize("members", [{"after": "delete"}, {"after": "move", "moveTo": "done"}])
def test_a_delivery_that_was_fetched_before_stays(services: Services, s3: Any, members: dict[str, str]) -> None:
    s3.put_object(Bucket="transfer-bucket", Key="out/a.csv", Body=CONTACTS, Metadata={"waybill-export": "another"})
    source = s3_source(services, **members)
    with pytest.MonkeyPatch.context() as before:
        before.setattr(S3Folder, "is_delivery", lambda folder, file: False)
        ran(services, source)
    run_jobs(services)
    ran(services, source)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="transfer-bucket")["Contents"]] == ["out/a.csv"]
    assert seen(services, source)["a.csv"].after == "changed"


def test_a_test_of_a_location_does_not_show_deliveries(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        key, marks = f"out/{number}.csv", {"waybill-export": "another"}
        s3.put_object(Bucket="transfer-bucket", Key=key, Body=CONTACTS, Metadata=marks if number < 2 else {})
    location, listing = {"kind": "s3", "prefix": "out"}, {"pattern": "*.csv", "order": "name"}
    found = run_listing_test(services, location, "contacts", listing)
    assert [file["name"] for file in found["files"]] == ["2.csv"]
    none = run_listing_test(services, location, "contacts", listing | {"pattern": "[01].csv"})
    assert (none["files"], "no file there that would be fetched" in none["detail"]) == ([], True)
    monkeypatch.setattr(fetching, "ASKED_FOR", 2)
    found = run_listing_test(services, location, "contacts", listing)
    assert (found["files"], "which no source fetches: Deliveries" in found["detail"]) == ([], True)


def s3_source(services: Services, **members: Any) -> Source:
    return builders.scheduled_source(services, **members)


@pytest.mark.parametrize("size", ["", "-1", "+1", "1_0", "1.0", "\u0661", str(2**63), "9" * 5_000])
def test_an_entry_of_a_listing_whose_size_is_none_is_passed_over(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    connection = FtpsConnection.__new__(FtpsConnection)  # of a server that says just this
    connection._is_open = True
    lines = [f"type=file;size={each};modify=20260131093000; {each[:9]}.csv" for each in (size, "0", str(2**63 - 1))]
    monkeypatch.setattr(connection, "_lines", lambda command: iter(lines), raising=False)
    assert [file.size_bytes for file in connection.files(bool)] == [0, 2**63 - 1]


def test_the_schedule_runs_a_source_once_and_catches_up_once(
    services: Services, clock: builders.Clock, s3: Any
) -> None:
    source = s3_source(services)
    assert tick(services) == 0
    clock.forward(days=3)
    assert tick(services) == 1
    running = services.sources.get(source.source_id).running
    assert running is not None and running.started_by == "schedule"
    assert tick(services) == 0
    with pytest.raises(Conflict, match="wait for the end of that run"):
        run_now(services, services.sources.get(source.source_id), "alice", "other")
    assert fetch(services, running.run_id, no_limit) == "done"
    assert fetch(services, running.run_id, no_limit) == "done"  # of an execution that is late
    assert tick(services) == 0
    clock.forward(days=1)
    assert tick(services) == 1


def test_a_run_whose_execution_has_died_is_restarted(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = s3_source(services)
    run_now(services, source, "alice", "1")
    clock.forward(minutes=2)
    monkeypatch.setattr(services.workflow, "start", lambda machine, name, restarts: restarts > 0)
    monkeypatch.setattr(services.workflow, "is_running", lambda *given: False)
    tick(services)
    running = services.sources.get(source.source_id).running
    assert running is not None and running.restarts == 1


def test_the_owner_s_right_is_asked_at_each_run(services: Services, clock: builders.Clock, s3: Any) -> None:
    source = s3_source(services)
    s3.put_object(Bucket="transfer-bucket", Key="out/a.csv", Body=CONTACTS)
    monkeypatched = services.caller_groups
    services.caller_groups = type(monkeypatched).__mro__[1](  # groups are what requests have noted: none
        services.jobs_table, clock, 30
    )
    ended = ran(services, source)
    assert ended.status is SourceStatus.DRAFT
    assert str(ended.message).startswith("Paused. The owner of the source, alice, may not import into contacts")
    assert ended.paused_at == clock.now()
    assert importing.all_jobs(services) == []
    services.caller_groups = monkeypatched
    activate(services, ended, builders.ALICE)
    assert services.sources.get(source.source_id).message is None
    ran(services, source)
    assert len(importing.all_jobs(services)) == 1


def test_the_owner_s_right_is_asked_when_an_import_begins(services: Services, s3: Any, clock: builders.Clock) -> None:
    for name in ("a.csv", "b.csv"):
        s3.put_object(Bucket="transfer-bucket", Key=f"out/{name}", Body=CONTACTS)
    source = s3_source(services, after="delete")
    ran(services, source)
    first, second = importing.all_jobs(services)
    assert importing.run(services, min(first, second, key=lambda job: job.submitted_at)).imported == 3
    groups = services.caller_groups
    services.caller_groups = type(groups).__mro__[1](services.jobs_table, clock, 30)  # none by now
    [refused] = [importing.run(services, job) for job in importing.all_jobs(services) if not job.is_terminal]
    assert (refused.status, refused.error_code, refused.imported) == (Status.FAILED, "no-permission", 0)
    assert str(refused.error_message).startswith("alice, the owner of the source that fetched this file, may no longer")
    services.caller_groups = groups
    ran(services, source)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="transfer-bucket")["Contents"]] == [
        f"out/{refused.file_name}"
    ]
    child = relaunch_import(services, refused, "bob", "bob-id")
    assert (child.acts_for, child.source_id) == (None, None)


@pytest.mark.parametrize("is_right", [True, False])
def test_the_relaunch_of_a_whole_file_is_its_import(services: Services, s3: Any, is_right: bool) -> None:
    """And the relaunch of that relaunch; one whose rows are all bad leaves the file where it is."""
    content = builders.contacts_csv(count=1) if is_right else builders.contacts_csv([{"spend": "much"}], count=0)
    services.entities.put(builders.entity(quality=Quality(None, "stop", 50)))
    for number in range(3):
        s3.put_object(Bucket="transfer-bucket", Key=f"out/{number}.csv", Body=builders.contacts_csv(count=10 + number))
    source = s3_source(services, after="delete")
    ran(services, source)
    run_jobs(services)
    ran(services, source)
    s3.put_object(Bucket="transfer-bucket", Key="out/short.csv", Body=content)
    ran(services, source)
    refused = run_jobs(services)[-1]
    ran(services, source)
    assert (refused.error_code, seen(services, source)["short.csv"].error_code) == ("unusual-rows", "unusual-rows")
    failed = services.jobs.get(relaunch_import(services, refused, "bob", "bob-id").job_id)
    fail_import(services, services.jobs.begin(failed.job_id), [RowError.whole(None, "timed-out", "An outage.")])
    assert seen(services, source)["short.csv"].job_id == failed.job_id
    child = importing.run(services, relaunch_import(services, services.jobs.get(failed.job_id), "bob", "bob-id"))
    services.source_files.note_end(refused)  # announced once more
    ran(services, source)
    file = seen(services, source)["short.csv"]
    outcome = ("COMPLETED", "SUCCESS", 1, "deleted") if is_right else ("COMPLETED", "FAILED", 0, None)
    assert (file.job_id, file.error_code) == (child.job_id, None)
    assert (file.status, file.outcome, file.imported, file.after) == outcome
    left = [each["Key"] for each in s3.list_objects_v2(Bucket="transfer-bucket").get("Contents", [])]
    assert left == ([] if is_right else ["out/short.csv"])
    assert list(services.source_files.ready(source.source_id)) == []


@pytest.mark.parametrize(
    ("members", "action"),
    [({"after": "delete"}, "deleteFile"), ({"after": "move", "moveTo": "done"}, "moveFile"), ({}, None)],
)
def test_what_is_moved_or_deleted_is_in_the_audit_trail_once(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch, members: dict[str, str], action: str | None
) -> None:
    def entries() -> list[tuple[str, ...]]:
        found, _ = services.audit.page(Wanted(), 100)
        members = ("action", "actor", "outcome", "entity", "sourceId", "jobId")
        return [tuple(item[name] for name in members) for item in found if item["action"] in ("moveFile", "deleteFile")]

    s3.put_object(Bucket="transfer-bucket", Key="out/a.csv", Body=CONTACTS)
    source = s3_source(services, **members)
    ran(services, source)
    [job] = run_jobs(services)
    waiting = list(services.source_files.ready(source.source_id))
    for ready in (waiting, waiting):  # another attempt that has read the same list
        monkeypatch.setattr(services.source_files, "ready", lambda source_id, ready=ready: iter(ready))
        ran(services, source)
    about = (source.definition.started_by, "done", "contacts", source.source_id, job.job_id)
    assert entries() == ([] if action is None else [(action, *about)])
    after = {None: None, "deleteFile": "deleted", "moveFile": "moved"}[action]
    assert seen(services, source)["a.csv"].after == after


def test_a_location_that_cannot_be_read_is_told_once_and_tried_again(
    services: Services, clock: builders.Clock, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.settings = dataclasses.replace(services.settings, mail_sender="us@example.com")
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(services.mailer, "send", lambda to, subject, text, html: told.append((to, text)))
    where = {"kind": "s3", "bucket": "partners-bucket", "prefix": "out"}
    source = s3_source(services, location=where, recipients=["ops@example.com"])
    since = clock.now()
    for day in range(3):
        clock.forward(days=day)
        ended = ran(services, source)
        assert ended.status is SourceStatus.SCHEDULED and ended.trouble is not None
        assert (ended.trouble["code"], ended.trouble["since"][:10]) == ("not-found", since.date().isoformat())
        assert ended.last_run is not None and ended.last_run["code"] == "not-found"
    assert [to for to, _ in told] == ["ops@example.com"]
    assert "There is no bucket partners-bucket" in told[0][1]
    s3.create_bucket(Bucket="partners-bucket")
    assert ran(services, source).trouble is None
    s3.delete_bucket(Bucket="partners-bucket")
    ran(services, source)
    assert len(told) == 2


def test_the_recipients_of_a_source_get_the_report_of_each_file(
    services: Services, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.settings = dataclasses.replace(services.settings, mail_sender="us@example.com")
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(services.mailer, "send", lambda to, subject, text, html: told.append((to, subject)))
    place.put("a.csv")
    ran(services, builders.scheduled_source(services, location=place.location, recipients=["ops@example.com"]))
    (job,) = run_jobs(services)
    assert told == [("ops@example.com", f"Waybill: import into contacts completed ({job.job_id[:8]})")]


def test_unscheduling_ends_a_run_at_the_file_that_it_is_at(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        s3.put_object(Bucket="transfer-bucket", Key=f"out/{name}.csv", Body=CONTACTS)
    source = s3_source(services)
    register = fetching._Work._register

    def unscheduled(work: Any, *given: Any) -> None:
        register(work, *given)
        services.sources.unschedule(source.source_id)

    monkeypatch.setattr(fetching._Work, "_register", unscheduled)
    ended = ran(services, source)
    assert len(importing.all_jobs(services)) == 1
    assert (ended.status, ended.running) == (SourceStatus.DRAFT, None)


def test_another_attempt_that_was_first_makes_the_one_job(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two invocations at once: both have fetched the file before either has registered it."""
    s3.put_object(Bucket="transfer-bucket", Key="out/a.csv", Body=CONTACTS)
    source = s3_source(services)
    running = run_now(services, source, "alice", "1").running
    assert running is not None
    register = fetching._Work._register

    def late(work: Any, *given: Any) -> None:
        monkeypatch.setattr(fetching._Work, "_register", register)
        fetch(services, running.run_id, no_limit)
        register(work, *given)

    monkeypatch.setattr(fetching._Work, "_register", late)
    fetch(services, running.run_id, no_limit)
    [job] = run_jobs(services)
    assert job.imported == 3


@pytest.mark.parametrize("looked", ["in time", "before the other run"])
def test_a_file_is_not_imported_again_when_its_job_is_gone(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch, looked: str
) -> None:
    from waybill.upkeep.actions import delete_job

    s3.put_object(Bucket="transfer-bucket", Key="out/a.csv", Body=CONTACTS)
    source = s3_source(services)
    ran(services, source)
    [job] = run_jobs(services)
    delete_job(services, job)
    with monkeypatch.context() as patch:
        if looked != "in time":
            patch.setattr(services.source_files, "seen", lambda *_: {})
        ran(services, source)
    assert importing.all_jobs(services) == []
    assert seen(services, source)["a.csv"].imported == 3


def test_what_is_still_there_is_not_forgotten(services: Services, clock: builders.Clock, s3: Any) -> None:
    s3.put_object(Bucket="transfer-bucket", Key="out/a.csv", Body=CONTACTS)
    source = s3_source(services)
    ran(services, source)
    key = (f"SOURCE#{source.source_id}", f"FILE#{next(iter(seen(services, source).values())).mark}")
    before = services.jobs_table.get(key)
    clock.forward(days=390)
    ran(services, source)
    after = services.jobs_table.get(key)
    assert before is not None and after is not None
    assert after["expiresAt"] - before["expiresAt"] == 390 * 86_400


def test_a_run_that_fails_for_another_cause_says_so(services: Services) -> None:
    source = s3_source(services)
    running = run_now(services, source, "alice", "1").running
    assert running is not None
    end_failed(services, running.run_id)
    ended = services.sources.get(source.source_id)
    assert ended.last_run is not None
    assert (ended.running, ended.last_run["code"]) == (None, "internal-error")


def test_a_mode_that_the_entity_no_longer_allows_ends_the_run(services: Services) -> None:
    source = s3_source(services, options={"mode": "update"})
    entity = builders.entity()
    services.entities.put(dataclasses.replace(entity, schema={**entity.schema, "primaryKey": []}))
    ended = ran(services, source)
    assert ended.last_run is not None and ended.last_run["code"] == "definition"


def test_a_source_that_was_to_run_dry_fetches_nothing(services: Services, s3: Any) -> None:
    s3.put_object(Bucket="transfer-bucket", Key="out/a.csv", Body=CONTACTS)
    ended = ran(services, s3_source(services, options={"dryRun": True}))
    assert ended.last_run is not None and ended.last_run["code"] == "definition"
    assert importing.all_jobs(services) == []


def test_an_entity_has_a_hundred_sources_at_most(services: Services) -> None:
    sources = [builders.draft_source(services) for _ in range(MAX_SOURCES)]
    with pytest.raises(TooManyRequests, match="100 sources"):
        builders.draft_source(services)
    services.sources.delete(sources[0].source_id)
    builders.draft_source(services)


def test_a_scheduled_source_keeps_its_entity_and_drafts_go_with_it(services: Services, clock: builders.Clock) -> None:
    from waybill.upkeep.entity_deletion import delete_entity, erase_deleted

    source = s3_source(services)
    entity = services.entities.get("contacts")
    with pytest.raises(Conflict, match="Sources that are scheduled or run"):
        delete_entity(services, entity)
    services.sources.unschedule(source.source_id)
    delete_entity(services, services.entities.get("contacts"))
    erase_deleted(services)
    assert services.sources.find(source.source_id) is None


@pytest.mark.parametrize("place", ["sftp", "ftps"], indirect=True)
def test_a_file_that_a_server_will_not_move_keeps_no_other_from_being_fetched(
    services: Services, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSH answers no more than `Failure` to a rename to another disk, and some FTP servers know no rename."""
    place.put("a.csv")
    source = builders.scheduled_source(services, location=place.location, after="move", moveTo="/done")
    ran(services, source)
    run_jobs(services)
    place.put("b.csv")

    async def fails(*_: Any, **__: Any) -> None:
        raise asyncssh.SFTPFailure("Failure")

    def knows_none(*_: Any) -> None:
        raise ftplib.error_perm("502 Command not implemented.")

    monkeypatch.setattr(asyncssh.SFTPClient, "rename", fails)
    monkeypatch.setattr(asyncssh.SFTPClient, "posix_rename", fails)
    monkeypatch.setattr(ftplib.FTP, "rename", knows_none)
    ended = ran(services, source)
    assert ended.trouble is None and ended.last_run is not None and ended.last_run["taken"] == 1
    assert sorted(str(job.file_name) for job in importing.all_jobs(services)) == ["a.csv", "b.csv"]
