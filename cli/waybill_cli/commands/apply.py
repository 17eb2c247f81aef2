"""`apply`: entities, sources and exports as files have them, with a plan first."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from waybill_cli.apply_plan import KINDS, Change, Kind, plan, read_folder
from waybill_cli.client import decode, path_of
from waybill_cli.commandline import Commands
from waybill_cli.context import Context
from waybill_cli.dependents import MAX_ENTITIES, dependents_of
from waybill_cli.failures import Refusal, UsageFailure
from waybill_cli.inputs import ask
from waybill_cli.output import Progress

SIGNS = {"create": "+", "replace": "~", "activate": "^", "delete": "-"}
FILES, SCHEDULED = "entities/NAME.json, sources/*.json, exports/*.json", "SCHEDULED"


def add_commands(commands: Commands) -> None:
    parser = commands.add("apply", apply, "make entities, sources and exports as the files of a folder have them")
    parser.add_argument("folder", metavar="DIR", help=f"with {FILES}")
    parser.add_argument("--plan", action="store_true", help="show what would change, and change nothing")
    parser.add_argument("--prune", action="store_true", help="delete what no file has, of the kinds with a folder")
    parser.add_argument("--activate", action="store_true", help="schedule sources and exports that are drafts or new")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def apply(context: Context) -> int:
    """Exit status 0, also for a plan without changes; 1 if the service refused one, which keeps no other from it."""
    options, out = context.options, context.out
    wanted = read_folder(Path(options.folder))
    changes = [
        change for kind in KINDS if kind.folder in wanted for change in _plan(context, kind, wanted[kind.folder])
    ]
    # What refers to others is deleted before them.
    changes = [each for each in changes if each.wanted] + [each for each in reversed(changes) if not each.wanted]
    changes = _with_losses(context, changes)
    if not out.as_json:
        _show(context, changes)
    if options.plan or not changes:
        return _end(context, changes, [], [])
    if not options.yes:
        if not sys.stdin.isatty():
            raise UsageFailure("Nothing was changed.", "give --yes to apply this plan, or --plan to see it only")
        if ask("Apply? (yes) ") != "yes":
            raise UsageFailure("Nothing was changed.")
    done, refused = _make_all(context, changes)
    return _end(context, changes, done, refused)


def _make_all(context: Context, changes: list[Change]) -> tuple[list[Change], list[Change]]:
    """Make the changes; those that were refused again, as long as others could be made, because an entity may name one
    that comes later. Returns those that were made, and those that were refused for good."""
    done: list[Change] = []
    left, refusals = list(changes), dict[int, Refusal]()
    while left:
        made = []
        for change in left:
            try:
                _make(context, change)
                made.append(change)
            except Refusal as refusal:
                refusals[id(change)] = refusal
        done += made
        left = [change for change in left if change not in made]
        if not made:
            break
    for change in left:
        why = refusals[id(change)]
        context.out.remark(f"waybill: {change.kind.folder} {change.name}: {why.message}")
        for detail in why.details():
            context.out.remark(f"  {detail}")
    return done, left


def _with_losses(context: Context, changes: list[Change]) -> list[Change]:
    """The changes, with what hangs on the first entities that are deleted."""
    deleted = [each.current for each in changes if each.action == "delete" and each.current]
    gone = {str(each.get("sourceId") or each.get("exportId")) for each in deleted}
    told, left = [], MAX_ENTITIES
    stay: list[dict[str, Any]] | None = None
    with Progress("Looking into what is deleted"):
        for change in changes:
            current = change.current
            if change.action == "delete" and change.kind.id_member == "name" and current and left:
                if stay is None:
                    stay = _staying(context, changes)
                others = [str(each["name"]) for each in stay if _names(each, change.name)]
                change, left = replace(change, loses=dependents_of(context, current, others, gone)), left - 1
            told.append(change)
    return told


def _staying(context: Context, changes: list[Change]) -> list[dict[str, Any]]:
    """The entities that there will be, as they will be."""
    changed = {each.name: each.wanted for each in changes if each.kind.id_member == "name"}
    there = [item for page in context.api.pages("/entities", None) for item in page["items"]]
    names = dict.fromkeys([*(str(each["name"]) for each in there), *changed])
    found = {str(each["name"]): each for each in there} | changed
    return [{**definition, "name": name} for name in names if (definition := found[name]) is not None]


def _names(entity: dict[str, Any], other: str) -> bool:
    try:
        return any(key["reference"].get("resource") == other for key in entity["schema"].get("foreignKeys") or ())
    except (AttributeError, KeyError, TypeError):  # the service will refuse the file
        return False


def _plan(context: Context, kind: Kind, wanted: dict[str, Any]) -> list[Change]:
    current = [item for page in context.api.pages(path_of(kind.folder), None) for item in page["items"]]
    return plan(kind, wanted, current, prune=context.options.prune, activate=context.options.activate)


def _show(context: Context, changes: list[Change]) -> None:
    for change in changes:
        context.out.line(f"{SIGNS[change.action]} {change.kind.folder} {change.name}")
        for line in (*change.lines, *(change.loses.lines if change.loses else ())):
            context.out.line(f"    {line}")
    deleted = sum(each.action == "delete" and each.kind.id_member == "name" for each in changes)
    if deleted > MAX_ENTITIES:
        context.out.line(f"Of {deleted - MAX_ENTITIES:,} more entities that are deleted, nothing was counted.")
    count = {action: sum(change.action == action for change in changes) for action in SIGNS}
    context.out.line(", ".join(f"{number} to {action}" for action, number in count.items()) + ".")


def _end(context: Context, planned: list[Change], done: list[Change], refused: list[Change]) -> int:
    if context.out.as_json:
        lists = {"planned": planned, "done": done, "refused": refused}
        context.out.document({name: [change.document() for change in some] for name, some in lists.items()})
    elif done or refused:
        context.out.line(f"{len(done)} done, {len(refused)} refused.")
    return 1 if refused else 0


def _make(context: Context, change: Change) -> None:
    """
    Raises:
        Refusal
    """
    api, kind = context.api, change.kind
    if kind.id_member == "name":
        path = path_of(kind.folder, change.name)
        if change.wanted is None:
            api.request("DELETE", path)
        else:
            api.request("PUT", path, body=change.wanted)
        return
    if change.current is None:
        made = decode(api.post(path_of(kind.folder), change.wanted, once=True))
        if context.options.activate and change.wanted and change.wanted.get("schedule"):
            api.post(path_of(kind.folder, str(made[kind.id_member]), "activate"), once=True)
        return
    path = path_of(kind.folder, str(change.current[kind.id_member]))
    if change.action == "activate":
        api.post(f"{path}/activate", once=True)
        return
    is_scheduled = change.current["status"] == SCHEDULED  # only a draft can be changed
    if is_scheduled:
        api.post(f"{path}/unschedule")
    try:
        api.request("DELETE" if change.wanted is None else "PUT", path, body=change.wanted)
    except Refusal:
        if is_scheduled:  # it goes on as it was
            api.post(f"{path}/activate", once=True)
        raise
    if is_scheduled and change.wanted is not None:
        api.post(f"{path}/activate", once=True)
