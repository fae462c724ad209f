"""Inference components from their creation to their end, with real server processes."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.sandbox.hosting.components import ARN, specification
from tests.sandbox.hosting.conftest import ROLE

from sandbox.hosting.specs import STARTUP_TIMEOUT_S, spec_of


@pytest.fixture(scope="module")
def endpoint(components: Any) -> str:
    """An endpoint with four accelerators and no model."""
    return components.endpoint()


def archive(**files: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as writer:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            writer.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


def test_a_component_is_created_described_listed_and_deleted(components: Any, endpoint: str) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    name = components.create(endpoint, environment={"START_DELAY_S": "0.3"}, num_copies=2, Tags=tags)
    early = components.describe(name)
    assert early["InferenceComponentStatus"] == "Creating"
    assert early["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 0}
    described = components.wait(name)
    assert described["InferenceComponentStatus"] == "InService"
    assert described["InferenceComponentArn"] == f"{ARN}/{name}"
    assert (described["EndpointName"], described["VariantName"]) == (endpoint, "AllTraffic")
    assert described["EndpointArn"].endswith(f":endpoint/{endpoint}")
    assert described["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    assert described["LastModifiedTime"] > described["CreationTime"]
    reported = described["Specification"]
    assert reported["Container"]["DeployedImage"]["SpecifiedImage"] == "test/container:1"
    assert reported["Container"]["Environment"] == {"START_DELAY_S": "0.3"}
    assert reported["ComputeResourceRequirements"]["NumberOfAcceleratorDevicesRequired"] == 1.0
    assert components.sagemaker.list_tags(ResourceArn=f"{ARN}/{name}")["Tags"] == tags
    filters = {"EndpointNameEquals": endpoint, "VariantNameEquals": "AllTraffic", "StatusEquals": "InService"}
    listed = components.sagemaker.list_inference_components(**filters)["InferenceComponents"]
    assert [entry["InferenceComponentName"] for entry in listed] == [name]
    assert not components.sagemaker.list_inference_components(EndpointNameEquals="no")["InferenceComponents"]
    pids = components.pids(endpoint, name, 2)
    assert len(pids) == 2, "requests are spread over the copies"
    components.delete(name)
    with pytest.raises(ClientError, match=f'Could not find inference component "{ARN}/{name}"'):
        components.describe(name)
    assert not any(map(psutil.pid_exists, pids))
    assert not (components.hosting.sandbox.home / "components" / "us-east-1" / name).exists()


def test_a_component_of_a_model_is_described_without_a_container(components: Any, endpoint: str) -> None:
    components.sagemaker.create_model(
        ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "test/container:1"}
    )
    needs = {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 128}
    given = {"ModelName": "m", "ComputeResourceRequirements": needs}
    name = components.deploy(endpoint, Specification=given)
    assert components.describe(name)["Specification"] == given
    components.sagemaker.delete_model(ModelName="m")
    assert components.scale(name, 2)["RuntimeConfig"]["CurrentCopyCount"] == 2, "it was read once"
    components.delete(name)


def test_a_component_streams(components: Any, endpoint: str) -> None:
    name = components.deploy(endpoint)
    stream = components.hosting.runtime.invoke_endpoint_with_response_stream(
        EndpointName=endpoint,
        InferenceComponentName=name,
        Body=json.dumps({"chunks": [["a", 0], ["b", 0.1]]}),
    )
    assert [event["PayloadPart"]["Bytes"] for event in stream["Body"]] == [b"a", b"b"]
    components.delete(name)


def test_a_container_gets_its_artifact_and_its_log_is_the_components(components: Any, endpoint: str) -> None:
    s3 = components.hosting.sandbox.client("s3")
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="m.tar.gz", Body=archive(**{"config.json": "{}"}))
    given = specification({"A": "1"})
    given["Container"]["ArtifactUrl"] = "s3://artifacts/m.tar.gz"
    name = components.deploy(endpoint, num_copies=2, Specification=given)
    reported = components.ask(endpoint, name, print="from the container")
    assert (reported["files"], reported["environ"]["A"]) == (["config.json"], "1")
    assert components.describe(name)["Specification"]["Container"]["ArtifactUrl"] == "s3://artifacts/m.tar.gz"
    lines = components.log_lines(name)
    assert len(lines) == 2
    assert all(stream.startswith("AllTraffic/i-") for stream in lines)
    assert sum("from the container" in stream for stream in lines.values()) == 1
    components.delete(name)


def test_several_components_share_an_instance_and_its_capacity(components: Any, endpoint: str) -> None:
    first = components.deploy(endpoint, num_copies=2, environment={"WHO": "first"})
    second = components.deploy(
        endpoint, environment={"WHO": "second"}, needs={"NumberOfAcceleratorDevicesRequired": 2}
    )
    assert components.ask(endpoint, first)["environ"]["WHO"] == "first"
    assert components.ask(endpoint, second)["environ"]["WHO"] == "second"
    third = components.create(endpoint)
    failed = components.wait(third)
    assert failed["InferenceComponentStatus"] == "Failed"
    assert "not enough hardware resources on the instances" in failed["FailureReason"]
    assert failed["RuntimeConfig"]["CurrentCopyCount"] == 0
    components.delete(second)
    components.delete(third)
    components.delete(components.deploy(endpoint, third))  # there is room again
    components.delete(first)


def test_more_than_an_instance_has_can_never_be_placed(components: Any, endpoint: str) -> None:
    for needs in (
        {"NumberOfAcceleratorDevicesRequired": 5},
        {"NumberOfCpuCoresRequired": 49},
        {"MinMemoryRequiredInMb": 192 * 1024 + 1},
    ):
        name = components.create(endpoint, needs=needs)
        assert "not enough hardware resources" in components.wait(name)["FailureReason"]
        components.delete(name)


def test_copies_are_added_and_taken_away(components: Any, endpoint: str) -> None:
    name = components.deploy(endpoint)
    (first,) = components.pids(endpoint, name, 1)
    assert components.scale(name, 3)["RuntimeConfig"] == {"DesiredCopyCount": 3, "CurrentCopyCount": 3}
    assert first in components.pids(endpoint, name, 3)
    refused = components.scale(name, 5)
    assert (refused["InferenceComponentStatus"], refused["RuntimeConfig"]) == (
        "InService",
        {"DesiredCopyCount": 3, "CurrentCopyCount": 3},
    )
    assert "not enough hardware resources" in refused["FailureReason"]
    fewer = components.update(name, RuntimeConfig={"CopyCount": 1})
    assert "FailureReason" not in fewer
    assert components.pids(endpoint, name, 1) == {first}
    components.scale(name, 0)
    assert components.describe(name)["InferenceComponentStatus"] == "InService"
    with pytest.raises(ClientError, match=r"ValidationError.*Inference Component has no capacity to process"):
        components.ask(endpoint, name)
    components.scale(name, 1)
    assert components.ask(endpoint, name)["pid"] != first
    components.delete(name)


def test_a_copy_that_goes_ends_its_requests_first(components: Any, endpoint: str) -> None:
    name = components.deploy(endpoint)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(components.ask(endpoint, name, sleep_s=1)))
    thread.start()
    deadline_s = time.monotonic() + 300
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "ConcurrentRequestsPerCopy"}
    while time.monotonic() < deadline_s:  # until the request is with the copy
        data = components.hosting.sandbox.client("cloudwatch").get_metric_statistics(
            **metric,
            Dimensions=[{"Name": "InferenceComponentName", "Value": name}],
            StartTime=time.time() - 60,
            EndTime=time.time() + 60,
            Period=10,
            Statistics=["Maximum"],
        )["Datapoints"]
        if any(point["Maximum"] >= 1 for point in data):
            break
        time.sleep(0.02)
    components.delete(name)
    thread.join()
    assert [set(answer) >= {"pid"} for answer in answers] == [True]


def test_a_copy_that_is_killed_is_replaced_and_the_description_and_the_log_tell_it(
    components: Any, endpoint: str
) -> None:
    name = components.deploy(endpoint, num_copies=2)
    before = components.pids(endpoint, name, 2)
    killed, counts = components.kill_a_copy(endpoint, name, 2)
    assert counts == {1, 2}
    assert components.pids(endpoint, name, 2) & before == before - {killed}
    lines = [line for stream in components.log_lines(name).values() for line in stream]
    assert any("the server process ended with exit status -9" in line for line in lines)
    assert any("the server process is healthy again" in line for line in lines)
    components.delete(name)


def test_a_container_that_does_not_start_fails_the_component_and_its_log_says_why(
    components: Any, endpoint: str
) -> None:
    name = components.create(endpoint, environment={"DIE_AT_START": "1"}, num_copies=2)
    failed = components.wait(name)
    assert failed["InferenceComponentStatus"] == "Failed"
    assert "did not pass the ping health check" in failed["FailureReason"]
    # The first copy that ends takes the other one along, maybe before that has said a word.
    lines = [line for stream in components.log_lines(name).values() for line in stream]
    assert any("cannot load the model" in line for line in lines)
    with pytest.raises(ClientError, match=f"Inference Component {name} not found"):
        components.ask(endpoint, name)
    with pytest.raises(ClientError, match="has failed; it can only be deleted"):
        components.scale(name, 1)
    components.delete(name)


@pytest.mark.parametrize("fault", ["InsufficientCapacity", "FailedHealthCheck", "ResourceLimitExceeded"])
def test_faults_that_were_asked_for_happen_once(components: Any, endpoint: str, fault: str) -> None:
    components.fault("CreateInferenceComponent", fault)
    if fault == "ResourceLimitExceeded":
        with pytest.raises(ClientError, match=fault):
            components.create(endpoint)
    else:
        name = components.create(endpoint)
        assert components.wait(name)["InferenceComponentStatus"] == "Failed"
        components.delete(name)
    components.delete(components.deploy(endpoint))


def test_managed_scaling_brings_instances_for_copies_and_the_endpoint_reports_it(components: Any) -> None:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}
    endpoint = components.endpoint(InstanceType="ml.g5.xlarge", ManagedInstanceScaling=scaling)

    def variant() -> dict[str, Any]:
        described = components.sagemaker.describe_endpoint(EndpointName=endpoint)
        return described["ProductionVariants"][0]

    assert (variant()["CurrentInstanceCount"], variant()["ManagedInstanceScaling"]) == (1, scaling)
    assert "DeployedImages" not in variant()
    name = components.deploy(endpoint, num_copies=2)
    assert (variant()["CurrentInstanceCount"], variant()["DesiredInstanceCount"]) == (2, 2)
    assert "not enough hardware resources" in components.scale(name, 3)["FailureReason"]
    assert len({stream.split("-")[1] for stream in components.log_lines(name)}) == 2, "one copy an instance"
    components.delete(name)
    components.hosting.delete(endpoint)


@pytest.mark.parametrize("strategy", ["RANDOM", "LEAST_OUTSTANDING_REQUESTS"])
def test_requests_go_to_a_busy_copy_only_where_the_strategy_is_random(
    components: Any, tmp_path: Path, strategy: str
) -> None:
    endpoint = components.endpoint(RoutingConfig={"RoutingStrategy": strategy})
    name, go = components.deploy(endpoint, num_copies=2), tmp_path / "go"
    busy: list[int] = []
    waits = threading.Thread(
        target=lambda: busy.append(components.ask(endpoint, name, until=str(go), print="waits")["pid"])
    )
    waits.start()
    while not any("waits" in line for lines in components.log_lines(name).values() for line in lines):
        time.sleep(0.02)
    if strategy == "RANDOM":  # a request may wait behind the one that waits
        threading.Timer(1.0, go.touch).start()
    pids = [components.ask(endpoint, name)["pid"] for _ in range(20)]
    go.touch()
    waits.join()
    assert (busy[0] in pids) == (strategy == "RANDOM")
    components.delete(name)


@pytest.mark.parametrize(("placement", "num_machines"), [(None, 2), ("SPREAD", 2), ("BINPACK", 1)])
def test_copies_are_spread_or_packed(components: Any, placement: str | None, num_machines: int) -> None:
    endpoint = components.endpoint(InitialInstanceCount=2)
    given = specification()
    if placement:
        given["SchedulingConfig"] = {"PlacementStrategy": placement}
    name = components.deploy(endpoint, Specification=given, num_copies=2)
    places = [stream.split("/")[1] for stream in components.log_lines(name)]  # MACHINE-COPY
    assert len({place.rpartition("-")[0] for place in places}) == num_machines
    components.delete(name)


def test_a_component_has_as_long_to_start_as_its_startup_parameters_say() -> None:
    given = {**specification(), "StartupParameters": {"ContainerStartupHealthCheckTimeoutInSeconds": 61}}
    assert spec_of(None, given).startup_timeout_s == 61  # 60 is AWS's least: too long to wait for here
    assert spec_of(None, specification()).startup_timeout_s == STARTUP_TIMEOUT_S
