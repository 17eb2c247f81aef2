"""`entities`: the catalogue, and the records of an entity."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from waybill_cli.client import decode, path_of
from waybill_cli.commandline import Commands, add_limit, add_output, json_object
from waybill_cli.commands.files import save_file
from waybill_cli.context import Context
from waybill_cli.datapackage import Plan, read_package, replacing, without_others
from waybill_cli.failures import Refusal, UsageFailure
from waybill_cli.inputs import confirm, read_json, write_json
from waybill_cli.output import Progress
from waybill_cli.uploads import beginning_of

TEMPLATE_FORMATS = ("csv", "xlsx")


def add_commands(commands: Commands) -> None:
    parser = commands.add("entities", list_entities, "list the entities, or manage one")
    group = commands.group(parser)
    group.add("list", list_entities, "list the entities")
    parser = group.add("put", put_entity, "create or replace an entity")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("file", metavar="FILE.json", help="its definition, - for standard input")
    parser = group.add("import", import_package, "make an entity of each resource of a Data Package")
    parser.add_argument("file", metavar="datapackage.json", help="the descriptor")
    parser.add_argument("--dry-run", action="store_true", help="print the definitions and change nothing")
    group.add("show", show_entity, "print an entity's definition").add_argument("name", metavar="NAME")
    parser = group.add("fields", list_fields, "say what an entity's fields take, in words")
    parser.add_argument("name", metavar="NAME")
    parser = group.add("records", list_records, "list an entity's records")
    parser.add_argument("name", metavar="NAME")
    add_limit(parser)
    parser = group.add("infer", infer_entity, "propose an entity from a file")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--encoding", metavar="E", help="of a text; detected when left out")
    parser.add_argument("--dialect", type=json_object, metavar="JSON", help="a Table Dialect, or @FILE")
    parser.add_argument("-o", "--output", metavar="F", help="write the definition there, for `entities put`")
    parser = group.add("template", save_template, "download an empty file to fill in")
    parser.add_argument("name", metavar="NAME")
    text = "a text file (csv) or a workbook (default: as the name of the file ends, else csv)"
    parser.add_argument("--format", choices=TEMPLATE_FORMATS, help=text)
    add_output(parser)
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
    _tell_unknown_groups(context, document)
    return 0


def _tell_unknown_groups(context: Context, document: dict[str, Any]) -> None:
    """Say which groups of the permissions do not exist, where the service can tell."""
    named = {group for groups in (document.get("permissions") or {}).values() for group in groups}
    if not named:
        return
    try:
        known = context.api.get("/groups")
    except Refusal:  # an older service; the entity is there nevertheless
        return
    for group in sorted(named - set(known["names"])) if known["isComplete"] else ():
        context.out.remark(f"waybill: there is no group {group!r}, so nobody has the permissions that name it")


def import_package(context: Context) -> int:
    """Make the entities of a package, each after those that it refers to. In a circle of references the first ones are
    made without these, and get them when all are there."""
    file = Path(context.options.file)
    plans = read_package(read_json(context.options.file), lambda path: read_json(str(file.parent / path)))
    if context.options.dry_run:
        return _show_plans(context, plans)
    made, failed, first = dict[str, str](), list[dict[str, Any]](), dict[str, dict[str, Any]]()
    for plan in plans:
        if plan.entity is None:
            failed.append({"resource": plan.resource, "detail": plan.problem})
            continue
        try:
            first[plan.entity] = without_others(plan, made)
            made[plan.entity] = _put_plan(context, plan, first[plan.entity])
        except Refusal as refusal:
            failed.append({"resource": plan.resource, "detail": "; ".join([refusal.message, *refusal.details()])})
    for plan in plans:
        if plan.entity in made:
            last = without_others(plan, made)
            if last != first[plan.entity]:
                _put_plan(context, plan, last)
            if last != plan.definition:
                plan.remarks.append("its foreign keys of entities that could not be made are left out")
    remarks = {plan.resource: plan.remarks for plan in plans if plan.remarks and plan.entity in made}
    if context.out.as_json:
        context.out.document({"made": made, "failed": failed, "remarks": remarks})
        return 1 if failed else 0
    for name, what in made.items():
        context.out.line(f"{what} {name}")
    _tell_remarks(context, remarks)
    for one in failed:
        context.out.remark(f"waybill: {one['resource']} makes no entity: {one['detail']}")
    for plan in plans:
        if plan.entity in made and plan.files:
            path = shlex.quote(str(file.parent / plan.files[0]))
            context.out.next_steps([(f"waybill import {path} --entity {plan.entity} --watch", "import its file")])
    return 1 if failed else 0


def _put_plan(context: Context, plan: Plan, definition: dict[str, Any]) -> str:
    """Create or replace an entity; returns which."""
    path = path_of("entities", str(plan.entity))
    try:
        definition = replacing(definition, context.api.get(path))
    except Refusal as refusal:
        if refusal.status != 404:
            raise
    answer = context.api.request("PUT", path, body=definition)
    return "Created" if answer.status_code == 201 else "Replaced"


def _show_plans(context: Context, plans: list[Plan]) -> int:
    context.out.document({plan.entity: plan.definition for plan in plans if plan.entity is not None})
    _tell_remarks(context, {plan.resource: plan.remarks for plan in plans if plan.remarks})
    for plan in plans:
        if plan.entity is None:
            context.out.remark(f"waybill: {plan.resource} makes no entity: {plan.problem}")
    return 1 if any(plan.entity is None for plan in plans) else 0


def _tell_remarks(context: Context, remarks: dict[str, list[str]]) -> None:
    for resource, told in remarks.items():
        for remark in told:
            context.out.remark(f"{resource}: {remark}")


def show_entity(context: Context) -> int:
    context.out.document(context.api.get(path_of("entities", context.options.name)))
    return 0


def infer_entity(context: Context) -> int:
    """Send the beginning of a file, and print what an entity of it could be."""
    options = context.options
    source = Path(options.file)
    with beginning_of(source) as sent, Progress(f"Uploading {source.name}") as progress:
        upload_id = context.api.upload(sent, None, progressed=progress.update_bytes)
    asked = {"encoding": options.encoding, "dialect": options.dialect}
    body = {member: value for member, value in asked.items() if value is not None}
    found = decode(context.api.post(path_of("uploads", upload_id, "infer"), body))
    if options.output is not None:
        write_json(options.output, found["definition"])
    if context.out.as_json:
        context.out.document(found)
        return 0
    rows = [(each["name"], each["type"], each["why"], ", ".join(each["samples"])) for each in found["fields"]]
    context.out.table(("FIELD", "TYPE", "WHY", "SAMPLES"), rows)
    if options.output is None:
        context.out.document(found["definition"])
    file = options.output or "FILE.json"
    context.out.next_steps([(f"waybill entities put NAME {file}", "create it as it is, or edited (administrators)")])
    return 0


def save_template(context: Context) -> int:
    options = context.options
    ending = Path(options.output).suffix.lower().removeprefix(".") if options.output else ""
    if ending in ("xls", "xlsm", "xlsb", "ods") or (
        options.format is not None and ending in TEMPLATE_FORMATS and ending != options.format
    ):
        what = f"as {options.format}" if options.format else "of that kind"
        raise UsageFailure(
            f"{options.output} ends in .{ending}, and a template {what} is none.", "let name and --format say the same"
        )
    format = options.format or (ending if ending in TEMPLATE_FORMATS else TEMPLATE_FORMATS[0])
    return save_file(context, path_of("entities", options.name, "template"), format=format)


def list_fields(context: Context) -> int:
    schema = context.api.get(path_of("entities", context.options.name))["schema"]
    rows = [_field_row(field, schema) for field in schema["fields"]]
    header = ("FIELD", "TYPE", "RULES", "BEFORE A CELL IS READ")
    if context.out.as_json:
        names = ("name", "type", "rules", "cleaning")
        context.out.document({"items": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        context.out.table(
            header, [(name, type, "; ".join(rules), "; ".join(steps)) for name, type, rules, steps in rows]
        )
    return 0


def _field_row(field: dict[str, Any], schema: dict[str, Any]) -> tuple[str, str, list[str], list[str]]:
    """Name, type, rules, and what becomes of its cells before they are read."""
    name, format, constraints = field["name"], field.get("format", "default"), field.get("constraints") or {}
    key = _listed(schema.get("primaryKey"))
    rules = [] if name not in key else ["part of the key" if len(key) > 1 else "the key"]
    rules += [rule for rule in ("required", "unique") if constraints.get(rule)]
    for foreign in schema.get("foreignKeys") or ():
        fields = _listed(foreign["fields"])
        if name in fields:
            others = " and ".join(other for other in fields if other != name)
            entity = foreign["reference"].get("resource") or "this entity"
            rules.append(f"must name a record of {entity}{', with ' * bool(others)}{others}")
    steps = list(field.get("clean", ()))
    steps += [f"{cell!r} is read as {text!r}" for cell, text in field.get("values", {}).items()]
    if "default" in field:
        steps.append(f"a missing value is read as {field['default']!r}")
    type = field.get("type", "any")
    return name, type if format == "default" else f"{type}, {format}", rules, steps


def _listed(key: Any) -> list[str]:
    return [key] if isinstance(key, str) else list(key or ())


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
