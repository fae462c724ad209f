"""UpdateEndpointWeightsAndCapacities: traffic and instances change under load, and no request is lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.sandbox.hosting.conftest import ROLE
from tests.sandbox.hosting.endpoint_updates import ask_for_fault, eventually, instances
from tests.sandbox.hosting.load import Load

OPERATION = "UpdateEndpointWeightsAndCapacities"


def scale(hosting: Any, name: str, **desired: dict[str, Any]) -> dict[str, Any]:
    """Change variants, and return them by name when that has ended; and what was reported at once."""
    begin(hosting, name, **desired)
    return {each["VariantName"]: each for each in hosting.wait(name)["ProductionVariants"]}


def begin(hosting: Any, name: str, **desired: dict[str, Any]) -> None:
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": each, **wanted} for each, wanted in desired.items()],
    )


def count(variant: dict[str, Any]) -> tuple[int, int]:
    return variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]


def test_instances_come_and_go_under_load(hosting: Any) -> None:
    name = hosting.deploy()
    with Load(hosting.sandbox.url, name) as load:
        begin(hosting, name, AllTraffic={"DesiredInstanceCount": 3})
        (variant,) = hosting.sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"]
        assert count(variant) == (1, 3)
        hosting.wait(name)
        eventually(lambda: len(load.pids) == 3)
        assert count(scale(hosting, name, AllTraffic={"DesiredInstanceCount": 1})["AllTraffic"]) == (1, 1)
        assert sum(map(psutil.pid_exists, load.pids)) == 1
        load.wait_for(10)
    assert load.failures == []
    hosting.delete(name)


def test_weights_move_the_traffic_between_two_variants(hosting: Any) -> None:
    name = hosting.deploy(
        variants=(
            {"VariantName": "A", "InitialVariantWeight": 1.0},
            {"VariantName": "B", "InitialVariantWeight": 0.0},
        )
    )

    def answered() -> Counter[str]:
        calls = (hosting.runtime.invoke_endpoint(EndpointName=name, Body=b"{}") for _ in range(60))
        return Counter(call["InvokedProductionVariant"] for call in calls)

    assert set(answered()) == {"A"}
    variants = scale(hosting, name, A={"DesiredWeight": 1.0}, B={"DesiredWeight": 1.0})
    assert (variants["B"]["CurrentWeight"], variants["B"]["DesiredWeight"]) == (1.0, 1.0)
    assert min(answered()[each] for each in ("A", "B")) > 5
    scale(hosting, name, A={"DesiredWeight": 0.0})
    assert set(answered()) == {"B"}
    hosting.delete(name)


@pytest.mark.parametrize("fault", ["InsufficientCapacity", "FailedHealthCheck"])
def test_instances_that_do_not_come_leave_it_as_it_was(hosting: Any, fault: str) -> None:
    name = hosting.deploy(variants=instances(2))
    ask_for_fault(hosting, fault, operation=OPERATION)
    with Load(hosting.sandbox.url, name) as load:
        variants = scale(hosting, name, AllTraffic={"DesiredInstanceCount": 3, "DesiredWeight": 5.0})
    assert load.failures == []
    assert count(variants["AllTraffic"]) == (2, 2)
    assert variants["AllTraffic"]["DesiredWeight"] == 1.0
    described = hosting.sagemaker.describe_endpoint(EndpointName=name)
    assert described["EndpointStatus"] == "InService"
    assert described["FailureReason"]
    scale(hosting, name, AllTraffic={"DesiredInstanceCount": 1})
    assert "FailureReason" not in hosting.sagemaker.describe_endpoint(EndpointName=name)
    hosting.delete(name)


@pytest.mark.parametrize(
    ("variant", "wanted", "message"),
    [
        (
            "X",
            {"DesiredWeight": 1},
            'The variant name\\(s\\) "X" is/are not present within endpoint configura',
        ),
        ("AllTraffic", {"DesiredInstanceCount": 0}, "DesiredInstanceCount of 1 or more"),
    ],
)
def test_what_a_variant_cannot_have_is_refused(
    hosting: Any, served: str, variant: str, wanted: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        begin(hosting, served, **{variant: wanted})
    with pytest.raises(ClientError, match="Could not find endpoint"):
        begin(hosting, "nobody", **{variant: wanted})
    assert hosting.sagemaker.describe_endpoint(EndpointName=served)["EndpointStatus"] == "InService"


def test_instances_of_components_follow_and_do_not_leave_copies_behind(hosting: Any, components: Any) -> None:
    endpoint = components.endpoint()
    name = components.deploy(endpoint, num_copies=4)
    scale(hosting, endpoint, AllTraffic={"DesiredInstanceCount": 2})
    components.scale(name, 8)
    variants = scale(hosting, endpoint, AllTraffic={"DesiredInstanceCount": 1})
    assert count(variants["AllTraffic"]) == (2, 2)
    described = hosting.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert "Copies of inference components are on 2 instances" in described["FailureReason"]
    assert len(components.pids(endpoint, name, 8)) == 8
    components.delete(name)
    assert count(scale(hosting, endpoint, AllTraffic={"DesiredInstanceCount": 1})["AllTraffic"]) == (1, 1)
    hosting.delete(endpoint)


def test_instances_of_components_stay_when_a_fault_or_another_variant_keeps_them(
    hosting: Any, components: Any
) -> None:
    given = {"ModelName": None, "InstanceType": "ml.g5.12xlarge"}
    endpoint = hosting.deploy(
        variants=({**given, "VariantName": "A"}, {**given, "VariantName": "B", "InitialInstanceCount": 2}),
        config={"ExecutionRoleArn": ROLE},
    )
    name = components.deploy(endpoint, VariantName="B", num_copies=8)
    ask_for_fault(hosting, "InsufficientCapacity", operation=OPERATION)
    for desired in ({"A": {"DesiredInstanceCount": 2}}, {each: {"DesiredInstanceCount": 0} for each in "AB"}):
        variants = scale(hosting, endpoint, **desired)
        assert (count(variants["A"]), count(variants["B"])) == ((1, 1), (2, 2))
        assert hosting.sagemaker.describe_endpoint(EndpointName=endpoint)["FailureReason"]
    components.delete(name)
    hosting.delete(endpoint)


def test_managed_instances_follow_the_copies_after_a_change_of_weight(hosting: Any, components: Any) -> None:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}
    endpoint = components.endpoint(ManagedInstanceScaling=scaling)
    name = components.deploy(endpoint, num_copies=4)
    scale(hosting, endpoint, AllTraffic={"DesiredWeight": 2.0})
    assert components.scale(name, 8)["RuntimeConfig"]["CurrentCopyCount"] == 8
    with pytest.raises(ClientError, match="has ManagedInstanceScaling"):
        begin(hosting, endpoint, AllTraffic={"DesiredInstanceCount": 2})
    components.delete(name)
    hosting.delete(endpoint)


def test_a_serverless_variant_is_refused_whether_the_endpoint_is_there_or_not(hosting: Any) -> None:
    wanted = [{"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 1}}]
    with pytest.raises(
        ClientError, match=r"not implement DesiredWeightsAndCapacities\.ServerlessUpdateConfig"
    ):
        hosting.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="none", DesiredWeightsAndCapacities=wanted
        )
