"""Score several systems on the same articles: how good their summaries are, and how they are written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from workshop.evaluation.chrf import chrf
from workshop.evaluation.copying import Copying, copying
from workshop.evaluation.facts import NumberCheck, names_right
from workshop.evaluation.morphemes import MORPHEMES
from workshop.evaluation.rouge import SYLLABLES, WORDS, rouge_of_tokens
from workshop.evaluation.writing import hangul_share, is_empty, is_unfinished, length_ratio, repetition

Scores = dict[str, dict[str, NDArray[np.float64]]]
"""System -> metric -> one value per article."""

UNITS = ("word", "syllable")
"""What ROUGE counts unless it is told otherwise; "morpheme" loads an analyser first."""

COUNTS = frozenset({"density"})
"""Metrics that are no shares: tables do not turn them into percent."""

_TOKENIZERS: dict[str, Callable[[Sequence[str]], list[list[str]]]] = {
    "word": lambda texts: list(map(WORDS.tokenize, texts)),
    "syllable": lambda texts: list(map(SYLLABLES.tokenize, texts)),
    "morpheme": MORPHEMES.tokenize_all,
}
_WRITING = {"repetition": repetition, "unfinished": is_unfinished, "hangul": hangul_share, "empty": is_empty}
_LABELS = {"chrf": "chrF", "density": "density (words)"}


def score_systems(
    articles: Sequence[str],
    references: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    *,
    names: Sequence[Sequence[str]] | None = None,
    units: Sequence[str] = UNITS,
) -> Scores:
    """Score how good the summaries of every system are.

    Args:
        references: Their reference summaries, in the same order.
        systems: For each system's name its summaries, in the same order.
        names: For each article the names its summary must hold; without them names are not scored.
        units: What ROUGE counts: "word", "syllable", "morpheme".

    Returns:
        For each system the F-measures of ROUGE by unit, `chrf`, `numbers_right` and, with names,
        `names_right`; one value per article between 0 and 1, and 1 or 0 for the last two.

    Raises:
        ValueError: When the lists are of different length.
    """
    _check_lengths(articles, references, systems, **({} if names is None else {"names": names}))
    # One pass over what is different: systems share the references, and often summaries.
    texts = list(dict.fromkeys([*references, *(text for texts in systems.values() for text in texts)]))
    with ThreadPoolExecutor(max_workers=1) as pool:
        # The analyser of morphemes computes in threads of its own, beside what is read and counted here.
        cutting = {unit: pool.submit(_TOKENIZERS[unit], texts) for unit in units}
        checks = list(map(NumberCheck, articles, references))
        others = {
            system: {
                "chrf": _values(map(chrf, references, summaries)),
                "numbers_right": _values(map(NumberCheck.is_right, checks, summaries)),
            }
            for system, summaries in systems.items()
        }
        scores: Scores = {system: {} for system in systems}
        for unit, cut in cutting.items():
            tokens = dict(zip(texts, cut.result(), strict=True))
            for system, summaries in systems.items():
                scores[system] |= _rouge(unit, map(tokens.get, references), map(tokens.get, summaries))
    for system, summaries in systems.items():
        scores[system] |= others[system]
        if names is not None:
            scores[system]["names_right"] = _values(map(names_right, summaries, names))
    return scores


def describe_systems(
    articles: Sequence[str], references: Sequence[str], systems: Mapping[str, Sequence[str]]
) -> Scores:
    """Measure how the summaries of every system are written; no value of these is good or bad by itself.

    Give the references as a system too, to see what is usual.

    Returns:
        For each system `coverage`, `density`, `novel_bigrams`, `novel_trigrams` (copying.py), `length_ratio`,
        `repetition`, `unfinished`, `hangul` and `empty` (writing.py); one value per article.

    Raises:
        ValueError: When the lists are of different length.
    """
    _check_lengths(articles, references, systems)
    scores: Scores = {}
    for system, summaries in systems.items():
        copied = np.array(list(map(copying, articles, summaries)), np.float64).reshape(
            -1, len(Copying._fields)
        )
        scores[system] = dict(zip(Copying._fields, copied.T, strict=True))
        scores[system]["length_ratio"] = _values(map(length_ratio, references, summaries))
        scores[system] |= {name: _values(map(measure, summaries)) for name, measure in _WRITING.items()}
    return scores


def of_articles(scores: Scores, is_taken: Sequence[bool] | NDArray[np.bool_]) -> Scores:
    """Return the scores of some of the articles alone, for instance of those without a leaked twin."""
    chosen = np.asarray(is_taken, dtype=bool)
    return {
        system: {metric: values[chosen] for metric, values in metrics.items()}
        for system, metrics in scores.items()
    }


def metric_label(metric: str) -> str:
    """Return a metric's name as people write it: `word_rouge_l` is word ROUGE-L."""
    unit, _, kind = metric.partition("_rouge_")
    return f"{unit} ROUGE-{kind.upper()}" if kind else _LABELS.get(metric, metric.replace("_", " "))


def _rouge(
    unit: str, targets: Iterable[list[str]], predictions: Iterable[list[str]]
) -> dict[str, NDArray[np.float64]]:
    rows = list(map(rouge_of_tokens, targets, predictions))
    kinds = rouge_of_tokens([], [])
    return {f"{unit}_rouge_{kind}": _values(row[kind].fmeasure for row in rows) for kind in kinds}


def _values(values: Iterable[float]) -> NDArray[np.float64]:
    return np.array(list(values), np.float64)


def _check_lengths(
    articles: Sequence[str],
    references: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    **others: Sequence[object],
) -> None:
    lengths = {"articles": len(articles), "references": len(references)}
    lengths |= {what: len(values) for what, values in others.items()}
    lengths |= {f"summaries of {system}": len(summaries) for system, summaries in systems.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{count} {what}" for what, count in lengths.items())
        raise ValueError(f"found {found}; expected as many of each")
