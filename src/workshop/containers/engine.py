"""Docker on this machine: who answers, and what is wrong with it, told before anything starts.

Client and engine are asked in one process (`docker info`): what they say is enough for every check of
`workshop.containers.checks` but those of an image.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workshop.errors import WorkshopError

_ASK_TIMEOUT_S = 60
_REGISTRY = re.compile(r"(\d+\.dkr\.ecr\.([\w-]+)\.amazonaws\.com)/")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_START = {
    "linux": "sudo systemctl start docker",
    "darwin": "open -a Docker, and wait for its whale to stop moving",
}.get(sys.platform, "start Docker Desktop")


@dataclass(frozen=True, kw_only=True)
class DockerUse:
    """The setting that asks for Docker; errors name it, and the one that does without.

    Args:
        setting: Line of workshop.yaml, for example "serve_with: container".
        without: The line to write instead.
        purpose: What runs in it, after "Docker, which ...".
    """

    setting: str
    without: str
    purpose: str

    def error(self, *, found: str, expected: str, way_out: str) -> WorkshopError:
        """Return the error for something that is missing.

        Args:
            found: After "SETTING, and ...".
            way_out: What to do to keep Docker.
        """
        return WorkshopError(
            found=f"{self.setting}, and {found}",
            expected=expected,
            next_step=f"set {self.without} in workshop.yaml, or {way_out}",
        )


SERVING = DockerUse(
    setting="serve_with: container",
    without="serve_with: process",
    purpose="the serving image runs in",
)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What an engine says of itself.

    Args:
        version: For example "28.2.2".
        compose_version: Of the plugin; "" without one.
        memory_bytes: Of the machine that it runs on, which on Windows and macOS is a virtual one; 0 when it
            does not say.
        root_dir: Where it keeps images and containers, on its machine.
        os_type: Of its containers: linux or windows.
        architecture: As `docker image inspect` has it, for example amd64.
        runtimes: For example runc, nvidia.
        security: For example "name=rootless".
        is_here: Whether it runs on this very machine, as far as its name tells.
    """

    version: str
    compose_version: str
    memory_bytes: int
    root_dir: Path
    os_type: str
    architecture: str
    runtimes: tuple[str, ...]
    security: tuple[str, ...]
    is_here: bool


def check_docker(use: DockerUse) -> Engine:
    """Look for the program and its engine, and return what that says of itself.

    Raises:
        WorkshopError: One of them is missing, does not answer, or is on another machine.
    """
    if shutil.which("docker") is None:
        raise use.error(
            found="no program `docker` on this machine",
            expected=f"Docker, which {use.purpose}",
            way_out="install Docker (setup/README.md) and run the cell again",
        )
    _check_place(use)
    done = _run("docker", "info", "--format", "{{json .}}")
    try:
        told = json.loads(done.stdout) if done else None
    except ValueError:
        told = None
    told = told if isinstance(told, dict) else {}
    engine = _engine(told)
    if not engine.version:
        # A client before version 23 ends with 0 and says it among the answers; a later one ends with 1.
        reason = " ".join(told.get("ServerErrors") or []) or (done.stderr if done else "no answer in time")
        raise _no_answer(use, " ".join(reason.split()))
    if engine.os_type == "windows":
        raise use.error(
            found="a Docker that runs Windows containers",
            expected="one that runs Linux containers",
            way_out="choose `Switch to Linux containers` in Docker Desktop's menu and run the cell again",
        )
    return engine


def has_gpu() -> bool:
    """Tell whether an NVIDIA GPU answers on this machine."""
    return output_of("nvidia-smi") is not None


def gpu_driver() -> int | None:
    """Return the number before the first dot of this machine's NVIDIA driver; None without one."""
    told = output_of("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader") or ""
    found = re.match(r"\d+", told)
    return int(found[0]) if found else None


def has_image(image: str) -> bool:
    """Tell whether an image is on this machine already."""
    return output_of("docker", "image", "inspect", image) is not None


def output_of(*command: str, timeout_s: float = _ASK_TIMEOUT_S) -> str | None:
    """Run a command and return what it wrote, or None when it did not end well."""
    done = _run(*command, timeout_s=timeout_s)
    return done.stdout if done and done.returncode == 0 else None


