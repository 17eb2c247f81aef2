"""What people do in a simulated world, at random times, while things go wrong: one history for each seed.

history = History(seed=123)
history.run()              # raises Violation
history.reached            # how often each kind of thing was reached
print(history.schedule())  # the log of what people, faults and processes did

A history consists of chapters: people act, for some minutes, while faults happen; what is under way ends; a last run of
each incremental export; sometimes, days later, files expire.
"""

from __future__ import annotations

import gc
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from tests.builders import START
from tests.simulation.faults import CELL_FAULTS, Failure, Fault, FaultPlan, Outage
from tests.simulation.oracles import Watch
from tests.simulation.oracles.sheets import NAMING_SCHEMA, SCHEMA
from tests.simulation.oracles.sight import Violation
from tests.simulation.servers import HOOKS, SIGNING, Servers
from tests.simulation.world import ADMIN, ALICE, Answer, Chances, World
from waybill.entities.model import Quality
from waybill.jobs.model import Job, Process, Status
from waybill.timestamps import rfc3339

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
SKEWS = (0.0, 0.4, 3.0, HOUR)
OUTAGES = {"15 s": 15.0, "10 min": 600.0, "1 h": HOUR, "24 h": DAY, "2 h": 2 * HOUR}
SERVICES = ("dynamodb", "s3", "stepfunctions", "events", "sftp")
MODES = ("upsert", "upsert", "upsert", "insert", "merge", "merge", "update", "delete")
PERMISSIONS = {"view": ["sales"], "import": ["ops"], "export": ["ops"]}
PARTNER = {
    "kind": "sftp",
    "host": "partner.example",
    "directory": "/in",
    "secretId": "partner",
    "hostKey": "SHA256:" + "A" * 43,
}
SECRET = {"username": "waybill", "password": "p", "host": "partner.example", "entities": ["*"]}
HISTORIES_PER_COLLECTION = 10
#: In so many histories the table takes batches in part, and somebody stops the import of a long file.
THROTTLED = 0.03
#: In so many histories the rows of files name records of their own entity.
NAMING = 0.15
#: In so many histories imports keep what records were, and people undo some of them.
UNDOING = 0.2
#: The share of histories in which somebody stops an export.
STOPPING = 0.2
#: In so many histories the entities say what files must be like, and people send files of like size.
JUDGING = 0.12
#: In so many histories the ends of jobs are told to webhooks.
TELLING = 0.15
#: How long after the last fault everything has ended, with room for what waits in a queue behind it.
REST_SECONDS = 2 * HOUR


@dataclass(frozen=True)
class Character:
    """What kind of history a seed tells."""

    minutes: float
    actions: int
    plan: FaultPlan
    chances: Chances
    poison: str | None
    outage: str | None
    expires: bool


def character_of(dice: random.Random) -> Character:
    """Most histories are short and meet a few faults; some are quiet; a few meet what lasts."""
    minutes = dice.choice((0.2, 1, 1, 3, 8))
    outage = dice.choices((None, *OUTAGES), (75, 15, 6, 3, 0.7, 2))[0]
    outages = []
    if outage is not None:
        start = dice.uniform(0, minutes * MINUTE)
        services = frozenset() if dice.random() < 0.5 else frozenset({dice.choice(SERVICES)})
        failure = dice.choice((Failure.UNAVAILABLE, Failure.NETWORK, Failure.INTERNAL))
        outages.append(Outage(start, start + OUTAGES[outage], services, failure))
    rates: dict[Fault, float] = {}
    if dice.random() < 0.6:
        possible = (*CELL_FAULTS, Fault.SLOW, Fault.UNPROCESSED, Fault.LATE, Fault.LEFT_BEHIND)
        kinds = dice.sample(possible, dice.choice((1, 2, len(possible))))
        rates = dict.fromkeys(kinds, dice.choice((0.01, 0.03, 0.08)) / len(kinds))
    skew = dice.choices(SKEWS, (75, 5, 10, 10))[0]
    may = dice.random() < 0.4
    chances = Chances(
        doubled=0.1 if may else 0.0,
        late=0.1 if may else 0.0,
        lost=0.1 if may else 0.0,
        short=0.1 if dice.random() < 0.1 else 0.0,
        orphaned=0.1 if dice.random() < 0.1 else 0.0,
        skewed=0.5 if skew else 0.0,
        skew_seconds=skew,
    )
    poison = dice.choice(("object", "plan", "announcement", "definition")) if dice.random() < 0.08 else None
    plan = FaultPlan(outages=outages, rates=rates, until=minutes * MINUTE)
    return Character(minutes, dice.choice((1, 1, 2, 4, 7)), plan, chances, poison, outage, dice.random() < 0.12)


