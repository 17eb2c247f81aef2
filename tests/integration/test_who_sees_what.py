"""What each answer shows to whom: words of an export's definition must not reach those who may not know it.

docs/security.md has the table that this holds.
"""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest

from tests.api_builders import ADMIN, DAILY, Api
from tests.described import operations
from waybill.exports.run import end_run, fail_run
from waybill.jobs.model import Counts, Job, Status

ENTITY = "contacts"
PERMISSIONS = {"view": ["viewers"], "import": ["importers"], "export": ["exporters"]}
#: Words of the two definitions, of their runs and of their secret: where they stand → how they begin.
CANARIES = ("name", "filter", "host", "directory", "secret", "recipient", "reason")
NEVER = "canary-password"
OPEN, CUSTOM = ({f"{flow}-{word}" for word in CANARIES} for flow in ("open", "custom"))
EVA = {"name": "eva", "groups": ("exporters",)}
#: Caller → which of the words they may see, in any answer.
CALLERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "admin": (ADMIN, OPEN | CUSTOM),
    "back office with the right export": ({"name": "otto", "groups": ("exporters", "backoffice")}, OPEN | CUSTOM),
    "owner": (EVA, OPEN | {"custom-name"}),
    "exporter": ({"name": "emil", "groups": ("exporters",)}, OPEN | {"custom-name"}),
    "viewer": ({"name": "vera", "groups": ("viewers",)}, set()),
    "importer": ({"name": "ivan", "groups": ("importers",)}, set()),
    "viewer and importer": ({"name": "clara", "groups": ("viewers", "importers")}, set()),
    "viewer in the back office": ({"name": "bert", "groups": ("viewers", "backoffice")}, set()),
    "owner who has lost the right": (EVA | {"groups": ()}, set()),
    "owner who may only view": (EVA | {"groups": ("viewers",)}, set()),
    "stranger": ({"name": "stan", "groups": ()}, set()),
}


def definition(flow: str, kind: str) -> dict[str, Any]:
    return {
        "name": f"{flow}-name",
        "entity": ENTITY,
        "type": kind,
        "fields": ["contact_id", "email"],
        "filter": [{"field": "email", "op": "eq", "value": f"{flow}-filter@example.com"}],
        "schedule": DAILY,
        "destination": {
            "kind": "sftp",
            "host": f"{flow}-host.example.com",
            "directory": f"/{flow}-directory",
            "secretId": f"waybill/{flow}-secret",
            "hostKey": f"SHA256:{43 * 'A'}",
        },
        "recipients": [f"{flow}-recipient@example.com"],
    }


@pytest.fixture
def runs(api: Api, tester: Any, moto_url: str) -> dict[str, list[str]]:
    """The exports and jobs there are, as values of the parameters of paths."""
    secrets = boto3.client("secretsmanager", endpoint_url=moto_url, region_name="us-east-1")
    api.put_contacts(ENTITY, permissions=PERMISSIONS)
    found: dict[str, list[str]] = {"export_id": [], "job_id": [], "name": [ENTITY], "import_id": [], "upload_id": []}
    found["source_id"] = []  # they are no exports: `test_api_sources.py` says who sees them
    for flow, kind, who in (("open", "PERIODIC_FULL", EVA), ("custom", "CUSTOM", ADMIN)):
        secret = {"host": f"{flow}-host.example.com", "entities": [ENTITY], "username": "u", "password": NEVER}
        secrets.create_secret(Name=f"waybill/{flow}-secret", SecretString=json.dumps(secret))
        made = api("POST", "/exports", who, body=definition(flow, kind))
        assert made.status == 201, made.text
        path = f"/exports/{made.json['exportId']}"
        assert api("POST", f"{path}/activate", who).status == 200
        for run in range(7):  # the last five failures pause it
            job_id = api("POST", f"{path}/run", who).json["jobId"]
            job = api.services.jobs.begin(job_id)
            end(api, job, flow, fails=run > 1)
            found["job_id"].append(job_id)
        found["export_id"].append(made.json["exportId"])
    found["import_id"] = found["job_id"]
    return found


def end(api: Api, job: Job, flow: str, fails: bool) -> None:
    extracted = {"key": f"jobs/{job.job_id}/f", "rows": 0, "bytes": 0, "sha256": "0"}
    job = api.services.jobs.set_once(job.job_id, extracted=extracted)
    if fails:
        fail_run(api.services, job, "delivery-failed", f"auth: {flow}-host.example.com refused: {flow}-reason.")
    else:
        end_run(api.services, job, Status.COMPLETED, Counts(0, 0))


def paths(template: str, runs: dict[str, list[str]]) -> list[str]:
    """The path for each value of its parameter."""
    parameter = re.search(r"\{(\w+)\}", template)
    if parameter is None:
        return [template]
    return [template.replace(parameter[0], value) for value in runs[parameter[1]]]


def seen_in(text: str) -> set[str]:
    return {word for word in OPEN | CUSTOM | {NEVER} if word in text}


def test_each_word_of_a_definition_reaches_those_who_may_know_it_and_nobody_else(
    api: Api, runs: dict[str, list[str]]
) -> None:
    reads = [template for method, template, _ in operations() if method == "GET"]
    assert len(reads) > 20
    leaks: list[str] = []
    for role, (caller, allowed) in CALLERS.items():
        seen: set[str] = set()
        for template in reads:
            if template in ("/v1/docs", "/v1/openapi.json"):
                continue
            for path in paths(template, runs):
                answer = api("GET", path.removeprefix("/v1"), caller)
                words = seen_in(answer.text + json.dumps(answer.headers))
                seen |= words
                if words - allowed:
                    leaks.append(f"{role}: GET {template} shows {sorted(words - allowed)}")
        assert seen == allowed or leaks, f"{role} is shown {sorted(allowed - seen)} nowhere"
    assert leaks == []


def test_what_a_viewer_is_told_of_a_failed_run(api: Api, runs: dict[str, list[str]]) -> None:
    """That it failed, with its code, in the words that stand in every view of the job."""
    hidden = "Who may see the definition of this export sees the reason."
    viewer, _ = CALLERS["viewer"]
    job = api("GET", f"/jobs/{runs['job_id'][2]}", viewer).json
    assert (job["status"], job["error"]) == ("FAILED", {"code": "delivery-failed", "message": hidden})
    assert job["message"] == f"delivery-failed: {hidden}"
    report = api("GET", f"/jobs/{runs['job_id'][2]}/report", viewer).json
    assert (report["name"], report["delivered"], report["error"]) == (None, None, job["error"])
    assert "definition" not in report and report["relaunchable"] is False
    done = api("GET", f"/jobs/{runs['job_id'][0]}/report", viewer).json
    assert (done["status"], done["delivered"], done["fileName"]) == ("COMPLETED", None, job["fileName"])
    # The exporter is told what to correct, of a custom flow only that there is something.
    exporter, _ = CALLERS["exporter"]
    custom, standard = (api("GET", f"/exports/{runs['export_id'][flow]}", exporter).json for flow in (1, 0))
    assert standard["message"].endswith("refused: open-reason.")
    assert custom["message"] == f"Paused after failed runs. {hidden}"
    assert custom["lastRun"]["error"] == job["error"]
