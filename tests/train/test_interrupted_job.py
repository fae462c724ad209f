"""A training job that is stopped saves to S3, and the next one with the same checkpoints ends the work.

A stopped job and a spot machine that is taken away look the same to the script: SIGTERM, and 120 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.training.conftest import BUCKET, Jobs, channel
from tests.train.conftest import BASE, TRAIN

SETTINGS = (
    *("--config", "sample.yaml", "--model_name_or_path", "/opt/ml/input/data/model"),
    *("--output_dir", "/opt/ml/checkpoints", "--per_device_train_batch_size", "2"),
    *("--max_train_rows", "48", "--num_train_epochs", "3", "--eval_strategy", "no"),
    *("--save_strategy", "steps", "--save_steps", "10", "--save_total_limit", "2"),
    *("--resume_from_checkpoint", "last"),
)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    running = RunningSandbox(tmp_path_factory.mktemp("jobs") / "home")
    try:
        yield Jobs(running)
    finally:
        running.close()


def put_folder(jobs: Jobs, prefix: str, folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            jobs.put(f"{prefix}/{file.relative_to(folder)}", file.read_bytes())


def start(jobs: Jobs, **changes) -> str:
    """Start train.py under torchrun as a job and return its name."""
    command = [
        "torchrun",
        "--standalone",
        "--nproc_per_node=2",
        "/opt/ml/input/data/script/train.py",
        *SETTINGS,
    ]
    return jobs.create(
        "",
        algorithm={"ContainerEntrypoint": command},
        channels=[channel(f"s3://{BUCKET}/{name}/", name) for name in ("script", "model", "train")],
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/kept"},
        environment={"SM_MODEL_DIR": "/opt/ml/model", "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train"},
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out", "CompressionType": "NONE"},
        **changes,
    )


def test_a_stopped_job_saves_and_the_next_one_goes_on(jobs: Jobs, small_data: Path) -> None:
    put_folder(jobs, "script", TRAIN.parent)
    put_folder(jobs, "model", BASE)
    jobs.put("train/train.jsonl", small_data.read_bytes())

    stopped = start(jobs)
    jobs._until(stopped, lambda _: any('{"step": 12,' in line for line in jobs.lines(stopped)), "step 12")
    jobs.sagemaker.stop_training_job(TrainingJobName=stopped)
    assert jobs.wait(stopped)["TrainingJobStatus"] == "Stopped", jobs.lines(stopped)
    (told,) = [line for line in jobs.lines(stopped) if line.startswith("stopping after step")]
    step = int(told.split()[3].rstrip(":"))
    assert step >= 12
    kept = jobs.keys("kept/")
    assert f"checkpoint-{step}/complete.json" in kept
    assert jobs.keys(f"out/{stopped}/") == []  # nothing that looks like a finished model

    # A copy that lost a file on its way is told from a whole one.
    jobs.s3.delete_object(Bucket=BUCKET, Key="kept/checkpoint-10/optimizer.bin")
    last = start(jobs)
    job = jobs.wait(last)
    assert job["TrainingJobStatus"] == "Completed", job
    lines = jobs.lines(last)
    assert "skipped and removed checkpoint-10: optimizer.bin is missing" in lines
    assert f"resuming from /opt/ml/checkpoints/checkpoint-{step}" in lines
    assert "model.safetensors" in jobs.keys(f"out/{last}/output/model/")
    steps = [line for line in lines if line.startswith("progress ")]
    assert steps[0].startswith(f'progress {{"step": {step + 1}, "num_steps": 36,')
    assert len(steps) == 36 - step
