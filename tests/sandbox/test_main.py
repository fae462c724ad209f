"""Start, second start, stop, hang and kill of `python -m sandbox`."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox import home_lock

TIMEOUT_S = 600
SLOW_TO_END = "trap 'sleep 1; exit 1' TERM; while :; do sleep 0.1; done"
ROLE = "arn:aws:iam::000000000000:role/service"


def run(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", "--home", str(home), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def spawn(home: Path, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sandbox", "--home", str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def reported(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the first words of what it reported to the user; three lines and no traceback."""
    return [line[:10].strip() for line in done.stderr.splitlines()]


def test_it_says_where_it_listens(sandbox) -> None:
    facts = json.loads((sandbox.home / "server.json").read_text())
    port = int(sandbox.url.rsplit(":", 1)[1])
    assert facts == {"url": sandbox.url, "port": port, "pid": sandbox.pid, "home": str(sandbox.home)}
    with urllib.request.urlopen(f"{sandbox.url}/_sandbox/health") as answer:
        reported = {"status": "ok", "pid": sandbox.pid, "home": str(sandbox.home), "clock_speed": 1}
        assert json.load(answer) == reported


def test_a_second_one_of_the_same_home_says_where_the_first_listens(sandbox) -> None:
    done = run(sandbox.home)
    assert done.returncode == 3
    assert reported(done) == ["found", "expected", "do next"]
    assert sandbox.url in done.stderr
    assert done.stdout == ""
    assert sandbox.process.poll() is None


def test_two_homes_do_not_meet(sandbox, tmp_path: Path) -> None:
    other = spawn(tmp_path / "other")
    try:
        url = other.stdout.readline().split()[-1]
        assert url != sandbox.url
        sandbox.client("s3").create_bucket(Bucket="mine")
        import boto3

        client = boto3.session.Session("a", "b", region_name="us-east-1").client("s3", endpoint_url=url)
        assert client.list_buckets()["Buckets"] == []
    finally:
        other.terminate()
        assert other.wait(TIMEOUT_S) == 0
        other.communicate()
    assert not (tmp_path / "other" / "server.json").exists()


def test_records_outlive_a_kill_and_a_stale_address_is_replaced(sandbox) -> None:
    client = sandbox.client("sagemaker")
    client.create_model(ModelName="kept", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE)
    before = client.describe_model(ModelName="kept")
    sandbox.stop(kill=True)
    assert (sandbox.home / "server.json").exists(), "nobody could remove it"
    sandbox.start()
    after = sandbox.client("sagemaker").describe_model(ModelName="kept")
    assert {**after, "ResponseMetadata": 0} == {**before, "ResponseMetadata": 0}
    assert json.loads((sandbox.home / "server.json").read_text())["url"] == sandbox.url


def test_stop_ends_it_and_is_content_when_none_runs(tmp_path: Path) -> None:
    assert run(tmp_path / "none", "--stop").returncode == 0
    assert not (tmp_path / "none").exists()
    process = spawn(tmp_path)
    process.stdout.readline()
    assert run(tmp_path, "--stop").returncode == 0
    lock = home_lock.take(tmp_path)
    assert lock is not None, "it still runs"
    lock.close()
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert not (tmp_path / "server.json").exists()
    (tmp_path / "lock").write_text(str(os.getpid()))  # as a killed one leaves it, its number now somebody's
    assert run(tmp_path, "--stop").returncode == 0


def test_its_port_is_free_as_soon_as_it_has_been_stopped(tmp_path: Path) -> None:
    process = spawn(tmp_path)
    port = int(process.stdout.readline().rsplit(":", 1)[1])
    assert home_lock.stop(tmp_path)
    socket.create_server(("127.0.0.1", port)).close()
    process.communicate(timeout=TIMEOUT_S)


def test_stop_works_while_it_starts(tmp_path: Path) -> None:
    process = spawn(tmp_path)
    while not (tmp_path / "lock").exists():
        time.sleep(0.002)
    assert run(tmp_path, "--stop").returncode == 0
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode in (0, -signal.SIGTERM)
    assert not (tmp_path / "server.json").exists()


def names(sandbox) -> set[str]:
    """Return the programs that run of a sandbox; one may end while it is looked at."""
    found = set()
    for process in sandbox.processes():
        with suppress(psutil.NoSuchProcess):
            found.add(process.name())
    return found


