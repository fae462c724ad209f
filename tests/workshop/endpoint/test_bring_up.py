"""An endpoint for components is brought up once, whoever dies in between; then it is deleted or kept."""

from __future__ import annotations

import dataclasses
import json
import shutil
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.workshop.components_on_sandbox import create_adapter

from workshop.aws.session import Aws, connect
from workshop.aws.upload import upload_base_model
from workshop.endpoint.bring_up import bring_up
from workshop.endpoint.closing import delete_or_keep, left_of
from workshop.endpoint.components import (
    copies_of,
    is_update_needed,
    update_timeout_s,
    wait_for_component,
)
from workshop.endpoint.plan import ComponentsPlan, Needs
from workshop.endpoint.reuse import component_is_missing, endpoint_is_missing
from workshop.endpoint.scaling import COPIES, registered_targets
from workshop.entries import ComponentsState, TrainingJobState
from workshop.errors import WorkshopError
from workshop.settings import find_repo_dir, load_settings
from workshop.state import State

TIMEOUT_S = 600
CREATIONS = ("CreateModel", "CreateEndpointConfig", "CreateEndpoint", "CreateInferenceComponent")
NOTEBOOK = "02-1-Option-Adapter-AB"
DELETIONS = ("DeleteInferenceComponent", "DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel")
BOTH = Needs(notebook=NOTEBOOK, copies={"tuned": 1, "base": 1})


class Killed(BaseException):
    """The kernel died: after a request, before its answer was read."""


