"""Asks the function that may read secrets about a place: where exports deliver to, or sources fetch from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from request import Request
from waybill.entities.model import Entity
from waybill.errors import InvalidRequest, Unavailable


def ask(request: Request, place: Mapping[str, Any], entity: Entity, only: str | None = None, **more: Any) -> Any:
    """The result of a test of a place.

    Args:
        only: "secret" to look at no more than the secret.
        more: what a source would fetch from there.

    Raises:
        Unavailable
    """
    from waybill.aws.functions import NoAnswer

    services, who = request.services, request.caller.name
    event = {"destination": place, "entity": entity.name, "startedBy": who, "only": only, **more}
    try:
        return services.functions.ask(services.settings.test_destination_function, event)
    except NoAnswer:
        raise Unavailable("The connection cannot be tested at the moment. Try again later.") from None


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
