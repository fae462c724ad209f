"""Updates of endpoints, through boto3 as it is."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

SPEED = 300  # of the sandbox's clock: a minute of AWS takes 0.2 s
TIMEOUT_S = 600


def eventually(ask: Callable[[], Any]) -> Any:
    """Ask until the answer is true, and return it."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while not (answer := ask()):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return answer


def ask_for_fault(hosting: Any, fault: str, count: int = 1, operation: str = "UpdateEndpoint") -> None:
    asked = {"operation": operation, "fault": fault, "count": count}
    url = f"{hosting.sandbox.url}/_sandbox/faults"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(asked).encode(), method="PUT")).close()


def update(hosting: Any, name: str, config: str, **members: Any) -> dict[str, Any]:
    """Update an endpoint, and return its description when that has ended."""
    hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, **members)
    return hosting.wait(name)


def stage(hosting: Any, name: str) -> str | None:
    """Return what an update is doing."""
    pending = hosting.sagemaker.describe_endpoint(EndpointName=name).get("PendingDeploymentSummary")
    return pending and pending["ProductionVariants"][0]["VariantStatus"][0]["Status"]


def blue_green(kind: str = "ALL_AT_ONCE", wait_s: int = 0, **members: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait_s, **members}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}


def rolling(num: int, wait_s: int = 0) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size(num), "WaitIntervalInSeconds": wait_s}}


def size(value: int, kind: str = "INSTANCE_COUNT") -> dict[str, Any]:
    return {"Type": kind, "Value": value}


def instances(num: int) -> tuple[dict[str, Any], ...]:
    return ({"InitialInstanceCount": num},)
