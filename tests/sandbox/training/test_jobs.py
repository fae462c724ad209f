"""Operations on training jobs, with boto3 against a real sandbox."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from .conftest import BUCKET, ROLE, channel

PLAN = "arn:aws:sagemaker:us-east-1:000000000000:training-plan/news"
MESSAGES = [
    ("Starting", "Preparing the instances for training"),
    ("Downloading", "Downloading input data"),
    ("Training", "Training image download completed. Training in progress."),
    ("Uploading", "Uploading generated training model"),
    ("Completed", "Training job completed"),
]


def refused(call: Any, **request: Any) -> tuple[str, str]:
    """Return code and message of the error that a call answers with."""
    with pytest.raises(ClientError) as error:
        call(**request)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


@pytest.fixture(scope="module")
def completed(jobs) -> dict[str, Any]:
    return jobs.run("print('hello')", Tags=[{"Key": "workshop", "Value": "news"}])


def test_a_job_goes_through_every_status_in_order(completed: dict[str, Any]) -> None:
    transitions = completed["SecondaryStatusTransitions"]
    assert [(entry["Status"], entry["StatusMessage"]) for entry in transitions] == MESSAGES
    assert all("EndTime" in entry for entry in transitions)
    for before, after in pairwise(transitions):
        assert before["EndTime"] == after["StartTime"]
    assert completed["SecondaryStatus"] == "Completed"
    assert "FailureReason" not in completed


def test_times_are_those_of_the_run(completed: dict[str, Any]) -> None:
    assert completed["CreationTime"] <= completed["TrainingStartTime"] <= completed["TrainingEndTime"]
    assert completed["LastModifiedTime"] == completed["TrainingEndTime"]
    lasted_s = (completed["TrainingEndTime"] - completed["CreationTime"]).total_seconds()
    assert 1 <= completed["TrainingTimeInSeconds"] <= lasted_s + 1  # whole seconds, rounded up
    assert completed["BillableTimeInSeconds"] == completed["TrainingTimeInSeconds"]


def test_a_description_repeats_the_request(jobs, completed: dict[str, Any]) -> None:
    assert completed["RoleArn"] == ROLE
    entrypoint = ["python3", "/opt/ml/input/data/code/program.py"]
    assert completed["AlgorithmSpecification"]["ContainerEntrypoint"] == entrypoint
    assert completed["Environment"] == {"ML": "/opt/ml"}
    assert completed["StoppingCondition"] == {"MaxRuntimeInSeconds": 600}
    assert completed["EnableManagedSpotTraining"] is False
    name = completed["TrainingJobName"]
    assert completed["TrainingJobArn"] == f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}"
    artifacts = completed["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifacts == f"s3://{BUCKET}/out/{name}/output/model.tar.gz"


def test_a_description_names_what_the_request_left_to_aws(completed: dict[str, Any]) -> None:
    """The SDKs that attach to a job read these without asking whether they are there."""
    uri = f"s3://{BUCKET}/out"
    assert completed["OutputDataConfig"] == {"S3OutputPath": uri, "KmsKeyId": "", "CompressionType": "GZIP"}
    (code,) = completed["InputDataConfig"]
    assert (code["CompressionType"], code["RecordWrapperType"]) == ("None", "None")


def test_tags_are_those_of_the_request(jobs, completed: dict[str, Any]) -> None:
    tags = jobs.sagemaker.list_tags(ResourceArn=completed["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "workshop", "Value": "news"}]


def test_settings_for_later_are_kept_as_they_were_given(jobs) -> None:
    settings = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
        "RetryStrategy": {"MaximumRetryAttempts": 2},
        "Environment": {"A": "b"},
        "HyperParameters": {"lr": "0.1"},
        "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/kept"},
    }
    job = jobs.run("pass", **settings)
    assert {name: job[name] for name in settings} == settings


def test_without_a_stopping_condition_a_job_has_a_day(jobs) -> None:
    assert jobs.run("pass", StoppingCondition=None)["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}


def test_the_wait_of_boto3_ends(jobs) -> None:
    name = jobs.create("pass")
    waiter = jobs.sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 600})


def test_a_taken_name_is_refused(jobs, completed: dict[str, Any]) -> None:
    request = jobs.request("pass", TrainingJobName=completed["TrainingJobName"])
    code, message = refused(jobs.sagemaker.create_training_job, **request)
    assert code == "ResourceInUse"
    assert "must be unique within an AWS account and region" in message


def test_the_same_name_is_free_in_another_region(jobs, completed: dict[str, Any]) -> None:
    seoul = jobs.sandbox.client("sagemaker", "ap-northeast-2")
    code, message = refused(seoul.describe_training_job, TrainingJobName=completed["TrainingJobName"])
    assert (code, message) == ("ValidationException", "Requested resource not found.")
    seoul.create_training_job(**jobs.request("pass", TrainingJobName=completed["TrainingJobName"]))
    waiter = seoul.get_waiter("training_job_completed_or_stopped")
    often = {"Delay": 0.2, "MaxAttempts": 3000}
    waiter.wait(TrainingJobName=completed["TrainingJobName"], WaiterConfig=often)
    described = seoul.describe_training_job(TrainingJobName=completed["TrainingJobName"])
    assert described["TrainingJobArn"].split(":")[3] == "ap-northeast-2"
    assert described["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize("operation", ["describe_training_job", "stop_training_job", "delete_training_job"])
def test_a_missing_job_is_not_found(jobs, operation: str) -> None:
    code, message = refused(getattr(jobs.sagemaker, operation), TrainingJobName="missing")
    assert (code, message) == ("ValidationException", "Requested resource not found.")


def test_a_job_that_has_ended_cannot_be_stopped(jobs, completed: dict[str, Any]) -> None:
    code, message = refused(jobs.sagemaker.stop_training_job, TrainingJobName=completed["TrainingJobName"])
    assert code == "ValidationException"
    assert message == "The request was rejected because the training job is in status Completed."


def test_a_job_is_deleted_only_after_its_end(jobs) -> None:
    name = jobs.create("print('on', flush=True); import time; time.sleep(600)")
    jobs.wait_for_line(name, "on")
    code, _ = refused(jobs.sagemaker.delete_training_job, TrainingJobName=name)
    assert code == "ResourceInUse"
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.wait(name)
    jobs.sagemaker.delete_training_job(TrainingJobName=name)
    refused(jobs.describe, name=name)


def test_lists_filter_sort_and_page(jobs) -> None:
    names = [jobs.run("raise SystemExit(1)" if fails else "pass")["TrainingJobName"] for fails in (0, 1, 0)]
    sagemaker = jobs.sagemaker

    def listed(**request: Any) -> list[str]:
        pages = sagemaker.get_paginator("list_training_jobs").paginate(
            NameContains="news", **request, PaginationConfig={"PageSize": 1}
        )
        found = [entry["TrainingJobName"] for page in pages for entry in page["TrainingJobSummaries"]]
        return [name for name in found if name in names]

    assert listed(SortBy="CreationTime") == names
    assert listed(SortOrder="Descending", SortBy="CreationTime") == names[::-1]
    assert listed(StatusEquals="Failed") == [names[1]]
    assert listed(SortBy="Status", SortOrder="Descending")[0] == names[1]
    later = jobs.describe(names[1])["CreationTime"] + timedelta(hours=1)
    assert (listed(CreationTimeAfter=later), listed(LastModifiedTimeBefore=later)) == ([], names)
    (summary,) = sagemaker.list_training_jobs(StatusEquals="Failed", SortOrder="Descending", MaxResults=2)[
        "TrainingJobSummaries"
    ]
    assert summary["TrainingJobName"] == names[1]
    assert summary["TrainingJobStatus"] == summary["SecondaryStatus"] == "Failed"
    assert summary["TrainingEndTime"] >= summary["CreationTime"]
    for absent in ({"WarmPoolStatusEquals": "InUse"}, {"TrainingPlanArnEquals": PLAN}):
        assert listed(**absent) == []


def test_status_and_name_thin_out_a_page_after_it_was_taken(jobs) -> None:
    """Source: API reference, ListTrainingJobs; of names github.com/boto/boto3/issues/2838."""
    programs = ("pass", "raise SystemExit(1)", "pass", "pass")
    _, *names = [jobs.run(program)["TrainingJobName"] for program in programs]
    sagemaker = jobs.sagemaker

    def page(**request: Any) -> tuple[list[str], bool]:
        answer = sagemaker.list_training_jobs(**request)
        return [job["TrainingJobName"] for job in answer["TrainingJobSummaries"]], "NextToken" in answer

    # Those of the newest, without a word on the order: "from the most current to the oldest".
    assert page(StatusEquals="Failed", MaxResults=2) == ([], True)
    assert page(StatusEquals="Failed", MaxResults=3) == ([names[0]], True)
    assert page(StatusEquals="Completed", MaxResults=3) == ([names[2], names[1]], True)
    assert page(NameContains=names[0], MaxResults=2, SortOrder="Descending") == ([], True)
    answer = sagemaker.list_training_jobs(StatusEquals="Failed", MaxResults=2)
    later = sagemaker.list_training_jobs(StatusEquals="Failed", MaxResults=2, NextToken=answer["NextToken"])
    assert later["TrainingJobSummaries"][0]["TrainingJobName"] == names[0]
    # Times limit what pages are made of.
    since = jobs.describe(names[1])["CreationTime"] + timedelta(milliseconds=1)
    assert page(CreationTimeAfter=since, MaxResults=1) == ([names[2]], False)


def test_the_sdk_goes_on_after_a_page_of_which_nothing_is_left(jobs) -> None:
    """Its own comment: "the service filters results after paginating"."""
    from sagemaker.core.resources import TrainingJob

    name = jobs.run("pass", TrainingJobName="looked-for")["TrainingJobName"]
    newer = [jobs.create("pass") for _ in range(10)]  # as many as a page has
    for each in newer:
        jobs.wait(each)
    request = {"NameContains": name, "SortOrder": "Descending"}
    answer = jobs.sagemaker.list_training_jobs(**request)
    assert (answer["TrainingJobSummaries"], "NextToken" in answer) == ([], True)
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in {
            "AWS_ENDPOINT_URL": jobs.sandbox.url,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(variable, value)
        session = boto3.session.Session()
        found = TrainingJob.get_all(name_contains=name, sort_order="Descending", session=session)
        assert [job.training_job_name for job in found] == [name]


def fault(jobs, **described: Any) -> None:
    import json
    import urllib.request

    request = urllib.request.Request(
        f"{jobs.sandbox.url}/_sandbox/faults",
        method="PUT",
        data=json.dumps({"operation": "CreateTrainingJob", **described}).encode(),
    )
    urllib.request.urlopen(request).read()


def test_without_capacity_a_job_fails_as_on_aws(jobs) -> None:
    fault(jobs, fault="InsufficientCapacity")
    job = jobs.run("print('never')")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "CapacityError: Unable to provision requested ML compute capacity."
        " Please retry using a different ML instance type."
    )
    assert "TrainingStartTime" not in job
    assert "BillableTimeInSeconds" not in job
    assert jobs.lines(job["TrainingJobName"]) == []
    assert jobs.run("pass")["TrainingJobStatus"] == "Completed"


def test_a_quota_of_zero_refuses_the_job(jobs) -> None:
    fault(jobs, fault="ResourceLimitExceeded")
    request = jobs.request("pass")
    assert refused(jobs.sagemaker.create_training_job, **request)[0] == "ResourceLimitExceeded"
    assert jobs.keys(f"out/{request['TrainingJobName']}") == []
    refused(jobs.describe, name=request["TrainingJobName"])


def test_a_slow_start_is_seen_as_starting_and_can_be_stopped(jobs) -> None:
    fault(jobs, fault="SlowStart", delay_s=600)
    name = jobs.create("print('never')")
    job = jobs.describe(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("InProgress", "Starting")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.wait(name)
    assert [entry["Status"] for entry in job["SecondaryStatusTransitions"]] == [
        "Starting",
        "Stopping",
        "Stopped",
    ]
    assert jobs.lines(name) == []
    assert "BillableTimeInSeconds" not in job


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"algorithm": {"TrainingInputMode": "Pipe"}}, "File and FastFile"),
        ({"algorithm": {"AlgorithmName": "mine"}}, "AlgorithmSpecification.AlgorithmName"),
        (
            {"algorithm": {"MetricDefinitions": [{"Name": "loss", "Regex": "loss: ("}]}},
            "Invalid regular expression for metric loss",
        ),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 5, "VolumeSizeInGB": 1}},
            "InstanceCount = 5",
        ),
        ({"ResourceConfig": None}, "ResourceConfig"),
        ({"OutputDataConfig": {"S3OutputPath": "s3://no-such-bucket/out"}}, "no-such-bucket"),
        ({"CheckpointConfig": {"S3Uri": "s3://no-such-bucket/c"}}, "no-such-bucket"),
        ({"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/c", "LocalPath": "/tmp/c"}}, "below /opt/ml"),
        (
            {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/c", "LocalPath": "/opt/ml/../../c"}},
            "below /opt/ml",
        ),
        ({"channels": [channel(f"s3://{BUCKET}/nothing/here")]}, "No S3 objects found under S3 URL"),
        ({"channels": [channel("s3://no-such-bucket/data")]}, "No S3 objects found under S3 URL"),
        (
            {"channels": [channel(f"s3://{BUCKET}/d", source={"S3DataType": "ManifestFile"})]},
            "S3Prefix",
        ),
        ({"channels": [channel(f"s3://{BUCKET}/d", InputMode="Pipe")]}, "Pipe"),
        ({"channels": [channel(f"s3://{BUCKET}/d", CompressionType="Gzip")]}, "Gzip"),
        ({"channels": [channel(f"s3://{BUCKET}/d")] * 2}, "unique"),
        ({"RoleArn": "arn:aws:iam::000000000000:user/somebody"}, "roleArn"),
    ],
)
def test_a_job_that_cannot_be_is_refused_when_it_is_created(jobs, changes: dict[str, Any], said: str) -> None:
    request = jobs.request("pass", **changes)
    code, message = refused(jobs.sagemaker.create_training_job, **request)
    assert code == "ValidationException"
    assert said in message
    refused(jobs.describe, name=request["TrainingJobName"])


def test_what_the_sdks_ask_for_by_themselves_is_accepted(jobs) -> None:
    """Estimators of version 2 ask for Debugger and the profiler, @remote for no warm pool and one retry."""
    output = {"S3OutputPath": f"s3://{BUCKET}/sdk"}
    asked = {
        "DebugHookConfig": {**output, "CollectionConfigurations": []},
        "ProfilerConfig": {**output, "DisableProfiler": False},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
            "KeepAlivePeriodInSeconds": 0,
        },
        "RetryStrategy": {"MaximumRetryAttempts": 1},
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "Tags": [],
    }
    job = jobs.run("pass", **asked)
    assert job["TrainingJobStatus"] == "Completed"
    assert {name: job[name] for name in asked if name != "Tags"} | {"Tags": []} == asked


def test_a_job_without_its_algorithm_is_refused(jobs) -> None:
    """botocore's model does not require it, since serverless jobs have none."""
    _, message = refused(
        jobs.sagemaker.create_training_job, **jobs.request("pass", AlgorithmSpecification=None)
    )
    assert message == "AlgorithmSpecification is required for a training job."


def test_a_job_without_an_image_is_refused(jobs) -> None:
    request = jobs.request("pass")
    del request["AlgorithmSpecification"]["TrainingImage"]
    _, message = refused(jobs.sagemaker.create_training_job, **request)
    assert message == "Exactly one of TrainingImage and AlgorithmName must be given."
