"""How processing jobs end: by themselves, by a call, by a limit, and with the sandbox."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest

from sandbox.jobs.hosts import MAX_WRITTEN_BYTES, Host

from .conftest import refused, to_s3

WRITES = "import os; open(os.environ['ML'] + '/output/message', 'wb').write({!r}.encode({!r}))"
LEAVES = """
import os, pathlib, time
ml = pathlib.Path(os.environ["ML"])
for name in ("now", "later"):
    (ml / "processing" / name / "a.txt").write_text("a")
"""
STAYS = """
import pathlib, os, signal, subprocess, sys, time
pids = [os.getpid()]
if "IGNORES" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleeps = [sys.executable, "-c", "import time; time.sleep(600)"]
    pids.append(subprocess.Popen(sleeps, start_new_session=True).pid)
print(os.environ["TMPDIR"], *pids, flush=True)
print("on", flush=True)
time.sleep(600)
"""


def test_a_program_that_fails_gives_its_exit_code_and_uploads_only_what_is_continuous(jobs) -> None:
    outputs = [to_s3("failed/now", "now", "Continuous"), to_s3("failed/later", "later")]
    job = jobs.run(LEAVES + "raise SystemExit(3)", outputs=outputs)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: , exit code: 3"
    assert jobs.keys("failed/") == ["now/a.txt"]


def test_a_program_that_is_not_there_or_not_named_fails_the_job(jobs) -> None:
    job = jobs.run("", application={"ContainerEntrypoint": ["/opt/ml/no-such-program"]})
    expected = "AlgorithmError: /opt/ml/no-such-program: No such file or directory, exit code: 127"
    assert job["FailureReason"] == expected
    request = jobs.request("")
    del request["AppSpecification"]["ContainerEntrypoint"]
    jobs.sagemaker.create_processing_job(**request)
    assert "ScriptProcessor(command=...)" in jobs.wait(request["ProcessingJobName"])["FailureReason"]


def test_one_host_that_fails_ends_the_others_and_is_named(jobs) -> None:
    program = """
import json, os, time
config = json.load(open(os.environ["ML"] + "/config/resourceconfig.json"))
if config["current_host"] == "algo-2":
    raise SystemExit(4)
time.sleep(600)
"""
    job = jobs.run(program, cluster={"InstanceCount": 2})
    assert job["FailureReason"] == "AlgorithmError: , exit code: 4 (algo-2)"


@pytest.mark.parametrize("code", [0, 5])
def test_a_message_is_described_whether_the_job_succeeds_or_not(jobs, code: int) -> None:
    job = jobs.run(WRITES.format("점수 0.9", "utf-8") + f"; raise SystemExit({code})")
    assert job["ExitMessage"] == "점수 0.9"
    assert job["ProcessingJobStatus"] == ("Failed" if code else "Completed")


def test_messages_of_hosts_are_joined_and_cut_to_one_kilobyte(jobs) -> None:
    job = jobs.run(WRITES.format("가" * 200, "utf-8"), cluster={"InstanceCount": 2})
    assert job["ExitMessage"] == "가" * 341  # three bytes each


def test_of_a_message_without_end_only_the_begin_is_read(jobs, tmp_path: Path) -> None:
    job = jobs.run("text = '가' * 30_000\n" + WRITES.replace("{!r}.encode({!r})", "text.encode()"))
    assert job["ExitMessage"] == "가" * 341
    host = Host("algo-1", tmp_path, hosts=["algo-1"])
    (tmp_path / "output").mkdir()
    with (tmp_path / "output" / "message").open("wb") as file:
        file.truncate(1 << 40)  # takes no place on the disk
    assert len(host.written("message")) == MAX_WRITTEN_BYTES
    host.paths.remove()


def test_a_message_that_is_not_utf_8_fails_the_job(jobs) -> None:
    job = jobs.run(WRITES.format("가", "euc-kr"))
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: The exit message in /opt/ml/output/message is not")


def test_the_time_limit_stops_a_job(jobs) -> None:
    job = jobs.run("import time; time.sleep(600)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert job["ProcessingJobStatus"] == "Stopped"
    assert "FailureReason" not in job


def test_a_job_without_capacity_fails_as_on_aws(jobs) -> None:
    jobs.ask_for("InsufficientCapacity")
    job = jobs.run("print('never')")
    assert job["FailureReason"].startswith("CapacityError: Unable to provision requested ML compute capacity")
    assert "ProcessingStartTime" not in job
    assert jobs.lines(job["ProcessingJobName"]) == []


def test_an_internal_error_fails_the_job(jobs) -> None:
    jobs.ask_for("InternalServerError")
    assert jobs.run("print('never')")["FailureReason"].startswith("InternalServerError: ")


def test_a_slow_start_can_be_stopped(jobs) -> None:
    jobs.ask_for("SlowStart", delay_s=600)
    name = jobs.create("print('never')")
    jobs.sagemaker.stop_processing_job(ProcessingJobName=name)
    assert jobs.wait(name)["ProcessingJobStatus"] == "Stopped"


@pytest.mark.parametrize("kind", ["ResourceLimitExceeded", "Throttling", "AccessDenied"])
def test_an_error_of_the_call_leaves_no_job(jobs, kind: str) -> None:
    jobs.ask_for(kind)
    request = jobs.request("pass")
    assert refused(jobs.sagemaker.create_processing_job, **request)[0].startswith(kind)
    refused(jobs.describe, name=request["ProcessingJobName"])


@pytest.mark.parametrize("is_killed", [False, True])
def test_the_end_of_the_sandbox_ends_a_job_and_is_reported(jobs, is_killed: bool) -> None:
    key = f"ended-{is_killed}"
    name = jobs.create(
        LEAVES + STAYS,
        outputs=[to_s3(key, "now", "Continuous"), to_s3(key, "later")],
        environment={"IGNORES": "SIGTERM"} if is_killed else {},
    )
    jobs.wait_for_line(name, "on")
    tmp, *pids = jobs.lines(name)[0].split()
    processes = [psutil.Process(int(pid)) for pid in pids]
    jobs._until(name, lambda _: jobs.keys(key) == ["/a.txt"], "an upload")
    jobs.sandbox.stop(kill=is_killed)
    psutil.wait_procs(processes, timeout=300)
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)
    kept = jobs.sandbox.home / "resources" / "us-east-1" / "processing-job" / f"{name}.json"
    at_the_end = json.loads(kept.read_text())["ProcessingJobStatus"]
    assert at_the_end == ("InProgress" if is_killed else "Failed")
    jobs.sandbox.start()
    job = jobs.wait(name)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: The sandbox ended while the job ran")
    assert jobs.keys(key) == ["/a.txt"]
    assert not jobs.folder(name).exists()
    deadline_s = time.monotonic() + 60
    while Path(tmp).parent.exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not Path(tmp).parent.exists()
    refused(jobs.sagemaker.stop_processing_job, ProcessingJobName=name)
    assert jobs.run("print('again')")["ProcessingJobStatus"] == "Completed"
