"""A program with an /opt/ml of its own, as root and as an ordinary user; this machine's files stay."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from processes.container_view import ContainerView
from processes.group import LAUNCH_ID_VARIABLE, ProcessGroup, kill_members
from sandbox.container_paths import why_no_mounts

pytestmark = pytest.mark.skipif(why_no_mounts() is not None, reason=f"no mounts here: {why_no_mounts()}")

SOURCE = Path(__file__).parents[2] / "src"
ROOT_HOME = "/root"
OWN_NAME = "집 $of 'somebody'"
# Run by other users' Python, too: it starts a shell in a view, and prints what that printed.
STARTS = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
from processes.container_view import ContainerView
view = ContainerView(sys.argv[2], kept=sys.argv[4:])
process = view.start(["/bin/sh", "-c", sys.argv[3]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
print(process.communicate()[0].decode(), end="")
sys.exit(process.returncode)
"""
WRITES = """
set -e
echo mine > /opt/ml/weights
echo mine > /etc/view-test
echo mine > /opt/view-test
echo mine > $ROOT_HOME/view-test
test -w /etc/passwd
! touch /etc/ssl/view-test
cd /opt/ml
tar cf packed.tar --owner=12345 --group=12345 weights
mkdir unpacked
tar xf packed.tar -C unpacked
id -u
"""


def snapshot(machine: Path = Path("/")) -> dict[str, tuple[int, int]]:
    """Return size and time of the last change of what lies in a machine's /etc, /opt and /root."""
    places = [*(machine / "etc").rglob("*"), *(machine / "opt").glob("*")]
    if os.access(machine / "root", os.R_OK):
        places += [path for path in (machine / "root").glob("*") if not path.is_dir()]
    return {str(path): (path.lstat().st_size, path.lstat().st_ctime_ns) for path in places}


def run(view: ContainerView, script: str) -> str:
    process = view.start(["/bin/sh", "-c", script], stdout=PIPE, stderr=subprocess.STDOUT)
    printed = process.communicate(timeout=300)[0].decode()
    assert process.returncode == 0, printed
    return printed


def users() -> list:
    """Return who may start a view: what makes a process theirs, and a Python that they can run."""
    found = [pytest.param([], sys.executable, id="this user")]
    if os.geteuid() == 0 and os.access("/usr/bin/python3", os.X_OK):
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        found.append(pytest.param(nobody, "/usr/bin/python3", id="nobody"))
    return found


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every user can use, with the code; pytest's are for the one who runs it."""
    with tempfile.TemporaryDirectory(prefix="view-") as name:
        folder = Path(name)
        (folder / "processes").mkdir()
        shutil.copy(SOURCE / "processes" / "container_view.py", folder / "processes")
        (folder / OWN_NAME).mkdir()
        for path in (folder, folder / OWN_NAME):
            path.chmod(0o777)
        yield folder


@pytest.mark.parametrize(("become", "python"), users())
def test_what_a_program_writes_stays_in_its_view(become: list[str], python: str, open_folder: Path) -> None:
    before = snapshot()
    command = [*become, python, "-c", STARTS, open_folder, open_folder / OWN_NAME, WRITES]
    environ = {"PATH": os.environ["PATH"], "ROOT_HOME": ROOT_HOME}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environ)
    assert (done.returncode, done.stdout[-2:].strip()) == (0, "0"), done.stdout + done.stderr
    for name in ("weights", "unpacked/weights"):
        assert (open_folder / OWN_NAME / name).read_text() == "mine\n"
    assert snapshot() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give its powers away")
