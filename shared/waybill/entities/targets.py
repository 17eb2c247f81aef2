"""Existing tables that hold an entity's records instead of Waybill's own: what such a table asks of the entity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from waybill.aws.dynamodb import DynamoDB, DynamoDBError, why_refused
from waybill.entities.model import Entity, Target
from waybill.entities.schema import Schema, parse_schema
from waybill.errors import InvalidRequest, Unavailable
from waybill.validation import Problems


@contextmanager
def refusals_told() -> Iterator[None]:
    """
    Raises:
        Unavailable: DynamoDB does not let the table or its KMS key be used; the message says so.
    """
    try:
        yield
    except DynamoDBError as error:
        reason = why_refused(error)
        if reason is None:
            raise
        raise Unavailable(reason) from None


def check_target(dynamodb: DynamoDB, entity: Entity, target: Target) -> None:
    """Hold an entity's primary key against the key of its target table.

    Raises:
        InvalidRequest: there is no such table, or its key is not the entity's.
        Unavailable: as for `refusals_told`.
    """
    try:
        with refusals_told():
            table = dynamodb.call("DescribeTable", {"TableName": target.table})["Table"]
    except DynamoDBError as error:
        if error.code != "ResourceNotFoundException":
            raise
        problems = [("/target/table", "there is no such table")]
    else:
        problems = _problems(table, parse_schema(entity.schema), target)
    if problems:
        raise InvalidRequest("The entity does not fit its target table.", problems)


def _problems(table: dict[str, Any], schema: Schema, target: Target) -> Problems:
    problems: Problems = []
    key = [part["AttributeName"] for part in table["KeySchema"]]
    types = {part["AttributeName"]: part["AttributeType"] for part in table["AttributeDefinitions"]}
    if sorted(schema.primary_key) != sorted(key):
        names = " and ".join(key)
        problems.append(("/schema/primaryKey", f"must be the key of the table {target.table}: {names}"))
    else:
        for position, field in enumerate(schema.key_fields):
            if field.kind.storage != types[field.name]:
                kind = {"S": "a string", "N": "a number", "B": "binary, which no field is"}[types[field.name]]
                problems.append((f"/schema/primaryKey/{position}", f"the table's attribute {field.name} is {kind}"))
    if target.modified_attribute in schema.by_name:
        problems.append(("/target/modifiedAttribute", "is a field too; Waybill writes the time of each write there"))
    return problems
