"""A checkpoint is complete or not used, and of this run or refused; a full disk costs none."""

from __future__ import annotations

import copy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tests.train.conftest import BASE, HANG_S, TRAIN, environment, torchrun, train

from tuning import checkpointing
from tuning.arguments import parse, resolved
from tuning.checkpointing import base_model_identity, choose, data_checksum, differences, run_fingerprint
from tuning.errors import UserError

SAVING = ("--save_strategy", "steps", "--save_steps", "2", "--save_total_limit", "2")
RESUMING = (*SAVING, "--resume_from_checkpoint", "last", "--merge", "false")
DATA = Dataset.from_dict({"input_ids": [[1, 2], [3, 4, 5]], "labels": [[-100, 2], [-100, 4, 5]]})
OURS = {
    "base_model": "weights with checksum 1",
    "train_data": "96 rows with checksum 2",
    "rows_per_step": 16,
    "sharded": True,
    "num_processes": 2,
    "settings": {"learning_rate": 0.004, "lora_r": 32},
}


def make_checkpoint(folder: Path, step: int, *, complete: bool) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_text("12345")
    if complete:
        checkpointing.mark_complete(checkpoint)
    return checkpoint


def test_the_newest_complete_checkpoint_is_found_by_number(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, 9, complete=True)
    newest = make_checkpoint(tmp_path, 10, complete=True)
    make_checkpoint(tmp_path, 11, complete=False)
    (tmp_path / "checkpoint-best").mkdir()
    assert checkpointing.last_complete(tmp_path) == newest


def test_a_checkpoint_saved_again_is_complete_again(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, 1, complete=True)
    (checkpoint / "weights").write_text("1234567")
    checkpointing.mark_complete(checkpoint)
    assert checkpointing.is_complete(checkpoint)


@pytest.mark.parametrize(("limit", "kept"), [(None, [1, 2, 3]), (2, [2, 3]), (1, [3]), (5, [1, 2, 3])])
def test_the_newest_checkpoints_are_kept(tmp_path: Path, limit: int | None, kept: list[int]) -> None:
    for step in (1, 2, 3):
        make_checkpoint(tmp_path, step, complete=True)
    checkpointing.keep_newest(tmp_path, limit)
    assert [path.name for path in checkpointing.all_checkpoints(tmp_path)] == [
        f"checkpoint-{step}" for step in kept
    ]


@pytest.mark.parametrize(
    ("damage", "reported"),
    [
        ("cut off", "weights has 3 of 5 bytes"),
        ("delete", "weights is missing"),
        ("change", "weights is damaged: its checksum differs"),
        ("garble the marker", "its complete.json is damaged"),
        ("old marker", "its complete.json is damaged"),
        ("marker without checksums", "its complete.json is damaged"),
        ("delete the marker", "it was not written to its end"),
    ],
)
def test_a_damaged_checkpoint_is_not_complete(tmp_path: Path, damage: str, reported: str) -> None:
    checkpoint = make_checkpoint(tmp_path, 1, complete=True)
    assert checkpointing.is_complete(checkpoint)
    weights, marker = checkpoint / "weights", checkpoint / checkpointing.MARKER
    {
        "cut off": lambda: weights.write_text("123"),
        "delete": weights.unlink,
        "change": lambda: weights.write_text("12346"),
        "garble the marker": lambda: marker.write_text('{"files": '),
        "old marker": lambda: marker.write_text('{"weights": 5}'),
        "marker without checksums": lambda: marker.write_text('{"files": {"weights": {"bytes": 5}}}'),
        "delete the marker": marker.unlink,
    }[damage]()
    assert checkpointing.what_is_wrong(checkpoint) == reported
    assert checkpointing.remove_incomplete(tmp_path) == {"checkpoint-1": reported}
    assert not checkpoint.exists()


def test_a_checkpoint_whose_marker_reached_s3_first_counts_when_all_its_files_are_there(
    tmp_path: Path,
) -> None:
    """Files arrive in any order when a folder is copied to S3 and back."""
    whole = make_checkpoint(tmp_path / "job", 1, complete=False)
    (whole / "deep").mkdir()
    (whole / "deep" / "shard").write_text("6789")
    checkpointing.mark_complete(whole)
    copy = tmp_path / "next-job" / whole.name
    (copy / "deep").mkdir(parents=True)
    for name in (checkpointing.MARKER, "weights"):
        (copy / name).write_bytes((whole / name).read_bytes())
        assert not checkpointing.is_complete(copy)
    (copy / "deep" / "shard").write_text("6789")
    assert checkpointing.is_complete(copy)


def test_a_checkpoint_that_is_being_deleted_is_none(tmp_path: Path, monkeypatch) -> None:
    """The deletion is cut off after its first step, as by a kill."""
    old, new = (make_checkpoint(tmp_path, step, complete=True) for step in (1, 2))
    monkeypatch.setattr(checkpointing.shutil, "rmtree", lambda *args, **kwargs: None)
    checkpointing.keep_newest(tmp_path, 1)
    assert old.is_dir()
    assert checkpointing.what_is_wrong(old) == "it was not written to its end"
    assert checkpointing.last_complete(tmp_path) == new


