from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from workshop.entries import DATASET_NAMES, DatasetState, EvaluationState, ModelState
from workshop.errors import WorkshopError
from workshop.evaluation.table import score_table
from workshop.news.table import SPLITS
from workshop.settings import Settings
from workshop.state import ENTRIES, FILE_NAME, State

NOTEBOOK = "01-Prepare-Dataset-KR-News"


@pytest.fixture
def dataset(settings: Settings) -> DatasetState:
    """The entry of a small data set that stands on disk."""
    for name in DATASET_NAMES:
        for number, split in enumerate(SPLITS, start=1):
            path = settings.data_dir / name / split / f"{split}.jsonl"
            path.parent.mkdir(parents=True)
            path.write_text('{"id": "뉴스"}\n' * number, encoding="utf-8")
    (settings.data_dir / "full" / "rejected.jsonl").write_text("{}\n{}\n")
    return DatasetState.of_folder(settings, notebook=NOTEBOOK)


def save(settings: Settings, **entries: object) -> None:
    state = State.load(settings)
    for name, entry in entries.items():
        setattr(state, name, entry)
    state.save()


def make_model(settings: Settings, dataset: DatasetState) -> ModelState:
    model_dir = settings.home / "models" / "run-1"
    (model_dir / "adapter").mkdir(parents=True)
    (model_dir / "config.json").write_text("{}")
    (model_dir / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    return ModelState.of_folder(
        settings, dataset, model_dir, notebook="02-Train-Local-KR-News", train_seconds=12
    )


def test_what_is_saved_is_loaded_again(settings: Settings, dataset: DatasetState) -> None:
    model = make_model(settings, dataset)
    save(settings, dataset=dataset, model=model)
    state = State.load(settings)
    assert state.dataset == dataset
    assert state.model == model


def test_an_entry_says_when_by_which_notebook_and_what(settings: Settings, dataset: DatasetState) -> None:
    assert dataset.notebook == NOTEBOOK
    age = datetime.now(UTC) - datetime.fromisoformat(dataset.made_at)
    assert 0 <= age.total_seconds() < 60
    assert dataset.num_rows["full/test"] == 3
    content = dataset.split_path("full", "test").read_bytes()
    assert dataset.sha256["full/test"] == hashlib.sha256(content).hexdigest()
    assert dataset.num_rejected == {"small": 0, "full": 2}


def test_a_model_says_what_it_was_trained_on(settings: Settings, dataset: DatasetState) -> None:
    model = make_model(settings, dataset)
    assert model.train_sha256 == dataset.sha256["full/train"]
    assert model.adapter_sha256 == hashlib.sha256(b"weights").hexdigest()
    assert model.adapter_dir.is_dir()


def test_scores_are_kept_as_the_table_has_them(settings: Settings, dataset: DatasetState) -> None:
    model = make_model(settings, dataset)
    scores = {
        "tuned": {"word_rouge_l": np.array([1.0, 0.5])},
        "lead-3": {"word_rouge_l": np.array([0.0, 0.2])},
    }
    table = score_table(scores)
    made = EvaluationState.of_table(table, model, num_articles=2, notebook="02-Train-Local-KR-News")
    save(settings, evaluation=made)
    kept = State.load(settings).evaluation
    assert kept == made
    assert kept.adapter_sha256 == model.adapter_sha256
    assert kept.scores["tuned"]["word_rouge_l"]["mean"] == 0.75
    assert kept.scores["lead-3"]["word_rouge_l"] == table.loc["lead-3"]["word_rouge_l"].to_dict()


def test_what_is_missing_names_the_notebook_that_makes_it(settings: Settings) -> None:
    state = State.load(settings)
    for name, (_, notebook) in ENTRIES.items():
        assert not state.has(name)
        with pytest.raises(WorkshopError, match=f"run the notebook {notebook}"):
            getattr(state, name)


def test_a_deleted_file_is_named_with_the_notebook_to_run(settings: Settings, dataset: DatasetState) -> None:
    save(settings, dataset=dataset)
    gone = dataset.split_path("small", "validation")
    gone.unlink()
    with pytest.raises(WorkshopError, match=f"{gone} is gone"):
        _ = State.load(settings).dataset


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 1}', '{"version": 99, "entries": {}}', "\x00"]
)
def test_a_broken_file_is_named_with_what_to_do(settings: Settings, content: str) -> None:
    settings.home.mkdir(parents=True)
    (settings.home / FILE_NAME).write_text(content)
    with pytest.raises(WorkshopError, match=r"state\.json cannot be read[\s\S]*delete the file"):
        State.load(settings)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.pop("num_rows"),
        lambda raw: raw.update(colour="red"),
        lambda raw: raw.update(made_at=3),
        lambda raw: raw.update(data_dir=None),
    ],
)
def test_an_entry_of_another_shape_names_the_notebook(
    settings: Settings, dataset: DatasetState, change
) -> None:
    save(settings, dataset=dataset)
    path = settings.home / FILE_NAME
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content["entries"]["dataset"])
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(WorkshopError, match=f"unreadable dataset[\\s\\S]*{NOTEBOOK}"):
        _ = State.load(settings).dataset


def test_a_full_disk_leaves_the_old_file_and_no_leftovers(
    settings: Settings, dataset: DatasetState, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(settings, dataset=dataset)
    before = (settings.home / FILE_NAME).read_bytes()

    def no_space(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)  # a full disk cannot be made without root
    with pytest.raises(WorkshopError, match="No space left"):
        save(settings, dataset=dataclasses.replace(dataset, notebook="other"))
    assert (settings.home / FILE_NAME).read_bytes() == before
    assert not list(settings.home.glob(f"{FILE_NAME}.*"))


def test_two_open_notebooks_do_not_undo_each_other(settings: Settings, dataset: DatasetState) -> None:
    save(settings, dataset=dataset)
    second_kernel = State.load(settings)
    newer = dataclasses.replace(dataset, made_at="2030-01-01T00:00:00+00:00")
    save(settings, dataset=newer)
    second_kernel.model = make_model(settings, dataset)
    second_kernel.save()
    assert State.load(settings).dataset == newer
    assert State.load(settings).model.recipe == settings.recipe


def test_a_moved_home_keeps_its_entries(settings: Settings, dataset: DatasetState, tmp_path: Path) -> None:
    save(settings, dataset=dataset)
    settings.workshop_home.rename(tmp_path / "moved")
    moved = dataclasses.replace(settings, workshop_home=tmp_path / "moved")
    assert State.load(moved).dataset.split_path("small", "train").is_file()


def test_recording_files_that_are_not_there_is_refused(settings: Settings, dataset: DatasetState) -> None:
    dataset.split_path("small", "train").unlink()
    with pytest.raises(WorkshopError, match=r"no file .*train\.jsonl"):
        DatasetState.of_folder(settings, notebook=NOTEBOOK)
    with pytest.raises(WorkshopError, match=r"no file .*config\.json"):
        ModelState.of_folder(settings, dataset, settings.home / "empty", notebook=NOTEBOOK, train_seconds=1)
