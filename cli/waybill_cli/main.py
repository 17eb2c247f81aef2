"""The `waybill` command: its command line, and the one place where a failure becomes an exit status.

Exit status: 0 ok, 1 the job failed or the service refused, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from waybill_cli import account, entities, exports, imports, jobs
from waybill_cli.client import Api
from waybill_cli.context import Context
from waybill_cli.failures import Failure, Interrupted
from waybill_cli.output import Output
from waybill_cli.profile import find_connection

Command = Callable[[Context], int]

MODES = ("upsert", "insert", "update", "delete")
ON_ERROR = ("skip", "abort", "all-or-nothing")
DEFAULT_LIMIT = 20
DEBUG_VARIABLE = "WAYBILL_DEBUG"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None for those of this process.

    Returns:
        The exit status.

    Raises:
        SystemExit: `--help`, or a command line that argparse refuses (2).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a cell may hold what the terminal cannot show
    options = _parser().parse_args(arguments)
    out = Output(getattr(options, "json", False))
    try:
        status = _run(options, out)
        sys.stdout.flush()
    except Failure as failure:
        out.failure(failure)
        return failure.exit_status
    except KeyboardInterrupt:
        out.failure(Interrupted("Interrupted."))
        return Interrupted.exit_status
    except BrokenPipeError:  # `waybill errors ID | head`: nobody reads on
        with contextlib.suppress(OSError, io.UnsupportedOperation):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # nobody is helped by a stack trace in a terminal
        if os.environ.get(DEBUG_VARIABLE):
            raise
        what = f"{type(error).__name__}: {error}"
        out.failure(Failure(f"Something unexpected happened ({what})", f"set {DEBUG_VARIABLE}=1 to see where"))
        return Failure.exit_status
    return status


def _run(options: argparse.Namespace, out: Output) -> int:
    if options.command is None:  # the one command that works without an address
        return account.logout(out)
    api = Api(find_connection(getattr(options, "api_url", None)), getattr(options, "user", None))
    try:
        command: Command = options.command
        return command(Context(api, out, options))
    finally:
        api.close()


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    # SUPPRESS: a default of a subcommand would overwrite what stands before its name.
    shared = common.add_argument_group("for every command")
    shared.add_argument("--api-url", default=argparse.SUPPRESS, metavar="URL", help="address of the API")
    shared.add_argument("--user", default=argparse.SUPPRESS, metavar="U", help="act as this user")
    shared.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    parser = argparse.ArgumentParser("waybill", description="Imports and exports of Waybill.", parents=[common])
    commands = _Commands(parser.add_subparsers(required=True, metavar="COMMAND", title="commands"), common)
    _add_account(commands)
    _add_entities(commands)
    _add_jobs(commands)
    _add_exports(commands)
    return parser


class _Commands:
    """Adds commands that share the common options."""

    def __init__(self, actions: Any, common: argparse.ArgumentParser) -> None:
        self._actions = actions
        self._common = common

    def add(self, name: str, command: Command | None, text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = self._actions.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=[self._common]
        )
        if command is not None:
            parser.set_defaults(command=command)
        return parser

    def below(self, parser: argparse.ArgumentParser) -> _Commands:
        return _Commands(parser.add_subparsers(metavar="COMMAND", title="commands"), self._common)


def _add_account(commands: _Commands) -> None:
    parser = commands.add("login", account.login, "sign in and save address and tokens")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    commands.add("logout", None, "forget the saved sign-in").set_defaults(command=None)
    commands.add("token", account.token, "print a bearer token")
    commands.add("me", account.me, "show who you are, and your groups")


def _add_entities(commands: _Commands) -> None:
    parser = commands.add("entities", entities.list_entities, "list the entities, or work on one")
    below = commands.below(parser)
    below.add("list", entities.list_entities, "list the entities")
    parser = below.add("put", entities.put_entity, "create or replace an entity")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("file", metavar="FILE.json", help="its definition, - for standard input")
    below.add("show", entities.show_entity, "print an entity's definition").add_argument("name", metavar="NAME")
    parser = below.add("records", entities.list_records, "list an entity's records")
    parser.add_argument("name", metavar="NAME")
    _add_limit(parser)
    parser = below.add("delete", entities.delete_entity, "delete an entity with its records and jobs")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _add_jobs(commands: _Commands) -> None:
    parser = commands.add("import", imports.import_file, "import a file into an entity")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--entity", required=True, metavar="E")
    _add_watch(parser)
    parser.add_argument("--mode", choices=MODES, help="default upsert")
    parser.add_argument("--on-error", choices=ON_ERROR, help="default skip")
    parser.add_argument("--max-errors", type=_positive, metavar="N", help="rejected rows at which abort stops")
    parser.add_argument("--dry-run", action="store_true", default=None, help="check only, write nothing")
    parser.add_argument("--encoding", help="of the file, where it is not to be detected")
    parser.add_argument("--dialect", type=_json_object, metavar="JSON", help="Table Dialect, or @FILE")
    parser.add_argument("--columns", type=_json_object, metavar="JSON", help="header name → field, or @FILE")
    parser.add_argument("--unescape-formulas", action="store_true", default=None, help="take the formula guard off")

    parser = commands.add("jobs", jobs.list_jobs, "list jobs, newest first")
    parser.add_argument("--entity", metavar="E")
    parser.add_argument("--status", type=str.upper, metavar="S", help="one or more, with commas between")
    parser.add_argument("--process", type=str.lower, metavar="P", help="import, export")
    parser.add_argument("--q", metavar="TEXT", help="search words")
    _add_limit(parser, with_all=True)

    for name, command, text in (
        ("job", jobs.show_one, "show a job; the exit status says whether it failed"),
        ("errors", jobs.show_errors, "list a job's errors, and their summary"),
        ("rejects", jobs.download_rejects, "download the rows that were not imported"),
        ("error-log", jobs.download_error_log, "download every error as CSV"),
        ("download", jobs.download_file, "download an export's file, or the source file of an import"),
        ("report", jobs.show_report, "show a job's report"),
        ("cancel", jobs.cancel, "cancel a waiting job"),
        ("stop", jobs.stop, "stop an import in progress; what was written stays"),
        ("relaunch", jobs.relaunch, "import the rows that a job left, or repeat a failed run of an export"),
    ):
        parser = commands.add(name, command, text)
        parser.add_argument("job_id", metavar="ID")
        if name in ("job", "relaunch"):
            _add_watch(parser)
        elif name == "errors":
            parser.add_argument("--limit", type=_positive, metavar="N", help="at most so many (default: all)")
        elif name in ("rejects", "error-log", "download"):
            _add_output(parser)
    parser = commands.add("delete", jobs.delete, "delete finished jobs with their files")
    parser.add_argument("job_ids", metavar="ID", nargs="+")


def _add_exports(commands: _Commands) -> None:
    parser = commands.add("export", exports.export_entity, "export an entity now, and download the file")
    parser.add_argument("entity", metavar="E")
    parser.add_argument("--fields", type=_names, metavar="A,B", help="default all, in schema order")
    parser.add_argument("--filter", type=_json_array, metavar="JSON", help='[{"field", "op", "value"}], or @FILE')
    parser.add_argument("--format", choices=("csv", "xlsx", "jsonl"))
    parser.add_argument("--compression", choices=("none", "gzip", "zip"))
    parser.add_argument("--dialect", type=_json_object, metavar="JSON", help="Table Dialect, or @FILE")
    parser.add_argument(
        "--no-escape-formulas", dest="escape_formulas", action="store_false", default=None, help="no formula guard"
    )
    parser.add_argument("--name", help="of the export; default the entity and the time")
    _add_output(parser)

    parser = commands.add("exports", exports.list_exports, "list the export definitions, or work on one")
    parser.set_defaults(q=None, database=None, data_type=None, type=None, status=None, limit=DEFAULT_LIMIT, all=False)
    _add_export_filters(parser)
    below = commands.below(parser)
    _add_export_filters(below.add("list", exports.list_exports, "list the definitions"))
    below.add("create", exports.create_export, "create a draft").add_argument("file", metavar="FILE.json")
    parser = below.add("test", exports.try_destination, "try the destination of a definition; nothing stays there")
    parser.add_argument("file", metavar="FILE.json")
    for name, command, text in (
        ("show", exports.show_export, "print a definition and where it stands"),
        ("update", exports.update_export, "replace a draft"),
        ("definition", exports.show_definition, "print every parameter"),
        ("activate", exports.activate, "start or schedule a draft"),
        ("unschedule", exports.unschedule, "take a scheduled export back to draft"),
        ("copy", exports.copy, "copy to a new draft"),
        ("run", exports.run, "run a scheduled export now"),
        ("jobs", exports.list_runs, "list its runs, newest first"),
        ("schedule", exports.show_schedule, "show its next five run times"),
        ("report", exports.show_report, "show the report of its last run: where it went, rows, bytes, SHA-256"),
    ):
        parser = below.add(name, command, text)
        parser.add_argument("export_id", metavar="ID")
        if name == "update":
            parser.add_argument("file", metavar="FILE.json")
        elif name == "copy":
            parser.add_argument("--name", required=True, help="of the copy")
        elif name == "unschedule":
            parser.add_argument(
                "--confirm", action="store_true", help="turn an incremental custom export into a standard one, for good"
            )
        elif name in ("activate", "run"):
            _add_watch(parser)
        elif name == "jobs":
            _add_limit(parser, with_all=True)
    below.add("delete", exports.delete, "delete drafts").add_argument("export_ids", metavar="ID", nargs="+")


def _add_export_filters(parser: argparse.ArgumentParser) -> None:
    suppress = argparse.SUPPRESS  # they may stand before or after `list`; `exports` has the defaults
    parser.add_argument("--q", default=suppress, metavar="TEXT", help="search words")
    parser.add_argument("--database", default=suppress)
    parser.add_argument("--data-type", default=suppress)
    parser.add_argument("--type", type=str.upper, default=suppress)
    parser.add_argument("--status", type=str.upper, default=suppress)
    parser.add_argument("--limit", type=_positive, default=suppress, metavar="N")
    parser.add_argument("--all", action="store_true", default=suppress)


def _add_limit(parser: argparse.ArgumentParser, *, with_all: bool = False) -> None:
    parser.add_argument(
        "--limit", type=_positive, default=DEFAULT_LIMIT, metavar="N", help=f"at most so many (default {DEFAULT_LIMIT})"
    )
    if with_all:
        parser.add_argument("--all", action="store_true", help="no limit")


def _add_watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--watch", action="store_true", help="follow the job to its end; Ctrl-C leaves it running")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="F", help="file or folder; default the file's own name, - for stdout")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return number


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name")
    return names


def _json_object(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value


def _json_array(text: str) -> list[Any]:
    value = _json(text)
    if not isinstance(value, list):
        raise argparse.ArgumentTypeError("must be a JSON array")
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text[1:]} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"is not JSON: {error}") from None
