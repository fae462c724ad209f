"""Endpoints of the repository's own server: forked from one parent, and ended like any other."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.hosting.preloaded import SOCKET

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


def running(hosting: Any, *, parent: bool) -> list[psutil.Process]:
    """Return the parent, or the processes that stand for an endpoint's server and the servers themselves."""
    found = []
    for process in hosting.sandbox.processes():
        words = [word for word in process.cmdline() if word]
        if words[1:3] == ["-m", "serve"] and ("preload" in words) == parent:
            found.append(process)
    return found


def only_parent(hosting: Any) -> psutil.Process:
    (found,) = running(hosting, parent=True)
    return found


def server_of(hosting: Any, name: str) -> psutil.Process:
    """Return an endpoint's server: of its two processes the one that the other does not stand for."""
    folder = str(hosting.sandbox.home / "endpoints" / "us-east-1" / name)
    found = [process for process in running(hosting, parent=False) if process.cwd().startswith(folder)]
    return next(process for process in found if process.ppid() != hosting.sandbox.pid)


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
    name = deploy(SERVE_PRELOADED="")
    folder = str(hosting.sandbox.home / "endpoints" / "us-east-1" / name)
    found = [process for process in running(hosting, parent=False) if process.cwd().startswith(folder)]
    assert [process.ppid() for process in found] == [hosting.sandbox.pid]
    assert not running(hosting, parent=True)
    hosting.delete(name)


def test_endpoints_are_forked_from_one_parent(hosting: Any, deploy: Callable[..., str]) -> None:
    names = [deploy(), deploy()]
    parent = only_parent(hosting)
    servers = [server_of(hosting, name) for name in names]
    assert [server.ppid() for server in servers] == [parent.pid] * 2
    assert generate(hosting, names[0]) == generate(hosting, names[1])
    log = ["\n".join(lines) for name in names for lines in hosting.log_lines(name).values()]
    assert all("ready after" in text and "without preloaded" not in text for text in log)
    for name in names:
        hosting.delete(name)
    wait_until(lambda: not any(server.is_running() for server in servers))
    assert only_parent(hosting) == parent


def test_a_killed_parent_leaves_its_endpoints_and_the_next_one_gets_another(
    hosting: Any, deploy: Callable[..., str]
) -> None:
    first = deploy()
    parent, server = only_parent(hosting), server_of(hosting, first)
    parent.kill()
    wait_until(lambda: not running(hosting, parent=True))
    assert generate(hosting, first)
    second = deploy()
    assert only_parent(hosting) != parent
    assert server_of(hosting, second).ppid() == only_parent(hosting).pid
    assert generate(hosting, first) == generate(hosting, second)
    assert server.is_running()
    hosting.delete(first)
    hosting.delete(second)


def test_a_killed_server_is_forked_again_and_no_other_is_touched(
    hosting: Any, deploy: Callable[..., str]
) -> None:
    killed, other = deploy(), deploy()
    servers = [server_of(hosting, name) for name in (killed, other)]
    servers[0].kill()
    wait_until(lambda: "the server process is healthy again" in str(hosting.log_lines(killed)))
    assert "ended with exit status -9" in str(hosting.log_lines(killed))
    assert server_of(hosting, killed) != servers[0]
    assert server_of(hosting, other) == servers[1]
    assert generate(hosting, killed) == generate(hosting, other)
    hosting.delete(killed)
    hosting.delete(other)


@pytest.mark.parametrize("kill", [True, False], ids=["SIGKILL", "SIGTERM"])
def test_the_end_of_the_sandbox_ends_servers_and_parent(
    hosting: Any, deploy: Callable[..., str], kill: bool
) -> None:
    deploy()
    left = [*running(hosting, parent=True), *running(hosting, parent=False)]
    assert len(left) == 3
    hosting.sandbox.stop(kill=kill)
    assert kill or not any(process.is_running() for process in left)  # before it ends itself
    wait_until(lambda: not any(process.is_running() for process in left))
    assert kill or not (hosting.sandbox.home / SOCKET).exists()
    hosting.sandbox.start()
    assert not running(hosting, parent=True)