def test_a_full_disk_is_reported_and_the_last_checkpoint_stays(tmp_path: Path, small_data: Path) -> None:
    """The limit on file size emulates a full disk: the kernel refuses the write in the middle of a file."""
    import resource

    first = train(tmp_path, small_data, "--time_limit_s", "0.001", *SAVING)
    assert first.lines("result")[0]["stopped_by"] == "time limit"
    (before,) = checkpointing.all_checkpoints(tmp_path)
    largest = max(file.stat().st_size for file in before.iterdir())
    full = train(
        tmp_path,
        small_data,
        *RESUMING,
        expect=1,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 4096, largest - 4096)),
    )
    assert "the disk is full" in full.output
    assert "do next   " in full.output
    assert checkpointing.all_checkpoints(tmp_path) == [before]
    assert checkpointing.is_complete(before)


def of(tmp_path: Path, *changes: str, data: Dataset = DATA, base: Path = BASE) -> dict[str, Any]:
    words = ["--config", "x", "--output_dir", str(tmp_path), "--model_name_or_path", str(base), *changes]
    recipe = Path(__file__).parents[2] / "src" / "train" / "recipes" / "sample.yaml"
    script, training, model = parse(words, str(recipe))
    return run_fingerprint(resolved(script, training, model), training, data)


@pytest.mark.parametrize(
    "changes",
    [
        ("--save_strategy", "steps", "--save_steps", "7", "--save_total_limit", "1"),
        ("--time_limit_s", "60", "--max_steps_per_launch", "5", "--keep_checkpoints", "true"),
        ("--logging_steps", "5", "--eval_strategy", "steps", "--eval_steps", "3"),
        ("--resume_from_checkpoint", "last", "--merge", "false", "--model_dir", "elsewhere"),
        ("--per_device_train_batch_size", "2", "--gradient_accumulation_steps", "2"),
        ("--train_data", "elsewhere", "--validation_data", "there", "--max_validation_rows", "3"),
        ("--activation_checkpointing", "true", "--dataloader_num_workers", "2"),
    ],
)
def test_intervals_limits_and_places_may_differ(tmp_path: Path, changes: tuple[str, ...]) -> None:
    assert differences(of(tmp_path / "a"), of(tmp_path / "b", *changes)) == []


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        (("--learning_rate", "0.001"), "learning_rate 0.002 in the checkpoint, 0.001 here"),
        (("--seed", "7"), "seed 'default' in the checkpoint, 7 here"),
        (("--num_train_epochs", "2"), "num_train_epochs 1 in the checkpoint, 2.0 here"),
        (("--lora_r", "8"), "lora_r 32 in the checkpoint, 8 here"),
        (("--per_device_train_batch_size", "8"), "rows_per_step 4 in the checkpoint, 8 here"),
        (("--weight_decay", "0.1"), "weight_decay 'default' in the checkpoint, 0.1 here"),
        (("--load_in_4bit", "false"), "load_in_4bit True in the checkpoint, False here"),
    ],
)
def test_what_changes_numbers_is_reported(tmp_path: Path, changes: tuple[str, ...], reported: str) -> None:
    lines = differences(of(tmp_path), of(tmp_path, *changes))
    # In one process FSDP is off, so that only what was changed is reported.
    assert reported in lines
    assert len(lines) == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"input_ids": [[1, 2], [3, 4, 6]], "labels": [[-100, 2], [-100, 4, 5]]},
        {"input_ids": [[1, 2], [3, 4, 5]], "labels": [[-100, 2], [-100, -100, 5]]},
        {"input_ids": [[3, 4, 5], [1, 2]], "labels": [[-100, 4, 5], [-100, 2]]},
        {"input_ids": [[1, 2, 3], [4, 5]], "labels": [[-100, 2, -100], [4, 5]]},
    ],
)
def test_other_tokens_labels_order_or_lengths_are_other_data(columns: dict) -> None:
    assert data_checksum(Dataset.from_dict(columns)) != data_checksum(DATA)
    assert data_checksum(DATA.select([1, 0]).select([1, 0])) == data_checksum(DATA)


def test_a_base_model_is_known_by_its_weights_wherever_it_lies(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(BASE, tmp_path / "elsewhere"))
    assert base_model_identity(str(copy), None) == base_model_identity(str(BASE), "main")
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert base_model_identity(str(copy), None) != base_model_identity(str(BASE), None)
    assert base_model_identity("meta-llama/Meta-Llama-3-8B", None) == "meta-llama/Meta-Llama-3-8B@main"


def save(output_dir: Path, step: int, fingerprint: dict = OURS) -> Path:
    checkpoint = output_dir / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_text("12345")
    checkpointing.mark_complete(checkpoint, fingerprint)
    return checkpoint


