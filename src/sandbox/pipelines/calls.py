"""Calls of SageMaker that a step makes, as the role of its pipeline.

They pass what every other call passes: the policies of the role, botocore's model, the table of fields,
faults that were asked for.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import AwsError, disk_error
from sandbox.api.registry import SAGEMAKER
from sandbox.iam.authorization import KEY_OF_JOBS

if TYPE_CHECKING:
    from sandbox.context import Context


_NUM_REPEATS = 3
_SERVER_ERROR = 500


def is_throttled(error: AwsError) -> bool:
    return error.code == "ThrottlingException"


def is_fault(error: AwsError) -> bool:
    """Return whether an error is the service's, and not the caller's."""
    return error.status >= _SERVER_ERROR


@dataclass(frozen=True)
class Caller:
    """Who calls for the steps of one execution."""

    context: Context
    region: str

    def __call__(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a call.

        Raises:
            AwsError: As AWS answers.
        """
        body = json.dumps(request).encode()
        scope = f"Credential={KEY_OF_JOBS}/20200101/{self.region}/sagemaker/aws4_request"
        self.context.authorization.check(
            {
                "REQUEST_METHOD": "POST",
                "PATH_INFO": "/",
                "HTTP_X_AMZ_TARGET": f"{SAGEMAKER.target}.{operation}",
                "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}",
                "wsgi.input": io.BytesIO(body),
            }
        )
        try:
            return SAGEMAKER.dispatch(operation, json.loads(body), region=self.region, context=self.context)
        except OSError as problem:  # nothing was made: a record is on disk, or it is not there
            raise disk_error(problem) from problem

    def insist(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a call that changes nothing when it is repeated, as it is a few times.

        Raises:
            AwsError: It is refused, or not answered all these times.
        """
        for _ in range(_NUM_REPEATS):
            try:
                return self(operation, request)
            except AwsError as error:
                if not (is_throttled(error) or is_fault(error)):
                    raise
        return self(operation, request)
