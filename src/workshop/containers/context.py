"""What each of the repository's own images is built from, as one archive and as one digest.

The archive is the whole context of `docker build`: the checkout, with its environments of gigabytes, is not
sent. The same files make the same bytes, whoever owns them and whatever they may be read by.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from workshop.containers.images import PACKAGES_IMAGE, TRAINING_IMAGE, own_serving_image

REPO_DIR = Path(__file__).parents[3]
DOCKER_DIR = REPO_DIR / "setup" / "docker"
REQUIREMENTS = DOCKER_DIR / "requirements.txt"
DIALECTS = ("tgi", "vllm", "lmi")
"""The serving engines that have an image of their own."""

_SERVED_PACKAGES = ("serve", "processes")
_LEFT_OUT = ("__pycache__",)


@dataclass(frozen=True, kw_only=True)
class OwnImage:
    """One image and what it is made of.

    Args:
        name: With its tag.
        dockerfile: In setup/docker.
        files: Name in the context -> file.
        arguments: Of the build.
        base: The image below, where that is one of ours.
    """

    name: str
    dockerfile: str
    files: Mapping[str, Path]
    arguments: Mapping[str, str] = field(default_factory=dict)
    base: OwnImage | None = None

    @property
    def inputs_sha256(self) -> str:
        """Digest of all of it, with the image below."""
        digest = hashlib.sha256()
        parts = {**{name: path.read_bytes() for name, path in self._all_files().items()}}
        parts |= {f"--build-arg {name}": text.encode() for name, text in self.arguments.items()}
        if self.base is not None:
            parts["FROM"] = self.base.inputs_sha256.encode()
        for name, content in sorted(parts.items()):
            digest.update(f"{name} {len(content)}\n".encode() + content)
        return digest.hexdigest()

    def write_context(self, stream: IO[bytes], more: Iterable[Path] = ()) -> None:
        """Write the archive for `docker build -`.

        Args:
            more: Wheels, which lie in its folder wheels.
        """
        files = {**self._all_files(), **{f"wheels/{path.name}": path for path in more}}
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for name, path in sorted(files.items()):
                member = tarfile.TarInfo(name)
                member.size, member.mode = path.stat().st_size, 0o644
                with path.open("rb") as content:
                    tar.addfile(member, content)

    def _all_files(self) -> dict[str, Path]:
        return {"Dockerfile": DOCKER_DIR / self.dockerfile, **self.files}


def own_images() -> tuple[OwnImage, ...]:
    """Return the images of setup/docker, each after the one that it is built on."""
    packages = OwnImage(
        name=PACKAGES_IMAGE, dockerfile="packages.Dockerfile", files={"requirements.txt": REQUIREMENTS}
    )
    training = OwnImage(name=TRAINING_IMAGE, dockerfile="training.Dockerfile", files={}, base=packages)
    serving = [
        OwnImage(
            name=own_serving_image(dialect),
            dockerfile="serving.Dockerfile",
            files=_sources(),
            arguments={"DIALECT": dialect},
            base=packages,
        )
        for dialect in DIALECTS
    ]
    return packages, training, *serving


def _sources() -> dict[str, Path]:
    """Return the files of the server, as the image has them below src."""
    source_dir = REPO_DIR / "src"
    return {
        f"src/{path.relative_to(source_dir).as_posix()}": path
        for package in _SERVED_PACKAGES
        for path in (source_dir / package).rglob("*")
        if path.is_file() and not set(_LEFT_OUT) & set(path.parts) and path.suffix != ".md"
    }
