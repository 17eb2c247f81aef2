"""`rejects`, `error-log`, `download`: the files of a job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from waybill_cli.commandline import Commands, add_job, add_output
from waybill_cli.context import Context
from waybill_cli.downloads import Downloaded
from waybill_cli.failures import UsageFailure
from waybill_cli.output import Progress, size_text


def add_commands(commands: Commands) -> None:
    for name, command, text in (
        ("rejects", rejects, "download the rows that were not imported"),
        ("error-log", error_log, "download every error as CSV"),
        ("download", download, "download an export's file, or the source file of an import"),
    ):
        parser = commands.add(name, command, text)
        add_job(parser)
        add_output(parser)


def rejects(context: Context) -> int:
    return _save(context, "rejects")


def error_log(context: Context) -> int:
    return _save(context, "error-log")


def download(context: Context) -> int:
    return _save(context, "download")


def _save(context: Context, kind: str) -> int:
    return save_file(context, context.job_path(kind))


def save_file(context: Context, path: str, **query: str) -> int:
    """Download a file to where `-o` says, and say where that is."""
    check_output(context)
    downloaded = fetch(context, path, **query)
    if context.out.as_json:
        context.out.document(downloaded.document())
    elif downloaded.path is not None:
        context.out.line(saved_text(downloaded))
    return 0


def check_output(context: Context) -> None:
    """Refuse an `-o` that cannot work, before anything is started.

    Raises:
        UsageFailure
    """
    output: str | None = context.options.output
    if output == "-":
        if context.out.as_json:
            raise UsageFailure("--json and -o - would both write to standard output.", "give -o a file")
    elif output is not None and not Path(output).parent.is_dir():
        raise UsageFailure(f"The folder {Path(output).parent} does not exist.", "create it, or choose another")


def fetch(context: Context, path: str, **query: str) -> Downloaded:
    """Download a file to where `-o` says."""
    output: str | None = context.options.output
    target: Path | BinaryIO | None = None if output is None else Path(output)
    if output == "-":
        target = sys.stdout.buffer
    with Progress("Downloading") as progress:
        return context.api.fetch(path, target, progress.update_bytes, **query)


def saved_text(downloaded: Downloaded) -> str:
    return f"Saved {downloaded.path} ({size_text(downloaded.size_bytes)}, SHA-256 {downloaded.sha256})"
