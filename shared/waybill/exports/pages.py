"""The requests for the pages of a run: the table in segments, and the window of write times as a filter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from waybill.entities.model import SHARDS, Entity, partition
from waybill.exports.definition import Definition, Window
from waybill.timestamps import epoch_milliseconds, rfc3339

SEGMENTS = SHARDS
"""The partitions of an entity in Waybill's own table; a large target table is scanned in as many segments."""


@dataclass(frozen=True)
class Extraction:
    """What is read for a run, or for its preview, in a number of parts. The window matters to incremental exports."""

    window: Window
    definition: Definition
    entity: Entity
    parts: int

    @property
    def segments(self) -> int:
        """Segments of the table: the partitions of an entity, or those of a scan, where one does for a small table."""
        return SEGMENTS if self.entity.target is None or self.parts > 1 else 1

    def segments_of(self, part: int) -> range:
        share = self.segments // self.parts
        return range(part * share, (part + 1) * share)


def page_request(
    run: Extraction, records_table: str, segment: int, key: dict[str, Any] | None
) -> tuple[str, dict[str, Any]]:
    """The request for one page of a segment, with consistent reads: operation and parameters.

    Args:
        records_table: Waybill's own table of records.
        key: `LastEvaluatedKey` of the page before; None for the first.
    """
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    if run.entity.target is None:
        operation = "Query"
        names["#pk"], values[":pk"] = "_pk", {"S": partition(run.entity.uid, segment)}
        request: dict[str, Any] = {
            "TableName": records_table,
            "KeyConditionExpression": "#pk = :pk",
        }
        window = _own_window(run, names, values)
    else:
        operation = "Scan"
        request = {"TableName": run.entity.target.table, "Segment": segment, "TotalSegments": run.segments}
        window = _target_window(run, names, values)
    if window:
        request["FilterExpression"] = window
    if names:
        request["ExpressionAttributeNames"] = names
    if values:
        request["ExpressionAttributeValues"] = values
    if key is not None:
        request["ExclusiveStartKey"] = key
    return operation, request | {"ConsistentRead": True}


def _own_window(run: Extraction, names: dict[str, str], values: dict[str, Any]) -> str:
    """Condition on Waybill's own items: `_at` is epoch milliseconds; tombstones count from the second window on."""
    conditions = []
    if not run.definition.has_changes or run.window[0] is None:
        names["#gone"] = "_gone"
        conditions.append("attribute_not_exists(#gone)")
    for edge, comparison, moment in zip(("from", "to"), (">=", "<"), run.window, strict=True):
        if run.definition.is_incremental and moment is not None:
            names["#at"], values[f":{edge}"] = "_at", {"N": str(epoch_milliseconds(moment))}
            conditions.append(f"#at {comparison} :{edge}")
    return " AND ".join(conditions)


def _target_window(run: Extraction, names: dict[str, str], values: dict[str, Any]) -> str:
    """Condition on items of a target table. A write time is RFC 3339 text, as Waybill stamps it, or epoch seconds or
    milliseconds, as others may. Each form is compared with its own, and no number is of both forms. An item without a
    write time belongs to the first window."""
    window_from, window_to = run.window
    if not run.definition.is_incremental or run.entity.target is None or window_to is None:
        return ""
    names["#at"] = str(run.entity.target.modified_attribute)
    values |= {":text": {"S": "S"}, ":number": {"S": "N"}, **_stamps("to", window_to)}
    kinds = {"Text": "text", "Seconds": "number", "Milliseconds": "number"}
    if window_from is None:
        values[":limit"] = _SECONDS_LIMIT
        late = {"Text": "#at >= :toText", "Milliseconds": "#at >= :toMilliseconds"}
        late["Seconds"] = "#at BETWEEN :toSeconds AND :limit"
        tests = [f"(attribute_type(#at, :{kinds[form]}) AND {test})" for form, test in late.items()]
        return f"NOT ({' OR '.join(tests)})"
    values |= _stamps("from", window_from)
    tests = [
        f"(attribute_type(#at, :{kind}) AND #at >= :from{form} AND #at < :to{form})" for form, kind in kinds.items()
    ]
    return " OR ".join(tests)


# Seconds are below until the year 5138, milliseconds above since 1973.
_SECONDS_LIMIT = {"N": "100000000000"}


def _stamps(edge: str, moment: datetime) -> dict[str, Any]:
    milliseconds = epoch_milliseconds(moment)
    return {
        f":{edge}Text": {"S": str(rfc3339(moment))},
        f":{edge}Seconds": {"N": f"{milliseconds // 1000}.{milliseconds % 1000:03d}"},
        f":{edge}Milliseconds": {"N": str(milliseconds)},
    }
