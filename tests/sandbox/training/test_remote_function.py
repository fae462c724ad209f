"""The SDK's @remote, unmodified: a function's value, what it writes, and what it raises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from sandbox.container_paths import WITHOUT_MOUNTS_VARIABLE

from ..conftest import RunningSandbox
from .conftest import MOUNTED, Jobs
from .model_trainer_client import BUCKET

CLIENT = Path(__file__).with_name("remote_function_client.py")
MESSAGE = "KeyError('no column document in /opt/ml/input/data/train')"


def run(sandbox: RunningSandbox, folder: Path, *options: str) -> dict[str, dict[str, Any]]:
    """Run the client, and return what the SDK says of each function."""
    done = subprocess.run(
        [sys.executable, str(CLIENT), sandbox.url, str(folder), *options],
        capture_output=True,
        text=True,
        timeout=1200,
        env={**os.environ, "COLUMNS": "400"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    facts = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"kind"')]
    return {fact["kind"]: fact for fact in facts}


@pytest.fixture(scope="module")
def results(jobs: Jobs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return run(jobs.sandbox, tmp_path_factory.mktemp("remote"), *([] if MOUNTED else ["--without-mounts"]))


@pytest.mark.skipif(not MOUNTED, reason="its literal path would be this machine's")
def test_a_function_returns_its_value_and_leaves_what_it_wrote(jobs: Jobs, results: dict[str, Any]) -> None:
    facts = results["writes"]
    assert (facts["status"], facts["error"]) == ("Completed", None), jobs.lines(facts["name"])
    assert facts["result"] == {"written": 7, "folder": "/opt/ml"}
    described = jobs.describe(facts["name"])["ModelArtifacts"]["S3ModelArtifacts"]
    archive = jobs.s3.get_object(Bucket=BUCKET, Key=described.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        assert tar.extractfile("weights").read() == b"x" * 7
    assert not Path("/opt/ml/model/weights").exists()


def test_a_function_that_raises_fails_its_job_and_raises_where_it_was_called(results: dict[str, Any]) -> None:
    facts = results["fails"]
    assert facts["status"] == "Failed"
    assert facts["reason"] == f"AlgorithmError: {MESSAGE}, exit code: 1"
    assert facts["error"] == MESSAGE


@pytest.fixture(scope="module")
def unmounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    home = tmp_path_factory.mktemp("unmounted") / "home"
    running = RunningSandbox(home, environ={WITHOUT_MOUNTS_VARIABLE: "1"})
    try:
        yield running
    finally:
        running.close()


@pytest.mark.skipif(not MOUNTED, reason="the same as above")
def test_without_a_mount_a_function_returns_and_raises_too(unmounted: RunningSandbox, tmp_path: Path) -> None:
    results = run(unmounted, tmp_path, "--without-mounts")
    assert (results["adds"]["status"], results["adds"]["result"]) == ("Completed", 5)
    assert (results["fails"]["status"], results["fails"]["error"]) == ("Failed", MESSAGE)
    assert results["fails"]["reason"] == f"AlgorithmError: {MESSAGE}, exit code: 1"
