"""A partner who puts a new file under the name of one that is being moved or deleted loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from tests.simulation.calls import Calls
from tests.simulation.faults import FaultPlan
from tests.simulation.servers import OLD, Connection, Directory
from tests.simulation.timeline import Timeline
from waybill.errors import DeliveryFailed
from waybill.exports.destinations.folder import Fate, FolderFile
from waybill.exports.destinations.names import TemporaryNames
from waybill.exports.destinations.server import ServerFolder

MARK = "0123456789abcdef"


class Partner(Connection):
    """Puts another file in place just before a rename, as long as there are some."""

    def __init__(self, calls: Calls, directory: Directory, files: list[bytes]) -> None:
        super().__init__(calls, "sftp", directory)
        self._new = files

    def rename(self, old: str, new: str, replace: bool) -> None:
        if self._new:
            self._directory.put("a.csv", self._new.pop(0), OLD + timedelta(days=1 + len(self._new)))
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
    folder = ServerFolder(lambda: Partner(calls, directory, [b"new"]))
    assert folder.delete(old, MARK) is Fate.CHANGED
    assert directory.files == {"a.csv": b"new"}


def test_a_file_that_is_replaced_at_the_last_moment_is_not_moved(directory: Directory, calls: Calls) -> None:
    old = file_of(directory)
    folder = ServerFolder(lambda: Partner(calls, directory, [b"new"]))
    assert folder.move(old, "/done", MARK) == (Fate.CHANGED, None)
    assert directory.files == {"a.csv": b"new"}


ACTS: dict[str, Callable[[ServerFolder, FolderFile], object]] = {
    "delete": lambda folder, file: folder.delete(file, MARK),
    "move": lambda folder, file: folder.move(file, "/done", MARK),
}


@pytest.mark.parametrize("act", ACTS)
def test_of_three_files_of_a_name_none_is_hidden(directory: Directory, calls: Calls, act: str) -> None:
    """A second one comes before the rename, and a third before the second gets its name back."""
    old = file_of(directory)
    folder = ServerFolder(lambda: Partner(calls, directory, [b"second", b"third"]))
    assert ACTS[act](folder, old) in (Fate.CHANGED, (Fate.CHANGED, None))
    assert directory.files == {"a.csv": b"third", "a_20260103T000000Z.csv": b"second"}


@pytest.mark.parametrize("act", ACTS)
def test_a_crash_before_a_new_file_gets_its_name_back_hides_nothing(
    directory: Directory, calls: Calls, act: str
) -> None:
    old = file_of(directory)
    renames: list[str] = []
    directory.refuses = lambda request: renames.append(request) or ("permission" if len(renames) > 1 else None)
    with pytest.raises(DeliveryFailed):
        ACTS[act](ServerFolder(lambda: Partner(calls, directory, [b"new"])), old)
    assert list(directory.files) == [f".waybill-{MARK}.part"]
    directory.refuses = lambda request: None
    folder = ServerFolder(lambda: Connection(calls, "sftp", directory))
    assert ACTS[act](folder, old) in (Fate.CHANGED, (Fate.CHANGED, None))
    assert directory.files == {"a.csv": b"new"}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("died_at", range(1, 4))
def test_what_died_at_any_request_goes_on(directory: Directory, calls: Calls, act: str, died_at: int) -> None:
    old = file_of(directory)
    changes: list[str] = []
    directory.refuses = lambda request: changes.append(request) or ("permission" if len(changes) == died_at else None)
    with suppress(DeliveryFailed):
        ACTS[act](ServerFolder(lambda: Connection(calls, "sftp", directory)), old)
    assert ACTS[act](ServerFolder(lambda: Connection(calls, "sftp", directory)), old) in (
        (Fate.DONE, "/done/a.csv"),
        Fate.DONE if died_at < 3 else Fate.GONE,
    )
    assert directory.files == ({"/done/a.csv": b"old"} if act == "move" else {})


def test_a_folder_takes_what_is_set_aside(directory: Directory, calls: Calls) -> None:
    names: list[str] = []
    directory.on_change = lambda files: names.extend(files)
    folder = ServerFolder(lambda: Connection(calls, "sftp", directory), TemporaryNames(prefix="", folder="part"))
    assert folder.move(file_of(directory), "/done", MARK) == (Fate.DONE, "/done/a.csv")
    assert names == [f"part/waybill-{MARK}.part", "/done/a.csv"]


def test_a_deletion_that_died_after_the_rename_is_completed(directory: Directory, calls: Calls) -> None:
    old = file_of(directory)
    directory.refuses = lambda request: "permission" if request.startswith("delete") else None
    with pytest.raises(DeliveryFailed):
        ServerFolder(lambda: Connection(calls, "sftp", directory)).delete(old, MARK)
    assert list(directory.files) == ["a.csv"]
    directory.refuses = lambda request: None if request == f"rename a.csv .waybill-{MARK}.part" else "permission"
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
