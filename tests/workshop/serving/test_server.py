"""A server is started, watched and ended; nothing of it is left, however its kernel ends."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
import requests
from tests.serve.server_process import BASE, REPO
from tests.workshop.serving.conftest import READY_TIMEOUT_S

from workshop.serving.plan import ServingPlan, serving_plan
from workshop.serving.server import Server, ServingError, start_server
from workshop.settings import Settings

# Answers /ping with 503 `late` times, prints a megabyte once ready, and may ignore SIGTERM.
STUB = """
import http.server, os, signal, sys
late, deaf = int(sys.argv[1]), sys.argv[2] == "deaf"
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    num_pings = 0
    def do_GET(self):
        if self.path == "/noise":
            print("\\n".join(["noise " * 20] * 9000), flush=True)
        Handler.num_pings += self.path == "/ping"
        is_ready = self.path == "/health" or Handler.num_pings > late
        self.send_response(200 if is_ready else 503)
        self.end_headers()
    def log_message(self, *_):
        pass
print("token", os.environ.get("HF_TOKEN"), flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[3])), Handler).serve_forever()
"""


def stub(plan: ServingPlan, *, late: int = 0, deaf: bool = False, **environment: str) -> ServingPlan:
    """Return the plan with a small server in place of the real one, as stubborn as asked."""
    command = (sys.executable, "-c", STUB, str(late), "deaf" if deaf else "polite", str(plan.port))
    return dataclasses.replace(plan, command=command, command_environment=environment)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_real_server_is_ready_when_it_says_so(running: Server) -> None:
    assert running.is_running
    assert running.ready_s > 0
    assert requests.get(f"{running.url}/ping", timeout=300).status_code == 200
    assert "listening on" in running.log_path.read_text()


def test_stopping_ends_it_and_frees_its_port(plan: ServingPlan, tmp_path: Path) -> None:
    server = start_server(stub(plan), log_path=tmp_path / "a.log", timeout_s=600)
    assert requests.get(server.url + "/ping", timeout=300).ok
    server.stop()
    assert is_gone(server.pid)
    assert not server.is_running
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url + "/ping", timeout=300)
    server.stop()


def test_it_waits_while_the_model_loads(plan: ServingPlan, tmp_path: Path) -> None:
    with start_server(stub(plan, late=3), log_path=tmp_path / "a.log", timeout_s=600) as server:
        assert server.ready_s > 0
        assert requests.get(server.url + "/ping", timeout=300).ok
    assert is_gone(server.pid)


def test_one_that_ignores_sigterm_is_killed(plan: ServingPlan, tmp_path: Path) -> None:
    server = start_server(stub(plan, deaf=True), log_path=tmp_path / "a.log", timeout_s=600, grace_s=0.3)
    server.stop()
    assert is_gone(server.pid)


def test_one_that_cannot_serve_fails_with_its_last_lines(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    plan = serving_plan(settings, tmp_path)
    with pytest.raises(ServingError, match=r"TGI.*ended with exit status 2[\s\S]*\| do next") as caught:
        start_server(plan, log_path=tmp_path / "a.log", timeout_s=READY_TIMEOUT_S)
    assert str(tmp_path / "a.log") in caught.value.next_step


def test_one_that_is_late_is_ended(plan: ServingPlan, tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"was not ready after[\s\S]*token None"):
        start_server(stub(plan, late=10**6), log_path=tmp_path / "a.log", timeout_s=2)
    assert not children()


def test_an_interrupted_start_leaves_nothing(plan: ServingPlan, tmp_path: Path) -> None:
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        start_server(stub(plan, late=10**6), log_path=tmp_path / "a.log", timeout_s=600)
    assert not children()


def test_starting_again_ends_the_one_before(plan: ServingPlan, settings: Settings, tmp_path: Path) -> None:
    first = start_server(stub(plan), log_path=tmp_path / "a.log", timeout_s=600)
    with start_server(stub(serving_plan(settings, BASE)), log_path=tmp_path / "a.log", timeout_s=600):
        assert is_gone(first.pid)


def test_a_killed_kernel_takes_its_server_along(plan: ServingPlan, tmp_path: Path) -> None:
    code = """
import dataclasses, os, pathlib, signal, sys
from workshop.serving.plan import ServingPlan
from workshop.serving.server import start_server
plan = ServingPlan(engine="tgi", place="process", image="", environment={}, mounts={}, port=int(sys.argv[1]),
                   model_dir=pathlib.Path(), command=tuple(sys.argv[3:]))
server = start_server(plan, log_path=sys.argv[2], timeout_s=600)
print("pid", server.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", code, str(plan.port), str(tmp_path / "a.log"), *stub(plan).command]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPO / "src")},
        timeout=300,
    )
    pid = int(done.stdout.split("pid ")[-1])
    if psutil.pid_exists(pid):
        psutil.wait_procs([psutil.Process(pid)], timeout=300)
    assert is_gone(pid)


def test_what_it_prints_never_stops_it_and_is_all_in_the_log(plan: ServingPlan, tmp_path: Path) -> None:
    with start_server(stub(plan), log_path=tmp_path / "a.log", timeout_s=600) as server:
        assert requests.get(server.url + "/noise", timeout=300).ok
    assert server.log_path.read_text().count("\n") == 9001


def test_no_secret_is_printed_or_logged(
    plan: ServingPlan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "hf_" + "y" * 12
    with start_server(stub(plan, HF_TOKEN=secret), log_path=tmp_path / "a.log", timeout_s=600) as server:
        pass
    assert server.log_path.read_text() == "token ***\n"
    shown = capsys.readouterr().out
    assert secret not in shown
    assert "HF_TOKEN=***" in shown
    assert "ready after" in shown


def test_a_server_gets_no_secret_of_whoever_starts_it(
    plan: ServingPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As none goes into a container: only what the plan names."""
    monkeypatch.setenv("HF_TOKEN", "hf_" + "y" * 12)
    with start_server(stub(plan), log_path=tmp_path / "a.log", timeout_s=600) as server:
        pass
    assert server.log_path.read_text() == "token None\n"


def test_a_missing_program_is_named(plan: ServingPlan, tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="'no-such-program' cannot be started"):
        start_server(
            dataclasses.replace(plan, command=("no-such-program",)), log_path=tmp_path / "a", timeout_s=9
        )


def children() -> list[psutil.Process]:
    """Return the servers that this process has started and that still run."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and STUB in " ".join(child.cmdline())
    ]
