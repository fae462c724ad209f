"""The bearer token of OpenAI's clients: a URL that was signed where the client runs, in base64.

Its signature is not compared, since any account key is accepted; everything else that AWS can see is.

Source: SageMaker Developer Guide, "Invoke endpoints with OpenAI-compatible APIs" (what a token is; 12 hours
at most); sagemaker.core.token_generator 3.27 (its form). The texts are AWS's of its signatures and of
Bedrock's keys, where there is one; those of SageMaker's tokens are not published.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from sandbox.api.errors import AwsError

PREFIX = "sagemaker-api-key-"
MAX_EXPIRY_S = 43_200
_MAX_CLOCK_SKEW = timedelta(minutes=5)
_HOST, _ACTION, _SERVICE = "sagemaker.amazonaws.com", "CallWithBearerToken", "sagemaker"
_SCOPE = re.compile(r"[^/]+/(?P<day>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request")
_HOW = (
    "Make a token with sagemaker.core.token_generator.generate_token(region=...), and give it as api_key"
    " (Authorization: Bearer ...)."
)


def region_of(authorization: str | None) -> str:
    """Return the region that the token of a request is for.

    Args:
        authorization: The request's header Authorization.

    Raises:
        AwsError: 403, with what is wrong with the token; never with the token.
    """
    if not authorization:
        raise _refused("Missing Authentication Token.")
    kind, _, token = authorization.partition(" ")
    if kind.lower() != "bearer":
        raise _refused(f"found {kind[:20]} in place of a bearer token: this path takes no signed requests.")
    given = _members(token.strip())
    scope = _SCOPE.fullmatch(given.get("X-Amz-Credential", ""))
    if scope is None:
        raise _refused("its X-Amz-Credential is not KEY/DATE/REGION/sagemaker/aws4_request.")
    if scope["service"] != _SERVICE:
        raise _refused(f"Credential should be scoped to correct service: '{_SERVICE}'.")
    if given.get("Action") != _ACTION:
        raise _refused(f"it is signed for another action than {_ACTION}.")
    if given.get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" or given.get("X-Amz-SignedHeaders") != "host":
        raise _refused("it is not signed by AWS4-HMAC-SHA256 over its host.")
    if not re.fullmatch(r"[0-9a-f]{64}", given.get("X-Amz-Signature", "")):
        raise _refused("it has no X-Amz-Signature of 64 hexadecimal digits.")
    _check_time(given, scope["day"])
    return scope["region"]


def wrong_region(asked: str, region: str) -> AwsError:
    """Return the error for a token of another region than that of the endpoint it is used on."""
    return _refused(f"Credential should be scoped to a valid region, not '{asked}'; this one is {region}.")


def _members(token: str) -> dict[str, str]:
    """Return the query of the URL that a token is.

    Raises:
        AwsError: It is something else.
    """
    if not token.startswith(PREFIX):
        raise _refused(f"the token does not begin with {PREFIX}.")
    try:
        url = base64.b64decode(token.removeprefix(PREFIX), validate=True).decode("ascii")
        parts = urlsplit(f"//{url}")
    except ValueError:  # binascii's and Unicode's errors are ones, too
        raise _refused(f"what follows {PREFIX} is not base64 of a URL.") from None
    if parts.netloc != _HOST:
        raise _refused(f"the URL in it is not one of {_HOST}.")
    return dict(parse_qsl(parts.query))


def _check_time(given: dict[str, str], day: str) -> None:
    """Refuse a token that is not valid at this moment."""
    try:
        signed = datetime.strptime(given.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        expires_s = int(given.get("X-Amz-Expires", ""))
    except ValueError:
        raise _refused("it does not say when it was signed, and for how many seconds.") from None
    if f"{signed:%Y%m%d}" != day:
        raise _refused("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date.")
    if not 0 < expires_s <= MAX_EXPIRY_S:
        raise _refused(f"X-Amz-Expires is {expires_s}; expected 1 to {MAX_EXPIRY_S} seconds (12 hours).")
    now = datetime.now(UTC)
    if signed - now > _MAX_CLOCK_SKEW:
        raise _refused(
            f"Signature not yet current: {signed:%Y%m%dT%H%M%SZ} is later than {now:%Y%m%dT%H%M%SZ}."
        )
    if signed + timedelta(seconds=expires_s) <= now:
        raise _refused(f"Bearer Token has expired: it was made at {signed:%Y%m%dT%H%M%SZ} for {expires_s} s.")


def _refused(why: str) -> AwsError:
    return AwsError("AccessDeniedException", f"Authentication failed: {why} {_HOW}", status=403)
