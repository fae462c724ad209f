"""Layers from another registry into one's own repository: what it lacks, a part of 10 MiB at a time.

ECR mounts a layer from another repository of the same registry only ("Blob mounting" of its User Guide), so
that those of AWS's registry are read and written again: best from a machine in the region.

Source: Amazon ECR API reference, GetDownloadUrlForLayer, InitiateLayerUpload, UploadLayerPart; User Guide,
"Service quotas" (parts of 5 to 10 MiB, 4,200 of them, layers of 52,000 MiB).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from workshop.aws.transfer import Transfers
from workshop.images.parts import ImageAddress, blocks

_CHECKED_AT_ONCE = 100


def missing_layers(ecr: Any, repository: str, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the layers of a manifest that a repository lacks, each once.

    Args:
        manifest: Of the base.
    """
    layers = list({layer["digest"]: layer for layer in manifest["layers"]}.values())
    there: set[str] = set()
    for first in range(0, len(layers), _CHECKED_AT_ONCE):
        digests = [layer["digest"] for layer in layers[first : first + _CHECKED_AT_ONCE]]
        checked = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=digests)
        there |= {
            each["layerDigest"] for each in checked["layers"] if each["layerAvailability"] == "AVAILABLE"
        }
    return [layer for layer in layers if layer["digest"] not in there]


def copy_layers(ecr: Any, base: ImageAddress, repository: str, manifest: Mapping[str, Any]) -> int:
    """Bring the layers of an image into a repository that lacks them, and show how far it is.

    Run again after an interruption it sends what is still missing: a layer is there as a whole or not at all.

    Args:
        base: Whose layers they are.
        manifest: Of the base.

    Returns:
        How many were copied.

    Raises:
        WorkshopError: A layer did not come as its digest says.
    """
    missing = missing_layers(ecr, repository, manifest)
    lacked = {layer["digest"] for layer in missing}
    every = {layer["digest"]: layer["size"] for layer in manifest["layers"]}
    with Transfers("layers", sum(every.values())) as shown:
        for digest, num_bytes in every.items():
            if digest not in lacked:
                shown.skip(digest[:19], num_bytes)
        for layer in missing:
            shown.run(layer["digest"][:19], layer["size"], _mover(ecr, base, repository, layer))
    return len(missing)


def _mover(
    ecr: Any, base: ImageAddress, repository: str, layer: Mapping[str, Any]
) -> Callable[[Callable[[int], None]], None]:
    def move(moved: Callable[[int], None]) -> None:
        url = ecr.get_download_url_for_layer(**base.repository, layerDigest=layer["digest"])["downloadUrl"]
        upload = ecr.initiate_layer_upload(repositoryName=repository)
        asked = {"repositoryName": repository, "uploadId": upload["uploadId"]}
        first = 0
        for part in blocks(url, layer, upload["partSize"]):
            last = first + len(part) - 1
            ecr.upload_layer_part(**asked, partFirstByte=first, partLastByte=last, layerPartBlob=part)
            first = last + 1
            moved(len(part))
        # Another kernel was faster, or the answer to this one was lost.
        with suppress(ecr.exceptions.LayerAlreadyExistsException):
            ecr.complete_layer_upload(**asked, layerDigests=[layer["digest"]])

    return move
