"""The containers of a model, and where the files of each are: at most one place, prefixes uncompressed."""

from __future__ import annotations

from typing import Any

from sandbox.api.errors import validation_error

RESOLVED = "_containers"
"""Member of a model's record: its containers with all that they took of model packages."""


def containers_of(model: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the container definitions of a model's record, with image, files and environment."""
    return model.get(RESOLVED) or model.get("Containers") or [model["PrimaryContainer"]]


def check_source(container: dict[str, Any]) -> None:
    """Make sure that a container says at most once where its files are.

    Source: API reference, ContainerDefinition and S3ModelDataSource. The wording is ours.

    Raises:
        AwsError: It does not.
    """
    if "ModelDataUrl" in container and "ModelDataSource" in container:
        raise validation_error("A container has ModelDataUrl or ModelDataSource, not both.")
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    is_prefix = source.get("S3DataType") == "S3Prefix"
    if is_prefix and not source["S3Uri"].endswith("/"):
        raise validation_error(f"S3Uri {source['S3Uri']} with S3DataType S3Prefix must end with a slash (/).")
    if is_prefix and source["CompressionType"] != "None":
        raise validation_error("S3DataType S3Prefix goes only with CompressionType None.")
