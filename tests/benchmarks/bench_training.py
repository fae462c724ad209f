"""How long a training takes from launch to saved adapter, and its parts; how soon errors are told."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.train.conftest import TRAIN, environment, train, write_rows


@pytest.mark.parametrize("num_processes", [1, 2])
def test_launch_to_saved_adapter(tmp_path: Path, num_processes: int) -> None:
    data = write_rows(tmp_path / "train.jsonl", 4_000, seed=1)
    started = time.monotonic()
    per_process = str(8 // num_processes)  # the recipe's eight rows a step
    run = train(
        tmp_path / "out", data, "--per_device_train_batch_size", per_process, num_processes=num_processes
    )
    wall_s = time.monotonic() - started
    (result,) = run.lines("result")
    parts = "  ".join(f"{name} {seconds:.1f}" for name, seconds in result["phases"].items())
    print(f"\n{num_processes} processes: {wall_s:.1f} s from launch to exit; {parts}")
    speed, memory = result["tokens_per_s"], result["memory_mib"]
    print(f"  {result['num_steps']} steps, {speed:,.0f} tokens/s, {memory:,.0f} MiB a process")


@pytest.mark.parametrize("words", [["--help"], ["--config", "sample.yaml", "--lerning_rate", "1"]])
def test_time_to_answer(words: list[str]) -> None:
    times = []
    for _ in range(5):
        started = time.monotonic()
        subprocess.run([sys.executable, str(TRAIN), *words], capture_output=True, env=environment())
        times.append(time.monotonic() - started)
    print(f"\n{' '.join(words)}: median {sorted(times)[2]:.2f} s, slowest {max(times):.2f} s")
