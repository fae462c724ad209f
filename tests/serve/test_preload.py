"""A server forked from a process with the libraries loaded is as one started alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
import requests
from tests.serve.server_process import BASE, REPO, ServerProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere servers are not forked")


def generate(server: ServerProcess, **parameters: object) -> dict:
    asked = {"inputs": "서울", "parameters": {"max_new_tokens": 20, **parameters}}
    return requests.post(server.url + "/generate", json=asked, timeout=300).json()


def without_numbers(lines: list[str]) -> list[str]:
    return ["".join(" " if character.isdigit() else character for character in line) for line in lines]


def test_a_forked_server_answers_and_logs_as_one_started_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with ServerProcess() as forked:
        monkeypatch.setattr(ServerProcess, "is_warm", False)
        with ServerProcess() as server:
            assert (type(forked.process).__name__, type(server.process).__name__) == ("WarmProcess", "Popen")
            server.ready()
            forked.ready()
            parameters = {"details": True, "seed": 3, "do_sample": True}
            assert generate(forked, **parameters) == generate(server, **parameters)
            num_lines = len(forked.output)
            logged = [" ".join(line.split()) for line in without_numbers(forked.output)]
            assert logged == [" ".join(line.split()) for line in without_numbers(server.output[:num_lines])]


def test_what_cannot_be_served_is_said_with_status_2() -> None:
    with ServerProcess(HF_MODEL_ID="/no/such/folder") as server:
        status, output = server.wait()
    assert status == 2
    assert [line[:10] for line in output.splitlines()] == ["found     ", "expected  ", "do next   "]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_requests_under_way(endless_dir: str, number: signal.Signals) -> None:
    with ServerProcess(HF_MODEL_ID=str(endless_dir)) as server:
        server.ready()
        asked = {"inputs": "안녕", "parameters": {"max_new_tokens": 300}, "stream": True}
        with requests.post(server.url, json=asked, stream=True, timeout=300) as answer:
            lines = answer.iter_lines(chunk_size=1)
            next(lines)
            server.process.send_signal(number)
            *_, last = [line for line in lines if line]
        assert b'"index":300,' in last
        status, output = server.wait()
    assert status == 0, output
    assert "Traceback" not in output


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """What a forked server imports of the large libraries, and what the first adapter brings."""
    code = f"""
import json, sys
from pathlib import Path
import serve.preload
before = set(sys.modules)
from serve.engines.load import load_engine
from serve.model_folder import read_model_folder
from serve.settings import read_settings
import serve.app, serve.dialects.tgi.metrics, serve.dialects.tgi.routes
load_engine(read_settings([]), read_model_folder(Path({str(BASE)!r})))
start = list(sys.modules.keys() - before)
from serve.engines.decoder import peft_model_class
peft_model_class()
print(json.dumps({{"start": start, "adapter": list(sys.modules.keys() - before)}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO / "src", capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_a_forked_server_imports_no_more_of_the_large_libraries(imported: dict[str, list[str]]) -> None:
    """What it would import stands in preload.py: each fork would take the time for it again."""
    large = ("torch", "transformers", "numpy", "tokenizers", "safetensors", "starlette", "anyio")
    assert [name for name in imported["start"] if name.split(".")[0] in large] == []


def test_an_adapter_does_not_bring_torchs_compiler(imported: dict[str, list[str]]) -> None:
    assert "peft.tuners.lora" in imported["adapter"]
    assert "torch._inductor.compile_fx" not in imported["adapter"]


def test_libraries_that_start_a_thread_are_not_forked(tmp_path: str) -> None:
    code = (
        "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start();"
        "import serve.preload"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO / "src", capture_output=True, text=True, check=False
    )
    assert (done.returncode, "started a thread" in done.stderr) == (1, True)
