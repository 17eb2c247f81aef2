"""The benchmarks measure what the product does: each program still does its work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests import builders
from tests.bench import cold_start
from tests.bench.exports import check_same_rows
from tests.bench.imports import Workshop
from tests.bench.measure import Endpoint, Program, Result, null_dynamodb, table
from tests.bench.small_file import CALLS_GOAL, INVOCATIONS_GOAL, bill_of

ROWS = 600


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("bench"), ROWS, 1)


@pytest.fixture(scope="module")
def endpoint(shop: Workshop) -> Iterator[Endpoint]:
    with null_dynamodb(shop.folder, "--record", shop.folder / "requests") as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "bad_share"), [("narrow", 0.0), ("narrow", 0.3), ("wide", 0.0), ("mixed", 0.0), ("plain", 0.0)]
)
def test_every_good_row_of_a_file_arrives_at_the_endpoint(
    shop: Workshop, endpoint: Endpoint, kind: str, bad_share: float
) -> None:
    task = shop.task(Program(endpoint, "ours_import.py"), kind, bad_share=bad_share)
    counts = json.loads(task.run().output)  # raises when not exactly task.puts rows arrive
    assert counts["imported"] == task.puts
    assert counts["rejected"] == ROWS - task.puts


@pytest.mark.slow
def test_the_floor_sends_the_rows_that_we_sent(shop: Workshop, endpoint: Endpoint) -> None:
    file = shop.file("narrow", ROWS)
    recorded = shop.folder / "recorded"
    with null_dynamodb(shop.folder, "--record", recorded) as recorder:
        Program(recorder, "ours_import.py").run(file, ROWS)
    assert Program(endpoint, "peer_floor.py", ("--requests", recorded)).run(file, ROWS).cpu_seconds > 0


@pytest.mark.slow
def test_validation_finds_what_frictionless_finds(shop: Workshop, endpoint: Endpoint) -> None:
    file = shop.file("narrow", ROWS, 0.3)
    ours = Program(endpoint, "ours_import.py", ("--validate",)).run(file, 0)
    theirs = Program(endpoint, "peer_frictionless.py").run(file, 0)
    assert json.loads(ours.output)["errors"] == json.loads(theirs.output)["errors"]


@pytest.mark.slow
@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])  # xlsxwriter is with the peers alone
def test_an_export_has_the_rows_that_a_scan_finds(shop: Workshop, endpoint: Endpoint, format: str) -> None:
    check_same_rows(shop.folder, endpoint, format, sys.executable)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [(f"/v1/jobs/{cold_start.JOB_ID}", frozenset()), ("/v1/jobs", frozenset({"pydantic", "pydantic_core"}))],
    ids=["a job", "a list"],
)
def test_jobs_are_read_without_what_makes_a_start_slow(shop: Workshop, path: str, allowed: frozenset[str]) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    answers = cold_start.write_answers(shop.folder, key)
    with null_dynamodb(shop.folder, "--answers", answers) as endpoint:
        environment = cold_start.environment_of(endpoint, cold_start.token(key)) | {"REQUEST_PATH": path}
        command = [sys.executable, "-X", "importtime", cold_start.HERE / "ours_cold_start.py"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert cold_start.JOB_ID in ended.stdout
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert {"views", "waybill.jobs.repository"} <= loaded
    # Powertools checks whether botocore is installed, and loads only its version.
    slow = {"boto3", "botocore.session", "jwt", "msgspec", "pydantic", "pydantic_core"} - allowed
    unused = {"waybill.exports", "waybill.imports", "waybill.entities.schema", "routers.exports", "models.exports"}
    assert not [name for name in loaded if name.startswith(tuple(f"{word}." for word in slow | unused))]
    assert not loaded & (slow | unused)


def test_a_missed_goal_shows_in_the_table_and_in_the_document() -> None:
    slow = Result("import-vs-floor", 12.0, 3.0, "csv.reader", "µs CPU/row", 4.0, 3, less_is_better=True)
    assert slow.to_json() == {
        "name": "import-vs-floor",
        "ours": 12.0,
        "peer": 3.0,
        "peerName": "csv.reader",
        "unit": "µs CPU/row",
        "ratio": 4.0,
        "goal": 3,
        "holds": False,
    }
    assert " NO " in table([slow])


@pytest.mark.parametrize("options", [{}, {"mode": "insert"}, {"on_error": "all-or-nothing"}], ids=str)
def test_a_small_file_is_imported_in_two_invocations(options: dict[str, str]) -> None:
    bill = bill_of(builders.contacts_csv(count=100), **options)
    assert (bill.invocations, bill.transitions) == ({"start_import": 1, "import_steps/plan": 1}, 3)


def test_a_small_file_takes_what_docs_scale_says() -> None:
    bill = bill_of(builders.contacts_csv(count=100))
    counted = {
        "invocations": bill.invocations.total(),
        "state transitions": bill.transitions,
        "calls of AWS, without the batches of rows": bill.calls.total(),
        "write units, without those of the rows": bill.units.total(),
    }
    text = (builders.ROOT / "docs/scale.md").read_text()
    shown = re.findall(r"(?m)^\| ([^|]+) \| \d+ \| (\d+) \|$", text)
    assert {name: int(figure) for name, figure in shown if name in counted} == counted
    assert f"| {bill.units.total()} write units |" in text
    assert bill.invocations.total() <= INVOCATIONS_GOAL and bill.calls.total() <= CALLS_GOAL
