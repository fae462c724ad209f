"""Checkpoints: complete or not used, of this run or refused, and the one that a run resumes from.

Each gets a completion marker when everything in it is on the disk: a file that names all others with size and
checksum, and holds the fingerprint of the run that wrote it. The marker also exposes a folder that reached or
left S3 in part: it counts only with every file that it names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import SFTConfig

MARKER = "complete.json"
LAST = "last"  # of resume_from_checkpoint: the newest complete one
_NAME = re.compile(r"checkpoint-(\d+)")
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


def all_checkpoints(output_dir: Path) -> list[Path]:
    """Return the checkpoint folders, oldest first, complete or not."""
    folders = [
        (int(match[1]), path)
        for path in output_dir.glob("checkpoint-*")
        if (match := _NAME.fullmatch(path.name))
    ]
    return [path for _, path in sorted(folders)]


def mark_complete(checkpoint: Path, fingerprint: dict[str, Any] | None = None) -> None:
    """Bring every file to the disk, then write the marker, which appears whole or not at all.

    Args:
        checkpoint: a folder that nobody writes into any more.
        fingerprint: what a run that resumes from it must have in common with this one.
    """
    (checkpoint / MARKER).unlink(missing_ok=True)
    files = {
        file.relative_to(checkpoint).as_posix(): {"bytes": file.stat().st_size, "sha256": _sha256(file)}
        for file in sorted(checkpoint.rglob("*"))
        if file.is_file()
    }
    for name in files:
        _flush(checkpoint / name)
    for folder in {(checkpoint / name).parent for name in files}:
        _flush(folder)
    partial = checkpoint / f"{MARKER}.partial"
    partial.write_text(json.dumps({"fingerprint": fingerprint or {}, "files": files}), encoding="utf-8")
    _flush(partial)
    partial.replace(checkpoint / MARKER)
    _flush(checkpoint)
    _flush(checkpoint.parent)


def what_is_wrong(checkpoint: Path) -> str | None:
    """Return why a checkpoint cannot be used, or None for a complete one: every file is read."""
    if not (checkpoint / MARKER).is_file():
        return "it was not written to its end"
    marker = _read_marker(checkpoint)
    if marker is None:
        return f"its {MARKER} is damaged"
    for name, facts in marker["files"].items():
        file = checkpoint / name
        if not file.is_file():
            return f"{name} is missing"
        if (size := file.stat().st_size) != facts["bytes"]:
            return f"{name} has {size:,} of {facts['bytes']:,} bytes"
        if _sha256(file) != facts["sha256"]:
            return f"{name} is damaged: its checksum differs"
    return None


def is_complete(checkpoint: Path) -> bool:
    """Return whether every file that was recorded is there as it was written."""
    return what_is_wrong(checkpoint) is None


def fingerprint_of(checkpoint: Path) -> dict[str, Any]:
    """Return the fingerprint in the marker of a complete checkpoint."""
    return (_read_marker(checkpoint) or {}).get("fingerprint", {})


def last_complete(output_dir: Path) -> Path | None:
    """Return the newest complete checkpoint, or None."""
    return next((path for path in reversed(all_checkpoints(output_dir)) if is_complete(path)), None)


def remove_incomplete(output_dir: Path) -> dict[str, str]:
    """Delete what a killed or failed save, or a partial copy, left; return {name: what was wrong}."""
    wrong = {path: reason for path in all_checkpoints(output_dir) if (reason := what_is_wrong(path))}
    for path in wrong:
        _remove(path)
    return {path.name: reason for path, reason in wrong.items()}


def keep_newest(output_dir: Path, limit: int | None) -> None:
    """Delete the oldest checkpoints beyond a limit; called once the newest one is complete."""
    for path in all_checkpoints(output_dir)[: -limit if limit else 0]:
        _remove(path)


def remove_all(output_dir: Path) -> None:
    """Delete every checkpoint."""
    for path in all_checkpoints(output_dir):
        _remove(path)


def _remove(checkpoint: Path) -> None:
    # The marker first: a kill in between leaves a checkpoint that is visibly incomplete.
    (checkpoint / MARKER).unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)


def _read_marker(checkpoint: Path) -> dict[str, Any] | None:
    try:
        marker = json.loads((checkpoint / MARKER).read_text(encoding="utf-8"))
        well_formed = all({"bytes", "sha256"} <= facts.keys() for facts in marker["files"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return marker if well_formed else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Bring a file, or a folder's list of names, to the disk: a rename alone survives no power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def run_fingerprint(settings: dict[str, Any], training: SFTConfig, train_data: Dataset) -> dict[str, Any]:
    """Return what two runs must have in common for one to resume from the other's checkpoint.

    The content of the data and of the base model counts, not where they lie: a job reads them from other
    folders than a laptop. Settings that change no number (where, how often and how long) may differ, and so
    may the number of processes, which is there for information.

    Args:
        settings: The resolved configuration.
        training: Says how many rows a step has.
        train_data: As the trainer gets it.
    """
    settings = json.loads(json.dumps(settings))  # as they are read back from a checkpoint
    return {
        "base_model": base_model_identity(settings["model_name_or_path"], settings.get("model_revision")),
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
    """Return what keeps a run from resuming from a checkpoint, one line for each."""
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


def resume_point(training: SFTConfig, fingerprint: dict[str, Any]) -> Path | None:
    """Return the checkpoint that all processes resume from, or None for the beginning.

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
                # Workers that torchrun started again resume in any case.
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
    reason = what_is_wrong(chosen)
    return f"{chosen} on the machine of process {training.process_index}: {reason}" if reason else None


def _wanted(training: SFTConfig) -> str | None:
    wanted = training.resume_from_checkpoint
    return None if wanted in (None, False, "", "false", "False") else str(wanted)


def choose(output_dir: Path, wanted: str | None, fingerprint: dict[str, Any], *, saves: bool) -> Path | None:
    """Return the checkpoint to resume from, and print what was skipped and why.

    Args:
        output_dir: where the run keeps its checkpoints.
        wanted: None, "last" or a checkpoint's folder.
        fingerprint: of this run.
        saves: whether this run writes checkpoints at intervals.

    Raises:
        UserError: see `resume_point`.
    """
    if wanted is None:
        if saves and (there := last_complete(output_dir)):
            # The new run's rotation would delete its own first ones, which have lower numbers.
            raise UserError(
                found=f"{there} of an earlier run",
                expected="an output_dir without checkpoints, or resume_from_checkpoint: last",
                next_step="give another output_dir, delete that one, or set resume_from_checkpoint: last",
            )
        return None
    if wanted == LAST:
        for name, reason in remove_incomplete(output_dir).items():
            print(f"skipped and removed {name}: {reason}", flush=True)
        chosen = last_complete(output_dir)
    else:
        chosen = Path(wanted)
        if reason := what_is_wrong(chosen):
            raise UserError(
                found=f"the checkpoint {chosen}, which is not complete: {reason}",
                expected="a checkpoint of this script, written to its end",
                next_step="set resume_from_checkpoint: last to take the newest complete one",
            )
    if chosen is None:
        return None
    theirs = fingerprint_of(chosen)
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
