"""Summaries of a model in a folder, many at once, on the GPU where there is one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.evaluation.batch_size import sequences_at_once
from workshop.prompt import Message, chat_template


def summarise(
    model_dir: Path, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int
) -> list[str]:
    """Return the greedy answer to each conversation.

    A GPU computes in bfloat16 (8B has room on one A10G, with as many articles at once as its memory holds),
    a CPU in float32: many have no bfloat16 instructions.

    Args:
        model_dir: What training has left: weights at its root, with the tokenizer and its chat template.
        conversations: Messages up to the request.
        max_new_tokens: Of an answer at most.

    Raises:
        WorkshopError: The folder holds no model.
    """
    _check(model_dir)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(model_dir, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=dtype, device_map="auto").eval()
    except Exception as error:  # of many kinds: transformers, safetensors, JSON
        raise _not_a_model(f"{model_dir}, which cannot be loaded ({_first_line(error)})") from error
    prompts = tokenizer.apply_chat_template(
        conversations,
        chat_template=tokenizer.chat_template or chat_template(),  # a base that was not tuned has none
        add_generation_prompt=True,
        tokenize=False,
    )
    longest = max(map(len, tokenizer(prompts, add_special_tokens=False)["input_ids"]))
    torch.cuda.empty_cache()  # what loading left is free, and counted as free
    gpus = {parameter.device for parameter in model.parameters() if parameter.is_cuda}
    batch_size = sequences_at_once(
        model.config.to_dict(),
        [torch.cuda.mem_get_info(gpu)[0] for gpu in gpus],
        num_tokens=longest + max_new_tokens,
        value_bytes=dtype.itemsize,
    )
    answers: list[str] = []
    started_s = time.perf_counter()
    for first in range(0, len(prompts), batch_size):
        texts = prompts[first : first + batch_size]
        batch = tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")
        with torch.inference_mode():
            ids = model.generate(
                **batch.to(model.device),
                do_sample=False,
                max_new_tokens=max_new_tokens,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        answers += tokenizer.batch_decode(ids[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        seconds = time.perf_counter() - started_s
        print(f"summarised {len(answers):,} of {len(prompts):,} articles in {seconds:.1f} s", flush=True)
    return [answer.strip() for answer in answers]


def _check(model_dir: Path) -> None:
    names = sorted(path.name for path in model_dir.glob("*"))
    has_weights = any(name.endswith(".safetensors") for name in names)
    if not (has_weights and "config.json" in names):
        raise _not_a_model(f"{', '.join(names[:5]) or 'nothing'} in {model_dir}")


def _not_a_model(found: str) -> WorkshopError:
    return WorkshopError(
        found=found,
        expected="a model as the training step leaves it: config.json, *.safetensors and the tokenizer",
        next_step="give the input `model` the training job's ModelArtifacts.S3ModelArtifacts, not compressed "
        '(OutputDataConfig(compression_type="NONE"))',
    )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"[:200]
