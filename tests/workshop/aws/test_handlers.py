"""Everything that is created through a connection is tagged and noted, whichever library creates it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError

from workshop.aws.handlers import _subject, _tags_member, note_and_tag
from workshop.aws.ledger import Ledger, LedgerEntry
from workshop.aws.session import PREFIX, Aws

TAGS = {"workshop": PREFIX, "workshop-mode": "sample"}
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04"  # noqa: E501


def entry(aws: Aws, kind: str, name: str) -> LedgerEntry:
    (found,) = [item for item in aws.ledger.entries() if (item.kind, item.name) == (kind, name)]
    return found


def tags_of(aws: Aws, arn: str) -> dict[str, str]:
    listed = aws.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]
    assert len({tag["Key"] for tag in listed}) == len(listed)
    return {tag["Key"]: tag["Value"] for tag in listed}


@pytest.fixture
def name() -> str:
    return f"noted-{uuid.uuid4().hex[:8]}"


def create_model(aws: Aws, name: str, **values: object) -> str:
    return aws.client("sagemaker").create_model(
        ModelName=name, PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=aws.role_arn, **values
    )["ModelArn"]


def test_boto3_creates_tagged_and_noted_resources(sample_aws: Aws, name: str) -> None:
    arn = create_model(sample_aws, name)
    assert tags_of(sample_aws, arn) == TAGS
    noted = entry(sample_aws, "Model", name)
    assert (noted.status, noted.arn, noted.region, noted.tags) == ("created", arn, "us-east-1", TAGS)


def test_a_repository_of_ecr_is_tagged_and_noted_to_its_end(sample_aws: Aws, name: str) -> None:
    ecr = sample_aws.client("ecr")
    arn = ecr.create_repository(repositoryName=name)["repository"]["repositoryArn"]
    tags = ecr.list_tags_for_resource(resourceArn=arn)["tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == TAGS
    assert (entry(sample_aws, "Repository", name).arn, entry(sample_aws, "Repository", name).tags) == (
        arn,
        TAGS,
    )
    ecr.delete_repository(repositoryName=name)
    assert entry(sample_aws, "Repository", name).ended_by == "DeleteRepository"


def test_given_tags_stay_and_win(sample_aws: Aws, name: str) -> None:
    given = [{"Key": "team", "Value": "뉴스"}, {"Key": "workshop", "Value": "mine"}]
    arn = create_model(sample_aws, name, Tags=given)
    assert tags_of(sample_aws, arn) == {**TAGS, "team": "뉴스", "workshop": "mine"}
    assert given == [{"Key": "team", "Value": "뉴스"}, {"Key": "workshop", "Value": "mine"}]
    assert entry(sample_aws, "Model", name).tags["team"] == "뉴스"


def test_the_sdks_resource_classes_pass_the_handler(sample_aws: Aws, name: str) -> None:
    from sagemaker.core.resources import Model
    from sagemaker.core.shapes import ContainerDefinition

    model = Model.create(
        model_name=name,
        primary_container=ContainerDefinition(image=IMAGE),
        execution_role_arn=sample_aws.role_arn,
        session=sample_aws.boto_session,
        region=sample_aws.region,
    )
    assert tags_of(sample_aws, model.model_arn) == TAGS
    assert entry(sample_aws, "Model", name).status == "created"
    model.delete()
    assert entry(sample_aws, "Model", name).status == "ended"


def test_the_sdks_model_trainer_passes_the_handler(sample_aws: Aws, name: str, tmp_path: Path) -> None:
    from sagemaker.core.training.configs import Compute, SourceCode
    from sagemaker.train import ModelTrainer

    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(
        "import time\ntime.sleep(600)  # one that has ended cannot be stopped"
    )
    trainer = ModelTrainer(
        sagemaker_session=sample_aws.sagemaker_session,
        role=sample_aws.role_arn,
        training_image=IMAGE.replace("tgi-inference", "training"),
        source_code=SourceCode(source_dir=str(tmp_path / "code"), entry_script="train.py"),
        compute=Compute(instance_type="ml.g5.4xlarge", instance_count=1),
        base_job_name=name,
    )
    trainer.train(wait=False, logs=False)
    job = trainer._latest_training_job
    assert TAGS.items() <= tags_of(sample_aws, job.training_job_arn).items()
    noted = entry(sample_aws, "TrainingJob", job.training_job_name)
    assert (noted.status, noted.arn) == ("created", job.training_job_arn)
    sample_aws.client("sagemaker").stop_training_job(TrainingJobName=job.training_job_name)
    noted = entry(sample_aws, "TrainingJob", job.training_job_name)
    assert (noted.status, noted.ended_by) == ("ended", "StopTrainingJob")


def test_boto3s_default_session_passes_the_handler(sample_aws: Aws, name: str) -> None:
    boto3.client("sagemaker").create_model(
        ModelName=name, PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=sample_aws.role_arn
    )
    assert entry(sample_aws, "Model", name).status == "created"


def test_a_refused_request_is_noted_as_failed(sample_aws: Aws, name: str) -> None:
    create_model(sample_aws, name)
    with pytest.raises(ClientError):
        create_model(sample_aws, name)
    assert entry(sample_aws, "Model", name).status == "created"
    with pytest.raises(ClientError):
        sample_aws.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName="nowhere")
    noted = entry(sample_aws, "Endpoint", name)
    assert (noted.status, noted.error) == ("failed", "ValidationException")


def test_a_refused_delete_ends_nothing(sample_aws: Aws, name: str) -> None:
    sample_aws.ledger.created(sample_aws.ledger.begin("Model", name, "us-east-1", {}), "arn", "")
    with pytest.raises(ClientError):
        sample_aws.client("sagemaker").delete_model(ModelName=name)
    assert entry(sample_aws, "Model", name).status == "created"


def test_a_request_that_is_never_sent_is_not_noted(sample_aws: Aws) -> None:
    from botocore.exceptions import ParamValidationError

    before = sample_aws.ledger.path.read_bytes()
    with pytest.raises(ParamValidationError):
        sample_aws.client("sagemaker").create_model(ModelName=3)
    sample_aws.client("sagemaker").list_models()
    assert sample_aws.ledger.path.read_bytes() == before


def test_reading_and_listing_leave_the_request_alone(tmp_path: Path) -> None:
    session = boto3.Session("a", "b", region_name="us-east-1")
    note_and_tag(session.events, Ledger(tmp_path / "ledger.jsonl"), TAGS, "us-east-1")
    client = session.client("sagemaker", endpoint_url="http://127.0.0.1:1")
    seen: list[dict] = []
    client.meta.events.register_last(
        "before-call.sagemaker", lambda params, **_: seen.append(json.loads(params["body"])) or _answer()
    )
    client.list_models(NameContains="a")
    client.describe_model(ModelName="m")
    client.add_tags(ResourceArn="arn:aws:sagemaker:us-east-1:000000000000:model/m", Tags=[])
    assert [set(body) for body in seen] == [{"NameContains"}, {"ModelName"}, {"ResourceArn", "Tags"}]
    assert not (tmp_path / "ledger.jsonl").exists()


def _answer() -> tuple[object, dict]:
    from botocore.awsrequest import AWSResponse

    return AWSResponse("", 200, {}, None), {"ResponseMetadata": {"HTTPStatusCode": 200}}


def test_a_kill_between_request_and_answer_leaves_a_pending_row(tmp_path: Path) -> None:
    """The server takes the request and never answers; the client is killed with -9 meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"""
import boto3
from pathlib import Path
from workshop.aws.handlers import note_and_tag
from workshop.aws.ledger import Ledger
session = boto3.Session("a", "b", region_name="us-east-1")
note_and_tag(session.events, Ledger(Path({str(tmp_path / "ledger.jsonl")!r})), {TAGS!r}, "us-east-1")
client = session.client("sagemaker", endpoint_url="http://127.0.0.1:{server.getsockname()[1]}")
client.create_endpoint(EndpointName="costly", EndpointConfigName="config")
"""
        killed = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ))
        server.settimeout(300)
        connection, _ = server.accept()
        with connection:
            assert b"CreateEndpoint" in connection.recv(65_536)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
    (noted,) = Ledger(tmp_path / "ledger.jsonl").entries()
    assert (noted.kind, noted.name, noted.status, noted.tags) == ("Endpoint", "costly", "pending", TAGS)


