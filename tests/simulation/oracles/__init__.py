"""What must be true in every simulated world, whatever befalls it: the promises of the contract, one function each.

Oracles of `AT_WRITE` see every write of a job, those of `AT_RECORD` every write of a record, those of `AT_DELETION`
every deletion of an object, and the others the world when everything has come to rest. They raise `Violation`. None of
them uses the product's code for rows, files or queues.

    sheets     sources and results as a person reads them
    sight      what has been seen, and views of what there is
    jobs, imports, quality, exports, objects, sources, told    the oracles, by what they are about

watch = Watch(server, aws, settings, now)    # hooks itself into the writes of tables and buckets
…                                            # the history
watch.check_end()                            # and, some days later, check_retention()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.simulation.aws import Aws, Object
from tests.simulation.dynamodb import Server
from tests.simulation.oracles.exports import (
    exported_file_is_right,
    increments_fold_to_the_table,
    no_write_is_behind_a_window,
    stopped_export_delivers_nothing,
    windows_are_contiguous,
)
from tests.simulation.oracles.imports import (
    ended_import_is_exact,
    imports_take_effect_in_order,
    nothing_is_written_after_stop,
    one_import_runs,
    rejects_are_the_right_ones,
    submitted_is_the_registration,
    the_last_row_of_a_key_stays,
)
from tests.simulation.oracles.jobs import (
    accepted_stops_are_kept,
    every_job_has_ended,
    every_move_is_announced,
    every_move_of_a_person_is_recorded,
    files_exist,
    leases_are_held_once,
    moves_follow_the_arrows,
    nothing_is_under_way,
    repeated_requests_have_one_effect,
    tally_balances,
)
from tests.simulation.oracles.objects import (
    every_drop_makes_one_job,
    expired_files_are_gone,
    live_source_is_kept,
)
from tests.simulation.oracles.quality import rejected_rows_are_judged, rows_are_judged_by_the_usual
from tests.simulation.oracles.sight import Item, Sight
from tests.simulation.oracles.sources import every_fetched_file_makes_one_job, only_imported_files_go
from tests.simulation.oracles.told import attempts_are_made_in_time, every_end_is_told, messages_are_signed
from tests.simulation.servers import Directory, Hooks, Servers
from waybill.aws.dynamodb import from_attributes
from waybill.jobs.items import job_from_item
from waybill.jobs.model import Job
from waybill.settings import Settings

AT_WRITE: list[Callable[[Sight, Job | None, Job | None], None]] = [
    moves_follow_the_arrows,
    tally_balances,
    files_exist,
    one_import_runs,
    imports_take_effect_in_order,
    submitted_is_the_registration,
    leases_are_held_once,
    rejects_are_the_right_ones,
    the_last_row_of_a_key_stays,
    ended_import_is_exact,
    exported_file_is_right,
    stopped_export_delivers_nothing,
    rejected_rows_are_judged,
    rows_are_judged_by_the_usual,
]

AT_RECORD: list[Callable[[Sight, Item | None, Item], None]] = [
    nothing_is_written_after_stop,
    no_write_is_behind_a_window,
]

AT_DELETION: list[Callable[[Sight, str, str, str], None]] = [live_source_is_kept]

AT_END: list[Callable[[Sight], None]] = [
    every_job_has_ended,
    every_drop_makes_one_job,
    every_fetched_file_makes_one_job,
    nothing_is_under_way,
    every_move_is_announced,
    every_move_of_a_person_is_recorded,
    repeated_requests_have_one_effect,
    accepted_stops_are_kept,
    windows_are_contiguous,
    increments_fold_to_the_table,
    every_end_is_told,
    attempts_are_made_in_time,
    messages_are_signed,
]

AFTER_RETENTION: list[Callable[[Sight], None]] = [expired_files_are_gone, nothing_is_under_way]


class Watch(Sight):
    """Sees every write, and calls the oracles."""

    def __init__(
        self,
        server: Server,
        aws: Aws,
        settings: Settings,
        now: Callable[[], float],
        servers: Servers | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        super().__init__(server, aws, settings, now, servers, hooks)
        server.on_write = self.on_write
        aws.on_change = self.on_change

    def on_write(self, table: str, old: Item | None, new: Item | None, transaction: int | None) -> None:
        item = new or old
        if table == self.settings.records_table and new is not None:
            self._run(AT_RECORD, old, new)
        if table != self.settings.jobs_table or item is None or item["sk"] != {"S": "JOB"}:
            return
        before = None if old is None else job_from_item(from_attributes(old))
        after = None if new is None else job_from_item(from_attributes(new))
        self.see(before, after)
        self._run(AT_WRITE, before, after)

    def _run(self, oracles: Iterable[Callable[..., None]], *seen: Any) -> None:
        for oracle in oracles:
            oracle(self, *seen)

    def on_change(self, bucket: str, key: str, found: Object | None) -> None:
        if found is not None:
            self._sources[bucket, key, found.etag] = found.data
            self.puts[bucket, key, found.etag] += 1
            self._etags[bucket, key] = found.etag
            return
        self._run(AT_DELETION, bucket, key, self._etags[bucket, key])

    def watch_folder(self, directory: Directory) -> None:
        """Partners put files there, for a source."""
        before = dict(directory.files)

        def on_change(files: Mapping[str, bytes]) -> None:
            only_imported_files_go(self, before, files)
            before.clear()
            before.update(files)

        directory.on_change = on_change

    def put_file(self, directory: Directory, name: str, data: bytes) -> None:
        """A partner puts a file, whose content no other one has."""
        directory.put(name, data)
        self.partner_files.append((name, data))
        directory.on_change(directory.files)

    def check_end(self) -> None:
        """All jobs have had their time to end."""
        self._run(AT_END)

    def check_retention(self) -> None:
        """All files have had their time to expire."""
        self._run(AFTER_RETENTION)
