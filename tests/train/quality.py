"""Tune the small model as notebook 02 does and score it on news it has never seen."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import torch
from tests.train.conftest import BASE, Run, train, write_rows
from transformers import AutoModelForCausalLM, AutoTokenizer

from sample.news.generator import HELD_OUT_TOPICS, TRAINING_TOPICS, rows_with_values
from workshop.evaluation.baselines import best_sentence, lead
from workshop.evaluation.facts import names_right
from workshop.evaluation.scores import score_systems
from workshop.prompt import chat_messages

NUM_TEST_ARTICLES = 240
NAMES = ("org", "place", "person")
TRAIN_ROWS, TEST_SEED = 4_000, 9_001


def summarise(model_dir: Path, tokenizer_dir: Path, articles: list[str]) -> list[str]:
    """Return a greedy summary of every article, in float32 on one thread."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    summaries: list[str] = []
    for first in range(0, len(articles), 48):
        conversations = [chat_messages(article) for article in articles[first : first + 48]]
        prompts = tokenizer.apply_chat_template(conversations, add_generation_prompt=True, tokenize=False)
        batch = tokenizer(prompts, add_special_tokens=False, padding=True, return_tensors="pt")
        with torch.inference_mode():
            ids = model.generate(**batch, do_sample=False, max_new_tokens=160)[
                :, batch["input_ids"].shape[1] :
            ]
        summaries += [_until_end(tokenizer, row) for row in ids]
    return summaries


def _until_end(tokenizer, ids: torch.Tensor) -> str:
    """Decode a summary; one that never reached the end token says so, so that it counts as wrong."""
    ended = tokenizer.eos_token_id in ids
    text = tokenizer.decode(ids, skip_special_tokens=True).strip()
    return text if ended else f"{text} [no end token]"


def tune(folder: Path, *, seed: int) -> Run:
    """Train with the sample recipe on generated news, two processes."""
    data = write_rows(folder / "train.jsonl", TRAIN_ROWS, seed=1_000 + seed)
    as_the_recipe_says = ("--per_device_train_batch_size", "4")
    return train(folder / "out", data, *as_the_recipe_says, "--seed", str(seed), num_processes=2)


def evaluate(model_dir: Path, topics: tuple[str, ...], *, num_articles: int) -> dict[str, dict[str, float]]:
    """Return system -> metric -> mean over unseen articles with names that no training text has.

    names is the share of names (organisation, place, speaker) written as in the article, names_right the
    share of summaries with all three; exact is the share of summaries equal to the reference; ends is the
    share that reached the end token within half as much text again as the reference has.
    """
    drawn = list(rows_with_values(num_articles, TEST_SEED, topics=topics, held_out_names=True))
    articles = [row["document"] for row, _ in drawn]
    references = [row["summary"] for row, _ in drawn]
    systems = {
        "tuned": summarise(model_dir, model_dir, articles),
        "untuned": summarise(BASE, model_dir, articles),
        "lead-3": [lead(article) for article in articles],
        "best sentence": list(map(best_sentence, articles, references)),
    }
    names = [[values[name] for name in NAMES] for _, values in drawn]
    scores = score_systems(articles, references, systems, names=names)
    means = {
        system: {metric: float(np.mean(values)) for metric, values in metrics.items()}
        for system, metrics in scores.items()
    }
    for system, summaries in systems.items():
        means[system]["names"] = float(
            np.mean(
                [
                    names_right(summary, [name])
                    for summary, ours in zip(summaries, names, strict=True)
                    for name in ours
                ]
            )
        )
        pairs = list(zip(summaries, references, strict=True))
        means[system]["exact"] = sum(summary == reference for summary, reference in pairs) / len(pairs)
        means[system]["ends"] = sum(itertools.starmap(_ends_in_time, pairs)) / len(pairs)
    return means


def _ends_in_time(summary: str, reference: str) -> bool:
    """Return whether a summary reached the end token, and not after much more text than the reference."""
    return "[no end token]" not in summary and len(summary) <= 1.5 * len(reference)


def show(title: str, means: dict[str, dict[str, float]]) -> None:
    """Print one line a system."""
    print(f"\n{title}")
    for system, metrics in means.items():
        shown = ("word_rouge_l", "syllable_rouge_l", "numbers_right", "names", "names_right")
        shown += ("exact", "ends")
        print(f"  {system:<14}" + "  ".join(f"{name} {metrics[name]:.3f}" for name in shown))


def measure(folder: Path, *, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Tune with one seed; return the scores over all topics and over the topic that was never trained on."""
    run = tune(folder, seed=seed)
    print(json.dumps(run.lines("result")[0]["phases"]))
    everything = evaluate(run.model_dir, (*TRAINING_TOPICS, *HELD_OUT_TOPICS), num_articles=NUM_TEST_ARTICLES)
    held_out = evaluate(run.model_dir, HELD_OUT_TOPICS, num_articles=60)
    show(f"seed {seed}: {NUM_TEST_ARTICLES} articles, all topics, unseen names", everything)
    show(f"seed {seed}: 60 articles, the topic never trained on", held_out)
    return {"all topics": everything, "held-out topic": held_out}
