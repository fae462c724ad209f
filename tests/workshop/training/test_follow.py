"""A training job is shown from its first line to its last, whenever one comes, and needs nobody to go on."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from workshop.aws.session import Aws
from workshop.errors import WorkshopError
from workshop.settings import Settings
from workshop.training.follow import follow
from workshop.training.job import FollowedJob

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"  # noqa: E501
ROLE = "arn:aws:iam::123456789012:role/news"
TRUST = json.loads((Path(__file__).parents[3] / "setup" / "iam" / "trust-policy.json").read_text())
PROGRESS = """
import json, pathlib, sys, time
print('phase {"imports_s": 1.5}', flush=True)
for step in range(1, 6):
    print('progress ' + json.dumps({"step": step, "num_steps": 5, "loss": 5.0 / step}), flush=True)
print("요약 모델 저장", flush=True)
"""


def start_job(aws: Aws, program: str, max_run_s: int = 120) -> str:
    """Start a job whose container runs a Python program."""
    name = f"follow-{uuid.uuid4().hex[:8]}"
    key = f"{aws.prefix}/code/{name}/program.py"
    aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=program.encode())
    code = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{aws.bucket}/{key.rpartition('/')[0]}/"}
    aws.client("sagemaker").create_training_job(
        TrainingJobName=name,
        RoleArn=aws.role_arn,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", "/opt/ml/input/data/code/program.py"],
        },
        InputDataConfig=[{"ChannelName": "code", "DataSource": {"S3DataSource": code}}],
        OutputDataConfig={"S3OutputPath": aws.uri("jobs"), "CompressionType": "NONE"},
        ResourceConfig={"InstanceType": "ml.g5.4xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
        StoppingCondition={"MaxRuntimeInSeconds": max_run_s},
    )
    return name


def status_of(aws: Aws, name: str) -> str:
    return aws.client("sagemaker").describe_training_job(TrainingJobName=name)["TrainingJobStatus"]


@pytest.fixture(scope="module")
def finished(sandbox_home: Path) -> tuple[Aws, str]:
    """One job that has completed, for the tests that only read it."""
    from workshop.aws.session import connect
    from workshop.settings import load_settings

    aws = connect(load_settings(environ={"WORKSHOP_HOME": str(sandbox_home)}))
    name = start_job(aws, PROGRESS)
    follow(aws, name, 600)
    return aws, name


def test_a_running_job_is_followed_to_its_end(sample_aws: Aws, capsys: pytest.CaptureFixture) -> None:
    name = start_job(sample_aws, PROGRESS)
    job = follow(sample_aws, name, 600)
    assert (job.job_name, job.status) == (name, "Completed")
    assert [record["step"] for record in job.records] == [1, 2, 3, 4, 5]
    assert job.phases == {"imports_s": 1.5}
    assert "요약 모델 저장" in job.lines
    assert job.log_path.read_text(encoding="utf-8").count("progress") == 5
    assert job.arn.endswith(f":training-job/{name}")
    assert {"Training", "Uploading"} <= set(job.status_seconds)
    shown = capsys.readouterr().out
    statuses = [line for line in shown.splitlines() if line.startswith("status ")]
    assert statuses[0] == "status Starting"
    assert statuses[-2:] == ["status Uploading", "status Completed"]
    assert len(statuses) == len(set(statuses))
    assert shown.count('progress {"step": 3') == 1
    assert "done" in shown.splitlines()[-1]


def test_following_again_shows_everything_from_the_beginning(finished: tuple[Aws, str]) -> None:
    aws, name = finished
    first, second = follow(aws, name, 60), follow(aws, name, 600)
    assert first == second
    assert len(second.records) == 5


def test_a_failed_job_shows_reason_and_last_lines(sample_aws: Aws) -> None:
    name = start_job(
        sample_aws, "print('reading data', flush=True); raise SystemExit('no rows in train.jsonl')"
    )
    with pytest.raises(WorkshopError, match=f"the job {name} failed") as caught:
        follow(sample_aws, name, 600)
    assert "| no rows in train.jsonl" in caught.value.found
    assert "aws logs tail /aws/sagemaker/TrainingJobs" in caught.value.next_step


def test_a_job_over_its_time_limit_says_which_setting(sample_aws: Aws) -> None:
    name = start_job(sample_aws, "import time; print('slow', flush=True); time.sleep(600)", max_run_s=1)
    with pytest.raises(WorkshopError, match="longer than its 1 s") as caught:
        follow(sample_aws, name, 600)
    assert "max_run_s" in caught.value.next_step


def test_a_stopped_job_is_returned_as_stopped(sample_aws: Aws) -> None:
    name = start_job(sample_aws, "import time; print('slow', flush=True); time.sleep(600)")
    sample_aws.client("sagemaker").stop_training_job(TrainingJobName=name)
    assert follow(sample_aws, name, 600).status == "Stopped"


def test_the_end_of_the_wait_is_not_the_end_of_the_job(sample_aws: Aws) -> None:
    name = start_job(sample_aws, "import time; time.sleep(600)")
    with pytest.raises(WorkshopError, match=r"still runs after 0\.5 s"):
        follow(sample_aws, name, 0.5)
    assert status_of(sample_aws, name) == "InProgress"
    sample_aws.client("sagemaker").stop_training_job(TrainingJobName=name)


def test_an_unknown_job_names_the_cell_to_run(sample_aws: Aws) -> None:
    with pytest.raises(WorkshopError, match="no training job nowhere"):
        follow(sample_aws, "nowhere", 5)


def test_an_interrupted_cell_leaves_the_job_running(sample_aws: Aws, sandbox_home: Path) -> None:
    name = start_job(sample_aws, "import time; print('begun', flush=True); time.sleep(600)")
    code = (
        "from workshop.settings import load_settings; from workshop.aws.session import connect\n"
        "from workshop.training.follow import follow\n"
        f"follow(connect(load_settings()), {name!r}, 600)"
    )
    cell = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "WORKSHOP_HOME": str(sandbox_home), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in cell.stdout:
        if line.strip() == "begun":
            break
    cell.send_signal(signal.SIGINT)
    said, error = cell.communicate(timeout=300)
    assert "KeyboardInterrupt" in error
    assert "continues in SageMaker" in said
    assert f'stop_training_job(TrainingJobName="{name}")' in said
    assert status_of(sample_aws, name) == "InProgress"
    sample_aws.client("sagemaker").stop_training_job(TrainingJobName=name)
    assert follow(sample_aws, name, 600).status == "Stopped"


def test_an_aws_that_ended_is_noticed(sample_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    from workshop.training import follow as module

    monkeypatch.setattr(module, "_MAX_POLL_FAILURES", 2)
    dead = boto3.Session(region_name="us-east-1").client("sagemaker", endpoint_url="http://127.0.0.1:1")
    sample_aws._clients["sagemaker"] = dead
    with pytest.raises(WorkshopError, match="AWS on this machine does not answer any more"):
        follow(sample_aws, "any", 600)
    del sample_aws._clients["sagemaker"]


def test_long_logs_of_two_machines_are_read_page_by_page(account: Settings) -> None:
    """Moto keeps CloudWatch's pages; its training jobs complete at once and print nothing."""
    from workshop.aws.session import connect
    from workshop.training.follow import TRAINING_LOG_GROUP, JobLogs

    logs = connect(account).client("logs")
    reader = JobLogs(logs, "two", 2)
    assert list(reader.new_lines()) == []
    logs.create_log_group(logGroupName=TRAINING_LOG_GROUP)
    now_ms = int(time.time() * 1000)

    def put(machine: str, first: int, last: int) -> None:
        events = [{"timestamp": now_ms, "message": f"line {number}"} for number in range(first, last)]
        logs.put_log_events(
            logGroupName=TRAINING_LOG_GROUP, logStreamName=f"two/{machine}-1700000000", logEvents=events
        )

    for stream in ("two/algo-1-1700000000", "two-other/algo-1-1700000000"):
        logs.create_log_stream(logGroupName=TRAINING_LOG_GROUP, logStreamName=stream)
    for first in range(0, 25_000, 5_000):
        put("algo-1", first, first + 5_000)
    assert list(reader.new_lines()) == [f"line {number}" for number in range(25_000)]
    assert list(reader.new_lines()) == []
    logs.create_log_stream(logGroupName=TRAINING_LOG_GROUP, logStreamName="two/algo-2-1700000000")
    put("algo-1", 25_000, 25_001)
    put("algo-2", 0, 1)
    assert list(reader.new_lines()) == ["line 25000", "algo-2 | line 0"]
    # Managed spot: it resumed on other instances, with streams of their own.
    logs.create_log_stream(logGroupName=TRAINING_LOG_GROUP, logStreamName="two/algo-1-1700000100")
    logs.put_log_events(
        logGroupName=TRAINING_LOG_GROUP,
        logStreamName="two/algo-1-1700000100",
        logEvents=[{"timestamp": now_ms, "message": "again"}],
    )
    assert list(reader.new_lines()) == []
    reader.num_streams = 4
    assert list(reader.new_lines()) == ["again"]


