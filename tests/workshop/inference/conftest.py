"""One real server on the shipped base model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.serve.server_process import ServerProcess


@pytest.fixture(scope="session")
def real_server() -> Iterator[ServerProcess]:
    with ServerProcess() as process:
        yield process.ready()
