"""Scalable targets and alarms: without tags, they go by the names of what has, by ledger and mark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workshop.account.found import Found, Problem, noted, now
from workshop.account.ownership import MODE_TAG, TAG, Ownership
from workshop.aws.session import PREFIX, Aws
from workshop.cost import ALARM_USD_PER_MONTH, HOURS_PER_MONTH


def find_targets(
    aws: Aws, ownership: Ownership, owners: list[Found], problems: list[Problem]
) -> Iterator[Found]:
    """Yield the scalable targets of the workshop's components and endpoints, those that are gone included."""
    with noted(problems, "the list of scalable targets", "application-autoscaling"):
        pages = aws.client("application-autoscaling").get_paginator("describe_scalable_targets")
        for page in pages.paginate(ServiceNamespace="sagemaker"):
            for target in page["ScalableTargets"]:
                resource, dimension = target["ResourceId"], target["ScalableDimension"]
                owner = resource.split("/")[1]
                sources = next((one.sources for one in owners if one.name == owner), ())
                row = ownership.row("ScalableTarget", resource)
                if not sources and row and row.status == "created":
                    sources = ("ledger",)
                if sources:
                    yield Found(
                        kind="ScalableTarget",
                        name=resource,
                        sources=sources,
                        mode=next((one.mode for one in owners if one.name == owner), aws.mode),
                        made_at=target["CreationTime"],
                        what=f"{target['MinCapacity']} to {target['MaxCapacity']}",
                        details={"dimension": dimension},
                    )


def find_alarms(
    aws: Aws, ownership: Ownership, owners: list[Found], problems: list[Problem]
) -> Iterator[Found]:
    with noted(problems, "the list of alarms", "cloudwatch"):
        pages = aws.client("cloudwatch").get_paginator("describe_alarms")
        for page in pages.paginate(AlarmTypes=["MetricAlarm"]):
            for alarm in page["MetricAlarms"]:
                sources, mode = _alarm_sources(alarm, ownership, owners)
                if sources:
                    made_at = alarm.get("AlarmConfigurationUpdatedTimestamp")
                    hours = (now() - made_at).total_seconds() / 3600 if made_at else 0.0
                    per_hour = ALARM_USD_PER_MONTH / HOURS_PER_MONTH
                    yield Found(
                        kind="Alarm",
                        name=alarm["AlarmName"],
                        sources=sources,
                        mode=mode or aws.mode,
                        made_at=made_at,
                        what=f"{alarm['StateValue']}, {alarm.get('MetricName', '')}",
                        usd_per_hour=per_hour,
                        usd_so_far=per_hour * hours,
                    )


def _alarm_sources(
    alarm: dict[str, Any], ownership: Ownership, owners: list[Found]
) -> tuple[tuple[str, ...], str]:
    """Return what says that an alarm is the workshop's, and its mode where that is known.

    Those of the workshop carry its tags in their description; those of a scaling policy are named after
    what it scales; those of earlier versions begin with the endpoint's or component's name.
    """
    name = alarm["AlarmName"]
    mark = dict(part.partition("=")[::2] for part in alarm.get("AlarmDescription", "").split(", "))
    row = ownership.row("Alarm", name)
    has_mark = mark.get(TAG) == PREFIX
    if has_mark or (row and row.status == "created"):
        known = row is not None and row.may_exist
        sources = (("ledger", known), ("tag", has_mark))
        return tuple(source for source, is_so in sources if is_so), mark.get(MODE_TAG, "")
    watched = {dimension["Value"] for dimension in alarm.get("Dimensions", ())}
    for owner in owners:
        is_of_policy = name.startswith(
            (f"TargetTracking-inference-component/{owner.name}-", f"TargetTracking-endpoint/{owner.name}/")
        )
        # "news-1" does not own the alarms of "news-10"; and a person's own on our endpoint is theirs.
        if is_of_policy or (owner.name in watched and name.startswith(f"{owner.name}-")):
            return owner.sources, owner.mode
    return (), ""
