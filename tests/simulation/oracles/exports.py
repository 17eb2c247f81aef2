"""Exports: the file of a run, and the windows of increments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tests.simulation.oracles.sheets import Record
from tests.simulation.oracles.sight import Delivery, Item, Sight, rows_of
from waybill.jobs.model import Job
from waybill.timestamps import epoch_milliseconds


def exported_file_is_right(watch: Sight, old: Job | None, new: Job | None) -> None:
    """Section 7: what a run exported has arrived whole where its definition says; a full extract of a table that nobody
    imported into meanwhile is that table."""
    if new is None or not new.has_delivered:
        return
    if old is not None and old.is_terminal:
        return
    delivery = watch.deliveries[-1]
    export = watch.definition(new)["export"]
    if export["destination"]["kind"] != "download":
        for name, data in delivery.files.items():
            arrived = watch.arrived(export["destination"], name)
            watch.require(arrived == data, exported_file_is_right, f"{name} is not what arrived: {arrived!r}")
    if export.get("split"):
        _set_is_right(watch, delivery, export)
    if new.is_backfill and not watch.has_imported_since(new):
        _period_is_right(watch, new)
    if new.window_to is None and not export["filter"] and not watch.has_imported_since(new):
        rows = {row["id"]: {name: value for name, value in row.items() if value} for row in delivery.rows()}
        live = watch.live(new.entity_uid)
        watch.require(rows == live, exported_file_is_right, f"{new.job_id} exports {rows}, the table has {live}")


def _set_is_right(watch: Sight, delivery: Delivery, export: Mapping[str, Any]) -> None:
    """docs/exports.md, *Several files*: each is whole and as full as it may be; the manifest lists them."""
    found = watch.arrived(export["destination"], f"{delivery.job.file_name}.manifest.json")
    listed = {} if found is None else {file["fileName"]: file for file in json.loads(found)["files"]}
    told = f"{delivery.job.job_id}: the manifest lists {listed} of {list(delivery.files)}"
    watch.require(list(listed) == list(delivery.files), exported_file_is_right, told)
    most, left = export["split"]["maxRows"], len(delivery.rows())
    for name, data in delivery.files.items():
        rows, digest = len(rows_of(data)), hashlib.sha256(data).hexdigest()
        is_right = (listed[name]["rows"], listed[name]["sha256"], rows) == (rows, digest, min(most, left))
        watch.require(is_right, exported_file_is_right, f"{name} has {rows} rows of {left}: {listed[name]}")
        left -= rows


def _period_is_right(watch: Sight, run: Job) -> None:
    """A run for a past period has the records that were written in it, and with `includeDeleted` the deletions."""
    begin, end = (None if moment is None else epoch_milliseconds(moment) for moment in (run.window_from, run.window_to))
    includes_deleted = watch.definition(run)["export"]["includeDeleted"]
    wanted = {
        key
        for key, item in watch.records(run.entity_uid)
        if (begin is None or int(item["_at"]["N"]) >= begin)
        and end is not None
        and int(item["_at"]["N"]) < end
        and ("_gone" not in item or (includes_deleted and begin is not None))
    }
    rows = {row["id"] for row in watch.deliveries[-1].rows()}
    told = f"{run.job_id} has {rows} of the period {run.window_from} to {run.window_to}, not {wanted}"
    watch.require(rows == wanted, exported_file_is_right, told)


def stopped_export_delivers_nothing(watch: Sight, old: Job | None, new: Job | None) -> None:
    """Section 4: a stopped export offers no file, and neither a file nor a manifest of it has arrived."""
    if new is None or not new.is_terminal or not new.is_stopped_export or (old is not None and old.is_terminal):
        return
    watch.require(not new.has_download, stopped_export_delivers_nothing, f"{new.job_id} offers a file")
    left = watch.arrived_from(new)
    watch.require(not left, stopped_export_delivers_nothing, f"{new.job_id} was stopped and has delivered {left}")


def no_write_is_behind_a_window(watch: Sight, old: Item | None, new: Item) -> None:
    """Section 7, *Incremental*: "`windowTo` lies behind every write still in flight": what is written once a window is
    chosen belongs to a later one, whatever the clocks say. What stands there already may be written again."""
    end = watch.window_ends.get(new["_pk"]["S"].partition("#")[0])
    if end is None or old == new:
        return
    at = int(new["_at"]["N"])
    watch.require(at >= end, no_write_is_behind_a_window, f"{new['_sk']['S']} is written {end - at} ms behind a window")


def windows_are_contiguous(watch: Sight) -> None:
    """Section 7, *Incremental*: the first window takes everything; each begins where the last delivered one ended."""
    for series, deliveries in watch.increments().items():
        end = None
        for delivery in deliveries:
            job = delivery.job
            told = f"{series}: {job.window_from} to {job.window_to} after {end}"
            watch.require(job.window_to is not None and job.window_from == end, windows_are_contiguous, told)
            end = job.window_to


def increments_fold_to_the_table(watch: Sight) -> None:
    """Section 7, *Incremental*: "`inc₁ … incₙ` fold to the table", for series whose last window ended after the last
    import."""
    for series, deliveries in watch.increments().items():
        last = deliveries[-1].job
        is_whole = watch.definition(last)["export"]["includeDeleted"]
        if not is_whole or watch.has_imported_since(last):
            continue
        table: dict[str, Record] = {}
        for delivery in deliveries:
            for row in delivery.rows():
                if row.pop("_deleted", "") == "true":
                    table.pop(row["id"], None)
                else:
                    table[row["id"]] = {name: value for name, value in row.items() if value}
        live = watch.live(last.entity_uid)
        watch.require(table == live, increments_fold_to_the_table, f"{series}: folded {table}, the table has {live}")
