"""A run stops in time, with a checkpoint: what is left to do fits into the limit, no evaluation delays it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.train.conftest import HANG_S, environment, sample_settings, torchrun, train

from tuning import checkpointing
from tuning.stopping import EvaluationStopped, ShutdownEstimate, StopInTime

SAVING = ("--save_strategy", "steps", "--save_steps", "2", "--save_total_limit", "2")


@pytest.fixture(autouse=True)
def _restore_sigterm():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def estimate(**values: float) -> ShutdownEstimate:
    known = {"load_s": 0.0, "merged_bytes": 0, "checkpoint_bytes": 0, "merges": False, "slowest_save_s": 1e-9}
    return ShutdownEstimate(**known | values)


def stop_in_time(
    given: ShutdownEstimate | None = None, *, launched_s_ago: float = 0, **limits: float
) -> StopInTime:
    known = {"time_limit_s": None, "max_steps_per_launch": None}
    return StopInTime(given or estimate(), launched_at=time.time() - launched_s_ago, **known | limits)


def control() -> SimpleNamespace:
    return SimpleNamespace(should_save=False, should_training_stop=False, should_evaluate=True)


def at(step: int, max_steps: int = 10) -> SimpleNamespace:
    return SimpleNamespace(global_step=step, max_steps=max_steps, is_world_process_zero=True)


def end_step(stop: StopInTime, state: SimpleNamespace) -> SimpleNamespace:
    flow = control()
    stop.on_step_begin(None, state, flow)
    stop.on_step_end(None, state, flow)
    return flow


def test_the_time_limit_counts_from_the_launch() -> None:
    assert end_step(stop_in_time(launched_s_ago=50, time_limit_s=100), at(1)).should_training_stop is False
    stop = stop_in_time(launched_s_ago=100, time_limit_s=100)
    stop.on_train_begin(None, at(0), None)
    flow = end_step(stop, at(1))
    assert (flow.should_training_stop, flow.should_save, flow.should_evaluate) == (True, True, False)
    assert stop.reason == "time limit"


def test_the_time_for_saving_and_merging_is_kept_free() -> None:
    left = estimate(slowest_save_s=20, load_s=10, merged_bytes=3_000_000_000, merges=True)
    assert left.seconds() == pytest.approx(2 * 20 + 3 + 2 * 10 + 30)
    stop = stop_in_time(left, launched_s_ago=50, time_limit_s=100)
    assert end_step(stop, at(1)).should_training_stop
    left.merges = False
    assert not end_step(stop_in_time(left, launched_s_ago=50, time_limit_s=100), at(1)).should_training_stop


def test_a_checkpoint_that_was_never_written_is_estimated_by_its_size() -> None:
    assert estimate(slowest_save_s=0, checkpoint_bytes=500_000_000).seconds() == pytest.approx(2 * 6)


def test_the_slowest_step_is_kept_free_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr("tuning.stopping.time.monotonic", lambda: now)  # the clock: a step of 30 s
    left = estimate()
    stop = stop_in_time(left, time_limit_s=100)
    stop.on_step_begin(None, at(1), None)
    now += 30
    stop.on_step_end(None, at(1), control())
    assert left.slowest_step_s == 30


def test_the_step_limit_counts_from_where_the_launch_resumed() -> None:
    stop = stop_in_time(launched_s_ago=1000, max_steps_per_launch=3)
    stop.on_train_begin(None, at(4), None)
    assert not end_step(stop, at(6)).should_training_stop
    assert end_step(stop, at(7)).should_save
    assert stop.reason == "step limit"


def test_sigterm_cuts_an_evaluation_off_and_saves() -> None:
    stop = stop_in_time()
    flow = control()
    stop.on_prediction_step(None, at(5), flow)
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(EvaluationStopped):
        stop.on_prediction_step(None, at(5), flow)
    assert (flow.should_save, flow.should_training_stop) == (True, True)
    assert stop.reason == "SIGTERM"


def test_sigterm_at_the_last_step_saves_too_and_a_limit_lets_it_end() -> None:
    stop = stop_in_time()
    os.kill(os.getpid(), signal.SIGTERM)
    assert end_step(stop, at(10)).should_save
    assert stop.reason == "SIGTERM"
    for late in (stop_in_time(launched_s_ago=100, time_limit_s=1), stop_in_time(max_steps_per_launch=10)):
        assert not end_step(late, at(10)).should_save
        assert late.reason is None


def test_a_run_that_stops_does_not_evaluate_at_the_end_of_its_epoch() -> None:
    stop = stop_in_time(launched_s_ago=100, time_limit_s=1)
    end_step(stop, at(5))
    flow = control()
    stop.on_epoch_end(None, at(5), flow)
    assert not flow.should_evaluate


def test_after_training_sigterm_ends_the_process_again() -> None:
    stop = stop_in_time()
    stop.on_train_end(None, at(10), None)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def start_until(beginning: str, output_dir: Path, data: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a run on two processes and return it once it has printed a line that begins so."""
    process = subprocess.Popen(
        torchrun(2, *sample_settings(output_dir, data), *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(beginning):
            return process
    raise AssertionError(f"no line {beginning!r} in:\n{''.join(seen)}")


def test_sigterm_saves_a_checkpoint_that_only_its_own_run_resumes_from(
    tmp_path: Path, small_data: Path
) -> None:
    endless = ("--num_train_epochs", "50", *SAVING)
    process = start_until('progress {"step": 3,', tmp_path, small_data, *endless)
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read()
    assert process.wait(timeout=HANG_S) != 0
    assert "SIGTERM, saving a checkpoint" in rest
    last = checkpointing.last_complete(tmp_path)
    assert last is not None, rest
    assert int(last.name.split("-")[1]) >= 3
    assert not (tmp_path / "model").exists()

    other = ("--learning_rate", "0.001", "--resume_from_checkpoint", "last")
    refused = train(tmp_path, small_data, *endless, *other, num_processes=2, expect=1)
    assert (
        f"found     {last} of another run: learning_rate 0.002 in the checkpoint, 0.001 here"
        in refused.output
    )
    assert refused.output.count("found     ") == 1
    assert (
        'tuning/checkpointing.py", line' not in refused.output
    )  # the other process has the same error, not one of its own
    assert checkpointing.is_complete(last)


@pytest.mark.parametrize(
    ("limit", "stopped_by", "num_steps"),
    # the launch alone takes longer than the time limit
    [("--time_limit_s", "time limit", 1), ("--max_steps_per_launch", "step limit", 2)],
)
def test_a_limit_ends_early_with_a_servable_model_and_its_checkpoint(
    tmp_path: Path, small_data: Path, limit: str, stopped_by: str, num_steps: int
) -> None:
    run = train(tmp_path, small_data, limit, "2", "--num_train_epochs", "500", *SAVING)
    (result,) = run.lines("result")
    assert result["stopped_by"] == stopped_by
    assert f"{limit[2:]} 2" in run.output
    assert result["num_steps"] == num_steps
    assert (run.model_dir / "model.safetensors").is_file()
    last = checkpointing.last_complete(tmp_path)
    assert last is not None
    assert last.name == f"checkpoint-{result['num_steps']}"
