"""What all functions tell about themselves: logs and metrics, both as JSON lines.

A log line is a constant sentence with keys; it never holds row contents or secrets. A metric is a line in CloudWatch's
embedded metric format: counting costs no request. Neither has a key `status`, which the embedded AWS would take for the
function's answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

T = TypeVar("T")

NAMESPACE = "Waybill"
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "waybill")  # the stack: two in one account can be told apart

logger = Logger(service=SERVICE)


def count(dimensions: dict[str, str], **metrics: int) -> None:
    """Write one line with these metrics. `docs/operate.md` lists them all.

    Args:
        dimensions: by which the metrics can be told apart, besides the service; few values each. An alarm names all
            dimensions of its metric, so that what has one has the service alone.
        metrics: counts by name.
    """
    _write(dimensions, MetricUnit.Count, metrics)


def measure(dimensions: dict[str, str], **seconds: float) -> None:
    """Write one line with these durations, by name; `dimensions` as for `count`."""
    _write(dimensions, MetricUnit.Seconds, seconds)


def measure_percent(dimensions: dict[str, str], **shares: float) -> None:
    """Write one line with these shares, 0 to 100, by name; `dimensions` as for `count`."""
    _write(dimensions, MetricUnit.Percent, shares)


def _write(dimensions: dict[str, str], unit: MetricUnit, metrics: Mapping[str, float]) -> None:
    line = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    for name, value in dimensions.items():
        line.add_dimension(name, value)
    for name, number in metrics.items():
        line.add_metric(name, unit, number)
    line.flush_metrics()


def entry_failed(duty: str, **ids: str) -> None:
    """Report, from an `except`, an entry that a duty of the schedule could not handle; it goes on with the others."""
    logger.exception("An entry failed and is tried again later", extra={"duty": duty, **ids})
    count({"duty": duty}, EntriesFailed=1)
    count({}, DutyErrors=1)


def read_each(kind: str, items: Iterable[Mapping[str, Any]], read: Callable[[Any], T]) -> Iterator[T]:
    """Read stored items; one that cannot be read is reported and left out, so that it does not hide the others."""
    for item in items:
        try:
            value = read(item)
        except Exception:
            logger.exception(
                "A stored item cannot be read", extra={"kind": kind, "key": f"{item['pk']} / {item['sk']}"}
            )
            count({"kind": kind}, ItemsUnreadable=1)
            count({}, UnreadableItems=1)
        else:
            yield value
