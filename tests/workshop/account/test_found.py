"""Why AWS refused or did not answer, in one line."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from workshop.account.found import reason_of


@pytest.mark.parametrize("kind", [ReadTimeoutError, EndpointConnectionError])
def test_a_connection_that_breaks_is_no_answer(kind: type[Exception]) -> None:
    """Of these the first has a response that is None, the second has none."""
    error = kind(endpoint_url="https://pricing.us-east-1.amazonaws.com", error="closed")
    assert reason_of(error, "pricing") == f"no answer ({kind.__name__})"


@pytest.mark.parametrize(
    ("code", "message", "action"),
    [
        (
            "AccessDenied",
            "x is not authorized to perform: s3:GetBucketTagging on y",
            "s3:GetBucketTagging",
        ),
        ("403", "Forbidden", "s3:ListBucket"),
    ],
)
def test_a_right_that_is_missing_is_named_with_the_policy(code: str, message: str, action: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "HeadBucket")
    assert action in reason_of(error, "s3")
    assert "setup/iam/person-policy.json" in reason_of(error, "s3")
