"""Pipelines and their versions, through boto3."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from .conftest import BUCKET, ROLE, Pipelines, definition, failure, processing, refused, training

WAITS = "import time; time.sleep(600)"
FAILS = definition(failure("No", "as asked"))


def test_a_pipeline_is_described_as_it_was_made(pipelines: Pipelines) -> None:
    client, limit = pipelines.sagemaker, {"MaxParallelExecutionSteps": 2}
    name = pipelines.create(
        FAILS,
        PipelineDisplayName="News",
        PipelineDescription="뉴스",
        ParallelismConfiguration=limit,
        Tags=[{"Key": "team", "Value": "news"}],
    )
    described = client.describe_pipeline(PipelineName=name)
    assert described["PipelineDefinition"] == FAILS
    assert (described["PipelineDisplayName"], described["PipelineDescription"]) == ("News", "뉴스")
    assert (described["PipelineStatus"], described["RoleArn"]) == ("Active", ROLE)
    assert described["ParallelismConfiguration"] == limit
    assert "LastRunTime" not in described
    arn = described["PipelineArn"]
    assert client.describe_pipeline(PipelineName=arn)["PipelineName"] == name
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "news"}]
    pipelines.wait(pipelines.start(name))
    assert client.describe_pipeline(PipelineName=name)["LastRunTime"] > described["CreationTime"]


def test_a_definition_comes_from_s3_in_the_version_that_was_asked_for(pipelines: Pipelines) -> None:
    s3 = pipelines.sandbox.client("s3")
    s3.create_bucket(Bucket="definitions")
    s3.put_bucket_versioning(Bucket="definitions", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="definitions", Key="p.json", Body=FAILS.encode())["VersionId"]
    s3.put_object(Bucket="definitions", Key="p.json", Body=b"not JSON")
    place = {"Bucket": "definitions", "ObjectKey": "p.json"}
    request = {"PipelineName": "from-s3", "RoleArn": ROLE}
    create = pipelines.sagemaker.create_pipeline
    code, message = refused(create, **request, PipelineDefinitionS3Location=place)
    assert (code, "Unable to parse pipeline definition" in message) == ("ValidationException", True)
    missing = {"Bucket": BUCKET, "ObjectKey": "none.json"}
    assert "none.json" in refused(create, **request, PipelineDefinitionS3Location=missing)[1]
    both = {"PipelineDefinition": FAILS, "PipelineDefinitionS3Location": place}
    assert "not both" in refused(create, **request, **both)[1]
    assert "required" in refused(create, **request)[1]
    create(**request, PipelineDefinitionS3Location={**place, "VersionId": version})
    described = pipelines.sagemaker.describe_pipeline(PipelineName="from-s3")
    assert described["PipelineDefinition"] == FAILS


def test_the_same_token_makes_one_pipeline_and_one_execution(pipelines: Pipelines) -> None:
    token = {"ClientRequestToken": "0123456789" * 4}
    client = pipelines.sagemaker
    request = {"PipelineName": "once", "PipelineDefinition": FAILS, "RoleArn": ROLE}
    first, second = (client.create_pipeline(**request, **token)["PipelineArn"] for _ in range(2))
    assert first == second
    code, message = refused(client.create_pipeline, **request)
    assert (code, "already exists" in message) == ("ValidationException", True)
    assert pipelines.start("once", **token) == pipelines.start("once", **token)
    assert len(client.list_pipeline_executions(PipelineName="once")["PipelineExecutionSummaries"]) == 1


def test_a_changed_definition_is_a_new_version_and_what_runs_keeps_its_own(pipelines: Pipelines) -> None:
    client = pipelines.sagemaker
    slow = definition(processing("First", WAITS))
    name = pipelines.create(slow)
    arn = pipelines.start(name)
    assert client.update_pipeline(PipelineName=name, PipelineDescription="d")["PipelineVersionId"] == 1
    assert client.update_pipeline(PipelineName=name, PipelineDefinition=FAILS)["PipelineVersionId"] == 2
    told = client.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    assert told["PipelineDefinition"] == slow
    assert client.describe_pipeline(PipelineName=name)["PipelineDefinition"] == FAILS
    assert client.describe_pipeline(PipelineName=name, PipelineVersionId=1)["PipelineDefinition"] == slow
    client.update_pipeline_version(
        PipelineArn=client.describe_pipeline(PipelineName=name)["PipelineArn"],
        PipelineVersionId=2,
        PipelineVersionDisplayName="second",
        PipelineVersionDescription="d",
    )
    newest, oldest = client.list_pipeline_versions(PipelineName=name)["PipelineVersionSummaries"]
    assert (newest["PipelineVersionId"], newest["PipelineVersionDisplayName"]) == (2, "second")
    assert (oldest["PipelineVersionId"], oldest["LastExecutionPipelineExecutionArn"]) == (1, arn)
    code, _ = refused(client.describe_pipeline, PipelineName=name, PipelineVersionId=3)
    assert code == "ResourceNotFound"
    client.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Stopped"
    assert pipelines.describe(arn)["PipelineVersionId"] == 1
    second = pipelines.start(name)
    assert pipelines.wait(second)["PipelineVersionId"] == 2
    again = pipelines.start(name, PipelineVersionId=1)
    client.stop_pipeline_execution(PipelineExecutionArn=again)
    assert pipelines.wait(again)["PipelineVersionId"] == 1


def test_a_pipeline_is_deleted_with_its_executions_and_not_while_one_runs(pipelines: Pipelines) -> None:
    client = pipelines.sagemaker
    name = pipelines.create(definition(processing("First", WAITS)))
    arn = pipelines.start(name)
    code, message = refused(client.delete_pipeline, PipelineName=name)
    assert (code, arn in message) == ("ConflictException", True)
    client.stop_pipeline_execution(PipelineExecutionArn=arn)
    pipelines.wait(arn)
    client.delete_pipeline(PipelineName=name)
    for call, request in (
        (client.describe_pipeline, {"PipelineName": name}),
        (client.delete_pipeline, {"PipelineName": name}),
        (client.update_pipeline, {"PipelineName": name}),
        (client.start_pipeline_execution, {"PipelineName": name}),
        (client.list_pipeline_executions, {"PipelineName": name}),
        (client.describe_pipeline_execution, {"PipelineExecutionArn": arn}),
        (client.list_pipeline_execution_steps, {"PipelineExecutionArn": arn}),
        (client.retry_pipeline_execution, {"PipelineExecutionArn": arn}),
    ):
        assert refused(call, **request)[0] == "ResourceNotFound"
    kept = (pipelines.sandbox.home / "resources").glob("*/pipeline*/*.json")
    assert [path.name for path in kept if name in path.name or arn.rpartition("/")[2] in path.name] == []


def test_pipelines_are_listed_by_prefix_time_and_page(pipelines: Pipelines) -> None:
    client, long_ago = pipelines.sagemaker, datetime.now(UTC) - timedelta(days=1)
    for name in ("list-a", "list-b", "list-c"):
        client.create_pipeline(PipelineName=name, PipelineDefinition=FAILS, RoleArn=ROLE)

    def listed(**request: object) -> list[str]:
        pages = client.get_paginator("list_pipelines").paginate(PipelineNamePrefix="list", **request)
        return [each["PipelineName"] for page in pages for each in page["PipelineSummaries"]]

    assert listed(PaginationConfig={"PageSize": 2}) == ["list-c", "list-b", "list-a"]
    assert listed(SortBy="Name", SortOrder="Ascending") == ["list-a", "list-b", "list-c"]
    assert listed(CreatedBefore=long_ago) == []
    assert len(listed(CreatedAfter=long_ago)) == 3
    assert listed(ManagedBy="AWS") == []


@pytest.mark.parametrize("operation", ["Success", "Failure"])
def test_answers_to_callbacks_are_refused_by_name(pipelines: Pipelines, operation: str) -> None:
    call = getattr(pipelines.sagemaker, f"send_pipeline_execution_step_{operation.lower()}")
    code, message = refused(call, CallbackToken="0123456789")
    name = f"SendPipelineExecutionStep{operation}"
    assert (code, name in message) == ("UnknownOperationException", True)


def test_what_is_not_done_of_a_start_is_refused_by_name(pipelines: Pipelines) -> None:
    name = pipelines.create(definition(training("Train")))
    start = pipelines.sagemaker.start_pipeline_execution
    message = refused(start, PipelineName=name, MlflowExperimentName="x")[1]
    assert "MlflowExperimentName" in message
    assert json.loads(pipelines.sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"])


def test_search_finds_pipelines_and_their_executions(pipelines: Pipelines) -> None:
    parameters = ({"Name": "Day", "Type": "String", "DefaultValue": "monday"},)
    text = definition(failure("No", "as asked"), parameters=parameters)
    name = pipelines.create(text, Tags=[{"Key": "team", "Value": "search"}])
    arn = pipelines.start(name, {"Day": "sunday"})
    pipelines.wait(arn)

    def found(resource: str, key: str, value: str) -> list[dict[str, object]]:
        filters = [{"Name": key, "Operator": "Equals", "Value": value}]
        answer = pipelines.sagemaker.search(Resource=resource, SearchExpression={"Filters": filters})
        return [result[resource] for result in answer["Results"]]

    [pipeline] = found("Pipeline", "Tags.team", "search")
    assert pipeline["PipelineName"] == name
    [execution] = found("PipelineExecution", "PipelineArn", str(pipeline["PipelineArn"]))
    assert (execution["PipelineExecutionArn"], execution["PipelineExecutionStatus"]) == (arn, "Failed")
    assert execution["PipelineParameters"] == [{"Name": "Day", "Value": "sunday"}]
