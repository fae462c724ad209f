"""Layers of an image come from AWS's registry as a whole or not at all, and none comes twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from tests.sandbox.conftest import RunningSandbox

from workshop.errors import WorkshopError
from workshop.images.layers import copy_layers, missing_layers
from workshop.images.parts import ACCEPTED, ImageAddress, manifest_for_sagemaker

BASE = ImageAddress.of("763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.38.0-lmi")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    running = RunningSandbox(tmp_path_factory.mktemp("images"))
    yield running
    running.close()


@pytest.fixture
def repository(running: RunningSandbox, request: pytest.FixtureRequest) -> str:
    name = f"news-{abs(hash(request.node.name))}"
    running.client("ecr").create_repository(repositoryName=name)
    return name


def client_of_its_own(running: RunningSandbox) -> Any:
    """Return a client that nobody else calls: it gets a handler."""
    session = boto3.session.Session("test", "test", region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    return session.client("ecr", endpoint_url=running.url, config=config)


def base_of(ecr: Any) -> dict[str, Any]:
    asked = {"imageIds": [{"imageTag": BASE.tag}], "acceptedMediaTypes": ACCEPTED}
    return manifest_for_sagemaker(ecr, BASE, ecr.batch_get_image(**BASE.repository, **asked))


def test_only_what_the_repository_lacks_is_sent_and_shown(
    running: RunningSandbox, repository: str, capsys: pytest.CaptureFixture
) -> None:
    ecr = running.client("ecr")
    base = base_of(ecr)
    assert missing_layers(ecr, repository, base) == base["layers"]
    assert copy_layers(ecr, BASE, repository, base) == len(base["layers"])
    assert missing_layers(ecr, repository, base) == []
    capsys.readouterr()
    assert copy_layers(ecr, BASE, repository, {**base, "layers": base["layers"] * 2}) == 0
    shown = capsys.readouterr().out
    assert shown.count("already there") == len(base["layers"])
    assert "layers · done" in shown


@pytest.mark.parametrize("fault", ["cut short", "changed"])
def test_a_layer_that_is_not_whole_is_not_added_and_comes_with_the_next_run(
    running: RunningSandbox, repository: str, fault: str
) -> None:
    ecr = running.client("ecr")
    base = base_of(ecr)
    last = base["layers"][-1]
    path = Path(running.home) / "ecr-of-aws" / last["digest"].replace(":", "-")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] if fault == "cut short" else whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(WorkshopError, match="only what the repository lacks is sent"):
            copy_layers(ecr, BASE, repository, base)
        assert missing_layers(ecr, repository, base) == [last]
    finally:
        path.write_bytes(whole)
    assert copy_layers(ecr, BASE, repository, base) == 1


def test_after_a_kill_in_the_middle_of_a_push_the_rest_is_sent(
    running: RunningSandbox, repository: str
) -> None:
    ecr = client_of_its_own(running)
    base, completed = base_of(ecr), []

    def kill(**_: Any) -> None:
        completed.append(1)
        if len(completed) == len(base["layers"]):
            running.restart(kill=True)

    ecr.meta.events.register("before-call.ecr.CompleteLayerUpload", kill)
    with pytest.raises((BotoCoreError, ecr.exceptions.UploadNotFoundException)):
        copy_layers(ecr, BASE, repository, base)
    ecr = running.client("ecr")
    assert [each["digest"] for each in missing_layers(ecr, repository, base)] == [
        base["layers"][-1]["digest"]
    ]
    assert copy_layers(ecr, BASE, repository, base) == 1


def test_a_layer_that_another_kernel_brought_meanwhile_is_no_error(
    running: RunningSandbox, repository: str
) -> None:
    ecr, other = client_of_its_own(running), running.client("ecr")
    base = base_of(ecr)
    brought: list[int] = []

    def bring(**_: Any) -> None:
        if not brought:
            brought.append(copy_layers(other, BASE, repository, base))

    ecr.meta.events.register("before-call.ecr.CompleteLayerUpload", bring)
    copy_layers(ecr, BASE, repository, base)
    assert brought == [len(base["layers"])]
    assert missing_layers(ecr, repository, base) == []
