"""What came of a pipeline's executions: asked from AWS, so that any kernel finds what another has started.

arn = execution_named(aws, pipeline_name, "first")   # None: nobody has started it
steps_table(aws, arn)
package_of(aws, arn)                                  # the version that it has registered, or None
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workshop.errors import WorkshopError

if TYPE_CHECKING:
    from pandas import DataFrame

    from workshop.aws.session import Aws
    from workshop.pipeline.execution import Execution


def execution_named(aws: Aws, pipeline_name: str, display_name: str) -> str | None:
    """Return the ARN of the newest execution of a name that was not stopped; None when there is none.

    A cell that was left before StartPipelineExecution was answered finds here what it has started.
    """
    pages = aws.client("sagemaker").get_paginator("list_pipeline_executions")
    found = pages.paginate(PipelineName=pipeline_name, SortBy="CreationTime", SortOrder="Descending")
    for one in found.build_full_result()["PipelineExecutionSummaries"]:
        is_stopped = one["PipelineExecutionStatus"] in ("Stopping", "Stopped")
        if one.get("PipelineExecutionDisplayName") == display_name and not is_stopped:
            return one["PipelineExecutionArn"]
    return None


def steps_of(aws: Aws, execution_arn: str) -> list[dict[str, Any]]:
    """Return the steps that an execution has begun, in the order in which they began."""
    pages = aws.client("sagemaker").get_paginator("list_pipeline_execution_steps")
    found = pages.paginate(PipelineExecutionArn=execution_arn, SortOrder="Ascending")
    return found.build_full_result()["PipelineExecutionSteps"]


def steps_table(execution: Execution) -> DataFrame:
    """Return a row for each step: type, status, seconds, and what came of it."""
    from pandas import DataFrame

    rows = [
        {
            "step": step.name,
            "type": step.type,
            "status": step.status,
            "seconds": step.seconds,
            "result": "from the cache" if step.is_cached else step.outcome or step.reason,
        }
        for step in execution.steps
    ]
    return DataFrame(rows).set_index("step").round(1)


def package_of(aws: Aws, execution_arn: str) -> str | None:
    """Return the ARN of the model package that an execution has registered; None when it has not."""
    for step in steps_of(aws, execution_arn):
        if registered := step.get("Metadata", {}).get("RegisterModel"):
            return registered["Arn"]
    return None


def registered_version(aws: Aws, execution_arn: str) -> str:
    """Return the ARN of the model package that an execution has registered.

    Raises:
        WorkshopError: It has registered none; it says the verdict.
    """
    package_arn = package_of(aws, execution_arn)
    if package_arn is None:
        raise WorkshopError(
            found=f"nothing registered: {verdict_text(evaluation_of(aws, execution_arn))}",
            expected="a version that is better than lead-3, with a score that is not below the floor",
            next_step="train on more rows: raise pipeline_train_rows in workshop.yaml (now "
            f"{aws.settings.pipeline_train_rows}), run the notebook again; this execution stays as a record",
        )
    return package_arn


def parameters_of(aws: Aws, execution_arn: str) -> dict[str, str]:
    """Return the values of an execution's parameters, defaults included."""
    pages = aws.client("sagemaker").get_paginator("list_pipeline_parameters_for_execution")
    found = pages.paginate(PipelineExecutionArn=execution_arn).build_full_result()["PipelineParameters"]
    return {one["Name"]: one["Value"] for one in found}


def evaluation_of(aws: Aws, execution_arn: str) -> dict[str, Any]:
    """Return what the step Evaluate has written: scores, and the verdict over what it was compared with."""
    (job,) = (
        step["Metadata"]["ProcessingJob"]["Arn"]
        for step in steps_of(aws, execution_arn)
        if step["StepName"] == "Evaluate"
    )
    described = aws.client("sagemaker").describe_processing_job(ProcessingJobName=job.rpartition("/")[2])
    (output,) = described["ProcessingOutputConfig"]["Outputs"]
    bucket, _, folder = output["S3Output"]["S3Uri"].removeprefix("s3://").partition("/")
    answer = aws.client("s3").get_object(Bucket=bucket, Key=f"{folder.rstrip('/')}/evaluation.json")
    return json.loads(answer["Body"].read())


def verdict_text(evaluation: Mapping[str, Any]) -> str:
    """Say in a line how good a version is, and whether it is better than what it was compared with."""
    score, gain = evaluation["score"], evaluation["gain"]
    return (
        f"{evaluation['metric']} {score['value']:.3f} {_span(score, '.3f')}, "
        f"against {gain['over']} {gain['verdict']}: "
        f"{gain['value']:+.3f} {_span(gain, '+.3f')} on {gain['num_articles']} articles"
    )


def evaluation_metrics(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Return an evaluation as MLflow's metrics: "numbers_right" with ".../low" and ".../high", and "gain"."""
    found = {**evaluation["metrics"], "gain": evaluation["gain"]}
    return {
        name if part == "value" else f"{name}/{part}": float(one[part])
        for name, one in found.items()
        for part in ("value", "low", "high")
    }


def _span(one: Mapping[str, float], form: str) -> str:
    return f"[{one['low']:{form}}, {one['high']:{form}}]"
