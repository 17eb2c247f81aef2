"""`make redrive`: look at the dead letters of a stack, hand them in again, or delete them.

Without SEND or DELETE nothing is changed. An event of the drop bucket may be handed in as often as you like: a dropped
object makes one job. Minutes, of the schedule and of webhooks, are never handed in: the next minute does their work.

Environment:
    STACK: name of the stack, default waybill.
    SEND: 1 invokes the function that starts imports with each event, and deletes those that it took.
    DELETE: 1 deletes all dead letters.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy import failure_text, region_of

Clients = Callable[[str], Any]
#: For which a letter that was looked at is hidden from others.
HIDDEN_SECONDS = 60
DROPS, MINUTES = "StartImportDeadLetters", "ScheduleDeadLetters"


@dataclass(frozen=True)
class Letter:
    """
    Attributes:
        queue: the address of its queue.
        receipt: with which it is deleted.
        reason: why it was given up, as far as it is told.
        body: what the function would have been handed; None if that is no JSON object.
    """

    queue: str
    receipt: str
    reason: str
    body: dict[str, Any] | None

    @property
    def subject(self) -> str:
        detail = (self.body or {}).get("detail") or {}
        if "object" in detail:
            return f"s3://{detail['bucket']['name']}/{detail['object']['key']}"
        return str((self.body or {}).get("time", "no time given"))


def main() -> int:
    """Returns 1 if dead letters are left."""
    stack = os.environ.get("STACK") or "waybill"
    try:
        return redrive(_client, stack, send=bool(os.environ.get("SEND")), delete=bool(os.environ.get("DELETE")))
    except (BotoCoreError, ClientError) as error:
        print(f"make redrive: {failure_text(error)}", file=sys.stderr)
        return 1


def redrive(clients: Clients, stack: str, *, send: bool = False, delete: bool = False) -> int:
    """Print each dead letter and what became of it; returns 1 if some are left."""
    cloudformation, queues = clients("cloudformation"), clients("sqs")
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
    }
    left = 0
    for name in (DROPS, MINUTES):
        for letter in list(letters(queues, resources[name])):
            if send and name == DROPS:
                done, outcome = hand_in(clients("lambda"), resources["StartImportFunction"], letter)
            else:
                done, outcome = delete, "deleted" if delete else "kept"
            if done:
                queues.delete_message(QueueUrl=letter.queue, ReceiptHandle=letter.receipt)
            else:
                left += 1
                queues.change_message_visibility(
                    QueueUrl=letter.queue, ReceiptHandle=letter.receipt, VisibilityTimeout=0
                )
            print(f"{name}: {letter.subject}: {letter.reason}: {outcome}")
    print(f"{left} dead letters left", file=sys.stderr)
    return 1 if left else 0


def letters(queues: Any, queue: str) -> Iterator[Letter]:
    """The letters of a queue, hidden from others for a minute."""
    while found := queues.receive_message(
        QueueUrl=queue,
        MaxNumberOfMessages=10,
        VisibilityTimeout=HIDDEN_SECONDS,
        MessageAttributeNames=["All"],
    ).get("Messages"):
        for message in found:
            given = {name: value.get("StringValue") for name, value in message.get("MessageAttributes", {}).items()}
            # EventBridge's names, and those of Lambda
            reason = (
                given.get("ERROR_MESSAGE") or given.get("ErrorMessage") or given.get("ERROR_CODE") or "no reason given"
            )
            yield Letter(queue, message["ReceiptHandle"], " ".join(reason.split()), _object(message["Body"]))


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def hand_in(functions: Any, name: str, letter: Letter) -> tuple[bool, str]:
    """Invoke a function with a letter; whether it took it, and what to say."""
    if letter.body is None:
        return False, "not an event; delete it with DELETE=1"
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(letter.body).encode())
    result = json.loads(answer["Payload"].read() or b"null")
    if "FunctionError" in answer:
        return False, f"failed again: {(result or {}).get('errorMessage', 'no reason given')}"
    job_id = (result or {}).get("jobId")
    return True, f"job {job_id}" if job_id else "nothing to import"


def _client(service: str) -> Any:
    make: Any = boto3.client  # its type is one overload for each service, by literal name
    return make(service, region_name=region_of(os.environ))


if __name__ == "__main__":
    sys.exit(main())
