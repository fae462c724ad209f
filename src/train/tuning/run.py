"""One training run from settings to artifact."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from tuning import checkpoints
from tuning.arguments import ScriptArguments, is_fsdp_key
from tuning.errors import UserError

if TYPE_CHECKING:
    from trl import ModelConfig, SFTConfig, SFTTrainer

    from tuning.progress import Phases
    from tuning.stopping import StopInTime

# Whole words: max_seq_tokens is none.
_SECRET = re.compile(r"(?<![a-z])(token|secret|password|key)(?![a-z])")
EXIT_TERMINATED = 143  # 128 + SIGTERM, as shells report it


def run(argv: list[str], recipe: str | None, *, started: float) -> NoReturn:
    """Train, save, merge, and end the process.

    Args:
        argv: command line, already checked by `tuning.arguments.check`.
        recipe: path of the recipe, or None.
        started: `time.time()` at launch, so that start-up and imports are counted too.

    Raises:
        UserError: for anything a person can mend.
    """
    silence_known_warnings()
    import torch
    import transformers
    from trl import SFTTrainer  # noqa: F401  the import that costs most belongs to the phase "imports"

    from tuning.data import read_rows, tokenize
    from tuning.model import check_combination, check_model_folder, load_tokenizer
    from tuning.progress import Phases

    phases = Phases(started)
    script, training, model = parse(argv, recipe)
    num_processes = int(os.environ.get("WORLD_SIZE", "1"))
    check_model_folder(model.model_name_or_path)
    check_combination(model, training, num_processes=num_processes)
    is_main = training.process_index == 0
    transformers.utils.logging.disable_progress_bar()
    transformers.set_seed(training.seed)
    phases.end("imports", show=is_main)

    train_rows = read_rows(script.train_data, name="train_data", max_rows=script.max_train_rows)
    evaluates = training.eval_strategy != "no"
    validation_rows = (
        read_rows(script.validation_data, name="validation_data", max_rows=script.max_validation_rows)
        if evaluates
        else None
    )
    tokenizer = load_tokenizer(model.model_name_or_path, script.chat_template, revision=model.model_revision)
    limit = script.max_seq_tokens or _context_tokens(model)
    train_data = tokenize(tokenizer, train_rows, max_seq_tokens=limit, name="training")
    validation_data = (
        tokenize(tokenizer, validation_rows, max_seq_tokens=limit, name="validation")
        if validation_rows
        else None
    )
    phases.end("data", show=is_main)

    trainer, stop = build_trainer(script, training, model, tokenizer, train_data, validation_data)
    phases.end("model", show=is_main)
    train(trainer)
    phases.end("steps", show=is_main)
    finish(trainer, stop, script, model, tokenizer, phases)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    if is_main and stop.reason != "SIGTERM":
        if script.merge:
            from merge import merge

            folder = _model_dir(script, training)
            merge(
                base=model.model_name_or_path,
                revision=model.model_revision,
                adapter=folder / "adapter",
                model_dir=folder,
            )
            phases.end("merge", show=True)
        if stop.reason is None and not script.keep_checkpoints:
            checkpoints.remove_all(
                Path(training.output_dir)
            )  # the artifact has everything a finished run needs
        write_metrics(trainer, stop, script, phases)
    _leave(EXIT_TERMINATED if stop.reason == "SIGTERM" else 0)


def silence_known_warnings() -> None:
    """Keep messages off the screen that nobody can act on; everything else stays visible."""
    import logging
    import warnings

    # bitsandbytes looks for an optional kernel for CPUs and does without it.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # transformers 5.23 warns of a name that peft 0.21 still reads.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")


def parse(argv: list[str], recipe: str | None) -> tuple[ScriptArguments, SFTConfig, ModelConfig]:
    """Return the three groups of settings; the command line wins over the recipe.

    Raises:
        UserError: for a value that a library refuses, in its words.
    """
    import contextlib
    import io

    from trl import ModelConfig, SFTConfig, TrlParser

    words = _with_recipe(argv, recipe)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            script, training, model = TrlParser(
                (ScriptArguments, SFTConfig, ModelConfig)
            ).parse_args_and_config(words)
    except (SystemExit, ValueError, TypeError) as error:
        told = complaint.getvalue().strip().splitlines()
        raise UserError(
            found=told[-1] if told else " ".join(str(error).split()),
            expected="values that TRL's SFTConfig and ModelConfig accept",
            next_step="see `python train.py --help` for the types",
        ) from None
    if training.fsdp and int(os.environ.get("WORLD_SIZE", "1")) == 1:
        print("one process: nothing to shard over, so FSDP is off", flush=True)
        training.fsdp, training.fsdp_plugin_args = False, None
    if not script.validation_data:
        training.eval_strategy = "no"
    training.max_length = None  # rows are never cut: tokenize() refuses long ones
    training.disable_tqdm = True
    return script, training, model


def _with_recipe(argv: list[str], recipe: str | None) -> list[str]:
    """Return the command line with the recipe's full path."""
    words = list(argv)
    for index, word in enumerate(words):
        if word == "--config" and recipe:
            words[index + 1] = recipe
        elif word.startswith("--config=") and recipe:
            words[index] = f"--config={recipe}"
    return words


