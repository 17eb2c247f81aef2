"""A delivery reaches the receiver exactly once, whole, wherever it breaks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import pytest

from waybill.errors import DeliveryFailed
from waybill.exports.destinations.names import TemporaryNames
from waybill.exports.destinations.publish import Publication, Source, Step, discard, publish, restore
from waybill.exports.file_names import delivered_names, manifest_name, numbered

JOB = "0d9a35a1-5f9c-5c8e-8d0c-0f7f35a4b2e6"
NAME = "contacts_20260131.csv.gz"
CONTENT = bytes(range(256)) * 4
CHUNK = 100


class Crash(BaseException):
    """The process is killed: no handler of ours runs after it that could help."""


@dataclass
class Server:
    """A partner's directory, and what its receiver has taken from it."""

    files: dict[str, bytes] = field(default_factory=dict)
    taken: dict[str, bytes] = field(default_factory=dict)
    is_eager: bool = False
    replaces: bool = True

    def take(self) -> None:
        for name in [name for name in self.files if not name.startswith(".")]:
            assert name not in self.taken, f"{name} came twice"
            self.taken[name] = self.files.pop(name)

    def received(self) -> dict[str, bytes]:
        assert not self.files.keys() & self.taken.keys()
        return self.files | self.taken


@dataclass
class State:
    """Durable; `before_save` and `after_save` may crash."""

    publication: Publication | None = None
    break_at: Callable[[str], None] = lambda _: None

    def load(self) -> Publication | None:
        return self.publication

    def save(self, publication: Publication) -> None:
        self.break_at(f"before saving {publication.step}")
        self.publication = publication
        self.break_at(f"after saving {publication.step}")


class MemoryConnection:
    """A connection to a `Server`; before and after all it does, `break_at` may raise."""

    def __init__(self, server: Server, break_at: Callable[[str], None] = lambda _: None, unsure_bytes: int = 0) -> None:
        self._server, self._break_at = server, break_at
        self.unsure_bytes = unsure_bytes
        self.written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def size(self, name: str) -> int | None:
        self._break_at(f"before size {name}")
        found = self._server.files.get(name)
        return None if found is None else len(found)

    def write(self, name: str, offset: int, chunks: Iterable[bytes], progress: Callable[[int], None]) -> None:
        self._break_at(f"before write {name}")
        assert offset == 0 or offset <= len(self._server.files[name])
        content = bytearray(self._server.files[name] if offset else b"")
        self._server.files[name] = bytes(content)
        begin = offset
        for chunk in chunks:
            content[offset : offset + len(chunk)] = chunk
            offset += len(chunk)
            self.written += len(chunk)
            self._server.files[name] = bytes(content)
            progress(offset)
            try:
                self._break_at(f"after {offset} bytes of {name}")
            except BaseException:
                if self.unsure_bytes:  # of what was on its way, only the last byte was written
                    hole = slice(max(begin, offset - self.unsure_bytes), offset - 1)
                    content[hole] = bytes(len(content[hole]))
                    self._server.files[name] = bytes(content)
                raise
        self._break_at(f"after write {name}")

    def rename(self, old: str, new: str, replace: bool) -> None:
        self._break_at(f"before rename {new}")
        if new in self._server.files and not (replace and self._server.replaces):
            raise DeliveryFailed("exists", "It is there.")
        if old not in self._server.files:
            raise DeliveryFailed("not-found", "It is gone.")
        self._server.files[new] = self._server.files.pop(old)
        if self._server.is_eager:
            self._server.take()
        self._break_at(f"after rename {new}")

    def read(self, name: str, limit: int) -> bytes | None:
        self._break_at(f"before read {name}")
        return self._server.files.get(name)

    def delete(self, name: str) -> None:
        self._break_at(f"before delete {name}")
        self._server.files.pop(name, None)


SOURCE = Source(len(CONTENT), lambda offset: iter([CONTENT[at : at + CHUNK] for at in range(offset, 1024, CHUNK)]))


def manifest(name: str) -> bytes:
    return json.dumps({"jobId": JOB, "fileName": name}).encode()


