"""One sandbox for all tests of the registry: each takes back what it makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.hosting.conftest import Hosting
from tests.sandbox.hosting.conftest import image_table as image_table


@pytest.fixture(scope="session")
def sandbox(image_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    running = RunningSandbox(tmp_path_factory.mktemp("registry") / "home")
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def hosting(sandbox: RunningSandbox) -> Hosting:
    """Endpoints of that sandbox, each with a name of its own."""
    return Hosting(sandbox)
