"""A job on two machines is stopped and saves to S3; the next one with its checkpoints ends the work.

A stopped job and spot machines that are taken away look the same to the script: SIGTERM, and 120 s.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.training.conftest import BUCKET, Jobs, channel
from tests.train.conftest import BASE, TRAIN, Run, train

# Exact, and with dropout, so that the random numbers of the second machine count: 12 steps of four rows.
SETTINGS = (
    *("--dtype", "float32", "--bnb_4bit_quant_storage", "float32", "--load_in_4bit", "false"),
    *("--lora_dropout", "0.1", "--per_device_train_batch_size", "2", "--max_train_rows", "24"),
    *("--num_train_epochs", "2", "--eval_strategy", "no"),
)
NUM_STEPS = 12
SAVING = (
    *("--output_dir", "/opt/ml/checkpoints", "--model_name_or_path", "/opt/ml/input/data/model"),
    *("--save_strategy", "steps", "--save_steps", "4", "--resume_from_checkpoint", "last"),
)
# Which machine this is stands in a file that SageMaker writes.
NODE_RANK = '$(grep -c \'"current_host": "algo-2"\' /opt/ml/input/config/resourceconfig.json)'


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


def start(jobs: Jobs) -> str:
    """Start train.py under torchrun on two machines as a job, and return its name."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *("bash", "-c", f'exec torchrun --nnodes=2 --node_rank={NODE_RANK} "$@"', "torchrun"),
        *("--nproc_per_node=1", "--master_addr=127.0.0.1", f"--master_port={port}"),
        *("/opt/ml/input/data/script/train.py", "--config", "sample.yaml", *SETTINGS, *SAVING),
    ]
    return jobs.create(
        "",
        algorithm={"ContainerEntrypoint": command},
        channels=[channel(f"s3://{BUCKET}/{name}/", name) for name in ("script", "model", "train")],
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/kept"},
        environment={"SM_MODEL_DIR": "/opt/ml/model", "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train"},
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out", "CompressionType": "NONE"},
        ResourceConfig={"InstanceType": "ml.g5.12xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30},
    )


def test_a_stopped_job_saves_and_the_next_one_ends_where_an_undisturbed_one_does(
    jobs: Jobs, small_data: Path, tmp_path: Path
) -> None:
    put_folder(jobs, "script", TRAIN.parent)
    put_folder(jobs, "model", BASE)
    jobs.put("train/train.jsonl", small_data.read_bytes())

    stopped = start(jobs)
    first = f"{stopped}/algo-1"
    jobs._until(stopped, lambda _: any('{"step": 5,' in line for line in jobs.lines(first)), "step 5")
    jobs.sagemaker.stop_training_job(TrainingJobName=stopped)
    assert jobs.wait(stopped)["TrainingJobStatus"] == "Stopped", jobs.lines(first)
    (line,) = [each for each in jobs.lines(first) if each.startswith("stopping after step")]
    step = int(line.split()[3].rstrip(":"))
    assert 5 <= step < NUM_STEPS
    # The marker, which the first machine writes, names what is in S3 from both: all random states, too.
    marker = json.loads(jobs.get(f"kept/checkpoint-{step}/complete.json"))
    named = {*marker["files"], "complete.json"}
    assert set(jobs.keys(f"kept/checkpoint-{step}/")) == named
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= named
    assert jobs.keys(f"out/{stopped}/") == []  # nothing that looks like a finished model

    # A copy that lost a file on its way is distinguished from a whole one.
    jobs.s3.delete_object(Bucket=BUCKET, Key="kept/checkpoint-4/optimizer.bin")
    last = start(jobs)
    job = jobs.wait(last)
    assert job["TrainingJobStatus"] == "Completed", (job, jobs.lines(f"{last}/algo-2"))
    lines = jobs.lines(f"{last}/algo-1")
    assert "skipped and removed checkpoint-4: optimizer.bin is missing" in lines
    assert f"resuming from /opt/ml/checkpoints/checkpoint-{step}" in lines
    assert "model.safetensors" in jobs.keys(f"out/{last}/output/model/")
    steps = [line for line in lines if line.startswith("progress ")]
    assert steps[0].startswith(f'progress {{"step": {step + 1}, "num_steps": {NUM_STEPS},')

    whole = train(tmp_path, small_data, *SETTINGS, "--merge", "false", num_processes=2)
    assert len(whole.losses) == NUM_STEPS
    ours = Run(0, "\n".join(lines), tmp_path)
    assert ours.losses == pytest.approx(whole.losses[step:], rel=1e-4)