def deliver(connection: MemoryConnection, state: State, replace: bool = False, **changes: object) -> str | None:
    options = {"replace": replace, "remaining_seconds": lambda: 900.0} | changes
    return publish(connection, NAME, JOB, SOURCE, manifest, state, **options)  # type: ignore[arg-type]


def breaking_at(number: int, error: Callable[[], BaseException]) -> tuple[Callable[[str], None], list[str]]:
    """Raises at the number-th point; the points passed."""
    points: list[str] = []

    def reach(point: str) -> None:
        points.append(point)
        if len(points) == number + 1:
            raise error()

    return reach, points


def count_points(replace: bool = False) -> int:
    reach, points = breaking_at(-2, Crash)
    deliver(MemoryConnection(Server(), reach), State(break_at=reach), replace)
    return len(points)


def test_a_delivery_places_data_then_manifest() -> None:
    reach, points = breaking_at(-2, Crash)
    server, state, seen = Server(), State(), list[int]()
    assert deliver(MemoryConnection(server, reach), state, progress=seen.append) == NAME
    assert server.files == {NAME: CONTENT, f"{NAME}.manifest.json": manifest(NAME)}
    assert state.publication == Publication(Step.PUBLISHED, NAME)
    assert seen[-1] == len(CONTENT) and seen == sorted(seen)
    renames = [point for point in points if point.startswith("before rename")]
    assert renames == [f"before rename {NAME}", f"before rename {manifest_name(NAME)}"]
    parts = [f".{NAME}.0d9a35a1.part", f".{NAME}.manifest.json.0d9a35a1.part"]
    assert [point for point in points if point.startswith("before write")] == [f"before write {p}" for p in parts]
    server.files.clear()
    assert deliver(MemoryConnection(server, reach), state) == NAME  # called once more
    assert not server.files


FAILURES: dict[str, Callable[[], BaseException]] = {
    "killed": Crash,
    "cut": lambda: DeliveryFailed("connection-lost", "It broke off."),
    "stalled": lambda: DeliveryFailed("timeout", "It stalled."),
}
RECEIVERS = ["waits", "takes at once", "takes after the failure"]


@pytest.mark.parametrize("receiver", RECEIVERS)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("unsure_bytes", [0, 250])
def test_broken_anywhere_twice_it_still_arrives_once(
    receiver: str, failure: str, replace: bool, unsure_bytes: int
) -> None:
    """Every pair of points at which the connection breaks or the process dies."""
    points = count_points(replace)
    assert points > 20
    for numbers in itertools.product(range(points), range(0, points + 1)):
        server, state = Server(is_eager=receiver == "takes at once"), State()
        where: list[str] = []
        for number in numbers:
            reach, passed = breaking_at(number, FAILURES[failure])
            state.break_at = reach
            try:
                deliver(MemoryConnection(server, reach, unsure_bytes), state, replace)
            except (Crash, DeliveryFailed):
                where.append(passed[-1])
            if receiver == "takes after the failure":
                server.take()
        state.break_at = lambda _: None
        name = deliver(MemoryConnection(server, unsure_bytes=unsure_bytes), state, replace)
        assert name == NAME, where
        assert server.received() == {NAME: CONTENT, manifest_name(NAME): manifest(NAME)}, where


def test_a_failed_rename_that_may_have_happened_is_not_repeated() -> None:
    """The answer is lost and the receiver has taken the file: nothing is sent again."""
    server, state = Server(is_eager=True), State()

    def lose(point: str) -> None:
        if point == f"after rename {NAME}":
            raise DeliveryFailed("connection-lost", "It broke off.")

    with pytest.raises(DeliveryFailed):
        deliver(MemoryConnection(server, lose), state)
    connection = MemoryConnection(server)
    assert deliver(connection, state) == NAME
    assert connection.written == 0


