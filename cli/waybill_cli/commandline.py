"""What commands share on the command line: common options and argument types."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEFAULT_LIMIT = 20
LAST = "last"


class Commands:
    """Adds commands that accept the options of every command.

    Args:
        actions: what `ArgumentParser.add_subparsers` returns.
        common: the parser with the options of every command.
    """

    def __init__(self, actions: Any, common: argparse.ArgumentParser) -> None:
        self._actions = actions
        self._common = common

    def add(self, name: str, command: Callable[..., int], text: str) -> argparse.ArgumentParser:
        """Add a command.

        Args:
            command: called with the `Context` (`logout`: the `Output`); returns the exit status.
            text: the help text, without a capital letter or full stop.
        """
        parser: argparse.ArgumentParser = self._actions.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=[self._common]
        )
        parser.set_defaults(command=command)
        return parser

    def group(self, parser: argparse.ArgumentParser) -> Commands:
        """The subcommands of a command."""
        return Commands(parser.add_subparsers(metavar="COMMAND", title="commands"), self._common)


def common_options() -> argparse.ArgumentParser:
    """The options that may stand before or after any command's name."""
    parser = argparse.ArgumentParser(add_help=False)
    # SUPPRESS: the default of a subcommand would overwrite an option given before its name.
    options = parser.add_argument_group("options of every command")
    options.add_argument("--api-url", default=argparse.SUPPRESS, metavar="URL", help="address of the API")
    options.add_argument("--user", default=argparse.SUPPRESS, metavar="U", help="act as this user")
    options.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    return parser


def add_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job_id", metavar="ID", help=f"the job, or {LAST} for the newest one that you started")


def add_limit(parser: argparse.ArgumentParser, *, with_all: bool = False) -> None:
    text = f"show at most N (default {DEFAULT_LIMIT})"
    parser.add_argument("--limit", type=positive, default=DEFAULT_LIMIT, metavar="N", help=text)
    if with_all:
        parser.add_argument("--all", action="store_true", help="show all of them")


def add_watch(parser: argparse.ArgumentParser) -> None:
    text = "follow the job until it ends; Ctrl-C stops watching, not the job"
    parser.add_argument("--watch", action="store_true", help=text)


def add_output(parser: argparse.ArgumentParser) -> None:
    text = "file or folder to save to, - for standard output (default: the file's own name)"
    parser.add_argument("-o", "--output", metavar="F", help=text)


def positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return number


def names(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise argparse.ArgumentTypeError(f"{text!r} contains an empty name")
    return parts


def json_object(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value


def json_array(text: str) -> list[Any]:
    value = _json(text)
    if not isinstance(value, list):
        raise argparse.ArgumentTypeError("must be a JSON array")
    return value


def _json(text: str) -> Any:
    """The value of JSON on the command line, or of the file that `@FILE` names."""
    try:
        return json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {text[1:]}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"is not valid JSON: {error}") from None
