"""Containers, networks, volumes and files of a run that nobody needs when it ends, however it ends.

    with ContainerGuard("korean-news-serving-sample-1a2b3c4d") as guard:
        subprocess.run(["docker", "run", *guard.options, ...])

Everything that is made for a run carries its label; a small watchdog process removes it all when the kernel
is killed or restarted. What even the watchdog could not remove (both were killed, the engine did not answer)
is removed by the next guard of the same name.
"""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from processes.group import Watchdog
from workshop.containers import removal
from workshop.errors import WorkshopError

_NAME = re.compile(r"[a-z0-9][\w-]*", re.IGNORECASE)
_EARLIER_TIMEOUT_S, _LOOK_AGAIN_S = 300, 0.05


class ContainerGuard:
    """The owner of all that a run makes with Docker.

    A guard of the same name takes over from an earlier one, here or in another kernel: it waits until that
    one's watchdog has removed what is left, and removes the rest.

    Args:
        name: Of letters, digits, _ and -; one for each home and purpose.
        paths: Files and folders that nobody needs afterwards; they may be missing, and are removed at the
            start, too.
        image: Has the program chmod and will be on this machine: it makes what root owns everybody's, so that
            it can be removed.
        run_id: Of `new_run_id`, where the label is shown before there is a guard; a new one when "".

    Attributes:
        label: "workshop.run=NAME.ID", for containers, networks and volumes alike.
        options: Of `docker run`, `docker create`, `docker network create` and `docker volume create`.

    Raises:
        WorkshopError: What an earlier run left cannot be removed.
    """

    def __init__(
        self, name: str, paths: Iterable[Path | str] = (), image: str = "", *, run_id: str = ""
    ) -> None:
        self.label = label_of(name, run_id or new_run_id())
        self._run = self.label.partition("=")[2]
        self.options = ("--label", self.label)
        self._paths, self._image = [Path(path).absolute() for path in paths], image
        self._is_open = True
        _end_earlier(name)
        self._watchdog = Watchdog(removal.__file__, self._run)
        try:
            self._tell()
            _raise_for(name, removal.remove_run(name, self._paths, image))
        except BaseException:
            self._watchdog.close()
            raise

    def keep(self, *paths: Path | str) -> None:
        """Let a file or a folder stay: the run went well."""
        kept = {Path(path).absolute() for path in paths}
        self._paths = [path for path in self._paths if path not in kept]
        self._tell()

    def close(self) -> None:
        """Remove everything; harmless when it was done.

        Raises:
            WorkshopError: Something could not be removed, for example since the engine has died; the next
                guard of this name, or the watchdog when the kernel ends, tries again.
        """
        if not self._is_open:
            return
        # Ended by a guard of the same name, to which the paths belong now.
        paths = self._paths if self._watchdog.is_running else []
        _raise_for(self._run, removal.remove_run(self._run, paths, self._image))
        self._is_open = False
        self._watchdog.close()

    def __enter__(self) -> ContainerGuard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except WorkshopError as left:
            if error is None:
                raise
            print(left, file=sys.stderr, flush=True)  # beside what went wrong, and not in its place

    def _tell(self) -> None:
        told = {"paths": [str(path) for path in self._paths], "image": self._image}
        self._watchdog.tell(json.dumps(told) + "\n")


def new_run_id() -> str:
    """Return what tells a run from others of its name: the end of one removes nothing of the next."""
    return uuid.uuid4().hex[:8]


def label_of(name: str, run_id: str) -> str:
    """Return the label that a guard has.

    Raises:
        ValueError: The name could be another's.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not of letters, digits, _ and -")
    return f"{removal.LABEL}={name}.{run_id}"


def _end_earlier(name: str) -> None:
    """End the watchdogs of earlier guards of a name; one that removes something already is waited for."""
    import psutil

    def watchdogs() -> Iterator[psutil.Process]:
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []  # a zombie has none
            if words[-2:-1] == [removal.__file__] and words[-1].startswith(f"{name}."):
                yield process

    deadline_s = time.monotonic() + _EARLIER_TIMEOUT_S
    while (earlier := list(watchdogs())) and time.monotonic() < deadline_s:
        for process in earlier:
            with suppress(psutil.Error):  # ended meanwhile, or of another user
                process.terminate()
        time.sleep(_LOOK_AGAIN_S)


def _raise_for(run: str, left: list[str]) -> None:
    if left:
        raise WorkshopError(
            found=f"what cannot be removed: {'; '.join(left)}",
            expected="a run that leaves nothing",
            next_step="see that Docker answers (docker info) and run the cell again; what is left has the "
            f"label {removal.LABEL}={run}, and files of another user want sudo rm -rf",
        )
