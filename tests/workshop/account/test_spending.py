"""What costs is listed with what it has cost, jobs that have ended included, and nothing is changed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from tests.workshop.account.conftest import Machine
from tests.workshop.account.foreign import (
    JOBS,
    OURS,
    ROLE,
    Foreign,
    endpoint_variant,
    job_request,
    processing_request,
)

from workshop.account.finding import find_paid
from workshop.account.found import Listing
from workshop.account.spending import spending_text
from workshop.aws.session import PREFIX, Aws


def listed(aws: Aws) -> tuple[Listing, str]:
    listing = find_paid(aws)
    return listing, spending_text(aws.settings, listing)


def make_job(aws: Aws, name: str, program: str, **members: object) -> None:
    aws.client("s3").put_object(Bucket=OURS, Key=f"{PREFIX}/{name}/program.py", Body=program.encode())
    request = job_request(name, OURS, f"{PREFIX}/{name}", f"s3://{OURS}/{PREFIX}/training")
    aws.client("sagemaker").create_training_job(**{**request, **members})


def make_processing_job(aws: Aws, name: str, program: str) -> None:
    aws.client("s3").put_object(Bucket=OURS, Key=f"{PREFIX}/{name}/program.py", Body=program.encode())
    request = processing_request(name, OURS, f"{PREFIX}/{name}", f"s3://{OURS}/{PREFIX}/pipeline/{name}/")
    aws.client("sagemaker").create_processing_job(**request)


def wait_for(aws: Aws, name: str, kind: str = "training") -> None:
    aws.client("sagemaker").get_waiter(f"{kind}_job_completed_or_stopped").wait(
        **{f"{kind.capitalize()}JobName": name}, WaiterConfig={"Delay": 0.05, "MaxAttempts": 6000}
    )


def test_what_is_alive_and_what_has_ended_is_listed_with_its_cost(foreign: Foreign, machine: Machine) -> None:
    aws = machine(needs_bucket=True)
    sagemaker = aws.client("sagemaker")
    make_job(aws, "news-ended", "pass")
    wait_for(aws, "news-ended")
    two = {"InstanceType": "ml.g5.16xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    make_job(aws, "news-unknown", "pass", ResourceConfig=two)
    wait_for(aws, "news-unknown")
    make_processing_job(aws, "news-prepared", "import time\ntime.sleep(1)")
    wait_for(aws, "news-prepared", "processing")
    make_job(aws, "news-runs", "import time\nprint('runs', flush=True)\ntime.sleep(3600)")
    sagemaker.create_endpoint_config(
        EndpointConfigName="news-cost",
        ProductionVariants=[endpoint_variant()],
        ExecutionRoleArn="arn:aws:iam::000000000000:role/workshop",
    )
    sagemaker.create_endpoint(EndpointName="news-cost", EndpointConfigName="news-cost")
    before = foreign.everything()
    listing, text = listed(aws)
    by_name = {one.name: one for one in listing.found}
    assert set(by_name) == {"news-ended", "news-unknown", "news-prepared", "news-runs", "news-cost"}
    billed_s = sagemaker.describe_training_job(TrainingJobName="news-ended")["BillableTimeInSeconds"]
    assert by_name["news-ended"].usd_so_far == 2.03 * billed_s / 3600
    assert f"Completed, 1 x ml.g5.4xlarge, {billed_s} s billed" in text
    assert by_name["news-unknown"].usd_so_far is None
    prepared = sagemaker.describe_processing_job(ProcessingJobName="news-prepared")
    ran_s = round((prepared["ProcessingEndTime"] - prepared["ProcessingStartTime"]).total_seconds())
    assert by_name["news-prepared"].usd_so_far == 0.23 * ran_s / 3600 > 0
    assert f"Completed, 1 x ml.m5.xlarge, ran {ran_s} s" in text
    assert "not counted, since their price is not known: news-unknown" in text
    assert by_name["news-cost"].usd_per_hour in (0, 7.09)  # its one machine comes when it is there
    assert by_name["news-runs"].usd_per_hour == 2.03
    assert "2 alive of the workshop in us-east-1" in text
    assert "0 USD: all of it runs on this machine" not in text
    assert "AWS would take for it:\n" in spending_text(replace(aws.settings, mode="sample"), listing)
    assert re.search(r"^\d+\.\d\d USD by the 3 jobs of the last 30 days that have ended$", text, re.MULTILINE)
    assert "theirs" not in text
    assert foreign.everything() == before
    sagemaker.stop_training_job(TrainingJobName="news-runs")
    wait_for(aws, "news-runs")
    listing, text = listed(aws)
    assert "1 alive" in text
    assert "by the 4 jobs of" in text
    sagemaker.delete_endpoint(EndpointName="news-cost")


def test_an_endpoint_of_several_variants_is_told_by_variant_and_what_watches_it_with_its_price(
    foreign: Foreign, machine: Machine
) -> None:
    aws, name = machine(), "news-variants"
    sagemaker, cloudwatch = aws.client("sagemaker"), aws.client("cloudwatch")
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}
    variants = [
        {**endpoint_variant(), "VariantName": each, "InstanceType": kind, "ManagedInstanceScaling": scaling}
        for each, kind in (("tuned", "ml.g5.12xlarge"), ("base", "ml.g5.4xlarge"))
    ]
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=variants, ExecutionRoleArn=ROLE
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 0.1})
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace="AWS/SageMaker", MetricName="Invocations", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody='{"widgets": []}')
    listing, text = listed(aws)
    endpoint, alarm, dashboard = (
        next(one for one in listing.found if (one.kind, one.name) == (kind, name))
        for kind in ("Endpoint", "Alarm", "Dashboard")
    )
    assert "tuned: 1 x ml.g5.12xlarge, 7.09 USD an hour; base: 1 x ml.g5.4xlarge, 2.03 USD" in endpoint.what
    assert endpoint.usd_per_hour == pytest.approx(7.09 + 2.03)
    assert alarm.usd_per_hour * 730 == pytest.approx(0.10)
    assert dashboard.usd_per_hour * 730 == pytest.approx(3.00)
    assert dashboard.sources == alarm.sources == ("ledger", "tag")
    assert "the first 10 and 3 of an account are free" in text
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    cloudwatch.delete_alarms(AlarmNames=[name])
    cloudwatch.delete_dashboards(DashboardNames=[name])


def test_another_machine_sees_the_same_by_the_tags(foreign: Foreign, machine: Machine) -> None:
    make_job(machine("first", needs_bucket=True), "news-tagged", "pass")
    wait_for(machine("first"), "news-tagged")
    listing, _ = listed(machine("second"))
    assert "news-tagged" in [one.name for one in listing.found]
    (one,) = [one for one in listing.found if one.name == "news-tagged"]
    assert one.sources == ("tag",)
    assert JOBS  # the logs of these jobs stay: nothing was deleted


def test_the_command_lists_in_a_terminal(machine: Machine) -> None:
    aws = machine()
    done = subprocess.run(
        [sys.executable, "-m", "workshop.account.spending"],
        env={**os.environ, "WORKSHOP_MODE": "debug", "WORKSHOP_HOME": str(aws.settings.workshop_home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "alive of the workshop in us-east-1" in done.stdout
    assert "What counts is AWS's bill" in done.stdout
