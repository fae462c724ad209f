"""One training run from settings to artifact."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import NoReturn

import torch
import transformers

from merge import merge
from tuning.arguments import parse, resolved
from tuning.artifact import model_dir, save_adapter, write_metrics, write_resolved_config
from tuning.checkpointing import remove_all, resume_point, run_fingerprint
from tuning.data import read_rows, tokenize
from tuning.launcher import EXIT_TERMINATED, launched_at
from tuning.model import check_combination, check_model_folder, context_tokens, load_config, load_model
from tuning.out_of_memory import explain_out_of_memory
from tuning.packing import pack
from tuning.progress import Phases
from tuning.stopping import SIGTERM, ShutdownEstimate, StopInTime
from tuning.tokenizer import load_tokenizer
from tuning.trainer import Trainer


def run(argv: list[str], recipe: str | None, *, started: float) -> NoReturn:
    """Train, save, merge, and end the process.

    Args:
        argv: command line, already checked by `tuning.arguments.check`.
        recipe: path of the recipe, or None.
        started: `time.time()` at launch, so that start-up and imports are counted too.

    Raises:
        UserError: for anything a person can mend.
    """
    phases = Phases(started)
    script, training, model = parse(argv, recipe)
    check_model_folder(model.model_name_or_path)
    packing = bool(training.packing)
    config = load_config(model.model_name_or_path, revision=model.model_revision, packing=packing)
    check_combination(model, training, num_processes=int(os.environ.get("WORLD_SIZE", "1")))
    max_seq_tokens = script.max_seq_tokens or context_tokens(config)
    is_main = training.process_index == 0
    transformers.utils.logging.disable_progress_bar()
    transformers.set_seed(training.seed)
    settings = resolved(script, training, model)
    phases.end("imports", show=is_main)

    train_rows = read_rows(script.train_data, name="train_data", max_rows=script.max_train_rows)
    validation_rows = None
    if training.eval_strategy != "no":
        validation_rows = read_rows(
            script.validation_data, name="validation_data", max_rows=script.max_validation_rows
        )
    tokenizer = load_tokenizer(model.model_name_or_path, script.chat_template, revision=model.model_revision)
    train_data = tokenize(tokenizer, train_rows, max_seq_tokens=max_seq_tokens, name="training")
    validation_data = None
    if validation_rows:
        validation_data = tokenize(
            tokenizer, validation_rows, max_seq_tokens=max_seq_tokens, name="validation"
        )
    if packing:
        train_data = pack(train_data, max_tokens=max_seq_tokens)
    phases.end("data", show=is_main)

    # Before the model is loaded: a checkpoint of another run is refused at once.
    fingerprint = run_fingerprint(settings, training, train_data) if is_main else {}
    checkpoint = resume_point(training, fingerprint)
    with explain_out_of_memory(training, model, config, max_seq_tokens=max_seq_tokens):
        began = time.monotonic()
        base = load_model(model, on_cpu=training.use_cpu)
        estimate = ShutdownEstimate(
            load_s=time.monotonic() - began, merged_bytes=2 * base.num_parameters(), merges=script.merge
        )
        stop = StopInTime(
            estimate,
            launched_at=launched_at(),
            time_limit_s=script.time_limit_s,
            max_steps_per_launch=script.max_steps_per_launch,
        )
        trainer = Trainer(
            base, model, training, tokenizer, train_data, validation_data, stop=stop, fingerprint=fingerprint
        )
        phases.end("model", show=is_main)
        trainer.train(checkpoint)
    phases.end("steps", show=is_main)

    is_terminated = stop.reason == SIGTERM  # the checkpoint is all there is time for
    folder = model_dir(script, training)
    if not is_terminated:
        save_adapter(trainer, folder / "adapter")
        if is_main:
            write_resolved_config(folder, settings)
        trainer.accelerator.wait_for_everyone()
        phases.end("save", show=is_main)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    if is_main and not is_terminated:
        if script.merge:
            merge(
                base=model.model_name_or_path,
                revision=model.model_revision,
                adapter=folder / "adapter",
                model_dir=folder,
            )
            phases.end("merge", show=True)
        if stop.reason is None and not script.keep_checkpoints:
            remove_all(Path(training.output_dir))  # the artifact has everything that a finished run needs
        write_metrics(trainer, folder, phases)
    _leave(EXIT_TERMINATED if is_terminated else 0)


def _leave(status: int) -> NoReturn:
    """End at once: one gloo run in dozens hangs in the process group's destructor at interpreter exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
