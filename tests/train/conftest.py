"""Real runs of train.py under real torchrun, on the small base model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sample.news.generator import rows
from workshop.prompt import chat_messages

REPO = Path(__file__).parents[2]
TRAIN = REPO / "src" / "train" / "train.py"
HANG_S = 1500  # far beyond what a slow machine takes; pytest itself ends a test later
BASE = REPO / "src" / "sample" / "base" / "model"


@dataclass(frozen=True)
class Run:
    """What a run of train.py printed and left."""

    returncode: int
    output: str
    model_dir: Path

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Return the JSON of all lines that start with a word: progress, phase, sharded or result."""
        return [
            json.loads(line.split(" ", 1)[1])
            for line in self.output.splitlines()
            if line.startswith(f"{kind} {{")
        ]

    @property
    def losses(self) -> list[float]:
        """Return the training loss of every step."""
        return [line["loss"] for line in self.lines("progress") if "loss" in line]


def environment(**extra: str) -> dict[str, str]:
    """Return the environment for a training process: one thread a process, nothing from a hub."""
    return (
        os.environ
        | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        | extra
    )


def torchrun(num_processes: int, *arguments: str) -> list[str]:
    """Return a torchrun command; --standalone takes a free port, so that runs do not meet."""
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc_per_node={num_processes}",
    ]
    return [*launcher, str(TRAIN), *arguments]


def sample_settings(output_dir: Path, train_data: Path) -> list[str]:
    """Return the sample recipe with eight rows a process: 96 rows are six steps on two processes."""
    return [
        *("--config", "sample.yaml", "--model_name_or_path", str(BASE)),
        *("--train_data", str(train_data), "--output_dir", str(output_dir)),
        *("--per_device_train_batch_size", "8"),
    ]


def train(
    output_dir: Path,
    train_data: Path,
    *arguments: str,
    num_processes: int = 1,
    expect: int = 0,
    **options: Any,
) -> Run:
    """Run train.py with `sample_settings`, changed by more arguments, and return what came of it."""
    done = subprocess.run(
        torchrun(num_processes, *sample_settings(output_dir, train_data), *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        timeout=HANG_S,
        **options,
    )
    assert (done.returncode == 0) == (expect == 0), done.stdout[-4000:]
    return Run(done.returncode, done.stdout, output_dir / "model")


def write_rows(path: Path, num_rows: int, *, seed: int) -> Path:
    """Write generated news as chat rows and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for row in rows(num_rows, seed):
            file.write(json.dumps({"messages": chat_messages(row["document"], row["summary"])}) + "\n")
    return path


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 generated rows: six steps of sixteen."""
    return write_rows(tmp_path_factory.mktemp("data") / "train.jsonl", 96, seed=7)


@pytest.fixture(scope="session")
def qlora_run(tmp_path_factory: pytest.TempPathFactory, small_data: Path) -> Run:
    """The sample recipe as it is: 4-bit base, float32, two processes, FSDP."""
    return train(tmp_path_factory.mktemp("qlora"), small_data, num_processes=2)