def build_trainer(
    script: ScriptArguments, training: SFTConfig, model: ModelConfig, tokenizer, train_data, validation_data
) -> tuple[SFTTrainer, StopInTime]:
    """Return the trainer, ready to train, and the callback that may stop it early."""
    from transformers import trainer_callback
    from trl import SFTTrainer, get_peft_config

    from tuning.fsdp import CpuShardingMixin
    from tuning.loss import CpuLossMixin
    from tuning.model import load_model
    from tuning.progress import PrintProgress
    from tuning.stopping import StopInTime

    class Trainer(CpuShardingMixin, CpuLossMixin, SFTTrainer):
        """SFTTrainer that shards on CPUs, is fast there, and marks checkpoints when they are complete."""

        def create_model_card(self, *args, **kwargs) -> None:
            """Write no model card: it would name the machine's folders."""

        def _save_checkpoint(self, model, trial) -> None:
            output_dir = Path(self.args.output_dir)
            checkpoint = output_dir / f"checkpoint-{self.state.global_step}"
            if self.is_world_process_zero():
                (checkpoint / checkpoints.MARK).unlink(missing_ok=True)
            # Old checkpoints go when the new one is complete, not before.
            limit, self.args.save_total_limit = self.args.save_total_limit, None
            super()._save_checkpoint(model, trial)
            self.args.save_total_limit = limit
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                checkpoints.mark_complete(checkpoint)
                checkpoints.keep_newest(output_dir, limit)

    stop = StopInTime(script.time_limit_s)
    trainer = Trainer(
        model=load_model(model, on_cpu=training.use_cpu),
        args=training,
        train_dataset=train_data,
        eval_dataset=validation_data,
        processing_class=tokenizer,
        peft_config=get_peft_config(model),
        callbacks=[PrintProgress(), stop],
    )
    trainer.remove_callback(trainer_callback.PrinterCallback)
    return trainer, stop


def train(trainer: SFTTrainer) -> None:
    """Train, from the last complete checkpoint when `resume_from_checkpoint` is "last".

    Raises:
        UserError: when the disk fills up while a checkpoint is written; the one before stays.
    """
    from tuning.artifact import disk_full, is_disk_full

    output_dir = Path(trainer.args.output_dir)
    resume = trainer.args.resume_from_checkpoint
    if resume == "last":
        if trainer.is_world_process_zero():
            for name in checkpoints.remove_incomplete(output_dir):
                print(f"removed {name}: it was not written to its end", flush=True)
        trainer.accelerator.wait_for_everyone()
        last = checkpoints.last_complete(output_dir)
        resume = str(last) if last else None
    elif resume and not checkpoints.is_complete(Path(resume)):
        raise UserError(
            found=f"the checkpoint {resume}, which is not complete",
            expected="a checkpoint of this script, written to its end",
            next_step="set resume_from_checkpoint: last to take the newest complete one",
        )
    if resume and trainer.is_world_process_zero():
        print(f"resuming from {resume}", flush=True)
    if trainer.is_fsdp_enabled:
        trainer.add_callback(_on_first_step(lambda: check_sharding(trainer)))
    try:
        trainer.train(resume_from_checkpoint=resume)
    except Exception as error:
        if is_disk_full(error):
            if trainer.is_world_process_zero():
                checkpoints.remove_incomplete(output_dir)
            raise disk_full(output_dir) from error
        raise


def check_sharding(trainer: SFTTrainer) -> None:
    """Check on every process that FSDP shards every parameter; one process prints how many there are."""
    from tuning.fsdp import require_sharded
    from tuning.progress import say

    num_parameters = require_sharded(trainer.model_wrapped)
    if trainer.is_world_process_zero():
        say("sharded", num_parameters=num_parameters)


