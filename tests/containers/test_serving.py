"""The serving container of notebook 02-01, real: its contract, its clients, its limits, and its ends."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.serve.server_process import BASE, REPO, TEMPLATE

from processes.errors import UserError
from workshop.inference import DIALECTS, Client
from workshop.serving.engines import ENGINES
from workshop.serving.plan import ServingPlan, serving_plan
from workshop.serving.server import Server, ServingError, start_server
from workshop.settings import Settings, load_settings

READY_TIMEOUT_S = 600
MESSAGES = [{"role": "user", "content": "바다에 비가 내렸다. 배 12척이 돌아왔다."}]
# Answers at once, without a model, and takes a gigabyte when it is asked to.
STUB = """
import http.server, signal
signal.signal(signal.SIGTERM, lambda *_: exit())  # the first process of a container has no handler by itself
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/memory":
            self.server.taken = bytearray(b"x" * 10**9)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""
# A kernel that starts a container, with the cell run twice, and then meets its end.
KERNEL = """
import os, pathlib, pickle, signal, sys
from workshop.serving.server import start_server
with open(sys.argv[1], "rb") as file:
    plan = pickle.load(file)
for _ in range(2):
    server = start_server(plan, log_path=sys.argv[2], timeout_s=600)
print("ready", flush=True)
if sys.argv[3] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] == "error":
    raise ValueError
signal.raise_signal(signal.SIGINT)
"""


def settings_in(home: Path, **variables: str) -> Settings:
    return load_settings(environ={"WORKSHOP_HOME": str(home), "WORKSHOP_SERVE_WITH": "container"} | variables)


def stub(plan: ServingPlan, *options: str) -> ServingPlan:
    """Return the plan with a small server in the same image, under the same options, and some more."""
    *given, image, _ = plan.command
    return dataclasses.replace(plan, command=(*given, *options, "--entrypoint=python3", image, "-c", STUB))


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the workshop's template, which nobody else may read."""
    folder = tmp_path_factory.mktemp("private") / "model"
    shutil.copytree(BASE, folder)
    shutil.copy(TEMPLATE, folder / "chat_template.jinja")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_in(tmp_path_factory.mktemp("home"))


@pytest.fixture
def plan(settings: Settings, model_dir: Path, tmp_path: Path) -> ServingPlan:
    """A plan of a home of its own: its container is not the one that other tests ask."""
    return serving_plan(dataclasses.replace(settings, workshop_home=tmp_path), model_dir)


@pytest.fixture(scope="module")
def served(engine: object, settings: Settings, model_dir: Path) -> Iterator[Server]:
    plan = serving_plan(settings, model_dir)
    with start_server(plan, log_path=settings.home / "server.log", timeout_s=READY_TIMEOUT_S) as server:
        yield server


def inside(engine, server: Server, *command: str) -> str:
    return engine.docker("exec", server.plan.container_name, *command, check=False)


def test_what_runs_is_what_was_shown(served: Server, engine) -> None:
    (told,) = json.loads(engine.docker("inspect", served.plan.container_name))
    config, host = told["Config"], told["HostConfig"]
    assert config["Cmd"] == ["serve"]
    assert config["User"] == f"{os.getuid()}:{os.getgid()}"
    assert set(config["Env"]) >= {f"{name}={value}" for name, value in served.plan.environment.items()}
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (2 * 2**30, 2 * 2**30, 512)
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Binds"] == [f"{served.plan.model_dir}:/opt/ml/model:ro"]
    assert list(told["NetworkSettings"]["Networks"]) == [served.plan.container_name]
    assert told["NetworkSettings"]["Ports"]["8080/tcp"] == [
        {"HostIp": "127.0.0.1", "HostPort": str(served.plan.port)}
    ]
    assert not any(name in " ".join(config["Env"]) for name in ("AWS_", "TOKEN=", "SECRET"))


@pytest.mark.parametrize("place", ["/opt/ml/model", "/", "/opt/workshop", "/home"])
def test_a_container_writes_to_its_own_memory_alone(served: Server, engine, place: str) -> None:
    assert "Read-only file system" in inside(engine, served, "touch", f"{place}/written")
    assert inside(engine, served, "touch", "/tmp/written") == ""


@pytest.mark.parametrize("name", [name for name in ENGINES if name != "tgi"])
def test_each_dialect_has_an_image(
    name: str, plan: ServingPlan, settings: Settings, served: Server, tmp_path: Path,
    nothing_left: Callable[..., None],
) -> None:  # fmt: skip
    nothing_left(plan.model_dir)
    own = dataclasses.replace(settings, serving_engine=name, workshop_home=tmp_path)
    plan = serving_plan(own, plan.model_dir)
    with start_server(plan, log_path=tmp_path / "a.log", timeout_s=READY_TIMEOUT_S) as server:
        answer = Client(server.url, DIALECTS[name]).invoke(MESSAGES, max_new_tokens=12)
    as_tgi = Client(served.url, DIALECTS["tgi"]).invoke(MESSAGES, max_new_tokens=12)
    assert answer.text == as_tgi.text
    assert "Finished server process" in server.log_path.read_text(), "SIGTERM did not reach it"


