"""A training on this machine is launched once; what was interrupted goes on in one log."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from workshop.training.launch import LaunchError, LaunchResult
from workshop.training.launch_once import launch_once

# Counts its launches; ends at step STOP with an error unless that is 0, and resumes from the step before.
TRAIN = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
(folder / "launches").open("a").write("x")
checkpoint, stop = folder / "checkpoint", int((folder / "stop").read_text())
first = int(checkpoint.read_text()) if checkpoint.exists() else 1
for step in range(first, 6):
    print("progress " + json.dumps({"step": step, "num_steps": 5, "loss": 10.0 - step}), flush=True)
    checkpoint.write_text(str(step))
    if step == stop:
        raise SystemExit("the power failed")
print('phase {"steps_s": 2.5}')
(folder / "model").write_text("a model")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stop").write_text("0")
    return tmp_path


def train(folder: Path, *, rows: int = 10, start_again: bool = False) -> LaunchResult:
    return launch_once(
        [sys.executable, "-c", TRAIN, str(folder)],
        made_of={"rows": rows},
        leaves=folder / "model",
        log_path=folder / "out" / "train.log",
        start_again=start_again,
        timeout_s=600,
    )


def num_launches(folder: Path) -> int:
    return len((folder / "launches").read_text())


def test_a_second_run_trains_nothing_and_shows_the_same(folder: Path, capsys: pytest.CaptureFixture) -> None:
    first = train(folder)
    capsys.readouterr()
    assert train(folder) == first
    assert num_launches(folder) == 1
    assert [record["step"] for record in first.records] == [1, 2, 3, 4, 5]
    assert first.phases == {"steps_s": 2.5}
    shown = capsys.readouterr().out
    assert 'progress {"step": 5' in shown
    assert "was done in" in shown


@pytest.mark.parametrize("change", ["data", "model is gone", "asked for", "log is gone"])
def test_what_is_not_there_or_of_something_else_is_trained(folder: Path, change: str) -> None:
    train(folder)
    (folder / "checkpoint").unlink()
    if change == "model is gone":
        (folder / "model").unlink()
    if change == "log is gone":
        (folder / "out" / "train.log").unlink()
    result = train(folder, rows=11 if change == "data" else 10, start_again=change == "asked for")
    assert num_launches(folder) == 2
    assert len(result.records) == 5


def test_an_interrupted_one_goes_on_and_its_records_are_whole(folder: Path) -> None:
    for step in (2, 4):
        (folder / "stop").write_text(str(step))
        with pytest.raises(LaunchError, match="the power failed"):
            train(folder)
    (folder / "stop").write_text("0")
    whole = train(folder)
    assert num_launches(folder) == 3
    assert [record["step"] for record in whole.records] == [1, 2, 3, 4, 5]
    assert train(folder) == whole
    assert num_launches(folder) == 3
    assert [path.name for path in sorted((folder / "out").iterdir())] == ["train.json", "train.log"]


def test_what_was_interrupted_is_no_part_of_another_training(folder: Path) -> None:
    (folder / "stop").write_text("3")
    with pytest.raises(LaunchError):
        train(folder)
    (folder / "stop").write_text("0")
    other = train(folder, rows=11)
    assert [record["step"] for record in other.records] == [3, 4, 5]


def test_a_damaged_record_is_none(folder: Path) -> None:
    train(folder)
    (folder / "out" / "train.json").write_text(json.dumps([1])[:2])
    train(folder)
    assert num_launches(folder) == 2
