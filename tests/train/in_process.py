"""A trainer in the test's own process: the parts that train.py puts together, without its launch."""

from __future__ import annotations

import time
from pathlib import Path

from tests.train.conftest import BASE, REPO

TEMPLATE = str(REPO / "src" / "train" / "chat_template.jinja")


def settings(output_dir: Path, *words: str, recipe: str = "sample.yaml"):
    """Return a recipe's settings, changed by a command line."""
    from tuning.arguments import parse

    path = str(REPO / "src" / "train" / "recipes" / recipe)
    command = ["--config", path, "--model_name_or_path", str(BASE), "--output_dir", str(output_dir)]
    return parse([*command, *words], path)


def prepare(script, training, model, rows):
    """Return a trainer of conversations, as `tuning.run.run` makes it."""
    from tuning.data import tokenize
    from tuning.model import context_tokens, load_config, load_model
    from tuning.packing import pack
    from tuning.stopping import ShutdownEstimate, StopInTime
    from tuning.tokenizer import load_tokenizer
    from tuning.trainer import Trainer

    config = load_config(model.model_name_or_path, packing=bool(training.packing))
    tokenizer = load_tokenizer(model.model_name_or_path, TEMPLATE)
    limit = script.max_seq_tokens or context_tokens(config)
    data = tokenize(tokenizer, rows, max_seq_tokens=limit, name="training")
    if training.packing:
        data = pack(data, max_tokens=limit)
    base = load_model(model, on_cpu=training.use_cpu)
    estimate = ShutdownEstimate(load_s=0, merged_bytes=0, merges=script.merge)
    stop = StopInTime(estimate, launched_at=time.time(), time_limit_s=script.time_limit_s)
    return Trainer(base, model, training, tokenizer, data, stop=stop, fingerprint={})
