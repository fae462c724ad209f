"""The token of the SDK's own generator is read, and whatever it may not be is refused with 403."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.credentials import Credentials
from sagemaker.core.token_generator import SageMakerTokenGenerator, generate_token

from sandbox.api.errors import AwsError
from sandbox.hosting.bearer_token import MAX_EXPIRY_S, PREFIX, region_of

REGION = "ap-northeast-2"


def stamp(when: datetime) -> str:
    return f"{when:%Y%m%dT%H%M%SZ}"


def token(*, host: str = "sagemaker.amazonaws.com", service: str = "sagemaker", **members: Any) -> str:
    """Return a token as the generator makes one, with members of its own; None takes one away."""
    now = members.pop("now", datetime.now(UTC))
    query = {
        "Action": "CallWithBearerToken",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"KEY/{now:%Y%m%d}/{REGION}/{service}/aws4_request",
        "X-Amz-Date": stamp(now),
        "X-Amz-Expires": "300",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": "0" * 64,
        **{name.replace("_", "-"): value for name, value in members.items()},
        "Version": "1",
    }
    given = urlencode({name: value for name, value in query.items() if value is not None})
    return PREFIX + base64.b64encode(f"{host}/?{given}".encode()).decode()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sample")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sample/with+signs=")


def test_the_sdk_makes_a_token_without_asking_anybody_and_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: Any) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", connect)
    made = generate_token(region=REGION)
    assert region_of(f"Bearer {made}") == REGION
    assert region_of(f"bearer  {made} ") == REGION
    assert region_of(f"Bearer {generate_token(region=REGION, expiry=timedelta(seconds=60))}") == REGION
    with_session = Credentials("ASIA", "secret", token="a/session+token==")
    assert (
        region_of("Bearer " + SageMakerTokenGenerator().get_token(with_session, "us-west-2")) == "us-west-2"
    )


def test_a_token_as_another_program_makes_it_is_read() -> None:
    assert region_of(f"Bearer {token()}") == REGION
    assert region_of(f"Bearer {token(Version=None)}") == REGION
    assert region_of(f"Bearer {token(X_Amz_Expires=str(MAX_EXPIRY_S))}") == REGION
    slightly_ahead = datetime.now(UTC) + timedelta(minutes=4)
    assert region_of(f"Bearer {token(now=slightly_ahead)}") == REGION


NOW = datetime.now(UTC)
REFUSED: dict[str, tuple[Callable[[], str | None], str]] = {
    "none": (lambda: None, "Missing Authentication Token"),
    "a signature": (lambda: "AWS4-HMAC-SHA256 Credential=KEY/20260101/r/sagemaker/aws4_request", "signed"),
    "a key of OpenAI": (lambda: "Bearer sk-123", f"does not begin with {PREFIX}"),
    "a token of Bedrock": (
        lambda: "Bearer bedrock-api-key-" + token().removeprefix(PREFIX),
        f"does not begin with {PREFIX}",
    ),
    "no base64": (lambda: f"Bearer {PREFIX}%%%", "not base64"),
    "no text": (lambda: f"Bearer {PREFIX}{base64.b64encode(bytes(range(256))).decode()}", "not base64"),
    "no URL": (lambda: f"Bearer {PREFIX}{base64.b64encode(b'[x').decode()}", "not base64 of a URL"),
    "another host": (lambda: f"Bearer {token(host='bedrock.amazonaws.com')}", "not one of sagemaker"),
    "another service": (lambda: f"Bearer {token(service='bedrock')}", "scoped to correct service"),
    "another action": (lambda: f"Bearer {token(Action='InvokeEndpoint')}", "another action"),
    "another algorithm": (lambda: f"Bearer {token(X_Amz_Algorithm='AWS4-ECDSA')}", "AWS4-HMAC-SHA256"),
    "other headers": (lambda: f"Bearer {token(X_Amz_SignedHeaders='date')}", "over its host"),
    "no credential": (lambda: f"Bearer {token(X_Amz_Credential=None)}", "X-Amz-Credential is not"),
    "no signature": (lambda: f"Bearer {token(X_Amz_Signature=None)}", "no X-Amz-Signature"),
    "half a signature": (lambda: f"Bearer {token(X_Amz_Signature='0' * 32)}", "no X-Amz-Signature"),
    "no date": (lambda: f"Bearer {token(X_Amz_Date=None)}", "when it was signed"),
    "another day": (
        lambda: f"Bearer {token(X_Amz_Date=stamp(NOW - timedelta(days=1)))}",
        "Date in Credential scope does not match",
    ),
    "no seconds": (lambda: f"Bearer {token(X_Amz_Expires='soon')}", "how many seconds"),
    "too long": (lambda: f"Bearer {token(X_Amz_Expires=str(MAX_EXPIRY_S + 1))}", "1 to 43200 seconds"),
    "nothing": (lambda: f"Bearer {token(X_Amz_Expires='0')}", "1 to 43200 seconds"),
    "expired": (lambda: f"Bearer {token(now=NOW - timedelta(seconds=301))}", "Bearer Token has expired"),
    "of tomorrow": (lambda: f"Bearer {token(now=NOW + timedelta(days=1))}", "not yet current"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_valid_is_refused_with_the_way_out_and_not_repeated(what: str) -> None:
    make, why = REFUSED[what]
    authorization = make()
    with pytest.raises(AwsError) as raised:
        region_of(authorization)
    assert (raised.value.status, raised.value.code) == (403, "AccessDeniedException")
    assert why in raised.value.message
    assert "generate_token(region=...)" in raised.value.message
    assert authorization is None or authorization.split()[1] not in raised.value.message
