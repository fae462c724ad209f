"""What comes before a notebook runs when it is not there yet, and only then."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from tests.workshop.notebooks.test_run import write_notebook

from workshop.entries import (
    DATASET_NAMES,
    DatasetState,
    EvaluationState,
    ModelState,
    TrainingJobState,
    now_utc,
)
from workshop.errors import WorkshopError
from workshop.news.table import SPLITS
from workshop.notebooks.upto import LEFT, expected_s, find_notebook, plan, prepare, why_not_ready
from workshop.settings import Settings, find_repo_dir, load_settings
from workshop.state import ENTRIES, State

PREPARE, TRAIN, JOB = LEFT


@pytest.fixture
def track_dir(repo_dir: Path) -> Path:
    """Notebooks of which none leaves what its name says, and the one that is to open ready."""
    folder = repo_dir / "notebook" / "01-first"
    (folder / "01-Prepare.ipynb").unlink()
    for name in (*LEFT, "03-1-Option-SageMaker-Training", "04-Last"):
        write_notebook(folder, name, f"# {name}", "pass")
    return folder


@pytest.fixture
def state(settings: Settings) -> State:
    """All that the three notebooks leave, with its files."""
    for path in [
        settings.data_dir / name / split / f"{split}.jsonl" for name in DATASET_NAMES for split in SPLITS
    ]:
        path.parent.mkdir(parents=True)
        path.write_text("{}\n")
    state = State.load(settings)
    state.dataset = DatasetState.of_folder(settings, notebook=PREPARE)
    started = TrainingJobState.started(
        settings, notebook=JOB, job_name="news-train-1", base_model_uri="s3://b/m"
    )
    state.training_job = dataclasses.replace(started, status="Completed", model_uri="s3://b/o")
    local_dir = settings.home / "models" / "run-1"
    for model_dir in (local_dir, started.model_dir):
        (model_dir / "adapter").mkdir(parents=True)
        (model_dir / "config.json").touch()
        (model_dir / "adapter" / "adapter_model.safetensors").touch()
    state.model = ModelState.of_folder(settings, state.dataset, local_dir, notebook=TRAIN, train_seconds=1)
    state.evaluation = EvaluationState(
        made_at=now_utc(),
        notebook=TRAIN,
        adapter_sha256=state.model.adapter_sha256,
        num_articles=1,
        scores={},
    )
    state.save()
    return state


def names_of(found: list[tuple[Path, str]]) -> list[str]:
    return [path.stem for path, _ in found]


def paths(track_dir: Path) -> list[Path]:
    return [track_dir / f"{name}.ipynb" for name in LEFT]


def test_what_later_notebooks_read_is_left_by_these_and_by_no_optional_one() -> None:
    stems = {path.stem for path in (find_repo_dir() / "notebook").rglob("*.ipynb")}
    assert set(LEFT) <= stems
    for notebook, entries in LEFT.items():
        for name in entries:
            assert ENTRIES[name.replace("trained_model", "training_job")][1] == notebook
    assert not any("-Option-" in notebook for notebook in LEFT)


def test_a_notebook_is_found_by_its_number_in_a_track() -> None:
    notebook_dir = find_repo_dir() / "notebook"
    assert find_notebook(notebook_dir, "01", "04") == find_notebook(notebook_dir, "1", "4")
    assert find_notebook(notebook_dir, "01", "3-1").name.startswith("03-1-Option")
    assert find_notebook(notebook_dir, "02", "02").name.startswith("02-SageMaker-Inference-Component")
    with pytest.raises(WorkshopError, match=r"no notebook 9 in track 01[\s\S]*01, 02, 03, 03-1, 04"):
        find_notebook(notebook_dir, "01", "9")
    with pytest.raises(WorkshopError, match="N is not set"):
        find_notebook(notebook_dir, "01", "")


def test_nothing_runs_where_all_is_there(
    settings: Settings, state: State, track_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(settings, paths(track_dir)) == []
    assert prepare(settings, track_dir / "04-Last.ipynb")
    told = capsys.readouterr().out
    assert told.count("is there\n") == 3
    assert f"ready     trained_model, of {state.training_job.made_at}" in told
    assert "open      notebook/01-first/04-Last.ipynb" in told
    assert not (settings.home / "report").exists()


def test_what_is_missing_runs_and_what_comes_after_it(
    settings: Settings, state: State, track_dir: Path
) -> None:
    state.model.adapter_dir.rename(state.model.model_dir / "gone")
    (train, why), (job, why_too) = plan(settings, paths(track_dir))
    assert (train.stem, job.stem) == (TRAIN, JOB)
    assert "adapter_model.safetensors is gone" in why
    assert why_too == f"{TRAIN} runs before it"
    state.dataset.split_path("full", "test").unlink()
    assert names_of(plan(settings, paths(track_dir))) == [PREPARE, TRAIN, JOB]


def test_what_was_made_with_other_settings_runs_again(
    repo_dir: Path, settings: Settings, state: State
) -> None:
    environ = {
        "WORKSHOP_RECIPE": "llama3-8b-qlora-g5-12xlarge.yaml",
        "WORKSHOP_HOME": str(settings.workshop_home),
    }
    other = load_settings(repo_dir, environ=environ)
    assert why_not_ready(state, other, PREPARE) == ""
    assert why_not_ready(state, other, JOB).startswith(f"trained_model of recipe {settings.recipe}, and ")


def test_a_job_that_was_not_followed_to_its_end_runs_again(settings: Settings, state: State) -> None:
    state.training_job = dataclasses.replace(state.training_job, status="InProgress", model_uri="")
    assert "news-train-1" in why_not_ready(state, settings, JOB)


def test_a_notebook_before_it_is_run_and_leaves_it_ready(
    settings: Settings, state: State, track_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = json.loads(state.path.read_text())
    (settings.home / "whole.json").write_text(json.dumps(whole))
    del whole["entries"]["training_job"]
    state.path.write_text(json.dumps(whole))
    target = track_dir / "04-Last.ipynb"
    cell = f"import shutil\nshutil.copy({str(settings.home / 'whole.json')!r}, {str(state.path)!r})"
    write_notebook(track_dir, JOB, "# 03", cell)
    assert prepare(settings, target)
    told = capsys.readouterr().out
    assert "no training_job in" in told
    assert told.count("is there\n") == 2
    assert "ready     trained_model" in told
    assert "04-Last   " not in told, "the notebook itself is not run"


def test_the_seconds_are_those_that_were_measured() -> None:
    notebook_dir = find_repo_dir() / "notebook"
    seconds, kind = expected_s(notebook_dir, [PREPARE, TRAIN])
    assert seconds > expected_s(notebook_dir, [PREPARE])[0] > 0
    assert f"{kind}:" in (notebook_dir / "measured.yaml").read_text()
    assert expected_s(notebook_dir.parent, [PREPARE])[0] == 0.0
