"""What watches a model: rules that start pipelines, and dashboards; their tags say whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workshop.account.found import Found, Problem, noted, now
from workshop.account.ownership import MODE_TAG, Ownership
from workshop.aws.resources import is_missing
from workshop.aws.session import Aws
from workshop.cost import DASHBOARD_USD_PER_MONTH, HOURS_PER_MONTH

RULE, DASHBOARD = "Rule", "Dashboard"
_NAMES = "news-"
"""The workshop's begin so, as its policies say: of other people's nothing is asked."""


def find_rules(aws: Aws, ownership: Ownership, problems: list[Problem]) -> Iterator[Found]:
    """Yield the rules of the workshop's, each with what it starts. AWS says no time of a rule."""
    events = aws.client("events")
    with noted(problems, "the list of rules", "events"):
        for page in events.get_paginator("list_rules").paginate(NamePrefix=_NAMES):
            for rule in page["Rules"]:
                name = rule["Name"]
                tags = _tags(events, rule["Arn"], f"the rule {name}", "events", problems)
                row = ownership.row(RULE, name)
                sources = ownership.sources(RULE, name, tags, None)
                if not sources and row and row.status == "created" and tags is None:
                    sources = ("ledger",)
                if sources:
                    yield Found(
                        kind=RULE,
                        name=name,
                        sources=sources,
                        mode=(tags or {}).get(MODE_TAG, aws.mode),
                        what=f"{rule['State']}, starts {_targets_text(events, name, problems)}",
                    )


def find_dashboards(aws: Aws, ownership: Ownership, problems: list[Problem]) -> Iterator[Found]:
    """Yield the dashboards of the workshop's; they are the same in every region."""
    cloudwatch = aws.client("cloudwatch")
    with noted(problems, "the list of dashboards", "cloudwatch"):
        pages = cloudwatch.get_paginator("list_dashboards").paginate(DashboardNamePrefix=_NAMES)
        for one in (entry for page in pages for entry in page["DashboardEntries"]):
            name, made_at = one["DashboardName"], one["LastModified"]
            tags = _tags(cloudwatch, one["DashboardArn"], f"the dashboard {name}", "cloudwatch", problems)
            sources = ownership.sources(DASHBOARD, name, tags, made_at)
            if sources:
                per_hour = DASHBOARD_USD_PER_MONTH / HOURS_PER_MONTH
                yield Found(
                    kind=DASHBOARD,
                    name=name,
                    sources=sources,
                    mode=(tags or {}).get(MODE_TAG, aws.mode),
                    made_at=made_at,
                    what=f"{DASHBOARD_USD_PER_MONTH:.2f} USD a month on AWS, unless it is one of three",
                    usd_per_hour=per_hour,
                    usd_so_far=per_hour * (now() - made_at).total_seconds() / 3600,
                )


def delete_rule(aws: Aws, name: str) -> None:
    """Delete a rule with its targets; what is gone meanwhile is deleted."""
    from botocore.exceptions import ClientError

    events = aws.client("events")
    try:
        pages = events.get_paginator("list_targets_by_rule").paginate(Rule=name)
        ids = [target["Id"] for page in pages for target in page["Targets"]]
        if ids:
            events.remove_targets(Rule=name, Ids=ids)
        events.delete_rule(Name=name)
    except ClientError as error:
        if not is_missing(error):
            raise


def _tags(client: Any, arn: str, what: str, service: str, problems: list[Problem]) -> dict[str, str] | None:
    """Return the tags of a resource; None when they cannot be asked for, {} when it is gone meanwhile."""
    from botocore.exceptions import ClientError

    with noted(problems, f"the tags of {what}", service):
        try:
            return {
                tag["Key"]: tag["Value"] for tag in client.list_tags_for_resource(ResourceARN=arn)["Tags"]
            }
        except ClientError as error:
            if not is_missing(error):
                raise
            return {}
    return None


def _targets_text(events: Any, name: str, problems: list[Problem]) -> str:
    with noted(problems, f"the targets of the rule {name}", "events"):
        pages = events.get_paginator("list_targets_by_rule").paginate(Rule=name)
        arns = [target["Arn"] for page in pages for target in page["Targets"]]
        return ", ".join(arn.rpartition("/")[2] for arn in arns) or "nothing"
    return "what is not known"