def changed(**values: object) -> dict:
    fingerprint = copy.deepcopy(OURS)
    fingerprint.update(values)
    return fingerprint


def test_a_damaged_checkpoint_is_skipped_with_a_message_and_the_one_before_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, damaged, unfinished = (save(tmp_path, step) for step in (9, 10, 11))
    (damaged / "weights").write_text("123")
    (unfinished / checkpointing.MARKER).unlink()
    assert choose(tmp_path, "last", OURS, saves=True) == good
    reported = capsys.readouterr().out.splitlines()
    assert reported == [
        "skipped and removed checkpoint-10: weights has 3 of 5 bytes",
        "skipped and removed checkpoint-11: it was not written to its end",
        f"resuming from {good}",
    ]
    assert checkpointing.all_checkpoints(tmp_path) == [good]


def test_a_run_without_checkpoints_starts_at_the_beginning(tmp_path: Path) -> None:
    assert choose(tmp_path / "not-there", "last", OURS, saves=True) is None
    assert choose(tmp_path, None, OURS, saves=True) is None


@pytest.mark.parametrize(
    ("theirs", "reported"),
    [
        ({"base_model": "weights with checksum 3"}, "base_model 'weights with checksum 3' in the checkpoint"),
        ({"train_data": "48 rows with checksum 2"}, "train_data '48 rows with checksum 2' in the checkpoint"),
        ({"rows_per_step": 8}, "rows_per_step 8 in the checkpoint, 16 here"),
        ({"sharded": False}, "sharded False in the checkpoint, True here"),
        (
            {"settings": {"lora_r": 8, "weight_decay": 0.1}},
            "learning_rate 'default' in the checkpoint, 0.004 here; lora_r 8 in the checkpoint, 32 here;"
            " weight_decay 0.1 in the checkpoint, 'default' here",
        ),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_a_checkpoint_of_another_run_is_refused(
    tmp_path: Path, theirs: dict, reported: str, named: bool
) -> None:
    checkpoint = save(tmp_path, 4, changed(**theirs))
    with pytest.raises(UserError) as refused:
        choose(tmp_path, str(checkpoint) if named else "last", OURS, saves=True)
    assert f"found     {checkpoint} of another run: {reported}" in str(refused.value)
    assert "do next   set them as they were, or give another output_dir" in str(refused.value)
    assert checkpointing.is_complete(checkpoint)


def test_another_number_of_processes_with_the_same_rows_a_step_resumes_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = save(tmp_path, 4, changed(num_processes=4))
    assert choose(tmp_path, "last", OURS, saves=True) == checkpoint
    assert "written by 4 processes, read by 2" in capsys.readouterr().out


def test_a_named_checkpoint_must_be_complete(tmp_path: Path) -> None:
    checkpoint = save(tmp_path, 4)
    assert choose(tmp_path, str(checkpoint), OURS, saves=True) == checkpoint
    (checkpoint / "weights").unlink()
    with pytest.raises(UserError, match="not complete: weights is missing"):
        choose(tmp_path, str(checkpoint), OURS, saves=True)


def test_a_run_that_saves_does_not_begin_beside_the_checkpoints_of_an_earlier_one(tmp_path: Path) -> None:
    there = save(tmp_path, 90)
    with pytest.raises(UserError, match="checkpoint-90 of an earlier run"):
        choose(tmp_path, None, OURS, saves=True)
    assert choose(tmp_path, None, OURS, saves=False) is None
    assert checkpointing.is_complete(there)


RESUMES = """
import os, sys
from types import SimpleNamespace
from accelerate import PartialState
from tuning.errors import UserError
from tuning.checkpointing import resume_point

number = PartialState(cpu=True).process_index
os.chdir(sys.argv[1 + number])  # a machine of its own, with a folder of the same name
training = SimpleNamespace(
    process_index=number,
    local_process_index=0,
    output_dir="out",
    resume_from_checkpoint="last",
    save_strategy="steps",
)
try:
    resume_point(training, {fingerprint})
except UserError as error:
    line = f"process {{number}}: " + error.parts["found"] + "\\n"
    os.write(1, line.encode())  # at once: the other process writes to the same pipe
"""


def test_a_machine_that_does_not_have_the_checkpoint_is_named_to_all(tmp_path: Path) -> None:
    machines = [tmp_path / "first", tmp_path / "second"]
    for machine in machines:
        checkpoint = save(machine / "out", 4)
    (checkpoint / "weights").write_text("123")
    script = tmp_path / "resumes.py"
    script.write_text(RESUMES.format(fingerprint=OURS))
    done = subprocess.run(
        [*torchrun(2)[:-1], str(script), *map(str, machines)],
        env=environment(PYTHONPATH=str(TRAIN.parent)),
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    found = "out/checkpoint-4 on the machine of process 1: weights has 3 of 5 bytes"
    assert sorted(line for line in done.stdout.splitlines() if line.startswith("process")) == [
        f"process 0: {found}",
        f"process 1: {found}",
    ], done.stderr
