"""A checkpoint is complete or not used; what stops a run leaves one; a full disk costs none."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from tests.train.conftest import HANG_S, environment, sample_settings, torchrun, train

from tuning import checkpointing

SAVING = ("--save_strategy", "steps", "--save_steps", "2", "--save_total_limit", "2")
RESUMING = (*SAVING, "--resume_from_checkpoint", "last", "--merge", "false")


def make_checkpoint(folder: Path, step: int, *, complete: bool) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_text("12345")
    if complete:
        checkpointing.mark_complete(checkpoint)
    return checkpoint


def test_the_newest_complete_checkpoint_is_found_by_number(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, 9, complete=True)
    newest = make_checkpoint(tmp_path, 10, complete=True)
    make_checkpoint(tmp_path, 11, complete=False)
    (tmp_path / "checkpoint-best").mkdir()
    assert checkpointing.last_complete(tmp_path) == newest


def test_a_checkpoint_saved_again_is_complete_again(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, 1, complete=True)
    (checkpoint / "weights").write_text("1234567")
    checkpointing.mark_complete(checkpoint)
    assert checkpointing.is_complete(checkpoint)


@pytest.mark.parametrize(("limit", "kept"), [(None, [1, 2, 3]), (2, [2, 3]), (1, [3]), (5, [1, 2, 3])])
def test_the_newest_checkpoints_are_kept(tmp_path: Path, limit: int | None, kept: list[int]) -> None:
    for step in (1, 2, 3):
        make_checkpoint(tmp_path, step, complete=True)
    checkpointing.keep_newest(tmp_path, limit)
    assert [path.name for path in checkpointing.all_checkpoints(tmp_path)] == [
        f"checkpoint-{step}" for step in kept
    ]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("cut off", "weights has 3 of 5 bytes"),
        ("delete", "weights is missing"),
        ("change", "weights is damaged: its checksum differs"),
        ("garble the mark", "its complete.json is damaged"),
        ("old mark", "its complete.json is damaged"),
        ("mark without checksums", "its complete.json is damaged"),
        ("delete the mark", "it was not written to its end"),
    ],
)
def test_a_damaged_checkpoint_is_not_complete(tmp_path: Path, damage: str, told: str) -> None:
    checkpoint = make_checkpoint(tmp_path, 1, complete=True)
    assert checkpointing.is_complete(checkpoint)
    weights, mark = checkpoint / "weights", checkpoint / checkpointing.MARK
    {
        "cut off": lambda: weights.write_text("123"),
        "delete": weights.unlink,
        "change": lambda: weights.write_text("12346"),
        "garble the mark": lambda: mark.write_text('{"files": '),
        "old mark": lambda: mark.write_text('{"weights": 5}'),
        "mark without checksums": lambda: mark.write_text('{"files": {"weights": {"bytes": 5}}}'),
        "delete the mark": mark.unlink,
    }[damage]()
    assert checkpointing.what_is_wrong(checkpoint) == told
    assert checkpointing.remove_incomplete(tmp_path) == {"checkpoint-1": told}
    assert not checkpoint.exists()


def test_a_checkpoint_whose_mark_reached_s3_first_counts_when_all_its_files_are_there(tmp_path: Path) -> None:
    """Files arrive in any order when a folder is copied to S3 and back."""
    whole = make_checkpoint(tmp_path / "job", 1, complete=False)
    (whole / "deep").mkdir()
    (whole / "deep" / "shard").write_text("6789")
    checkpointing.mark_complete(whole)
    copy = tmp_path / "next-job" / whole.name
    (copy / "deep").mkdir(parents=True)
    for name in (checkpointing.MARK, "weights"):
        (copy / name).write_bytes((whole / name).read_bytes())
        assert not checkpointing.is_complete(copy)
    (copy / "deep" / "shard").write_text("6789")
    assert checkpointing.is_complete(copy)


def test_a_checkpoint_that_is_being_deleted_is_none(tmp_path: Path, monkeypatch) -> None:
    """The deletion is cut off after its first step, as by a kill."""
    old, new = (make_checkpoint(tmp_path, step, complete=True) for step in (1, 2))
    monkeypatch.setattr(checkpointing.shutil, "rmtree", lambda *args, **kwargs: None)
    checkpointing.keep_newest(tmp_path, 1)
    assert old.is_dir()
    assert checkpointing.what_is_wrong(old) == "it was not written to its end"
    assert checkpointing.last_complete(tmp_path) == new


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


def test_sigterm_saves_a_checkpoint_that_only_its_own_run_goes_on_from(
    tmp_path: Path, small_data: Path
) -> None:
    endless = ("--num_train_epochs", "50", *SAVING)
    process = start_until('progress {"step": 3,', tmp_path, small_data, *endless)
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read()
    assert process.wait(timeout=HANG_S) != 0
    assert "SIGTERM, saving a checkpoint" in rest
    last = checkpointing.last_complete(tmp_path)
    assert last is not None, rest
    assert int(last.name.split("-")[1]) >= 3
    assert not (tmp_path / "model").exists()

    other = ("--learning_rate", "0.001", "--resume_from_checkpoint", "last")
    refused = train(tmp_path, small_data, *endless, *other, num_processes=2, expect=1)
    assert (
        f"found: {last} of another run: learning_rate 0.002 in the checkpoint, 0.001 here" in refused.output
    )
    assert refused.output.count("found:") == 1
    assert (
        'tuning/resume.py", line' not in refused.output
    )  # the other process has the same error, not one of its own
    assert checkpointing.is_complete(last)


@pytest.mark.parametrize(
    ("limit", "stopped_by", "num_steps"),
    # the launch alone takes longer than the time limit
    [("--time_limit_s", "time limit", 1), ("--max_steps_per_launch", "step limit", 2)],
)
def test_a_limit_ends_early_with_a_servable_model_and_its_checkpoint(
    tmp_path: Path, small_data: Path, limit: str, stopped_by: str, num_steps: int
) -> None:
    run = train(tmp_path, small_data, limit, "2", "--num_train_epochs", "500", *SAVING)
    (result,) = run.lines("result")
    assert result["stopped_by"] == stopped_by
    assert f"{limit[2:]} 2" in run.output
    assert result["num_steps"] == num_steps
    assert (run.model_dir / "model.safetensors").is_file()
    last = checkpointing.last_complete(tmp_path)
    assert last is not None
    assert last.name == f"checkpoint-{result['num_steps']}"


def test_a_full_disk_is_told_and_the_last_checkpoint_stays(tmp_path: Path, small_data: Path) -> None:
    """The limit on file size stands for the disk: the kernel refuses the write in the middle of a file."""
    import resource

    first = train(tmp_path, small_data, "--time_limit_s", "0.001", *SAVING)
    assert first.lines("result")[0]["stopped_by"] == "time limit"
    (before,) = checkpointing.all_checkpoints(tmp_path)
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
    assert checkpointing.all_checkpoints(tmp_path) == [before]
    assert checkpointing.is_complete(before)
