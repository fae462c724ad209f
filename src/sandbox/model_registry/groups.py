"""Model package groups: each numbers its versions, and never gives a number twice."""

from __future__ import annotations

import time
from typing import Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.model_registry.names import GROUP, PACKAGE, group_named

LAST_VERSION = "_last_version"


@operation("CreateModelPackageGroup")
def create_model_package_group(call: Call) -> dict[str, Any]:
    request = call.request
    name = request["ModelPackageGroupName"]
    record = {
        "ModelPackageGroupName": name,
        "ModelPackageGroupArn": call.arn(GROUP, name),
        "ModelPackageGroupDescription": request.get("ModelPackageGroupDescription"),
        "CreationTime": time.time(),
        "CreatedBy": {},
        "ModelPackageGroupStatus": "Completed",
        "_tags": tags_of(call),
        LAST_VERSION: 0,
    }
    if not call.context.resources.add(GROUP, call.region, name, record):
        raise validation_error(f"Model Package Group already exists: {record['ModelPackageGroupArn']}")
    return {"ModelPackageGroupArn": record["ModelPackageGroupArn"]}


@operation("DescribeModelPackageGroup")
def describe_model_package_group(call: Call) -> dict[str, Any]:
    return only_members(call.operation, group_named(call, call.request["ModelPackageGroupName"]))


@operation("ListModelPackageGroups")
def list_model_package_groups(call: Call) -> dict[str, Any]:
    is_of_others = call.request.get("CrossAccountFilterOption") == "CrossAccount"
    keys = (
        "ModelPackageGroupName",
        "ModelPackageGroupArn",
        "ModelPackageGroupDescription",
        "CreationTime",
        "ModelPackageGroupStatus",
    )
    return list_records(
        call,
        [] if is_of_others else call.context.resources.all(GROUP, call.region),
        answer_key="ModelPackageGroupSummaryList",
        name_key="ModelPackageGroupName",
        summary=lambda record: {key: record[key] for key in keys},
    )


@operation("DeleteModelPackageGroup")
def delete_model_package_group(call: Call) -> dict[str, Any]:
    """Delete an empty group. Source: the operation's errors in botocore's model; the wording is ours."""
    resources = call.context.resources
    with resources.held():
        group = group_named(call, call.request["ModelPackageGroupName"])
        name = group["ModelPackageGroupName"]
        versions = [each for each in resources.names(PACKAGE, call.region) if each.startswith(f"{name}/")]
        if versions:
            raise AwsError(
                "ConflictException",
                f"Model Package Group {group['ModelPackageGroupArn']} has {len(versions)} model packages;"
                " delete them first.",
            )
        resources.remove(GROUP, call.region, name)
    return {}
