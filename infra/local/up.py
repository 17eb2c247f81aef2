"""`make up`: run the stack until Ctrl-C or SIGTERM; the next run continues with its state.

MiniStack fails the executions that a stop interrupts; ScheduleFunction restarts their jobs within two minutes, as it
does on AWS with any job whose execution is lost.

Environment:
    PORT: loopback port, default 4566. Each port has its own state, `.waybill/state-{port}/`.
    DATA: `none` starts a new state without the demo's data.
    ALLOWED_PRIVATE_HOSTS: comma-separated private hosts and networks that exports may be delivered to; `127.0.0.1`
        allows a server on this machine.
    MACHINE_CLIENTS: the template parameter MachineClients.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import httpx

from infra.local.claim import DEFAULT_PORT, LocalStackError, check_port, claimed, port_from_environment
from infra.local.demo import DemoError
from infra.local.deploy import USERS
from infra.local.embedded import ROOT
from infra.local.examples import add_examples
from infra.local.stack import LocalStack, local_stack
from infra.local.stack_file import remove_stack_files, write_stack_files

FOLDER = ROOT / ".waybill"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(BaseException):
    """A signal asked us to stop. Not an Exception, so that no library catches it."""


def main() -> int:
    """Run until a signal arrives. Returns 0 when stopped, 1 after an error, whose reason it prints on one line."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        _run(port_from_environment())
    except _Stopped:
        print("stopped; the next `make up` continues with this state", flush=True)
    except LocalStackError as error:
        print(f"make up: {error}", file=sys.stderr)
        return 1
    return 0


def _run(port: int) -> None:
    check_port(port)
    state = FOLDER / f"state-{port}"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    parameters = {
        "AllowedPrivateHosts": os.environ.get("ALLOWED_PRIVATE_HOSTS", ""),
        "MachineClients": os.environ.get("MACHINE_CLIENTS") or "{}",
    }
    with claimed(state, port, _tell_wait) as claim:
        remove_stack_files(FOLDER, port)  # left behind by a stack that was killed
        is_new = not (state / "aws").exists()
        with local_stack(port=port, state=state, parameters=parameters, claim=claim) as running:
            file = write_stack_files(FOLDER, port, running.stack)
            try:
                _say(running, file, port)
                if is_new and os.environ.get("DATA") != "none":
                    _fill(running)
                while running.aws.is_running():
                    time.sleep(0.5)
            finally:
                remove_stack_files(FOLDER, port)
                if running.aws.is_running():
                    print("saving the state", flush=True)
    raise LocalStackError(f"the embedded AWS exited unexpectedly; see {state}/ministack.log")


def _tell_wait() -> None:
    print("waiting for the stack that has this state; it is saving it", flush=True)


def _stop(number: int, frame: object) -> None:
    for again in STOP_SIGNALS:
        signal.signal(again, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the writing of the state
    raise _Stopped


def _say(running: LocalStack, file: Path, port: int) -> None:
    stack = running.stack
    groups = "; ".join(f"{user}: {', '.join(of) or 'no group'}" for user, of in USERS.items())
    # A password is shown to who sits there, and does not go into a log.
    password = stack["users"]["admin"] if sys.stdout.isatty() else f"in {file}"
    waybill = ".venv/bin/waybill" if port == DEFAULT_PORT else f".venv/bin/waybill --api-url {stack['apiUrl']}"
    print(
        f"console      {stack['consoleUrl']}\n"
        f"  sign in    as admin, password {password}\n"
        f"  users      {groups}; passwords in {file}\n"
        f"API          {stack['apiUrl']}/v1, described at {stack['apiUrl']}/v1/docs\n"
        f"documents    {stack['apiUrl']}/docs/\n"
        f"drop bucket  s3://{stack['dropBucket']}/drop/{{entity}}/ at the endpoint {stack['endpointUrl']}\n"
        f"next         {waybill} jobs\n"
        f"             {waybill} entities put contacts examples/contacts.json\n"
        f"             {waybill} import examples/contacts.csv --entity contacts --watch\n"
        "Ctrl-C stops it and keeps its state",
        flush=True,
    )


def _fill(running: LocalStack) -> None:
    """Add the demo's data. A stack without it is a stack too: what fails is told."""
    try:
        add_examples(running)
        print("the demo's cities are being imported; DATA=none starts without them", flush=True)
    except (DemoError, httpx.HTTPError) as error:
        print(f"the demo's data could not be added: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
