"""What is asked of CloudWatch about inference components, and its answer in the order of a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

NAMESPACE = "AWS/SageMaker"

Series = dict[str, dict[str, tuple[list[datetime], list[float]]]]


def metric_queries(
    components: Sequence[str], statistics: Mapping[str, str], *, period_s: int
) -> list[dict[str, Any]]:
    """Return MetricDataQueries of GetMetricData: every metric of every component.

    Args:
        components: Their names.
        statistics: Metric -> statistic, for example {"Invocations": "Sum"}.
        period_s: Of one point, in seconds.

    Source: SageMaker Developer Guide, "Amazon SageMaker AI inference component metrics": their dimension is
    InferenceComponentName.
    """
    return [
        {
            "Id": f"m{number}_{index}",
            "Label": f"{metric} {component}",
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": metric,
                    "Dimensions": [{"Name": "InferenceComponentName", "Value": component}],
                },
                "Period": period_s,
                "Stat": statistic,
            },
        }
        for number, (metric, statistic) in enumerate(statistics.items())
        for index, component in enumerate(components)
    ]


def metric_series(results: Sequence[Mapping[str, Any]]) -> Series:
    """Return MetricDataResults as metric -> component -> (times, values).

    Args:
        results: Of queries that `metric_queries` wrote.
    """
    series: Series = {}
    for result in results:
        metric, _, component = result["Label"].partition(" ")
        series.setdefault(metric, {})[component] = (list(result["Timestamps"]), list(result["Values"]))
    return series
