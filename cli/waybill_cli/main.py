"""The `waybill` command, and the one place where a failure becomes an exit status.

Exit status: 0 success, 1 the job failed or the service refused, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence

from waybill_cli import __version__
from waybill_cli.client import Api
from waybill_cli.commandline import Commands, common_options
from waybill_cli.commands import (
    account,
    apply,
    audit,
    completion,
    entities,
    export_now,
    exports,
    files,
    imports,
    jobs,
    sources,
    webhooks,
)
from waybill_cli.context import Context
from waybill_cli.failures import Failure, Interrupted
from waybill_cli.output import Output
from waybill_cli.profile import find_connection

GROUPS = (account, entities, imports, jobs, files, export_now, exports, sources, webhooks, apply, audit)
DEBUG_VARIABLE = "WAYBILL_DEBUG"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None for those of this process.

    Returns:
        The exit status.

    Raises:
        SystemExit: for `--help`, and for a command line that argparse refuses (2).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a cell may contain what the terminal cannot show
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
    except BrokenPipeError:  # `waybill errors ID | head`: the reader has closed the pipe
        with contextlib.suppress(OSError, io.UnsupportedOperation):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # a stack trace does not help people at a terminal
        if os.environ.get(DEBUG_VARIABLE):
            raise
        out.failure(
            Failure(f"Unexpected error: {type(error).__name__}: {error}", f"set {DEBUG_VARIABLE}=1 to see where")
        )
        return Failure.exit_status
    return status


def _run(options: argparse.Namespace, out: Output) -> int:
    command: Callable[..., int] = options.command
    if command is account.logout:  # works without an address
        return account.logout(out)
    if command is completion.completion:
        return completion.completion(options, out)
    api = Api(find_connection(getattr(options, "api_url", None)), getattr(options, "user", None))
    try:
        return command(Context(api, out, options))
    finally:
        api.close()


def _parser() -> argparse.ArgumentParser:
    common = common_options()
    parser = argparse.ArgumentParser("waybill", description="Import and export files with Waybill.", parents=[common])
    parser.add_argument("--version", action="version", version=f"waybill {__version__}")
    commands = Commands(parser.add_subparsers(required=True, metavar="COMMAND", title="commands"), common)
    for group in GROUPS:
        group.add_commands(commands)
    completion.add_command(commands, parser)
    return parser
