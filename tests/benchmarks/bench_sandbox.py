"""How soon the AWS on this machine listens and runs a job, and what memory it takes; never asserted."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import psutil
from tests.sandbox.conftest import RunningSandbox

NUM_RUNS = 5
ROLE = "arn:aws:iam::000000000000:role/sandbox"
GROUP = "/aws/sagemaker/TrainingJobs"
SERVICES = ("s3", "sts", "iam", "logs", "cloudwatch", "ecr", "secretsmanager", "sagemaker")


def test_sandbox(tmp_path: Path) -> None:
    listening_s = []
    for number in range(NUM_RUNS):
        started_s = time.perf_counter()
        running = RunningSandbox(tmp_path / f"home-{number}")
        listening_s.append(time.perf_counter() - started_s)
        running.close()
    median_s, worst_s = statistics.median(listening_s), max(listening_s)
    print(f"\nlistening after {median_s:.2f} s (worst of {NUM_RUNS} {worst_s:.2f})")
    running = RunningSandbox(tmp_path / "home")
    try:
        ask_everything(running)
        delays_s = [first_line_s(running, f"job-{number}") for number in range(NUM_RUNS)]
        print(
            f"CreateTrainingJob to the container's first line: {statistics.median(delays_s):.2f} s"
            f" (worst {max(delays_s):.2f}); what follows is the SDK's driver and the user's script"
        )
        memory_mb = psutil.Process(running.pid).memory_info().rss / 1e6
        print(f"resident after {len(SERVICES)} services and {NUM_RUNS} jobs: {memory_mb:.0f} MB")
    finally:
        running.close()


def ask_everything(running: RunningSandbox) -> None:
    """Let every service load what it needs."""
    running.client("s3").create_bucket(Bucket="news-bucket")
    running.client("sts").get_caller_identity()
    running.client("iam").list_roles()
    running.client("logs").describe_log_groups()
    running.client("cloudwatch").list_metrics()
    running.client("ecr").describe_repositories()
    running.client("secretsmanager").list_secrets()
    running.client("sagemaker").list_endpoints()


def first_line_s(running: RunningSandbox, name: str) -> float:
    """Start a job that prints the time, and return how long after the call that was."""
    created_s = time.time()
    running.client("sagemaker").create_training_job(
        TrainingJobName=name,
        RoleArn=ROLE,
        AlgorithmSpecification={
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c", "date +%s.%N"],
        },
        OutputDataConfig={"S3OutputPath": "s3://news-bucket/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    waiter = running.client("sagemaker").get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1})
    logs = running.client("logs")
    (stream,) = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
    events = logs.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"])["events"]
    return float(events[0]["message"]) - created_s
