"""What `make lab` starts; JupyterLab itself is not a part of the tests' environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

REPO_DIR = Path(__file__).parents[2]


def started(*arguments: str) -> str:
    """Return the commands that make would run for JupyterLab, without running any."""
    environ = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "KOREAN_ONLY"}}
    command = ["make", "-n", "lab", *arguments]
    done = subprocess.run(command, cwd=REPO_DIR, env=environ, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    return "\n".join(line for line in lines if "jupyter lab" in line or "korean-only" in line)


def test_the_english_is_hidden_on_request_by_a_configuration_of_its_own() -> None:
    commands = started("KOREAN_ONLY=1")
    assert "cp setup/korean-only.css .envs/lab/korean-only/custom/custom.css" in commands
    assert f'JUPYTER_CONFIG_DIR="{REPO_DIR}/.envs/lab/korean-only" .envs/lab/bin/jupyter lab' in commands
    assert commands.endswith("--custom-css")
    assert "blockquote { display: none; }" in (REPO_DIR / "setup" / "korean-only.css").read_text()


def test_without_the_request_the_configuration_is_the_readers() -> None:
    commands = started()
    assert ".envs/lab/bin/jupyter lab" in commands
    assert "korean-only" not in commands
    assert "custom" not in commands