@pytest.mark.parametrize("reason", ["permission", "not-found", "disk-full", "protocol"])
@pytest.mark.parametrize("target", [NAME, manifest_name(NAME)])
def test_a_rename_that_was_refused_is_asked_for_again(reason: str, target: str) -> None:
    server, state = Server(), State()

    def refuse(point: str) -> None:
        if point == f"before rename {target}":
            raise DeliveryFailed(reason, "No.")

    with pytest.raises(DeliveryFailed):
        deliver(MemoryConnection(server, refuse), state)
    if target == NAME:
        server.files.clear()  # the operator tidied up: the data must be sent again, not counted as taken
    assert deliver(MemoryConnection(server), state) == NAME
    assert server.files == {NAME: CONTENT, manifest_name(NAME): manifest(NAME)}


def test_an_upload_goes_on_where_it_was() -> None:
    server, state = Server(), State()
    times = itertools.chain([900.0] * 3, itertools.repeat(59.0))
    connection = MemoryConnection(server)
    assert deliver(connection, state, remaining_seconds=lambda: next(times)) is None
    assert connection.written == 400 and not any(not name.startswith(".") for name in server.files)
    rest = MemoryConnection(server)
    assert deliver(rest, state) == NAME
    assert rest.written == len(CONTENT) - 400 + len(manifest(NAME))
    assert server.files[NAME] == CONTENT


def test_time_that_runs_out_with_the_last_chunk_is_enough() -> None:
    times = itertools.chain([900.0] * 10, itertools.repeat(0.0))
    assert deliver(MemoryConnection(Server()), State(), remaining_seconds=lambda: next(times)) == NAME


def test_a_part_that_is_too_long_is_written_anew() -> None:
    server = Server({TemporaryNames().parts(NAME, JOB)[0]: CONTENT + b"more"})
    assert deliver(MemoryConnection(server), State()) == NAME
    assert server.files[NAME] == CONTENT


@pytest.mark.parametrize("content", [b"", b"x"])
def test_small_and_empty_files_are_delivered(content: bytes) -> None:
    server = Server()
    source = Source(len(content), lambda offset: iter([content] if content else []))
    publish(
        MemoryConnection(server),
        "a.csv",
        JOB,
        source,
        manifest,
        State(),
        replace=False,
        remaining_seconds=lambda: 900.0,
    )
    assert server.files["a.csv"] == content


def test_a_server_that_keeps_less_than_it_took_is_told() -> None:
    server = Server()
    part = TemporaryNames().parts(NAME, JOB)[0]

    def lose(point: str) -> None:
        if point == f"after write {part}":
            server.files[part] = server.files[part][:-1]

    with pytest.raises(DeliveryFailed) as told:
        deliver(MemoryConnection(server, lose), State())
    assert told.value.reason == "protocol" and "1023 of the 1024 bytes" in str(told.value)
    assert NAME not in server.files


# --- names that are taken


OTHERS = json.dumps({"jobId": "another"}).encode()


def test_incremental_files_never_cover_what_was_not_taken() -> None:
    second, third = "contacts_20260131_2.csv.gz", "contacts_20260131_3.csv.gz"
    server = Server({NAME: b"theirs", manifest_name(second): OTHERS})  # of the second, only the data was taken
    assert deliver(MemoryConnection(server), State()) == third
    assert server.files == {
        NAME: b"theirs",
        manifest_name(second): OTHERS,
        third: CONTENT,
        manifest_name(third): manifest(third),
    }


def test_a_full_extract_replaces_the_one_before() -> None:
    server = Server({NAME: b"old", manifest_name(NAME): OTHERS})
    assert deliver(MemoryConnection(server), State(), replace=True) == NAME
    assert server.files == {NAME: CONTENT, manifest_name(NAME): manifest(NAME)}


def test_a_name_taken_while_we_upload_is_left_alone() -> None:
    """Another delivery places its file between our look and our rename."""
    server, state = Server(), State()

    def intrude(point: str) -> None:
        if point == f"before rename {NAME}":
            server.files[NAME] = b"theirs"

    second = numbered(NAME, 2)
    assert deliver(MemoryConnection(server, intrude), state) == second
    assert server.files == {NAME: b"theirs", second: CONTENT, manifest_name(second): manifest(second)}