class History:
    """One world, its people, and what they reached."""

    def __init__(self, seed: int) -> None:
        self.seed, self.dice = seed, random.Random(f"history {seed}")
        self.names_records = random.Random(f"naming {seed}").random() < NAMING
        self.schema = NAMING_SCHEMA if self.names_records else SCHEMA
        self.is_throttled = random.Random(f"throttled {seed}").random() < THROTTLED
        self.undo_dice = random.Random(f"undo {seed}")
        self.undoes = self.undo_dice.random() < UNDOING
        self.stop_dice = random.Random(f"stop {seed}")
        self.judge_dice = random.Random(f"judge {seed}")
        self.judges = self.judge_dice.random() < JUDGING
        self.tell_dice = random.Random(f"tell {seed}")
        self.tells = self.tell_dice.random() < TELLING
        self.character = character = character_of(self.dice)
        if self.is_throttled:
            plan = FaultPlan(rates={Fault.UNPROCESSED: 0.8}, until=character.minutes * MINUTE)
            self.character = character = replace(character, plan=plan, outage=None)
        self.world = World(seed, character.plan, character.chances, mail_sender="us@example.com")
        self.servers = Servers(self.world.calls)
        self.reached: Counter[str] = Counter()
        self.told: list[tuple[float, str]] = []
        self.exports: list[str] = []
        self.files = 0
        world = self.world
        now = world.timeline.monotonic
        self.watch = Watch(world.server, world.aws, world.settings, now, self.servers, world.hooks)
        self.quality = self._quality() if self.judges else None
        if self.tells:
            world.aws.secrets["hooks"] = json.dumps(SIGNING)
            self.watch.told_of_imports = [webhook["url"] for webhook in HOOKS]
        self.watch.skew_seconds = character.chances.skew_seconds
        self.watch.names_records = self.names_records
        self.watch.has_short_invocations = character.chances.short > 0
        self.watch.stalls = Fault.SLOW in character.plan.rates
        world.aws.secrets["partner"] = json.dumps(SECRET)

    # The chapters

    def run(self) -> None:
        """
        Raises:
            Violation: a promise is broken.
        """
        with self.world.open(), self.servers.patched():
            self._begin()
            self._live()
            self._rest()
            self._export_once_more()
            self.watch.check_end()
            if self.character.expires:
                self._expire()
                self.watch.check_retention()
        self._note_coverage()

    def _begin(self) -> None:
        for name in ("contacts", "orders", "poisoned")[: 1 + (self.dice.random() < 0.3)]:
            self.world.add_entity(name, schema=self.schema, permissions=PERMISSIONS, **self._rules())
        if self.character.poison is not None:
            self.world.add_entity("poisoned", schema=self.schema, permissions=PERMISSIONS)

    def _rules(self) -> dict[str, Any]:
        """What entities say of their files, and who is told of the ends of their imports."""
        quality = None if self.quality is None else Quality.from_document(self.quality)
        return {"quality": quality, "webhooks": tuple(HOOKS) if self.tells else ()}

    def _quality(self) -> dict[str, Any]:
        dice = self.judge_dice
        return {
            "maxRejectedPercent": dice.choice((None, 0, 10, 40)),
            "maxRowsChangePercent": dice.choice((0, 50, 50, 100, 300)),
            "action": dice.choice(("tell", "stop", "stop")),
        }

    def _live(self) -> None:
        """People act while faults happen."""
        world, end = self.world, self.character.minutes * MINUTE
        well = end
        acts = self._acts()
        for _ in range(self.character.actions):
            (act,) = self.dice.choices(list(acts), list(acts.values()))
            self._later(self.dice.uniform(0, end), act)
        self._later(0.0, self.drop)
        if self.is_throttled:
            self._later(0.0, self.drop_many_rows)
            self._later(self.dice.uniform(2.0, 8.0), self.stop)
        if self.undoes:
            for _ in range(self.undo_dice.choice((1, 2, 4))):
                self._later(self.undo_dice.uniform(0, end), self.undo)
        if self.judges:
            for _ in range(self.judge_dice.choice((5, 8))):
                self._later(self.judge_dice.uniform(0, end), self.drop_alike)
            self._later(self.judge_dice.uniform(0, end), self.relaunch_unusual)
        if self.tells and self.tell_dice.random() < 0.7:
            self._later(self.tell_dice.uniform(0, end / 2), self.refuse_webhooks)
            well = end + 3 * MINUTE  # messages are sent each minute
            self._later(well, self.take_webhooks)
        if self.stop_dice.random() < STOPPING:
            self._later(self.stop_dice.uniform(0, end), self.stop_export)
        if self.dice.random() < 0.05:
            self._later(0.0, self.fill_the_partners_disk)
            self._later(self.dice.uniform(0, end), self.relaunch_run)
            for _ in range(3):
                self._later(self.dice.uniform(0, end / 2), self.export)
                self._later(self.dice.uniform(end / 4, end / 2), self.run_export)
            self._later(self.dice.uniform(end / 2, end), self.empty_the_partners_disk)
        if self.character.poison is not None:
            self._poison(self.character.poison)
        self.watch.last_fault = max(well, self.character.plan.last_moment)
        world.run(self._ticks_until(end))

    def _acts(self) -> dict[Callable[[], None], float]:
        """What people do, and how often."""
        return {
            self.drop: 8,
            self.drop_again: 2,
            self.upload: 3,
            self.stop: 5,
            self.cancel: 2,
            self.relaunch: 3,
            self.delete_job: 2,
            self.put_entity: 1,
            self.delete_entity: 1,
            self.export: 4,
            self.run_export: 4,
            self.unschedule: 1,
            self.abort: 2,
            self.take_away: 0.5,
        }

    def _later(self, moment: float, act: Callable[[], None]) -> None:
        self.world.timeline.at(moment, act)

    def _rest(self) -> None:
        """Until everything has ended: nothing goes wrong any more."""
        end = self.watch.last_fault + REST_SECONDS
        while self.world.timeline.seconds < end and not self._is_at_rest():
            self.world.run(self._ticks_until(self.world.timeline.seconds + MINUTE))

    def _is_at_rest(self) -> bool:
        if self.world.timeline.seconds < self.watch.last_fault or self.world.timeline.tasks:
            return False
        if self._has_due_webhooks():
            return False
        return not self.watch.under_way() and not self.watch.drops_without_job()

    def _has_due_webhooks(self) -> bool:
        """Whether a message waits for an attempt before the rest is over."""
        end = rfc3339(START + timedelta(seconds=self.watch.last_fault + REST_SECONDS))
        return any(item["sk"]["S"] < end for item in self.world.table("jobs").query("WEBHOOK"))

    def _ticks_until(self, end: float) -> float:
        """Schedule the ticks up to a moment, and half a minute in which the last one ends. While an outage lasts, those
        in its middle are left out: they would only fail, one like the other."""
        world = self.world
        minute = MINUTE * (int(world.timeline.seconds // MINUTE) + 1)
        while minute <= end:
            if not self._is_in_the_middle_of_an_outage(minute):
                for delay in world._deliveries(late_seconds=50.0):
                    world.timeline.at(minute + delay, world.tick)
            minute += MINUTE
        return end + MINUTE / 2

    def _is_in_the_middle_of_an_outage(self, moment: float) -> bool:
        return any(
            outage.start + 5 * MINUTE < moment < outage.end - 5 * MINUTE and (moment // MINUTE) % 60
            for outage in self.character.plan.outages
        )

    def _export_once_more(self) -> None:
        """A last run of each incremental export, so that its increments must fold to the table."""
        for export_id in self.exports:
            self._ask("POST", f"/v1/exports/{export_id}/run")
        if self.exports:
            self.world.run(self.world.timeline.seconds + 30.0)
            self._rest()

    def _expire(self) -> None:
        """Days later: files expire, then jobs; DynamoDB's time to live deletes items."""
        world = self.world
        for _ in range(2):
            world.run(world.timeline.seconds + 2 * DAY)
            world.server.expire(world.timeline.now().timestamp())
            self._ticks_until(world.timeline.seconds + 5 * MINUTE)
            world.run(world.timeline.seconds + 2 * HOUR)
        self.reached["expired"] += 1

    # What people do

    def drop(self) -> None:
        entity, name = self.dice.choice(self._entities()), f"f{self.dice.randrange(4)}.csv"
        options = self._options()
        data = self._file(options["mode"])
        self._tell(f"drop {entity}/{name} {len(data)} bytes {options}")
        metadata = {"mode": options["mode"], "on-error": options["onError"]}
        if "blanks" in options:
            metadata["blanks"] = options["blanks"]
        if options.get("dryRun"):
            metadata["dry-run"] = "true"
        if options.get("keepPrevious"):
            metadata["keep-previous"] = "true"
        self.world.drop(entity, name, data, **metadata)

    def drop_many_rows(self) -> None:
        """A file that is still being written when somebody stops its import."""
        self._tell("drop contacts/many.csv")
        self.reached["loaded into a throttled table"] += 1
        note = "" if self.names_records else "many"
        rows = "".join(f"m{number},{number},{note}\n" for number in range(400))
        self.world.drop("contacts", "many.csv", f"id,n,note\n{rows}".encode())

    def drop_alike(self) -> None:
        """A file of the usual size, or now and then of another one, for entities that say how much they may differ."""
        dice = self.judge_dice
        self.files += 1
        rows = [self._row(number) for number in range(dice.choice((10, 10, 10, 10, 11, 4, 30)))]
        name, text = f"alike{self.files}.csv", "id,n,note\n" + "".join(f"{row}\n" for row in rows)
        self._tell(f"drop contacts/{name} of {len(rows)} rows")
        self.world.drop("contacts", name, text.encode())

    def refuse_webhooks(self) -> None:
        """A receiver of webhooks takes none, or wants no more."""
        status, name = self.tell_dice.choice((410, 500, 503)), self.tell_dice.choice("ab")
        self._tell(f"the receiver {name} answers {status}")
        self.world.hooks.answers = lambda url: status if url.endswith(name) else 204

    def take_webhooks(self) -> None:
        self._tell("receivers take webhooks again")
        self.world.hooks.answers = lambda url: 204

    def drop_again(self) -> None:
        """The same bytes under the same key, while an import of them may be anywhere."""
        objects = self.world.aws.buckets[self.world.settings.drop_bucket]
        if objects:
            key = self.dice.choice(sorted(objects))
            found = objects[key]
            self._tell(f"drop {key} again")
            self.reached["dropped again"] += 1
            _, entity, name = key.split("/")
            self.world.drop(entity, name, found.data, **found.metadata)

    def upload(self) -> None:
        entity, options = self.dice.choice(self._entities()), self._options()
        data = self._file(options["mode"])
        self._tell(f"upload to {entity} {len(data)} bytes {options}")

        def send(answer: Answer) -> None:
            if answer.status == 201:
                upload_id, key = answer.body["uploadId"], answer.body["fields"]["key"]
                self.world.aws.put(self.world.settings.files_bucket, key, data)
                self._ask(
                    "POST", "/v1/imports", {"uploadId": upload_id, **options}, then=self._count("imported an upload")
                )

        self._ask("POST", "/v1/uploads", {"entity": entity, "fileName": "u.csv"}, then=send)

    def stop(self) -> None:
        """Stop an import: some people wait for the moment at which one is in progress."""
        running = [job for job in self._jobs(Process.IMPORT) if job.status is Status.IN_PROGRESS]
        if not running:
            if self._is_open():
                self._later(self.world.timeline.seconds + self.dice.uniform(0.1, 1.5), self.stop)
            return
        job = self.dice.choice(running)
        step = self._step_of(job)

        def accepted(answer: Answer) -> None:
            if answer.status == 200:
                self.watch.stops.add(job.job_id)
                self.reached[f"stop accepted during {step}"] += 1
            else:
                self.reached[f"stop refused during {step}"] += 1

        self._tell(f"stop {job.job_id} during {step}")
        self._ask("POST", f"/v1/jobs/{job.job_id}/stop", then=accepted)

    def stop_export(self) -> None:
        """Stop an export: people wait for the moment at which one is in progress."""
        running = [job for job in self._jobs(Process.EXPORT) if "stop" in job.allowed_actions()]
        if running:
            job = self.stop_dice.choice(running)
            self._tell(f"stop {job.job_id} during {self._step_of(job)}")

            def accepted(answer: Answer) -> None:
                self.reached["stopped an export" if answer.status == 200 else "stop of an export refused"] += 1
                if answer.status == 200:
                    self.watch.stops.add(job.job_id)

            self._ask("POST", f"/v1/jobs/{job.job_id}/stop", then=accepted)
        elif self._is_open():
            self._later(self.world.timeline.seconds + self.stop_dice.uniform(0.05, 0.5), self.stop_export)

    def cancel(self) -> None:
        if job := self._pick(lambda job: job.status is Status.WAITING):
            self._tell(f"cancel {job.job_id}")
            self._ask("POST", f"/v1/jobs/{job.job_id}/cancel", then=self._count("canceled"))

    def relaunch(self) -> None:
        if job := self._pick(lambda job: job.is_terminal and (job.has_rejects or job.status is Status.FAILED)):
            self._relaunch(job)

    def relaunch_run(self) -> None:
        """Relaunch a run that has failed: people wait for one."""
        if job := self._pick(lambda job: job.process is Process.EXPORT and job.status is Status.FAILED):
            self._relaunch(job)
        elif self._is_open():
            self._later(self.world.timeline.seconds + 1.0, self.relaunch_run)

    def relaunch_unusual(self) -> None:
        """Import a file that was refused for its number of rows: people wait for one, also for some time afterwards."""
        if refused := [job for job in self._jobs(Process.IMPORT) if job.error_code == "unusual-rows"]:
            self._relaunch(self.judge_dice.choice(refused))
        elif self.world.timeline.seconds < self.character.minutes * MINUTE + 2 * MINUTE:
            self._later(self.world.timeline.seconds + 2.0, self.relaunch_unusual)

    def undo(self) -> None:
        """Undo an import: some people wait for one that can be undone."""
        ended = [job for job in self._jobs(Process.IMPORT) if job.can_undo]
        if ended:
            job = self.undo_dice.choice(ended)
            self._tell(f"undo {job.job_id}")
            self._ask("POST", f"/v1/jobs/{job.job_id}/undo", then=self._count("undid an import"))
        elif self._is_open():
            self._later(self.world.timeline.seconds + self.undo_dice.uniform(0.1, 2.0), self.undo)

    def _relaunch(self, job: Job) -> None:
        body = self._corrections(job)
        what = "corrected rows of an" if body else "relaunched an"
        self._tell(f"relaunch {job.job_id} {body or ''}")
        self._ask("POST", f"/v1/jobs/{job.job_id}/relaunch", body, then=self._count(f"{what} {job.process}"))

    def _corrections(self, job: Job) -> dict[str, Any] | None:
        """Some of the rejected rows, made good with keys that no other row has; None for the rows as they are."""
        rejects = self.watch.rejects(job)
        if rejects is None or self.dice.random() < 0.6:
            return None
        rows = sorted(self.dice.sample(sorted(set(rejects.numbers)), min(3, len(set(rejects.numbers)))))
        good = {"id": "", "n": "7"}
        cells = {name: text for name, text in good.items() if name in rejects.columns}
        corrections = [
            {"rowNumber": row, "cells": {**cells, "id": f"fixed{row}-{self.dice.randrange(10**6)}"}} for row in rows
        ]
        return {"corrections": corrections, "only": self.dice.choice(("corrected", "all"))}

    def delete_job(self) -> None:
        if job := self._pick(lambda job: job.is_terminal):
            self._tell(f"delete {job.job_id}")
            self.watch.deleting.add(job.job_id)
            if any(other.status is Status.IN_PROGRESS for other in self._jobs()):
                self.reached["deleted a job while another ran"] += 1
            self._ask("DELETE", f"/v1/jobs/{job.job_id}", then=self._count("deleted a job"))

    def put_entity(self) -> None:
        name = self.dice.choice(("contacts", "orders"))
        body = {"schema": self.schema, "permissions": PERMISSIONS, "title": f"title {self.dice.randrange(9)}"}
        body |= {"quality": self.quality, "webhooks": HOOKS if self.tells else []}
        self._tell(f"put {name}")
        self._ask("PUT", f"/v1/entities/{name}", body, ADMIN, self._count("put an entity"))

    def delete_entity(self) -> None:
        name = self.dice.choice(("contacts", "orders"))
        self._tell(f"delete entity {name}")
        self._ask("DELETE", f"/v1/entities/{name}", None, ADMIN, self._count("deleted an entity"))

    def export(self) -> None:
        """Define an export and activate it."""
        kind = self.dice.choice(("ONE_SHOT", "PERIODIC_FULL", "INCREMENTAL", "INCREMENTAL"))
        body: dict[str, Any] = {"name": "out", "entity": self.dice.choice(self._entities()), "type": kind}
        if kind != "ONE_SHOT":
            minute = 30 + self.dice.randrange(1, 8)  # histories begin at half past nine
            body["schedule"] = {"time": self.dice.choice(("02:30", f"09:{minute}")), "timezone": "UTC"}
            body["destination"] = self.dice.choice(({"kind": "s3", "prefix": "in"}, PARTNER))
            number = self.dice.randrange(1000)
            body["fileName"] = f"x{number}_$yyyyMMdd$HHmm.csv"
            if number < 300:
                body["split"] = {"maxRows": 1 + number % 5}
        if self.tells:
            body["webhooks"] = HOOKS[:1]
        if kind == "INCREMENTAL":
            body["includeDeleted"] = self.dice.random() < 0.8
        self._tell(f"export {body}")

        def activate(answer: Answer) -> None:
            if answer.status == 201:
                export_id = answer.body["exportId"]
                self._ask("POST", f"/v1/exports/{export_id}/activate", then=self._count(f"activated {kind}"))
                if kind != "ONE_SHOT":
                    self.exports.append(export_id)
                    self._later(self.world.timeline.seconds + self.dice.uniform(0.5, 5.0), self.run_export)

        self._ask("POST", "/v1/exports", body, then=activate)

    def run_export(self) -> None:
        """Run an export: some people do it just while an import is in progress, which is what windows are about."""
        is_running = any(job.status is Status.IN_PROGRESS for job in self._jobs(Process.IMPORT))
        if self.dice.random() < 0.9 and not is_running and self._is_open():
            self._later(self.world.timeline.seconds + self.dice.uniform(0.1, 1.0), self.run_export)
        elif self.exports:
            export_id = self.dice.choice(self.exports)
            period = self._past_period() if self.dice.random() < 0.2 else None
            self._tell(f"run {export_id} {period or ''}")
            what = "ran an export" if period is None else "ran an export for a past period"
            self._ask("POST", f"/v1/exports/{export_id}/run", period, then=self._count(what))

    def _past_period(self) -> dict[str, str]:
        end = self.world.timeline.now() - timedelta(seconds=self.dice.choice((0, 1, 30, 300)))
        begin = end - timedelta(seconds=self.dice.uniform(1, 600))
        return {"windowTo": rfc3339(end)} | ({"windowFrom": rfc3339(begin)} if self.dice.random() < 0.7 else {})

    def unschedule(self) -> None:
        """Take an export out of its schedule, and back into it."""
        if not self.exports:
            return
        export_id = self.dice.choice(self.exports)
        self._tell(f"unschedule {export_id}")

        def activate(answer: Answer) -> None:
            if answer.status == 200:
                self._ask("POST", f"/v1/exports/{export_id}/activate", then=self._count("activated again"))

        self._ask("POST", f"/v1/exports/{export_id}/unschedule", {}, then=activate)

    def abort(self) -> None:
        """An operator stops an execution."""
        if running := sorted(execution.arn for execution in self.world.aws.executions.running()):
            arn = self.dice.choice(running)
            self._tell(f"abort {arn.rpartition(':')[2]}")
            self.reached["aborted an execution"] += 1
            self.world.aws.executions.stop(arn)
            self.watch.last_fault = max(self.watch.last_fault, self.world.timeline.seconds)

    def take_away(self) -> None:
        """A dropped object disappears."""
        bucket = self.world.settings.drop_bucket
        if objects := sorted(self.world.aws.buckets[bucket]):
            key = self.dice.choice(objects)
            self._tell(f"take away {key}")
            self.reached["took a source away"] += 1
            self.watch.removed_by_people.add((bucket, key))
            self.world.aws.remove(bucket, key)

    def fill_the_partners_disk(self) -> None:
        """The partner's server refuses every file."""
        self._tell("the partner's disk is full")
        self.reached["partner's disk full"] += 1
        directory = self.servers.find(PARTNER)
        directory.refuses = lambda request: "disk-full" if request.startswith("write") else None

    def empty_the_partners_disk(self) -> None:
        """It has room again: some failed runs are relaunched, in any order."""
        self._tell("the partner's disk has room")
        self.servers.find(PARTNER).refuses = lambda request: None
        for _ in range(self.dice.randrange(5)):
            self._later(self.world.timeline.seconds + self.dice.uniform(0.0, 20.0), self.relaunch_run)

    # Poison: in an entity of its own, because nothing else can wait for it

    def _poison(self, kind: str) -> None:
        world, watch = self.world, self.watch
        world.drop("poisoned", "p.csv", b"id,n,note\nk1,1,a\n,2,b\n")
        seen = watch.see

        def see(before: Job | None, after: Job | None) -> None:
            seen(before, after)
            job = after or before
            if job is not None and job.entity == "poisoned" and job.entity_uid and job.job_id not in watch.poisoned:
                self.reached[f"poison: {kind}"] += 1
                watch.poisoned |= {job.job_id, job.entity_uid}
                self._spoil(kind, job)

        watch.see = see  # type: ignore[method-assign]

    def _spoil(self, kind: str, job: Job) -> None:
        poison, table = self.world.aws.poison, self.world.table(self.world.settings.jobs_table)
        if kind == "object":
            poison.undeletable |= {f"jobs/{job.job_id}/rejects.csv", str(job.source_key)}
        elif kind == "plan":
            poison.unreadable.add(f"jobs/{job.job_id}/plan.json")
        elif kind == "announcement":
            poison.events = lambda entry: job.job_id in entry["Detail"]
        else:
            key = (f"JOB#{job.job_id}", "DEFINITION")
            broken = {"pk": {"S": key[0]}, "sk": {"S": key[1]}, "document": {"S": "{broken"}}
            self._later(self.world.timeline.seconds, lambda: table.store(key, broken))

    # Parts of them

    def _is_open(self) -> bool:
        """Whether people still act."""
        return self.world.timeline.seconds < self.character.minutes * MINUTE

    def _tell(self, what: str) -> None:
        self.told.append((self.world.timeline.seconds, what))

    def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        caller: Any = ALICE,
        then: Callable[[Answer], None] = lambda answer: None,
    ) -> None:
        """Send a request; who gets no answer, or an error of the server, repeats it some times with the same key."""
        what = path.rpartition("/")[2].replace("activate", "run")  # an activation may run at once
        self.watch.asked[what] += 1
        key = {"Idempotency-Key": f"key-{self.dice.getrandbits(64)}"} if method == "POST" else {}

        def send(attempt: int) -> None:
            self.world.request(method, path, body, caller, key, lambda answer: answered(answer, attempt))

        def answered(answer: Answer | None, attempt: int) -> None:
            if answer is not None and answer.status < 500 and answer.status != 429:
                self._tell(f"{method} {path}: {answer.status}")
                then(answer)
            elif attempt < 6:
                self.reached["repeated a request"] += 1
                self._later(self.world.timeline.seconds + 2.0 * 3**attempt, lambda: send(attempt + 1))

        send(0)

    def _count(self, what: str) -> Callable[[Answer], None]:
        def count(answer: Answer) -> None:
            self.reached[what if answer.status < 300 else f"{what}: {answer.status}"] += 1

        return count

    def _entities(self) -> list[str]:
        table = self.world.table(self.world.settings.catalog_table)
        return [item["sk"]["S"] for item in table.query("ENTITY") if item["sk"]["S"] != "poisoned"] or ["contacts"]

    def _jobs(self, *processes: Process) -> list[Job]:
        """The jobs that people see, of these processes or of all."""
        jobs = [seen.job for seen in self.watch.jobs.values() if not seen.is_deleted]
        return [job for job in jobs if job.entity != "poisoned" and (not processes or job.process in processes)]

    def _pick(self, wanted: Callable[[Job], bool]) -> Job | None:
        jobs = [job for job in self._jobs() if wanted(job)]
        return self.dice.choice(jobs) if jobs else None

    def _step_of(self, job: Job) -> str:
        paths = [run.path for run in self.world.aws.executions.running() if run.name.startswith(job.job_id)]
        return paths[0][-1] if paths and paths[0] else "no step"

    def _file(self, mode: str) -> bytes:
        """A CSV with repeated keys, bad rows and blank ones; a few are no import at all. Some that need not have every
        field lack one."""
        dice = self.dice
        self.files += 1
        kind = dice.random()
        if kind < 0.02:
            return b""
        if kind < 0.04:
            return b"id,n,note\n"
        if kind < 0.06:
            return b"id,unknown\nk1,x\n"
        rows = [self._row(number) for number in range(dice.choice((1, 3, 8, 30)))]
        header = "id,n,note"
        if mode in ("merge", "update") and kind < 0.4:
            header, rows = "id,n", [row.rpartition(",")[0] for row in rows]
        return (f"{header}\n" + "".join(f"{row}\n" for row in rows)).encode()

    def _row(self, number: int) -> str:
        fate, note = self.dice.random(), f"f{self.files}r{number}"
        key = f"k{self.dice.randrange(12)}" if self.dice.random() < 0.4 else f"{note}"
        if self.names_records:
            note = self.dice.choice(("", "", f"k{self.dice.randrange(14)}", f"f{self.files}r{self.dice.randrange(12)}"))
        if fate < 0.04:
            return ""
        if fate < 0.08:
            return f",{number},{note}"
        if fate < 0.12:
            return f"{key},x{number},{note}"
        return f"{key},{'' if fate < 0.2 else number},{note}"

    def _options(self) -> dict[str, Any]:
        dice = self.dice
        on_error = dice.choices(("skip", "abort", "all-or-nothing"), (8, 2, 2))[0]
        options = {"mode": dice.choice(MODES), "onError": on_error, "dryRun": dice.random() < 0.1}
        if self.undoes and self.undo_dice.random() < 0.8:
            options["keepPrevious"] = True
        if options["mode"] in ("merge", "update"):
            options["blanks"] = dice.choice(("clear", "keep"))
        return options

    # What was reached

    def _note_coverage(self) -> None:
        reached, world = self.reached, self.world
        for seen in self.watch.jobs.values():
            job = seen.job
            code = f" {job.error_code}" if job.error_code else ""
            stop = f" {job.stop_reason}" if job.stop_reason else ""
            reached[f"{job.process} {job.status}{code}{stop}"] += 1
            reached[f"mode {job.mode}"] += job.process is Process.IMPORT
            reached[f"restarted {job.restarts} times"] += job.restarts > 0
            reached["dry run"] += job.dry_run
            if job.undo_of is not None:
                stopped = " and stopped it" if job.stop_reason else ""
                reached[f"undo {job.status}{stopped}"] += 1
                reached["undo of records that were changed since"] += job.counts.rejected > 0
            if job.counts.rejected:
                reached["rows rejected"] += 1
            for warning in job.warnings:
                reached[f"warning {warning['code']}"] += 1
            reached["relaunched an unusual file"] += seen.accepts_rows
        for entry in world.log:
            if entry.fault:
                reached[f"fault: {entry.fault}"] += 1
        reached[f"outage: {self.character.outage}"] += self.character.outage is not None
        reached[f"skew: {self.character.chances.skew_seconds:g} s"] += 1
        reached["doubled or late events"] += self.character.chances.doubled > 0
        reached["rows that name records"] += self.names_records
        reached["short invocations"] += self.character.chances.short > 0
        reached["steps whose answer was lost"] += self.world.orphans
        for delivery in self.watch.deliveries:
            kind = self.watch.definition(delivery.job)["export"]["destination"]["kind"]
            reached[f"delivered to {kind}"] += 1
            reached["delivered several files"] += len(delivery.files) > 1
        for series in self.watch.increments().values():
            reached["folded increments"] += len(series) > 1
            reached["relaunched increments"] += any(delivery.job.retry_of is not None for delivery in series)
        for name, number in self.watch.checked.items():
            reached[f"checks: {name}"] += number
        posts = [len(posts) for posts in world.hooks.taken.values()]
        reached["told webhooks"] += len(posts)
        reached["told a webhook twice"] += any(number > 1 for number in posts)
        answers = [answer for answers in world.hooks.answered.values() for answer in answers]
        reached["refused webhooks"] += any(answer >= 500 for answer in answers)
        reached["gave up a webhook"] += bool(world.table("jobs").query("WEBHOOK#DEAD"))
        for name in world.reported:
            reached[f"reported: {name}"] += 1

    def forget(self) -> None:
        """Break up what refers to each other in a circle: that frees most of it for less than a collection takes."""
        for part in (self.watch, self.world.server, self.world.aws, self.world.calls, self.world, self):
            part.__dict__.clear()

    def schedule(self) -> str:
        """What happened, in its order: `·` people, else the calls of processes with their faults."""
        lines: list[tuple[float, str]] = [(moment, f"{moment:12.3f} · {what}") for moment, what in self.told]
        lines += [(entry.moment, str(entry)) for entry in self.world.log]
        return "\n".join(line for _, line in sorted(lines, key=lambda pair: pair[0]))


@dataclass(frozen=True)
class Failed:
    """A history that broke a promise, or that ended in an error."""

    seed: int
    oracle: str
    message: str


def run_histories(seeds: Iterable[int]) -> tuple[Counter[str], list[Failed]]:
    """Run a history for each seed; in how many each thing was reached, how many checks were made, and which failed."""
    reached: Counter[str] = Counter()
    failed: list[Failed] = []
    gc.collect()
    gc.freeze()  # what stays: collections need not look at it each time
    gc.disable()
    for number, seed in enumerate(seeds, 1):
        if number % HISTORIES_PER_COLLECTION == 0:
            gc.collect()
        history = History(seed)
        try:
            history.run()
        except Violation as violation:
            failed.append(Failed(seed, violation.oracle, str(violation)))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failed.append(Failed(seed, type(error).__name__, repr(error)))
        reached["histories"] += 1
        for name, number in history.reached.items():
            reached[name] += number if name.startswith("checks: ") else bool(number)
        history.forget()
    gc.enable()
    return reached, failed
