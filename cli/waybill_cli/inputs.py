"""What commands read from their user: JSON files, and answers at the terminal."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import Any

from waybill_cli.failures import UsageFailure


def read_json(name: str) -> Any:
    """The JSON in a file, or on standard input for `-`.

    Raises:
        UsageFailure: the file cannot be read, or is not JSON.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise UsageFailure(f"Cannot read {name}: {error.strerror}.", "check the file name") from None
    except (ValueError, RecursionError) as error:
        raise UsageFailure(f"{name} is not valid JSON: {error}", "correct the file") from None


def write_json(name: str, document: Any) -> None:
    """Write a document to a file.

    Raises:
        UsageFailure: it cannot be written.
    """
    try:
        Path(name).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageFailure(f"Cannot write {name}: {error.strerror}.") from None


def ask(prompt: str, *, secret: bool = False) -> str:
    """The user's answer, empty at the end of input.

    Raises:
        UsageFailure: standard input is not a terminal.
    """
    if not sys.stdin.isatty():
        raise UsageFailure("Standard input is not a terminal.", "give --user U and --password-stdin")
    try:
        if secret:
            return getpass.getpass(prompt, stream=sys.stderr)
        print(prompt, end="", file=sys.stderr, flush=True)
        return input().strip()
    except EOFError:
        return ""


def confirm(given: bool, question: str) -> None:
    """Ask before something is deleted, unless `--yes` was given.

    Raises:
        UsageFailure: the answer is not yes, or nobody is at a terminal to give one.
    """
    if given:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageFailure(f"{question} Nobody is at a terminal to answer.", "add --yes")
    if ask(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise UsageFailure("Nothing was deleted.")
