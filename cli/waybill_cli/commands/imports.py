"""`import`: upload a file and import it."""

from __future__ import annotations

import os
from argparse import BooleanOptionalAction
from pathlib import Path
from typing import Any

from waybill_cli.client import decode
from waybill_cli.commandline import Commands, add_watch, json_object, positive
from waybill_cli.context import Context
from waybill_cli.failures import Interrupted, UsageFailure
from waybill_cli.output import Progress
from waybill_cli.watch import follow

MODES = ("upsert", "insert", "merge", "update", "delete")
BLANKS = ("clear", "keep")
ON_ERROR = ("skip", "abort", "all-or-nothing")
# options of the command line → members of POST /v1/imports
MEMBERS = {
    "mode": "mode",
    "blanks": "blanks",
    "on_error": "onError",
    "max_errors": "maxErrors",
    "dry_run": "dryRun",
    "keep_previous": "keepPrevious",
    "encoding": "encoding",
    "dialect": "dialect",
    "columns": "columns",
    "unescape_formulas": "unescapeFormulas",
}


def add_commands(commands: Commands) -> None:
    parser = commands.add("import", import_file, "import a file into an entity")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--entity", required=True, metavar="E", help="the entity to import into")
    add_watch(parser)
    parser.add_argument("--mode", choices=MODES, help="what to do with each row (default upsert)")
    text = "what a missing value does in merge and update: clear the field, or keep it (default clear)"
    parser.add_argument("--blanks", choices=BLANKS, help=text)
    parser.add_argument("--on-error", choices=ON_ERROR, help="what to do when rows are rejected (default skip)")
    parser.add_argument("--max-errors", type=positive, metavar="N", help="abort once N rows are rejected (default 1)")
    parser.add_argument("--dry-run", action="store_true", default=None, help="only check the file, write nothing")
    text = "keep what each record was before, for `waybill undo`; about a read unit a row (default: as the entity says)"
    parser.add_argument("--keep-previous", action=BooleanOptionalAction, default=None, help=text)
    parser.add_argument("--encoding", help="the file's encoding (default: detected)")
    parser.add_argument("--dialect", type=json_object, metavar="JSON", help="Table Dialect, or @FILE")
    parser.add_argument("--columns", type=json_object, metavar="JSON", help="maps header names to fields, or @FILE")
    text = "remove the ' that the formula guard puts before cells"
    parser.add_argument("--unescape-formulas", action="store_true", default=None, help=text)


def import_file(context: Context) -> int:
    options = context.options
    source = Path(options.file)
    _check_readable(source)
    # Bytes of the name that are not UTF-8 become replacement characters.
    name = os.fsencode(source.name).decode("utf-8", "replace")
    try:
        upload = decode(context.api.post("/uploads", {"entity": options.entity, "fileName": name}))
        with Progress(f"Uploading {name}") as progress:
            context.api.send_form(upload["url"], upload["fields"], source, progress.update_bytes)
    except KeyboardInterrupt:
        raise Interrupted("Upload interrupted: nothing was imported.", "run the command again") from None
    body: dict[str, Any] = {"uploadId": upload["uploadId"]}
    body |= {member: value for option, member in MEMBERS.items() if (value := getattr(options, option)) is not None}
    answer = context.api.post("/imports", body, once=True)
    return follow(context, answer, options.watch)


def _check_readable(source: Path) -> None:
    """
    Raises:
        UsageFailure: not a regular file, or one that cannot be read.
    """
    try:
        if source.exists() and not source.is_file():  # the size of a pipe is unknown
            raise UsageFailure(f"{source} is not a regular file.", "save its content to a file first")
        source.open("rb").close()
    except OSError as error:
        raise UsageFailure(f"Cannot read {source}: {error.strerror}.", "check the file name") from None
