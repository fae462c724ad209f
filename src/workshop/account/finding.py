"""Find what the workshop has in an account: each kind by SageMaker's own list, with the tags of each thing.

The ledger knows what this machine has made. Tags find it from any other machine, and after a kernel died
between a request and its answer. What has no tags (scalable targets, alarms, logs) goes by the names of
what has, by the ledger, and alarms by the mark in their description.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from workshop.account.confirmation import RUNS
from workshop.account.found import Found, Listing, Problem, noted, now
from workshop.account.logs import find_logs
from workshop.account.ownership import MODE_TAG, TAG, Ownership
from workshop.account.storage import find_storage
from workshop.account.versions import find_versions
from workshop.aws.resources import described_or_none, is_missing
from workshop.aws.session import PREFIX, Aws
from workshop.endpoint.components import copies_of, instances_of, is_adapter
from workshop.prices import ENDPOINT, TRAINING_JOB, price_of
from workshop.tracking.app import GONE

JOBS = ("TrainingJob", "ProcessingJob")
KINDS = (
    *(*JOBS, "InferenceComponent", "Endpoint", "EndpointConfig", "Model"),
    *("ModelPackageGroup", "MlflowApp"),
)
_RUNNING, _ENDED = ("InProgress", "Stopping"), ("Completed", "Failed", "Stopped")
# Kind -> the operation that lists it, and the member of its answer.
_LISTS = {
    "TrainingJob": ("list_training_jobs", "TrainingJobSummaries"),
    "ProcessingJob": ("list_processing_jobs", "ProcessingJobSummaries"),
    "InferenceComponent": ("list_inference_components", "InferenceComponents"),
    "Endpoint": ("list_endpoints", "Endpoints"),
    "EndpointConfig": ("list_endpoint_configs", "EndpointConfigs"),
    "Model": ("list_models", "Models"),
    "ModelPackageGroup": ("list_model_package_groups", "ModelPackageGroupSummaryList"),
    "MlflowApp": ("list_mlflow_apps", "Summaries"),
}
JOBS_OF_DAYS = 30
"""So far back `find_paid` looks for jobs that have ended: each is a question for its tags."""


def find(aws: Aws) -> Listing:
    """Return everything of the workshop's that AWS lists now, in the order in which it is deleted.

    An error ends the part of the list that it is about; the rest is there, and the error beside it.
    """
    problems: list[Problem] = []
    ownership = Ownership(aws)
    by_kind = {kind: _find_kind(aws, ownership, kind, problems) for kind in KINDS}
    owners = by_kind["InferenceComponent"] + by_kind["Endpoint"]
    found = [
        *_targets(aws, ownership, owners, problems),
        *_alarms(aws, ownership, owners, problems),
        *(job for kind in JOBS for job in by_kind[kind]),
        # adapters before their bases
        *sorted(by_kind["InferenceComponent"], key=lambda one: not one.details["is_adapter"]),
        *by_kind["Endpoint"],
        *by_kind["EndpointConfig"],
        *by_kind["Model"],
        *find_versions(aws, by_kind["ModelPackageGroup"], problems),
        *by_kind["ModelPackageGroup"],
        *by_kind["MlflowApp"],
        *find_storage(aws, ownership, problems),
        *find_logs(aws, ownership, [*owners, *by_kind["ProcessingJob"]], problems),
    ]
    return Listing(found=found, problems=problems, at=now())


def find_running(aws: Aws) -> list[str]:
    """Return the names of the workshop's jobs, components and endpoints that are there, of every mode."""
    ownership, problems = Ownership(aws), []
    kinds = (*JOBS, "InferenceComponent", "Endpoint")
    return [one.name for kind in kinds for one in _find_kind(aws, ownership, kind, problems)]


