"""Requests about webhooks, and the member `webhooks` of definitions and imports."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from models.base import Body, checked
from models.query import Paging as Paging
from waybill.hosts import AllowedHosts
from waybill.jobs.webhooks import MAX_WEBHOOKS, Document, check_webhook, check_webhooks
from waybill.validation import Problems
from waybill.wire.schema import Schema
from waybill.wire.webhooks import Webhook

_EXAMPLE: dict[str, Any] = {
    "entity": "contacts",
    "webhook": {"url": "https://hooks.example.com/waybill", "secretId": "waybill/hooks"},
}


def _allowed(info: ValidationInfo) -> AllowedHosts:
    return AllowedHosts.parse((info.context or {})["request"].services.settings.allowed_private_hosts)


class TellsWebhooks(Body):
    """What names addresses that are told of the end of a job."""

    webhooks: Annotated[list[Webhook], Schema(maxItems=MAX_WEBHOOKS)] = Field(default_factory=list)
    """Addresses that are told of the end of each job, by Standard Webhooks."""

    @field_validator("webhooks", mode="wrap")
    @classmethod
    def _are_webhooks(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        return list(checked(check_webhooks, value, _allowed(info)))

    def told_webhooks(self) -> tuple[Document, ...]:
        return tuple(_document(webhook) for webhook in self.webhooks)


def _document(webhook: Webhook) -> Document:
    return {"url": webhook["url"], "secretId": webhook["secretId"]}


class WebhookToTest(Body):
    """A webhook to test."""

    refusal: ClassVar[str] = "The webhook breaks a rule."
    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    entity: str
    """Name of the entity; you need the right `import` or `export` on it."""
    webhook: Webhook

    @field_validator("webhook", mode="wrap")
    @classmethod
    def _is_webhook(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        def check(given: object, allowed: AllowedHosts, problems: Problems) -> Document | None:
            return check_webhook(given, allowed, problems, "/webhook")

        return checked(check, value, _allowed(info))

    def document(self) -> Document:
        return _document(self.webhook)


class RedriveRequest(Body):
    """Which messages are sent again."""

    refusal: ClassVar[str] = "The request breaks a rule."
    model_config = ConfigDict(json_schema_extra={"examples": [{"entity": "contacts"}]})

    entity: str | None = None
    """Those of one entity; all when left out."""
