"""An entity, files for it, and their imports."""

from __future__ import annotations

from infra.local.stack import LocalStack
from tests.e2e.client import Client

CONTACTS = {
    "schema": {
        "fields": [
            {"name": "id", "type": "integer"},
            {"name": "email", "type": "string", "format": "email"},
            {"name": "spend", "type": "number", "constraints": {"minimum": 0}},
        ],
        "primaryKey": ["id"],
    },
    "permissions": {"view": ["sales"], "import": ["ops"], "export": ["ops", "sales"]},
}


def contacts_csv(rows: int, bad: int = 0) -> bytes:
    """A file of contacts; the `spend` of the first `bad` rows is not a number."""
    lines = [f"{i},p{i}@example.com,{'much' if i < bad else i / 4}" for i in range(rows)]
    return "\n".join(["id,email,spend", *lines, ""]).encode()


def start_import(client: Client, entity: str, name: str, data: bytes, **options: object) -> str:
    body = {"uploadId": client.upload(entity, name, data), **options}
    answer = client.call("POST", "/imports", json=body)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["jobId"]
    return job_id


def let_expire(stack: LocalStack, job_id: str, attribute: str) -> None:
    """Sets an expiry of a job to the past: `expiresAt` that of its entry, `filesExpireAt` that of its files."""
    stack.clients("dynamodb").update_item(
        TableName=stack.stack["jobsTable"],
        Key={"pk": {"S": f"JOB#{job_id}"}, "sk": {"S": "JOB"}},
        UpdateExpression="SET #expiry = :past",
        ExpressionAttributeNames={"#expiry": attribute},
        ExpressionAttributeValues={":past": {"N": "1700000000"}},
        ConditionExpression="attribute_exists(#expiry)",
    )
