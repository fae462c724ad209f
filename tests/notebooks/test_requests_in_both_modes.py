"""What the notebooks ask AWS for in sample mode and on AWS differs in values only, and is valid there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests import permissions_record
from tests.notebooks.marked_secrets import MarkedSecrets
from tests.sandbox.conftest import RunningSandbox

from sandbox.api.service_model import check_request
from workshop.account.runs import LOGGING_NOTEBOOKS
from workshop.entries import DatasetState
from workshop.news.split import SIZES
from workshop.prompt import chat_messages
from workshop.settings import load_settings
from workshop.state import State

REPO = Path(__file__).parents[2]
TRAINING, SERVING = "01-naver-news-fsdp-QLoRA", "02-naver-news-llama3-inference"
LLMOPS = "03-llmops"
FOLDERS = {
    "03-SageMaker-Training": TRAINING,
    "03-1-Option-SageMaker-Training": TRAINING,
    "04-SageMaker-Inference": TRAINING,
    "02-SageMaker-Inference-Component": SERVING,
    "02-1-Option-Adapter-AB": SERVING,
    "02-2-Option-Rolling-Update": SERVING,
    "02-3-Option-Scale-to-Zero": SERVING,
    "01-Evaluate-From-The-Start": LLMOPS,
    "02-RAG-Hybrid-Search": LLMOPS,
    "03-Prompt-RAG-FineTune": LLMOPS,
    "04-Monitoring": LLMOPS,
    "05-Rollout-AB-Fallback": LLMOPS,
    "06-Pipeline-Registry": LLMOPS,
    "07-Own-Image": LLMOPS,
    "99-Cleanup": "",
}
NAMES = tuple(FOLDERS)
CREATING = NAMES[:-1]
RECORDED = Path(__file__).with_name("recorded_notebook.py")
SHORT = {
    "WORKSHOP_BASE_MODEL": "src/sample/base/model",  # in place of 16 GB from the hub
    "WORKSHOP_NUM_ENDPOINT_ARTICLES": "2",
    "WORKSHOP_NUM_PROMPT_RUNS": "1",
    "WORKSHOP_NUM_CORPUS_ARTICLES": "80",
    "WORKSHOP_NEWS_SOURCE": "sample",  # in place of the hub's
    "WORKSHOP_PIPELINE_TRAIN_ROWS": "10",
    "WORKSHOP_NUM_PIPELINE_ARTICLES": "20",
    "WORKSHOP_POLL_INTERVAL_S": "0.2",
    "WORKSHOP_SANDBOX_CLOCK_SPEED": "600",
    "WORKSHOP_METRIC_PERIOD_S": "1",  # a day of notebook 04, and a point of a figure
}
ON_AWS = {
    "WORKSHOP_ROLE_ARN": "arn:aws:iam::000000000000:role/workshop-sample",  # it is there: the SDK asks
    "AWS_EC2_METADATA_DISABLED": "true",
}
Requests = list[dict[str, Any]]


def make_base(folder: Path) -> dict[str, str]:
    """Copy the base model so that its answers end at a question mark; return the variable that names it.

    Untuned it goes on to ask itself questions, up to the 160 tokens that each of hundreds of answers may
    have.
    """
    base = folder / "base"
    shutil.copytree(REPO / SHORT["WORKSHOP_BASE_MODEL"], base)
    path = base / "generation_config.json"
    generation = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    generation["eos_token_id"] = [generation["eos_token_id"], vocabulary["?"]]
    path.write_text(json.dumps(generation), encoding="utf-8")
    return {"WORKSHOP_BASE_MODEL": str(base)}


def make_dataset(home: Path, mode: str, **extra: str) -> None:
    """Write what notebook 01 leaves, three rows a split."""
    variables = {"WORKSHOP_MODE": mode, "WORKSHOP_HOME": str(home), **SHORT, **extra}
    settings = load_settings(environ=variables)
    row = {"id": "1", "category": "경제", "messages": chat_messages("기사입니다. " * 20, "요약입니다.")}
    for name in SIZES:
        for split in SIZES[name]:
            path = settings.data_dir / name / split / f"{split}.jsonl"
            path.parent.mkdir(parents=True)
            path.write_text((json.dumps(row, ensure_ascii=False) + "\n") * 3, encoding="utf-8")
    state = State.load(settings)
    state.dataset = DatasetState.of_folder(settings, notebook="01-Prepare-Dataset-KR-News")
    state.save()


def record(mode: str, home: Path, url: str, **extra: str) -> dict[str, Requests]:
    """Run the notebooks in a mode and return what each asked AWS for."""
    base = {name: value for name, value in extra.items() if name in SHORT}
    make_dataset(home, mode, **base)
    tied = ("AWS_", "SAGEMAKER_", "WORKSHOP_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(tied)}
    # Not this workshop's, but the SDK's own message to its makers; nothing leaves this machine in a test.
    quiet = home / "no-telemetry.yaml"
    quiet.write_text('SchemaVersion: "1.0"\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n')
    environ |= {"SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(quiet), "MPLBACKEND": "agg", **SHORT, **extra}
    environ |= {"WORKSHOP_MODE": mode, "WORKSHOP_HOME": str(home), **MarkedSecrets(home).variables}
    notebooks = [REPO / "notebook" / FOLDERS[name] / f"{name}.ipynb" for name in NAMES]
    done = subprocess.run(
        [sys.executable, str(RECORDED), url, str(home), *map(str, notebooks)],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    (home / "output.txt").write_text(done.stdout, encoding="utf-8")
    return {name: json.loads((home / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("modes")


@pytest.fixture(scope="module")
def recorded(folder: Path) -> dict[str, dict[str, Requests]]:
    """Mode -> notebook -> requests, each allowed by the policies of setup/iam."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_CLOCK_SPEED", SHORT["WORKSHOP_SANDBOX_CLOCK_SPEED"])
        return record_both(folder)


