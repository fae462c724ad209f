"""What may be done to an inference component when, also when two ask at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.api.errors import AwsError
from sandbox.api.registry import Call
from sandbox.context import Context
from sandbox.hosting import lifecycle
from sandbox.hosting.components import KIND, STATUS, add_record


def test_one_of_two_deletions_at_once_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, region, both = Context(tmp_path), "us-east-1", threading.Barrier(2)
    arn = "arn:aws:sagemaker:us-east-1:000000000000:inference-component/one"
    record = {STATUS: "InService", "InferenceComponentArn": arn, "Specification": {}}
    context.resources.add(KIND, region, "one", record)

    def begin() -> str:
        both.wait()
        try:
            lifecycle.components.begin_deletion(context, region, "one")
        except AwsError as error:
            return error.message
        return "begun"

    with ThreadPoolExecutor(2) as pool:
        reported = sorted(future.result() for future in [pool.submit(begin) for _ in range(2)])
    assert reported == [
        f'Cannot delete inference component "{arn}" while it is in state DELETE_IN_PROGRESS.',
        "begun",
    ]
    with pytest.raises(AwsError, match="Could not find inference component"):
        lifecycle.components.begin_deletion(context, region, "nobody")


@pytest.mark.parametrize(
    ("endpoint", "on", "reported"),
    [
        ("Deleting", {}, r'Endpoint ".*:endpoint/news" is Deleting; it must be InService'),
        (None, {}, r'Endpoint ".*:endpoint/news" is deleted; it must be InService'),
        (
            "InService",
            {"BaseInferenceComponentName": "base"},
            r'Base inference component ".*/base" is Deleting; it must be InService',
        ),
    ],
)
def test_a_component_is_not_added_to_what_began_to_be_deleted_meanwhile(
    tmp_path: Path, endpoint: str | None, on: dict[str, str], reported: str
) -> None:
    """The checks of the request passed before; a deletion then looked for components and found none."""
    context, region = Context(tmp_path), "us-east-1"
    if endpoint:
        context.resources.add("endpoint", region, "news", {"EndpointStatus": endpoint})
    context.resources.add(KIND, region, "base", {STATUS: "Deleting"})
    request = {"InferenceComponentName": "late", "EndpointName": "news"}
    call = Call(operation="CreateInferenceComponent", request=request, region=region, context=context)
    with pytest.raises(AwsError, match=reported):
        add_record(call, "AllTraffic", on)
    assert context.resources.names(KIND, region) == ["base"]
