"""Broken set-ups, as real as can be: each is named before anything starts, by both notebooks' ways.

A process of its own is broken for each: its PATH, its user, its mounts, its Docker. Those that need another
engine than the machine's get a second one, which has no image.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workshop.programs import program

from workshop.containers.engine import has_gpu
from workshop.containers.guard import ContainerGuard
from workshop.containers.images import TRAINING_IMAGE, own_serving_image
from workshop.errors import WorkshopError

REPO = Path(__file__).parents[2]
MODEL = REPO / "src" / "sample" / "base" / "model"
TIMEOUT_S = 120
TRAIN, SERVE = "use_local_mode: true", "serve_with: container"
PLUGINS = ("/usr/local/lib/docker", "/usr/local/libexec/docker", "/usr/lib/docker", "/usr/libexec/docker")
# What the cells of notebooks 03 and 02-01 call; it prints what each is told.
WAYS = """
import json, sys
from pathlib import Path
from workshop.errors import WorkshopError
from workshop.serving.plan import serving_plan
from workshop.serving.server import start_server
from workshop.settings import load_settings
from workshop.training.backend import training_backend

settings = load_settings()
plan = serving_plan(settings, Path(sys.argv[1]))
log_path = settings.home / "server.log"
ways = {
    "use_local_mode: true": lambda: training_backend(settings, use_local_mode=True),
    "serve_with: container": lambda: start_server(plan, log_path=log_path, timeout_s=1),
}
told = {"container": plan.container_name}
for name in sys.argv[2:]:
    try:
        ways[name]()
    except WorkshopError as error:
        told[name] = [error.found, error.expected, error.next_step]
print(json.dumps(told))
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change mounts and users")


class Setup:
    """A process that is broken in some way, and what it says.

    Args:
        home: The workshop's home; what is in it must be as before.
    """

    def __init__(self, home: Path) -> None:
        self.home, self.env, self.before = home, dict[str, str](), ""
        self.user: tuple[str, ...] = ()

    def told(self, *ways: str, model: Path = MODEL) -> list[list[str]]:
        """Return what the ways are told, after a look at what has been started, which is nothing."""
        files, since = _files(self.home), time.time()
        names = [name for name in os.environ if name.startswith(("DOCKER_", "WORKSHOP_"))]
        env = {name: value for name, value in os.environ.items() if name not in names}
        env |= {"PYTHONPATH": str(REPO / "src"), "WORKSHOP_HOME": str(self.home), "WORKSHOP_MODE": "sample"}
        command = [*self.user, sys.executable, "-c", WAYS, str(model), *ways]
        if self.before:
            command = [
                "unshare",
                "--mount",
                "--uts",
                "sh",
                "-ec",
                f'{self.before}\nexec "$@"',
                "sh",
                *command,
            ]
        done = subprocess.run(
            command,
            env={**env, "WORKSHOP_SERVE_WITH": "container", **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr.decode()
        told = json.loads(done.stdout)
        events = ("events", f"--since={since:.3f}", f"--until={time.time():.3f}")
        assert _docker(*events, f"--filter=container={told['container']}") == ""
        assert told["container"] not in _docker("ps", "--all") + _docker("network", "ls")
        assert _files(self.home) == files
        for way in ways:
            assert way in told, f"{way} found nothing wrong"
            assert told[way][0].startswith(f"{way}, and ")
            assert told[way][2].startswith("set ")
        return [told[way] for way in ways]


@pytest.fixture
def setup() -> Iterator[Setup]:
    home = Path(tempfile.mkdtemp(prefix="workshop-broken-"))  # other users do not reach pytest's folders
    yield Setup(home)
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def other_engine() -> Iterator[dict[str, str]]:
    """A second engine, of these tests alone, without any image: the environment that leads to it."""
    if os.geteuid() or not shutil.which("dockerd"):
        pytest.skip("no second engine: this is not root, or there is no dockerd")
    folder = Path(tempfile.mkdtemp(prefix="workshop-engine-"))
    env = {"DOCKER_HOST": f"unix://{folder}/sock"}
    engine = _start_engine(folder)
    try:
        yield env | {"PID": str(engine.pid)}
    finally:
        engine.terminate()
        engine.wait(TIMEOUT_S)
        shutil.rmtree(folder, ignore_errors=True)


def test_no_docker(setup: Setup, tmp_path: Path) -> None:
    setup.env["PATH"] = str(tmp_path)
    for found, _, step in setup.told(TRAIN, SERVE):
        assert "no program `docker` on this machine" in found
        assert "install Docker" in step


@pytest.mark.parametrize("is_dead", [False, True])
def test_an_engine_that_does_not_run(setup: Setup, is_dead: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="workshop-socket-"))
    if is_dead:  # of an engine that was killed
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(folder / "sock"))
    setup.env["DOCKER_HOST"] = f"unix://{folder}/sock"
    for found, _, step in setup.told(TRAIN, SERVE):
        assert "a Docker that does not answer (" in found
        assert f"{folder}/sock" in found
        assert "start it (" in step
    shutil.rmtree(folder)