def record_both(folder: Path) -> dict[str, dict[str, Requests]]:
    (folder / "full").mkdir()
    (folder / "sample" / "sample").mkdir(parents=True)
    base = make_base(folder)
    running = RunningSandbox(folder / "full" / "sandbox")
    try:
        permissions_record.enforce(running)
        full = record("full", folder / "full", running.url, **ON_AWS, **base)
    finally:
        running.close()
    # The same texts have the same vectors: to compute them again would take a quarter of a minute.
    shutil.copytree(folder / "full" / "full" / "embeddings", folder / "sample" / "sample" / "embeddings")
    # The notebook finds this one where sample mode keeps it, as if an earlier notebook had started it.
    running = RunningSandbox(folder / "sample" / "sample" / "sandbox")
    try:
        permissions_record.enforce(running)
        sample = record("sample", folder / "sample", running.url, **base)
    finally:
        running.close()
    return {"full": full, "sample": sample}


def key_paths(value: Any, path: str = "") -> set[str]:
    """Return the keys of a request with what is below them; the number of a list's entries does not count."""
    if isinstance(value, dict):
        return {found for key, item in value.items() for found in key_paths(item, f"{path}.{key}")} or {path}
    if isinstance(value, list):
        return {found for item in value for found in key_paths(item, f"{path}[]")} or {f"{path}[]"}
    return {f"{path}: {type(value).__name__}"}


def shapes(requests: Requests) -> dict[tuple[str, str], set[frozenset[str]]]:
    """Return operation -> the different forms in which it was asked for."""
    found: dict[tuple[str, str], set[frozenset[str]]] = {}
    for request in requests:
        if "operation" in request:
            operation = (request["service"], request["operation"])
            found.setdefault(operation, set()).add(frozenset(key_paths(request["params"])))
    return found


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_only_values_differ(recorded: dict[str, dict[str, Requests]], name: str) -> None:
    sample, full = shapes(recorded["sample"][name]), shapes(recorded["full"][name])
    # Log polls differ by chance: how many, and whether a next token was known.
    polls = ("logs",)
    sample = {key: value for key, value in sample.items() if key[0] not in polls}
    full = {key: value for key, value in full.items() if key[0] not in polls}
    assert full == sample


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_every_request_goes_to_aws_in_a_mode_of_aws_and_to_this_machine_in_sample_mode(
    recorded: dict[str, dict[str, Requests]], name: str
) -> None:
    hosts = {mode: {r["host"] for r in found[name] if "host" in r} for mode, found in recorded.items()}
    assert hosts["sample"] == {"127.0.0.1"}
    assert hosts["full"]
    logging = "mlflow.sagemaker.us-east-1.app.aws"
    assert all(host.endswith(".amazonaws.com") for host in hosts["full"] - {logging})
    assert (logging in hosts["full"]) is (name in LOGGING_NOTEBOOKS)


