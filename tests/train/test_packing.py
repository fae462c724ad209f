"""A packed row is the rows it is made of, and no neighbour changes another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.train.conftest import BASE
from tests.train.in_process import TEMPLATE, prepare, settings
from tests.train.tiny_models import FAMILIES, conversations, tiny_model
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from tuning.attention import FLASH, is_flash, require_isolation
from tuning.data import IGNORED, tokenize
from tuning.errors import UserError
from tuning.packing import SeparateRows, best_fit, pack, row_lengths, single_row_lengths
from tuning.tokenizer import load_tokenizer

LENGTHS = (40, 30, 50)
ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"


def runs_here(implementation: str) -> bool:
    """Return whether an implementation trains on this machine: transformers says so itself."""
    from transformers.utils import is_flash_attn_2_available, is_kernels_available

    if implementation in ("eager", "sdpa"):
        return True
    if not ON_GPU:  # flex_attention has no gradient on a CPU
        return False
    return implementation == "flex_attention" or is_flash_attn_2_available() or is_kernels_available()


IMPLEMENTATIONS = ("eager", "sdpa", "flex_attention", "flash_attention_2")


def read(model: torch.nn.Module, rows: list[list[int]], own: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of one of several packed rows, and the gradient of its loss by all weights."""
    flash = is_flash(model.config._attn_implementation)
    collate = DataCollatorForLanguageModeling(0, padding_free=True) if flash else SeparateRows(pad_token_id=0)
    ids = [token for row in rows for token in row]
    batch = collate([{"input_ids": ids, "labels": ids, "seq_lengths": [len(row) for row in rows]}])
    batch = {name: value.to(DEVICE) if torch.is_tensor(value) else value for name, value in batch.items()}
    labels = batch.pop("labels")
    begin = sum(len(row) for row in rows[:own])
    place = slice(begin, begin + len(rows[own]))
    model.zero_grad()
    logits = model(**batch, use_cache=False).logits[0, place].float()
    # The first token's label is taken away: no row foretells it.
    loss = torch.nn.functional.cross_entropy(logits[:-1], labels[0, place][1:], ignore_index=IGNORED)
    loss.backward()
    gradient = torch.cat([parameter.grad.float().flatten() for parameter in model.parameters()])
    return logits.detach(), gradient


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "implementation",
    [
        pytest.param(name, marks=pytest.mark.skipif(not runs_here(name), reason="needs a GPU or its package"))
        for name in IMPLEMENTATIONS
    ],
)
def test_packed_neighbours_change_no_logits_and_no_gradients_of_a_row(
    family: str, implementation: str
) -> None:
    model = tiny_model(family, attn_implementation=implementation).to(DEVICE)
    tolerance = 1e-5
    if implementation in FLASH:  # its kernels know half precision only
        model, tolerance = model.bfloat16(), 2e-2
    random = torch.Generator().manual_seed(1)
    rows = [torch.randint(5, 500, (length,), generator=random).tolist() for length in LENGTHS]
    for own in range(len(rows)):
        logits, gradient = read(model, [rows[own]], 0)
        packed_logits, packed_gradient = read(model, rows, own)
        assert torch.allclose(packed_logits, logits, atol=tolerance, rtol=tolerance)
        assert torch.allclose(packed_gradient, gradient, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_is_asked_whether_it_keeps_packed_rows_apart(family: str) -> None:
    require_isolation(tiny_model(family).bfloat16())


def test_a_model_that_mixes_rows_is_refused() -> None:
    """Convolutions over tokens know nothing of positions."""
    from transformers import AutoModelForCausalLM, Lfm2Config

    config = Lfm2Config(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        layer_types=["conv", "full_attention"],
        initializer_range=0.1,
    )
    torch.manual_seed(0)
    with pytest.raises(UserError, match="lets packed rows see each other"):
        require_isolation(AutoModelForCausalLM.from_config(config))


def test_best_fit_fills_and_never_overfills_and_keeps_every_row() -> None:
    random = torch.Generator().manual_seed(0)
    lengths = [*torch.randint(1, 100, (500,), generator=random).tolist(), 128, 128]
    bins = best_fit(lengths, 128)
    assert sorted(row for rows in bins for row in rows) == list(range(502))
    assert max(sum(lengths[row] for row in rows) for rows in bins) == 128
    assert len(bins) <= 1.02 * sum(lengths) / 128 + 1
    assert best_fit(lengths, 128) == bins
    assert best_fit([5, 3, 2], 5) == [[0], [1, 2]]


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(str(BASE), TEMPLATE)


def test_packing_keeps_every_token_every_label_and_each_rows_positions(tokenizer) -> None:
    data = tokenize(tokenizer, conversations(30, seed=4), max_seq_tokens=1024, name="test")
    packed = pack(data, max_tokens=1024)
    assert len(packed) < len(data) / 3
    assert sum(row_lengths(packed)) == sum(row_lengths(data))
    assert sorted(single_row_lengths(packed)) == sorted(row_lengths(data))
    singles = {tuple(row["input_ids"]): row["labels"] for row in data}
    batch = SeparateRows(pad_token_id=tokenizer.pad_token_id, pad_to_multiple_of=64)(list(packed))
    assert batch["input_ids"].shape[1] % 64 == 0
    for number, row in enumerate(packed):
        begin = 0
        for length in row["seq_lengths"]:
            place = slice(begin, begin + length)
            ids = tuple(batch["input_ids"][number, place].tolist())
            assert batch["labels"][number, place].tolist() == singles.pop(ids)
            assert batch["position_ids"][number, place].tolist() == list(range(length))
            begin += length
        assert (batch["labels"][number, begin:] == IGNORED).all()
    assert not singles


def test_no_row_is_foretold_from_its_neighbours_last_token() -> None:
    row = {"input_ids": [5, 6, 7, 8, 9], "labels": [5, 6, 7, 8, 9], "seq_lengths": [3, 2]}
    batch = SeparateRows(pad_token_id=0)([row])
    assert batch["labels"].tolist() == [[IGNORED, 6, 7, IGNORED, 9]]


def test_a_step_on_packed_rows_equals_the_step_on_single_ones(tmp_path: Path) -> None:
    """All rows in one step, in float32: the same loss, tokens and adapter, padding or none."""
    results = []
    for name, words in (
        ("single", ("--per_device_train_batch_size", "4", "--gradient_accumulation_steps", "3")),
        ("packed", ("--per_device_train_batch_size", "1", "--gradient_accumulation_steps", "8", "--packing")),
    ):
        script, training, model = settings(
            tmp_path / name,
            *("--dtype", "float32", "--load_in_4bit", "false", "--max_seq_tokens", "1024"),
            *("--warmup_steps", "0", "--learning_rate", "0.001", *words),
        )
        trainer = prepare(script, training, model, conversations(11, seed=6))
        trainer.train()
        (entry,) = [entry for entry in trainer.state.log_history if "loss" in entry]
        weights = {name: weight for name, weight in trainer.model.named_parameters() if "lora_B" in name}
        results.append((entry, torch.cat([weight.detach().flatten() for weight in weights.values()])))
    (single, single_adapter), (packed, packed_adapter) = results
    assert packed["loss"] == pytest.approx(single["loss"], rel=1e-5)
    assert packed["grad_norm"] == pytest.approx(single["grad_norm"], rel=1e-4)
    assert packed["num_tokens"] == single["num_tokens"]
    # Adam's first step has one size for every weight; its sign is open where a gradient is rounding alone.
    assert (packed_adapter - single_adapter).abs().gt(1e-4).float().mean() < 1e-2
