"""A batch is as large as the free memory of the GPU, which the model's shape and lengths fill."""

from __future__ import annotations

import json

import pytest
from tests.serve.server_process import BASE
from tests.workshop.serving.test_deployment_check import LLAMA_3_8B

from workshop.evaluation.batch_size import MOST, sequences_at_once
from workshop.instance_types import GIB
from workshop.serving.model_facts import ModelFacts
from workshop.training.memory_check import SHOWN_SHARE

CONTEXT_GIB = 0.5  # of CUDA, before anything is loaded
TOKENS = {"num_tokens": 2048 + 160, "value_bytes": 2}  # the longest prompt of notebook 01, and a summary


def free_bytes(memory_gib: int, num_gpus: int = 1) -> list[float]:
    """Return what Llama-3-8B in bfloat16 leaves of GPUs with so much memory in their names."""
    weights = ModelFacts(config=LLAMA_3_8B).weight_bytes("tgi")
    return [(memory_gib * SHOWN_SHARE - CONTEXT_GIB) * GIB - weights / num_gpus] * num_gpus


@pytest.mark.parametrize(("memory_gib", "num_sequences"), [(24, 8), (48, 35), (80, MOST)])
def test_llama_3_8b_fills_what_its_weights_leave(memory_gib: int, num_sequences: int) -> None:
    assert sequences_at_once(LLAMA_3_8B, free_bytes(memory_gib), **TOKENS) == num_sequences


def test_what_fits_is_what_the_shape_says_counted_by_hand() -> None:
    (free,), num_tokens = free_bytes(24), TOKENS["num_tokens"]
    cache = 2 * 32 * 8 * 128 * 2 * num_tokens  # keys and values, layers, heads, their size, bytes
    assert cache == 0.26953125 * GIB
    needed = 8 * (2 * cache + (3 * 14336 + 2 * 4096) * 2 * num_tokens)
    assert 0.8 * free < needed < 0.9 * free


def test_several_gpus_share_the_cache_and_not_the_widest_moment() -> None:
    one, four = free_bytes(24)[0], free_bytes(24, num_gpus=4)
    assert sequences_at_once(LLAMA_3_8B, [one] * 4, **TOKENS) < 4 * 8
    assert sequences_at_once(LLAMA_3_8B, four, **TOKENS) == 47
    assert sequences_at_once(LLAMA_3_8B, [*four[:3], one / 8], **TOKENS) < 8


def test_shorter_prompts_make_larger_batches_and_wider_values_smaller_ones() -> None:
    free = free_bytes(24)
    assert sequences_at_once(LLAMA_3_8B, free, num_tokens=700, value_bytes=2) == 26
    assert sequences_at_once(LLAMA_3_8B, free, num_tokens=2208, value_bytes=4) == 4


def test_one_is_tried_even_where_none_fits() -> None:
    assert sequences_at_once(LLAMA_3_8B, [0.1 * GIB], **TOKENS) == 1


def test_on_a_cpu_the_number_is_what_it_was() -> None:
    config = json.loads((BASE / "config.json").read_text())
    assert sequences_at_once(config, [], num_tokens=2048, value_bytes=4) == MOST == 50
