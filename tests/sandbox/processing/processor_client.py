"""The SDK's processors in a process of their own, as in a notebook's kernel; prints one JSON line per job.

python processor_client.py URL FOLDER        FOLDER holds sources/ and gets the SDK's defaults

AWS is redirected as the workshop's connect() does it, and every request of Create is printed, too.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from workshop.aws.environment import redirect_to, write_sdk_defaults

BUCKET = "sagemaker-news"
PREFIX = "workshop"
ROLE = "arn:aws:iam::000000000000:role/workshop-sample"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:2.9.0-gpu-py312"
OFTEN = {"Delay": 0.2, "MaxAttempts": 3000}
ON = {"image_uri": IMAGE, "instance_type": "ml.m5.xlarge", "instance_count": 1}


def places(name: str) -> dict[str, list[Any]]:
    """Return an input from this machine and an output."""
    from sagemaker.core.shapes import (
        ProcessingInput,
        ProcessingOutput,
        ProcessingS3Input,
        ProcessingS3Output,
    )

    source = ProcessingS3Input(
        s3_uri=name, local_path="/opt/ml/processing/input/data", s3_data_type="S3Prefix", s3_input_mode="File"
    )
    target = ProcessingS3Output(
        s3_uri=f"s3://{BUCKET}/{PREFIX}/out",
        local_path="/opt/ml/processing/output",
        s3_upload_mode="EndOfJob",
    )
    return {
        "inputs": [ProcessingInput(input_name="data", s3_input=source)],
        "outputs": [ProcessingOutput(output_name="report", s3_output=target)],
    }


def start_all(sources: Path) -> dict[str, Any]:
    """Start one job of each kind of processor; they run beside each other."""
    from sagemaker.core.processing import FrameworkProcessor, Processor, ScriptProcessor

    quick = {"wait": False, "logs": False}
    script = ScriptProcessor(command=["python3"], base_job_name="script", env={"NOTE": "가"}, **ON)
    script.run(
        code=str(sources / "look.py"),
        arguments=["--at", "/opt/ml/processing/input"],
        **places(str(sources / "rows.txt")),
        **quick,
    )
    framework = FrameworkProcessor(command=["python3"], base_job_name="framework", role=ROLE, **ON)
    framework.run(code="helped.py", source_dir=str(sources), arguments=["b"], **quick)
    plain = Processor(
        entrypoint=["bash", "-c", "echo plain $NOTE"], base_job_name="plain", env={"NOTE": "1"}, **ON
    )
    plain.run(**quick)
    fails = ScriptProcessor(command=["python3"], base_job_name="fails", max_runtime_in_seconds=60, **ON)
    fails.run(code=str(sources / "fails.py"), **quick)
    return {"script": script, "framework": framework, "plain": plain, "fails": fails}


def main(url: str, folder: Path) -> None:
    defaults = redirect_to(url, folder, "us-east-1")
    write_sdk_defaults(defaults, bucket=BUCKET, prefix=PREFIX, role_arn=ROLE)
    import boto3
    from botocore.exceptions import WaiterError
    from sagemaker.core.processing import _wait_for_processing_job, logs_for_processing_job
    from sagemaker.core.resources import ProcessingJob

    boto3.client("s3").create_bucket(Bucket=BUCKET)
    waiter = boto3.client("sagemaker").get_waiter("processing_job_completed_or_stopped")
    for kind, processor in start_all(folder / "sources").items():
        job, error = processor.latest_job, None
        session, name = processor.sagemaker_session, job.processing_job_name
        try:
            waiter.wait(ProcessingJobName=name, WaiterConfig=OFTEN)
        except WaiterError:
            assert kind == "fails", kind
        try:
            # 3.27's other wait raises an AttributeError for a job that failed: botocore has no such error.
            job.wait(poll=1) if kind == "fails" else _wait_for_processing_job(session, name, poll=0.2)
            logs_for_processing_job(session, name, wait=True, poll=0.1)
        except Exception as problem:
            error = f"{type(problem).__name__}: {problem}"
        again = ProcessingJob.get(processing_job_name=name)
        facts = {"kind": kind, "name": name, "status": again.processing_job_status, "error": error}
        print(json.dumps({**facts, "message": str(again.exit_message)}), flush=True)
    listed = [each.processing_job_name for each in ProcessingJob.get_all(name_contains="fails")]
    print(json.dumps({"kind": "listed", "name": listed[-1]}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
