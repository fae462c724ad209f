"""The completion's loss: on a CPU only the positions whose next token is trained on are scored.

TRL scores labelled tokens alone on CUDA only. On a CPU it scores every token, twice, and measures their
entropy: half the time of a step of the small model. tests/train/test_loss.py proves the losses equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuning.data import IGNORED

if TYPE_CHECKING:
    import torch
    from trl import SFTTrainer


class CompletionLossMixin:
    """Mixed into an SFTTrainer, in front of it: a cheap loss on CPUs, packed tokens counted right on GPUs."""

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
            inputs: input_ids, labels, and attention_mask or (of packed rows) position_ids, each (num_rows,
                num_tokens).
            return_outputs: not supported on CPUs, where nobody asks for it.
            num_items_in_batch: trained tokens of all processes and accumulated batches.
        """
        import torch

        if not self.args.use_cpu or return_outputs:
            num_before = self._total_train_tokens
            loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            self._recount(inputs, num_before)
            return loss
        labels = inputs["labels"]
        is_trained = labels[:, 1:] != IGNORED  # a position predicts the token after it
        # None where there are fillers alone: the loss is zero then, and has a gradient like the others.
        positions = is_trained.any(dim=0).nonzero().flatten()
        places = {name: inputs[name] for name in ("attention_mask", "position_ids") if name in inputs}
        logits = model(
            input_ids=inputs["input_ids"], **places, use_cache=False, logits_to_keep=positions
        ).logits  # (num_rows, num_positions, vocabulary)
        targets = labels[:, positions + 1]
        total = torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        num_trained = is_trained.sum()
        loss = total / (num_trained.clamp(min=1) if num_items_in_batch is None else num_items_in_batch)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # the processes' gradients are averaged
        self._count(inputs, num_trained, (logits.argmax(-1) == targets).sum())
        return loss

    def _count(
        self: SFTTrainer, inputs: dict[str, torch.Tensor], num_trained: torch.Tensor, num_right: torch.Tensor
    ) -> None:
        """Keep TRL's metrics `num_tokens` and `mean_token_accuracy`, over all processes."""
        import torch

        counts = torch.stack([self._num_tokens(inputs), num_trained, num_right])
        num_tokens, trained, right = self.accelerator.reduce(counts, reduction="sum").tolist()
        mode = "train" if self.model.training else "eval"
        if mode == "train":
            self._total_train_tokens += num_tokens
        self._metrics[mode]["num_tokens"] = [self._total_train_tokens]
        self._metrics[mode]["mean_token_accuracy"].append(right / max(trained, 1))

    def _recount(self: SFTTrainer, inputs: dict[str, torch.Tensor], num_before: int) -> None:
        """Correct TRL's count of packed rows: it takes a batch without an attention mask for a single row."""
        if "attention_mask" in inputs or not self.model.training:
            return
        num_tokens = self.accelerator.reduce(self._num_tokens(inputs), reduction="sum").item()
        self._total_train_tokens = num_before + num_tokens
        self._metrics["train"]["num_tokens"] = [self._total_train_tokens]

    def _num_tokens(self: SFTTrainer, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the tokens of a batch without its padding; the rows that fill up a batch are padding."""
        return (inputs["input_ids"] != self.processing_class.pad_token_id).sum()
