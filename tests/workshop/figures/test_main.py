"""One real run of a notebook that records what notebook 02 records, or fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nbformat
import pytest

from workshop.figures.__main__ import main
from workshop.figures.record import FILE_NAME, read_runs, write_run
from workshop.settings import find_repo_dir

from .conftest import make_run

RECORDING = """
import json
from workshop.settings import load_settings
from workshop.state import State
from workshop.entries import EvaluationState, ModelState

settings = load_settings()
assert settings.mode == "sample" and not (settings.home / "state.json").exists()
folder = settings.home / "model"
(folder / "adapter").mkdir(parents=True)
(folder / "config.json").write_text("{}")
(folder / "adapter" / "adapter_model.safetensors").write_bytes(b"w")
(folder / "metrics.json").write_text(json.dumps({"phases": {"steps_s": 25.3}}))
common = {"made_at": "now", "notebook": "02-Train-Local-KR-News", "adapter_sha256": "a"}
state = State.load(settings)
state.model = ModelState(
    model_dir=folder, base_model="b", recipe="r", dataset_name="full", train_sha256="t",
    num_train_rows=1, train_seconds=31.2, **common,
)
score = {"mean": 0.9, "low": 0.8, "high": 1.0}
state.evaluation = EvaluationState(num_articles=7, scores={"tuned": {"word_rouge_l": score}}, **common)
state.save()
"""


@pytest.fixture
def repository(repo_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one notebook, one text and the figures of another class."""
    shutil.rmtree(repo_dir / "notebook" / "01-first")
    (repo_dir / "README.md").write_text("It takes <!-- measured cell en 02-Train --><!-- /measured -->.")
    monkeypatch.setattr("workshop.settings.find_repo_dir", lambda: repo_dir)
    monkeypatch.setattr("workshop.figures.__main__.find_repo_dir", lambda: repo_dir)
    monkeypatch.setattr("workshop.figures.__main__.interrupt_on_signals", lambda: None)
    for variable in [name for name in os.environ if name.startswith("WORKSHOP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(find_repo_dir() / "src"))
    return repo_dir


def write_notebook(repository: Path, code: str) -> None:
    cells = [nbformat.v4.new_markdown_cell("# 02. 학습"), nbformat.v4.new_code_cell(code)]
    (repository / "notebook" / "01-track").mkdir()
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells), repository / "notebook" / "01-track" / "02-Train.ipynb"
    )
    write_run(repository / "notebook" / FILE_NAME, "Arm", make_run(notebook_s={"02-Train": 300.0}))


def test_a_run_adds_the_class_of_this_processor_and_writes_the_texts(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook(repository, RECORDING)
    for variable, value in (("ONEDNN_MAX_CPU_ISA", "AVX512_CORE"), ("ATEN_CPU_CAPABILITY", "avx2")):
        monkeypatch.setenv(variable, value)
    left = tmp_path / "home" / "figures" / "sample" / "state.json"
    left.parent.mkdir(parents=True)
    left.write_text("left by an earlier run")
    assert main([]) == 0
    runs = read_runs(repository / "notebook" / FILE_NAME)
    assert len(runs) == 2
    assert runs["Arm"].notebook_s == {"02-Train": 300.0}
    (new,) = [run for kind, run in runs.items() if kind != "Arm"]
    assert (new.num_scored_articles, new.training_s) == (7, {"steps": 25.3, "all": 31.2})
    assert 0 < new.notebook_s["02-Train"] < 60
    assert "5 min" in (repository / "README.md").read_text()
    assert str(tmp_path) not in (repository / "notebook" / FILE_NAME).read_text()


def test_a_failed_run_records_nothing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_notebook(repository, RECORDING + "\nraise SystemError('too slow')")
    before = (repository / "notebook" / FILE_NAME).read_text()
    assert main([]) == 1
    assert (repository / "notebook" / FILE_NAME).read_text() == before
    captured = capsys.readouterr()
    assert "too slow" in captured.err
    assert "nothing was recorded" in captured.err


def test_changed_settings_are_not_measured(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_notebook(repository, RECORDING)
    monkeypatch.setenv("WORKSHOP_NUM_PROCESSES", "1")
    assert main([]) == 1
    assert "unset WORKSHOP_NUM_PROCESSES" in capsys.readouterr().err
