"""Images in ECR: those of one's own repositories as they were pushed, those of AWS that are emulated.

moto has the repositories that somebody made here; what it does not check or forgets is added: that layers are
there and are what their digests say, an image's digest and size, images that have lost their last tag, and a
copy on disk (storage/ecr_mirror.py), addresses to fetch layers from (layer_urls.py), tags that stay. What a
job or an endpoint names mostly lies in a registry of AWS: of it those images are there that the sandbox
emulates, with every tag (base_images.py).

Source: Amazon ECR API reference; Amazon ECR User Guide, "Service quotas", "Preventing image tags from
being overwritten"; OCI image specification, "Image Manifest" and "Content Descriptors".
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ecr import models, urls
from moto.ecr.exceptions import (
    InvalidLayerPartException,
    InvalidParameterException,
    RepositoryNotFoundException,
)
from moto.ecr.responses import ECRResponse

from sandbox import layer_urls
from sandbox.api.errors import AwsError
from sandbox.api.registry import ACCOUNT_ID
from sandbox.base_images import MANIFEST_TYPE, BaseImages
from sandbox.images import command_for, runs_scripts
from sandbox.storage.ecr_mirror import EcrMirror

_TOKEN_LIFETIME = timedelta(hours=12)
_NO_BLOBS: Mapping[str, bytes] = {}
_NO_LAYERS = (
    "The specified layers could not be found, or the specified layer is not valid for this repository."
)
# OCI distribution specification, "Pulling manifests", and image specification, "Digests".
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_MIN_PART_BYTES = 5 << 20
_mirror: EcrMirror
_keeping = threading.Lock()  # of two requests at once the one that is kept last has seen what the other did
_base_images: BaseImages


class LayersNotFoundError(ServiceException):
    code = "LayersNotFoundException"


class InvalidLayerError(ServiceException):
    code = "InvalidLayerException"


class LayerAlreadyExistsError(ServiceException):
    code = "LayerAlreadyExistsException"


class EmptyUploadError(ServiceException):
    code = "EmptyUploadException"


class ImageDigestDoesNotMatchError(ServiceException):
    code = "ImageDigestDoesNotMatchException"


class ImageTagAlreadyExistsError(ServiceException):
    code = "ImageTagAlreadyExistsException"


class LayerInaccessibleError(ServiceException):
    code = "LayerInaccessibleException"


class LayerPartTooSmallError(ServiceException):
    code = "LayerPartTooSmallException"


def install(home: Path) -> None:
    """Let moto answer ECR with this module, and give it the repositories of a home; before its start."""
    global _mirror, _base_images
    _mirror, _base_images = EcrMirror(home / "ecr"), BaseImages(home / "ecr-of-aws")
    urls.url_paths["{0}/$"] = Ecr.dispatch
    models.Image.get_image_size_in_bytes = _size
    models.ECRBackend._resolve_image_tag_mutability = lambda *_: []  # put_image sees to it before
    _mirror.restore(_restore)


def _restore(region: str, kept: dict[str, Any]) -> None:
    backend = models.ecr_backends[ACCOUNT_ID][region]
    images = []
    for each in kept["images"]:
        image = models.Image(ACCOUNT_ID, None, each["manifest"], kept["name"], each["type"], each["digest"])
        image.image_pushed_at = each["pushed_at"]
        for tag in each["tags"]:
            image.update_tag(tag)
        images.append(image)
    created_at, layers = datetime.fromtimestamp(kept["created_at"], UTC), dict(kept["layers"])
    filters = kept.get("filters")  # kept since tags may be immutable
    repository = backend.create_repository(
        kept["name"], None, None, None, kept["mutability"], kept["tags"], filters
    )
    repository.created_at, repository.layers, repository.images = created_at, layers, images


def find(
    region: str, name: str, *, tag: str | None, digest: str | None
) -> tuple[str, dict[str, Any], str] | None:
    """Return digest, manifest and its type of an image of one's own; the tag latest unless one is given."""
    try:
        repository = models.ecr_backends[ACCOUNT_ID][region].repositories.get(name)
    except KeyError:  # no region of AWS's
        return None
    for image in repository.images if repository else ():
        its_digest = image.get_image_digest()
        if its_digest == digest if digest else (tag or "latest") in image.image_tags:
            return its_digest, json.loads(image.image_manifest), image.image_manifest_media_type
    return None


def blob(digest: str) -> bytes | None:
    """Return the bytes of a layer or a configuration that was pushed, None when there is none."""
    return _mirror.blob(digest)


