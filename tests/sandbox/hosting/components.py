"""Inference components of a running sandbox, through boto3 as it is."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
import urllib.request
from typing import Any

from tests.sandbox.hosting.conftest import IMAGE, READY_TIMEOUT_S, ROLE, Hosting
from tests.sandbox.hosting.load import Load

INSTANCE_TYPE = "ml.g5.12xlarge"  # four accelerators
ARN = "arn:aws:sagemaker:us-east-1:000000000000:inference-component"


class Components:
    """Endpoints without a model, and components on them.

    Args:
        hosting: The fixture of that name.
    """

    def __init__(self, hosting: Hosting) -> None:
        self.hosting = hosting
        self._numbers = itertools.count(1)

    @property
    def sagemaker(self) -> Any:
        return self.hosting.sagemaker

    def endpoint(self, **variant: Any) -> str:
        """Deploy an endpoint without a model and return its name."""
        given = {"ModelName": None, "InstanceType": INSTANCE_TYPE, **variant}
        return self.hosting.deploy(variants=(given,), config={"ExecutionRoleArn": ROLE})

    def create(self, endpoint: str, name: str | None = None, **members: Any) -> str:
        """Create a component of the test container and return its name.

        Args:
            endpoint: Where.
            name: Its name; a new one when None.
            members: environment, num_copies, needs; other members of the request, None takes one away.
        """
        name = name or f"ic-{next(self._numbers)}"
        request = {
            "InferenceComponentName": name,
            "EndpointName": endpoint,
            "VariantName": "AllTraffic",
            "Specification": specification(members.pop("environment", None), **members.pop("needs", {})),
            "RuntimeConfig": {"CopyCount": members.pop("num_copies", 1)},
            **members,
        }
        self.sagemaker.create_inference_component(
            **{member: value for member, value in request.items() if value is not None}
        )
        return name

    def deploy(self, endpoint: str, name: str | None = None, **members: Any) -> str:
        """Create a component and wait until it serves."""
        name = self.create(endpoint, name, **members)
        described = self.wait(name)
        assert described["InferenceComponentStatus"] == "InService", described
        return name

    def describe(self, name: str) -> dict[str, Any]:
        return self.sagemaker.describe_inference_component(InferenceComponentName=name)

    def wait(self, name: str) -> dict[str, Any]:
        """Wait until nothing is being done to a component, and return its description."""
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline_s:
            described = self.describe(name)
            if described["InferenceComponentStatus"] in ("InService", "Failed"):
                return described
            time.sleep(0.02)
        raise AssertionError(f"{name} is still {described['InferenceComponentStatus']}")

    def update(self, name: str, **members: Any) -> dict[str, Any]:
        """Update a component, wait until that has ended, and return its description."""
        self.sagemaker.update_inference_component(InferenceComponentName=name, **members)
        return self.wait(name)

    def scale(self, name: str, num_copies: int) -> dict[str, Any]:
        """Change the number of copies, wait until that has ended, and return the description."""
        self.sagemaker.update_inference_component_runtime_config(
            InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": num_copies}
        )
        return self.wait(name)

    def delete(self, name: str) -> None:
        """Delete a component and wait until it is gone."""
        self.sagemaker.delete_inference_component(InferenceComponentName=name)
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while self.sagemaker.list_inference_components(NameContains=name)["InferenceComponents"]:
            assert time.monotonic() < deadline_s, f"{name} is still being deleted"
            time.sleep(0.02)

    def ask(self, endpoint: str, name: str, **asked: Any) -> dict[str, Any]:
        """Invoke a component of the test container and return what it reports of itself."""
        answer = self.hosting.runtime.invoke_endpoint(
            EndpointName=endpoint, InferenceComponentName=name, Body=json.dumps({"tell": 1, **asked})
        )
        return json.loads(answer["Body"].read())

    def pids(self, endpoint: str, name: str, num: int) -> set[int]:
        """Return the processes that answer, once as many as are wanted have answered."""
        found: set[int] = set()
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while len(found) < num and time.monotonic() < deadline_s:
            found.add(self.ask(endpoint, name)["pid"])
        return found

    def load(self, endpoint: str, name: str) -> Load:
        """Return requests to a component that go on while something happens."""
        return Load(self.hosting.sandbox.url, endpoint, InferenceComponentName=name)

    def kill_a_copy(self, endpoint: str, name: str, num_copies: int) -> tuple[int, set[int]]:
        """Kill a copy and wait until another one serves in its place.

        Returns:
            Process that was killed, and the numbers of copies that were reported meanwhile.
        """
        killed = next(iter(self.pids(endpoint, name, num_copies)))
        os.kill(killed, signal.SIGKILL)
        counts: list[int] = []
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not counts or min(counts) == num_copies or counts[-1] < num_copies:
            described = self.describe(name)
            assert described["InferenceComponentStatus"] == "InService"
            assert described["RuntimeConfig"]["DesiredCopyCount"] == num_copies
            counts.append(described["RuntimeConfig"]["CurrentCopyCount"])
            assert time.monotonic() < deadline_s, counts[-1]
            time.sleep(0.01)
        return killed, set(counts)

    def fault(self, operation: str, fault: str) -> None:
        """Ask for a fault, the documented way."""
        asked = json.dumps({"operation": operation, "fault": fault}).encode()
        url = f"{self.hosting.sandbox.url}/_sandbox/faults"
        urllib.request.urlopen(urllib.request.Request(url, asked, method="PUT")).close()

    def log_lines(self, name: str) -> dict[str, list[str]]:
        """Return the lines of every log stream of a component."""
        logs, group = self.hosting.sandbox.client("logs"), f"/aws/sagemaker/InferenceComponents/{name}"
        found = {}
        for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
            events = logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )
            found[stream["logStreamName"]] = [event["message"] for event in events["events"]]
        return found


def specification(environment: dict[str, str] | None = None, **needs: Any) -> dict[str, Any]:
    """Return a Specification of the test container that needs one accelerator, or what is given."""
    return {
        "Container": {"Image": IMAGE, "Environment": environment or {}},
        "ComputeResourceRequirements": {
            "NumberOfAcceleratorDevicesRequired": 1,
            "MinMemoryRequiredInMb": 1024,
            **needs,
        },
    }
