"""Local Mode in real containers trains what torchrun trains, sees what it may see, and leaves nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.containers.local_training import MEMORY_BYTES
from tests.containers.notebooks import TRACK_01, run_notebooks

from sample.news.generator import rows
from workshop.containers.images import TRAINING_IMAGE
from workshop.prompt import chat_messages
from workshop.settings import find_repo_dir, load_settings
from workshop.state import State
from workshop.training.compose_file import COMPOSE_NAME
from workshop.training.local_mode import container_root, is_local_run, project_name

CLIENT = Path(__file__).with_name("local_training.py")
REPO = find_repo_dir()
TRAIN, MODEL = REPO / "src" / "train", REPO / "src" / "sample" / "base" / "model"
TIMEOUT_S = 600
MAX_LOSS_DIFFERENCE = 1e-4
RECIPE = {"config": "sample.yaml", "max_steps": 4, "eval_strategy": "no", "seed": 42}
FAILS = 'import sys\nprint("no such column", flush=True)\nsys.exit(7)\n'
SLEEPS = 'import time\nprint("sleeping", flush=True)\ntime.sleep(600)\n'
LOOKS = """
import json, os, socket
from pathlib import Path

def can_write(folder):
    try:
        (Path(folder) / "written").touch()
    except OSError:
        return False
    return True

status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
limits = [Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")]
shm = os.statvfs("/dev/shm")
print("sees " + json.dumps({
    "user": [os.getuid(), os.getgid()],
    "capabilities": int(status["CapEff"], 16),
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "memory_bytes": int(next(path for path in limits if path.exists()).read_text()),
    "shm_bytes": shm.f_frsize * shm.f_blocks,
    "interfaces": sorted(name for _, name in socket.if_nameindex()),
    "keys": [name for name in os.environ if "KEY" in name or "TOKEN" in name],
    "can_write": {name: can_write("/opt/ml/" + name)
                  for name in ("input/data/code", "input/data/train", "model", "output", "checkpoints")},
    "reaches_itself": bool(socket.gethostbyname("algo-1")),
}), flush=True)
"""


class Kernel:
    """A process that trains in Local Mode, in a home of its own.

    Args:
        folder: Gets the home and the requests.
    """

    def __init__(self, folder: Path) -> None:
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environ |= {"WORKSHOP_HOME": str(folder / "home"), "PYTHONPATH": str(REPO)}
        # A person's keys, which no container may see
        self.environ |= {"AWS_ACCESS_KEY_ID": "marked", "AWS_SECRET_ACCESS_KEY": "marked-secret"}
        self.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
        self.settings = load_settings(environ=self.environ)
        self.root, self.jobs = container_root(self.settings), self.settings.home / "jobs"
        self.project = project_name(self.settings)
        self._requests, self._output = folder / "requests.json", folder / "output.txt"
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, *requests: dict[str, Any]) -> subprocess.Popen[str]:
        self._requests.write_text(json.dumps(requests))
        with self._output.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, str(CLIENT), str(self._requests)],
                env=self.environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def end(self) -> None:
        """End what a test that failed has left."""
        for process in self._processes:
            process.kill()
            process.wait(TIMEOUT_S)

    def run(self, *requests: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the name or the error of each run."""
        process = self.start(*requests)
        assert process.wait(TIMEOUT_S) == 0, self.shown
        return [json.loads(line[4:]) for line in self.shown.splitlines() if line.startswith('run {"')]

    def wait_for(self, text: str) -> None:
        deadline_s = time.monotonic() + TIMEOUT_S
        while text not in self.shown:
            assert time.monotonic() < deadline_s, self.shown
            time.sleep(0.1)

    @property
    def shown(self) -> str:
        return self._output.read_text(errors="replace")

    def log(self, name: str) -> str:
        return (self.jobs / f"{name}.log").read_text()


@pytest.fixture
def kernel(tmp_path: Path, nothing_left: Callable[..., None]) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path)
    yield kernel
    kernel.end()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name, text in {"fails.py": FAILS, "sleeps.py": SLEEPS, "looks.py": LOOKS}.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def news(tmp_path: Path) -> Path:
    folder = tmp_path / "news"
    folder.mkdir()
    with (folder / "train.jsonl").open("w", encoding="utf-8") as file:
        for row in rows(32, 7):
            line = {"messages": chat_messages(row["document"], row["summary"])}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return folder


def records(log: str) -> list[dict[str, Any]]:
    return [json.loads(line[9:]) for line in log.splitlines() if line.startswith("progress {")]