def fetch_command(image: str) -> str:
    """Return the command that fetches an image, with the login that AWS's registries want."""
    match = _REGISTRY.match(image)
    if match is None:
        return f"docker pull {image}"
    return (
        f"aws ecr get-login-password --region {match[2]} | "
        f"docker login --username AWS --password-stdin {match[1]}; docker pull {image}"
    )


def _run(*command: str, timeout_s: float = _ASK_TIMEOUT_S) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _check_place(use: DockerUse) -> None:
    """Make sure that the engine is not on another machine: it would mount that one's folders.

    Asked first, since a machine that is off lets `docker info` wait long.
    """
    where = "DOCKER_HOST"
    host = os.environ.get(where, "")
    context = _context()
    if not host and context:
        where = f"context {context}"
        host = (output_of("docker", "context", "inspect", "-f", "{{.Endpoints.docker.Host}}") or "").strip()
    address = urlsplit(host)
    if address.scheme in ("tcp", "ssh", "http", "https") and address.hostname not in _LOOPBACK:
        raise use.error(
            found=f"a Docker on another machine ({where}: {address.scheme}://{address.hostname})",
            expected="one on this machine: the containers read its folders",
            way_out="use the one here (unset DOCKER_HOST; docker context use default) and run the cell again",
        )


def _context() -> str:
    """Return the name of the context that was chosen; "" for the usual one.

    Source: docker/cli, cli/command/cli.go, resolveContextName.
    """
    if name := os.environ.get("DOCKER_CONTEXT", ""):
        return "" if name == "default" else name
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        name = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("currentContext", "")
    except (OSError, ValueError, AttributeError):
        return ""
    return "" if name == "default" else str(name)


def _no_answer(use: DockerUse, reason: str) -> WorkshopError:
    """Return the error of an engine that was asked in vain."""
    if "permission denied" in reason.lower():
        return use.error(
            found="a Docker that this user may not use (permission denied on its socket)",
            expected="a user of the group docker, or a rootless Docker of one's own",
            way_out="sudo usermod -aG docker $USER, log out and in (or: newgrp docker), start the kernel "
            "again and run the cell again",
        )
    return use.error(
        found=f"a Docker that does not answer ({reason or '`docker info` fails'})",
        expected="a running Docker engine that this user may use",
        way_out=f"start it ({_START}) and run the cell again",
    )


def _engine(told: Mapping[str, Any]) -> Engine:
    """Read what `docker info` says; a podman that is called docker says it in words of its own."""
    if "ServerVersion" not in told and "host" in told:
        return _podman(told)
    name, system = str(told.get("Name", "")), str(told.get("OperatingSystem", ""))
    root_dir = Path(told.get("DockerRootDir") or "/")
    is_here = name == platform.node() and "Docker Desktop" not in system
    plugins = (told.get("ClientInfo") or {}).get("Plugins") or []
    return Engine(
        version=str(told.get("ServerVersion") or ""),
        compose_version=next((each.get("Version", "") for each in plugins if each["Name"] == "compose"), ""),
        memory_bytes=int(told.get("MemTotal") or 0),
        root_dir=root_dir,
        os_type=str(told.get("OSType", "")),
        architecture=_GO_NAMES.get(str(told.get("Architecture", "")), str(told.get("Architecture", ""))),
        runtimes=tuple(told.get("Runtimes") or ()),
        security=tuple(told.get("SecurityOptions") or ()),
        # Of the snap package: it sees no file outside of home folders.
        is_here=is_here and not root_dir.is_relative_to("/var/snap"),
    )


def _podman(told: Mapping[str, Any]) -> Engine:
    """Source: podman's manual, podman-info(1)."""
    host = told["host"]
    return Engine(
        version=str((told.get("version") or {}).get("Version", "")),
        compose_version=(output_of("docker", "compose", "version", "--short") or "").strip(),
        memory_bytes=int(host.get("memTotal") or 0),
        root_dir=Path((told.get("store") or {}).get("graphRoot") or "/"),
        os_type=str(host.get("os", "")),
        architecture=str(host.get("arch", "")),
        runtimes=(),
        security=("name=rootless",) if (host.get("security") or {}).get("rootless") else (),
        is_here=not host.get("serviceIsRemote", False) and host.get("hostname") == platform.node(),
    )


# Of the kernel's names for processors, as uname has them -> Go's, which images have.
_GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
