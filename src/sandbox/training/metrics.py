"""Metrics that a job's metric definitions find in its log."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import ACCOUNT_ID

NAMESPACE = "/aws/sagemaker/TrainingJobs"


class JobMetrics:
    """The last value of every metric, and all of them in CloudWatch.

    Args:
        definitions: MetricDefinitions of the request.
        region: Region of CloudWatch.
        job_name: Value of their dimension, TrainingJobName.

    Source: what TrainingJobAnalytics of the SDK asks CloudWatch for; Host is the dimension of an instance's
    own metrics.
    """

    def __init__(self, definitions: list[dict[str, str]], *, region: str, job_name: str) -> None:
        self._definitions = [(entry["Name"], re.compile(entry["Regex"])) for entry in definitions]
        self._region, self._job_name = region, job_name
        self._last: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def read(self, line: str) -> None:
        """Look for metrics in a line of the log."""
        for name, pattern in self._definitions:
            match = pattern.search(line)
            value = _number(match) if match else None
            if value is None:
                continue
            now = time.time()
            with self._lock:
                self._last[name] = {"MetricName": name, "Value": value, "Timestamp": now}
            self._put(name, value, now)

    def final(self) -> list[dict[str, Any]]:
        """Return FinalMetricDataList."""
        with self._lock:
            return [self._last[name] for name in sorted(self._last)]

    def _put(self, name: str, value: float, now: float) -> None:
        from moto.cloudwatch.models import cloudwatch_backends

        datum = {
            "MetricName": name,
            "Value": value,
            "Timestamp": datetime.fromtimestamp(now, UTC).replace(tzinfo=None),  # moto's own have no zone
            "Unit": "None",
            "Dimensions": [{"Name": "TrainingJobName", "Value": self._job_name}],
        }
        cloudwatch_backends[ACCOUNT_ID][self._region].put_metric_data(NAMESPACE, [datum])


def check(definitions: list[dict[str, str]]) -> None:
    """Refuse a regular expression that is none.

    Raises:
        AwsError: ValidationException with its place.
    """
    for entry in definitions:
        try:
            re.compile(entry["Regex"])
        except re.error as error:
            raise validation_error(
                f"Invalid regular expression for metric {entry['Name']}: {entry['Regex']} ({error})"
            ) from None


def _number(match: re.Match[str]) -> float | None:
    """Return the first group's number; None when CloudWatch does not take it."""
    try:
        value = float(match[1] if match.re.groups else match[0])
    except (TypeError, ValueError):
        return None
    return value if abs(value) < 1e300 else None  # neither NaN nor infinite
