"""Questions on generated articles: answered by theirs alone, in exact shares, the same everywhere."""

import random
from collections import Counter
from hashlib import sha256
from json import dumps

import pytest

from sample.news import names, questions
from sample.news.generator import rows_with_values
from sample.news.other_words import FIELDS_IN_OTHER_WORDS, IN_OTHER_WORDS, in_other_words
from sample.news.topics import TOPICS

ARTICLES = list(rows_with_values(90, 42, held_out_names=True))
ROWS = questions.ask(ARTICLES, 4 * questions.SHARES, seed=1)


def test_kinds_and_wordings_have_exactly_the_shares_that_are_stated() -> None:
    each = Counter((row["asks_for"], row["wording"]) for row in ROWS)
    assert each == {
        (kind, wording): 4 * times
        for kind in questions.KINDS
        for wording, times in Counter(questions.WORDINGS).items()
    }


def test_each_answer_stands_in_its_article_and_in_no_question() -> None:
    for row in ROWS:
        assert row["answers"][0] in ARTICLES[row["row"]][0]["document"], row
        assert not any(answer in row["question"] for answer in row["answers"]), row
        assert not any(answer in row["model_question"] for answer in row["answers"]), row


def test_a_question_names_what_one_article_alone_is_about() -> None:
    for row in ROWS:
        values = ARTICLES[row["row"]][1]
        others = [other for place, (_, other) in enumerate(ARTICLES) if place != row["row"]]
        if row["wording"] == "paraphrase":
            other_words = in_other_words(values["object"])
            assert other_words in row["question"]
            assert not any(in_other_words(other["object"]) == other_words for other in others)
        else:
            assert (values["org"] in row["question"]) == (row["wording"] != "typing error"), row
            assert not any(other["org"] in row["question"] for other in others), row


def test_names_are_held_out() -> None:
    for row in ROWS:
        values = ARTICLES[row["row"]][1]
        assert names.is_held_out(names.COINED, *values["org"][:2])
        assert names.is_held_out(names.COINED, *values["place"][:2])
        assert names.is_held_out(names.GIVEN, *values["person"][1:3])


def test_every_object_is_said_in_other_words_that_have_no_two_syllables_of_it() -> None:
    objects = {thing for topic in TOPICS for thing in topic.objects}
    assert set(IN_OTHER_WORDS) == objects
    assert len(set(IN_OTHER_WORDS.values())) == len(objects)
    for thing, other_words in IN_OTHER_WORDS.items():
        pairs = {word[i : i + 2] for word in thing.split() for i in range(len(word) - 1)}
        assert pairs, thing
        assert not any(pair in other_words for pair in pairs), (thing, other_words)


def test_every_topic_is_named_in_other_words_that_have_no_two_syllables_of_its_vocabulary() -> None:
    assert set(FIELDS_IN_OTHER_WORDS) == {topic.field for topic in TOPICS}
    for topic in TOPICS:
        vocabulary = " ".join((topic.field, *topic.organisations, *topic.objects, *topic.amounts))
        words = FIELDS_IN_OTHER_WORDS[topic.field].split()
        pairs = {word[i : i + 2] for word in words for i in range(len(word) - 1)}
        assert pairs
        assert not any(pair in vocabulary for pair in pairs), topic.name


def test_a_brand_and_a_modifier_change_nothing_of_the_other_words() -> None:
    for thing, other_words in IN_OTHER_WORDS.items():
        assert in_other_words(f"‘솔숨’ 첫 {thing}") == other_words
    with pytest.raises(KeyError):
        in_other_words("배")


def test_a_typing_error_changes_one_syllable_and_is_no_other_name() -> None:
    rng = random.Random(0)
    for _, values in ARTICLES:
        wrong = questions.mistyped(rng, values["org"], {values["org"]})
        assert len(wrong) == len(values["org"])
        assert sum(a != b for a, b in zip(wrong, values["org"], strict=True)) == 1
    possible = {questions.mistyped(rng, "빛솔", set()) for _ in range(200)}
    assert questions.mistyped(rng, "빛솔", possible - {min(possible)}) == min(possible)
    with pytest.raises(ValueError, match="two syllables of Hangul"):
        questions.mistyped(rng, "AI연구소", set())


def test_the_same_seed_asks_the_same_on_every_python_and_another_seed_asks_something_else() -> None:
    assert questions.ask(ARTICLES, 100, seed=1) == ROWS
    others = {row["question"] for row in questions.ask(ARTICLES, 100, seed=2)}
    assert len(others - {row["question"] for row in ROWS}) > 60
    # Written by Python 3.11; the random numbers of a seed are promised to stay, so this holds on each.
    digest = sha256(dumps(ROWS, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
    assert digest[:12] == "571397aee873"


def test_no_question_is_asked_twice() -> None:
    many = questions.ask(ARTICLES, 300, seed=3)
    assert len({row["question"] for row in many}) == 300


def test_more_questions_than_the_articles_have_are_refused() -> None:
    with pytest.raises(ValueError, match="ask for fewer questions"):
        questions.ask(ARTICLES[:3], 500, seed=1)
