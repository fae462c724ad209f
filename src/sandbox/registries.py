"""Images in registries of other accounts, such as AWS's own: whether they are there, and no layer of them.

moto knows the repositories that somebody made here. What a job or an endpoint names lies in a registry of
AWS: of it those images are there that the sandbox emulates, with every tag.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from moto.core.responses import ActionResult
from moto.ecr import urls
from moto.ecr.exceptions import RepositoryNotFoundException
from moto.ecr.responses import ECRResponse

from sandbox.images import command_for, is_training

_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


def install() -> None:
    """Let moto answer ECR with this module; before its application is made."""
    urls.url_paths["{0}/$"] = Ecr.dispatch


class Ecr(ECRResponse):
    """The one operation that differs from moto's."""

    def batch_get_image(self) -> ActionResult:
        """Return the manifests of images; of another account's registry those that are emulated."""
        registry, name = self._get_param("registryId"), self._get_param("repositoryName")
        if registry in (None, self.current_account):
            return super().batch_get_image()
        address = f"{registry}.dkr.ecr.{self.region}.amazonaws.com/{name}"
        tags = [each.get("imageTag", "") for each in self._get_param("imageIds")]
        if not is_training(name) and not any(command_for(f"{address}:{tag}") for tag in tags):
            raise RepositoryNotFoundException(name, registry)
        return ActionResult({"images": [_image(registry, name, tag) for tag in tags], "failures": []})


def _image(registry: str, name: str, tag: str) -> dict[str, Any]:
    manifest = json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST_TYPE, "layers": []})
    digest = hashlib.sha256(manifest.encode()).hexdigest()
    return {
        "registryId": registry,
        "repositoryName": name,
        "imageId": {"imageTag": tag, "imageDigest": f"sha256:{digest}"},
        "imageManifest": manifest,
        "imageManifestMediaType": _MANIFEST_TYPE,
    }
