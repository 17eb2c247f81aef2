"""`waybill webhooks`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli_service import JOB_ID, Service, answer
from waybill_cli.main import main

pytestmark = pytest.mark.usefixtures("home")
TEST = ["webhooks", "test", "https://a.example", "--secret", "hooks/a", "--entity", "contacts"]


def test_a_test_says_what_the_receiver_answered(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes["POST /v1/webhooks/test"] = [
        answer({"ok": True, "code": None, "detail": "a.example took the event and answered 204."}),
        answer({"ok": False, "code": "timeout", "detail": "a.example did not answer."}),
    ]
    assert [main(TEST), main(TEST)] == [0, 1]
    body = {"entity": "contacts", "webhook": {"url": "https://a.example", "secretId": "hooks/a"}}
    assert [request.json for request in stack.sent("POST", "/v1/webhooks/test")] == [body] * 2
    out = capsys.readouterr().out
    assert "answered 204" in out and "timeout: a.example did not answer." in out


def test_what_was_given_up_is_listed_and_sent_again(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    letter: dict[str, Any] = {"webhookId": "msg_1", "url": "https://a.example", "entity": "contacts", "jobId": JOB_ID}
    letter |= {"attempts": 8, "reason": "answer 503", "givenUpAt": "2026-01-31T09:30:00.125Z"}
    stack.routes["GET /v1/webhooks/dead-letters"] = [answer({"items": [letter], "nextToken": None})] * 2
    assert [main(["webhooks", "failed"]), main(["webhooks", "failed", "--all"])] == [0, 0]
    assert "answer 503" in capsys.readouterr().out
    stack.routes["POST /v1/webhooks/dead-letters/redrive"] = [
        answer({"redriven": 500, "isMore": True}),
        answer({"redriven": 1, "isMore": False}),
    ]
    assert main(["webhooks", "redrive", "--entity", "contacts"]) == 0
    assert "501 messages" in capsys.readouterr().out
    assert stack.sent("POST", "/v1/webhooks/dead-letters/redrive")[0].json == {"entity": "contacts"}
