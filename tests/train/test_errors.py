"""What a person can get wrong is reported without a traceback, before anything is written."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.train.conftest import BASE, Run, train

from train import import_bitsandbytes
from tuning.errors import UserError, is_disk_full
from tuning.model import check_combination, check_model_folder
from workshop.prompt import chat_messages


def test_a_model_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "some" / "model"
    shutil.copytree(BASE, folder, ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(UserError, match=r"without a tokenizer \(tokenizer\.json\)"):
        check_model_folder(str(folder))
    check_model_folder(str(BASE))
    check_model_folder("meta-llama/Meta-Llama-3-8B")
    with pytest.raises(UserError, match="no base model"):
        check_model_folder(None)
    for value in (True, 8):  # a flag without a value; a number in YAML
        with pytest.raises(UserError, match=f"base model {value}"):
            check_model_folder(value)


@pytest.mark.parametrize(
    ("model", "training", "reported"),
    [
        ({"use_peft": False}, {}, "use_peft: false"),
        ({}, {"optim": "paged_adamw_8bit", "fsdp": True}, "optimizer of torch"),
        ({"load_in_4bit": True}, {"optim": "adamw_torch", "fsdp": True}, "bnb_4bit_quant_storage: uint8"),
        ({}, {"fsdp": True, "fsdp_config": {"state_dict_type": "SHARDED_STATE_DICT"}}, "FULL_STATE_DICT"),
        ({}, {"save_on_each_node": True}, "save_on_each_node: true"),
    ],
)
def test_combinations_that_fail_late_are_refused_early(model: dict, training: dict, reported: str) -> None:
    defaults = {"use_peft": True, "load_in_4bit": False, "dtype": "bfloat16", "bnb_4bit_quant_storage": None}
    settings = {"optim": "adamw_torch", "fsdp": False, "fsdp_config": None, "use_cpu": True}
    settings |= {"save_on_each_node": False} | training
    with pytest.raises(UserError, match=reported):
        check_combination(SimpleNamespace(**defaults | model), SimpleNamespace(**settings), num_processes=2)


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (
            ("--bnb_4bit_quant_storage", "uint8"),
            [
                "dtype: float32, bnb_4bit_quant_storage: uint8",
                "set dtype: float32 and bnb_4bit_quant_storage: float32",
            ],
        ),
        (("--model_name_or_path", "./nowhere"), ["the model folder nowhere without"]),
        (
            ("--max_seq_tokens", "50"),
            ["96 of 96 training rows are longer than 50 tokens", "01-Prepare-Dataset"],
        ),
        (("--lr_scheduler_type", "sideways"), ["sideways"]),
    ],
)
def test_two_processes_tell_a_user_error_once_and_write_nothing(
    tmp_path: Path, small_data: Path, arguments: tuple[str, ...], reported: list[str]
) -> None:
    run = train(tmp_path / "out", small_data, *arguments, num_processes=2, expect=1)
    for part in reported:
        assert part in run.output
    assert run.output.count("found     ") == 1
    assert 'File "' not in run.output.split("found     ")[1].split("do next   ")[0]
    assert not run.model_dir.exists()


@pytest.fixture(scope="module")
def broken_row(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has imported all that a training needs, with a line on each import."""
    folder = tmp_path_factory.mktemp("broken-row")
    data = folder / "rows.jsonl"
    data.write_text(json.dumps({"messages": chat_messages("글", "요약")}) + '\n{"text": "x"}\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPROFILEIMPORTTIME", "1")
        return train(folder / "out", data, expect=1)


def test_a_broken_row_is_reported_with_file_and_line(broken_row: Run) -> None:
    assert "rows.jsonl, line 2" in broken_row.output
    assert not broken_row.model_dir.exists()


def test_torchs_compiler_is_not_imported_with_bitsandbytes(broken_row: Run) -> None:
    imported = {line.rpartition("|")[2].strip() for line in broken_row.output.splitlines()}
    assert {"bitsandbytes.backends.default.ops", "trl", "peft"} <= imported
    assert "torch._inductor.compile_fx" not in imported


def test_what_a_run_compiles_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHDYNAMO_DISABLE", raising=False)
    import_bitsandbytes()
    assert "TORCHDYNAMO_DISABLE" not in os.environ
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "0")
    import_bitsandbytes()
    assert os.environ["TORCHDYNAMO_DISABLE"] == "0"


def test_a_user_error_travels_to_other_processes() -> None:
    """The first process decides where a run resumes, and the others must end with it."""
    error = UserError(found="a", expected="b", next_step="c")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is UserError
    assert str(copy) == str(error) == "found     a\nexpected  b\ndo next   c"


def test_only_errors_about_space_count_as_a_full_disk() -> None:
    assert is_disk_full(OSError(28, "x"))
    assert is_disk_full(RuntimeError("I/O error: No space left on device (os error 28)"))
    chained = RuntimeError("outer")
    chained.__cause__ = OSError(27, "File too large")
    assert is_disk_full(chained)
    assert not is_disk_full(OSError(13, "Permission denied"))
    assert not is_disk_full(RuntimeError("CUDA out of memory"))
