"""Whether something is on AWS already: what lets a cell be run again, by a new kernel too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_CODES = ("ValidationException", "ResourceNotFound", "ResourceNotFoundException", "ObjectNotFoundException")
# These say it all.
_MISSING_CODES = ("NoSuchBucket", "NoSuchKey", "NoSuchUpload", "RepositoryNotFoundException")
_MISSING = re.compile(r"(?i)could not find|cannot find|not found|does not exist|no scalable target")


def is_there(describe: Callable[..., dict[str, Any]], **name: str) -> bool:
    """Tell whether AWS can describe a resource.

    Args:
        describe: For example boto3's sagemaker.describe_model.
        name: Its argument, for example ModelName="news".

    Raises:
        ClientError: AWS refuses for another reason than that nothing has this name.
    """
    return described_or_none(describe, **name) is not None


def described_or_none(describe: Callable[..., dict[str, Any]], **name: str) -> dict[str, Any] | None:
    """Return AWS's description of a resource; None when nothing has this name.

    Args:
        describe: As in `is_there`.
        name: As in `is_there`.

    Raises:
        ClientError: AWS refuses for another reason.
    """
    from botocore.exceptions import ClientError

    try:
        return describe(**name)
    except ClientError as error:
        if not is_missing(error):
            raise
        return None


def delete_if_there(delete: Callable[..., Any], **name: Any) -> bool:
    """Delete a resource, and tell whether it was there: a cell that deletes can be run again.

    Args:
        delete: For example boto3's sagemaker.delete_model.
        name: Its argument, for example ModelName="news".

    Raises:
        ClientError: AWS refuses for another reason than that nothing has this name.
    """
    from botocore.exceptions import ClientError

    try:
        delete(**name)
    except ClientError as error:
        if not is_missing(error):
            raise
        return False
    return True


def is_missing(error: Any) -> bool:
    """Tell whether an error of boto3 says that nothing has the name that was asked for."""
    answer = error.response["Error"]
    if answer.get("Code") in _MISSING_CODES:
        return True
    return answer.get("Code") in _CODES and bool(_MISSING.search(answer.get("Message", "")))
