"""Servers in the wild: whatever they do otherwise, a receiver has one whole good file at every moment, and a source
fetches what a partner has put there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests import partner_servers as servers
from tests.partner_servers import Faults, Kept, Partner, Quirks, certificate, ftps_partner, sftp_partner
from waybill.errors import DeliveryFailed
from waybill.exports.destinations import publish
from waybill.exports.destinations.folder import Fate
from waybill.exports.destinations.names import TemporaryNames
from waybill.exports.destinations.publish import clean_up_test, discard
from waybill.exports.destinations.server import ServerFolder

NAME, OLD, NEW = "contacts.csv", b"old" * 1000, b"new" * 2000
MARK = "0123456789abcdef"
PLAIN = TemporaryNames(prefix="", suffix=".tmp")
IN_A_FOLDER = TemporaryNames(prefix="", folder="part")
DOTS = TemporaryNames()

SFTP = {
    "posix-rename is refused": Quirks(refuses_posix_rename=True),
    "posix-rename replaces nothing": Quirks(replaces=False),
    "stat is denied": Quirks(denies=frozenset({"stat"})),
    "stat is denied, open files too": Quirks(denies=frozenset({"stat", "fstat"})),
    "a folder that is only written to": Quirks(denies=frozenset({"stat", "fstat", "list"})),
    "stat is denied and nothing replaced": Quirks(denies=frozenset({"stat"}), replaces=False),
    "dots are forbidden": Quirks(forbids_dots=True),
    "case is ignored": Quirks(ignores_case=True),
    "case is ignored and nothing replaced": Quirks(ignores_case=True, replaces=False),
    "changes show late": Quirks(shows_after=3),
    "changes show late and nothing is replaced": Quirks(shows_after=3, replaces=False),
}
FTPS = {
    "no SIZE": Quirks(lacks=frozenset({"SIZE"})),
    "no SIZE, no MLST": Quirks(lacks=frozenset({"SIZE", "MLST", "MLSD"})),
    "no SIZE, no lists": Quirks(lacks=frozenset({"SIZE", "MLST", "MLSD", "LIST", "NLST"})),
    "no SIZE and nothing replaced": Quirks(lacks=frozenset({"SIZE", "MLST", "MLSD"}), replaces=False),
    "a folder that is only written to": Quirks(denies=frozenset({"SIZE", "MLST", "MLSD", "LIST", "NLST", "RETR"})),
    "dots are forbidden": Quirks(forbids_dots=True),
    "case is ignored": Quirks(ignores_case=True),
    "changes show late": Quirks(shows_after=3),
    "changes show late and nothing is replaced": Quirks(shows_after=3, replaces=False),
}
#: A source needs a list, and the time and size of a file.
NO_SOURCES = ("a folder that is only written to", "no SIZE, no lists")
LATE = ("changes show late", "changes show late and nothing is replaced")
CASES = [("sftp", name) for name in SFTP] + [("ftps", name) for name in FTPS]
Serve = Callable[..., AbstractContextManager[Partner]]


@pytest.fixture(scope="module")
def host_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> servers.Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def quirks(kind: str, quirk: str) -> Quirks:
    found = (SFTP if kind == "sftp" else FTPS)[quirk]
    found._before.clear()
    return found


@pytest.fixture
def partner(
    kind: str, quirks: Quirks, faults: Faults, tmp_path: Path, host_key: asyncssh.SSHKey, shown: servers.Certificate
) -> Iterator[Partner]:
    options: dict[str, Any] = {"host_keys": [host_key]} if kind == "sftp" else {"shown": shown}
    serve = sftp_partner if kind == "sftp" else ftps_partner
    with serve(tmp_path, faults, quirks=quirks, **options) as running:
        (running.folder / "part").mkdir()
        yield running


def names_for(quirks: Quirks) -> TemporaryNames:
    return PLAIN if quirks.forbids_dots else DOTS


def files(partner: Partner) -> dict[str, bytes]:
    """What lies there, but for what receivers leave alone."""
    found = {path.name: path.read_bytes() for path in partner.folder.iterdir() if path.is_file()}
    return {name: data for name, data in found.items() if not (name.startswith(".") or name.endswith(".tmp"))}


@pytest.mark.parametrize(("kind", "quirk"), CASES)
def test_a_full_extract_replaces_the_one_before(partner: Partner, quirks: Quirks) -> None:
    (partner.folder / NAME).write_bytes(OLD)
    assert servers.replace(partner.connect, Kept(), NAME, NEW, names_for(quirks)) == NAME
    assert files(partner)[NAME] == NEW
    assert set(files(partner)) == {NAME, f"{NAME}.manifest.json"}


@pytest.mark.parametrize(("kind", "quirk"), CASES)
def test_changes_never_cover_a_file(partner: Partner, quirks: Quirks) -> None:
    (partner.folder / "Contacts.csv" if quirks.ignores_case else partner.folder / NAME).write_bytes(OLD)
    final = servers.replace(partner.connect, Kept(), NAME, NEW, names_for(quirks), replaces=False)
    assert final == "contacts_2.csv"
    found = files(partner)
    assert found["contacts_2.csv"] == NEW
    assert OLD in found.values()


# Python's wrap_socket leaves the socket to the garbage collector when the peer has reset the connection by then.
@pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <ssl.SSLSocket .*laddr=[^=]*>:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize(("kind", "quirk"), [case for case in CASES if case[1] not in LATE])
@pytest.mark.parametrize("refusal", ["permission", "locked", *servers.CUTS])
def test_a_refusal_leaves_one_whole_good_file(partner: Partner, quirks: Quirks, faults: Faults, refusal: str) -> None:
    """Each change that a delivery asks for is refused, once, at every place."""
    names = names_for(quirks)

    def start() -> Kept:
        for path in partner.folder.iterdir():
            if path.is_file():
                path.unlink()
        quirks._before.clear()
        (partner.folder / NAME).write_bytes(OLD)
        return Kept()

    asked: list[str] = []
    faults.refuses = lambda request: asked.append(request)
    servers.replace(partner.connect, start(), NAME, NEW, names)
    for wanted in dict.fromkeys(asked):
        faults.refuses = lambda request, wanted=wanted: refusal if request == wanted else None
        state = start()
        for _ in range(2):
            with suppress(DeliveryFailed):
                servers.replace(partner.connect, state, NAME, NEW, names)
        with suppress(DeliveryFailed), partner.connect() as connection:
            discard(connection, NAME, servers.JOB, state, names)
        assert files(partner).get(NAME) in (OLD, NEW), wanted
        faults.refuses = lambda _: None
        servers.replace(partner.connect, state, NAME, NEW, names)
        assert files(partner)[NAME] == NEW, wanted


@pytest.mark.parametrize(("kind", "quirk"), CASES)
def test_a_connection_test_says_what_a_delivery_would_meet(partner: Partner, quirks: Quirks) -> None:
    with partner.connect() as connection:
        if quirks.forbids_dots:
            with pytest.raises(DeliveryFailed) as told:
                publish.test_directory(connection, servers.JOB, lambda _: None)
            assert told.value.reason == "permission"
        publish.test_directory(connection, servers.JOB, lambda _: None, names_for(quirks))
        clean_up_test(connection, servers.JOB, names_for(quirks))
    assert files(partner) == {}


@pytest.mark.parametrize(("kind", "quirk"), [("sftp", "dots are forbidden"), ("ftps", "no SIZE, no MLST")])
def test_files_are_completed_in_a_folder(partner: Partner) -> None:
    (partner.folder / NAME).write_bytes(OLD)
    servers.replace(partner.connect, Kept(), NAME, NEW, IN_A_FOLDER)
    assert files(partner)[NAME] == NEW
    assert list((partner.folder / "part").iterdir()) == []


FETCHED = [case for case in CASES if case[1] not in NO_SOURCES]


@pytest.mark.parametrize(("kind", "quirk"), FETCHED)
@pytest.mark.parametrize("after", ["leave", "delete", "move"])
def test_a_source_fetches(partner: Partner, quirks: Quirks, after: str) -> None:
    (partner.folder / NAME).write_bytes(OLD)
    (partner.folder / "done").mkdir()
    folder = ServerFolder(partner.connect, names_for(quirks))
    with folder:
        (file,) = folder.files(lambda name: name == NAME)
        assert b"".join(folder.read(file, 0)) == OLD
        assert file.is_same(folder.find(NAME))
        if after == "delete":
            assert folder.delete(file, MARK) is Fate.DONE
        elif after == "move":
            assert folder.move(file, "done", MARK) == (Fate.DONE, f"done/{NAME}")
    found = {path.relative_to(partner.folder).as_posix() for path in partner.folder.rglob("*") if path.is_file()}
    assert found == {"leave": {NAME}, "delete": set(), "move": {f"done/{NAME}"}}[after]


@pytest.mark.parametrize(("kind", "quirk"), FETCHED)
def test_a_moved_file_takes_no_place(partner: Partner, quirks: Quirks) -> None:
    (partner.folder / NAME).write_bytes(OLD)
    (partner.folder / "done").mkdir()
    (partner.folder / "done" / ("Contacts.csv" if quirks.ignores_case else NAME)).write_bytes(NEW)
    with ServerFolder(partner.connect, names_for(quirks)) as folder:
        (file,) = folder.files(lambda name: name == NAME)
        fate, path = folder.move(file, "done", MARK)
    assert fate is Fate.DONE and path == f"done/contacts_{file.modified:%Y%m%dT%H%M%SZ}.csv"
    assert sorted(each.read_bytes() for each in (partner.folder / "done").iterdir()) == [NEW, OLD]


@pytest.mark.parametrize(("kind", "quirk"), [("sftp", "dots are forbidden"), ("ftps", "dots are forbidden")])
@pytest.mark.parametrize("act", ["delete", "move"])
def test_a_source_is_told_that_dots_are_forbidden(partner: Partner, act: str) -> None:
    (partner.folder / NAME).write_bytes(OLD)
    with ServerFolder(partner.connect) as folder:
        (file,) = folder.files(lambda name: name == NAME)
        with pytest.raises(DeliveryFailed) as told:
            folder.delete(file, MARK) if act == "delete" else folder.move(file, "done", MARK)
    assert told.value.reason == "permission"
    assert files(partner) == {NAME: OLD}


@pytest.mark.parametrize(("kind", "quirk"), [("ftps", "no SIZE")])
def test_a_file_that_is_busy_waits_by_itself(partner: Partner, faults: Faults) -> None:
    """450 is about the file: the connection goes on, and other files can be fetched."""
    (partner.folder / NAME).write_bytes(OLD)
    faults.refuses = lambda request: "locked" if request == f"read {NAME}" else None
    with partner.connect() as connection:
        with pytest.raises(DeliveryFailed) as told:
            list(connection.read_from(NAME, 0))
        assert told.value.reason == "busy"
        assert connection.find(NAME) is not None
