"""The images that `make images` has built: what is in them, who may run them, what builds them again."""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tests.containers.conftest import Engine

from workshop.containers import build, context
from workshop.containers.images import PACKAGES_IMAGE, TRAINING_IMAGE, own_serving_image
from workshop.containers.wheels import pins
from workshop.errors import WorkshopError

SOMEBODY = "4242:4242"  # no user of the image, and none of this machine
LIMITS = ("--network", "none", "--memory", "2g", "--user", SOMEBODY, "--read-only", "--tmpfs", "/tmp")
MODEL_DIR = context.REPO_DIR / "src" / "sample" / "base" / "model"
TRAIN_DIR = context.REPO_DIR / "src" / "train"
PING = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/ping', timeout=5).status)"
READY_TIMEOUT_S = 300


def test_the_packages_are_the_pinned_ones_and_fit_together(engine: Engine, nothing_left: Callable) -> None:
    listed = engine.docker(
        "run", "--rm", *LIMITS, TRAINING_IMAGE, "sh", "-c", "pip list --format freeze && pip check"
    )
    *lines, last = listed.strip().splitlines()
    assert last == "No broken requirements found."
    found = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}
    assert found.pop("pip")
    assert found == {canonicalize_name(pin.split("==")[0]): pin.split("==")[1] for pin in pins()}


def test_training_has_what_sagemakers_script_calls_and_installs_nothing(
    engine: Engine, nothing_left: Callable
) -> None:
    calls = "command -v bash python3 pip3 torchrun && touch $HOME/here && pip3 install -r requirements.txt"
    source = ("--volume", f"{TRAIN_DIR}:/opt/ml/code:ro", "--workdir", "/opt/ml/code")
    output = engine.docker("run", "--rm", *LIMITS, *source, TRAINING_IMAGE, "bash", "-ec", calls)
    assert len([line for line in output.splitlines() if line.startswith("/")]) == 4
    assert "Requirement already satisfied: transformers" in output
    assert "Collecting" not in output
    assert "WARNING" not in output


@pytest.fixture
def served(engine: Engine) -> Iterator[str]:
    """A container that serves the small model, without a network, as nobody in particular."""
    name = f"images-{uuid.uuid4().hex[:12]}"
    mount = ("--volume", f"{MODEL_DIR}:/opt/ml/model:ro")
    engine.docker("run", "--detach", "--name", name, *LIMITS, *mount, own_serving_image("vllm"), "serve")
    yield name
    engine.docker("rm", "--force", name, check=False)


def test_serving_starts_without_a_network_and_ends_by_sigterm_in_peace(
    engine: Engine, nothing_left: Callable, served: str
) -> None:
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while engine.docker("exec", served, "python3", "-c", PING, check=False).strip() != "200":
        running = engine.docker("inspect", "--format", "{{.State.Running}}", served).strip() == "true"
        assert running, engine.docker("logs", served)
        assert time.monotonic() < deadline_s, engine.docker("logs", served)
        time.sleep(0.2)
    check = engine.docker("inspect", "--format", "{{json .Config.Healthcheck.Test}}", served)
    assert "/ping" in check
    engine.docker("stop", "--time", "60", served)
    assert engine.docker("inspect", "--format", "{{.State.ExitCode}}", served).strip() == "0"


def test_serving_runs_as_an_ordinary_user_unless_another_is_named(engine: Engine) -> None:
    assert (
        engine.docker("inspect", "--format", "{{.Config.User}}", own_serving_image("tgi")).strip()
        == "1000:1000"
    )


def test_what_is_current_is_not_built_again(engine: Engine) -> None:
    def ids() -> list[str]:
        return [engine.docker("inspect", "--format", "{{.Id}}", image.name) for image in context.own_images()]

    before = ids()
    assert build.build_images() == []
    assert ids() == before


@pytest.fixture
def copied(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the files, with a serving image of its own name; the layer of packages is the common one."""
    for folder in ("setup/docker", "src/serve", "src/processes"):
        shutil.copytree(context.REPO_DIR / folder, tmp_path / folder)
    name = f"korean-news-test-{uuid.uuid4().hex[:12]}"
    monkeypatch.setattr(context, "REPO_DIR", tmp_path)
    monkeypatch.setattr(context, "DOCKER_DIR", tmp_path / "setup" / "docker")
    monkeypatch.setattr(context, "DIALECTS", ("lmi",))
    monkeypatch.setattr(context, "own_serving_image", lambda dialect: f"{name}:{dialect}")
    yield tmp_path
    engine.docker("image", "rm", f"{name}:lmi", check=False)


def without_a_name(engine: Engine) -> set[str]:
    """Return the images that builds have left beside those with a name."""
    ours = ("--filter", "dangling=true", "--filter", f"label={build.BUILD_LABEL}")
    return set(engine.docker("images", "--quiet", "--no-trunc", *ours).split())


def test_a_changed_source_builds_the_upper_layers_alone(
    engine: Engine, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def layers(image: str) -> list[str]:
        return engine.docker("inspect", "--format", '{{join .RootFS.Layers " "}}', image).split()

    monkeypatch.setattr(build, "fetch_wheels", lambda *_: pytest.fail("the packages were fetched"))
    (name,) = build.build_images()
    packages, first = layers(PACKAGES_IMAGE), layers(name)
    assert first[: len(packages)] == packages
    with (copied / "src" / "serve" / "settings.py").open("a", encoding="utf-8") as stream:
        stream.write("# changed\n")
    before = without_a_name(engine)
    assert not build.is_current(name)
    assert build.build_images() == [name]
    assert build.is_current(name)
    second = layers(name)
    assert second[: len(packages)] == packages
    assert second != first
    assert without_a_name(engine) <= before


def test_a_build_that_fails_says_its_last_lines_and_leaves_nothing(
    engine: Engine, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dockerfile = copied / "setup" / "docker" / "serving.Dockerfile"
    dockerfile.write_text(dockerfile.read_text(encoding="utf-8").replace("compileall -q", "no_such_module"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = without_a_name(engine)
    with pytest.raises(WorkshopError, match="No module named no_such_module") as raised:
        build.build_images()
    assert "make images" in raised.value.next_step
    assert without_a_name(engine) <= before
    assert list(scratch.iterdir()) == []
