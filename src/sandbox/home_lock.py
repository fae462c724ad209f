"""One sandbox a home: the lock that it holds for its life, and how another process ends it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import IO, Any

from processes.files import atomic_write

KILL_AFTER_S = 30.0
"""What a sandbox gets for its end; it lets jobs save what they have."""

_CHILDREN_TIMEOUT_S = 45.0  # each child's watchdog gives it 30 s of its own
_LOOK_AGAIN_S = 0.01


def take(home: Path) -> IO[str] | None:
    """Lock a home and note in the lock who holds it; None when another process does.

    Raises:
        OSError: The home cannot be written.
    """
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "lock").open("a+")
    if not _try_lock(lock):
        lock.close()
        return None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def announce(home: Path, url: str) -> None:
    """Write where the sandbox listens: server.json, whole or not at all."""
    facts = {"url": url, "port": int(url.rsplit(":", 1)[1]), "pid": os.getpid(), "home": str(home)}
    atomic_write(home / "server.json", json.dumps(facts))


def where(home: Path) -> str | None:
    """Return the address in server.json; None when there is none."""
    try:
        return json.loads((home / "server.json").read_text())["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stop(home: Path, *, kill_after_s: float = KILL_AFTER_S) -> bool:
    """End the sandbox that holds a home, whatever it is doing, and wait until it and its children are gone.

    Args:
        kill_after_s: What it gets between SIGTERM and SIGKILL, in seconds.

    Returns:
        False when something of it still runs.

    Raises:
        OSError: The home cannot be read, or the process is another user's.
    """
    import psutil

    lock_path = home / "lock"
    if not lock_path.exists():
        return True
    with lock_path.open("r+") as lock:
        if _try_lock(lock):
            (home / "server.json").unlink(missing_ok=True)  # of one that was killed
            return True
        process = _holder(lock, psutil)
        if process is None:  # ended meanwhile
            return _wait_for(lock, kill_after_s)
        children: dict[int, Any] = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
            if not _wait_for(lock, kill_after_s):
                children = {child.pid: child for child in process.children(recursive=True)}
                process.kill()
        if not _wait_for(lock, _CHILDREN_TIMEOUT_S):
            return False
        _, left = psutil.wait_procs([*children.values()], timeout=_CHILDREN_TIMEOUT_S)
        (home / "server.json").unlink(missing_ok=True)
        return not left


def _holder(lock: IO[str], psutil: Any) -> Any:
    """Return the process that holds the lock; it writes its number a moment after it has it."""
    for _ in range(100):
        lock.seek(0)
        with contextlib.suppress(ValueError, psutil.Error):
            process = psutil.Process(int(lock.read()))
            # What is there may be of one that was killed, and its number somebody else's by now.
            if "sandbox" in process.cmdline():
                return process
        if _try_lock(lock):
            fcntl.flock(lock, fcntl.LOCK_UN)
            return None
        time.sleep(_LOOK_AGAIN_S)
    return None


def _wait_for(lock: IO[str], timeout_s: float) -> bool:
    """Wait until nobody holds the lock, and hold it then."""
    waiter = threading.Thread(target=fcntl.flock, args=(lock, fcntl.LOCK_EX), daemon=True)
    waiter.start()
    waiter.join(timeout_s)
    return not waiter.is_alive()


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