@pytest.mark.parametrize("replace", [False, True])
def test_what_this_job_has_placed_is_its_own_without_a_state(replace: bool) -> None:
    server = Server({NAME: CONTENT, manifest_name(NAME): manifest(NAME), TemporaryNames().parts(NAME, JOB)[0]: b"left"})
    connection, state = MemoryConnection(server), State()
    assert deliver(connection, state, replace) == NAME
    assert connection.written == 0 and state.publication == Publication(Step.PUBLISHED, NAME)
    assert server.files.keys() == {NAME, manifest_name(NAME)}


@pytest.mark.parametrize("found", [b"", b"no json", b"[]", b"\xff", OTHERS])
def test_a_manifest_that_is_not_ours_is_a_name_taken(found: bytes) -> None:
    assert deliver(MemoryConnection(Server({manifest_name(NAME): found})), State()) == numbered(NAME, 2)


def test_directories_that_cannot_be_read_are_written_all_the_same() -> None:
    def refuse(point: str) -> None:
        if point.startswith("before read"):
            raise DeliveryFailed("permission", "No.")

    server = Server({manifest_name(NAME): manifest(NAME)})
    assert deliver(MemoryConnection(server, refuse), State()) == numbered(NAME, 2)


def test_a_directory_that_nobody_empties_ends_it() -> None:
    server = Server({numbered(NAME, number): b"" for number in range(1, 1001)})
    with pytest.raises(DeliveryFailed) as told:
        deliver(MemoryConnection(server), State())
    assert told.value.reason == "exists" and told.value.relaunchable


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("a.csv", "a_2.csv"),
        ("a.csv.gz", "a_2.csv.gz"),
        ("a.b.xlsx", "a.b_2.xlsx"),
        ("a", "a_2"),
        (".a", "_2.a"),
        (".a.csv.ZIP", ".a_2.csv.ZIP"),
        ("a.gz", "a_2.gz"),
        ("žluť 馬.csv", "žluť 馬_2.csv"),
    ],
)
def test_numbers_stand_before_the_extensions(name: str, second: str) -> None:
    assert numbered(name, 2) == second and numbered(name, 1) == name


@pytest.mark.parametrize("name", ["a.csv", "馬" * 200, "a" * 200])
def test_temporary_names_are_hidden_short_and_two(name: str) -> None:
    parts = TemporaryNames().parts(name, JOB)
    assert len(set(parts)) == 2
    for part in parts:
        assert part.startswith(".") and part.endswith(".0d9a35a1.part") and len(part.encode()) <= 255


# --- the old file


OLD = b"old" * 1000
REFUSALS = ["exists", "permission", "disk-full", "protocol", "connection-lost", "timeout"]


def with_old_file(replaces: bool) -> Server:
    return Server({NAME: OLD, manifest_name(NAME): OTHERS}, replaces=replaces)


def count_replacing_points(replaces: bool) -> int:
    reach, points = breaking_at(-2, Crash)
    server = with_old_file(replaces)
    assert deliver(MemoryConnection(server, reach), State(break_at=reach), replace=True) == NAME
    assert server.files == {NAME: CONTENT, manifest_name(NAME): manifest(NAME)}
    return len(points)


@pytest.mark.parametrize("gives_up", [False, True])
@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("reason", [*REFUSALS, "killed"])
def test_the_old_file_stays_until_the_new_one_has_its_name(reason: str, replaces: bool, gives_up: bool) -> None:
    """Broken at every point, then at every point of the next attempt; a server may not replace files by itself."""

    def failure() -> BaseException:
        return Crash() if reason == "killed" else DeliveryFailed(reason, "No.")

    points = count_replacing_points(replaces)
    for numbers in itertools.product(range(points), range(points + 1)):
        server, state = with_old_file(replaces), State()
        where: list[str] = []
        for number in numbers:
            reach, passed = breaking_at(number, failure)
            state.break_at = reach
            with suppress(Crash, DeliveryFailed):
                deliver(MemoryConnection(server, reach), state, replace=True)
            where.extend(passed[-1:])
        state.break_at = lambda _: None
        if gives_up:
            discard(MemoryConnection(server), NAME, JOB, state)
            assert server.files.get(NAME) in (OLD, CONTENT), where
        assert deliver(MemoryConnection(server), state, replace=True) == NAME, where
        assert server.files[NAME] == CONTENT and server.files[manifest_name(NAME)] == manifest(NAME), where


