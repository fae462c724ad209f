"""How many summaries are generated at once: as many as the GPU's free memory holds.

On 24 GB Llama-3-8B leaves about 7 GiB beside its weights, and an article of 2,000 tokens takes 0.7 of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workshop.serving.model_facts import ModelFacts

MOST = 50
"""More at once are hardly faster, and on CPUs slower."""

_SHARE = 0.9  # of the free memory: cuBLAS and attention kernels have working memory of their own
# Each step writes a layer's keys and values anew, one token longer; what the allocator got back from the step
# before is too small for that.
_CACHE_COPIES = 2
_SCORE_BYTES = 4  # of one token of the vocabulary, beside the model's own value


def sequences_at_once(
    config: Mapping[str, Any], free_bytes: Sequence[float], *, num_tokens: int, value_bytes: int
) -> int:
    """Return how many sequences `generate` can take in one batch, 1 to MOST.

    Counted are the KV cache and the widest moment of the prompt's forward pass, in the MLP of one layer: both
    factors of its product and the product, with the layer's input and its norm.

    Args:
        config: Of the model, as in its config.json.
        free_bytes: Of each GPU that it is spread over, with its weights loaded; empty on a CPU.
        num_tokens: Of the longest prompt and what is generated.
        value_bytes: Of one value of the model's dtype.
    """
    if not free_bytes:
        return MOST
    facts = ModelFacts(config=config)
    cache = _CACHE_COPIES * facts.kv_cache_bytes(num_tokens, value_bytes=value_bytes) / len(free_bytes)
    widest = (3 * config["intermediate_size"] + 2 * config["hidden_size"]) * value_bytes * num_tokens
    scores = config["vocab_size"] * (value_bytes + _SCORE_BYTES)
    fitting = int(_SHARE * min(free_bytes) / (cache + widest + scores))
    return max(1, min(MOST, fitting))
