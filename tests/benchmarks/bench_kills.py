"""Whether a run that is killed again and again ends where an undisturbed one does: 20 kills, seeded."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.train.conftest import write_rows
from tests.train.kills import KilledRun, draw

NUM_KILLS = 20
NUM_KILLS_A_RUN = 4
SEED = 20_261_125


@pytest.mark.timeout(3600)
def test_every_killed_run_ends_where_an_undisturbed_one_does(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "train.jsonl", 48, seed=7)
    whole = KilledRun(tmp_path / "whole", data).finish()
    print(f"\nundisturbed: loss {whole['train_loss']:.9f}, eval loss {whole['eval_loss']:.9f}")
    print(f"{'run':>3} {'killed':<34} {'at step':>7} {'checkpoint':>12} {'writing':>7} {'gone':>7} orphans")
    dice = random.Random(SEED)
    num_kills, number, orphans, lost, apart = 0, 0, 0, 0, []
    while num_kills < NUM_KILLS:
        number += 1
        output_dir = tmp_path / f"run-{number}"
        for _ in range(NUM_KILLS_A_RUN):
            if num_kills == NUM_KILLS:
                break
            run = KilledRun(output_dir, data)
            plan = draw(dice, first_step=_checkpoint(output_dir))
            seen = run.kill(plan)
            if seen is None:  # it was faster
                break
            num_kills += 1
            orphans += len(seen.orphans)
            lost += seen.checkpoint_after < seen.checkpoint_before
            moved = f"{seen.checkpoint_before} -> {seen.checkpoint_after}"
            print(
                f"{number:>3} {plan!s:<34} {seen.steps_done:>7} {moved:>12}"
                f" {'yes' if seen.was_writing else '':>7} {seen.gone_after_s:>5.1f} s {len(seen.orphans)}",
                flush=True,
            )
        result = KilledRun(output_dir, data).finish()
        for name in ("train_loss", "eval_loss", "num_tokens"):
            apart.append(abs(result[name] / whole[name] - 1))
        print(f"{number:>3} ended: loss {result['train_loss']:.9f}, eval loss {result['eval_loss']:.9f}")
    print(f"{num_kills} kills: {orphans} orphans, {lost} checkpoints lost, losses {max(apart):.1e} apart")
    assert not orphans
    assert not lost
    assert max(apart) <= 1e-4


def _checkpoint(output_dir: Path) -> int:
    from tuning import checkpointing

    last = checkpointing.last_complete(output_dir)
    return int(last.name.split("-")[1]) if last else 0
