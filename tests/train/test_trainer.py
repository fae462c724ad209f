"""What a resumed run restores beside what transformers does."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tuning.progress import LogBeforeSave, tokens_so_far
from tuning.trainer import evaluation_is_missing


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
