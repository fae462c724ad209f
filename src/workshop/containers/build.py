"""Build the images of setup/docker: those whose inputs have changed, and nothing when none have.

    make images                                    # python -m workshop.containers.build
    make images BASE_IMAGE=python:3.11-slim-bookworm

An image has the digest of everything that it is built from as its label, so that this and the tests know
whether it is the one of these files.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from workshop.containers.base import find_base_image
from workshop.containers.context import OwnImage, own_images
from workshop.containers.engine import DockerUse, Engine, check_docker, output_of
from workshop.containers.images import PACKAGES_IMAGE
from workshop.containers.wheels import fetch_wheels, pins
from workshop.errors import WorkshopError
from workshop.view.live import make_view
from workshop.view.process_output import last_lines

INPUTS_LABEL = "workshop.inputs"
BASE_LABEL = "workshop.base"
BUILD_LABEL = "workshop.build"

USE = DockerUse(
    setting="make images",
    without="serve_with: process and use_local_mode: false",
    purpose="builds the images",
)
_BUILD_TIMEOUT_S = 3600
_NEEDED_GIB = 5  # the layer of packages twice, as it is made and as it stays, and its wheels
_NEEDED_TEMPORARY_GIB = 1
_TELL_EVERY_S = 15


def inputs_sha256(image: str) -> str:
    """Return the digest of everything that an own image is built from now.

    Args:
        image: TRAINING_IMAGE, or what own_serving_image returns.
    """
    return next(own.inputs_sha256 for own in own_images() if own.name == image)


def is_current(image: str) -> bool:
    """Tell whether an own image is on this machine, and built from the files as they are."""
    return label_of(image, INPUTS_LABEL) == inputs_sha256(image)


def label_of(image: str, label: str) -> str | None:
    """Return a label of an image; None without such an image, "" without such a label."""
    return _shown(image, f'{{{{index .Config.Labels "{label}"}}}}')


def _shown(image: str, form: str) -> str | None:
    shown = output_of("docker", "image", "inspect", "--format", form, image)
    return None if shown is None else shown.strip()


def build_images(base_image: str = "") -> list[str]:
    """Build what is not current, and show how far it is.

    Args:
        base_image: To build on; "" for the one that there is, else the public one.

    Returns:
        Names of the images that were built.

    Raises:
        WorkshopError: Something is missing, or a build failed. What was made for it is gone.
    """
    engine = check_docker(USE)
    other_base = bool(base_image) and label_of(PACKAGES_IMAGE, BASE_LABEL) != base_image
    wanted = [image for image in own_images() if other_base or not is_current(image.name)]
    if wanted:
        with _Steps(wanted, engine) as steps:
            steps.run(base_image)
    return [image.name for image in wanted]


class _Steps:
    """The steps of a run, told as they begin and end; what they leave beside the images is removed.

    Args:
        wanted: What to build, in order.
    """

    def __init__(self, wanted: Sequence[OwnImage], engine: Engine) -> None:
        self._wanted, self._engine = wanted, engine
        self._has_packages = wanted[0].name == PACKAGES_IMAGE
        self._num_steps = len(wanted) + 2 * self._has_packages
        self._num_begun = 0
        self._view = make_view("make images")
        self._build = uuid.uuid4().hex
        self._replaced: list[str] = []

    def __enter__(self) -> _Steps:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove images without a name: the parts of this run's builds, and what its images replaced."""
        ours = ("--filter", "dangling=true", "--filter", f"label={BUILD_LABEL}={self._build}")
        parts = (output_of("docker", "images", "--quiet", "--no-trunc", *ours) or "").split()
        for image in dict.fromkeys([*parts, *reversed(self._replaced)]):
            # One that a container still runs on stays until Docker's own `docker image prune`.
            output_of("docker", "image", "rm", image)

    def run(self, base_image: str) -> None:
        """Build everything.

        Raises:
            WorkshopError: A step failed.
        """
        with tempfile.TemporaryDirectory(prefix="workshop-images-") as folder:
            self._check_disk(Path(folder))
            wheels, base = [], ""
            if self._has_packages:
                with self._step("base image") as told:
                    base = find_base_image(base_image)
                    told.append(base)
                with self._step(f"{len(pins())} packages, by pip"):
                    wheels = fetch_wheels(Path(folder), self._engine.architecture)
            for image in self._wanted:
                with self._step(image.name):
                    old = _shown(image.name, "{{.Id}}")
                    self._build_one(image, base, wheels if image.name == PACKAGES_IMAGE else [])
                    self._replaced += [old] if old else []

    @contextmanager
    def _step(self, title: str) -> Iterator[list[str]]:
        """Tell when a step begins, that it goes on, and how long it took."""
        self._num_begun += 1
        title, told, start_s = f"[{self._num_begun}/{self._num_steps}] {title}", [], time.monotonic()
        ended = threading.Event()

        def tell() -> None:
            while not ended.wait(_TELL_EVERY_S):
                self._view.line(f"{title} ... {time.monotonic() - start_s:.0f} s")

        self._view.line(f"{title} ...")
        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield told
        finally:
            ended.set()
            teller.join()
        self._view.line(f"{': '.join([title, *told])}, {time.monotonic() - start_s:.0f} s")

    def _build_one(self, image: OwnImage, base: str, wheels: Sequence[Path]) -> None:
        arguments = {**image.arguments, "BUILD": self._build} | (
            {"BASE_IMAGE": base} if base and wheels else {}
        )
        command = ["docker", "build", "--network", "none", "--force-rm", "--tag", image.name]
        command += ["--label", f"{INPUTS_LABEL}={image.inputs_sha256}"]
        command += ["--label", f"{BASE_LABEL}={base}"] if wheels else []
        command += [part for pair in arguments.items() for part in ("--build-arg", "=".join(pair))]
        # The builder that sees the images of the engine itself; one in a container has none of them.
        environ = {**os.environ, "BUILDX_BUILDER": "default", "BUILDKIT_PROGRESS": "plain"}
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [*command, "-"], stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environ
            )
            try:
                with suppress(BrokenPipeError), process.stdin:  # it has ended: its output says why
                    image.write_context(process.stdin, wheels)
                status = process.wait(_BUILD_TIMEOUT_S)
            finally:
                process.kill()
                process.wait()
            log.seek(0)
            lines = log.read().decode("utf-8", errors="replace").splitlines()
        if status != 0:
            raise _failed(image.name, lines)

    def _check_disk(self, temporary: Path) -> None:
        """Look for room for the wheels, and for the images where the engine's folder is on this machine.

        Raises:
            WorkshopError: There is too little.
        """
        if not self._has_packages:
            return
        needed = {temporary: _NEEDED_TEMPORARY_GIB}
        if self._engine.is_here and self._engine.root_dir.is_dir():
            needed[self._engine.root_dir] = _NEEDED_GIB
        for folder, gib in needed.items():
            free = shutil.disk_usage(folder).free
            if free < gib << 30:
                raise _no_room(f"{free >> 20} MiB of free disk at {folder}", gib)


def _failed(name: str, lines: list[str]) -> WorkshopError:
    if any("no space left on device" in line.lower() for line in lines):
        return _no_room("Docker's disk, which is full", _NEEDED_GIB)
    return WorkshopError(
        found=f"the build of {name} failed; its last lines:{last_lines(lines)}",
        expected="an image: setup/docker has its Dockerfile",
        next_step="mend what they say, then `make images` again; another base: `make images BASE_IMAGE=NAME`",
    )


def _no_room(found: str, needed_gib: int) -> WorkshopError:
    return WorkshopError(
        found=found,
        expected=f"{needed_gib} GiB for the images and what they are made from",
        next_step="free some (`docker system df` shows what images take; TMPDIR names another folder for "
        "what pip fetches), then `make images` again",
    )


def main() -> int:
    """Build what is not current; return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    start_s = time.monotonic()
    try:
        built = build_images(os.environ.get("BASE_IMAGE", ""))
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    what = (
        f"{len(built)} built in {time.monotonic() - start_s:.0f} s" if built else "all current, nothing built"
    )
    print(f"images: {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
