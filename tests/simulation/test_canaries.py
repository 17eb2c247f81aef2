"""Texts that could only come from one cell, secret, token or address stand where they belong, and nowhere else.

Each canary goes through the product on its own way: a dropped file, an uploaded one, a correction, a secret, a token, a
recipient. Then everything that the product has written is searched for all of them: what functions log, what Step
Functions keeps of its executions, events, mails, the tables, files, and what the API answers.
"""

from __future__ import annotations

import io
import json
from collections import defaultdict
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from tests import builders
from tests.api_builders import EXPORT, PERIODIC, http_event
from tests.simulation.faults import FaultPlan, Outage
from tests.simulation.servers import Servers
from tests.simulation.statemachine import Refuse, Resume
from tests.simulation.world import ADMIN, ALICE, Answer, World, _answer, function
from waybill.errors import Unauthorized
from waybill.jobs.model import Status
from waybill.telemetry import logger

GOOD = {"source", "records", "answer: records", "exported", "delivered"}
BAD = {"source", "rejects", "error log", "summary of errors", "answer: errors", "answer: rejected rows"}
#: canary → the places where it may stand; it stands in all of them, or the test would not see anything.
BELONGS = {
    "canary-dropped-good": GOOD,
    "canary-dropped-bad": BAD,
    "canary-uploaded-good": GOOD | {"answer: preview"},
    "canary-uploaded-bad": BAD | {"answer: preview"},
    "canary-corrected": GOOD,
    "canary-password": {"secret"},
    "canary-passphrase": {"secret"},
    "canary-token": set(),
    "canary-refused-token": set(),
    "canary-recipient": {"definitions", "jobs table", "answer: exports", "recipients"},
    "canary-unmailable": {"definitions", "jobs table", "answer: exports", "source"},
    "canary-unknown-member": set(),
    "canary-told": {"jobs table", "recipients"},
    "canary-dropped-told": {"jobs table", "source", "recipients"},
}
#: What stands between a job's folder and the end of the key → what kind of file it is.
KINDS = {
    "drop/": "source",
    "uploads/": "source",
    "/source/": "source",
    "/export-": "exported",
    "/rejects": "rejects",
    "/error": "error log",
    "/summary": "summary of errors",
}
UNMAILABLE = "canary-unmailable@example.com"
SFTP = {
    "kind": "sftp",
    "host": "partner.example",
    "directory": "/in",
    "secretId": "partner",
    "hostKey": "SHA256:" + "A" * 43,
}
SECRET = {
    "username": "waybill",
    "password": "canary-password",
    "passphrase": "canary-passphrase",
    "host": "partner.example",
    "entities": ["*"],
}


class Watched(World):
    """A world that keeps what Step Functions keeps of each task: its input, and its result or error."""

    def __init__(self, **options: Any) -> None:
        self.tasks: list[str] = []
        super().__init__(**options)

    def _invoke_step(self, resource: str, payload: Any, resume: Resume, refuse: Refuse) -> None:
        def keep(told: Any, go_on: Any) -> None:
            self.tasks.append(repr(told))
            go_on(told)

        self.tasks.append(repr(payload))
        super()._invoke_step(resource, payload, partial(keep, go_on=resume), partial(keep, go_on=refuse))


