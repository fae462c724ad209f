"""Under the policies of setup/iam a cleanup leaves nothing, and what they lack is named with the policy."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests import permissions_record
from tests.permissions_record import PERSON, actions, policy, without
from tests.sandbox.conftest import RunningSandbox
from tests.workshop.account.foreign import (
    IMAGE,
    definition,
    endpoint_variant,
    job_request,
    processing_request,
)
from tests.workshop.components_on_sandbox import COMPUTE

from workshop.account import permissions
from workshop.account.cleanup import clean_up
from workshop.account.doctor import examine
from workshop.account.finding import find
from workshop.account.quotas import quota_lines
from workshop.account.reminders import reminders
from workshop.account.report import left_text, listing_text, outcome_text
from workshop.account.watching import delete_rule
from workshop.aws.session import PREFIX, Aws, connect
from workshop.tracking.app import app_name

BUCKET = f"sagemaker-{permissions_record.REGION}-{permissions_record.ACCOUNT}"
NAME = "news-under-policies"
ANYTHING = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"},
}
PROGRAM = b"import time\nprint('runs', flush=True)\ntime.sleep(3600)\n"


def make_everything(aws: Aws, policed: RunningSandbox) -> None:
    """Make one of each kind that a cleanup knows, by the names that the notebooks give."""
    sagemaker, s3, role = aws.client("sagemaker"), aws.client("s3"), aws.role_arn
    container = {"Image": IMAGE}
    sagemaker.create_model(ModelName=NAME, PrimaryContainer=container, ExecutionRoleArn=role)
    sagemaker.create_endpoint_config(
        EndpointConfigName=NAME, ProductionVariants=[endpoint_variant()], ExecutionRoleArn=role
    )
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=NAME, WaiterConfig={"Delay": 0.1})
    sagemaker.create_inference_component(
        InferenceComponentName=f"{NAME}-tuned",
        EndpointName=NAME,
        VariantName="AllTraffic",
        Specification={"ModelName": NAME, "ComputeResourceRequirements": COMPUTE},
        RuntimeConfig={"CopyCount": 1},
    )
    sagemaker.create_model_package_group(ModelPackageGroupName=NAME)
    sagemaker.create_model_package(ModelPackageGroupName=NAME)
    aws.client("ecr").create_repository(repositoryName=NAME)
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"inference-component/{NAME}-tuned",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }
    scaling = aws.client("application-autoscaling")
    scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=2)
    metric = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
    scaling.put_scaling_policy(
        PolicyName=f"{NAME}-concurrency",
        PolicyType="TargetTrackingScaling",
        **target,
        TargetTrackingScalingPolicyConfiguration={
            "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
            "TargetValue": 5.0,
        },
    )
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=f"{NAME}-errors", Namespace="AWS/SageMaker", MetricName="Invocations", Statistic="Sum",
        Period=60, EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    point = {"MetricName": "BadAnswers", "Value": 1.0}
    aws.client("cloudwatch").put_metric_data(Namespace="KoreanNews/Monitoring", MetricData=[point])
    aws.client("cloudwatch").put_dashboard(DashboardName=NAME, DashboardBody='{"widgets": []}')
    sagemaker.create_mlflow_app(Name=app_name(aws), ArtifactStoreUri=aws.uri("mlflow"), RoleArn=role)
    s3.put_object(Bucket=aws.bucket, Key=f"{PREFIX}/mlflow/1/run/artifacts/scores.csv", Body=b"1")
    s3.put_object(Bucket=aws.bucket, Key=f"{PREFIX}/code/{NAME}/program.py", Body=PROGRAM)
    s3.create_multipart_upload(Bucket=aws.bucket, Key=f"{PREFIX}/base-model/large")
    place = (NAME, aws.bucket, f"{PREFIX}/code/{NAME}", aws.uri("training"))
    jobs = [{**request(*place), "RoleArn": role} for request in (job_request, processing_request)]
    sagemaker.create_training_job(**jobs[0])
    sagemaker.create_processing_job(**jobs[1])
    tags = [{"Key": key, "Value": value} for key, value in aws.tags.items()]
    steps = definition(*({**job, "Tags": tags} for job in jobs))
    sagemaker.create_pipeline(PipelineName=NAME, PipelineDefinition=steps, RoleArn=role)
    put_rule(aws, f"{NAME}-errors")
    permissions_record.enforce(policed, person=[ANYTHING])  # nobody of the workshop sets an alarm's state
    state = {"StateValue": "ALARM", "StateReason": "a drill"}
    policed.client("cloudwatch").set_alarm_state(AlarmName=f"{NAME}-errors", **state)
    permissions_record.enforce(policed)
    wait_for_steps(aws, until=("TrainingJob", "ProcessingJob"))
    group = {"logGroupName": f"/aws/sagemaker/Endpoints/{NAME}"}
    # As SageMaker does on the role's behalf.
    logs = _of_the_role(aws, "logs")
    logs.create_log_group(**group)
    logs.create_log_stream(**group, logStreamName="AllTraffic/i-1")


def put_rule(aws: Aws, alarm: str) -> None:
    """Let an alarm start the pipeline."""
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": [alarm], "state": {"value": ["ALARM"]}}}
    arn = f"arn:aws:sagemaker:{aws.region}:{aws.account_id}:pipeline/{NAME}"
    aws.client("events").put_rule(Name=NAME, EventPattern=json.dumps(pattern))
    target = {"Id": "start", "Arn": arn, "RoleArn": aws.role_arn}
    aws.client("events").put_targets(Rule=NAME, Targets=[target])


def start_pipeline(aws: Aws, *, until: tuple[str, ...]) -> None:
    """Start the pipeline, and wait until its steps say what they have made."""
    aws.client("sagemaker").start_pipeline_execution(PipelineName=NAME)
    wait_for_steps(aws, until=until)


def wait_for_steps(aws: Aws, *, until: tuple[str, ...]) -> None:
    """Wait for an execution, and until its steps say what they have made."""
    sagemaker = aws.client("sagemaker")
    while not (
        started := sagemaker.list_pipeline_executions(PipelineName=NAME)["PipelineExecutionSummaries"]
    ):
        pass
    arn = started[0]["PipelineExecutionArn"]

    def made() -> set[str]:
        steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
        return {kind for step in steps for kind in step.get("Metadata", {})}

    while not made().issuperset(until):
        status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        assert status["PipelineExecutionStatus"] == "Executing", status


def _of_the_role(aws: Aws, service: str) -> Any:
    import boto3

    keys = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox"}
    url = aws.client("s3").meta.endpoint_url
    return boto3.client(service, endpoint_url=url, region_name=aws.region, **keys)


def clean(aws: Aws, words: str = "everything") -> str:
    aws = replace(aws, settings=replace(aws.settings, cleanup_confirmed=words))
    outcomes, left = clean_up(aws, find(aws))
    return f"{outcome_text(outcomes)}\n{left_text(aws.settings, left, outcomes)}"


def test_a_cleanup_under_the_policies_leaves_nothing(policed_aws: Aws, policed: RunningSandbox) -> None:
    make_everything(policed_aws, policed)
    assert find(policed_aws).problems == []
    reminders(policed_aws)
    assert "kept 14 days" in clean(policed_aws, "log-retention")
    text = clean(policed_aws)
    assert "nothing of the workshop is left" in text, text


def test_older_versions_take_an_action_of_their_own(policed_aws: Aws, policed: RunningSandbox) -> None:
    versions = {"Bucket": policed_aws.bucket, "VersioningConfiguration": {"Status": "Enabled"}}
    permissions_record.enforce(policed, person=[ANYTHING])
    policed.client("s3").put_bucket_versioning(**versions)
    permissions_record.enforce(policed)
    for _ in range(2):
        policed_aws.client("s3").put_object(Bucket=policed_aws.bucket, Key=f"{PREFIX}/data/a", Body=b"1")
    assert "nothing of the workshop is left" in clean(policed_aws)


# What the cleanup lists; parameters of an execution only notebook 06 asks for.
LISTS = [
    action
    for action in actions(PERSON)
    if re.search(
        r"^(?!serv|s3:ListAll|sagemaker:ListPipelineParam).*:(List|Search|DescribeScal|DescribeAlarms|DescribeRepo|DescribeImages|DescribeLogGroups|GetBucket)",
        action,
    )
]


@pytest.mark.parametrize("action", LISTS)
def test_a_list_that_is_refused_is_named_and_the_rest_is_found(
    policed_aws: Aws, policed: RunningSandbox, action: str
) -> None:
    policed_aws.client("sagemaker").create_model(
        ModelName=NAME, PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=policed_aws.role_arn
    )
    policed_aws.client("sagemaker").create_model_package_group(ModelPackageGroupName=NAME)
    ends = json.dumps({"Version": "2020-12-01", "Steps": [{"Name": "End", "Type": "Fail", "Arguments": {}}]})
    policed_aws.client("sagemaker").create_pipeline(
        PipelineName=NAME, PipelineDefinition=ends, RoleArn=policed_aws.role_arn
    )
    start_pipeline(policed_aws, until=("Fail",))
    put_rule(policed_aws, "none")
    policed_aws.client("cloudwatch").put_dashboard(DashboardName=NAME, DashboardBody='{"widgets": []}')
    policed_aws.client("ecr").create_repository(repositoryName=NAME)
    try:
        permissions_record.enforce(policed, person=without(PERSON, action))
        listing = find(policed_aws)
        text = "\n".join([listing_text(policed_aws.settings, listing), *reminders(policed_aws)])
        assert action in text
        assert "setup/iam/person-policy.json" in text
        if action != "sagemaker:ListModels":
            assert NAME in text
    finally:
        permissions_record.enforce(policed)
        policed_aws.client("sagemaker").delete_model(ModelName=NAME)
        policed_aws.client("sagemaker").delete_model_package_group(ModelPackageGroupName=NAME)
        policed_aws.client("sagemaker").delete_pipeline(PipelineName=NAME)
        policed_aws.client("ecr").delete_repository(repositoryName=NAME)
        policed_aws.client("cloudwatch").delete_dashboards(DashboardNames=[NAME])
        delete_rule(policed_aws, NAME)


@pytest.mark.parametrize(
    "action", ["sagemaker:DeleteModel", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:DeleteBucket"]
)
def test_what_a_cleanup_may_not_delete_stays_and_is_named(
    policed_aws: Aws, policed: RunningSandbox, action: str
) -> None:
    s3 = policed_aws.client("s3")
    policed_aws.client("sagemaker").create_model(
        ModelName=NAME, PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=policed_aws.role_arn
    )
    s3.put_object(Bucket=policed_aws.bucket, Key=f"{PREFIX}/data/a", Body=b"1")
    s3.create_multipart_upload(Bucket=policed_aws.bucket, Key=f"{PREFIX}/base-model/large")
    permissions_record.enforce(policed, person=without(PERSON, action))
    text = clean(policed_aws)
    assert action in text
    assert "setup/iam/person-policy.json" in text
    permissions_record.enforce(policed)
    assert "nothing of the workshop is left" in clean(policed_aws)


def test_a_bucket_that_may_not_be_tagged_is_made_with_a_word(
    policed_aws: Aws, policed: RunningSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """AmazonSageMakerFullAccess allows s3:CreateBucket and not s3:PutBucketTagging."""
    clean(policed_aws)
    permissions_record.enforce(policed, person=without(PERSON, "s3:PutBucketTagging"))
    connect(policed_aws.settings)
    said = capsys.readouterr().out
    assert "s3:PutBucketTagging" in said
    assert "setup/iam/person-policy.json" in said
    policed_aws.client("s3").head_bucket(Bucket=policed_aws.bucket)
    assert "nothing of the workshop is left" in clean(policed_aws), "the ledger knows it"


def test_the_commands_name_files_that_are_filled_in(policed_aws: Aws) -> None:
    role_arn = policed_aws.role_arn
    folder = permissions.write(policed_aws, role_arn, "kim@example.com")
    said = permissions.commands(folder, policed_aws.account_id, role_arn)
    files = [Path(name) for name in re.findall(r"file://(\S+)", said)]
    assert {file.stem for file in files} == {path.stem for path in permissions_record.IAM_DIR.glob("*.json")}
    for file in files:
        text = file.read_text(encoding="utf-8")
        json.loads(text)
        assert not re.search(r"ACCOUNT|REGION|BUCKET|ROLE_ARN|ADDRESS", text), text
    for name, document in permissions_record.documents(PERSON).items():
        assert json.loads((folder / f"{name}.json").read_text()) == document


def test_the_doctor_and_the_prices_are_answered_under_the_policies(policed_aws: Aws) -> None:
    refused = [
        line for line in examine(policed_aws.settings) if "not allowed" in line.found or "lacks" in line.found
    ]
    assert refused == []
    # AWS's own values are asked for where the account has none of a name.
    new_type = replace(policed_aws.settings, endpoint_instance_type="ml.g9.12xlarge")
    quota_lines(replace(policed_aws, settings=new_type), policed_aws.client("service-quotas"), None)
    policed_aws.client("pricing").get_products(ServiceCode="AmazonSageMaker", MaxResults=1)


def test_a_user_with_the_policy_may_look_at_what_it_allows(
    policed_aws: Aws, policed: RunningSandbox, tmp_path: Path
) -> None:
    permissions_record.enforce(policed, person=[ANYTHING])
    iam = policed.client("iam")
    iam.create_user(UserName="kim")
    iam.put_user_policy(UserName="kim", PolicyName="own", PolicyDocument=json.dumps(policy(PERSON)))
    key = iam.create_access_key(UserName="kim")["AccessKey"]
    permissions_record.enforce(policed)
    keys = f"aws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
    (tmp_path / "config").write_text(f"[default]\nendpoint_url = {policed.url}\n{keys}")
    os.environ["AWS_CONFIG_FILE"] = str(tmp_path / "config")
    lines = list(examine(policed_aws.settings, "03-SageMaker-Training"))
    assert "user kim" in next(line.found for line in lines if line.subject == "identity")
    assert "you may read and write it" in [line.found for line in lines if line.subject == "bucket"]


def test_what_cleanup_and_doctor_ask_for_is_on_record(policed_aws: Aws, policed: RunningSandbox) -> None:
    permissions_record.check("cleanup", [policed.home])
