"""A cleanup lists first, deletes what is confirmed and nothing else, and says what is left and why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.sandbox.conftest import RunningSandbox
from tests.workshop.account.conftest import ROLE, Machine
from tests.workshop.account.foreign import BUCKET, IMAGE, JOBS, OURS, Foreign, endpoint_variant, job_request
from tests.workshop.components_on_sandbox import create_component, create_endpoint

from workshop.account.cleanup import clean_up
from workshop.account.confirmation import WORDS, confirmed_words
from workshop.account.finding import find
from workshop.account.report import left_text, listing_text, outcome_text
from workshop.aws.session import PREFIX, Aws
from workshop.endpoint.deletion import delete_endpoint
from workshop.entries import EndpointState, now_utc
from workshop.errors import WorkshopError
from workshop.state import State


@pytest.fixture
def account(foreign: Foreign, machine: Machine) -> Iterator[Foreign]:
    """The account, as it was afterwards as before: whatever a test leaves is deleted."""
    before = foreign.everything()
    yield foreign
    if foreign.everything() != before:
        aws = machine()
        for mode in ("debug", "full"):
            settings = replace(aws.settings, mode=mode, cleanup_confirmed="everything")
            clean_up(replace(aws, settings=settings), find(aws))
    assert foreign.everything() == before


def create_model(aws: Aws, name: str, **values: object) -> None:
    aws.client("sagemaker").create_model(
        ModelName=name, PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE, **values
    )


def names(aws: Aws, kind: str) -> list[str]:
    return [one.name for one in find(aws).found if one.kind == kind]


def cleaned(aws: Aws, confirmed: str) -> str:
    """Clean up with these words, and return what a person reads."""
    aws = replace(aws, settings=replace(aws.settings, cleanup_confirmed=confirmed))
    outcomes, left = clean_up(aws, find(aws))
    return f"{outcome_text(outcomes)}\n{left_text(aws.settings, left, outcomes)}"


def deny_once(running: RunningSandbox, operation: str) -> None:
    """Let the next call of an operation be refused as for somebody without the right to it."""
    fault = json.dumps({"operation": operation, "fault": "AccessDenied", "count": 1}).encode()
    request = urllib.request.Request(f"{running.url}/_sandbox/faults", fault, method="PUT")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()


def test_without_a_word_it_lists_and_deletes_nothing(account: Foreign, machine: Machine) -> None:
    aws = machine()
    create_model(aws, "news-1")
    aws.client("s3").put_object(Bucket=OURS, Key=f"{PREFIX}/checkpoints/run/1", Body=bytes(1500))
    there = account.everything()
    text = listing_text(aws.settings, find(aws))
    assert "not confirmed: mine" in cleaned(aws, "")
    assert account.everything() == there
    assert "news-1" in text
    assert "ledger, tag" in text
    assert "1 object, 1.5 kB" in text or "1 object, 2 kB" in text
    for word in ("mine", "tagged", "checkpoints", "everything"):
        assert f"  {word} " in text
    assert "  weights " not in text  # there are none


def test_mine_spares_what_another_machine_made_under_the_same_tag(account: Foreign, machine: Machine) -> None:
    create_model(machine("first"), "news-1")
    create_model(machine("second"), "news-2")
    text = cleaned(machine("first"), "mine")
    assert "deleted         Model news-1" in text
    assert "Model news-2: not confirmed: tagged" in text
    assert names(machine("third"), "Model") == ["news-2"]
    assert "deleted         Model news-2" in cleaned(machine("third"), "tagged")


def test_another_mode_is_listed_and_left(account: Foreign, machine: Machine) -> None:
    create_model(machine(mode="full"), "news-1")
    assert "Model news-1: of another mode: WORKSHOP_MODE=full" in cleaned(machine(), "everything")


def test_each_group_in_s3_goes_alone_and_nothing_beside_the_prefix(
    account: Foreign, machine: Machine
) -> None:
    s3, aws = account.client("s3"), machine()
    groups = {
        "checkpoints": {"checkpoints/r/1"},
        "results": {"training/j/m", "pipeline/p/report/evaluation.json"},
        "weights": {"base-model/m/w"},
        "data": {"data/debug/t"},
        "others": {"adapters/a", "beside"},
    }
    for key in set().union(*groups.values()):
        s3.put_object(Bucket=OURS, Key=f"{PREFIX}/{key}", Body=b"1")
    s3.create_multipart_upload(Bucket=OURS, Key=f"{PREFIX}/training/j/large")
    before = account.everything()
    for word, keys in groups.items():
        cleaned(aws, word)
        after = account.everything()
        gone = {key.removeprefix(f"{OURS}/{PREFIX}/") for key in {*before["object"]} - {*after["object"]}}
        assert gone == keys
        assert (before["upload"] != after["upload"]) is (word == "results")
        before = after


def test_older_versions_and_delete_markers_go_too(account: Foreign, machine: Machine) -> None:
    aws, s3 = machine(bucket="news-with-versions", needs_bucket=True), account.client("s3")
    key = {"Bucket": aws.bucket, "Key": f"{PREFIX}/training/j/m"}
    s3.put_bucket_versioning(Bucket=aws.bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"first", b"second"):
        s3.put_object(**key, Body=body)
    s3.delete_object(**key)
    assert "older versions" in listing_text(aws.settings, find(aws))
    assert "nothing of the workshop is left" in cleaned(aws, "results bucket")
    assert aws.bucket not in account.everything()["Bucket"]


def test_objects_stay_while_something_runs_that_may_read_them(account: Foreign, machine: Machine) -> None:
    aws = machine()
    create_endpoint(aws)
    account.client("s3").put_object(Bucket=OURS, Key=f"{PREFIX}/training/j/m", Body=b"1")
    text = cleaned(aws, "results")
    assert "still runs, and may read or write there" in text
    assert "nothing of the workshop is left" in cleaned(aws, "mine results")


def test_a_repository_stays_while_an_endpoint_may_need_its_images_and_goes_with_them(
    account: Foreign, machine: Machine
) -> None:
    aws, others = machine(), machine(mode="full")
    ecr = aws.client("ecr")
    ecr.create_repository(repositoryName="news-ours")
    name = create_endpoint(others)
    (found,) = [one for one in find(aws).found if one.kind == "Repository"]
    assert (found.name, found.sources, found.mode) == ("news-ours", ("ledger", "tag"), "debug")
    assert found.what.startswith("0 images")
    text = cleaned(aws, "mine")
    assert f"Repository news-ours: {name} still runs" in text
    delete_endpoint(others, name, timeout_s=60)
    assert "deleted         Repository news-ours" in cleaned(aws, "mine")


def test_a_bucket_that_is_not_empty_stays_and_one_of_before_is_not_named(
    account: Foreign, machine: Machine
) -> None:
    aws = machine(bucket="news-new-bucket", needs_bucket=True)
    account.client("s3").put_object(Bucket=aws.bucket, Key="a-persons-own", Body=b"1")
    assert "Bucket" not in [one.kind for one in find(machine()).found if one.name == OURS]
    assert "DeleteBucket was refused (BucketNotEmpty)" in cleaned(aws, "bucket")
    account.client("s3").delete_object(Bucket=aws.bucket, Key="a-persons-own")
    # It is in this machine's ledger, whatever the setting says now.
    assert "deleted         bucket news-new-bucket" in cleaned(machine(), "bucket")


def test_what_a_stopped_job_saves_goes_too_and_then_its_bucket(account: Foreign, machine: Machine) -> None:
    aws = machine(bucket="news-new-bucket", needs_bucket=True)
    job = job_request("news-stopped", BUCKET, "code", f"s3://{aws.bucket}/{PREFIX}/training/")
    aws.client("sagemaker").create_training_job(**job)
    while not any(name.startswith("news-stopped/") for name in account.everything()["LogStream"]):
        pass  # what has not begun saves nothing
    text = cleaned(aws, "everything")
    assert "stopped         TrainingJob news-stopped" in text
    assert f"deleted         results s3://{aws.bucket}/{PREFIX}/training/" in text
    assert f"deleted         bucket {aws.bucket}" in text
    assert "nothing of the workshop is left" in text


def test_a_connection_for_a_cleanup_makes_no_bucket(account: Foreign, machine: Machine) -> None:
    aws = machine(bucket="never-made")
    assert "never-made" not in account.everything()["Bucket"]
    assert "nothing of the workshop is left" in cleaned(aws, "everything")


def test_somebody_elses_component_keeps_our_endpoint_and_its_configuration(
    account: Foreign, machine: Machine
) -> None:
    aws, sagemaker = machine(), account.client("sagemaker")
    endpoint = create_endpoint(aws)
    theirs = replace(aws, _clients={"sagemaker": sagemaker})
    create_component(theirs, endpoint, "theirs", "news-theirs", num_copies=0)
    text = cleaned(aws, "everything")
    assert f"Endpoint {endpoint}: components are on it that were not deleted: {endpoint}-theirs" in text
    assert f"EndpointConfig {endpoint}: in use by the endpoint {endpoint}" in text
    sagemaker.delete_inference_component(InferenceComponentName=f"{endpoint}-theirs")


def test_a_configuration_that_somebody_elses_endpoint_uses_stays(account: Foreign, machine: Machine) -> None:
    aws, sagemaker = machine(), account.client("sagemaker")
    aws.client("sagemaker").create_endpoint_config(
        EndpointConfigName="news-1", ProductionVariants=[endpoint_variant()], ExecutionRoleArn=ROLE
    )
    sagemaker.create_endpoint(EndpointName="theirs-on-ours", EndpointConfigName="news-1")
    assert "EndpointConfig news-1: in use by the endpoint theirs-on-ours" in cleaned(aws, "mine")
    delete_endpoint(aws, "theirs-on-ours", timeout_s=600)


def test_an_error_ends_one_thing_and_names_the_action(
    account: Foreign, machine: Machine, running: RunningSandbox
) -> None:
    aws = machine()
    for name in ("news-1", "news-2"):
        create_model(aws, name)
    deny_once(running, "DeleteModel")
    text = cleaned(aws, "mine")
    assert text.count("not allowed: your user or role lacks the action sagemaker:DeleteModel") == 2
    assert text.count("deleted         Model") == 1
    assert "asked again: 1 left of the workshop" in text


def test_lists_that_are_refused_are_named_and_the_rest_is_found(
    account: Foreign, machine: Machine, running: RunningSandbox
) -> None:
    aws = machine()
    create_model(aws, "news-1")
    deny_once(running, "ListEndpoints")
    listing = find(aws)
    assert [one.name for one in listing.found if one.kind == "Model"] == ["news-1"]
    (problem,) = listing.problems
    assert problem.what == "the list of Endpoints"
    assert "lacks the action sagemaker:ListEndpoints" in problem.reason


def test_a_pending_row_is_no_proof_when_somebody_elses_has_the_name(
    account: Foreign, machine: Machine
) -> None:
    aws, sagemaker = machine(), account.client("sagemaker")
    theirs = {"PrimaryContainer": {"Image": IMAGE}, "ExecutionRoleArn": ROLE}
    aws.ledger.begin("Model", "news-of-a-moment", "us-east-1", {})  # its request never arrived
    sagemaker.create_model(ModelName="news-of-a-moment", **theirs)
    assert find(aws).found == []
    sagemaker.delete_model(ModelName="news-of-a-moment")


def test_a_created_row_is_no_proof_when_the_name_is_used_again(account: Foreign, machine: Machine) -> None:
    aws = machine()
    aws.ledger.created(aws.ledger.begin("Model", "news-theirs", "us-east-1", {}), "arn", "")
    old = aws.ledger.path.read_text().replace(f"{datetime.now(UTC):%Y-%m-%d}", "2026-01-01")
    aws.ledger.path.write_text(old)  # made long before the model that has the name now
    assert find(aws).found == []


def test_logs_under_a_name_that_is_pending_or_somebody_elses_by_now_stay(
    account: Foreign, machine: Machine
) -> None:
    aws = machine()
    aws.ledger.begin("Endpoint", "news-tgi-of-another-day", "us-east-1", {})
    aws.ledger.created(aws.ledger.begin("Endpoint", "news-theirs", "us-east-1", {}), "arn", "")
    aws.ledger.ended("Endpoint", "news-theirs", "DeleteEndpoint")
    aws.ledger.path.write_text(
        aws.ledger.path.read_text().replace(f"{datetime.now(UTC):%Y-%m-%d}", "2026-01-01")
    )
    assert find(aws).found == []


def test_what_this_machine_made_without_tags_is_known_by_its_ledger(
    account: Foreign, machine: Machine
) -> None:
    aws = machine()
    create_model(aws, "news-1", Tags=[{"Key": "workshop", "Value": "of-another-name"}])
    (found,) = [one for one in find(aws).found if one.kind == "Model"]
    assert found.sources == ("ledger",)
    assert names(machine("second"), "Model") == []


def test_the_state_is_shown_and_forgets_an_endpoint_that_is_gone(account: Foreign, machine: Machine) -> None:
    aws = machine()
    endpoint, state = create_endpoint(aws), State.load(aws.settings)
    state.endpoint = EndpointState(
        made_at=now_utc(), notebook="04-SageMaker-Inference", endpoint_name=endpoint, config_name=endpoint,
        model_name="m", model_uri="", instance_type="ml.g5.12xlarge",
    )  # fmt: skip
    state.save()
    (found,) = [one for one in find(aws).found if one.kind == "Endpoint"]
    assert found.sources == ("ledger", "tag", "state")
    cleaned(aws, "mine")
    assert not State.load(aws.settings).has("endpoint")


def test_an_endpoint_has_its_price_and_its_cost_so_far(account: Foreign, machine: Machine) -> None:
    aws = machine()
    create_endpoint(aws)
    (endpoint,) = (one for one in account.everything()["Endpoint"] if one.startswith("ic-"))
    made_at = aws.client("sagemaker").describe_endpoint(EndpointName=endpoint)["CreationTime"]
    before_h = (datetime.now(UTC) - made_at) / timedelta(hours=1)
    listing = find(aws)
    (found,) = [one for one in listing.found if one.kind == "Endpoint"]
    assert found.usd_per_hour == 7.09
    assert before_h < found.usd_so_far / 7.09 < (listing.at - made_at) / timedelta(hours=1)
    assert "machines: 7.09 USD an hour now" in listing_text(aws.settings, listing)
    assert "0 USD on this machine" in listing_text(replace(aws.settings, mode="sample"), listing)


def test_an_alarm_of_a_name_of_ours_on_another_component_stays(account: Foreign, machine: Machine) -> None:
    aws = machine()
    endpoint = create_endpoint(aws)
    cloudwatch = account.client("cloudwatch")  # as an earlier version put them: without the mark
    for name, watched in (
        (f"{endpoint}-errors", endpoint),
        (f"{endpoint}0-errors", f"{endpoint}0"),
        ("a-persons", endpoint),
    ):
        cloudwatch.put_metric_alarm(
            AlarmName=name, Namespace="AWS/SageMaker", MetricName="Invocations", Statistic="Sum", Period=60,
            EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
            Dimensions=[{"Name": "EndpointName", "Value": watched}],
        )  # fmt: skip
    assert names(aws, "Alarm") == [f"{endpoint}-errors"]
    cleaned(aws, "mine")
    left = {"a-persons", f"{endpoint}0-errors"}
    assert left <= set(account.everything()["Alarm"])
    cloudwatch.delete_alarms(AlarmNames=sorted(left))


def test_logs_are_deleted_or_kept_for_a_time_on_request(account: Foreign, machine: Machine) -> None:
    aws, logs = machine(), account.client("logs")
    group = "/aws/sagemaker/Endpoints/news-1"
    aws.ledger.created(aws.ledger.begin("Endpoint", "news-1", "us-east-1", {}), "arn", "")
    aws.ledger.ended("Endpoint", "news-1", "DeleteEndpoint")
    aws.ledger.created(aws.ledger.begin("TrainingJob", "news-2", "us-east-1", {}), "arn", "")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=JOBS, logStreamName="news-2/algo-1-1")
    logs.create_log_stream(logGroupName=JOBS, logStreamName="news-22/algo-1-1")
    assert "kept 14 days" in cleaned(aws, "log-retention")
    (kept,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert kept["retentionInDays"] == 14
    cleaned(aws, "logs")
    there = account.everything()
    assert group not in there["LogGroup"]
    assert [name for name in there["LogStream"] if name.startswith("news-2")] == ["news-22/algo-1-1"]
    logs.delete_log_stream(logGroupName=JOBS, logStreamName="news-22/algo-1-1")


def run_command(aws: Aws, confirmed: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m workshop.account.cleanup`, which `make cleanup` runs."""
    settings = {"MODE": "debug", "HOME": aws.settings.workshop_home, "ROLE_ARN": ROLE, "BUCKET": OURS}
    settings |= {"CLEANUP_CONFIRMED": confirmed, "POLL_INTERVAL_S": "0.05"}
    return subprocess.run(
        [sys.executable, "-m", "workshop.account.cleanup"],
        env={**os.environ, **{f"WORKSHOP_{name}": str(value) for name, value in settings.items()}},
        capture_output=True,
        text=True,
    )


