"""Groups and packages by their names or ARNs; a version is a package whose name is GROUP/VERSION.

Source: API reference, DescribeModelPackage and CreateModelPackage; "ModelPackageGroup ARN does not exist." as
moto quotes it, of packages by analogy.
"""

from __future__ import annotations

from typing import Any

from sandbox.api.arns import resource_of
from sandbox.api.errors import validation_error
from sandbox.api.registry import Call

GROUP, PACKAGE = "model-package-group", "model-package"
_TITLES = {GROUP: "ModelPackageGroup", PACKAGE: "ModelPackage"}


def group_named(call: Call, given: str) -> dict[str, Any]:
    """Return the record of a group.

    Raises:
        AwsError: There is none of this name or ARN in this account and region.
    """
    return _named(call, GROUP, given)


def package_named(call: Call, given: str) -> dict[str, Any]:
    """Return the record of a package: by NAME, by GROUP/VERSION or by its ARN.

    Raises:
        AwsError: There is none.
    """
    return _named(call, PACKAGE, given)


def _named(call: Call, kind: str, given: str) -> dict[str, Any]:
    is_arn = given.startswith("arn:")
    found = resource_of(call, given) if is_arn else (kind, given)
    record = call.context.resources.get(kind, call.region, found[1]) if found and found[0] == kind else None
    if record is None:
        raise validation_error(
            f"{_TITLES[kind]} {given if is_arn else call.arn(kind, given)} does not exist."
        )
    return record
