"""The server multiplies in float32 unless DTYPE says otherwise: not every processor is quick in bfloat16."""

from __future__ import annotations

import asyncio

import pytest
from tests.matrix_products import MatrixProducts
from tests.serve.server_process import BASE

from serve.engine import Sampling, Token
from serve.engines.transformers import TransformersEngine
from serve.model_folder import ModelFolder
from serve.settings import read_settings

DIALECTS = ("tgi", "lmi", "vllm")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_generation_multiplies_in_float32(
    dialect: str, model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_settings(["serve"], {"HF_MODEL_ID": str(BASE), "SERVE_DIALECT": dialect})
    products, generate = MatrixProducts(), TransformersEngine._generate

    def watched(engine: TransformersEngine) -> None:
        with products:  # on the engine's own thread
            generate(engine)

    monkeypatch.setattr(TransformersEngine, "_generate", watched)
    engine = TransformersEngine(model.path, model.codec, dtype=settings.dtype)

    async def tokens() -> list[Token]:
        return [token async for token in engine.submit([1, 5, 9], Sampling(max_new_tokens=3))]

    try:
        assert len(asyncio.run(tokens())) == 3
    finally:
        engine.close()
    assert not products.slow
    assert len(products.names) > 1
