"""A forked process is as one started alone, and gone with its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from processes.group import ProcessGroup
from processes.warm import WarmProcess, differs, preload

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")

REPO = Path(__file__).parents[2]
TIMEOUT_S = 600
# Of all tests in this process: the fork server that the servers' tests use, too.
PRELOADED = "serve.preload"
OWNER = f"""
import os, sys, time
sys.path[:0] = [{str(REPO / "src")!r}, sys.argv[1]]
from processes.group import ProcessGroup
from processes.warm import preload
preload("json")
group = ProcessGroup([sys.executable, "-m", "program"], env=dict(os.environ), is_warm=True)
print(group.process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., WarmProcess]:
    """A function that runs a program's text as a warm process."""
    monkeypatch.syspath_prepend(str(tmp_path))
    preload(PRELOADED)

    def start_one(text: str, *arguments: str, cwd: Path | None = None, **env: str) -> WarmProcess:
        name = f"program_{zlib.crc32(text.encode())}"
        if not (path := tmp_path / f"{name}.py").exists():  # many may start at the same time
            path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", name, *arguments]
        return WarmProcess(command, env={"PATH": os.environ["PATH"], **env}, cwd=cwd)

    return start_one


def fork_server() -> psutil.Process:
    """Return this process's fork server."""
    (found,) = [
        child for child in psutil.Process().children() if "multiprocessing.forkserver" in str(child.cmdline())
    ]
    return found


def wait_until(is_so: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_arguments_environment_folder_and_output_are_its_own(
    start: Callable[..., WarmProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_OWNER", "1")
    text = """
import os, subprocess, sys, time
print(__name__, sys.argv[1:], os.getcwd(), sorted(os.environ), time.tzname[0], flush=True)
print("an error", file=sys.stderr)
subprocess.run(["echo", "of a child"])
"""
    (folder := tmp_path / "폴더").mkdir()
    process = start(text, "--port", "한글", cwd=folder, TZ="Asia/Seoul", TOLD="서울")
    assert process.wait(TIMEOUT_S) == 0
    assert process.stdout.read().decode().splitlines() == [
        f"__main__ ['--port', '한글'] {folder} {sorted(['PATH', 'TZ', 'TOLD'])} KST",
        "an error",
        "of a child",
    ]
    assert os.environ["OF_THE_OWNER"] == "1"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os._exit(4)", 4),
        ("1 / 0", 1),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.kill(os.getpid(), 11)", -11),
        ("import os; os.kill(os.getpid(), 15)", -15),
    ],
)
def test_its_exit_status_is_that_of_its_program(
    start: Callable[..., WarmProcess], text: str, status: int
) -> None:
    process = start(text)
    assert process.wait(TIMEOUT_S) == process.returncode == process.poll() == status
    assert (b"ZeroDivisionError" in process.stdout.read()) == (text == "1 / 0")


def test_statuses_are_not_mixed_up_when_many_start_and_end_at_the_same_time(
    start: Callable[..., WarmProcess],
) -> None:
    found: dict[int, set[int]] = {}
    text = "import sys; sys.exit(int(sys.argv[1]))"
    assert start(text, "0").wait(TIMEOUT_S) == 0

    def run(number: int) -> None:
        process = start(text, str(number))
        waiting = [threading.Thread(target=process.wait) for _ in range(3)]
        for thread in waiting:
            thread.start()
        statuses = {process.wait(TIMEOUT_S)}
        for thread in waiting:
            thread.join()
        found[number] = statuses | {process.returncode}

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: {number} for number in range(1, 25)}


def test_it_ends_when_it_is_asked_to_and_a_wait_for_it_may_be_over_before(
    start: Callable[..., WarmProcess],
) -> None:
    process = start("import time; print('there', flush=True); time.sleep(600)")
    assert process.stdout.readline() == b"there\n"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    assert process.poll() is None
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    process.terminate()
    assert process.wait(TIMEOUT_S) == -signal.SIGTERM
    process.kill()  # an ended one is left alone
    assert process.returncode == -signal.SIGTERM


