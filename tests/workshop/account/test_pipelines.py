"""Of pipelines a cleanup stops what executes, then takes what the steps made, whose names only AWS knows."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from tests.workshop.account.conftest import Machine
from tests.workshop.account.foreign import (
    BUCKET,
    OURS,
    PROCESSING_JOBS,
    ROLE,
    Foreign,
    definition,
    processing_request,
    put_target,
)

from workshop.account.cleanup import clean_up
from workshop.account.finding import find, find_paid, find_running
from workshop.account.found import Found
from workshop.account.pipelines import stop_execution, wait_until_execution_ended
from workshop.account.report import left_text, listing_text, outcome_text
from workshop.account.watching import delete_rule
from workshop.aws.session import PREFIX, Aws
from workshop.entries import RunState, now_utc
from workshop.state import State

NAME = "news-pipeline-1"
WAIT_S = 300


def start(aws: Aws, *, tags: dict[str, str] | None = None, program: str = "code") -> str:
    """Start a pipeline of the workshop's whose job runs until it is stopped, and wait until it does.

    Args:
        tags: Of the job, as the definition has them.
        program: Folder of the bucket with the job's program.

    Returns:
        Name of the job.
    """
    sagemaker = aws.client("sagemaker")
    step = processing_request("", BUCKET, program, f"s3://{OURS}/{PREFIX}/pipeline/{NAME}/")
    if tags:
        step["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    sagemaker.create_pipeline(PipelineName=NAME, PipelineDefinition=definition(step), RoleArn=ROLE)
    execution = sagemaker.start_pipeline_execution(PipelineName=NAME)["PipelineExecutionArn"]
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)
        for one in steps["PipelineExecutionSteps"]:
            if job := one.get("Metadata", {}).get("ProcessingJob"):
                name = job["Arn"].rpartition("/")[2]
                if described(sagemaker, name).get("ProcessingStartTime"):
                    return name
        time.sleep(0.05)
    raise TimeoutError(f"no job of {execution} started")


def described(sagemaker: Any, job: str) -> dict[str, Any]:
    return sagemaker.describe_processing_job(ProcessingJobName=job)


def cleaned(aws: Aws, confirmed: str) -> str:
    """Clean up with these words, and return what a person reads."""
    aws = replace(aws, settings=replace(aws.settings, cleanup_confirmed=confirmed))
    outcomes, left = clean_up(aws, find(aws))
    return f"{outcome_text(outcomes)}\n{left_text(aws.settings, left, outcomes)}"


def test_an_execution_is_stopped_before_its_job_and_mine_takes_what_it_made(
    foreign: Foreign, machine: Machine
) -> None:
    before, aws, state = foreign.everything(), machine(), State.load(machine().settings)
    state.keep("pipeline_run", RunState(made_at=now_utc(), notebook="n", name=NAME, request_sha256=""))
    job = start(aws)
    found = [one for one in find(aws).found if one.kind != "LogStreams"]
    assert [one.kind for one in found] == ["PipelineExecution", "ProcessingJob", "Pipeline"]
    assert {one.sources for one in found} == {("ledger", "tag", "state")}  # not one of them names the job
    assert found[1].name == job
    assert found[0].name in find_running(aws)
    (paid,) = [one for one in find_paid(aws).found if one.kind == "ProcessingJob"]
    assert (paid.name, paid.usd_per_hour) == (job, 0.23)
    text = cleaned(aws, "mine")
    assert f"stopped         PipelineExecution {found[0].name}" in text
    assert f"stopped         ProcessingJob {job}" in text
    assert f"deleted         Pipeline {NAME}" in text
    stop_execution(aws, found[0])  # once more: it is gone, which is no error
    after = foreign.everything()
    assert described(aws.client("sagemaker"), job)["ProcessingJobStatus"] == "Stopped"
    assert {kind: after[kind] for kind in before if kind != "LogStream"} == {
        kind: before[kind] for kind in before if kind != "LogStream"
    }


def test_another_machine_stops_what_is_tagged_and_takes_its_logs_when_no_pipeline_names_it_any_more(
    foreign: Foreign, machine: Machine
) -> None:
    before, aws = foreign.everything(), machine("second")
    job = start(machine("first"), tags=dict(machine("first").tags))
    assert f"PipelineExecution {find(aws).found[0].name}: not confirmed: tagged" in cleaned(aws, "mine")
    assert f"stopped         ProcessingJob {job}" in cleaned(aws, "tagged")
    assert any(stream.startswith(job) for stream in foreign.everything()["LogStream"])
    (logs,) = find(aws).found
    assert (logs.name, logs.sources) == (PROCESSING_JOBS, ("tag",))
    assert "nothing of the workshop is left" in cleaned(aws, "logs")
    assert foreign.everything() == before


def test_what_an_execution_has_made_costs_after_it_has_ended_too(foreign: Foreign, machine: Machine) -> None:
    aws = machine()
    foreign.client("s3").put_object(Bucket=BUCKET, Key="short/program.py", Body=b"import time; time.sleep(1)")
    job = start(aws, program="short")
    sagemaker = aws.client("sagemaker")
    sagemaker.get_waiter("processing_job_completed_or_stopped").wait(
        ProcessingJobName=job, WaiterConfig={"Delay": 0.05, "MaxAttempts": 6000}
    )
    (listed,) = sagemaker.list_pipeline_executions(PipelineName=NAME)["PipelineExecutionSummaries"]
    arn = {"arn": listed["PipelineExecutionArn"]}
    execution = Found(kind="PipelineExecution", name=NAME, sources=("tag",), details=arn)
    wait_until_execution_ended(aws, execution, WAIT_S)
    stop_execution(aws, execution)  # it has ended meanwhile, which is no error either
    (ended,) = [one for one in find_paid(aws).found if one.name == job]
    assert ended.details["has_ended"]
    assert ended.usd_so_far > 0
    assert f"Pipeline  {NAME}" in " ".join(listing_text(aws.settings, find(aws)).split("\n"))
    foreign.client("s3").delete_object(Bucket=BUCKET, Key="short/program.py")
    assert "nothing of the workshop is left" in cleaned(aws, "everything")


def test_a_rule_goes_before_the_pipeline_that_it_would_start_and_a_strangers_rule_stays(
    foreign: Foreign, machine: Machine
) -> None:
    before, aws = foreign.everything(), machine()
    events, cloudwatch = aws.client("events"), aws.client("cloudwatch")
    text = definition(processing_request("", BUCKET, "code", f"s3://{OURS}/{PREFIX}/pipeline/{NAME}/"))
    aws.client("sagemaker").create_pipeline(PipelineName=NAME, PipelineDefinition=text, RoleArn=ROLE)
    for maker, rule in ((aws, "news-ours"), (machine("second"), "news-others")):
        maker.client("events").put_rule(Name=rule, EventPattern='{"source": ["aws.cloudwatch"]}')
        put_target(maker.client("events"), rule, NAME)
    cloudwatch.put_dashboard(DashboardName="news-ours", DashboardBody='{"widgets": []}')
    found = [one for one in find(machine("third")).found if one.kind not in ("LogStreams", "S3")]
    assert [one.kind for one in found] == ["Rule", "Rule", "Dashboard", "Pipeline"]
    assert found[0].what == f"ENABLED, starts {NAME}"
    assert {one.sources for one in found} == {("tag",)}, "a fresh clone knows them by their tags"
    text = cleaned(aws, "mine")
    assert "deleted         Rule news-ours" in text
    assert "Rule news-others: not confirmed: tagged" in text
    assert [one["Name"] for one in events.list_rules()["Rules"]] == ["news-others", "news-theirs"]
    text = cleaned(machine("third"), "tagged")
    assert "deleted         Rule news-others" in text
    delete_rule(aws, "news-ours")  # twice, and when it is gone
    assert foreign.everything() == before


def test_a_rule_without_the_workshops_tag_is_nobodys_of_ours(foreign: Foreign, machine: Machine) -> None:
    aws = machine()
    aws.client("events").put_rule(Name="news-ours", EventPattern='{"source": ["aws.cloudwatch"]}')
    arn = aws.client("events").describe_rule(Name="news-ours")["Arn"]
    aws.client("events").untag_resource(ResourceARN=arn, TagKeys=["workshop"])
    assert "Rule" not in [one.kind for one in find(aws).found], "somebody has made it theirs"
    aws.client("events").delete_rule(Name="news-ours")
