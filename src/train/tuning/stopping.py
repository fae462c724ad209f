"""Stop in time, with a checkpoint: on SIGTERM (a spot interruption, a stopped job) or before a limit."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from transformers import TrainerCallback

SIGTERM, TIME_LIMIT, STEP_LIMIT = "SIGTERM", "time limit", "step limit"
# Slow disks of cloud machines; what a run measures itself replaces the guess.
_WRITE_BYTES_PER_S = 100e6
_IMPORTS_S = 3.0  # of what merging needs beside training
_REASONS = {1: STEP_LIMIT, 2: TIME_LIMIT, 3: SIGTERM}  # the highest wins: SIGTERM leaves no time to merge


@dataclass(kw_only=True)
class ShutdownEstimate:
    """How long a run needs after its last step, estimated while it trains: for a time limit that is kept.

    Args:
        load_s: seconds that loading the base model took; merging loads it again.
        merged_bytes: size of the merged model.
        merges: whether the adapter is merged at the end.
        checkpoint_bytes: size of a checkpoint: the adapter and two moments of each of its weights.
    """

    load_s: float
    merged_bytes: int
    merges: bool
    checkpoint_bytes: int = 0
    slowest_save_s: float = 0.0
    slowest_step_s: float = 0.0

    def seconds(self) -> float:
        """Return the seconds for one more step, the last checkpoint, the adapter and the merge."""
        save_s = self.slowest_save_s or 1.0 + self.checkpoint_bytes / _WRITE_BYTES_PER_S
        # Gathering and writing the adapter is a part of what a checkpoint does.
        seconds = self.slowest_step_s + 2 * save_s
        if self.merges:
            seconds += _IMPORTS_S + 2 * self.load_s + self.merged_bytes / _WRITE_BYTES_PER_S
        return seconds


class EvaluationStopped(Exception):  # noqa: N818  not an error: the run still saves
    """The end of an evaluation for which there is no time left."""


class StopInTime(TrainerCallback):
    """Save and stop once a SIGTERM came or the time is used up, on all processes at the same step.

    Args:
        estimate: of what is left after the last step, kept free of the time limit.
        launched_at: seconds since the epoch at which the run began.
        time_limit_s: seconds from there until everything is saved and merged; None for no limit.
        max_steps_per_launch: steps of this launch, whatever the run has already; None for no limit.
    """

    def __init__(
        self,
        estimate: ShutdownEstimate,
        *,
        launched_at: float,
        time_limit_s: float | None,
        max_steps_per_launch: int | None = None,
    ) -> None:
        self.reason: str | None = None
        self.estimate = estimate
        self._launched = time.monotonic() - (time.time() - launched_at)
        self._time_limit_s = time_limit_s
        self._max_steps_per_launch = max_steps_per_launch
        self._first_step = 0
        self._step_began = time.monotonic()
        self._terminated = False
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, signum, frame) -> None:
        self._terminated = True

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Count this launch's steps from the checkpoint that it resumes."""
        self._first_step = state.global_step

    def on_train_end(self, args, state, control, **kwargs) -> None:
        """Leave SIGTERM to the system again: nobody asks for the flag while saving and merging."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        """Start the clock of the step."""
        self._step_began = time.monotonic()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Agree with the others on whether to stop: a signal may reach them between different steps."""
        step_s = time.monotonic() - self._step_began
        self.estimate.slowest_step_s = max(self.estimate.slowest_step_s, step_s)
        self._agree(state)
        if self.reason:
            self._stop(control)

    def on_epoch_end(self, args, state, control, **kwargs) -> None:
        """Leave out the evaluation that would follow; the run that resumes makes up for a due one."""
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
        """Return the reason to stop that any process has, and print it once."""
        wanted = _highest(self._own_reason(state))
        reason = _REASONS.get(wanted)
        # All steps are done: what is left is the end itself.
        if reason and not self.reason and state.is_world_process_zero and state.global_step < state.max_steps:
            print(f"stopping after step {state.global_step}: {self._describe(reason)}", flush=True)
        if reason and (state.global_step < state.max_steps or reason == SIGTERM):
            self.reason = reason
        return reason

    def _own_reason(self, state) -> int:
        """Return the number of this process's reason to stop, 0 without one."""
        if self._terminated:
            return 3
        if self._is_out_of_time():
            return 2
        num_steps = state.global_step - self._first_step
        return int(self._max_steps_per_launch is not None and num_steps >= self._max_steps_per_launch)

    def _is_out_of_time(self) -> bool:
        if self._time_limit_s is None:
            return False
        used_s = time.monotonic() - self._launched
        return used_s + self.estimate.seconds() >= self._time_limit_s

    def _describe(self, reason: str) -> str:
        if reason == SIGTERM:
            return "SIGTERM, saving a checkpoint"
        if reason == STEP_LIMIT:
            return f"max_steps_per_launch {self._max_steps_per_launch}"
        used_s = time.monotonic() - self._launched
        return (
            f"time_limit_s {self._time_limit_s:g}, {used_s:.0f} s since the launch,"
            f" {self.estimate.seconds():.0f} s estimated for saving and merging"
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
