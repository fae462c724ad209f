"""What happens to an execution on its way: steps beside each other, stops, failures, retries, reuse."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from .conftest import (
    IMAGE,
    ROLE,
    Pipelines,
    condition,
    definition,
    failure,
    processing,
    refused,
    registration,
    reporting,
    score_of,
    training,
)

WAITS = "import time; time.sleep(600)"
# Ends when the file is there: what is tested decides when.
WAITS_FOR = "import os, time; [time.sleep(0.02) for _ in iter(lambda: os.path.exists(%r), True)]"
FAILS = "raise SystemExit(3)"


def ask_for(pipelines: Pipelines, operation: str, fault: str, count: int = 1) -> None:
    """Ask for faults of the next calls."""
    body = json.dumps({"operation": operation, "fault": fault, "count": count}).encode()
    request = urllib.request.Request(f"{pipelines.sandbox.url}/_sandbox/faults", body, method="PUT")
    urllib.request.urlopen(request, timeout=300).close()


def until_running(pipelines: Pipelines, arn: str, *names: str) -> None:
    """Wait until these steps have jobs that run."""

    def so_far() -> dict[str, str]:
        assert pipelines.status(arn) == "Executing", pipelines.steps(arn)
        return pipelines.statuses(arn)

    pipelines.until(so_far, lambda it: all(it.get(name) == "Executing" for name in names), arn)


def jobs_of(pipelines: Pipelines, arn: str) -> list[str]:
    """Return the steps for which processing jobs were made, in their order."""
    pages = pipelines.sagemaker.get_paginator("list_processing_jobs").paginate(
        NameContains=f"pipelines-{arn.rpartition('/')[2]}"
    )
    names = [each["ProcessingJobName"] for page in pages for each in page["ProcessingJobSummaries"]]
    return [name.split("-")[2] for name in names]


def test_steps_that_wait_for_nothing_run_beside_each_other_up_to_the_limit(pipelines: Pipelines) -> None:
    text = definition(processing("A", WAITS), processing("B", WAITS), processing("C", DependsOn=["A"]))
    name = pipelines.create(text, ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
    limited = pipelines.start(name)
    wide = pipelines.start(name, ParallelismConfiguration={"MaxParallelExecutionSteps": 2})
    until_running(pipelines, wide, "A", "B")
    until_running(pipelines, limited, "A")
    assert list(pipelines.statuses(limited)) == ["A"]
    for arn in (limited, wide):
        pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
        assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Stopped"
        assert set(pipelines.statuses(arn).values()) == {"Stopped"}


def test_a_stopped_execution_goes_on_with_what_had_not_succeeded(pipelines: Pipelines) -> None:
    client, goes_on = pipelines.sagemaker, pipelines.sandbox.home.with_name("goes-on")
    slow = processing("Slow", WAITS_FOR % str(goes_on), DependsOn=["Quick"])
    arn = pipelines.start(pipelines.create(definition(processing("Quick"), slow)))
    until_running(pipelines, arn, "Slow")
    assert refused(client.retry_pipeline_execution, PipelineExecutionArn=arn)[0] == "ConflictException"
    quick = pipelines.steps(arn)["Quick"]
    client.stop_pipeline_execution(PipelineExecutionArn=arn)
    client.stop_pipeline_execution(PipelineExecutionArn=arn)
    stopped = pipelines.wait(arn)
    assert (stopped["PipelineExecutionStatus"], "FailureReason" in stopped) == ("Stopped", False)
    assert pipelines.statuses(arn) == {"Quick": "Succeeded", "Slow": "Stopped"}
    job = pipelines.steps(arn)["Slow"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    assert client.describe_processing_job(ProcessingJobName=job)["ProcessingJobStatus"] == "Stopped"
    code, message = refused(client.stop_pipeline_execution, PipelineExecutionArn=arn)
    assert (code, "in status Stopped" in message) == ("ValidationException", True)
    goes_on.touch()
    token = {"ClientRequestToken": "r" * 32}
    assert client.retry_pipeline_execution(PipelineExecutionArn=arn, **token)["PipelineExecutionArn"] == arn
    client.retry_pipeline_execution(PipelineExecutionArn=arn, **token)
    assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert pipelines.steps(arn)["Quick"] == quick
    assert jobs_of(pipelines, arn) == ["quick", "slow", "slow"]
    assert refused(client.retry_pipeline_execution, PipelineExecutionArn=arn)[0] == "ConflictException"


def test_what_runs_beside_a_failure_ends_and_nothing_else_begins(pipelines: Pipelines) -> None:
    goes_on = pipelines.sandbox.home.with_name("beside")
    text = definition(
        processing("Fails", FAILS),
        processing("Beside", WAITS_FOR % str(goes_on)),
        processing("After", DependsOn=["Fails"]),
        processing("AfterBeside", DependsOn=["Beside"]),
    )
    arn = pipelines.start(pipelines.create(text))
    pipelines.until(lambda: pipelines.statuses(arn), lambda it: it.get("Fails") == "Failed", arn)
    assert pipelines.status(arn) == "Executing"
    goes_on.touch()
    ended = pipelines.wait(arn)
    assert ended["FailureReason"] == "Step failure: One or multiple steps failed."
    assert pipelines.statuses(arn) == {"Fails": "Failed", "Beside": "Succeeded"}
    step = pipelines.steps(arn)["Fails"]
    assert step["FailureReason"] == "ClientError: AlgorithmError: , exit code: 3"


def test_a_call_that_is_refused_is_the_reason_of_its_step(pipelines: Pipelines) -> None:
    ask_for(pipelines, "CreateTrainingJob", "ResourceLimitExceeded")
    arn = pipelines.run(definition(training("Train")))
    step = pipelines.steps(arn)["Train"]
    assert step["FailureReason"].startswith(
        "ClientError: Failed to invoke sagemaker:CreateTrainingJob. Error Details: The account-level service"
    )
    assert step["FailureReason"].endswith("for the exception type SAGEMAKER_RESOURCE_LIMIT.")
    assert (step["StepStatus"], step["AttemptCount"], step["Metadata"]) == ("Failed", 1, {})
    wrong = {"RoleArn": {"Get": "Parameters.Role"}}
    role = ({"Name": "Role", "Type": "String", "DefaultValue": "none"},)
    arn = pipelines.run(definition(training("Train", arguments=wrong), parameters=role))
    assert (
        "CreateTrainingJob. Error Details: 2 validation errors"
        in pipelines.steps(arn)["Train"]["FailureReason"]
    )


def test_a_step_is_tried_again_as_its_policies_say(pipelines: Pipelines) -> None:
    quick = {"IntervalSeconds": 1, "BackoffRate": 1.0}
    policies = [{"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "MaxAttempts": 2, **quick}]
    name = pipelines.create(definition(processing("Step", RetryPolicies=policies)))
    ask_for(pipelines, "CreateProcessingJob", "InsufficientCapacity")
    ask_for(pipelines, "CreateProcessingJob", "Throttling")  # which every step is tried again for
    arn = pipelines.start(name)
    assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert pipelines.steps(arn)["Step"]["AttemptCount"] == 3
    assert "FailureReason" not in pipelines.steps(arn)["Step"]
    ask_for(pipelines, "CreateProcessingJob", "InsufficientCapacity")
    arn = pipelines.run(definition(processing("Step")))
    step = pipelines.steps(arn)["Step"]
    assert (step["StepStatus"], step["AttemptCount"]) == ("Failed", 1)
    assert step["FailureReason"].startswith("ClientError: CapacityError: ")


def test_a_step_that_waits_to_be_tried_again_is_stopped_at_once(pipelines: Pipelines) -> None:
    policies = [{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 1, "IntervalSeconds": 3600}]
    ask_for(pipelines, "CreateProcessingJob", "Throttling")
    arn = pipelines.start(pipelines.create(definition(processing("Step", RetryPolicies=policies))))
    pipelines.until(lambda: pipelines.steps(arn), lambda it: "FailureReason" in it.get("Step", {}), arn)
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Stopped"
    assert pipelines.statuses(arn) == {"Step": "Stopped"}


def test_an_earlier_run_stands_for_a_step_with_the_same_arguments(pipelines: Pipelines) -> None:
    cached = {"CacheConfig": {"Enabled": True, "ExpireAfter": "1d"}}
    better = condition("Better", score_of("Report"), {"Get": "Parameters.Bar"}, then=[], otherwise=[])
    bar = ({"Name": "Bar", "Type": "Float", "DefaultValue": 0.5},)
    name = pipelines.create(definition(reporting("Report", **cached), better, parameters=bar))
    first, second = pipelines.start(name), None
    pipelines.wait(first)
    second = pipelines.start(name)
    assert pipelines.wait(second)["PipelineExecutionStatus"] == "Succeeded"
    before, after = pipelines.steps(first), pipelines.steps(second)
    assert after["Report"]["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
    assert after["Report"]["Metadata"] == before["Report"]["Metadata"]
    assert after["Better"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    assert (jobs_of(pipelines, first), jobs_of(pipelines, second)) == (["report"], [])
    changed = definition(reporting("Report", '{"score": {"value": 0.1}}', **cached), better, parameters=bar)
    pipelines.sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=changed)
    third = pipelines.start(name)
    pipelines.wait(third)
    assert pipelines.steps(third)["Better"]["Metadata"] == {"Condition": {"Outcome": "False"}}
    assert jobs_of(pipelines, third) == ["report"]


def test_jobs_and_models_have_the_tags_and_names_of_their_step(pipelines: Pipelines) -> None:
    client = pipelines.sagemaker
    tags = [{"Key": "team", "Value": "news"}]
    uri = {"Get": "Steps.Train_it.ModelArtifacts.S3ModelArtifacts"}
    source = {"S3DataSource": {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}}
    arguments = {
        "PrimaryContainer": {"Image": IMAGE, "ModelDataSource": source},
        "ExecutionRoleArn": ROLE,
        "Tags": tags,
    }
    model = {"Name": "Make", "Type": "Model", "Arguments": arguments}
    named = failure("Named", {"Get": "Steps.Make.ModelName"})
    arn = pipelines.run(definition(training("Train_it", arguments={"Tags": tags}), model, named))
    steps: dict[str, Any] = pipelines.steps(arn)
    job, made = steps["Train_it"]["Metadata"]["TrainingJob"]["Arn"], steps["Make"]["Metadata"]["Model"]["Arn"]
    prefix = f"pipelines-{arn.rpartition('/')[2]}"
    assert job.partition("/")[2].startswith(f"{prefix}-train-it-")
    assert made.partition("/")[2].startswith(f"{prefix}-make-")
    assert steps["Named"]["FailureReason"] == made.partition("/")[2]
    for each, step in ((job, "Train_it"), (made, "Make")):
        found = {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceArn=each)["Tags"]}
        assert found == {
            "team": "news",
            "sagemaker:pipeline-execution-arn": arn,
            "sagemaker:pipeline-step-name": step,
        }


def test_a_throttled_look_at_what_was_made_makes_it_no_second_time(pipelines: Pipelines) -> None:
    text = definition(training("Train"), registration("Register", "Train", "looked-at"))
    name = pipelines.create(text)
    for operation in ("DescribeTrainingJob", "DescribeModelPackage"):
        ask_for(pipelines, operation, "Throttling", count=5)  # more than are repeated at once
    arn = pipelines.start(name)
    assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert [step["AttemptCount"] for step in pipelines.steps(arn).values()] == [1, 1]
    listed = pipelines.sagemaker.list_model_packages(ModelPackageGroupName="looked-at")
    assert len(listed["ModelPackageSummaryList"]) == 1


def test_a_name_in_the_definition_begins_the_name_of_the_job(pipelines: Pipelines) -> None:
    named = {"TrainingJobName": f"My-{'long-' * 11}name"}
    arn = pipelines.run(definition(training("Train", arguments=named)))
    name = pipelines.steps(arn)["Train"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    assert name.startswith(f"my-{'long-' * 7}l-{arn.rpartition('/')[2]}-")
    assert len(name) == 63


def test_a_report_that_is_not_there_fails_the_step_that_reads_it(pipelines: Pipelines) -> None:
    silent = {**reporting("Silent"), "Arguments": processing("Silent")["Arguments"]}
    better = condition("Better", score_of("Silent"), 0.5, then=[], otherwise=[])
    arn = pipelines.run(definition(silent, better))
    step = pipelines.steps(arn)["Better"]
    assert step["StepStatus"] == "Failed"
    assert "report.json from S3" in step["FailureReason"]
    assert pipelines.status(arn) == "Failed"


def test_a_job_that_somebody_stops_fails_its_step(pipelines: Pipelines) -> None:
    arn = pipelines.start(pipelines.create(definition(processing("Step", WAITS))))
    until_running(pipelines, arn, "Step")
    job = pipelines.steps(arn)["Step"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    pipelines.sagemaker.stop_processing_job(ProcessingJobName=job)
    assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Failed"
    assert pipelines.steps(arn)["Step"]["FailureReason"] == f"ClientError: The job {job} was stopped."


def selection(*names: str, source: str | None = None) -> dict[str, Any]:
    """Return the configuration of an execution of some steps."""
    config: dict[str, Any] = {"SelectedSteps": [{"StepName": name} for name in names]}
    return {**config, "SourcePipelineExecutionArn": source} if source else config


def test_selected_steps_run_on_what_an_earlier_execution_left(pipelines: Pipelines) -> None:
    client = pipelines.sagemaker
    text = definition(
        processing("Before"),
        reporting("Report", DependsOn=["Before"]),
        condition("Better", score_of("Report"), 0.5, then=[processing("Then")], otherwise=[]),
        processing("After", DependsOn=["Better"]),
    )
    name = pipelines.create(text)
    whole = pipelines.start(name)
    start = client.start_pipeline_execution
    config = selection("Better", source=whole)
    assert "has ended" in refused(start, PipelineName=name, SelectiveExecutionConfig=config)[1]
    pipelines.wait(whole)
    arn = pipelines.start(name, SelectiveExecutionConfig=selection("Better", "Then", source=whole))
    execution = pipelines.wait(arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert execution["SelectiveExecutionConfig"] == selection("Better", "Then", source=whole)
    steps = pipelines.steps(arn)
    assert set(steps) == {"Before", "Report", "Better", "Then"}
    reused = {name for name, step in steps.items() if "SelectiveExecutionResult" in step}
    assert reused == {"Before", "Report"}
    assert steps["Report"]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": whole}
    assert jobs_of(pipelines, arn) == ["then"]
    for names, source, message in (
        (("Better",), None, "needs step 'Report'"),
        (("Before", "Better"), whole, "lies between selected steps"),
        (("Nowhere",), whole, "not in the pipeline's definition"),
    ):
        config = selection(*names, source=source)
        assert message in refused(start, PipelineName=name, SelectiveExecutionConfig=config)[1]
    alone = pipelines.start(name, SelectiveExecutionConfig=selection("Before"))
    pipelines.wait(alone)
    assert pipelines.statuses(alone) == {"Before": "Succeeded"}
