"""What the own images are built from, without an engine."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from workshop.containers import build, context
from workshop.containers.images import PACKAGES_IMAGE, TRAINING_IMAGE, own_serving_image
from workshop.serving.engines import ENGINES


def members(image: context.OwnImage) -> list[tarfile.TarInfo]:
    stream = io.BytesIO()
    image.write_context(stream)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        return tar.getmembers()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that images are built from."""
    for folder in ("setup/docker", "src/serve", "src/processes"):
        shutil.copytree(context.REPO_DIR / folder, tmp_path / folder)
    monkeypatch.setattr(context, "REPO_DIR", tmp_path)
    monkeypatch.setattr(context, "DOCKER_DIR", tmp_path / "setup" / "docker")
    monkeypatch.setattr(context, "REQUIREMENTS", tmp_path / "setup" / "docker" / "requirements.txt")
    return tmp_path


def digests() -> dict[str, str]:
    return {image.name: image.inputs_sha256 for image in context.own_images()}


def test_every_serving_engine_of_the_clients_has_an_image() -> None:
    assert set(context.DIALECTS) == set(ENGINES)
    assert {own_serving_image(name) for name in ENGINES} | {PACKAGES_IMAGE, TRAINING_IMAGE} == set(digests())


def test_a_context_has_a_few_files_and_nothing_of_the_checkout_beside_them() -> None:
    packages, training, *serving = context.own_images()
    assert [member.name for member in members(packages)] == ["Dockerfile", "requirements.txt"]
    assert [member.name for member in members(training)] == ["Dockerfile"]
    for image in serving:
        names = {member.name for member in members(image)}
        assert {
            "Dockerfile",
            "src/serve/__main__.py",
            "src/serve/images.yaml",
            "src/processes/errors.py",
        } <= names
        assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".md"))]
        assert {name.split("/")[1] for name in names - {"Dockerfile"}} == {"serve", "processes"}


def test_files_in_an_image_are_readable_to_all_and_root_s_whatever_they_are_here(
    repository: Path,
) -> None:
    os.chmod(repository / "src" / "serve" / "server.py", 0o600)
    for image in context.own_images():
        assert {(each.mode, each.uid, each.gid, each.mtime) for each in members(image)} == {(0o644, 0, 0, 0)}


def test_the_same_files_have_the_same_digest_wherever_they_lie(repository: Path) -> None:
    ours = digests()
    cache = repository / "src" / "serve" / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "server.cpython-311.pyc").write_bytes(b"made by running it")
    assert digests() == ours
    assert len(set(ours.values())) == len(ours)


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("setup/docker/requirements.txt", {"packages", "training", "serving"}),
        ("setup/docker/packages.Dockerfile", {"packages", "training", "serving"}),
        ("setup/docker/training.Dockerfile", {"training"}),
        ("setup/docker/serving.Dockerfile", {"serving"}),
        ("src/serve/server.py", {"serving"}),
        ("src/processes/errors.py", {"serving"}),
    ],
)
def test_a_change_makes_other_images_of_those_alone_that_have_it(
    repository: Path, file: str, changed: set[str]
) -> None:
    before = digests()
    with (repository / file).open("a", encoding="utf-8") as stream:
        stream.write("# one line more\n")
    after = digests()
    kinds = {
        name.removeprefix("korean-news-").partition(":")[0] for name in before if before[name] != after[name]
    }
    assert kinds == changed
    assert {build.inputs_sha256(name) for name in after} == set(after.values())
