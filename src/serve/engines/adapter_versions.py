"""LoRA adapters that are loaded and unloaded while the engine generates.

An adapter that is loaded again, or unloaded, stays in memory until the generations that began with it have
ended: each version has a name of its own in the model. Only the engine's thread touches the model.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from serve.errors import generation_failed

if TYPE_CHECKING:
    from serve.engines.decoder import Decoder


class Task:
    """What the engine's thread is to run, and how it ended."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._done = threading.Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        try:
            self._work()
        except Exception as failure:  # for the thread that waits
            self._failure = failure
        self._done.set()

    def wait(self, timeout_s: float) -> bool:
        """Return whether it is done."""
        return self._done.wait(timeout_s)

    def raise_failure(self) -> None:
        """Raise what the work raised, if anything."""
        if self._failure:
            raise self._failure


class AdapterVersions:
    """The version of each adapter that new generations use, by the name that requests use.

    Args:
        names: Those that the model was loaded with; their first version has the name itself.
    """

    def __init__(self, names: Mapping[str, Path]) -> None:
        self._versions = {name: name for name in names}
        self._obsolete: list[str] = []
        self._pending: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._numbers = itertools.count(1)

    @property
    def names(self) -> tuple[str, ...]:
        """Names that a request may choose."""
        return tuple(self._versions)

    def enqueue(self, work: Callable[[], None]) -> Task:
        """Queue work for the engine's thread."""
        task = Task(work)
        self._pending.put(task)
        return task

    def run_pending(self) -> None:
        """Run what was queued; in the engine's thread."""
        while not self._pending.empty():
            self._pending.get().run()

    def load(self, name: str, folder: Path, decoder: Decoder) -> None:
        """Load a version of an adapter that new generations use.

        Raises:
            UserError: The folder holds no adapter for this model.
        """
        version = f"{name} {next(self._numbers)}"
        decoder.add_adapter(version, folder)
        if name in self._versions:
            self._obsolete.append(self._versions[name])
        self._versions = {**self._versions, name: version}

    def unload(self, name: str) -> None:
        """Take an adapter away from new generations.

        Raises:
            KeyError: There is none of this name.
        """
        self._obsolete.append(self._versions[name])
        self._versions = {each: version for each, version in self._versions.items() if each != name}

    def version_of(self, name: str | None) -> str | None:
        """Return what the model calls the adapter of a generation that begins.

        Raises:
            RequestError: It was unloaded while the generation waited.
        """
        if name is None:
            return None
        if name not in self._versions:
            raise generation_failed(f"the adapter {name} was unloaded")
        return self._versions[name]

    def take_obsolete(self, in_use: Collection[str | None]) -> list[str]:
        """Return versions that no generation uses any more, once."""
        unused = [version for version in self._obsolete if version not in in_use]
        self._obsolete = [version for version in self._obsolete if version in in_use]
        return unused
