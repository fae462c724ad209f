"""What is to run: the variants of an endpoint configuration, and the Specification of an inference component.

Both are checked and read once, with the containers of their models: models and configurations may be deleted
afterwards.

Source: API reference, ProductionVariant, InferenceComponentSpecification and its parts. Messages are ours but
for those of AWS's validation layer and for a model that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox import own_images
from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import Call
from sandbox.hosting import models
from sandbox.hosting.data_capture import CaptureSettings, settings_of
from sandbox.hosting.instance_types import Resources, resources_of
from sandbox.hosting.model_source import containers_of

# Default of ContainerStartupHealthCheckTimeoutInSeconds. Source: SageMaker Developer Guide, "Use Your Own
# Inference Code with Hosting Services": a container has 8 minutes to pass its health check.
STARTUP_TIMEOUT_S = 480
# botocore's model says 100; the API reference says "We support up to 16 entries in the map".
MAX_ENVIRONMENT_ENTRIES = 16
# Members of a container definition of ours: what stands for its image, looked up when it is deployed.
_RESOLVED, _PROGRAM = "_resolved_image", "_program_image"


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """What one copy runs: an instance of a variant, or a copy of an inference component.

    Args:
        container: ContainerDefinition: image, where its files are, environment. None for a variant whose
            models are inference components.
        startup_timeout_s: How long the container may take until GET /ping answers 200.
        capture: Whether and how its invocations are captured; of a component its variant says that.
    """

    container: dict[str, Any] | None
    startup_timeout_s: float
    capture: CaptureSettings | None = None

    @property
    def image(self) -> str:
        return self.container.get("Image", "")

    @property
    def resolved_image(self) -> str:
        """The image by its digest, where it is one of an own repository."""
        return self.container.get(_RESOLVED, self.image)

    @property
    def program_image(self) -> str | None:
        """The image whose program runs; None when there is none of this name."""
        return self.container.get(_PROGRAM, self.image)

    @property
    def environment(self) -> dict[str, str]:
        return self.container.get("Environment", {})

    @property
    def container_name(self) -> str:
        """The name that AWS gives the container in its messages."""
        return self.container.get("ContainerHostname", "primary")


@dataclass(frozen=True, kw_only=True)
class Variant(ContainerSpec):
    """One production variant.

    Args:
        name: VariantName.
        num_instances: InitialInstanceCount.
        weight: InitialVariantWeight.
        instance_type: For example ml.g5.xlarge.
        managed_scaling: ManagedInstanceScaling; None when the number of instances is fixed.
        routing: RoutingConfig; without one requests go to whoever has the fewest.
    """

    name: str
    num_instances: int
    weight: float
    instance_type: str = ""
    managed_scaling: dict[str, Any] | None = None
    routing: dict[str, Any] | None = None

    @property
    def routes_at_random(self) -> bool:
        return (self.routing or {}).get("RoutingStrategy") == "RANDOM"


@dataclass(frozen=True, kw_only=True)
class ComponentSpec(ContainerSpec):
    """An inference component that hosts a model.

    Args:
        needs: What a copy is given of a machine.
        is_spread: Copies go to the machine with the fewest; else to the fullest that has room.
    """

    needs: Resources
    is_spread: bool = True


def variants_of(call: Call, config: dict[str, Any]) -> list[Variant]:
    """Return the variants of an endpoint configuration.

    Raises:
        AwsError: A model is missing, or something is asked for that the sandbox does not implement.
    """
    capture = settings_of(config.get("DataCaptureConfig"))
    return [_variant(call, variant, capture) for variant in config["ProductionVariants"]]


def not_implemented(what: str) -> AwsError:
    """Return the error for a part of an implemented operation that the sandbox does not have."""
    return validation_error(
        f"The sandbox does not implement {what}. What it implements is listed in src/sandbox/README.md;"
        " use an AWS account (a mode other than sample) for the rest."
    )


def container_of_model(call: Call, name: str) -> dict[str, Any]:
    """Return the one container of a model.

    Raises:
        AwsError: There is no such model, or it is of a kind that the sandbox does not run.
    """
    model = call.context.resources.get(models.KIND, call.region, name)
    if model is None:
        raise validation_error(f'Could not find model "{call.arn(models.KIND, name)}".')
    containers = containers_of(model)
    if len(containers) > 1:
        raise not_implemented("models with several Containers (inference pipelines)")
    (container,) = containers
    return _with_image(container)


def _with_image(container: dict[str, Any]) -> dict[str, Any]:
    """Return a container definition with what stands for its image from now on, wherever its tag goes."""
    try:
        image = own_images.look_up(container["Image"])
    except own_images.ImageNotFoundError:
        return {**container, _PROGRAM: None}
    environment = {**image.environment, **container.get("Environment", {})}
    return {**container, "Environment": environment, _RESOLVED: image.resolved, _PROGRAM: image.program}


def _variant(call: Call, variant: dict[str, Any], capture: CaptureSettings | None) -> Variant:
    has_model = "ModelName" in variant
    if has_model and variant.get("ManagedInstanceScaling"):
        raise not_implemented("ManagedInstanceScaling of a variant with a ModelName")
    if not has_model and resources_of(variant["InstanceType"]) is None:
        raise not_implemented(f"inference components on {variant['InstanceType']}")
    return Variant(
        name=variant["VariantName"],
        container=container_of_model(call, variant["ModelName"]) if has_model else None,
        num_instances=variant.get("InitialInstanceCount", 1),
        weight=float(variant.get("InitialVariantWeight", 1.0)),
        startup_timeout_s=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", STARTUP_TIMEOUT_S),
        instance_type=variant.get("InstanceType", ""),
        managed_scaling=variant.get("ManagedInstanceScaling"),
        routing=variant.get("RoutingConfig"),
        capture=capture,
    )


def spec_of(call: Call, given: dict[str, Any]) -> ComponentSpec:
    """Return what a Specification without a base component asks for.

    Raises:
        AwsError: It makes no sense, or asks for what the sandbox does not implement.
    """
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
    url = {"ModelDataUrl": given["ArtifactUrl"]} if "ArtifactUrl" in given else {}
    return _with_image({**container, **url})


def _needs(given: dict[str, Any]) -> Resources:
    if given.get("MaxMemoryRequiredInMb", given["MinMemoryRequiredInMb"]) < given["MinMemoryRequiredInMb"]:
        raise validation_error("MaxMemoryRequiredInMb is below MinMemoryRequiredInMb.")
    return Resources(
        num_accelerators=given.get("NumberOfAcceleratorDevicesRequired", 0),
        num_cores=given.get("NumberOfCpuCoresRequired", 0),
        memory_mib=given["MinMemoryRequiredInMb"],
    )
