"""The clients of pipelines as they are: SDK v3's Pipeline, its resource classes, and boto3's paginators."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import WaiterError

from .conftest import BUCKET, IMAGE, ROLE, Pipelines, definition, failure, processing, refused

NAME = "by-the-sdk"
PROGRAM = (
    "import json, pathlib, sys; scores = {'scores': [{'rouge l': float(sys.argv[1])}], 'seen': sys.argv[2]};"
    "pathlib.Path('/opt/ml/processing/output/report', 'report.json').write_text(json.dumps(scores))"
)


@pytest.fixture
def session(pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A boto3 session whose every client talks to the sandbox."""
    for name, value in {
        "AWS_ENDPOINT_URL": pipelines.sandbox.url,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(pipelines.sandbox.home / "sagemaker-sdk.yaml"),
        "SAGEMAKER_VALIDATE_ROLE": "false",
    }.items():
        monkeypatch.setenv(name, value)
    return boto3.session.Session()


def test_the_sdks_pipeline_runs_with_every_kind_of_value_and_is_cached(session: Any) -> None:
    pipeline = evaluated_pipeline(session)
    assert pipeline.upsert(role_arn=ROLE)["PipelineArn"].endswith(f":pipeline/{NAME}")
    pipeline.upsert(role_arn=ROLE, description="the second time it is there already")
    assert pipeline.describe()["PipelineDescription"] == "the second time it is there already"
    execution = pipeline.start(parameters={"Bar": 0.5, "Stamp": "b"}, execution_display_name="first")
    execution.wait(delay=1)
    assert execution.describe()["PipelineExecutionDisplayName"] == "first"
    steps = {step["StepName"]: step for step in execution.list_steps()}
    assert {name: step["StepStatus"] for name, step in steps.items()} == dict.fromkeys(
        ("Evaluate", "Good", "Inner"), "Succeeded"
    )
    assert steps["Good"]["Metadata"]["Condition"]["Outcome"].lower() == "true"
    values = {each["Name"]: each["Value"] for each in execution.list_parameters()["PipelineParameters"]}
    assert values == {"Bar": "0.5", "Stamp": "b", "Rows": "3", "Strict": "true"}
    assert pipeline.build_parameters_from_execution(execution.arn, {"Bar": 0.9})["Bar"] == 0.9

    again = pipeline.start(parameters={"Bar": 0.9, "Stamp": "b"})
    with pytest.raises(WaiterError, match='matched expected path: "Failed"'):
        again.wait(delay=1)
    steps = {step["StepName"]: step for step in again.list_steps()}
    assert steps["Evaluate"]["CacheHitResult"] == {"SourcePipelineExecutionArn": execution.arn}
    assert steps["TooWeak"]["FailureReason"] == f"{NAME} of 3 rows is below 0.9: {execution_id(again)}"
    listed = pipeline.list_executions()["PipelineExecutionSummaries"]
    assert [each["PipelineExecutionArn"] for each in listed] == [again.arn, execution.arn]
    with pytest.raises(ValueError, match="created using @step decorator"):
        execution.result("Evaluate")  # The SDK knows results of its @step functions alone.
    pipeline.delete()


def execution_id(execution: Any) -> str:
    return execution.arn.rpartition("/")[2]


def evaluated_pipeline(session: Any) -> Any:
    """Return a pipeline of the SDK's own classes: a processing step, two conditions, a Fail step."""
    from sagemaker.core.processing import ScriptProcessor
    from sagemaker.core.shapes import ProcessingOutput, ProcessingS3Output
    from sagemaker.core.workflow.conditions import (
        ConditionEquals,
        ConditionGreaterThanOrEqualTo,
        ConditionIn,
        ConditionNot,
        ConditionOr,
    )
    from sagemaker.core.workflow.execution_variables import ExecutionVariables
    from sagemaker.core.workflow.functions import Join, JsonGet
    from sagemaker.core.workflow.parameters import (
        ParameterBoolean,
        ParameterFloat,
        ParameterInteger,
        ParameterString,
    )
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.retry import StepExceptionTypeEnum, StepRetryPolicy
    from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep

    bar = ParameterFloat(name="Bar")
    rows = ParameterInteger(name="Rows", default_value=3)
    strict = ParameterBoolean(name="Strict", default_value=True)
    stamp = ParameterString(name="Stamp", default_value="a", enum_values=["a", "b"])
    pipeline_session = PipelineSession(boto_session=session, default_bucket=BUCKET)
    folder = "/opt/ml/processing/output/report"
    processor = ScriptProcessor(
        image_uri=IMAGE,
        command=["python3"],
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.xlarge",
        sagemaker_session=pipeline_session,
        env={"STAMP": Join(on="-", values=[stamp, Join(on="+", values=[rows, strict])])},
    )
    uri = Join(on="/", values=[f"s3://{BUCKET}", ExecutionVariables.PIPELINE_EXECUTION_ID, "report"])
    report = ProcessingS3Output(s3_uri=uri, local_path=folder, s3_upload_mode="EndOfJob")
    session.client("s3").put_object(Bucket=BUCKET, Key="code/evaluate.py", Body=PROGRAM.encode())
    file = PropertyFile(name="Report", output_name="report", path="report.json")
    evaluate = ProcessingStep(
        name="Evaluate",
        step_args=processor.run(
            code=f"s3://{BUCKET}/code/evaluate.py",
            arguments=["0.75", stamp],
            outputs=[ProcessingOutput(output_name="report", s3_output=report)],
        ),
        property_files=[file],
        cache_config=CacheConfig(enable_caching=True, expire_after="PT1H"),
        retry_policies=[StepRetryPolicy([StepExceptionTypeEnum.THROTTLING], max_attempts=2)],
    )
    score = JsonGet(step_name="Evaluate", property_file=file, json_path="scores[0]['rouge l']")
    seen = JsonGet(step_name="Evaluate", property_file=file, json_path="seen")
    reason = Join(
        on=" ",
        values=[
            ExecutionVariables.PIPELINE_NAME,
            "of",
            rows,
            "rows is below",
            Join(on=": ", values=[bar, ExecutionVariables.PIPELINE_EXECUTION_ID]),
        ],
    )
    outputs = evaluate.properties.ProcessingOutputConfig.Outputs
    inner = ConditionStep(
        name="Inner",
        conditions=[ConditionNot(ConditionIn(outputs["report"].S3Output.S3Uri, ["s3://elsewhere"]))],
    )
    good = ConditionStep(
        name="Good",
        conditions=[
            ConditionGreaterThanOrEqualTo(left=score, right=bar),
            ConditionOr([ConditionEquals(seen, stamp), ConditionEquals(strict, False)]),
        ],
        if_steps=[inner],
        else_steps=[FailStep(name="TooWeak", error_message=reason)],
    )
    return Pipeline(
        name=NAME,
        parameters=[bar, rows, strict, stamp],
        steps=[evaluate, good],
        sagemaker_session=pipeline_session,
    )


