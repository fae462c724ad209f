"""The completion's loss: on a CPU only the positions whose next token is trained on are scored.

TRL scores labelled tokens alone on CUDA only. On a CPU it scores every token, twice, and measures their
entropy: half the time of a step of the small model. tests/train/test_loss.py proves the losses equal.
"""

from __future__ import annotations

import torch

from tuning.data import IGNORED


def completion_loss(
    model: torch.nn.Module, inputs: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the sum of the trained tokens' losses in nats, how many there are, and how many are right.

    Args:
        model: a causal language model.
        inputs: input_ids, labels, and attention_mask or (of packed rows) position_ids, each (num_rows,
            num_tokens).
    """
    labels = inputs["labels"]
    is_trained = labels[:, 1:] != IGNORED  # a position predicts the token after it
    # None where there are rows of padding alone: the loss is zero then, and has a gradient like the others.
    positions = is_trained.any(dim=0).nonzero().flatten()
    places = {name: inputs[name] for name in ("attention_mask", "position_ids") if name in inputs}
    logits = model(
        input_ids=inputs["input_ids"], **places, use_cache=False, logits_to_keep=positions
    ).logits  # (num_rows, num_positions, vocabulary)
    targets = labels[:, positions + 1]
    total = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return total, is_trained.sum(), (logits.argmax(-1) == targets).sum()
