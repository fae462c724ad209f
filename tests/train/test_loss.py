"""The loss that CPUs compute is TRL's, in value and gradient."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from tests.train.conftest import BASE
from transformers import AutoModelForCausalLM
from trl import SFTTrainer

from tuning.data import IGNORED
from tuning.trainer import Trainer


def reference_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
    """Plain cross-entropy over every position of the full logits, as a textbook writes it."""
    logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    losses = []
    for row in range(len(logits)):
        for position in range(logits.shape[1] - 1):
            target = inputs["labels"][row, position + 1]
            if target != IGNORED:
                losses.append(-logits[row, position].log_softmax(-1)[target])
    total = torch.stack(losses).sum()
    return total / (num_items_in_batch or len(losses)) * self.accelerator.num_processes


class BareTrainer(Trainer):
    """The trainer with what its loss needs, and nothing of a run."""

    def __init__(self, model: torch.nn.Module, *, use_cpu: bool, num_processes: int) -> None:
        self.model, self._metrics, self._total_train_tokens = model, {"train": {"mean_token_accuracy": []}}, 0
        self._batches_of_step = []
        self.processing_class = SimpleNamespace(pad_token_id=2)
        self.args = SimpleNamespace(use_cpu=use_cpu, average_tokens_across_devices=True)
        self.accelerator = SimpleNamespace(
            num_processes=num_processes, process_index=0, reduce=lambda counts, reduction: counts
        )


@pytest.mark.parametrize("num_processes", [1, 2])
def test_loss_and_gradient_equal_a_plain_computation(
    num_processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SFTTrainer, "compute_loss", reference_loss)  # what use_cpu: false takes
    torch.manual_seed(0)
    ids = torch.randint(3, 1000, (3, 24))
    labels = torch.full_like(ids, IGNORED)
    for row, (begin, end) in enumerate([(10, 24), (14, 20), (7, 9)]):
        labels[row, begin:end] = ids[row, begin:end]
    mask = torch.ones_like(ids)
    mask[1, 20:] = mask[2, 9:] = 0
    inputs = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    results = []
    for use_cpu in (True, False):
        model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
        model.train()
        trainer = BareTrainer(model, use_cpu=use_cpu, num_processes=num_processes)
        loss = trainer.compute_loss(model, inputs, num_items_in_batch=50)
        loss.backward()
        results.append((loss.item(), model.model.layers[0].self_attn.q_proj.weight.grad.clone()))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    assert torch.allclose(results[0][1], results[1][1], rtol=1e-3, atol=1e-6)


def test_metrics_count_every_token_and_the_right_ones() -> None:
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model.train()
    trainer = BareTrainer(model, use_cpu=True, num_processes=1)
    ids = torch.randint(3, 1000, (2, 8))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}
    inputs["labels"][:, :4] = IGNORED
    trainer.compute_loss(model, inputs)
    assert trainer._metrics["train"]["num_tokens"] == [16]
    assert 0 <= trainer._metrics["train"]["mean_token_accuracy"][0] <= 1


def test_a_batch_of_padding_rows_has_a_loss_and_a_gradient_of_zero() -> None:
    """The other processes gather and reduce in their backward pass: this one has to take part."""
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model.train()
    trainer = BareTrainer(model, use_cpu=True, num_processes=2)
    ids = torch.full((2, 2), 2)
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "labels": torch.full_like(ids, IGNORED),
    }
    loss = trainer.compute_loss(model, inputs, num_items_in_batch=50)
    loss.backward()
    assert loss.item() == 0
    assert all(not parameter.grad.any() for parameter in model.parameters())
    assert trainer._metrics["train"]["num_tokens"] == [0]
