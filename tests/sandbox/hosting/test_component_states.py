"""What may be done to an inference component when, also when two ask at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.api.errors import AwsError
from sandbox.context import Context
from sandbox.hosting import component_states
from sandbox.hosting.component_states import KIND, STATUS


def test_one_of_two_deletions_at_once_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, region, both = Context(tmp_path), "us-east-1", threading.Barrier(2)
    arn = "arn:aws:sagemaker:us-east-1:000000000000:inference-component/one"
    record = {STATUS: "InService", "InferenceComponentArn": arn, "Specification": {}}
    context.resources.add(KIND, region, "one", record)

    def begin() -> str:
        both.wait()
        try:
            component_states.begin_deletion(context, region, "one")
        except AwsError as error:
            return error.message
        return "begun"

    with ThreadPoolExecutor(2) as pool:
        told = sorted(future.result() for future in [pool.submit(begin) for _ in range(2)])
    assert told == [
        f'Cannot delete inference component "{arn}" while it is in state DELETE_IN_PROGRESS.',
        "begun",
    ]
    with pytest.raises(AwsError, match="Could not find inference component"):
        component_states.begin_deletion(context, region, "nobody")
