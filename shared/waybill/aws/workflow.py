"""Step Functions executions, one per job, named by the job's id."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING

from waybill.aws.clients import session

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.client import SFNClient


class Workflow:
    def __init__(self, region: str, endpoint_url: str | None = None) -> None:
        self._region = region
        self._endpoint_url = endpoint_url

    @cached_property
    def _states(self) -> SFNClient:
        return session().client("stepfunctions", region_name=self._region, endpoint_url=self._endpoint_url)

    def start(self, state_machine: str, job_id: str, restarts: int = 0) -> bool:
        """Start the job's execution once. Standard workflows are exactly once per name (AWS StartExecution).

        Args:
            restarts: how often the job's executions died; each has a name of its own.

        Returns:
            False when an execution of this name exists or has existed.
        """
        try:
            self._states.start_execution(
                stateMachineArn=state_machine, name=_name(job_id, restarts), input=json.dumps({"jobId": job_id})
            )
        except self._states.exceptions.ExecutionAlreadyExists:
            return False
        return True

    def is_running(self, state_machine: str, job_id: str, restarts: int) -> bool:
        """Whether the job's latest execution is running."""
        arn = f"{state_machine.replace(':stateMachine:', ':execution:')}:{_name(job_id, restarts)}"
        try:
            return self._states.describe_execution(executionArn=arn)["status"] == "RUNNING"
        except self._states.exceptions.ExecutionDoesNotExist:
            return False


def _name(job_id: str, restarts: int) -> str:
    return f"{job_id}-{restarts}" if restarts else job_id