class Ecr(ECRResponse):
    """The operations that differ from moto's."""

    def create_repository(self) -> ActionResult:
        return self._kept(super().create_repository())

    def tag_resource(self) -> ActionResult:
        return self._kept(super().tag_resource())

    def untag_resource(self) -> ActionResult:
        return self._kept(super().untag_resource())

    def put_image_tag_mutability(self) -> ActionResult:
        return self._kept(super().put_image_tag_mutability())

    def batch_delete_image(self) -> ActionResult:
        return self._kept(super().batch_delete_image())

    def start_image_scan(self) -> ActionResult:
        """Refuse what moto would make up."""
        raise AwsError("UnknownOperationException", "The sandbox scans no image: what runs is no image's.")

    def describe_image_scan_findings(self) -> ActionResult:
        return self.start_image_scan()

    def upload_layer_part(self) -> ActionResult:
        """Take a part that is as long as it says, and note its end; what is not in order moto refuses."""
        name, upload_id = self._get_param("repositoryName"), self._get_param("uploadId")
        repository = self.ecr_backend._get_repository(name, self._get_param("registryId"))
        said = self._get_param("partLastByte") - self._get_param("partFirstByte") + 1
        upload, part = repository.uploads.get(upload_id), self._get_param("layerPartBlob")
        if upload and len(b64decode(part) if isinstance(part, str) else part) != said:
            raise InvalidLayerPartException(
                repository.registry_id, name, upload_id, upload.last_byte_received
            )
        result = super().upload_layer_part()
        upload.part_ends = [*getattr(upload, "part_ends", ()), len(upload.layer_parts)]
        return result

    def delete_repository(self) -> ActionResult:
        result = super().delete_repository()
        _mirror.remove(self.region, self._get_param("repositoryName"))
        return result

    def complete_layer_upload(self) -> ActionResult:
        """Take a layer in, if it is what its digest says and not there yet."""
        name, upload_id = self._get_param("repositoryName"), self._get_param("uploadId")
        repository = self.ecr_backend._get_repository(name, self._get_param("registryId"))
        upload = repository.uploads.get(upload_id)
        content = bytes(upload.layer_parts) if upload else b""
        digest = _digest(content)
        if upload and not content:
            raise EmptyUploadError("The specified layer upload does not contain any layer parts.")
        ends = getattr(upload, "part_ends", [])
        if any(end - start < _MIN_PART_BYTES for start, end in zip([0, *ends], ends[:-1], strict=False)):
            raise LayerPartTooSmallError("Layer parts must be at least 5 MiB in size.")
        if upload and self._get_param("layerDigests") != [digest]:
            raise InvalidLayerError(
                "The layer digest calculation performed by Amazon ECR upon receipt of the image layer does"
                " not match the digest specified."
            )
        if digest in repository.layers:
            raise LayerAlreadyExistsError("The image layer already exists in the associated repository.")
        return self._kept(super().complete_layer_upload(), {digest: content})

    def put_image(self) -> ActionResult:
        """Take an image in, if all of its layers are there; its digest is that of its manifest."""
        name, manifest = self._get_param("repositoryName"), self._get_param("imageManifest")
        repository = self.ecr_backend._get_repository(name, self._get_param("registryId"))
        digest, wanted = _digest(manifest.encode()), self._get_param("imageDigest")
        if wanted not in (None, digest):
            raise ImageDigestDoesNotMatchError(
                "The specified image digest does not match the digest that Amazon ECR calculated for the"
                " image."
            )
        if not set(_layers(manifest)) <= repository.layers.keys():
            raise LayersNotFoundError(_NO_LAYERS)
        tag, media_type = self._get_param("imageTag"), self._get_param("imageManifestMediaType")
        if tag is not None and not _TAG.fullmatch(tag):
            raise _no_such_form("imageTag", _TAG)
        _take_tag(repository, tag, digest)
        image = self.ecr_backend.put_image(name, manifest, tag, media_type, digest)
        return self._kept(ActionResult({"image": image}))

    def get_authorization_token(self) -> ActionResult:
        result = super().get_authorization_token()
        for each in result.result["authorizationData"]:
            each["expiresAt"] = datetime.now(UTC) + _TOKEN_LIFETIME
        return result

    def batch_get_image(self) -> ActionResult:
        """Return the manifests of images; of another account's registry those that are emulated."""
        registry, name = self._get_param("registryId"), self._get_param("repositoryName")
        if registry in (None, self.current_account):
            return super().batch_get_image()
        address = self._emulated_repository(registry, name)
        found = [(each, _emulated(registry, name, address, each)) for each in self._get_param("imageIds")]
        failures = [
            {
                "imageId": image_id,
                "failureCode": "ImageNotFound",
                "failureReason": "Requested image not found",
            }
            for image_id, image in found
            if image is None
        ]
        return ActionResult({"images": [image for _, image in found if image], "failures": failures})

    def get_download_url_for_layer(self) -> ActionResult:
        """Return an address of a layer or a configuration; one of one's own has to be an image's."""
        registry, name = self._get_param("registryId"), self._get_param("repositoryName")
        digest = self._get_param("layerDigest")
        if not _SHA256.fullmatch(digest):
            raise _no_such_form("layerDigest", _SHA256)
        if registry in (None, self.current_account):
            repository, path = self.ecr_backend._get_repository(name, registry), _mirror.path_of(digest)
            is_there = digest in repository.layers and path is not None
            if is_there and not any(digest in _layers(each.image_manifest) for each in repository.images):
                raise LayerInaccessibleError(
                    "The specified layer is not available because it is not associated with an image."
                    " Unassociated image layers may be cleaned up at any time."
                )
        else:
            self._emulated_repository(registry, name)
            path = _base_images.find(digest)
            is_there = path is not None
        if not is_there:
            raise LayersNotFoundError(_NO_LAYERS)
        url = layer_urls.new(self.headers["Host"], path)
        return ActionResult({"downloadUrl": url, "layerDigest": digest})

    def _emulated_repository(self, registry: str, name: str) -> str:
        """Return the address of a repository of AWS's with emulated images.

        Raises:
            RepositoryNotFoundException: It has none.
        """
        address = f"{registry}.dkr.ecr.{self.region}.amazonaws.com/{name}"
        if not runs_scripts(name) and not command_for(f"{address}:"):
            raise RepositoryNotFoundException(name, registry)
        return address

    def _kept(self, result: ActionResult, blobs: Mapping[str, bytes] = _NO_BLOBS) -> ActionResult:
        """Write the repository that a request changed, and return its answer.

        Raises:
            OSError: It cannot be written; the repository is again what it was.
        """
        name = self._get_param("repositoryName") or self._get_param("resourceArn").partition("/")[2]
        with _keeping:
            try:
                self._keep(name, blobs)
            except OSError:
                self.ecr_backend.repositories.pop(name, None)
                if (kept := _mirror.kept(self.region, name)) is not None:
                    _restore(self.region, kept)
                raise
        return result

    def _keep(self, name: str, blobs: Mapping[str, bytes]) -> None:
        repository = self.ecr_backend.repositories[name]
        _mirror.keep(
            self.region,
            {
                "name": name,
                "mutability": repository.image_tag_mutability,
                "filters": repository.image_tag_mutability_exclusion_filters,
                "created_at": repository.created_at.timestamp(),
                "tags": self.ecr_backend.tagger.list_tags_for_resource(repository.arn)["tags"],
                "layers": repository.layers,
                "images": [
                    {
                        "manifest": image.image_manifest,
                        "type": image.image_manifest_media_type,
                        "digest": image.get_image_digest(),
                        "tags": image.image_tags,
                        "pushed_at": image.image_pushed_at,
                    }
                    for image in repository.images
                ],
            },
            blobs,
        )


