"""`webhooks`: test an address, and send again what was given up."""

from __future__ import annotations

import argparse
from typing import Any

from waybill_cli.client import decode
from waybill_cli.commandline import Commands, add_limit
from waybill_cli.context import Context
from waybill_cli.output import time_text


def webhook(text: str) -> dict[str, str]:
    """`URL=SECRET`: the name of the secret stands behind the last sign, which an address may hold too."""
    url, separator, secret = text.rpartition("=")
    if not separator or not url.startswith("https://") or not secret:
        raise argparse.ArgumentTypeError(f"{text!r} is not URL=SECRET, such as https://hooks.example.com=waybill/hooks")
    return {"url": url, "secretId": secret}


def add_commands(commands: Commands) -> None:
    group = commands.group(commands.add("webhooks", list_failed, "list webhooks that were given up, or a command"))
    parser = group.add("test", test, "send a test event to an address")
    parser.add_argument("url", metavar="URL", help="the address, which begins with https://")
    parser.add_argument("--secret", required=True, metavar="S", help="the name of the secret that signs the event")
    parser.add_argument("--entity", required=True, metavar="E", help="an entity that the secret is for")
    add_limit(group.add("failed", list_failed, "list the messages that were given up (for admins)"), with_all=True)
    parser = group.add("redrive", redrive, "send messages again that were given up (for admins)")
    parser.add_argument("--entity", metavar="E", help="only those of this entity")


def test(context: Context) -> int:
    options = context.options
    body = {"entity": options.entity, "webhook": {"url": options.url, "secretId": options.secret}}
    result = decode(context.api.post("/webhooks/test", body))
    context.out.result(result, result["detail"] if result["ok"] else f"{result['code']}: {result['detail']}")
    return 0 if result["ok"] else 1


def list_failed(context: Context) -> int:
    limit = None if getattr(context.options, "all", False) else getattr(context.options, "limit", 20)
    listed = context.read_list("/webhooks/dead-letters", "messages", limit)
    context.out.listing(listed, "messages", ("GIVEN UP", "ENTITY", "URL", "REASON", "ATTEMPTS", "JOB"), _row)
    return 0


def _row(letter: dict[str, Any]) -> tuple[object, ...]:
    given_up = time_text(letter["givenUpAt"])
    return (given_up, letter["entity"], letter["url"], letter["reason"], letter["attempts"], letter["jobId"])


def redrive(context: Context) -> int:
    body = {"entity": context.options.entity} if context.options.entity else {}
    redriven, is_more = 0, True
    while is_more:
        answer = decode(context.api.post("/webhooks/dead-letters/redrive", body))
        redriven, is_more = redriven + answer["redriven"], answer["isMore"]
    context.out.result({"redriven": redriven}, f"{redriven} messages are sent again within a minute.")
    return 0
