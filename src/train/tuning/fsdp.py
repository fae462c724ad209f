"""Shard with FSDP2 on CPUs as on GPUs.

accelerate 1.15 honours its FSDP plugin for accelerator backends only: with gloo it silently trains with DDP
instead. torch's `fully_shard` itself works over gloo, so the plugin is handed to accelerate's state after it
has been made. This is the only place that touches accelerate's internals; tests/train/test_fsdp.py proves
that every parameter is a DTensor and that the losses equal those of one process.
"""

from __future__ import annotations

from typing import Any


def shard_on_cpus(plugin_args: dict[str, Any]) -> None:
    """Set the FSDP plugin in accelerate's state, where accelerate left it out.

    Args:
        plugin_args: `fsdp_plugin_args` of the settings.
    """
    from accelerate.state import AcceleratorState, PartialState
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    plugin = FullyShardedDataParallelPlugin(**plugin_args)
    # Parameters keep their dtype: mixed precision would cast the 4-bit storage as if it held numbers.
    for state in (AcceleratorState._shared_state, PartialState._shared_state):
        state["distributed_type"] = DistributedType.FSDP
    AcceleratorState._shared_state["fsdp_plugin"] = plugin


def require_sharded(model) -> int:
    """Check that every parameter of a prepared model is sharded, and return how many parameters there are.

    Raises:
        RuntimeError: naming the first parameter that every process holds whole.
    """
    from torch.distributed.tensor import DTensor

    parameters = dict(model.named_parameters())
    whole = [name for name, parameter in parameters.items() if not isinstance(parameter, DTensor)]
    if whole:
        raise RuntimeError(
            f"{len(whole)} of {len(parameters)} parameters are not sharded by FSDP, first: {whole[0]}"
        )
    return len(parameters)


def wrapped_layers(model) -> dict[str, int]:
    """Return the decoder layers that FSDP gathers one at a time: class -> how many.

    Raises:
        RuntimeError: when only the whole model is wrapped: every process would hold all of it in each step.
    """
    from torch.distributed.fsdp import FSDPModule

    classes = (type(module).__mro__ for module in model.modules() if isinstance(module, FSDPModule))
    # fully_shard makes a class FSDP<name> of each class that it wraps, derived from both.
    names = [mro[2].__name__ for mro in classes]
    layers = {name: names.count(name) for name in sorted(set(names)) if name.endswith("Layer")}
    if not layers:
        raise RuntimeError(f"FSDP wraps {', '.join(sorted(set(names)))} and no decoder layer of its own")
    return layers
