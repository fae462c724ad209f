"""Servers forked from a parent with the libraries loaded: as if started alone, and gone with their owner."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from tests.serve.server_process import BASE, REPO, TIMEOUT_S, ServerProcess, inherited_environment

from processes.group import MARK_VARIABLE
from serve.handover import VARIABLE, NotForkedError, hand_over

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere servers are not forked"),
    pytest.mark.usefixtures("alone"),  # but for those that name a parent of this module's own
]

NAME = "SERVER_NAME"
READ_AT_START = ("ATEN_", "MKL_")  # by libraries, before a fork could change it
# Listens at once and has no libraries: its servers import them as they would alone.
WITHOUT_LIBRARIES = (
    "import sys; from serve import preload; preload.MODULES = (); preload.preload(sys.argv[1:])"
)
# Draws in place of a server, from the generators that are there before the fork.
DRAWS_NUMBERS = """
import random, sys
import serve.server
from serve import preload

def draw(argv):
    import numpy, torch
    print(random.random(), numpy.random.rand(), float(torch.rand(())), sep="\\n")
    return 0

serve.server.start = draw
preload.MODULES = ("numpy.random", "torch")
preload.preload(sys.argv[1:])
"""
# A busy machine: the fork has run for a while before its parent goes on.
SLOW_AFTER_A_FORK = """
import os, time
pidfd_open = os.pidfd_open
os.pidfd_open = lambda pid: (time.sleep(2), pidfd_open(pid))[1]
"""
WITH_A_THREAD = (
    "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start();"
)
NOT_SERVABLE = {"HF_MODEL_ID": "/no/such/folder"}


class Parent:
    """A running parent.

    Args:
        folder: Of its socket.
        program: Its interpreter's arguments.
    """

    def __init__(self, folder: Path, *program: str, **variables: str) -> None:
        self.socket = folder / "serve.socket"
        inherited = inherited_environment()  # as its servers: a parent with another one would fork none
        self.process = subprocess.Popen(
            [sys.executable, *(program or ("-m", "serve", "preload")), "--socket", str(self.socket)],
            # What the system shows of a server's environment has the room of its parent's.
            env=inherited | {"PYTHONPATH": str(REPO / "src"), "ROOM": "x" * 4096} | variables,
            stdin=subprocess.PIPE,
        )
        wait_until(self.socket.exists)

    @property
    def pid(self) -> int:
        return self.process.pid

    def servers(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children()

    def server(self, **variables: str) -> ServerProcess:
        """Start a server that is to be forked from this parent."""
        return ServerProcess(**{VARIABLE: str(self.socket), **variables})

    def server_of(self, name: str) -> psutil.Process:
        """Return the fork of the server that was started with a name."""
        (found,) = [each for each in self.servers() if each.environ().get(NAME) == name]
        return found

    def __enter__(self) -> Parent:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait(TIMEOUT_S)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parent]:
    """A parent with a mark and a limit of its own."""
    with Parent(
        tmp_path_factory.mktemp("parent"), MAX_TOTAL_TOKENS="99", **{MARK_VARIABLE: "parent"}
    ) as running:
        yield running


@pytest.fixture
def light(tmp_path: Path) -> Iterator[Parent]:
    """A parent without libraries, at a path that is longer than a socket's address."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with Parent(folder, "-c", WITHOUT_LIBRARIES) as running:
        yield running


def wait_until(is_so: object) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def wait_gone(process: psutil.Process) -> None:
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def generate(server: ServerProcess, **parameters: object) -> dict:
    asked = {"inputs": "서울", "parameters": {"max_new_tokens": 20, **parameters}}
    return requests.post(server.url + "/generate", json=asked, timeout=300).json()


def without_numbers(lines: list[str]) -> list[str]:
    return ["".join(" " if character.isdigit() else character for character in line) for line in lines]


@pytest.mark.usefixtures("alone")
def test_a_forked_server_answers_and_logs_as_one_started_alone(parent: Parent) -> None:
    with ServerProcess() as server, parent.server() as forked:
        server.ready()
        forked.ready()
        assert parent.servers()
        parameters = {"details": True, "seed": 3, "do_sample": True}
        assert generate(forked, **parameters) == generate(server, **parameters)
        num_lines = len(forked.output)
        told = [" ".join(line.split()) for line in without_numbers(forked.output)]
        assert told == [" ".join(line.split()) for line in without_numbers(server.output[:num_lines])]


def test_a_server_that_ends_before_its_parent_is_back_at_work_is_not_started_again(tmp_path: Path) -> None:
    with Parent(tmp_path, "-c", SLOW_AFTER_A_FORK + DRAWS_NUMBERS) as busy, busy.server() as server:
        status, output = server.wait()
    assert status == 0
    assert len(output.splitlines()) == 3


