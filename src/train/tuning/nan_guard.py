"""Stop where a loss or a gradient is not a number, before it ruins the adapter, and keep the rows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.data import IGNORED
from tuning.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase
    from trl import SFTTrainer


class FiniteMixin:
    """Mixed into an SFTTrainer, in front of it, checks each loss and each gradient on all processes.

    All processes learn of it in the same step and stop together: none waits for one that is gone. Without
    this, transformers shows the average of earlier losses instead and goes on with weights of NaN.
    """

    _batches_of_step: list[dict[str, torch.Tensor]]

    def compute_loss(
        self: SFTTrainer,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return the loss of the class behind this one.

        Raises:
            UserError: on all processes, when the loss of one is not finite.
        """
        batch = dict(inputs)  # TRL adds keys of its own
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if not self.model.training:
            return loss
        import torch

        self._batches_of_step = [*getattr(self, "_batches_of_step", ()), batch]
        bad = torch.zeros(self.accelerator.num_processes, device=loss.device)
        bad[self.accelerator.process_index] = not torch.isfinite(loss.detach())
        ranks = self.accelerator.reduce(bad, reduction="sum").nonzero().flatten().tolist()
        if ranks:
            self._stop_with("loss", [batch], ranks)
        return loss

    def _get_grad_norm(self: SFTTrainer, model: torch.nn.Module, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        value = float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
        # float16's scaler meets infinite gradients as a matter of course, and skips the step.
        if not math.isfinite(value) and self.accelerator.scaler is None:
            self._stop_with("gradient", self._batches_of_step, range(self.accelerator.num_processes))
        self._batches_of_step = []
        return norm

    def _stop_with(self: SFTTrainer, what: str, batches: list[dict[str, torch.Tensor]], ranks) -> None:
        step = self.state.global_step + 1
        paths = [
            Path(self.args.output_dir) / f"not-finite-{what}-step-{step}-process-{rank}.jsonl"
            for rank in ranks
        ]
        own = self.accelerator.process_index
        if own in ranks:
            write_rows(batches, self.processing_class, paths[list(ranks).index(own)])
        self.accelerator.wait_for_everyone()
        raise UserError(
            found=f"a {what} that is not a finite number in step {step}; its rows are kept in"
            f" {', '.join(map(str, paths))}",
            expected="finite numbers; the weights are still those of the step before",
            next_step="look at these rows; if they are sound, lower learning_rate or max_grad_norm"
            ", or set warmup_steps, and start again from the last checkpoint",
        )


def write_rows(
    batches: list[dict[str, torch.Tensor]], tokenizer: PreTrainedTokenizerBase, path: Path
) -> None:
    """Write the rows of batches as JSON lines: their text, its trained part, input_ids and labels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for batch in batches:
            for ids, labels in _rows(batch):
                trained = [label for label in labels if label != IGNORED]
                row = {"text": tokenizer.decode(ids), "trained": tokenizer.decode(trained)}
                file.write(json.dumps(row | {"input_ids": ids, "labels": labels}, ensure_ascii=False) + "\n")


def _rows(batch: dict[str, torch.Tensor]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the ids and labels of each row, packed rows one by one, fillers and padding left out."""
    import torch

    for number in range(len(batch["input_ids"])):
        ids, labels = batch["input_ids"][number], batch["labels"][number]
        if "position_ids" in batch:
            begins = (batch["position_ids"][number] == 0).nonzero().flatten().tolist()
        else:
            begins = [0]
            length = int(batch["attention_mask"][number].sum())
            ids, labels = ids[:length], labels[:length]
        for part_ids, part_labels in zip(
            torch.tensor_split(ids.cpu(), begins[1:]),
            torch.tensor_split(labels.cpu(), begins[1:]),
            strict=True,
        ):
            if (part_labels != IGNORED).any():
                yield part_ids.tolist(), part_labels.tolist()
