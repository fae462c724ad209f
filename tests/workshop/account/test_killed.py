"""Killed between request and answer of each kind of Create: a cleanup finds it, and only that."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.workshop.account.conftest import Machine
from tests.workshop.account.foreign import (
    BUCKET,
    IMAGE,
    OURS,
    Foreign,
    definition,
    endpoint_variant,
    job_request,
    processing_request,
)
from tests.workshop.account.killed import run_until_request
from tests.workshop.components_on_sandbox import (
    COMPUTE,
    LMI_IMAGE,
    create_component,
    create_endpoint,
    create_model,
)

from workshop.account.cleanup import clean_up, unfinished
from workshop.account.finding import find
from workshop.aws.session import PREFIX, Aws
from workshop.endpoint.components import wait_for_component

TIMEOUT_S = 600
CONNECTED = """
from workshop.aws.session import connect
from workshop.settings import load_settings
aws = connect(load_settings())
sagemaker, s3 = aws.client("sagemaker"), aws.client("s3")
"""
TARGET = """
target = dict(ServiceNamespace="sagemaker", ResourceId=f"inference-component/{name}",
              ScalableDimension="sagemaker:inference-component:DesiredCopyCount")
scaling = aws.client("application-autoscaling")
scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=2)
"""
TRACKING = """
scaling.put_scaling_policy(
    PolicyName=f"{name}-concurrency", PolicyType="TargetTrackingScaling", **target,
    TargetTrackingScalingPolicyConfiguration={
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"},
        "TargetValue": 5.0})
