"""The benchmark of the API's cold start: CPU of fresh processes over that of a bare Python, medians."""

from __future__ import annotations

import base64
import compileall
import dataclasses
import json
import os
import statistics
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tests.bench.imports import Workshop
from tests.bench.measure import HERE, ROOT, Endpoint, Failed, Result, measure, null_dynamodb, say
from waybill.aws.dynamodb import to_attributes
from waybill.entities.model import Entity, Right
from waybill.jobs.items import job_item
from waybill.jobs.model import Counts, Job, Outcome, Process, Status
from waybill.settings import Settings

PROCESSES = 10
POOL = "us-east-1_bench"
ISSUER = f"https://cognito-idp.us-east-1.amazonaws.com/{POOL}"
AUDIENCE = "bench-client"
JOB_ID = "3f0e8f9a-7c1d-4c59-9a64-3a1f5f0f2f7b"


def cold_start_benchmarks(shop: Workshop) -> Iterator[Result]:
    """The API function reads one job, or a page of jobs; the peer only builds a client and a resolver."""
    for folder in ("functions/api", "shared/waybill"):
        compileall.compile_dir(ROOT / folder, quiet=2)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    answers = write_answers(shop.folder, key)
    with null_dynamodb(shop.folder, "--answers", answers) as endpoint:
        environment = environment_of(endpoint, token(key))
        programs = {
            "bare": ([sys.executable, "-c", "pass"], ""),
            "job": ([sys.executable, HERE / "ours_cold_start.py"], f"/v1/jobs/{JOB_ID}"),
            "list": ([sys.executable, HERE / "ours_cold_start.py"], "/v1/jobs"),
            "peer": ([sys.executable, HERE / "peer_cold_start.py"], ""),
        }
        taken: dict[str, list[float]] = {name: [] for name in programs}
        for number in range(PROCESSES + 1):  # the first of each compiles and fills the file cache
            say(f"cold-start: round {number} of {PROCESSES}")
            for name, (command, path) in programs.items():
                usage = measure(command, {**environment, "REQUEST_PATH": path})
                if path and JOB_ID not in usage.output:
                    raise Failed("the job was not read")
                if number:
                    taken[name].append(usage.cpu_seconds)
    bare, job, page, peer = (statistics.median(taken[name]) * 1000 for name in programs)
    peer_name = "boto3 client + Powertools resolver with validation"
    for name, ours, goal in (("cold-start-vs-boto3", job, 0.5), ("cold-start-list-vs-boto3", page, 0.75)):
        ratio = (ours - bare) / (peer - bare)
        yield Result(name, ours - bare, peer - bare, peer_name, "ms CPU", ratio, goal, less_is_better=True)


def write_answers(folder: Path, key: rsa.RSAPrivateKey) -> Path:
    """What the endpoint is to answer: the job, its entity, and the issuer's keys."""
    file = folder / "cold-start.json"
    file.write_text(json.dumps({"items": _items(), "documents": {f"/{POOL}/.well-known/jwks.json": _jwks(key)}}))
    return file


def environment_of(endpoint: Endpoint, bearer: str) -> dict[str, str]:
    """The function's settings, and what the platform gives it."""
    fields = dataclasses.fields(Settings)
    settings = {field.name.upper(): "1" if field.type == "int" else field.name for field in fields}
    return settings | {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(ROOT / "shared"),
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CA_BUNDLE": endpoint.ca_bundle,
        "AWS_ENDPOINT_URL": endpoint.url,
        "OIDC_ISSUER": ISSUER,
        "OIDC_AUDIENCE": AUDIENCE,
        "MACHINE_CLIENTS": "{}",
        "BEARER": bearer,
    }


def _items() -> dict[str, Any]:
    """What the endpoint's GetItem finds, by key."""
    now = datetime.now(UTC)
    entity = Entity(
        uid=str(uuid.uuid4()),
        name="contacts",
        title="Contacts",
        schema={"fields": [{"name": f"field_{number}", "type": "string"} for number in range(20)]},
        permissions={Right.VIEW: ("ops",)},
    )
    job = Job(
        job_id=JOB_ID,
        process=Process.IMPORT,
        status=Status.COMPLETED,
        outcome=Outcome.SUCCESS,
        entity=entity.name,
        entity_uid=entity.uid,
        file_name="contacts.csv",
        submitted_at=now,
        started_at=now,
        completed_at=now,
        started_by="alice",
        counts=Counts(3, 3),
    )
    document = {"pk": "ENTITY", "sk": entity.name, "uid": entity.uid, "document": json.dumps(entity.to_document())}
    return {f"JOB#{JOB_ID}/JOB": to_attributes(job_item(job)), "ENTITY/contacts": to_attributes(document)}


def _jwks(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    public = key.public_key().public_numbers()
    n, e = (_base64url(number.to_bytes((number.bit_length() + 7) // 8)) for number in (public.n, public.e))
    return {"keys": [{"kty": "RSA", "kid": "key-1", "use": "sig", "alg": "RS256", "n": n, "e": e}]}


def token(key: rsa.RSAPrivateKey) -> str:
    """An access token as Cognito makes it."""
    claims: Mapping[str, Any] = {
        "iss": ISSUER,
        "sub": "alice-subject",
        "username": "alice",
        "client_id": AUDIENCE,
        "token_use": "access",
        "cognito:groups": ["ops"],
        "exp": int(time.time()) + 3600,
    }
    parts = ({"alg": "RS256", "kid": "key-1"}, claims)
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{_base64url(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