def test_no_answer_stays_pending_and_says_why(tmp_path: Path) -> None:
    from botocore.config import Config
    from botocore.exceptions import EndpointConnectionError

    session = boto3.Session("a", "b", region_name="us-east-1")
    ledger = Ledger(tmp_path / "ledger.jsonl")
    note_and_tag(session.events, ledger, TAGS, "us-east-1")
    config = Config(retries={"total_max_attempts": 1})
    client = session.client("sagemaker", endpoint_url="http://127.0.0.1:1", config=config)
    with pytest.raises(EndpointConnectionError):
        client.create_endpoint(EndpointName="costly", EndpointConfigName="config")
    (noted,) = ledger.entries()
    assert (noted.status, noted.error) == ("pending", "EndpointConnectionError")


def put_alarm(aws: Aws, name: str, **values: object) -> dict:
    cloudwatch = aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace="AWS/SageMaker", MetricName="Invocations", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold", **values,
    )  # fmt: skip
    return cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]


def test_an_alarm_is_noted_and_carries_the_tags_in_its_description(sample_aws: Aws, name: str) -> None:
    first = put_alarm(sample_aws, f"{name}-1")
    assert first["AlarmDescription"] == f"workshop={PREFIX}, workshop-mode=sample"
    assert put_alarm(sample_aws, f"{name}-2", AlarmDescription="mine")["AlarmDescription"] == "mine"
    assert entry(sample_aws, "Alarm", f"{name}-1").status == "created"
    sample_aws.client("cloudwatch").delete_alarms(AlarmNames=[f"{name}-1", f"{name}-2"])
    for one in (f"{name}-1", f"{name}-2"):
        assert entry(sample_aws, "Alarm", one).ended_by == "DeleteAlarms"


