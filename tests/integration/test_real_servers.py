"""Deliveries to, and sources on, the servers that most partners run: OpenSSH, vsftpd and ProFTPD."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import partner_servers as servers
from tests import real_servers
from tests.partner_servers import Certificate, Kept, certificate
from tests.real_servers import SERVERS, RealPartner
from waybill.errors import DeliveryFailed
from waybill.exports.destinations import publish
from waybill.exports.destinations.folder import Fate
from waybill.exports.destinations.server import ServerFolder

NAME, OLD, NEW = "contacts.csv", b"old" * 1000, b"new" * 2000
LARGE = os.urandom(12_000_000)
MARK = "0123456789abcdef"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=SERVERS)
def partner(request: pytest.FixtureRequest, shown: Certificate) -> Iterator[RealPartner]:
    if missing := real_servers.missing(request.param):
        what = f"{request.param} needs {', '.join(missing)}: run .ci/servers"
        if os.environ.get("CI"):
            pytest.fail(what)
        pytest.skip(what)
    # Not in pytest's folder, which no other user may look into.
    with tempfile.TemporaryDirectory(prefix="waybill-") as root:
        os.chmod(root, 0o755)
        with SERVERS[request.param](Path(root), shown) as running:
            yield running


def files(partner: RealPartner) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in partner.folder.iterdir() if path.is_file()}


def put(partner: RealPartner, name: str, content: bytes) -> None:
    """As the partner's own user."""
    path = partner.folder / name
    path.write_bytes(content)
    os.chown(path, partner.folder.stat().st_uid, -1)


def test_a_file_is_delivered_and_replaced(partner: RealPartner) -> None:
    assert servers.replace(partner.open, Kept(), NAME, OLD) == NAME
    manifest = f"{NAME}.manifest.json"
    assert set(files(partner)) == {NAME, manifest} and json.loads(files(partner)[manifest])["fileName"] == NAME
    (partner.folder / manifest).unlink()  # of another run
    assert servers.replace(partner.open, Kept(), NAME, NEW) == NAME
    assert set(files(partner)) == {NAME, manifest} and files(partner)[NAME] == NEW


def test_changes_wait_beside_each_other(partner: RealPartner) -> None:
    put(partner, NAME, OLD)
    assert servers.replace(partner.open, Kept(), NAME, NEW, replaces=False) == "contacts_2.csv"
    assert set(files(partner)) == {NAME, "contacts_2.csv", "contacts_2.csv.manifest.json"}
    assert files(partner)[NAME] == OLD


def test_a_server_that_dies_in_the_middle_is_delivered_to_again(partner: RealPartner) -> None:
    """It resumes where the server has all bytes, and the receiver has the old file until then."""
    put(partner, NAME, OLD)
    state, sent = Kept(), list[int]()

    def died(at: int) -> None:
        sent.append(at)
        if at > 4_000_000:
            real_servers.kill(partner.daemon)

    with pytest.raises(DeliveryFailed) as told, partner.open() as connection:
        publish.publish(
            connection,
            NAME,
            servers.JOB,
            publish.Source(len(LARGE), lambda offset: iter([LARGE[offset:]])),
            lambda final: b"{}",
            state,
            replace=True,
            remaining_seconds=lambda: 900.0,
            progress=died,
        )
    assert told.value.retry_now
    assert files(partner)[NAME] == OLD
    (part,) = (name for name in files(partner) if name != NAME)
    assert part.startswith(".") and part.endswith(".part")
    assert servers.replace(partner.open, state, NAME, LARGE) == NAME
    assert files(partner)[NAME] == LARGE
    assert set(files(partner)) == {NAME, f"{NAME}.manifest.json"}


def test_a_connection_test_leaves_nothing(partner: RealPartner) -> None:
    steps: list[str] = []
    with partner.open() as connection:
        publish.test_directory(connection, servers.JOB, steps.append)
    assert len(steps) == 4 and files(partner) == {}


def test_a_source_fetches_moves_and_deletes(partner: RealPartner) -> None:
    (partner.folder / "done").mkdir()
    os.chown(partner.folder / "done", partner.folder.stat().st_uid, -1)
    for name, content in (("a.csv", OLD), ("b.csv", LARGE), ("c.csv", NEW), (".hidden", b""), ("done/a.csv", NEW)):
        put(partner, name, content)
    with ServerFolder(partner.open) as folder:
        listed = {file.name: file for file in folder.files(lambda name: name.endswith(".csv"))}
        assert {name: file.size_bytes for name, file in listed.items()} == {
            "a.csv": len(OLD),
            "b.csv": len(LARGE),
            "c.csv": len(NEW),
        }
        for name, file in listed.items():
            assert file.is_same(folder.find(name))
            assert file.modified.timestamp() == int((partner.folder / name).stat().st_mtime)
        assert b"".join(folder.read(listed["b.csv"], 0)) == LARGE
        assert b"".join(folder.read(listed["b.csv"], 7_000_000)) == LARGE[7_000_000:]
        assert folder.find("missing.csv") is None
        fate, path = folder.move(listed["a.csv"], "done", MARK)
        assert fate is Fate.DONE and str(path).endswith("Z.csv")  # the name itself is taken
        with pytest.raises(DeliveryFailed):
            folder.move(listed["c.csv"], "missing", MARK)
        assert folder.delete(listed["c.csv"], MARK) is Fate.DONE
        assert folder.delete(listed["c.csv"], MARK) is Fate.GONE
    assert set(files(partner)) == {"b.csv", ".hidden"}
    assert sorted(each.read_bytes() for each in (partner.folder / "done").iterdir()) == [NEW, OLD]


def test_a_server_that_dies_while_a_source_reads_is_asked_again(partner: RealPartner) -> None:
    put(partner, "b.csv", LARGE)
    with ServerFolder(partner.open) as folder:
        (file,) = folder.files(lambda name: name == "b.csv")
        got = 0
        with pytest.raises(DeliveryFailed) as told:
            for block in folder.read(file, 0):
                got += len(block)
                real_servers.kill(partner.daemon)
        assert told.value.retry_now and got < len(LARGE)
        assert b"".join(folder.read(file, got)) == LARGE[got:]


def test_who_may_not_log_in_is_told(partner: RealPartner) -> None:
    wrong = dict(partner.secret)
    if "password" in wrong:
        wrong["password"] = "wrong"
    else:
        wrong["username"] = "nobody-of-this-name"
    with pytest.raises(DeliveryFailed) as told, partner.open(secret=wrong):
        pass
    assert told.value.reason == "auth"


def test_a_directory_that_is_not_there_is_told(partner: RealPartner) -> None:
    missing = f"{partner.where['directory']}/missing"
    with pytest.raises(DeliveryFailed) as told, partner.open(directory=missing) as connection:
        list(connection.files(bool))  # where stat is denied, nothing is known before
    assert told.value.reason == "not-found"


def test_what_may_not_be_written_is_told(partner: RealPartner) -> None:
    put(partner, NAME, OLD)
    with partner.open() as connection:
        with pytest.raises(DeliveryFailed) as told:
            connection.write("missing/a.csv", 0, [b"x"], lambda _: None)
        assert told.value.reason in ("not-found", "permission")
        assert connection.size(NAME) == len(OLD)  # the connection goes on
