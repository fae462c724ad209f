"""The life of one execution: a thread that begins its steps and sees them end.

It waits for a record to change, and looks at all of them then; it holds nothing that is not on disk.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from sandbox.pipelines import definition, progress
from sandbox.pipelines.attempts import Attempts
from sandbox.pipelines.names import EXECUTION, VERSION, version_name
from sandbox.pipelines.progress import CUT_OFF, RETRY_AT, STEPS

if TYPE_CHECKING:
    from sandbox.context import Context

_LOOK_AGAIN_S = 0.5  # after a look that was throttled, or that met a failure of the service
_FULL_DISK_S = 1.0  # between two looks whether there is room again
_GOES_ON = "RetryPipelineExecution goes on from there."
Record = dict[str, Any]


class Execution:
    """An execution that runs.

    Args:
        context: Its records, S3 and permissions.
        region: Of the execution.
        name: Its id; its record exists, and that of its version.
    """

    def __init__(self, context: Context, region: str, name: str) -> None:
        self._resources, self._region, self._name = context.resources, region, name
        record = self._record()
        version = version_name(record["_pipeline"], record["PipelineVersionId"])
        text = self._resources.get(VERSION, region, version)["PipelineDefinition"]
        self._definition = definition.parse(text)
        self._attempts = Attempts(context, region, name, self._definition)
        self._lock = threading.Lock()
        self._begins_steps = True
        self._thread = threading.Thread(target=self._run, name=f"{EXECUTION} {name}", daemon=True)

    def start(self) -> None:
        """Start its thread."""
        self._thread.start()

    def join(self) -> None:
        """Wait until it has its last status."""
        self._thread.join()

    def begin_no_more(self) -> None:
        """Let no step begin after this returns; what runs is looked at until it has ended."""
        with self._lock:
            self._begins_steps = False
        self._resources.wake()

    def settle(self) -> None:
        """Tell the truth about an execution whose sandbox has ended, once its jobs have their last status."""
        for name in progress.running(self._record()):
            self._attempts.look(self._record(), name, is_last=True)
        record = self._record()
        cut = [name for name, step in record[STEPS].items() if step.get(CUT_OFF)]
        left = [step.name for step in progress.ready(self._definition, record)]
        reason = None
        if cut or left:
            reason = "InternalServerError: The sandbox ended while the execution ran."
            reason += f" It was at {', '.join(cut or left)}. {_GOES_ON}"
        with self._changed() as record:
            progress.finish(record, reason=reason)

    def _run(self) -> None:
        try:
            while not self._lives():
                self._resources.wait_for_change(self._resources.num_changes, _FULL_DISK_S)
        except Exception:
            logging.getLogger("sandbox").exception("%s %s", EXECUTION, self._name)
            with self._changed() as record:
                progress.give_up(record)

    def _lives(self) -> bool:
        """Go on until the execution is over; False when its record could not be written.

        What is on the disk is true then: it goes on from there when there is room again.
        """
        try:
            self._live()
        except OSError as problem:
            logging.getLogger("sandbox").error("%s %s: %s", EXECUTION, self._name, problem)
            return False
        return True

    def _live(self) -> None:
        while True:
            num_changes = self._resources.num_changes
            with self._lock:
                if self._begins_steps and self._go_on():
                    return
                begins = self._begins_steps
            if not begins and not self._attempts.is_any_running(self._record()):
                self.settle()
                return
            self._resources.wait_for_change(num_changes, self._next_attempt_s())

    def _go_on(self) -> bool:
        """Do what can be done now; return whether the execution is over."""
        self._look()
        record = self._record()
        if progress.is_stopping(record):
            self._attempts.stop(record)
        else:
            self._begin_ready()
        record = self._record()
        if progress.running(record):
            return False
        if not progress.is_stopping(record) and progress.ready(self._definition, record):
            return False
        with self._changed() as record:
            progress.finish(record)
        return True

    def _look(self) -> None:
        record = self._record()
        self._attempts.is_unseen = False
        for name in progress.running(record):
            self._attempts.look(record, name)

    def _begin_ready(self) -> None:
        now_s = time.time()
        record = self._record()
        again = [
            self._definition.steps[name]
            for name, step in progress.running(record).items()
            if step.get(RETRY_AT, now_s + 1) <= now_s
        ]
        for step in again:
            self._attempts.begin(self._record(), step)
        while True:
            record = self._record()
            steps = progress.ready(self._definition, record)
            if not steps or progress.num_free(record) <= 0:
                return
            self._attempts.begin(record, steps[0])

    def _next_attempt_s(self) -> float | None:
        """Return how long it is until a step is to be tried, or looked at, again."""
        steps = progress.running(self._record()).values()
        times = [step[RETRY_AT] for step in steps if RETRY_AT in step]
        if self._attempts.is_unseen:
            times.append(time.time() + _LOOK_AGAIN_S)
        return max(min(times) - time.time(), 0.0) if times else None

    def _record(self) -> Record:
        return self._resources.get(EXECUTION, self._region, self._name)

    def _changed(self) -> Any:
        return self._resources.change(EXECUTION, self._region, self._name)