@pytest.mark.parametrize("has_other_name", [False, True])
@pytest.mark.parametrize("reason", ["killed", "connection-lost"])
def test_the_next_run_restores_the_old_file_of_one_that_ended_without_reaching_the_server(
    reason: str, has_other_name: bool
) -> None:
    """Broken at every point of an exchange, and never cleaned up. File names may contain the date."""

    def failure() -> BaseException:
        return Crash() if reason == "killed" else DeliveryFailed(reason, "No.")

    next_name, next_job = "next.csv" if has_other_name else NAME, JOB[::-1]
    seen = set()
    for number in range(count_replacing_points(replaces=False)):
        server, state = with_old_file(replaces=False), State()
        reach, _ = breaking_at(number, failure)
        state.break_at = reach
        with suppress(Crash, DeliveryFailed):
            deliver(MemoryConnection(server, reach), state, replace=True)
        if state.publication is None or state.publication.step is not Step.SWAPPING:
            assert server.files[NAME] in (OLD, CONTENT)
            continue
        seen.add(NAME in server.files)
        restore(MemoryConnection(server), NAME, JOB, state.publication.name)
        assert server.files[NAME] in (OLD, CONTENT)
        assert [name for name in server.files if name.startswith(".")] == []
        arguments = {"replace": True, "remaining_seconds": lambda: 900.0}
        source = Source(len(CONTENT), lambda offset: iter([CONTENT[offset:]]))
        publish(MemoryConnection(server), next_name, next_job, source, manifest, State(), **arguments)  # type: ignore[arg-type]
        assert server.files[next_name] == CONTENT
        restore(MemoryConnection(server), NAME, JOB, state.publication.name)
        assert server.files[NAME] in (OLD, CONTENT) and server.files[next_name] == CONTENT
    assert seen == {True, False}, "the name was missing at one point at least"


def test_restoring_tells_when_the_server_cannot_be_reached() -> None:
    def refuse(_: str) -> None:
        raise DeliveryFailed("connection-lost", "It broke off.")

    with pytest.raises(DeliveryFailed):
        restore(MemoryConnection(Server(), refuse), NAME, JOB, NAME)


@pytest.mark.parametrize("reason", ["exists", "permission", "disk-full", "protocol"])
def test_a_refused_rename_gives_the_old_file_its_name_back_at_once(reason: str) -> None:
    """The server refuses the new file its name for good, whether or not the old one is aside."""
    server, state = with_old_file(replaces=False), State()
    connection = MemoryConnection(server)
    rename = connection.rename

    def refuse(old: str, new: str, replace: bool) -> None:
        if (old, new) == (TemporaryNames().parts(NAME, JOB)[0], NAME):
            raise DeliveryFailed(reason, "No.")
        rename(old, new, replace)

    connection.rename = refuse  # type: ignore[method-assign]
    with pytest.raises(DeliveryFailed) as told:
        deliver(connection, state, replace=True)
    assert told.value.reason == reason
    assert server.files[NAME] == OLD and server.files[manifest_name(NAME)] == OTHERS
    discard(connection, NAME, JOB, state)
    assert server.files == {NAME: OLD, manifest_name(NAME): OTHERS}


def test_giving_up_never_brings_back_an_old_file_after_the_new_one_was_collected() -> None:
    server, state = with_old_file(replaces=False), State()

    def stop(point: str) -> None:
        if point == f"after rename {NAME}":
            raise DeliveryFailed("connection-lost", "It broke off.")

    with pytest.raises(DeliveryFailed):
        deliver(MemoryConnection(server, stop), state, replace=True)
    assert server.files.pop(NAME) == CONTENT
    discard(MemoryConnection(server), NAME, JOB, state)
    assert NAME not in server.files


