"""An image on top of another: one layer more, and the variables and labels of a configuration of its own.

    layer = make_layer({"opt/news/image.json": b"..."})
    image = build_on(manifest, config, layer, environment={...}, labels={...})
    image.blobs            # what to upload beside the base's layers
    image.manifest         # what to give to PutImage

What `FROM`, `COPY`, `ENV` and `LABEL` of a Dockerfile make; nothing is run (`RUN`), so Docker is not needed.
The same files and values make the same bytes on any day: their digest is what a deployment is known by.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workshop.images.parts import CONFIG, LAYER

BASE_NAME = "org.opencontainers.image.base.name"
REVISION = "org.opencontainers.image.revision"
_CREATED = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A layer or a configuration.

    Attributes:
        media_type: As a manifest names it.
        diff_id: Digest of a layer's unpacked archive; "" of a configuration.
    """

    media_type: str
    content: bytes
    diff_id: str = ""

    @property
    def digest(self) -> str:
        return _digest(self.content)

    @property
    def described(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "size": len(self.content), "digest": self.digest}


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """What there is to push.

    Attributes:
        blobs: Its own layer and its configuration.
        manifest: JSON, as its digest counts it.
    """

    blobs: tuple[Blob, ...]
    manifest: str

    @property
    def digest(self) -> str:
        return _digest(self.manifest.encode())


def make_layer(files: Mapping[str, bytes]) -> Blob:
    """Return a layer with files: root's, readable to all, and of no date.

    Args:
        files: Content by path, without a leading slash.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    content = gzip.compress(archive.getvalue(), mtime=0)
    return Blob(media_type=LAYER, content=content, diff_id=_digest(archive.getvalue()))


def build_on(
    manifest: Mapping[str, Any],
    config: Mapping[str, Any],
    layer: Blob,
    *,
    environment: Mapping[str, str],
    labels: Mapping[str, str],
) -> BuiltImage:
    """Put a layer, variables and labels on top of an image.

    Args:
        manifest: Of the base, from `manifest_for_sagemaker`.
        config: Of the base: what else it says (entry point, ports, other variables) stays.
        environment: Wins over the base's.
        labels: As the environment.
    """
    new = deepcopy(dict(config))
    container = new.setdefault("config", {})
    variables = dict(each.partition("=")[::2] for each in container.get("Env") or ())
    container["Env"] = [f"{name}={value}" for name, value in {**variables, **environment}.items()]
    container["Labels"] = {**(container.get("Labels") or {}), **labels}
    new["rootfs"] = {"type": "layers", "diff_ids": [*config["rootfs"]["diff_ids"], layer.diff_id]}
    if config.get("history"):
        new["history"] = [*config["history"], {"created": _CREATED, "created_by": "the workshop's notebook"}]
    new["created"] = _CREATED
    own = Blob(media_type=CONFIG, content=json.dumps(new, sort_keys=True).encode())
    layers = [*manifest["layers"], layer.described]
    text = json.dumps({**manifest, "config": own.described, "layers": layers}, indent=1)
    return BuiltImage(blobs=(layer, own), manifest=text)


def revision_of(repo_dir: Path) -> str:
    """Return the commit that a folder is at, for the label; "unknown" without git."""
    asked = ["git", "-C", str(repo_dir), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
