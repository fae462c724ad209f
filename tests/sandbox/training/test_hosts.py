"""Jobs on several hosts: each its own folder, log and process, and one end for all."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from sandbox.jobs.host_process import HostProcess

from .conftest import BUCKET, LOG_GROUP, channel
from .test_lifecycle import alive, marked

DAY_S = 86_400  # what waits so long hangs
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


def started(program: str, folder: Path, read_line) -> HostProcess:
    return HostProcess([sys.executable, "-u", "-c", program], {"PATH": os.environ["PATH"]}, folder, read_line)


def test_every_line_is_read_before_the_exit_code_is_known(tmp_path: Path) -> None:
    lines: list[str] = []
    process = started("for i in range(5000): print(i)\nraise SystemExit(7)", tmp_path, lines.append)
    assert process.wait() == 7
    assert lines == [str(i) for i in range(5000)]


def test_a_line_that_cannot_be_kept_does_not_stop_the_program(tmp_path: Path) -> None:
    seen = []

    def fail(line: str) -> None:
        seen.append(line)
        raise OSError(28, "No space left on device")

    # More than a pipe holds: unread, the program would stand still.
    assert started("for i in range(30_000): print('x' * 20)", tmp_path, fail).wait() == 0
    assert len(seen) == 30_000


def test_a_shorter_grace_replaces_a_longer_one(tmp_path: Path) -> None:
    is_on = threading.Event()
    program = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(1)\ntime.sleep(600)"
    process = started(program, tmp_path, lambda _: is_on.set())
    assert is_on.wait(300)
    process.terminate(DAY_S)
    process.terminate(0.1)
    assert process.wait() == 137
    process.terminate(DAY_S)  # nothing is left to end


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        HostProcess(["/no/such/program"], {}, tmp_path, print)


def test_the_log_stream_is_named_as_on_aws(jobs) -> None:
    began_s = int(time.time())
    name = jobs.run("print('one')")["TrainingJobName"]
    (stream,) = jobs.sandbox.client("logs").describe_log_streams(
        logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/"
    )["logStreams"]
    job, _, rest = stream["logStreamName"].partition("/")
    host, _, epoch_s = rest.rpartition("-")
    assert (job, host) == (name, "algo-1")
    assert began_s <= int(epoch_s) <= time.time()


def test_every_line_is_an_event_of_both_streams_in_order(jobs) -> None:
    job = jobs.run(
        "import sys\n"
        "for i in range(2000):\n"
        "    print('뉴스', i, file=sys.stderr if i % 2 else sys.stdout)\n"
        "print('no end', end='')"
    )
    expected = [f"뉴스 {i}" for i in range(2000)] + ["no end"]
    assert jobs.lines(job["TrainingJobName"]) == expected
    times = [event["timestamp"] for event in jobs.events(job["TrainingJobName"])]
    assert times == sorted(times)


def test_lines_come_as_they_are_written(jobs, tmp_path: Path) -> None:
    """The job writes its next line, and ends, only after the last one has been seen."""
    name = jobs.create(
        "import pathlib, time\n"
        "for i in range(4):\n"
        "    print('line', i)\n"
        f"    while not (pathlib.Path({str(tmp_path)!r}) / str(i)).exists(): time.sleep(0.01)"
    )
    for number in range(4):
        jobs.wait_for_line(name, f"line {number}")
        assert jobs.lines(name) == [f"line {seen}" for seen in range(number + 1)]
        (tmp_path / str(number)).touch()
    assert jobs.wait(name)["TrainingJobStatus"] == "Completed"


def test_all_lines_are_there_when_the_status_says_that_the_job_has_ended(jobs) -> None:
    for _ in range(5):
        job = jobs.run("for i in range(300): print(i)")
        assert len(jobs.lines(job["TrainingJobName"])) == 300


def test_the_log_outlives_the_sandbox(jobs) -> None:
    job = jobs.run("print('kept')")
    before = jobs.events(job["TrainingJobName"])
    jobs.sandbox.restart(kill=True)
    deadline_s = time.monotonic() + 300
    while not (after := jobs.events(job["TrainingJobName"])) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert [event["message"] for event in after][-1] == "kept"
    assert after[0]["timestamp"] == before[0]["timestamp"]
