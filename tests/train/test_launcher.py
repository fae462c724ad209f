"""A worker knows when its run was launched, and ends when torchrun is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from tests.train.conftest import HANG_S, REPO

from tuning.errors import UserError
from tuning.launcher import check_restarts, ignore_missing_interfaces, launched_at

WORKER = """
import os, signal, subprocess, sys, threading
sys.path.insert(0, {source!r})
from tuning.launcher import end_with_launcher, launched_at
{before}
end_with_launcher()
print(os.getpid(), launched_at(), flush=True)
threading.Event().wait()
"""
# As torchrun does: workers in sessions of their own. Its name is what a worker knows it by.
LAUNCHER = """
import subprocess, sys, threading
subprocess.Popen([sys.executable, "-c", sys.argv[2]], start_new_session=True)
threading.Event().wait()
"""


def launch(before: str = "", **environment: str) -> tuple[subprocess.Popen[str], int, float]:
    """Return a launcher, the number of its worker and when that says it was launched."""
    worker = WORKER.format(source=str(REPO / "src" / "train"), before=before)
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, "torchrun", worker],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
        start_new_session=True,
    )
    number, began = launcher.stdout.readline().split()
    return launcher, int(number), float(began)


@pytest.mark.parametrize(
    "before",
    ["", "signal.signal(signal.SIGTERM, lambda *_: None)"],
    ids=["it can end", "it hangs and ignores SIGTERM"],
)
def test_a_worker_ends_when_its_launcher_is_killed(before: str) -> None:
    launcher, worker, _ = launch(before, TORCHELASTIC_RUN_ID="x", TORCH_ELASTIC_SHUTDOWN_TIMEOUT="1")
    launcher.kill()
    assert launcher.stdout.read() == ""  # the pipe ends with the worker
    launcher.wait()
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(worker).wait(timeout=HANG_S)


def test_without_torchrun_nobody_is_watched() -> None:
    launcher, worker, _ = launch()
    launcher.kill()
    launcher.wait()
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(worker).wait(timeout=1.5)
    os.kill(worker, signal.SIGKILL)
    launcher.stdout.read()


@pytest.mark.parametrize(
    ("environment", "is_launchers"),
    [({"TORCHELASTIC_RUN_ID": "x"}, True), ({"TRAINING_JOB_NAME": "job-1"}, True), ({}, False)],
)
def test_a_run_begins_with_torchrun_or_with_the_first_process_of_its_job(
    environment: dict[str, str], is_launchers: bool
) -> None:
    launcher, worker, began = launch(**environment)
    first = launcher.pid if is_launchers else worker
    assert began == psutil.Process(first).create_time()
    os.kill(worker, signal.SIGKILL)
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()


@pytest.mark.parametrize(
    ("max_restarts", "shared_store", "is_refused"),
    [("1", "True", True), ("1", "False", False), ("0", "True", False)],
)
def test_restarts_that_would_wait_for_the_attempt_before_are_refused(
    monkeypatch: pytest.MonkeyPatch, max_restarts: str, shared_store: str, is_refused: bool
) -> None:
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", max_restarts)
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", shared_store)
    if is_refused:
        with pytest.raises(UserError, match="TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"):
            check_restarts()
    else:
        check_restarts()


def test_this_process_was_launched_before_now() -> None:
    assert 0 < launched_at() <= time.time()


def _interfaces_wanted_after(wanted: str, monkeypatch: pytest.MonkeyPatch) -> str | None:
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", wanted)
    ignore_missing_interfaces()
    return os.environ.get("NCCL_SOCKET_IFNAME")


@pytest.mark.parametrize("wanted", ["ethwe9", "ethwe9,ethwe8", "=LO"])
def test_an_interface_that_is_not_there_is_not_asked_of_nccl(
    wanted: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _interfaces_wanted_after(wanted, monkeypatch) is None
    assert f"NCCL_SOCKET_IFNAME={wanted} is not used" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["{}", "={}", "ethwe9,{}", "^{}"])
def test_an_interface_that_is_there_stays(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = form.format(socket.if_nameindex()[0][1])
    assert _interfaces_wanted_after(wanted, monkeypatch) == wanted


def test_a_beginning_of_a_name_is_enough_unless_it_has_to_be_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    beginning = socket.if_nameindex()[0][1][:1]
    assert _interfaces_wanted_after(beginning, monkeypatch) == beginning
    assert _interfaces_wanted_after(f"={beginning}", monkeypatch) is None
