"""Programs of a test's own in place of docker, nvidia-smi and the like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def program(folder: Path, name: str, script: str = "exit 0") -> None:
    """Write a shell script that can be run by its name."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def docker_program(folder: Path, *, image: dict[str, Any] | None = None, more: str = "", **info: Any) -> None:
    """Write a docker whose engine says of itself what a good one does, but for `info`.

    Args:
        folder: On PATH.
        image: What each image is, for example {"Architecture": "arm64"}; {} for none.
        more: Branches of the shell's `case "$*"` that come first.
        info: Of `docker info`; ClientInfo, Runtimes and the like.
    """
    good = {
        "ServerVersion": "28.2.2",
        "OSType": "linux",
        "Architecture": "x86_64",
        "MemTotal": 32 * 1024**3,
        "DockerRootDir": str(folder),
        "Name": "another-machine",  # whose disk and folders are not this one's
        "Runtimes": {"runc": {}, "nvidia": {}},
        "ClientInfo": {"Plugins": [{"Name": "compose", "Version": "2.40.1"}]},
    }
    (folder / "info.json").write_text(json.dumps({**good, **info}))
    of_good = {"Architecture": "amd64", "Config": {"Labels": {}}}
    (folder / "image.json").write_text(json.dumps([{**of_good, **(image or {})}]))
    has_image = "exit 1" if image == {} else f"/bin/cat {folder}/image.json"
    script = f"""case "$*" in
{more}
"info --format"*) /bin/cat {folder}/info.json;;
"image inspect"*) {has_image};;
esac"""
    program(folder, "docker", script)
