"""One training run from settings to artifact."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from tuning import checkpointing, results
from tuning.arguments import parse
from tuning.launcher import EXIT_TERMINATED, launched_at

# accelerate and transformers import them where they find them, for `accelerate config` and object detection.
_UNUSED = ("boto3", "scipy")


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

        from tuning.data import read_rows, tokenize
        from tuning.model import check_combination, check_model_folder, context_tokens, load_config
        from tuning.out_of_memory import explain_out_of_memory
        from tuning.packing import pack
        from tuning.progress import Phases
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
    identity = checkpointing.run_fingerprint(script, training, model, train_data) if is_main else {}
    checkpoint = checkpointing.resume_point(training, identity)
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


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import without searching for garbage, and without packages that nothing here uses.

    Modules are no garbage. Two processes on two idle cores took 3.9 s instead of 5.4 s. A module that is None
    counts as not installed; afterwards it can be imported as ever, by a logger for instance.
    """
    hidden = [name for name in _UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # later searches leave out what stays for good
        gc.enable()
        for name in hidden:
            sys.modules.pop(name, None)


def _leave(status: int) -> NoReturn:
    """End at once: one gloo run in dozens hangs in the process group's destructor at interpreter exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
