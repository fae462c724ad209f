"""Sample mode multiplies in float32: not every processor has instructions for bfloat16."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from tests.matrix_products import MatrixProducts
from tests.train.conftest import BASE, REPO, Run
from tests.train.in_process import prepare, settings

from sample.base import pretrain
from sample.news.generator import rows
from workshop.prompt import chat_messages
from workshop.settings import load_settings

RECIPES = sorted(path.name for path in (REPO / "src" / "train" / "recipes").glob("sample*.yaml"))
CONVERSATIONS = [chat_messages(row["document"], row["summary"]) for row in rows(16, 5)]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_training_step_and_an_evaluation_multiply_in_float32(tmp_path: Path, recipe: str) -> None:
    words = ("--max_steps", "2", "--warmup_steps", "0", "--save_strategy", "no", "--eval_strategy", "no")
    script, training, model = settings(tmp_path, *words, recipe=recipe)
    trainer = prepare(script, training, model, CONVERSATIONS)
    with MatrixProducts() as products:
        trainer.train()
        trainer.evaluate(trainer.train_dataset)
    assert not products.slow
    assert {"aten.addmm_.default", "aten.mm.default"} <= products.names  # W + s·B·A, and tokens with it
    assert any("flash_attention_for_cpu_backward" in name for name in products.names)
    moments = [value for state in trainer.optimizer.state.values() for value in state.values() if value.ndim]
    assert moments
    assert {value.dtype for value in moments} == {torch.float32}


def test_two_processes_say_that_they_compute_in_float32(qlora_run: Run) -> None:
    said = {"base": "nf4", "compute": "float32", "adapter": "float32"}
    assert qlora_run.lines("precision") == [said]


def test_pre_training_multiplies_in_float32_without_bfloat16_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "NUM_TOKENIZER_DOCUMENTS", 100)
    monkeypatch.setattr(pretrain, "has_bfloat16_instructions", lambda: False)
    a_few_steps = pretrain.Pretraining(
        num_steps=4, num_drill_steps=2, num_rounded_steps=2, num_warmup_steps=1, batch_size=2
    )
    with MatrixProducts() as products, _deterministic_algorithms_as_before():
        pretrain.pretrain(a_few_steps, output_dir=tmp_path)
    assert not products.slow
    assert "aten.mm.default" in products.names


@contextlib.contextmanager
def _deterministic_algorithms_as_before():
    before = torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def test_the_notebook_generates_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own cells run here: the one that defines what it generates with, and `summarise`."""
    monkeypatch.setenv("WORKSHOP_MODE", "sample")
    [path] = (REPO / "notebook").rglob("02-Train-Local-KR-News.ipynb")
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    names: dict[str, Any] = {"settings": load_settings(), "state": _State()}
    for source in cells:
        if "GenerationConfig(" in source or "def summarise" in source:
            exec(source, names)
    names["tokenizer"].chat_template = (REPO / "src" / "train" / "chat_template.jinja").read_text("utf-8")
    with MatrixProducts() as products:
        summaries = names["summarise"](BASE, [CONVERSATIONS[0][:-1]])
    assert len(summaries) == 1
    assert not products.slow
    assert products.names


class _State:
    """Where the notebook finds the model that it has trained: here the base model."""

    class model:  # noqa: N801
        model_dir = BASE
