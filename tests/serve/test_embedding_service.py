"""Texts on their way to an encoder that fails, is slow, or is not needed any more."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.serve.prometheus import samples

from serve.asgi import asgi_of
from serve.dialects.tei.metrics import TeiMetrics
from serve.dialects.tei.routes import TeiRoutes
from serve.embedding_service import EmbeddingService
from serve.served_model import ServedModel


class SlowEncoder:
    """Another engine: a vector of two numbers, after a while or never."""

    pooling, num_dimensions, max_tokens = "mean", 2, 512

    def __init__(self, *, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.seconds, self.error, self.num_computed = seconds, error, 0
        self._lock = threading.Lock()

    def encode(self, text: str) -> list[int]:
        return [1] * len(text)

    def with_ends(self, ids: list[int]) -> list[int]:
        return [0, *ids, 2]

    def piece(self, id_: int) -> str:
        return str(id_)

    def embed(self, ids: list[int]) -> np.ndarray:
        with self._lock:
            self.num_computed += 1
        time.sleep(self.seconds)
        if self.error:
            raise self.error
        return np.array([3, 4], dtype=np.float32)


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute one text after the other, however many cores there are."""
    monkeypatch.setenv("OMP_NUM_THREADS", "100000")


def client_of(encoder: SlowEncoder | None, *, timeout_s: float = 60.0) -> TestClient:
    metrics = TeiMetrics()
    service = EmbeddingService(
        served=ServedModel(id="slow", folder=Path(), names=("slow",)),
        metrics=metrics,
        max_client_batch_size=32,
        max_concurrent_requests=512,
        request_timeout_s=timeout_s,
        auto_truncate=False,
        default_prompt="",
    )
    service.encoder = encoder
    return TestClient(asgi_of(TeiRoutes(service, metrics)), raise_server_exceptions=False)


def failures(client: TestClient) -> dict[str, float]:
    found = samples(client.get("/metrics").text)
    return {
        label[1]: value
        for (name, *labels), value in found.items()
        for label in labels
        if name == "te_request_failure" and value
    }


def test_another_engine_takes_the_place_of_the_packaged_one() -> None:
    client = client_of(SlowEncoder())
    assert client.post("/embed", json={"inputs": ["가", "나"]}).json() == pytest.approx(
        np.array([[0.6, 0.8]] * 2), abs=1e-6
    )
    assert client.post("/embed", json={"inputs": "가", "normalize": False}).json() == [[3, 4]]
    assert failures(client) == {}


def test_while_the_model_loads_everything_is_unhealthy() -> None:
    client = client_of(None)
    for answer in (client.get("/ping"), client.get("/info"), client.post("/embed", json={"inputs": "가"})):
        assert answer.status_code == 503
        assert answer.json() == {"error": "unhealthy", "error_type": "Unhealthy"}


def test_an_encoder_that_fails_is_an_error_of_the_backend() -> None:
    client = client_of(SlowEncoder(error=RuntimeError("geheim")))
    answer = client.post("/embed", json={"inputs": ["가"]})
    assert answer.status_code == 424
    assert answer.json()["error_type"] == "Backend"
    assert "RuntimeError" in answer.json()["error"]
    assert "geheim" not in answer.text
    assert client.post("/v1/embeddings", json={"input": "가"}).json()["type"] == "Backend"
    assert failures(client) == {"inference": 2}


def test_what_takes_too_long_ends_and_its_other_texts_are_not_computed() -> None:
    encoder = SlowEncoder(seconds=0.5)
    client = client_of(encoder, timeout_s=0.1)
    answer = client.post("/embed", json={"inputs": ["가"] * 32})
    assert (answer.status_code, answer.json()["error_type"]) == (424, "Backend")
    assert "longer than 0.1 s" in answer.json()["error"]
    assert failures(client) == {"inference": 1}
    assert encoder.num_computed < 32


def test_one_text_that_is_refused_ends_the_others() -> None:
    encoder = SlowEncoder(seconds=0.05)
    with client_of(encoder) as client:  # one event loop for all of it, on which they would go on
        answer = client.post("/embed", json={"inputs": ["가" * 600, *["가"] * 31]})
        assert answer.status_code == 413
        assert "Given: 602" in answer.json()["error"]
        assert failures(client) == {"tokenization": 1}
        assert client.post("/embed", json={"inputs": "가"}).status_code == 200  # which waits its turn
    assert encoder.num_computed < 10