def test_who_may_not_mount_is_told_what_was_refused(tmp_path: Path) -> None:
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    command = [*powerless, sys.executable, "-c", STARTS, SOURCE, tmp_path, "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "PermissionError: [Errno 1] Operation not permitted (/proc/self/uid_map)" in done.stderr


def test_two_programs_have_their_own(tmp_path: Path) -> None:
    views = [ContainerView(tmp_path / name) for name in ("a", "b")]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    script = (
        "echo {0} > /opt/ml/name; touch {2}/{0}.on; until [ -e {2}/{1}.on ]; do sleep 0.02; done;"
        " cat /opt/ml/name"
    )
    scripts = [script.format(own, other, tmp_path) for own, other in ("ab", "ba")]
    both = [
        view.start(["/bin/sh", "-c", each], stdout=PIPE) for view, each in zip(views, scripts, strict=True)
    ]
    assert [process.communicate(timeout=300)[0] for process in both] == [b"a\n", b"b\n"]


def test_a_folder_that_is_kept_is_the_machines_also_below_one_that_is_not(tmp_path: Path) -> None:
    # The machine of the inner view is the outer one: a job may start a sandbox of its own.
    inner = f"echo inside > {ROOT_HOME}/kept/file; touch {ROOT_HOME}/lost"
    words = " ".join(f"'{word}'" for word in (SOURCE, "/opt/ml/inner", inner, f"{ROOT_HOME}/kept"))
    outer = f"""
        mkdir {ROOT_HOME}/kept /opt/ml/inner
        {sys.executable} -c '{STARTS}' {words} && cat {ROOT_HOME}/kept/file && ls {ROOT_HOME}/lost
    """
    process = ContainerView(tmp_path).start(["/bin/sh", "-c", outer], stdout=PIPE, stderr=subprocess.STDOUT)
    printed = process.communicate(timeout=300)[0].decode()
    assert "inside\n" in printed
    assert f"cannot access '{ROOT_HOME}/lost'" in printed


def test_names_of_hosts_are_this_machine(tmp_path: Path) -> None:
    printed = run(ContainerView(tmp_path, host_names=["algo-1", "algo-2"]), "getent hosts algo-1 algo-2")
    assert [line.split()[0] for line in printed.splitlines()] == ["127.0.0.1"] * 2


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (["/opt/ml/no-such"], FileNotFoundError),
        (["no-such-program-of-ours"], FileNotFoundError),
        (["/opt/ml"], PermissionError),
    ],
)
def test_a_program_that_cannot_be_started_is_the_error_that_it_is_elsewhere(
    tmp_path: Path, command: list[str], error: type[OSError]
) -> None:
    with pytest.raises(error):
        ContainerView(tmp_path).start(command)


def test_a_folder_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"open_tree .*/gone"):
        ContainerView(tmp_path / "gone").start(["true"])


def test_a_program_gets_signals_environment_and_descriptors_as_without_a_view(tmp_path: Path) -> None:
    # SIGPIPE: a Python in between ignores it, and what ignores it would make `yes | head` fail.
    script = "env; grep SigIgn /proc/self/status; ls /proc/self/fd"
    facts = [
        start(["/bin/sh", "-c", script], env={"PATH": os.environ["PATH"], "TAR_OPTIONS": ""}, stdout=PIPE)
        for start in (ContainerView(tmp_path).start, subprocess.Popen)
    ]
    inside, plain = [
        [line for line in process.communicate(timeout=300)[0].decode().splitlines() if "PWD=" not in line]
        for process in facts
    ]
    assert sorted(inside) == sorted(plain)


def test_a_group_in_a_view_keeps_its_number_and_ends_whole(tmp_path: Path) -> None:
    script = "echo $$; (setsid sleep 600 &) ; exec sleep 600"
    group = ProcessGroup(
        ["/bin/sh", "-c", script], env={"PATH": os.environ["PATH"]}, view=ContainerView(tmp_path)
    )
    try:
        assert int(group.process.stdout.readline()) == group.process.pid
        environ = Path(f"/proc/{group.process.pid}/environ").read_bytes()
        assert f"{LAUNCH_ID_VARIABLE}={group.launch_id}".encode() in environ.split(b"\0")
        group.terminate()
        assert group.process.wait(300) == -15
    finally:
        group.close()
        group.process.stdout.close()
    kill_members(None, group.launch_id)  # it returns when none is left
