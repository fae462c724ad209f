"""End a run whose loss or gradient is not a number, before it ruins the adapter, and keep the rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tuning.data import IGNORED
from tuning.errors import UserError

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from transformers import PreTrainedTokenizerBase, Trainer


def ranks_of_bad(loss: torch.Tensor, accelerator: Accelerator) -> list[int]:
    """Return the processes whose loss is not finite, on all processes the same.

    All of them learn of it in the same step and stop together: none waits for one that is gone. Without this,
    transformers shows the average of earlier losses instead and trains on with weights of NaN.
    """
    import torch

    bad = torch.zeros(accelerator.num_processes, device=loss.device)
    bad[accelerator.process_index] = not torch.isfinite(loss.detach())
    return accelerator.reduce(bad, reduction="sum").nonzero().flatten().tolist()


def end_run(
    trainer: Trainer, what: str, batches: list[dict[str, torch.Tensor]], ranks: Sequence[int]
) -> NoReturn:
    """Write the rows of the processes at fault, then end the run on all processes.

    Args:
        trainer: of the run.
        what: "loss" or "gradient".
        batches: of this process, written when it is one of `ranks`.
        ranks: the processes whose rows are kept.

    Raises:
        UserError: always.
    """
    step = trainer.state.global_step + 1
    output_dir = Path(trainer.args.output_dir)
    paths = {rank: output_dir / f"not-finite-{what}-step-{step}-process-{rank}.jsonl" for rank in ranks}
    own = trainer.accelerator.process_index
    if own in paths:
        write_rows(batches, trainer.processing_class, paths[own])
    trainer.accelerator.wait_for_everyone()
    raise UserError(
        found=f"a {what} that is not a finite number in step {step}; its rows are kept in"
        f" {', '.join(map(str, paths.values()))}",
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
    """Yield the ids and labels of each row, packed rows one by one, padding left out."""
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
