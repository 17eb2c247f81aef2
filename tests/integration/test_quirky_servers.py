"""Servers in the wild: whatever they do otherwise, a receiver has one whole good file at every moment."""

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
from waybill.exports.destinations.names import TemporaryNames
from waybill.exports.destinations.publish import clean_up_test, discard

NAME, OLD, NEW = "contacts.csv", b"old" * 1000, b"new" * 2000
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