def find_paid(aws: Aws) -> Listing:
    """Return the endpoints and jobs that are there, and the jobs that have ended lately, of every mode."""
    ownership, problems = Ownership(aws), []
    since = now() - timedelta(days=JOBS_OF_DAYS)
    found = [
        *_find_kind(aws, ownership, "Endpoint", problems),
        *_find_kind(aws, ownership, "TrainingJob", problems),
        *_find_kind(aws, ownership, "TrainingJob", problems, ended_since=since),
    ]
    return Listing(found=found, problems=problems, at=now())


def _find_kind(
    aws: Aws,
    ownership: Ownership,
    kind: str,
    problems: list[Problem],
    *,
    ended_since: datetime | None = None,
) -> list[Found]:
    found: list[Found] = []
    details = {"is_adapter": False, "has_ended": ended_since is not None}
    with noted(problems, f"the list of {kind}s"):
        for item in _items(aws, kind, ended_since):
            # An App is named and its ARN given without its kind.
            name, arn = item.get(f"{kind}Name") or item["Name"], item.get(f"{kind}Arn") or item["Arn"]
            made_at, tags = item["CreationTime"], _tags(aws, arn, problems)
            sources = ownership.sources(kind, name, tags, made_at)
            if not sources:
                continue
            mode = (tags or {}).get(MODE_TAG, aws.mode)
            more: dict[str, Any] = {}
            with noted(problems, f"{kind} {name}"):
                more = _MORE[kind](aws, name, made_at) if kind in _MORE else {}
                more |= _app(item) if kind == "MlflowApp" else {}
            one = {"kind": kind, "name": name, "sources": sources, "mode": mode, "made_at": made_at}
            found.append(Found(**one, **({"details": details} | more)))
    return found


def _items(aws: Aws, kind: str, ended_since: datetime | None) -> Iterator[dict[str, Any]]:
    """Yield AWS's summaries of a kind; of jobs those that run, or those since a time that do not."""
    operation, member = _LISTS[kind]
    paginator = aws.client("sagemaker").get_paginator(operation)
    if kind in JOBS:
        after = {} if ended_since is None else {"CreationTimeAfter": ended_since}
        for status in _RUNNING if ended_since is None else _ENDED:
            for page in paginator.paginate(StatusEquals=status, **after):
                yield from page[member]
        return
    for page in paginator.paginate():
        yield from (item for item in page[member] if item.get("Status") not in GONE)


def _tags(aws: Aws, arn: str, problems: list[Problem]) -> dict[str, str] | None:
    """Return the tags of a resource; None when they cannot be asked for, {} when it is gone meanwhile."""
    from botocore.exceptions import ClientError

    refused: list[Problem] = []
    with noted(refused, "tags, so that only the ledger tells what is the workshop's"):
        try:
            pages = aws.client("sagemaker").get_paginator("list_tags").paginate(ResourceArn=arn)
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        except ClientError as error:
            if not is_missing(error):
                raise
            return {}
    problems += [one for one in refused if one not in problems]  # once, and not for each resource
    return None


def _job(aws: Aws, name: str, made_at: datetime) -> dict[str, Any]:
    described = aws.client("sagemaker").describe_training_job(TrainingJobName=name)
    resources = described["ResourceConfig"]
    machines = [(resources.get("InstanceType", ""), resources.get("InstanceCount", 1))]
    started_at = described.get("TrainingStartTime")  # before that nothing is paid
    what = f"{described['TrainingJobStatus']}, {_machines_text(machines)}"
    if described["TrainingJobStatus"] not in _ENDED:
        return {"what": what, **_cost(aws, TRAINING_JOB, machines, started_at)}
    # Of each instance, as AWS bills it: less than the time it ran where spot saved something.
    billed_s = described.get("BillableTimeInSeconds", 0)
    per_hour = _cost(aws, TRAINING_JOB, machines, None)["usd_per_hour"]
    usd = None if per_hour is None else per_hour * billed_s / 3600
    return {"what": f"{what}, {billed_s:,} s billed", "usd_per_hour": 0.0, "usd_so_far": usd}


