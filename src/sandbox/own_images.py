"""Images of one's own repositories: which program stands for one, by the image that it is built on.

No container is started, so what was added to an image (its layers) does not run: it stands for the program of
its base, with the environment of its own configuration. Which base that is the image says itself, as a label
or as an annotation of its manifest, by the name that OCI's image specification has for it ("Pre-Defined
Annotation Keys"):

    FROM 763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.38.0-lmi
    LABEL org.opencontainers.image.base.name=...the same

One that does not say it is known by its own name, as a copy of an emulated image is, or by SANDBOX_IMAGES,
which comes first.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.api.registry import ACCOUNT_ID
from sandbox.images import ImagesError, is_given

BASE_NAME = "org.opencontainers.image.base.name"
_ADDRESS = re.compile(
    rf"(?P<repository>{ACCOUNT_ID}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[^:@]+))"
    r"(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
# Of the base's own system: on this machine they name places of another one.
_OF_THE_SYSTEM = re.compile(r"(.*PATH|HOME|TMPDIR|LANG|LC_.*|HOSTNAME|TERM|SHELL|USER|.*_HOME|.*_VERSION)")


class ImageNotFoundError(Exception):
    """One's own registry has no such image."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """What stands for an image.

    Attributes:
        resolved: Its address by digest; the address itself of another registry's.
        program: Address of the image whose program runs.
        environment: What its configuration adds.
        manifest_type: Its media type; "" of another registry's.
    """

    resolved: str
    program: str
    manifest_type: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def look_up(address: str) -> Image:
    """Return what stands for an image at this moment: a tag may be of another one later.

    Raises:
        ImageNotFoundError: It is of one's own registry, and not there.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or _is_given(address):
        return Image(resolved=address, program=address)
    from sandbox import registries

    found = registries.find(match["region"], match["name"], tag=match["tag"], digest=match["digest"])
    if found is None:
        raise ImageNotFoundError(address)
    digest, manifest, manifest_type = found
    config = _config_of(manifest)
    labels = {**(config.get("Labels") or {}), **(manifest.get("annotations") or {})}
    pairs = (each.partition("=") for each in config.get("Env") or ())
    return Image(
        resolved=f"{match['repository']}@{digest}",
        program=labels.get(BASE_NAME, address),
        manifest_type=manifest_type,
        environment={name: value for name, _, value in pairs if not _OF_THE_SYSTEM.fullmatch(name)},
    )


def _is_given(address: str) -> bool:
    try:
        return is_given(address)
    except ImagesError:  # the deployment says what is wrong with the file
        return True


def _config_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the container configuration of an image; empty for what is not one."""
    from sandbox import registries

    try:
        found = json.loads(registries.blob(manifest["config"]["digest"]) or b"{}").get("config") or {}
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}
