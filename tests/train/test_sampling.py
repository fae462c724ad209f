"""The order of rows: fixed, resumable, without a row twice, and with less padding when grouped by length."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.train.conftest import BASE, train
from tests.train.in_process import TEMPLATE, prepare, settings
from tests.train.tiny_models import conversations
from transformers import AutoModelForCausalLM

from tuning.data import IGNORED, read_rows, tokenize
from tuning.sampling import EpochSampler, padding_share, with_padding_row
from tuning.tokenizer import load_tokenizer

LENGTHS = torch.randint(50, 500, (203,), generator=torch.Generator().manual_seed(0)).tolist()
PADDING = len(LENGTHS)
STRATEGIES = ("random", "group_by_length", "sequential")


def sampler(strategy: str, *, rows_per_batch: int = 8, rows_per_step: int = 16) -> EpochSampler:
    return EpochSampler(
        LENGTHS, rows_per_batch=rows_per_batch, rows_per_step=rows_per_step, strategy=strategy, seed=1
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_row_comes_once_and_padding_rows_make_the_last_batch_whole(strategy: str) -> None:
    order = list(sampler(strategy))
    assert sorted(order[:PADDING]) == list(range(PADDING))
    assert order[PADDING:] == [PADDING] * 5
    assert len(order) == len(sampler(strategy)) == 208


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_epochs_order_is_fixed_and_another_epochs_differs(strategy: str) -> None:
    first, second = sampler(strategy), sampler(strategy)
    second.set_epoch(1)
    assert list(first) == list(sampler(strategy)) == list(first)
    assert (list(second) == list(first)) == (strategy == "sequential")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_other_processes_train_on_the_same_rows_in_every_step(strategy: str) -> None:
    """Two processes with four rows, accumulated twice, or one with one row, accumulated sixteen times."""
    wide, narrow = sampler(strategy), sampler(strategy, rows_per_batch=1)
    steps = [
        [{row for row in order[begin : begin + 16] if row != PADDING} for begin in range(0, len(order), 16)]
        for order in (list(wide), list(narrow))
    ]
    assert steps[0] == steps[1]


def test_grouping_by_length_saves_most_of_the_padding_and_still_mixes() -> None:
    shares = {
        name: padding_share(LENGTHS, list(sampler(name)), 4, 32) for name in ("random", "group_by_length")
    }
    assert shares["group_by_length"] < 0.4 * shares["random"]
    order = list(sampler("group_by_length"))
    firsts = [LENGTHS[order[begin]] for begin in range(0, 192, 16)]
    assert firsts not in (sorted(firsts), sorted(firsts, reverse=True))


def test_the_share_of_padding_is_what_a_batch_pads() -> None:
    assert padding_share([10, 20, 30], [0, 1, 2, 3], 2, None) == pytest.approx(1 - 60 / (2 * 20 + 2 * 30))
    assert padding_share([10], [0], 1, 16) == pytest.approx(1 - 10 / 16)


def test_the_padding_row_has_nothing_to_train_on() -> None:
    tokenizer = load_tokenizer(str(BASE), TEMPLATE)
    data = tokenize(tokenizer, conversations(3, seed=1), max_seq_tokens=2048, name="test")
    filled = with_padding_row(data, pad_token_id=tokenizer.pad_token_id)
    assert filled[:3] == data[:]
    assert filled[3] == {"input_ids": [tokenizer.pad_token_id] * 2, "labels": [IGNORED] * 2}


def test_a_resumed_run_reads_the_rows_that_the_unbroken_one_reads(tmp_path: Path) -> None:
    """Grouped by length, accumulated, over the end of an epoch."""
    words = (
        *("--train_sampling_strategy", "group_by_length", "--per_device_train_batch_size", "1"),
        *("--gradient_accumulation_steps", "2", "--num_train_epochs", "2", "--save_strategy", "steps"),
        *("--save_steps", "4", "--dtype", "float32", "--load_in_4bit", "false"),
    )
    script, training, model = settings(tmp_path, *words)
    whole = prepare(script, training, model, conversations(5, seed=2))
    whole.train()
    again = prepare(*settings(tmp_path, *words), conversations(5, seed=2))
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    losses = [
        {entry["step"]: entry["loss"] for entry in trainer.state.log_history if "loss" in entry}
        for trainer in (whole, again)
    ]
    assert set(losses[0]) == {1, 2, 3, 4, 5, 6}
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


def test_every_trained_token_weighs_the_same_on_uneven_processes_and_batches(
    tmp_path: Path, small_data: Path
) -> None:
    """Five rows on two processes, one a batch, to be accumulated four times: there are only three batches,
    and in the last one a process has a row of padding alone. One process takes all five rows in one batch.

    The same rows are evaluated, two a batch, before the only step and after it.
    """
    words = (
        *("--dtype", "float32", "--bnb_4bit_quant_storage", "float32", "--load_in_4bit", "false"),
        *("--train_sampling_strategy", "sequential", "--warmup_steps", "0", "--learning_rate", "0.001"),
    )
    uneven = train(
        tmp_path / "uneven",
        small_data,
        *(*words, "--merge", "false", "--max_train_rows", "5", "--per_device_train_batch_size", "1"),
        *("--gradient_accumulation_steps", "4", "--per_device_eval_batch_size", "2"),
        *("--validation_data", str(small_data), "--max_validation_rows", "5", "--eval_on_start", "true"),
        num_processes=2,
    )
    script, training, model = settings(tmp_path, *words, "--per_device_train_batch_size", "5")
    whole = prepare(script, training, model, list(read_rows(str(small_data), name="data", max_rows=5)))
    before = whole.evaluate(whole.train_dataset)["eval_loss"]
    whole.train()
    after = whole.evaluate(whole.train_dataset)["eval_loss"]
    evaluations = [line["eval_loss"] for line in uneven.lines("progress") if "eval_loss" in line]
    assert evaluations[0] == pytest.approx(plain_loss(small_data, 5), rel=1e-5)
    assert evaluations == pytest.approx([before, after], rel=1e-5)
    assert "eval_on_start: true" in (uneven.model_dir / "resolved-config.yaml").read_text()
    assert not settings(tmp_path, "--eval_on_start", "true")[
        1
    ].eval_on_start  # there is nothing to evaluate on
    (ours,) = [line for line in uneven.lines("progress") if "loss" in line]
    (theirs,) = [entry for entry in whole.state.log_history if "loss" in entry]
    assert ours["loss"] == pytest.approx(plain_loss(small_data, 5), rel=1e-5)
    assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
    assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-4)
    assert ours["num_tokens"] == theirs["num_tokens"]
    whole.save_model(str(tmp_path / "whole"))
    adapter = load_file(uneven.model_dir / "adapter" / "adapter_model.safetensors")
    for name, tensor in load_file(tmp_path / "whole" / "adapter_model.safetensors").items():
        # Adam's first step has one size; the sign of a gradient near zero is open.
        assert (adapter[name] - tensor).abs().gt(1e-5).float().mean() < 1e-2


def plain_loss(data: Path, num_rows: int) -> float:
    """Return the mean loss of all trained tokens of the first rows, row by row, without a trainer."""
    tokenizer = load_tokenizer(str(BASE), TEMPLATE)
    rows = read_rows(str(data), name="data", max_rows=num_rows)
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()
    losses = []
    for row in tokenize(tokenizer, rows, max_seq_tokens=2048, name="test"):
        with torch.no_grad():
            logits = model(torch.tensor([row["input_ids"]])).logits[0].log_softmax(-1)
        for position, label in enumerate(row["labels"][1:]):
            if label != IGNORED:
                losses.append(-logits[position, label].item())
    return sum(losses) / len(losses)


def test_one_row_on_two_processes_trains_one_step(tmp_path: Path, small_data: Path) -> None:
    run = train(
        tmp_path,
        small_data,
        "--max_train_rows",
        "1",
        "--warmup_steps",
        "0",
        "--merge",
        "false",
        num_processes=2,
    )
    assert len(run.losses) == 1
    (batches,) = run.lines("batches")
    assert batches["num_rows"] == 1
    first = next(read_rows(str(small_data), name="data"))
    tokenizer = load_tokenizer(str(BASE), TEMPLATE)
    (row,) = tokenize(tokenizer, [first], max_seq_tokens=2048, name="test")
    assert run.lines("result")[0]["num_tokens"] == len(row["input_ids"])
    assert json.loads((run.model_dir / "metrics.json").read_text())["padding"] == batches["padding"]
