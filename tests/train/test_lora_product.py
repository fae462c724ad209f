"""One product for W + s·B·A computes what peft computes, and is not used where it would not."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tests.train.conftest import BASE
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from tuning.lora_product import use_one_product

NUM_LAYERS = 2 * 7


def lora_model(*, in_4_bits: bool = False, dtype: torch.dtype = torch.float32, **lora) -> PeftModel:
    """Return the small model with an adapter that changes something."""
    torch.manual_seed(0)
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_quant_storage=torch.float32,
    )
    options = {"quantization_config": nf4} if in_4_bits else {}
    base = AutoModelForCausalLM.from_pretrained(BASE, dtype=dtype, **options)
    config = LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", init_lora_weights=False, **lora)
    return get_peft_model(base, config).train()


def loss_and_gradients(model: PeftModel) -> tuple[float, list[torch.Tensor]]:
    model.zero_grad()
    ids = torch.arange(3, 43).view(2, 20)
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    return loss.item(), [weight.grad.clone() for weight in model.parameters() if weight.requires_grad]


@pytest.mark.parametrize("in_4_bits", [False, True])
def test_loss_and_gradients_equal_pefts(in_4_bits: bool) -> None:
    model = lora_model(in_4_bits=in_4_bits)
    loss, gradients = loss_and_gradients(model)
    assert use_one_product(model) == NUM_LAYERS
    quick_loss, quick_gradients = loss_and_gradients(model)
    assert quick_loss == pytest.approx(loss, rel=1e-5)
    assert len(gradients) == len(quick_gradients) == 2 * NUM_LAYERS
    for expected, gradient in zip(gradients, quick_gradients, strict=True):
        assert expected.abs().max() > 0
        # Sums in another order: compared with the size of the whole tensor, not of each number.
        assert (gradient - expected).norm() <= 1e-4 * expected.norm()


def test_a_model_with_its_adapter_switched_off_is_the_base() -> None:
    model = lora_model()
    ids = torch.arange(3, 23).view(1, 20)
    with torch.no_grad(), model.disable_adapter():
        expected = model(input_ids=ids).logits
    use_one_product(model)
    with torch.no_grad(), model.disable_adapter():
        assert torch.equal(model(input_ids=ids).logits, expected)


@pytest.mark.parametrize(
    "settings",
    [{"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}, {"dtype": torch.bfloat16}],
    ids=str,
)
def test_what_one_product_would_change_stays_pefts(settings: dict) -> None:
    assert use_one_product(lora_model(**settings)) == 0
