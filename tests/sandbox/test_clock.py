"""The clock's speed comes from one variable, and a wrong one is reported before anything starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import clock


@pytest.fixture(autouse=True)
def read_anew(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv(clock.VARIABLE, raising=False)
    clock.speed.cache_clear()
    yield
    clock.speed.cache_clear()


def test_time_passes_as_on_aws_unless_it_is_said_otherwise() -> None:
    assert clock.real_s(300) == 300


def test_a_wait_is_divided_by_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clock.VARIABLE, "60")
    assert clock.real_s(300) == 5


@pytest.mark.parametrize("given", ["0.5", "601", "fast", "nan", ""])
def test_a_speed_out_of_range_is_an_error(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(clock.VARIABLE, given)
    with pytest.raises(clock.ClockError, match=f"SANDBOX_CLOCK_SPEED={given}"):
        clock.speed()


def test_a_sandbox_with_a_wrong_speed_says_what_to_do(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox", "--home", str(tmp_path)],
        env={**os.environ, clock.VARIABLE: "1000"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 2
    assert "SANDBOX_CLOCK_SPEED=1000" in ended.stderr
    assert "a number from 1 to 600" in ended.stderr


def test_health_tells_the_speed(sandbox: Any) -> None:
    assert requests.get(f"{sandbox.url}/_sandbox/health", timeout=300).json()["clock_speed"] == 1
