"""Attention implementations: where they run, and which keep packed rows apart.

transformers 5.23 finds packed rows by their positions and masks between them (eager, sdpa, flex_attention),
or hands their lengths to FlashAttention's kernels, as long as no attention mask is given. A layer that mixes
tokens otherwise (linear attention, convolutions) is not covered by that, so the model itself is asked before
its first step.

Source: transformers 5.23.0, masking_utils.find_packed_sequence_indices, modeling_flash_attention_utils.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from tuning.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DEFAULT = "sdpa"
MASKING = ("eager", "sdpa", "flex_attention")
FLASH = {  # and the package that each is imported from, where the package `kernels` does not bring it
    "flash_attention_2": "flash_attn",
    "flash_attention_3": "flash_attn_interface",
    "flash_attention_4": "flash_attn",
}


def is_flash(implementation: str | None) -> bool:
    """Return whether an implementation takes the rows of a batch one after the other, without padding."""
    return implementation in FLASH or "/" in (implementation or "")


def check_settings(settings: dict[str, Any]) -> None:
    """Check attention and packing, by name and by what is installed; nothing heavy is imported.

    Args:
        settings: of the recipe and the command line together.

    Raises:
        UserError: for attention that is unknown or cannot run here, and for packing that would cut rows.
    """
    implementation = settings.get("attn_implementation") or DEFAULT
    known = f"one of {', '.join((*MASKING, *FLASH))}, or a kernel's name on the hub (owner/name)"
    if implementation not in MASKING and not is_flash(implementation):
        raise UserError(
            found=f"attn_implementation: {implementation}",
            expected=known,
            next_step=f"set attn_implementation: {DEFAULT}",
        )
    if is_flash(implementation):
        _check_flash(implementation)
    if _is_on(settings, "use_cpu") and implementation not in ("eager", "sdpa"):
        raise UserError(
            found=f"attn_implementation: {implementation} with use_cpu: true",
            expected="eager or sdpa: FlashAttention's kernels and flex_attention's gradient need a GPU",
            next_step=f"set attn_implementation: {DEFAULT}",
        )
    for name in ("padding_free", "eval_packing"):
        if _is_on(settings, name):
            raise UserError(
                found=f"{name}: true",
                expected="packing: true, which leaves no padding in training; validation rows stay single",
                next_step=f"write packing: true instead of {name}",
            )
    strategy = settings.get("packing_strategy", "bfd")
    if _is_on(settings, "packing") and strategy != "bfd":
        raise UserError(
            found=f"packing: true with packing_strategy: {strategy}",
            expected="bfd: the others cut rows in two, and a cut row has lost its article",
            next_step="remove packing_strategy",
        )


def _is_on(settings: dict[str, Any], name: str) -> bool:
    return str(settings.get(name, False)).lower() == "true"


def _check_flash(implementation: str) -> None:
    packages = [*([FLASH[implementation]] if implementation in FLASH else []), "kernels"]
    if not any(importlib.util.find_spec(package) for package in packages):
        raise UserError(
            found=f"attn_implementation: {implementation} without the package {' or '.join(packages)}",
            expected="FlashAttention's kernels, built for this torch and this GPU",
            next_step=f"set attn_implementation: {DEFAULT}, or `pip install kernels`, which brings them",
        )


def require_isolation(model: PreTrainedModel) -> None:
    """Check, before packed rows are trained on, that a row's neighbour changes none of its logits.

    The model reads a short row twice, each time behind another neighbour: the same arithmetic, so that the
    logits are equal bit by bit where attention isolates, in any dtype and in 4 bits.

    Raises:
        UserError: naming the attention implementation.
    """
    import torch

    num_neighbour, num_own = 160, 96  # a multiple of 128: flex_attention has no kernel for a few queries
    vocabulary = model.config.get_text_config().vocab_size
    random = torch.Generator().manual_seed(0)
    neighbours = torch.randint(vocabulary, (2, num_neighbour), generator=random)
    own = torch.randint(vocabulary, (num_own,), generator=random)
    positions = torch.cat([torch.arange(num_neighbour), torch.arange(num_own)])[None]
    device = model.get_input_embeddings().weight.device
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            first, second = (
                model(
                    input_ids=torch.cat([neighbour, own])[None].to(device),
                    position_ids=positions.to(device),
                    use_cache=False,
                ).logits[0, num_neighbour:]
                for neighbour in neighbours
            )
    finally:
        model.train(was_training)
    difference = (first.float() - second.float()).abs().max().item()
    if difference > 1e-3 * first.float().abs().max().item():
        raise UserError(
            found=f"packing: true, and {type(model).__name__} with attn_implementation:"
            f" {model.config._attn_implementation} lets packed rows see each other"
            f" (a logit changes by {difference:.2g} with the neighbour)",
            expected="attention that keeps packed rows apart by their positions",
            next_step="remove packing (train_sampling_strategy: group_by_length saves padding without it), or"
            " try another attn_implementation",
        )
