"""What two runs must have in common for one to go on from the other's checkpoint.

The content of the data and of the base model counts, not where they lie: a job reads them from other folders
than a laptop. Settings that change no number (where, how often and how long) may differ.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.arguments import resolved

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import ModelConfig, SFTConfig

    from tuning.arguments import ScriptArguments

_MIB = 2**20
# Compared by content, by what follows from them, or without influence on the numbers.
_MAY_DIFFER = {
    # compared by content
    *("model_name_or_path", "model_revision", "train_data", "max_train_rows", "max_seq_tokens"),
    "chat_template",
    # compared as rows_per_step and as sharded
    *("per_device_train_batch_size", "gradient_accumulation_steps", "fsdp", "fsdp_config"),
    # where, how often, how long
    *("validation_data", "max_validation_rows", "per_device_eval_batch_size", "time_limit_s"),
    *("max_steps_per_launch", "keep_checkpoints", "merge", "resume_from_checkpoint", "report_to"),
    *("do_eval", "do_train", "run_name", "project", "disable_tqdm", "log_level", "ddp_timeout"),
    "load_best_model_at_end",
    # the same arithmetic with less memory or in less time
    *("attn_implementation", "activation_checkpointing", "gradient_checkpointing", "activation_offloading"),
    *("torch_compile", "tf32", "dataset_num_proc"),
}
_MAY_DIFFER_PREFIXES = ("logging_", "save_", "eval_", "hub_", "push_", "dataloader_", "torch_compile_")


def fingerprint(
    script: ScriptArguments, training: SFTConfig, model: ModelConfig, train_data: Dataset
) -> dict[str, Any]:
    """Return what must be equal, in plain values, and the number of processes for information."""
    settings = json.loads(json.dumps(resolved(script, training, model)))
    return {
        "base_model": base_model_identity(model.model_name_or_path, model.model_revision),
        "train_data": f"{len(train_data):,} rows with checksum {data_checksum(train_data)}",
        "rows_per_step": training.per_device_train_batch_size
        * training.gradient_accumulation_steps
        * training.world_size,
        "sharded": bool(training.fsdp),
        "num_processes": training.world_size,
        "settings": {
            name: value
            for name, value in sorted(settings.items())
            if name not in _MAY_DIFFER and not name.startswith(_MAY_DIFFER_PREFIXES)
        },
    }


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Return what keeps a run from going on from a checkpoint, one line for each."""
    lines = [
        f"{name} {theirs.get(name)!r} in the checkpoint, {ours[name]!r} here"
        for name in ("base_model", "train_data", "rows_per_step", "sharded")
        if theirs.get(name) != ours[name]
    ]
    before, now = theirs.get("settings", {}), ours["settings"]
    lines += [
        f"{name} {before.get(name, 'default')!r} in the checkpoint, {now.get(name, 'default')!r} here"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    return lines


def base_model_identity(name_or_path: str, revision: str | None) -> str:
    """Return a checksum of a model folder's weights, or a hub model's name and revision.

    Of each file the size, the first and the last MiB are read: 16 GB would take longer than they tell more.
    """
    folder = Path(name_or_path)
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if not files:
        return f"{name_or_path}@{revision or 'main'}"
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        with path.open("rb") as file:
            digest.update(f"{path.name} {size}".encode())
            digest.update(file.read(_MIB))
            file.seek(max(0, size - _MIB))
            digest.update(file.read(_MIB))
    return f"weights with checksum {digest.hexdigest()[:16]}"


def data_checksum(data: Dataset) -> str:
    """Return a checksum of all tokens and labels in their order: rows, template and tokenizer are in it."""
    table = data.with_format("arrow")[:]
    digest = hashlib.sha256()
    for name in sorted(table.column_names):
        chunks = table.column(name).chunks  # how many there are says nothing about the rows
        digest.update(name.encode())
        for chunk in chunks:
            digest.update(chunk.value_lengths().to_numpy(zero_copy_only=False).tobytes())
        for chunk in chunks:
            digest.update(chunk.flatten().to_numpy(zero_copy_only=False).tobytes())
    return digest.hexdigest()[:16]
