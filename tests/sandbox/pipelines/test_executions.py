"""Executions of pipelines: steps of every type, in their order, with what they have made."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from sandbox.iam.authorization import FILE_NAME, read_calls

from .conftest import Pipelines, walk


def test_each_step_runs_when_what_it_needs_is_there(pipelines: Pipelines) -> None:
    arn = pipelines.run(walk())
    execution, steps = pipelines.describe(arn), pipelines.steps(arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded", steps
    assert list(steps) == ["Prepare", "Train", "Evaluate", "Better", "Register"]
    assert {step["StepStatus"] for step in steps.values()} == {"Succeeded"}
    assert steps["Better"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    package = pipelines.sagemaker.describe_model_package(
        ModelPackageName=steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    )
    job = pipelines.sagemaker.describe_training_job(
        TrainingJobName=steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    )
    [container] = package["InferenceSpecification"]["Containers"]
    source = container["ModelDataSource"]["S3DataSource"]["S3Uri"]
    assert source == job["ModelArtifacts"]["S3ModelArtifacts"]


def test_the_other_branch_fails_with_its_message(pipelines: Pipelines) -> None:
    arn = pipelines.run(walk(), {"Bar": "0.9"})
    execution, steps = pipelines.describe(arn), pipelines.steps(arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "Step failure: One or multiple steps failed."
    assert list(steps) == ["Prepare", "Train", "Evaluate", "Better", "TooWeak"]
    assert steps["TooWeak"]["FailureReason"] == "below 0.9"
    assert steps["TooWeak"]["Metadata"] == {"Fail": {"ErrorMessage": "below 0.9"}}


def test_an_execution_is_described_and_listed_as_it_was_started(pipelines: Pipelines) -> None:
    client, name = pipelines.sagemaker, pipelines.create(walk())
    told = {"PipelineExecutionDisplayName": "Nightly", "PipelineExecutionDescription": "밤마다"}
    arn = pipelines.start(name, {"Bar": "2"}, **told)
    client.stop_pipeline_execution(PipelineExecutionArn=arn)
    other = pipelines.start(name)
    client.stop_pipeline_execution(PipelineExecutionArn=other)
    assert {key: pipelines.describe(arn)[key] for key in told} == told
    assert pipelines.describe(other)["PipelineExecutionDisplayName"].startswith("execution-")
    changed = {"PipelineExecutionDisplayName": "Daily", "PipelineExecutionDescription": "d"}
    client.update_pipeline_execution(PipelineExecutionArn=arn, **changed)
    assert {key: pipelines.describe(arn)[key] for key in told} == changed
    given = client.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)
    assert given["PipelineParameters"] == [{"Name": "Bar", "Value": "2.0"}]
    pages = client.get_paginator("list_pipeline_executions").paginate(
        PipelineName=name, SortOrder="Ascending", PaginationConfig={"PageSize": 1}
    )
    listed = [each for page in pages for each in page["PipelineExecutionSummaries"]]
    assert [each["PipelineExecutionArn"] for each in listed] == [arn, other]
    assert listed[0]["PipelineExecutionDisplayName"] == "Daily"
    for each in (arn, other):
        assert pipelines.wait(each)["PipelineExecutionStatus"] == "Stopped"


def test_steps_call_with_the_role_of_their_pipeline(pipelines: Pipelines) -> None:
    arn = pipelines.run(walk(), {"Bar": "0.5"})
    id_ = arn.rpartition("/")[2]
    calls = read_calls(pipelines.sandbox.home / FILE_NAME)
    made = {each["action"] for each in calls if f"/pipelines-{id_}-" in each["resource"]}
    assert made == {
        *("sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob", "sagemaker:AddTags"),
        *("sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob"),
    }
    who = {each["who"] for each in calls if f"/pipelines-{id_}-" in each["resource"]}
    assert who == {"execution"}
    assert {
        each["who"] for each in calls if each["action"] in ("sagemaker:CreateModelPackage", "iam:PassRole")
    } >= {"execution"}


def test_a_role_that_may_not_make_a_job_fails_the_step(pipelines: Pipelines) -> None:
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    denied = {"Effect": "Deny", "Action": "sagemaker:CreateTrainingJob", "Resource": "*"}
    policies = {"person": [statements(allowed)], "execution": [statements(allowed, denied)]}
    name = pipelines.create(walk())
    ask_policies(pipelines, "PUT", policies)
    try:
        arn = pipelines.start(name)
        pipelines.wait(arn)
        step = pipelines.steps(arn)["Train"]
    finally:
        ask_policies(pipelines, "DELETE")
    assert step["StepStatus"] == "Failed"
    assert "is not authorized to perform: sagemaker:CreateTrainingJob" in step["FailureReason"]


def statements(*them: dict[str, str]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(them)}


def ask_policies(pipelines: Pipelines, method: str, policies: dict[str, Any] | None = None) -> None:
    body = json.dumps(policies).encode() if policies else None
    url = f"{pipelines.sandbox.url}/_sandbox/policies"
    urllib.request.urlopen(urllib.request.Request(url, body, method=method), timeout=300).close()
