"""The executions that run: started, ended with the sandbox, and reported after a restart."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from sandbox.pipelines import progress
from sandbox.pipelines.lifecycle import Execution
from sandbox.pipelines.names import EXECUTION, PIPELINE
from sandbox.pipelines.pipelines import remove

if TYPE_CHECKING:
    from sandbox.context import Context

# An execution's thread is what keeps it.
_running: WeakValueDictionary[tuple[str, str], Execution] = WeakValueDictionary()
_lock = threading.Lock()


def start(context: Context, region: str, name: str) -> None:
    """Start the thread of an execution that has just become Executing."""
    with _lock:
        _running[region, name] = execution = Execution(context, region, name)
        execution.start()


def recover(context: Context) -> None:
    """Tell the truth about executions that ran when the last sandbox of this home was killed.

    Their jobs must have been looked after before.
    """
    for record in context.resources.all(PIPELINE):
        if record["PipelineStatus"] == "Deleting":
            remove(context, record)
    for record in context.resources.all(EXECUTION):
        region, name = record["_region"], record["_name"]
        if progress.is_over(record) or (region, name) in _running:
            continue
        try:
            Execution(context, region, name).settle()
        except Exception:  # its version cannot be read: the others must not wait for it
            logging.getLogger("sandbox").exception("%s %s", EXECUTION, name)
            with context.resources.change(EXECUTION, region, name) as changed:
                progress.give_up(changed)


def begin_no_more() -> None:
    """Let no step of any execution begin any more."""
    for execution in _all():
        execution.begin_no_more()


def end_all(_: Context) -> None:
    """Wait until every execution says what has become of it; their jobs are ended at the same time."""
    for execution in _all():
        execution.join()


def _all() -> list[Execution]:
    with _lock:
        return list(_running.values())
