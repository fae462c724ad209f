"""Errors as AWS answers them."""

from __future__ import annotations

import json


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


def validation_error(message: str) -> AwsError:
    """Return the error SageMaker gives for a request that is well formed and makes no sense."""
    return AwsError("ValidationException", message)


def in_use(message: str) -> AwsError:
    """Return the error for a name that is taken."""
    return AwsError("ResourceInUse", message)


def not_found(message: str) -> AwsError:
    """Return the error of operations that declare ResourceNotFound; Describe calls often do not."""
    return AwsError("ResourceNotFound", message)
