"""`make soak`: kill the processes of the steps again and again under mixed load on the embedded AWS, and then count.

Files in every mode are dropped and uploaded, people press Stop, incremental exports run meanwhile, and a busy step
process is killed (SIGKILL) about every second. When the killing is over and everything has ended:

- each job's tally is that of its file: rows that were not imported stand in its rejects file, once, for a reason that
  the file gives,
- each table holds its files folded in the order of their jobs, and
- the delivered increments fold to the same table, with windows that follow one another.

The same seed makes the same files; which process dies when depends on the machine.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.stack import LocalStack, local_stack
from tests.builders import CONTACTS_SCHEMA
from tests.e2e.client import TERMINAL, Client

Row = dict[str, str]

LABELS = [field["name"] for field in CONTACTS_SCHEMA["fields"]]  # type: ignore[attr-defined]
STEPS = (b"ImportSteps", b"ExportSteps")
KEYS = 6_000
UNFINISHED_AT_MOST = 6
STOPPED_SHARE = 0.1
END_SECONDS = 1_800.0


@dataclass
class File:
    """A file that was sent: its data rows by number, and its job."""

    mode: str
    rows: dict[int, Row]
    job_id: str = ""


@dataclass
class Subject:
    """An entity, the files that it got in the order of their jobs, and its incremental export."""

    name: str
    export_id: str = ""
    files: list[File] = field(default_factory=list)


class Wrong(Exception):
    """A count, a table or an increment is not what the files make it."""


# The files


def make_file(chance: random.Random, mode: str, count: int) -> File:
    """Rows with some bad cells and repeated keys. An update changes one field, a deletion names keys only."""
    labels = {"update": ["contact_id", "spend"], "delete": ["contact_id"]}.get(mode, LABELS)
    rows = {}
    for number in range(2, count + 2):
        row = {
            "contact_id": f"c{chance.randrange(KEYS):06d}",
            "email": "a@example.com",
            "spend": f"{chance.randrange(1, 10**6)}.5",
            "joined": "2026-01-31",
            "vip": "yes",
        }
        if chance.random() < 0.01:
            row["spend"] = "no number"
        rows[number] = {label: row[label] for label in labels}
    return File(mode, rows)


def csv_text(file: File) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(next(iter(file.rows.values()))), lineterminator="\n")
    writer.writeheader()
    writer.writerows(file.rows.values())
    return out.getvalue().encode()


# What the contract says becomes of a file


def expected_rejects(file: File, table: Mapping[str, Row]) -> dict[int, str]:
    """Row number → type of error, of a file that is imported whole into this table."""
    rejects = {number: "type-error" for number, row in file.rows.items() if row.get("spend") == "no number"}
    valid = {number: row["contact_id"] for number, row in file.rows.items() if number not in rejects}
    winners = {key: number for number, key in valid.items()}
    rejects |= {number: "duplicate-key" for number, key in valid.items() if winners[key] != number}
    for key, number in winners.items():
        if file.mode == "insert" and key in table:
            rejects[number] = "exists"
        elif file.mode in ("update", "delete") and key not in table:
            rejects[number] = "not-found"
    return rejects


def fold(file: File, rejected: Mapping[int, str], table: dict[str, Row]) -> None:
    """Change the table as the rows that were imported change it."""
    for number, row in file.rows.items():
        if number in rejected:
            continue
        if file.mode == "delete":
            table.pop(row["contact_id"], None)
        elif file.mode == "update":
            table[row["contact_id"]] = {**table[row["contact_id"]], **row}
        else:
            table[row["contact_id"]] = row


# Killing


class Killer:
    """Kills a busy step process of the stack about every `pause_seconds`, in a thread of its own."""

    def __init__(self, aws_pid: int, chance: random.Random, pause_seconds: float) -> None:
        self._aws_pid, self._chance, self._pause_seconds = aws_pid, chance, pause_seconds
        self.killed = {name: 0 for name in STEPS}
        self._is_over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Killer]:
        thread = threading.Thread(target=self._kill_on, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._is_over.set()
            thread.join()

    @property
    def total(self) -> int:
        return sum(self.killed.values())

    def _kill_on(self) -> None:
        while not self._is_over.wait(self._chance.uniform(0.2, 1.8) * self._pause_seconds):
            busy = self._busy()
            if not busy:
                continue
            pid, name = self._chance.choice(busy)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed[name] += 1

    def _busy(self) -> list[tuple[int, bytes]]:
        """The step processes that have used the processor within the last moment."""
        before = {pid: cpu_ticks(pid) for pid, _ in self._steps()}
        time.sleep(0.05)
        return [(pid, name) for pid, name in self._steps() if cpu_ticks(pid) > before.get(pid, 1 << 62)]

    def _steps(self) -> list[tuple[int, bytes]]:
        found = []
        for pid in children(self._aws_pid):
            with suppress(OSError):
                environment = Path(f"/proc/{pid}/environ").read_bytes()
                found += [(pid, name) for name in STEPS if name in environment]
        return found


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_ticks(pid: int) -> int:
    """Processor time of a process; 0 when it is gone."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(after_name[11]) + int(after_name[12])


