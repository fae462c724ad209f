"""Jobs on several hosts: each its own folder, log and process, and one end for all."""

from __future__ import annotations

import json
import time

import pytest

from .conftest import BUCKET, channel
from .test_lifecycle import alive, marked

TWO = {"InstanceType": "ml.g5.12xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30}
LOOK = """
import json, os, pathlib
ml = pathlib.Path(os.environ["ML"])
config = json.loads((ml / "input/config/resourceconfig.json").read_text())
host = config["current_host"]
files = sorted(p.name for p in (ml / "input/data").glob("t*/*"))
(ml / "model" / f"{host}.json").write_text(json.dumps({"config": config, "files": files}))
(ml / "model" / "both.txt").write_text(host)
(ml / "output" / "data" / f"{host}.txt").write_text(host)
print("I am", host)
"""
ONE_IS_LOST = """
import json, os, pathlib, time
ml = pathlib.Path(os.environ["ML"])
host = json.loads((ml / "input/config/resourceconfig.json").read_text())["current_host"]
print("training", flush=True)
if host == "algo-2":
    os.kill(os.getpid(), 9)
time.sleep(600)
"""
NONE = {"S3OutputPath": f"s3://{BUCKET}/hosts", "CompressionType": "NONE"}


def test_every_host_has_its_own_folder_and_log_and_all_of_them_leave_one_model(jobs) -> None:
    for name in ("a", "b", "c"):
        jobs.put(f"hosts/train/{name}.jsonl")
        jobs.put(f"hosts/test/{name}.jsonl")
    channels = [
        channel(f"s3://{BUCKET}/hosts/train", "train", source={"S3DataDistributionType": "ShardedByS3Key"}),
        channel(f"s3://{BUCKET}/hosts/test", "test"),
    ]
    job = jobs.run(LOOK, ResourceConfig=TWO, OutputDataConfig=NONE, channels=channels)
    name = job["TrainingJobName"]
    assert job["TrainingJobStatus"] == "Completed", job
    for host, sharded in (("algo-1", ["a", "c"]), ("algo-2", ["b"])):
        assert jobs.lines(f"{name}/{host}") == [f"I am {host}"]
        found = json.loads(jobs.get(f"hosts/{name}/output/model/{host}.json"))
        assert found["config"]["current_host"] == host
        assert found["config"]["hosts"] == ["algo-1", "algo-2"]
        assert found["files"] == sorted([f"{each}.jsonl" for each in [*sharded, "a", "b", "c"]])
    assert jobs.get(f"hosts/{name}/output/model/both.txt") == b"algo-1"
    assert jobs.keys(f"hosts/{name}/output/data/") == ["algo-1.txt", "algo-2.txt"]


def test_a_lost_host_fails_the_job_with_a_reason_and_ends_the_other(jobs) -> None:
    job = jobs.run(ONE_IS_LOST, ResourceConfig=TWO)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: , exit code: 137 (algo-2)"
    assert marked(jobs.sandbox, job["TrainingJobName"]) == []


def test_a_stopped_job_ends_on_every_host(jobs) -> None:
    name = jobs.create("import time; print('training', flush=True); time.sleep(600)", ResourceConfig=TWO)
    for host in ("algo-1", "algo-2"):
        deadline_s = time.monotonic() + 300
        while jobs.lines(f"{name}/{host}") != ["training"]:
            assert time.monotonic() < deadline_s, jobs.describe(name)
            time.sleep(0.05)
    processes = marked(jobs.sandbox, name)
    assert len(processes) == 2
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert jobs.wait(name)["TrainingJobStatus"] == "Stopped"
    assert alive(processes) == []


@pytest.mark.parametrize("num_hosts", [1, 2])
def test_checkpoints_of_every_host_are_in_s3_and_come_back_to_each(jobs, num_hosts: int) -> None:
    program = """
import json, os, pathlib
ml = pathlib.Path(os.environ["ML"])
host = json.loads((ml / "input/config/resourceconfig.json").read_text())["current_host"]
print(sorted(p.name for p in (ml / "checkpoints").iterdir()))
(ml / "checkpoints" / host).write_text("state")
"""
    changes = {
        "ResourceConfig": {**TWO, "InstanceCount": num_hosts},
        "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/shared-{num_hosts}"},
    }
    jobs.run(program, **changes)
    name = jobs.run(program, **changes)["TrainingJobName"]
    hosts = [f"algo-{number}" for number in range(1, num_hosts + 1)]
    assert jobs.keys(f"shared-{num_hosts}/") == hosts
    for host in hosts:
        assert jobs.lines(f"{name}/{host}") == [str(hosts)]
