"""Schemathesis against the specification that an API serves: no failure of ours, nothing undescribed, nothing unknown
taken.

All its checks but one: `positive_data_acceptance` asks that whatever fits a schema is taken, and rules such as "a field
of the entity" are in no schema. For a long run, call schemathesis by hand with another seed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SETTINGS = """
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 409, 410, 412, 413, 422]

[parameters]
"path.name" = {{ dictionary = "entities", probability = 0.6 }}
"body.entity" = {{ dictionary = "entities", probability = 0.8 }}
"path.job_id" = {{ dictionary = "jobs", probability = 0.8 }}
"path.import_id" = {{ dictionary = "jobs", probability = 0.8 }}
"path.export_id" = {{ dictionary = "exports", probability = 0.8 }}
"path.upload_id" = {{ dictionary = "uploads", probability = 0.8 }}
"body.uploadId" = {{ dictionary = "uploads", probability = 0.8 }}

[dictionaries]
entities = {{ values = ["contacts", "orders"] }}
jobs = {{ values = {jobs} }}
exports = {{ values = {exports} }}
uploads = {{ values = {uploads} }}
"""


def run_schemathesis(
    url: str, token: str, folder: Path, *, phases: str, ids: Mapping[str, list[str]], seconds: int | None = None
) -> None:
    """Fail with its report unless it finds nothing.

    Args:
        url: of the API, without `/v1`.
        folder: an empty one.
        ids: of things to ask for, so that requests come further than 404: `exports`, `uploads` and `jobs`.
        seconds: after which it begins nothing new; None for all that there is.
    """
    (folder / "schemathesis.toml").write_text(SETTINGS.format(**ids))
    command = [
        *(sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run", f"{url}/v1/openapi.json", "--url", url),
        *("--header", f"Authorization: Bearer {token}", "--phases", phases),
        *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
        *("--seed", "1", "--max-examples", "10", "--suppress-health-check", "all"),
        *("--generation-database", "none", "--no-color", "--continue-on-failure"),
        *(() if seconds is None else ("--max-time", str(seconds))),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1_500)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
