"""An outside issuer: the certified provider `oidc-provider` (npm) as a process on loopback."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from infra.local.console import install_packages, node_environment
from tests.builders import ROOT

FOLDER = ROOT / "tests" / "oidc-provider"
RESOURCE = "https://waybill.example/api"
PROGRAMS = {"nightly": "nightly-secret", "unknown": "unknown-secret"}
GROUPS = {"alice": ["ops", "sales"], "root": ["admin"]}
TOKEN_SECONDS = 63  # the console and `waybill` renew a minute before


@contextmanager
def oidc_provider(port: int, console_url: str, log: Path) -> Iterator[str]:
    """Run the provider; gives its address, which is the issuer. Anybody may sign in there under any name."""
    install_packages(FOLDER)
    config = {
        "port": port,
        "resource": RESOURCE,
        "consoleUrl": console_url,
        "groups": GROUPS,
        "programs": PROGRAMS,
        "tokenSeconds": TOKEN_SECONDS,
    }
    with log.open("w") as errors:
        process = subprocess.Popen(
            ["node", "provider.mjs", json.dumps(config)],
            cwd=FOLDER,
            env=node_environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "ready":
                break
        else:
            raise AssertionError(log.read_text())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def sign_in(address: str, name: str) -> httpx.Response:
    """What a person's browser does who signs in at the provider: the response of where it returns to."""
    with httpx.Client(trust_env=False, follow_redirects=True) as browser:
        page = browser.get(address)
        assert page.status_code == 200, page.text
        # The address of the page is that of its form, whose names are those of the provider's built-in pages.
        return browser.post(page.url, data={"prompt": "login", "login": name, "password": "any"})
