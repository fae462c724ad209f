"""The trainer of a run: TRL's, with what this script does otherwise in the order in which a run calls it."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback, trainer_callback
from trl import ModelConfig, SFTConfig, SFTTrainer, get_peft_config

from tuning import checkpointing, nan_guard
from tuning.attention import is_flash, require_isolation
from tuning.data import IGNORED
from tuning.errors import disk_full, is_disk_full
from tuning.fsdp import require_sharded, shard_on_cpus, wrapped_layers
from tuning.lora_product import use_one_product
from tuning.loss import completion_loss
from tuning.model import precision, require_float32_adapter
from tuning.packing import SeparateRows, row_lengths
from tuning.progress import LogBeforeSave, PrintProgress, say, tokens_so_far
from tuning.sampling import EpochSampler, padding_shares, train_sampler, with_padding_row
from tuning.stopping import EvaluationStopped, StopInTime

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.trainer_utils import EvalLoopOutput


class Trainer(SFTTrainer):
    """SFTTrainer that shards on CPUs, is fast there, and marks checkpoints when they are complete.

    The first process writes a checkpoint alone, whatever machine the others are on. Every trained token of a
    step weighs the same, and a step that is not finite ends the run.

    Args:
        base: the base model; the adapter is put on it here.
        model: the settings of the adapter and of attention.
        training: the settings of the training.
        tokenizer: with a pad token of its own.
        train_data: of `tuning.data.tokenize`, packed or not.
        validation_data: the same, never packed; None to evaluate on nothing.
        stop: the callback that may end the training early.
        fingerprint: written into every checkpoint: what a run that resumes from it must have in common.

    Attributes:
        stop: its `reason` says why training ended early.
        epoch_sampler: of the training rows.
        padding: the share of padding in the first epoch, as it is and as single rows in random order have it.
        num_tokens_before: trained on before this run resumed from a checkpoint.
    """

    epoch_sampler: EpochSampler
    padding: dict[str, float]

    def __init__(
        self,
        base: PreTrainedModel,
        model: ModelConfig,
        training: SFTConfig,
        tokenizer: PreTrainedTokenizerBase,
        train_data: Dataset,
        validation_data: Dataset | None = None,
        *,
        stop: StopInTime,
        fingerprint: dict[str, Any],
    ) -> None:
        self.stop = stop
        self.num_tokens_before = 0
        self._fingerprint = fingerprint
        self._batches_of_step: list[dict[str, torch.Tensor]] = []
        self._loss_sum, self._num_trained = 0.0, 0  # of an evaluation, in this process; in nats
        self._saved_step: int | None = None
        if training.packing:
            require_isolation(base)
        training.dataset_kwargs = {"skip_prepare_dataset": True}  # the rows are tokenised and packed already
        pad = {"pad_token_id": tokenizer.pad_token_id}
        super().__init__(
            model=base,
            args=training,
            train_dataset=with_padding_row(train_data, **pad),
            eval_dataset=with_padding_row(validation_data, **pad) if validation_data else None,
            processing_class=tokenizer,
            peft_config=get_peft_config(model),
            callbacks=[stop, LogBeforeSave()],
        )
        if training.packing and not is_flash(model.attn_implementation):
            self.data_collator = SeparateRows(**pad, pad_to_multiple_of=training.pad_to_multiple_of)
        require_float32_adapter(self.model)
        if training.use_cpu:
            use_one_product(self.model)
        if self.is_world_process_zero():
            say("precision", **precision(self.model))
        self.add_callback(ResumeCallback(self))
        self.add_callback(PrintProgress())
        self.remove_callback(trainer_callback.PrinterCallback)
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        # The adapter, and two moments for each of its weights.
        stop.estimate.checkpoint_bytes = 3 * sum(each.numel() * each.element_size() for each in trained)

    def create_accelerator_and_postprocess(self) -> None:
        """Create the accelerator, with the FSDP plugin that it leaves out on CPUs."""
        super().create_accelerator_and_postprocess()
        if self.args.fsdp_plugin_args is not None and not self.is_fsdp_enabled:
            shard_on_cpus(self.args.fsdp_plugin_args)
            self.is_fsdp_enabled = True

    def train(self, resume_from_checkpoint: Path | str | None = None, **kwargs: Any) -> Any:
        """Train, from a complete checkpoint or from the beginning.

        Args:
            resume_from_checkpoint: of `tuning.checkpointing.resume_point`.
            **kwargs: of transformers.

        Raises:
            UserError: when the disk fills up while a checkpoint is written; the one before stays.
        """
        if self.is_fsdp_enabled:
            self.add_callback(_CheckSharding(self))
        try:
            checkpoint = str(resume_from_checkpoint) if resume_from_checkpoint else None
            return super().train(resume_from_checkpoint=checkpoint, **kwargs)
        except Exception as error:
            if is_disk_full(error):
                output_dir = Path(self.args.output_dir)
                if self.is_world_process_zero():
                    checkpointing.remove_incomplete(output_dir)
                raise disk_full(output_dir) from error
            raise

    # The rows of a step

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> EpochSampler:
        """Order the rows, and fill up the last batch of all processes with the row of padding."""
        data = self.train_dataset
        self.epoch_sampler = train_sampler(data, self.args)
        self.padding = padding_shares(data, self.args, self.epoch_sampler)
        if self.is_world_process_zero():
            rows_per_step = self.epoch_sampler.rows_per_step
            say("batches", num_rows=len(data) - 1, rows_per_step=rows_per_step, padding=self.padding)
        return self.epoch_sampler

    # Its loss

    def compute_loss(
        self,
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
            return_outputs: TRL's loss on CPUs too, with its outputs.
            num_items_in_batch: trained tokens of all processes and accumulated batches.

        Raises:
            UserError: on all processes, when the loss of one is not finite in training.
        """
        batch = dict(inputs)  # TRL adds keys of its own
        if self.args.use_cpu and not return_outputs:
            total, num_trained, num_right = completion_loss(model, inputs)
            loss = total / (num_trained.clamp(min=1) if num_items_in_batch is None else num_items_in_batch)
            if self.args.average_tokens_across_devices and num_items_in_batch is not None:
                loss = loss * self.accelerator.num_processes  # the processes' gradients are averaged
            self._count(inputs, num_trained, num_right)
        else:
            num_before = self._total_train_tokens
            loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            self._recount(inputs, num_before)
        if self.model.training:
            self._batches_of_step.append(batch)
            if ranks := nan_guard.ranks_of_bad(loss, self.accelerator):
                nan_guard.end_run(self, "loss", [batch], ranks)
        return loss

    def _count(
        self, inputs: dict[str, torch.Tensor], num_trained: torch.Tensor, num_right: torch.Tensor
    ) -> None:
        """Keep TRL's metrics `num_tokens` and `mean_token_accuracy`, over all processes."""
        counts = torch.stack([self._num_tokens(inputs), num_trained, num_right])
        num_tokens, trained, right = self.accelerator.reduce(counts, reduction="sum").tolist()
        mode = "train" if self.model.training else "eval"
        if mode == "train":
            self._total_train_tokens += num_tokens
        self._metrics[mode]["num_tokens"] = [self._total_train_tokens]
        self._metrics[mode]["mean_token_accuracy"].append(right / max(trained, 1))

    def _recount(self, inputs: dict[str, torch.Tensor], num_before: int) -> None:
        """Correct TRL's count of packed rows: it takes a batch without an attention mask for a single row."""
        if "attention_mask" in inputs or not self.model.training:
            return
        num_tokens = self.accelerator.reduce(self._num_tokens(inputs), reduction="sum").item()
        self._total_train_tokens = num_before + num_tokens
        self._metrics["train"]["num_tokens"] = [self._total_train_tokens]

    def _num_tokens(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the tokens of a batch without its padding; the rows that fill up a batch are padding."""
        return (inputs["input_ids"] != self.processing_class.pad_token_id).sum()

    # Its gradient

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Any = None) -> Any:
        """Return the gradient's norm, and end the run before the optimizer's step if it is not finite."""
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        value = float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
        # float16's scaler meets infinite gradients as a matter of course, and skips the step.
        if not math.isfinite(value) and self.accelerator.scaler is None:
            ranks = range(self.accelerator.num_processes)
            nan_guard.end_run(self, "gradient", self._batches_of_step, ranks)
        self._batches_of_step = []
        return norm

    # Evaluation: the loss of a trained token, with nothing left behind

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate without a trace in the random numbers: dropout continues as if nothing had been evaluated.

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

    def _get_eval_sampler(self, eval_dataset: Dataset) -> EpochSampler:
        """Keep the rows in their order, and fill up the last batch of all processes."""
        rows_per_batch = self.args.eval_batch_size * self.args.world_size
        return EpochSampler(
            row_lengths(eval_dataset)[:-1],
            rows_per_batch=rows_per_batch,
            rows_per_step=rows_per_batch,
            strategy="sequential",
        )

    def prediction_step(self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any):
        """Return what TRL does, and add its loss up."""
        num_trained = int((inputs["labels"][:, 1:] != IGNORED).sum())
        loss, *rest = super().prediction_step(model, inputs, *args, **kwargs)
        if num_trained:  # with rows of padding alone some losses are not a number
            self._loss_sum += float(loss) * num_trained
            self._num_trained += num_trained
        return loss, *rest

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """Return what transformers does, with the loss in nats per trained token of all processes.

        transformers averages the batches' means, leaves out those that are not finite, and has accelerate
        repeat rows in an uneven last batch: its loss depends on the batch size and the number of processes.
        """
        self._loss_sum, self._num_trained = 0.0, 0
        output = super().evaluation_loop(*args, **kwargs)
        device = self.args.device
        exact = torch.float32 if device.type == "mps" else torch.float64
        sums = torch.tensor([self._loss_sum, self._num_trained], dtype=exact, device=device)
        loss, num_trained = self.accelerator.reduce(sums, reduction="sum").tolist()
        name = f"{kwargs.get('metric_key_prefix', 'eval')}_loss"
        output.metrics[name] = loss / num_trained if num_trained else float("nan")
        return output

    # Saving

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Save a checkpoint, mark it complete, and only then delete older ones."""
        step, output_dir = self.state.global_step, Path(self.args.output_dir)
        if step == self._saved_step:  # by its interval first, then by a stop in the evaluation after it
            return
        began = time.monotonic()
        checkpoint = output_dir / f"checkpoint-{step}"
        if self.is_world_process_zero():
            (checkpoint / checkpointing.MARKER).unlink(missing_ok=True)
        # Old checkpoints go when the new one is complete, not before.
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        super()._save_checkpoint(model, trial)
        self.args.save_total_limit = limit
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            checkpointing.mark_complete(checkpoint, self._fingerprint)
            checkpointing.keep_newest(output_dir, limit)
        self._saved_step = step
        estimate = self.stop.estimate
        estimate.slowest_save_s = max(estimate.slowest_save_s, time.monotonic() - began)

    def _save_rng_state(self, output_dir: str) -> None:
        """Let the first process write every process's random state.

        transformers lets each process write its own file. Those of other machines would lie on their disks,
        beside the checkpoint's marker: after a resume dropout would silently use other numbers.
        """
        from accelerate.utils import gather_object

        with tempfile.TemporaryDirectory() as folder:
            super()._save_rng_state(folder)
            own = [(file.name, file.read_bytes()) for file in Path(folder).iterdir()]
        everyones = gather_object(own)
        if self.is_world_process_zero():
            Path(output_dir).mkdir(parents=True, exist_ok=True)
            for name, state in everyones:
                (Path(output_dir) / name).write_bytes(state)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write no model card: it would name the machine's folders."""


class ResumeCallback(TrainerCallback):
    """Restore what transformers and TRL leave out when they resume.

    Args:
        trainer: of this run.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Restore the count of tokens and the intervals; make up for an evaluation that was cut off."""
        self._trainer.num_tokens_before = tokens_so_far(state.log_history)
        self._trainer._total_train_tokens = self._trainer.num_tokens_before
        # The state of the checkpoint brings the intervals of the run that wrote it.
        state.compute_steps(args, state.max_steps)
        self._eval_on_start = args.eval_on_start
        if state.global_step:  # what the recipe says of the start is about the first step
            args.eval_on_start = evaluation_is_missing(args, state)

    def on_epoch_begin(self, args, state, control, **kwargs) -> None:
        """Choose the order of the epoch: accelerate does not reach a sampler below batches that it skips."""
        self._trainer.epoch_sampler.set_epoch(int(state.epoch + 1e-6))

    def on_train_end(self, args, state, control, **kwargs) -> None:
        """Leave the settings as the recipe has them: they are saved with the result."""
        args.eval_on_start = self._eval_on_start


def evaluation_is_missing(args: SFTConfig, state: Any) -> bool:
    """Return whether the step of a checkpoint should have been evaluated and was not.

    At the end of an epoch the checkpoint is written first; a run that was stopped does not evaluate at all.
    """
    strategy = getattr(args.eval_strategy, "value", args.eval_strategy)
    done = any("eval_loss" in entry and entry["step"] == state.global_step for entry in state.log_history)
    if strategy == "no" or done or not state.global_step:
        return False
    is_last = state.global_step >= state.max_steps
    if strategy == "steps":
        return is_last or state.global_step % state.eval_steps == 0
    return is_last or float(state.epoch).is_integer()


class _CheckSharding(TrainerCallback):
    """Check on every process, once the model has been wrapped, that FSDP shards every parameter.

    At the start: an evaluation leaves FSDP's outermost module whole.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        model = self._trainer.model_wrapped
        num_parameters = require_sharded(model)
        if state.is_world_process_zero:
            say("sharded", num_parameters=num_parameters, layers=wrapped_layers(model))
