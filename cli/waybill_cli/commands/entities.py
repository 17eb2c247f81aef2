"""`entities`: the catalogue, and the records of an entity."""

from __future__ import annotations

from typing import Any

from waybill_cli.client import decode, path_of
from waybill_cli.commandline import Commands, add_limit
from waybill_cli.context import Context
from waybill_cli.inputs import confirm, read_json


def add_commands(commands: Commands) -> None:
    parser = commands.add("entities", list_entities, "list the entities, or manage one")
    group = commands.group(parser)
    group.add("list", list_entities, "list the entities")
    parser = group.add("put", put_entity, "create or replace an entity")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("file", metavar="FILE.json", help="its definition, - for standard input")
    group.add("show", show_entity, "print an entity's definition").add_argument("name", metavar="NAME")
    parser = group.add("records", list_records, "list an entity's records")
    parser.add_argument("name", metavar="NAME")
    add_limit(parser)
    parser = group.add("delete", delete_entity, "delete an entity with its records and jobs")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def list_entities(context: Context) -> int:
    listed = context.read_list("/entities", "entities", None)
    context.out.listing(listed, "entities", ("NAME", "TITLE", "DATABASE", "DATA TYPE", "KEY", "FIELDS"), _row)
    if not listed["items"] and not context.out.as_json:
        context.out.next_steps([("waybill entities put NAME FILE.json", "define one (administrators)")])
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
        document = {member: value for member, value in document.items() if member != "name"}  # as `show` printed it
    answer = context.api.request("PUT", path_of("entities", context.options.name), body=document)
    if context.out.as_json:
        context.out.document(decode(answer))
    else:
        context.out.line(f"{'Created' if answer.status_code == 201 else 'Replaced'} {context.options.name}")
        context.out.next_steps([(f"waybill import FILE --entity {context.options.name} --watch", "import a file")])
    return 0


def show_entity(context: Context) -> int:
    context.out.document(context.api.get(path_of("entities", context.options.name)))
    return 0


def delete_entity(context: Context) -> int:
    name = context.options.name
    confirm(context.options.yes, f"Delete {name} with its records and jobs?")
    context.api.request("DELETE", path_of("entities", name))
    context.out.result({"deleted": [name]}, f"Deleted {name}; its records are deleted in the background.")
    return 0


def list_records(context: Context) -> int:
    options = context.options
    listed = context.read_list(path_of("entities", options.name, "records"), "records", options.limit)
    header = list(dict.fromkeys(name for record in listed["items"] for name in record))
    more = "There are more records: use --limit N, or `waybill export` for all."
    context.out.listing(listed, "records", header, lambda record: [record.get(name) for name in header], more=more)
    return 0
