"""The pipeline's scripts as real processing jobs: sent by the SDK's processor, run by the local AWS."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, NamedTuple

from tests.workshop.pipeline.test_prepare import MOST

from workshop.aws.session import Aws
from workshop.aws.upload import upload_base_model
from workshop.news.load import load
from workshop.pipeline.inputs import copy_tokenizer, upload_no_production, upload_raw_news
from workshop.pipeline.sources import pipeline_sources

IMAGE = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:"
    "2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
)
IN, OUT = "/opt/ml/processing/input", "/opt/ml/processing/output"
OFTEN = {"Delay": 0.2, "MaxAttempts": 3000}


class Started(NamedTuple):
    """A job, and where its outputs go."""

    name: str
    uri: str


class Runner:
    """Starts jobs as a notebook does, without waiting."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.sources = pipeline_sources(aws.settings.home / "pipeline")

    def start(self, script: str, inputs: dict[str, str], outputs: list[str], *arguments: str) -> Started:
        from sagemaker.core.processing import FrameworkProcessor
        from sagemaker.core.shapes import (
            ProcessingInput,
            ProcessingOutput,
            ProcessingS3Input,
            ProcessingS3Output,
        )

        processor = FrameworkProcessor(
            image_uri=IMAGE, command=["python3"], role=self.aws.role_arn, instance_count=1,
            instance_type="ml.m5.xlarge", base_job_name=f"news-{script}", max_runtime_in_seconds=600,
            sagemaker_session=self.aws.sagemaker_session,
        )  # fmt: skip
        whole = {"s3_data_type": "S3Prefix", "s3_input_mode": "File"}
        uri = self.aws.uri("pipeline-test", script, str(abs(hash(arguments))))
        processor.run(
            code=str(getattr(self.sources, script)),
            source_dir=str(self.sources.folder),
            arguments=[*(word for name in inputs for word in (f"--{name}", f"{IN}/{name}")), *arguments],
            inputs=[
                ProcessingInput(
                    input_name=name,
                    s3_input=ProcessingS3Input(s3_uri=s3_uri, local_path=f"{IN}/{name}", **whole),
                )
                for name, s3_uri in inputs.items()
            ],
            outputs=[
                ProcessingOutput(
                    output_name=name,
                    s3_output=ProcessingS3Output(
                        s3_uri=f"{uri}/{name}", local_path=f"{OUT}/{name}", s3_upload_mode="EndOfJob"
                    ),
                )
                for name in outputs
            ],
            wait=False,
            logs=False,
        )  # fmt: skip
        return Started(processor.latest_job.processing_job_name, uri)

    def ended(self, job: Started) -> dict[str, Any]:
        """Wait for its end and return its description, with what lies in its outputs."""
        from botocore.exceptions import WaiterError

        sagemaker = self.aws.client("sagemaker")
        waiter = sagemaker.get_waiter("processing_job_completed_or_stopped")
        with suppress(WaiterError):  # it failed, as one of them shall
            waiter.wait(ProcessingJobName=job.name, WaiterConfig=OFTEN)
        s3, prefix = self.aws.client("s3"), job.uri.removeprefix(f"s3://{self.aws.bucket}/")
        found = s3.list_objects_v2(Bucket=self.aws.bucket, Prefix=prefix).get("Contents", ())
        files = {
            item["Key"].removeprefix(f"{prefix}/"): s3.get_object(Bucket=self.aws.bucket, Key=item["Key"])[
                "Body"
            ].read()
            for item in found
        }
        return {**sagemaker.describe_processing_job(ProcessingJobName=job.name), "files": files}


def test_both_scripts_run_as_jobs_and_say_what_came_out(sample_aws: Aws) -> None:
    runner, aws = Runner(sample_aws), sample_aws
    model_uri = upload_base_model(aws, aws.settings)
    news = load("sample", "full", seed=7, most=MOST)
    raw_uri, none_uri = upload_raw_news(aws, news), upload_no_production(aws)
    assert upload_raw_news(aws, news) == raw_uri, "the same rows have the same address"
    names = ["train", "validation", "test", "rejected", "report"]
    prepared = runner.start(
        "prepare", {"input": raw_uri, "tokenizer": copy_tokenizer(aws, model_uri)}, names,
        "--output", OUT, "--max_tokens", "2048",
    )  # fmt: skip
    job = runner.ended(prepared)
    assert job["ProcessingJobStatus"] == "Completed", job
    assert job["ExitMessage"].startswith("60 train rows, 8 validation rows, 8 test rows, 0 rejected rows")
    files = {f"{split}/{split}.jsonl" for split in ("train", "validation", "test", "rejected")}
    assert set(job["files"]) == {*files, "report/report.json"}

    few = ("--output", f"{OUT}/evaluation", "--num_articles", "4", "--max_new_tokens", "8")
    inputs = {"model": model_uri, "test": f"{prepared.uri}/test", "production": none_uri}
    first = runner.start("evaluate", inputs, ["evaluation"], *few)
    no_model = runner.start(
        "evaluate", {**inputs, "model": raw_uri}, ["evaluation"], *few, "--metric", "numbers_right"
    )
    job = runner.ended(first)
    assert job["ProcessingJobStatus"] == "Completed", job
    report = json.loads(job["files"]["evaluation/evaluation.json"])
    assert report["gain"]["over"] == "lead-3"
    assert len(report["articles"]["ids"]) == 4
    gain = report["gain"]
    assert f"against lead-3 {gain['verdict']}: {100 * gain['value']:+.1f} points" in job["ExitMessage"]

    job = runner.ended(no_model)
    assert job["ProcessingJobStatus"] == "Failed"
    assert [line.split()[0] for line in job["ExitMessage"].splitlines()] == ["found", "expected", "do"]
    assert "test.jsonl, train.jsonl, validation.jsonl in /opt/ml/processing/input/model" in job["ExitMessage"]
    assert "AlgorithmError" in job["FailureReason"]
    assert job["files"] == {}
