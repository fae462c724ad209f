"""A dialect is known by one name: to the server, to its table of images and to the workshop."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import serve
from sandbox import images
from serve.dialects.registry import DIALECTS
from serve.settings import OPTIONS, VARIABLES
from workshop import inference
from workshop.serving.embeddings import embedding_image
from workshop.serving.engines import ENGINES, serving_image

IMAGES = Path(serve.__file__).with_name("images.yaml")


def test_every_image_is_served_in_a_dialect_and_every_dialect_has_an_image() -> None:
    commands = yaml.safe_load(IMAGES.read_text(encoding="utf-8")).values()
    assert {tuple(command[:-1]) for command in commands} == {("{python}", "-m", "serve", "--dialect")}
    assert {command[-1] for command in commands} == set(DIALECTS)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_workshops_image_of_an_engine_is_emulated_in_its_dialect(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(images.VARIABLE, raising=False)
    image = serving_image(engine, region="us-east-1", instance_type="ml.g5.2xlarge")
    assert images.command_for(image)[-2:] == ["--dialect", engine]


def test_the_workshops_image_of_the_embedding_model_is_emulated_in_its_dialect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(images.VARIABLE, raising=False)
    gpu_image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/tei:2.0.1-tei1.8.2-gpu-py310-cu122-ubuntu22.04"
    for image in (embedding_image("ap-northeast-2"), gpu_image):
        assert images.command_for(image)[-2:] == ["--dialect", "tei"]


def test_the_workshop_knows_every_dialect_that_generates_text() -> None:
    generating = {name for name, dialect in DIALECTS.items() if dialect.prepare is None}
    assert set(ENGINES) == set(inference.DIALECTS) == generating == set(DIALECTS) - {"tei"}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_dialects_variables_are_those_of_settings(dialect) -> None:
    assert set(dialect.variables) <= {*VARIABLES, *OPTIONS}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_workshops_variables_of_an_engine_are_those_of_its_dialect(engine: str) -> None:
    names, variables = ENGINES[engine], VARIABLES
    assert names.model in variables["model"]
    assert names.max_total in variables["max_total_tokens"]
    assert names.quantize in variables["quantize"]
    assert not names.max_input or names.max_input in variables["max_input_tokens"]
