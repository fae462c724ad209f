"""Copying is measured as the papers define it."""

import random

import pytest

from workshop.evaluation.copying import Copying, copying, fragment_lengths

ARTICLE = "한국은행은 20일 기준금리를 3.50%로 올렸다. 물가가 아직 높다고 보았다. 시장은 놀랐다."


def by_substrings(source: list[str], words: list[str]) -> list[int]:
    """Greedy fragments again: each word a character, each stretch looked for by Python's `in`."""
    letters = {word: chr(0x4E00 + number) for number, word in enumerate(dict.fromkeys([*source, *words]))}
    text, said = ("".join(letters[word] for word in tokens) for tokens in (source, words))
    lengths = []
    while said:
        length = max(length for length in range(len(said) + 1) if said[:length] in text)
        lengths += [length] if length else []
        said = said[max(length, 1) :]
    return lengths


def test_fragments_are_the_longest_stretches_from_the_left():
    draw = random.Random(5)
    num_long = 0
    for _ in range(500):
        source = draw.choices("가나다라", k=draw.randint(0, 60))
        words = draw.choices("가나다라마", k=draw.randint(0, 25))
        lengths = fragment_lengths(source, words)
        assert lengths == by_substrings(source, words)
        num_long += any(length > 3 for length in lengths)
    assert num_long > 50


def test_every_measure_equals_the_one_of_its_definition():
    draw = random.Random(6)
    for _ in range(300):
        source, words = (
            draw.choices("가나다라", k=draw.randint(0, 30)),
            draw.choices("가나다라마", k=draw.randint(0, 12)),
        )
        found = copying(" ".join(source), " ".join(words))
        lengths = by_substrings(source, words)
        known = {num: [source[i : i + num] for i in range(len(source) - num + 1)] for num in (2, 3)}
        said = {num: [words[i : i + num] for i in range(len(words) - num + 1)] for num in (2, 3)}
        novel = {num: [ngram for ngram in said[num] if ngram not in known[num]] for num in (2, 3)}
        expected = Copying(
            coverage=sum(lengths) / len(words) if words else 0,
            density=sum(length * length for length in lengths) / len(words) if words else 0,
            novel_bigrams=len(novel[2]) / len(said[2]) if said[2] else 0,
            novel_trigrams=len(novel[3]) / len(said[3]) if said[3] else 0,
        )
        assert tuple(found) == pytest.approx(tuple(expected), abs=1e-9)


def test_a_copied_sentence_is_as_dense_as_it_is_long():
    assert copying(ARTICLE, "물가가 아직 높다고 보았다.") == (1, 4, 0, 0)


def test_words_taken_over_one_by_one_are_covered_and_not_dense():
    assert copying(ARTICLE, "놀랐다 20일 보았다") == (1, 1, 1, 1)


def test_new_words_are_neither_covered_nor_dense():
    assert copying(ARTICLE, "중앙은행이 돈줄을 죄었다") == (0, 0, 1, 1)


def test_another_particle_makes_a_new_word():
    assert copying("은행은 웃었다", "은행이 웃었다").coverage == 0.5
