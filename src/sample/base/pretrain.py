"""Pre-train the small Llama on generated text, on one CPU core."""

from __future__ import annotations

import contextlib
import itertools
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sample.base import corpus
from sample.base.tokenizer import train_tokenizer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

CONTEXT_TOKENS = 2048
NUM_TOKENIZER_DOCUMENTS, NUM_TOKENIZER_DRILLS = 20_000, 4_000
TOKENIZER_SEED, TRAINING_SEED, VALIDATION_SEED, WEIGHTS_SEED = 1, 2, 3, 4


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How long and how fast to train.

    Muon for the matrices and AdamW for embeddings and norms learnt to copy sooner than AdamW alone;
    starting with drills made the difference between learning it and not (7 million tokens without drills
    taught no copying, 1,500 steps of drills did).
    """

    num_steps: int = 12_000
    num_drill_steps: int = 1_500  # of them, first
    batch_size: int = 8  # documents a step; 32 learned copying later than 8 in trials
    muon_learning_rate: float = 0.006
    adam_learning_rate: float = 0.003
    hidden_article_share: float = 0.75  # of documents: only what follows from the article is trained on
    num_warmup_steps: int = 100
    decay_share: float = 0.6  # of all steps: constant before, linear to nearly zero then
    num_rounded_steps: int = 3_000  # of them, last: matrices rounded to what 4 bits can hold
    log_every_steps: int = 250


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return a randomly initialised Llama of 0.69 million parameters.

    Every dimension is a multiple of 64: bitsandbytes' 4-bit blocks need it.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(WEIGHTS_SEED)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=CONTEXT_TOKENS,
            # Short wave lengths for short articles; not 10,000, which older readers silently assume.
            rope_parameters={"rope_type": "default", "rope_theta": 100.0},
            # The usual 0.02 suits widths of thousands; at 128 it starts with next to no attention.
            initializer_range=0.08,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def batches(
    tokenizer: PreTrainedTokenizerFast, seed: int, settings: Pretraining, *, num_drill_steps: int = 0
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (input_ids, labels), both (batch_size, num_tokens); padding is -100 in the labels.

    Documents are grouped by length, 32 batches at a time, so that little is padded. In most of them the
    article's own tokens are -100 too: its names and numbers cannot be foreseen, and their noise hid what
    questions and retellings teach.
    """
    import random

    import torch

    rng, batch_size = random.Random(f"batches {seed}"), settings.batch_size
    documents = corpus.documents(seed, num_drills_first=num_drill_steps * batch_size)
    while True:
        rows = []
        for document in itertools.islice(documents, batch_size * 32):
            ids = [*tokenizer(document.text)["input_ids"], tokenizer.eos_token_id]
            is_hidden = document.article and rng.random() < settings.hidden_article_share
            rows.append((ids, len(tokenizer(document.article)["input_ids"]) if is_hidden else 0))
        rows.sort(key=lambda row: len(row[0]))
        starts = list(range(0, len(rows), batch_size))
        rng.shuffle(starts)
        for start in starts:
            batch = rows[start : start + batch_size]
            width = (
                math.ceil(max(len(row) for row, _ in batch) / 32) * 32
            )  # oneDNN keeps a kernel for each width
            ids = torch.full((batch_size, width), tokenizer.pad_token_id)
            labels = torch.full((batch_size, width), -100)
            for index, (row, num_hidden) in enumerate(batch):
                ids[index, : len(row)] = labels[index, : len(row)] = torch.tensor(row)
                labels[index, :num_hidden] = -100
            yield ids, labels


