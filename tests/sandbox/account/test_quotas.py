"""Service Quotas names what an account may use as AWS does, and what was set is what is allowed."""

from __future__ import annotations

import urllib.error
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Control

NAME, CODE = "ml.g5.4xlarge for training job usage", "L-FE869B40"
ROLE = "arn:aws:iam::000000000000:role/r"


@pytest.fixture
def quotas(sandbox) -> Any:
    return sandbox.client("service-quotas")


def listed(client: Any, operation: str, **request: Any) -> dict[str, dict[str, Any]]:
    pages = client.get_paginator(operation).paginate(ServiceCode="sagemaker", **request)
    return {quota["QuotaName"]: quota for page in pages for quota in page["Quotas"]}


def job(sandbox: Any, name: str, instance_type: str = "ml.g5.4xlarge", count: int = 1, **more: Any) -> None:
    """Create a job that ends at once."""
    sandbox.client("s3").create_bucket(Bucket="quotas")
    sandbox.client("sagemaker").create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": "s3://quotas/out"},
        ResourceConfig={"InstanceType": instance_type, "InstanceCount": count, "VolumeSizeInGB": 1},
        **{"StoppingCondition": {"MaxRuntimeInSeconds": 60}, **more},
    )


def test_every_kind_of_use_is_listed_by_its_name_and_code(quotas: Any) -> None:
    found = listed(quotas, "list_service_quotas")
    assert found[NAME] == {
        "ServiceCode": "sagemaker",
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": f"arn:aws:servicequotas:us-east-1:000000000000:sagemaker/{CODE}",
        "QuotaCode": CODE,
        "QuotaName": NAME,
        "Value": 4.0,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }
    for kind in ("spot training job", "endpoint", "notebook instance"):
        assert f"ml.g5.12xlarge for {kind} usage" in found
    codes = [quota["QuotaCode"] for quota in found.values()]
    assert len(codes) == len(set(codes)) > 50


def test_a_list_comes_in_pages(quotas: Any) -> None:
    page = quotas.list_service_quotas(ServiceCode="sagemaker", MaxResults=3)
    assert len(page["Quotas"]) == 3
    rest = quotas.list_service_quotas(ServiceCode="sagemaker", MaxResults=100, NextToken=page["NextToken"])
    assert "NextToken" not in rest
    assert len(rest["Quotas"]) == len(listed(quotas, "list_service_quotas")) - 3


def test_one_quota_is_asked_for_by_its_code(quotas: Any) -> None:
    assert quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode=CODE)["Quota"]["QuotaName"] == NAME
    assert list(listed(quotas, "list_service_quotas", QuotaCode=CODE)) == [NAME]
    assert listed(quotas, "list_service_quotas", QuotaAppliedAtLevel="RESOURCE") == {}


def test_the_default_is_what_a_new_account_has(quotas: Any) -> None:
    default = quotas.get_aws_default_service_quota(ServiceCode="sagemaker", QuotaCode=CODE)["Quota"]
    assert default["Value"] == 0
    assert default["QuotaArn"] == f"arn:aws:servicequotas:us-east-1::sagemaker/{CODE}"
    assert listed(quotas, "list_aws_default_service_quotas")[NAME]["Value"] == 0


def test_what_is_not_there_is_refused(quotas: Any) -> None:
    with pytest.raises(ClientError, match=r"NoSuchResourceException.*L-00000000"):
        quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode="L-00000000")
    with pytest.raises(ClientError, match=r"NoSuchResourceException.*ec2"):
        quotas.list_service_quotas(ServiceCode="ec2")
    with pytest.raises(ClientError, match="does not implement RequestServiceQuotaIncrease"):
        quotas.request_service_quota_increase(ServiceCode="sagemaker", QuotaCode=CODE, DesiredValue=1)


def test_a_value_that_was_set_is_answered_until_it_is_taken_back(quotas: Any, control: Control) -> None:
    assert control("PUT", "quotas", {"name": NAME, "value": 0}) == [{"name": NAME, "value": 0}]
    assert listed(quotas, "list_service_quotas")[NAME]["Value"] == 0
    assert control("DELETE", "quotas") == []
    assert listed(quotas, "list_service_quotas")[NAME]["Value"] == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "ml.g5.4xlarge", "value": 0},
        {"name": NAME, "value": -1},
        {"name": NAME, "value": True},
        {"name": NAME, "value": float("nan")},
        {"name": NAME},
        [NAME],
    ],
)
def test_a_value_that_makes_no_sense_is_refused(control: Control, wrong: Any) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        control("PUT", "quotas", wrong)
    assert control("GET", "quotas") == []


