"""ModelTrainer in a process of its own, as in a notebook's kernel; prints one JSON line per job.

python model_trainer_client.py URL FOLDER        FOLDER holds sources/, data/ and gets sagemaker.yaml
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

BUCKET = "sagemaker-news"
ROLE = "arn:aws:iam::000000000000:role/workshop-sample"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:2.9.0-gpu-py312"
REPO = Path(__file__).parents[3]
CONFIG = f"""
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
      Session:
        DefaultS3Bucket: {BUCKET}
        DefaultS3ObjectKeyPrefix: workshop
  TrainingJob:
    RoleArn: {ROLE}
"""
# The repo's train.py with its sample recipe in float32: two steps of eight rows.
TRAIN = {
    "config": "sample.yaml",
    "model_name_or_path": "/opt/ml/input/data/model",
    "output_dir": "/opt/ml/checkpoints",
    "max_steps": 2,
    "per_device_train_batch_size": 4,
    "dtype": "float32",
    "bf16": False,
    "load_in_4bit": False,
    "save_strategy": "steps",
    "save_steps": 1,
}


def redirect(url: str, folder: Path) -> None:
    """Send AWS's clients to the sandbox with documented variables, before the SDK is imported."""
    (folder / "sagemaker.yaml").write_text(CONFIG)
    os.environ |= {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(folder / "sagemaker.yaml"),
    }


def start(
    name: str,
    source: dict[str, Any],
    inputs: dict[str, str] | None = None,
    num_hosts: int = 1,
    **settings: Any,
) -> Any:
    """Start a job with ModelTrainer and return it."""
    from sagemaker.core.training.configs import Compute, InputData, SourceCode
    from sagemaker.train import ModelTrainer

    trainer = ModelTrainer(
        training_image=IMAGE,
        source_code=SourceCode(**source),
        compute=Compute(instance_type="ml.g5.2xlarge", instance_count=num_hosts),
        base_job_name=name,
        **settings,
    )
    channels = [InputData(channel_name=key, data_source=value) for key, value in (inputs or {}).items()]
    trainer.train(input_data_config=channels, wait=False, logs=False)
    return trainer._latest_training_job


def start_all(folder: Path) -> dict[str, Any]:
    """Start one job of each kind; they run beside each other."""
    from sagemaker.core.shapes import CheckpointConfig, OutputDataConfig, StoppingCondition
    from sagemaker.train.distributed import Torchrun

    def train(name: str, *, num_hosts: int, num_processes_per_host: int) -> Any:
        return start(
            name,
            {
                "source_dir": str(REPO / "src" / "train"),
                "entry_script": "train.py",
                "requirements": "requirements.txt",
            },
            {"model": str(REPO / "src" / "sample" / "base" / "model"), "train": str(folder / "data")},
            num_hosts=num_hosts,
            distributed=Torchrun(process_count_per_node=num_processes_per_host),
            hyperparameters=TRAIN,
            stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
            checkpoint_config=CheckpointConfig(
                s3_uri=f"s3://{BUCKET}/checkpoints/{name}", local_path="/opt/ml/checkpoints"
            ),
            output_data_config=OutputDataConfig(s3_output_path=f"s3://{BUCKET}/out", compression_type="NONE"),
        )

    sources = str(folder / "sources")
    return {
        "train": train("train", num_hosts=1, num_processes_per_host=2),
        "train-hosts": train("train-hosts", num_hosts=2, num_processes_per_host=1),
        "look": start(
            "look",
            {"source_dir": sources, "entry_script": "look.py"},
            hyperparameters={"lr": 0.1, "text": '한글 "quoted"', "path": "/opt/ml/input/data", "on": True},
        ),
        "fails": start("fails", {"source_dir": sources, "entry_script": "fails.py"}),
        "missing": start(
            "missing", {"source_dir": sources, "entry_script": "look.py", "requirements": "missing.txt"}
        ),
        "stopped": start("stopped", {"source_dir": sources, "entry_script": "saves.py"}),
        "command": start("command", {"source_dir": sources, "command": "bash command.sh /opt/ml/model"}),
    }


def stop_when_it_trains(job: Any) -> None:
    import boto3

    logs = boto3.client("logs")
    while True:
        time.sleep(0.1)
        found = logs.filter_log_events(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{job.training_job_name}/"
        )
        if any(event["message"] == "training" for event in found["events"]):
            job.stop()
            return


def main(url: str, folder: Path) -> None:
    redirect(url, folder)
    import boto3
    from sagemaker.core.resources import TrainingJob
    from sagemaker.core.utils.exceptions import FailedStatusError
    from sagemaker.core.utils.utils import configure_logging

    configure_logging("INFO")
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    jobs = start_all(folder)
    stop_when_it_trains(jobs["stopped"])
    for name, job in jobs.items():
        error = None
        try:
            job.wait(poll=1, logs=name == "look", timeout=300)
        except FailedStatusError as failure:
            error = str(failure)
        again = TrainingJob.get(training_job_name=job.training_job_name)
        facts = {
            "kind": name,
            "name": again.training_job_name,
            "status": again.training_job_status,
            "secondary": again.secondary_status,
            "artifacts": again.model_artifacts.s3_model_artifacts,
            "error": error,
        }
        print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
