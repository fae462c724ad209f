"""Executed again, wherever a kernel died, a notebook makes nothing twice: no job, model or endpoint."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.notebooks.test_requests_in_both_modes import (
    CREATING,
    FOLDERS,
    REPO,
    SHORT,
    make_base,
    make_dataset,
)
from tests.sandbox.conftest import RunningSandbox

from workshop.settings import load_settings
from workshop.state import State

EMBEDDING = "news-embed-"
PROGRAM = Path(__file__).with_name("run_all_twice.py")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the notebooks were run over and over, with the names that were asked for."""
    home = tmp_path_factory.mktemp("twice")
    (home / "sample").mkdir()
    base = make_base(home)
    make_dataset(home, "sample", **base)
    # The same texts have the same vectors, and conftest.py lets the process that has recorded them run this.
    for vectors in tmp_path_factory.getbasetemp().glob("modes[0-9]*/full/full/embeddings"):
        shutil.copytree(vectors, home / "sample" / "embeddings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_CLOCK_SPEED", SHORT["WORKSHOP_SANDBOX_CLOCK_SPEED"])
        running = RunningSandbox(home / "sample" / "sandbox")
    tied = ("AWS_", "SAGEMAKER_", "WORKSHOP_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(tied)}
    environ |= {"MPLBACKEND": "agg", "WORKSHOP_MODE": "sample", "WORKSHOP_HOME": str(home), **SHORT, **base}
    paths = [str(REPO / "notebook" / FOLDERS[name] / f"{name}.ipynb") for name in CREATING]
    try:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), running.url, str(home / "asked.json"), *paths],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1700,
        )
    finally:
        running.close()
    assert done.returncode == 0, done.stdout[-4000:]
    return home


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("03-SageMaker-Training", ["CreateMlflowApp", "CreateTrainingJob"]),
        ("03-1-Option-SageMaker-Training", ["CreateTrainingJob"]),
        ("04-SageMaker-Inference", ["CreateEndpoint", "CreateEndpointConfig", "CreateModel"]),
        ("02-RAG-Hybrid-Search", ["CreateEndpoint", "CreateEndpointConfig", "CreateModel"]),
    ],
)
def test_a_notebook_makes_each_thing_once(home: Path, name: str, operations: list[str]) -> None:
    asked = json.loads((home / "asked.json").read_text())[name]
    assert sorted(asked) == operations
    assert {operation: len(names) for operation, names in asked.items()} == dict.fromkeys(operations, 1)


@pytest.mark.parametrize(
    ("name", "models", "components"),
    [
        ("02-SageMaker-Inference-Component", "tuned next base", {"tuned": 1, "base": 1}),
        # Three wrong ones are asked for on purpose.
        (
            "02-1-Option-Adapter-AB",
            "tuned next base",
            {"tuned": 1, "base": 1, "adapter": 1, "wrong": 3},
        ),
        # The second time it serves what the first has updated it to: it is deleted, and made again.
        ("02-2-Option-Rolling-Update", "tuned next base broken", {"tuned": 2}),
        ("02-3-Option-Scale-to-Zero", "tuned next base", {"tuned": 1}),
        ("01-Evaluate-From-The-Start", "tuned next base", {"base": 1}),
        ("03-Prompt-RAG-FineTune", "tuned next base", {"base": 1, "tuned": 1}),
    ],
)
def test_a_notebook_about_components_makes_one_endpoint(
    home: Path, name: str, models: str, components: dict[str, int]
) -> None:
    asked = json.loads((home / "asked.json").read_text())[name]
    # Beside it one notebook has the endpoint for embeddings, which is made once as well.
    for operation, names in asked.items():
        assert sum(EMBEDDING in made for made in names) <= 1, names
        asked[operation] = [made for made in names if EMBEDDING not in made]
    (endpoint,) = asked["CreateEndpoint"]
    assert asked["CreateEndpointConfig"] == [endpoint]
    assert sorted(asked["CreateModel"]) == sorted(f"{endpoint}-model-{model}" for model in models.split())
    assert Counter(asked["CreateInferenceComponent"]) == {
        f"{endpoint}-{suffix}": num for suffix, num in components.items()
    }


def test_captured_traffic_is_scored_once_and_its_endpoint_made_once(home: Path) -> None:
    asked = json.loads((home / "asked.json").read_text())["04-Monitoring"]
    (name,) = asked["CreateEndpoint"]
    assert asked["CreateModel"] == asked["CreateEndpointConfig"] == [name]
    (job,) = asked["CreateProcessingJob"]
    assert job.startswith(f"{name}-score-")
    assert set(asked["CreatePipeline"]) == {name}  # `upsert` asks each time, and is refused
    assert "StartPipelineExecution" not in asked  # the alarm does


def test_a_pipeline_executes_once_for_each_version_and_what_it_registers_is_deployed_once(home: Path) -> None:
    asked = json.loads((home / "asked.json").read_text())["06-Pipeline-Registry"]
    (name,) = asked["CreateModelPackageGroup"]
    assert set(asked["CreatePipeline"]) == {name}  # `upsert` asks each time, and is refused
    assert asked["StartPipelineExecution"] == ["first", "weak", "better"]
    # The second version is tried before it is approved, too, and refused.
    assert Counter(asked["CreateModel"]) == {f"{name}-v1": 1, f"{name}-v2": 2}
    assert asked["CreateEndpointConfig"] == [f"{name}-v1", f"{name}-v2"]
    assert asked["CreateEndpoint"] == [name]


def test_roll_outs_find_their_versions_again_and_free_what_only_one_part_needs(home: Path) -> None:
    asked = json.loads((home / "asked.json").read_text())["05-Rollout-AB-Fallback"]
    (name,) = (made for made in set(asked["CreateEndpoint"]) if not made.endswith("-ab"))
    # The A/B's endpoint is found again after the lost answer; each of the two goes before the other is made.
    assert Counter(asked["CreateEndpoint"]) == {name: 2, f"{name}-ab": 2}
    canary = ("tuned", "v2", "v3-template", "v4-limit")
    assert sorted(asked["CreateEndpointConfig"]) == sorted(f"{name}-{one}" for one in ("ab", *canary))
    models = ("base", "tuned-again", *canary)
    assert sorted(asked["CreateModel"]) == sorted(f"{name}-{one}" for one in models)


def test_an_own_image_is_deployed_once_and_its_successor_once(home: Path) -> None:
    asked = json.loads((home / "asked.json").read_text())["07-Own-Image"]
    (endpoint,) = asked["CreateEndpoint"]
    for operation in ("CreateModel", "CreateEndpointConfig"):
        assert len(set(asked[operation])) == len(asked[operation]) == 2
        assert all(name.startswith(f"{endpoint}-") for name in asked[operation])


@pytest.mark.parametrize("entry", ["endpoint", "components", "embedding", "own_image", "monitoring_run"])
def test_what_was_made_is_deleted_in_the_end(home: Path, entry: str) -> None:
    environ = {"WORKSHOP_MODE": "sample", "WORKSHOP_HOME": str(home), **SHORT}
    assert not State.load(load_settings(environ=environ)).has(entry)
