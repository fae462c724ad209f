"""An alarm of CloudWatch, waited for until it is in a state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workshop.aws.waits import Wait

if TYPE_CHECKING:
    from workshop.aws.session import Aws


def wait_for_alarm(aws: Aws, name: str, state: str, *, timeout_s: float) -> dict[str, Any]:
    """Show an alarm's state until it is this one, and return its description.

    Args:
        name: Of the alarm.
        state: OK, ALARM or INSUFFICIENT_DATA.
        timeout_s: Of the wait; CloudWatch evaluates an alarm once a minute.

    Raises:
        WorkshopError: The wait timed out.
    """
    describe = aws.client("cloudwatch").describe_alarms
    found = Wait(
        title=f"alarm {name}",
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        setting="scaling_timeout_s",
        expected=state,
        next_step="run the cell again, which puts the metric again; its values are in the alarm's history: "
        f'aws.client("cloudwatch").describe_alarm_history(AlarmName="{name}")',
        subject=f"the alarm {name} is",
    ).until(
        lambda: describe(AlarmNames=[name])["MetricAlarms"],
        is_done=lambda alarms: bool(alarms) and alarms[0]["StateValue"] == state,
        text=lambda alarms: alarms[0]["StateValue"] if alarms else "not there",
    )
    return found[0]
