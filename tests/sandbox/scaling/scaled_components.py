"""Inference components that are scaled, through boto3 as it is."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

IMAGE = "test/container:1"
ROLE = "arn:aws:iam::000000000000:role/sandbox"
SPEED = 600  # of the sandbox's clock: a minute of AWS takes a tenth of a second
TIMEOUT_S = 600
COPIES = "sagemaker:inference-component:DesiredCopyCount"


def eventually(ask: Callable[[], Any], what: str = "it") -> Any:
    """Ask until the answer is true, and return it."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline_s:
        if answer := ask():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {TIMEOUT_S} s")


class Scaling:
    """Inference components of one endpoint without a model, and what scales them, through boto3 as it is.

    Args:
        sandbox: The fixture of that name.
    """

    def __init__(self, sandbox: Any) -> None:
        self.sandbox = sandbox
        self._numbers = itertools.count(1)

    @property
    def sagemaker(self) -> Any:
        return self.sandbox.client("sagemaker")

    @property
    def runtime(self) -> Any:
        return self.sandbox.client("sagemaker-runtime")

    @property
    def autoscaling(self) -> Any:
        return self.sandbox.client("application-autoscaling")

    @property
    def cloudwatch(self) -> Any:
        return self.sandbox.client("cloudwatch")

    def create_endpoint(self, name: str) -> None:
        """Create an endpoint without a model, whose instances come and go."""
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ExecutionRoleArn=ROLE,
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "InstanceType": "ml.g5.12xlarge",
                    "InitialInstanceCount": 1,
                    "ManagedInstanceScaling": {
                        "Status": "ENABLED",
                        "MinInstanceCount": 0,
                        "MaxInstanceCount": 2,
                    },
                }
            ],
        )
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        eventually(lambda: self._status(name) == "InService", "the endpoint in service")

    def create_component(self, endpoint: str, num_copies: int = 1) -> str:
        """Create a component, wait until it serves, and return its name."""
        name = f"component-{next(self._numbers)}"
        self.sagemaker.create_inference_component(
            InferenceComponentName=name,
            EndpointName=endpoint,
            VariantName="AllTraffic",
            Specification={
                "Container": {"Image": IMAGE},
                "ComputeResourceRequirements": {
                    "NumberOfAcceleratorDevicesRequired": 1,
                    "MinMemoryRequiredInMb": 512,
                },
            },
            RuntimeConfig={"CopyCount": num_copies},
        )
        eventually(lambda: self.copies(name)["CurrentCopyCount"] == num_copies, "the component in service")
        return name

    def copies(self, name: str) -> dict[str, int]:
        """Return desired and current copies of a component; none as long as it is being changed."""
        found = self.sagemaker.describe_inference_component(InferenceComponentName=name)
        assert found["InferenceComponentStatus"] != "Failed", found
        is_settled = found["InferenceComponentStatus"] == "InService"
        return found["RuntimeConfig"] if is_settled else {"CurrentCopyCount": -1, "DesiredCopyCount": -1}

    def register(self, name: str, smallest: int, largest: int) -> dict[str, Any]:
        """Register a component as a scalable target, and return what names it in other calls."""
        names = {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"inference-component/{name}",
            "ScalableDimension": COPIES,
        }
        self.autoscaling.register_scalable_target(**names, MinCapacity=smallest, MaxCapacity=largest)
        return names

    def activities(self, name: str) -> list[dict[str, Any]]:
        """Return the scaling activities of a component, the newest first."""
        found = self.autoscaling.describe_scaling_activities(
            ServiceNamespace="sagemaker", ResourceId=f"inference-component/{name}"
        )
        return found["ScalingActivities"]

    def alarm(self, name: str) -> dict[str, Any]:
        """Return an alarm's description."""
        (alarm,) = self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return alarm

    def _status(self, endpoint: str) -> str:
        return self.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"]
