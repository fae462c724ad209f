"""What data capture adds to an invocation: one container with and without it. Printed, never asserted."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import psutil
from botocore.config import Config

NUM_CALLS = 800  # of each, by all clients together
NUM_BYTES = (2_000, 200_000)
NUM_CLIENTS = (1, 8)
PROGRAM = Path(__file__).parents[1] / "sandbox" / "hosting" / "container.py"
ROLE = "arn:aws:iam::000000000000:role/sandbox"
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sagemaker/aws4_request, x",
    "Content-Type": "application/json",
}
CAPTURE = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://captured/bench",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
}
ARTICLE = '서울시는 3일 시내버스 요금을 1,500원으로 올린다고 밝혔다. "2년 만이다."\n'


def test_capture(tmp_path: Path) -> None:
    table = tmp_path / "images.yaml"
    table.write_text(json.dumps({"echo": ["{python}", str(PROGRAM)]}))
    command = [sys.executable, "-m", "sandbox", "--home", str(tmp_path / "home")]
    environ = {**os.environ, "SANDBOX_IMAGES": str(table)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            measure(process.stdout.readline().split()[-1], psutil.Process(process.pid))
        finally:
            process.terminate()


def measure(url: str, process: psutil.Process) -> None:
    sagemaker = client("sagemaker", url)
    client("s3", url).create_bucket(Bucket="captured")
    sagemaker.create_model(ModelName="e", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "echo"})
    variant = {"VariantName": "A", "ModelName": "e", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    endpoints = {"plain": {}, "captured": {"DataCaptureConfig": CAPTURE}}
    for name, members in endpoints.items():
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **members)
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        while sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating":
            time.sleep(0.02)
    port = urlsplit(url).port
    bodies = [
        json.dumps({"inputs": ARTICLE * (num_bytes // len(ARTICLE.encode()))}, ensure_ascii=False).encode()
        for num_bytes in NUM_BYTES
    ]
    for num_clients in NUM_CLIENTS:
        for body in bodies:
            report(port, body, num_clients)
    for body in bodies:
        cpu_ms = {name: cpu_ms_of(process, port, body, name) for name in endpoints}
        added = cpu_ms["captured"] - cpu_ms["plain"]
        print(f"\n{len(body):7,} bytes each way: {added:+.2f} ms of the sandbox's processor time", end="")


def cpu_ms_of(process: psutil.Process, port: int, body: bytes, name: str) -> float:
    """Return the processor time of an invocation: what else the machine does matters less to it."""
    used_s = -sum(process.cpu_times()[:2])
    times_ms(port, body, NUM_CALLS, (name,))
    return (used_s + sum(process.cpu_times()[:2])) * 1000 / NUM_CALLS


def report(port: int, body: bytes, num_clients: int) -> None:
    """Print the medians of invocations in turns: a busy moment of the machine meets both."""
    with ThreadPoolExecutor(num_clients) as pool:
        found = list(pool.map(lambda _: times_ms(port, body, NUM_CALLS // num_clients), range(num_clients)))
    medians = {name: statistics.median([ms for each in found for ms in each[name]]) for name in found[0]}
    added, ratio = medians["captured"] - medians["plain"], medians["captured"] / medians["plain"]
    print(
        f"\n{num_clients} client{'s' if num_clients > 1 else ''}, {len(body):7,} bytes each way:"
        f" median {medians['plain']:.2f} ms, captured {medians['captured']:.2f} ms:"
        f" {added:+.2f} ms, x {ratio:.2f}",
        end="",
    )


def times_ms(
    port: int, body: bytes, num_calls: int, names: Sequence[str] = ("captured", "plain")
) -> dict[str, list[float]]:
    """Return the milliseconds of one client's invocations, by endpoint."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(num_calls):
        for name in sorted(found, reverse=number % 2 == 0):
            started_s = time.perf_counter()
            connection.request("POST", f"/endpoints/{name}/invocations", body, SIGNED)
            connection.getresponse().read()
            found[name].append((time.perf_counter() - started_s) * 1000)
    connection.close()
    return found


def client(service: str, url: str) -> object:
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    session = boto3.session.Session("a", "b", region_name="us-east-1")
    return session.client(service, endpoint_url=url, config=config)