"""
ALARM = """
aws.client("cloudwatch").put_metric_alarm(
    AlarmName="of-any-name", Namespace="AWS/SageMaker", MetricName="Invocations", Statistic="Sum", Period=60,
    EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold")
"""
RULE = """
events = aws.client("events")
events.put_rule(Name="NAME", EventPattern='{"source": ["aws.cloudwatch"]}')
events.put_targets(Rule="NAME", Targets=[{
    "Id": "start", "Arn": f"arn:aws:sagemaker:{aws.region}:{aws.account_id}:pipeline/NAME",
    "RoleArn": aws.role_arn}])
"""
DASHBOARD = """
aws.client("cloudwatch").put_dashboard(DashboardName="NAME", DashboardBody='{"widgets": []}')
"""
CONFIG = f"""
sagemaker.create_endpoint_config(
    EndpointConfigName="NAME", ProductionVariants=[{endpoint_variant()!r}], ExecutionRoleArn=aws.role_arn)
"""
GROUP = "sagemaker.create_model_package_group(ModelPackageGroupName='NAME')\n"
PROCESSING = processing_request("NAME", BUCKET, "code", f"s3://{OURS}/{PREFIX}/evaluation/")
PIPELINE = f"""
sagemaker.create_pipeline(
    PipelineName="NAME", PipelineDefinition={definition(PROCESSING)!r}, RoleArn=aws.role_arn)
"""
JOB = job_request("NAME", BUCKET, "code", f"s3://{OURS}/{PREFIX}/training/")
LARGE = """
import pathlib
path = pathlib.Path(aws.settings.home) / "large"
path.parent.mkdir(parents=True, exist_ok=True)
path.write_bytes(bytes(9_000_000))
s3.upload_file(str(path), aws.bucket, f"{aws.prefix}/base-model/m/model.safetensors")
"""
# Name -> the program after it has connected, and the request that it does not survive.
ALONE = {
    "training job": (f"sagemaker.create_training_job(**{JOB!r})",
                     "SageMaker.CreateTrainingJob"),
    "processing job": (f"sagemaker.create_processing_job(**{PROCESSING!r})",
                       "SageMaker.CreateProcessingJob"),
    "model": (f"sagemaker.create_model(ModelName='NAME', PrimaryContainer={{'Image': {IMAGE!r}}},"
              " ExecutionRoleArn=aws.role_arn)", "SageMaker.CreateModel"),
    "endpoint configuration": (CONFIG, "SageMaker.CreateEndpointConfig"),
    "endpoint": (CONFIG + "sagemaker.create_endpoint(EndpointName='NAME', EndpointConfigName='NAME')",
                 r"SageMaker\.CreateEndpoint "),
    "MLflow App": ("sagemaker.create_mlflow_app(Name='NAME', ArtifactStoreUri=aws.uri('mlflow'),"
                   " RoleArn=aws.role_arn)", "SageMaker.CreateMlflowApp"),
    "version of a model": (GROUP + "sagemaker.create_model_package(ModelPackageGroupName='NAME')",
                           r"SageMaker\.CreateModelPackage "),
    "pipeline": (PIPELINE, "SageMaker.CreatePipeline"),
    "execution of a pipeline": (PIPELINE + "sagemaker.start_pipeline_execution(PipelineName='NAME')",
                                "SageMaker.StartPipelineExecution"),
    "repository": ("aws.client('ecr').create_repository(repositoryName='NAME')", "CreateRepository"),
    "alarm": (ALARM, "PutMetricAlarm"),
    "target of a rule": (RULE, "AWSEvents.PutTargets"),
    "dashboard": (DASHBOARD, "PutDashboard"),
    "object": ("s3.put_object(Bucket=aws.bucket, Key=f'{aws.prefix}/beside-the-folders', Body=b'1')",
               "PUT .*/beside-the-folders"),
    "start of an upload in parts": (LARGE, r"POST .*\?uploads"),
    "part of an upload": (LARGE, "PUT .*partNumber=1"),
}  # fmt: skip
ON_ENDPOINT = {
    "component": ("", "SageMaker.CreateInferenceComponent"),
    "scalable target": (TARGET, "RegisterScalableTarget"),
    "scaling policy": (TARGET + TRACKING, "PutScalingPolicy"),
}


def kill(machine_dir: Path, url: str, code: str, pattern: str, bucket: str = "news-of-this-account") -> None:
    environ = {
        "WORKSHOP_MODE": "debug",
        "WORKSHOP_HOME": str(machine_dir / "first"),
        "WORKSHOP_ROLE_ARN": "arn:aws:iam::000000000000:role/workshop-sample",
        "WORKSHOP_BUCKET": bucket,
    }
    run_until_request(CONNECTED + code, pattern, url=url, folder=machine_dir, environ=environ)


def assert_a_cleanup_leaves_nothing(aws: Aws, foreign: Foreign, before: dict[str, list[str]]) -> None:
    """Clean up twice, and look with other eyes."""
    assert foreign.everything() != before, "the request did not arrive"
    outcomes, left = clean_up(aws, find(aws))
    assert left.found == [], outcomes
    assert left.problems == []
    assert unfinished(outcomes, left) == []
    assert foreign.everything() == before
    assert clean_up(aws, find(aws))[0] == []


# What another machine finds of pipelines, and what this one does, test_pipelines.py has.
ELSEWHERE = [("pipeline", "second"), ("execution of a pipeline", "first"), ("target of a rule", "first")]
CASES = [(what, where) for what in ALONE for where in ("first", "second") if (what, where) not in ELSEWHERE]


@pytest.mark.parametrize(("what", "where"), CASES)
def test_nothing_is_left(
    foreign: Foreign, running, machine: Machine, tmp_path: Path, what: str, where: str
) -> None:
    before = foreign.everything()
    code, pattern = ALONE[what]
    kill(tmp_path, running.url, code.replace("NAME", f"news-{where}"), pattern)
    aws = machine(where, cleanup_confirmed="everything")
    assert bool(aws.ledger.entries()) is (where == "first" and what not in UNNOTED)
    assert_a_cleanup_leaves_nothing(aws, foreign, before)


UNNOTED = ("object", "start of an upload in parts", "part of an upload")


@pytest.mark.parametrize(
    ("what", "where"), [("component", "first"), ("scalable target", "second"), ("scaling policy", "second")]
)
def test_nothing_is_left_on_an_endpoint(
    foreign: Foreign, running, machine: Machine, tmp_path: Path, what: str, where: str
) -> None:
    before, aws = foreign.everything(), machine("first")
    endpoint = create_endpoint(aws)
    model = create_model(aws, f"{endpoint}-model")
    request = {
        "InferenceComponentName": f"{endpoint}-base",
        "EndpointName": endpoint,
        "VariantName": "AllTraffic",
        "Specification": {"ModelName": model, "ComputeResourceRequirements": COMPUTE},
        "RuntimeConfig": {"CopyCount": 1},
    }
    more, pattern = ON_ENDPOINT[what]
    if more:
        wait_for_component(aws, create_component(aws, endpoint, "base", model), timeout_s=TIMEOUT_S)
        code = f"name = '{endpoint}-base'\n{more}"
    else:
        code = f"sagemaker.create_inference_component(**{request!r})"
    kill(tmp_path, running.url, code, pattern)
    assert_a_cleanup_leaves_nothing(machine(where, cleanup_confirmed="everything"), foreign, before)


def test_nothing_is_left_of_an_adapter_and_it_goes_before_its_base(
    foreign: Foreign, running, machine: Machine, tmp_path: Path, adapter_archive: Path
) -> None:
    before, aws = foreign.everything(), machine("first")
    endpoint = create_endpoint(aws)
    lora = {"OPTION_ENABLE_LORA": "true", "OPTION_MAX_LORA_RANK": "8"}
    model = create_model(aws, f"{endpoint}-model", image=LMI_IMAGE, **lora)
    base = create_component(aws, endpoint, "base", model)
    wait_for_component(aws, base, timeout_s=TIMEOUT_S)
    key = f"{PREFIX}/adapters/{endpoint}.tar.gz"
    aws.client("s3").upload_file(str(adapter_archive), aws.bucket, key)
    request = {
        "InferenceComponentName": f"{endpoint}-adapter",
        "EndpointName": endpoint,
        "Specification": {
            "BaseInferenceComponentName": base,
            "Container": {"ArtifactUrl": f"s3://{aws.bucket}/{key}"},
        },
    }
    code = f"sagemaker.create_inference_component(**{request!r})"
    kill(tmp_path, running.url, code, "SageMaker.CreateInferenceComponent")
    aws = machine("second", cleanup_confirmed="everything")
    order = [one.name for one in find(aws).found if one.kind == "InferenceComponent"]
    assert order == [f"{endpoint}-adapter", base]
    assert_a_cleanup_leaves_nothing(aws, foreign, before)


def test_nothing_is_left_of_a_bucket_that_has_no_tags_yet(
    foreign: Foreign, running, machine: Machine, tmp_path: Path
) -> None:
    before = foreign.everything()
    kill(tmp_path, running.url, "", "PUT /news-new-bucket ", bucket="news-new-bucket")
    aws = machine("first", bucket="news-new-bucket", cleanup_confirmed="everything")
    assert_a_cleanup_leaves_nothing(aws, foreign, before)
