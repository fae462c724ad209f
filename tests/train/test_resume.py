"""Which checkpoint a run goes on from, and what it refuses."""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.train.conftest import HANG_S, TRAIN, environment, torchrun

from tuning import checkpointing
from tuning.errors import UserError
from tuning.progress import LogBeforeSave, tokens_so_far
from tuning.resume import choose, evaluation_is_missing

OURS = {
    "base_model": "weights with checksum 1",
    "train_data": "96 rows with checksum 2",
    "rows_per_step": 16,
    "sharded": True,
    "num_processes": 2,
    "settings": {"learning_rate": 0.004, "lora_r": 32},
}


def save(output_dir: Path, step: int, fingerprint: dict = OURS) -> Path:
    checkpoint = output_dir / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_text("12345")
    checkpointing.mark_complete(checkpoint, fingerprint)
    return checkpoint


def changed(**values: object) -> dict:
    fingerprint = copy.deepcopy(OURS)
    fingerprint.update(values)
    return fingerprint


def test_a_damaged_checkpoint_is_skipped_with_a_message_and_the_one_before_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, damaged, unfinished = (save(tmp_path, step) for step in (9, 10, 11))
    (damaged / "weights").write_text("123")
    (unfinished / checkpointing.MARK).unlink()
    assert choose(tmp_path, "last", OURS, saves=True) == good
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "skipped and removed checkpoint-10: weights has 3 of 5 bytes",
        "skipped and removed checkpoint-11: it was not written to its end",
        f"resuming from {good}",
    ]
    assert checkpointing.all_checkpoints(tmp_path) == [good]


def test_a_run_without_checkpoints_starts_at_the_beginning(tmp_path: Path) -> None:
    assert choose(tmp_path / "not-there", "last", OURS, saves=True) is None
    assert choose(tmp_path, None, OURS, saves=True) is None


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ({"base_model": "weights with checksum 3"}, "base_model 'weights with checksum 3' in the checkpoint"),
        ({"train_data": "48 rows with checksum 2"}, "train_data '48 rows with checksum 2' in the checkpoint"),
        ({"rows_per_step": 8}, "rows_per_step 8 in the checkpoint, 16 here"),
        ({"sharded": False}, "sharded False in the checkpoint, True here"),
        (
            {"settings": {"lora_r": 8, "weight_decay": 0.1}},
            "learning_rate 'default' in the checkpoint, 0.004 here; lora_r 8 in the checkpoint, 32 here;"
            " weight_decay 0.1 in the checkpoint, 'default' here",
        ),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, theirs: dict, told: str, named: bool) -> None:
    checkpoint = save(tmp_path, 4, changed(**theirs))
    with pytest.raises(UserError) as refused:
        choose(tmp_path, str(checkpoint) if named else "last", OURS, saves=True)
    assert f"found: {checkpoint} of another run: {told}" in str(refused.value)
    assert "next: set them as they were, or give another output_dir" in str(refused.value)
    assert checkpointing.is_complete(checkpoint)


def test_another_number_of_processes_with_the_same_rows_a_step_goes_on_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = save(tmp_path, 4, changed(num_processes=4))
    assert choose(tmp_path, "last", OURS, saves=True) == checkpoint
    assert "written by 4 processes, read by 2" in capsys.readouterr().out


def test_a_named_checkpoint_must_be_complete(tmp_path: Path) -> None:
    checkpoint = save(tmp_path, 4)
    assert choose(tmp_path, str(checkpoint), OURS, saves=True) == checkpoint
    (checkpoint / "weights").unlink()
    with pytest.raises(UserError, match="not complete: weights is missing"):
        choose(tmp_path, str(checkpoint), OURS, saves=True)


def test_a_run_that_saves_does_not_begin_beside_the_checkpoints_of_an_earlier_one(tmp_path: Path) -> None:
    there = save(tmp_path, 90)
    with pytest.raises(UserError, match="checkpoint-90 of an earlier run"):
        choose(tmp_path, None, OURS, saves=True)
    assert choose(tmp_path, None, OURS, saves=False) is None
    assert checkpointing.is_complete(there)


RESUMES = """
import os, sys
from types import SimpleNamespace
from accelerate import PartialState
from tuning.errors import UserError
from tuning.resume import resume_point

number = PartialState(cpu=True).process_index
os.chdir(sys.argv[1 + number])  # a machine of its own, with a folder of the same name
training = SimpleNamespace(
    process_index=number,
    local_process_index=0,
    output_dir="out",
    resume_from_checkpoint="last",
    save_strategy="steps",
)
try:
    resume_point(training, {fingerprint})
except UserError as error:
    line = f"process {{number}}: " + error.parts["found"] + "\\n"
    os.write(1, line.encode())  # at once: the other process writes to the same pipe
"""


def test_a_machine_that_does_not_have_the_checkpoint_is_named_to_all(tmp_path: Path) -> None:
    machines = [tmp_path / "first", tmp_path / "second"]
    for machine in machines:
        checkpoint = save(machine / "out", 4)
    (checkpoint / "weights").write_text("123")
    script = tmp_path / "resumes.py"
    script.write_text(RESUMES.format(fingerprint=OURS))
    done = subprocess.run(
        [*torchrun(2)[:-1], str(script), *map(str, machines)],
        env=environment(PYTHONPATH=str(TRAIN.parent)),
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    found = "out/checkpoint-4 on the machine of process 1: weights has 3 of 5 bytes"
    assert sorted(line for line in done.stdout.splitlines() if line.startswith("process")) == [
        f"process 0: {found}",
        f"process 1: {found}",
    ], done.stderr


@pytest.mark.parametrize(
    ("strategy", "step", "epoch", "is_missing"),
    [
        ("epoch", 12, 1.0, True),
        ("epoch", 13, 1.08, False),
        ("epoch", 20, 1.67, True),  # the last step, in the middle of an epoch
        ("steps", 15, 1.25, True),
        ("steps", 16, 1.33, False),
        ("steps", 20, 1.67, True),
        ("no", 12, 1.0, False),
        ("epoch", 0, 0.0, False),
    ],
)
def test_an_evaluation_is_missing_where_its_step_has_none(
    strategy: str, step: int, epoch: float, is_missing: bool
) -> None:
    state = SimpleNamespace(global_step=step, epoch=epoch, max_steps=20, eval_steps=5, log_history=[])
    arguments = SimpleNamespace(eval_strategy=strategy)
    assert evaluation_is_missing(arguments, state) == is_missing
    state.log_history = [{"step": step, "loss": 1.0}, {"step": step, "eval_loss": 1.0}]
    assert not evaluation_is_missing(arguments, state)


def test_the_step_of_a_checkpoint_is_logged_whatever_the_interval() -> None:
    """Else the checkpoint would hold half of an average, and the count of tokens of an earlier step."""
    for saves in (False, True):
        flow = SimpleNamespace(should_log=False, should_save=saves)
        LogBeforeSave().on_step_end(None, None, flow)
        assert flow.should_log == saves
    history = [
        {"step": 2, "num_tokens": 40.0},
        {"step": 3, "num_tokens": 61.0},
        {"step": 3, "eval_loss": 1.0},
    ]
    assert tokens_so_far(history) == 61
    assert tokens_so_far([]) == 0
