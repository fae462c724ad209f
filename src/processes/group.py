"""Processes started together and ended together, however the notebook ends.

Signalling the group alone is not enough: torchrun gives every worker a session of its own. Each process of a
launch therefore carries its id in its environment, which its children inherit and which is looked for when
the launch ends. A small watchdog process does the same when the notebook's kernel is killed or restarted.

    python group.py LAUNCH_ID GRACE_S     # the watchdog; started by ProcessGroup, not by hand
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processes.container_view import ContainerView
    from processes.warm import WarmProcess

LAUNCH_ID_VARIABLE = "WORKSHOP_LAUNCH_ID"
_KILL_TIMEOUT_S = 60
_LOOK_AGAIN_S = 0.1


class ProcessGroup:
    """A running command in a session of its own, with every process that it starts.

    Args:
        command: Program and arguments.
        env: The whole environment of the command.
        cwd: Its working folder; the caller's when None.
        watchdog_grace_s: What the command gets between SIGTERM and SIGKILL when the caller dies.
        is_warm: Fork it from the process that `processes.warm.preload` started; it is `python -m MODULE ...`.
        view: What it finds in place of this machine's files; its working folder is /opt/ml then.

    Raises:
        OSError: When the program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        watchdog_grace_s: float = 30,
        is_warm: bool = False,
        view: "ContainerView | None" = None,
    ) -> None:
        self.launch_id = uuid.uuid4().hex
        # First: what is started before it would be nobody's, if this process were killed in between.
        self._watchdog = Watchdog(__file__, self.launch_id, str(watchdog_grace_s))
        try:
            env = {**env, LAUNCH_ID_VARIABLE: self.launch_id}
            self.process = self._start(command, env, cwd, is_warm=is_warm, view=view)
        except BaseException:
            self._watchdog.close()
            raise
        self._watchdog.tell(str(self.process.pid))

    @staticmethod
    def _start(
        command: Sequence[str],
        env: Mapping[str, str],
        cwd: Path | None,
        *,
        is_warm: bool,
        view: "ContainerView | None",
    ) -> "subprocess.Popen[bytes] | WarmProcess":
        if is_warm:
            from processes.warm import WarmProcess

            return WarmProcess(command, env=env, cwd=cwd, view=view)
        start = view.start if view else partial(subprocess.Popen, cwd=cwd)
        return start(
            list(command),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )

    def terminate(self) -> None:
        """Ask every process of the group to end (SIGTERM); torchrun hands it on to its workers."""
        if self.process.poll() is None and not _signal_group(self.process.pid, signal.SIGTERM):
            self.process.terminate()  # forked a moment ago, and not yet the leader of its group

    def close(self) -> None:
        """Kill what is left of the group, and the watchdog; nothing of the launch runs afterwards."""
        # The direct child first and by its own handle: psutil would take its exit status away.
        self.process.kill()
        self.process.wait()
        kill_members(self.process.pid, self.launch_id)
        self._watchdog.close()


class Watchdog:
    """A running script that reads its standard input to the end, which is this process's end, and then acts.

    It is started before what it watches over: that would be nobody's, if this process were killed in between.

    Args:
        script: Run by this Python, isolated: it finds the standard library and installed packages alone.
        arguments: Of the script.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, script: Path | str, *arguments: str) -> None:
        # Without the id of a launch that this process may itself be part of: it outlives that one's end.
        env = {name: value for name, value in os.environ.items() if name != LAUNCH_ID_VARIABLE}
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(script), *arguments],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Tell whether nobody has ended it; it never ends before this process does."""
        return self._process.poll() is None

    def tell(self, text: str) -> None:
        """Add to what it has read when it begins."""
        with contextlib.suppress(BrokenPipeError):  # killed by somebody: then there is none
            self._process.stdin.write(text.encode())

    def close(self) -> None:
        """End it without its work; harmless when it has ended."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()


def kill_members(group_id: int | None, launch_id: str) -> None:
    """Kill every process of a launch and wait until none runs; again for those born meanwhile."""
    import psutil

    deadline_s = time.monotonic() + _KILL_TIMEOUT_S
    # After the deadline only a process in uninterruptible sleep is left: it ends when its disk answers.
    while (members := list(_members(group_id, launch_id))) and time.monotonic() < deadline_s:
        for member in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        # It waits for the process table's entry, which init may free late (2 s were seen in a container),
        # but a zombie does not run: so a short wait, and another look.
        psutil.wait_procs(members, timeout=_LOOK_AGAIN_S)


def _members(group_id: int | None, launch_id: str) -> Iterator:
    """Find the running processes of a launch: those of its group, and those that carry its id."""
    import psutil

    for process in psutil.process_iter():
        try:
            belongs = (
                os.getpgid(process.pid) == group_id or process.environ().get(LAUNCH_ID_VARIABLE) == launch_id
            )
            if belongs and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.Error, OSError):  # ended meanwhile, or of another user
            continue


def _signal_group(group_id: int, number: signal.Signals) -> bool:
    """Send a signal to a group; False when there is none."""
    try:
        os.killpg(group_id, number)
    except (ProcessLookupError, PermissionError):  # macOS: no permission for a group of zombies
        return False
    return True


def _watch(launch_id: str, grace_s: float) -> None:
    """Wait until the process that started this one is gone, then end its launch."""
    answer = sys.stdin.buffer.read()
    import psutil

    group_id = None  # it was gone before it could say, and what it started has done nothing yet
    if answer:
        group_id = int(answer)
        _signal_group(group_id, signal.SIGTERM)
        psutil.wait_procs(list(_members(group_id, launch_id)), timeout=grace_s)
    kill_members(group_id, launch_id)


if __name__ == "__main__":
    _watch(sys.argv[1], float(sys.argv[2]))