@pytest.mark.parametrize("name", NAMES)
def test_what_goes_to_sagemaker_is_valid(recorded: dict[str, dict[str, Requests]], name: str) -> None:
    requests = [request for request in recorded["full"][name] if request.get("service") == "sagemaker"]
    assert any(request["operation"].startswith("Create") for request in requests) is (name in CREATING)
    for request in requests:
        check_request(request["operation"], request["params"])


def creations(requests: Requests) -> set[str]:
    """Return what was created on SageMaker, with a name in place of the endpoint's own."""
    created = [one for one in requests if one.get("operation", "").startswith("Create")]
    (endpoint,) = (one["params"] for one in created if one["operation"] == "CreateEndpoint")
    texts = {json.dumps([one["operation"], one["params"]], sort_keys=True) for one in created}
    return {text.replace(endpoint["EndpointName"], "NEWS") for text in texts}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", ["sample", "full"])
def test_an_endpoint_is_brought_up_by_the_requests_that_notebook_02_shows(
    recorded: dict[str, dict[str, Requests]], mode: str
) -> None:
    shown = creations(recorded[mode]["02-SageMaker-Inference-Component"])
    assert len(shown) == 7  # three models, configuration, endpoint, two components
    assert shown < creations(recorded[mode]["02-1-Option-Adapter-AB"])


@pytest.mark.parametrize("mode", ["full", "sample"])
def test_no_secret_of_a_user_is_in_what_is_asked_for_or_left(
    recorded: dict[str, dict[str, Requests]], folder: Path, mode: str
) -> None:
    """Jobs and containers as they are described, code that is sent, logs, state, ledger, output."""
    assert recorded[mode]
    assert MarkedSecrets(folder / mode).found_below(folder / mode) == []


def test_what_permissions_it_takes_is_on_record(folder: Path, recorded: dict[str, Any]) -> None:
    """The policies of setup/iam were in force: what a notebook asks for and they lack has ended it."""
    permissions_record.check("notebooks", [folder / "full" / "sandbox", folder / "sample/sample/sandbox"])


def test_the_cleanup_of_a_walk_only_asks(recorded: dict[str, dict[str, Requests]]) -> None:
    """A List, Describe, Get, Head or Search: what a walk leaves is needed afterwards."""
    asked = {request["operation"] for request in recorded["full"]["99-Cleanup"] if "operation" in request}
    assert "ListEndpoints" in asked
    reading = ("List", "Describe", "Get", "Head", "Search")
    assert [operation for operation in asked if not operation.startswith(reading)] == []


def test_the_job_of_mode_full_is_the_one_that_the_workshop_describes(
    recorded: dict[str, dict[str, Requests]],
) -> None:
    settings = load_settings(environ={"WORKSHOP_MODE": "full"})
    for name, recipe, instance_type in (
        (NAMES[0], settings.recipe, settings.training_instance_type),
        (NAMES[1], settings.long_run_recipe, settings.long_run_instance_type),
    ):
        (job,) = [
            request["params"]
            for request in recorded["full"][name]
            if request.get("operation") == "CreateTrainingJob"
        ]
        assert job["ResourceConfig"]["InstanceType"] == instance_type
        assert job["HyperParameters"]["config"] == recipe
        assert "huggingface-pytorch-training" in job["AlgorithmSpecification"]["TrainingImage"]
        assert {"Key": "workshop-mode", "Value": "full"} in job["Tags"]
        assert not any(
            "hf_" in value.lower() or "token" in key.lower() for key, value in job["HyperParameters"].items()
        )
