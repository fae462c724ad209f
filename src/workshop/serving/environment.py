"""The environment of a serving container, in the names of its engine."""

from __future__ import annotations

from workshop.errors import WorkshopError
from workshop.serving.engines import CONTAINER_MODEL_DIR, ENGINES, NO_QUANTIZATION

MAX_INPUT_TOKENS = 1792
MAX_TOTAL_TOKENS = 2048
"""The context that notebook 01 shortens articles to: a prompt of 1,792 tokens and a summary of 256."""

_SMALLEST_RANK = 8
"""vLLM takes powers of two from 8 on as the largest rank of an adapter."""


def serving_environment(
    engine: str,
    *,
    num_gpus: int,
    quantization: str = NO_QUANTIZATION,
    max_input_tokens: int = MAX_INPUT_TOKENS,
    max_total_tokens: int = MAX_TOTAL_TOKENS,
    adapter_rank: int | None = None,
) -> dict[str, str]:
    """Return the variables of a container that serves the model in /opt/ml/model.

    Args:
        engine: A name of ENGINES.
        num_gpus: That the model is spread over (tensor parallel), 1 or more.
        quantization: Of the weights while they are loaded: "none", or a name of the engine's own.
        max_input_tokens: Longest prompt; engines that limit only the total leave it out.
        max_total_tokens: Longest prompt and answer together.
        adapter_rank: Largest rank of the LoRA adapters that come and go while it runs, as adapter components
            do; None for a model without them.

    Raises:
        WorkshopError: Limits that leave no room for an answer, or an engine that cannot load adapters later.
    """
    names = ENGINES[engine]
    limits = limit_variables(engine, max_input_tokens=max_input_tokens, max_total_tokens=max_total_tokens)
    environment = {
        names.model: CONTAINER_MODEL_DIR,
        names.tensor_parallel: str(num_gpus),
        **limits,
        **dict(names.fixed),
    }
    if quantization != NO_QUANTIZATION:
        environment[names.quantize] = quantization
    if adapter_rank is not None:
        if not names.adapters_later:
            raise WorkshopError(
                found=f"adapters for {names.title}",
                expected="an engine that loads adapters while it runs: "
                + " or ".join(engine for engine, other in ENGINES.items() if other.adapters_later),
                next_step="take one of these for the base of adapter components",
            )
        environment |= dict(names.adapters_later)
        environment[names.max_lora_rank] = str(max(_SMALLEST_RANK, 1 << (adapter_rank - 1).bit_length()))
    return environment


def limit_variables(engine: str, *, max_input_tokens: int, max_total_tokens: int) -> dict[str, str]:
    """Return the variables that limit the lengths a container takes.

    Args:
        engine: A name of ENGINES.
        max_input_tokens: Longest prompt; engines that limit only the total leave it out.
        max_total_tokens: Longest prompt and answer together.

    Raises:
        WorkshopError: They leave no room for an answer.
    """
    names = ENGINES[engine]
    if not 0 < max_input_tokens < max_total_tokens:
        raise WorkshopError(
            found=f"max_input_tokens = {max_input_tokens} and max_total_tokens = {max_total_tokens}",
            expected="room for an answer: the first less than the second",
            next_step="correct them in the cell that plans",
        )
    longest_input = {names.max_input: str(max_input_tokens)} if names.max_input else {}
    return {**longest_input, names.max_total: str(max_total_tokens)}
