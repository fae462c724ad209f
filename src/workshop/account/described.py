"""What AWS describes of a thing that was found: its status and machines in words, and what they cost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from workshop.account.confirmation import RUNS
from workshop.account.found import now
from workshop.aws.resources import described_or_none
from workshop.aws.session import Aws
from workshop.endpoint.components import copies_of, instances_of, is_adapter
from workshop.prices import ENDPOINT, PROCESSING_JOB, TRAINING_JOB, price_of

_ENDED = ("Completed", "Failed", "Stopped")


def details_of(aws: Aws, kind: str, name: str, made_at: datetime) -> dict[str, Any]:
    """Return what Describe adds to a thing, as members of `Found`; nothing for kinds that cost nothing.

    Args:
        kind: As in the ledger.
        made_at: As AWS says: an endpoint costs since then.
    """
    return _OF_KIND[kind](aws, name, made_at) if kind in _OF_KIND else {}


def _training_job(aws: Aws, name: str, made_at: datetime) -> dict[str, Any]:
    described = aws.client("sagemaker").describe_training_job(TrainingJobName=name)
    resources, status = described["ResourceConfig"], described["TrainingJobStatus"]
    machines = [(resources.get("InstanceType", ""), resources.get("InstanceCount", 1))]
    if status not in _ENDED:
        return _running(aws, TRAINING_JOB, status, machines, described.get("TrainingStartTime"))
    # Of each instance, as AWS bills it: less than the time it ran where spot saved something.
    billed_s = described.get("BillableTimeInSeconds", 0)
    return _ended(aws, TRAINING_JOB, status, machines, billed_s)


def _processing_job(aws: Aws, name: str, made_at: datetime) -> dict[str, Any]:
    described = aws.client("sagemaker").describe_processing_job(ProcessingJobName=name)
    cluster, status = described["ProcessingResources"]["ClusterConfig"], described["ProcessingJobStatus"]
    machines = [(cluster.get("InstanceType", ""), cluster.get("InstanceCount", 1))]
    started_at = described.get("ProcessingStartTime")
    if status not in _ENDED:
        return _running(aws, PROCESSING_JOB, status, machines, started_at)
    # AWS says nothing of what it bills: the time that the job ran comes nearest.
    ran = described["ProcessingEndTime"] - started_at if started_at else timedelta(0)
    return _ended(aws, PROCESSING_JOB, status, machines, round(ran.total_seconds()))


def _running(
    aws: Aws, use: str, status: str, machines: list[tuple[str, int]], started_at: datetime | None
) -> dict[str, Any]:
    """Return what is told of a job that has not ended; before its machines start nothing is paid."""
    return {"what": f"{status}, {_machines_text(machines)}", **_cost(aws, use, machines, started_at)}


def _ended(
    aws: Aws, use: str, status: str, machines: list[tuple[str, int]], billed_s: float
) -> dict[str, Any]:
    """Return what is told of a job that has ended, and what it has cost."""
    per_hour = _cost(aws, use, machines, None)["usd_per_hour"]
    usd = None if per_hour is None else per_hour * billed_s / 3600
    seconds = f"{billed_s:,} s billed" if use == TRAINING_JOB else f"ran {billed_s:,} s"
    what = f"{status}, {_machines_text(machines)}, {seconds}"
    return {"what": what, "usd_per_hour": 0.0, "usd_so_far": usd}


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
    cost = _cost(aws, ENDPOINT, machines, made_at)
    names = [variant["VariantName"] for variant in described.get("ProductionVariants", ())]
    text = _machines_text(machines)
    if len(names) > 1:  # each has machines of its own, which cost whatever part of the requests it gets
        text = "; ".join(
            f"{name}: {_machines_text([each])}, {_usd_per_hour_text(aws, each)}"
            for name, each in zip(names, machines, strict=True)
        )
    return {"what": f"{described['EndpointStatus']}, {text}", **cost}


def _usd_per_hour_text(aws: Aws, machine: tuple[str, int]) -> str:
    per_hour = _cost(aws, ENDPOINT, [machine], None)["usd_per_hour"]
    return "price not known" if per_hour is None else f"{per_hour:.2f} USD an hour"


def _component(aws: Aws, name: str, made_at: datetime) -> dict[str, Any]:
    described = aws.client("sagemaker").describe_inference_component(InferenceComponentName=name)
    current, _ = copies_of(described)
    copies = "an adapter" if is_adapter(described) else f"{current} {'copy' if current == 1 else 'copies'}"
    what = f"{described['InferenceComponentStatus']}, {copies} on {described['EndpointName']}"
    return {"what": what, "details": {"is_adapter": is_adapter(described)}}


def details_of_app(item: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of an MLflow App: it costs nothing, and what is logged in it goes with it."""
    details = {"is_adapter": False, "arn": item["Arn"]}
    return {"what": f"{item['Status']}, MLflow, no charge", "word": RUNS, "details": details}


_OF_KIND = {
    "TrainingJob": _training_job,
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
