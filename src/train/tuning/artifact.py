"""What a run leaves: adapter, resolved configuration, metrics, and the model that serves as it stands.

The model loads in transformers 5 and in 4.51 (the last TGI images').
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tuning.arguments import ScriptArguments
from tuning.errors import RESUME, disk_full, is_disk_full
from tuning.progress import Phases, memory_mib, say, tokens_so_far

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import SFTConfig

    from tuning.trainer import Trainer


def model_dir(script: ScriptArguments, training: SFTConfig) -> Path:
    """Return where the servable model goes."""
    return Path(script.model_dir) if script.model_dir else Path(training.output_dir) / "model"


def save_adapter(trainer: Trainer, folder: Path) -> None:
    """Save the adapter and its tokenizer; all processes gather the weights, and the first one writes.

    Raises:
        UserError: when the disk is full.
        RuntimeError: when the saved adapter holds no tensors.
    """
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if not trainer.is_world_process_zero():
        return
    unwrapped = trainer.accelerator.unwrap_model(trainer.model)

    def write(partial: Path) -> None:
        unwrapped.save_pretrained(partial, state_dict=state)
        (partial / "README.md").unlink(missing_ok=True)  # PEFT's model card names the machine's folders
        trainer.processing_class.save_pretrained(partial)
        require_not_empty(partial / "adapter_model.safetensors", num_steps=trainer.state.global_step)

    atomic_write(folder, write)


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


def write_resolved_config(folder: Path, settings: dict[str, Any]) -> None:
    """Write resolved-config.yaml, a recipe that repeats the run."""
    text = yaml.safe_dump(settings, sort_keys=True)
    (folder / "resolved-config.yaml").write_text(text, encoding="utf-8")


def write_metrics(trainer: Trainer, folder: Path, phases: Phases) -> None:
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
    (folder / "metrics.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    say("result", **result)


def write_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    max_shard_size: str = "5GB",
    when_full: str | None = None,
) -> None:
    """Write weights, configuration, tokenizer and chat template into a folder.

    Everything is written beside its final place first: a full disk leaves what was there before.

    Raises:
        UserError: when the disk is full.
    """

    def write(partial: Path) -> None:
        model.save_pretrained(partial, max_shard_size=max_shard_size)
        tokenizer.save_pretrained(partial)
        make_readable_by_tgi(partial, tokenizer)

    replaces = ("*.safetensors", "*.safetensors.index.json")
    atomic_write(folder, write, replaces=replaces, when_full=when_full or RESUME)


def atomic_write(
    folder: Path, write: Callable[[Path], None], *, replaces: tuple[str, ...] = (), when_full: str = RESUME
) -> None:
    """Let `write` fill a temporary folder inside `folder`, then move its files up.

    Args:
        folder: where the files end; it may be a mount point, so it is never replaced itself.
        write: fills the folder it is given.
        replaces: patterns of files of an earlier model to delete before the move.
        when_full: what to do when the disk is full.

    Raises:
        UserError: when the disk is full; `folder` then holds what it held before.
    """
    partial = folder / ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        write(partial)
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)
        if is_disk_full(error):
            raise disk_full(folder, next_step=when_full) from error
        raise
    for pattern in replaces:
        for old in folder.glob(pattern):
            old.unlink()
    for file in sorted(partial.iterdir()):
        file.replace(folder / file.name)
    partial.rmdir()


def make_readable_by_tgi(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Add to a folder written by transformers 5 the keys that 4.51 reads.

    transformers 5 writes `rope_theta` only inside `rope_parameters` and names its tokenizer class
    `TokenizersBackend`; 4.51 then silently takes its family's default theta and refuses the tokenizer. Which
    layers see all of the text it counts by `sliding_window_pattern`; `layer_types` came later.
    """
    config_path = folder / "config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    kinds = config.get("rope_parameters") or {}
    rope = kinds.get("full_attention", kinds)  # Gemma 3 has parameters for each kind of layer
    if "sliding_attention" in kinds:
        config["rope_local_base_freq"] = kinds["sliding_attention"]["rope_theta"]
    if "rope_theta" in rope:
        config["rope_theta"] = rope["rope_theta"]
        scaling = {key: value for key, value in rope.items() if key != "rope_theta"}
        config["rope_scaling"] = None if scaling.get("rope_type", "default") == "default" else scaling
    layers = config.get("layer_types") or []
    if "sliding_attention" in layers and "full_attention" in layers:
        config.setdefault("sliding_window_pattern", layers.index("full_attention") + 1)
    if "dtype" in config:
        config["torch_dtype"] = config["dtype"]
    _write_json(config_path, config)

    tokenizer_path = folder / "tokenizer_config.json"
    settings = json.loads(tokenizer_path.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(settings.get("extra_special_tokens"), list):  # 4.51 reads a dict under this name
        settings["additional_special_tokens"] = settings.pop("extra_special_tokens")
    for name in ("backend", "is_local", "local_files_only"):
        settings.pop(name, None)  # how this machine loaded it
    settings["chat_template"] = (
        tokenizer.chat_template
    )  # beside chat_template.jinja, which older servers ignore
    _write_json(tokenizer_path, settings)


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
