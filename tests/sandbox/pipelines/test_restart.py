"""After the end of a sandbox, wherever it is killed: nothing is lost, nothing runs twice, states are true."""

from __future__ import annotations

import json
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from ..conftest import END_TIMEOUT_S, RunningSandbox
from .conftest import Pipelines, definition, processing, walk

ARN = "arn:aws:sagemaker:us-east-1:000000000000"
PROGRAM = str(Path(__file__).with_name("killed_sandbox.py"))
# One after the other in one execution: where it is killed, what had succeeded by then, where it is at.
POINTS: list[tuple[str, dict[str, Any], list[str], str]] = [
    ("an execution is kept and not begun", {"status": "Executing"}, [], "Prepare"),
    ("a job has its name and is not made", {"step": "Prepare", "status": "Starting"}, [], "Prepare"),
    ("a job has ended and no step", {"kind": "processing-job", "status": "Completed"}, ["Prepare"], "Train"),
    ("between two steps", {"step": "Train", "status": "Succeeded"}, ["Prepare", "Train"], "Evaluate"),
    (
        "in a condition",
        {"when": "before", "step": "Better", "status": "Succeeded"},
        ["Prepare", "Train", "Evaluate"],
        "Better",
    ),
    (
        "a group is made and no version",
        {"kind": "model-package-group"},
        ["Prepare", "Train", "Evaluate", "Better"],
        "Register",
    ),
    ("a version is made, its step has not ended", {"kind": "model-package"}, [], ""),
]


def test_killed_at_each_step_it_goes_on_from_there_and_runs_nothing_twice(home: Path) -> None:
    running = RunningSandbox(home, program=(PROGRAM,))
    pipelines, arn, earlier = Pipelines(running), None, None
    name = pipelines.create(walk())
    try:
        for what, point, succeeded, at in POINTS:
            running.stop(kill=True)
            point = {"when": "after", "kind": "pipeline-execution", **point}
            running.environ = {"KILL_AT": json.dumps(point)}
            running.start()
            if earlier is not None:
                check_it_is_true(pipelines, arn, *earlier)
            begin(pipelines, name, arn)
            assert running.process.wait(END_TIMEOUT_S) == -signal.SIGKILL, what
            earlier = what, succeeded, at
            arn = arn or f"{ARN}:pipeline/{name}/execution/{only_execution(home)}"
        running.environ = {}
        running.start()
        # All of it had happened, and there was nothing left to go on with.
        assert pipelines.status(arn) == "Succeeded"
        assert set(pipelines.statuses(arn).values()) == {"Succeeded"}
        check_nothing_ran_twice(pipelines, arn)
    finally:
        running.close()


def only_execution(home: Path) -> str:
    """Return the id of the execution that is kept."""
    [path] = home.glob("resources/*/pipeline-execution/*.json")
    return path.stem


def check_it_is_true(pipelines: Pipelines, arn: str, what: str, succeeded: list[str], at: str) -> None:
    execution, statuses = pipelines.describe(arn), pipelines.statuses(arn)
    assert execution["PipelineExecutionStatus"] == "Failed", what
    assert f"It was at {at}. RetryPipelineExecution" in execution["FailureReason"], what
    assert [step for step, status in statuses.items() if status == "Succeeded"] == succeeded, what
    assert set(statuses.values()) <= {"Succeeded", "Failed"}, what


def begin(pipelines: Pipelines, name: str, arn: str | None) -> None:
    """Start an execution, or go on with it; the answer may not come, as the sandbox dies."""
    with suppress(BotoCoreError):
        if arn is None:
            pipelines.start(name)
        else:
            pipelines.sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)


def check_nothing_ran_twice(pipelines: Pipelines, arn: str) -> None:
    """Make sure that each step's job ran to its end once, and that there is one version."""
    client, id_ = pipelines.sagemaker, arn.rpartition("/")[2]
    jobs = client.list_processing_jobs(MaxResults=100)["ProcessingJobSummaries"]
    ended = [(job["ProcessingJobName"], job["ProcessingJobStatus"]) for job in jobs]
    jobs = client.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    ended += [(job["TrainingJobName"], job["TrainingJobStatus"]) for job in jobs]
    completed = Counter(
        name.removeprefix(f"pipelines-{id_}-").rpartition("-")[0]
        for name, status in ended
        if status == "Completed"
    )
    assert completed == {"prepare": 1, "train": 1, "evaluate": 1}
    assert {status for _, status in ended} <= {"Completed", "Failed"}
    packages = client.list_model_packages(ModelPackageGroupName="news")["ModelPackageSummaryList"]
    assert len(packages) == 1


@pytest.mark.parametrize("kill", [True, False], ids=["SIGKILL", "SIGTERM"])
def test_while_jobs_run_the_end_of_the_sandbox_is_told_and_the_rest_is_unchanged(
    home: Path, kill: bool
) -> None:
    # The disk is full for a while before, too: the execution goes on when there is room again.
    full = {"when": "full", "times": 2, "kind": "pipeline-execution", "step": "Quick", "status": "Starting"}
    running = RunningSandbox(home, program=(PROGRAM,), environ={"KILL_AT": json.dumps(full)})
    pipelines = Pipelines(running)
    try:
        before = pipelines.run(definition(processing("Quick")))
        assert pipelines.statuses(before) == {"Quick": "Succeeded"}
        assert running.log_path.read_text().count("No space left on device") == 2
        running.environ = {}
        described, steps = pipelines.describe(before), pipelines.steps(before)
        waits = "import time; print('waits', flush=True); time.sleep(600)"
        name = pipelines.create(definition(processing("First", waits), processing("Second", waits)))
        arn = pipelines.start(name)
        pipelines.until(
            lambda: pipelines.statuses(arn), lambda it: list(it.values()) == ["Executing"] * 2, arn
        )
        if kill:  # twice: the second time while it is found out what has become of the steps
            point = {"when": "after", "kind": "pipeline-execution", "step": "First", "status": "Failed"}
            running.environ = {"KILL_AT": json.dumps(point)}
            running.restart(kill=True)
            assert running.process.wait(END_TIMEOUT_S) == -signal.SIGKILL
            running.environ = {}
        running.restart(kill=kill)
        execution, ended = pipelines.describe(arn), pipelines.steps(arn)
        assert execution["PipelineExecutionStatus"] == "Failed"
        assert "It was at First, Second. RetryPipelineExecution" in execution["FailureReason"]
        assert {step["StepStatus"] for step in ended.values()} == {"Failed"}
        for step in ended.values():
            job = pipelines.sagemaker.describe_processing_job(
                ProcessingJobName=step["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
            )
            assert step["FailureReason"] == f"ClientError: {job['FailureReason']}"
        again = pipelines.describe(before), pipelines.steps(before)
        for each in (*again, described):
            each.pop("ResponseMetadata", None)
        assert again == (described, steps)
    finally:
        running.close()
