"""The log of a job, as CloudWatch Logs has it."""

from __future__ import annotations

import time
from pathlib import Path

from .conftest import LOG_GROUP


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
    assert [event["message"] for event in after] == ["kept"]
    assert after[0]["timestamp"] == before[0]["timestamp"]
