"""A stop sequence ends the answer before it, wherever in the tokens it is."""

from __future__ import annotations

import random

import pytest

from serve.engine import Token
from serve.stop_sequences import StopSequences


def shown(texts: list[str], *stop: str) -> tuple[list[str], str | None, str | None]:
    """Return what is shown of each token, how the generation ends, and which stop text was found."""
    sequences, parts, reason = StopSequences(stop), [], None
    for place, text in enumerate(texts):
        last = place == len(texts) - 1
        token = sequences.add(Token(place, text, -0.5, False, "length" if last else None))
        parts.append(token.text)
        if (reason := token.finish_reason) is not None:
            break
    return parts, reason, sequences.found


@pytest.mark.parametrize(
    ("texts", "stop", "parts", "found"),
    [
        (["가", "나다라", "마"], ["다"], ["가", "나"], "다"),
        (["가나", "다라"], ["나다"], ["가", ""], "나다"),
        (["가나", "나다"], ["나다"], ["가", "나"], "나다"),
        (["가", "나", "다"], ["나다라"], ["", "", "가나다"], None),
        (["abc", "abd", "e"], ["abd"], ["a", "bc"], "abd"),
        (["가나다"], ["다", "나"], ["가"], "나"),
        (["가", "나"], ["라"], ["가", "나"], None),
    ],
)
def test_text_is_held_back_while_it_may_be_a_stop_text(
    texts: list[str], stop: list[str], parts: list[str], found: str | None
) -> None:
    assert shown(texts, *stop) == (parts, "stop_sequence" if found else "length", found)


def test_any_cutting_into_tokens_ends_at_the_first_stop_text() -> None:
    draw = random.Random(3)
    for _ in range(2000):
        text = "".join(draw.choices("ab", k=draw.randint(1, 12)))
        stop = ["".join(draw.choices("ab", k=draw.randint(1, 4))) for _ in range(draw.randint(1, 3))]
        texts, rest = [], text
        while rest:
            size = draw.randint(1, 4)
            texts.append(rest[:size])
            rest = rest[size:]
        parts, reason, found = shown(texts, *stop)
        # What a reader sees does not hang together with tokens: the first place at which a prefix of the
        # text, as long as the tokens so far, holds a stop text.
        ends = [sum(map(len, texts[: number + 1])) for number in range(len(texts))]
        seen = next((text[:end] for end in ends if any(item in text[:end] for item in stop)), None)
        if seen is None:
            assert ("".join(parts), reason, found) == (text, "length", None)
        else:
            first = min(seen.find(item) for item in stop if item in seen)
            assert ("".join(parts), reason) == (text[:first], "stop_sequence")


def test_the_end_token_shows_what_was_held_back_and_not_itself() -> None:
    sequences = StopSequences(["나다"])
    assert sequences.add(Token(1, "가나", -0.5, False)).text == "가"
    last = sequences.add(Token(0, "<|end|>", -0.5, True, "eos_token"))
    assert (last.text, last.special, last.finish_reason) == ("나", False, "eos_token")


def parts_of(sequences: StopSequences, texts: list[str]) -> list[str]:
    parts = []
    for place, text in enumerate(texts):
        last = place == len(texts) - 1
        token = sequences.add(Token(place, text, -0.5, False, "length" if last else None))
        parts.append(token.text)
        if token.finish_reason is not None:
            break
    return parts


def test_a_stop_text_that_is_kept_ends_the_answer_behind_it() -> None:
    sequences = StopSequences(["나다"], keep=True)
    assert parts_of(sequences, ["가나", "다라", "마"]) == ["가", "나다"]
    assert sequences.found == "나다"


@pytest.mark.parametrize(
    ("texts", "parts"),
    [
        (["가나", "다", "가나", "라"], ["가", "나", "다"]),  # the first is within the two tokens
        (["가", "가", "나", "라"], ["", "가", ""]),  # begins in them, ends behind them
        (["나", "나", "나"], ["", "나", "나나"]),
    ],
)
def test_a_stop_text_counts_only_when_it_ends_behind_the_least_number_of_tokens(
    texts: list[str], parts: list[str]
) -> None:
    assert parts_of(StopSequences(["가나"], min_tokens=2), texts) == parts


def test_a_short_stop_text_that_is_still_held_back_does_not_count_later() -> None:
    sequences = StopSequences(["나", "나나나나"], min_tokens=1)
    assert parts_of(sequences, ["나", "가", "다", "라"]) == ["", "", "", "나가다라"]
