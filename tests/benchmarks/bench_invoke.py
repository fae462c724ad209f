"""What an endpoint adds to a call of its container, and 64 calls at once. Printed, never asserted."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

NUM_CALLS = 500
NUM_AT_ONCE = 64
BODY = json.dumps({"inputs": "x" * 300}).encode()
PROGRAM = Path(__file__).parents[1] / "sandbox" / "hosting" / "container.py"
ROLE = "arn:aws:iam::000000000000:role/sandbox"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sagemaker/aws4_request, x"}


def test_invocations(tmp_path: Path) -> None:
    table = tmp_path / "images.yaml"
    table.write_text(json.dumps({"echo": ["{python}", str(PROGRAM)]}))
    command = [sys.executable, "-m", "sandbox", "--home", str(tmp_path / "home")]
    environ = {**os.environ, "SANDBOX_IMAGES": str(table)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            measure(process.stdout.readline().split()[-1])
        finally:
            process.terminate()


def measure(url: str) -> None:
    sagemaker, runtime = client("sagemaker", url), client("sagemaker-runtime", url)
    sagemaker.create_model(ModelName="e", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "echo"})
    variant = {"VariantName": "A", "ModelName": "e", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="e", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="e")
    while sagemaker.describe_endpoint(EndpointName="e")["EndpointStatus"] == "Creating":
        time.sleep(0.02)

    def invoke(body: bytes = BODY) -> bytes:
        return runtime.invoke_endpoint(EndpointName="e", Body=body)["Body"].read()

    port = json.loads(invoke(b'{"tell": 1}'))["environ"]["PORT"]
    straight = client("sagemaker-runtime", f"http://127.0.0.1:{port}")
    calls = {
        "http.client, container": post(int(port), "/invocations"),
        "http.client, endpoint": post(urlsplit(url).port, "/endpoints/e/invocations"),
        "boto3, container": lambda: straight.invoke_endpoint(EndpointName="e", Body=BODY)["Body"].read(),
        "boto3, endpoint": invoke,
    }
    times_ms: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(NUM_CALLS):  # in turns: a busy moment of the machine meets all of them
        for name, call in calls.items():
            started_s = time.perf_counter()
            call()
            times_ms[name].append((time.perf_counter() - started_s) * 1000)
    medians = {name: statistics.median(values) for name, values in times_ms.items()}
    for name, median in medians.items():
        print(f"\n{name:24} median {median:.2f} ms", end="")
    for kind in ("http.client", "boto3"):
        print(f"\n{kind} added {medians[f'{kind}, endpoint'] - medians[f'{kind}, container']:.2f} ms", end="")
    started_s = time.perf_counter()
    with ThreadPoolExecutor(NUM_AT_ONCE) as pool:
        list(pool.map(lambda _: invoke(b'{"sleep_s": 0.1}'), range(10 * NUM_AT_ONCE)))
    took_s = time.perf_counter() - started_s
    print(f"\n{10 * NUM_AT_ONCE} calls of 100 ms, {NUM_AT_ONCE} at once: {took_s:.2f} s (1.00 s at best)")


def client(service: str, url: str) -> object:
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=NUM_AT_ONCE, proxies={})
    session = boto3.session.Session("a", "b", region_name="us-east-1")
    return session.client(service, endpoint_url=url, config=config)


def post(port: int, path: str) -> Callable[[], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def call() -> bytes:
        connection.request("POST", path, BODY, SIGNED)
        return connection.getresponse().read()

    return call
