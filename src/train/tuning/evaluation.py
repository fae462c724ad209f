"""Evaluation: the loss of a trained token on data that is not trained on, with nothing left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from tuning.data import IGNORED
from tuning.packing import row_lengths
from tuning.sampling import EpochSampler
from tuning.stopping import EvaluationStopped

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers.trainer_utils import EvalLoopOutput
    from trl import SFTTrainer


class EvaluationMixin:
    """Mixed into an SFTTrainer, in front of it, takes the mean over all trained tokens.

    transformers averages the batches' means, leaves out those that are not finite, and has accelerate repeat
    rows in an uneven last batch: its loss depends on the batch size and the number of processes.

    The evaluation data must have a filler as its last row (`tuning.sampling.with_filler`).
    """

    _loss_sum: float  # of this process, in nats
    _num_trained: int

    def evaluate(self: SFTTrainer, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate without a trace in the random numbers: dropout goes on as if nothing had been evaluated.

        A run that was killed before its evaluation then equals one that was not.
        """
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        try:
            with torch.random.fork_rng(devices=devices):
                return super().evaluate(*args, **kwargs)
        except EvaluationStopped:
            self._metrics["eval"].clear()
            name = self.args.metric_for_best_model
            return {name if name.startswith("eval_") else f"eval_{name}": float("nan")} if name else {}

    def evaluation_loop(self: SFTTrainer, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """Return what transformers does, with the loss in nats per trained token of all processes."""
        self._loss_sum, self._num_trained = 0.0, 0
        output = super().evaluation_loop(*args, **kwargs)
        device = self.args.device
        exact = torch.float32 if device.type == "mps" else torch.float64
        sums = torch.tensor([self._loss_sum, self._num_trained], dtype=exact, device=device)
        loss, num_trained = self.accelerator.reduce(sums, reduction="sum").tolist()
        name = f"{kwargs.get('metric_key_prefix', 'eval')}_loss"
        output.metrics[name] = loss / num_trained if num_trained else float("nan")
        return output

    def prediction_step(self: SFTTrainer, model: torch.nn.Module, inputs: dict[str, Any], *args, **kwargs):
        """Return what TRL does, and add its loss up."""
        num_trained = int((inputs["labels"][:, 1:] != IGNORED).sum())
        loss, *rest = super().prediction_step(model, inputs, *args, **kwargs)
        if num_trained:  # with fillers alone some losses are no number
            self._loss_sum += float(loss) * num_trained
            self._num_trained += num_trained
        return loss, *rest

    def _get_eval_sampler(self: SFTTrainer, eval_dataset: Dataset) -> EpochSampler:
        """Keep the rows in their order, and fill up the last batch of all processes."""
        rows_per_batch = self.args.eval_batch_size * self.args.world_size
        return EpochSampler(
            row_lengths(eval_dataset)[:-1],
            rows_per_batch=rows_per_batch,
            rows_per_step=rows_per_batch,
            strategy="sequential",
        )
