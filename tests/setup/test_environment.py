"""setup/environment.sh says what is wrong before it downloads anything: found, expected, what to do next.

Programs that tell of the machine (uname, sw_vers, df, an interpreter) are stood for by scripts on PATH, as no
test can change the machine. Each case ends before the script would install something.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

REPO_DIR = Path(__file__).parents[2]
BASE_PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}"
NOBODY = 65534
CHOICES = ("PYTHON", "TORCH_INDEX_URL", "KIT")  # of whoever runs the tests: `make test KIT=...`


class Clone:
    """A clone with the files that the script reads, and folders of programs that go before the system's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs = folder, folder.parent / "programs"
        shutil.copytree(REPO_DIR / "setup", folder / "setup")
        shutil.copy(REPO_DIR / "requirements.txt", folder)
        self.programs.mkdir()
        for name in ("python3.11", "python3.12", "python3", "python"):
            self.put(name, "exit 127")  # as the shims of a version manager

    def put(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def put_python(self, name: str, change: str = "") -> None:
        """Let a name run this Python, after a change to what it says of itself."""
        (self.programs / f"{name}.d").mkdir()
        (self.programs / f"{name}.d" / "sitecustomize.py").write_text(change)
        self.put(name, f'PYTHONPATH="{self.programs}/{name}.d" exec "{BASE_PYTHON}" "$@"')

    def run(self, what: str = "notebooks", before: str = "", **options: object) -> tuple[int, str, str]:
        """Return exit status, output and errors of the script; `before` runs in its shell."""
        environ = {name: value for name, value in os.environ.items() if name not in CHOICES}
        done = subprocess.run(
            ["/bin/bash", "-c", f'{before}\nexec "$0" {what}', str(self.folder / "setup" / "environment.sh")],
            env={**environ, "PATH": f"{self.programs}:/usr/bin:/bin", **options.pop("env", {})},
            capture_output=True, text=True, timeout=60, check=False, **options,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def refusal(self, **options: object) -> str:
        """Return what is told of a machine on which nothing was installed."""
        status, output, told = self.run(**options)
        assert status == 1, (output, told)
        assert [line.split(" ")[0] for line in told.splitlines()[-3:]] == ["found", "expected", "do"], told
        assert output == ""
        assert not (self.folder / ".venv").exists()
        return told


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "뉴스 모임 '집'")


@pytest.mark.parametrize(
    ("system", "machine", "found", "next_step"),
    [
        ("MINGW64_NT-10.0-19045", "x86_64", "MINGW64", "wsl --install"),
        ("Linux", "i686", "Linux on i686", "another machine"),
        ("Linux", "armv7l", "Linux on armv7l", "another machine"),
        ("FreeBSD", "amd64", "FreeBSD", "WSL2"),
    ],
)
def test_an_unsupported_system_is_named(
    clone: Clone, system: str, machine: str, found: str, next_step: str
) -> None:
    clone.put("uname", f'case "$1" in -s) echo "{system}" ;; -m) echo {machine} ;; esac')
    told = clone.refusal()
    assert found in told
    assert next_step in told


@pytest.mark.parametrize("release", ["13.7.1", "12.0"])
def test_a_macos_without_packages_is_named(clone: Clone, release: str) -> None:
    clone.put("uname", 'case "$1" in -s) echo Darwin ;; -m) echo arm64 ;; esac')
    clone.put("sw_vers", f"echo {release}")
    told = clone.refusal()
    assert f"macOS {release}" in told
    assert "macOS 14 or newer" in told


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("import sys; sys.version_info = (3, 10, 12)", "is Python 3."),
        ("import sys; sys.version_info = (3, 13, 0)", "is Python 3."),
        ("import platform; platform.python_implementation = lambda: 'PyPy'", "is PyPy"),
        ("import struct; struct.calcsize = lambda _: 4", "is a 32-bit build"),
        ("import sys; sys.modules['ensurepip'] = None", "without its module ensurepip"),
        ("import sys; sys.modules['venv'] = None", "without its module venv"),
        (
            "import platform, sys; sys.platform = 'darwin'; platform.machine = lambda: 'x86_64'",
            "is a build for Intel Macs",
        ),
        ("import os, sys; sys.platform = 'linux'; os.confstr = lambda _: 'glibc 2.27'", "runs on glibc 2.27"),
        ("import os, sys; sys.platform = 'linux'; del os.confstr", "Alpine"),
        ("raise SystemExit(1)", "does not run"),
    ],
)
def test_an_interpreter_that_will_not_do_is_named_with_its_fault(
    clone: Clone, change: str, fault: str
) -> None:
    clone.put_python("python3.12", change)
    told = clone.refusal()
    (found,) = [part for part in told.splitlines()[0].split("; ") if part.startswith("python3.12 ")]
    assert fault in found
    assert "python3.11 does not run" in told
    assert "sudo apt install python3.11-venv" in told


