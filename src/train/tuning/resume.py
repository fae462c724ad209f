"""Where a run begins: at its first step, or after the newest checkpoint that is complete and its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from tuning import checkpointing
from tuning.errors import UserError
from tuning.fingerprint import differences
from tuning.progress import tokens_so_far

if TYPE_CHECKING:
    from trl import SFTConfig

    from tuning.trainer import Trainer

LAST = "last"


def resume_point(training: SFTConfig, fingerprint: dict[str, Any]) -> Path | None:
    """Return the checkpoint that all processes go on from, or None for the beginning.

    The first process decides, since it may have to delete what others would still look at. Each further
    machine then reads its own copy, or the folder that all of them share.

    Args:
        training: with `resume_from_checkpoint`: None, "last" or a checkpoint's folder.
        fingerprint: of this run; only the first process's counts.

    Raises:
        UserError: on all processes, for a checkpoint of another run, one that a machine does not have, or a
            named one that is not complete.
    """
    from accelerate.utils import broadcast_object_list, gather_object

    answer: list[Any] = [None, None]
    if training.process_index == 0:
        try:
            answer[0] = choose(
                Path(training.output_dir),
                # Workers that torchrun started again go on in any case.
                LAST if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) else _wanted(training),
                fingerprint,
                saves=training.save_strategy != "no",
            )
        except UserError as error:
            answer[1] = error
    chosen, error = broadcast_object_list(answer)
    if error is not None:
        raise error
    if wrong := [each for each in gather_object([_wrong_on_this_machine(chosen, training)]) if each]:
        raise UserError(
            found="; ".join(wrong),
            expected="an output_dir that all machines share, or one that was copied to all of them",
            next_step="copy it, or give another output_dir to start over",
        )
    return chosen


def _wrong_on_this_machine(chosen: Path | None, training: SFTConfig) -> str | None:
    """Return why a machine cannot read what the first one chose, once for each machine."""
    if chosen is None or training.process_index == 0 or training.local_process_index != 0:
        return None
    reason = checkpointing.what_is_wrong(chosen)
    return f"{chosen} on the machine of process {training.process_index}: {reason}" if reason else None


def _wanted(training: SFTConfig) -> str | None:
    wanted = training.resume_from_checkpoint
    return None if wanted in (None, False, "", "false", "False") else str(wanted)


def choose(output_dir: Path, wanted: str | None, fingerprint: dict[str, Any], *, saves: bool) -> Path | None:
    """Return the checkpoint to go on from, and print what was skipped and why.

    Args:
        output_dir: where the run keeps its checkpoints.
        wanted: None, "last" or a checkpoint's folder.
        fingerprint: of this run.
        saves: whether this run writes checkpoints at intervals.

    Raises:
        UserError: see `resume_point`.
    """
    if wanted is None:
        if saves and (there := checkpointing.last_complete(output_dir)):
            # The new run's rotation would delete its own first ones, which have lower numbers.
            raise UserError(
                found=f"{there} of an earlier run",
                expected="an output_dir without checkpoints, or resume_from_checkpoint: last",
                next_step="give another output_dir, delete that one, or set resume_from_checkpoint: last",
            )
        return None
    if wanted == LAST:
        for name, reason in checkpointing.remove_incomplete(output_dir).items():
            print(f"skipped and removed {name}: {reason}", flush=True)
        chosen = checkpointing.last_complete(output_dir)
    else:
        chosen = Path(wanted)
        if reason := checkpointing.what_is_wrong(chosen):
            raise UserError(
                found=f"the checkpoint {chosen}, which is not complete: {reason}",
                expected="a checkpoint of this script, written to its end",
                next_step="set resume_from_checkpoint: last to take the newest complete one",
            )
    if chosen is None:
        return None
    theirs = checkpointing.fingerprint_of(chosen)
    if different := differences(theirs, fingerprint):
        raise UserError(
            found=f"{chosen} of another run: " + "; ".join(different),
            expected="the same base model, training data, recipe and rows a step",
            next_step="set them as they were, or give another output_dir to start over",
        )
    print(f"resuming from {chosen}", flush=True)
    if theirs["num_processes"] != fingerprint["num_processes"]:
        print(
            f"written by {theirs['num_processes']} processes, read by {fingerprint['num_processes']}:"
            " the same rows a step, but other random numbers for dropout",
            flush=True,
        )
    return chosen


class GoOn(TrainerCallback):
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
