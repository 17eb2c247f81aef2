"""`import`: upload a file and import it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import sys
import tempfile
from argparse import BooleanOptionalAction
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from waybill_cli.client import decode, path_of
from waybill_cli.commandline import Commands, add_watch, json_object, positive
from waybill_cli.commands.webhooks import webhook
from waybill_cli.context import Context
from waybill_cli.failures import Interrupted, Refusal, UsageFailure
from waybill_cli.output import Progress
from waybill_cli.profile import profile_path
from waybill_cli.uploads import check_readable
from waybill_cli.watch import follow

MODES = ("upsert", "insert", "merge", "update", "delete")
BLANKS = ("clear", "keep")
ON_ERROR = ("skip", "abort", "all-or-nothing")
STDIN, STDIN_NAME = "-", "stdin"
#: Beside the profile: the uploads in parts that were begun, so that the command goes on with one that was interrupted.
UNFINISHED_NAME = "uploads.json"
# options of the command line → members of POST /v1/imports
MEMBERS = {
    "mode": "mode",
    "blanks": "blanks",
    "on_error": "onError",
    "max_errors": "maxErrors",
    "dry_run": "dryRun",
    "keep_previous": "keepPrevious",
    "recipients": "recipients",
    "webhooks": "webhooks",
    "encoding": "encoding",
    "dialect": "dialect",
    "columns": "columns",
    "remember_columns": "rememberColumns",
    "unescape_formulas": "unescapeFormulas",
}


#: Failures of an import whose header does not fit its entity.
HEADER_CODES = ("missing-label", "extra-label", "incorrect-label", "unmatched-header")


def add_commands(commands: Commands) -> None:
    parser = commands.add("import", import_file, "import a file into an entity")
    parser.add_argument("file", metavar="FILE", help=f"the file, or {STDIN} for standard input")
    parser.add_argument("--entity", required=True, metavar="E", help="the entity to import into")
    parser.add_argument("--name", metavar="N", help="the file's name, where it is not that of FILE")
    add_watch(parser)
    parser.add_argument("--mode", choices=MODES, help="what to do with each row (default upsert)")
    text = "what a missing value does in merge and update: clear the field, or keep it (default clear)"
    parser.add_argument("--blanks", choices=BLANKS, help=text)
    parser.add_argument("--on-error", choices=ON_ERROR, help="what to do when rows are rejected (default skip)")
    parser.add_argument("--max-errors", type=positive, metavar="N", help="abort once N rows are rejected (default 1)")
    parser.add_argument("--dry-run", action="store_true", default=None, help="only check the file, write nothing")
    text = "keep what each record was before, for `waybill undo`; about a read unit a row (default: as the entity says)"
    parser.add_argument("--keep-previous", action=BooleanOptionalAction, default=None, help=text)
    text = "mail the report to ADDRESS when the import ends; may be repeated"
    parser.add_argument("--mail", dest="recipients", action="append", metavar="ADDRESS", help=text)
    text = "tell URL when the import ends, signed with the secret of this name; may be repeated"
    parser.add_argument("--webhook", dest="webhooks", action="append", type=webhook, metavar="URL=SECRET", help=text)
    parser.add_argument("--encoding", help="the file's encoding (default: detected)")
    parser.add_argument("--dialect", type=json_object, metavar="JSON", help="Table Dialect, or @FILE")
    parser.add_argument("--columns", type=json_object, metavar="JSON", help="maps header names to fields, or @FILE")
    text = "add --columns to those that the entity remembers"
    parser.add_argument("--remember-columns", action="store_true", default=None, help=text)
    text = "remove the ' that the formula guard puts before cells"
    parser.add_argument("--unescape-formulas", action="store_true", default=None, help=text)


def import_file(context: Context) -> int:
    options = context.options
    with _source(options.file) as source:
        name = options.name or _name_of(options.file)
        try:
            with Progress(f"Uploading {name}") as progress:
                progressed = progress.update_bytes
                unfinished = None if options.file == STDIN else profile_path().with_name(UNFINISHED_NAME)
                upload_id = context.api.upload(
                    source, options.entity, name=name, progressed=progressed, unfinished=unfinished
                )
        except OSError as error:
            raise UsageFailure(f"Cannot read {source}: {error.strerror}.") from None
        except KeyboardInterrupt:
            again = "run the command again; a file of more than 64 MiB goes on where it stopped"
            raise Interrupted("Upload interrupted: nothing was imported.", again) from None
    body: dict[str, Any] = {"uploadId": upload_id}
    body |= {member: value for option, member in MEMBERS.items() if (value := getattr(options, option)) is not None}
    answer = context.api.post("/imports", body, once=True)
    status = follow(context, answer, options.watch)
    if status and options.watch and not context.out.as_json:
        job = context.api.get(path_of("jobs", decode(answer)["jobId"]))
        if (job["error"] or {}).get("code") in HEADER_CODES:
            _propose_columns(context, upload_id, body)
    return status


def _propose_columns(context: Context, upload_id: str, started: dict[str, Any]) -> None:
    """Say which fields the labels of a header that does not fit may mean, and how to import the file so.

    Args:
        started: the body of the import.
    """
    body = {member: started[member] for member in ("mode", "encoding", "dialect") if member in started}
    try:
        preview = decode(context.api.post(path_of("uploads", upload_id, "preview"), body))
    except Refusal:  # the failure of the import is told already
        return
    columns = dict(started.get("columns") or {})
    for label, proposal in zip(preview["labels"], preview["proposals"], strict=True):
        if label in columns:
            continue
        if proposal["field"] is not None and not proposal["isKnown"]:
            columns[label] = proposal["field"]
            context.out.remark(f"{label!r} {proposal['why']}")
        for choice in () if proposal["field"] is not None else proposal["choices"]:
            context.out.remark(f"{label!r} may mean {choice['field']!r}: it {choice['why']}")
    if columns != (started.get("columns") or {}):
        options = context.options
        mapped = shlex.quote(json.dumps(columns, ensure_ascii=False))
        command = f"waybill import {shlex.quote(options.file)} --entity {options.entity} --columns {mapped}"
        context.out.next_steps([(f"{command} --watch", "import it with these columns; --remember-columns keeps them")])


def _name_of(file: str) -> str:
    """The name of a file; bytes of it that are not UTF-8 become replacement characters."""
    return STDIN_NAME if file == STDIN else os.fsencode(Path(file).name).decode("utf-8", "replace")


@contextlib.contextmanager
def _source(file: str) -> Iterator[Path]:
    """The file that is uploaded: of standard input a copy, because the size of a pipe is unknown.

    Raises:
        UsageFailure: it cannot be read.
    """
    if file != STDIN:
        check_readable(Path(file))
        yield Path(file)
        return
    with tempfile.NamedTemporaryFile(prefix="waybill-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)
