"""`import`: a file in, over HTTPS."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from waybill_cli.client import decode
from waybill_cli.context import Context
from waybill_cli.failures import Interrupted, UsageFailure
from waybill_cli.jobs import follow
from waybill_cli.output import Progress

# options of the command line → members of POST /v1/imports
MEMBERS = {
    "mode": "mode",
    "on_error": "onError",
    "max_errors": "maxErrors",
    "dry_run": "dryRun",
    "encoding": "encoding",
    "dialect": "dialect",
    "columns": "columns",
    "unescape_formulas": "unescapeFormulas",
}


def import_file(context: Context) -> int:
    options = context.options
    source = Path(options.file)
    _check_readable(source)
    # what a file name holds that is no text is shown, not refused
    name = os.fsencode(source.name).decode("utf-8", "replace")
    try:
        upload = decode(context.api.post("/uploads", {"entity": options.entity, "fileName": name}))
        with Progress(f"Uploading {name}") as progress:
            context.api.send_form(upload["url"], upload["fields"], source, progress.update_bytes)
    except KeyboardInterrupt:
        raise Interrupted("Interrupted while uploading: nothing was imported.", "run the command again") from None
    body: dict[str, Any] = {"uploadId": upload["uploadId"]}
    body |= {member: value for option, member in MEMBERS.items() if (value := getattr(options, option)) is not None}
    answer = context.api.post("/imports", body, once=True)
    return follow(context, answer, options.watch)


def _check_readable(source: Path) -> None:
    """
    Raises:
        UsageFailure: it is no file that can be read.
    """
    try:
        if source.exists() and not source.is_file():  # its size has to be known
            raise UsageFailure(f"{source} is not a regular file.", "save its content to a file first")
        source.open("rb").close()
    except OSError as error:
        raise UsageFailure(f"{source} cannot be read: {error.strerror}.", "check the file's name") from None