def without_a_container(news: Path, folder: Path) -> dict[str, Any]:
    """Train by torchrun in two processes on this machine; return the last step's record."""
    given = RECIPE | {"model_name_or_path": MODEL, "train_data": news, "output_dir": folder}
    arguments = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
    done = subprocess.run(
        [*command, str(TRAIN / "train.py"), *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return records(done.stdout)[-1]


def test_one_host_and_two_train_what_torchrun_trains_without_a_container(
    kernel: Kernel, news: Path, tmp_path: Path, nothing_left: Callable[..., None]
) -> None:
    nothing_left(TRAIN, MODEL, news)
    hyperparameters = RECIPE | {
        "model_name_or_path": "/opt/ml/input/data/model",
        "output_dir": "/opt/ml/checkpoints",
    }
    request = {
        "source_dir": str(TRAIN),
        "entry_script": "train.py",
        "hyperparameters": hyperparameters,
        "channels": {"model": str(MODEL), "train": str(news)},
    }
    one, two = kernel.run(request | {"num_processes": 2}, request | {"num_processes": 1, "num_hosts": 2})
    expected = without_a_container(news, tmp_path / "torchrun")
    for run in (one, two):
        assert run["error"] is None
        log = kernel.log(run["name"])
        steps = records(log)
        assert [record["step"] for record in steps] == [1, 2, 3, 4], "of one process, each once"
        assert abs(steps[-1]["loss"] - expected["loss"]) < MAX_LOSS_DIFFERENCE
        assert all(f'phase {{"{phase}_s"' in log for phase in ("imports", "model", "steps", "merge"))
        assert "NCCL_SOCKET_IFNAME=ethwe is not used: this machine has lo, eth0" in log
    assert 'progress {"step": 4' in kernel.shown, "shown while it runs"
    assert "algo-2 | Executing command: torchrun --nnodes=2 --nproc_per_node=1" in kernel.log(two["name"])
    # The second run is what the folder keeps
    kept = json.loads((kernel.root / "run.json").read_text())
    assert kept["job_name"] == two["name"]
    assert {path.name for path in kernel.root.iterdir()} == {"artifacts", "run.json"}
    model = kernel.root / "artifacts" / "model"
    metrics = json.loads((model / "metrics.json").read_text())
    assert (metrics["num_steps"], metrics["num_processes"]) == (4, 2)
    assert (model / "model.safetensors").stat().st_uid == os.getuid()


def test_a_failing_script_says_why_and_the_next_run_sees_what_it_may_see(
    kernel: Kernel, source: Path, news: Path, nothing_left: Callable[..., None]
) -> None:
    nothing_left(source, news)
    failed, looked = kernel.run(
        {"source_dir": str(source), "entry_script": "fails.py"},
        {"source_dir": str(source), "entry_script": "looks.py", "channels": {"train": str(news)}},
    )
    assert failed["name"] is None
    assert "exited with code: 7" in failed["error"]
    assert "no such column" in failed["error"]
    (line,) = re.findall("^sees (.+)$", kernel.log(looked["name"]), re.MULTILINE)
    assert json.loads(line) == {
        "user": [os.getuid(), os.getgid()],
        "capabilities": 0,
        "no_new_privileges": "1",
        "memory_bytes": MEMORY_BYTES,
        "shm_bytes": 2**30,
        "interfaces": ["eth0", "lo"],
        "keys": [],
        "can_write": {
            "input/data/code": False,
            "input/data/train": False,
            "model": True,
            "output": True,
            "checkpoints": True,
        },
        "reaches_itself": True,
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_kernel_that_is_interrupted_or_killed_leaves_nothing(
    kernel: Kernel, source: Path, engine: Any, nothing_left: Callable[..., None], number: signal.Signals
) -> None:
    nothing_left(source, kernel.root)
    process = kernel.start({"source_dir": str(source), "entry_script": "sleeps.py", "num_hosts": 2})
    kernel.wait_for("sleeping")
    running = engine.docker("ps", "--quiet", "--filter", f"name={kernel.project}").split()
    assert len(running) == 2
    # The engine's word: a way out of this machine could be tried only where there is somebody to reach
    assert engine.docker("network", "inspect", kernel.project, "--format", "{{.Internal}}") == "true\n"
    process.send_signal(number)
    process.wait(TIMEOUT_S)
    if number == signal.SIGKILL:  # the next kernel need not wait for what removes the rest of this one
        (again,) = kernel.run({"source_dir": str(source), "entry_script": "fails.py"})
        assert "exited with code: 7" in again["error"]
    deadline_s = time.monotonic() + TIMEOUT_S
    while kernel.root.exists() and time.monotonic() < deadline_s:  # by a killed kernel's guard
        time.sleep(0.1)
    if number == signal.SIGINT:  # the kernel lives on; the SDK takes an interrupt for an end
        assert "stopped before its end" in kernel.shown
        assert not engine.docker("ps", "--quiet", "--filter", f"name={kernel.project}")


def test_notebook_04_deploys_what_notebook_03_trained_in_local_mode(local_mode_home: Path) -> None:
    run_notebooks(local_mode_home, f"{TRACK_01}/04-SageMaker-Inference")
    report = local_mode_home / "sample" / "report"
    trained = (report / "03-SageMaker-Training.ipynb").read_text(encoding="utf-8")
    assert f"LOCAL_CONTAINER: {TRAINING_IMAGE}" in trained
    settings = load_settings(environ={"WORKSHOP_HOME": str(local_mode_home)})
    job_name = State.load(settings).training_job.job_name
    assert is_local_run(job_name)
    assert f"/training/{job_name}/output/model/" in (report / "04-SageMaker-Inference.ipynb").read_text()
    assert not (container_root(settings) / COMPOSE_NAME).exists()
