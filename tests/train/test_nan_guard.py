"""A loss or a gradient that is not a number ends the run on all processes and keeps the rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.train.conftest import train
from tests.train.in_process import prepare, settings
from tests.train.tiny_models import conversations, tiny_tokenizer, write_tiny_model
from transformers import AutoModelForCausalLM

from tuning.errors import UserError
from workshop.prompt import chat_messages

POISON = "🙂"


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers one byte, which is in no Korean text, with numbers that are none."""
    folder = write_tiny_model("llama", tmp_path_factory.mktemp("poisoned") / "model")
    model = AutoModelForCausalLM.from_pretrained(folder)
    byte = tiny_tokenizer("llama")(POISON, add_special_tokens=False)["input_ids"][0]
    model.get_input_embeddings().weight.data[byte] = float("inf")
    model.save_pretrained(folder)
    return folder


def test_a_loss_that_is_not_a_number_ends_all_processes_and_keeps_its_batch(
    tmp_path: Path, poisoned: Path
) -> None:
    """The row is the third process's... of two: it is in the second batch of the second process."""
    rows = [chat_messages(f"기사 {number}", f"요약 {number}") for number in range(8)]
    rows[6] = chat_messages(f"기사 {POISON}", "요약")
    data = tmp_path / "train.jsonl"
    data.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    run = train(
        tmp_path / "out",
        data,
        *("--model_name_or_path", str(poisoned), "--per_device_train_batch_size", "2"),
        *("--train_sampling_strategy", "sequential", "--pad_to_multiple_of", "1"),
        num_processes=2,
        expect=1,
    )
    assert run.output.count("found     ") == 1
    assert "a loss that is not a finite number in step 2" in run.output
    assert len(run.losses) == 1
    kept = tmp_path / "out" / "not-finite-loss-step-2-process-1.jsonl"
    assert str(kept) in run.output
    assert [path.name for path in (tmp_path / "out").glob("not-finite*")] == [kept.name]
    first, second = (json.loads(line) for line in kept.read_text().splitlines())
    assert POISON in first["text"]
    assert second["text"].count("기사 7") == 1
    assert second["trained"] == " 요약 7<|end_of_text|>"
    assert len(first["input_ids"]) == len(first["labels"])
    assert not run.model_dir.exists()


@pytest.mark.parametrize("packing", ["true", "false"])
def test_a_gradient_that_is_not_a_number_changes_no_weight_and_keeps_the_steps_rows(
    tmp_path: Path, packing: str
) -> None:
    script, training, model = settings(
        tmp_path,
        *("--per_device_train_batch_size", "1", "--gradient_accumulation_steps", "2", "--packing", packing),
        *("--max_seq_tokens", "512", "--warmup_steps", "0", "--train_sampling_strategy", "sequential"),
    )
    trainer = prepare(script, training, model, conversations(4, seed=3))
    weights = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    before = [weight.detach().clone() for weight in weights]
    weights[0].register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(UserError, match="a gradient that is not a finite number in step 1"):
        trainer.train()
    assert all(torch.equal(weight, old) for weight, old in zip(weights, before, strict=True))
    kept = (tmp_path / "not-finite-gradient-step-1-process-0.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in kept]
    assert len(set(texts)) == len(texts) >= 2
    assert all(text.startswith("<|begin_of_text|>") and text.endswith("<|end_of_text|>") for text in texts)
