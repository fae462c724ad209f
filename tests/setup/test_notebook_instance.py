"""The script of a notebook instance, run with programs that only note that they were called."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "setup" / "notebook-instance.sh"
MAX_CHARACTERS = 16_384
"""Source: API reference, CreateNotebookInstanceLifecycleConfig."""


def run(folder: Path, failing: str = "") -> list[str]:
    """Run the script on a volume with one clone, and return what it called; one of the programs fails."""
    programs, volume, calls = folder / "programs", folder / "volume", folder / "calls"
    python = volume / "뉴스 워크숍" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (volume / "뉴스 워크숍" / "workshop.yaml").touch()
    (volume / "other" / ".venv" / "bin").mkdir(parents=True)
    programs.mkdir()
    for path in (*(programs / name for name in ("dnf", "systemctl", "mount", "sudo")), python):
        status = int(path.name == failing)
        path.write_text(f'#!/bin/sh\necho "{path.name} $*" >>"{calls}"\nexit {status}\n')
        path.chmod(0o755)
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "VOLUME": str(volume), "RUN_AS": getpass.getuser()}
    done = subprocess.run(["/bin/bash", SCRIPT], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, "AWS starts no instance whose script fails"
    assert bool(done.stdout) == bool(failing)
    return calls.read_text().replace(str(volume), "VOLUME").splitlines()


EXPECTED = [
    "dnf install -y -q git make python3.11",
    "systemctl stop docker.socket docker",
    "mount --bind VOLUME/docker /var/lib/docker",
    "systemctl start docker",
    f"sudo -u {getpass.getuser()} VOLUME/뉴스 워크숍/.venv/bin/python -m ipykernel install --user"
    " --name workshop --display-name Python (workshop)",
]


def test_the_script_is_small_enough_for_a_lifecycle_configuration() -> None:
    assert len(SCRIPT.read_text()) <= MAX_CHARACTERS


def test_docker_is_stopped_while_its_folder_moves_and_each_clone_gets_a_kernel(tmp_path: Path) -> None:
    assert run(tmp_path) == EXPECTED


@pytest.mark.parametrize("failing", ["dnf", "mount", "sudo"])
def test_what_fails_is_told_and_the_rest_goes_on(tmp_path: Path, failing: str) -> None:
    assert run(tmp_path, failing) == EXPECTED
