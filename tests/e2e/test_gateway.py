"""Lists of long items, through the limits of AWS's gateway that the embedded AWS does not enforce."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from infra.local.stack import LocalStack
from tests.builders import CONTACTS_SCHEMA
from tests.e2e.client import Client
from tests.gateway import Gateway


@pytest.fixture
def gateway(stack: LocalStack) -> Iterator[Gateway]:
    with Gateway(stack.stack["apiUrl"]).serving() as gateway:
        yield gateway


def all_items(client: Client, path: str) -> list[dict[str, Any]]:
    items, token = [], None
    while True:
        page = client.get(path, limit=100, **({"nextToken": token} if token else {}))
        items += page["items"]
        token = page["nextToken"]
        if token is None:
            return items


def test_long_lists_pass_the_gateway(stack: LocalStack, gateway: Gateway, s3: Any) -> None:
    with closing(Client({**stack.stack, "apiUrl": gateway.url}, "admin")) as admin:
        fields = [{"name": "contact_id", "type": "string"}, {"name": "note", "type": "string"}]
        admin.put_entity("gateway", schema={"fields": fields, "primaryKey": "contact_id"})
        rows = "".join(f"c{number},{'ж' * 50_000}\n" for number in range(100))
        data = f"contact_id,note\n{rows}".encode()
        s3.put_object(Bucket=stack.stack["dropBucket"], Key="drop/gateway/long.csv", Body=data)
        job = admin.wait(admin.find_job(entity="gateway")["jobId"])
        assert job["counts"]["imported"] == 100
        assert len({each["contact_id"] for each in all_items(admin, "/entities/gateway/records")}) == 100
        columns = {f"{number}{'ж' * 90}": "email" for number in range(1_000)}
        for number in range(40):
            admin.put_entity(f"gateway-{number}", schema=CONTACTS_SCHEMA, columns=columns)
        names = {each["name"] for each in all_items(admin, "/entities")}
        assert {f"gateway-{number}" for number in range(40)} <= names
        assert max(gateway.answer_bytes) > 4_000_000
        for number in range(40):
            assert admin.call("DELETE", f"/entities/gateway-{number}").status_code == 204


def test_a_body_that_the_gateway_refuses_is_one_that_waybill_refuses(stack: LocalStack, gateway: Gateway) -> None:
    with closing(Client({**stack.stack, "apiUrl": gateway.url}, "admin")) as admin:
        for size in (2_000_000, 11_000_000):
            answer = admin.call("PUT", "/entities/gateway-large", content=b"x" * size)
            assert answer.status_code == 413
