"""Endpoints of the repository's own server: forked from one process, and ended like any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.container_paths import CONTAINER_ROOT, why_no_mounts

from ..conftest import works_in

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere servers are not forked")

MODEL_DIR = Path(__file__).parents[3] / "src" / "sample" / "base" / "model"
IMAGE = "ghcr.io/huggingface/text-generation-inference:3.3.7"
TIMEOUT_S = 600


@pytest.fixture(scope="module")
def deploy(hosting: Any) -> Callable[..., str]:
    """A function that brings up an endpoint of the sample model."""
    s3 = hosting.sandbox.client("s3")
    s3.create_bucket(Bucket="sample-model")
    for path in filter(Path.is_file, MODEL_DIR.rglob("*")):
        s3.upload_file(str(path), "sample-model", f"model/{path.relative_to(MODEL_DIR)}")
    data = {
        "S3DataSource": {
            "S3Uri": "s3://sample-model/model/",
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
        }
    }

    def deploy_one(**environment: str) -> str:
        return hosting.deploy(
            container={"Image": IMAGE, "ModelDataSource": data},
            environment={"HF_MODEL_ID": "/opt/ml/model", **environment},
        )

    return deploy_one


def children(hosting: Any) -> list[psutil.Process]:
    """Return every running process of the sandbox but the watchdogs of groups."""
    found = psutil.Process(hosting.sandbox.pid).children(recursive=True)
    return [process for process in found if "group.py" not in " ".join(process.cmdline())]


def fork_server(hosting: Any) -> psutil.Process | None:
    """Return the process that servers are forked from, if it is there."""
    found = [
        process
        for process in psutil.Process(hosting.sandbox.pid).children()
        if "multiprocessing.forkserver" in " ".join(process.cmdline())
    ]
    return found[0] if found else None


def server_of(hosting: Any, name: str) -> psutil.Process:
    """Return the server of an endpoint, whoever its parent is."""
    (folder,) = hosting.sandbox.home.glob(f"endpoints/us-east-1/{name}/**/i-*/")
    (found,) = [process for process in hosting.sandbox.processes() if works_in(process, folder)]
    return found


def generate(hosting: Any, name: str) -> str:
    body = json.dumps({"inputs": "서울", "parameters": {"max_new_tokens": 4}})
    answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType="application/json")
    return json.loads(answer["Body"].read())[0]["generated_text"]


def wait_until(is_so: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_a_models_own_variable_keeps_its_server_from_being_forked(
    hosting: Any, deploy: Callable[..., str]
) -> None:
    for environment in ({"SERVE_PRELOADED": ""}, {"TORCH_SHOW_CPP_STACKTRACES": "0"}):
        name = deploy(**environment)
        server = server_of(hosting, name)
        assert server.ppid() == hosting.sandbox.pid
        assert server.cmdline()[1:3] == ["-m", "serve"]
        assert fork_server(hosting) is None
        hosting.delete(name)


def test_endpoints_are_forked_from_one_process(hosting: Any, deploy: Callable[..., str]) -> None:
    names = [deploy(), deploy()]
    parent = fork_server(hosting)
    forked = [server_of(hosting, name) for name in names]
    assert [(server.ppid(), server.name()) for server in forked] == [(parent.pid, "serve")] * 2
    if why_no_mounts() is None:  # each its own
        for server in forked:
            seen = f"/proc/{server.pid}"
            assert os.path.samefile(f"{seen}/root" + CONTAINER_ROOT, f"{seen}/cwd")
        assert not os.path.samefile(*[f"/proc/{server.pid}/cwd" for server in forked])
    assert generate(hosting, names[0]) == generate(hosting, names[1])
    log = ["\n".join(lines) for name in names for lines in hosting.log_lines(name).values()]
    assert all("ready after" in text for text in log)
    for name in names:
        hosting.delete(name)
    wait_until(lambda: not any(server.is_running() for server in forked))
    assert fork_server(hosting) == parent


def test_a_killed_fork_server_leaves_its_endpoints_and_the_next_one_gets_another(
    hosting: Any, deploy: Callable[..., str]
) -> None:
    first = deploy()
    killed, server = fork_server(hosting), server_of(hosting, first)
    killed.kill()
    wait_until(lambda: not killed.is_running() or killed.status() == psutil.STATUS_ZOMBIE)
    assert generate(hosting, first)
    second = deploy()
    parent = fork_server(hosting)
    assert parent != killed
    assert server_of(hosting, second).ppid() == parent.pid
    assert generate(hosting, first) == generate(hosting, second)
    assert server.is_running()
    hosting.delete(first)
    hosting.delete(second)
    wait_until(lambda: not server.is_running())


def test_a_killed_server_is_forked_again_and_no_other_is_touched(
    hosting: Any, deploy: Callable[..., str]
) -> None:
    killed, other = deploy(), deploy()
    forked = [server_of(hosting, name) for name in (killed, other)]
    forked[0].kill()
    wait_until(lambda: "the server process is healthy again" in str(hosting.log_lines(killed)))
    assert "ended with exit status -9" in str(hosting.log_lines(killed))
    assert server_of(hosting, killed) != forked[0]
    assert server_of(hosting, killed).ppid() == fork_server(hosting).pid
    assert server_of(hosting, other) == forked[1]
    assert generate(hosting, killed) == generate(hosting, other)
    hosting.delete(killed)
    hosting.delete(other)


@pytest.mark.parametrize("kill", [True, False], ids=["SIGKILL", "SIGTERM"])
def test_the_end_of_the_sandbox_ends_servers_and_what_they_are_forked_from(
    hosting: Any, deploy: Callable[..., str], kill: bool
) -> None:
    name = deploy()
    server, left = server_of(hosting, name), children(hosting)
    assert {server, fork_server(hosting)} < set(left)
    hosting.sandbox.stop(kill=kill)
    assert kill or not server.is_running()  # before it ends itself
    wait_until(lambda: not any(process.is_running() for process in left))
    hosting.sandbox.start()
    assert fork_server(hosting) is None


def test_where_nothing_can_be_forked_servers_start_alone(tmp_path: Path) -> None:
    """What the libraries do when they cannot be forked: the fork server ends while it imports them."""
    (tmp_path / "no_libraries.py").write_text("raise SystemExit('a thread')", encoding="utf-8")
    code = """
import logging, os, sys
from pathlib import Path
from sandbox import images
from sandbox.hosting import server_process
logging.basicConfig(stream=sys.stdout, format="%(message)s")
server_process._LIBRARIES = "no_libraries"
command = images.serve_command("--model", "/no/such/folder")
for _ in range(3):
    is_forked = server_process.prepare_fork(command, {})
    process = server_process.ServerProcess(
        command, env=dict(os.environ), cwd=Path("."), port=1, write=print, is_forked=is_forked
    )
    process.ended.wait()
    process.close()
    print(is_forked, process.exit_status)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    lines = done.stdout.splitlines()
    reason = "without preloaded libraries: the process with the imported libraries has ended"
    assert [line for line in lines if "without preloaded" in line] == [
        f"a server starts {reason}",
        f"servers start {reason}",
    ]
    assert [line for line in lines if line.endswith(" 2")] == ["True 2", "True 2", "False 2"]
    assert "a thread" in done.stderr
