"""What a run left of containers, networks, volumes and files is removed, by its label and its paths.

    python removal.py RUN     # the watchdog; started by ContainerGuard, not by hand

It reads JSON lines, of which the last one counts, until the process that started it is gone, and removes.
It asks the program `docker` alone: the same for an engine of Docker Desktop, a rootless one, and podman.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

LABEL = "workshop.run"
"""Of everything that the workshop makes with Docker; its value is the run's name, a dot, and an id."""

_ASK_TIMEOUT_S = 60
_REMOVE_TIMEOUT_S = 300  # a container of several GB on a slow disk
_TRY_S = 60  # again and again, when something is still there
_BUSY_S = 10  # of a folder that somebody writes to
_LOOK_AGAIN_S = 0.2
# The words that list a kind of thing, its name or id, and the words that remove it.
_KINDS = (
    (("ps", "--all", "--no-trunc"), "{{.ID}}", ("rm", "--force", "--volumes")),
    (("network", "ls", "--no-trunc"), "{{.ID}}", ("network", "rm")),
    (("volume", "ls"), "{{.Name}}", ("volume", "rm", "--force")),
)
_CLIENTS = ("docker", "docker-compose", "podman", "podman-compose")


def remove_run(run: str, paths: Iterable[Path] = (), image: str = "") -> list[str]:
    """Remove everything of a run, and end the clients of Docker that would make more of it.

    Args:
        run: A run's label, or a run's name: then all that have this name.
        paths: Files and folders.
        image: On this machine already, with the program chmod: it empties folders whose files root owns.

    Returns:
        What is still there, in words; nothing when all went well.
    """
    paths = list(paths)
    left = _remove_labelled(run, paths)
    return left + [reason for path in paths if (reason := remove_path(path, image, run))]


def remove_path(path: Path, image: str = "", run: str = "") -> str:
    """Remove a file or a folder, which may be missing; on Linux root may own what containers wrote.

    Args:
        path: A link is removed, not what it leads to.
        image: As above; without one only this user's own files can be removed.
        run: Whose label the container gets that makes the files everybody's.

    Returns:
        Why it is still there; "" when it is not.
    """
    reason = _remove(path)
    if reason and image and os.path.isdir(path):
        label = ("--label", f"{LABEL}={run}") if run else ()
        options = ("--rm", "--pull=never", "--network=none", "--user=0", *label, "--entrypoint=chmod")
        volume = f"--volume={path.absolute()}:/left"
        docker("run", *options, volume, image, "-R", "a+rwX", "/left", timeout_s=_REMOVE_TIMEOUT_S)
        reason = _remove(path)
    return reason


def docker(*words: str, timeout_s: float = _ASK_TIMEOUT_S) -> str | None:
    """Run `docker WORDS` and return what it wrote, or None when it did not end well."""
    try:
        done = subprocess.run(
            ["docker", *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else None


def _remove_labelled(run: str, paths: Sequence[Path]) -> list[str]:
    deadline_s = time.monotonic() + _TRY_S
    while True:
        # First: what a client has asked for is made although it is killed, and seen by the next look.
        was_client_ended = _end_clients(run, paths)
        found = {kind: _labelled(kind, run) for kind in _KINDS}
        if None in found.values():
            return ["containers, networks or volumes, since Docker does not answer"]
        left = [f"{kind[0][0]} {name}" for kind, names in found.items() for name in names]
        is_late = time.monotonic() > deadline_s
        if is_late or not (left or was_client_ended):
            return [f"Docker's {each}".replace("ps ", "container ") for each in left]
        for (_, _, remove), names in found.items():
            if names:
                docker(*remove, *names, timeout_s=_REMOVE_TIMEOUT_S)
        # For what another process is removing at this moment, and for an engine that is not done yet.
        time.sleep(_LOOK_AGAIN_S)


def _labelled(kind: tuple[tuple[str, ...], str, tuple[str, ...]], run: str) -> list[str] | None:
    listing, name, _ = kind
    form = f'{name} {{{{.Label "{LABEL}"}}}}'
    told = docker(*listing, "--filter", f"label={LABEL}", "--format", form)
    if told is None:
        return None
    pairs = [line.split(" ", 1) for line in told.splitlines() if " " in line]
    return [name for name, value in pairs if _is_of(value, run)]


def _is_of(label: str, run: str) -> bool:
    return label == run or label.startswith(f"{run}.")


def _end_clients(run: str, paths: Sequence[Path]) -> bool:
    """Kill `docker run` and `docker compose` of a run: they outlive a kernel that is killed."""
    import psutil

    ended = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or [""]
        if Path(words[0]).name in _CLIENTS and any(_names(word, run, paths) for word in words):
            with contextlib.suppress(psutil.Error):
                process.kill()
                ended.append(process)
    psutil.wait_procs(ended, timeout=_LOOK_AGAIN_S)
    return bool(ended)


def _names(word: str, run: str, paths: Sequence[Path]) -> bool:
    """Tell whether a word of a command line is a run's label, or a file of it such as Compose's."""
    return _is_of(word.removeprefix(f"{LABEL}="), run) or any(
        word == str(path) or word.startswith(f"{path}/") for path in paths
    )


def _remove(path: Path) -> str:
    """Remove a file or a folder, if it is there; return why it is still there, else ""."""
    deadline_s = time.monotonic() + _BUSY_S
    while True:
        reason = f"{path}"
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except PermissionError as error:
            return f"files of another user in {path}: {error.filename}"
        except OSError as error:  # somebody writes there or removes the same at this moment
            reason = f"{path}: {error.strerror}"
        if not os.path.lexists(path):
            return ""
        if time.monotonic() > deadline_s:
            return reason
        time.sleep(_LOOK_AGAIN_S)


def _watch(run: str) -> None:
    """Wait until the process that started this one is gone, then remove its run."""
    lines = sys.stdin.buffer.read().decode().splitlines()
    # From here on the next guard waits for the end of this process instead of ending it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    told = json.loads(lines[-1]) if lines else {"paths": [], "image": ""}
    remove_run(run, map(Path, told["paths"]), told["image"])


if __name__ == "__main__":
    _watch(sys.argv[1])
