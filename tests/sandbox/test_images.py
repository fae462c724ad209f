"""Which program emulates which image."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sandbox import images

REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "images.yaml"
    monkeypatch.setenv(images.VARIABLE, str(path))
    return path


@pytest.mark.parametrize(
    ("image", "dialect"),
    [
        (f"{REGISTRY}/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04", "tgi"),
        ("ghcr.io/huggingface/text-generation-inference:3.3.7", "tgi"),
        (f"{REGISTRY}/djl-inference:0.38.0-lmi29.0.0-cu130", "lmi"),
        (f"{REGISTRY}/vllm:0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker", "vllm"),
        (f"{REGISTRY}/sglang:0.5.20-gpu-py312-cu130-ubuntu24.04-sagemaker", "vllm"),
    ],
)
def test_serving_images_run_the_server_with_this_interpreter_in_their_dialect(
    image: str, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(images.VARIABLE, raising=False)
    command = images.command_for(image)
    assert command == [sys.executable, "-m", "serve", "--dialect", dialect]
    assert images.is_serve(command)


def test_another_program_is_not_taken_for_the_server(table: Path) -> None:
    table.write_text('a: ["{python}", -m, server]\nb: ["{python}"]\n')
    assert [images.is_serve(images.command_for(image)) for image in ("a", "b")] == [False, False]


def test_an_image_that_does_not_serve_text_has_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(images.VARIABLE, raising=False)
    assert images.command_for(f"{REGISTRY}/xgboost:1.7-1") is None


def test_a_given_pattern_comes_before_a_built_in_one(table: Path) -> None:
    table.write_text('"*tgi*": ["{python}", mine.py]\n"my/echo:*": [/bin/echo, "{python}x"]\n')
    assert images.command_for(f"{REGISTRY}/huggingface-pytorch-tgi-inference:2") == [
        sys.executable,
        "mine.py",
    ]
    assert images.command_for("my/echo:latest") == ["/bin/echo", "{python}x"]
    assert images.command_for(f"{REGISTRY}/djl-inference:1")[:3] == [sys.executable, "-m", "serve"]


def test_a_given_pattern_takes_the_place_of_a_built_in_one(table: Path) -> None:
    table.write_text('"*vllm*": [mine]')
    assert images.command_for("vllm:1") == ["mine"]


def test_the_file_is_read_again_every_time(table: Path) -> None:
    table.write_text("a: [one]")
    assert images.command_for("a") == ["one"]
    table.write_text("a: [two]")
    assert images.command_for("a") == ["two"]


@pytest.mark.parametrize("text", ["[1", "- a", "a: echo", "a: []", "a: [1]", "1: [a]", None])
def test_a_file_that_cannot_be_used_is_named(table: Path, text: str | None) -> None:
    if text is not None:
        table.write_text(text)
    with pytest.raises(images.ImagesError, match=r"SANDBOX_IMAGES: .*images\.yaml"):
        images.command_for("a")


@pytest.mark.parametrize(
    ("image", "is_one"),
    [
        (
            f"{REGISTRY}/huggingface-pytorch-training:2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04",
            True,
        ),
        ("localhost:5000/my-team/news-training@sha256:0", True),
        ("news-training", True),
        (f"{REGISTRY}/huggingface-pytorch-tgi-inference:2.7.0-training", False),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3", True),
        ("my-team/not-sagemaker-scikit-learn:1", False),
    ],
)
def test_an_image_that_runs_scripts_is_told_by_its_repository(image: str, is_one: bool) -> None:
    assert images.runs_scripts(image) == is_one
