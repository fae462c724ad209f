"""A training that is watched from outside: CPU time of all its processes, of its steps and of the whole."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass

import psutil

# TRL's last line. One gloo run in dozens hangs in the process group's destructor after it.
SAVED = "Model saved to"
EXIT_PATIENCE_S = 30


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What had been used when a step was logged.

    Attributes:
        num_tokens: trained on so far, without padding; transformers rounds it to four digits.
        loss: mean of the steps since the mark before.
        cpu_s: of all processes since the launch.
        wall_s: since the launch.
    """

    step: int
    num_tokens: int
    loss: float
    cpu_s: float
    wall_s: float


@dataclass(frozen=True, kw_only=True)
class TimedTraining:
    """What a training used.

    Attributes:
        marks: one a logged step.
        cpu_s: user and system time of all processes, from launch to exit.
        wall_s: from launch to exit.
        hung: it had saved everything, did not end by itself and was ended.
    """

    marks: list[Mark]
    cpu_s: float
    wall_s: float
    hung: bool

    @property
    def num_step_tokens(self) -> int:
        """Tokens between the first and the last logged step, without padding."""
        return self.marks[-1].num_tokens - self.marks[0].num_tokens

    @property
    def step_cpu_s(self) -> float:
        """CPU time between the first and the last logged step: no start-up, no merging."""
        return self.marks[-1].cpu_s - self.marks[0].cpu_s

    @property
    def step_wall_s(self) -> float:
        """Time between the first and the last logged step."""
        return self.marks[-1].wall_s - self.marks[0].wall_s


def watch(command: list[str], environment: dict[str, str], *, logging_steps: int) -> TimedTraining:
    """Run a training of train.py or of TRL's script to its end.

    Args:
        command: that prints `progress {...}` or, as transformers does, one dict a logged step.
        environment: of the command.
        logging_steps: from one logged step to the next; transformers prints no step.

    Raises:
        RuntimeError: with the end of its output, when it fails.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment | {"PYTHONUNBUFFERED": "1"},
    )
    marks: list[Mark] = []
    losses: list[float] = []
    output: list[str] = []
    impatience: threading.Timer | None = None
    for line in process.stdout:
        output.append(line)
        if SAVED in line:
            impatience = threading.Timer(EXIT_PATIENCE_S, process.terminate)
            impatience.start()
        logged = _logged(line)
        if not logged:
            continue
        losses.append(float(logged["loss"]))
        step = int(logged.get("step", (len(marks) + 1) * logging_steps))
        if step % logging_steps:
            continue
        marks.append(
            Mark(
                step=step,
                num_tokens=int(float(logged["num_tokens"])),
                loss=statistics.mean(losses),
                cpu_s=_cpu_s_of_tree(process.pid),
                wall_s=time.monotonic() - began,
            )
        )
        losses.clear()
    # torchrun waits for its workers, so that their time is in its own.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.monotonic() - began
    hung = bool(impatience and impatience.finished.is_set())
    if impatience:
        impatience.cancel()
    if (process.returncode and not hung) or len(marks) < 2:
        raise RuntimeError(f"{command}: status {process.returncode}\n{''.join(output)[-4000:]}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return TimedTraining(marks=marks, cpu_s=cpu_s, wall_s=wall_s, hung=hung)


def _logged(line: str) -> dict[str, object] | None:
    """Return what a logged training step says, or None for any other line."""
    if line.startswith("progress {"):
        values = json.loads(line.split(" ", 1)[1])
    elif line.startswith("{'loss'"):
        values = ast.literal_eval(line.strip())
    else:
        return None
    return values if "loss" in values and "num_tokens" in values else None


def _cpu_s_of_tree(pid: int) -> float:
    """Return the CPU time of a process, of those below it, and of those below them that have ended."""
    root = psutil.Process(pid)
    total_s = 0.0
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total_s += times.user + times.system + times.children_user + times.children_system
    return total_s
