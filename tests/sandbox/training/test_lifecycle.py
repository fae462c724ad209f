"""How jobs end: by themselves, by a call, by a limit, with their hosts, and with the sandbox."""

from __future__ import annotations

import json
import tarfile
import urllib.request
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from .conftest import BUCKET

SAVES_ON_SIGTERM = """
import os, signal, sys, time
def save(*_):
    print("saving", flush=True)
    time.sleep(0.5)
    while not os.path.exists(os.environ.get("SAVED_WITH", "/")):
        time.sleep(0.02)
    open(os.environ["ML"] + "/model/weights", "w").write("half")
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("training", flush=True)
time.sleep(600)
"""
IGNORES_SIGTERM = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
# A session of its own, as torchrun's workers have.
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("training", flush=True)
time.sleep(600)
"""
# Counts to four, a checkpoint each; a count that is interrupted is lost. With CUT_ONCE, a file that is not
# there, the third one lasts until the host is lost, so that the interruption comes in its middle however
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


def statuses(job: dict) -> list[str]:
    return [entry["Status"] for entry in job["SecondaryStatusTransitions"]]


def names_in(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        return tar.getnames()


def marked(sandbox, job_name: str) -> list[psutil.Process]:
    """Return the running processes of a job of this sandbox, whatever session they are in."""
    found = []
    for process in psutil.process_iter():
        try:
            environ = process.environ()
            is_its_own = (environ.get("TRAINING_JOB_NAME"), environ.get("AWS_ENDPOINT_URL")) == (
                job_name,
                sandbox.url,
            )
            if is_its_own and process.status() != "zombie":
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that run; an orphan's entry may stay as a zombie where nobody collects it."""
    return [process for process in processes if process.is_running() and process.status() != "zombie"]


def interrupt(jobs, *, after_s: float, count: int = 1) -> None:
    ask_for(jobs, "SpotInterruption", delay_s=after_s, count=count)


def ask_for(jobs, kind: str, **members) -> None:
    fault = {"operation": "CreateTrainingJob", "fault": kind, **members}
    request = urllib.request.Request(
        f"{jobs.sandbox.url}/_sandbox/faults", json.dumps(fault).encode(), method="PUT"
    )
    urllib.request.urlopen(request, timeout=300).close()


def spot(**changes) -> dict:
    return {"EnableManagedSpotTraining": True, "StoppingCondition": LIMITS, **changes}


def test_a_failed_job_gives_its_exit_code(jobs) -> None:
    job = jobs.run("print('before'); raise SystemExit(3)")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: , exit code: 3"
    assert statuses(job) == ["Starting", "Downloading", "Training", "Failed"]
    assert jobs.lines(job["TrainingJobName"]) == ["before"]
    assert jobs.keys(f"out/{job['TrainingJobName']}/") == []


def test_an_internal_error_fails_a_job_and_is_tried_again_as_often_as_the_retry_strategy_says(jobs) -> None:
    ask_for(jobs, "InternalServerError")
    job = jobs.run("print('ran')")
    assert job["FailureReason"].startswith("InternalServerError: ")
    assert statuses(job) == ["Starting", "Downloading", "Failed"]
    ask_for(jobs, "InternalServerError", count=2)
    job = jobs.run("print('ran')", RetryStrategy={"MaximumRetryAttempts": 2})
    assert job["TrainingJobStatus"] == "Completed"
    assert statuses(job)[:5] == ["Starting", "Downloading", "Starting", "Downloading", "Starting"]
    assert jobs.lines(job["TrainingJobName"]) == ["ran"]
    ask_for(jobs, "InternalServerError", count=2)
    job = jobs.run("print('ran')", RetryStrategy={"MaximumRetryAttempts": 1})
    assert statuses(job) == ["Starting", "Downloading", "Starting", "Downloading", "Failed"]


def test_a_program_that_fails_is_not_tried_again(jobs) -> None:
    job = jobs.run("print('ran'); raise SystemExit(1)", RetryStrategy={"MaximumRetryAttempts": 3})
    assert statuses(job) == ["Starting", "Downloading", "Training", "Failed"]
    assert jobs.lines(job["TrainingJobName"]) == ["ran"]


def test_a_failure_file_is_the_reason_and_is_cut(jobs) -> None:
    write = "import os; open(os.environ['ML'] + '/output/failure', 'w').write({}); raise SystemExit(1)"
    job = jobs.run(write.format("'ExecuteUserScriptError: 메모리 in /opt/ml/model'"))
    reason = "AlgorithmError: ExecuteUserScriptError: 메모리 in /opt/ml/model, exit code: 1"
    assert job["FailureReason"] == reason
    job = jobs.run(write.format("'x' * 5000"))
    assert len(job["FailureReason"]) == 1024
    assert job["FailureReason"].endswith("xxx, exit code: 1")


def test_a_killed_program_ends_with_128_and_the_signal(jobs) -> None:
    job = jobs.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert job["FailureReason"] == "AlgorithmError: , exit code: 137"


def test_a_program_that_is_not_there_fails_the_job(jobs) -> None:
    job = jobs.run("", algorithm={"ContainerEntrypoint": ["/opt/ml/code/no-such-program"]})
    expected = "AlgorithmError: /opt/ml/code/no-such-program: No such file or directory, exit code: 127"
    assert job["FailureReason"] == expected


