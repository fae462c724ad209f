"""Programs of a test's own in place of docker, nvidia-smi and the like."""

from __future__ import annotations

from pathlib import Path


def program(folder: Path, name: str, script: str = "exit 0") -> None:
    """Write a shell script that can be run by its name."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