# The load


class Soak:
    def __init__(self, local: LocalStack, admin: Client, seed: int, rows: int) -> None:
        self.local, self.admin, self.rows = local, admin, rows
        self.chance = random.Random(seed)
        self.s3 = local.clients("s3")
        self.subjects = [self._subject(f"soak-{number}") for number in range(4)]
        self.stops = 0

    def _subject(self, name: str) -> Subject:
        self.admin.put_entity(name, schema=CONTACTS_SCHEMA)
        made = self._post(
            "/exports",
            {
                "name": name,
                "entity": name,
                "type": "INCREMENTAL",
                "schedule": {"time": "02:30", "timezone": "UTC"},
                "destination": {"kind": "s3", "prefix": name},
                "fileName": f"{name}.csv",
                "includeDeleted": True,
            },
        )
        self._post(f"/exports/{made['exportId']}/activate")
        return Subject(name, made["exportId"])

    def _post(self, path: str, body: Any = None) -> Any:
        answer = self.admin.call("POST", path, json=body)
        if answer.status_code >= 300:
            raise Wrong(f"POST {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def load(self, is_enough: Callable[[], bool]) -> None:
        """Send files, press Stop and run exports until it is enough."""
        while not is_enough():
            subject = self.chance.choice(self.subjects)
            if self.unfinished() < UNFINISHED_AT_MOST:
                self._send(subject)
            if self.chance.random() < STOPPED_SHARE:
                self._stop_one()
            if self.chance.random() < 0.5:
                self.admin.call("POST", f"/exports/{subject.export_id}/run")  # 409 while one runs
            time.sleep(0.3)

    def _send(self, subject: Subject) -> None:
        modes = ["upsert", "upsert", "upsert", "insert", "update", "delete"]
        mode = self.chance.choice(modes) if subject.files else "upsert"
        file = make_file(self.chance, mode, self.chance.randrange(self.rows // 4, self.rows))
        name = f"{len(subject.files):04d}.csv"
        if self.chance.random() < 0.5:
            bucket, key = self.local.stack["dropBucket"], f"drop/{subject.name}/{name}"
            self.s3.put_object(Bucket=bucket, Key=key, Body=csv_text(file), Metadata={"mode": mode})
            file.job_id = self.admin.find_job(entity=subject.name, q=name)["jobId"]
        else:
            upload_id = self.admin.upload(subject.name, name, csv_text(file))
            file.job_id = self._post("/imports", {"uploadId": upload_id, "mode": mode})["jobId"]
        subject.files.append(file)

    def unfinished(self) -> int:
        items = self.admin.get("/jobs", limit=100, process="import")["items"]
        return sum(job["status"] not in TERMINAL for job in items)

    def _stop_one(self) -> None:
        for job in self.admin.get("/jobs", limit=100, process="import", status="IN_PROGRESS")["items"]:
            if "stop" in job["allowedActions"]:
                answer = self.admin.call("POST", f"/jobs/{job['jobId']}/stop")
                self.stops += answer.status_code == 200
                return

    def wait_for_all(self) -> None:
        """Wait until every job has ended, and run each export once more."""
        deadline = time.monotonic() + END_SECONDS
        for subject in self.subjects:
            for file in subject.files:
                self.admin.wait(file.job_id, deadline - time.monotonic())
        for subject in self.subjects:
            while (answer := self.admin.call("POST", f"/exports/{subject.export_id}/run")).status_code == 409:
                if time.monotonic() > deadline:
                    raise Wrong(f"the run of {subject.name} does not end")
                time.sleep(1)
            job = self.admin.wait(answer.json()["jobId"], deadline - time.monotonic())
            if job["status"] != "COMPLETED":
                raise Wrong(f"the last export of {subject.name} is {job['status']}: {job['error']}")

    # Counting

    def check(self) -> None:
        """
        Raises:
            Wrong
        """
        for subject in self.subjects:
            table: dict[str, Row] = {}
            for number, file in enumerate(subject.files):
                rejected = self._check_job(f"file {number} of {subject.name}", file, table)
                fold(file, rejected, table)
            self._check_increments(subject, table)

    def _check_job(self, what: str, file: File, table: Mapping[str, Row]) -> dict[int, str]:
        """The rejected rows of a job, which are those that its file and the table call for."""
        job = self.admin.get(f"/jobs/{file.job_id}")
        rejected = {}
        if job["links"]["rejects"]:
            lines = list(rows_of(self.admin.follow(f"/jobs/{file.job_id}/rejects").text))
            rejected = {int(line["_row"]): line["_type"] for line in lines}
            if len(rejected) != len(lines):
                raise Wrong(f"{what}: a row stands twice in the rejects file")
        unprocessed = sum(kind == "stopped" for kind in rejected.values())
        counts = {
            "total": len(file.rows),
            "processed": len(file.rows),
            "imported": len(file.rows) - len(rejected),
            "rejected": len(rejected) - unprocessed,
            "unprocessed": unprocessed,
        }
        if job["status"] != "COMPLETED" or {**job["counts"], "processed": len(file.rows)} != counts:
            raise Wrong(f"{what} ({file.mode}): {job['status']} {job['counts']} {job['error']}, not {counts}")
        if unprocessed and job["stopReason"] != "USER":
            raise Wrong(f"{what}: rows are unprocessed although nobody stopped it")
        if not unprocessed and rejected != (wanted := expected_rejects(file, table)):
            missing, extra = wanted.items() - rejected.items(), rejected.items() - wanted.items()
            raise Wrong(
                f"{what} ({file.mode}, job {file.job_id}): {len(missing)} rejects are missing, {len(extra)} too many, "
                f"as {sorted(missing)[:5]} and {sorted(extra)[:5]}"
            )
        return rejected

    def _check_increments(self, subject: Subject, table: Mapping[str, Row]) -> None:
        """The delivered increments follow one another, and fold to the table."""
        runs = self._runs(subject)
        folded: dict[str, Row] = {}
        window_end = None
        for run in runs:
            if run["windowFrom"] != window_end:
                raise Wrong(
                    f"{subject.name}: a window begins at {run['windowFrom']}, the one before ended {window_end}"
                )
            window_end = run["windowTo"]
            key = f"{subject.name}/{run['fileName']}"
            body = self.s3.get_object(Bucket=self.local.stack["transferBucket"], Key=key)["Body"].read().decode()
            for row in rows_of(body):
                if row.pop("_deleted") == "true":
                    folded.pop(row["contact_id"], None)
                else:
                    folded[row["contact_id"]] = row
        wanted = {key: {**row, "spend": f"{float(row['spend'])}"} for key, row in table.items()}
        found = {key: {**row, "spend": f"{float(row['spend'])}"} for key, row in folded.items()}
        if found != wanted:
            differing = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
            raise Wrong(
                f"{subject.name}: {len(differing)} records differ after {len(runs)} increments: {differing[:5]}"
            )

    def _runs(self, subject: Subject) -> Sequence[Any]:
        """The completed runs, oldest first."""
        items: list[Any] = []
        token = None
        while True:
            arguments = {"limit": 100} if token is None else {"limit": 100, "nextToken": token}
            page = self.admin.get(f"/exports/{subject.export_id}/jobs", **arguments)
            items += page["items"]
            token = page["nextToken"]
            if token is None:
                return [job for job in reversed(items) if job["status"] == "COMPLETED"]


def rows_of(text: str) -> Iterator[Row]:
    return iter(csv.DictReader(io.StringIO(text, newline="")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300, help="how many processes to kill (300)")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two kills, on average (1.0)")
    parser.add_argument("--rows", type=int, default=4_000, help="rows of the largest file (4,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the files (1)")
    asked = parser.parse_args()
    began = time.monotonic()
    with local_stack(parameters={"ChunkBytes": 30_000}) as local, closing(Client(local.stack, "admin")) as admin:
        soak = Soak(local, admin, asked.seed, asked.rows)
        with Killer(local.aws.pid, random.Random(asked.seed), asked.pause).running() as killer:
            soak.load(lambda: killer.total >= asked.kills)
        soak.wait_for_all()
        try:
            soak.check()
        except Wrong as wrong:
            print(f"WRONG after {killer.total} kills: {wrong}", file=sys.stderr)
            return 1
        files = [file for subject in soak.subjects for file in subject.files]
        kinds = ", ".join(f"{count} {name.decode()}" for name, count in killer.killed.items())
        print(
            f"{killer.total} processes killed ({kinds})"
            f" in {time.monotonic() - began:,.0f} s: {len(files)} files of {sum(len(f.rows) for f in files):,} rows,"
            f" {soak.stops} stops; every count, table and increment is exact"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
