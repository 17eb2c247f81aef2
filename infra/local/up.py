"""`make up`: run the stack until Ctrl-C or SIGTERM; the next run continues with its state.

MiniStack fails the executions that a stop interrupts; ScheduleFunction restarts their jobs within two minutes, as it
does on AWS with any job whose execution is lost.

Environment:
    PORT: loopback port, default 4566. Each port has its own state, `.waybill/state-{port}/`.
    ALLOWED_PRIVATE_HOSTS: comma-separated private hosts and networks that exports may be delivered to; `127.0.0.1`
        allows a server on this machine.
    MACHINE_CLIENTS: the template parameter MachineClients.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from infra.local.embedded import ROOT, LocalStackError, is_port_free
from infra.local.stack import LocalStack, local_stack

FOLDER = ROOT / ".waybill"
STACK_FILE = FOLDER / "stack.json"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(BaseException):
    """A signal asked us to stop. Not an Exception, so that no library catches it."""


def main() -> int:
    """Run until a signal arrives. Returns 0 when stopped, 1 after an error, whose reason it prints on one line."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        _run(_port())
    except _Stopped:
        print("stopped; the next `make up` continues with this state", flush=True)
    except LocalStackError as error:
        print(f"make up: {error}", file=sys.stderr)
        return 1
    return 0


def _run(port: int) -> None:
    state = FOLDER / f"state-{port}"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_port_free(port):
        _remove_stack_file(port)  # left behind by a stack that was killed
    parameters = {
        "AllowedPrivateHosts": os.environ.get("ALLOWED_PRIVATE_HOSTS", ""),
        "MachineClients": os.environ.get("MACHINE_CLIENTS") or "{}",
    }
    with local_stack(port=port, state=state, parameters=parameters) as running:
        _write_stack_file(running.stack)
        try:
            _say(running)
            while running.aws.is_running():
                time.sleep(0.5)
        finally:
            _remove_stack_file(port)
    raise LocalStackError(f"the embedded AWS exited unexpectedly; see {state}/ministack.log")


def _port() -> int:
    text = os.environ.get("PORT") or "4566"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise LocalStackError(f"PORT={text} is not a port number")
    return int(text)


def _stop(number: int, frame: object) -> None:
    for again in STOP_SIGNALS:
        signal.signal(again, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the writing of the state
    raise _Stopped


def _write_stack_file(stack: dict[str, Any]) -> None:
    """Write the file atomically: other processes wait for it to appear."""
    draft = STACK_FILE.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it holds passwords
    with os.fdopen(descriptor, "w") as file:
        json.dump(stack, file, indent=2)
        file.write("\n")
    draft.replace(STACK_FILE)


def _remove_stack_file(port: int) -> None:
    """Remove the file of a stack that has stopped, unless a stack on another port has replaced it."""
    try:
        stack = json.loads(STACK_FILE.read_text())
    except (OSError, ValueError):
        return
    if stack["endpointUrl"].endswith(f":{port}"):
        STACK_FILE.unlink(missing_ok=True)


def _say(running: LocalStack) -> None:
    stack = running.stack
    print(
        f"console      {stack['consoleUrl']}\n"
        f"API          {stack['apiUrl']}/v1\n"
        f"drop bucket  s3://{stack['dropBucket']}/drop/{{entity}}/ at the endpoint {stack['endpointUrl']}\n"
        f"users        {', '.join(stack['users'])}: passwords in {STACK_FILE}\n"
        "Ctrl-C stops it and keeps its state",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
