"""Model packages: versions of a group, with their approval, and packages of no group.

Source: API reference of the operations. "Missing ARN." and "Both ModelPackageName and ..." as moto quotes
them (getmoto/moto#7165); other wording is ours.
"""

from __future__ import annotations

import time
from typing import Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation
from sandbox.api.service_model import only_members, service_model
from sandbox.api.tags import tags_of
from sandbox.model_registry.groups import LAST_VERSION
from sandbox.model_registry.names import GROUP, PACKAGE, group_named, package_named
from sandbox.model_registry.specification import (
    check_contents,
    check_names,
    specification_of_source,
    without_card_content,
)

MAX_METADATA = 50
VERSIONED, UNVERSIONED, BOTH = "Versioned", "Unversioned", "Both"
_NAME = "_name_or_group"
_ORDER = "_order"  # by number where names have one
CLIENT_TOKEN = "_client_token"
_REPLACED = (
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)


@operation("CreateModelPackage")
def create_model_package(call: Call) -> dict[str, Any]:
    request, resources = call.request, call.context.resources
    has_group, has_name = "ModelPackageGroupName" in request, "ModelPackageName" in request
    if has_group and has_name:
        raise validation_error(
            "Both ModelPackageName and ModelPackageGroupName are provided in the input. Cannot determine"
            " which one to use."
        )
    if not has_group and not has_name:
        raise validation_error("Missing ARN.")
    if has_group and request.get("Tags"):
        raise validation_error(
            "Tags can not be given with ModelPackageGroupName: a version uses the tags of its group."
        )
    check_contents(request, is_versioned=has_group)
    with resources.held():
        earlier = _created_with(call, request.get("ClientToken"))
        if earlier is not None:
            return {"ModelPackageArn": earlier["ModelPackageArn"]}
        record = _as_version(call) if has_group else _as_unversioned(call)
        record |= _contents(call)
        name = record[_ORDER] if has_name else _numbered(call, record)
        if not resources.add(PACKAGE, call.region, name, record):
            arn = record["ModelPackageArn"]
            raise validation_error(f"Cannot create already existing model package {arn}.")
    return {"ModelPackageArn": record["ModelPackageArn"]}


@operation("DescribeModelPackage")
def describe_model_package(call: Call) -> dict[str, Any]:
    record = package_named(call, call.request["ModelPackageName"])
    if call.request.get("IncludedData") == "MetadataOnly":
        record = without_card_content(record)
    return only_members(call.operation, record)


