"""Search through boto3: what people look for, in order and page by page."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..hosting.conftest import ROLE, Hosting
from ..hosting.conftest import image_table as image_table
from ..training.conftest import Jobs

# Name of the job -> status, epochs, loss.
RUNS = {
    "news-a-1": ("Completed", "9", 0.75),
    "news-b-1": ("Failed", "10", 0.25),
    "news-a-2": ("Completed", "", 0.5),
}


@pytest.fixture(scope="module")
def jobs(sandbox: Any) -> Iterator[Jobs]:
    """Three jobs that ended, oldest first, and one that runs."""
    jobs = Jobs(sandbox)
    for name, (status, epochs, loss) in RUNS.items():
        jobs.run(
            f"print('eval:loss = {loss}')" + ("\nraise SystemExit(1)" if status == "Failed" else ""),
            TrainingJobName=name,
            algorithm={"MetricDefinitions": [{"Name": "eval:loss", "Regex": "eval:loss = ([0-9.]+)"}]},
            HyperParameters={"epochs": epochs} if epochs else None,
            Tags=[{"Key": "Project", "Value": name[:6]}],
        )
    running = jobs.create("import time; print('up', flush=True); time.sleep(600)", TrainingJobName="other")
    jobs.wait_for_line(running, "up")
    yield jobs
    jobs.sagemaker.stop_training_job(TrainingJobName=running)


def where(*filters: tuple[str, str, str]) -> dict[str, Any]:
    return {"Filters": [dict(zip(("Name", "Operator", "Value"), each, strict=True)) for each in filters]}


def names(jobs: Jobs, *filters: tuple[str, str, str], **request: Any) -> list[str]:
    if filters:
        request["SearchExpression"] = where(*filters)
    answer = jobs.sagemaker.search(Resource="TrainingJob", **request)
    return [each["TrainingJob"]["TrainingJobName"] for each in answer["Results"]]


def refused(search: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as error:
        search(**request)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    return error.value.response["Error"]["Message"]


def test_the_last_job_of_a_name_that_completed(jobs: Jobs) -> None:
    """As programs look for the artifacts that they go on from."""
    last = names(
        jobs,
        ("TrainingJobName", "Contains", "news-"),
        ("TrainingJobStatus", "Equals", "Completed"),
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=1,
    )
    assert last == ["news-a-2"]


def test_a_result_is_what_describe_says_with_the_tags(jobs: Jobs) -> None:
    (result,) = jobs.sagemaker.search(
        Resource="TrainingJob", SearchExpression=where(("TrainingJobName", "Equals", "news-a-1"))
    )["Results"]
    assert list(result) == ["TrainingJob"]
    found, described = result["TrainingJob"], jobs.describe("news-a-1")
    assert found.pop("Tags") == [{"Key": "Project", "Value": "news-a"}]
    assert found == {name: value for name, value in described.items() if name in found}
    assert {"FinalMetricDataList", "ModelArtifacts", "InputDataConfig", "SecondaryStatusTransitions"} <= set(
        found
    )


def test_what_runs_is_described_as_it_is_now(jobs: Jobs) -> None:
    assert names(
        jobs, ("TrainingTimeInSeconds", "GreaterThanOrEqualTo", "1"), ("SecondaryStatus", "In", "Training")
    ) == ["other"]


def test_jobs_are_found_by_tag_metric_hyperparameter_and_place(jobs: Jobs) -> None:
    assert names(jobs, ("Tags.Project", "Equals", "news-a")) == ["news-a-2", "news-a-1"]
    assert names(jobs, ("Metrics.eval:loss", "LessThan", "0.6")) == ["news-a-2", "news-b-1"]
    assert names(jobs, ("HyperParameters.epochs", "GreaterThan", "9")) == ["news-b-1"]
    artifacts = jobs.describe("news-a-1")["ModelArtifacts"]["S3ModelArtifacts"]
    assert names(jobs, ("ModelArtifacts.S3ModelArtifacts", "Equals", artifacts)) == ["news-a-1"]
    created = jobs.describe("news-b-1")["CreationTime"]
    assert names(jobs, ("CreationTime", "Equals", created.isoformat())) == ["news-b-1"]


def test_tags_that_were_changed_since_are_the_ones_that_count(jobs: Jobs) -> None:
    arn = jobs.describe("other")["TrainingJobArn"]
    jobs.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "late", "Value": "뉴스"}])
    assert names(jobs, ("Tags.late", "Contains", "뉴")) == ["other"]
    jobs.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["late"])
    assert names(jobs, ("Tags.late", "Contains", "뉴")) == []


def test_every_property_orders_and_what_has_none_comes_last(jobs: Jobs) -> None:
    assert names(jobs) == ["other", "news-a-2", "news-b-1", "news-a-1"], "the last that changed comes first"
    by_loss = {"SortBy": "Metrics.eval:loss", "SortOrder": "Ascending"}
    assert names(jobs, **by_loss) == ["news-b-1", "news-a-2", "news-a-1", "other"]
    assert names(jobs, SortBy="Metrics.eval:loss") == ["news-a-1", "news-a-2", "news-b-1", "other"]
    by_epochs = names(jobs, SortBy="HyperParameters.epochs", SortOrder="Ascending")
    assert by_epochs[:2] == ["news-a-1", "news-b-1"], "9 is less than 10"
    by_name = names(jobs, SortBy="TrainingJobName", SortOrder="Ascending")
    assert by_name == ["news-a-1", "news-a-2", "news-b-1", "other"]
    by_tag = names(jobs, SortBy="Tags.Project", SortOrder="Ascending")
    assert by_tag == ["news-a-1", "news-a-2", "news-b-1", "other"], "the same place: by name"


def test_pages_hold_everything_once_and_say_how_much_there_is(jobs: Jobs) -> None:
    pages = list(
        jobs.sagemaker.get_paginator("search").paginate(
            Resource="TrainingJob", SortBy="Metrics.eval:loss", PaginationConfig={"PageSize": 3}
        )
    )
    found = [[each["TrainingJob"]["TrainingJobName"] for each in page["Results"]] for page in pages]
    assert found == [["news-a-1", "news-a-2", "news-b-1"], ["other"]]
    assert [page["TotalHits"] for page in pages] == [{"Value": 4, "Relation": "EqualTo"}] * 2


def test_a_token_is_of_one_search(jobs: Jobs) -> None:
    search, everything = jobs.sagemaker.search, {"Resource": "TrainingJob", "MaxResults": 1}
    token = search(**everything)["NextToken"]
    assert len(search(**everything, NextToken=token)["Results"]) == 1
    others = (
        {"SortOrder": "Ascending"},
        {"SortBy": "CreationTime"},
        {"Resource": "Model"},
        {"SearchExpression": where(("TrainingJobStatus", "Equals", "Failed"))},
    )
    for other in others:
        assert "Invalid NextToken" in refused(search, **{**everything, "NextToken": token, **other})


def test_what_the_sandbox_does_not_search_is_refused_by_name(jobs: Jobs) -> None:
    search = jobs.sagemaker.search
    of_models = "TrainingJob, Endpoint, Model, ModelPackage, ModelPackageGroup"
    assert f"it searches {of_models}, Pipeline, PipelineExecution." in refused(
        search, Resource="ExperimentTrialComponent"
    )
    refusal = refused(search, Resource="TrainingJob", VisibilityConditions=[{"Key": "a", "Value": "b"}])
    assert "VisibilityConditions" in refusal
    assert "Did you mean CreationTime?" in refused(search, Resource="TrainingJob", SortBy="CreatonTime")
    assert "with a value" in refused(search, Resource="TrainingJob", SortBy="ModelArtifacts")
    assert names(jobs, CrossAccountFilterOption="CrossAccount") == []
    assert len(names(jobs, CrossAccountFilterOption="SameAccount")) == 4


def test_a_region_has_its_own(jobs: Jobs) -> None:
    answer = jobs.sandbox.client("sagemaker", "ap-northeast-2").search(Resource="TrainingJob")
    assert (answer["Results"], answer["TotalHits"]["Value"]) == ([], 0)


def test_expressions_of_the_sdk_are_understood(jobs: Jobs) -> None:
    from sagemaker.core.utilities import search_expression as sdk

    status = sdk.Filter("TrainingJobStatus", sdk.Operator.EQUALS, "Failed")
    has_tag = sdk.Filter("Tags.Project", sdk.Operator.NOT_EXISTS)
    channel = sdk.Filter("InputDataConfig.ChannelName", sdk.Operator.EQUALS, "code")
    nested = sdk.NestedFilter("InputDataConfig", [channel])
    either = sdk.SearchExpression(filters=[status, has_tag], boolean_operator=sdk.BooleanOperator.OR)
    expression = sdk.SearchExpression(nested_filters=[nested], sub_expressions=[either])
    found = names(jobs, SearchExpression=expression.to_boto(), SortBy="TrainingJobName")
    assert found == ["other", "news-b-1"]


@pytest.fixture(scope="module")
def deployed(image_table: Any, sandbox: Any) -> str:
    """An endpoint that serves, with configuration and model of the same name; and a model without one."""
    hosting = Hosting(sandbox)
    name = hosting.deploy(endpoint={"Tags": [{"Key": "stage", "Value": "test"}]})
    hosting.sagemaker.create_model(
        ModelName="idle",
        PrimaryContainer={"Image": "i"},
        ExecutionRoleArn=ROLE,
        Tags=[{"Key": "stage", "Value": "none"}],
    )
    return name


def test_endpoints_are_found_with_what_runs_of_them(sandbox: Any, deployed: str) -> None:
    search = sandbox.client("sagemaker").search
    conditions = where(
        ("EndpointStatus", "Equals", "InService"),
        ("Tags.stage", "Equals", "test"),
        ("ProductionVariants.CurrentInstanceCount", "Equals", "1"),
    )
    (result,) = search(Resource="Endpoint", SearchExpression=conditions)["Results"]
    endpoint = result["Endpoint"]
    assert (endpoint["EndpointName"], endpoint["Tags"]) == (deployed, [{"Key": "stage", "Value": "test"}])
    assert endpoint["ProductionVariants"][0]["VariantName"] == "AllTraffic"


def test_models_are_found_with_the_endpoints_that_host_them(sandbox: Any, deployed: str) -> None:
    search = sandbox.client("sagemaker").search
    newest_first = search(Resource="Model")["Results"]
    assert [each["Model"]["Model"]["ModelName"] for each in newest_first] == ["idle", deployed]
    hosted = search(
        Resource="Model", SearchExpression=where(("Endpoints.EndpointStatus", "Equals", "InService"))
    )
    (model,) = [each["Model"] for each in hosted["Results"]]
    assert model["Model"]["ModelName"] == deployed
    assert [each["EndpointName"] for each in model["Endpoints"]] == [deployed]
    for name in ("Model.Tags.stage", "Tags.stage"):  # as SearchRecord has it, and for short
        (idle,) = search(Resource="Model", SearchExpression=where((name, "Equals", "none")))["Results"]
        assert idle["Model"]["Model"]["ModelName"] == "idle"
        assert "Endpoints" not in idle["Model"]
    by_name = search(Resource="Model", SortBy="ModelName", SortOrder="Ascending")["Results"]
    assert [each["Model"]["Model"]["ModelName"] for each in by_name] == ["idle", deployed]


@pytest.mark.parametrize("depth", [60, 200, 240, 280, 320, 500, 5000])
def test_what_is_nested_too_deeply_is_the_callers_mistake(sandbox: Any, depth: int) -> None:
    innermost = json.dumps(where(("TrainingJobName", "Equals", "a")))
    expression = '{"SubExpressions":[' * depth + innermost + "]}" * depth
    request = urllib.request.Request(
        sandbox.url,
        data=f'{{"Resource":"TrainingJob","SearchExpression":{expression}}}'.encode(),
        headers={"X-Amz-Target": "SageMaker.Search", "Content-Type": "application/x-amz-json-1.1"},
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    with error.value:
        assert error.value.code == 400
        assert json.load(error.value)["__type"] in ("ValidationException", "SerializationException")
