"""What an inference component is to run: its Specification, checked, with the model's container in it.

Source: API reference, InferenceComponentSpecification and its parts. Messages are ours but for those of
AWS's validation layer and for a model that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import Call
from sandbox.hosting.deployment import STARTUP_TIMEOUT_S, Variant, container_of_model, not_implemented
from sandbox.hosting.instance_types import Resources

# botocore's model says 100; the API reference says "We support up to 16 entries in the map".
MAX_ENVIRONMENT_ENTRIES = 16
_REFUSED = ("DataCacheConfig", "InstanceType")


@dataclass(frozen=True, kw_only=True)
class ComponentSpec:
    """What one copy of a component is.

    Args:
        container: A ContainerDefinition: image, where its files are, environment.
        needs: What a copy is given of an instance.
        startup_timeout_s: How long a container may take until GET /ping answers 200.
        is_spread: Copies go to the instance with the fewest; else to the fullest that has room.
    """

    container: dict[str, Any]
    needs: Resources
    startup_timeout_s: float
    is_spread: bool = True

    @property
    def image(self) -> str:
        return self.container["Image"]

    def as_variant(self, name: str) -> Variant:
        """Return it as what an instance runs."""
        return Variant(
            name=name,
            container=self.container,
            num_instances=1,
            weight=1.0,
            startup_timeout_s=self.startup_timeout_s,
        )


def spec_of(call: Call, given: dict[str, Any]) -> ComponentSpec:
    """Return what a Specification without a base component asks for.

    Raises:
        AwsError: It makes no sense, or asks for what the sandbox does not implement.
    """
    for member in _REFUSED:
        if member in given:
            raise not_implemented(f"Specification.{member}")
    if ("ModelName" in given) == ("Container" in given):
        raise validation_error("Specification needs either a ModelName or a Container, and not both.")
    if "ComputeResourceRequirements" not in given:
        raise validation_error("ComputeResourceRequirements is required for a base inference component.")
    if "ModelName" in given:
        container = container_of_model(call, given["ModelName"])
    else:
        container = _container(given["Container"])
    return ComponentSpec(
        container=container,
        needs=_needs(given["ComputeResourceRequirements"]),
        startup_timeout_s=given.get("StartupParameters", {}).get(
            "ContainerStartupHealthCheckTimeoutInSeconds", STARTUP_TIMEOUT_S
        ),
        is_spread=given.get("SchedulingConfig", {}).get("PlacementStrategy", "SPREAD") == "SPREAD",
    )


def adapter_url_of(given: dict[str, Any]) -> str:
    """Return where the files of an adapter component are.

    Raises:
        AwsError: Its Specification has what only a base component may have, or no ArtifactUrl.
    """
    for member in ("ModelName", "ComputeResourceRequirements", "SchedulingConfig"):
        if member in given:
            raise validation_error(f"An adapter inference component can not have {member}.")
    container = given.get("Container", {})
    if "Image" in container or "Environment" in container:
        raise validation_error("The container of an adapter inference component has only an ArtifactUrl.")
    if "ArtifactUrl" not in container:
        raise validation_error("An adapter inference component needs Container.ArtifactUrl.")
    return container["ArtifactUrl"]


def _container(given: dict[str, Any]) -> dict[str, Any]:
    if "Image" not in given:
        raise validation_error("Specification.Container needs an Image.")
    environment = given.get("Environment", {})
    if len(environment) > MAX_ENVIRONMENT_ENTRIES:
        shown = ", ".join(f"{name}={value}" for name, value in environment.items())
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '{{{shown}}}' at 'specification.container.environment'"
            " failed to satisfy constraint: Member must have length less than or equal to"
            f" {MAX_ENVIRONMENT_ENTRIES}",
        )
    container = {"Image": given["Image"], "Environment": environment}
    return {**container, **({"ModelDataUrl": given["ArtifactUrl"]} if "ArtifactUrl" in given else {})}


def _needs(given: dict[str, Any]) -> Resources:
    if "AcceleratorPartitionType" in given:
        raise not_implemented("AcceleratorPartitionType")
    if given.get("MaxMemoryRequiredInMb", given["MinMemoryRequiredInMb"]) < given["MinMemoryRequiredInMb"]:
        raise validation_error("MaxMemoryRequiredInMb is below MinMemoryRequiredInMb.")
    return Resources(
        num_accelerators=given.get("NumberOfAcceleratorDevicesRequired", 0),
        num_cores=given.get("NumberOfCpuCoresRequired", 0),
        memory_mib=given["MinMemoryRequiredInMb"],
    )