def test_one_that_hangs_is_killed_after_its_time_with_its_children(sandbox) -> None:
    sandbox.client("s3").create_bucket(Bucket="output")
    sandbox.client("sagemaker").create_training_job(
        TrainingJobName="endless",
        AlgorithmSpecification={
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["bash", "-c", SLOW_TO_END],
        },
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": "s3://output/"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
    )
    deadline_s = time.monotonic() + 300
    while "sleep" not in names(sandbox):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    os.kill(sandbox.pid, signal.SIGSTOP)
    done = run(sandbox.home, "--stop", "--kill-after", "0.5")
    assert done.returncode == 0, done.stderr
    assert sandbox.processes() == []
    assert not (sandbox.home / "server.json").exists()
    assert sandbox.stop() == -signal.SIGKILL
    sandbox.start()
    reported = sandbox.client("sagemaker").describe_training_job(TrainingJobName="endless")
    assert reported["TrainingJobStatus"] == "Failed"


def test_stop_leaves_a_process_alone_that_is_no_sandbox(tmp_path: Path) -> None:
    """Between its lock and its own number there, one finds the number of one that was killed."""
    stranger = subprocess.Popen(["sleep", "600"])
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(stranger.pid))
        lock.flush()
        done = run(tmp_path, "--stop", "--kill-after", "0.2")
    assert done.returncode == 1
    assert reported(done) == ["found", "expected", "do next"]
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    process = spawn(tmp_path)
    process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert not psutil.pid_exists(process.pid)


def test_settings_of_somebodys_aws_account_change_nothing(tmp_path: Path) -> None:
    import boto3

    (tmp_path / "config").write_text("[default]\nendpoint_url = http://192.0.2.1\nregion = nowhere\n")
    environ = os.environ | {"AWS_PROFILE": "not-there", "AWS_CONFIG_FILE": str(tmp_path / "config")}
    process = spawn(tmp_path / "home", env=environ)
    status = "InProgress"
    try:
        session = boto3.session.Session("a", "b", region_name="us-east-1")
        url = process.stdout.readline().split()[-1]
        s3, sagemaker = (session.client(name, endpoint_url=url) for name in ("s3", "sagemaker"))
        s3.create_bucket(Bucket="out")
        sagemaker.create_training_job(
            TrainingJobName="job",
            AlgorithmSpecification={
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "-c", "pass"],
            },
            RoleArn=ROLE,
            OutputDataConfig={"S3OutputPath": "s3://out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": TIMEOUT_S},
        )
        deadline_s = time.monotonic() + TIMEOUT_S
        while status == "InProgress" and time.monotonic() < deadline_s:
            time.sleep(0.05)
            status = sagemaker.describe_training_job(TrainingJobName="job")["TrainingJobStatus"]
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert status == "Completed", errors
    assert "Traceback" not in errors


def test_a_port_that_is_taken_is_reported_in_three_lines(sandbox, tmp_path: Path) -> None:
    done = run(tmp_path, "--port", sandbox.url.rsplit(":", 1)[1])
    assert done.returncode == 2
    assert reported(done) == ["found", "expected", "do next"]
    assert run(tmp_path, "--port", "65536").returncode == 2


def test_a_home_that_cannot_be_written_is_reported_in_three_lines(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path / "file" / "home")
    assert done.returncode == 2
    assert reported(done) == ["found", "expected", "do next"]
    assert str(tmp_path / "file") in done.stderr


def test_what_does_not_end_does_not_keep_the_sandbox_and_the_rest_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing real hangs on request, so one of the ends is made to."""
    from sandbox import __main__
    from sandbox.context import Context
    from sandbox.hosting import lifecycle
    from sandbox.training import jobs

    released, ended = threading.Event(), threading.Event()
    monkeypatch.setattr(__main__, "_END_TIMEOUT_S", 0.2)
    monkeypatch.setattr(jobs.RUNNING, "end_all", lambda _: released.wait(TIMEOUT_S))
    monkeypatch.setattr(lifecycle.endpoints, "end_all", lambda _: ended.set())
    ending = threading.Thread(target=__main__._end, args=(Context(tmp_path),))
    ending.start()
    assert ended.wait(TIMEOUT_S)
    ending.join(TIMEOUT_S / 2)
    has_ended = not ending.is_alive()
    released.set()
    ending.join()
    assert has_ended