def test_the_command_lists_deletes_and_says_by_its_status_what_is_left(
    account: Foreign, machine: Machine, running: RunningSandbox
) -> None:
    aws = machine()
    create_model(aws, "news-1")
    listed = run_command(aws, "")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "Model  news-1  ledger, tag" in listed.stdout
    assert "confirmed:" not in listed.stdout
    deny_once(running, "DeleteModel")
    denied = run_command(aws, "mine")
    assert denied.returncode == 1
    assert (
        "Model news-1: not allowed: your user or role lacks the action sagemaker:DeleteModel" in denied.stdout
    )
    done = run_command(aws, "mine")
    assert done.returncode == 0
    assert "asked again: nothing of the workshop is left in this account" in done.stdout
    wrong = run_command(aws, "all")
    assert wrong.returncode == 2
    assert "everything" in wrong.stderr


def test_no_account_number_stands_in_what_is_shown(account: Foreign, machine: Machine) -> None:
    aws = machine(bucket="")
    aws = machine(bucket=f"sagemaker-us-east-1-{aws.account_id}", needs_bucket=True)
    text = listing_text(aws.settings, find(aws)) + cleaned(aws, "everything")
    assert "sagemaker-us-east-1-************" in text
    assert aws.account_id not in text


def test_an_unknown_word_names_the_closest(machine: Machine) -> None:
    with pytest.raises(WorkshopError, match=r"'checkpoint'[\s\S]*closest: checkpoints"):
        machine(cleanup_confirmed="mine checkpoint")


def test_everything_is_every_word_but_the_one_that_keeps_logs() -> None:
    assert confirmed_words("everything") == set(WORDS) - {"log-retention"}
    assert confirmed_words("tagged") == {"tagged", "mine"}
    assert confirmed_words("") == frozenset()
