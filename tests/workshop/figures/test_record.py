from __future__ import annotations

import json
import re
import socket
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from workshop.entries import EvaluationState, ModelState
from workshop.errors import WorkshopError
from workshop.evaluation.table import score_table
from workshop.figures.processor import Processor
from workshop.figures.record import FILE_NAME, Run, read_runs, write_run
from workshop.settings import Settings, find_repo_dir
from workshop.state import State

from .conftest import make_run

MASK = {"CT2_FORCE_CPU_ISA": "AVX2"}
PROCESSOR = Processor(model="A 1", num_cores=2, instructions=("AVX2",), masked_by=MASK)


@pytest.fixture
def state(settings: Settings) -> State:
    """What notebook 02 leaves: a model with its metrics, and its scores."""
    model_dir = settings.home / "training" / "model"
    (model_dir / "adapter").mkdir(parents=True)
    (model_dir / "config.json").write_text("{}")
    (model_dir / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    (model_dir / "metrics.json").write_text(json.dumps({"phases": {"imports_s": 4.01, "steps_s": 25.3}}))
    model = ModelState(
        made_at="now", notebook="02-Train-Local-KR-News", model_dir=model_dir, base_model="b", recipe="r",
        dataset_name="full", train_sha256="t", num_train_rows=1, adapter_sha256="a", train_seconds=31.234,
    )  # fmt: skip
    table = score_table({"tuned": {"word_rouge_l": np.array([1.0, 0.5])}})
    made = State.load(settings)
    made.model = model
    made.evaluation = EvaluationState.of_table(table, model, num_articles=2, notebook=model.notebook)
    made.save()
    return State.load(settings)


def test_figures_come_from_what_the_notebooks_recorded(state: State) -> None:
    run = Run.of_state(state, PROCESSOR, {"01-Prepare": 14.7049}, load_before=0.123)
    assert run.training_s == {"imports": 4.01, "steps": 25.3, "all": 31.23}
    assert run.notebook_s == {"01-Prepare": 14.7}
    assert run.scores["tuned"]["word_rouge_l"]["mean"] == 0.75
    assert run.num_scored_articles == 2
    assert (run.model, run.masked_by) == ("A 1", MASK)
    assert run.versions["torch"] == version("torch")


def test_scores_of_another_model_are_refused(state: State) -> None:
    state.model = replace(state.model, adapter_sha256="of a later training")
    with pytest.raises(WorkshopError, match="another model"):
        Run.of_state(state, PROCESSOR, {}, load_before=0)


def test_a_run_replaces_that_of_its_class_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    assert read_runs(path) == {}
    write_run(path, "AVX2", make_run(num_cores=4))
    first = path.read_text(encoding="utf-8")
    write_run(path, "AVX512 + VNNI + bfloat16", make_run())
    write_run(path, "AVX2", make_run(num_cores=8))
    runs = read_runs(path)
    assert list(runs) == ["AVX512 + VNNI + bfloat16", "AVX2"], "more instructions first"
    assert [run.num_cores for run in runs.values()] == [2, 8]
    # the entry of the other class is the same to the letter
    write_run(path, "AVX2", make_run(num_cores=4))
    assert first.partition("AVX2:")[2] in path.read_text(encoding="utf-8")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_run(tmp_path / FILE_NAME, "Arm", make_run(masked_by={"A": "b"}))
    assert read_runs(tmp_path / FILE_NAME)["Arm"] == make_run(masked_by={"A": "b"})


@pytest.mark.parametrize("content", ["- 1", "AVX2: {model: x}", "AVX2: 3", "{", ""])
def test_a_file_of_another_form_is_named_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(WorkshopError, match=r"measured\.yaml that cannot be read[\s\S]*git checkout"):
        read_runs(tmp_path / FILE_NAME)


def test_the_kept_figures_name_no_machine_path_or_account() -> None:
    path = find_repo_dir() / "notebook" / FILE_NAME
    text = path.read_text(encoding="utf-8")
    assert read_runs(path)
    assert "/" not in text.replace("GNU/Linux", "")
    assert not re.search(r"\d{12}", text)
    assert socket.gethostname() not in text