def test_the_sdks_resource_classes_make_follow_stop_and_delete(session: Any, pipelines: Pipelines) -> None:
    from sagemaker.core.resources import Pipeline, PipelineExecution

    text = definition(processing("Wait", "import time; time.sleep(600)"))
    pipeline = Pipeline.create(
        pipeline_name="by-the-classes",
        client_request_token="t" * 32,
        role_arn=ROLE,
        pipeline_definition=text,
        session=session,
    )
    assert pipeline.pipeline_status == "Active"
    pipeline.update(pipeline_description="changed")
    pipeline.refresh()
    assert pipeline.pipeline_description == "changed"
    assert "by-the-classes" in [each.pipeline_name for each in Pipeline.get_all(session=session)]
    arn = pipelines.start("by-the-classes")
    execution = PipelineExecution.get(pipeline_execution_arn=arn, session=session)
    assert execution.pipeline_execution_status == "Executing"
    execution.update(pipeline_execution_description="being stopped")
    assert [
        each.pipeline_execution_arn for each in PipelineExecution.get_all("by-the-classes", session=session)
    ]
    assert execution.get_pipeline_definition(session=session).pipeline_definition == text
    # Of 3.27: it wants a token that the class does not have. boto3 and the Pipeline class stop it.
    with pytest.raises(AttributeError, match="client_request_token"):
        execution.stop()
    session.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=arn)
    execution.wait_for_status("Stopped", poll=1, timeout=300)
    assert [each.step_status for each in execution.get_all_steps(session=session)] == ["Stopped"]
    pipeline.delete(client_request_token="u" * 32)
    assert (
        refused(pipelines.sagemaker.describe_pipeline, PipelineName="by-the-classes")[0] == "ResourceNotFound"
    )


def test_boto3s_paginators_give_everything_once(pipelines: Pipelines) -> None:
    parameters = tuple({"Name": f"P{i}", "Type": "Integer", "DefaultValue": i} for i in range(5))
    message = {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.P0"}]}}
    names = [pipelines.create(definition(failure("End", message), parameters=parameters)) for _ in range(3)]
    arns = [pipelines.start(names[0]) for _ in range(3)]
    for arn in arns:
        pipelines.wait(arn)

    def pages(operation: str, **request: Any) -> list[dict[str, Any]]:
        paginator = pipelines.sagemaker.get_paginator(operation)
        return [*paginator.paginate(**request, PaginationConfig={"PageSize": 2})]

    def seen(operation: str, members: str, key: str, **request: Any) -> list[str]:
        found = pages(operation, **request)
        assert all(len(page[members]) <= 2 for page in found)
        return [each[key] for page in found for each in page[members]]

    listed = seen("list_pipelines", "PipelineSummaries", "PipelineName")
    assert len(listed) == len(set(listed))
    assert set(names) <= set(listed)
    executions = seen(
        "list_pipeline_executions",
        "PipelineExecutionSummaries",
        "PipelineExecutionArn",
        PipelineName=names[0],
    )
    assert executions == arns[::-1]
    of_one = {"PipelineExecutionArn": arns[0]}
    assert seen("list_pipeline_execution_steps", "PipelineExecutionSteps", "StepName", **of_one) == ["End"]
    given = seen("list_pipeline_parameters_for_execution", "PipelineParameters", "Name", **of_one)
    assert sorted(given) == ["P0", "P1", "P2", "P3", "P4"]