def test_an_image_without_a_program_says_what_to_do(jobs) -> None:
    request = jobs.request("")
    del request["AlgorithmSpecification"]["ContainerEntrypoint"]
    jobs.sagemaker.create_training_job(**request)
    job = jobs.wait(request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Failed"
    assert "ContainerEntrypoint" in job["FailureReason"]
    assert "SourceCode(entry_script=...)" in job["FailureReason"]


def test_what_a_program_leaves_running_ends_with_it(jobs) -> None:
    job = jobs.run(
        "import subprocess, sys;"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)"
    )
    assert job["TrainingJobStatus"] == "Completed"
    assert marked(jobs.sandbox, job["TrainingJobName"]) == []


def test_a_stopped_job_has_time_to_save_and_its_model_is_uploaded(jobs, tmp_path: Path) -> None:
    name = jobs.create(
        SAVES_ON_SIGTERM,
        # The shell dies of the signal at once; the program under it does not.
        algorithm={
            "ContainerEntrypoint": ["/bin/sh", "-c"],
            "ContainerArguments": ["python3 /opt/ml/input/data/code/program.py; true"],
        },
        environment={"SAVED_WITH": str(tmp_path / "asked twice")},
    )
    jobs.wait_for_line(name, "training")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.describe(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopping", "Stopping")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)  # again: nothing changes
    (tmp_path / "asked twice").touch()
    job = jobs.wait(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "FailureReason" not in job
    assert statuses(job) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert jobs.lines(name) == ["training", "saving", "saved"]
    assert names_in(jobs.get(f"out/{name}/output/model.tar.gz")) == ["weights"]


def test_the_time_limit_stops_a_job_and_what_it_saved_is_uploaded(jobs) -> None:
    job = jobs.run(SAVES_ON_SIGTERM, StoppingCondition={"MaxRuntimeInSeconds": 2})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "FailureReason" not in job
    assert 2 <= job["TrainingTimeInSeconds"] < 600  # which it would sleep
    assert names_in(jobs.get(f"out/{job['TrainingJobName']}/output/model.tar.gz")) == ["weights"]


def test_a_job_may_be_stopped_while_it_ends_in_its_own_time_limit(jobs) -> None:
    name = jobs.create(SAVES_ON_SIGTERM, StoppingCondition={"MaxRuntimeInSeconds": 2})
    jobs.wait_for_line(name, "saving")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert jobs.wait(name)["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert jobs.lines(name) == ["training", "saving", "saved"]  # no second signal while it saves


def test_an_interrupted_job_resumes_from_its_checkpoints_on_new_hosts(jobs, tmp_path: Path) -> None:
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


def test_a_job_on_hosts_of_its_own_is_not_interrupted(jobs) -> None:
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


def test_the_end_of_the_sandbox_ends_jobs_fast_and_is_reported(jobs) -> None:
    checkpoints = {"S3Uri": f"s3://{BUCKET}/ended", "LocalPath": "/opt/ml/model"}
    saving = jobs.create(SAVES_ON_SIGTERM, CheckpointConfig=checkpoints)
    ignoring = jobs.create(IGNORES_SIGTERM)
    for name in (saving, ignoring):
        jobs.wait_for_line(name, "training")
    processes = marked(jobs.sandbox, ignoring)
    assert len(processes) == 2
    jobs.sandbox.restart()
    assert alive(processes) == []
    for name in (saving, ignoring):
        job = jobs.describe(name)
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("InternalServerError: The sandbox ended while the job ran")
        assert not jobs.folder(name).exists()
    assert jobs.lines(saving) == ["training", "saving", "saved"]
    assert jobs.get("ended/weights") == b"half"


def test_a_killed_sandbox_leaves_nothing_and_reports_the_truth_at_its_next_start(jobs) -> None:
    name = jobs.create(IGNORES_SIGTERM)
    jobs.wait_for_line(name, "training")
    processes = marked(jobs.sandbox, name)
    assert len(processes) == 2
    scratch = Path(processes[0].environ()["TMPDIR"]).parent
    jobs.sandbox.stop(kill=True)
    psutil.wait_procs(processes, timeout=300)
    assert alive(processes) == []
    jobs.sandbox.start()
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: The sandbox ended while the job ran")
    assert jobs.lines(name) == ["training", job["FailureReason"]]
    assert not jobs.folder(name).exists()
    assert not scratch.exists()
    assert jobs.run("pass")["TrainingJobStatus"] == "Completed"


def test_the_next_start_ends_what_even_the_watchdog_could_not(jobs) -> None:
    name = jobs.create(IGNORES_SIGTERM)
    jobs.wait_for_line(name, "training")
    processes = marked(jobs.sandbox, name)
    children = psutil.Process(jobs.sandbox.pid).children()
    (watchdog,) = [child for child in children if any(word.endswith("group.py") for word in child.cmdline())]
    watchdog.kill()
    jobs.sandbox.stop(kill=True)
    assert len(alive(processes)) == 2
    jobs.sandbox.start()
    assert jobs.wait(name)["TrainingJobStatus"] == "Failed"
    assert alive(processes) == []
