"""A training keeps its name, so that cells which are executed again start nothing twice."""

from __future__ import annotations

import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.workshop.training.test_follow import IMAGE

from workshop.aws.session import Aws
from workshop.entries import RunState
from workshop.errors import WorkshopError
from workshop.settings import Settings
from workshop.state import State
from workshop.training.follow import follow
from workshop.training.runs import jobs_to_start, keep_run, started_jobs


def kept(settings: Settings, **made_of) -> RunState:
    """Return the run as a kernel that has just started finds it."""
    return keep_run(
        State.load(settings), "training_run", base_name="news", notebook="03", made_of={"rows": 10} | made_of
    )


def test_a_run_of_the_same_making_keeps_its_name(settings: Settings, tmp_path: Path) -> None:
    script = tmp_path / "train"
    script.mkdir()
    (script / "train.py").write_text("print(1)")
    first = kept(settings, script=script, seed=42)
    (script / "__pycache__").mkdir()
    (script / "__pycache__" / "train.pyc").write_text("compiled")
    (script / ".ipynb_checkpoints").mkdir()
    for left_behind in (".DS_Store", ".train.py.swp", "train.py~", ".ipynb_checkpoints/train-checkpoint.py"):
        (script / left_behind).write_text("of an editor")
    assert kept(settings, seed=42, script=script) == first
    assert State.load(settings).has("training_run")


@pytest.mark.parametrize("changed", ["rows", "content", "file"])
def test_another_making_is_another_run_and_says_what_changed(
    settings: Settings, tmp_path: Path, changed: str, capsys: pytest.CaptureFixture
) -> None:
    script = tmp_path / "train"
    script.mkdir()
    (script / "train.py").write_text("print(1)")
    first = kept(settings, script=script)
    if changed == "content":
        (script / "train.py").write_text("print(2)")
    if changed == "file":
        (script / "train.py").rename(script / "other.py")
    second = kept(settings, script=script, **({"rows": 11} if changed == "rows" else {}))
    assert second.request_sha256 != first.request_sha256
    told = capsys.readouterr().out
    assert first.name in told
    assert told.strip().endswith("rows" if changed == "rows" else "script")
    assert kept(settings, script=script, **({"rows": 11} if changed == "rows" else {})) == second


def create_job(aws: Aws, run: RunState, program: str, max_run_s: int = 600) -> str:
    name = f"{run.name}-{uuid.uuid4().hex[:8]}"
    aws.client("sagemaker").create_training_job(
        TrainingJobName=name,
        RoleArn=aws.role_arn,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", "-c", program],
        },
        OutputDataConfig={"S3OutputPath": aws.uri("jobs")},
        ResourceConfig={"InstanceType": "ml.g5.4xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
        StoppingCondition={"MaxRuntimeInSeconds": max_run_s},
    )
    return name


def test_a_run_finds_its_jobs_in_their_order_and_no_other_runs_and_none_that_failed(sample_aws: Aws) -> None:
    state = State.load(sample_aws.settings)
    run = keep_run(state, "training_run", base_name="runs-a", notebook="03", made_of={})
    other = keep_run(state, "long_training_run", base_name="runs-b", notebook="03-1", made_of={})
    assert started_jobs(sample_aws, run) == []
    waiter = sample_aws.client("sagemaker").get_waiter("training_job_completed_or_stopped")
    done = create_job(sample_aws, run, "pass")
    waiter.wait(TrainingJobName=done, WaiterConfig={"Delay": 0.1, "MaxAttempts": 6000})
    failed = create_job(sample_aws, run, "raise SystemExit(1)")
    running = create_job(sample_aws, run, "import time; time.sleep(600)")
    foreign = create_job(sample_aws, other, "pass")
    with pytest.raises(Exception, match="Failed"):
        waiter.wait(TrainingJobName=failed, WaiterConfig={"Delay": 0.1, "MaxAttempts": 6000})
    assert started_jobs(sample_aws, run) == [done, running]
    assert started_jobs(sample_aws, other) == [foreign]
    sample_aws.client("sagemaker").stop_training_job(TrainingJobName=running)


def test_a_job_that_ran_out_of_time_is_no_reason_to_start_none(sample_aws: Aws) -> None:
    """It says what to raise, once; the run then goes on with another."""
    state = State.load(sample_aws.settings)
    run = keep_run(state, "training_run", base_name="late", notebook="03", made_of={"rows": 11})
    late = create_job(sample_aws, run, "import time; time.sleep(600)", max_run_s=1)
    with pytest.raises(WorkshopError, match="longer than its 1 s"):
        follow(sample_aws, late, 600)
    assert started_jobs(sample_aws, run) == []


def test_a_job_that_a_person_stops_is_not_followed_by_another_when_the_cells_are_run_again(
    sample_aws: Aws,
) -> None:
    run = keep_run(
        State.load(sample_aws.settings),
        "long_training_run",
        base_name="stopped",
        notebook="03-1",
        made_of={"rows": 12},
    )
    stopped = create_job(sample_aws, run, "import time; time.sleep(600)")
    sample_aws.client("sagemaker").stop_training_job(TrainingJobName=stopped)
    for _ in range(2):  # Run All, and once more
        jobs = [follow(sample_aws, name, 600) for name in started_jobs(sample_aws, run)]
        assert [job.status for job in jobs] == ["Stopped"]
        assert next(jobs_to_start(jobs, most=3, resume_stopped=False), None) is None
    assert next(jobs_to_start(jobs, most=3, resume_stopped=True)) == 2


def ended(status: str, step: int, num_steps: int = 9) -> SimpleNamespace:
    return SimpleNamespace(status=status, is_at_last_step=step == num_steps)


@pytest.mark.parametrize(
    ("before", "steps_after", "resume_stopped", "num_started"),
    [
        ([], [3, 6, 9], False, 3),
        ([("Completed", 3)], [6, 9], False, 2),
        ([("Completed", 9)], [], False, 0),
        ([], [1, 2, 3, 4], False, 4),  # no more than allowed
        ([("Completed", 3), ("Stopped", 5)], [], False, 0),
        ([("Completed", 3), ("Stopped", 5)], [9], True, 1),
        ([("Stopped", 0)], [], False, 0),
    ],
)
def test_only_a_job_that_ended_by_itself_is_followed_by_another(
    before: list[tuple[str, int]], steps_after: list[int], resume_stopped: bool, num_started: int
) -> None:
    jobs = [ended(*job) for job in before]
    coming = [ended("Completed", step) for step in steps_after]
    for number in jobs_to_start(jobs, most=4, resume_stopped=resume_stopped):
        jobs.append(coming.pop(0))
        assert number == len(jobs)
    assert len(jobs) - len(before) == num_started


def test_a_job_that_a_person_stops_ends_the_run() -> None:
    jobs: list[SimpleNamespace] = []
    for number in jobs_to_start(jobs, most=4, resume_stopped=True):
        jobs.append(ended("Completed" if number == 1 else "Stopped", step=number))
    assert [job.status for job in jobs] == ["Completed", "Stopped"]