class Kernel:
    """A notebook's kernel: a connection of its own, which counts what is created and may die."""

    def __init__(self, home: Path, **changed: str) -> None:
        environ = {"WORKSHOP_HOME": str(home), "WORKSHOP_POLL_INTERVAL_S": "0.05"}
        self.aws = connect(load_settings(environ=environ | changed))
        self.created: Counter[str] = Counter()
        self.dies_after = ""
        self.aws.boto_session.events.register("after-call.sagemaker", self._after)

    def _after(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        if "Error" in parsed:
            return
        if model.name in (*CREATIONS, "UpdateInferenceComponent"):
            self.created[model.name] += 1
        if model.name == self.dies_after:
            raise Killed


def ask_for_fault(aws: Aws, operation: str, fault: str) -> None:
    """Let the next such call start something that fails."""
    body = json.dumps({"operation": operation, "fault": fault}).encode()
    url = f"{aws.client('sagemaker').meta.endpoint_url}/_sandbox/faults"
    urllib.request.urlopen(urllib.request.Request(url, body, method="PUT")).close()


@pytest.fixture
def home(sandbox_home: Path) -> Path:
    """The home in which a job has trained the small base, which is its own tuned model here."""
    aws = connect(load_settings(environ={"WORKSHOP_HOME": str(sandbox_home)}))
    job = TrainingJobState.started(
        aws.settings,
        notebook="03-SageMaker-Training",
        job_name="news-components",
        base_model_uri=upload_base_model(aws, aws.settings),
    )
    if not job.model_dir.exists():
        shutil.copytree(find_repo_dir() / "src" / "sample" / "base" / "model", job.model_dir)
        (job.model_dir / "adapter").mkdir()
        (job.model_dir / "adapter" / "adapter_config.json").write_text('{"r": 4}')
        (job.model_dir / "adapter" / "adapter_model.safetensors").touch()
        # As the merge of a training writes them, for TGI's older transformers.
        for name, older in (
            ("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}),
            ("config.json", {"rope_theta": 100.0, "torch_dtype": "bfloat16"}),
        ):
            path = job.model_dir / name
            path.write_text(json.dumps(json.loads(path.read_text()) | older))
    state = State.load(aws.settings)
    state.training_job = dataclasses.replace(job, status="Completed", model_uri=job.base_model_uri)
    state.save()
    return sandbox_home


def recorded_names(aws: Aws) -> ComponentsState:
    state = State.load(aws.settings)
    new = ComponentsState.new(aws.settings, state.training_job.model_uri, notebook=NOTEBOOK)
    return state.keep("components", new)


def test_kernels_that_die_after_each_creation_make_everything_once(home: Path, capsys: Any) -> None:
    total: Counter[str] = Counter()
    for operation in CREATIONS:
        kernel = Kernel(home)
        kernel.dies_after = operation
        with pytest.raises(Killed):
            bring_up(kernel.aws, recorded_names(kernel.aws), BOTH)
        total += kernel.created
    kernel = Kernel(home)
    names = recorded_names(kernel.aws)
    plan = bring_up(kernel.aws, names, BOTH)
    total += kernel.created
    assert total == {
        "CreateModel": 3, "CreateEndpointConfig": 1, "CreateEndpoint": 1, "CreateInferenceComponent": 2
    }  # fmt: skip
    text = capsys.readouterr().out
    assert text.index("on AWS 1 x ml.g6.12xlarge for ") < text.index("created")
    assert "1 tuned + 1 base = 2 copies of 1 GPU; 1 x ml.g6.12xlarge has 4" in text
    # A kernel that comes later changes what differs, and nothing else.
    later = Kernel(home)
    bring_up(later.aws, names, Needs(notebook=NOTEBOOK, copies={"tuned": 2}, num_spare=1))
    assert later.created == {}
    described = later.aws.client("sagemaker").describe_inference_component(InferenceComponentName=names.tuned)
    assert copies_of(described) == (2, 2)
    assert "2 tuned + 1 kept + 1 that come later = 4 copies" in capsys.readouterr().out
    with pytest.raises(WorkshopError, match="3 tuned"):
        bring_up(later.aws, names, Needs(notebook=NOTEBOOK, copies={"tuned": 3}, num_spare=1))
    changed = Kernel(home, WORKSHOP_ENDPOINT_MAX_INSTANCES="2", WORKSHOP_SERVING_ENGINE="vllm")
    with pytest.raises(
        WorkshopError, match=rf"made of something else:\n  image = [\s\S]*what {NOTEBOOK} and[\s\S]*Delete"
    ):
        bring_up(changed.aws, names, BOTH)
    changed = Kernel(home, WORKSHOP_ENDPOINT_MAX_INSTANCES="2")
    with pytest.raises(
        WorkshopError, match=rf"MaxInstanceCount = 1[\s\S]*what {NOTEBOOK} and[\s\S]*MaxInstanceCount = 2"
    ):
        bring_up(changed.aws, names, BOTH)
    assert changed.created == {}
    assert plan.models["next"].name in left_of(later.aws, names)
    assert_it_is_kept_or_deleted(later, names, capsys)


def assert_it_is_kept_or_deleted(kernel: Kernel, names: ComponentsState, capsys: Any) -> None:
    aws = kernel.aws
    aws.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="sagemaker", ResourceId=f"inference-component/{names.tuned}",
        ScalableDimension=COPIES, MinCapacity=0, MaxCapacity=2,
    )  # fmt: skip
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=names.alarm, Namespace="AWS/SageMaker", MetricName="Invocations", Statistic="Sum",
        Period=60, EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    assert names.alarm in left_of(aws, names)
    capsys.readouterr()
    left = delete_or_keep(aws, names, keep=True)
    assert {names.endpoint_name, names.tuned, names.base} < set(left)
    assert names.alarm not in left  # what would change the next notebook's beginning goes in either case
    assert registered_targets(aws, names.components) == []
    text = capsys.readouterr().out
    assert f"KEPT: {names.endpoint_name}" in text
    assert "5.75 USD/h" in text
    assert "make cleanup CONFIRM=mine" in text
    assert recorded_names(aws) == names
    for operation in DELETIONS:
        dying = Kernel(aws.settings.workshop_home)
        dying.dies_after = operation
        with pytest.raises(Killed):
            delete_or_keep(dying.aws, names, keep=False)
        assert recorded_names(aws) == names
    assert delete_or_keep(aws, names, keep=False) == []
    assert left_of(aws, names) == []
    assert not State.load(aws.settings).has("components")
    assert delete_or_keep(aws, names, keep=False) == []
    assert delete_or_keep(aws, names, keep=True) == []
    assert "nothing is kept" in capsys.readouterr().out


def test_what_failed_or_serves_another_model_is_made_again_with_a_word(
    home: Path, adapter_archive: Path, capsys: Any
) -> None:
    kernel = Kernel(home)
    names = recorded_names(kernel.aws)
    aws, sagemaker = kernel.aws, kernel.aws.client("sagemaker")
    for operation, fault in (
        ("CreateEndpoint", "InsufficientCapacity"),
        ("CreateInferenceComponent", "FailedHealthCheck"),
    ):
        ask_for_fault(aws, operation, fault)
        with pytest.raises(WorkshopError, match="failed"):
            bring_up(aws, names, BOTH)
    plan = bring_up(aws, names, BOTH)
    assert kernel.created["CreateEndpoint"] == 2
    text = capsys.readouterr().out
    assert f"{names.endpoint_name} failed: " in text
    assert text.count("; deleted, to be created again") == 2
    create_adapter(aws, names.endpoint_name, names.base, adapter_archive)
    wait_for_component(aws, names.adapter, timeout_s=TIMEOUT_S)
    assert not component_is_missing(aws, names.adapter)
    # The kernel dies in the middle of an update: the next one follows it, and does not ask again.
    following = plan.models["next"].name
    assert is_update_needed(aws, names.tuned, following)
    sagemaker.update_inference_component(
        InferenceComponentName=names.tuned, Specification=plan.specification("next")
    )
    assert not is_update_needed(aws, names.tuned, following)
    wait_for_component(aws, names.tuned, timeout_s=TIMEOUT_S)
    assert not is_update_needed(aws, names.tuned, following)
    kernel.created.clear()
    bring_up(aws, names, BOTH)
    assert kernel.created == {"CreateInferenceComponent": 1}
    assert f"{names.tuned} serves {following}, not {plan.models['tuned'].name}" in capsys.readouterr().out
    # One that is being deleted is waited for, and made again.
    sagemaker.delete_inference_component(InferenceComponentName=names.tuned)
    assert component_is_missing(aws, names.tuned, serves=plan.models["tuned"].name)
    # A base that has to go takes the adapter on it along.
    assert component_is_missing(aws, names.base, serves="another-model")
    models = {model.name for model in plan.models.values()}
    assert set(left_of(aws, names)) == {names.endpoint_name, *models}
    sagemaker.delete_endpoint(EndpointName=names.endpoint_name)
    assert endpoint_is_missing(aws, names.endpoint_name)
    assert delete_or_keep(aws, names, keep=False) == []


def test_an_update_is_waited_for_as_long_as_all_of_its_batches_may_take(home: Path) -> None:
    settings = Kernel(home, WORKSHOP_ENDPOINT_TIMEOUT_S="1800").aws.settings
    assert update_timeout_s(settings, num_batches=2, wait_s=60) == 2 * (1800 + 60)
    assert update_timeout_s(settings, num_batches=1, wait_s=0) == settings.endpoint_timeout_s


def test_both_limits_of_a_start_together_are_what_a_cell_waits_for(home: Path) -> None:
    aws = Kernel(home, WORKSHOP_ENDPOINT_TIMEOUT_S="1800").aws
    plan = ComponentsPlan.of(aws, recorded_names(aws), State.load(aws.settings).training_job)
    assert sum(plan.startup.values()) == 1800
    json.dumps([plan.specification("tuned"), plan.variant])
