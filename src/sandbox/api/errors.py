"""Errors as AWS answers them."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape


class AwsError(Exception):
    """An error that a caller of AWS gets.

    Args:
        code: AWS's name of the error, for example ValidationException.
        message: Text in AWS's words where they are known.
        status: HTTP status. 5xx only where AWS itself would say so: the SDK repeats those ten times.
        extra: More members of the body.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, **extra: object) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.extra = code, message, status, extra

    def body(self) -> bytes:
        """Return the body in the JSON 1.1 protocol."""
        return json.dumps({"__type": self.code, "message": self.message, **self.extra}).encode()

    def xml_body(self, service: str | None) -> bytes:
        """Return the body for a service that speaks XML; None is S3.

        Source: Smithy specification, "AWS restXml", "AWS query" and "AWS EC2 query" protocols.
        """
        error = f"<Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message></Error>"
        match service:
            case "s3" | None:
                body = error
            case "ec2":
                body = f"<Response><Errors>{error}</Errors></Response>"
            case _:
                body = f"<ErrorResponse>{error}</ErrorResponse>"
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode()


def validation_error(message: str) -> AwsError:
    """Return the error SageMaker gives for a request that is well formed and makes no sense."""
    return AwsError("ValidationException", message)


def in_use(message: str) -> AwsError:
    """Return the error for a name that is taken."""
    return AwsError("ResourceInUse", message)


def disk_error(problem: OSError) -> AwsError:
    """Return the error for a home that cannot be written; SDKs repeat 500 and 503, and this stays so."""
    return AwsError(
        "InsufficientStorage",
        f"The sandbox cannot keep this on its disk: {problem.strerror}. Make room, then repeat the call.",
        status=507,
    )
