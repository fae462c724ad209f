"""The executions that run: started, ended with the sandbox, and reported after a restart."""

from __future__ import annotations

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
        if not progress.is_over(record) and (record["_region"], record["_name"]) not in _running:
            Execution(context, record["_region"], record["_name"]).settle()


def begin_no_more() -> None:
    """Let no step of any execution begin any more."""
    for execution in _all():
        execution.begin_no_more()


def end_all(context: Context) -> None:
    """Wait until every execution says what has become of it; their jobs are ended at the same time."""
    del context
    for execution in _all():
        execution.join()


def _all() -> list[Execution]:
    with _lock:
        return list(_running.values())
