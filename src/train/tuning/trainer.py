"""The trainer of a run, and its training from a checkpoint or from the beginning."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, trainer_callback
from trl import ModelConfig, SFTConfig, SFTTrainer, get_peft_config

from tuning import checkpointing
from tuning.arguments import ScriptArguments
from tuning.attention import is_flash, require_isolation
from tuning.errors import disk_full, is_disk_full
from tuning.evaluation import EvaluationMixin
from tuning.fsdp import CpuShardingMixin, require_sharded, wrapped_layers
from tuning.lora_product import use_one_product
from tuning.loss import CompletionLossMixin
from tuning.model import load_model, precision, require_float32_adapter
from tuning.nan_guard import FiniteMixin
from tuning.packing import SeparateRows
from tuning.progress import LogBeforeSave, PrintProgress, say, tokens_so_far
from tuning.random_state import RandomStateMixin
from tuning.sampling import EvenBatchesMixin, with_filler
from tuning.stopping import ShutdownEstimate, StopInTime


class Trainer(
    CpuShardingMixin,
    RandomStateMixin,
    EvenBatchesMixin,
    EvaluationMixin,
    FiniteMixin,
    CompletionLossMixin,
    SFTTrainer,
):
    """SFTTrainer that shards on CPUs, is fast there, and marks checkpoints when they are complete.

    The first process writes a checkpoint alone, whatever machine the others are on. Every trained token of a
    step weighs the same, and a step that is not finite ends the run.

    Attributes:
        fingerprint: what a run that goes on from a checkpoint must have in common with this one.
        estimate: told how long a checkpoint takes.
        num_tokens_before: trained on before this run went on from a checkpoint.
    """

    fingerprint: dict[str, Any]
    estimate: ShutdownEstimate
    num_tokens_before: int = 0
    _saved_step: int | None = None

    def create_model_card(self, *args, **kwargs) -> None:
        """Write no model card: it would name the machine's folders."""

    def _save_checkpoint(self, model, trial) -> None:
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
            checkpointing.mark_complete(checkpoint, self.fingerprint)
            checkpointing.keep_newest(output_dir, limit)
        self._saved_step = step
        self.estimate.slowest_save_s = max(self.estimate.slowest_save_s, time.monotonic() - began)


def build_trainer(
    script: ScriptArguments,
    training: SFTConfig,
    model: ModelConfig,
    tokenizer,
    train_data,
    validation_data,
    *,
    fingerprint: dict[str, Any],
    launched_at: float,
) -> tuple[Trainer, StopInTime]:
    """Return the trainer, ready to train, and the callback that may stop it early.

    Args:
        fingerprint: written into every checkpoint.
        launched_at: seconds since the epoch, where `time_limit_s` begins.
    """
    began = time.monotonic()
    base = load_model(model, on_cpu=training.use_cpu)
    estimate = ShutdownEstimate(
        load_s=time.monotonic() - began,
        merged_bytes=2 * base.num_parameters(),
        checkpoint_bytes=0,
        merges=script.merge,
    )
    stop = StopInTime(
        estimate,
        launched_at=launched_at,
        time_limit_s=script.time_limit_s,
        max_steps_per_launch=script.max_steps_per_launch,
    )
    if training.packing:
        require_isolation(base)
    training.dataset_kwargs = {"skip_prepare_dataset": True}  # the rows are tokenised and packed already
    pad = {"pad_token_id": tokenizer.pad_token_id}
    trainer = Trainer(
        model=base,
        args=training,
        train_dataset=with_filler(train_data, **pad),
        eval_dataset=with_filler(validation_data, **pad) if validation_data else None,
        processing_class=tokenizer,
        peft_config=get_peft_config(model),
        callbacks=[stop, LogBeforeSave()],
    )
    if training.packing and not is_flash(model.attn_implementation):
        trainer.data_collator = SeparateRows(
            pad_token_id=tokenizer.pad_token_id, pad_to_multiple_of=training.pad_to_multiple_of
        )
    require_float32_adapter(trainer.model)
    if training.use_cpu:
        use_one_product(trainer.model)
    if trainer.is_world_process_zero():
        say("precision", **precision(trainer.model))
    trainer.add_callback(ResumeCallback(trainer))
    trainer.add_callback(PrintProgress())
    trainer.fingerprint, trainer.estimate = fingerprint, estimate
    trained = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    # The adapter, and two moments for each of its weights.
    estimate.checkpoint_bytes = 3 * sum(parameter.numel() * parameter.element_size() for parameter in trained)
    trainer.remove_callback(trainer_callback.PrinterCallback)
    return trainer, stop


def train(trainer: Trainer, checkpoint: Path | None) -> None:
    """Train, from a complete checkpoint or from the beginning.

    Args:
        checkpoint: of `tuning.resume.resume_point`.

    Raises:
        UserError: when the disk fills up while a checkpoint is written; the one before stays.
    """
    output_dir = Path(trainer.args.output_dir)
    if trainer.is_fsdp_enabled:
        trainer.add_callback(_CheckSharding(trainer))
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except Exception as error:
        if is_disk_full(error):
            if trainer.is_world_process_zero():
                checkpointing.remove_incomplete(output_dir)
            raise disk_full(output_dir) from error
        raise


def check_sharding(trainer: Trainer) -> None:
    """Check on every process that FSDP shards every parameter; one process prints how many there are."""
    num_parameters = require_sharded(trainer.model_wrapped)
    if trainer.is_world_process_zero():
        say("sharded", num_parameters=num_parameters, layers=wrapped_layers(trainer.model_wrapped))


class _CheckSharding(TrainerCallback):
    """Check once, when the model has been wrapped: an evaluation leaves FSDP's outermost module whole."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        check_sharding(self._trainer)


class ResumeCallback(TrainerCallback):
    """Restore what transformers and TRL leave out when they resume.

    Args:
        trainer: of this run.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Go on counting tokens, keep to this run's intervals, make up for an evaluation that was cut off."""
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
