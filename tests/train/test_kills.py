"""A run that is killed resumes to the same end, and leaves no process behind (20 times: `bench_kills.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.train.conftest import write_rows
from tests.train.kills import Kill, KilledRun

from tuning import checkpointing


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., KilledRun]]:
    """Start a run in a folder of its own; whatever is left of it in the end is killed."""
    data = write_rows(tmp_path / "train.jsonl", 48, seed=7)
    runs: list[KilledRun] = []

    def start_one(folder: str, **options: object) -> KilledRun:
        runs.append(KilledRun(tmp_path / folder, data, **options))
        return runs[-1]

    yield start_one
    for run in runs:
        run.close()


def test_a_run_killed_three_times_ends_where_an_undisturbed_one_does(
    start: Callable[..., KilledRun], tmp_path: Path
) -> None:
    undisturbed = start("whole")
    whole = undisturbed.finish()
    assert not checkpointing.all_checkpoints(tmp_path / "whole")  # a finished run leaves its artifact only

    # Step 12 ends an epoch: it is saved, then evaluated; torchrun is killed before the evaluation is done.
    for plan in (
        Kill(target="everything", moment="saving", rank=0, step=0, delay_s=0.02),
        Kill(target="torchrun", moment="step", rank=0, step=12, delay_s=0),
    ):
        run = start("killed")
        seen = run.kill(plan)
        assert seen is not None, run.output[-4000:]
        assert seen.orphans == []
        assert seen.checkpoint_after >= seen.checkpoint_before
    assert "skipped and removed checkpoint-3: it was not written to its end" in run.output

    # torchrun starts the workers again by itself when one of them is killed.
    last = start("killed", launcher=("--max_restarts=1",))
    assert last.wait_for_step(max(seen.checkpoint_after, 12) + 5)
    worker = last.processes()[2]
    worker.kill()
    result = last.finish()
    assert last.output.count("resuming from") == 2

    expected = {(each["step"], "loss" in each): each for each in undisturbed.records("progress")}
    for record in run.records("progress") + last.records("progress"):
        same = expected[record["step"], "loss" in record]
        for name in {"loss", "eval_loss", "learning_rate", "num_tokens", "grad_norm"} & record.keys():
            assert record[name] == pytest.approx(same[name], rel=1e-4), (record["step"], name)
    evaluated = {
        each["step"] for each in run.records("progress") + last.records("progress") if "eval_loss" in each
    }
    assert evaluated == {12, 24}
    for name in ("train_loss", "eval_loss"):
        assert result[name] == pytest.approx(whole[name], rel=1e-4)
    assert (result["num_steps"], result["num_tokens"]) == (whole["num_steps"], whole["num_tokens"])
