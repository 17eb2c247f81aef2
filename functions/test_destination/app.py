"""Test a destination of exports, a location of sources, or webhooks, or only the secret, for the API, which has neither
the libraries nor the right to read secrets."""

from __future__ import annotations

from typing import Any

from waybill.bootstrap import services
from waybill.exports.connection_test import check_decryption, check_secret, run_connection_test
from waybill.exports.destinations import kind_of
from waybill.jobs.webhooks import Webhook
from waybill.telemetry import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    if "webhooks" in event:
        return _webhooks(event)
    destination = event["destination"]
    address = kind_of(destination).address(kind_of(destination).with_defaults(destination, services().settings))
    logger.append_keys(startedBy=event["startedBy"], entity=event["entity"], kind=destination["kind"], address=address)
    if event.get("listing"):
        from waybill.sources.listing_test import run_listing_test

        listed = run_listing_test(services(), destination, event["entity"], event["listing"])
        logger.info("Location tested", extra={"code": listed["code"]})
        return dict(listed)
    checks = {"secret": check_secret, "decryption": check_decryption}
    test = checks.get(event["only"], run_connection_test)
    result = test(services(), destination, event["entity"])
    logger.info("Destination tested", extra={"code": result.code, "step": result.step, "only": event["only"]})
    return result.to_document()


def _webhooks(event: dict[str, Any]) -> list[dict[str, Any]]:
    from waybill.webhooks.send import test_webhook

    webhooks, only = [Webhook.from_document(each) for each in event["webhooks"]], event["only"]
    results = [test_webhook(services(), webhook, event["entity"], only == "secret") for webhook in webhooks]
    about = {"startedBy": event["startedBy"], "entity": event["entity"], "only": only}
    codes = {webhook.authority: result["code"] for webhook, result in zip(webhooks, results, strict=True)}
    logger.info("Webhooks tested", extra={**about, "codes": codes})
    return results
