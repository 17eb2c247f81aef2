"""What sending webhooks is handed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from waybill.jobs.services import Services

if TYPE_CHECKING:
    from waybill.webhooks.client import WebhookClient


class WebhookServices(Services, Protocol):
    """The services, and what makes the requests."""

    @property
    def webhook_client(self) -> WebhookClient: ...