@needs_root
def test_a_user_without_rights_on_the_socket(setup: Setup) -> None:
    # Nobody, who may read every file, so that this Python and this repository are found.
    rights = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    setup.user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *rights)
    for found, expected, step in setup.told(TRAIN, SERVE):
        assert "a Docker that this user may not use" in found
        assert "group docker" in expected
        assert "usermod -aG docker" in step


@needs_root
def test_no_compose(setup: Setup, tmp_path: Path) -> None:
    setup.env["DOCKER_CONFIG"] = str(tmp_path)
    hidden = [folder for folder in PLUGINS if Path(folder).is_dir()]
    setup.before = "\n".join(f"mount -t tmpfs none {folder}" for folder in hidden)
    ((found, expected, step),) = setup.told(TRAIN)
    assert "no Docker Compose" in found
    assert "Docker Compose 2" in expected
    assert "docker-compose-plugin" in step


def test_the_old_compose(setup: Setup, tmp_path: Path) -> None:
    setup.env["DOCKER_CONFIG"] = str(tmp_path)
    (tmp_path / "cli-plugins").mkdir()
    metadata = '{"SchemaVersion":"0.1.0","Vendor":"a","Version":"v1.29.2"}'
    program(tmp_path / "cli-plugins", "docker-compose", f"echo '{metadata}'")
    ((found, _, step),) = setup.told(TRAIN)
    assert "Docker Compose v1.29.2" in found
    assert "docker-compose-plugin" in step


