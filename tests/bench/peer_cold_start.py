"""What most functions do before their first request: one boto3 client, and Powertools' resolver with validation."""

from __future__ import annotations

from typing import Any

import boto3
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

client = boto3.client("dynamodb")
app = APIGatewayHttpResolver(enable_validation=True)


@app.get("/v1/jobs/<job_id>")
def get_job(job_id: str) -> dict[str, Any]:
    return {"jobId": job_id}