@operation("BatchDescribeModelPackage")
def batch_describe_model_packages(call: Call) -> dict[str, Any]:
    """Describe versions: those that are not there, or have nothing to run, are errors of their own."""
    members = service_model().shape_for("BatchDescribeModelPackageSummary")
    found: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for arn in call.request["ModelPackageArnList"]:
        try:
            record = package_named(call, arn)
            missing = [name for name in members.required_members if record.get(name) is None]
            if missing:
                raise validation_error(f"ModelPackage {arn} has no {missing[0]}.")
            found[arn] = {name: record.get(name) for name in members.members}
        except AwsError as error:
            errors[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
    return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": errors}


@operation("ListModelPackages")
def list_model_packages(call: Call) -> dict[str, Any]:
    request = call.request
    records = call.context.resources.all(PACKAGE, call.region)
    group = request.get("ModelPackageGroupName")
    if group is not None:
        name = group_named(call, group)["ModelPackageGroupName"]
        records = [each for each in records if each.get("ModelPackageGroupName") == name]
    wanted = request.get("ModelPackageType", UNVERSIONED if group is None else VERSIONED)
    if wanted != BOTH:
        records = [each for each in records if ("ModelPackageVersion" in each) == (wanted == VERSIONED)]
    members = service_model().shape_for("ModelPackageSummary").members
    return list_records(
        call,
        records,
        answer_key="ModelPackageSummaryList",
        name_key=_NAME,
        order_key=_ORDER,
        summary=lambda record: {name: record.get(name) for name in members},
        equals={"ModelApprovalStatus": "ModelApprovalStatus"},
    )


@operation("UpdateModelPackage")
def update_model_package(call: Call) -> dict[str, Any]:
    request, resources = call.request, call.context.resources
    with resources.held():
        name = package_named(call, request["ModelPackageArn"])["_name"]
        with resources.change(PACKAGE, call.region, name) as record:
            token = request.get("ClientToken")
            if token is None or record.get("_updated_with") != token:
                _update(call, record)
                record["_updated_with"] = token
    return {"ModelPackageArn": record["ModelPackageArn"]}


@operation("DeleteModelPackage")
def delete_model_package(call: Call) -> dict[str, Any]:
    """Delete a package, even one that models were made of: they have what they took of it."""
    record = package_named(call, call.request["ModelPackageName"])
    call.context.resources.remove(PACKAGE, call.region, record["_name"])
    return {}


def _created_with(call: Call, token: str | None) -> dict[str, Any] | None:
    """Return the package that an earlier request with the same ClientToken made."""
    records = call.context.resources.all(PACKAGE, call.region) if token is not None else []
    return next((record for record in records if record.get(CLIENT_TOKEN) == token), None)


def _as_version(call: Call) -> dict[str, Any]:
    group = group_named(call, call.request["ModelPackageGroupName"])
    name, version = group["ModelPackageGroupName"], group[LAST_VERSION] + 1
    return {
        "ModelPackageGroupName": name,
        "ModelPackageVersion": version,
        "ModelPackageArn": call.arn(PACKAGE, f"{name}/{version}"),
        "ModelApprovalStatus": call.request.get("ModelApprovalStatus", "PendingManualApproval"),
        _NAME: name,
        _ORDER: f"{name}/{version:09d}",
    }


def _numbered(call: Call, record: dict[str, Any]) -> str:
    """Give a version its number, which no other gets even if this one is not kept; return its name."""
    group, version = record["ModelPackageGroupName"], record["ModelPackageVersion"]
    with call.context.resources.change(GROUP, call.region, group) as changed:
        changed[LAST_VERSION] = version
    return f"{group}/{version}"


def _as_unversioned(call: Call) -> dict[str, Any]:
    """Return the members of a package of no group; approval "does not apply to unversioned models"."""
    name = call.request["ModelPackageName"]
    return {
        "ModelPackageName": name,
        "ModelPackageArn": call.arn(PACKAGE, name),
        _NAME: name,
        _ORDER: name,
        "_tags": tags_of(call),
    }


def _contents(call: Call) -> dict[str, Any]:
    """Return what a new package holds: what was given, or what its SourceUri says."""
    request, now_s = call.request, time.time()
    apart = ("Tags", "ClientToken", "ModelPackageName", "ModelPackageGroupName", "ModelApprovalStatus")
    given = {name: value for name, value in request.items() if name not in apart}
    source = specification_of_source(call, request["SourceUri"]) if "SourceUri" in request else None
    given |= {"InferenceSpecification": source} if source else {}
    return {
        "ModelPackageRegistrationType": "Registered",
        "CertifyForMarketplace": False,
        **given,
        "CreationTime": now_s,
        "LastModifiedTime": now_s,
        "CreatedBy": {},
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        CLIENT_TOKEN: request.get("ClientToken"),
    }


def _update(call: Call, record: dict[str, Any]) -> None:
    """Change a version as a request says.

    Raises:
        AwsError: The package is of no group, or what is given makes no sense.
    """
    request = call.request
    if "ModelPackageVersion" not in record:
        raise validation_error(
            f"Model package {record['ModelPackageArn']} is unversioned; only versions can be updated."
        )
    check_contents(request, is_versioned=True)
    record |= {name: request[name] for name in _REPLACED if name in request}
    source = specification_of_source(call, request["SourceUri"]) if "SourceUri" in request else None
    record |= {"InferenceSpecification": source} if source else {}
    more = request.get("AdditionalInferenceSpecificationsToAdd", [])
    if more:
        additional = [*record.get("AdditionalInferenceSpecifications", []), *more]
        check_names(additional)
        record["AdditionalInferenceSpecifications"] = additional
    _update_metadata(record, request)
    record |= {"LastModifiedTime": time.time(), "LastModifiedBy": {}}


def _update_metadata(record: dict[str, Any], request: dict[str, Any]) -> None:
    gone = request.get("CustomerMetadataPropertiesToRemove", ())
    earlier = record.pop("CustomerMetadataProperties", {})
    metadata = {**earlier, **request.get("CustomerMetadataProperties", {})}
    metadata = {key: value for key, value in metadata.items() if key not in gone}
    if len(metadata) > MAX_METADATA:
        raise validation_error(f"A model package has at most {MAX_METADATA} CustomerMetadataProperties.")
    record |= {"CustomerMetadataProperties": metadata} if metadata else {}
