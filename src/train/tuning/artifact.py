"""Write a model folder that serves as it stands, in transformers 5 and in 4.57 (the last TGI image's)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuning.errors import RESUME, disk_full, is_disk_full

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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
        make_readable_by_4_57(partial, tokenizer)

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


def make_readable_by_4_57(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Add to a folder written by transformers 5 the keys that 4.57 reads.

    transformers 5 writes `rope_theta` only inside `rope_parameters` and names its tokenizer class
    `TokenizersBackend`; 4.57 then takes a theta of 10,000 without a word and refuses the tokenizer.
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
    if "dtype" in config:
        config["torch_dtype"] = config["dtype"]
    _write_json(config_path, config)

    tokenizer_path = folder / "tokenizer_config.json"
    settings = json.loads(tokenizer_path.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(settings.get("extra_special_tokens"), list):  # 4.57 reads a dict under this name
        settings["additional_special_tokens"] = settings.pop("extra_special_tokens")
    for name in ("backend", "is_local", "local_files_only"):
        settings.pop(name, None)  # how this machine loaded it
    settings["chat_template"] = (
        tokenizer.chat_template
    )  # beside chat_template.jinja, which older servers ignore
    _write_json(tokenizer_path, settings)


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
