"""A partner who puts a new file under the name of one that is being moved or deleted loses nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.simulation.calls import Calls
from tests.simulation.faults import FaultPlan
from tests.simulation.servers import OLD, Connection, Directory
from tests.simulation.timeline import Timeline
from waybill.errors import DeliveryFailed
from waybill.exports.destinations.folder import Fate, FolderFile
from waybill.exports.destinations.server import ServerFolder

MARK = "0123456789abcdef"


class Partner(Connection):
    """Puts another file in place just before a rename."""

    is_busy = True

    def rename(self, old: str, new: str, replace: bool) -> None:
        if self.is_busy:
            self.is_busy = False
            self._directory.put("a.csv", b"new", OLD + timedelta(days=1))
        super().rename(old, new, replace)


@pytest.fixture
def directory() -> Directory:
    directory = Directory()
    directory.put("a.csv", b"old")
    return directory


@pytest.fixture
def calls() -> Calls:
    return Calls(Timeline(1), FaultPlan(), 1)


def file_of(directory: Directory) -> FolderFile:
    found = directory.find("a.csv")
    assert found is not None
    return found


def test_a_file_that_is_replaced_at_the_last_moment_is_not_deleted(directory: Directory, calls: Calls) -> None:
    old = file_of(directory)
    folder = ServerFolder(lambda: Partner(calls, "sftp", directory))
    assert folder.delete(old, MARK) is Fate.CHANGED
    assert directory.files == {"a.csv": b"new"}


def test_a_file_that_is_replaced_at_the_last_moment_is_not_moved(directory: Directory, calls: Calls) -> None:
    old = file_of(directory)
    folder = ServerFolder(lambda: Partner(calls, "sftp", directory))
    assert folder.move(old, "/done", MARK) == (Fate.CHANGED, None)
    assert directory.files == {"a.csv": b"new"}


def test_a_deletion_that_died_after_the_rename_is_completed(directory: Directory, calls: Calls) -> None:
    old = file_of(directory)
    directory.refuses = lambda request: "permission" if request.startswith("delete") else None
    with pytest.raises(DeliveryFailed):
        ServerFolder(lambda: Connection(calls, "sftp", directory)).delete(old, MARK)
    assert list(directory.files) == [f".waybill-{MARK}.part"]
    directory.refuses = lambda request: None
    assert ServerFolder(lambda: Connection(calls, "sftp", directory)).delete(old, MARK) is Fate.DONE
    assert directory.files == {}


def test_a_move_that_was_not_answered_is_found(directory: Directory, calls: Calls) -> None:
    old = file_of(directory)
    for _ in range(2):
        folder = ServerFolder(lambda: Connection(calls, "sftp", directory))
        assert folder.move(old, "/done/", MARK) == (Fate.DONE, "/done/a.csv")
    assert directory.files == {"/done/a.csv": b"old"}


def test_a_file_that_is_gone_is_gone(directory: Directory, calls: Calls) -> None:
    old = file_of(directory)
    directory.files.clear()
    folder = ServerFolder(lambda: Connection(calls, "sftp", directory))
    assert folder.delete(old, MARK) is Fate.GONE
    assert folder.move(old, "/done", MARK) == (Fate.GONE, None)


def test_what_is_not_read_to_its_end_hangs_up_and_connects_again(directory: Directory, calls: Calls) -> None:
    opened: list[Connection] = []

    def connect() -> Connection:
        opened.append(Connection(calls, "sftp", directory))
        return opened[-1]

    folder = ServerFolder(connect)
    reading = folder.read(file_of(directory), 0)
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert folder.find("a.csv") is not None
    assert len(opened) == 2
