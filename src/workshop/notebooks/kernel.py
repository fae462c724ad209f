"""One notebook run in a kernel of its own, on a thread, so that the terminal stays free to show progress."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient

from workshop.view.clock import MARK

END_WAIT_S = 120  # for a thread whose kernel was killed
# Messages that change what somebody sees, and the one with which a cell ends: the last silence ends there.
SEEN = {
    *("stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"),
    *("comm_open", "comm_msg", "status"),
}


class WatchedClient(NotebookClient):
    """Note how long a running cell showed nothing new of its own, beside the times that nbclient notes.

    In the cell's metadata, under "workshop", in seconds: silent_s, the longest such time; silent_from_s, when
    it began, counted from the cell's start; frozen_s, the longest time without even a tick of the clock.
    """

    _start: datetime
    _moved: datetime
    _ticked: datetime

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Handle a message of the kernel as nbclient does, and note the silence that it ends."""
        kind, at = msg["msg_type"], msg["header"]["date"]
        if kind == "execute_input":
            self._start = self._moved = self._ticked = at
            cell["metadata"]["workshop"] = {"silent_s": 0.0, "silent_from_s": 0.0, "frozen_s": 0.0}
        elif kind in SEEN and "workshop" in cell["metadata"]:
            noted = cell["metadata"]["workshop"]
            noted["frozen_s"] = max(noted["frozen_s"], _seconds(self._ticked, at))
            self._ticked = at
            if msg["content"].get("metadata") != MARK:
                if (silent_s := _seconds(self._moved, at)) > noted["silent_s"]:
                    noted |= {"silent_s": silent_s, "silent_from_s": _seconds(self._start, self._moved)}
                self._moved = at
        return super().process_message(msg, cell, cell_index)


def _seconds(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds(), 2)


class NotebookKernel(threading.Thread):
    """Execute a notebook's cells, writing outputs into the given notebook object.

    nbclient installs its own Ctrl-C handler when it runs on the main thread and then swallows the
    interrupt; on a thread it leaves the signal to the caller, who ends the run with `end`.

    Args:
        notebook: nbformat object; its cells receive their outputs.
        folder: Working folder of the kernel.
        cell_timeout_s: Longest time for one cell, in seconds.
    """

    def __init__(self, notebook: Any, folder: Path, cell_timeout_s: int) -> None:
        super().__init__(daemon=True)
        self.cell_index = -1  # no cell started yet
        self.error: Exception | None = None
        self._sockets = tempfile.TemporaryDirectory(prefix="run-", ignore_cleanup_errors=True)
        self._manager = _this_interpreter(Path(self._sockets.name))
        self._group: int | None = None
        self._client = WatchedClient(
            notebook,
            timeout=cell_timeout_s,
            startup_timeout=600,
            resources={"metadata": {"path": str(folder)}},
            on_cell_start=self._on_cell_start,
        )
        # A manager given to the constructor would count as borrowed and outlive the run.
        self._client.create_kernel_manager = self._create_manager

    def run(self) -> None:
        try:
            self._client.execute()
        except (
            Exception
        ) as error:  # shown by the caller: a failed cell, a dead kernel, one that never started
            self.error = error

    def end(self) -> None:
        """Leave neither the kernel nor a process it started (torchrun and its ranks share its group)."""
        self._note_group()
        if self._group is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, signal.SIGKILL)
        self.join(END_WAIT_S)
        atexit.unregister(self._client._cleanup_kernel)  # nbclient forgets it when a kernel does not start
        self._sockets.cleanup()

    def _create_manager(self) -> AsyncKernelManager:
        self._client.km = self._manager
        return self._manager

    def _on_cell_start(self, cell: Any, cell_index: int) -> None:
        self.cell_index = cell_index
        self._note_group()

    def _note_group(self) -> None:
        # Known from the kernel's start until its shutdown, after which the manager forgets it.
        self._group = getattr(self._manager.provisioner, "pgid", None) or self._group


def _this_interpreter(socket_dir: Path) -> AsyncKernelManager:
    """Return a manager that starts this very interpreter, whatever kernels are installed on the machine.

    It talks through socket files that only this user can open: no port on loopback, no encryption needed.
    """
    manager = AsyncKernelManager(
        transport="ipc", ip=str(socket_dir / "kernel"), connection_file=str(socket_dir / "connection.json")
    )
    manager._kernel_spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="Python (workshop)",
        language="python",
    )
    return manager
