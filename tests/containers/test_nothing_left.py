"""However a kernel ends, its containers, networks, volumes and files are gone: real ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from workshop.containers import removal
from workshop.containers.guard import ContainerGuard
from workshop.containers.images import TRAINING_IMAGE

SRC = Path(__file__).parents[2] / "src"
TIMEOUT_S = 120
# Whose files an ordinary kernel cannot remove: root's, as from Local Mode; where the tests are root, those
# of somebody else, with a kernel that has given root's rights over files away.
IS_ROOT = os.geteuid() == 0
WRITER = 12_345 if IS_ROOT else 0
ORDINARY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner") if IS_ROOT else ()
# Its container writes into its folder as another user; the client of that stays, as Compose does.
KERNEL = """
import subprocess, sys
from pathlib import Path
from workshop.containers.guard import ContainerGuard

name, folder, image, ending, writer = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
guard = ContainerGuard(name, [folder / "compose.yaml", folder / "made"], image)
(folder / "compose.yaml").write_text("AWS_SECRET_ACCESS_KEY=very-secret")
(folder / "made").mkdir()
(folder / "made").chmod(0o777)
for kind in ("network", "volume"):
    subprocess.run(["docker", kind, "create", *guard.options, name], check=True, stdout=subprocess.DEVNULL)
script = "mkdir -m 700 /made/deep && touch /made/deep/file && echo made && sleep 600"
volumes = [f"--volume={name}:/volume", f"--volume={folder / 'made'}:/made"]
limits = ["--memory=64m", f"--user={writer}", "--pull=never", "--rm", "--entrypoint=sh"]
run = ["docker", "run", *guard.options, *limits, f"--network={name}", *volumes, image, "-c", script]
client = subprocess.Popen(run, stdout=subprocess.PIPE, start_new_session=True)
assert client.stdout.readline() == b"made\\n"
assert (folder / "made" / "deep").stat().st_uid == int(writer)
print("ready", flush=True)
if ending == "forgotten":
    sys.exit()
with guard:
    if ending == "failure":
        raise ValueError("a cell that fails")
    if ending == "wait":
        sys.stdin.read()
"""


class Kernel:
    """A process that has started a container under a guard.

    Args:
        ending: Its own: success, failure, forgotten (its guard is never closed); or it waits.
    """

    def __init__(self, name: str, folder: Path, ending: str = "wait") -> None:
        self.folder = folder
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe would end with Docker's client
        self.process = subprocess.Popen(
            [*ORDINARY, sys.executable, "-c", KERNEL, name, str(folder), TRAINING_IMAGE, ending, str(WRITER)],
            env={**os.environ, "PYTHONPATH": str(SRC)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        assert self.process.stdout.readline() == b"ready\n", self.errors

    @property
    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode()

    @property
    def watchdogs(self) -> list[psutil.Process]:
        return [each for each in self.children if removal.__file__ in each.cmdline()]

    @property
    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def wait(self) -> None:
        self.process.wait(TIMEOUT_S)
        self.process.stdin.close()
        self.process.stdout.close()

    def has_left_files(self) -> bool:
        return bool(list(self.folder.iterdir()))


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a run, of which nothing is left at the end; other runs come and go meanwhile."""
    name = f"guard-test-{uuid.uuid4().hex[:8]}"
    yield name
    kinds = (("ps", "--all"), ("network", "ls"), ("volume", "ls"))
    form = f'{{{{.Label "{removal.LABEL}"}}}}'
    left = [(kind[0], *removal.docker(*kind, "--format", form).split()) for kind in kinds]
    removal.remove_run(name)
    assert not [label for _, *labels in left for label in labels if label.startswith(name)], left


@pytest.fixture
def folder(name: str) -> Iterator[Path]:
    """A folder that is empty at the end, and that containers reach as they do not reach pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="workshop-guard-"))
    folder.chmod(0o755)
    yield folder
    left = list(folder.iterdir())
    shutil.rmtree(folder, ignore_errors=True)
    assert left == []


def wait_for_end(kernel: Kernel) -> None:
    """Wait for a kernel, and for its watchdog, which begins then."""
    kernel.wait()
    deadline_s = time.monotonic() + TIMEOUT_S
    while kernel.has_left_files():  # they are removed last
        assert time.monotonic() < deadline_s, list(kernel.folder.iterdir())
        time.sleep(0.05)


@pytest.mark.parametrize("ending", ["success", "failure", "forgotten"])
def test_a_cell_leaves_nothing_however_it_ends(folder: Path, name: str, ending: str) -> None:
    kernel = Kernel(name, folder, ending)
    wait_for_end(kernel)
    assert ("ValueError: a cell that fails" in kernel.errors) == (ending == "failure")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_kernel_leaves_nothing(folder: Path, name: str, number: signal.Signals) -> None:
    kernel = Kernel(name, folder)
    kernel.process.send_signal(number)
    wait_for_end(kernel)


def test_a_kernel_that_is_killed_with_its_client_leaves_nothing(folder: Path, name: str) -> None:
    kernel = Kernel(name, folder)
    clients = [each for each in kernel.children if each not in kernel.watchdogs]
    assert [each.name() for each in clients] == ["docker"]
    for process in (psutil.Process(kernel.process.pid), *clients):
        process.kill()
    wait_for_end(kernel)


def test_what_the_watchdog_could_not_remove_is_removed_by_the_next_guard(folder: Path, name: str) -> None:
    kernel = Kernel(name, folder)
    for process in (*kernel.watchdogs, psutil.Process(kernel.process.pid)):
        process.kill()
    kernel.wait()
    assert kernel.has_left_files()
    with ContainerGuard(name, [folder / "compose.yaml", folder / "made"], TRAINING_IMAGE):
        assert not kernel.has_left_files()


def test_a_guard_of_the_same_name_ends_what_another_kernel_runs_and_keeps_its_own(
    folder: Path, name: str
) -> None:
    kernel = Kernel(name, folder)
    with ContainerGuard(name, [folder / "compose.yaml", folder / "made"], TRAINING_IMAGE) as guard:
        assert not kernel.has_left_files()
        (folder / "compose.yaml").touch()
        assert removal.docker("network", "create", *guard.options, f"{name}-2")
        kernel.process.stdin.close()
        kernel.process.wait(TIMEOUT_S)  # it closes its guard, and removes nothing of this one
        assert (folder / "compose.yaml").exists()
        assert removal.docker("network", "inspect", f"{name}-2")
        kernel.process.stdout.close()


def test_a_client_that_would_make_more_is_ended(folder: Path, name: str) -> None:
    compose_file = folder / "compose.yaml"
    with ContainerGuard(name, [compose_file]):
        compose_file.write_text(f"services: {{a: {{image: {TRAINING_IMAGE}}}}}")
        client = subprocess.Popen(["docker", "compose", "-f", compose_file, "events"], stderr=subprocess.PIPE)
        other = subprocess.Popen(["docker", "compose", "-f", f"{compose_file}.other", "version"])
        assert other.wait(TIMEOUT_S) == 0
        assert client.poll() is None, "it waits for events"
    client.wait(TIMEOUT_S)
    client.stderr.close()
