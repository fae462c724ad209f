"""CloudWatch's alarms at work: evaluated whenever a period ends, with their history and their actions.

moto stores alarms and never looks at a metric. Here one thread sleeps until the next period of any alarm
ends; without an alarm it sleeps until there is one. Periods pass on the sandbox's clock: at 120 times the
speed of AWS a minute is half a second, and a busy machine, or a laptop that was closed, comes late to many.
What an alarm would then no longer look at is evaluated first, so that no value is missed.

Source: CloudWatch User Guide, "Alarm evaluation" and "Alarm actions" (a scaling action is repeated once a
minute as long as the alarm is in its state; the others are not).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sandbox import clock
from sandbox.events import alarm_events, inbox
from sandbox.hosting.metrics import metrics
from sandbox.scaling import alarm_records
from sandbox.scaling.alarm_evaluation import (
    ALARM,
    INSUFFICIENT_DATA,
    evaluation_of,
    has_few_samples,
    metric_of,
    reason_data,
    rule_of,
    step_s,
)
from sandbox.scaling.alarm_records import backend, set_state, shown_state
from sandbox.scaling.metric_points import Point, points

if TYPE_CHECKING:
    from sandbox.context import Context

INITIAL_REASON = "Unchecked: Initial alarm creation"
SCALING_POLICY = ":scalingPolicy:"
_RECONCILE_S = 10  # of AWS, between two looks at unfinished scaling activities
_END_TIMEOUT_S = 5.0
_LEAST_PAUSE_S = 0.05  # of the wall clock, between two evaluations: each may walk over 10,000 data points
_REPEAT_S = 60  # of a scaling action, in seconds of AWS
_MAX_LATE_PERIODS = 1000  # evaluated after a pause: of a minute each at 120 times the speed, eight minutes

# Runs a scaling policy: region, its ARN, the alarm (moto's) and the values that were evaluated.
PolicyRunner = Callable[[str, str, Any, list[float]], None]

history = alarm_records.History()
newest_values: dict[tuple[str, str], list[float]] = {}  # region and alarm -> what it was evaluated with


class ActionFailedError(Exception):
    """An action of an alarm that did nothing; the text says why."""


class Alarms:
    """Evaluates every alarm of every region.

    Args:
        context: Keeps their configuration.
        run_policy: Runs a scaling policy that is an alarm's action.
        reconcile: Called after every evaluation and once a minute while it returns True.
    """

    def __init__(self, context: Context, run_policy: PolicyRunner, reconcile: Callable[[], bool]) -> None:
        self._context, self._run_policy, self._reconcile = context, run_policy, reconcile
        self._lock = threading.RLock()  # of the alarms' states
        self._wake = threading.Condition()
        self._is_changed = self._is_ending = self._has_open_activities = False
        self._last_s = 0.0  # when the last evaluation was
        self._evaluated: dict[int, int] = {}  # step in seconds -> number of the last one that was evaluated
        self._acted: dict[tuple[str, str], float] = {}  # region and alarm -> when its actions last ran
        self._placed: dict[tuple[str, str], float] = {}  # region and alarm -> when it was made or changed
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def restore(self) -> None:
        """Bring the alarms of the last run back, before `start`."""
        for alarm in alarm_records.restored(self._context):
            set_state(alarm, INSUFFICIENT_DATA, INITIAL_REASON, {})

    def start(self) -> None:
        """Begin to evaluate."""
        self._thread.start()

    def end(self) -> None:
        """End the evaluation."""
        with self._wake:
            self._is_ending = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join(_END_TIMEOUT_S)

    def wake(self) -> None:
        """Look again at what there is to do: an alarm or a scaling activity is new."""
        with self._wake:
            self._is_changed = True
            self._wake.notify_all()

    def placed(self, region: str, alarm: Any, previous: Any | None) -> None:
        """Take over an alarm that moto has got: keep it on disk, give it its state, evaluate it from now on.

        Args:
            alarm: moto's.
            previous: The one it replaces: an update leaves the state as it was.
        """
        with self._lock:
            if previous is None:
                set_state(alarm, INSUFFICIENT_DATA, INITIAL_REASON, {})
            else:
                for member in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp"):
                    setattr(alarm, member, getattr(previous, member))
            self._placed[region, alarm.name] = time.time()
            self._evaluated.setdefault(step_s(alarm), _period_of_now(step_s(alarm)))
        alarm_records.keep(self._context, region, alarm)
        change = "created" if previous is None else "updated"
        summary = f'Alarm "{alarm.name}" {change}'
        history.add(region, alarm.name, "ConfigurationUpdate", summary, {"type": change.title()[:-1]})
        self.wake()

    def kept(self, region: str, names: Iterable[str]) -> None:
        """Keep on disk what changed in alarms other than by `placed`."""
        for name in names:
            if alarm := backend(region).alarms.get(name):
                alarm_records.keep(self._context, region, alarm)

    def delete(self, region: str, names: Iterable[str]) -> None:
        """Delete alarms; those that do not exist are left out."""
        for name in names:
            with self._lock:
                alarm = backend(region).alarms.pop(name, None)
                self._acted.pop((region, name), None)
                self._placed.pop((region, name), None)
                newest_values.pop((region, name), None)
            if alarm:
                alarm_records.remove(self._context, region, name)
                data = {"type": "Delete"}
                history.add(region, name, "ConfigurationUpdate", f'Alarm "{name}" deleted', data)
        self.wake()

    def set_state(self, region: str, alarm: Any, state: str, reason: str, data: dict[str, Any]) -> None:
        """Give an alarm a state, and run its actions if that is another one."""
        with self._lock:
            was = alarm.state_value
            if state != was:
                old, previous = shown_state(alarm), alarm_events.state_of(alarm)
                set_state(alarm, state, reason, data)
                history.add(
                    region,
                    alarm.name,
                    "StateUpdate",
                    f"Alarm updated from {was} to {state}",
                    {"oldState": old, "newState": shown_state(alarm)},
                )
                # Whether its own actions are enabled or not.
                inbox.send(region, alarm_events.state_change(region, alarm, previous))
        if state != was:
            self._act(region, alarm, data.get("recentDatapoints", []))

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._is_changed or self._is_ending):
                    due_s = self._next_due_s()
                    wait_s = None if due_s is None else due_s - time.time()
                    if wait_s is not None and wait_s <= 0:
                        break
                    self._wake.wait(wait_s)
                if self._is_ending:
                    return
                self._is_changed = False
            try:
                self._evaluate()
                self._has_open_activities = self._reconcile()
            except Exception:  # the next period is evaluated all the same
                logging.getLogger("sandbox").exception("the evaluation of alarms failed")

    def _steps(self) -> set[int]:
        steps = {step_s(alarm) for region in alarm_records.regions() for alarm in _alarms(region)}
        return steps | ({_RECONCILE_S} if self._has_open_activities else set())

    def _next_due_s(self) -> float | None:
        """Return when the next period ends, on the wall clock; None when there is nothing to evaluate."""
        ends = []
        for step in self._steps():
            current = _period_of_now(step)
            number = self._evaluated.setdefault(step, current)
            ends.append(max(number + 1, current) * step)
        return max(clock.real_s(min(ends)), self._last_s + _LEAST_PAUSE_S) if ends else None

    def _evaluate(self) -> None:
        """Evaluate the alarms whose period has ended since the last time."""
        due = {}  # step -> end of the last evaluation
        for step in self._steps():
            number = _period_of_now(step)
            last = self._evaluated.setdefault(step, number)
            if number > last:
                self._evaluated[step] = number
                due[step] = last * step
        if not due:
            return
        self._last_s = time.time()
        metrics.flush()
        for region in alarm_records.regions():
            for step, last_s in due.items():
                alarms = [alarm for alarm in _alarms(region) if step_s(alarm) == step]
                self._evaluate_alarms(region, alarms, last_s, self._evaluated[step] * step)

    def _evaluate_alarms(self, region: str, alarms: list[Any], last_s: float, end_s: float) -> None:
        if not alarms:
            return
        measured = {id(alarm): metric_of(alarm) for alarm in alarms}
        late = {id(alarm): self._num_late(region, alarm, last_s, end_s) for alarm in alarms}
        num = max(rule_of(alarm).num_looked_at + late[id(alarm)] for alarm in alarms)
        found = points(region, measured.values(), num, end_s)
        for alarm in alarms:
            given = found[measured[id(alarm)]]
            for age in range(late[id(alarm)], 0, -1):
                self._evaluate_alarm(region, alarm, given[:-age], end_s - age * int(alarm.period))
            values = self._evaluate_alarm(region, alarm, given, end_s)
            since = time.time() - self._acted.get((region, alarm.name), 0.0)
            if values is not None and since >= clock.real_s(_REPEAT_S) * 0.99:  # not a period late
                self._act(region, alarm, values, only_scaling=True)

    def _num_late(self, region: str, alarm: Any, last_s: float, end_s: float) -> int:
        """Return how many periods have to be evaluated before the newest: those it no longer looks at."""
        since_s = max(last_s, self._placed.get((region, alarm.name), 0.0) * clock.speed())
        num_passed = math.ceil((end_s - since_s) / int(alarm.period))
        return min(max(num_passed - rule_of(alarm).num_looked_at, 0), _MAX_LATE_PERIODS)

    def _evaluate_alarm(
        self, region: str, alarm: Any, given: list[Point | None], end_s: float
    ) -> list[float] | None:
        """Give an alarm the state of its data points; return their values if that is ALARM."""
        if backend(region).alarms.get(alarm.name) is not alarm:
            return None  # replaced or deleted meanwhile
        rule = rule_of(alarm)
        given = given[-rule.num_looked_at :]
        if has_few_samples(alarm, [point for point in given if point]):
            return None
        evaluation = evaluation_of(alarm, rule, given, end_s)
        if evaluation.state is None:
            return None
        newest_values[region, alarm.name] = values = [value for _, value in evaluation.evaluated]
        self.set_state(
            region, alarm, evaluation.state, evaluation.reason, reason_data(alarm, evaluation, end_s)
        )
        return values if evaluation.state == ALARM else None

    def _act(self, region: str, alarm: Any, values: list[float], *, only_scaling: bool = False) -> None:
        """Run the actions of an alarm's state."""
        actions = {
            ALARM: alarm.alarm_actions,
            INSUFFICIENT_DATA: alarm.insufficient_data_actions,
        }.get(alarm.state_value, alarm.ok_actions)
        self._acted[region, alarm.name] = time.time()
        if not alarm.actions_enabled:
            return
        for arn in actions or ():
            if SCALING_POLICY not in arn:
                if not only_scaling:
                    why = "the sandbox runs scaling policies only"
                    history.add(region, alarm.name, "Action", f"Failed to execute action {arn}: {why}", {})
                continue
            try:
                self._run_policy(region, arn, alarm, values)
            except ActionFailedError as failure:
                history.add(region, alarm.name, "Action", f"Failed to execute action {arn}: {failure}", {})
            else:
                history.add(region, alarm.name, "Action", f"Successfully executed action {arn}", {})


def in_alarm(region: str, names: Iterable[str]) -> list[str]:
    """Return the names of those alarms that are in the state ALARM."""
    alarms = backend(region).alarms
    return [name for name in names if name in alarms and alarms[name].state_value == ALARM]


def _period_of_now(step: int) -> int:
    """Return the number of the period that now is in; it is also how many have ended."""
    return int(time.time() * clock.speed() // step)


def _alarms(region: str) -> list[Any]:
    return list(backend(region).alarms.values())
