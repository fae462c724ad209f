"""What the table of fields calls done, something reads: every operation is run with every field.

A process that notes what its code asks of requests and of records tells; see recorded_sandbox.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import clock, docs, fields_page, images
from sandbox.api import fields
from sandbox.api.service_model import service_model

from .conftest import RunningSandbox
from .events.every_field import run_rules
from .every_field import end_scaling, host_components, process, scale, serve, track, train
from .model_registry.every_field import register_models
from .pipelines.every_field import run_pipelines
from .scaling.scaled_components import eventually

PROGRAM = Path(__file__).with_name("recorded_sandbox.py")
CONTAINER = Path(__file__).parent / "hosting" / "container.py"
# Handed on as they are, to a file of the job; training/test_synced_folders.py reads it.
HANDED_ON = {
    "DebugHookConfig.HookParameters",
    "DebugHookConfig.CollectionConfigurations",
    "CollectionConfiguration.CollectionName",
    "CollectionConfiguration.CollectionParameters",
}
# What AWS does with these of a model package is to keep them; model_registry/test_packages.py gives them all.
KEPT = (
    "MetadataProperties",
    "ModelMetrics",
    "ModelQuality",
    "ModelDataQuality",
    "Bias",
    "Explainability",
    "MetricsSource",
    "FileSource",
    "DriftCheckBaselines",
    "DriftCheckBias",
    "DriftCheckExplainability",
    "DriftCheckModelQuality",
    "DriftCheckModelDataQuality",
    "ModelLifeCycle",
)
KEPT_MEMBERS = {
    *(
        f"CreateModelPackageInput.{member}"
        for member in ("ModelPackageDescription", "MetadataProperties", "ModelMetrics", "DriftCheckBaselines")
    ),
    *(
        f"CreateModelPackageInput.{member}"
        for member in ("Domain", "Task", "SamplePayloadUrl", "CustomerMetadataProperties", "ModelLifeCycle")
    ),
    "ModelPackageModelCard.ModelCardStatus",
    "AdditionalInferenceSpecificationDefinition.Description",
    *(
        f"{structure}.{member}"
        for structure in ("InferenceSpecification", "AdditionalInferenceSpecificationDefinition")
        for member in ("SupportedContentTypes", "SupportedResponseMIMETypes")
    ),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningSandbox, Path]]:
    """A sandbox that notes what it reads, and its notes."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "images.yaml").write_text(json.dumps({"test/*": ["{python}", str(CONTAINER), "serve"]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(images.VARIABLE, str(folder / "images.yaml"))
        patch.setenv(clock.VARIABLE, "600")
        running = RunningSandbox(folder / "home", program=(str(PROGRAM), str(folder / "notes")))
    try:
        yield running, folder / "notes"
    finally:
        running.close()


def is_read_by_the_check(service: str, field: fields_page.Field) -> bool:
    """Return whether a field is one whose value alone counts, or a structure of which nothing is done."""
    only = fields.structure(service, field.structure).only
    shape = service_model(service).shape_for(field.structure).members[field.member]
    below = fields.structure(service, shape.name) if shape.type_name == "structure" else None
    return field.member in only or (below is not None and not below.done - below.only.keys())


def test_what_is_done_is_read_by_something(recorded: tuple[RunningSandbox, Path]) -> None:
    sandbox, notes = recorded
    for part in (
        train,
        process,
        track,
        serve,
        host_components,
        scale,
        register_models,
        run_pipelines,
        run_rules,
    ):
        part(sandbox)
    eventually(lambda: "ScaleInCooldown" in notes.read_text(), "scaling in")
    end_scaling(sandbox)
    read = set(notes.read_text(encoding="utf-8").split("\n"))
    unread = {
        f"{field.structure}.{field.member}"
        for service, operation in docs.implemented()
        if service in ("sagemaker", "application-autoscaling", "events")
        for field in fields_page.fields_of(service, operation)
        if field.fate == fields_page.DONE
        and field.structure not in KEPT
        and f"{service}/{field.structure}.{field.member}" not in read
        and not is_read_by_the_check(service, field)
    }
    assert sorted(unread - HANDED_ON - KEPT_MEMBERS) == [], "done, as the table says, but nothing reads them"


def test_what_is_done_stands_in_a_test_of_what_it_does() -> None:
    ours = (
        Path(__file__),
        PROGRAM,
        Path(__file__).with_name("every_field.py"),
        Path(__file__).parent / "model_registry" / "every_field.py",
        Path(__file__).parent / "pipelines" / "every_field.py",
        Path(__file__).parent / "events" / "every_field.py",
        Path(__file__).parent / "api" / "test_fields.py",
    )
    files = [path for path in Path(__file__).parent.rglob("*.py") if path not in ours]
    words = {word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    without_test = {
        f"{field.structure}.{field.member}"
        for service, operation in docs.implemented()
        for field in fields_page.fields_of(service, operation)
        if field.fate == fields_page.DONE and field.member not in words
        if not is_read_by_the_check(service, field)
    }
    assert sorted(without_test) == [], "done, as the table says, but no test names them"