def _no_such_form(member: str, pattern: re.Pattern[str]) -> InvalidParameterException:
    return InvalidParameterException(
        f"Invalid parameter at '{member}' failed to satisfy constraint: 'must satisfy regular expression"
        f" '{pattern.pattern}''"
    )


def _layers(manifest: str) -> list[str]:
    """Return the digests of what an image is made of.

    Raises:
        InvalidParameterException: The manifest is not one of a single image.
    """
    try:
        read = json.loads(manifest)
        return [each["digest"] for each in (read["config"], *read["layers"])]
    except (ValueError, KeyError, TypeError):
        raise InvalidParameterException(
            "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid image manifest'"
        ) from None


def _take_tag(repository: models.Repository, tag: str | None, digest: str) -> None:
    """Take a tag away from the image that has it, which stays without one; moto would delete it.

    Raises:
        ImageTagAlreadyExistsError: It has to stay; in AWS's words (docker/build-push-action, issue 1042).
    """
    for image in repository.images:
        if tag not in image.image_tags or image.get_image_digest() == digest:
            continue
        if _is_immutable(repository, str(tag)):
            raise ImageTagAlreadyExistsError(
                f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be"
                " overwritten because the tag is immutable."
            )
        image.remove_tag(tag)
        image.image_tag = image.image_tags[-1] if image.image_tags else None


def _is_immutable(repository: models.Repository, tag: str) -> bool:
    filters = repository.image_tag_mutability_exclusion_filters or ()
    is_excluded = any(fnmatchcase(tag, each["filter"]) for each in filters)
    return is_excluded != repository.is_tag_immutable()


def _size(image: models.Image) -> int:
    read = json.loads(image.image_manifest)
    return sum(each["size"] for each in (read["config"], *read["layers"]))


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _emulated(registry: str, name: str, address: str, image_id: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what BatchGetImage tells of an emulated image; None for a digest that nobody was told of."""
    if "imageTag" in image_id:
        manifest = _base_images.manifest(f"{address}:{image_id['imageTag']}")
    else:
        path = _base_images.find(image_id.get("imageDigest", ""))
        if path is None:
            return None
        manifest = path.read_text(encoding="utf-8")
    return {
        "registryId": registry,
        "repositoryName": name,
        "imageId": {**image_id, "imageDigest": _digest(manifest.encode())},
        "imageManifest": manifest,
        "imageManifestMediaType": MANIFEST_TYPE,
    }