# --- giving up


def test_giving_up_leaves_nothing_and_a_relaunch_begins_anew() -> None:
    """At every point at which a delivery can break; then it is given up, relaunched, and arrives once."""
    for receiver, number in itertools.product(RECEIVERS, range(count_points())):
        server, state = Server(is_eager=receiver == "takes at once"), State()
        reach, passed = breaking_at(number, FAILURES["cut"])
        state.break_at = reach
        with pytest.raises(DeliveryFailed):
            deliver(MemoryConnection(server, reach), state)
        state.break_at = lambda _: None
        discard(MemoryConnection(server), NAME, JOB, state)
        has_data = NAME in server.received()
        left = [name for name in server.files if name.startswith(".")]
        assert left == (
            [TemporaryNames().parts(NAME, JOB)[1]] if has_data and manifest_name(NAME) not in server.received() else []
        )
        if receiver == "takes after the failure":
            server.take()
        assert deliver(MemoryConnection(server), state) == NAME, passed[-1]
        assert server.received() == {NAME: CONTENT, manifest_name(NAME): manifest(NAME)}, passed[-1]


def test_giving_up_on_a_server_that_is_gone_is_quiet() -> None:
    def refuse(_: str) -> None:
        raise DeliveryFailed("connection-lost", "It broke off.")

    for step in Step:
        state = State(Publication(step, NAME))
        discard(MemoryConnection(Server(), refuse), NAME, JOB, state)
        assert state.publication == Publication(step, NAME)


def test_progress_may_stop_a_delivery() -> None:
    class Superseded(Exception):
        pass

    def stop(done: int) -> None:
        if done >= 300:
            raise Superseded

    server, state = Server(), State()
    with pytest.raises(Superseded):
        deliver(MemoryConnection(server), state, progress=stop)
    assert deliver(MemoryConnection(server), state) == NAME


