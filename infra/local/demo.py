"""`make demo`: one file in through the drop bucket, one file out through the API, and a check of both."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.local.cities import FIELDS, Cities, Row, write_cities
from infra.local.stack import LocalStack, local_stack

ENTITY = "cities"
SCHEMA = Path(__file__).with_name("cities.schema.json")
JOB_TIMEOUT_SECONDS = 300.0
POLL_SECONDS = 0.25
SHOWN_ERRORS = 10
TERMINAL = ("COMPLETED", "FAILED", "CANCELED")
Json = dict[str, Any]


class DemoError(Exception):
    """A check of the demo failed; the message is one line."""


def main() -> int:
    """Run the demo. Returns 0 if every check passed; otherwise prints the failed one on one line and returns 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both ways to stop it clean up
    try:
        with tempfile.TemporaryDirectory(prefix="waybill-demo-") as folder:
            _run(Console(soft_wrap=True), Path(folder))
    except KeyboardInterrupt:
        print("demo failed: interrupted", file=sys.stderr)
        return 1
    except Exception as error:  # the edge: whatever it was, the person who started it gets one line
        name = "" if isinstance(error, DemoError) else f"{type(error).__name__}: "
        print(f"demo failed: {name}{' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _run(console: Console, folder: Path) -> None:
    source, target = folder / "cities.csv", folder / "export.csv"
    cities = write_cities(source)
    console.print(f"1. {cities.rows:,} rows in {source.name}, {cities.spoiled:,} of them deliberately invalid")
    with console.status("starting the embedded AWS and deploying template.yaml"):
        stack = local_stack()
        running = stack.__enter__()
    try:
        console.print(f"2. template.yaml is deployed to the embedded AWS at {running.stack['endpointUrl']}")
        with contextlib.closing(Api(running.stack)) as api:
            job = _import(console, running, api, source)
            _show_rejected(console, api, job)
            _check_counts(job, cities)
            _export(console, api, target)
        _check_export(console, target, cities)
    finally:
        stack.__exit__(None, None, None)
    console.print("Every check passed; the local stack has stopped.", style="bold green")


class Api(httpx.Client):
    """The HTTP API, as the user `admin`."""

    def __init__(self, stack: Json) -> None:
        """Sign in with the password that the stack's description holds."""
        super().__init__(base_url=f"{stack['apiUrl']}/v1/", timeout=60, trust_env=False)
        config = self.call("GET", "auth-config")
        answer = self.post(
            config["endpoint"],
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
            },
            json={
                "AuthFlow": "USER_PASSWORD_AUTH",
                "ClientId": config["clientId"],
                "AuthParameters": {"USERNAME": "admin", "PASSWORD": stack["users"]["admin"]},
            },
        )
        if answer.is_error:
            raise DemoError(f"signing in answered {answer.status_code}: {answer.text[:300]}")
        self.headers["Authorization"] = f"Bearer {answer.json()['AuthenticationResult']['AccessToken']}"

    def call(self, method: str, path: str, body: Json | None = None) -> Any:
        """Return the body of the answer.

        Raises:
            DemoError: the API refused.
        """
        answer = self.request(method, path, json=body)
        if answer.is_error:
            raise DemoError(f"{method} /v1/{path} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()


def _import(console: Console, running: LocalStack, api: Api, source: Path) -> Json:
    """Upload the file to the drop bucket, and follow its job through the API until it ends."""
    entity = {"title": "Cities", "schema": json.loads(SCHEMA.read_text(encoding="utf-8"))}
    api.call("PUT", f"entities/{ENTITY}", entity)
    bucket, key = running.stack["dropBucket"], f"drop/{ENTITY}/{source.name}"
    running.clients("s3").upload_file(str(source), bucket, key)
    console.print(f"3. the file is at s3://{bucket}/{key}")

    def dropped() -> Json | None:
        jobs = api.call("GET", f"jobs?process=import&entity={ENTITY}")["items"]
        return jobs[0] if jobs else None

    job = _until(dropped, "the dropped file started no import")
    columns = (TextColumn("   {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("rows", total=None)

        def ended() -> Json | None:
            now: Json = api.call("GET", f"jobs/{job['jobId']}")
            counts = now["counts"]
            progress.update(bar, total=counts["total"], completed=counts["processed"])
            return now if now["status"] in TERMINAL else None

        job = _until(ended, "the import did not end")
    counts = job["counts"]
    console.print(
        f"4. import {job['jobId']} is {job['status']} ({job['outcome']}): total {counts['total']:,},"
        f" imported {counts['imported']:,}, rejected {counts['rejected']:,}, unprocessed {counts['unprocessed']:,}"
    )
    return job


def _show_rejected(console: Console, api: Api, job: Json) -> None:
    """The first rejected rows with their reasons, and how many there are of each kind."""
    errors = api.call("GET", f"jobs/{job['jobId']}/errors?limit={SHOWN_ERRORS}")
    table = Table("row", "field", "cell", "type", "reason", title="The first rejected rows", title_justify="left")
    for error in errors["items"]:
        values = (error[member] for member in ("rowNumber", "fieldName", "cell", "type", "message"))
        table.add_row(*("" if value is None else str(value) for value in values))
    console.print(table)
    kinds = Table("type", "field", "errors", title="All of them", title_justify="left")
    for group in errors["summary"]:
        kinds.add_row(group["type"], group["fieldName"] or "", str(group["count"]))
    console.print(kinds)


def _check_counts(job: Json, cities: Cities) -> None:
    counts = job["counts"]
    expected = {"total": cities.rows, "imported": len(cities.good), "rejected": cities.spoiled, "unprocessed": 0}
    for name, value in expected.items():
        if counts[name] != value:
            raise DemoError(f"{name} is {counts[name]}, not {value} (job {job['status']}, error {job['error']})")


def _export(console: Console, api: Api, target: Path) -> None:
    """Export the entity once, and download the file."""
    export = api.call("POST", "exports", {"name": "All cities", "entity": ENTITY, "type": "ONE_SHOT", "format": "csv"})
    api.call("POST", f"exports/{export['exportId']}/activate")

    def ended() -> Json | None:
        runs = api.call("GET", f"exports/{export['exportId']}/jobs")["items"]
        return runs[0] if runs and runs[0]["status"] in TERMINAL else None

    with console.status("exporting"):
        job = _until(ended, "the export did not end")
    if job["status"] != "COMPLETED":
        raise DemoError(f"the export is {job['status']}: {job['error']}")
    answer = api.get(f"jobs/{job['jobId']}/download")
    if answer.status_code != httpx.codes.SEE_OTHER:
        raise DemoError(f"the download answered {answer.status_code}: {answer.text[:300]}")
    with (
        httpx.stream("GET", answer.headers["Location"], timeout=60, trust_env=False) as file,  # no token for S3
        target.open("wb") as copy,
    ):
        file.raise_for_status()
        for block in file.iter_bytes():
            copy.write(block)


def _check_export(console: Console, path: Path, cities: Cities) -> None:
    """Print what the file holds, and compare it with the rows that were put in."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    console.print(f"5. exported and downloaded: {len(rows):,} rows, SHA-256 {digest}")
    if tuple(header) != FIELDS:
        raise DemoError(f"the header of the export is {header}")
    exported = {row[0]: _values(row) for row in rows}
    expected = {key: _values(row) for key, row in cities.good.items()}
    if len(rows) != len(expected) or exported != expected:
        differing = [key for key in expected.keys() | exported.keys() if exported.get(key) != expected.get(key)]
        first = min(differing, default="none: a record appears twice")
        raise DemoError(f"the export differs from the imported records, first at geonameid {first}")


def _values(row: Row) -> tuple[object, ...]:
    """The row's values in comparable form: 52.0 and 52 are the same number."""
    numbers = ("latitude", "longitude")
    return tuple(Decimal(cell) if name in numbers else cell for name, cell in zip(FIELDS, row, strict=True))


def _until(ready: Callable[[], Json | None], complaint: str) -> Json:
    deadline = time.monotonic() + JOB_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if (result := ready()) is not None:
            return result
        time.sleep(POLL_SECONDS)
    raise DemoError(f"{complaint} within {JOB_TIMEOUT_SECONDS:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