def finish(
    trainer: SFTTrainer,
    stop: StopInTime,
    script: ScriptArguments,
    model: ModelConfig,
    tokenizer,
    phases: Phases,
) -> None:
    """Save the adapter, its tokenizer and the resolved configuration; all processes gather the weights.

    Raises:
        UserError: when the disk is full.
        RuntimeError: when the saved adapter holds no tensors.
    """
    from tuning.artifact import write_aside

    if stop.reason == "SIGTERM":
        return  # the checkpoint is all there is time for
    folder = _model_dir(script, trainer.args)
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if trainer.is_world_process_zero():
        unwrapped = trainer.accelerator.unwrap_model(trainer.model)

        def write(partial: Path) -> None:
            unwrapped.save_pretrained(partial, state_dict=state)
            (partial / "README.md").unlink(missing_ok=True)  # PEFT's model card names the machine's folders
            tokenizer.save_pretrained(partial)
            require_not_empty(partial / "adapter_model.safetensors", num_steps=trainer.state.global_step)

        write_aside(folder / "adapter", write)
        (folder / "resolved-config.yaml").write_text(
            yaml.safe_dump(resolved(script, trainer.args, model), sort_keys=True), encoding="utf-8"
        )
    trainer.accelerator.wait_for_everyone()
    phases.end("save", show=trainer.is_world_process_zero())


def require_not_empty(adapter: Path, *, num_steps: int) -> None:
    """Check that a saved adapter has tensors, and that training has changed them.

    Some combinations of FSDP options save zero tensors without an error.

    Args:
        adapter: the safetensors file.
        num_steps: optimizer steps so far; the first one may have a learning rate of 0 (warm-up).
    """
    from safetensors import safe_open

    with safe_open(adapter, framework="pt") as tensors:
        updates = [tensors.get_tensor(name) for name in tensors.keys() if "lora_B" in name]  # noqa: SIM118
    if not updates or (num_steps > 1 and not any(update.any() for update in updates)):
        state = "all zero: nothing was trained" if updates else "nothing was saved"
        raise RuntimeError(f"{adapter} holds {len(updates)} update matrices, {state}")


def resolved(script: ScriptArguments, training: SFTConfig, model: ModelConfig) -> dict[str, Any]:
    """Return a recipe that repeats this run.

    All settings of the script and the model, and of the trainer's hundred and more those that differ from
    their defaults. Secrets and output folders are left out.
    """
    values = asdict(script) | asdict(model)
    defaults = {name: item.default for name, item in type(training).__dataclass_fields__.items()}
    values |= {
        name: value
        for name, value in training.to_dict().items()
        if name in defaults and value != defaults[name]
    }
    if "fsdp_config" in values:  # transformers adds keys of its own, and drops the prefix of fsdp_version
        values["fsdp_config"] = {
            name: value
            for name, value in values["fsdp_config"].items()
            if is_fsdp_key(name) and value is not None
        }
    return {
        name: _without_secrets(value)
        for name, value in values.items()
        if _is_plain(value) and name not in ("output_dir", "model_dir") and not _SECRET.search(name)
    }


def _is_plain(value: Any) -> bool:
    try:
        return json.loads(json.dumps(value)) == value and value not in (None, {}, [])
    except (TypeError, ValueError):
        return False


def write_metrics(trainer: SFTTrainer, stop: StopInTime, script: ScriptArguments, phases: Phases) -> None:
    """Write metrics.json into the model's folder and print the same as `result {...}`."""
    from importlib.metadata import version

    from tuning.progress import memory_mib, say

    history = trainer.state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    tokens = [entry["num_tokens"] for entry in history if "num_tokens" in entry]
    evaluations = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    result = {
        "num_steps": trainer.state.global_step,
        "num_processes": trainer.args.world_size,
        "num_tokens": int(tokens[-1]) if tokens else 0,
        "tokens_per_s": round(tokens[-1] / phases.seconds["steps_s"], 1) if tokens else 0.0,
        "train_loss": losses[-1] if losses else None,
        "eval_loss": evaluations[-1] if evaluations else None,
        "memory_mib": round(memory_mib(), 1),
        "stopped_by": stop.reason,
        "phases": phases.seconds,
        "versions": {
            name: version(name) for name in ("torch", "transformers", "trl", "peft", "bitsandbytes")
        },
    }
    path = _model_dir(script, trainer.args) / "metrics.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    say("result", **result)


def _without_secrets(value: Any) -> Any:
    """Return a setting without what a nested name calls a secret."""
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items() if not _SECRET.search(str(key))}
    return value


def _model_dir(script: ScriptArguments, training: SFTConfig) -> Path:
    return Path(script.model_dir) if script.model_dir else Path(training.output_dir) / "model"


def _context_tokens(model: ModelConfig) -> int:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(model.model_name_or_path).max_position_embeddings


def _on_first_step(action):
    """Return a callback that runs `action` once, when the model has been wrapped."""
    from transformers import TrainerCallback

    class OnFirstStep(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs) -> None:
            if not getattr(self, "done", False):
                self.done = True
                action()

    return OnFirstStep()


def _leave(status: int) -> NoReturn:
    """End at once: one gloo run in dozens hangs in the process group's destructor at interpreter exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
