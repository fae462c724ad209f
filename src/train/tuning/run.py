"""One training run from settings to artifact."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tuning import checkpointing, results
from tuning.arguments import ScriptArguments
from tuning.errors import UserError
from tuning.launcher import EXIT_TERMINATED, launched_at
from tuning.quick_imports import quick_imports

if TYPE_CHECKING:
    from trl import ModelConfig, SFTConfig


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
    with quick_imports():
        import torch
        import transformers
        from trl import SFTTrainer  # noqa: F401  the import that costs most belongs to the phase "imports"

        from tuning.architecture import context_tokens, load_config
        from tuning.data import read_rows, tokenize
        from tuning.fingerprint import fingerprint
        from tuning.model import check_combination, check_model_folder
        from tuning.out_of_memory import explain_out_of_memory
        from tuning.packing import pack
        from tuning.progress import Phases
        from tuning.resume import resume_point
        from tuning.tokenizer import load_tokenizer
        from tuning.trainer import build_trainer, train

    phases = Phases(started)
    script, training, model = parse(argv, recipe)
    num_processes = int(os.environ.get("WORLD_SIZE", "1"))
    check_model_folder(model.model_name_or_path)
    config = load_config(
        model.model_name_or_path, revision=model.model_revision, packing=bool(training.packing)
    )
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
    limit = script.max_seq_tokens or context_tokens(config)
    train_data = tokenize(tokenizer, train_rows, max_seq_tokens=limit, name="training")
    validation_data = (
        tokenize(tokenizer, validation_rows, max_seq_tokens=limit, name="validation")
        if validation_rows
        else None
    )
    if training.packing:
        train_data = pack(train_data, max_tokens=limit)
    phases.end("data", show=is_main)

    # Before the model is loaded: a checkpoint of another run is told at once.
    identity = fingerprint(script, training, model, train_data) if is_main else {}
    checkpoint = resume_point(training, identity)
    with explain_out_of_memory(training, model, config, max_seq_tokens=limit):
        trainer, stop = build_trainer(
            script,
            training,
            model,
            tokenizer,
            train_data,
            validation_data,
            fingerprint=identity,
            launched_at=launched_at(),
        )
        phases.end("model", show=is_main)
        train(trainer, checkpoint)
    phases.end("steps", show=is_main)
    results.save(trainer, stop, script, model, tokenizer, phases)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    if is_main and stop.reason != "SIGTERM":
        if script.merge:
            from merge import merge

            folder = results.model_dir(script, training)
            merge(
                base=model.model_name_or_path,
                revision=model.model_revision,
                adapter=folder / "adapter",
                model_dir=folder,
            )
            phases.end("merge", show=True)
        if stop.reason is None and not script.keep_checkpoints:
            # The artifact has everything that a finished run needs.
            checkpointing.remove_all(Path(training.output_dir))
        results.write_metrics(trainer, stop, script, phases)
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
    if training.eval_strategy == "no":
        training.eval_on_start = False
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


def _leave(status: int) -> NoReturn:
    """End at once: one gloo run in dozens hangs in the process group's destructor at interpreter exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
