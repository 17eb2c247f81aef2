"""Asks the function that may read secrets about a place: where exports deliver to, or sources fetch from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from request import Request
from waybill.entities.model import Entity
from waybill.errors import InvalidRequest, Unavailable


def ask(request: Request, place: Mapping[str, Any], entity: Entity, only: str | None = None, **more: Any) -> Any:
    """The result of a test of a place.

    Args:
        only: "secret" to look at no more than the secret, "decryption" at that of the decryption.
        more: what a source would fetch from there.

    Raises:
        Unavailable
    """
    return _ask(request, {"destination": place, "entity": entity.name, "only": only, **more})


def _ask(request: Request, event: Mapping[str, Any]) -> Any:
    from waybill.aws.functions import NoAnswer

    services, who = request.services, request.caller.name
    try:
        return services.functions.ask(services.settings.test_destination_function, {**event, "startedBy": who})
    except NoAnswer:
        raise Unavailable("The connection cannot be tested at the moment. Try again later.") from None


def check_webhook_secrets(
    request: Request, webhooks: Sequence[Mapping[str, str]], entity: Entity, refusal: str
) -> None:
    """Refuse webhooks whose secrets are not for their hosts and for the entity, in the words of an attempt.

    Raises:
        InvalidRequest, Unavailable
    """
    if webhooks:
        results = _ask(request, {"webhooks": webhooks, "entity": entity.name, "only": "secret"})
        told = [(f"/webhooks/{at}/secretId", each["detail"]) for at, each in enumerate(results) if not each["ok"]]
        if told:
            raise InvalidRequest(refusal, told)


def test_webhook(request: Request, webhook: Mapping[str, str], entity: Entity) -> Any:
    """The result of sending a test event.

    Raises:
        Unavailable
    """
    return _ask(request, {"webhooks": [webhook], "entity": entity.name, "only": None})[0]


def check_secret(request: Request, place: Mapping[str, Any], entity: Entity, member: str, refusal: str) -> None:
    """Refuse a place whose secret is not for its server and for the entity, in the words of a run.

    Args:
        member: of the definition, that holds the place.
        refusal: what is said of a definition that breaks a rule.

    Raises:
        InvalidRequest, Unavailable
    """
    from waybill.exports.destinations import kind_of

    if kind_of(place).needs_secret:
        result = ask(request, place, entity, only="secret")
        if not result["ok"]:
            raise InvalidRequest(refusal, [(f"/{member}/secretId", result["detail"])])
    if "decryption" in place:
        result = ask(request, place, entity, only="decryption")
        if not result["ok"]:
            raise InvalidRequest(refusal, [(f"/{member}/decryption/secretId", result["detail"])])
