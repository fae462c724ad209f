"""What a package holds: its containers, and other specifications by name; and what a model takes of it.

Source: API reference, CreateModelPackage, InferenceSpecification and ModelPackageContainerDefinition; for
what an unversioned package may not have, the SDK's model_registry.py. The wording is ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from sandbox.api.arns import resource_of
from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import Call
from sandbox.hosting.model_source import check_source, containers_of
from sandbox.model_registry.names import PACKAGE, package_named

MAX_ADDITIONAL = 15
_APPROVED = "Approved"
_MODEL = "model"
# What a container of a package shares with one of a model.
_OF_CONTAINERS = ("ContainerHostname", "Image", "ModelDataUrl", "ModelDataSource", "Environment")
_REQUIRED_UNVERSIONED = ("SupportedTransformInstanceTypes", "SupportedRealtimeInferenceInstanceTypes")
# What MetadataOnly leaves of a model card.
_CARD_METADATA = (
    ("model_overview", "model_id"),
    ("model_overview", "model_name"),
    ("intended_uses", "risk_rating"),
    ("model_package_details", "model_package_group_name"),
    ("model_package_details", "model_package_arn"),
)


def check_contents(given: dict[str, Any], *, is_versioned: bool) -> None:
    """Make sure that what a package is given makes sense, in a Create or an Update request.

    Raises:
        AwsError: It does not.
    """
    specification = given.get("InferenceSpecification")
    if specification is not None and "SourceUri" in given:
        raise validation_error("Provide either InferenceSpecification or SourceUri, and not both.")
    if specification is not None:
        _check_specification(specification, is_versioned=is_versioned)
    for key in ("AdditionalInferenceSpecifications", "AdditionalInferenceSpecificationsToAdd"):
        for each in given.get(key, ()):
            _check_specification(each, is_versioned=is_versioned)
    check_names(given.get("AdditionalInferenceSpecifications", ()))
    if "ModelCardContent" in given.get("ModelCard", {}):
        _card_of(given["ModelCard"]["ModelCardContent"])


def check_names(additional: Iterable[dict[str, Any]]) -> None:
    """Make sure that each additional specification can be named, and that there are not too many.

    Raises:
        AwsError: They are not.
    """
    names = [each["Name"] for each in additional]
    if len(set(names)) < len(names):
        raise validation_error("The names of AdditionalInferenceSpecifications must be unique.")
    if len(names) > MAX_ADDITIONAL:
        raise validation_error(
            f"Total number of additional Inference Specifications can not exceed {MAX_ADDITIONAL}."
        )


def specification_of_source(call: Call, uri: str) -> dict[str, Any] | None:
    """Return the InferenceSpecification that a SourceUri names: of a package, or made of a model.

    Returns:
        None for what is neither's ARN: it is kept, and nothing follows from it.

    Raises:
        AwsError: It is the ARN of one that is not there.
    """
    if f":{PACKAGE}/" in uri:
        return package_named(call, uri).get("InferenceSpecification")
    if not uri.startswith("arn:") or f":{_MODEL}/" not in uri:
        return None
    found = resource_of(call, uri)
    if found is None:
        raise validation_error(f'Could not find model "{uri}".')
    model = call.context.resources.get(_MODEL, call.region, found[1])
    return {"Containers": [_taken(each) for each in containers_of(model)]}


def containers_for_model(call: Call, given: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the container definitions of a model that names a package.

    Args:
        given: ContainerDefinition with ModelPackageName; its Environment is added to the package's.

    Raises:
        AwsError: The package is not there, is not approved, or has nothing to run. "For versioned models, the
            value of this parameter must be set to Approved to deploy the model" (API reference,
            CreateModelPackage, ModelApprovalStatus), and it is CreateModel that refuses ("CreateModel(
            ModelPackageName=...) requires an Approved package", sagemaker 3.27, serve/model_builder.py); its
            words are not public, these are ours.
    """
    package = package_named(call, given["ModelPackageName"])
    arn, status = package["ModelPackageArn"], package.get("ModelApprovalStatus", _APPROVED)
    if status != _APPROVED:
        raise validation_error(
            f"Model package {arn} has the approval status {status}; it must be {_APPROVED} to create a model."
        )
    specification = _specification_named(package, given.get("InferenceSpecificationName"))
    containers = [_taken(each) for each in specification["Containers"]]
    for container in containers:
        if "Image" not in container:
            raise validation_error(f"A container of the model package {arn} has no Image.")
        environment = {**container.get("Environment", {}), **given.get("Environment", {})}
        container.update({"Environment": environment} if environment else {})
        if "ContainerHostname" in given:
            container["ContainerHostname"] = given["ContainerHostname"]
    return containers


def without_card_content(package: dict[str, Any]) -> dict[str, Any]:
    """Return a package whose model card has its metadata alone, as IncludedData = MetadataOnly asks for."""
    content = package.get("ModelCard", {}).get("ModelCardContent")
    if content is None:
        return package
    kept: dict[str, dict[str, Any]] = {}
    card = _card_of(content)
    for part, member in _CARD_METADATA:
        inner = card.get(part)
        if isinstance(inner, dict) and member in inner:
            kept.setdefault(part, {})[member] = inner[member]
    return {**package, "ModelCard": {**package["ModelCard"], "ModelCardContent": json.dumps(kept)}}


def _specification_named(package: dict[str, Any], name: str | None) -> dict[str, Any]:
    if name is None:
        found = package.get("InferenceSpecification")
        missing = "no InferenceSpecification"
    else:
        additional = package.get("AdditionalInferenceSpecifications", ())
        found = next((each for each in additional if each["Name"] == name), None)
        missing = f"no inference specification named {name}"
    if found is None:
        raise validation_error(f"Model package {package['ModelPackageArn']} has {missing}.")
    return found


def _check_specification(specification: dict[str, Any], *, is_versioned: bool) -> None:
    for problem in () if is_versioned else _missing_unversioned(specification):
        raise validation_error(problem)
    for container in specification["Containers"]:
        check_source(container)


def _missing_unversioned(specification: dict[str, Any]) -> Iterator[str]:
    for member in _REQUIRED_UNVERSIONED:
        if not specification.get(member):
            yield f"{member} is required for unversioned model packages."
    if any("ModelDataSource" in each for each in specification["Containers"]):
        yield "An unversioned model package can not have a ModelDataSource; give a ModelDataUrl."


def _taken(container: dict[str, Any]) -> dict[str, Any]:
    return {name: container[name] for name in _OF_CONTAINERS if name in container}


def _card_of(content: str) -> dict[str, Any]:
    """Return a model card as it is written.

    Raises:
        AwsError: It is not a JSON object.
    """
    try:
        card = json.loads(content)
    except (ValueError, RecursionError):
        card = None
    if not isinstance(card, dict):
        raise AwsError("ValidationException", "ModelCardContent is not a JSON object.")
    return card
