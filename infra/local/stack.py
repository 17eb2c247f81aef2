"""The whole local stack as one context manager."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.claim import LocalStackError, free_port
from infra.local.deploy import Clients, Deployed, console_url, deploy, ensure_users
from infra.local.embedded import REGION, EmbeddedAws

API_TIMEOUT_SECONDS = 60.0
# Settings that an AWS account would have. MiniStack stores mails; GET /_ministack/ses/messages lists them.
LOCAL_PARAMETERS: Mapping[str, str | int] = {
    "MailSender": "waybill@example.com",
    "PasswordSignIn": "on",
    "ManagedLoginVersion": 1,  # MiniStack has no styles for the pages of version 2
    "AccessTokenMinutes": 1440,  # MiniStack leaves the groups out of a token that managed login renews
    "ApiSnapStart": "off",  # MiniStack takes no snapshots, and its versions with SnapStart are pending at first
    "DeletionProtection": "off",  # `make reset` deletes everything
    "WorkersPerJob": min(4, os.cpu_count() or 1),  # each invocation is a separate Python process on this machine
}


@dataclass(frozen=True)
class LocalStack:
    """A running stack.

    Attributes:
        stack: what `.waybill/stack.json` holds.
        aws: the MiniStack process (`aws.pid`, `aws.is_running()`).
        clients: boto3 clients by service name, as `clients("s3")`.
        deployed: outputs and resources, as `deployed.resources["ScheduleFunction"]`.
    """

    stack: dict[str, Any]
    aws: EmbeddedAws
    clients: Clients
    deployed: Deployed


@contextlib.contextmanager
def local_stack(
    *,
    port: int = 0,
    state: Path | None = None,
    parameters: Mapping[str, str | int] | None = None,
    auth: bool = False,
    concurrency: int | None = None,
    claim: int | None = None,
) -> Iterator[LocalStack]:
    """Start MiniStack, deploy Waybill to it and wait until the API responds; on exit, stop everything.

    Args:
        port: loopback port; 0 chooses a free one.
        state: folder that keeps the state from one start to the next; without it nothing is kept.
        parameters: template parameters that differ from their defaults, as `{"ImportRetentionSeconds": 5}`.
        auth: enforce IAM policies, signatures and the expiry of presigned addresses.
        concurrency: invocations that the account may run at once; None for as many as the machine bears.
        claim: the descriptor of a lock that MiniStack holds until it has exited.

    Raises:
        LocalStackError: it did not start; the message is one line.
    """
    with contextlib.ExitStack() as at_the_end:
        folder = state or Path(at_the_end.enter_context(tempfile.TemporaryDirectory(prefix="waybill-")))
        aws = EmbeddedAws(
            folder,
            port=port or free_port(),
            persist=state is not None,
            auth=auth,
            concurrency=concurrency,
            claim=claim,
        )
        at_the_end.callback(aws.stop)
        clients = at_the_end.enter_context(contextlib.closing(Clients(aws.endpoint)))
        deployed = deploy(clients, {**LOCAL_PARAMETERS, **(parameters or {})})
        users = ensure_users(clients, deployed.outputs["UserPoolId"], folder / "users.json")
        stack = _describe(aws.endpoint, deployed.outputs, users)
        _wait_for_api(aws, stack["apiUrl"])
        yield LocalStack(stack, aws, clients, deployed)


def _describe(endpoint: str, outputs: Mapping[str, str], users: dict[str, str]) -> dict[str, Any]:
    console = console_url(endpoint, outputs["ApiId"])
    return {
        "apiUrl": console.removesuffix("/console/"),
        "consoleUrl": console,
        "endpointUrl": endpoint,
        "region": REGION,
        "dropBucket": outputs["DropBucket"],
        "filesBucket": outputs["FilesBucket"],
        "transferBucket": outputs["TransferBucket"],
        "jobsTable": outputs["JobsTable"],
        "recordsTable": outputs["RecordsTable"],
        "users": users,
    }


def _wait_for_api(aws: EmbeddedAws, api_url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + API_TIMEOUT_SECONDS
    reason: object = "no answer"
    while time.monotonic() < deadline and aws.is_running():
        try:
            with opener.open(f"{api_url}/v1/health", timeout=30):
                return
        except urllib.error.HTTPError as error:
            reason = f"{error.code} {error.read(500).decode(errors='replace')}"
        except OSError as error:
            reason = error
        time.sleep(0.2)
    raise LocalStackError(f"the API does not answer: {reason}")
