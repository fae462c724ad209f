"""A killed run resumes, an unfinished checkpoint is never used, a full disk costs no finished one."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from tests.train.conftest import environment, sample_settings, torchrun, train

from tuning import checkpoints

SAVING = ("--save_strategy", "steps", "--save_steps", "2", "--save_total_limit", "2")
RESUMING = (*SAVING, "--resume_from_checkpoint", "last", "--merge", "false")


def make_checkpoint(folder: Path, step: int, *, complete: bool) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir()
    (checkpoint / "weights").write_text("12345")
    if complete:
        checkpoints.mark_complete(checkpoint)
    return checkpoint


def kill_all(pid: int) -> None:
    """Kill torchrun and its workers at once; the workers have process groups of their own."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=30)


def test_the_newest_complete_checkpoint_is_found_by_number(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, 9, complete=True)
    newest = make_checkpoint(tmp_path, 10, complete=True)
    make_checkpoint(tmp_path, 11, complete=False)
    (tmp_path / "checkpoint-best").mkdir()
    assert checkpoints.last_complete(tmp_path) == newest


def test_a_checkpoint_saved_again_is_complete_again(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, 1, complete=True)
    (checkpoint / "weights").write_text("1234567")
    checkpoints.mark_complete(checkpoint)
    assert checkpoints.is_complete(checkpoint)


@pytest.mark.parametrize(("limit", "kept"), [(None, [1, 2, 3]), (2, [2, 3]), (1, [3]), (5, [1, 2, 3])])
def test_the_newest_checkpoints_are_kept(tmp_path: Path, limit: int | None, kept: list[int]) -> None:
    for step in (1, 2, 3):
        make_checkpoint(tmp_path, step, complete=True)
    checkpoints.keep_newest(tmp_path, limit)
    assert [path.name for path in checkpoints.all_checkpoints(tmp_path)] == [
        f"checkpoint-{step}" for step in kept
    ]


@pytest.mark.parametrize("damage", ["truncate", "delete", "garble the mark"])
def test_a_damaged_checkpoint_is_not_complete(tmp_path: Path, damage: str) -> None:
    checkpoint = make_checkpoint(tmp_path, 1, complete=True)
    assert checkpoints.is_complete(checkpoint)
    if damage == "truncate":
        (checkpoint / "weights").write_text("123")
    elif damage == "delete":
        (checkpoint / "weights").unlink()
    else:
        (checkpoint / checkpoints.MARK).write_text("{")
    assert not checkpoints.is_complete(checkpoint)
    assert checkpoints.remove_incomplete(tmp_path) == ["checkpoint-1"]
    assert not checkpoint.exists()


def start_until(beginning: str, output_dir: Path, data: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a run on two processes and return it once it has printed a line that begins so."""
    process = subprocess.Popen(
        torchrun(2, *sample_settings(output_dir, data), *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(beginning):
            return process
    raise AssertionError(f"no line {beginning!r} in:\n{''.join(seen)}")


def test_a_run_killed_with_sigkill_resumes_to_the_same_loss(tmp_path: Path, small_data: Path) -> None:
    whole = train(tmp_path / "whole", small_data, *RESUMING, num_processes=2)
    output_dir = tmp_path / "killed"
    process = start_until('progress {"step": 5,', output_dir, small_data, *RESUMING)
    kill_all(process.pid)
    process.stdout.read()
    process.wait(timeout=60)
    last = checkpoints.last_complete(output_dir)
    assert last is not None
    assert last.name == "checkpoint-4"

    resumed = train(output_dir, small_data, *RESUMING, num_processes=2)
    assert f"resuming from {last}" in resumed.output
    assert resumed.lines("progress")[0]["step"] == 5
    assert all(line["tokens_per_s"] > 0 for line in resumed.lines("progress") if "loss" in line)
    assert resumed.losses == pytest.approx(whole.losses[4:], rel=1e-3)
    assert not checkpoints.all_checkpoints(output_dir)  # a finished run leaves its artifact only


def test_sigterm_saves_a_checkpoint_and_merges_nothing(tmp_path: Path, small_data: Path) -> None:
    endless = ("--num_train_epochs", "50", *SAVING)
    process = start_until('progress {"step": 3,', tmp_path, small_data, *endless)
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read()
    assert process.wait(timeout=60) != 0
    last = checkpoints.last_complete(tmp_path)
    assert last is not None, rest
    assert int(last.name.split("-")[1]) >= 3
    assert not (tmp_path / "model").exists()


def test_a_time_limit_ends_early_with_a_servable_model_and_its_checkpoint(
    tmp_path: Path, small_data: Path
) -> None:
    run = train(tmp_path, small_data, "--time_limit_s", "2", "--num_train_epochs", "500", *SAVING)
    (result,) = run.lines("result")
    assert result["stopped_by"] == "time limit"
    assert result["num_steps"] < 500 * 12
    assert (run.model_dir / "model.safetensors").is_file()
    last = checkpoints.last_complete(tmp_path)
    assert last is not None
    assert last.name == f"checkpoint-{result['num_steps']}"


def test_a_full_disk_is_told_and_the_last_checkpoint_stays(tmp_path: Path, small_data: Path) -> None:
    """The limit on file size stands for the disk: the kernel refuses the write in the middle of a file."""
    import resource

    first = train(tmp_path, small_data, "--max_steps", "2", "--time_limit_s", "0.001", *SAVING)
    assert first.lines("result")[0]["stopped_by"] == "time limit"
    (before,) = checkpoints.all_checkpoints(tmp_path)
    largest = max(file.stat().st_size for file in before.iterdir())
    full = train(
        tmp_path,
        small_data,
        *RESUMING,
        expect=1,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 4096, largest - 4096)),
    )
    assert "the disk is full" in full.output
    assert "next:" in full.output
    assert checkpoints.all_checkpoints(tmp_path) == [before]
    assert checkpoints.is_complete(before)
