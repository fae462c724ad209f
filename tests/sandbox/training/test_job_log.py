"""The log of a job, as CloudWatch Logs has it."""

from __future__ import annotations

import time

from .conftest import LOG_GROUP


def test_the_log_stream_is_named_as_on_aws(jobs) -> None:
    name = jobs.run("print('one')")["TrainingJobName"]
    (stream,) = jobs.sandbox.client("logs").describe_log_streams(
        logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/"
    )["logStreams"]
    job, _, rest = stream["logStreamName"].partition("/")
    host, _, epoch_s = rest.rpartition("-")
    assert (job, host) == (name, "algo-1")
    assert abs(int(epoch_s) - time.time()) < 60


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


def test_lines_come_as_they_are_written(jobs) -> None:
    name = jobs.create("import time\nfor i in range(8):\n    print(repr(time.time())); time.sleep(0.25)")
    seen: dict[str, float] = {}
    while len(seen) < 8:
        for line in jobs.lines(name):
            seen.setdefault(line, time.time())
        assert jobs.describe(name)["TrainingJobStatus"] == "InProgress" or len(jobs.lines(name)) == 8
        time.sleep(0.01)
    delays_s = sorted(at - float(line) for line, at in seen.items())
    assert delays_s[len(delays_s) // 2] < 0.3, delays_s  # the median: the machine is shared
    jobs.wait(name)


def test_all_lines_are_there_when_the_status_says_that_the_job_has_ended(jobs) -> None:
    for _ in range(5):
        job = jobs.run("for i in range(300): print(i)")
        assert len(jobs.lines(job["TrainingJobName"])) == 300


def test_the_log_outlives_the_sandbox(jobs) -> None:
    job = jobs.run("print('kept')")
    before = jobs.events(job["TrainingJobName"])
    jobs.sandbox.restart(kill=True)
    deadline_s = time.monotonic() + 10
    while not (after := jobs.events(job["TrainingJobName"])) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert [event["message"] for event in after] == ["kept"]
    assert after[0]["timestamp"] == before[0]["timestamp"]
