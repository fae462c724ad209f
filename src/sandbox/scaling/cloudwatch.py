"""moto's CloudWatch with what it lacks: alarms that are evaluated, their history, metrics, dashboards.

moto finds the class of a service in a table of paths; `install` puts this one there, which hands every
operation but these on to moto's own.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch import urls
from moto.cloudwatch.exceptions import (
    CloudWatchException,
    DashboardInvalidInputError,
    InvalidParameterCombination,
    InvalidParameterValue,
    ResourceNotFound,
    ValidationError,
)
from moto.cloudwatch.models import Statistics
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult

from sandbox.hosting.metrics import metrics
from sandbox.scaling import dashboards, running
from sandbox.scaling.alarm_evaluation import COMPARISONS
from sandbox.scaling.alarms import history
from sandbox.scaling.metric_points import percentile_of

_MAX_RECORDS, _MAX_DASHBOARDS = 100, 1000
_HIGH_RESOLUTION = (10, 20, 30)
_DAY_S, _WEEK_S = 86_400, 604_800
_TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
_STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


def install() -> None:
    """Let moto answer CloudWatch with this module; before its application is made."""
    urls.url_paths["{0}/$"] = CloudWatch.dispatch
    moto_statistic = Statistics.get_statistics_for_type

    def statistic_of(self: Statistics, stat: str) -> Any:
        return percentile_of(self.metric_data, stat) if _is_percentile(stat) else moto_statistic(self, stat)

    Statistics.get_statistics_for_type = statistic_of  # moto's GetMetricData has None for p90


class CloudWatch(CloudWatchResponse):
    """The operations that differ from moto's."""

    def put_metric_alarm(self) -> ActionResult:
        """Create or update an alarm; an update leaves its state as it was."""
        self._check_alarm()
        name = self._get_param("AlarmName")
        previous = self.cloudwatch_backend.alarms.get(name)
        result = super().put_metric_alarm()
        running.alarms().placed(self.region, self.cloudwatch_backend.alarms[name], previous)
        return result

    def delete_alarms(self) -> ActionResult:
        """Delete alarms, here and on disk."""
        running.alarms().delete(self.region, self._get_param("AlarmNames", []))
        return EmptyResult()

    def enable_alarm_actions(self) -> ActionResult:
        """Let alarms run their actions."""
        result = super().enable_alarm_actions()
        running.alarms().kept(self.region, self._get_param("AlarmNames", []))
        return result

    def disable_alarm_actions(self) -> ActionResult:
        """Let alarms change their state and do nothing."""
        result = super().disable_alarm_actions()
        running.alarms().kept(self.region, self._get_param("AlarmNames", []))
        return result

    def set_alarm_state(self) -> ActionResult:
        """Set a state that holds until the next evaluation; its actions run."""
        name, state = self._get_param("AlarmName"), self._get_param("StateValue")
        alarm = self.cloudwatch_backend.alarms.get(name)
        if alarm is None:
            raise ResourceNotFound("Unknown")
        if state not in ("OK", "ALARM", "INSUFFICIENT_DATA"):
            raise ValidationError(
                f"1 validation error detected: Value '{state}' at 'stateValue' failed to satisfy constraint:"
                " Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]"
            )
        data = self._reason_data()
        running.alarms().set_state(self.region, alarm, state, self._get_param("StateReason"), data)
        return EmptyResult()

    def describe_alarm_history(self) -> ActionResult:
        """Return what happened to alarms, the newest first."""
        kind, name = self._get_param("HistoryItemType"), self._get_param("AlarmName")
        items = history.items(
            self.region,
            names=None if name is None else [name],
            kind=kind,
            start=_aware(self._get_param("StartDate")),
            end=_aware(self._get_param("EndDate")),
        )
        if self._get_param("ScanBy") == "TimestampAscending":
            items.reverse()
        start = self._first_record()
        size = int(self._get_param("MaxRecords") or _MAX_RECORDS)
        answer: dict[str, Any] = {"AlarmHistoryItems": items[start : start + size]}
        if len(items) > start + size:
            answer["NextToken"] = str(start + size)
        return ActionResult(answer)

    def put_dashboard(self) -> ActionResult:
        """Create or replace a dashboard, and say what of it is ignored."""
        name, body = self._get_param("DashboardName"), self._get_param("DashboardBody")
        if not dashboards.is_name(name):
            raise InvalidParameterValue(
                "The field DashboardName must be 1 to 255 of the characters A-Z, a-z, 0-9, - and _."
            )
        errors, warnings = dashboards.checked(body)
        if errors:
            raise DashboardInvalidInputError(dashboards.error_text(errors))
        tags = {tag["Key"]: tag["Value"] for tag in self._get_param("Tags", [])}
        dashboards.put(running.context(), name, body, tags)
        return ActionResult({"DashboardValidationMessages": warnings})

    def get_dashboard(self) -> ActionResult:
        """Return a dashboard."""
        name = self._get_param("DashboardName")
        found = dashboards.get(running.context(), name)
        if found is None:
            raise ResourceNotFound(f"Dashboard {name} does not exist")
        return ActionResult(found)

    def list_dashboards(self) -> ActionResult:
        """List dashboards by name, 1,000 on a page."""
        found = dashboards.entries(running.context(), self._get_param("DashboardNamePrefix") or "")
        start = self._first_record()
        answer: dict[str, Any] = {"DashboardEntries": found[start : start + _MAX_DASHBOARDS]}
        if len(found) > start + _MAX_DASHBOARDS:
            answer["NextToken"] = str(start + _MAX_DASHBOARDS)
        return ActionResult(answer)

    def delete_dashboards(self) -> ActionResult:
        """Delete those that are there, and name the others in an error."""
        missing = dashboards.delete(running.context(), self._get_param("DashboardNames", []))
        if missing:
            raise ResourceNotFound(f"The specified dashboard does not exist. [{', '.join(missing)}]")
        return EmptyResult()

    def list_tags_for_resource(self) -> ActionResult:
        """Return the tags of a dashboard, or of what moto keeps."""
        name = dashboards.name_in(self._get_param("ResourceARN"))
        if name is None:
            return super().list_tags_for_resource()
        tags = self._tags_of_dashboard(name)
        return ActionResult({"Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]})

    def tag_resource(self) -> ActionResult:
        """Add tags to a dashboard, or to what moto keeps."""
        name = dashboards.name_in(self._get_param("ResourceARN"))
        if name is None:
            return super().tag_resource()
        new = {tag["Key"]: tag["Value"] for tag in self._get_param("Tags", [])}
        dashboards.tag(running.context(), name, self._tags_of_dashboard(name) | new)
        return EmptyResult()

    def untag_resource(self) -> ActionResult:
        """Remove tags of a dashboard, or of what moto keeps."""
        name = dashboards.name_in(self._get_param("ResourceARN"))
        if name is None:
            return super().untag_resource()
        keys = self._get_param("TagKeys", [])
        left = {key: value for key, value in self._tags_of_dashboard(name).items() if key not in keys}
        dashboards.tag(running.context(), name, left)
        return EmptyResult()

    def _tags_of_dashboard(self, name: str) -> dict[str, str]:
        tags = dashboards.tags_of(running.context(), name)
        if tags is None:
            raise ResourceNotFound(f"Dashboard {name} does not exist")
        return tags

    def list_metrics(self) -> ActionResult:
        """List metrics, those of invocations up to now."""
        metrics.flush()
        return super().list_metrics()

    def get_metric_data(self) -> ActionResult:
        """Return values of metrics, those of invocations up to now."""
        metrics.flush()
        return super().get_metric_data()

    def get_metric_statistics(self) -> ActionResult:
        """Return statistics of a metric, those of invocations up to now."""
        metrics.flush()
        return super().get_metric_statistics()

    def _first_record(self) -> int:
        token = self._get_param("NextToken") or "0"
        if not (token.isascii() and token.isdigit() and len(token) < 10):
            raise CloudWatchException("InvalidNextToken", f"{token[:40]!r} is no token of this list.")
        return int(token)

    def _reason_data(self) -> dict[str, Any]:
        try:
            data = json.loads(self._get_param("StateReasonData") or "{}")
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise ValidationError("TemplateBody of StateReasonData is not a JSON object.")
        return data

    def _check_alarm(self) -> None:
        """Refuse what CloudWatch refuses, and what would never be evaluated here.

        Source: CloudWatch API Reference, PutMetricAlarm. The messages are ours.
        """
        required = (
            "Namespace",
            "MetricName",
            "Period",
            "EvaluationPeriods",
            "ComparisonOperator",
            "Threshold",
        )
        for member in required:
            if self._get_param(member) is None:
                raise ValidationError(f"The parameter {member} is required for an alarm on a metric.")
        statistic, extended = self._get_param("Statistic"), self._get_param("ExtendedStatistic")
        if (statistic is None) == (extended is None):
            raise InvalidParameterCombination("Give either Statistic or ExtendedStatistic, and not both.")
        if statistic is not None:
            self._check_one_of("Statistic", _STATISTICS)
        elif not _is_percentile(extended):
            raise ValidationError(
                f"The sandbox does not evaluate the statistic {extended}; it knows p0.0 to p100."
            )
        self._check_one_of("ComparisonOperator", tuple(COMPARISONS))
        if self._get_param("TreatMissingData") is not None:
            self._check_one_of("TreatMissingData", _TREATMENTS)
        self._check_periods()

    def _check_one_of(self, member: str, valid: tuple[str, ...]) -> None:
        value = self._get_param(member)
        if value not in valid:
            raise ValidationError(f"{member} must be one of {', '.join(valid)}, not {value}.")

    def _check_periods(self) -> None:
        period_s, num = int(self._get_param("Period")), int(self._get_param("EvaluationPeriods"))
        if period_s not in _HIGH_RESOLUTION and (period_s <= 0 or period_s % 60):
            raise ValidationError(f"Period must be 10, 20, 30 or a multiple of 60, not {period_s}.")
        longest_s = _WEEK_S if period_s >= 3600 else _DAY_S
        if num < 1 or period_s * num > longest_s:
            raise ValidationError(
                f"EvaluationPeriods times Period must be 1 to {longest_s} seconds, not {period_s * num}."
            )
        num_to_alarm = int(self._get_param("DatapointsToAlarm") or num)
        if not 1 <= num_to_alarm <= num:
            raise ValidationError(
                f"DatapointsToAlarm must be 1 to EvaluationPeriods ({num}), not {num_to_alarm}."
            )


def _is_percentile(statistic: str) -> bool:
    try:
        return statistic.startswith("p") and 0 <= float(statistic[1:]) <= 100
    except ValueError:
        return False


def _aware(time: Any) -> datetime | None:
    """Return a time as moto has parsed it, with its zone."""
    return time.replace(tzinfo=UTC) if isinstance(time, datetime) and time.tzinfo is None else time
