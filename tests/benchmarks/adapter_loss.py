"""The loss of a saved adapter by plain transformers and peft: nothing of train.py's, nothing of TRL's."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import PeftModel
from tests.train.conftest import BASE, TRAIN
from transformers import AutoModelForCausalLM, AutoTokenizer


def adapter_loss(adapter_dir: Path, conversations: list[list[dict[str, str]]]) -> float:
    """Return the mean loss in nats per token of the answers, one row at a time, on the float32 base.

    Args:
        adapter_dir: what peft saved.
        conversations: the last message of each is the answer.
    """
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    tokenizer.chat_template = (TRAIN.parent / "chat_template.jinja").read_text(encoding="utf-8")
    base = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, adapter_dir).eval()
    total, num_tokens = 0.0, 0
    for messages in conversations:
        whole = tokenizer.apply_chat_template(messages, tokenize=False)
        prompt = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
        ids = tokenizer(whole, add_special_tokens=False, return_tensors="pt")["input_ids"]
        num_prompt = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        with torch.inference_mode():
            log_probs = model(input_ids=ids).logits[0, :-1].double().log_softmax(-1)
        taken = log_probs.gather(1, ids[0, 1:, None])[num_prompt - 1 :]
        total -= float(taken.sum())
        num_tokens += taken.numel()
    return total / num_tokens
