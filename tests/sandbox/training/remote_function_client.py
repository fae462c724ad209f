"""Functions of the SDK's @remote in a process of their own, as in a kernel; prints a JSON line for each.

python remote_function_client.py URL FOLDER        FOLDER gets sagemaker.yaml
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from model_trainer_client import BUCKET, IMAGE, ROLE, redirect


def facts_of(kind: str, future: Any) -> dict[str, Any]:
    """Return what the SDK says of a function that has ended."""
    result = error = None
    try:
        result = future.result()
    except Exception as problem:  # whatever the function raised
        error = repr(problem)
    job = future._job.describe()
    return {
        "kind": kind,
        "name": job["TrainingJobName"],
        "status": job["TrainingJobStatus"],
        "reason": job.get("FailureReason"),
        "error": error,
        "result": result,
    }


def main(url: str, folder: Path) -> None:
    redirect(url, folder)
    import boto3
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.remote_function import RemoteExecutor

    boto3.client("s3").create_bucket(Bucket=BUCKET)

    def writes(count: int) -> dict[str, Any]:
        import os

        with open("/opt/ml/model/weights", "w") as file:
            file.write("x" * count)
        return {"written": os.path.getsize("/opt/ml/model/weights"), "folder": os.getcwd()}

    def adds(one: int, other: int) -> int:
        return one + other

    def fails(column: str) -> None:
        raise KeyError(f"no column {column} in /opt/ml/input/data/train")

    calls = {"writes": (writes, (7,)), "adds": (adds, (2, 3)), "fails": (fails, ("document",))}
    settings = {"role": ROLE, "image_uri": IMAGE, "instance_type": "ml.m5.large"}
    with RemoteExecutor(max_parallel_jobs=2, sagemaker_session=Session(), **settings) as executor:
        kinds = ("adds", "fails") if "--without-mounts" in sys.argv else ("writes", "fails")
        futures = {kind: executor.submit(calls[kind][0], *calls[kind][1]) for kind in kinds}
    for kind, future in futures.items():
        print(json.dumps(facts_of(kind, future)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
