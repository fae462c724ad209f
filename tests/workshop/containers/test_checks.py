"""What a container lacks is named before it starts; engines that this machine cannot have are programs."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest
from tests.workshop.programs import docker_program, program

from workshop.aws import roles
from workshop.containers import checks
from workshop.containers.build import INPUTS_LABEL, inputs_sha256
from workshop.containers.checks import check_container, check_serving_container
from workshop.containers.engine import SERVING, check_docker
from workshop.containers.images import own_serving_image
from workshop.errors import WorkshopError

GIB = 1024**3
OF_AWS = "763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:1"
OWN = own_serving_image("tgi")
OLD_COMPOSE = {"ClientInfo": {"Plugins": [{"Name": "compose", "Version": "v1.29.2"}]}}
CURRENT = {"Config": {"Labels": {INPUTS_LABEL: inputs_sha256(OWN)}}}


def error_of(image: str, **needs: Any) -> WorkshopError:
    with pytest.raises(WorkshopError) as caught:
        check_container(SERVING, image=image, **needs)
    for part in ("serve_with: container", "serve_with: process"):
        assert part in str(caught.value)
    return caught.value


def test_a_machine_without_docker_is_told_to_get_one(programs: Path) -> None:
    assert "no program `docker`" in error_of(OWN).found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        # As clients before version 23 say it, then later ones; the reasons are Docker's own words.
        ("""echo '{"ServerErrors": ["Cannot connect to the Docker daemon"]}'""", "answer (Cannot connect to"),
        ("""echo '{"ServerVersion": ""}'; echo 'Cannot connect' >&2; exit 1""", "answer (Cannot connect)"),
        ("echo no JSON", "does not answer"),
        ("echo '[]'", "does not answer"),
        ("exit 1", "does not answer (`docker info` fails)"),
        ("echo 'permission denied while trying to connect' >&2; exit 1", "may not use (permission denied"),
    ],
)
def test_an_engine_that_does_not_answer_is_named_with_its_reason(
    programs: Path, script: str, found: str
) -> None:
    program(programs, "docker", script)
    error = error_of(OWN)
    assert found in error.found
    assert ("usermod -aG docker" if "permission" in found else "start it (") in error.next_step


@pytest.mark.parametrize(
    ("image", "needs", "told", "found", "step"),
    [
        (OWN, {}, {"OSType": "windows"}, "Windows containers", "Switch to Linux containers"),
        (OWN, {}, {"MemTotal": int(2.5 * GIB)}, "has 2.5 GiB of memory", "Settings, Resources"),
        (OWN, {"needs_compose": True}, {"ClientInfo": {}}, "no Docker Compose", "docker-compose-plugin"),
        (OWN, {"needs_compose": True}, OLD_COMPOSE, "Docker Compose v1.29.2", "docker-compose-plugin"),
        (OWN, {}, {"image": {}}, f"no image {OWN}", "make images"),
        (OWN, {}, {"image": {"Config": {"Labels": None}}}, "built from other files", "make images"),
        (OWN, {}, {"image": {"Config": {"Labels": {INPUTS_LABEL: "0"}}}}, "other files", "make images"),
        (OWN, {}, {"image": {"Architecture": "arm64"}}, "for arm64, and a Docker for amd64", "make images"),
        (OF_AWS, {"needs_gpu": True}, {"MemTotal": 8 * GIB}, "has 8.0 GiB of memory", "give it more"),
        (OF_AWS, {"needs_gpu": True}, {"Runtimes": {"runc": {}}}, "cannot hand GPUs",
         "nvidia-container-toolkit"),
        (OF_AWS, {"needs_gpu": True}, {"image": {}}, f"no image {OF_AWS}",
         "fetch it: aws ecr get-login-password --region us-east-1 | docker login --username AWS "
         "--password-stdin 763104351884.dkr.ecr.us-east-1.amazonaws.com; docker pull " + OF_AWS),
        (OF_AWS, {"needs_gpu": True}, {"Architecture": "aarch64"}, "a Docker for arm64",
         "a machine with amd64"),
    ],
)  # fmt: skip
def test_what_an_engine_or_an_image_lacks_is_named(
    programs: Path, image: str, needs: dict[str, bool], told: dict[str, Any], found: str, step: str
) -> None:
    program(programs, "nvidia-smi")
    docker_program(programs, **{"image": CURRENT, **told})
    error = error_of(image, **needs)
    assert found in error.found
    assert step in error.next_step


def test_a_missing_gpu_is_named_for_aws_images_alone(programs: Path) -> None:
    docker_program(programs, image=CURRENT)
    assert check_serving_container(OWN).version == "28.2.2"
    with pytest.raises(WorkshopError, match=r"(?s)no NVIDIA GPU.*an instance with a GPU"):
        check_serving_container(OF_AWS)


@pytest.mark.parametrize("hook", [None, "nvidia-ctk", "nvidia-container-runtime-hook"])
def test_a_machine_with_a_gpu_is_good(programs: Path, hook: str | None) -> None:
    program(programs, "nvidia-smi")
    docker_program(programs, Runtimes={"runc": {}, **({} if hook else {"nvidia": {}})})
    if hook:
        program(programs, hook)
    check_serving_container(OF_AWS)


@pytest.mark.parametrize("version", ["2.40.1", "v2.26.1-4", "5.0.0", "dev"])
def test_every_later_compose_is_good(programs: Path, version: str) -> None:
    docker_program(programs, image=CURRENT, ClientInfo={"Plugins": [{"Name": "compose", "Version": version}]})
    assert check_container(SERVING, image=OWN, needs_compose=True).compose_version == version


def test_a_compose_beside_docker_is_taken_when_it_is_new_as_the_sdk_takes_it(programs: Path) -> None:
    docker_program(programs, image=CURRENT, ClientInfo={})
    program(programs, "docker-compose", "echo 1.29.2")
    assert "Docker Compose 1.29.2" in error_of(OWN, needs_compose=True).found
    program(programs, "docker-compose", "echo v2.26.1")
    check_container(SERVING, image=OWN, needs_compose=True)


@pytest.mark.parametrize(
    ("host", "is_elsewhere"),
    [
        ("tcp://192.0.2.1:2376", True),
        ("ssh://user:password@example.invalid", True),
        ("tcp://localhost:2375", False),
        ("unix:///run/user/1000/docker.sock", False),
        ("npipe:////./pipe/docker_engine", False),
    ],
)
def test_an_engine_on_another_machine_is_named_before_it_is_asked(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, is_elsewhere: bool
) -> None:
    asked = tmp_path / "asked"
    more = f'"context inspect"*) echo {host};; "info "*) echo yes > {asked}; /bin/cat {programs}/info.json;;'
    docker_program(programs, image=CURRENT, more=more)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"currentContext": "far"}')
    for where in ("context far", "DOCKER_HOST"):
        if is_elsewhere:
            error = error_of(OWN)
            assert f"a Docker on another machine ({where}: {host[:3]}" in error.found
            assert "password" not in str(error)
            assert not asked.exists()
        else:
            check_docker(SERVING)
        monkeypatch.setenv("DOCKER_HOST", host)
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    check_docker(SERVING)


@pytest.mark.parametrize("name", ["docker-desktop", "colima", None])
def test_a_folder_that_the_engine_may_not_see_is_looked_for_by_a_container(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    monkeypatch.setattr(checks, "_INSIDE_CONTAINER", tmp_path / "none")
    shared, other = tmp_path / "shared", tmp_path / "other"
    shared.mkdir()
    ran = tmp_path / "ran"
    # It sees what is mounted from the one folder: the program fails, as ls does, when another is named.
    more = f'"run "*{other}*) echo "$*" >> {ran}; exit 2;; "run "*) echo "$*" >> {ran};;'
    docker_program(programs, image=CURRENT, more=more, Name=name or platform.node())
    check_container(SERVING, image=OWN, folders=(shared, shared / "not" / "yet"))
    assert ran.exists() == bool(name), "an engine of this very machine sees its folders"
    assert list(shared.iterdir()) == []
    other.mkdir()
    if name:
        error = error_of(OWN, folders=(shared, other))
        assert f"do not see {other}" in error.found
        assert "File sharing" in error.next_step


def test_a_full_disk_is_looked_for_on_the_engines_own_disk(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "OWN_RUN_GIB", 10**9)
    docker_program(programs, image=CURRENT, Name=platform.node())
    error = error_of(OWN)
    assert f"free where Docker keeps its containers ({programs})" in error.found
    assert "docker system df" in error.next_step
    docker_program(programs, image=CURRENT, Name="docker-desktop")
    check_container(SERVING, image=OWN)


@pytest.mark.parametrize(
    ("told", "is_studio"),
    [({"AppType": "JupyterLab"}, True), ({"ResourceName": "a notebook instance"}, False)],
)
def test_studio_is_named_before_docker(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, str], is_studio: bool
) -> None:
    path = tmp_path / "resource-metadata.json"
    path.write_text(json.dumps(told))
    monkeypatch.setattr(roles, "METADATA_PATH", path)  # a place that only SageMaker writes to
    error = error_of(OWN)
    assert ("EnableDockerAccess" in error.found) == is_studio
    if is_studio:
        assert "a notebook instance or an EC2 instance" in error.next_step


def test_podman_under_the_name_of_docker_is_understood(programs: Path) -> None:
    told = {
        "host": {"memTotal": 2 * GIB, "os": "linux", "arch": "amd64", "hostname": "other"},
        "store": {"graphRoot": str(programs)},
        "version": {"Version": "4.3.1"},
    }
    (programs / "podman.json").write_text(json.dumps(told))
    docker_program(programs, more=f'"info "*) /bin/cat {programs}/podman.json;;')
    assert check_docker(SERVING).version == "4.3.1"
    assert "2.0 GiB of memory" in error_of(OWN).found
