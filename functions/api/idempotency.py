"""`Idempotency-Key` on the routes that declare it: a request that is repeated with its key has its effect once.

A route joins by naming the header in `headers`. It gives what it makes the id `request.made_id`, which is the same in
every attempt, and stores it on condition that the id is free: an attempt that takes over from one that died then finds
its own. `request.is_repeat` tells a route that makes nothing that its effect may be there already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Response

from request import Request
from waybill.errors import MalformedRequest, WaybillError


def answer_once(request: Request, key: str, given: Any, work: Callable[[], Response[str]]) -> Response[str]:
    """The kept answer to a request that is repeated, or else that of `work`, which is kept.

    Args:
        given: the body as it was sent. It is not validated yet: what made it valid the first time may have changed.

    Raises:
        MalformedRequest: the key is not one.
        InvalidRequest: the key was used for another request.
        StillRunning: the first request has not been answered yet.
    """
    from waybill.jobs.idempotency import MAX_KEY, Claim

    if not (0 < len(key) <= MAX_KEY and all("!" <= character <= "~" for character in key)):
        raise MalformedRequest(f"Idempotency-Key must have 1 to {MAX_KEY} visible ASCII characters.")
    keys = request.services.idempotency_keys
    claim = keys.claim(request.caller.subject, key, [request.http_method, request.path, given])
    if not isinstance(claim, Claim):
        return Response(claim["status"], None, claim["body"], claim["headers"])
    request.made_id, request.is_repeat = claim.made_id, claim.is_repeat
    try:
        answer = work()
    except Exception as error:
        # What refuses a repeated request may have come after an attempt that had its effect.
        if isinstance(error, WaybillError) and error.status < 500 and not claim.is_repeat:
            keys.release(claim)
        else:
            keys.unlock(claim)
        raise
    keys.complete(claim, {"status": answer.status_code, "headers": answer.headers, "body": answer.body})
    return answer