@pytest.mark.parametrize("value", ["python3.12", "no/such/python"])
def test_an_interpreter_that_was_asked_for_is_the_only_one_tried(clone: Clone, value: str) -> None:
    clone.put_python("python3.11")
    told = clone.refusal(env={"PYTHON": value})
    assert f"found     {value} " in told
    assert "python3.11 " not in told.splitlines()[0]


def test_a_release_candidate_of_3_11_is_an_interpreter(clone: Clone) -> None:
    """Ubuntu 22.04's python3.11 is 3.11.0rc1."""
    clone.put_python("python3.11", "import sys; sys.version_info = (3, 11, 0, 'candidate', 1)")
    done = subprocess.run(
        [clone.programs / "python3.11", REPO_DIR / "setup" / "check_python.py"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == ""


def test_too_little_disk_is_told_with_what_is_needed(clone: Clone) -> None:
    # Names with spaces and per cents, as macOS shows them.
    clone.put("df", r'printf "Filesystem 1024-blocks Used Available Capacity Mounted on\n'
                    r'map 90%% auto 9999999 9 2097152 80%% /Volumes/My Drive\n"')  # fmt: skip
    told = clone.refusal()
    assert "2048 MiB of free disk" in told
    assert "4 GiB" in told
    clone.put("nvidia-smi", "true")
    assert "15 GiB" in clone.refusal()


@pytest.mark.parametrize(
    ("driver", "environ", "is_told"),
    [
        ("550.163.01", {}, True),
        ("579.99", {}, True),
        ("580.65.06", {}, False),
        ("590.44", {}, False),
        ("550.163.01", {"TORCH_INDEX_URL": "https://download.pytorch.org/whl/cu126"}, False),
        ("NVIDIA-SMI has failed because it could not communicate with the driver", {}, False),
    ],
)
def test_a_driver_too_old_for_the_torch_that_is_installed_is_told(
    clone: Clone, driver: str, environ: dict[str, str], is_told: bool
) -> None:
    clone.put("df", "exit 1")
    clone.put("nvidia-smi", f'echo "{driver}"')
    status, output, _ = clone.run(env=environ)
    assert status == 1, "it ends before a download: no interpreter will do"
    assert (f"NVIDIA driver {driver}: torch will not use the GPU" in output) == is_told
    assert (
        "rm -rf .venv && make sample TORCH_INDEX_URL=https://download.pytorch.org/whl/cu126" in output
    ) == is_told


@pytest.mark.parametrize("place", ["", ".venv", ".envs"])
def test_a_folder_of_somebody_else_is_named(place: str) -> None:
    # Not below pytest's own folder, which each pytest that starts shuts to other users.
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o755)
        clone = Clone(Path(root) / "clone")
        folder = clone.folder / place
        folder.mkdir(exist_ok=True)
        folder.chmod(0o555)
        options = {}
        if os.geteuid() == 0:  # root may write everywhere
            options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        try:
            status, _, told = clone.run(**options)
        finally:
            folder.chmod(0o755)
    assert status == 1
    assert "may not write to" in told
    assert "never sudo make" in told


def test_a_colon_in_the_folders_name_is_refused(tmp_path: Path) -> None:
    assert "a colon" in Clone(tmp_path / "a:b").refusal()


@pytest.mark.parametrize(("before", "expected"), [("ulimit -Sn 256", 1024), ("ulimit -n 256", 256)])
def test_the_limit_of_open_files_rises_as_far_as_it_may(clone: Clone, before: str, expected: int) -> None:
    clone.put("df", "exit 1")
    clone.put("uname", 'ulimit -Sn >>"$FILES"; exit 1')
    files = clone.folder.parent / "files"
    clone.run(before=before, env={"FILES": str(files)})
    assert files.read_text().split()[0] == str(expected)


@pytest.mark.skipif(Path(sys.prefix) != REPO_DIR / ".venv", reason="another environment than the script's")
def test_the_environment_finds_src_by_a_path_that_any_locale_can_read() -> None:
    site = Path(sysconfig.get_path("purelib"))
    text = (site / "workshop.pth").read_text(encoding="ascii")
    assert (site / text.strip()).resolve() == REPO_DIR / "src"
