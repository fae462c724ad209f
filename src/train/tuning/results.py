"""What a run leaves beside the merged model: the adapter, the resolved configuration, the metrics."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tuning.arguments import ScriptArguments, resolved
from tuning.artifact import atomic_write
from tuning.progress import Phases, memory_mib, say, tokens_so_far

if TYPE_CHECKING:
    from trl import ModelConfig, SFTConfig

    from tuning.trainer import Trainer


def model_dir(script: ScriptArguments, training: SFTConfig) -> Path:
    """Return where the servable model goes."""
    return Path(script.model_dir) if script.model_dir else Path(training.output_dir) / "model"


def save_adapter(trainer: Trainer, script: ScriptArguments, model: ModelConfig) -> None:
    """Save the adapter, its tokenizer and the resolved configuration; all processes gather the weights.

    Raises:
        UserError: when the disk is full.
        RuntimeError: when the saved adapter holds no tensors.
    """
    folder = model_dir(script, trainer.args)
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if trainer.is_world_process_zero():
        unwrapped = trainer.accelerator.unwrap_model(trainer.model)

        def write(partial: Path) -> None:
            unwrapped.save_pretrained(partial, state_dict=state)
            (partial / "README.md").unlink(missing_ok=True)  # PEFT's model card names the machine's folders
            trainer.processing_class.save_pretrained(partial)
            require_not_empty(partial / "adapter_model.safetensors", num_steps=trainer.state.global_step)

        atomic_write(folder / "adapter", write)
        (folder / "resolved-config.yaml").write_text(
            yaml.safe_dump(resolved(script, trainer.args, model), sort_keys=True), encoding="utf-8"
        )
    trainer.accelerator.wait_for_everyone()


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


def write_metrics(trainer: Trainer, script: ScriptArguments, phases: Phases) -> None:
    """Write metrics.json into the model's folder and print the same as `result {...}`."""
    history = trainer.state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    num_tokens = tokens_so_far(history)
    num_tokens_here = num_tokens - trainer.num_tokens_before  # others were trained before a resume
    evaluations = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    result = {
        "num_steps": trainer.state.global_step,
        "num_processes": trainer.args.world_size,
        "num_tokens": num_tokens,
        "padding": trainer.padding,
        "tokens_per_s": round(num_tokens_here / phases.seconds["steps_s"], 1),
        "train_loss": losses[-1] if losses else None,
        "eval_loss": evaluations[-1] if evaluations else None,
        "memory_mib": round(memory_mib(), 1),
        "stopped_by": trainer.stop.reason,
        "phases": phases.seconds,
        "versions": {
            name: version(name) for name in ("torch", "transformers", "trl", "peft", "bitsandbytes")
        },
    }
    path = model_dir(script, trainer.args) / "metrics.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    say("result", **result)
