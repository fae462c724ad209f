"""Updates of an endpoint that alarms watch: whether to ask for one, when to begin, and who saw what was bad.

wait_until_calm(aws, alarms)
with UpdateWatch(aws, name, alarms) as watch, SteadyLoad(...) as load:
    is_needed = update_is_needed(aws, name, config)
    if is_needed:
        sagemaker.update_endpoint(..., DeploymentConfig=canary)
    described = wait_until_in_service(aws, name, timeout_s=guarded_timeout_s(settings, canary))
print(RollOut.of(aws, version, described, config, load.result, watch.snapshots, metrics))
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workshop.aws.waits import Wait
from workshop.endpoint.deletion import delete_endpoint

if TYPE_CHECKING:
    from workshop.aws.session import Aws
    from workshop.endpoint.rollout_watch import UpdateSnapshot
    from workshop.serving.steady_load import SteadyResult
    from workshop.settings import Settings

WENT_THROUGH, WENT_BACK = "went through", "went back"
Watched = tuple[str, str, Sequence[Mapping[str, str]], str]
"""Namespace, metric, dimensions and statistic."""
_CALM_S = 120
"""Of AWS: two periods of an alarm."""
_MOVING = ("Updating", "RollingBack")


def update_is_needed(aws: Aws, endpoint_name: str, config_name: str) -> bool:
    """Tell whether UpdateEndpoint has to be called: not while one runs, nor when it is done."""
    described = aws.client("sagemaker").describe_endpoint(EndpointName=endpoint_name)
    return described["EndpointStatus"] not in _MOVING and described["EndpointConfigName"] != config_name


def guarded_timeout_s(settings: Settings, config: Mapping[str, Any]) -> float:
    """Return how long a canary is waited for: its start, two baking periods, the old ones' end.

    Args:
        config: DeploymentConfig of the update.
    """
    policy = config["BlueGreenUpdatePolicy"]
    wait_s = policy["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"]
    return 2 * settings.endpoint_timeout_s + 2 * wait_s + policy.get("TerminationWaitInSeconds", 0)


def wait_until_calm(aws: Aws, alarms: Iterable[str], *, timeout_s: float) -> dict[str, str]:
    """Wait until no alarm has been in ALARM for two minutes: what was seen before is not the next update's.

    An alarm that still is would turn that one back at once, and so would one that comes to the last period of
    the traffic before it only then.

    Returns:
        Alarm -> its state.

    Raises:
        WorkshopError: One is in ALARM for longer.
    """
    names, calm_s = list(alarms), _CALM_S / aws.settings.sandbox_clock_speed
    rang_s = time.monotonic()

    def states() -> dict[str, str]:
        nonlocal rang_s
        found = aws.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
        by_name = {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}
        if "ALARM" in by_name.values():
            rang_s = time.monotonic()
        return by_name

    return Wait(
        title="alarms",
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        setting="scaling_timeout_s",
        expected="no alarm in ALARM",
        next_step="look at the metric of the alarm that is: something is wrong with what serves now",
    ).until(
        states,
        is_done=lambda found: time.monotonic() - rang_s >= calm_s,
        text=lambda found: ", ".join(f"{name.rpartition('-')[2]} {state}" for name, state in found.items()),
    )


def give_back_instances(aws: Aws, endpoint_name: str) -> None:
    """Delete an endpoint whose part is over, so that what comes next has its instances in the quota.

    Raises:
        WorkshopError: It did not go within endpoint_timeout_s.
    """
    delete_endpoint(aws, endpoint_name, timeout_s=aws.settings.endpoint_timeout_s)


def delete_alarms(aws: Aws, prefix: str) -> list[str]:
    """Delete the alarms whose names begin with a prefix, and return their names; none is no error."""
    cloudwatch = aws.client("cloudwatch")
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
    names = [alarm["AlarmName"] for alarm in pages.build_full_result().get("MetricAlarms", [])]
    if names:
        cloudwatch.delete_alarms(AlarmNames=names)
    return names


def outcome_of(described: Mapping[str, Any], config_name: str) -> str:
    """Return whether an update that has ended went through, or went back and why.

    Args:
        described: DescribeEndpoint afterwards.
        config_name: That was asked for.
    """
    if described["EndpointConfigName"] == config_name:
        return WENT_THROUGH
    return f"{WENT_BACK}: {described.get('FailureReason', 'no reason given')}"


def watched_series(
    aws: Aws, metrics: Mapping[str, Watched], snapshots: Sequence[UpdateSnapshot]
) -> dict[str, tuple[list[datetime], list[float]]]:
    """Return what CloudWatch has of the metrics that alarms watch, during a watch.

    Args:
        metrics: Name -> namespace, metric, dimensions, statistic.

    Returns:
        Name -> (times, values), the oldest first.
    """
    queries = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": list(dimensions)},
                "Period": aws.settings.metric_period_s,
                "Stat": statistic,
            },
        }
        for name, (namespace, metric, dimensions, statistic) in metrics.items()
    ]
    start = datetime.fromtimestamp(snapshots[0].at_s - 2 * aws.settings.metric_period_s, UTC)
    end = datetime.fromtimestamp(snapshots[-1].at_s + 2 * aws.settings.metric_period_s, UTC)
    found = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending"
    )
    return {one["Id"]: (one["Timestamps"], one["Values"]) for one in found["MetricDataResults"]}


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What callers saw of a version.

    Attributes:
        num_requests: That it answered.
        num_all: Of all requests of the load.
        seconds: From its first to its last request.
    """

    num_requests: int
    num_all: int
    seconds: float

    def text(self, settings: Settings) -> str:
        """Return it as a line, with the seconds as AWS's clock would count the waits among them."""
        share, speed = self.num_requests / max(self.num_all, 1), settings.sandbox_clock_speed
        clock = f" ({self.seconds * speed / 60:.0f} min of AWS's clock)" if speed != 1 else ""
        return f"{self.num_requests} of {self.num_all} requests ({share:.0%}) in {self.seconds:.1f} s{clock}"


