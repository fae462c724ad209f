"""One AWS on this machine for each home, found again by whoever comes later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from processes.group import LAUNCH_ID_VARIABLE
from workshop.aws import local as local_aws
from workshop.aws.local import ensure_running, find, stop
from workshop.errors import WorkshopError


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "sandbox"
    stop(tmp_path / "sandbox")


def pid_of(home: Path) -> int:
    return json.loads((home / "server.json").read_text())["pid"]


def call_in_processes(home: Path, count: int, **variables: str) -> list[str]:
    """Call ensure_running in so many processes at once and return what they print."""
    code = f"from pathlib import Path\nfrom workshop.aws.local import ensure_running\n\
print(ensure_running(Path({str(home)!r})))"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    return [process.communicate(timeout=1200)[0].strip() for process in started]


def test_it_starts_once_and_is_found_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = ensure_running(home)
    pid = pid_of(home)
    monkeypatch.setattr(local_aws, "_start", lambda *_: pytest.fail("started a second one"))
    assert url.startswith("http://127.0.0.1:")
    assert ensure_running(home) == find(home) == url
    assert pid_of(home) == pid


def test_its_clock_runs_as_fast_as_asked_and_another_speed_is_an_error(home: Path) -> None:
    url = ensure_running(home, clock_speed=90.0)
    with urllib.request.urlopen(f"{url}/_sandbox/health", timeout=300) as response:
        assert json.load(response)["clock_speed"] == 90
    assert ensure_running(home, clock_speed=90.0) == url
    with pytest.raises(WorkshopError, match=r"clock speed 90[\s\S]*expected +1,[\s\S]*make stop"):
        ensure_running(home)
    assert find(home) == url


def test_two_notebooks_at_once_get_the_same_one(home: Path) -> None:
    urls = call_in_processes(home, 3)
    assert len(set(urls)) == 1
    assert urls[0] == find(home)


def test_it_survives_the_group_and_the_mark_of_whoever_started_it(home: Path) -> None:
    (url,) = call_in_processes(
        home, 1, **{LAUNCH_ID_VARIABLE: "mark", "AWS_PROFILE": "mine", "JPY_PARENT_PID": "1", "HF_TOKEN": "x"}
    )
    server = psutil.Process(pid_of(home))
    inherited = server.environ()
    assert not [
        name for name in inherited if name.startswith(("WORKSHOP_LAUNCH", "AWS_", "JPY_", "HF_TOKEN"))
    ]
    assert os.getsid(server.pid) == server.pid
    assert os.getpgid(server.pid) != os.getpgid(0)
    assert find(home) == url


def join_waiting_threads(before: set[threading.Thread]) -> None:
    """Join the threads that wait for a sandbox and were not there before: other tests' sandboxes go on."""
    for thread in set(threading.enumerate()) - before:
        if thread.name == "wait for the sandbox":
            thread.join(timeout=300)


def test_after_a_kill_it_is_started_again(home: Path) -> None:
    ensure_running(home)
    killed = pid_of(home)
    os.kill(killed, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(killed)] if psutil.pid_exists(killed) else [], timeout=300)
    assert find(home) is None
    assert ensure_running(home) == find(home)
    assert pid_of(home) != killed


def test_the_process_table_keeps_no_zombie_of_it(home: Path) -> None:
    before = set(threading.enumerate())
    ensure_running(home)
    pid = pid_of(home)
    assert stop(home)
    join_waiting_threads(before)
    assert not psutil.pid_exists(pid)


def test_stop_ends_it_and_says_whether_one_ran(home: Path) -> None:
    assert not stop(home)
    ensure_running(home)
    assert stop(home)
    assert find(home) is None
    assert not stop(home)


def test_stop_after_a_kill_is_no_error(home: Path) -> None:
    before = set(threading.enumerate())
    ensure_running(home)
    os.kill(pid_of(home), signal.SIGKILL)
    join_waiting_threads(before)
    assert not stop(home)


def test_another_program_on_the_old_port_is_not_taken_for_it(home: Path, tmp_path: Path) -> None:
    class OtherHome(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"home": str(tmp_path), "pid": 1, "status": "ok"}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), OtherHome)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home.mkdir()
    for address in (f"http://127.0.0.1:{server.server_port}", "http://127.0.0.1:1"):
        (home / "server.json").write_text(json.dumps({"url": address, "pid": os.getpid(), "port": 1}))
        assert find(home) is None
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": 3}', '{"url": "nonsense"}'])
def test_a_damaged_file_is_no_server(home: Path, content: str) -> None:
    home.mkdir()
    (home / "server.json").write_text(content)
    assert find(home) is None


def test_a_proxy_is_not_asked_for_it(home: Path) -> None:
    url = ensure_running(home)
    assert call_in_processes(home, 1, http_proxy="http://127.0.0.1:9", no_proxy="") == [url]


def test_one_that_cannot_start_shows_what_it_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys; print('no port is free'); sys.exit(7)"
    monkeypatch.setattr(local_aws, "_command", lambda home: [sys.executable, "-c", program])
    home.mkdir()
    (home / local_aws.LOG_NAME).write_text("of an earlier run\n")
    with pytest.raises(WorkshopError, match="exit status 7") as caught:
        ensure_running(home)
    assert "| no port is free" in caught.value.found
    assert "earlier" not in caught.value.found


def test_one_that_never_answers_is_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import time; print('thinking', flush=True); time.sleep(600)"
    monkeypatch.setattr(local_aws, "_command", lambda home: [sys.executable, "-c", program])
    monkeypatch.setattr(local_aws, "START_TIMEOUT_S", 0.5)
    before = set(psutil.Process().children())
    with pytest.raises(WorkshopError, match="does not answer"):
        ensure_running(home)
    _, alive = psutil.wait_procs(set(psutil.Process().children()) - before, timeout=300)
    assert not alive


def test_the_command_line_starts_finds_and_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    monkeypatch.setenv("WORKSHOP_MODE", "full")
    assert local_aws.main(["--stop"]) == 0
    assert "no AWS runs" in capsys.readouterr().out
    assert local_aws.main([]) == 0
    assert find(tmp_path / "sample" / "sandbox") in capsys.readouterr().out
    assert local_aws.main(["--stop"]) == 0
    assert "ended" in capsys.readouterr().out
    assert find(tmp_path / "sample" / "sandbox") is None


def test_the_command_line_shows_three_lines_for_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("WORKSHOP_REGOIN", "x")
    assert local_aws.main(["--stop"]) == 2
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["found", "expected", "do"]
