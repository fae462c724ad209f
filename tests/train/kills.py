"""Runs of train.py that are killed: by which signal whom, at which moment, and what is left of them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tests.train.conftest import HANG_S, environment, sample_settings, torchrun

from tuning import checkpointing

LAUNCH_ID = "KILLED_RUN"  # environment variable that every process of a run has
# Small and exact: float32, dropout so that random numbers count, an evaluation at the end of each epoch,
# which is also where a checkpoint falls. 48 rows are 12 steps an epoch.
SETTINGS = (
    *("--dtype", "float32", "--bf16", "false", "--bnb_4bit_quant_storage", "float32"),
    *("--load_in_4bit", "false", "--lora_dropout", "0.1", "--per_device_train_batch_size", "2"),
    *("--num_train_epochs", "2", "--save_strategy", "steps", "--save_steps", "3"),
    *("--save_total_limit", "2", "--resume_from_checkpoint", "last", "--merge", "false"),
)
NUM_STEPS = 24
ALONE_TIMEOUT_S = 300  # torchrun gives its workers 30 s, and a slow machine is slow to take a step and save
TARGETS = ("worker", "torchrun", "everything")


@dataclass(kw_only=True)
class Kill:
    """What was killed when.

    Args:
        target: one of TARGETS.
        moment: "start" (any time in the first seconds), "step" (after a step) or "saving" (a checkpoint).
        rank: the worker that is killed.
        step: the step after which it happens, for the moment "step".
        delay_s: after that moment.
    """

    target: str
    moment: str
    rank: int
    step: int
    delay_s: float

    def __str__(self) -> str:
        who = f"worker {self.rank}" if self.target == "worker" else self.target
        when = {"start": "", "step": f" after step {self.step}", "saving": " while saving"}[self.moment]
        return f"{who}{when} +{self.delay_s:.2f} s"


@dataclass(kw_only=True)
class Seen:
    """What was seen around a kill."""

    steps_done: int
    checkpoint_before: int
    checkpoint_after: int
    was_writing: bool
    gone_after_s: float
    orphans: list[int]


def draw(dice: random.Random, *, first_step: int) -> Kill:
    """Return a kill at a random moment.

    Args:
        dice: seeded.
        first_step: the step that the run begins with; kills after steps come a few later.
    """
    moment = dice.choices(("start", "step", "saving"), weights=(1, 3, 3))[0]
    return Kill(
        target=dice.choice(TARGETS),
        moment=moment,
        rank=dice.randrange(2),
        step=min(NUM_STEPS, first_step + dice.randrange(1, 7)),
        delay_s=dice.uniform(0, {"start": 6, "step": 0.4, "saving": 0.2}[moment]),
    )


@dataclass
class KilledRun:
    """A run of train.py on two processes, in a folder where it resumes.

    Args:
        output_dir: of the run.
        data: training rows, also evaluated on.
        launcher: more arguments of torchrun.
    """

    output_dir: Path
    data: Path
    launcher: tuple[str, ...] = ()
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.launch_id = uuid.uuid4().hex
        command = torchrun(
            2, *sample_settings(self.output_dir, self.data), "--validation_data", str(self.data), *SETTINGS
        )
        command[3:3] = self.launcher
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Without it, workers that are started again may wait for those of the attempt before.
            env=environment(**{LAUNCH_ID: self.launch_id, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}),
            start_new_session=True,
        )
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def output(self) -> str:
        """Return what it has printed."""
        return "".join(self.lines)

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Return the JSON of all lines that start with a word."""
        return [json.loads(line.split(" ", 1)[1]) for line in self.lines if line.startswith(f"{kind} {{")]

    @property
    def step(self) -> int:
        """Return the last step it has reported."""
        return max((record["step"] for record in self.records("progress")), default=0)

    def close(self) -> None:
        """Kill what still runs of it."""
        for process in self.processes():
            _kill(process)
        self.process.wait()

    def finish(self) -> dict[str, Any]:
        """Wait for a good end and return its result."""
        self._reader.join(timeout=HANG_S)
        assert self.process.wait(timeout=HANG_S) == 0, self.output[-4000:]
        (result,) = self.records("result")
        return result

    def wait_for_step(self, step: int) -> bool:
        """Wait until a step is reported, and return whether the run is still alive."""
        with self._news:
            self._news.wait_for(lambda: self.step >= step or not self._reader.is_alive(), timeout=HANG_S)
        return self._reader.is_alive()

    def _is_writing(self) -> bool:
        return any(
            not (path / checkpointing.MARKER).is_file()
            for path in checkpointing.all_checkpoints(self.output_dir)
        )

    def processes(self) -> list[psutil.Process]:
        """Return what runs of it, found by its launch id: torchrun first, then the workers by rank."""
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    process.status() != psutil.STATUS_ZOMBIE
                    and process.environ().get(LAUNCH_ID) == self.launch_id
                ):
                    found.append((int(process.environ().get("RANK", -1)), process.pid, process))
            except (psutil.Error, OSError):
                continue
        return [process for _, _, process in sorted(found)]

    def kill(self, plan: Kill) -> Seen | None:
        """Wait for the moment, kill, and wait until everything is gone; None when the run ended before."""
        if plan.moment == "step" and not self.wait_for_step(plan.step):
            return None
        if plan.moment == "saving":
            if not self.wait_for_step(1):  # what an earlier kill left has been removed by then
                return None
            while not self._is_writing():  # nothing notifies of a new folder
                if self.process.poll() is not None:
                    return None
                time.sleep(0.002)
        time.sleep(plan.delay_s)
        before = _number(checkpointing.last_complete(self.output_dir))
        victims = self.processes()
        if plan.target == "worker":
            victims = [each for each in victims if _rank(each) == plan.rank][:1]
        elif plan.target == "torchrun":
            victims = victims[:1]
        step = self.step
        was_writing = step > 0 and self._is_writing()
        for victim in victims:
            _kill(victim)
        killed = time.monotonic()
        self._reader.join(timeout=ALONE_TIMEOUT_S)  # the pipe closes with the last process that writes to it
        orphans = [process.pid for process in self.processes()]
        gone_after_s = time.monotonic() - killed
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(timeout=HANG_S)
        self._reader.join(timeout=HANG_S)
        return Seen(
            steps_done=step,
            checkpoint_before=before,
            checkpoint_after=_number(checkpointing.last_complete(self.output_dir)),
            was_writing=was_writing,
            gone_after_s=gone_after_s,
            orphans=orphans,
        )


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # ended by itself or with the one before
        process.kill()


def _rank(process: psutil.Process) -> int | None:
    try:
        return int(process.environ().get("RANK", -1))
    except (psutil.Error, OSError):
        return None


def _number(checkpoint: Path | None) -> int:
    return int(checkpoint.name.split("-")[1]) if checkpoint else 0
