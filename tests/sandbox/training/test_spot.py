"""Managed spot training: machines that are taken away, and jobs that go on."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from .conftest import BUCKET
from .test_lifecycle import statuses

# Counts to four, a checkpoint each; a count that is interrupted is lost. With CUT_ONCE, a file that is not
# there, the third one lasts until the machine is lost, so that the interruption comes in its middle however
# fast the machine is.
COUNTS = """
import os, pathlib, signal, sys, time
ml = pathlib.Path(os.environ["ML"])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
for number in range(1, 5):
    mark = ml / "checkpoints" / str(number)
    if mark.exists():
        continue
    print("counting", number, flush=True)
    time.sleep(0.1)
    cut_once = pathlib.Path(os.environ.get("CUT_ONCE", "/"))
    if number == 3 and not cut_once.exists():
        cut_once.touch()
        time.sleep(600)
    mark.touch()
(ml / "model" / "sum").write_text("10")
"""
LIMITS = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900}


def interrupt(jobs, *, after_s: float, count: int = 1) -> None:
    fault = {
        "operation": "CreateTrainingJob",
        "fault": "SpotInterruption",
        "delay_s": after_s,
        "count": count,
    }
    request = urllib.request.Request(
        f"{jobs.sandbox.url}/_sandbox/faults", json.dumps(fault).encode(), method="PUT"
    )
    urllib.request.urlopen(request, timeout=300).close()


def spot(**changes) -> dict:
    return {"EnableManagedSpotTraining": True, "StoppingCondition": LIMITS, **changes}


def test_an_interrupted_job_goes_on_from_its_checkpoints_on_new_machines(jobs, tmp_path: Path) -> None:
    interrupt(jobs, after_s=2)
    job = jobs.run(
        COUNTS,
        environment={"CUT_ONCE": str(tmp_path / "cut")},
        **spot(CheckpointConfig={"S3Uri": f"s3://{BUCKET}/counts"}),
    )
    assert job["TrainingJobStatus"] == "Completed", job
    first = ["Starting", "Downloading", "Training", "Interrupted"]
    assert statuses(job) == [*first, "Starting", "Downloading", "Training", "Uploading", "Completed"]
    streams = jobs.streams(job["TrainingJobName"])
    assert len(streams) == 2
    counted = [line for stream in sorted(streams) for line in jobs.lines(stream)]
    # What was done before the interruption is not done again, but for the count that was cut.
    assert counted == [f"counting {number}" for number in (1, 2, 3, 3, 4)]
    assert jobs.keys(f"out/{job['TrainingJobName']}/output/") == ["model.tar.gz"]


def test_without_a_checkpoint_an_interrupted_job_begins_again(jobs, tmp_path: Path) -> None:
    interrupt(jobs, after_s=2)
    job = jobs.run(COUNTS, environment={"CUT_ONCE": str(tmp_path / "cut")}, **spot())
    assert job["TrainingJobStatus"] == "Completed"
    assert [jobs.lines(stream)[0] for stream in jobs.streams(job["TrainingJobName"])] == ["counting 1"] * 2


def test_a_job_on_machines_of_its_own_is_not_interrupted(jobs) -> None:
    interrupt(jobs, after_s=0)
    try:
        job = jobs.run(COUNTS)
        assert "Interrupted" not in statuses(job)
    finally:
        request = urllib.request.Request(f"{jobs.sandbox.url}/_sandbox/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=300).close()


def test_the_time_of_all_attempts_is_billed_and_limited(jobs) -> None:
    interrupt(jobs, after_s=3)
    job = jobs.run(
        "import time; print('on', flush=True); time.sleep(600)",
        **spot(StoppingCondition={"MaxRuntimeInSeconds": 4, "MaxWaitTimeInSeconds": 60}),
    )
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "Interrupted" in statuses(job)
    # 3 s of the first attempt leave 1 s to the second, which would else have 4 of its own.
    assert job["BillableTimeInSeconds"] < 7


def test_waiting_too_long_in_all_stops_the_job(jobs) -> None:
    job = jobs.run(
        "import time; time.sleep(600)",
        **spot(StoppingCondition={"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}),
    )
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] in ("MaxWaitTimeExceeded", "MaxRuntimeExceeded")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (spot(StoppingCondition={"MaxRuntimeInSeconds": 60}), "Invalid MaxWaitTimeInSeconds"),
        (
            spot(StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59}),
            "Invalid MaxWaitTimeInSeconds",
        ),
        ({"StoppingCondition": LIMITS}, "EnableManagedSpotTraining"),
    ],
)
def test_limits_that_do_not_go_together_are_refused(jobs, changes: dict, said: str) -> None:
    with pytest.raises(ClientError, match=said):
        jobs.create("pass", **changes)
