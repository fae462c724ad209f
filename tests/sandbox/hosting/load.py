"""Requests from several threads without a pause, while something is done to an endpoint."""

from __future__ import annotations

import json
import threading
import time
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config

NUM_THREADS = 4
_TIMEOUT_S = 600


class Load:
    """Invokes an endpoint as long as its block runs, and keeps what was answered.

    Half of the threads ask for whole answers, half for streams; a request takes 0 to 60 ms. Nothing is sent
    twice: a request that fails stays failed.

    Args:
        url: Address of the sandbox.
        name: The endpoint.
        members: Of every request, for example InferenceComponentName.
    """

    def __init__(self, url: str, name: str, **members: Any) -> None:
        self.models: list[str] = []  # the variable MODEL of whoever answered, in the order of the answers
        self.answers: list[dict[str, Any]] = []  # all that they reported, in the same order
        self.pids: set[int] = set()
        self.failures: list[str] = []
        self._url, self._members = url, {"EndpointName": name, **members}
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number % 2 == 1,)) for number in range(NUM_THREADS)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.wait_for(NUM_THREADS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, num_more: int) -> None:
        """Wait until so many more requests have been answered."""
        wanted, deadline_s = len(self.models) + num_more, time.monotonic() + _TIMEOUT_S
        while len(self.models) < wanted:
            assert not self.failures, self.failures[:3]
            assert time.monotonic() < deadline_s, "no answers"
            time.sleep(0.01)

    def _run(self, is_stream: bool) -> None:
        client = boto3.session.Session("test", "test", region_name="us-east-1").client(
            "sagemaker-runtime",
            endpoint_url=self._url,
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )
        number = 0
        while not self._ended.is_set():
            number += 1
            try:
                reported = self._ask(client, is_stream, sleep_s=number % 3 * 0.03)
                self.pids.add(reported["pid"])
                self.answers.append(reported)
                self.models.append(reported["environ"].get("MODEL", ""))
            except Exception as error:  # whatever it is, it is what these tests look for
                self.failures.append(f"{type(error).__name__}: {error}")

    def _ask(self, client: Any, is_stream: bool, sleep_s: float) -> dict[str, Any]:
        body = json.dumps({"tell": 1, "sleep_s": sleep_s})
        if not is_stream:
            return json.loads(client.invoke_endpoint(Body=body, **self._members)["Body"].read())
        answer = client.invoke_endpoint_with_response_stream(Body=body, **self._members)
        return json.loads(b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]))
