"""Settings and plans for the shipped base model, and one server started as a notebook starts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.server_process import BASE

from workshop.serving.plan import ServingPlan, serving_plan
from workshop.serving.server import Server, start_server
from workshop.settings import Settings, load_settings

READY_TIMEOUT_S = 600


@pytest.fixture
def plan(settings: Settings) -> ServingPlan:
    return serving_plan(settings, BASE)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on the base model."""
    folder: Path = tmp_path_factory.mktemp("running")
    settings = load_settings(environ={"WORKSHOP_HOME": str(folder)})
    plan = serving_plan(settings, BASE)
    with start_server(plan, log_path=folder / "server.log", timeout_s=READY_TIMEOUT_S) as server:
        yield server
