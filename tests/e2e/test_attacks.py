"""Attacks on a running stack that enforces IAM and signatures: the deployed functions refuse them, in words.

Tokens come from an issuer of the test's own, so that each lie in them can be signed with the true key.
"""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from infra.local.stack import LocalStack, local_stack
from tests.api_builders import ADMIN, ALICE, AUDIENCE, BOB, Issuer
from tests.builders import CONTACTS_SCHEMA, contacts_csv
from tests.e2e.client import TERMINAL, Client

PERMISSIONS = {"view": ["sales"], "import": ["ops"], "export": ["ops"]}
SFTP = {
    "kind": "sftp",
    "host": "partner.example",
    "directory": "/in",
    "secretId": "waybill/partner",
    "hostKey": "SHA256:" + "A" * 43,
}
DELIVERED = {"type": "PERIODIC_FULL", "schedule": {"time": "02:30", "timezone": "UTC"}}


class Attacker(Client):
    """A client whose tokens the test makes itself."""

    def __init__(self, stack: LocalStack, issuer: Issuer) -> None:
        self.stack, self.running, self.issuer = stack.stack, stack, issuer
        self._http = httpx.Client(base_url=f"{self.stack['apiUrl']}/v1", timeout=60, trust_env=False)

    def speaks_as(self, who: dict[str, Any]) -> Attacker:
        self._http.headers["Authorization"] = f"Bearer {self.issuer.token(**who)}"
        return self

    def with_token(self, token: str) -> httpx.Response:
        return self.call("GET", "/jobs", headers={"Authorization": f"Bearer {token}"})

    def imported(self, entity: str, data: bytes, file_name: str = "a.csv", **options: Any) -> dict[str, Any]:
        """The job at its end."""
        body = {"uploadId": self.upload(entity, file_name, data), **options}
        started = self.call("POST", "/imports", json=body)
        assert started.status_code == 202, started.text
        return self.wait(started.json()["jobId"])


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer().serving() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def stack(issuer: Issuer) -> Iterator[LocalStack]:
    parameters = {"OidcIssuer": issuer.url, "OidcAudience": AUDIENCE}
    with local_stack(parameters=parameters, auth=True) as running:
        yield running


@pytest.fixture(scope="module")
def attacker(stack: LocalStack, issuer: Issuer) -> Iterator[Attacker]:
    attacker = Attacker(stack, issuer)
    attacker.speaks_as(ADMIN)
    for name in ("contacts", "orders"):
        attacker.put_entity(name, schema=CONTACTS_SCHEMA, permissions=PERMISSIONS)
    attacker.put_entity("hidden", schema=CONTACTS_SCHEMA)
    yield attacker
    attacker.close()


def problem(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert "Traceback" not in answer.text and "arn:" not in answer.text
    return found


def test_no_forged_or_foreign_token_speaks_for_anybody(attacker: Attacker, issuer: Issuer) -> None:
    good = issuer.token(**ALICE)
    assert attacker.with_token(good).status_code == 200
    header, claims, signature = good.split(".")

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    as_admin = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"cognito:groups": ["admin"]}
    now = int(time.time())
    public = json.dumps(issuer.jwks()["keys"][0])
    pool = attacker.running.clients("cognito-idp")
    of_our_pool = pool.initiate_auth(
        AuthFlow="USER_PASSWORD_AUTH",
        ClientId=attacker.running.deployed.outputs["UserPoolClientId"],
        AuthParameters={"USERNAME": "admin", "PASSWORD": attacker.stack["users"]["admin"]},
    )["AuthenticationResult"]["AccessToken"]
    other = Issuer()
    other.url, other.key_id = issuer.url, issuer.key_id
    attacks = {
        "no signature": f"{part({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
        "the alg none, with the signature": f"{part({'alg': 'none', 'kid': issuer.key_id})}.{claims}.{signature}",
        "other claims": f"{header}.{part(as_admin)}.{signature}",
        "the public key as a password": jwt.encode(as_admin, "x" * 32, "HS256", {"kid": issuer.key_id}),
        "a key that it brings along": jwt.encode(as_admin, other.key, "RS256", {"jwk": json.loads(public)}),
        "another key of the same name": other.token(**ADMIN),
        "another issuer": issuer.token(**ADMIN, iss="https://issuer.example"),
        "another audience": issuer.token(**ADMIN, client_id="other-client"),
        "a refresh token": issuer.token(**ADMIN, token_use="refresh"),
        "expired": issuer.token(**ADMIN, exp=now - 120, iat=now - 3_600),
        "not valid yet": issuer.token(**ADMIN, nbf=now + 600),
        "of a pool that is not the issuer": of_our_pool,
        "no token": "x",
        "long": "a." * 4_000,
    }
    for what, token in attacks.items():
        answer = attacker.with_token(token)
        problem(answer, 401)
        assert "WWW-Authenticate" in answer.headers, what