def test_a_job_above_its_quota_is_refused_in_awss_words(sandbox, control: Control) -> None:
    control("PUT", "quotas", {"name": NAME, "value": 1})
    control("PUT", "quotas", {"name": "ml.g5.4xlarge for spot training job usage", "value": 0})
    job(sandbox, "within")
    with pytest.raises(ClientError, match="ResourceLimitExceeded") as caught:
        job(sandbox, "above", count=2)
    assert f"limit '{NAME}' is 1 Instances" in str(caught.value)
    assert "a request delta of 2 Instances" in str(caught.value)
    job(sandbox, "another-type", "ml.g5.12xlarge", count=2)
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
    }
    with pytest.raises(ClientError, match="spot training job usage' is 0 Instances"):
        job(sandbox, "spot", **spot)


def test_instances_of_running_jobs_count_until_these_end(sandbox, control: Control) -> None:
    control("PUT", "quotas", {"name": NAME, "value": 1})
    control("PUT", "faults", {"operation": "CreateTrainingJob", "fault": "SlowStart", "delay_s": 600})
    job(sandbox, "waits")
    with pytest.raises(ClientError, match="current utilization of 1 Instances"):
        job(sandbox, "second")
    sagemaker = sandbox.client("sagemaker")
    sagemaker.stop_training_job(TrainingJobName="waits")
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName="waits", WaiterConfig={"Delay": 0.05, "MaxAttempts": 6000}
    )
    job(sandbox, "second")


def test_processing_jobs_have_a_quota_of_their_own(sandbox, control: Control) -> None:
    control("PUT", "quotas", {"name": "ml.m5.xlarge for processing job usage", "value": 3})
    control("PUT", "faults", {"operation": "CreateProcessingJob", "fault": "SlowStart", "delay_s": 600})
    sagemaker = sandbox.client("sagemaker")

    def process(name: str, instance_type: str = "ml.m5.xlarge") -> None:
        cluster = {"InstanceType": instance_type, "InstanceCount": 2, "VolumeSizeInGB": 1}
        sagemaker.create_processing_job(
            ProcessingJobName=name,
            ProcessingResources={"ClusterConfig": cluster},
            AppSpecification={"ImageUri": "pytorch-training:2"},
            RoleArn=ROLE,
        )

    process("waits")
    with pytest.raises(ClientError, match=r"ResourceLimitExceeded.*utilization of 2 Instances"):
        process("second")
    process("another", "ml.m5.2xlarge")
    sagemaker.stop_processing_job(ProcessingJobName="waits")
    sagemaker.get_waiter("processing_job_completed_or_stopped").wait(
        ProcessingJobName="waits", WaiterConfig={"Delay": 0.05, "MaxAttempts": 6000}
    )
    process("second")


def test_an_endpoint_above_its_quota_is_refused(sandbox, control: Control) -> None:
    control("PUT", "quotas", {"name": "ml.g6.12xlarge for endpoint usage", "value": 1})
    sagemaker = sandbox.client("sagemaker")
    variant = {"VariantName": "a", "InstanceType": "ml.g6.12xlarge", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName="empty", ProductionVariants=[variant], ExecutionRoleArn=ROLE
    )
    sagemaker.create_endpoint(EndpointName="first", EndpointConfigName="empty")
    sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName="first", WaiterConfig={"Delay": 0.05, "MaxAttempts": 6000}
    )
    with pytest.raises(ClientError, match=r"ResourceLimitExceeded.*utilization of 1 Instances"):
        sagemaker.create_endpoint(EndpointName="second", EndpointConfigName="empty")


def test_a_lack_of_rights_is_answered_as_policies_name_it(quotas: Any, control: Control) -> None:
    control("PUT", "faults", {"operation": "ListServiceQuotas", "fault": "AccessDenied"})
    with pytest.raises(ClientError, match=r"AccessDeniedException.*servicequotas:ListServiceQuotas"):
        quotas.list_service_quotas(ServiceCode="sagemaker")
