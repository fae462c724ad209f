"""Operations on processing jobs, with boto3 against a real sandbox."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.model_registry.test_own_images import BASE_NAME, REGISTRY, push

from ..training.conftest import ROLE
from .conftest import IMAGE, cluster, from_s3, refused, to_s3

GOES_ON = "import time; print('on', flush=True); time.sleep(600)"


@pytest.fixture(scope="module")
def completed(jobs) -> dict[str, Any]:
    program = "import os; open(os.environ['ML'] + '/processing/report/a.txt', 'w').write('가')"
    return jobs.run(program, outputs=[to_s3("r", "report")], Tags=[{"Key": "workshop", "Value": "news"}])


def test_a_description_repeats_the_request_and_names_what_it_left_to_aws(completed: dict[str, Any]) -> None:
    name = completed["ProcessingJobName"]
    assert completed["ProcessingJobStatus"] == "Completed"
    assert completed["ProcessingJobArn"] == f"arn:aws:sagemaker:us-east-1:000000000000:processing-job/{name}"
    assert (completed["RoleArn"], completed["Environment"]) == (ROLE, {"ML": "/opt/ml"})
    assert completed["AppSpecification"]["ImageUri"] == IMAGE
    (output,) = completed["ProcessingOutputConfig"]["Outputs"]
    assert output == {**to_s3("r", "report"), "AppManaged": False}
    assert completed["ProcessingInputs"][0]["AppManaged"] is False
    assert {"FailureReason", "ExitMessage", "ExperimentConfig"}.isdisjoint(completed)


def test_times_are_those_of_the_run(completed: dict[str, Any]) -> None:
    assert completed["CreationTime"] <= completed["ProcessingStartTime"] <= completed["ProcessingEndTime"]
    assert completed["LastModifiedTime"] == completed["ProcessingEndTime"]


def test_what_a_request_leaves_out_has_aws_s_defaults(jobs) -> None:
    job = jobs.run("pass", StoppingCondition=None, cluster={"InstanceCount": None})
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}
    assert job["ProcessingResources"] == {"ClusterConfig": cluster()}


def test_tags_are_those_of_the_request(jobs, completed: dict[str, Any]) -> None:
    tags = jobs.sagemaker.list_tags(ResourceArn=completed["ProcessingJobArn"])["Tags"]
    assert tags == [{"Key": "workshop", "Value": "news"}]


def test_the_wait_of_boto3_ends(jobs) -> None:
    waiter = jobs.sagemaker.get_waiter("processing_job_completed_or_stopped")
    waiter.wait(ProcessingJobName=jobs.create("pass"), WaiterConfig={"Delay": 0.2, "MaxAttempts": 3000})


def test_a_taken_name_is_refused_and_free_in_another_region(jobs, completed: dict[str, Any]) -> None:
    request = jobs.request("pass", ProcessingJobName=completed["ProcessingJobName"])
    code, message = refused(jobs.sagemaker.create_processing_job, **request)
    assert code == "ResourceInUse"
    assert "must be unique within an AWS account and region" in message
    seoul = jobs.sandbox.client("sagemaker", "ap-northeast-2")
    name = {"ProcessingJobName": completed["ProcessingJobName"]}
    assert refused(seoul.describe_processing_job, **name)[0] == "ValidationException"


@pytest.mark.parametrize("verb", ["describe", "stop", "delete"])
def test_a_missing_job_is_not_found(jobs, verb: str) -> None:
    call = getattr(jobs.sagemaker, f"{verb}_processing_job")
    expected = "ValidationException", "Could not find requested job with name: missing"
    assert refused(call, ProcessingJobName="missing") == expected


def test_a_job_is_stopped_only_before_its_end_and_deleted_only_after_it(jobs) -> None:
    name = jobs.create(GOES_ON)
    jobs.wait_for_line(name, "on")
    code, message = refused(jobs.sagemaker.delete_processing_job, ProcessingJobName=name)
    assert (code, "in status InProgress" in message) == ("ResourceInUse", True)
    jobs.sagemaker.stop_processing_job(ProcessingJobName=name)
    assert jobs.describe(name)["ProcessingJobStatus"] in ("Stopping", "Stopped")
    assert jobs.wait(name)["ProcessingJobStatus"] == "Stopped"
    code, message = refused(jobs.sagemaker.stop_processing_job, ProcessingJobName=name)
    assert message == "The request was rejected because the processing job is in status Stopped."
    jobs.sagemaker.delete_processing_job(ProcessingJobName=name)
    refused(jobs.describe, name=name)


def test_lists_filter_sort_and_page(jobs) -> None:
    fails = "import os; open(os.environ['ML'] + '/output/message', 'w').write('why'); raise SystemExit(1)"
    names = [jobs.run(each)["ProcessingJobName"] for each in ("pass", fails, "pass")]
    paginator = jobs.sagemaker.get_paginator("list_processing_jobs")

    def listed(**request: Any) -> list[str]:
        pages = paginator.paginate(NameContains="news", **request, PaginationConfig={"PageSize": 1})
        found = [entry["ProcessingJobName"] for page in pages for entry in page["ProcessingJobSummaries"]]
        return [name for name in found if name in names]

    assert listed() == listed(SortBy="CreationTime") == names
    assert listed(SortOrder="Descending", SortBy="Name") == sorted(names, reverse=True)
    assert listed(StatusEquals="Failed") == [names[1]]
    assert listed(SortBy="Status", SortOrder="Descending")[0] == names[1]
    later = jobs.describe(names[1])["CreationTime"] + timedelta(hours=1)
    assert (listed(CreationTimeAfter=later), listed(LastModifiedTimeBefore=later)) == ([], names)
    request = {"NameContains": names[1], "StatusEquals": "Failed"}
    (summary,) = jobs.sagemaker.list_processing_jobs(**request)["ProcessingJobSummaries"]
    assert summary["ProcessingEndTime"] >= summary["CreationTime"]
    assert (summary["FailureReason"], summary["ExitMessage"]) == ("AlgorithmError: , exit code: 1", "why")


def output(place: str, **changes: Any) -> dict[str, Any]:
    return {"outputs": [to_s3("o", place, **changes)]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"application": {"ImageUri": "my-team/pandas:1"}}, "AppSpecification.ImageUri = my-team/pandas:1"),
        ({"cluster": {"InstanceType": None}}, "InstanceType is required"),
        ({"cluster": {"InstanceCount": 5}}, "InstanceCount = 5"),
        ({"inputs": [from_s3("nothing/here", "input/a")]}, "No S3 objects found under S3 URL"),
        ({"inputs": [from_s3("x", "input/a", S3Uri="https://news/x")]}, "must start with s3://"),
        ({"inputs": [from_s3("code/", "input/a", name="code")]}, "InputName must be unique"),
        ({"inputs": [from_s3("code/", "input/code", name="b")]}, "LocalPath must be unique"),
        ({"inputs": [from_s3("code/", "../a")]}, "below /opt/ml/processing"),
        ({"inputs": [from_s3("code/", "a", LocalPath="/opt/ml/input/a")]}, "below /opt/ml/processing"),
        ({"inputs": [{"InputName": "a"}]}, "Input a needs an S3Input"),
        ({"inputs": [from_s3("code/", "a", S3DataType="ManifestFile")]}, "S3Prefix"),
        ({"inputs": [from_s3("code/", "a", S3InputMode="Pipe")]}, "S3InputMode = Pipe"),
        ({"inputs": [from_s3("code/", "a", S3CompressionType="Gzip")]}, "S3CompressionType = Gzip"),
        (output("input/code"), "LocalPath must be unique: /opt/ml/processing/input/code is that of code"),
        (output("a", S3Uri="s3://no-such-bucket/o"), "no-such-bucket"),
        (output("a", LocalPath="/tmp/a"), "below /opt/ml/processing"),
        ({"outputs": [{"OutputName": "a"}]}, "Output a needs an S3Output"),
        ({"outputs": [to_s3("o", "a"), to_s3("o", "b/a")]}, "OutputName must be unique"),
        ({"ExperimentConfig": {"ExperimentName": "e"}}, "ExperimentConfig: it has no experiments"),
    ],
)
def test_a_job_that_cannot_be_is_refused_when_it_is_created(jobs, changes: dict[str, Any], said: str) -> None:
    request = jobs.request("pass", **changes)
    code, message = refused(jobs.sagemaker.create_processing_job, **request)
    assert code == "ValidationException"
    assert said in message
    refused(jobs.describe, name=request["ProcessingJobName"])


def test_a_place_is_needed_only_for_what_sagemaker_moves_itself(jobs) -> None:
    request = jobs.request("print('ran')", inputs=[from_s3("none", "a")], outputs=[to_s3("own", "b")])
    moved = request["ProcessingInputs"][1], request["ProcessingOutputConfig"]["Outputs"][0]
    for each, kind in zip(moved, ("S3Input", "S3Output"), strict=True):
        del each[kind]["LocalPath"]
        _, message = refused(jobs.sagemaker.create_processing_job, **request)
        assert f"{kind}.LocalPath of" in message
        each["AppManaged"] = True
    jobs.sagemaker.create_processing_job(**request)
    job = jobs.wait(request["ProcessingJobName"])
    assert (job["ProcessingJobStatus"], jobs.keys("own")) == ("Completed", [])
    assert job["ProcessingInputs"][1]["AppManaged"] is True
    assert job["ProcessingInputs"][1]["S3Input"] == request["ProcessingInputs"][1]["S3Input"]


def test_an_image_of_ones_own_runs_scripts_when_it_is_built_on_one_that_does(jobs) -> None:
    ecr = jobs.sandbox.client("ecr")
    ecr.create_repository(repositoryName="news/features")
    push(ecr, "news/features", "1", env=["MINE=of the image", "YOURS=of the image"], **{BASE_NAME: IMAGE})
    push(ecr, "news/features", "serves", **{BASE_NAME: "djl-inference:0.36.0-lmi"})
    image = {"ImageUri": f"{REGISTRY}/news/features:1"}
    program = "import os; print(os.environ['MINE'], os.environ['YOURS'])"
    name = jobs.create(program, application=image, environment={"YOURS": "of the job"})
    for tag in ("serves", "not-pushed"):
        application = {"ImageUri": f"{REGISTRY}/news/features:{tag}"}
        request = jobs.request("pass", application=application)
        _, message = refused(jobs.sagemaker.create_processing_job, **request)
        assert "built on one of them" in message
    assert jobs.wait(name)["AppSpecification"]["ImageUri"] == image["ImageUri"]
    assert jobs.lines(name) == ["of the image of the job"]


def test_of_jobs_created_at_the_same_time_no_more_run_than_the_quota_allows(jobs) -> None:
    jobs.put_into("quotas", {"name": "ml.m5.xlarge for processing job usage", "value": 2})
    requests = [jobs.request(GOES_ON) for _ in range(8)]

    def created(request: dict[str, Any]) -> str | None:
        try:
            jobs.sagemaker.create_processing_job(**request)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return None

    try:
        with ThreadPoolExecutor(len(requests)) as pool:
            codes = list(pool.map(created, requests))
    finally:
        jobs.put_into("quotas", None)
    assert sorted(codes, key=str) == [None] * 2 + ["ResourceLimitExceeded"] * 6
    names = [each["ProcessingJobName"] for each, code in zip(requests, codes, strict=True) if not code]
    for name in names:
        jobs.sagemaker.stop_processing_job(ProcessingJobName=name)
    assert [jobs.wait(name)["ProcessingJobStatus"] for name in names] == ["Stopped"] * 2
