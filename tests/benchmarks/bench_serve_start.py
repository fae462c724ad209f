"""How soon a server answers GET /ping, alone and forked, and what the processes hold; never asserted.

pytest -s tests/benchmarks/bench_serve_start.py
"""

from __future__ import annotations

import contextlib
import http.client
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from tests.sandbox.conftest import RunningSandbox
from tests.serve.server_process import BASE, ServerProcess

from processes.warm import preload

NUM_RUNS = 5
ENDPOINT_IMAGE = "ghcr.io/huggingface/text-generation-inference:3.3.7"


def test_a_server_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    print()
    cold_s = []
    for _ in range(NUM_RUNS):
        with ready(ServerProcess) as (server, seconds):
            cold_s.append(seconds)
            alone = megabytes(server.process.pid)
    show("alone, start to /ping 200", cold_s)
    monkeypatch.setattr(ServerProcess, "is_warm", True)
    started_s = time.perf_counter()
    preload("serve.preload")
    with ready(ServerProcess) as (server, _):
        print(f"the first one, the fork server started before it: {time.perf_counter() - started_s:.2f} s")
        print(f"memory: server alone {alone}")
        print(f"        fork server {megabytes(psutil.Process(server.process.pid).ppid())}")
        print(f"        forked server {megabytes(server.process.pid)}")
    forked_s = []
    for _ in range(NUM_RUNS):
        with ready(ServerProcess) as (_, seconds):
            forked_s.append(seconds)
    show("forked, start to /ping 200", forked_s)


def test_an_endpoint_comes_into_service(tmp_path: Path) -> None:
    print()
    for environment in ({"SERVE_PRELOADED": ""}, {}):
        running = RunningSandbox(tmp_path / f"home-{len(environment)}")
        try:
            bring_model(running)
            first_s, *next_s = [
                in_service_s(running, f"endpoint-{number}", environment) for number in range(NUM_RUNS)
            ]
            print(f"{'alone' if environment else 'forked'}: CreateEndpoint to InService {first_s:.2f} s")
            show("    with the next endpoints", next_s)
            started_s = time.perf_counter()
            running.stop()
            print(f"    end of the sandbox with {NUM_RUNS} endpoints {time.perf_counter() - started_s:.2f} s")
        finally:
            running.close()


@contextlib.contextmanager
def ready(start: Callable[[], ServerProcess]) -> Iterator[tuple[ServerProcess, float]]:
    """Start a server and give it and the seconds until it is healthy."""
    started_s = time.perf_counter()
    with start() as server:
        address = urlsplit(server.url)
        while True:
            connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
            connection.request("GET", "/ping")
            status = connection.getresponse().status
            connection.close()
            if status == http.client.OK:
                break
            time.sleep(0.01)
        yield server, time.perf_counter() - started_s


def megabytes(pid: int) -> str:
    memory = psutil.Process(pid).memory_full_info()
    return f"{memory.rss / 1e6:.0f} MB resident, {memory.uss / 1e6:.0f} MB its own"


def show(what: str, seconds: list[float]) -> None:
    print(f"{what}: median {statistics.median(seconds):.2f} s, worst of {len(seconds)} {max(seconds):.2f} s")


def bring_model(running: RunningSandbox) -> None:
    s3 = running.client("s3")
    s3.create_bucket(Bucket="model")
    for path in filter(Path.is_file, BASE.rglob("*")):
        s3.upload_file(str(path), "model", f"base/{path.relative_to(BASE)}")


def in_service_s(running: RunningSandbox, name: str, environment: dict[str, str]) -> float:
    """Create an endpoint of the sample model and return the seconds from CreateEndpoint on."""
    source = {"S3Uri": "s3://model/base/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {
        "Image": ENDPOINT_IMAGE,
        "ModelDataSource": {"S3DataSource": source},
        "Environment": {"HF_MODEL_ID": "/opt/ml/model", **environment},
    }
    sagemaker: Any = running.client("sagemaker")
    sagemaker.create_model(
        ModelName=name, ExecutionRoleArn="arn:aws:iam::000000000000:role/r", PrimaryContainer=container
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.g5.xlarge",
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    started_s = time.perf_counter()
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    while sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating":
        time.sleep(0.01)
    return time.perf_counter() - started_s
