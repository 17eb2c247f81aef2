"""Where other programs find the stacks of `make up`: `.waybill/stack-{port}.json`, and one of them as `stack.json`.

`stack.json` is the stack of the default port. While none runs there, it is that of the first other one that started.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from infra.local.claim import DEFAULT_PORT, is_port_free


def write_stack_files(folder: Path, port: int, stack: dict[str, Any]) -> Path:
    """Write the description of a stack that answers; returns its own file."""
    own, shared = folder / f"stack-{port}.json", folder / "stack.json"
    _write(own, stack)
    holder = _port_of(shared)
    if port == DEFAULT_PORT or holder is None or holder == port or is_port_free(holder):
        _write(shared, stack)
    return own


def remove_stack_files(folder: Path, port: int) -> None:
    """Remove what describes a stack that has stopped."""
    (folder / f"stack-{port}.json").unlink(missing_ok=True)
    if _port_of(folder / "stack.json") == port:
        (folder / "stack.json").unlink(missing_ok=True)


def _write(file: Path, stack: dict[str, Any]) -> None:
    """Write the file atomically: other processes wait for it to appear."""
    draft = file.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it holds passwords
    with os.fdopen(descriptor, "w") as opened:
        json.dump(stack, opened, indent=2)
        opened.write("\n")
    draft.replace(file)


def _port_of(file: Path) -> int | None:
    try:
        endpoint: str = json.loads(file.read_text())["endpointUrl"]
        return int(endpoint.rpartition(":")[2])
    except (OSError, ValueError, KeyError):
        return None
