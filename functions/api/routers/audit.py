"""The audit trail, for admins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import decode_cursor, encode_cursor, list_response, what_fits
from auth import ADMIN
from request import Request
from routing import ApiRouter, ok
from waybill.wire import audit as wire

if TYPE_CHECKING:
    from models.audit import AuditFilters

_POSITION = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z#[0-9a-f]{32}", re.ASCII)

router = ApiRouter("Audit trail")


@router.get(
    "/v1/audit",
    "List the audit trail",
    needs=ADMIN,
    answers=ok("A page of entries, newest first.", wire.AuditPage),
    description="Every change, start, stop, download and refusal (403), dropped files and runs of schedules. Filters "
    "apply after the read: a page may be shorter than `limit`, or empty, while `nextToken` is not null.",
)
def list_audit(request: Request, query: AuditFilters) -> Response[str]:
    from waybill.jobs.audit import Wanted

    after = decode_cursor(query.next_token, _POSITION)
    wanted = Wanted(query.actor, query.action, query.entity, query.since, query.until)
    items, last = request.services.audit.page(wanted, query.limit, after)
    entries = ((wire.audit_entry(item), item["sk"]) for item in items)
    return list_response(*what_fits(entries, encode_cursor(last)))
