"""The process: listening before the model is loaded, ending on a signal, refusing what cannot be served."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from tests.serve.server_process import BASE, REPO, ServerProcess

from serve.server import listen
from serve.settings import read_settings

pytestmark = pytest.mark.usefixtures("alone")


def assert_three_lines(output: str, found: str) -> None:
    lines = output.strip().splitlines()[-3:]
    assert [line[:10] for line in lines] == ["found     ", "expected  ", "do next   "]
    assert found in lines[0]
    assert "Traceback" not in output


def test_it_listens_unhealthy_while_it_loads_then_becomes_ready_and_ends_on_sigterm() -> None:
    with ServerProcess() as server:
        loading = requests.get(server.url + "/ping", timeout=300)
        assert loading.status_code == 503
        assert loading.json() == {"error": "unhealthy", "error_type": "healthcheck"}
        early = requests.post(server.url + "/invocations", json={"inputs": "가"}, timeout=300)
        assert early.status_code == 503
        server.ready()
        assert requests.get(server.url + "/ping", timeout=300).status_code == 200
        server.process.send_signal(signal.SIGTERM)
        status, output = server.wait()
    assert status == 0, output
    assert "Traceback" not in output


def test_sigterm_while_it_loads_ends_it() -> None:
    with ServerProcess() as server:
        assert requests.get(server.url + "/ping", timeout=300).status_code == 503
        server.process.send_signal(signal.SIGTERM)
        status, output = server.wait()
    assert status == 0, output


def test_requests_under_way_are_answered_before_it_ends(endless_dir: Path) -> None:
    with ServerProcess(HF_MODEL_ID=str(endless_dir)) as server:
        server.ready()
        asked = {"inputs": "안녕", "parameters": {"max_new_tokens": 1024}, "stream": True}
        with requests.post(server.url, json=asked, stream=True, timeout=300) as answer:
            lines = answer.iter_lines(chunk_size=1)
            next(lines)
            server.process.send_signal(signal.SIGTERM)
            *_, last = [line for line in lines if line]
        assert b'"index":1024,' in last
        assert server.wait()[0] == 0


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"HF_MODEL_ID": "/no/such/folder"}, "no folder at /no/such/folder"),
        ({"MAX_INPUT_TOKENS": "many"}, "MAX_INPUT_TOKENS = 'many'"),
        ({"MAX_TOTAL_TOKENS": "5000"}, "MAX_TOTAL_TOKENS = 5000"),
        ({"MAX_INPUT_TOKENS": "2048"}, "MAX_INPUT_TOKENS = 2048"),
        ({"HOST": "203.0.113.1"}, "203.0.113.1 port 0"),
    ],
)
def test_what_cannot_be_served_is_said_in_three_lines_with_status_2(variables: dict, found: str) -> None:
    with ServerProcess(**variables) as server:
        status, output = server.wait()
    assert status == 2
    assert_three_lines(output, found)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with ServerProcess(PORT=port) as server:
            status, output = server.wait()
    assert status == 2
    assert_three_lines(output, f"127.0.0.1 port {port}")


def test_connections_send_small_packets_at_once() -> None:
    """With Nagle's algorithm every answer took 40 ms longer on a connection that is kept."""
    with listen(read_settings([], {"HOST": "127.0.0.1", "PORT": "0"})) as listener:
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_weights_that_cannot_be_loaded_end_it_with_status_2(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(BASE, tmp_path / "model"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with ServerProcess(HF_MODEL_ID=str(folder)) as server:
        status, output = server.wait()
    assert status == 2
    assert_three_lines(output, "that cannot be loaded")


def test_nothing_heavy_is_imported_before_everything_given_was_checked() -> None:
    """The errors above answer in a fraction of a second because torch is not there yet."""
    code = (
        "import sys; from pathlib import Path; from serve.server import start;"
        f"start(['--model', {str(BASE)!r}, '--max-total-tokens', '9999']);"
        "print(sorted({'torch', 'transformers', 'uvicorn', 'starlette', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO / "src", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert "MAX_TOTAL_TOKENS = 9999" in done.stderr


def test_help_lists_every_flag_with_its_variable() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "serve", "--help"],
        cwd=REPO / "src",
        capture_output=True,
        text=True,
        check=True,
    )
    for flag, variable in (("--model", "HF_MODEL_ID"), ("--max-total-tokens", "MAX_TOTAL_TOKENS")):
        assert f"{flag} {variable}" in done.stdout
