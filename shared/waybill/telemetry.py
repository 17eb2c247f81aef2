"""One logger for all functions: JSON lines with constant sentences; never row contents or secrets."""

from __future__ import annotations

from aws_lambda_powertools import Logger

logger = Logger(service="waybill")
