"""Pipelines, their versions and their executions: kinds of records, and how a caller names one.

Source: API reference of the operations; ResourceNotFound is the code that the SDK expects.
"""

from __future__ import annotations

from typing import Any

from sandbox.api.errors import AwsError
from sandbox.api.registry import Call

PIPELINE, VERSION, EXECUTION = "pipeline", "pipeline-version", "pipeline-execution"


def version_name(pipeline: str, number: int) -> str:
    """Return the name of the record of a pipeline's version."""
    return f"{pipeline}/{number}"


def not_found(what: str, name: str) -> AwsError:
    """Return the error for a pipeline or an execution that is not there."""
    return AwsError("ResourceNotFound", f"{what} '{name}' does not exist.")


def conflict(message: str) -> AwsError:
    """Return the error for what cannot be done in the state that something is in."""
    return AwsError("ConflictException", message)


def pipeline_named(call: Call, given: str) -> dict[str, Any]:
    """Return the record of a pipeline, by its name or its ARN.

    Raises:
        AwsError: There is none of this name in this account and region.
    """
    arn = given if given.startswith("arn:") else call.arn(PIPELINE, given)
    for record in call.context.resources.all(PIPELINE, call.region):
        if record["PipelineArn"].lower() == arn.lower():
            return record
    raise not_found("Pipeline", arn)


def execution_named(call: Call, arn: str) -> dict[str, Any]:
    """Return the record of an execution, by its ARN.

    Raises:
        AwsError: There is none.
    """
    record = call.context.resources.get(EXECUTION, call.region, arn.rpartition("/")[2])
    if record is None or record["PipelineExecutionArn"].lower() != arn.lower():
        raise not_found("Pipeline execution", arn)
    return record