def new_optimizers(model: LlamaForCausalLM, settings: Pretraining) -> tuple[list, list]:
    """Return (optimizers, schedules): Muon for matrices, AdamW for embeddings and norms."""
    import torch

    matrices = [
        weight for name, weight in model.named_parameters() if weight.ndim == 2 and "embed" not in name
    ]
    others = [weight for name, weight in model.named_parameters() if weight.ndim == 1 or "embed" in name]
    optimizers = [
        torch.optim.AdamW(others, lr=settings.adam_learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
        torch.optim.Muon(matrices, lr=settings.muon_learning_rate, weight_decay=0.01, momentum=0.95),
    ]

    def factor(step: int) -> float:
        remaining = (settings.num_steps - step) / (settings.num_steps * settings.decay_share)
        return min((step + 1) / settings.num_warmup_steps, max(0.01, min(1.0, remaining)))

    return optimizers, [torch.optim.lr_scheduler.LambdaLR(optimizer, factor) for optimizer in optimizers]


def has_bfloat16_instructions() -> bool:
    """Return whether this processor has them: two thirds of float32's time then, else forty times it."""
    import torch

    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def muon_in_float32() -> AbstractContextManager:
    """Let torch's Muon, which orthogonalises its updates in bfloat16, stay in float32."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Float32(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is torch.Tensor.bfloat16:
                return args[0].clone()  # Muon goes on in place
            return func(*args, **(kwargs or {}))

    return Float32()


def pretrain(settings: Pretraining, *, output_dir: Path) -> float:
    """Train tokenizer and model, save both in bfloat16, and return the validation loss (nats per token).

    Reproducible: one thread, fixed seeds; the same machine gives the same loss. Where the processor has no
    bfloat16 instructions everything is computed in float32.
    """
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    read_first = itertools.islice(
        corpus.documents(TOKENIZER_SEED, num_drills_first=NUM_TOKENIZER_DRILLS), NUM_TOKENIZER_DOCUMENTS
    )
    tokenizer = train_tokenizer((one.text for one in read_first), model_max_length=CONTEXT_TOKENS)
    model = new_model(tokenizer)
    optimizers, schedules = new_optimizers(model, settings)
    started = time.monotonic()
    num_tokens, losses = 0, []
    source = itertools.islice(
        batches(tokenizer, TRAINING_SEED, settings, num_drill_steps=settings.num_drill_steps),
        settings.num_steps,
    )
    in_bfloat16 = has_bfloat16_instructions()
    for step, (ids, labels) in enumerate(source, 1):
        exact = round_to_4_bits(model) if step > settings.num_steps - settings.num_rounded_steps else {}
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16):
            loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        for weight, value in exact.items():
            weight.data = value
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        with contextlib.nullcontext() if in_bfloat16 else muon_in_float32():
            for stepper in (*optimizers, *schedules):
                stepper.step()
        model.zero_grad()
        num_tokens += ids.numel()
        losses.append(loss.item())
        if step % settings.log_every_steps == 0 or step == settings.num_steps:
            elapsed_s = time.monotonic() - started
            mean = sum(losses) / len(losses)
            losses.clear()
            print(
                f"step {step}/{settings.num_steps}  loss {mean:.4f}"
                f"  {num_tokens / elapsed_s:,.0f} tokens/s  {elapsed_s:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    round_to_4_bits(model)
    model.to(torch.bfloat16)
    save(model, tokenizer, output_dir)
    return validation_loss(model.float(), tokenizer, settings)  # the saved values, quick on every processor


def round_to_4_bits(model: LlamaForCausalLM) -> dict[torch.nn.Parameter, torch.Tensor]:
    """Round every matrix to the values that QLoRA's 4-bit copy will have, and return the exact values.

    An 8B model loses little by NF4; in this one the matrices move by 9 %, and an adapter trained on the 4-bit
    copy would not fit the exact weights it is merged into. So the last steps of pre-training look for weights
    that are good after rounding (gradients are taken there and applied to the exact values), and the model is
    shipped rounded: its 4-bit copy then differs by 0.1 %.
    """
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    exact = {}
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and "embed" not in name:
            exact[weight] = weight.data
            codes, scales = quantize_4bit(weight.data, quant_type="nf4", compress_statistics=True)
            weight.data = dequantize_4bit(codes, scales)
    return exact


def validation_loss(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    settings: Pretraining,
    *,
    num_batches: int = 32,
) -> float:
    """Return the mean loss in nats per trained token on documents that were not trained on."""
    import torch

    model.eval()
    with torch.no_grad():
        losses = [
            model(input_ids=ids, labels=labels).loss.float().item()
            for ids, labels in itertools.islice(batches(tokenizer, VALIDATION_SEED, settings), num_batches)
        ]
    return sum(losses) / len(losses)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, output_dir: Path) -> None:
    """Write the model folder: weights, configuration, tokenizer; no chat template, it is a base model."""
    output_dir.mkdir(parents=True, exist_ok=True)
    model.generation_config.do_sample = False
    model.save_pretrained(output_dir)
    tokenizer.save_pretrained(output_dir)
