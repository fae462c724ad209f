"""Every request that is answered while an endpoint is updated is captured once, by who answered it."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.sandbox.hosting.conftest import Hosting
from tests.sandbox.hosting.endpoint_updates import blue_green, rolling, size, update
from tests.sandbox.hosting.test_data_capture import BUCKET, captured, records

NUM_CLIENTS = 16
NUM_MORE = 100  # requests before and after the update
PAUSE_S = 0.05  # between two requests of a client: hundreds in all are enough
PERCENT = "CAPACITY_PERCENT"
RETAINED = {
    "RetainAllVariantProperties": True,
    "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DataCaptureConfig"}],
}


@pytest.fixture(scope="module", autouse=True)
def bucket(sandbox: Any) -> None:
    sandbox.client("s3").create_bucket(Bucket=BUCKET)


class Asked:
    """What many clients have been answered, and by which variant.

    Args:
        hosting: The fixture of that name.
        name: Of the endpoint.
    """

    def __init__(self, hosting: Hosting, name: str) -> None:
        self.variants: dict[str, str] = {}  # InferenceId -> who answered
        self._hosting, self._name = hosting, name
        self._numbers, self._ended = itertools.count(), threading.Event()

    def __enter__(self) -> Asked:
        self._pool = ThreadPoolExecutor(NUM_CLIENTS)
        self._clients = [self._pool.submit(self._run, number) for number in range(NUM_CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pool.shutdown()
        for client in self._clients:
            client.result()  # raises what failed

    def wait_for_more(self) -> None:
        wanted = len(self.variants) + NUM_MORE
        while len(self.variants) < wanted:
            if ended := next((each for each in self._clients if each.done()), None):
                ended.result()
            self._ended.wait(0.01)

    def _run(self, client: int) -> None:
        runtime = self._hosting.runtime
        while not self._ended.is_set():
            id = f"id-{next(self._numbers)}"
            request = {"EndpointName": self._name, "InferenceId": id, "ContentType": "application/json"}
            if client % 4:
                answer = runtime.invoke_endpoint(**request, Body=json.dumps({"text": id}))
                answer["Body"].read()
            else:
                chunks = json.dumps({"chunks": [[id, 0], ["!", 0.01]]})
                answer = runtime.invoke_endpoint_with_response_stream(**request, Body=chunks)
                assert len([*answer["Body"]]) > 0
            self.variants[id] = answer["InvokedProductionVariant"]
            self._ended.wait(PAUSE_S)


@pytest.mark.parametrize(
    ("variants", "deployment"),
    [
        (
            ({"VariantName": "A", "InitialVariantWeight": 3}, {"VariantName": "B"}),
            blue_green("CANARY", wait_s=1, CanarySize=size(30, PERCENT)),
        ),
        (({"VariantName": "A", "InitialInstanceCount": 2},), rolling(1)),
    ],
    ids=["canary of two variants", "rolling"],
)
def test_each_answer_has_one_line_in_the_folder_of_its_variant(
    hosting: Hosting, variants: tuple[dict[str, Any], ...], deployment: dict[str, Any]
) -> None:
    name = hosting.deploy(variants=variants, config={"DataCaptureConfig": captured("old")})
    new = hosting.configure(variants=variants, config={"DataCaptureConfig": captured("new")})
    with Asked(hosting, name) as asked:
        asked.wait_for_more()
        described = update(hosting, name, new, DeploymentConfig=deployment, **RETAINED)
        asked.wait_for_more()
    assert (described["EndpointConfigName"], described.get("FailureReason")) == (new, None)
    assert described["DataCaptureConfig"]["DestinationS3Uri"] == f"s3://{BUCKET}/new"
    found = Counter(
        (each["eventMetadata"]["inferenceId"], variant)
        for variant in sorted(set(asked.variants.values()))
        for place in ("old", "new")
        for each in records(hosting.sandbox, f"{place}/{name}/{variant}/")
    )
    assert found == Counter(asked.variants.items())
    assert all(records(hosting.sandbox, f"{place}/{name}/") for place in ("old", "new"))
    assert {each["VariantName"] for each in variants} == set(asked.variants.values())
    hosting.delete(name)
