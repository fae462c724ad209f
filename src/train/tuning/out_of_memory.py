"""Say what to lower when memory runs out: what saves most by the memory model, first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tuning.errors import UserError
from tuning.memory_model import Load, Shape, ways_to_save

if TYPE_CHECKING:
    from transformers import PretrainedConfig
    from trl import ModelConfig, SFTConfig

_WORDS = ("DefaultCPUAllocator", "CUDA out of memory", "Cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a GPU's memory or this machine's is used up."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError | OSError) and any(word in str(error) for word in _WORDS)


def explain_out_of_memory(
    training: SFTConfig, model: ModelConfig, config: PretrainedConfig, *, max_seq_tokens: int
) -> AbstractContextManager[None]:
    """Turn an allocator's error in a block into one that names the settings to lower.

    Args:
        training: rows per device, checkpointing, sharding, optimizer.
        model: quantisation and adapter.
        config: of the base model: its shape.
        max_seq_tokens: the longest row that is accepted.

    Raises:
        UserError: instead of the allocator's error.
    """

    def explain(error: BaseException) -> UserError:
        where = "the GPU's memory" if "CUDA" in str(error) else "this machine's memory"
        rows = training.per_device_train_batch_size
        return UserError(
            found=f"{where} is used up with per_device_train_batch_size: {rows},"
            f" max_seq_tokens: {max_seq_tokens}: {_first_line(error)}",
            expected="room for weights, adapter, optimizer and the activations of one batch"
            " (src/train/estimate_memory.py counts them before a run)",
            next_step=what_to_lower(training, model, config, max_seq_tokens=max_seq_tokens),
        )

    return _explained(explain)


def explain_merge_out_of_memory(
    adapter: Path, model_dir: Path, *, dtype: str
) -> AbstractContextManager[None]:
    """Turn an allocator's error while merging into one that says where the adapter is and how to continue.

    Args:
        adapter: what is merged; it stays.
        model_dir: where the merged model was to go.
        dtype: of the merged weights.

    Raises:
        UserError: instead of the allocator's error.
    """

    def explain(error: BaseException) -> UserError:
        return UserError(
            found=f"this machine's memory is used up while merging: {_first_line(error)}",
            expected=f"room for the whole base model in {dtype}, in bfloat16 16 GB for 8 billion parameters",
            next_step="merge on a machine with more memory:"
            f" python merge.py --adapter {adapter} --model_dir {model_dir};"
            " with merge: false, train.py leaves the adapter alone",
        )

    return _explained(explain)


@contextmanager
def _explained(explain: Callable[[BaseException], UserError]) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise explain(error) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def what_to_lower(
    training: SFTConfig, model: ModelConfig, config: PretrainedConfig, *, max_seq_tokens: int
) -> str:
    """Return the settings that save memory and are not used yet."""
    recipe = vars(training) | vars(model) | {"max_seq_tokens": max_seq_tokens}
    recipe["optim"] = getattr(training.optim, "value", training.optim)
    steps = []
    if training.world_size > 1 and not training.fsdp:
        steps.append(f"fsdp: true (the base model is shared out over {training.world_size} processes)")
    load = Load.of_recipe(recipe, num_gpus=training.world_size)
    try:
        ways = ways_to_save(Shape.of_config(config.to_dict()), load)
    except KeyError:  # a family that names its sizes otherwise
        ways = []
    steps += [f"{text} (saves about {mib:,.0f} MiB)" for text, mib in ways]
    lower = "lower per_device_train_batch_size or max_seq_tokens, or take a machine with more memory"
    return "set " + "; or ".join(steps) if steps else lower