def test_nothing_outside_is_reached(served: Server, engine, outside: tuple[str, int]) -> None:
    ask = f"import socket; socket.create_connection({outside}, 3); print('reached')"
    plan, usual = served.plan, f"{served.plan.container_name}-usual"
    label = plan.command[plan.command.index("--label") + 1]
    engine.docker("network", "create", "--label", label, usual)  # the same without its option
    try:
        run = ("run", "--rm", "--pull=never", "--label", label, "--memory=1g", "--network", usual)
        reached = engine.docker(*run, "--entrypoint=python3", plan.image, "-c", ask)
    finally:
        engine.docker("network", "rm", usual)
    assert reached == "reached\n", "what ours does not reach has to be there"
    assert "timed out" in inside(engine, served, "python3", "-c", ask)
    by_name = ask.replace(outside[0], "example.com")
    assert "resolution" in inside(engine, served, "python3", "-c", by_name)


@pytest.fixture
def outside() -> Iterator[tuple[str, int]]:
    """A machine beyond this one, as containers see it: it knows its neighbour's address and no other."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("another network takes root and the program ip")
    name, here, there = f"outside{os.getpid()}", f"o{os.getpid()}a", f"o{os.getpid()}b"
    address = "198.51.100.2"  # RFC 5737: for documentation
    in_it = ("ip", "netns", "exec", name)
    listen = "import socket; s = socket.create_server(('', 8000)); print('listens', flush=True)"
    listener = None
    try:
        for command in (
            ("ip", "netns", "add", name),
            ("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", name),
            ("ip", "address", "add", "198.51.100.1/30", "dev", here),
            ("ip", "link", "set", here, "up"),
            (*in_it, "ip", "address", "add", f"{address}/30", "dev", there),
            (*in_it, "ip", "link", "set", there, "up"),
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no other network here: {' '.join(command)}: {done.stderr}")
        listener = subprocess.Popen(
            [*in_it, sys.executable, "-c", f"{listen}\nwhile 1: s.accept()"], stdout=subprocess.PIPE
        )
        assert listener.stdout.readline() == b"listens\n"
        yield address, 8000
    finally:
        if listener:
            listener.kill()
            listener.wait()
            listener.stdout.close()
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def test_too_much_memory_is_named(plan: ServingPlan, tmp_path: Path, nothing_left, capsys) -> None:
    small = tuple(
        part.replace("memory=2g", "memory=64m").replace("swap=2g", "swap=64m") for part in plan.command
    )
    with pytest.raises(ServingError, match=r"memory limit \(64m\)[\s\S]*set serve_with: process"):
        start_server(
            dataclasses.replace(plan, command=small), log_path=tmp_path / "a.log", timeout_s=READY_TIMEOUT_S
        )
    # One that was ready: its client sees a connection that breaks, and the reason is told when it is stopped.
    server = start_server(
        dataclasses.replace(stub(plan), command=stub(dataclasses.replace(plan, command=small)).command),
        log_path=tmp_path / "a.log",
        timeout_s=READY_TIMEOUT_S,
    )
    with socket.create_connection(("127.0.0.1", server.plan.port)) as asked:
        asked.sendall(b"GET /memory HTTP/1.0\r\n\r\n")
        assert asked.recv(100) == b""
    server._group.process.wait(60)
    server.stop()
    assert "more than its memory limit (64m)" in capsys.readouterr().out


def test_a_port_that_is_taken_is_named(plan: ServingPlan, tmp_path: Path, nothing_left) -> None:
    with (
        socket.create_server(("127.0.0.1", plan.port)),
        pytest.raises(UserError, match="cannot be published"),
    ):
        start_server(stub(plan), log_path=tmp_path / "a.log", timeout_s=READY_TIMEOUT_S)


def test_an_interrupted_start_leaves_nothing(plan: ServingPlan, tmp_path: Path, nothing_left) -> None:
    never = dataclasses.replace(plan, command=(*stub(plan).command[:-1], "import time; time.sleep(600)"))
    threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        start_server(never, log_path=tmp_path / "a.log", timeout_s=READY_TIMEOUT_S, grace_s=1)


@pytest.mark.parametrize("end", ["kill", "error", "interrupt"])
def test_a_kernel_that_ends_takes_its_container_and_network_along(
    end: str, plan: ServingPlan, tmp_path: Path, nothing_left
) -> None:
    plain = dataclasses.replace(stub(plan), environment={}, mounts={}, command_environment={})
    (tmp_path / "plan").write_bytes(pickle.dumps(plain))
    command = [sys.executable, "-c", KERNEL, str(tmp_path / "plan"), str(tmp_path / "a.log"), end]
    env = {**os.environ, "PYTHONPATH": str(REPO / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, check=False)
    assert done.stdout.endswith("ready\n"), done.stdout + done.stderr
    assert done.returncode != 0
