"""The alarms, the dashboards and the scaler of this process, from its start to its end."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sandbox.scaling import activities, alarm_records
from sandbox.scaling.alarms import Alarms
from sandbox.scaling.scaler import Scaler

if TYPE_CHECKING:
    from sandbox.context import Context

_alarms: Alarms | None = None  # a process is one sandbox
_context: Context | None = None
_started = threading.Event()


def start(context: Context) -> None:
    """Restore alarms, say of unfinished changes that they ended, and begin to evaluate."""
    global _alarms, _context
    _context = context
    _alarms = Alarms(context, Scaler(context).run, lambda: activities.reconcile(context))
    try:
        activities.recover(context)
        _alarms.restore()
    finally:  # a record that nobody understands must not keep every call from being answered
        _alarms.start()
        _started.set()


def end() -> None:
    """End the evaluation of alarms."""
    if _alarms is not None:
        _alarms.end()


def alarms() -> Alarms:
    """Return what evaluates the alarms, as soon as it has started."""
    _started.wait()
    return _alarms


def context() -> Context:
    """Return what the sandbox is made of, as soon as the alarms have started."""
    _started.wait()
    return _context


def wake() -> None:
    """Look again at what there is to do."""
    alarms().wake()


def place_alarm(region: str, configuration: dict[str, Any]) -> Any:
    """Create or update an alarm as PutMetricAlarm does, and return moto's.

    Args:
        configuration: Members in moto's spelling.
    """
    backend = alarm_records.backend(region)
    previous = backend.alarms.get(configuration["name"])
    alarm = backend.put_metric_alarm(**configuration)
    alarms().placed(region, alarm, previous)
    return alarm


def delete_alarms(region: str, names: Iterable[str]) -> None:
    """Delete alarms as DeleteAlarms does."""
    alarms().delete(region, names)
