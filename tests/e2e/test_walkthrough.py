"""The first steps of the reference, followed with curl as they stand; and where the service's root leads."""

from __future__ import annotations

import html
import os
import re
import subprocess
from pathlib import Path

import httpx

from infra.local.stack import LocalStack
from tests.e2e.client import Client


def test_the_first_steps_of_the_reference_work_as_they_stand(stack: LocalStack, admin: Client, tmp_path: Path) -> None:
    api = f"{stack.stack['apiUrl']}/v1"
    page = httpx.get(f"{api}/docs", trust_env=False).text
    part = page.partition('id="first-steps"')[2].partition("<h2")[0]
    steps = [html.unescape(text) for text in re.findall(r"<pre>(.*?)</pre>", part, re.DOTALL)]
    assert len(steps) >= 8 and "waybill token" in steps[0] and "client_credentials" in steps[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        "API": api,
        "TOKEN": admin.token_response["AccessToken"],
    }
    script = "\n".join(["set -euo pipefail", *steps[2:]])
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "export.csv").read_text().splitlines() == ["id,spend", "C-1,120.5", "C-3,7"]
    assert (tmp_path / "rejects.csv").read_text().splitlines()[1].startswith("3,type-error,")


def test_a_token_of_a_program_is_taken_out_of_the_issuers_answer(tmp_path: Path) -> None:
    """The command of the page, with an issuer of one answer."""
    from tests.api_builders import load_function

    walkthrough = load_function("api", "openapi.walkthrough")
    answer = tmp_path / "token"
    answer.write_text('{"access_token": "secret", "token_type": "Bearer"}')
    prepare = walkthrough.STEPS[0][2].partition("call()")[0]
    command = walkthrough.TOKEN[1][1].replace('-d grant_type=client_credentials "$TOKEN_ENDPOINT"', f"file://{answer}")
    environment = {**os.environ, "CLIENT_ID": "a", "CLIENT_SECRET": "b"}
    script = f'{prepare}\n{command}\necho "$TOKEN"'
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout == "secret\n", done.stderr


def test_the_root_of_the_service_leads_to_the_console(stack: LocalStack) -> None:
    answer = httpx.get(f"{stack.stack['apiUrl']}/", trust_env=False)
    assert answer.status_code == 307
    assert str(answer.url.join(answer.headers["Location"])) == stack.stack["consoleUrl"]