@dataclass(frozen=True, kw_only=True)
class RollOut:
    """A guarded update that has ended, and what callers saw of it.

    Attributes:
        version: That was to go out.
        outcome: WENT_THROUGH, or WENT_BACK and why.
        result: Of the load meanwhile; its labels say who answered.
        snapshots: Of the watch.
        series: The watched metrics, as `watched_series` returns them.
    """

    version: str
    outcome: str
    result: SteadyResult
    snapshots: Sequence[UpdateSnapshot]
    series: Mapping[str, tuple[Sequence[datetime], Sequence[float]]]

    @classmethod
    def of(
        cls,
        aws: Aws,
        version: str,
        described: Mapping[str, Any],
        config_name: str,
        result: SteadyResult,
        snapshots: Sequence[UpdateSnapshot],
        metrics: Mapping[str, Watched],
    ) -> RollOut:
        """Put together what an update and a load beside it have left.

        Args:
            described: DescribeEndpoint afterwards.
            config_name: That was asked for.
            metrics: That its alarms watch, as of `watched_series`.
        """
        return cls(
            version=version,
            outcome=outcome_of(described, config_name),
            result=result,
            snapshots=snapshots,
            series=watched_series(aws, metrics, snapshots),
        )

    def __str__(self) -> str:
        return (
            f"{self.version} {self.outcome}\n"
            f"{len(self.result.requests):,} requests meanwhile, failed: {self.result.num_failed}"
        )

    @property
    def went_through(self) -> bool:
        return self.outcome == WENT_THROUGH

    def exposure(self, labels: Iterable[str]) -> Exposure:
        """Return how many requests were answered by some, and for how long."""
        wanted, requests = set(labels), self.result.requests
        seen = [one for one in requests if one.label in wanted]
        seconds = max(one.sent_at_s + one.seconds for one in seen) - seen[0].sent_at_s if seen else 0.0
        return Exposure(num_requests=len(seen), num_all=len(requests), seconds=seconds)
