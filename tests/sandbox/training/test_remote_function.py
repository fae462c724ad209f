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


def start(sandbox: RunningSandbox, folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CLIENT), sandbox.url, str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "400"},
    )


def reported(client: subprocess.Popen[str]) -> dict[str, dict[str, Any]]:
    """Return what the SDK says of each function."""
    output, errors = client.communicate(timeout=1200)
    assert client.returncode == 0, output + errors
    facts = [json.loads(line) for line in output.splitlines() if line.startswith('{"kind"')]
    return {fact["kind"]: fact for fact in facts}


@pytest.fixture(scope="module")
def unmounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    home = tmp_path_factory.mktemp("unmounted") / "home"
    running = RunningSandbox(home, environ={WITHOUT_MOUNTS_VARIABLE: "1"})
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def clients(
    jobs: Jobs, unmounted: RunningSandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """With mounts and without, both at once: the SDK looks every ten seconds what has become of its jobs."""
    mounts = [] if MOUNTED else ["--without-mounts"]
    started = {
        "mounted": start(jobs.sandbox, tmp_path_factory.mktemp("remote"), *mounts),
        "unmounted": start(unmounted, tmp_path_factory.mktemp("remote"), "--without-mounts"),
    }
    yield started
    for client in started.values():
        client.kill()
        client.wait()


@pytest.fixture(scope="module")
def results(clients: dict[str, subprocess.Popen[str]]) -> dict[str, dict[str, Any]]:
    return reported(clients["mounted"])


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


@pytest.mark.skipif(not MOUNTED, reason="the same as above")
def test_without_a_mount_a_function_returns_and_raises_too(
    clients: dict[str, subprocess.Popen[str]],
) -> None:
    results = reported(clients["unmounted"])
    assert (results["adds"]["status"], results["adds"]["result"]) == ("Completed", 5)
    assert (results["fails"]["status"], results["fails"]["error"]) == ("Failed", MESSAGE)
    assert results["fails"]["reason"] == f"AlgorithmError: {MESSAGE}, exit code: 1"
