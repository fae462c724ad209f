"""Images of AWS's registries that are emulated: small, but whole: one's own can be built on them.

An image has a manifest, a configuration and two layers, all true to their digests, and always the same for a
repository and a tag. Nothing in them runs: the program is this machine's (images.py). The manifest is one of
Docker's, as SageMaker takes no other. What was told of is kept, to be found by its digest alone.

Source: Docker Image Manifest V2, Schema 2; OCI image specification, "Image Configuration".
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from processes.files import atomic_write

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_SYSTEM = "A Linux with the libraries of the image: here it is this machine's.\n"
_ENGINE = "Image {image}: here its program is one of this machine, and no container is started.\n"


class BaseImages:
    """The emulated images, as far as somebody has asked for them.

    Args:
        folder: Made with the first image.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def manifest(self, address: str) -> str:
        """Return the manifest of an image, and keep all that it names.

        Args:
            address: With its tag, for example 763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:0.30.0.
        """
        layers = [_layer("etc/os-release", _SYSTEM), _layer("opt/image.txt", _ENGINE.format(image=address))]
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(gzip.decompress(each)) for each in layers]},
                "history": [{"created_by": "the system"}, {"created_by": "the engine"}],
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": _described(_CONFIG_TYPE, config),
                "layers": [_described(_LAYER_TYPE, each) for each in layers],
            }
        )
        for content in (config, *layers, manifest.encode()):
            path = self._path(_digest(content))
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(path, content)
        return manifest

    def find(self, digest: str) -> Path | None:
        """Return the file of a layer, a configuration or a manifest; None when nobody was told of it."""
        path = self._path(digest)
        return path if path.is_file() else None

    def _path(self, digest: str) -> Path:
        return self._folder / digest.replace(":", "-").replace("/", "-")


def _layer(name: str, text: str) -> bytes:
    """Return a tar.gz with one file, the same bytes whenever it is made."""
    archive, content = io.BytesIO(), text.encode()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return gzip.compress(archive.getvalue(), mtime=0)


def _described(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(content), "digest": _digest(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
