"""Stop in time: on SIGTERM (a spot interruption, a stopped job) or before a time limit, with a checkpoint."""

from __future__ import annotations

import signal
import time

from transformers import TrainerCallback


class StopInTime(TrainerCallback):
    """Save and stop once a SIGTERM came or the time is used up, on all processes at the same step.

    Args:
        time_limit_s: seconds of training after which to stop; None for no limit.
    """

    def __init__(self, time_limit_s: float | None) -> None:
        self.reason: str | None = None
        self._time_limit_s = time_limit_s
        self._deadline: float | None = None
        self._terminated = False
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, signum, frame) -> None:
        self._terminated = True

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Start the clock."""
        if self._time_limit_s is not None:
            self._deadline = time.monotonic() + self._time_limit_s

    def on_train_end(self, args, state, control, **kwargs) -> None:
        """Leave SIGTERM to the system again: nobody asks for the flag while saving and merging."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Agree with the others on whether to stop: a signal may reach them between different steps."""
        wanted = (
            2 if self._terminated else int(self._deadline is not None and time.monotonic() >= self._deadline)
        )
        wanted = self._highest(wanted)
        if wanted and state.global_step < state.max_steps:
            self.reason = "SIGTERM" if wanted == 2 else "time limit"
            control.should_save = control.should_training_stop = True

    @staticmethod
    def _highest(value: int) -> int:
        import torch
        import torch.distributed

        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return value
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        shared = torch.tensor(value, device=device)
        torch.distributed.all_reduce(shared, op=torch.distributed.ReduceOp.MAX)
        return int(shared.item())
