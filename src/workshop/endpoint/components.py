"""Inference components: wait until they serve or are scaled; show what they are, log and measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from workshop.aws.denied import advice_for_role
from workshop.aws.session import Aws
from workshop.aws.waits import Wait
from workshop.endpoint.endpoints import last_lines_of
from workshop.errors import WorkshopError
from workshop.settings import Settings
from workshop.view.process_output import NUM_ERROR_LINES, last_lines

if TYPE_CHECKING:
    from pandas import DataFrame

LOG_GROUP = "/aws/sagemaker/InferenceComponents/"
NAMESPACE = "AWS/SageMaker"

Series = dict[str, dict[str, tuple[list[datetime], list[float]]]]


def wait_for_component(aws: Aws, name: str, *, timeout_s: float) -> dict[str, Any]:
    """Show a component's status until it is InService with all the copies that were asked for.

    Args:
        timeout_s: After this many seconds the wait ends; the component stays as it is.

    Returns:
        Its DescribeInferenceComponent. After an update that failed this is the old
        specification again: compare its ModelName.

    Raises:
        WorkshopError: It failed (with the last lines of its containers), or the wait timed out.
    """
    return _wait(aws, name, "InService", timeout_s=timeout_s, setting="endpoint_timeout_s").until(
        lambda: _described(aws, name),
        is_done=lambda one: one["InferenceComponentStatus"] == "InService" and _has_its_copies(one),
        text=_text,
        failure=lambda one: _failure(aws, one),
    )


def wait_until_settled(aws: Aws, name: str) -> dict[str, Any]:
    """Show a component's status until nothing changes it: what an earlier cell or kernel began is followed.

    Returns:
        Its DescribeInferenceComponent, which may have failed.

    Raises:
        WorkshopError: The wait timed out.
    """
    timeout_s = update_timeout_s(aws.settings)
    return _wait(aws, name, "the end of its change", timeout_s=timeout_s, setting="endpoint_timeout_s").until(
        lambda: _described(aws, name),
        is_done=lambda one: one["InferenceComponentStatus"] not in ("Creating", "Updating"),
        text=_text,
    )


def is_update_needed(aws: Aws, name: str, model: str) -> bool:
    """Tell whether a component has to be asked to serve a model: not while it is updated, and not twice.

    Args:
        model: Name of the SageMaker model.
    """
    described = _described(aws, name)
    if described["InferenceComponentStatus"] == "Updating":
        print(f"{name} is being updated already: that update is followed")
        return False
    return described["Specification"].get("ModelName") != model


def update_timeout_s(settings: Settings, *, num_batches: int = 2, wait_s: float = 60) -> float:
    """Return the longest wait for a rolling update, in seconds.

    Args:
        num_batches: Each brings up copies of its own, which may take endpoint_timeout_s, and is then watched.
        wait_s: WaitIntervalInSeconds: how long.
    """
    return num_batches * (settings.endpoint_timeout_s + wait_s)


def wait_for_copies(aws: Aws, name: str, num_copies: int, *, timeout_s: float) -> dict[str, Any]:
    """Show a component's copies until there are so many, whoever asks for them: a person or a scaling policy.

    Args:
        num_copies: 0 or more.
        timeout_s: As in `wait_for_component`.

    Returns:
        Its DescribeInferenceComponent.

    Raises:
        WorkshopError: The component failed, or the wait timed out.
    """
    return _wait(aws, name, f"{num_copies} copies", timeout_s=timeout_s, setting="scaling_timeout_s").until(
        lambda: _described(aws, name),
        is_done=lambda one: copies_of(one) == (num_copies, num_copies),
        text=_text,
        failure=lambda one: _failure(aws, one),
    )


def wait_for_instances(aws: Aws, endpoint_name: str, num_instances: int, *, timeout_s: float) -> None:
    """Show how many instances an endpoint has until there are so many.

    Args:
        num_instances: Of all its variants together, 0 or more.
        timeout_s: As in `wait_for_component`.

    Raises:
        WorkshopError: The wait timed out.
    """
    sagemaker = aws.client("sagemaker")
    expected = f"{num_instances} instances"
    _wait(aws, endpoint_name, expected, timeout_s=timeout_s, setting="scaling_timeout_s").until(
        lambda: instances_of(sagemaker.describe_endpoint(EndpointName=endpoint_name)),
        is_done=lambda current: current == num_instances,
        text=lambda current: f"{current} instances",
    )


def copies_of(described: dict[str, Any]) -> tuple[int, int]:
    """Return how many copies are there and how many are asked for; (0, 0) for an adapter, which has none."""
    runtime = described.get("RuntimeConfig") or {}
    return runtime.get("CurrentCopyCount", 0), runtime.get("DesiredCopyCount", 0)


def instances_of(described: dict[str, Any]) -> int:
    """Return how many instances the variants of an endpoint have together."""
    return sum(variant.get("CurrentInstanceCount", 0) for variant in described.get("ProductionVariants", ()))


def is_adapter(described: dict[str, Any]) -> bool:
    """Tell whether a component is an adapter on another one."""
    return "BaseInferenceComponentName" in described.get("Specification", {})


def components_table(aws: Aws, endpoint_name: str) -> DataFrame:
    """Return one row for each inference component of an endpoint: what it serves, copies, what each takes."""
    import pandas as pd

    sagemaker = aws.client("sagemaker")
    pages = sagemaker.get_paginator("list_inference_components").paginate(EndpointNameEquals=endpoint_name)
    names = sorted(item["InferenceComponentName"] for page in pages for item in page["InferenceComponents"])
    rows = [_row(_described(aws, name)) for name in names]
    columns = ["component", "status", "serves", "copies", "GPUs", "CPU cores", "memory MiB"]
    return pd.DataFrame(rows, columns=columns).set_index("component")


def _row(described: dict[str, Any]) -> dict[str, Any]:
    specification = described.get("Specification", {})
    compute = specification.get("ComputeResourceRequirements", {})
    current, desired = copies_of(described)
    base = specification.get("BaseInferenceComponentName")
    image = specification.get("Container", {}).get("Image", "")
    return {
        "component": described["InferenceComponentName"],
        "status": described["InferenceComponentStatus"],
        "serves": f"an adapter on {base}" if base else specification.get("ModelName", image),
        "copies": "-" if base else f"{current} of {desired}",
        "GPUs": compute.get("NumberOfAcceleratorDevicesRequired", "-"),
        "CPU cores": compute.get("NumberOfCpuCoresRequired", "-"),
        "memory MiB": compute.get("MinMemoryRequiredInMb", "-"),
    }


def component_log_lines(aws: Aws, name: str, num_lines: int = NUM_ERROR_LINES) -> list[str]:
    """Return what a component's containers wrote last; nothing when there is no log yet."""
    return last_lines_of(aws, LOG_GROUP + name, num_lines)


