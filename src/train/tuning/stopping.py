"""Stop in time: on SIGTERM (a spot interruption, a stopped job) or before a time limit, with a checkpoint."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from transformers import TrainerCallback

if TYPE_CHECKING:
    from tuning.end_cost import EndCost

SIGTERM, TIME_LIMIT = "SIGTERM", "time limit"
_REASONS = {1: TIME_LIMIT, 2: SIGTERM}  # the higher one wins: it leaves no time to merge


class EvaluationStopped(Exception):  # noqa: N818  not an error: the run goes on to save
    """The end of an evaluation for which there is no time left."""


class StopInTime(TrainerCallback):
    """Save and stop once a SIGTERM came or the time is used up, on all processes at the same step.

    Args:
        end_cost: what the end of the run takes, kept free of the time limit.
        launched_at: seconds since the epoch at which the run began.
        time_limit_s: seconds from there until everything is saved and merged; None for no limit.
        training_time_limit_s: seconds of training alone; None for no limit.
    """

    def __init__(
        self,
        end_cost: EndCost,
        *,
        launched_at: float,
        time_limit_s: float | None,
        training_time_limit_s: float | None = None,
    ) -> None:
        self.reason: str | None = None
        self._end_cost = end_cost
        self._launched = time.monotonic() - (time.time() - launched_at)
        self._time_limit_s = time_limit_s
        self._training_time_limit_s = training_time_limit_s
        self._training_began = self._step_began = time.monotonic()
        self._terminated = False
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, signum, frame) -> None:
        self._terminated = True

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Start the clock of the training."""
        self._training_began = time.monotonic()

    def on_train_end(self, args, state, control, **kwargs) -> None:
        """Leave SIGTERM to the system again: nobody asks for the flag while saving and merging."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        """Start the clock of the step."""
        self._step_began = time.monotonic()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Agree with the others on whether to stop: a signal may reach them between different steps."""
        step_s = time.monotonic() - self._step_began
        self._end_cost.slowest_step_s = max(self._end_cost.slowest_step_s, step_s)
        self._agree(state)
        if self.reason:
            self._stop(control)

    def on_epoch_end(self, args, state, control, **kwargs) -> None:
        """Leave out the evaluation that would follow; the run that goes on makes up for a due one."""
        if self.reason:
            self._stop(control)

    def on_prediction_step(self, args, state, control, **kwargs) -> None:
        """Cut an evaluation off: a long one would outlast the grace after a SIGTERM."""
        if self._agree(state):
            self._stop(control)
            raise EvaluationStopped

    def _stop(self, control) -> None:
        control.should_save = control.should_training_stop = True
        control.should_evaluate = False

    def _agree(self, state) -> str | None:
        """Return the reason to stop that any process has, and tell it once."""
        wanted = _highest(2 if self._terminated else int(self._is_out_of_time()))
        reason = _REASONS.get(wanted)
        # All steps are done: what is left is the end itself.
        if reason and not self.reason and state.is_world_process_zero and state.global_step < state.max_steps:
            print(f"stopping after step {state.global_step}: {self._told(reason)}", flush=True)
        if reason and (state.global_step < state.max_steps or reason == SIGTERM):
            self.reason = reason
        return reason

    def _is_out_of_time(self) -> bool:
        now = time.monotonic()
        if self._training_time_limit_s and now - self._training_began >= self._training_time_limit_s:
            return True
        if self._time_limit_s is None:
            return False
        return now - self._launched + self._end_cost.seconds() >= self._time_limit_s

    def _told(self, reason: str) -> str:
        if reason == SIGTERM:
            return "SIGTERM, saving a checkpoint"
        used_s = time.monotonic() - self._launched
        limits = [
            f"{name} {limit:g}"
            for name, limit in (
                ("time_limit_s", self._time_limit_s),
                ("training_time_limit_s", self._training_time_limit_s),
            )
            if limit
        ]
        return (
            f"{' and '.join(limits)}, {used_s:.0f} s since the launch,"
            f" {self._end_cost.seconds():.0f} s estimated for saving and merging"
        )


def _highest(value: int) -> int:
    """Return the highest of all processes' values."""
    import torch
    import torch.distributed

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
    shared = torch.tensor(value, device=device)
    torch.distributed.all_reduce(shared, op=torch.distributed.ReduceOp.MAX)
    return int(shared.item())