def test_no_two_forked_servers_draw_the_same_numbers(tmp_path: Path) -> None:
    with Parent(tmp_path, "-c", DRAWS_NUMBERS) as drawing:
        outputs = []
        for _ in range(2):
            with drawing.server() as server:
                status, output = server.wait()
            assert status == 0, output
            outputs.append(output.splitlines())
    assert len(outputs[0]) == 3
    assert not set(outputs[0]) & set(outputs[1])


def test_its_environment_folder_and_mask_are_those_it_was_started_with(
    parent: Parent, tmp_path: Path
) -> None:
    (tmp_path / "model").symlink_to(BASE)
    sent = {
        "PYTHONPATH": str(REPO / "src"),
        "HOST": "127.0.0.1",
        "PORT": "0",
        "HF_MODEL_ID": "model",
        "OMP_NUM_THREADS": "2",
        MARK_VARIABLE: "server",
        VARIABLE: str(parent.socket),
        NAME: uuid.uuid4().hex,
        "한글": "값 🙂",
        # Where libraries are held back to an older processor's instructions, the parent is too.
        **{name: value for name, value in inherited_environment().items() if name.startswith(READ_AT_START)},
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "serve", "serve", "--max-input-tokens", "50"],
        cwd=tmp_path,
        env=sent,
        umask=0o027,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = process.stdout.readline().split()[-1]
        wait_until(lambda: requests.get(url + "/ping", timeout=300).ok)
        limits = requests.get(url + "/info", timeout=300).json()
        # Not the parent's MAX_TOTAL_TOKENS.
        assert (limits["max_input_tokens"], limits["max_total_tokens"]) == (50, 2048)
        server = parent.server_of(sent[NAME])
        assert server.environ() == sent | {"LC_CTYPE": "C.UTF-8"}  # set by every interpreter without a locale
        assert server.cwd() == str(tmp_path)
        assert [word for word in server.cmdline() if word][1:] == process.args[1:]
        assert int(Path(f"/proc/{server.pid}/status").read_text().split("Umask:")[1].split()[0], 8) == 0o027
        assert os.getsid(server.pid) == server.pid
    finally:
        process.kill()
        process.communicate()


def test_what_cannot_be_served_is_said_with_status_2(parent: Parent) -> None:
    with parent.server(**NOT_SERVABLE) as server:
        status, output = server.wait()
    assert status == 2
    assert [line[:10] for line in output.splitlines()] == ["found     ", "expected  ", "do next   "]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_requests_under_way(
    parent: Parent, endless_dir: Path, number: signal.Signals
) -> None:
    with parent.server(HF_MODEL_ID=str(endless_dir)) as server:
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


