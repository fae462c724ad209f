"""One server of the embedding model for all tests that only ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.serve.server_process import ServerProcess

from serve.dialects.tei.dialect import MODEL_ID


@pytest.fixture(scope="session")
def tei_server() -> Iterator[ServerProcess]:
    with ServerProcess(HF_MODEL_ID=MODEL_ID, SERVE_DIALECT="tei") as process:
        yield process.ready()
