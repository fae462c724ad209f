"""A sandbox whose clock is fast, and an endpoint in it for inference components of the test container."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.scaling.scaled_components import SPEED, Scaling

from sandbox import clock, images

PROGRAM = Path(__file__).parents[1] / "hosting" / "container.py"


@pytest.fixture(scope="module", autouse=True)
def fast_clock(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give every sandbox that these tests start a fast clock and the test container's image.

    A module may have a SPEED of its own.
    """
    path = tmp_path_factory.mktemp("images") / "images.yaml"
    path.write_text(json.dumps({"test/container:*": ["{python}", str(PROGRAM), "serve"]}), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(images.VARIABLE, str(path))
        patch.setenv(clock.VARIABLE, str(getattr(request.module, "SPEED", SPEED)))
        clock.speed.cache_clear()
        yield
    clock.speed.cache_clear()


@pytest.fixture(scope="module")
def scaling(fast_clock: None, sandbox: Any) -> Scaling:
    """What scales in the module's sandbox."""
    return Scaling(sandbox)


@pytest.fixture(scope="module")
def endpoint(scaling: Scaling) -> str:
    """An endpoint for the components of a module."""
    scaling.create_endpoint("scaled")
    return "scaled"
