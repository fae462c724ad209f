"""What the monitors know has not been copied from the texts that test them."""

from __future__ import annotations

import re

import yaml

from sample.monitoring import texts
from workshop.settings import find_repo_dir

KNOWN_PATH = find_repo_dir() / "src" / "workshop" / "monitoring" / "known.yaml"
NUM_CHARACTERS, MIN_RUNS, MAX_SHARED = 5, 5, 0.7
"""Runs of five characters; of the shorter text's, an idiom of everyday Korean alone may be two thirds."""


def runs_of(text: str) -> set[str]:
    text = re.sub(r"\s+", "", texts.composed(text))
    return {text[start : start + NUM_CHARACTERS] for start in range(len(text) - NUM_CHARACTERS + 1)}


def test_no_known_phrase_is_nearly_a_text_that_tests_it() -> None:
    known = {
        phrase for of_kind in yaml.safe_load(KNOWN_PATH.read_text("utf-8")).values() for phrase in of_kind
    }
    tests = [row["text"] for part in ("heldout", texts.ADVERSARIAL) for row in texts.rows(part)]
    assert len(known) > 200
    assert not known & set(tests)
    ours, theirs = ([(text, runs_of(text)) for text in group] for group in (sorted(known), tests))
    near = [
        (phrase, text)
        for phrase, runs in ours
        for text, others in theirs
        if min(len(runs), len(others)) >= MIN_RUNS
        and len(runs & others) / min(len(runs), len(others)) > MAX_SHARED
    ]
    assert near == []
