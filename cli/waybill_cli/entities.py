"""`entities`: the catalogue."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waybill_cli.client import decode, path_of
from waybill_cli.context import Context
from waybill_cli.failures import UsageFailure
from waybill_cli.jobs import collect


def read_json(name: str) -> Any:
    """The JSON in a file, or on standard input for `-`.

    Raises:
        UsageFailure: it cannot be read, or is not JSON.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise UsageFailure(f"{name} cannot be read: {error.strerror}.", "check the file's name") from None
    except (ValueError, RecursionError) as error:
        raise UsageFailure(f"{name} is not JSON: {error}", "correct the file") from None


def list_entities(context: Context) -> int:
    out = context.out
    listed = collect(context, "/entities", "entities", None)
    if out.as_json:
        out.document(listed)
    elif not listed["items"]:
        out.line("No entities.")
        out.next_steps([("waybill entities put NAME FILE.json", "define one (administrators)")])
    else:
        header = ("NAME", "TITLE", "DATABASE", "DATA TYPE", "KEY", "FIELDS")
        out.table(header, (_row(entity) for entity in listed["items"]))
    return 0


def _row(entity: dict[str, Any]) -> tuple[object, ...]:
    schema = entity["schema"]
    key = schema.get("primaryKey") or []
    return (
        entity["name"],
        entity.get("title"),
        entity.get("database"),
        entity.get("dataType"),
        key if isinstance(key, str) else ", ".join(key),
        ", ".join(field["name"] for field in schema["fields"]),
    )


def put_entity(context: Context) -> int:
    document = read_json(context.options.file)
    if isinstance(document, dict) and document.get("name") == context.options.name:
        document = {member: value for member, value in document.items() if member != "name"}  # as `show` gave it
    answer = context.api.request("PUT", path_of("entities", context.options.name), body=document)
    if context.out.as_json:
        context.out.document(decode(answer))
    else:
        context.out.line(f"{'Created' if answer.status_code == 201 else 'Replaced'} {context.options.name}")
        context.out.next_steps([(f"waybill import FILE --entity {context.options.name} --watch", "fill it")])
    return 0


def show_entity(context: Context) -> int:
    context.out.document(context.api.get(path_of("entities", context.options.name)))
    return 0


def delete_entity(context: Context) -> int:
    name = context.options.name
    confirm(context.options.yes, f"Delete {name} with its records and jobs?")
    context.api.request("DELETE", path_of("entities", name))
    if context.out.as_json:
        context.out.document({"deleted": [name]})
    else:
        context.out.line(f"Deleted {name}; its records go in the background.")
    return 0


def confirm(given: bool, question: str, ask: Callable[[], str] = input) -> None:
    """
    Raises:
        UsageFailure: the answer is not yes, or there is nobody to ask.
    """
    if given:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageFailure(f"{question} Nobody is here to answer.", "add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        answer = ask().strip().lower()
    except EOFError:
        answer = ""
    if answer not in ("y", "yes"):
        raise UsageFailure("Nothing was deleted.")


def list_records(context: Context) -> int:
    out, options = context.out, context.options
    listed = collect(context, path_of("entities", options.name, "records"), "records", options.limit)
    if out.as_json:
        out.document(listed)
        return 0
    if not listed["items"]:
        out.line("No records.")
        return 0
    names = list(dict.fromkeys(name for record in listed["items"] for name in record))
    out.table(names, ([record.get(name) for name in names] for record in listed["items"]))
    if listed["nextToken"]:
        out.remark("There are more: --limit N, or `waybill export` for all.")
    return 0