def test_ids_of_others_lead_nowhere(attacker: Attacker) -> None:
    attacker.speaks_as(ADMIN)
    job = attacker.imported("hidden", contacts_csv([{"email": "nobody"}], count=3))["jobId"]
    export = attacker.call("POST", "/exports", json={"name": "Mine", "entity": "hidden"}).json()["exportId"]
    upload = attacker.upload("hidden", "a.csv", b"contact_id\n1\n")
    unknown = "00000000-0000-4000-8000-000000000000"
    job_paths = ("", "/report", "/errors", "/rejected-rows", "/error-log", "/rejects", "/download")
    requests = [("GET", f"/jobs/{{}}{path}", job) for path in job_paths]
    requests += [("POST", f"/jobs/{{}}/{action}", job) for action in ("stop", "cancel", "relaunch")]
    requests += [("DELETE", "/jobs/{}", job), ("GET", "/exports/{}", export), ("POST", "/exports/{}/activate", export)]
    requests += [("POST", "/uploads/{}/preview", upload), ("POST", "/EntityImport/{}/import", upload)]
    attacker.speaks_as(ALICE)
    for method, path, found in requests:
        answers = [attacker.call(method, path.format(id_)) for id_ in (found, unknown)]
        told = [{**problem(answer, 404), "instance": None} for answer in answers]
        assert told[0] == told[1], f"{method} {path} tells that there is something"
    problem(attacker.call("GET", "/entities/hidden/records"), 404)
    assert all(item["jobId"] != job for item in attacker.get("/jobs", limit=100)["items"])
    problem(attacker.call("GET", "/audit"), 403)
    attacker.speaks_as(BOB)
    problem(attacker.call("GET", f"/jobs/{job}"), 404)
    problem(attacker.call("POST", "/uploads", json={"entity": "contacts", "fileName": "a.csv"}), 404)


def test_names_and_keys_reach_no_other_file(attacker: Attacker) -> None:
    attacker.speaks_as(ALICE)
    for name in ("../../etc/passwd", "a/../../b.csv", "%2e%2e%2fx.csv", "$(id).csv"):
        made = attacker.call("POST", "/uploads", json={"entity": "contacts", "fileName": name})
        assert made.json()["fields"]["key"] == f"uploads/{made.json()['uploadId']}/source"
    form = made.json()
    for change in ({"key": "jobs/x/rejects.csv"}, {"policy": base64.b64encode(b"{}").decode()}):
        files = {"file": ("a.csv", b"contact_id\n1\n")}
        sent = httpx.post(form["url"], data=form["fields"] | change, files=files, trust_env=False)
        assert sent.status_code >= 400, f"the form takes {change}"
    job = attacker.imported("contacts", contacts_csv([{"email": "nobody"}], count=3))
    url = attacker.call("GET", f"/jobs/{job['jobId']}/rejects").headers["Location"]
    assert httpx.get(url, trust_env=False).status_code == 200
    for wrong in (url.partition("?")[0], url.replace("/rejects.csv", "/plan.json")):
        assert httpx.get(wrong, trust_env=False).status_code == 403
    for path in ("/entities/..%2Fjobs", "/entities/contacts%00", "/jobs/..%2F..%2Fentities"):
        problem(attacker.call("GET", path), 400, 404)
    evil = {"X-Forwarded-Host": "evil.example"}
    told = attacker.call("GET", f"/jobs/{job['jobId']}", headers=evil)
    assert "evil.example" not in told.text


def test_no_spelling_of_a_private_address_is_connected_to(attacker: Attacker) -> None:
    attacker.speaks_as(ALICE)
    hosts = ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "localhost.", "[::1]", "::1"]
    hosts += ["::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1", "0.0.0.0", "fd00::1", "64:ff9b::7f00:1"]
    hosts += ["１２７.0.0.1", "user@127.0.0.1", "127.0.0.1/", "127.0.0.1#.example.com", "a\r\nb"]  # noqa: RUF001
    for host in hosts:
        body = {"entity": "contacts", "destination": SFTP | {"host": host}}
        answer = attacker.call("POST", "/exports/test-destination", json=body)
        if answer.status_code != 422:
            assert (answer.status_code, answer.json()["ok"]) == (200, False), host
            assert answer.json()["code"] == "host-refused", host


def test_a_secret_for_another_entity_or_host_is_as_good_as_none(attacker: Attacker) -> None:
    attacker.speaks_as(ALICE)
    secrets = attacker.running.clients("secretsmanager")
    body = {"name": "Mine", "entity": "contacts", "destination": SFTP, **DELIVERED}
    told = [problem(attacker.call("POST", "/exports", json=body), 422)]
    login = {"username": "waybill", "password": "p"}
    bindings = [{"host": "partner.example", "entities": ["orders"]}, {"host": "other.example", "entities": ["*"]}, {}]
    secrets.create_secret(Name=SFTP["secretId"], SecretString=json.dumps(login))
    for binding in bindings:
        secrets.put_secret_value(SecretId=SFTP["secretId"], SecretString=json.dumps(login | binding))
        told.append(problem(attacker.call("POST", "/exports", json=body), 422))
    assert all(problem_ == told[0] for problem_ in told)
    mine = login | {"host": "partner.example", "entities": ["contacts"]}
    secrets.put_secret_value(SecretId=SFTP["secretId"], SecretString=json.dumps(mine))
    assert attacker.call("POST", "/exports", json=body).status_code == 201


