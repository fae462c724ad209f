"""The loss on a CPU: only the positions whose next token is trained on go through the output layer.

TRL scores labelled tokens alone on CUDA only. On a CPU it scores every token, twice, and measures their
entropy: half the time of a step of the small model. tests/train/test_loss.py proves the losses equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuning.data import IGNORED

if TYPE_CHECKING:
    import torch
    from trl import SFTTrainer


class CpuLossMixin:
    """Mixed into an SFTTrainer, in front of it, computes the completion's loss cheaply on CPUs."""

    def compute_loss(
        self: SFTTrainer,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return the mean loss in nats per trained token of all processes; elsewhere than on CPUs, TRL's.

        Args:
            model: the prepared model.
            inputs: input_ids, attention_mask and labels, each (num_rows, num_tokens).
            return_outputs: not supported on CPUs, where nobody asks for it.
            num_items_in_batch: trained tokens of all processes and accumulated batches.
        """
        import torch

        if not self.args.use_cpu or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs["labels"]
        is_trained = labels != IGNORED
        first = int(is_trained.any(dim=0).nonzero()[0])  # the earliest trained column of the batch
        positions = torch.arange(first - 1, labels.shape[1] - 1)  # a position predicts the token after it
        logits = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            use_cache=False,
            logits_to_keep=positions,
        ).logits  # (num_rows, num_positions, vocabulary)
        targets = labels[:, first:]
        total = torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        num_trained = is_trained.sum()
        loss = total / (num_trained if num_items_in_batch is None else num_items_in_batch)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # the processes' gradients are averaged
        self._count(inputs, num_trained, (logits.argmax(-1) == targets).sum())
        return loss

    def _count(
        self: SFTTrainer, inputs: dict[str, torch.Tensor], num_trained: torch.Tensor, num_right: torch.Tensor
    ) -> None:
        """Keep TRL's metrics `num_tokens` and `mean_token_accuracy`, over all processes."""
        import torch

        counts = torch.stack([inputs["attention_mask"].sum(), num_trained, num_right])
        num_tokens, trained, right = self.accelerator.reduce(counts, reduction="sum").tolist()
        mode = "train" if self.model.training else "eval"
        if mode == "train":
            self._total_train_tokens += num_tokens
        self._metrics[mode]["num_tokens"] = [self._total_train_tokens]
        self._metrics[mode]["mean_token_accuracy"].append(right / max(trained, 1))