def test_a_scalable_target_is_noted(sample_aws: Aws, name: str) -> None:
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"inference-component/{name}",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }
    scaling = sample_aws.client("application-autoscaling")
    with pytest.raises(ClientError):
        scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=1)  # there is no component
    assert entry(sample_aws, "ScalableTarget", target["ResourceId"]).status == "failed"


def test_the_ledger_holds_no_secret(sample_aws: Aws, name: str) -> None:
    create_model(sample_aws, name)
    environment = {"HF_TOKEN": "hf_not_for_the_ledger"}
    sample_aws.client("sagemaker").create_model(
        ModelName=f"{name}-2",
        PrimaryContainer={"Image": IMAGE, "Environment": environment},
        ExecutionRoleArn=sample_aws.role_arn,
    )
    text = sample_aws.ledger.path.read_text()
    assert name in text
    assert "hf_not" not in text
    assert oct(sample_aws.ledger.path.stat().st_mode)[-3:] == "600"


def test_every_create_operation_of_sagemaker_has_a_kind_and_a_name() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    created = [model.operation_model(name) for name in model.operation_names if name.startswith("Create")]
    assert len(created) > 60
    tagged = {operation.name for operation in created if _tags_member(operation)}
    assert {"CreateTrainingJob", "CreateModel", "CreateEndpoint", "CreateInferenceComponent"} <= tagged
    for operation in created:
        required = operation.input_shape.required_members
        params = {member: "x" for member in required}
        kind, name = _subject(operation, params)
        assert kind == operation.name.removeprefix("Create")
        if any(member.endswith("Name") for member in required):
            assert name == "x", operation.name


@pytest.mark.parametrize(
    "kind", ["TrainingJob", "Model", "EndpointConfig", "Endpoint", "InferenceComponent", "ModelPackageGroup"]
)
def test_delete_finds_what_create_noted(kind: str) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    params = {f"{kind}Name": "n"}
    assert _subject(model.operation_model(f"Create{kind}"), params) == (kind, "n")
    assert _subject(model.operation_model(f"Delete{kind}"), params) == (kind, "n")