def test_a_killed_owner_takes_its_server_along_and_no_other(parent: Parent) -> None:
    names = [uuid.uuid4().hex for _ in range(2)]
    with parent.server(**{NAME: names[0]}) as killed, parent.server(**{NAME: names[1]}) as other:
        assert killed.ready()
        assert other.ready()
        server = parent.server_of(names[0])
        killed.process.kill()
        wait_gone(server)
        assert generate(other)["generated_text"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_its_owner_ends_by_the_signal_that_ended_the_server(parent: Parent, number: signal.Signals) -> None:
    name = uuid.uuid4().hex
    with parent.server(**{NAME: name}) as server:
        assert server.url
        parent.server_of(name).send_signal(number)
        assert server.wait()[0] == -number


def test_the_parent_has_one_thread_and_a_socket_for_its_user_alone(parent: Parent) -> None:
    with parent.server() as server:
        server.ready()
        assert psutil.Process(parent.pid).num_threads() == 1
    assert stat.S_IMODE(parent.socket.stat().st_mode) == 0o600
    assert os.listdir(parent.socket.parent) == [parent.socket.name]


def test_a_forked_server_imports_no_more_of_the_large_libraries() -> None:
    """What it would import stands in MODULES: each fork would take the time for it again."""
    code = f"""
import sys
from pathlib import Path
from serve.preload import MODULES, import_libraries
import_libraries(MODULES)
before = set(sys.modules)
from serve.engines.load import load_engine
from serve.model_folder import read_model_folder
from serve.settings import read_settings
import serve.app, serve.dialects.tgi.metrics, serve.dialects.tgi.routes
load_engine(read_settings([]), read_model_folder(Path({str(BASE)!r})))
large = ("torch", "transformers", "numpy", "tokenizers", "safetensors", "starlette", "anyio")
print([name for name in sys.modules if name not in before and name.split(".")[0] in large])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO / "src", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_what_stands_for_a_server_imports_little() -> None:
    code = (
        "import sys, serve.__main__;"
        "print(sorted({'argparse', 'logging', 'ctypes', 'asyncio', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO / "src", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({VARIABLE: "/no/such/socket"}, "No such file or directory"),
        ({"TORCH_SOMETHING": "1"}, "TORCH_SOMETHING differ from the parent's"),
        ({"PYTHONOPTIMIZE": "1"}, "PYTHONOPTIMIZE, interpreter differ from the parent's"),
    ],
)
def test_where_it_cannot_be_forked_it_starts_in_the_ordinary_way_and_logs_why(
    light: Parent, variables: dict[str, str], reason: str
) -> None:
    with (
        light.server(**NOT_SERVABLE, **variables)
        if VARIABLE not in variables
        else ServerProcess(**NOT_SERVABLE, **variables) as server
    ):
        status, output = server.wait()
    assert status == 2
    assert "INFO serve: started without preloaded libraries: " in output
    assert reason in output.splitlines()[0]


def test_a_parent_with_threads_forks_nothing(tmp_path: Path) -> None:
    with (
        Parent(tmp_path, "-c", WITH_A_THREAD + WITHOUT_LIBRARIES) as threaded,
        threaded.server(**NOT_SERVABLE) as server,
    ):
        _, output = server.wait()
    assert "refused: the parent has 2 threads" in output.splitlines()[0]


def test_the_end_of_the_parent_while_it_imports_is_no_end_of_a_server(light: Parent) -> None:
    os.kill(light.pid, signal.SIGSTOP)
    with light.server(**NOT_SERVABLE) as server:
        wait_until(lambda: len(psutil.Process(server.process.pid).net_connections("unix")) > 0)
        light.process.kill()
        status, output = server.wait()
    assert status == 2
    assert "started without preloaded libraries" in output


def test_a_signal_while_the_parent_imports_ends_with_status_0(light: Parent) -> None:
    os.kill(light.pid, signal.SIGSTOP)
    with light.server() as server:
        wait_until(lambda: len(psutil.Process(server.process.pid).net_connections("unix")) > 0)
        server.process.terminate()
        assert server.process.wait(TIMEOUT_S) == 0
        os.kill(light.pid, signal.SIGCONT)  # it holds the output that it was sent
        assert server.wait() == (0, "")
    wait_until(lambda: not light.servers())


def test_a_killed_parent_leaves_its_servers_and_their_status(light: Parent) -> None:
    with light.server(**{NAME: "a"}) as server, light.server(**{NAME: "b"}) as orphaned:
        assert server.url
        assert orphaned.url
        forks = light.servers()
        light.process.kill()
        light.process.wait()
        assert requests.get(server.url + "/ping", timeout=300).status_code in (200, 503)
        server.process.terminate()
        assert server.wait()[0] == 0
        orphaned.process.kill()
        for each in forks:
            wait_gone(each)


@pytest.mark.parametrize("way", ["SIGTERM", "owner"])
def test_the_end_of_the_parent_ends_its_servers_and_its_socket(light: Parent, way: str) -> None:
    with light.server() as server:
        assert server.url
        forks = light.servers()
        light.process.terminate() if way == "SIGTERM" else light.process.stdin.close()
        assert server.wait()[0] == 0
        assert light.process.wait(TIMEOUT_S) == 0
    assert len(forks) == 1
    assert not forks[0].is_running()
    assert not light.socket.exists()


def test_strangers_and_nonsense_do_not_disturb_the_parent(light: Parent) -> None:
    import socket

    from serve.handover import Address, receive

    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with Address(str(light.socket)) as address:
            connection.connect(address)
        return connection

    with connect() as silent, connect() as talking:
        talking.send(b"no request")
        assert receive(talking)[0].startswith(b"refused: ")
        with light.server(**NOT_SERVABLE) as server:
            assert server.wait()[0] == 2
        silent.close()
    assert light.process.poll() is None


def test_a_folder_that_cannot_hold_a_socket_is_told_in_three_lines(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "serve", "preload", "--socket", str(tmp_path / "none" / "socket")],
        cwd=REPO / "src",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert [line[:10] for line in done.stderr.splitlines()] == ["found     ", "expected  ", "do next   "]


def test_handing_over_leaves_the_signals_as_they_were(tmp_path: Path) -> None:
    assert threading.current_thread() is threading.main_thread()
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with contextlib.suppress(NotForkedError):
        hand_over(str(tmp_path / "none"), [])
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
