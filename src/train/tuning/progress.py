"""Say what happens, one line a step, in a form that people and programs read: `progress {...}`."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

from transformers import TrainerCallback


def say(kind: str, **values: object) -> None:
    """Print one line: `batches`, `phase`, `progress`, `sharded` or `result`, then JSON."""
    print(kind, json.dumps(values), flush=True)


def memory_mib() -> float:
    """Return the peak memory of this process in MiB: on the GPU where it is used, resident otherwise."""
    import torch

    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


class Phases:
    """Stop-watch for the parts of a run: `phases.end("data")` prints how long it took since the last end."""

    def __init__(self, started: float) -> None:
        self.seconds: dict[str, float] = {}
        self._last = started

    def end(self, name: str, *, show: bool) -> None:
        """End the part `name`; print it when `show`."""
        now = time.time()
        self.seconds[f"{name}_s"] = round(now - self._last, 2)
        self._last = now
        if show:
            say("phase", **{f"{name}_s": self.seconds[f"{name}_s"]})


class PrintProgress(TrainerCallback):
    """Print every log entry of the trainer with speed and memory."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._last_time, self._last_tokens = self._started, 0.0

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Start the clock of the first step."""
        self._started = self._last_time = time.monotonic()
        self._last_tokens = float(tokens_so_far(state.log_history))

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        """Print a step or an evaluation; the trainer's closing summary is left to `result`."""
        if not state.is_world_process_zero or not logs or "train_runtime" in logs:
            return
        line: dict[str, object] = {"step": state.global_step, "num_steps": state.max_steps}
        names = ("epoch", "loss", "eval_loss", "learning_rate", "grad_norm", "mean_token_accuracy")
        line |= {name: _rounded(logs[name]) for name in names if name in logs}
        if "loss" in logs and "num_tokens" in logs:
            now = time.monotonic()
            line["num_tokens"] = int(logs["num_tokens"])
            line["tokens_per_s"] = round(
                (logs["num_tokens"] - self._last_tokens) / max(now - self._last_time, 1e-9), 1
            )
            self._last_time, self._last_tokens = now, logs["num_tokens"]
        line["memory_mib"] = round(memory_mib(), 1)
        line["elapsed_s"] = round(time.monotonic() - self._started, 2)
        say("progress", **line)


class LogBeforeSave(TrainerCallback):
    """Log whenever a checkpoint is saved: it then holds its count of tokens and no half of an average."""

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Come after the callbacks that decide to save."""
        control.should_log = control.should_log or control.should_save

    on_epoch_end = on_step_end


def tokens_so_far(log_history: list[dict[str, Any]]) -> int:
    """Return the tokens trained on until the last entry; a checkpoint's own step is always logged."""
    counts = [entry["num_tokens"] for entry in log_history if "num_tokens" in entry]
    return int(counts[-1]) if counts else 0


def _rounded(value: object) -> object:
    return float(f"{float(value):.6g}") if isinstance(value, int | float | str) else value