def test_no_two_draw_the_same_random_numbers(start: Callable[..., WarmProcess]) -> None:
    text = "import random, numpy, torch; print(random.random(), numpy.random.rand(), float(torch.rand(())))"
    processes = [start(text) for _ in range(2)]
    assert [process.wait(TIMEOUT_S) for process in processes] == [0, 0]
    first, second = (process.stdout.read().split() for process in processes)
    assert len(first) == 3
    assert not set(first) & set(second)


def test_the_fork_server_has_one_thread_and_its_libraries(start: Callable[..., WarmProcess]) -> None:
    process = start("import sys; print('torch' in sys.modules)")
    assert process.wait(TIMEOUT_S) == 0
    assert process.stdout.read() == b"True\n"
    assert fork_server().num_threads() == 1


def test_a_killed_fork_server_leaves_its_processes_and_the_next_one_gets_another(
    start: Callable[..., WarmProcess],
) -> None:
    text = "import signal; print('there', flush=True); signal.pause()"
    first = start(text)
    assert first.stdout.readline() == b"there\n"
    killed = fork_server()
    killed.kill()
    wait_until(lambda: is_gone(killed.pid))
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(0.2)
    second = start(text)
    assert second.stdout.readline() == b"there\n"
    assert fork_server() != killed
    assert first.poll() is None
    for process, status in ((first, 255), (second, -signal.SIGKILL)):
        process.kill()
        assert process.wait(TIMEOUT_S) == status


def test_one_that_is_asked_to_end_at_once_ends(start: Callable[..., WarmProcess], tmp_path: Path) -> None:
    """It may not be the leader of its group yet: the signal is not lost."""
    text = "import time; time.sleep(600)"
    start(text).kill()  # the fork server is there
    (tmp_path / "sleeper.py").write_text(text, encoding="utf-8")
    for _ in range(5):
        group = ProcessGroup([sys.executable, "-m", "sleeper"], env=dict(os.environ), is_warm=True)
        group.terminate()
        assert group.process.wait(TIMEOUT_S) == -signal.SIGTERM
        group.close()


def test_the_fork_server_ends_when_it_is_told_even_while_it_imports(tmp_path: Path) -> None:
    (tmp_path / "slow_library.py").write_text("import time; time.sleep(600)", encoding="utf-8")
    code = """
import psutil
from processes import warm
warm.end()
warm.preload("slow_library")
children = psutil.Process().children()
warm.end()
print(len(children), len([child for child in children if child.is_running()]))
"""
    environ = os.environ | {"PYTHONPATH": f"{REPO / 'src'}{os.pathsep}{tmp_path}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.stdout.split() == ["2", "1"], done  # multiprocessing's resource tracker ends with the process


def test_a_killed_owner_takes_its_process_along(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import time; time.sleep(600)", encoding="utf-8")
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE)
    pid = int(owner.stdout.readline())
    family = psutil.Process(owner.pid).children(recursive=True)
    assert pid in [process.pid for process in family]
    owner.kill()
    owner.communicate()
    wait_until(lambda: all(is_gone(process.pid) for process in family))


def test_a_group_of_a_warm_process_ends_with_what_that_started(
    start: Callable[..., WarmProcess], tmp_path: Path
) -> None:
    text = (
        "import signal, subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True); signal.pause()"
    )
    (tmp_path / "program.py").write_text(text, encoding="utf-8")
    group = ProcessGroup([sys.executable, "-m", "program"], env=dict(os.environ), is_warm=True)
    child = int(group.process.stdout.readline())
    group.close()
    assert is_gone(child)
    assert group.process.poll() == -signal.SIGKILL


def test_what_a_fork_cannot_have_of_an_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    for name in ("LC_ALL", "PYTHONOPTIMIZE", "TORCH_LOGS"):
        monkeypatch.delenv(name, raising=False)
    assert differs({"ATEN_CPU_CAPABILITY": "avx2", "HF_MODEL_ID": "/opt/ml/model"}) == []
    given = {
        "ATEN_CPU_CAPABILITY": "default",
        "LC_ALL": "ko_KR.EUC-KR",
        "PYTHONOPTIMIZE": "1",
        "TORCH_LOGS": "all",
    }
    assert differs(given) == sorted(given)


def test_elsewhere_nothing_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(OSError, match="darwin"):
        preload(PRELOADED)