class Story:
    """What people do with canaries in their hands, through an outage in which steps fail and are repeated."""

    def __init__(self) -> None:
        plan = FaultPlan(outages=[Outage(601.0, 640.0)])
        self.world = Watched(seed=1, plan=plan, mail_sender="us@example.com")
        self.servers = Servers(self.world.calls)
        self.logs = io.StringIO()
        self.places: defaultdict[str, list[str]] = defaultdict(list)
        handler = logger.registered_handler
        with self.world.open(), self.servers.patched(), patch.object(handler, "stream", self.logs):
            logger.setLevel("DEBUG")
            with patch.object(function("api"), "verifier", lambda: SimpleNamespace(caller=_caller)):
                self._live()
            self._look()

    def ask(self, place: str, method: str, path: str, body: Any = None, token: str = "canary-token") -> Answer:
        """A request, whose answer is searched too."""
        path, _, query = path.partition("?")
        event = http_event(method, f"/v1{path}", token=token, body=body, raw_query=query)
        task = self.world.invoke("api", event, f"api/{method} {path}")
        self.world.timeline.run(task=task)
        assert task.error is None
        answer = _answer(task.result)
        is_refusal = answer.status >= 400
        self.places["problems" if is_refusal else f"answer: {place}"].append(json.dumps(task.result))
        return answer

    def wait(self, seconds: float) -> None:
        self.world.run(self.world.timeline.seconds + seconds)

    def _live(self) -> None:
        world = self.world
        world.aws.secrets["partner"] = json.dumps(SECRET)
        world.aws.poison.mails.add(UNMAILABLE)
        world.add_entity()
        world.tick_every_minute(3_600)
        bad = [{"contact_id": "canary-dropped-good"}, {"email": "canary-dropped-bad", "contact_id": "x"}]
        recipients = f"{UNMAILABLE}, canary-dropped-told@example.com"
        world.drop("contacts", "dropped.csv", builders.contacts_csv(bad, count=12), recipients=recipients)
        self.wait(60)
        job_id = self._upload()
        self._correct(job_id)
        self._refused()
        export_id = self._export()
        self.wait(600 - world.timeline.seconds)
        # In the outage, so that the steps of both fail, log why, and are repeated.
        world.drop("contacts", "again.csv", builders.contacts_csv(bad, count=30))
        assert self.ask("exports", "POST", f"/exports/{export_id}/run").status == 202
        self.wait(1_800)
        self._read(job_id, export_id)

    def _upload(self) -> str:
        upload = self.ask("upload", "POST", "/uploads", {"entity": "contacts", "fileName": "a.csv"}).body
        rows = [{"contact_id": "canary-uploaded-good"}, {"spend": "canary-uploaded-bad", "contact_id": "y"}]
        data = builders.contacts_csv([*rows, {"contact_id": "z", "email": "wrong"}], count=12)
        self.world.aws.put(self.world.settings.files_bucket, upload["fields"]["key"], data)
        preview = self.ask("preview", "POST", f"/uploads/{upload['uploadId']}/preview", {})
        assert preview.status == 200, preview
        body = {"uploadId": upload["uploadId"], "recipients": ["canary-told@example.com"]}
        started = self.ask("job", "POST", "/imports", body)
        assert started.status == 202, started
        self.wait(60)
        return str(started.body["jobId"])

    def _correct(self, job_id: str) -> None:
        corrections = [{"rowNumber": 16, "cells": {"contact_id": "canary-corrected", "email": "z@example.com"}}]
        body = {"corrections": corrections, "only": "corrected"}
        sent = self.ask("job", "POST", f"/jobs/{job_id}/relaunch", body)
        assert sent.status == 202, sent
        self.wait(60)

    def _refused(self) -> None:
        refused = self.ask("none", "GET", "/jobs", token="canary-refused-token")
        assert refused.status == 401
        member = EXPORT | PERIODIC | {"destination": SFTP | {"password": "canary-unknown-member"}}
        for path, body in (
            ("/exports", member),
            ("/exports/test-destination", {"entity": "contacts", "destination": member["destination"]}),
            ("/imports", {"uploadId": "canary-unknown-member", "password": "canary-unknown-member"}),
            ("/uploads", '{"entity": "canary-unknown-member'),
        ):
            assert self.ask("none", "POST", path, body).status in (400, 404, 422)

    def _export(self) -> str:
        body = EXPORT | PERIODIC | {"destination": SFTP, "recipients": [UNMAILABLE, "canary-recipient@example.com"]}
        made = self.ask("exports", "POST", "/exports", body)
        assert made.status == 201, made
        export_id = str(made.body["exportId"])
        assert self.ask("exports", "POST", f"/exports/{export_id}/activate").status == 200
        return export_id

    def _read(self, job_id: str, export_id: str) -> None:
        dropped = next(job for job in self.world.jobs() if job.file_name == "dropped.csv")
        for job in (job_id, dropped.job_id):
            self.ask("errors", "GET", f"/jobs/{job}/errors")
            self.ask("rejected rows", "GET", f"/jobs/{job}/rejected-rows")
        for path in ("", "/report", "/rejects", "/error-log", "/download"):
            assert self.ask("job", "GET", f"/jobs/{job_id}{path}").status < 400, path
        self.ask("job", "GET", "/jobs")
        self.ask("records", "GET", "/entities/contacts/records?limit=100")
        self.ask("exports", "GET", f"/exports/{export_id}/definition")
        self.ask("exports", "GET", f"/exports/{export_id}/jobs")
        self.ask("trail", "GET", "/audit", token="admin")

    def _look(self) -> None:
        world, aws = self.world, self.world.aws
        self.places["logs"].append(self.logs.getvalue())
        self.places["metrics"].append(repr(world.reported))
        self.places["histories"] += [*world.tasks, *map(repr, aws.executions.all.values())]
        self.places["events"] += [json.dumps(entry) for _, entry in aws.events]
        for recipient, subject, text in aws.mails:
            self.places["recipients"].append(recipient)
            self.places["mails"] += [subject, text]
        self.places["secret"] += aws.secrets.values()
        for name, place in (("jobs", "jobs table"), ("records", "records"), ("catalog", "definitions")):
            for item in world.table(name).items():
                is_trail = item["pk"].get("S", "").startswith("AUDIT#") if "pk" in item else False
                self.places["trail" if is_trail else place].append(json.dumps(item, default=repr))
        for objects in aws.buckets.values():
            for key, found in objects.items():
                self.places[_kind(key)].append(f"{dict(found.metadata)} {found.data.decode('latin-1')}")
                self.places["names of files"].append(key)
        for directory in self.servers.directories.values():
            self.places["delivered"] += [data.decode("latin-1") for data in directory.files.values()]

    def found(self, canary: str) -> set[str]:
        """The places where it stands."""
        return {place for place, texts in self.places.items() if any(canary in text for text in texts)}


def _caller(authorization: str | None) -> Any:
    token = (authorization or "").removeprefix("Bearer ")
    if token == "canary-refused-token":
        raise Unauthorized("The token is not valid.")
    return ADMIN if token == "admin" else ALICE


def _kind(key: str) -> str:
    return next((kind for part, kind in KINDS.items() if part in key), "other files")


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


@pytest.mark.parametrize("canary", BELONGS)
def test_a_canary_stands_where_it_belongs_and_nowhere_else(story: Story, canary: str) -> None:
    assert story.found(canary) == BELONGS[canary]


def test_everything_that_is_searched_has_something_to_say(story: Story) -> None:
    """A place that is empty would hide what it is to tell."""
    for place in ("logs", "histories", "events", "mails", "trail", "problems", "metrics", "other files", "jobs table"):
        assert any(len(text) > 2 for text in story.places[place]), place
    logs = "".join(story.places["logs"])
    for function_ in ("start_import", "import_steps", "export_steps", "schedule", "test_destination"):
        assert f'"function_name":"{function_}"' in logs
    assert "Step failed" in logs and "Traceback" in logs, "the outage made steps fail"
    assert "A report could not be mailed" in logs
    assert [job.status for job in story.world.jobs()] == [Status.COMPLETED] * 5
