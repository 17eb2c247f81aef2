"""A port of this machine and the state that belongs to it: one `make up` at a time has them.

The claim is a lock on a file beside the state. The MiniStack process inherits it, so that it lasts until the state is
saved, whatever becomes of `make up` itself. Run as a module, this file checks a port before anything is built; it needs
nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HOST = "127.0.0.1"
DEFAULT_PORT = 4566
POLL_SECONDS = 0.1


class LocalStackError(Exception):
    """The local stack cannot run; the message is one line for the person who started it."""


def main() -> int:
    """Check the port that `PORT` names. Returns 1 if no stack can start there, after a line that says why."""
    try:
        check_port(port_from_environment())
    except LocalStackError as error:
        print(f"make up: {error}", file=sys.stderr)
        return 1
    return 0


def port_from_environment() -> int:
    """Return the port that `PORT` names, else 4566.

    Raises:
        LocalStackError: `PORT` is no port number.
    """
    text = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise LocalStackError(f"PORT={text} is not a port number")
    return int(text)


def is_port_free(port: int) -> bool:
    """Return whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def check_port(port: int) -> None:
    """
    Raises:
        LocalStackError: another program listens on this port.
    """
    if not is_port_free(port):
        raise LocalStackError(f"port {port} is in use; choose another one with PORT=")


def free_port() -> int:
    """Return a loopback port that is currently free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def claimed(state: Path, port: int, on_wait: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Claim a port and its state; yields the descriptor of the lock, for a child process to inherit.

    A stack that is stopping has left its port and still saves its state: it is waited for.

    Args:
        state: the folder of the state; it exists.
        port: the loopback port.
        on_wait: called once if there is something to wait for.

    Raises:
        LocalStackError: a stack runs there already, or another program has the port.
    """
    with (state / "lock").open("w") as lock:
        waited = False
        while True:
            check_port(port)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waited:
                    on_wait()
                waited = True
                time.sleep(POLL_SECONDS)
        yield lock.fileno()


if __name__ == "__main__":
    sys.exit(main())
