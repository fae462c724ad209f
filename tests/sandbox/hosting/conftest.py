"""Endpoints whose containers are a small program of ours, in a real sandbox process and in this one."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import images

IMAGE = "test/container:1"
ROLE = "arn:aws:iam::000000000000:role/sandbox"
READY_TIMEOUT_S = 600
PROGRAM = Path(__file__).with_name("container.py")


@pytest.fixture(scope="session", autouse=True)
def image_table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give every sandbox that these tests start the test container's image, the documented way."""
    path = tmp_path_factory.mktemp("images") / "images.yaml"
    table = {
        "test/container:*": ["{python}", str(PROGRAM), "serve"],
        "test/no-program:*": ["/no/such/program"],
    }
    path.write_text(json.dumps(table), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(images.VARIABLE, str(path))
        yield path


class Hosting:
    """Endpoints of a running sandbox, through boto3 as it is.

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

    def create(
        self,
        *,
        environment: dict[str, str] | None = None,
        container: dict[str, Any] | None = None,
        variants: tuple[dict[str, Any], ...] = ({},),
        config: dict[str, Any] | None = None,
        endpoint: dict[str, Any] | None = None,
    ) -> str:
        """Create model, configuration and endpoint, and return the name of all three."""
        name = self.configure(environment=environment, container=container, variants=variants, config=config)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, **(endpoint or {}))
        return name

    def configure(
        self,
        *,
        environment: dict[str, str] | None = None,
        container: dict[str, Any] | None = None,
        variants: tuple[dict[str, Any], ...] = ({},),
        config: dict[str, Any] | None = None,
    ) -> str:
        """Create model and configuration, and return the name of both."""
        name = f"test-{next(self._numbers)}"
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": IMAGE, "Environment": environment or {}, **(container or {})},
        )
        default = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.g5.xlarge",
        }
        given = [{**default, **variant} for variant in variants]  # None takes a default away
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {member: value for member, value in each.items() if value is not None} for each in given
            ],
            **(config or {}),
        )
        return name

    def wait(self, name: str) -> dict[str, Any]:
        """Wait until an endpoint is no longer being created or updated, and return its description."""
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline_s:
            described = self.sagemaker.describe_endpoint(EndpointName=name)
            if described["EndpointStatus"] not in ("Creating", "Updating", "RollingBack"):
                return described
            time.sleep(0.02)
        raise AssertionError(f"{name} is still being changed")

    def deploy(self, **members: Any) -> str:
        """Create an endpoint and wait until it serves."""
        name = self.create(**members)
        described = self.wait(name)
        assert described["EndpointStatus"] == "InService", described
        return name

    def delete(self, name: str) -> None:
        """Delete an endpoint and wait until it is gone."""
        self.sagemaker.delete_endpoint(EndpointName=name)
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while self.sagemaker.list_endpoints(NameContains=name)["Endpoints"]:
            assert time.monotonic() < deadline_s, f"{name} is still being deleted"
            time.sleep(0.02)

    def ask(self, name: str, **asked: Any) -> dict[str, Any]:
        """Invoke the test container and return what it reports of the request and of itself."""
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=json.dumps({"tell": 1, **asked}))
        return json.loads(answer["Body"].read())

    def log_lines(self, name: str) -> dict[str, list[str]]:
        """Return the lines of every log stream of an endpoint."""
        logs, group = self.sandbox.client("logs"), f"/aws/sagemaker/Endpoints/{name}"
        found = {}
        for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
            events = logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )
            found[stream["logStreamName"]] = [event["message"] for event in events["events"]]
        return found


@pytest.fixture(scope="module")
def hosting(image_table: Path, sandbox: Any) -> Hosting:
    """Endpoints of the module's sandbox."""
    return Hosting(sandbox)


@pytest.fixture(scope="module")
def served(hosting: Hosting) -> str:
    """An endpoint that serves as long as the module's tests run."""
    return hosting.deploy()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Any]:
    """A function that runs an endpoint in this process, where limits can be made short."""
    from sandbox.context import Context
    from sandbox.hosting import lifecycle
    from sandbox.hosting.errors import DeploymentFailedError
    from sandbox.hosting.running_endpoint import RunningEndpoint
    from sandbox.hosting.specs import Variant

    context = Context(tmp_path / "home")

    def deploy(
        name: str = "here", environment: dict[str, str] | None = None, **members: Any
    ) -> RunningEndpoint:
        variant = Variant(
            name="AllTraffic",
            container={"Image": IMAGE, "Environment": environment or {}},
            **{"num_instances": 1, "weight": 1.0, "startup_timeout_s": READY_TIMEOUT_S, **members},
        )
        running = RunningEndpoint(context, region="us-east-1", name=name, variants=[variant])
        running.reason = None
        try:
            running.deploy(fault=None)
            running.is_in_service = True
        except DeploymentFailedError as failure:
            running.reason = str(failure)
        lifecycle.endpoints.register(running)
        return running

    yield deploy
    for running in list(lifecycle.endpoints._running.values()):
        running.stop(5)
        lifecycle.endpoints.unregister(running)


@pytest.fixture(scope="module")
def components(hosting: Hosting) -> Any:
    """Inference components of the module's sandbox."""
    from tests.sandbox.hosting.components import Components

    return Components(hosting)
