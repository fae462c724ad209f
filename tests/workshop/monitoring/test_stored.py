"""What is stored of traffic is read whatever its encoding; a job and an alarm are waited for."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.workshop.pipeline.test_watch import job_step

from workshop.aws.session import Aws
from workshop.errors import WorkshopError
from workshop.monitoring.alarm import wait_for_alarm
from workshop.monitoring.scoring_job import scoring_job, wait_for_job
from workshop.monitoring.stored import found_in, stored_texts, wait_for_captures

PHONE = "010-1234-5678"
TIME, TIMEOUT_S = "2026-11-03T00:00:00Z", 60


def line(inference_id: str, text: str, encoding: str = "JSON") -> dict[str, Any]:
    """Return a captured line as data capture writes it."""
    body = json.dumps({"inputs": text}, ensure_ascii=False)
    data = base64.b64encode(body.encode()).decode() if encoding == "BASE64" else body
    part = {"observedContentType": "application/json", "mode": "INPUT", "data": data, "encoding": encoding}
    metadata = {
        "eventId": uuid.uuid4().hex,
        "inferenceId": inference_id,
        "inferenceTime": "2026-11-03T00:00:00Z",
    }
    return {"captureData": {"endpointInput": part}, "eventMetadata": metadata, "eventVersion": "0"}


def put(aws: Aws, folder: str, *lines: dict[str, Any]) -> None:
    key = f"{aws.prefix}/{folder}/AllTraffic/2026/11/03/00/{uuid.uuid4().hex}.jsonl"
    body = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines)
    aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=body.encode())


def test_what_was_stored_is_found_in_json_and_in_base64_and_one_that_came_twice_counts_twice(
    sample_aws: Aws, tmp_path: Path
) -> None:
    folder = f"captured/{uuid.uuid4().hex}"
    put(sample_aws, folder, line("a", "기사 하나"), line("b", f"전화는 {PHONE}", "BASE64"))
    put(sample_aws, folder, line("a", "기사 하나"))
    captured = wait_for_captures(sample_aws, sample_aws.uri(folder), ["a", "b"], timeout_s=TIMEOUT_S)
    assert {id: len(lines) for id, lines in captured.items()} == {"a": 2, "b": 1}
    kept = tmp_path / "kept.jsonl"
    kept.write_text("[전화번호]", encoding="utf-8")
    places = stored_texts(sample_aws, "news-none", captured=captured, traces=[], files=[kept])
    assert found_in([PHONE, "02-000-0000", "기사 하나"], places) == [
        ("captured", PHONE),
        ("captured", "기사 하나"),
    ]
    assert found_in(["[전화번호]"], places) == [("files", "[전화번호]")]


def test_a_request_that_is_not_captured_is_missed_in_three_lines(sample_aws: Aws) -> None:
    folder = f"captured/{uuid.uuid4().hex}"
    put(sample_aws, folder, line("a", "기사"))
    with pytest.raises(WorkshopError, match=r"captured requests of 2: 1 there after"):
        wait_for_captures(sample_aws, sample_aws.uri(folder), ["a", "b"], timeout_s=0)


def test_a_job_that_failed_says_why_and_another_takes_its_place(sample_aws: Aws) -> None:
    sagemaker, name = sample_aws.client("sagemaker"), f"news-{uuid.uuid4().hex[:8]}-score"
    assert scoring_job(sample_aws, name) is None
    arguments = job_step(sample_aws, "Score", "1")["Arguments"]
    sagemaker.create_processing_job(ProcessingJobName=f"{name}-1", **arguments)
    assert scoring_job(sample_aws, name) == f"{name}-1"
    with pytest.raises(WorkshopError, match="Failed: no rows"):
        wait_for_job(sample_aws, f"{name}-1", timeout_s=TIMEOUT_S)
    assert scoring_job(sample_aws, name) is None
    arguments["AppSpecification"]["ContainerArguments"][-1] = "0"
    sagemaker.create_processing_job(ProcessingJobName=f"{name}-2", **arguments)
    assert wait_for_job(sample_aws, f"{name}-2", timeout_s=TIMEOUT_S) == "no rows"
    assert scoring_job(sample_aws, name) == f"{name}-2"


def test_an_alarm_on_a_metric_of_ones_own_is_seen_to_go_up_when_its_time_comes(sample_aws: Aws) -> None:
    cloudwatch, name = sample_aws.client("cloudwatch"), f"news-{uuid.uuid4().hex[:8]}-drift"
    of = {
        "Namespace": "KoreanNews/Test",
        "MetricName": "drifted_tests",
        "Dimensions": [{"Name": "EndpointName", "Value": name}],
    }
    cloudwatch.put_metric_alarm(
        AlarmName=name, **of, Statistic="Maximum", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold", TreatMissingData="ignore",
    )  # fmt: skip
    datum = {key: value for key, value in of.items() if key != "Namespace"}
    data = [{**datum, "Timestamp": datetime.now(UTC), "Value": 2.0}]
    cloudwatch.put_metric_data(Namespace=of["Namespace"], MetricData=data)
    raised = wait_for_alarm(sample_aws, name, "ALARM", timeout_s=TIMEOUT_S)
    assert "2.0" in raised["StateReason"]
    cloudwatch.delete_alarms(AlarmNames=[name])
    with pytest.raises(WorkshopError, match="not there"):
        wait_for_alarm(sample_aws, name, "ALARM", timeout_s=0)
