"""Metrics that are found in a job's log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

DEFINITIONS = {
    "MetricDefinitions": [
        {"Name": "loss", "Regex": r'"loss": ([0-9.e+-]+)'},
        {"Name": "tokens", "Regex": "tokens=(\\S+)"},
        {"Name": "never", "Regex": "never=(.*)"},
    ]
}


def test_the_last_values_are_described_and_all_of_them_are_in_cloudwatch(jobs) -> None:
    program = (
        "print('progress {\"loss\": 2.5}'); print('progress {\"loss\": 1.25e-1} tokens=7');"
        "print('tokens=nan tokens'); print('tokens=many')"
    )
    job = jobs.run(program, algorithm=DEFINITIONS)
    final = {entry["MetricName"]: entry["Value"] for entry in job["FinalMetricDataList"]}
    assert final == {"loss": 0.125, "tokens": 7.0}
    now = datetime.now(UTC)
    statistics = jobs.sandbox.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName="loss",
        Dimensions=[{"Name": "TrainingJobName", "Value": job["TrainingJobName"]}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=7200,
        Statistics=["Maximum", "Minimum", "SampleCount"],
    )["Datapoints"]
    assert len(statistics) >= 1
    assert max(point["Maximum"] for point in statistics) == 2.5
    assert min(point["Minimum"] for point in statistics) == 0.125
    assert sum(point["SampleCount"] for point in statistics) == 2


def test_metrics_are_described_while_the_job_runs(jobs) -> None:
    name = jobs.create("import time; print('tokens=3', flush=True); time.sleep(600)", algorithm=DEFINITIONS)
    jobs.wait_for_line(name, "tokens=3")
    deadline = datetime.now() + timedelta(seconds=300)
    while not (found := jobs.describe(name).get("FinalMetricDataList")):
        assert datetime.now() < deadline
    assert [(entry["MetricName"], entry["Value"]) for entry in found] == [("tokens", 3.0)]
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert jobs.wait(name)["FinalMetricDataList"][0]["Value"] == 3.0


def test_a_job_without_metrics_describes_none(jobs) -> None:
    assert "FinalMetricDataList" not in jobs.run("print('loss')", algorithm=DEFINITIONS)
