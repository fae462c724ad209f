"""What an image is made of: layers, a configuration, and a manifest that names both by their digests.

    address = ImageAddress.of("763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:0.30.0")
    manifest = manifest_for_sagemaker(ecr, address, ecr.batch_get_image(**address.request))
    config = json.loads(fetch(url, manifest["config"]))

Source: Docker Image Manifest V2, Schema 2; OCI image specification ("Image Manifest", "Image Index",
"Descriptor"); Amazon ECR User Guide, "Container image manifest format support".
"""

from __future__ import annotations

import hashlib
import json
import re
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workshop.errors import WorkshopError

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
"""Docker's, whatever the base has: SageMaker's CreateModel refuses a manifest of OCI's
("Unsupported manifest media type", aws/amazon-sagemaker-feedback issue 180)."""

_LISTS = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
ACCEPTED = [MANIFEST, "application/vnd.oci.image.manifest.v1+json", *_LISTS]
"""`acceptedMediaTypes` of BatchGetImage."""

_GZIPPED = (LAYER, "application/vnd.oci.image.layer.v1.tar+gzip")
_PLATFORM = {"os": "linux", "architecture": "amd64"}
_ADDRESS = re.compile(r"(?P<registry>\d{12})\.dkr\.ecr\.[\w-]+\.[\w.]+/(?P<name>[^:@]+):(?P<tag>[^@]+)")
_BLOCK_BYTES = 1 << 20
_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True)
class ImageAddress:
    """An image in a registry of ECR's, by its tag.

    Attributes:
        text: The whole address.
        registry: Account of the registry.
        name: Repository.
    """

    text: str
    registry: str
    name: str
    tag: str

    @classmethod
    def of(cls, text: str) -> ImageAddress:
        """Take an address apart.

        Raises:
            WorkshopError: It is no address in ECR with a tag.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise WorkshopError(
                found=f"the image {text}",
                expected="ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG",
                next_step="give the address of a serving engine's image",
            )
        return cls(text=text, **match.groupdict())

    @property
    def repository(self) -> dict[str, str]:
        """Whose repository it is, as every request about it names it."""
        return {"registryId": self.registry, "repositoryName": self.name}


def manifest_for_sagemaker(ecr: Any, address: ImageAddress, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest that BatchGetImage has answered, in Docker's media types.

    Of an image for several platforms, the one for SageMaker's machines is asked for.

    Raises:
        WorkshopError: There is no such image, none for linux/amd64, or a layer that is not gzip.
    """
    images = answer["images"]
    if not images:
        raise _no_image(f"no image {address.text}")
    manifest = json.loads(images[0]["imageManifest"])
    media_type = manifest.get("mediaType") or images[0].get("imageManifestMediaType")
    if media_type in _LISTS:
        fitting = [each for each in manifest["manifests"] if _fits(each)]
        if not fitting:
            raise _no_image(f"{address.text} is for other platforms than linux/amd64")
        wanted = [{"imageDigest": fitting[0]["digest"]}]
        one = ecr.batch_get_image(**address.repository, imageIds=wanted, acceptedMediaTypes=ACCEPTED)
        return manifest_for_sagemaker(ecr, address, one)
    for layer in manifest["layers"]:
        if layer["mediaType"] not in _GZIPPED:
            raise WorkshopError(
                found=f"{address.text} has a layer of the type {layer['mediaType']}",
                expected="layers in gzip, the only ones that Docker's manifest knows",
                next_step="take another base image, or build with Docker",
            )
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {**_kept(manifest["config"]), "mediaType": CONFIG},
        "layers": [{**_kept(layer), "mediaType": LAYER} for layer in manifest["layers"]],
    }


def fetch(url: str, described: Mapping[str, Any]) -> bytes:
    """Return a small part of an image, a configuration for example, as its descriptor describes it.

    Args:
        url: From GetDownloadUrlForLayer.
        described: Its `digest` and `size`.

    Raises:
        WorkshopError: What came is not what the digest says.
    """
    return b"".join(blocks(url, described))


def blocks(url: str, described: Mapping[str, Any], num_bytes: int = _BLOCK_BYTES) -> Iterator[bytes]:
    """Yield a part of an image in blocks, all but the last of `num_bytes`; after the last it is checked.

    Raises:
        WorkshopError: It did not come, was cut short, or is not what its digest says.
    """
    digest, num_read = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            while block := answer.read(num_bytes):
                digest.update(block)
                num_read += len(block)
                yield block
    except OSError as error:  # the URL stays out of the message: it is signed
        raise _not_whole(described, f"{num_read:,} bytes, then {type(error).__name__}") from None
    if num_read != described["size"]:
        raise _not_whole(described, f"{num_read:,} bytes of {described['size']:,}")
    if f"sha256:{digest.hexdigest()}" != described["digest"]:
        raise _not_whole(described, f"{num_read:,} bytes that are not what the digest says")


def _fits(described: Mapping[str, Any]) -> bool:
    platform = described.get("platform", {})
    return all(platform.get(name) == value for name, value in _PLATFORM.items())


def _kept(described: Mapping[str, Any]) -> dict[str, Any]:
    return {name: described[name] for name in ("mediaType", "size", "digest")}


def _no_image(found: str) -> WorkshopError:
    return WorkshopError(
        found=found,
        expected="the image of a serving engine, in this region's registry of AWS",
        next_step="choose another region in workshop.yaml, or an image that is there: "
        "https://aws.github.io/deep-learning-containers/",
    )


def _not_whole(described: Mapping[str, Any], found: str) -> WorkshopError:
    return WorkshopError(
        found=f"of {described['digest'][:19]}...: {found}",
        expected=f"{described['size']:,} bytes that are what their digest says; nothing was added",
        next_step="run the cell again: only what the repository lacks is sent",
    )