def _wait(aws: Aws, title: str, expected: str, *, timeout_s: float, setting: str) -> Wait:
    return Wait(
        title=title,
        timeout_s=timeout_s,
        setting=setting,
        interval_s=aws.settings.poll_interval_s,
        expected=expected,
        next_step="run the cell again to continue waiting, or the cells under Delete: the instances cost "
        "as long as they exist",
    )


def _described(aws: Aws, name: str) -> dict[str, Any]:
    return aws.client("sagemaker").describe_inference_component(InferenceComponentName=name)


def _has_its_copies(described: dict[str, Any]) -> bool:
    current, desired = copies_of(described)
    return current == desired


def _text(described: dict[str, Any]) -> str:
    current, desired = copies_of(described)
    copies = "" if is_adapter(described) else f" · {current} of {desired} copies"
    return described["InferenceComponentStatus"] + copies


def _failure(aws: Aws, described: dict[str, Any]) -> WorkshopError | None:
    if described["InferenceComponentStatus"] != "Failed":
        return None
    name = described["InferenceComponentName"]
    reason = described.get("FailureReason", "no reason given")
    correct = advice_for_role(reason) or "correct what the reason or the log names"
    return WorkshopError(
        found=f"the inference component {name} failed: {reason}\n"
        f"the last lines of its log:{last_lines(component_log_lines(aws, name))}",
        expected="a copy whose container answers /ping, on an instance with room for it",
        next_step=f"delete it with the cells under Delete, {correct} and "
        f"create it again; the whole log is in CloudWatch, {LOG_GROUP}{name}",
    )


def metric_queries(
    components: Sequence[str], statistics: Mapping[str, str], *, period_s: int
) -> list[dict[str, Any]]:
    """Return MetricDataQueries of GetMetricData: every metric of every component.

    Args:
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