@pytest.mark.parametrize("names", [TemporaryNames(), TemporaryNames("", ".csv"), TemporaryNames("~", "")])
def test_only_what_a_source_has_set_aside_is_passed_over(names: TemporaryNames) -> None:
    assert names.is_aside(names.aside("0123456789abcdef"))
    for own in ("orders", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF"):
        assert not names.is_aside(names.aside(own))
    assert not TemporaryNames(folder="part").is_aside("waybill-0123456789abcdef.part")


# --- the files of a split export

CONTENTS = [b"1" * 150, b"2" * 250, b""]
SET = [Source(len(content), lambda offset, content=content: iter([content[offset:]])) for content in CONTENTS]
FIRST, SECOND, THIRD, LISTED = SET_NAMES = delivered_names(NAME, len(SET))
DELIVERED = dict(zip(SET_NAMES, [*CONTENTS, manifest(NAME)], strict=True))
OLD_SET = {FIRST: OLD, SECOND: OLD, THIRD: OLD, LISTED: OTHERS}


def deliver_set(connection: MemoryConnection, state: State, replace: bool = False) -> str | None:
    return publish(connection, NAME, JOB, SET, manifest, state, replace=replace, remaining_seconds=lambda: 900.0)


def points_of_set(server: Server, replace: bool) -> list[str]:
    reach, points = breaking_at(-2, Crash)
    assert deliver_set(MemoryConnection(server, reach), State(break_at=reach), replace) == NAME
    return points


def test_a_set_is_uploaded_whole_before_its_first_file_has_its_name_and_its_manifest_comes_last() -> None:
    server = Server()
    points = [point for point in points_of_set(server, replace=False) if point.startswith(("before w", "before r"))]
    assert [point.split()[1] for point in points] == ["write"] * 4 + ["rename"] * 4
    assert [point.split()[2] for point in points[4:]] == SET_NAMES
    assert server.files == DELIVERED


@pytest.mark.parametrize("receiver", RECEIVERS)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("replace", [False, True])
def test_a_set_that_is_broken_anywhere_still_arrives_once(receiver: str, failure: str, replace: bool) -> None:
    for number in range(len(points_of_set(Server(), replace))):
        server, state = Server(is_eager=receiver == "takes at once"), State()
        reach, passed = breaking_at(number, FAILURES[failure])
        state.break_at = reach
        with suppress(Crash, DeliveryFailed):
            deliver_set(MemoryConnection(server, reach), state, replace)
        state.break_at = lambda _: None
        if receiver == "takes after the failure":
            server.take()
        assert deliver_set(MemoryConnection(server), state, replace) == NAME, passed[-1]
        assert server.received() == DELIVERED, passed[-1]


@pytest.mark.parametrize("gives_up", [False, True])
@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("reason", [*REFUSALS, "killed"])
def test_each_old_file_of_a_set_stays_until_the_new_one_has_its_name(
    reason: str, replaces: bool, gives_up: bool
) -> None:
    def failure() -> BaseException:
        return Crash() if reason == "killed" else DeliveryFailed(reason, "No.")

    for number in range(len(points_of_set(Server(dict(OLD_SET), replaces=replaces), replace=True))):
        server, state = Server(dict(OLD_SET), replaces=replaces), State()
        reach, passed = breaking_at(number, failure)
        state.break_at = reach
        with suppress(Crash, DeliveryFailed):
            deliver_set(MemoryConnection(server, reach), state, replace=True)
        state.break_at = lambda _: None
        if gives_up:
            discard(MemoryConnection(server), NAME, JOB, state, files=len(SET))
            for name in SET_NAMES[:-1]:
                assert server.files.get(name) in (OLD, DELIVERED[name]), passed[-1]
            left = {name for name in server.files if name.endswith(".part")}
            assert left <= {TemporaryNames().parts(NAME, JOB, len(SET))[-1]}, "only for its manifest"
        assert deliver_set(MemoryConnection(server), state, replace=True) == NAME, passed[-1]
        # A server that does not let us delete the old file, when the new one has its name, keeps it hidden.
        assert {name: data for name, data in server.files.items() if not name.endswith(".old")} == DELIVERED, passed[-1]


def test_old_files_of_a_set_that_ended_without_reaching_the_server_are_restored() -> None:
    server, state = Server(dict(OLD_SET), replaces=False), State()

    def stop(point: str) -> None:
        if point == f"before rename {SECOND}":
            raise Crash

    with suppress(Crash):
        deliver_set(MemoryConnection(server, stop), state, replace=True)
    assert state.publication is not None and state.publication.step is Step.SWAPPING and SECOND not in server.files
    restore(MemoryConnection(server), NAME, JOB, NAME, files=len(SET))
    assert server.files == {**OLD_SET, FIRST: CONTENTS[0]}


@pytest.mark.parametrize("theirs", SET_NAMES)
def test_a_set_of_changes_covers_nothing_that_is_there(theirs: str) -> None:
    server, second = Server({theirs: OTHERS}), numbered(NAME, 2)
    assert deliver_set(MemoryConnection(server), State()) == second
    wanted = dict(zip(delivered_names(second, len(SET)), [*CONTENTS, manifest(second)], strict=True))
    assert server.files == {theirs: OTHERS} | wanted


def test_time_that_runs_out_between_two_names_is_gone_on_from() -> None:
    server, state, left = Server(), State(), iter([900.0] * 4 + [0.0] * 100)
    name = publish(
        MemoryConnection(server), NAME, JOB, SET, manifest, state, replace=False, remaining_seconds=left.__next__
    )
    assert name is None and state.publication is not None and state.publication.step is Step.PUBLISHING
    assert FIRST in server.files and LISTED not in server.files
    assert deliver_set(MemoryConnection(server), state) == NAME
    assert server.files == DELIVERED


@pytest.mark.parametrize("name", ["a" * 150, "馬" * 50, "a" * 146 + ".csv"])
def test_temporary_names_of_a_set_differ(name: str) -> None:
    names, count = TemporaryNames(), 1_000
    assert len({*names.parts(name, JOB, count)}) == count + 1
    assert len({names.backup(each, JOB) for each in delivered_names(numbered(name, 999), count)}) == count + 1