@needs_root
def test_a_full_disk(setup: Setup, tmp_path: Path) -> None:
    # The engine's own answer, but for the disk, which is a full one.
    disk, docker = tmp_path / "disk", shutil.which("docker")
    disk.mkdir()
    change = f's|"DockerRootDir":"[^"]*"|"DockerRootDir":"{disk}"|'
    script = f"""case "$1" in info) {docker} "$@" | sed '{change}';; *) exec {docker} "$@";; esac"""
    program(tmp_path, "docker", script)
    setup.env["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    setup.before = f"mount -t tmpfs -o size=1m none {disk}; head -c 1000k /dev/zero > {disk}/image"
    for found, expected, step in setup.told(TRAIN, SERVE):
        assert f"0.0 GiB free where Docker keeps its containers ({disk})" in found
        assert expected == "1 GiB for a run"
        assert "docker system df" in step


@needs_root
def test_a_folder_that_the_engine_does_not_see(setup: Setup) -> None:
    # Of this process's mounts alone, on a machine that has not the engine's name.
    model = setup.home / "model"
    setup.before = f"hostname elsewhere\nmount -t tmpfs none {setup.home}\ncp -r {MODEL} {model}"
    for found, _, step in setup.told(TRAIN, SERVE, model=model):
        assert f"a Docker whose containers do not see {setup.home}" in found
        assert "File sharing" in step


@pytest.mark.parametrize("by", ["DOCKER_HOST", "context"])
def test_an_engine_on_another_machine(setup: Setup, tmp_path: Path, by: str) -> None:
    setup.env["DOCKER_CONFIG"] = str(tmp_path)
    if by == "context":
        _docker("context", "create", "far", "--docker=host=ssh://user@example.invalid", config=tmp_path)
        _docker("context", "use", "far", config=tmp_path)
    else:
        setup.env["DOCKER_HOST"] = "tcp://192.0.2.1:2376"
    for found, _, step in setup.told(TRAIN, SERVE):
        assert "a Docker on another machine (" in found
        assert "unset DOCKER_HOST" in step


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
def test_no_gpu_for_an_image_of_aws(setup: Setup) -> None:
    setup.env["WORKSHOP_CONTAINER_IMAGES"] = "aws"
    ((found, _, step),) = setup.told(SERVE)
    assert "no NVIDIA GPU that answers" in found
    assert "ml.g5.4xlarge" in step


@needs_root
def test_studio(setup: Setup, tmp_path: Path) -> None:
    (tmp_path / "ml" / "metadata").mkdir(parents=True)
    told = {"AppType": "JupyterLab", "SpaceName": "mine"}
    (tmp_path / "ml" / "metadata" / "resource-metadata.json").write_text(json.dumps(told))
    setup.before = f"mount -t tmpfs none /opt; cp -r {shlex.quote(str(tmp_path / 'ml'))} /opt/ml"
    for found, _, step in setup.told(TRAIN, SERVE):
        assert "SageMaker Studio (JupyterLab): its containers have no network but `sagemaker`" in found
        assert "EnableDockerAccess" in found
        assert "a notebook instance or an EC2 instance" in step


def test_no_image_and_an_image_of_other_files(setup: Setup, other_engine: dict[str, str]) -> None:
    images = (TRAINING_IMAGE, own_serving_image("tgi"))
    setup.env |= other_engine
    for image, (found, _, step) in zip(images, setup.told(TRAIN, SERVE), strict=True):
        assert f"no image {image} on this machine" in found
        assert "make images" in step
    for image in images:
        tar = subprocess.run(["tar", "-cf", "-", "--files-from", os.devnull], capture_output=True, check=True)
        load = ["docker", "import", "--change", "LABEL workshop.inputs=other", "-", image]
        subprocess.run(load, input=tar.stdout, check=True, env={**os.environ, **other_engine})
    for image, (found, _, step) in zip(images, setup.told(TRAIN, SERVE), strict=True):
        assert f"an image {image} that was built from other files" in found
        assert "make images" in step


def test_an_engine_that_dies_is_named_by_the_guard(
    other_engine: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", other_engine["DOCKER_HOST"])
    guard = ContainerGuard("guard-test-died", [tmp_path / "compose.yaml"])
    (tmp_path / "compose.yaml").touch()
    subprocess.run(["docker", "network", "ls"], check=True, stdout=subprocess.DEVNULL)
    os.kill(int(other_engine["PID"]), signal.SIGTERM)
    _wait_for(lambda: subprocess.run(["docker", "info"], capture_output=True).returncode != 0)
    with pytest.raises(WorkshopError, match="Docker does not answer"):
        guard.close()
    assert not (tmp_path / "compose.yaml").exists()
    monkeypatch.delenv("DOCKER_HOST")
    guard.close()


def _start_engine(folder: Path) -> subprocess.Popen[bytes]:
    places = [f"--{name}={folder / name}" for name in ("data-root", "exec-root", "pidfile")]
    network = ("--bridge=none", "--iptables=false", "--ip-masq=false")
    with (folder / "log").open("wb") as log:
        engine = subprocess.Popen(
            ["dockerd", *places, *network, f"--host=unix://{folder}/sock"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    ask = ["docker", "--host", f"unix://{folder}/sock", "info"]
    _wait_for(lambda: subprocess.run(ask, capture_output=True).returncode == 0 or engine.poll() is not None)
    if engine.poll() is not None:
        pytest.skip(f"no second engine: {(folder / 'log').read_text()[-300:]}")
    return engine


def _wait_for(is_so: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline_s, "it did not come about"
        time.sleep(0.1)


def _docker(*words: str, config: Path | None = None) -> str:
    env = {**os.environ, **({"DOCKER_CONFIG": str(config)} if config else {})}
    return subprocess.run(["docker", *words], env=env, capture_output=True, check=True).stdout.decode()


def _files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))