def _processing_job(aws: Aws, name: str, made_at: datetime) -> dict[str, Any]:
    """Return what is told of a job that processes; what its machines cost is not known here."""
    described = aws.client("sagemaker").describe_processing_job(ProcessingJobName=name)
    cluster = described["ProcessingResources"]["ClusterConfig"]
    machines = [(cluster.get("InstanceType", ""), cluster.get("InstanceCount", 1))]
    what = f"{described['ProcessingJobStatus']}, {_machines_text(machines)}"
    return {"what": what, "usd_per_hour": None, "usd_so_far": None}


def _endpoint(aws: Aws, name: str, made_at: datetime) -> dict[str, Any]:
    sagemaker = aws.client("sagemaker")
    described = sagemaker.describe_endpoint(EndpointName=name)
    config = described_or_none(
        sagemaker.describe_endpoint_config, EndpointConfigName=described["EndpointConfigName"]
    )
    types = {
        one["VariantName"]: one.get("InstanceType", "")
        for one in (config or {}).get("ProductionVariants", ())
    }
    machines = [
        (types.get(variant["VariantName"], ""), instances_of({"ProductionVariants": [variant]}))
        for variant in described.get("ProductionVariants", ())
    ]
    what = f"{described['EndpointStatus']}, {_machines_text(machines)}"
    return {"what": what, **_cost(aws, ENDPOINT, machines, made_at)}


def _component(aws: Aws, name: str, made_at: datetime) -> dict[str, Any]:
    described = aws.client("sagemaker").describe_inference_component(InferenceComponentName=name)
    current, _ = copies_of(described)
    copies = "an adapter" if is_adapter(described) else f"{current} {'copy' if current == 1 else 'copies'}"
    what = f"{described['InferenceComponentStatus']}, {copies} on {described['EndpointName']}"
    return {"what": what, "details": {"is_adapter": is_adapter(described)}}


def _app(item: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of an MLflow App: it costs nothing, and what is logged in it goes with it."""
    details = {"is_adapter": False, "arn": item["Arn"]}
    return {"what": f"{item['Status']}, MLflow, no charge", "word": RUNS, "details": details}


_MORE = {
    "TrainingJob": _job,
    "ProcessingJob": _processing_job,
    "Endpoint": _endpoint,
    "InferenceComponent": _component,
}


def _machines_text(machines: list[tuple[str, int]]) -> str:
    return " + ".join(f"{count} x {kind or 'unknown type'}" for kind, count in machines) or "no machine"


def _cost(
    aws: Aws, use: str, machines: list[tuple[str, int]], since: datetime | None
) -> dict[str, float | None]:
    """Return what machines cost on AWS an hour, and since a time at their present number."""
    hours = (now() - since).total_seconds() / 3600 if since else 0.0
    prices = {
        kind: price_of(aws.settings, kind, use, session=aws.boto_session).usd_per_hour
        for kind, count in machines
        if count
    }
    is_known = None not in prices.values()
    per_hour = sum(count * prices[kind] for kind, count in machines if count) if is_known else None
    return {"usd_per_hour": per_hour, "usd_so_far": None if per_hour is None else per_hour * hours}


def _targets(aws: Aws, ownership: Ownership, owners: list[Found], problems: list[Problem]) -> Iterator[Found]:
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


def _alarms(aws: Aws, ownership: Ownership, owners: list[Found], problems: list[Problem]) -> Iterator[Found]:
    with noted(problems, "the list of alarms", "cloudwatch"):
        pages = aws.client("cloudwatch").get_paginator("describe_alarms")
        for page in pages.paginate(AlarmTypes=["MetricAlarm"]):
            for alarm in page["MetricAlarms"]:
                sources, mode = _alarm_sources(alarm, ownership, owners)
                if sources:
                    yield Found(
                        kind="Alarm",
                        name=alarm["AlarmName"],
                        sources=sources,
                        mode=mode or aws.mode,
                        made_at=alarm.get("AlarmConfigurationUpdatedTimestamp"),
                        what=f"{alarm['StateValue']}, {alarm.get('MetricName', '')}",
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
