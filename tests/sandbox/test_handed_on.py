"""Limits to a processor's instructions hold for jobs and endpoints, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.container_paths import ContainerPaths
from sandbox.hosting.container_environment import container_environment
from sandbox.training import container

MASK = "ONEDNN_MAX_CPU_ISA"


def test_a_masked_processor_is_masked_in_jobs_and_endpoints_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv(MASK, "AVX2")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    paths = ContainerPaths(tmp_path / "ml")
    request.addfinalizer(paths.remove)
    record = {"ResourceConfig": {"InstanceCount": 1}, "TrainingJobName": "job", "TrainingJobArn": "arn"}
    job = container.environment(record, paths, url="http://127.0.0.1:1", region="us-east-1")
    served = container_environment({}, paths=paths, port=1, region="us-east-1", url="")
    assert job[MASK] == served[MASK] == "AVX2"
    assert "SOMETHING_ELSE" not in {*job, *served}
    monkeypatch.delenv(MASK)
    assert MASK not in container_environment({}, paths=paths, port=1, region="us-east-1", url="")
