"""What is scaled: the copies of an inference component, or the instances of a variant.

They are read and set by the calls that AWS's own role for it makes: DescribeInferenceComponent and
UpdateInferenceComponentRuntimeConfig, DescribeEndpoint and UpdateEndpointWeightsAndCapacities.

Source: IAM policy AWSApplicationAutoscalingSageMakerEndpointPolicy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import SAGEMAKER

if TYPE_CHECKING:
    from sandbox.context import Context

COPIES = "sagemaker:inference-component:DesiredCopyCount"
INSTANCES = "sagemaker:variant:DesiredInstanceCount"
_NAME = "[a-zA-Z0-9](?:-*[a-zA-Z0-9])*"
_RESOURCE_IDS = {
    COPIES: re.compile(f"inference-component/(?P<component>{_NAME})"),
    INSTANCES: re.compile(f"endpoint/(?P<endpoint>{_NAME})/variant/(?P<variant>{_NAME})"),
}
_WORDS = {COPIES: "desired copy count", INSTANCES: "desired instance count"}


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How much of something there is.

    Args:
        current: Copies or instances that are there.
        desired: How many there shall be.
        is_settled: Nothing is being changed.
        is_failed: The last change failed.
    """

    current: int
    desired: int
    is_settled: bool
    is_failed: bool


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """A resource that can be scaled.

    Args:
        resource_id: For example inference-component/summary.
        dimension: COPIES or INSTANCES.
    """

    resource_id: str
    dimension: str

    @property
    def words(self) -> str:
        """What of it is scaled, in the words of scaling activities."""
        return _WORDS[self.dimension]

    @property
    def names(self) -> dict[str, str]:
        """The names in the resource ID: component, or endpoint and variant."""
        return _RESOURCE_IDS[self.dimension].fullmatch(self.resource_id).groupdict()

    @property
    def metric_dimensions(self) -> list[dict[str, str]]:
        """The dimensions of its metrics in CloudWatch."""
        names = self.names
        if self.dimension == COPIES:
            return [{"Name": "InferenceComponentName", "Value": names["component"]}]
        return [
            {"Name": "EndpointName", "Value": names["endpoint"]},
            {"Name": "VariantName", "Value": names["variant"]},
        ]

    def read(self, context: Context, region: str) -> Capacity:
        """Return how much there is of it.

        Raises:
            AwsError: It does not exist.
        """
        names = self.names
        if self.dimension == COPIES:
            request = {"InferenceComponentName": names["component"]}
            found = _call(context, region, "DescribeInferenceComponent", request)
            counts = found.get("RuntimeConfig", {})
            return Capacity(
                current=counts.get("CurrentCopyCount", 0),
                desired=counts.get("DesiredCopyCount", 0),
                is_settled=found["InferenceComponentStatus"] == "InService",
                is_failed=found["InferenceComponentStatus"] == "Failed",
            )
        found = _call(context, region, "DescribeEndpoint", {"EndpointName": names["endpoint"]})
        for variant in found.get("ProductionVariants", []):
            if variant["VariantName"] == names["variant"]:
                return Capacity(
                    current=variant.get("CurrentInstanceCount", 0),
                    desired=variant.get("DesiredInstanceCount", 0),
                    is_settled=found["EndpointStatus"] == "InService",
                    is_failed=found["EndpointStatus"] == "Failed",
                )
        raise validation_error(
            f"Could not find variant {names['variant']} of endpoint {names['endpoint']} in service."
        )

    def set(self, context: Context, region: str, desired: int) -> None:
        """Set how much there shall be of it.

        Raises:
            AwsError: SageMaker refuses it.
        """
        names = self.names
        if self.dimension == COPIES:
            request = {
                "InferenceComponentName": names["component"],
                "DesiredRuntimeConfig": {"CopyCount": desired},
            }
            _call(context, region, "UpdateInferenceComponentRuntimeConfig", request)
            return
        request = {
            "EndpointName": names["endpoint"],
            "DesiredWeightsAndCapacities": [
                {"VariantName": names["variant"], "DesiredInstanceCount": desired}
            ],
        }
        _call(context, region, "UpdateEndpointWeightsAndCapacities", request)


def scaled(resource_id: str, dimension: str) -> Scaled:
    """Return the resource of a request.

    Raises:
        AwsError: It is none that can be scaled here.
    """
    pattern = _RESOURCE_IDS.get(dimension)
    if pattern is None:
        raise validation_error(
            f"The sandbox does not scale {dimension}; it scales {' and '.join(_RESOURCE_IDS)}"
            " (src/sandbox/README.md)."
        )
    if not pattern.fullmatch(resource_id):
        raise validation_error("Unsupported service namespace, resource type or scalable dimension")
    return Scaled(resource_id=resource_id, dimension=dimension)


def _call(context: Context, region: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    return SAGEMAKER.dispatch(operation, request, region=region, context=context)
