"""The pipeline that an alarm starts: notebook 06's where it is there, else a small one that only prepares.

retraining = retraining_pipeline(aws, state, name="news-monitor-1129-101500")
print(retraining.why)
events.put_targets(Rule=..., Targets=[{"Arn": retraining.arn, ...}])
arn = execution_since(aws, retraining.name, moment)     # None: nothing has started it since
execution = watch_first_step(aws, arn, timeout_s=600)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from workshop.aws.waits import Wait
from workshop.pipeline.execution import WAITING, Execution, read_definition, read_execution
from workshop.pipeline.watch import step_lines

if TYPE_CHECKING:
    from workshop.aws.session import Aws
    from workshop.state import State

ROWS_PARAMETER = "TrainRows"
"""Both pipelines have it: how many rows to train on."""

_NOT_BEGUN = (WAITING, "Starting")
_INSIDE = "/opt/ml/processing"
_MAX_TOKENS = 2048
_TEST_ROWS = 32


@dataclass(frozen=True, kw_only=True)
class RetrainingPipeline:
    """What an alarm starts.

    Attributes:
        name: Of the pipeline.
        arn: Target of a rule.
        why: Which of the two it is, for people.
    """

    name: str
    arn: str
    why: str


def retraining_pipeline(aws: Aws, state: State, *, name: str) -> RetrainingPipeline:
    """Return notebook 06's pipeline; where it is not there, a pipeline whose only step is its first, Prepare.

    Args:
        aws: Where it is, or is made.
        state: Of the mode: knows the pipeline's name, and the base model of the trained one.
        name: Of the small one: asked for again, it is changed and not made twice.

    Raises:
        WorkshopError: No model was trained yet, or its base model lies elsewhere than the workshop puts it.
    """
    if state.has("pipeline_run"):
        known = _arn_of(aws, state.pipeline_run.name)
        if known is not None:
            why = f"{state.pipeline_run.name}: the pipeline of notebook 06, whose first step is Prepare"
            return RetrainingPipeline(name=state.pipeline_run.name, arn=known, why=why)
    arn = _upsert_preparing_pipeline(aws, state, name)
    why = f"{name}: one step, Prepare of notebook 06, which has made no pipeline in this account yet"
    return RetrainingPipeline(name=name, arn=arn, why=why)


def execution_since(aws: Aws, pipeline_name: str, moment: datetime) -> str | None:
    """Return the ARN of the first execution of a pipeline that was created since; None when there is none.

    Args:
        moment: With its time zone.
    """
    pages = aws.client("sagemaker").get_paginator("list_pipeline_executions").paginate(
        PipelineName=pipeline_name, CreatedAfter=moment, SortBy="CreationTime", SortOrder="Ascending"
    )  # fmt: skip
    found = pages.build_full_result()["PipelineExecutionSummaries"]
    return found[0]["PipelineExecutionArn"] if found else None


def wait_for_execution(aws: Aws, pipeline_name: str, moment: datetime, *, timeout_s: float) -> str:
    """Wait until something has started a pipeline since a moment, and return the execution's ARN.

    Raises:
        WorkshopError: The wait timed out.
    """
    found = Wait(
        title=f"an execution of {pipeline_name}",
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        expected="an execution that the rule has started",
        next_step="look at FailedInvocations of AWS/Events for the rule: its role has to trust "
        "events.amazonaws.com and may start this pipeline; setup/README.md says how",
    ).until(
        lambda: execution_since(aws, pipeline_name, moment),
        is_done=lambda arn: arn is not None,
        text=lambda arn: arn or "not yet",
    )
    return str(found)


def watch_first_step(aws: Aws, execution_arn: str, *, timeout_s: float) -> Execution:
    """Show an execution until its first step has begun, or until it has ended.

    Raises:
        WorkshopError: The wait timed out; the execution continues.
        ClientError: There is no such execution.
    """
    definition = read_definition(aws, execution_arn)
    return Wait(
        title=f"execution {execution_arn.rpartition('/')[2]}",
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        expected="its first step",
        next_step="run the cell again to continue watching, and stop the execution if it is not wanted: "
        f'aws.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn="{execution_arn}")',
    ).until(
        lambda: read_execution(aws, execution_arn, definition),
        is_done=lambda one: one.has_ended or one.steps[0].status not in _NOT_BEGUN,
        text=lambda execution: execution.status,
        rows=step_lines,
    )


def _arn_of(aws: Aws, name: str) -> str | None:
    """Return the ARN of a pipeline; None when there is none of this name."""
    pages = aws.client("sagemaker").get_paginator("list_pipelines").paginate(PipelineNamePrefix=name)
    found = pages.build_full_result()["PipelineSummaries"]
    return next((one["PipelineArn"] for one in found if one["PipelineName"] == name), None)


def _upsert_preparing_pipeline(aws: Aws, state: State, name: str) -> str:
    from sagemaker.core.processing import FrameworkProcessor
    from sagemaker.core.shapes import (
        ProcessingInput,
        ProcessingOutput,
        ProcessingS3Input,
        ProcessingS3Output,
    )
    from sagemaker.core.workflow.parameters import ParameterInteger
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import ProcessingStep

    from workshop.account.images import training_image
    from workshop.news.load import load
    from workshop.pipeline.inputs import copy_tokenizer, upload_raw_news
    from workshop.pipeline.sources import pipeline_sources

    settings, sources = aws.settings, pipeline_sources(aws.settings.home / "pipeline")
    kept = {"train": settings.pipeline_train_rows, "validation": _TEST_ROWS, "test": _TEST_ROWS}
    read = {split: 2 * num_rows for split, num_rows in kept.items()}  # some are rejected
    news = load(settings.news_source, "full", seed=settings.seed, base_dir=settings.repo_dir, most=read)
    inputs = {
        "raw": upload_raw_news(aws, news),
        "tokenizer": copy_tokenizer(aws, state.training_job.base_model_uri),
    }
    os.environ.setdefault("AWS_DEFAULT_REGION", aws.region)  # the SDK makes a session of its own there
    session = PipelineSession(
        boto_session=aws.boto_session, default_bucket=aws.bucket, default_bucket_prefix=aws.prefix
    )
    rows = ParameterInteger(name=ROWS_PARAMETER, default_value=kept["train"])
    processor = FrameworkProcessor(
        image_uri=training_image(aws.region, settings.pipeline_instance_type), command=["python3"],
        role=aws.role_arn, instance_count=1, instance_type=settings.processing_instance_type,
        max_runtime_in_seconds=settings.pipeline_max_run_s, code_location=aws.uri("pipeline", "code"),
        sagemaker_session=session, tags=aws.tags,
    )  # fmt: skip
    arguments = ["--input", f"{_INSIDE}/input/raw", "--tokenizer", f"{_INSIDE}/input/tokenizer",
                 "--output", f"{_INSIDE}/output", "--max_tokens", str(_MAX_TOKENS),
                 "--train_rows", rows.to_string()]  # fmt: skip
    arguments += [word for split in ("validation", "test") for word in (f"--{split}_rows", str(kept[split]))]
    whole = {"s3_data_type": "S3Prefix", "s3_input_mode": "File"}
    step = ProcessingStep(
        name="Prepare",
        step_args=processor.run(
            code=str(sources.prepare),
            source_dir=str(sources.folder),
            job_name=f"news-prepare-{sources.digest}",
            arguments=arguments,
            inputs=[
                ProcessingInput(input_name=one, s3_input=ProcessingS3Input(
                    s3_uri=uri, local_path=f"{_INSIDE}/input/{one}", **whole
                )) for one, uri in inputs.items()
            ],
            outputs=[
                ProcessingOutput(output_name=one, s3_output=ProcessingS3Output(
                    s3_uri=aws.uri("pipeline", name, "prepared", one),
                    local_path=f"{_INSIDE}/output/{one}", s3_upload_mode="EndOfJob",
                )) for one in (*kept, "report")
            ],
        ),
    )  # fmt: skip
    pipeline = Pipeline(
        name=name,
        parameters=[rows],
        steps=[step],
        sagemaker_session=session,
        pipeline_experiment_config=None,
    )
    return pipeline.upsert(role_arn=aws.role_arn)["PipelineArn"]