def test_an_export_replaces_no_file_of_another_one(attacker: Attacker) -> None:
    destination = {"kind": "s3", "prefix": "partner"}
    attacker.speaks_as(ALICE)
    jobs = []
    for entity in ("orders", "contacts"):
        attacker.imported(entity, contacts_csv([{"contact_id": f"of-{entity}"}]))
        body = {"name": entity, "entity": entity, "destination": destination, "fileName": "out.csv", **DELIVERED}
        path = f"/exports/{attacker.call('POST', '/exports', json=body).json()['exportId']}"
        assert attacker.call("POST", f"{path}/activate").status_code == 200
        jobs.append(attacker.wait(attacker.call("POST", f"{path}/run").json()["jobId"]))
    assert jobs[0]["status"] == "COMPLETED", jobs[0]
    assert (jobs[1]["status"], jobs[1]["error"]["code"]) == ("FAILED", "delivery-failed")
    s3, bucket = attacker.running.clients("s3"), attacker.stack["transferBucket"]
    assert b"of-orders" in s3.get_object(Bucket=bucket, Key="partner/out.csv")["Body"].read()
    manifest = json.loads(s3.get_object(Bucket=bucket, Key="partner/out.csv.manifest.json")["Body"].read())
    assert manifest["jobId"] == jobs[0]["jobId"]


def test_hostile_cells_are_errors_of_their_row(attacker: Attacker) -> None:
    bad = [
        {"contact_id": "a", "email": '=HYPERLINK("http://evil.example","x")'},
        {"contact_id": "b", "spend": "@SUM(1)"},
    ]
    attacker.speaks_as(ALICE)
    job = attacker.imported("contacts", contacts_csv(bad, count=2))
    assert (job["counts"]["imported"], job["counts"]["rejected"]) == (2, 2)
    log = list(csv.DictReader(io.StringIO(attacker.follow(f"/jobs/{job['jobId']}/error-log").text)))
    assert [row["cell"][:2] for row in log] == ["'=", "'@"]

    tree = {"oneOf": [{"type": "integer"}, *({"type": "array", "items": {"$ref": "#"}, "minItems": n} for n in (0, 9))]}
    costly = {"items": {"anyOf": [{"const": n} for n in range(500)]}}
    attacker.speaks_as(ADMIN)
    fields: list[dict[str, Any]] = [{"name": "id", "type": "string"}]
    for name, schema in (("tree", tree), ("costly", costly)):
        fields.append({"name": name, "type": "array", "constraints": {"jsonSchema": schema}})
    attacker.put_entity("trees", schema={"fields": fields, "primaryKey": "id"})
    rows = [["id", "tree", "costly"], ["1", "[" * 30 + "1" + "]" * 30, "[0]"], ["2", "[]", f"[{'499,' * 3_000}499]"]]
    text = io.StringIO()
    csv.writer(text).writerows([*rows, ["3", "[" * 50_000, "[]"]])
    began = time.monotonic()
    job = attacker.imported("trees", text.getvalue().encode())
    assert (job["counts"]["imported"], job["counts"]["rejected"]) == (1, 2), job
    assert time.monotonic() - began < 20


def test_hostile_encodings_and_bombs_end_their_job_and_nothing_else(attacker: Attacker) -> None:
    attacker.speaks_as(ADMIN)
    for encoding in ("idna", "punycode", "unicode_escape", "utf_7", "rot13", "zlib", "../x"):
        body = {"schema": CONTACTS_SCHEMA, "encoding": encoding}
        problem(attacker.call("PUT", "/entities/odd", json=body), 422)
    s3, bucket = attacker.running.clients("s3"), attacker.stack["dropBucket"]
    metadata = {"encoding": "idna"}
    s3.put_object(Bucket=bucket, Key="drop/contacts/odd.csv", Body=contacts_csv(count=2), Metadata=metadata)
    s3.put_object(Bucket=bucket, Key="drop/contacts/bomb.gz", Body=gzip.compress(b"", mtime=0) * 400_000)
    jobs = {name: attacker.wait(attacker.find_job(q=name)["jobId"]) for name in ("odd.csv", "bomb.gz")}
    assert {job["status"] for job in jobs.values()} == {"FAILED"}
    assert [job["error"]["code"] for job in jobs.values()] == ["source-error", "compression-error"], jobs
    assert all(job["status"] in TERMINAL for job in attacker.get("/jobs", limit=100)["items"])
    attacker.speaks_as(ALICE)
    assert attacker.imported("contacts", contacts_csv(count=2))["outcome"] == "SUCCESS", "the next file is imported"
