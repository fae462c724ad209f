"""What an alarm starts: the pipeline of notebook 06 where it is, else a small one that only prepares."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.workshop.pipeline.test_watch import TIMEOUT_S, News, job_step

from workshop.aws.session import Aws
from workshop.aws.upload import upload_base_model
from workshop.entries import RunState, TrainingJobState, now_utc
from workshop.monitoring.alarm import wait_for_alarm
from workshop.pipeline.results import parameters_of
from workshop.pipeline.retraining import (
    ROWS_PARAMETER,
    execution_since,
    retraining_pipeline,
    wait_for_execution,
    watch_first_step,
)
from workshop.state import State

NOTEBOOK = "06-Pipeline-Registry"


@pytest.fixture
def state(sample_aws: Aws, tmp_path: Path) -> State:
    """A state of its own, with the training job of notebook 03."""
    settings = replace(sample_aws.settings, workshop_home=tmp_path)
    made = State.load(settings)
    made.training_job = TrainingJobState.started(
        settings, notebook="03-SageMaker-Training", job_name="news-train-1",
        base_model_uri=upload_base_model(sample_aws, settings),
    )  # fmt: skip
    made.save()
    return made


def pipeline_run(name: str) -> RunState:
    return RunState(made_at=now_utc(), notebook=NOTEBOOK, name=name, request_sha256="")


def test_the_pipeline_of_notebook_06_is_taken_where_it_is_there(sample_aws: Aws, state: State) -> None:
    of_06 = News(sample_aws)
    state.keep("pipeline_run", pipeline_run(of_06.name))
    found = retraining_pipeline(sample_aws, state, name="news-monitor-unused")
    assert (found.name, found.arn.rpartition("/")[2]) == (of_06.name, of_06.name)
    assert found.why.startswith(f"{of_06.name}: the pipeline of notebook 06")
    names = {
        one["PipelineName"]
        for page in sample_aws.client("sagemaker").get_paginator("list_pipelines").paginate()
        for one in page["PipelineSummaries"]
    }
    assert "news-monitor-unused" not in names


def test_without_it_a_small_pipeline_is_made_once_and_begins_with_prepare(
    sample_aws: Aws, state: State
) -> None:
    """Its name is recorded, and somebody has deleted it since: what is there counts."""
    sagemaker, name = sample_aws.client("sagemaker"), f"news-monitor-{uuid.uuid4().hex[:8]}"
    state.keep("pipeline_run", pipeline_run("news-pipeline-gone"))
    made, again = (retraining_pipeline(sample_aws, state, name=name) for _ in range(2))
    assert made == again
    assert made.why.startswith(f"{name}: one step, Prepare")
    before = datetime.now(UTC)
    assert execution_since(sample_aws, name, before) is None
    started = sagemaker.start_pipeline_execution(
        PipelineName=name,
        PipelineParameters=[{"Name": ROWS_PARAMETER, "Value": "20"}],
        ClientRequestToken=uuid.uuid4().hex,
    )["PipelineExecutionArn"]
    assert execution_since(sample_aws, name, before) == started
    begun = watch_first_step(sample_aws, started, timeout_s=TIMEOUT_S)
    assert [(step.name, step.type) for step in begun.steps] == [("Prepare", "Processing")]
    assert begun.steps[0].status in ("Executing", "Succeeded"), begun
    job = sagemaker.describe_processing_job(ProcessingJobName=begun.steps[0].arn.rpartition("/")[2])
    words = job["AppSpecification"]["ContainerArguments"]
    assert words[words.index("--train_rows") + 1] == "20"
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=started, ClientRequestToken=uuid.uuid4().hex)


def test_an_alarm_starts_the_pipeline_of_notebook_06_by_a_rule_that_hands_it_a_parameter(
    sample_aws: Aws, state: State
) -> None:
    sagemaker, cloudwatch, events = map(sample_aws.client, ("sagemaker", "cloudwatch", "events"))
    name = f"news-pipeline-{uuid.uuid4().hex[:8]}"
    parameters = [{"Name": ROWS_PARAMETER, "Type": "Integer", "DefaultValue": 160}]
    definition = {
        "Version": "2020-12-01", "Metadata": {}, "Parameters": parameters,
        "Steps": [job_step(sample_aws, "Prepare", "0")],
    }  # fmt: skip
    sagemaker.create_pipeline(
        PipelineName=name, PipelineDefinition=json.dumps(definition), RoleArn=sample_aws.role_arn,
        ClientRequestToken=uuid.uuid4().hex,
    )  # fmt: skip
    state.keep("pipeline_run", pipeline_run(name))
    retraining, alarm = retraining_pipeline(sample_aws, state, name="news-unused"), f"{name}-drift"
    cloudwatch.put_metric_alarm(
        AlarmName=alarm, Namespace="KoreanNews/Test", MetricName=alarm, Statistic="Maximum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold",
    )  # fmt: skip
    detail = {"alarmName": [alarm], "state": {"value": ["ALARM"]}}
    events.put_rule(Name=alarm, EventPattern=json.dumps({"source": ["aws.cloudwatch"], "detail": detail}))
    handed = {"PipelineParameterList": [{"Name": ROWS_PARAMETER, "Value": "32"}]}
    target = {"Id": "retraining", "Arn": retraining.arn, "RoleArn": sample_aws.role_arn}
    events.put_targets(Rule=alarm, Targets=[{**target, "SageMakerPipelineParameters": handed}])
    data = [{"MetricName": alarm, "Timestamp": datetime.now(UTC), "Value": 1.0}]
    cloudwatch.put_metric_data(Namespace="KoreanNews/Test", MetricData=data)
    since = wait_for_alarm(sample_aws, alarm, "ALARM", timeout_s=TIMEOUT_S)["StateUpdatedTimestamp"]
    started = wait_for_execution(sample_aws, name, since, timeout_s=TIMEOUT_S)
    assert parameters_of(sample_aws, started) == {ROWS_PARAMETER: "32"}
    events.remove_targets(Rule=alarm, Ids=["retraining"])
    events.delete_rule(Name=alarm)
    cloudwatch.delete_alarms(AlarmNames=[alarm])