def test_lines_that_cloudwatch_shows_after_the_end_are_taken(account: Settings) -> None:
    """A training job of moto has completed at once; its last line comes later, as on AWS."""
    from workshop.aws.session import connect
    from workshop.training.follow import TRAINING_LOG_GROUP

    aws = connect(dataclasses.replace(account, poll_interval_s=0.05, role_arn=ROLE))
    aws.client("iam").create_role(RoleName="news", AssumeRolePolicyDocument=json.dumps(TRUST))
    name = start_job(aws, "")
    logs = aws.client("logs")
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=TRAINING_LOG_GROUP)
    place = {"logGroupName": TRAINING_LOG_GROUP, "logStreamName": f"{name}/algo-1-1700000000"}
    logs.create_log_stream(**place)
    event = {"timestamp": int(time.time() * 1000), "message": "the last line"}
    looks = []

    def looked(**_: object) -> None:
        looks.append(1)
        if len(looks) == 1:  # it has found nothing, and the job has ended
            logs.put_log_events(**place, logEvents=[event])

    aws.client("logs").meta.events.register_first("after-call.cloudwatch-logs.GetLogEvents", looked)
    assert follow(aws, name, 600).lines == ["the last line"]
    assert len(looks) > 1


def test_the_result_tells_what_a_plot_needs(finished: tuple[Aws, str]) -> None:
    from workshop.plots import loss_curve

    aws, name = finished
    job: FollowedJob = follow(aws, name, 600)
    assert loss_curve(job.records)._repr_png_().startswith(b"\x89PNG")
